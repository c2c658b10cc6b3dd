"""The sounds of a telephone: keypad tones made and detected, call progress tones, noise.

Levels are RMS in dBFS, each frequency by itself; a full-scale sine is at -3. Samples are float32 in
-1..1, shape [n].
Source: ITU-T Q.23 (keypad frequencies), Q.24 (their reception), E.180 supplement 2 (call progress).
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Sequence
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from bridge.audio.mulaw import RATE_HZ

Samples = NDArray[np.float32]

ROWS_HZ = (697, 770, 852, 941)
COLUMNS_HZ = (1209, 1336, 1477, 1633)
KEYPAD = ("123A", "456B", "789C", "*0#D")
"""Key of each row and column."""
KEY_HZ = {key: (ROWS_HZ[row], COLUMNS_HZ[column]) for row in range(4) for column, key in enumerate(KEYPAD[row])}

Country = Literal["us", "uk", "eu"]
_RINGBACK: dict[Country, tuple[tuple[float, ...], tuple[int, ...]]] = {
    "us": ((440, 480), (2000, 4000)),
    "uk": ((400, 450), (400, 200, 400, 2000)),
    "eu": ((425,), (1000, 4000)),
}
_BUSY: dict[Country, tuple[tuple[float, ...], tuple[int, ...]]] = {
    "us": ((480, 620), (500, 500)),
    "uk": ((400,), (375, 375)),
    "eu": ((425,), (500, 500)),
}


def tone(
    frequencies_hz: Sequence[float], duration_ms: float, level_dbfs: float = -16.0, rate_hz: int = RATE_HZ
) -> Samples:
    """Sines sounding together, with 2 ms at either end to rise and fall without a click."""
    count = round(rate_hz * duration_ms / 1000)
    time = np.arange(count) / rate_hz
    sound = np.zeros(count)
    for frequency_hz in frequencies_hz:
        sound += math.sqrt(2) * 10 ** (level_dbfs / 20) * np.sin(2 * math.pi * frequency_hz * time)
    edge = min(round(rate_hz * 0.002), count // 2)
    rise = np.sin(np.linspace(0, math.pi / 2, edge, endpoint=False)) ** 2
    sound[:edge] *= rise
    sound[count - edge :] *= rise[::-1]
    return sound.astype(np.float32)


def silence(duration_ms: float, rate_hz: int = RATE_HZ) -> Samples:
    """Return silence that lasts this long."""
    return np.zeros(round(rate_hz * duration_ms / 1000), dtype=np.float32)


def noise(duration_ms: float, level_dbfs: float = -50.0, seed: int = 0, rate_hz: int = RATE_HZ) -> Samples:
    """White noise, the same for the same seed."""
    count = round(rate_hz * duration_ms / 1000)
    return (np.random.default_rng(seed).standard_normal(count) * 10 ** (level_dbfs / 20)).astype(np.float32)


def dtmf(
    keys: str,
    *,
    tone_ms: float = 100.0,
    gap_ms: float = 100.0,
    level_dbfs: float = -16.0,
    twist_db: float = 0.0,
    rate_hz: int = RATE_HZ,
) -> Samples:
    """Keys pressed one after the other, a gap after each; the high tone is `twist_db` louder than the low one.

    Raises ValueError for what is no key.
    """
    parts: list[Samples] = []
    for key in keys:
        if key not in KEY_HZ:
            raise ValueError(f"no key of a phone: {key!r}, expected one of {' '.join(KEY_HZ)}")
        low_hz, high_hz = KEY_HZ[key]
        low = tone([low_hz], tone_ms, level_dbfs, rate_hz)
        parts += [low + tone([high_hz], tone_ms, level_dbfs + twist_db, rate_hz), silence(gap_ms, rate_hz)]
    return np.concatenate(parts) if parts else silence(0)


def ringback(duration_ms: float, country: Country = "us", level_dbfs: float = -22.0, rate_hz: int = RATE_HZ) -> Samples:
    """What a caller hears until somebody answers, from the start of a ring."""
    return _cadence(*_RINGBACK[country], duration_ms, level_dbfs, rate_hz)


def busy(duration_ms: float, country: Country = "us", level_dbfs: float = -22.0, rate_hz: int = RATE_HZ) -> Samples:
    """What a caller hears when nobody can answer."""
    return _cadence(*_BUSY[country], duration_ms, level_dbfs, rate_hz)


def _cadence(
    frequencies_hz: Sequence[float], on_off_ms: Sequence[int], duration_ms: float, level_dbfs: float, rate_hz: int
) -> Samples:
    """The tone on, off, on, off, again and again; what is over at the end is cut."""
    period = np.concatenate(
        [
            silence(part_ms, rate_hz) if index % 2 else tone(frequencies_hz, part_ms, level_dbfs, rate_hz)
            for index, part_ms in enumerate(on_off_ms)
        ]
    )
    count = round(rate_hz * duration_ms / 1000)
    return np.tile(period, -(-count // len(period)) if count else 0)[:count]


class KeyTone(msgspec.Struct, frozen=True):
    """A key heard in the audio."""

    key: str
    start_ms: int
    """When its tone began, since the stream's start, to within a window."""


