"""What the listening engines need of the caller's mu-law audio: twice the rate, the last half minute."""

from __future__ import annotations

from bisect import bisect_right
from collections import deque

import numpy as np
import numpy.typing as npt

from bridge.audio.mulaw import RATE_HZ, decode_float

Floats = npt.NDArray[np.float32]

_REACH = 40
"""Samples at 8 kHz that the filter looks ahead and behind."""


def _doubling() -> tuple[Floats, Floats]:
    """The filter up to 3,800 Hz for whole utterances, images 80 dB down: its taps between the new samples' neighbours.

    By hand, as `scipy.signal` takes longer to import than all the rest of the service, in each of its processes.
    """
    taps = np.sinc(2 * 3800 / 16000 * np.arange(-2 * _REACH, 2 * _REACH + 1)) * np.kaiser(4 * _REACH + 1, 8.0)
    taps = (2 * taps / taps.sum()).astype(np.float32)
    return taps[0::2], taps[1::2]


_AT_SAMPLES, _BETWEEN_SAMPLES = _doubling()


def samples_16k(ulaw: bytes) -> Floats:
    """Mu-law to float samples at 16 kHz, the rate of the recogniser and the end-of-turn model."""
    narrow = decode_float(ulaw)
    wide = np.empty(2 * len(narrow), np.float32)
    if len(narrow):
        span = slice(_REACH, _REACH + len(narrow))
        wide[0::2] = np.convolve(narrow, _AT_SAMPLES)[span]
        wide[1::2] = np.convolve(narrow, _BETWEEN_SAMPLES)[span]
    return wide


def quietest(ulaw: bytes, start: int) -> int:
    """Where mu-law audio is best cut from `start` on: in the middle of its quietest tenth of a second, the latest one
    if several are about as quiet."""
    tenth = RATE_HZ // 10
    samples = decode_float(ulaw[start:])
    count = len(samples) // tenth
    if not count:
        return len(ulaw)
    energy = np.square(samples[len(samples) - count * tenth :]).reshape(count, tenth).sum(axis=1)
    latest = np.flatnonzero(energy <= 2.0 * energy.min() + 1e-9)[-1]
    return len(ulaw) - (count - int(latest)) * tenth + tenth // 2


class AudioMemory:
    """The last seconds of one direction of a call, and when they arrived. Memory is taken as audio comes."""

    STAMP_BYTES = 800  # remember one arrival time per 100 ms

    def __init__(self, seconds: float) -> None:
        self._capacity = max(1, round(seconds * RATE_HZ))
        self._ring = bytearray()
        self._latest = bytearray()  # what came after them: a copy into the ring fifty times a second would cost more
        self._next_stamp = 0
        self._stamps: deque[tuple[float, int]] = deque(maxlen=max(2, round(seconds * 10)))
        self.total = 0
        """Bytes written since the start of the call."""

    def write(self, ulaw: bytes, at: float) -> None:
        """Add audio whose last byte arrived `at`."""
        self._latest += ulaw
        self.total += len(ulaw)
        if self.total >= self._next_stamp:
            self._stamps.append((at, self.total))
            self._next_stamp = self.total + self.STAMP_BYTES
            self._move()

    def _move(self) -> None:
        """Put the latest bytes into the ring."""
        kept = self._latest[-self._capacity :]
        at = (self.total - len(kept)) % self._capacity
        if len(self._ring) < self._capacity:
            self._ring.extend(bytes(min(self._capacity, at + len(kept)) - len(self._ring)))
        before_end = kept[: self._capacity - at]
        self._ring[at : at + len(before_end)] = before_end
        self._ring[: len(kept) - len(before_end)] = kept[len(before_end) :]
        self._latest.clear()

    def position(self, at: float) -> int:
        """How many bytes had arrived at this time, between two remembered arrivals by the clock."""
        index = bisect_right(self._stamps, at, key=lambda stamp: stamp[0])
        if index == 0:
            if not self._stamps:
                return 0
            when, position = self._stamps[0]
            return max(0, position - round((when - at) * RATE_HZ))
        when, position = self._stamps[index - 1]
        limit = self._stamps[index][1] if index < len(self._stamps) else self.total
        return min(limit, position + round((at - when) * RATE_HZ))

    @property
    def until(self) -> float:
        """When the last byte arrived."""
        if not self._stamps:
            return 0.0
        when, position = self._stamps[-1]
        return when + (self.total - position) / RATE_HZ

    def read(self, start: int, end: int | None = None) -> bytes:
        """Bytes from `start` to `end` (counted from the start of the call), as far as they are still held."""
        if self._latest:
            self._move()
        end = self.total if end is None else min(end, self.total)
        start = max(start, self.total - len(self._ring), 0)
        if start >= end:
            return b""
        first, last = start % self._capacity, end % self._capacity
        if first < last:
            return bytes(self._ring[first:last])
        return bytes(self._ring[first:]) + bytes(self._ring[:last])
