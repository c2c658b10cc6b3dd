"""Twilio's messages, both ways."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.carriers.twilio import messages as twilio
from bridge.errors import BadMessage

WIRE = Path(__file__).parents[2] / "fixtures" / "wire" / "twilio"
STREAM = "MZ0000000000000000000000000000000a"
FRAME = bytes([0xFF, 0x7F, 0xCE, 0x4E]) * 40


def wire(name: str) -> str:
    return (WIRE / f"{name}.json").read_text().strip()


def test_each_message_of_the_carrier_is_read() -> None:
    assert twilio.decode(wire("in_connected")) == twilio.Connected("Call", "1.0.0")
    assert twilio.decode(wire("in_media")) == twilio.Media(STREAM, FRAME, 5, "inbound", 1)
    assert twilio.decode(wire("in_media_outbound")) == twilio.Media(STREAM, b"\xff" * 4, 45, "outbound", 2)
    assert twilio.decode(wire("in_dtmf")) == twilio.Dtmf(STREAM, "1")
    assert twilio.decode(wire("in_dtmf_pound")) == twilio.Dtmf(STREAM, "#")
    assert twilio.decode(wire("in_unknown")) == twilio.Unknown("transcription")
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
    read = twilio.decode(wire("in_start_l16"))
    assert isinstance(read, twilio.Start)
    assert (read.encoding, read.rate_hz) == ("audio/x-l16", 16000)
    assert not read.is_mulaw_8000


@pytest.mark.parametrize("change", [{"sampleRate": 16000}, {"channels": 2}, {"encoding": "audio/x-alaw"}])
def test_one_difference_makes_another_format(change: dict[str, object]) -> None:
    start = json.loads(wire("in_start"))
    start["start"]["mediaFormat"] |= change
    read = twilio.decode(json.dumps(start))
    assert isinstance(read, twilio.Start)
    assert not read.is_mulaw_8000


def test_a_format_that_is_not_told_is_not_ours() -> None:
    start = json.loads(wire("in_start"))
    del start["start"]["mediaFormat"]
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
        ('{"event":"media","streamSid":"MZ"}', "media message: .*`media`"),
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


@pytest.mark.parametrize(
    "text",
    [
        '{"event":"hologram","media":7,"start":[],"dtmf":null,"streamSid":1}',
        '{"media":{"payload":5},"event":"hologram"}',
    ],
)
def test_an_unknown_event_may_look_however_it_likes(text: str) -> None:
    assert twilio.decode(text) == twilio.Unknown("hologram")


def test_a_field_counts_only_where_it_belongs() -> None:
    media = json.loads(wire("in_media")) | {"version": 2, "stop": "no", "mark": [1]}
    assert twilio.decode(json.dumps(media)) == twilio.decode(wire("in_media"))


@pytest.mark.parametrize(("told", "key"), [("5", "5"), (5, "5"), ("#", "#"), ("*", "*"), ("d", "D")])
def test_keys_of_a_phone(told: object, key: str) -> None:
    message = {"event": "dtmf", "streamSid": STREAM, "dtmf": {"digit": told}}
    assert twilio.decode(json.dumps(message)) == twilio.Dtmf(STREAM, key)


@pytest.mark.parametrize("told", ["", "12", "E", -1, 10, True, None, {}, "\u0663"])
def test_what_no_phone_has_is_no_key(told: object) -> None:
    message = {"event": "dtmf", "streamSid": STREAM, "dtmf": {"digit": told}}
    with pytest.raises(BadMessage, match="no key of a phone"):
        twilio.decode(json.dumps(message))


@pytest.mark.parametrize("value", [{"a": 1}, ["x"]])
def test_a_parameter_is_a_string(value: object) -> None:
    start = json.loads(wire("in_start"))
    start["start"]["customParameters"]["ticket"] = value
    with pytest.raises(BadMessage, match="parameter 'ticket'"):
        twilio.decode(json.dumps(start))


@pytest.mark.parametrize("number", ["9" * 5000, "1e999", "-", "5.5", '"x"', "[]"])
def test_a_number_that_is_none_is_named(number: str) -> None:
    with pytest.raises(BadMessage, match=r"timestamp|not a media-stream message|media message"):
        twilio.decode('{"event":"media","streamSid":"MZ","media":{"payload":"","timestamp":' + number + "}}")


def test_without_timestamp_and_chunk_audio_is_audio() -> None:
    read = twilio.decode('{"event":"media","streamSid":"MZ","media":{"payload":"/w=="}}')
    assert read == twilio.Media("MZ", b"\xff", -1, "inbound", -1)


@pytest.mark.parametrize("text", ["[" * 5000, '{"event":"media","x":' + "[" * 5000, b"\xff\xfe", "\udcff", "\x00"])
def test_nonsense_is_bad_not_fatal(text: str | bytes) -> None:
    with pytest.raises(BadMessage, match="not a media-stream message"):
        twilio.decode(text)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(st.text() | st.binary() | JSON.map(json.dumps))
def test_whatever_comes_is_a_message_or_a_bad_message(text: str | bytes) -> None:
    with contextlib.suppress(BadMessage):
        assert isinstance(twilio.decode(text), twilio.Inbound)


def places(value: object, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Where in a message something can be changed."""
    if not isinstance(value, dict):
        return [path]
    return [place for name, inner in value.items() for place in [(*path, name), *places(inner, (*path, name))]]


@given(st.sampled_from(sorted(path.stem for path in WIRE.glob("in_*.json"))), st.data())
def test_a_real_message_with_one_thing_changed_is_a_message_or_a_bad_message(name: str, data: st.DataObject) -> None:
    message = json.loads(wire(name))
    *above, last = data.draw(st.sampled_from(places(message)))
    inner = message
    for step in above:
        inner = inner[step]
    if data.draw(st.booleans()):
        inner[last] = data.draw(JSON)
    else:
        del inner[last]
    with contextlib.suppress(BadMessage):
        assert isinstance(twilio.decode(json.dumps(message)), twilio.Inbound)
