"""Who has the floor: is that sound the caller wanting to speak?

One threshold cannot serve both speed and judgement, so there are two: the first convincing window
raises a *suspicion*, which lowers our voice; sustained speech *confirms* it, which stops us; silence
lets it *fade*, which restores our voice. With the bot silent there is nothing to lose and little is
asked for.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import msgspec

from bridge.call.backchannels import is_backchannel
from bridge.call.events import VoiceActivity
from bridge.call.settings import FloorSettings

WINDOW_MS = 32.0
_CONFIRM_IN_SILENCE_MS = 64.0
_SYLLABLE_S = 0.16
"""Between the loud parts of words lie soft ones this long: they are speech as much as the loud ones."""
_KEEPS_FLOOR_DB = 8.0
_ABOVE_ROOM_DB = 3.0
_SHORTEST_WORD_MS = 90.0
"""A "no" said in a hurry has three windows of speech."""
_LEVEL_MEMORY = 0.05
"""Weight of one window in the caller's running level: about 0.6 s."""


_MUMBLE, _LONG_MUMBLE, _LONG_LETTERS = 0.38, 0.25, 5
"""Confidence of the recogniser below which a single word is a listener's noise: it makes "No." of any "mm-hm", but
hardly "Agent." or "Operator."."""


def is_mumble(text: str, confidence: float) -> bool:
    """Whether what was recognised over our own voice is one doubtful word, which is most likely none."""
    words = text.split()
    if len(words) != 1:
        return False
    return confidence < (_MUMBLE if sum(map(str.isalpha, words[0])) < _LONG_LETTERS else _LONG_MUMBLE)


class Verdict(StrEnum):
    """What a window, or silence, means for the floor."""

    NOTHING = "nothing"
    SUSPECTED = "suspected"
    CONFIRMED = "confirmed"
    FADED = "faded"


@dataclass(slots=True)
class Suspicion:
    """Speech that may become an interruption."""

    since: float
    """When its first window began."""
    last_speech_at: float
    speech_ms: float = 0.0
    windows: int = 0
    speech_windows: int = 0
    resembles_us: bool = False
    """Some of it was half like our own voice."""
    only_backchannel: bool = False
    """A recogniser has heard words in it, and they are a listener's noises."""
    words_asked: int = 0
    """The number of the `Transcribe` that asked what was said; 0 while none did."""
    words_known: bool = False
    """The recogniser has answered."""

    @property
    def voiced_ratio(self) -> float:
        """Part of the windows since the suspicion that were speech."""
        return self.speech_windows / max(self.windows, 1)


