"""Has the caller finished? Arithmetic on seconds of silence, on what was said and on what was asked.

The silence that ends a turn is short when the turn sounds finished, long when it does not, and
never longer than the ceiling. What sounds finished is decided by the end-of-turn model, by the last
recognised word, and by the answer the agent declared.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from bridge.call.settings import EndpointSettings

_UNFINISHED_WORDS = frozenset(
    """a about also an and any as at because but by can could does for from her his how i i'd i'll i'm i've if into is
    its it's like maybe my of on or our please's so than that's the their then there's to uh um was we were what when
    where which while who will would your""".split()
)
_YES_NO = re.compile(
    r"\b(yes|yeah|yep|yup|sure|correct|right|okay|ok|no|nope|nah|not|exactly|absolutely|of course|definitely)\b", re.I
)
_SPOKEN_WITH_PAUSES = ("digits", "spelling", "email")
_MOST_DIGITS_A_SECOND = 8.0
"""Nobody says digits faster; a recogniser that wrote more has made some of them up."""
_NUMBER_WORDS = frozenset("zero oh one two three four five six seven eight nine".split())
_EMAIL_END = re.compile(r"(\bdot|\.)\s*(com|org|net|edu|gov|io|co|uk|de|info)\W*$", re.I)


def sounds_unfinished(text: str) -> bool:
    """Whether the last word asks for more, or the text trails off."""
    text = text.strip()
    if not text or text.endswith(("...", "…", ",", "-")):
        return True
    words = re.findall(r"[\w']+", text.lower())
    return bool(words) and words[-1] in _UNFINISHED_WORDS


def spoken_digits(text: str) -> int:
    """How many digits a text names, written or as words."""
    return sum(c.isdigit() for c in text) + sum(w in _NUMBER_WORDS for w in re.findall(r"[a-z]+", text.lower()))


@dataclass(frozen=True, slots=True)
class Patience:
    """How much silence ends the turn, and why."""

    silence_ms: float
    because: str


class Endpointing:
    """One turn of the caller: what is known of it, and when it will be over."""

    def __init__(self, settings: EndpointSettings, answer: str) -> None:
        self._settings = settings
        self._answer = answer
        self.text: str | None = None
        """What the recogniser made of it; None while it has not answered."""
        self.probability: float | None = None
        """The end-of-turn model's opinion; None while it has not answered."""
        self.spoken_s = 0.0
        """How long the caller has spoken when the text was recognised; 0 while that is unknown."""

    def resumed(self) -> None:
        """The caller went on: earlier opinions are worthless."""
        self.text = self.probability = None

    @property
    def sounds_finished(self) -> bool:
        """Whether the short silence would end the turn, as far as known."""
        return self.text is not None and self.patience(listens=True).silence_ms <= self._settings.short_ms

    def patience(self, *, listens: bool) -> Patience:
        """The silence that ends this turn, as far as known."""
        s = self._settings
        kind, _, count = self._answer.partition(":")
        if not listens:
            paused = kind in _SPOKEN_WITH_PAUSES
            return Patience(s.ceiling_ms if paused else s.short_ms, "no recogniser")
        if self.text is None:
            return Patience(s.ceiling_ms, "recogniser has not answered")
        if not self.text and kind in _SPOKEN_WITH_PAUSES:
            return Patience(s.ceiling_ms, "nothing understood yet")  # letters and digits alone are hard to recognise
        match kind:
            case "yes_no" if _YES_NO.search(self.text):
                return Patience(s.short_ms, "a yes or no")
            case "digits":
                wanted, got = int(count) if count.isdecimal() else 0, spoken_digits(self.text)
                if got and not wanted:
                    return Patience(s.ceiling_ms, f"{got} digits")
                if got:
                    done = got == wanted and not self._too_fast(got)
                    return Patience(s.short_ms if done else s.ceiling_ms, f"{got} of {wanted} digits")
            case "spelling":
                return Patience(s.ceiling_ms, "spelling")
            case "email":
                done = bool(_EMAIL_END.search(self.text))
                return Patience(
                    s.short_ms if done else s.ceiling_ms, "a whole address" if done else "part of an address"
                )
        return self._open()

    def _too_fast(self, digits: int) -> bool:
        return self.spoken_s > 0.0 and digits > 1 + _MOST_DIGITS_A_SECOND * self.spoken_s

    def _open(self) -> Patience:
        s = self._settings
        if not self.text:
            return Patience(s.short_ms, "no words")
        if sounds_unfinished(self.text):
            return Patience(s.long_ms, "last word asks for more")
        if self.probability is not None and self.probability < s.finished_probability:
            return Patience(s.long_ms, "sounds unfinished")
        return Patience(s.short_ms, "sounds finished")
