"""Has the caller finished? Arithmetic on seconds of silence, on what was said and on what was asked.

The silence that ends a turn is short when the turn sounds finished, long when it does not, and
never longer than the ceiling. What sounds finished is decided by the answer the agent declared and, where that
says nothing, by the odds of `completion`: the sound of the voice, the words, and how the caller speaks.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from bridge.call.completion import is_whole_alone, odds, sounds_unfinished
from bridge.call.events import Opinion
from bridge.call.settings import EndpointSettings
from bridge.understanding.completeness import SPOKEN_WITH_PAUSES, Progress, Stage, digits_said, progress

_MOST_DIGITS_A_SECOND = 8.0
"""Nobody says digits faster; a recogniser that wrote more has made some of them up."""
_LONE_S = 1.0
"""Nobody takes longer for one word."""
_RAMP = 0.3
"""Log-odds in which one silence passes into the next: no decision hangs on an edge that another processor's rounding
could push it over."""


def same_words(one: str, other: str) -> bool:
    """Whether two texts differ in nothing but how they are written."""
    return re.findall(r"\w+", one.lower()) == re.findall(r"\w+", other.lower())


@dataclass(frozen=True, slots=True)
class Patience:
    """How much silence ends the turn, and why."""

    silence_ms: float
    because: str


class Endpointing:
    """One turn of the caller: what is known of it, and when it will be over."""

    def __init__(
        self, settings: EndpointSettings, answer: str, language: str = "en-US", earlier_pauses: int = 0
    ) -> None:
        self._settings = settings
        self._answer = answer
        self._language = language
        self.text: str | None = None
        """What the recogniser made of it; None while it has not answered."""
        self.partial = ""
        """What a live recogniser has heard so far."""
        self.probability: float | None = None
        """The end-of-turn model's opinion; None while it has not answered."""
        self.engine: Opinion | None = None
        """The recogniser's own opinion, where that counts: `OVER`, `OVER_EARLY`, or none."""
        self.failed = False
        """The recogniser failed: what was said may be anything."""
        self.earlier_pauses = earlier_pauses
        """How often the caller paused in this turn and went on, or was cut off in this call."""
        self.spoken_s = 0.0
        """How long the caller has spoken when the text was recognised; 0 while that is unknown."""

    def resumed(self) -> None:
        """The caller went on: earlier opinions are worthless, and that there was a pause is worth knowing."""
        self.earlier_pauses += 1
        self.text = self.probability = self.engine = None
        self.failed = False

    @property
    def words(self) -> str | None:
        """The best text there is; None while nothing is known."""
        return self.text if self.text is not None else self.partial or None

    @property
    def sounds_finished(self) -> bool:
        """Whether an answer may be begun, as far as known: what may be finished is worth a wasted answer, too."""
        if self.engine is not None:
            return True
        return self.text is not None and self.patience(listens=True).silence_ms <= self._settings.doubtful_ms

    def patience(self, *, listens: bool) -> Patience:
        """The silence that ends this turn, as far as known."""
        s = self._settings
        if not listens:
            paused = self._kind in SPOKEN_WITH_PAUSES
            return Patience(s.ceiling_ms if paused else s.unheard_ms, "no recogniser")
        ours = self._ours()
        if self.engine is Opinion.OVER and not (self._kind in SPOKEN_WITH_PAUSES and ours.silence_ms >= s.ceiling_ms):
            return Patience(s.guess_ms, "the recogniser says so")
        if s.decided_by == "engine":
            return Patience(s.ceiling_ms, "the recogniser does not say so")
        return ours

    @property
    def _kind(self) -> str:
        return self._answer.partition(":")[0]

    def _ours(self) -> Patience:
        """What silence, words, and the end-of-turn model say."""
        s = self._settings
        if self.text is not None:
            return self._of(self.text)
        if not self.partial:
            return Patience(s.ceiling_ms, "recogniser has not answered")
        so_far = self._of(self.partial)
        if so_far.silence_ms > s.short_ms:
            return so_far
        return Patience(max(s.unsettled_ms, s.short_ms), f"{so_far.because}, so far")

    def _of(self, text: str) -> Patience:
        s = self._settings
        if not text and self._kind in SPOKEN_WITH_PAUSES:
            return Patience(s.ceiling_ms, "nothing understood yet")  # letters and digits alone are hard to recognise
        if self.failed and not text:
            return Patience(s.long_ms, "the recogniser failed")
        match progress(text, self._answer, self._language):
            case Progress(Stage.WHOLE, because) if not self._too_fast(text):
                return Patience(s.short_ms, because)
            case Progress(Stage.WHOLE | Stage.PART | Stage.OPEN, because):
                return Patience(s.ceiling_ms, because)
        return self._open(text)

    def _too_fast(self, text: str) -> bool:
        """Whether more digits were recognised than anybody can have said in the time."""
        if self._kind not in ("digits", "phone") or self.spoken_s <= 0.0:
            return False
        return digits_said(text, self._language) > 1 + _MOST_DIGITS_A_SECOND * self.spoken_s

    def _open(self, text: str) -> Patience:
        s = self._settings
        if is_whole_alone(text) and not self.earlier_pauses:
            return Patience(s.short_ms, "a word that is an answer")
        if text and sounds_unfinished(text):
            return Patience(s.long_ms, "last word asks for more")
        if self.probability is None:
            return Patience(s.short_ms, "sounds finished" if text else "no words")
        weighed = self._weighed(odds(self.probability, text, self.earlier_pauses))
        if weighed.silence_ms > s.lone_ms and self._is_lone_sound(text):
            return Patience(s.lone_ms, "one short sound")
        return weighed

    def _is_lone_sound(self, text: str) -> bool:
        """Whether all that was said is one short sound: a word, or none that was recognised."""
        return len(text.split()) <= 1 and not self.earlier_pauses and 0.0 < self.spoken_s < _LONE_S

    def _weighed(self, found: float) -> Patience:
        """The silence for these log-odds of a finished turn."""
        s = self._settings
        finished, doubtful = _log_odds(s.finished_probability), _log_odds(s.doubtful_probability)
        if found >= finished:
            return Patience(s.short_ms, "sounds finished")
        if found <= doubtful:
            return Patience(s.long_ms, "sounds unfinished")
        towards_short = max(0.0, 1.0 - (finished - found) / _RAMP)
        towards_long = max(0.0, 1.0 - (found - doubtful) / _RAMP)
        silence_ms = s.doubtful_ms + towards_short * (s.short_ms - s.doubtful_ms)
        return Patience(silence_ms + towards_long * (s.long_ms - s.doubtful_ms), "may be finished")


def _log_odds(probability: float) -> float:
    kept = min(max(probability, 1e-6), 1.0 - 1e-6)
    return math.log(kept / (1.0 - kept))
