"""The log-mel spectrogram that Whisper was trained on, shared by the recogniser and the end-of-turn model.

16 kHz, 80 bands of the Slaney mel scale from 0 to 8 kHz with equal area, periodic Hann window of 400 samples every 160
(10 ms), reflected edges, last frame dropped; log10, clipped 8 below the maximum, then (x + 4) / 4. Rules as in
`log_mel_spectrogram` of openai/whisper's audio.py and in the Auditory Toolbox (Slaney 1998) for the scale.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.fft import rfft

from bridge.listening.sound import Floats

RATE_HZ = 16000
BANDS = 80
STEP = 160
_WINDOW = 400


def _hz_of_mel(mel: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Slaney's scale: linear below 1 kHz (15 mel), then 27 mel for each factor of 6.4."""
    linear = mel * 200.0 / 3.0
    return np.where(mel < 15.0, linear, 1000.0 * np.exp((mel - 15.0) * np.log(6.4) / 27.0))


def _filters() -> Floats:
    """Triangles of equal area, [80, 201]."""
    top = 15.0 + np.log(RATE_HZ / 2 / 1000.0) * 27.0 / np.log(6.4)
    edges = _hz_of_mel(np.linspace(0.0, top, BANDS + 2))[:, None]
    hz = np.linspace(0.0, RATE_HZ / 2, _WINDOW // 2 + 1)[None, :]
    rising = (hz - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - hz) / (edges[2:] - edges[1:-1])
    area = 2.0 / (edges[2:] - edges[:-2])
    filters: Floats = (np.maximum(0.0, np.minimum(rising, falling)) * area).astype(np.float32)
    return filters


FILTERS = _filters()
_HANN = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(_WINDOW) / _WINDOW)).astype(np.float32)


def log_mel(samples: Floats) -> Floats:
    """Samples at 16 kHz to [80, len(samples) // 160]."""
    padded = np.pad(samples, _WINDOW // 2, mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(padded, _WINDOW)[::STEP][: len(samples) // STEP]
    spectrum = rfft(frames * _HANN, axis=1)
    power = spectrum.real**2 + spectrum.imag**2
    bands = np.log10(np.maximum(FILTERS @ power.T, 1e-10))
    bands = np.maximum(bands, bands.max() - 8.0)
    scaled: Floats = ((bands + 4.0) / 4.0).astype(np.float32)
    return scaled
