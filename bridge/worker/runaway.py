"""Notices when an engine that generates token by token has lost the text. No engine, no clock; time is passed in.

Such engines fail in ways that others cannot: they say the same thing again and again, never end, breathe on for many
seconds after the last word, or stop answering. A guard listens to one piece as it is made. What has been passed on
cannot be taken back, so it judges early; whoever feeds it stops the engine, and the stream ends with the error code
`engine_runaway`, upon which a client falls back to another voice. Only an endless tail is no error: all was said.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import pairwise

import msgspec
import numpy as np
from numpy.typing import NDArray

from bridge.audio.encoder import Samples
from bridge.errors import VoiceError

FRAME_S = 0.02
BANDS_HZ = (100, 250, 400, 600, 850, 1150, 1500, 2000, 2600, 3400)
"""Edges of the bands by whose levels sound is compared."""
SOUND_DB = -50.0
"""Frames below this (full scale: 0) are silence."""
_REPEATS_ITSELF = re.compile(r"\b(\w+)(?:\W+\1\b){2}|(\d)(?:\W?\2){2}", re.IGNORECASE)
"""Texts such as "no, no, no" and "1000": their sound may rightly repeat itself, so it is bounded by its length only."""


class RunawayLimits(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How much is too much."""

    slowest_characters_per_s: float = 5.0
    """A reading that needs longer than this, plus `spare_s`, never ends. Speech has about 15."""
    digit_characters: float = 6.0
    """A digit takes as long as so many letters."""
    spare_s: float = 3.0
    tail_s: float = 1.5
    """Silence after which a piece is taken to be over."""
    first_audio_s: float = 4.0
    """Nothing at all for so long: no progress."""
    stall_s: float = 3.0
    """Nothing more for so long: no progress."""
    repeat_s: float = 1.6
    """Sound that equals what came before for this long, and for two periods at least, is a loop."""
    longest_period_s: float = 2.4
    repeat_db: float = 5.0
    """Sounds whose band levels differ less than this on average are equal. Loops measured 0.1 to 3.7 (the most when the
    period is no whole number of frames), sentences of the default voice 7 to 14."""


class Runaway(VoiceError):
    """An engine lost the text; `reason` is one of `repeats`, `endless`, `no_progress`."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(f"{reason}: {message}")
        self.reason = reason


@dataclass(slots=True)
class RunawayGuard:
    """Follows one piece of text through one engine; seconds are on any one monotonic clock."""

    text: str
    rate_hz: int
    began_s: float
    speed: float = 1.0
    limits: RunawayLimits = field(default_factory=RunawayLimits)
    heard_s: float = 0.0
    """Audio so far."""
    over: bool = False
    """The tail does not end by itself: ask for no more, all was said."""
    _last_s: float | None = None
    _sounded: bool = False
    _silence_s: float = 0.0
    _rest: Samples = field(default_factory=lambda: np.zeros(0, np.float32))
    _levels: NDArray[np.float32] = field(default_factory=lambda: np.zeros((0, len(BANDS_HZ) - 1), np.float32))
    """[frames, bands] in dB, as many as a comparison needs."""

    @property
    def longest_s(self) -> float:
        """No reading of this text takes longer."""
        digits = sum(character.isdigit() for character in self.text)
        letters = len(self.text) + digits * (self.limits.digit_characters - 1)
        return self.limits.spare_s + letters / self.limits.slowest_characters_per_s / self.speed

    def feed(self, audio: Samples, now_s: float) -> Samples:
        """Listen to the next samples; returns those to be passed on. Raises Runaway."""
        if self.over:
            return audio[:0]
        if len(audio):
            self._last_s = now_s
        self.check(now_s)
        self.heard_s += len(audio) / self.rate_hz
        self._rest = np.concatenate([self._rest, audio])
        hop = int(self.rate_hz * FRAME_S)
        count = len(self._rest) // hop
        self._listen(self._rest[: count * hop].reshape(count, hop))
        self._rest = self._rest[count * hop :]
        if self.heard_s > self.longest_s and not self.over:
            raise Runaway("endless", f"{self.heard_s:.1f} s of audio for {len(self.text)} characters")
        return audio

    def check(self, now_s: float) -> None:
        """Nothing has come: is that still patience? Raises Runaway."""
        waits_since = self.began_s if self._last_s is None else self._last_s
        patience_s = self.limits.first_audio_s if self._last_s is None else self.limits.stall_s
        if not self.over and now_s - waits_since > patience_s:
            raise Runaway("no_progress", f"no audio for {now_s - waits_since:.1f} s")

    def finish(self) -> None:
        """The engine says that this was all. Raises Runaway when words should have been heard and none were."""
        if not self._sounded and any(character.isalnum() for character in self.text):
            raise Runaway("no_progress", f"no sound for {len(self.text)} characters")

    def _listen(self, frames: NDArray[np.float32]) -> None:
        """Frames [n, hop]: silence is timed, sound is compared with what came before."""
        for start in range(0, len(frames), 10):  # judged every 200 ms, however the audio arrives
            levels = band_levels(frames[start : start + 10], self.rate_hz)
            self._levels = np.concatenate([self._levels, levels])[-self._frames_kept :]
            for loud in levels.max(axis=1) > SOUND_DB:
                self._silence_s = 0.0 if loud else self._silence_s + FRAME_S
                self._sounded |= bool(loud)
            if self._sounded and self._silence_s > self.limits.tail_s:
                self.over = True
                return
            period_s = self._period_s()
            if period_s is not None:
                raise Runaway("repeats", f"the last {period_s:.2f} s again and again")

    @property
    def _frames_kept(self) -> int:
        longest = self.limits.longest_period_s
        return int((max(self.limits.repeat_s, 2 * longest) + longest) / FRAME_S)

    def _period_s(self) -> float | None:
        """The period with which the sound repeats itself, if it does and the text does not."""
        levels = self._levels
        if _REPEATS_ITSELF.search(self.text):
            return None
        for lag in range(5, int(self.limits.longest_period_s / FRAME_S) + 1):
            span = max(int(self.limits.repeat_s / FRAME_S), 2 * lag)
            if span + lag > len(levels):
                return None
            now, before = levels[-span:], levels[-span - lag : -lag]
            sound = np.maximum(now.max(axis=1), before.max(axis=1)) > SOUND_DB
            if sound.mean() < 0.5:
                continue
            if float(np.abs(now[sound] - before[sound]).mean()) < self.limits.repeat_db:
                return lag * FRAME_S
        return None


def band_levels(frames: NDArray[np.float32], rate_hz: int) -> NDArray[np.float32]:
    """Frames [n, hop] -> dB in each band [n, 9], not below -80."""
    if not len(frames):
        return np.zeros((0, len(BANDS_HZ) - 1), np.float32)
    hop = frames.shape[1]
    power = np.square(np.abs(np.fft.rfft(frames * np.hanning(hop).astype(np.float32), axis=1)) / hop * 2)
    edges = np.searchsorted(np.fft.rfftfreq(hop, 1 / rate_hz), BANDS_HZ)
    bands = [power[:, low : max(high, low + 1)].sum(axis=1) for low, high in pairwise(edges)]
    return (10 * np.log10(np.stack(bands, axis=1) + 1e-8)).astype(np.float32)
