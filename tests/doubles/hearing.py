"""A recogniser for the doubles of recognisers: it really hears, with the embedded model, and remembers what it heard.

Every double is fed the same sentences in the tests of the contract, so that each is recognised but once.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from bridge.audio.mulaw import decode_float
from bridge.listening.recognisers.whisper import Whisper
from bridge.listening.settings import WhisperSettings

_SPEECH_DB = -45.0
_FRAME = 160
_LULL_S = 0.2
_STEP = 8000
"""Bytes between two partial texts."""


@dataclass(frozen=True)
class HeardWord:
    text: str
    start_s: float
    end_s: float


@dataclass(frozen=True)
class Heard:
    """Something noticed at a moment of the audio: speech begins, a text so far, a short silence, a pause."""

    kind: Literal["speech", "partial", "lull", "pause"]
    at_s: float
    text: str = ""
    words: tuple[HeardWord, ...] = ()


@functools.cache
def _whisper() -> Whisper:
    return Whisper(WhisperSettings())


@functools.lru_cache(maxsize=512)
def _recognised(ulaw: bytes) -> str:
    if not np.any(_loud(ulaw)):
        return ""
    return _whisper().recognise(ulaw).text


def _loud(ulaw: bytes) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Which of its frames of 20 ms are louder than the line."""
    samples = decode_float(ulaw)
    power = np.square(samples[: len(samples) // _FRAME * _FRAME]).reshape(-1, _FRAME).mean(axis=1)
    loud: np.ndarray[tuple[int], np.dtype[np.bool_]] = power > 10 ** (_SPEECH_DB / 10)
    return loud


class Hearing:
    """One connection's audio, in pieces of any length. `pause_s` of silence after speech are a pause."""

    def __init__(self, pause_s: float = 0.5) -> None:
        self.audio = bytearray()
        self.pause_s = pause_s
        self._from = 0
        self._looked = 0
        self._frames = 0
        self._quiet_s = 0.0
        self._speaks = False

    @property
    def position_s(self) -> float:
        return len(self.audio) / 8000

    @property
    def begun_s(self) -> float:
        """Where the audio begins that was not settled."""
        return self._from / 8000

    @property
    def quiet(self) -> bool:
        """Whether the audio ends in silence."""
        return not self._speaks or self._quiet_s > 0.0

    def hears(self, ulaw: bytes) -> Iterator[Heard]:
        """What is noticed; what the listener settles meanwhile is not noticed again."""
        self.audio += ulaw
        while (self._frames + 1) * _FRAME <= len(self.audio):
            start = self._frames * _FRAME
            self._frames += 1
            until = start + _FRAME
            if until <= self._from:
                continue
            if _loud(bytes(self.audio[start:until]))[0]:
                if not self._speaks:
                    yield Heard("speech", until / 8000)
                self._speaks, self._quiet_s = True, 0.0
            elif self._speaks:
                self._quiet_s += 0.02
                if abs(self._quiet_s - _LULL_S) < 0.01:
                    yield self._at("lull", until)
                if self._quiet_s >= self.pause_s - 1e-9:
                    self._speaks = False
                    yield self._at("pause", until)
            if self._speaks and until - self._looked >= _STEP:
                self._looked = until
                yield self._at("partial", until)

    def now(self) -> Heard:
        """All that was said since it was last settled."""
        return self._at("partial", len(self.audio))

    def settle(self, upto: Heard | None = None) -> Heard:
        """All that was said until now, or until then, and it will not be said again."""
        found = upto or self.now()
        self._from = self._looked = round(found.at_s * 8000)
        return found

    def _at(self, kind: Literal["partial", "lull", "pause"], until: int) -> Heard:
        ulaw = bytes(self.audio[self._from : until])
        text = _recognised(ulaw)
        loud = np.flatnonzero(_loud(ulaw))
        if not text or not len(loud):
            return Heard(kind, until / 8000)
        begin, end = self._from + int(loud[0]) * _FRAME, self._from + int(loud[-1] + 1) * _FRAME
        said = text.split()
        step = (end - begin) / 8000 / len(said)
        words = tuple(
            HeardWord(word, begin / 8000 + n * step, begin / 8000 + (n + 1) * step) for n, word in enumerate(said)
        )
        return Heard(kind, until / 8000, text, words)


def rehearse(*sentences: bytes) -> None:
    """Hear these sentences once, alone and in a row, so that the doubles know them at once."""
    for row in ([sentences[0]], [*sentences], *([one] for one in sentences[1:])):
        settling, growing, turning = Hearing(), Hearing(), Hearing()
        for ulaw in row:
            list(settling.hears(ulaw))
            settling.settle()
            list(growing.hears(ulaw))
            for heard in turning.hears(ulaw):  # a service with turns of its own
                if heard.kind == "pause":
                    turning.settle(heard)
        growing.settle()
        turning.settle()
