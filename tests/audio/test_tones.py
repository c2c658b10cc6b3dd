"""Telephone sounds: what is made is what is heard, after G.711, noise and a bad exchange."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from bridge.audio import mulaw, tones, wav
from bridge.audio.loudness import level_dbfs, levels_dbfs
from bridge.audio.resample import resample
from bridge.audio.tones import KeyTone, KeyToneDetector

CALLERS = Path(__file__).parents[2] / "fixtures" / "callers"
ALL_KEYS = "147*2580369#ABCD"


def over_the_line(sound: NDArray[np.floating]) -> NDArray[np.float32]:
    return mulaw.decode_float(mulaw.encode_float(sound))


def heard(sound: NDArray[np.floating]) -> str:
    """The keys that a detector finds in 20 ms frames after G.711."""
    detector, line = KeyToneDetector(), over_the_line(sound)
    return "".join(found.key for at in range(0, len(line), 160) for found in detector.feed(line[at : at + 160]))


def off_pitch(key: str, off: float) -> NDArray[np.float32]:
    low_hz, high_hz = tones.KEY_HZ[key]
    pressed = tones.tone([low_hz * (1 + off), high_hz * (1 + off)], 60)
    return np.concatenate([tones.silence(30), pressed, tones.silence(60)])


@pytest.mark.parametrize("twist_db", [-8.0, 0.0, 4.0])
@pytest.mark.parametrize("level_dbfs", [-14.0, -25.0, -40.0])
@pytest.mark.parametrize("tone_ms", [40, 100])
def test_every_key_is_heard_at_every_level_and_twist(level_dbfs: float, twist_db: float, tone_ms: int) -> None:
    pressed = tones.dtmf(ALL_KEYS, tone_ms=tone_ms, gap_ms=tone_ms, level_dbfs=level_dbfs, twist_db=twist_db)
    assert heard(pressed) == ALL_KEYS


def test_the_same_key_again_and_a_long_one() -> None:
    for late_ms in range(12):
        pressed = np.concatenate([tones.silence(late_ms), tones.dtmf("0055", tone_ms=40, gap_ms=40), tones.silence(20)])
        assert heard(pressed) == "0055"
    assert heard(tones.dtmf("7", tone_ms=3000)) == "7"


def test_a_short_break_in_a_tone_is_no_second_press() -> None:
    for at in range(1200, 1280, 7):
        pressed = tones.dtmf("5", tone_ms=300)
        pressed[at : at + 80] = 0
        assert heard(pressed) == "5"


def test_a_key_is_placed_in_time() -> None:
    sound = np.concatenate([tones.silence(500), tones.dtmf("1"), tones.silence(500), tones.dtmf("#")])
    (one, pound) = KeyToneDetector().feed(sound)
    assert (one.key, pound.key) == ("1", "#")
    assert one.start_ms == pytest.approx(500, abs=20)
    assert pound.start_ms == pytest.approx(1200, abs=20)


@pytest.mark.parametrize("noise_below_db", [30, 15, 10])
def test_keys_are_heard_through_noise(noise_below_db: int) -> None:
    pressed = tones.dtmf(ALL_KEYS, tone_ms=70, gap_ms=60)
    noise = tones.noise(len(pressed) / 8, -13 - noise_below_db, seed=noise_below_db)
    assert heard(pressed + noise) == ALL_KEYS


@pytest.mark.parametrize("key", ["1", "5", "9", "D", "*"])
def test_frequencies_may_be_a_little_off_but_not_much(key: str) -> None:
    for off in (-0.015, 0.0, 0.015):
        assert heard(off_pitch(key, off)) == key
    for off in (-0.035, 0.035):
        assert heard(off_pitch(key, off)) == ""


def test_what_is_too_short_too_quiet_or_half_is_no_key() -> None:
    for late_ms in range(12):
        assert heard(np.concatenate([tones.silence(late_ms), tones.dtmf(ALL_KEYS, tone_ms=23)])) == ""
    assert heard(tones.dtmf(ALL_KEYS, level_dbfs=-50)) == ""
    assert heard(tones.dtmf(ALL_KEYS, twist_db=9, level_dbfs=-25)) == ""
    for single_hz in (*tones.ROWS_HZ, *tones.COLUMNS_HZ):
        assert heard(tones.tone([single_hz], 200)) == ""
    assert heard(tones.tone([697, 770, 1209], 200)) == ""
    rows = tones.tone([697], 200, -28) + tones.tone([770], 200, -31)
    assert heard(rows + tones.tone([1209], 200, -23)) == ""
    assert heard(np.concatenate([tones.ringback(3000), tones.busy(3000), tones.noise(5000, -20)])) == ""


@pytest.mark.parametrize("path", sorted(CALLERS.glob("*.wav")), ids=lambda path: path.stem)
def test_no_voice_presses_a_key(path: Path) -> None:
    recording = wav.read(path.read_bytes())
    speech = recording.mono / 32768.0
    for faster in (0.8, 1.0, 1.25):  # other voices, higher and lower
        voice = resample(speech, round(recording.rate_hz * faster), 8000)
        assert heard(voice * (0.3 / np.abs(voice).max())) == ""


def test_hardly_a_vowel_presses_a_key() -> None:
    """Pure harmonics that glide may pass a key's two tones at once: 15 of 3,000 do, of these 1,000 eight."""
    rng = np.random.default_rng(1)
    keys = 0
    for _ in range(1000):
        pitch_hz, glide, formants = rng.uniform(80, 320), rng.uniform(-0.3, 0.3), rng.uniform(250, 3300, 3)
        time = np.arange(4000) / 8000
        phase = 2 * np.pi * pitch_hz * (time + glide * time**2)
        harmonics = range(1, int(3600 / (pitch_hz * 1.3)) + 1)
        loud = {n: sum(1 / (1 + ((n * pitch_hz - f) / 120) ** 2) for f in formants) + 0.02 for n in harmonics}
        vowel = sum(loud[n] * np.sin(n * phase) for n in harmonics)
        keys += heard(0.2 * vowel / np.abs(vowel).max()) != ""
    assert keys <= 8


