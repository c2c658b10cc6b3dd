"""A stream's sound and a phone's: nothing is lost on the way, and a server that cuts sound badly is heard doing so."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.simulator.carriers.audio import AudioFormat, FromPhone, ToPhone
from bridge.simulator.carriers.playout import Playout
from bridge.simulator.sound import RATE_HZ, Sound, from_ulaw, level_db, to_ulaw

FORMATS = [
    AudioFormat("PCMU"),
    AudioFormat("PCMA"),
    AudioFormat("L16"),
    AudioFormat("L16", 16000),
    AudioFormat("L16", 24000),
]


def tone(hertz: float = 440.0, seconds: float = 0.5, rate_hz: int = RATE_HZ) -> Sound:
    return np.asarray(0.4 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate_hz)) / rate_hz), np.float32)


@pytest.mark.parametrize("form", FORMATS, ids=AudioFormat.name)
def test_a_voice_goes_there_and_back_unharmed(form: AudioFormat) -> None:
    spoken = to_ulaw(tone())
    back = from_ulaw(ToPhone(form).feed(FromPhone(form).feed(spoken)))
    late = 2 * form.delay
    difference = back[late + 80 :] - from_ulaw(spoken)[80 : len(back) - late]
    assert level_db(difference) < level_db(from_ulaw(spoken)) - 30.0
    assert len(back) == len(spoken)


@pytest.mark.parametrize(
    ("linear", "code"),
    [(0, 0xD5), (100, 0xD3), (-100, 0x53), (1000, 0xFA), (-1000, 0x7A), (12345, 0xBD), (-32768, 0x2A), (32767, 0xAA)],
)
def test_a_law_is_the_one_of_the_table(linear: int, code: int) -> None:
    heard = from_ulaw(ToPhone(AudioFormat("PCMA")).feed(bytes([code])))[0] * 32768.0
    assert heard == pytest.approx(linear, abs=8 + abs(linear) / 16)


def test_silence_is_silent_in_every_format() -> None:
    for form in FORMATS:
        assert set(ToPhone(form).feed(form.silence * 400)) == {0xFF}
        assert FromPhone(form).feed(b"\xff" * 160) in (form.silence * 160, b"\xff" * 160)


def test_what_a_phone_cannot_carry_is_filtered_out() -> None:
    form = AudioFormat("L16", 16000)
    wide = (tone(6500.0, rate_hz=16000) * 32768).astype("<i2").tobytes()
    assert level_db(from_ulaw(ToPhone(form).feed(wide))[100:]) < -40.0


@given(st.lists(st.integers(1, 300), min_size=1, max_size=12), st.sampled_from(FORMATS))
def test_however_sound_is_cut_it_sounds_the_same(cuts: list[int], form: AudioFormat) -> None:
    data = FromPhone(form).feed(to_ulaw(tone(300.0, sum(cuts) / RATE_HZ)))
    whole, pieces, at = ToPhone(form).feed(data), ToPhone(form), 0
    heard = bytearray()
    for units in cuts:
        heard += pieces.feed(data[at : at + units * form.unit])
        at += units * form.unit
    assert bytes(heard) == whole


@pytest.mark.parametrize("form", FORMATS, ids=AudioFormat.name)
def test_playout_takes_its_time_and_keeps_its_places(form: AudioFormat) -> None:
    playout = Playout(form, opened_at=1.0)
    playout.add(form.silence * 800)
    playout.mark("a")
    playout.add(form.silence * 800)
    assert playout.lead_ms == 200.0
    assert playout.next_mark_at == pytest.approx(1.1)
    assert playout.advance(1.05) == []
    [(name, at)] = playout.advance(1.5)
    assert name == "a"
    assert at == pytest.approx(1.1)
    assert len(playout.heard) == 4000
    assert playout.joints == [800 + form.delay]
    playout.add(form.silence)
    assert playout.idle == [(1600 + form.delay, 4000 + form.delay)]
