"""How loud is it? Levels in dB of full scale, and loudness as the ear hears it (ITU-R BS.1770-4, EBU R 128).

For comparing sounds that are joined: phrases from the cache, two voices, a recording and a voice.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

SILENT_DB = -100.0
"""What digital silence counts as."""

_BLOCK_S, _OVERLAP = 0.4, 4
_ABSOLUTE_GATE, _RELATIVE_GATE = -70.0, -10.0
_OFFSET = -0.691
"""Makes a full-scale 997 Hz sine in one channel -3.01 LUFS."""
_ACTIVE_DB = -30.0
"""Windows this far below the loudest are pauses."""

Samples = NDArray[np.floating]


def level_dbfs(samples: Samples) -> float:
    """RMS level of samples in -1..1; a full-scale sine is at -3 dB, silence at `SILENT_DB`."""
    return _decibels(float(np.mean(np.square(samples, dtype=np.float64)))) if len(samples) else SILENT_DB


def peak_dbfs(samples: Samples) -> float:
    """Level of the largest sample; 0 is full scale."""
    return _decibels(float(np.max(np.abs(samples))) ** 2) if len(samples) else SILENT_DB


def levels_dbfs(samples: Samples, rate_hz: int, window_ms: float = 20.0) -> NDArray[np.float64]:
    """RMS level of each window, one after the other; a last window that is not full is left out."""
    size = max(round(rate_hz * window_ms / 1000), 1)
    windows = np.asarray(samples[: len(samples) // size * size], dtype=np.float64).reshape(-1, size)
    power = np.mean(np.square(windows), axis=1)
    levels: NDArray[np.float64] = np.maximum(10 * np.log10(np.maximum(power, 1e-20)), SILENT_DB)
    return levels


def active_level_dbfs(samples: Samples, rate_hz: int) -> float:
    """RMS level of the speech alone: of the 20 ms windows that are no pauses."""
    levels = levels_dbfs(samples, rate_hz)
    if not len(levels):
        return level_dbfs(samples)
    active = levels[levels >= levels.max() + _ACTIVE_DB]
    return _decibels(float(np.mean(10 ** (active / 10))))


def step_db(before: Samples, after: Samples, rate_hz: int, reach_ms: float = 600.0) -> float:
    """How much louder (positive) the speech gets where two sounds are joined.

    Compares the speech within `reach_ms` of the join; 0 where either side is silent.
    """
    reach = round(rate_hz * reach_ms / 1000)
    levels = [active_level_dbfs(side, rate_hz) for side in (before[-reach:], after[:reach])]
    return 0.0 if min(levels) <= SILENT_DB else levels[1] - levels[0]


def loudness_lufs(samples: Samples, rate_hz: int) -> float:
    """Integrated loudness of one channel in -1..1, with the gates that leave out pauses.

    A sound shorter than one block of 400 ms counts as one block. `SILENT_DB` when all is below -70 LUFS.
    """
    if not len(samples):
        return SILENT_DB
    weighted = np.square(k_weighted(samples, rate_hz))
    block = min(round(rate_hz * _BLOCK_S), len(weighted))
    ends = np.arange(block, len(weighted) + 1, max(block // _OVERLAP, 1))
    sums = np.concatenate([[0.0], np.cumsum(weighted)])
    power = (sums[ends] - sums[ends - block]) / block
    power = power[power > 10 ** ((_ABSOLUTE_GATE - _OFFSET) / 10)]
    if not len(power):
        return SILENT_DB
    power = power[power > np.mean(power) * 10 ** (_RELATIVE_GATE / 10)]
    return _OFFSET + _decibels(float(np.mean(power)))


def k_weighted(samples: Samples, rate_hz: int) -> NDArray[np.float64]:
    """The samples through the standard's filter: a shelf for the head, and a high-pass.

    The standard gives coefficients for 48 kHz; here both filters are designed for the rate. They are
    applied to the spectrum, with room for the filter to die away.
    """
    length = len(samples)
    size = 1 << (length + rate_hz // 4).bit_length()
    spectrum = np.fft.rfft(np.asarray(samples, dtype=np.float64), size)
    for coefficients in (_shelf(rate_hz), _high_pass(rate_hz)):
        spectrum *= _response(coefficients, size)
    return np.fft.irfft(spectrum, size)[:length]


_Biquad = tuple[tuple[float, float, float], tuple[float, float, float]]
"""Numerator and denominator in powers of 1/z."""


def _shelf(rate_hz: int) -> _Biquad:
    """The first stage: +4 dB above 1.7 kHz. Frequency and Q are those of the standard's 48 kHz coefficients."""
    k = math.tan(math.pi * 1681.974450955533 / rate_hz)
    quality, high = 0.7071752369554196, 10 ** (3.999843853973347 / 20)
    middle = high**0.4996667741545416
    a0 = 1 + k / quality + k * k
    first, last = high + middle * k / quality + k * k, high - middle * k / quality + k * k
    b = (first / a0, 2 * (k * k - high) / a0, last / a0)
    return b, (1.0, 2 * (k * k - 1) / a0, (1 - k / quality + k * k) / a0)


def _high_pass(rate_hz: int) -> _Biquad:
    """The second stage: a high-pass at 38 Hz."""
    k = math.tan(math.pi * 38.13547087602444 / rate_hz)
    quality = 0.5003270373238773
    a0 = 1 + k / quality + k * k
    return (1.0, -2.0, 1.0), (1.0, 2 * (k * k - 1) / a0, (1 - k / quality + k * k) / a0)


def _response(coefficients: _Biquad, size: int) -> NDArray[np.complex128]:
    """A biquad's frequency response at the bins of a spectrum of `size` samples."""
    step = np.exp(-2j * np.pi * np.arange(size // 2 + 1) / size)
    numerator, denominator = (c[0] + c[1] * step + c[2] * step**2 for c in coefficients)
    response: NDArray[np.complex128] = numerator / denominator
    return response


def _decibels(power: float) -> float:
    return max(10 * math.log10(power), SILENT_DB) if power > 0 else SILENT_DB
