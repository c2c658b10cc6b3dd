"""Levels and loudness, against the standard's own numbers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.signal import lfilter

from bridge.audio import loudness


def sine(hz: float, seconds: float, level_db: float = 0.0, rate_hz: int = 8000) -> NDArray[np.float64]:
    return 10 ** (level_db / 20) * np.sin(2 * np.pi * hz * np.arange(round(rate_hz * seconds)) / rate_hz)


@pytest.mark.parametrize("rate_hz", [8000, 16000, 22050, 24000, 48000])
def test_the_standards_reference_tone(rate_hz: int) -> None:
    assert loudness.loudness_lufs(sine(997, 5, rate_hz=rate_hz), rate_hz) == pytest.approx(-3.01, abs=0.1)
    assert loudness.loudness_lufs(sine(997, 5, -20, rate_hz), rate_hz) == pytest.approx(-23.01, abs=0.1)


def test_the_filter_is_the_standards_at_48_khz() -> None:
    # ITU-R BS.1770-4, tables 1 and 2
    noise = np.random.default_rng(1).standard_normal(48000)
    shelf = lfilter(
        [1.53512485958697, -2.69169618940638, 1.19839281085285], [1.0, -1.69065929318241, 0.73248077421585], noise
    )
    expected = lfilter([1.0, -2.0, 1.0], [1.0, -1.99004745483398, 0.99007225036621], shelf)
    assert np.abs(loudness.k_weighted(noise, 48000) - expected).max() < 1e-4


def test_what_comes_later_changes_nothing_before() -> None:
    noise = 1 + np.random.default_rng(2).standard_normal(8192)
    for length in (100, 2048, 4096):
        assert (
            np.abs(loudness.k_weighted(noise, 8000)[:length] - loudness.k_weighted(noise[:length], 8000)).max() < 1e-5
        )


def test_the_filter_hears_the_same_at_every_rate() -> None:
    for hz, rate_hz in [(60, 8000), (300, 8000), (1000, 8000), (2500, 16000), (3400, 24000)]:
        low = loudness.loudness_lufs(sine(hz, 3, -12, rate_hz), rate_hz)
        high = loudness.loudness_lufs(sine(hz, 3, -12, 48000), 48000)
        assert low == pytest.approx(high, abs=0.3)


def test_pauses_do_not_make_speech_quieter() -> None:
    tone, pause = sine(1000, 2, -20), np.zeros(16000)
    spoken = np.concatenate([tone, pause, tone, pause, tone])
    # at each edge blocks lie half in the pause, as the standard has it
    assert loudness.loudness_lufs(spoken, 8000) == pytest.approx(loudness.loudness_lufs(tone, 8000), abs=1.0)
    assert loudness.level_dbfs(spoken) < loudness.level_dbfs(tone) - 2
    assert loudness.active_level_dbfs(spoken, 8000) == pytest.approx(-23.0, abs=0.1)


def test_gates_follow_the_ebu_example() -> None:
    # EBU Tech 3341, case 3: the quiet parts are left out by the relative gate (one channel: 3 dB less)
    parts = [sine(1000, s, level, 48000) for s, level in [(10, -36), (60, -23), (10, -36)]]
    assert loudness.loudness_lufs(np.concatenate(parts), 48000) == pytest.approx(-26.0, abs=0.1)


def test_silence_and_shortness_have_a_defined_answer() -> None:
    for nothing in (np.zeros(0), np.zeros(5), np.zeros(8000)):
        assert loudness.loudness_lufs(nothing, 8000) == loudness.SILENT_DB
        assert loudness.level_dbfs(nothing) == loudness.SILENT_DB
        assert loudness.peak_dbfs(nothing) == loudness.SILENT_DB
        assert loudness.active_level_dbfs(nothing, 8000) == loudness.SILENT_DB
        assert loudness.step_db(nothing, sine(500, 1), 8000) == 0.0
    assert loudness.loudness_lufs(sine(997, 0.1), 8000) == pytest.approx(-3.0, abs=1.0)


def test_levels_of_windows() -> None:
    sound = np.concatenate([sine(1000, 0.1), np.zeros(800), sine(1000, 0.1, -20), np.zeros(7)])
    levels = loudness.levels_dbfs(sound, 8000)
    assert levels == pytest.approx([-3.01] * 5 + [-100] * 5 + [-23.01] * 5, abs=0.01)
    assert loudness.peak_dbfs(sound) == pytest.approx(0.0, abs=0.01)


@pytest.mark.parametrize("louder_db", [-9.0, 0.0, 4.0])
def test_a_join_shows_its_step(louder_db: float) -> None:
    # neither a pause at the join nor what is long past is a step
    before = np.concatenate([sine(300, 1, -3), sine(300, 1, -20), np.zeros(1600)])
    assert loudness.step_db(before, sine(300, 1, -20 + louder_db), 8000) == pytest.approx(louder_db, abs=0.3)


@given(st.integers(1, 9000), st.floats(-40, -1), st.floats(-20, 20))
def test_twice_the_amplitude_is_six_db_whatever_the_sound(length: int, level_db: float, gain_db: float) -> None:
    sound = np.random.default_rng(length).standard_normal(length) * 10 ** (level_db / 20)
    for measure in (loudness.level_dbfs, loudness.peak_dbfs):
        assert measure(sound * 10 ** (gain_db / 20)) - measure(sound) == pytest.approx(gain_db, abs=1e-6)
