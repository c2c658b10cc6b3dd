"""One turn of the caller, from the first sound to the moment we take the floor."""

from __future__ import annotations

from dataclasses import dataclass

from bridge.call.actions import TextAlternative
from bridge.call.endpointing import Endpointing, Patience
from bridge.call.events import VoiceActivity
from bridge.call.settings import EndpointSettings

PREROLL_S = 0.3
"""The voice model needs a moment; a word's soft beginning lies before its first window."""
_HEARTBEAT_S = 0.12
"""Long silences are reported this rarely (`bridge.listening.activity`)."""
_LATE_AUDIO_S = 1.5
"""Audio that is later than this is not coming; a process short of time judges it late, and must not take that for
silence."""
_RESUME_WINDOWS = 2
_LEVEL_WEIGHT = 0.1
_WINDOW_MS = 32.0
_RISE_DB = 10.0


@dataclass(slots=True)
class CallerTurn:
    """What is known of the turn so far. Times are seconds on the call's clock."""

    since: float
    last_speech_at: float
    endpoint: Endpointing
    interrupted: bool = False
    """It broke off words of ours."""
    overheard: bool = False
    """It was said over protected words: a listener's noise asks for nothing, and there is nothing to go on with."""
    revision: int = 0
    """The number of the `Transcribe` that is to be answered; 0 while the caller speaks."""
    lively_windows: int = 0
    asked_at: float = 0.0
    """How far the audio went that was last given to the recogniser."""
    voice_ms: float = 0.0
    """How much of it was surely a voice."""
    unrecognised: bool = False
    """The recogniser failed: the words are unknown, which is not the same as nothing."""
    readings: tuple[TextAlternative, ...] = ()
    """What the recogniser may have heard, the likeliest first."""
    known: str = ""
    """The last words that were recognised of it."""
    carried: str = ""
    """The words before the call was moved to another process; what is recognised now goes on with them."""
    guessed: str | None = None
    """The words that an answer was already begun for, before the turn was over."""

    level_db: float = -100.0
    """Running level of the speech."""

    def heard(self, window: VoiceActivity, settings: EndpointSettings) -> None:
        """Take in one window of the caller's speech."""
        self.last_speech_at = window.at
        if window.probability >= settings.voice_probability:
            self.voice_ms += _WINDOW_MS
        quieter = self.level_db + _LEVEL_WEIGHT * (window.level_db - self.level_db)
        self.level_db = max(quieter, window.level_db) if self.level_db < window.level_db - _RISE_DB else quieter

    def recognised(self, text: str, readings: tuple[TextAlternative, ...] = ()) -> None:
        """Take in what the recogniser makes of the turn so far: its text, and all readings, this one among them."""
        text = self._with_carried(text)
        self.readings = tuple(TextAlternative(self._with_carried(one.text), one.confidence) for one in readings)
        self.endpoint.text, self.endpoint.spoken_s = text, self.length_s
        self.known = text or self.known

    def _with_carried(self, text: str) -> str:
        return " ".join(part for part in (self.carried, text) if part)

    def readings_of(self, text: str) -> tuple[TextAlternative, ...]:
        """All readings of these words; none where they came from elsewhere since, such as a live recogniser."""
        return self.readings if self.readings and self.readings[0].text == text else ()

    @property
    def over_our_voice(self) -> bool:
        """Whether we spoke when it began, so that a listener's noise asks for nothing."""
        return self.interrupted or self.overheard

    @property
    def words_so_far(self) -> str:
        """The caller's words as far as anything was recognised of them, whole or live."""
        return self.endpoint.text or self.endpoint.partial or self.known

    @property
    def length_s(self) -> float:
        """Seconds from the turn's first sound to its last so far."""
        return self.last_speech_at - self.since - PREROLL_S

    def resumes(self, is_speech: bool, at: float, gap_ms: float) -> bool:
        """Whether a window in a pause means that the caller goes on: one alone may be a click."""
        if not is_speech:
            return False
        close = (at - self.last_speech_at) * 1000 <= gap_ms
        self.lively_windows += 1
        return close or self.lively_windows >= _RESUME_WINDOWS

    def over_at(self, patience: Patience) -> float:
        """When the turn is over if no more is heard."""
        return self.last_speech_at + patience.silence_ms / 1000

    def quiet_at(self, settings: EndpointSettings) -> float:
        """When silence is a pause, if no window says so sooner."""
        return self.last_speech_at + settings.guess_ms / 1000 + _LATE_AUDIO_S


def silence_is_certain(over_at: float, audio_until: float, now: float) -> bool:
    """Whether silence up to `over_at` was really heard, not only waited for while audio is late."""
    return now >= over_at and (audio_until >= over_at - _HEARTBEAT_S or now >= over_at + _LATE_AUDIO_S)


def certain_at(over_at: float, audio_until: float, now: float) -> float:
    """When to ask `silence_is_certain` again, unless a window comes first."""
    return over_at if now < over_at or audio_until >= over_at - _HEARTBEAT_S else over_at + _LATE_AUDIO_S