class Floor:
    """Judges the caller's windows; remembers how loud the caller is and the suspicion of the moment."""

    def __init__(self, settings: FloorSettings) -> None:
        self._settings = settings
        self.caller_level_db: float | None = None
        self.room_level_db: float | None = None
        """Level of what last took the floor without a word: a room, until words are recognised again."""
        self.suspicion: Suspicion | None = None
        self.last_refusal = ""
        """Why the last lively window was not taken for the caller."""
        self._loud_at = -1.0

    def is_caller(self, window: VoiceActivity, *, has_floor: bool = False) -> bool:
        """Whether one window is speech of the caller: not the room, not our own echo.

        To take the floor asks for more level than to keep it. An echo cannot take it even when we have fallen silent:
        that of our last words is still on its way. Nor can it be told from a caller with the floor who speaks over it.
        """
        s = self._settings
        below_db = s.below_caller_db + (_KEEPS_FLOOR_DB if has_floor else 0.0)
        self.last_refusal = ""
        if window.probability < s.probability:
            return False
        if window.level_db < s.minimum_level_db:
            self.last_refusal = "too quiet"
        elif not has_floor and window.level_db < window.noise_db + s.above_noise_db:
            self.last_refusal = "no louder than the line"
        elif not has_floor and window.echo >= s.echo:
            self.last_refusal = "echo"
        elif not has_floor and self.room_level_db is not None and window.level_db < self.room_level_db + _ABOVE_ROOM_DB:
            self.last_refusal = "no louder than the room"
        elif self.caller_level_db is None or window.level_db >= self.caller_level_db - below_db:
            self._loud_at = window.at
        elif window.at - self._loud_at > _SYLLABLE_S:
            self.last_refusal = "far below the caller"
        return not self.last_refusal

    def is_quiet(self, window: VoiceActivity) -> bool:
        """Whether a window can mean nothing at all, whoever speaks: no suspicion goes on, and it raises none."""
        s = self._settings
        return self.suspicion is None and window.probability < min(s.probability, s.suspect_probability)

    def hear(self, window: VoiceActivity, *, bot_audible: bool) -> Verdict:
        """Judge one window while the caller does not have the floor."""
        speech = self.is_caller(window)
        begun = self.suspicion
        if begun is None:
            if not speech and not (bot_audible and self._may_become_speech(window)):
                return Verdict.NOTHING
            start = window.at - WINDOW_MS / 1000
            heard_ms = WINDOW_MS if speech else 0.0
            begun = self.suspicion = Suspicion(start, window.at, heard_ms, 1, int(speech), self._resembles_us(window))
            return self._confirmed(begun, bot_audible) or Verdict.SUSPECTED
        begun.windows += 1
        begun.resembles_us = begun.resembles_us or self._resembles_us(window)
        if not speech:
            return self.silence(window.at)
        begun.speech_ms += WINDOW_MS
        begun.speech_windows += 1
        begun.last_speech_at = window.at
        return self._confirmed(begun, bot_audible) or Verdict.NOTHING

    def _may_become_speech(self, window: VoiceActivity) -> bool:
        """Whether a window is lively enough to lower our voice for, though not yet to be taken for speech."""
        if window.probability < self._settings.suspect_probability:
            return False
        return self.is_caller(msgspec.structs.replace(window, probability=1.0))

    def _resembles_us(self, window: VoiceActivity) -> bool:
        return window.echo >= self._settings.echo / 2

    def _confirmed(self, begun: Suspicion, bot_audible: bool) -> Verdict | None:
        s = self._settings
        # The echo of soft last words, half lost in noise, is as likely as a caller: be as sure as while we speak.
        if bot_audible or begun.resembles_us:
            span_ms = (begun.last_speech_at - begun.since) * 1000
            needed_ms = s.backchannel_ms if begun.only_backchannel else s.confirm_ms
            enough = span_ms >= needed_ms and begun.speech_ms >= needed_ms * s.voiced_ratio
        else:
            enough = begun.speech_ms >= _CONFIRM_IN_SILENCE_MS
        return Verdict.CONFIRMED if enough else None

    def hear_words(self, text: str, language: str) -> Verdict:
        """Judge the words that a recogniser has heard since the suspicion began, over our own voice.

        Words that may be our own coming back count for nothing.
        """
        begun = self.suspicion
        if begun is None or not text:
            return Verdict.NOTHING
        begun.only_backchannel = is_backchannel(text, language, begun=True)
        return Verdict.NOTHING if begun.only_backchannel or begun.resembles_us else Verdict.CONFIRMED

    def silence(self, now: float) -> Verdict:
        """Judge that nothing was heard up to now."""
        if self.suspicion is not None and now >= self.fades_at():
            return Verdict.FADED
        return Verdict.NOTHING

    def fades_at(self) -> float:
        """When the present suspicion will be a false alarm. Only while there is one."""
        begun = self.suspicion
        assert begun is not None
        waits = begun.words_asked and not begun.words_known
        return begun.last_speech_at + (self._settings.words_ms if waits else self._settings.restore_ms) / 1000

    def wants_words(self, now: float, quiet_ms: float) -> bool:
        """Whether what made us doubt was short, is over, and may have been a word: then a recogniser is to say.

        What may be our own voice coming back is not worth asking about, and a click is no word.
        """
        begun = self.suspicion
        if begun is None or begun.words_asked or begun.resembles_us or not self._settings.words_ms:
            return False
        return begun.speech_ms >= _SHORTEST_WORD_MS and (now - begun.last_speech_at) * 1000 >= quiet_ms

    def learn(self, window: VoiceActivity) -> None:
        """Take a window of the caller's own turn into the caller's running level."""
        if window.probability < self._settings.probability:
            return
        if self.caller_level_db is None:
            self.caller_level_db = window.level_db
        # Rises quickly, falls slowly: a soft syllable is no softer caller.
        weight = _LEVEL_MEMORY * (3 if window.level_db > self.caller_level_db else 1)
        self.caller_level_db += weight * (window.level_db - self.caller_level_db)

    def settle(self) -> Suspicion | None:
        """End the suspicion of the moment, one way or the other."""
        ended, self.suspicion = self.suspicion, None
        return ended

    def why(self, window: VoiceActivity | None) -> dict[str, float | int | str | bool]:
        """Inputs and margins of the judgement, for a why record."""
        why: dict[str, float | int | str | bool] = {"confirm_ms": self._settings.confirm_ms}
        if self.caller_level_db is not None:
            why["caller_level_db"] = round(self.caller_level_db, 1)
        if self.suspicion is not None:
            why["speech_ms"] = round(self.suspicion.speech_ms)
            why["since"] = round(self.suspicion.since, 3)
            why["voiced_ratio"] = round(self.suspicion.voiced_ratio, 2)
        if window is not None:
            why["level_db"] = round(window.level_db, 1)
            why["probability"] = round(window.probability, 2)
            why["echo"] = round(window.echo, 2)
        return why
