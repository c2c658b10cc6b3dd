"""A format's bytes, milliseconds and levels agree with each other, whichever codec it is."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.audio import mulaw
from bridge.audio.formats import FORMATS, MULAW_8000, AudioFormat

EVERY = list(FORMATS.values())
TONE = np.round(8000 * np.sin(np.arange(4800) / 7)).astype(np.int16)


def as_bytes(audio_format: AudioFormat, samples: np.ndarray = TONE) -> bytes:
    return mulaw.encode(samples) if audio_format.codec == "mulaw" else samples.astype("<i2").tobytes()


def samples_of(audio_format: AudioFormat, audio: bytes) -> np.ndarray:
    found = mulaw.decode(audio) if audio_format.codec == "mulaw" else np.frombuffer(audio, dtype="<i2")
    return found.astype(np.float64)


@pytest.mark.parametrize(
    ("name", "bytes_per_ms", "frame_bytes"),
    [("mulaw_8000", 8, 160), ("pcm_8000", 16, 320), ("pcm_16000", 32, 640), ("pcm_24000", 48, 960)],
)
def test_a_format_is_known_by_its_name(name: str, bytes_per_ms: int, frame_bytes: int) -> None:
    audio_format = FORMATS[name]
    assert (audio_format.name, audio_format.bytes_per_ms, audio_format.frame_bytes) == (name, bytes_per_ms, frame_bytes)


@pytest.mark.parametrize("audio_format", EVERY, ids=lambda one: one.name)
@given(length_ms=st.integers(0, 5000))
def test_silence_is_silent_and_as_long_as_was_asked(audio_format: AudioFormat, length_ms: int) -> None:
    silence = audio_format.silence(length_ms)
    assert audio_format.duration_ms(silence) == length_ms
    assert not samples_of(audio_format, silence).any()


@pytest.mark.parametrize("audio_format", EVERY, ids=lambda one: one.name)
def test_a_lowered_voice_is_lower_by_so_many_decibels(audio_format: AudioFormat) -> None:
    loud = as_bytes(audio_format)
    soft = audio_format.scaled(loud, -18.0)
    assert len(soft) == len(loud)
    ratio = samples_of(audio_format, soft).std() / samples_of(audio_format, loud).std()
    assert 20 * np.log10(ratio) == pytest.approx(-18.0, abs=0.3)
    assert audio_format.scaled(loud, 0.0) is loud


@pytest.mark.parametrize("audio_format", EVERY, ids=lambda one: one.name)
def test_a_ramp_begins_at_one_level_and_ends_at_the_other(audio_format: AudioFormat) -> None:
    ramped = samples_of(audio_format, audio_format.ramped(as_bytes(audio_format), 0.0, -18.0))
    before = samples_of(audio_format, as_bytes(audio_format))
    assert ramped[:40] == pytest.approx(before[:40], rel=0.1, abs=40)
    assert ramped[-40:].std() / before[-40:].std() == pytest.approx(10 ** (-18 / 20), rel=0.1)


@given(gain_db=st.floats(-60, 40))
def test_linear_samples_clip_and_never_wrap_round(gain_db: float) -> None:
    pcm = FORMATS["pcm_16000"]
    extremes = np.array([-32768, -20000, 0, 20000, 32767], dtype="<i2")
    scaled = np.frombuffer(pcm.scaled(extremes.tobytes(), gain_db), dtype="<i2")
    assert np.all(np.sign(scaled) * np.sign(extremes.astype(int)) >= 0)


def test_mu_law_stays_bit_exact_with_its_table() -> None:
    audio = bytes(range(256))
    assert MULAW_8000.scaled(audio, -18.0) == audio.translate(mulaw.gain_table(-18.0))
    assert MULAW_8000.ramped(audio, 0.0, -18.0) == mulaw.ramp(audio, 0.0, -18.0)
