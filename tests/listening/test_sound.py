from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.signal import firwin, resample_poly

from bridge.audio.mulaw import decode_float, encode_float
from bridge.listening.sound import AudioMemory, samples_16k


@given(st.lists(st.integers(0, 2500), max_size=30), st.integers(0, 12000), st.integers(0, 12000))
def test_the_memory_holds_the_last_second_however_it_came(sizes: list[int], start: int, end: int) -> None:
    memory, everything = AudioMemory(1.0), b""
    for index, size in enumerate(sizes):
        piece = bytes((len(everything) + i) % 251 for i in range(size))
        everything += piece
        memory.write(piece, index * 0.02)
    assert memory.total == len(everything)
    held_from = max(0, len(everything) - 8000)
    assert memory.read(start, end) == everything[max(start, held_from) : end]
    assert memory.read(held_from) == everything[held_from:]


def test_the_memory_grows_with_the_call_and_not_beyond_its_limit() -> None:
    memory = AudioMemory(30.0)
    assert len(memory._ring) == 0
    for _ in range(3000):
        memory.write(b"\xff" * 160, 0.0)
    assert len(memory._ring) == 240_000


def test_a_time_finds_its_place_in_a_steady_stream() -> None:
    memory = AudioMemory(30.0)
    for frame in range(1, 501):
        memory.write(b"\xff" * 160, 0.5 + frame * 0.02)
    for at in (0.5, 1.23, 5.0, 10.49):
        assert memory.position(at) == pytest.approx((at - 0.5) * 8000, abs=1)
    assert memory.position(99.0) == 80_000
    assert memory.position(-5.0) == 0


def test_a_time_finds_its_place_after_the_carrier_stalled_and_caught_up() -> None:
    memory = AudioMemory(30.0)
    for frame in range(1, 51):
        memory.write(b"\xff" * 160, frame * 0.02)
    for _ in range(50):  # a second of audio at once, after a second of nothing
        memory.write(b"\xff" * 160, 2.0)
    for frame in range(1, 51):
        memory.write(b"\xff" * 160, 2.0 + frame * 0.02)
    assert memory.position(0.5) == pytest.approx(4000, abs=160)
    assert memory.position(1.5) == pytest.approx(8000, abs=800)
    assert memory.position(2.5) == pytest.approx(20_000, abs=800)


def test_doubling_the_rate_keeps_the_band_and_makes_no_image() -> None:
    time = np.arange(16000) / 8000
    for hz in (200, 1000, 3000, 3300):
        wide = samples_16k(encode_float(0.5 * np.sin(2 * np.pi * hz * time)))
        spectrum = np.abs(np.fft.rfft(wide * np.hanning(len(wide)))) / len(wide) * 4
        hz_of = np.fft.rfftfreq(len(wide), 1 / 16000)
        assert spectrum[np.abs(hz_of - hz) < 10].max() == pytest.approx(0.5, rel=0.02)
        assert spectrum[np.abs(hz_of - (8000 - hz)) < 10].max() < 0.5e-3


@pytest.mark.parametrize("count", [0, 1, 39, 40, 81, 161, 1000])
def test_the_doubled_rate_is_that_of_the_library(count: int) -> None:
    ulaw = bytes(np.random.default_rng(count).integers(0, 256, count, dtype=np.uint8))
    taps = firwin(161, 3800, fs=16000, window=("kaiser", 8.0))
    expected = resample_poly(decode_float(ulaw), 2, 1, window=taps) if count else np.empty(0)
    assert samples_16k(ulaw) == pytest.approx(expected, abs=1e-5)
