"""The resampler as a stream, and its filter as measured."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.audio.resample import Resampler, resample

RATIOS = [(24000, 8000), (22050, 8000), (16000, 8000), (8000, 16000), (24000, 16000), (8000, 24000), (44100, 8000)]


def level_db(rate_in_hz: int, rate_out_hz: int, tone_hz: float) -> float:
    """Gain of the resampler for one tone, its edges left out."""
    tone = np.sin(2 * np.pi * tone_hz * np.arange(rate_in_hz) / rate_in_hz)
    out = resample(tone, rate_in_hz, rate_out_hz)[rate_out_hz // 10 : -rate_out_hz // 10]
    return float(20 * np.log10(np.sqrt(np.mean(out**2)) * np.sqrt(2) + 1e-12))


@pytest.mark.parametrize(("rate_in_hz", "rate_out_hz"), RATIOS[:3])
def test_speech_passes_flat_and_nothing_folds_back(rate_in_hz: int, rate_out_hz: int) -> None:
    for tone_hz in (200, 500, 1000, 2000, 3000, 3400):
        assert abs(level_db(rate_in_hz, rate_out_hz, tone_hz)) < 0.05
    for tone_hz in (4020, 4200, 5000, 7800):
        assert level_db(rate_in_hz, rate_out_hz, tone_hz) < (-60 if tone_hz < 4100 else -85)


def test_upsampling_makes_no_images() -> None:
    tone = np.sin(2 * np.pi * 3400 * np.arange(8000) / 8000)
    out = resample(tone, 8000, 16000)[1000:-1000]
    spectrum = np.abs(np.fft.rfft(out * np.hanning(len(out))))
    frequency = np.fft.rfftfreq(len(out), 1 / 16000)
    image = spectrum[frequency > 4300].max() / spectrum.max()
    assert 20 * np.log10(image) < -60


@settings(max_examples=50)
@given(ratio=st.sampled_from(RATIOS), cuts=st.lists(st.integers(1, 700), max_size=12), seed=st.integers(0, 99))
def test_a_stream_equals_the_whole_to_the_bit(ratio: tuple[int, int], cuts: list[int], seed: int) -> None:
    signal = np.random.default_rng(seed).standard_normal(3000).astype(np.float32)
    stream, at, parts = Resampler(*ratio), 0, []
    for cut in cuts:
        parts.append(stream.feed(signal[at : at + cut]))
        at += cut
    parts += [stream.feed(signal[at:]), stream.flush()]
    whole = resample(signal, *ratio)
    assert np.array_equal(np.concatenate(parts), whole)
    assert len(whole) == -(-3000 * ratio[1] // ratio[0])


def test_nothing_is_delayed_against_the_input() -> None:
    signal = np.sin(2 * np.pi * 700 * np.arange(24000) / 24000)
    expected = np.sin(2 * np.pi * 700 * np.arange(8000) / 8000)
    assert np.abs(resample(signal, 24000, 8000) - expected)[200:-200].max() < 1e-3


def test_a_flushed_stream_begins_anew() -> None:
    signal = np.random.default_rng(5).standard_normal(999)
    stream = Resampler(24000, 8000)
    first = np.concatenate([stream.feed(signal), stream.flush()])
    assert np.array_equal(first, np.concatenate([stream.feed(signal), stream.flush()]))


def test_equal_rates_change_nothing_and_odd_rates_are_refused() -> None:
    signal = np.ones(10, np.float32)
    assert np.array_equal(resample(signal, 8000, 8000), signal)
    with pytest.raises(ValueError, match="must be positive"):
        Resampler(0, 8000)


def test_a_long_signal_equals_its_parts() -> None:
    signal = np.random.default_rng(3).standard_normal(3 * 22050).astype(np.float32)
    stream = Resampler(22050, 8000)
    parts = [stream.feed(part) for part in np.array_split(signal, 301)]
    assert np.array_equal(np.concatenate([*parts, stream.flush()]), resample(signal, 22050, 8000))


def test_up_and_down_again_is_the_same_sound() -> None:
    tone = np.sin(2 * np.pi * 1000 * np.arange(8000) / 8000)
    for rate_hz in (16000, 22050, 24000, 48000):
        assert np.abs(resample(resample(tone, 8000, rate_hz), rate_hz, 8000) - tone)[200:-200].max() < 2e-3
