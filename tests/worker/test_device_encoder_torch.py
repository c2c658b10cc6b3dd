"""Encoding on the device says what the plain encoder says, for every format, in any cut, one stream or many."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.audio.encoder import Encoder, Samples
from bridge.audio.formats import FORMATS, MULAW_8000, AudioFormat
from bridge.audio.mulaw import decode
from bridge.worker.engines.device_encoder import DeviceEncoder

CPU = torch.device("cpu")
RATES_HZ = (24_000, 22_050, 16_000)


def sound(count: int, seed: int = 1) -> Samples:
    return np.random.default_rng(seed).normal(0, 0.25, count).astype(np.float32)


def linear(data: bytes, audio_format: AudioFormat) -> np.ndarray[tuple[int], np.dtype[np.int32]]:
    samples = decode(data) if audio_format == MULAW_8000 else np.frombuffer(data, "<i2")
    return samples.astype(np.int32)


@pytest.mark.parametrize("rate_hz", RATES_HZ)
@pytest.mark.parametrize("audio_format", FORMATS.values())
def test_it_equals_the_plain_encoder(rate_hz: int, audio_format: AudioFormat) -> None:
    audio = sound(rate_hz // 2)
    plain, device = Encoder(rate_hz, audio_format, 1.8), DeviceEncoder(rate_hz, audio_format, 1.8, CPU)
    theirs = linear(plain.feed(audio) + plain.finish(), audio_format)
    ours = linear(device.feed(audio) + device.finish(), audio_format)

    assert len(ours) == len(theirs) == rate_hz // 2 * audio_format.rate_hz // rate_hz
    difference = np.abs(ours - theirs)
    if audio_format == MULAW_8000:
        assert (difference > 0).mean() < 0.001  # a sample on the edge between two codes
    else:
        assert difference.max() <= 1
    assert np.abs(theirs).max() > 20_000


@pytest.mark.parametrize("rate_hz", RATES_HZ)
@pytest.mark.parametrize("audio_format", [one for one in FORMATS.values() if one.codec == "pcm"])
def test_speech_passes_and_nothing_folds_back(rate_hz: int, audio_format: AudioFormat) -> None:
    """Flat to 3.4 kHz (85 % of half the lower rate) within 0.5 dB; what the lower rate cannot carry is below -60 dB.

    Images of a lower rate, likewise.
    """
    out_hz = audio_format.rate_hz
    half_hz = min(rate_hz, out_hz) / 2
    pass_hz = 3400 if half_hz == 4000 else 0.85 * half_hz
    for tone_hz in (200, 1000, 0.6 * pass_hz, pass_hz):
        itself_db, other_db = levels(tone_hz, rate_hz, audio_format)
        assert itself_db == pytest.approx(0.0, abs=0.5)
        assert other_db < -60
    for tone_hz in (1.05 * half_hz, 1.25 * half_hz, 0.98 * rate_hz / 2):
        if half_hz < tone_hz < rate_hz / 2:
            assert max(levels(tone_hz, rate_hz, audio_format)) < -60, tone_hz


def levels(tone_hz: float, rate_hz: int, audio_format: AudioFormat) -> tuple[float, float]:
    """A tone of half of full scale through the encoder, in pieces of 37 ms: what is heard of it, and of all else at any
    one frequency, in dB against the tone."""
    out_hz, encoder = audio_format.rate_hz, DeviceEncoder(rate_hz, audio_format, 1.0, CPU)
    audio = (0.5 * np.sin(2 * np.pi * tone_hz * np.arange(rate_hz) / rate_hz)).astype(np.float32)
    step = rate_hz * 37 // 1000
    data = b"".join(encoder.feed(audio[start : start + step]) for start in range(0, len(audio), step))
    heard = linear(data, audio_format)[out_hz // 10 : -out_hz // 10] / 32767
    window = np.blackman(len(heard))
    size = 8 * len(heard)
    levels_db = 20 * np.log10(np.abs(np.fft.rfft(heard * window, size)) / (0.25 * window.sum()) + 1e-9)
    frequencies_hz = np.arange(len(levels_db)) * out_hz / size
    near = np.abs(frequencies_hz - tone_hz) < 30
    return float(levels_db[near].max(initial=-180.0)), float(levels_db[~near].max())


@settings(max_examples=30)
@given(
    st.lists(st.tuples(st.integers(0, 5000), st.integers(0, 3), st.integers(0, 1)), min_size=1, max_size=6),
    st.lists(st.integers(0, 5000), max_size=4),
)
def test_streams_of_a_batch_keep_to_themselves(streams: list[tuple[int, int, int]], cuts: list[int]) -> None:
    """However many streams, of any formats and lengths, fed together in any parts: each as if it were alone."""
    formats = list(FORMATS.values())
    rate_hz = RATES_HZ[streams[0][2]]
    audio = [sound(count, index) for index, (count, _, _) in enumerate(streams)]
    together = [DeviceEncoder(rate_hz, formats[number], 1.0, CPU) for _, number, _ in streams]
    data = [b"" for _ in streams]
    for start, end in pairwise([0, *sorted(cuts), 5000]):
        for index, part in enumerate(DeviceEncoder.feed_all(together, [samples[start:end] for samples in audio])):
            data[index] += part
    for (count, number, _), samples, joined, encoder in zip(streams, audio, data, together, strict=True):
        alone = DeviceEncoder(rate_hz, formats[number], 1.0, CPU)
        expected = linear(alone.feed(samples) + alone.finish(), formats[number])
        heard = linear(joined + encoder.finish(), formats[number])
        assert encoder.fed == count
        assert len(heard) == len(expected)
        allowed = 1 + (np.abs(expected) // 16 if formats[number] == MULAW_8000 else 0)
        assert (np.abs(heard - expected) <= allowed).all()
