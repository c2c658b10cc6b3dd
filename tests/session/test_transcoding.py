"""Audio in another format: nothing lost or shifted however it is cut, flat where speech is, no aliases."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.audio import mulaw
from bridge.audio.formats import FORMATS, MULAW_8000, AudioFormat
from bridge.session.transcoding import Transcoder, transcoder

WIDE = [FORMATS["pcm_16000"], FORMATS["pcm_24000"]]


def tone(hertz: float, form: AudioFormat, seconds: float = 1.0, peak: float = 8000.0) -> bytes:
    samples = np.sin(np.arange(int(form.rate_hz * seconds)) * 2 * math.pi * hertz / form.rate_hz) * peak
    linear = samples.round().astype("<i2")
    return linear.tobytes() if form.codec == "pcm" else mulaw.encode(linear)


def linear(audio: bytes, form: AudioFormat) -> np.ndarray:
    return (np.frombuffer(audio, "<i2") if form.codec == "pcm" else mulaw.decode(audio)).astype(float)


def gain_db(hertz: float, source: AudioFormat, target: AudioFormat) -> float:
    heard = linear(Transcoder(source, target).feed(tone(hertz, source)), target)[500:-500]
    return 20 * math.log10(max(float(np.sqrt(np.mean(heard**2))), 1e-3) / (8000 / math.sqrt(2)))


def test_the_same_format_needs_nothing() -> None:
    assert transcoder(MULAW_8000, AudioFormat("mulaw", 8000)) is None


@pytest.mark.parametrize("source", WIDE, ids=lambda form: form.name)
@pytest.mark.parametrize("hertz", [100, 1000, 2000, 3000, 3400])
def test_speech_stays_as_loud_as_it_was(source: AudioFormat, hertz: float) -> None:
    assert abs(gain_db(hertz, source, FORMATS["pcm_8000"])) < 0.5


@pytest.mark.parametrize("source", WIDE, ids=lambda form: form.name)
@pytest.mark.parametrize("hertz", [4700, 5500, 6500, 7500])
def test_what_is_too_high_is_not_heard_as_something_lower(source: AudioFormat, hertz: float) -> None:
    assert gain_db(hertz, source, FORMATS["pcm_8000"]) < -55


@pytest.mark.parametrize("form", [*WIDE, FORMATS["pcm_8000"]], ids=lambda form: form.name)
def test_a_way_there_and_back_is_the_same_sound(form: AudioFormat) -> None:
    there, back = Transcoder(MULAW_8000, form), Transcoder(form, MULAW_8000)
    sound = tone(700, MULAW_8000)
    heard = linear(back.feed(there.feed(sound)), MULAW_8000)
    said = linear(sound, MULAW_8000)
    shifts = [np.corrcoef(said[: -200 - shift or None][:7000], heard[shift:][:7000])[0, 1] for shift in range(40)]
    assert max(shifts) > 0.999


@given(st.data(), st.sampled_from([(a, b) for a in FORMATS.values() for b in FORMATS.values() if a != b]))
def test_a_stream_may_be_cut_anywhere(data: st.DataObject, formats: tuple[AudioFormat, AudioFormat]) -> None:
    source, target = formats
    sound = tone(500, source, 0.1)
    whole = linear(Transcoder(source, target).feed(sound), target)
    stream, at, pieces = Transcoder(source, target), 0, b""
    while at < len(sound):
        size = data.draw(st.integers(1, 700))
        pieces += stream.feed(sound[at : at + size])
        at += size
    joined = linear(pieces, target)
    assert len(joined) == len(whole)
    assert np.max(np.abs(joined - whole), initial=0) <= (1 if target.codec == "pcm" else 512)


@pytest.mark.parametrize("source", WIDE, ids=lambda form: form.name)
def test_a_frame_gives_a_frame(source: AudioFormat) -> None:
    stream = Transcoder(source, MULAW_8000)
    lengths = [len(stream.feed(source.silence(20))) for _ in range(5)]
    assert lengths[1:] == [160] * 4
    assert stream.feed(source.silence(20)) == b"\xff" * 160
