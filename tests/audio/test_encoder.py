"""The encoder makes a line's audio of an engine's samples: the same however it is fed, never clipped, never late."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.audio import mulaw
from bridge.audio.encoder import BLOCK, KNEE, Encoder, LinearDecoder, Samples, limit
from bridge.audio.formats import FORMATS, MULAW_8000, AudioFormat

LINES = st.sampled_from(sorted(FORMATS.values(), key=lambda one: one.name))
RATES = st.sampled_from([8000, 16_000, 22_050, 24_000])


def tone(rate_hz: int, seconds: float, level: float = 0.3) -> Samples:
    return (level * np.sin(2 * np.pi * 440 * np.arange(int(rate_hz * seconds)) / rate_hz)).astype(np.float32)


def encoded(encoder: Encoder, pieces: list[Samples]) -> bytes:
    return b"".join(encoder.feed(piece) for piece in pieces) + encoder.finish()


@given(RATES, LINES, st.lists(st.integers(0, 9000), max_size=5))
def test_however_it_is_fed_the_audio_is_the_same(rate_hz: int, line: AudioFormat, cuts: list[int]) -> None:
    sound = tone(rate_hz, 0.4)
    places = [0, *sorted(min(cut, len(sound)) for cut in cuts), len(sound)]
    pieces = [sound[start:end] for start, end in itertools.pairwise(places)]
    whole = Encoder(rate_hz, line, 1.0)
    assert encoded(whole, [sound]) == encoded(whole.another(line, 1.0), pieces)
    assert whole.position_ms == pytest.approx(400, abs=0.1)


@given(RATES, LINES)
def test_no_time_is_lost_or_made(rate_hz: int, line: AudioFormat) -> None:
    assert line.duration_ms(encoded(Encoder(rate_hz, line, 1.0), [tone(rate_hz, 0.5)])) == pytest.approx(500, abs=1)


@pytest.mark.parametrize(("gain", "level"), [(0.5, 0.15), (1.0, 0.3), (2.0, 0.6)])
def test_the_gain_is_heard_on_the_line(gain: float, level: float) -> None:
    audio = encoded(Encoder(24_000, MULAW_8000, gain), [tone(24_000, 0.5)])
    assert np.abs(mulaw.decode_float(audio)).max() == pytest.approx(level, rel=0.05)


def test_streams_that_are_encoded_together_sound_as_if_alone() -> None:
    sounds = [tone(24_000, 0.3), tone(24_000, 0.1, 0.8)]
    alone = [Encoder(24_000, MULAW_8000, 1.0).feed(sound) for sound in sounds]
    assert Encoder.feed_all([Encoder(24_000, MULAW_8000, 1.0) for _ in sounds], sounds) == alone


@given(st.lists(st.floats(-50, 50, width=32), max_size=50))
def test_what_is_too_loud_is_bent_and_never_turned_round(values: list[float]) -> None:
    samples = np.array(values, np.float32)
    bent = limit(samples)
    quiet = np.abs(samples) <= KNEE
    assert np.array_equal(bent[quiet], samples[quiet])
    assert np.all(np.abs(bent) <= 1)
    assert np.array_equal(np.sign(bent), np.sign(samples))


@given(st.binary(max_size=200), st.lists(st.integers(0, 200), max_size=6))
def test_linear_samples_that_are_cut_in_two_are_put_together(data: bytes, cuts: list[int]) -> None:
    decoder = LinearDecoder()
    places = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    fed = [decoder.feed(data[start:end]) for start, end in itertools.pairwise(places)]
    wanted = np.frombuffer(data[: len(data) // 2 * 2], "<i2") / 32768
    assert np.array_equal(np.concatenate(fed), wanted.astype(np.float32))


def test_a_long_text_is_encoded_in_blocks_without_a_seam() -> None:
    sound = tone(24_000, 3 * BLOCK / 24_000)
    audio = mulaw.decode_float(encoded(Encoder(24_000, MULAW_8000, 1.0), [sound]))
    assert np.abs(np.diff(audio)).max() < 0.15, "a click is a jump that a tone of 440 Hz has not"
