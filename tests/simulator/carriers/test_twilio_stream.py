"""The carrier double: plays at the caller's pace, echoes marks once played, refuses what carriers refuse."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.simulator.carriers.base import Call, Message
from bridge.simulator.carriers.twilio import BUFFER_BYTES, TwilioStream
from bridge.simulator.carriers.verbs import Stream

CALL = Call(number="+1", called="+2", call_sid="CA1", stream_sid="MZ1", account="AC1", seed="")


def stream(**more: Any) -> TwilioStream:
    return TwilioStream(CALL, "MZ1", Stream("wss://x/y", parameters={"token": "t"}), 10.0, **more)


def media(ulaw: bytes, sid: str = "MZ1", **more: Any) -> str:
    body = {"payload": base64.b64encode(ulaw).decode(), **more}
    return json.dumps({"event": "media", "streamSid": sid, "media": body})


def mark(name: str) -> str:
    return json.dumps({"event": "mark", "streamSid": "MZ1", "mark": {"name": name}})


CLEAR = json.dumps({"event": "clear", "streamSid": "MZ1"})


def names(messages: list[Message]) -> list[str]:
    return [json.loads(message)["mark"]["name"] for message in messages]


def test_a_mark_comes_back_when_the_audio_before_it_was_played() -> None:
    line = stream()
    assert line.receive(media(b"\x01" * 800), now=10.0) == []
    assert line.receive(mark("half"), now=10.0) == []
    assert line.next_mark_at == pytest.approx(10.1)
    assert line.advance(10.0999) == []
    assert names(line.advance(10.1)) == ["half"]
    assert line.next_mark_at is None


def test_a_mark_on_an_empty_buffer_comes_back_at_once() -> None:
    assert names(stream().receive(mark("now"), now=12.0)) == ["now"]


def test_a_clear_sends_all_waiting_marks_back_in_order_and_the_rest_is_never_heard() -> None:
    line = stream()
    line.receive(media(b"\x01" * 8000), now=10.0)
    line.receive(mark("a"), now=10.0)
    line.receive(media(b"\x02" * 8000), now=10.0)
    line.receive(mark("b"), now=10.0)
    assert names(line.receive(CLEAR, now=10.25)) == ["a", "b"]
    assert [echo.played for echo in line.echoed] == [False, False]
    line.advance(11.0)
    assert line.heard == b"\x01" * 2000 + b"\xff" * 6000


def test_audio_sent_too_late_leaves_a_hole_that_is_noted() -> None:
    line = stream()
    line.receive(media(b"\x01" * 160), now=10.0)
    line.receive(media(b"\x02" * 160), now=10.05)
    line.advance(10.1)
    assert line.heard[160:400] == b"\xff" * 240
    assert line.idle == [(160, 400)]


def test_silence_after_a_clear_is_no_hole() -> None:
    line = stream()
    line.receive(media(b"\x01" * 1600), now=10.0)
    line.receive(CLEAR, now=10.05)
    line.receive(media(b"\x02" * 160), now=10.3)
    assert line.idle == []


@pytest.mark.parametrize(
    ("message", "code", "why"),
    [
        (b"\x00\x01", 31950, "binary"),
        ("hello", 31951, "not JSON"),
        ("[1]", 31951, "unknown event"),
        ('{"event":"play","streamSid":"MZ1"}', 31951, "unknown event"),
        (media(b"\x01", sid="MZ2"), 31951, "'MZ2'"),
        (media(b"\x01", track="outbound"), 31951, "exactly one field"),
        ('{"event":"media","streamSid":"MZ1","media":{"payload":"***"}}', 31951, "base64"),
        ('{"event":"media","media":{"payload":""}}', 31951, "fields"),
        ('{"event":"mark","streamSid":"MZ1","mark":{"name":3}}', 31951, "name"),
        ('{"event":"clear","streamSid":"MZ1","mark":{}}', 31951, "fields"),
    ],
)
def test_what_a_carrier_would_refuse_is_refused_with_its_number(message: Any, code: Any, why: Any) -> None:
    line = stream()
    assert line.receive(message, now=10.0) == []
    assert [(warning.code, why in warning.text) for warning in line.warnings] == [(code, True)]
    assert line.lead_ms == 0


def test_more_than_ten_minutes_are_thrown_away() -> None:
    line = stream()
    line.receive(media(bytes(BUFFER_BYTES)), now=10.0)
    line.receive(media(b"\x01"), now=10.0)
    assert [warning.code for warning in line.warnings] == [31931]


def test_messages_have_the_carriers_fields_and_types() -> None:
    line = stream()
    assert json.loads(line.connected()) == {"event": "connected", "protocol": "Call", "version": "1.0.0"}
    assert json.loads(line.start()) == {
        "event": "start",
        "sequenceNumber": "1",
        "streamSid": "MZ1",
        "start": {
            "accountSid": "AC1",
            "streamSid": "MZ1",
            "callSid": "CA1",
            "tracks": ["inbound"],
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
            "customParameters": {"token": "t"},
        },
    }
    assert json.loads(line.media(b"\xff", 20)[0])["media"] == {
        "track": "inbound",
        "chunk": "1",
        "timestamp": "20",
        "payload": "/w==",
    }
    assert json.loads(line.dtmf("#"))["dtmf"] == {"track": "inbound_track", "digit": "#"}
    assert json.loads(line.stop())["sequenceNumber"] == "4"


def test_a_carrier_that_has_lost_its_marks_sends_none() -> None:
    assert stream(echoes_marks=False).receive(mark("a"), now=11.0) == []


sent = st.lists(
    st.tuples(
        st.floats(0.0, 0.5),
        st.one_of(st.integers(1, 3000), st.text("abc", min_size=1, max_size=3), st.just(None)),
    ),
    max_size=30,
)


@given(sent)
def test_every_byte_is_played_once_in_order_or_cleared_and_every_mark_comes_back_once(script: Any) -> None:
    line = stream()
    now, queued, back, marks = 10.0, bytearray(), [], []
    for pause, what in script:
        now += pause
        if isinstance(what, int):
            ulaw = bytes((len(queued) + index) % 200 for index in range(what))
            queued += ulaw
            back += line.receive(media(ulaw), now)
        elif what is None:
            back += line.advance(now)
            cut = round(line.lead_ms * 8)
            back += line.receive(CLEAR, now)
            del queued[len(queued) - cut :]
        else:
            marks.append(what)
            back += line.receive(mark(what), now)
    back += line.advance(now + 12.0)
    played = bytes(line.heard).replace(b"\xff", b"")
    assert played == bytes(queued)
    assert sorted(names(back)) == sorted(marks)
    assert names(back) == marks  # never out of order
    assert not line.warnings
