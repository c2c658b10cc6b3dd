"""Twilio's messages, both ways."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.carriers import twilio
from bridge.errors import BadMessage

WIRE = Path(__file__).parents[2] / "fixtures" / "wire" / "twilio"
STREAM = "MZ0000000000000000000000000000000a"
FRAME = bytes([0xFF, 0x7F, 0xCE, 0x4E]) * 40


def wire(name: str) -> str:
    return (WIRE / f"{name}.json").read_text().strip()


def test_each_message_of_the_carrier_is_read() -> None:
    assert twilio.decode(wire("in_connected")) == twilio.Connected("Call", "1.0.0")
    assert twilio.decode(wire("in_media")) == twilio.Media(STREAM, FRAME, 5, "inbound")
    assert twilio.decode(wire("in_dtmf")) == twilio.Dtmf(STREAM, "1")
    assert twilio.decode(wire("in_mark")) == twilio.Mark(STREAM, "1.7")
    assert twilio.decode(wire("in_stop")) == twilio.Stop(STREAM, "CA0000000000000000000000000000000c")
    start = twilio.decode(wire("in_start"))
    assert isinstance(start, twilio.Start)
    assert start.is_mulaw_8000
    assert start.call_sid == "CA0000000000000000000000000000000c"
    assert start.parameters == {"ticket": "9f3c", "from": "+15005550006"}


def test_each_message_of_ours_has_exactly_the_documented_keys() -> None:
    assert twilio.encode_media(STREAM, FRAME).decode() == wire("out_media")
    assert twilio.encode_mark(STREAM, "1.7").decode() == wire("out_mark")
    assert twilio.encode_clear(STREAM).decode() == wire("out_clear")


def test_numbers_may_come_as_strings_and_unknown_keys_are_skipped() -> None:
    start = json.loads(wire("in_start"))
    start["start"]["mediaFormat"]["sampleRate"] = "8000"
    start["start"]["novelty"] = {"a": [1]}
    start["start"]["customParameters"]["count"] = 3
    read = twilio.decode(json.dumps(start))
    assert isinstance(read, twilio.Start)
    assert read.rate_hz == 8000
    assert read.parameters["count"] == "3"


def test_another_format_is_told_apart() -> None:
    start = json.loads(wire("in_start"))
    start["start"]["mediaFormat"] = {"encoding": "audio/x-l16", "sampleRate": 16000, "channels": 1}
    read = twilio.decode(json.dumps(start))
    assert isinstance(read, twilio.Start)
    assert not read.is_mulaw_8000


def test_an_event_nobody_knows_is_no_error() -> None:
    assert twilio.decode('{"event":"hologram","x":1}') == twilio.Unknown("hologram")


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("", "not a media-stream message"),
        ("[]", "not a media-stream message"),
        ('{"sequenceNumber":"1"}', "event"),
        ('{"event":"media","streamSid":"MZ"}', "without 'media'"),
        ('{"event":"media","media":{"payload":"/w=="}}', "streamSid"),
        ('{"event":"media","streamSid":"MZ","media":{"track":"inbound"}}', "payload"),
        ('{"event":"media","streamSid":"MZ","media":{"payload":"%%%"}}', "base64"),
        ('{"event":"media","streamSid":"MZ","media":{"payload":7}}', "payload"),
        ('{"event":"mark","streamSid":"MZ","mark":{}}', "name"),
        ('{"event":"start","streamSid":"MZ","start":{"callSid":"CA"}}', "accountSid"),
        ('{"event":"dtmf","dtmf":{"digit":"1"}}', "streamSid"),
    ],
)
def test_a_broken_message_is_named(text: str, names: str) -> None:
    with pytest.raises(BadMessage, match=names):
        twilio.decode(text)


@pytest.mark.parametrize("length", [0, 1, 159, 161, 8000])
def test_audio_of_any_length_is_audio(length: int) -> None:
    read = twilio.decode(twilio.encode_media(STREAM, b"\xff" * length))
    assert isinstance(read, twilio.Media)
    assert len(read.ulaw) == length


@given(st.binary(max_size=500), st.text(max_size=40))
def test_what_we_send_is_what_is_read(ulaw: bytes, name: str) -> None:
    media = twilio.decode(twilio.encode_media(STREAM, ulaw))
    assert isinstance(media, twilio.Media)
    assert media.ulaw == ulaw
    assert twilio.decode(twilio.encode_mark(STREAM, name)) == twilio.Mark(STREAM, name)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
EVENTS = st.sampled_from(["connected", "start", "media", "dtmf", "mark", "stop", "odd"])


@given(
    st.one_of(
        st.text(),
        st.binary(),
        st.fixed_dictionaries({"event": EVENTS, "streamSid": JSON, "media": JSON, "start": JSON, "mark": JSON}).map(
            json.dumps
        ),
    )
)
def test_whatever_comes_is_a_message_or_a_bad_message(text: str | bytes) -> None:
    with contextlib.suppress(BadMessage):
        twilio.decode(text)
