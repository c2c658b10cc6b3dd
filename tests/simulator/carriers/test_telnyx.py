"""Telnyx's double on its own wire, by literal messages."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from bridge.errors import BadMessage
from bridge.simulator.carriers.audio import AudioFormat
from bridge.simulator.carriers.base import MediaStream, Message, Signing
from bridge.simulator.carriers.telnyx import Telnyx, TelnyxStream, private_key, public_key
from bridge.simulator.carriers.verbs import Dial, Hangup, Redirect, Reject, Stream

CARRIER = Telnyx()
CALL = CARRIER.new_call("+15005550006", "+15005550010", "seed")


def stream(document: str = '<Stream url="wss://x/y" bidirectionalMode="rtp"/>', seed: int = 1) -> TelnyxStream:
    [verb] = CARRIER.read_document(f"<Response><Connect>{document}</Connect></Response>")
    assert isinstance(verb, Stream)
    return CARRIER.open_stream(CALL, CALL.stream_sid, verb, 10.0, seed=seed)


def read(message: Message | None) -> dict[str, Any]:
    assert isinstance(message, str)
    found: dict[str, Any] = json.loads(message)
    return found


def say(line: MediaStream, fields: dict[str, Any], now: float = 10.0) -> list[dict[str, Any]]:
    return [read(one) for one in line.receive(json.dumps(fields), now)]


def media(data: bytes) -> dict[str, Any]:
    return {"event": "media", "media": {"payload": base64.b64encode(data).decode()}}


def test_a_webhook_is_signed_over_its_time_and_its_body() -> None:
    headers = CARRIER.sign(Signing("secret", "a", "POST", "https://x/y", {}, b"CallSid=v3%3A1", 1_700_000_000.7))
    assert headers["telnyx-timestamp"] == "1700000000"
    key = Ed25519PublicKey.from_public_bytes(base64.b64decode(public_key("secret")))
    key.verify(base64.b64decode(headers["telnyx-signature-ed25519"]), b"1700000000|CallSid=v3%3A1")


def test_a_key_of_the_portal_is_taken_as_it_is() -> None:
    seed = bytes(range(32))
    assert private_key(base64.b64encode(seed).decode()).private_bytes_raw() == seed
    assert public_key("a secret") == public_key("a secret") != public_key("another")


def test_a_document_says_how_the_stream_is_coded() -> None:
    [verb, after] = CARRIER.read_document(
        '<Response><Connect action="/next"><Stream url="wss://x/y" bidirectionalMode="rtp" codec="PCMA" '
        'bidirectionalCodec="L16" bidirectionalSamplingRate="16000" statusCallback="https://x/s" '
        'enableReconnect="false"><Parameter name="ticket" value="t"/></Stream></Connect><Redirect>/r</Redirect>'
        "</Response>"
    )
    assert verb == Stream(
        "wss://x/y",
        parameters={"ticket": "t"},
        status_callback="https://x/s",
        action="/next",
        inward=AudioFormat("PCMA"),
        outward=AudioFormat("L16", 16000),
    )
    assert after == Redirect("/r")


def test_a_document_that_says_nothing_gets_what_telnyx_gives() -> None:
    verb = stream('<Stream url="wss://x/y"/>').verb
    assert not verb.plays_raw_audio
    assert verb.reconnects
    assert verb.inward == verb.outward == AudioFormat("PCMU")


def test_other_verbs_are_those_of_twiml() -> None:
    document = "<Response><Dial><Sip>sip:a@b</Sip></Dial><Reject reason='busy'/><Hangup/></Response>"
    assert CARRIER.read_document(document) == [Dial(("sip:a@b",)), Reject("busy"), Hangup()]


@pytest.mark.parametrize(
    ("inside", "why"),
    [
        ('<Stream url="wss://x" bidirectionalMode="raw"/>', "mp3 or rtp"),
        ('<Stream url="wss://x" codec="opus"/>', "codec 'opus'"),
        ('<Stream url="wss://x" bidirectionalSamplingRate="11025"/>', "8000, 16000 or 24000"),
        ('<Stream url="wss://x" track="both_tracks"/>', "inbound_track only"),
        ("<Number/>", "expected <Stream>"),
    ],
)
def test_a_document_that_telnyx_would_not_take(inside: str, why: str) -> None:
    with pytest.raises(BadMessage, match=why):
        stream(inside)


def test_messages_have_telnyxs_fields_and_types() -> None:
    line = stream('<Stream url="wss://x/y" bidirectionalMode="rtp"><Parameter name="ticket" value="t"/></Stream>')
    assert read(line.connected()) == {"event": "connected", "version": "1.0.0"}
    start = read(line.start())
    assert start["sequence_number"] == "1"
    assert start["stream_id"] == CALL.stream_sid
    assert start["start"]["call_control_id"] == CALL.call_sid
    assert start["start"]["custom_parameters"] == {"ticket": "t"}
    assert start["start"]["from"] == "+15005550006"
    assert start["start"]["media_format"] == {"encoding": "PCMU", "sample_rate": 8000, "channels": 1}
    [frame] = line.media(b"\xff" * 160, 20)
    assert read(frame)["media"] == {
        "track": "inbound",
        "chunk": "1",
        "timestamp": "20",
        "payload": base64.b64encode(b"\xff" * 160).decode(),
    }
    key = read(line.dtmf("5"))
    assert key["dtmf"] == {"digit": "5"}
    assert "occurred_at" in key
    assert read(line.stop())["stop"]["call_control_id"] == CALL.call_sid


def test_frames_overtake_each_other_now_and_then_and_none_is_lost() -> None:
    line = stream()
    sent = [read(one)["media"] for at in range(2000) for one in line.media(b"\xff" * 160, 20 * at)]
    chunks = [int(one["chunk"]) for one in sent]
    assert chunks != sorted(chunks)
    assert sorted(chunks)[:1990] == list(range(1, 1991))
    assert max(abs(place + 1 - chunk) for place, chunk in enumerate(chunks)) == 1
    assert all(int(one["timestamp"]) == 20 * (int(one["chunk"]) - 1) for one in sent)


def test_the_callers_voice_comes_in_the_codec_of_the_document() -> None:
    line = stream('<Stream url="wss://x/y" codec="PCMA" bidirectionalMode="rtp"/>')
    assert read(line.start())["start"]["media_format"]["encoding"] == "PCMA"
    [frame] = line.media(b"\xff" * 160, 0)
    assert base64.b64decode(read(frame)["media"]["payload"]) == b"\xd5" * 160


def test_marks_come_back_played_and_cleared_alike() -> None:
    line = stream()
    assert say(line, media(b"\x01" * 1600)) == []
    assert say(line, {"event": "mark", "mark": {"name": "a"}}) == []
    say(line, media(b"\x01" * 1600))
    say(line, {"event": "mark", "mark": {"name": "b"}})
    assert [read(one)["mark"] for one in line.advance(10.2)] == [{"name": "a"}]
    assert [one["mark"] for one in say(line, {"event": "clear"}, 10.25)] == [{"name": "b"}]
    assert [one["mark"] for one in say(line, {"event": "mark", "mark": {"name": "c"}}, 10.3)] == [{"name": "c"}]
    assert [(echo.name, echo.played) for echo in line.echoed] == [("a", True), ("b", False), ("c", True)]


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("{", 100003),
        (b"\x00", 100003),
        ('{"event":"play"}', 100003),
        ('{"event":"mark","mark":{}}', 100003),
        ('{"event":"media","media":{"payload":"***"}}', 100004),
        ('{"event":"media","media":{}}', 100004),
        (json.dumps(media(b"\x01" * 159)), 100003),
        (json.dumps(media(b"\x01" * 240_001)), 100003),
    ],
)
def test_what_telnyx_cannot_use_is_answered_by_an_error(message: Message, code: int) -> None:
    line = stream()
    [error] = [read(one) for one in line.receive(message, 10.0)]
    assert (error["event"], error["payload"]["code"]) == ("error", code)
    assert [warning.code for warning in line.warnings] == [code]
    assert line.lead_ms == 0


def test_raw_audio_is_not_played_in_mp3_mode() -> None:
    line = stream('<Stream url="wss://x/y"/>')
    say(line, media(b"\x01" * 160))
    assert "bidirectionalMode" in line.warnings[0].text
    assert line.lead_ms == 0
