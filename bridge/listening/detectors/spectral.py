"""A simple detector of synthetic speech: how a voice's spectrum moves, weighed by a line fitted to examples.

Vocoders move more smoothly from frame to frame than throats do, and leave the upper bands of a telephone line quieter
or steadier. What a microphone, a line or its level does to the mean of a band is left out; only its movement counts.
How far that carries, and how far it does not, is measured by `tests.bench.synthetic_speech`.
"""

from __future__ import annotations

import json
import math
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bridge.errors import ConfigError
from bridge.listening.detectors.base import Samples

WEIGHTS = Path(__file__).with_name("spectral.json")
_RATE_HZ, _FRAME, _HOP = 8000, 256, 80
_BANDS = 20
_LOW_HZ, _HIGH_HZ = 300.0, 3300.0
_BELOW_LOUDEST_DB = 35.0
_PITCH = slice(20, 133)
"""Periods of 60 to 400 Hz, in samples."""
_SLOW_HZ = ((1.0, 3.0), (3.0, 6.0), (6.0, 12.0), (12.0, 25.0))
_FEWEST = 30

Features = NDArray[np.float64]


class SpectralDetector:
    """The detector that needs no file. Raises ConfigError for weights that are not its own."""

    name = "synthetic"

    def __init__(self, weights: Path = WEIGHTS) -> None:
        try:
            kept = json.loads(weights.read_text())
            self._mean, self._scale, self._weights = (np.array(kept[key]) for key in ("mean", "scale", "weights"))
            self._bias = float(kept["bias"])
        except (OSError, ValueError, KeyError) as error:
            raise ConfigError(f"{weights}: cannot be read as a detector's weights: {error}") from None

    def score(self, speech: Samples) -> float:
        """Return how likely a machine is; one half where there is too little to tell by."""
        found = features(speech)
        if found is None:
            return 0.5
        return logistic(float((found - self._mean) / self._scale @ self._weights) + self._bias)


def logistic(value: float) -> float:
    """Turn a sum of evidence into a probability."""
    return 1.0 / (1.0 + math.exp(-min(max(value, -30.0), 30.0)))


def features(speech: Samples) -> Features | None:
    """What is known of a window; None for one that is silent nearly throughout."""
    if len(speech) < _FRAME + _FEWEST * _HOP:
        return None
    frames = np.lib.stride_tricks.sliding_window_view(speech, _FRAME)[::_HOP].astype(np.float64)
    energy = (frames**2).mean(axis=1) + 1e-12
    loud = energy > energy.max() * 10 ** (-_BELOW_LOUDEST_DB / 10)
    if energy.max() < 1e-8 or loud.sum() < _FEWEST:
        return None
    power = np.abs(np.fft.rfft(frames * np.hanning(_FRAME), axis=1)) ** 2
    bands = np.log(power @ _filters() + 1e-9 * power.mean())
    both = loud[1:] & loud[:-1]
    steps = np.diff(bands, axis=0)[both]
    curves = np.diff(bands, 2, axis=0)[both[1:] & both[:-1]]
    if len(curves) < _FEWEST // 2:
        return None
    voiced = _periodicity(frames)
    return np.concatenate([
        bands[loud].std(axis=0),
        np.log(np.abs(steps).mean(axis=0) + 1e-6),
        np.log(np.abs(curves).mean(axis=0) + 1e-6) - np.log(np.abs(steps).mean(axis=0) + 1e-6),
        [voiced[loud].mean(), voiced[loud].std(), np.abs(np.diff(voiced)[both]).mean()],
        _slow_movements(np.log(energy)),
    ])  # fmt: skip


@cache
def _filters() -> NDArray[np.float64]:
    """Triangles, evenly spaced on the mel scale, [bins, bands]."""
    mel = np.linspace(_mel(_LOW_HZ), _mel(_HIGH_HZ), _BANDS + 2)
    edges = 700 * (10 ** (mel / 2595) - 1)
    hz = np.fft.rfftfreq(_FRAME, 1 / _RATE_HZ)[:, None]
    rise = (hz - edges[:-2]) / (edges[1:-1] - edges[:-2])
    fall = (edges[2:] - hz) / (edges[2:] - edges[1:-1])
    found: NDArray[np.float64] = np.maximum(0.0, np.minimum(rise, fall))
    return found


def _mel(hz: float) -> float:
    return 2595 * math.log10(1 + hz / 700)


def _periodicity(frames: NDArray[np.float64]) -> Features:
    """How alike each frame is to itself one period of a voice later, 0..1."""
    spectrum = np.abs(np.fft.rfft(frames, 2 * _FRAME, axis=1)) ** 2
    alike = np.fft.irfft(spectrum, axis=1)
    found: Features = np.clip(alike[:, _PITCH].max(axis=1) / (alike[:, 0] + 1e-12), 0.0, 1.0)
    return found


def _slow_movements(level: Features) -> Features:
    """Which share of the level's movement lies at the pace of words, syllables and sounds."""
    moved = np.abs(np.fft.rfft((level - level.mean()) * np.hanning(len(level)))) ** 2
    hz = np.fft.rfftfreq(len(level), _HOP / _RATE_HZ)
    whole = moved[(hz >= _SLOW_HZ[0][0]) & (hz < _SLOW_HZ[-1][1])].sum() + 1e-9
    return np.array([moved[(hz >= low) & (hz < high)].sum() / whole for low, high in _SLOW_HZ])