@given(cuts=st.lists(st.integers(0, 500), max_size=30), seed=st.integers(0, 5))
@settings(max_examples=40)
def test_however_the_stream_is_cut_the_same_keys_are_found(cuts: list[int], seed: int) -> None:
    sound = tones.dtmf("19#04", tone_ms=45, gap_ms=45)
    sound = over_the_line(sound + tones.noise(len(sound) / 8, -30, seed))
    detector, at, found = KeyToneDetector(), 0, list[KeyTone]()
    for cut in cuts:
        found += detector.feed(sound[at : at + cut])
        at += cut
    assert found + detector.feed(sound[at:]) == KeyToneDetector().feed(sound)


def test_levels_and_frequencies_are_as_asked_for() -> None:
    assert level_dbfs(tones.tone([440, 480], 1000, -20)) == pytest.approx(-17, abs=0.1)
    assert level_dbfs(tones.noise(1000, -40)) == pytest.approx(-40, abs=0.2)
    assert np.array_equal(tones.noise(20, seed=4), tones.noise(20, seed=4))
    assert not np.array_equal(tones.noise(20, seed=4), tones.noise(20, seed=5))
    for rate_hz in (8000, 24000):
        pressed = tones.dtmf("6", tone_ms=1000, gap_ms=0, rate_hz=rate_hz)
        spectrum = np.abs(np.fft.rfft(pressed))
        assert len(pressed) == rate_hz
        assert sorted(np.argsort(spectrum)[-2:]) == [770, 1477]


def test_a_tone_begins_and_ends_without_a_click() -> None:
    sound = tones.tone([1000], 50, -6)
    assert abs(sound[0]) < 0.01
    assert abs(sound[-1]) < 0.05
    assert len(tones.tone([1000], 0)) == 0


@pytest.mark.parametrize(("country", "first_ms"), [("us", 2000), ("uk", 400), ("eu", 1000)])
def test_ringing_keeps_its_cadence(country: tones.Country, first_ms: int) -> None:
    sounding = levels_dbfs(tones.ringback(5000, country), 8000) > -60
    assert len(sounding) == 250
    assert sounding[: first_ms // 20].all()
    assert not sounding[first_ms // 20 : first_ms // 20 + 8].any()


def test_what_is_no_key_is_named() -> None:
    with pytest.raises(ValueError, match="'x'"):
        tones.dtmf("12x")
    assert len(tones.dtmf("")) == 0
