"""How far two takes of the same speech are apart on a phone line, whose own noise is the measure of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bridge.audio.mulaw import decode, encode
from bridge.audio.resample import resample

Samples = NDArray[np.float32]
LINE_HZ = 8000
SEGMENT = 160
"""20 ms"""
WINDOW = 256
ACTIVE = 10**-4.0
"""Of the loudest segment's energy; what is quieter is a pause."""
FLOOR = 10**-7.0
"""-70 dBFS: spectra below this are equal."""


@dataclass(frozen=True, slots=True)
class Difference:
    """Of one take from another, over active speech."""

    snr_db: float
    """Segmental: mean over segments of 20 ms."""
    snr_p1_db: float
    """Only one segment in a hundred is worse."""
    distance_db: float
    """Log-spectral distance: root mean square over frequencies, mean over windows of 32 ms."""
    louder: float
    """Share of segments in which the difference is louder than what mu-law itself makes of the first take."""


def on_the_line(audio: Samples, rate_hz: int, gain_db: float) -> Samples:
    """At the rate and level of a call."""
    line: Samples = np.clip(resample(audio, rate_hz, LINE_HZ) * np.float32(10 ** (gain_db / 20)), -1, 1)
    return line


def through_mulaw(line: Samples) -> Samples:
    """What the phone makes of it."""
    return decode(encode((line * 32767).round().astype("<i2"))).astype(np.float32) / np.float32(32767)


def difference(one: Samples, other: Samples) -> Difference:
    """Both `on_the_line`, of one length."""
    speech, error, rounding = (_energies(signal) for signal in (one, other - one, through_mulaw(one) - one))
    active = speech > speech.max() * ACTIVE
    speech, error, rounding = speech[active], np.maximum(error[active], 1e-16), rounding[active]
    snr_db = 10 * np.log10(speech / error)
    return Difference(
        float(snr_db.mean()),
        float(np.percentile(snr_db, 1)),
        _spectral_db(one, other),
        float((error > rounding).mean()),
    )


def _energies(signal: Samples) -> NDArray[np.float64]:
    segments = signal[: len(signal) // SEGMENT * SEGMENT].reshape(-1, SEGMENT)
    energies: NDArray[np.float64] = np.square(segments, dtype=np.float64).mean(axis=1)
    return energies


def _spectral_db(one: Samples, other: Samples) -> float:
    first, second = _powers(one), _powers(other)
    energy = first.sum(axis=1)
    active = energy > energy.max() * ACTIVE
    apart_db = 10 * np.log10((first[active] + FLOOR) / (second[active] + FLOOR))
    return float(np.sqrt(np.square(apart_db).mean(axis=1)).mean())


def _powers(signal: Samples) -> NDArray[np.float64]:
    """Of overlapping windows, [windows, 129]."""
    window = np.hanning(WINDOW)
    windows = np.lib.stride_tricks.sliding_window_view(signal, WINDOW)[:: WINDOW // 2]
    powers: NDArray[np.float64] = np.square(np.abs(np.fft.rfft(windows * window))) / np.square(window).sum()
    return powers
