"""How speech ends: melody, last sound, gaps; measured on a voice that does as it is told."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.listening.prosody import UNKNOWN, prosody
from bridge.listening.turn_model import weigh
from tests.listening.sounds import Samples, line, noise, silence

RATE = 8000


def hum(seconds: float, from_hz: float, to_hz: float, level_db: float = -20.0) -> Samples:
    """A voice without words: eight harmonics, gliding."""
    hz = np.linspace(from_hz, to_hz, round(seconds * RATE))
    phase = 2 * np.pi * np.cumsum(hz) / RATE
    wave = sum(np.sin(number * phase) / number for number in range(1, 9))
    return np.asarray(wave * 10 ** (level_db / 20) / np.std(wave), np.float32)


def spoken(*parts: Samples, noise_db: float = -65.0) -> bytes:
    """With the pause behind it in which the machine asks."""
    return line(silence(0.3), *parts, silence(0.14), noise_db=noise_db)


@pytest.mark.parametrize("noise_db", [-65.0, -45.0])
@pytest.mark.parametrize("hz", [95.0, 140.0, 220.0])
def test_a_voice_that_falls_at_the_end_is_told_from_one_that_rises(hz: float, noise_db: float) -> None:
    falls = prosody(spoken(hum(1.0, hz, hz), hum(0.4, hz, 0.75 * hz), noise_db=noise_db))
    rises = prosody(spoken(hum(1.0, hz, hz), hum(0.4, hz, 1.4 * hz), noise_db=noise_db))
    assert falls.final_pitch < -0.8
    assert rises.final_pitch > 0.8
    assert weigh(0.5, falls) > weigh(0.5, rises)


@pytest.mark.parametrize("noise_db", [-65.0, -45.0])
def test_the_last_sound_is_as_long_as_it_is(noise_db: float) -> None:
    word = hum(0.5, 140, 140)
    for seconds in (0.1, 0.2, 0.4):
        found = prosody(spoken(word, silence(0.08), hum(seconds, 140, 140), noise_db=noise_db))
        assert found.final_sound * 0.2 == pytest.approx(seconds, abs=0.05)


def test_speech_with_gaps_is_less_dense_and_no_gap_counts_for_more_than_a_moment() -> None:
    word = hum(0.3, 140, 130)
    fluent = prosody(spoken(word, word, word, word))
    halting = prosody(spoken(word, silence(0.2), word, silence(0.2), word, silence(0.2), word))
    pondering = prosody(spoken(word, silence(1.0), word, silence(1.0), word, silence(1.0), word))
    assert fluent.density > 0.97
    assert halting.density < 0.9
    assert pondering.density == pytest.approx(halting.density, abs=0.03)


def test_a_louder_line_makes_nobody_fluent() -> None:
    """Noise fills the gaps: they are told by the noise in the pause behind."""
    word = hum(0.3, 140, 130)
    parts = [word, silence(0.2), word, silence(0.2), word]
    quiet, loud = (prosody(spoken(*parts, noise_db=noise_db)) for noise_db in (-70.0, -42.0))
    assert loud.density == pytest.approx(quiet.density, abs=0.05)


@pytest.mark.parametrize(
    "ulaw", [b"", b"\xff", b"\xff" * 1000, b"\xff" * 8000, b"\x00" * 8000, b"\x00\x80" * 4000], ids=len
)
def test_nothing_to_measure_is_no_error(ulaw: bytes) -> None:
    assert all(np.isfinite(prosody(ulaw)))
    assert len(ulaw) > 2000 or prosody(ulaw) == UNKNOWN


@given(st.integers(0, 2**32 - 1), st.integers(0, 20000))
def test_any_bytes_are_measured_within_bounds(seed: int, length: int) -> None:
    found = prosody(np.random.default_rng(seed).bytes(length))
    assert 0.0 < found.density <= 1.0
    assert -1.34 < found.final_pitch < 1.34
    assert 0.0 <= found.final_sound <= 3.0


@given(st.floats(0.0, 1.0), st.floats(0.0, 1.0))
def test_a_tone_that_sounds_more_finished_is_never_worth_less(one: float, other: float) -> None:
    heard = prosody(spoken(noise(0.5, -30.0)))
    low, high = sorted((one, other))
    assert 0.0 < weigh(low, heard) <= weigh(high, heard) < 1.0