_WINDOW = 205
"""Samples at 8 kHz: 25.6 ms, the usual length, since it parts the rows."""
_HOP = 80
_DETUNED = (-0.012, 0.0, 0.012)
"""Each frequency is looked for beside itself, too: receivers accept 1.5 % off, and refuse 3.5 %."""
_QUIETEST = 10 ** (-42 / 10)
"""Mean square of a window with both tones. Q.24 leaves the limit to the country; this is about -39 dBm0."""
_PURITY = 0.78
"""Part of the window's energy that the two tones have to explain: 5.5 dB over everything else."""
_BEYOND_OTHERS = 4.0
"""Power of a tone over the next one of its group: 6 dB."""
_TWIST = (10 ** (-10 / 10), 10 ** (6 / 10))
"""Power of the high tone over the low one: 8 dB less and 4 dB more are to be accepted."""
_CONFIRM = 2
"""Windows that must agree on a key."""
_END = 4
"""Windows without the key that end it: a break of 10 ms is none, one of 40 ms surely is."""


class KeyToneDetector:
    """Finds keypad tones in a stream at 8 kHz, for carriers that do not report digits.

    For each window the power at the eight frequencies is computed as the Goertzel algorithm would, all
    at once. Tones from 40 ms are found, speech is not taken for them; however the stream is cut, the
    answers are the same.
    """

    def __init__(self) -> None:
        self._held: Samples = np.zeros(0, dtype=np.float32)
        self._position = 0  # of the first held sample, since the stream's start
        self._sounding = ""  # the key last reported and not yet ended
        self._candidate = ""
        self._agreed = self._missed = 0

    def feed(self, samples: NDArray[np.floating]) -> list[KeyTone]:
        """The keys whose tones these samples (shape [n], -1..1) confirm."""
        signal = np.concatenate([self._held, np.asarray(samples, dtype=np.float32)])
        count = (len(signal) - _WINDOW) // _HOP + 1
        found = []
        if count > 0:
            windows: Samples = np.ndarray((count, _WINDOW), np.float32, signal, 0, (4 * _HOP, 4))
            for index, key in enumerate(_keys(windows)):
                if self._is_new(key):
                    first = self._position + (index - _CONFIRM + 1) * _HOP
                    found.append(KeyTone(key, max(first, 0) * 1000 // RATE_HZ))
            self._position += count * _HOP
            signal = signal[count * _HOP :]
        self._held = signal
        return found

    def _is_new(self, key: str) -> bool:
        """Whether this window confirms a key that was not sounding; `key` is empty for no tone."""
        self._agreed = self._agreed + 1 if key == self._candidate else 1
        self._candidate = key
        if key == self._sounding:
            self._missed = 0
            return False
        self._missed += 1
        if self._missed >= _END:
            self._sounding = ""
        if key and self._agreed >= _CONFIRM:
            self._sounding, self._missed = key, 0
            return True
        return False


@functools.cache
def _probes() -> Samples:
    """[window, 2 x frequencies x detunings] of cosines and sines; a tone's two sums squared are its mean square."""
    hz = np.array([f * (1 + off) for f in (*ROWS_HZ, *COLUMNS_HZ) for off in _DETUNED])
    pointers = np.exp(-2j * np.pi * np.outer(np.arange(_WINDOW), hz) / RATE_HZ) * math.sqrt(2) / _WINDOW
    return np.concatenate([pointers.real, pointers.imag], axis=1).astype(np.float32)


def _keys(windows: Samples) -> Iterator[str]:
    """The key sounding in each window [n, window], or an empty string."""
    # One by one, since a matrix product may round differently with the number of rows.
    for window in windows:
        energy = float(window @ window) / _WINDOW
        if energy < _QUIETEST:
            yield ""
            continue
        parts = np.square(window @ _probes())
        half = len(parts) // 2
        power = (parts[:half] + parts[half:]).reshape(8, len(_DETUNED)).max(axis=1).tolist()
        yield _key(power[:4], power[4:], energy)


def _key(rows: list[float], columns: list[float], energy: float) -> str:
    """The key for the power at the four rows and four columns, or an empty string."""
    low, high = max(rows), max(columns)
    if low + high < _PURITY * energy:
        return ""
    if sorted(rows)[-2] * _BEYOND_OTHERS > low or sorted(columns)[-2] * _BEYOND_OTHERS > high:
        return ""
    if not _TWIST[0] * low <= high <= _TWIST[1] * low:
        return ""
    return KEYPAD[rows.index(low)][columns.index(high)]
