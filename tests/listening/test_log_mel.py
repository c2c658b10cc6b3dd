from __future__ import annotations

import numpy as np
import pytest

from bridge.listening.log_mel import FILTERS, log_mel
from bridge.listening.turn_model import features

# What transformers' WhisperFeatureExtractor(chunk_length=8) makes of the chirp below: (band, step, plain, normalised).
KNOWN = (
    (5, 0, 1.16515, 1.50185),
    (8, 100, 0.21393, 0.55063),
    (20, 300, -0.24960, 0.08710),
    (30, 450, -0.43681, -0.10011),
    (40, 600, -0.65834, -0.32164),
    (60, 799, -0.14166, 0.19503),
)


def chirp() -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    """200 Hz to 2600 Hz in 8 s at 16 kHz."""
    time = np.arange(128000) / 16000
    return (0.3 * np.sin(2 * np.pi * (200 * time + 150 * time * time))).astype(np.float32)


def test_the_spectrogram_is_whispers() -> None:
    plain = log_mel(chirp())
    assert plain.shape == (80, 800)
    for band, step, value, _ in KNOWN:
        assert plain[band, step] == pytest.approx(value, abs=1e-3)


def test_the_turn_models_features_are_of_the_normalised_waveform() -> None:
    for band, step, _, value in KNOWN:
        assert features(chirp())[band, step] == pytest.approx(value, abs=1e-3)


def test_short_audio_lies_at_the_end_of_the_turn_models_eight_seconds() -> None:
    seen = features(chirp()[:16000])
    assert seen.shape == (80, 800)
    assert seen[:, :690].max() == seen.min()
    assert seen[:, 710:].max() > seen.min() + 1.0


def test_the_filters_are_triangles_of_equal_area() -> None:
    assert FILTERS.shape == (80, 201)
    areas = FILTERS[45:].sum(axis=1) * 40.0  # 40 Hz between bins; wide filters are sampled well
    assert areas == pytest.approx(np.ones(35), rel=0.05)
    assert (FILTERS >= 0).all()
