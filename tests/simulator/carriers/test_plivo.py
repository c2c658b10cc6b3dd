"""Plivo's double on its own wire, by literal messages."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from bridge.errors import BadMessage
from bridge.simulator.carriers.audio import AudioFormat
from bridge.simulator.carriers.base import MediaStream, Message, Signing
from bridge.simulator.carriers.plivo import Plivo, PlivoStream, signature_v3
from bridge.simulator.carriers.verbs import Dial, Hangup, Pause, Redirect, Reject, Say, Stream

CARRIER = Plivo()
CALL = CARRIER.new_call("+15005550006", "+15005550010", "seed")
FORM = {
    "CallUUID": "abc-123",
    "From": "15005550006",
    "To": "15005550010",
    "Direction": "inbound",
    "CallStatus": "ringing",
}


def document(attributes: str = 'contentType="audio/x-mulaw;rate=8000"') -> str:
    return f'<Response><Stream bidirectional="true" keepCallAlive="true" {attributes}>wss://x/y</Stream></Response>'


def stream(attributes: str = 'contentType="audio/x-mulaw;rate=8000"') -> PlivoStream:
    [verb] = CARRIER.read_document(document(attributes))
    assert isinstance(verb, Stream)
    return CARRIER.open_stream(CALL, "s1", verb, 10.0)


def read(message: Message | None) -> dict[str, Any]:
    assert isinstance(message, str)
    found: dict[str, Any] = json.loads(message)
    return found


def say(line: MediaStream, fields: dict[str, Any], now: float = 10.0) -> list[dict[str, Any]]:
    return [read(one) for one in line.receive(json.dumps(fields), now)]


def play(data: bytes, kind: str = "audio/x-mulaw", rate: Any = 8000) -> dict[str, Any]:
    payload = base64.b64encode(data).decode()
    return {"event": "playAudio", "media": {"contentType": kind, "sampleRate": rate, "payload": payload}}


@pytest.mark.parametrize(
    ("method", "url", "signature"),
    [
        ("POST", "https://bridge.example.com/plivo/answer", "+gbfV/bXg96BnRrNGco7Pi40t90TPWxYnrfEBoGj+lM="),
        ("POST", "https://bridge.example.com/plivo/answer?x=1", "lhkE95B9OXGTpKMfWHBI9wimeIPZ4tZVyW+DcXzoLFU="),
    ],
)
def test_a_post_is_signed_by_the_vectors(method: str, url: str, signature: str) -> None:
    assert signature_v3("plivo_token", method, url, "nonce-1", FORM) == signature


def test_a_get_is_signed_over_its_sorted_query() -> None:
    url = "https://bridge.example.com/plivo/answer?b=2&a=1&" + "&".join(f"{key}={value}" for key, value in FORM.items())
    assert signature_v3("plivo_token", "GET", url, "nonce-1", {}) == "Z7MFagtZQl6ux8QVGYggtsZHxw5CES/3hbSsyvPOivQ="


def test_a_request_bears_its_nonce() -> None:
    headers = CARRIER.sign(Signing("plivo_token", "a", "POST", "https://x/y", FORM, b"", 1.0))
    nonce = headers["X-Plivo-Signature-V3-Nonce"]
    assert headers["X-Plivo-Signature-V3"] == signature_v3("plivo_token", "POST", "https://x/y", nonce, FORM)


def test_a_document_says_how_the_stream_is_coded() -> None:
    [verb] = CARRIER.read_document(
        document('contentType="audio/x-l16;rate=16000" extraHeaders="ticket=9f3c,tenant=a1" statusCallbackUrl="/s"')
    )
    form = AudioFormat("L16", 16000)
    assert verb == Stream(
        "wss://x/y",
        parameters={"ticket": "9f3c", "tenant": "a1"},
        status_callback="/s",
        inward=form,
        outward=form,
    )


def test_the_default_is_linear_and_does_not_wait() -> None:
    [verb] = CARRIER.read_document('<Response><Stream bidirectional="true">wss://x</Stream></Response>')
    assert isinstance(verb, Stream)
    assert (verb.inward, verb.blocks) == (AudioFormat("L16", 8000), False)


def test_other_elements() -> None:
    text = (
        "<Response><Speak>Good day</Speak><Wait length='2'/><Dial><Number>1500</Number></Dial>"
        "<Redirect>/r</Redirect><Hangup reason='busy'/><Hangup/></Response>"
    )
    assert CARRIER.read_document(text) == [
        Say("Good day"),
        Pause(2.0),
        Dial(("1500",)),
        Redirect("/r"),
        Reject("busy"),
        Hangup(),
    ]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("<Response><Stream>wss://x</Stream></Response>", "bidirectional"),
        ("<Response><Say>Twilio's</Say></Response>", "<Say>"),
        (document('audioTrack="both"'), "inbound only"),
        (document('contentType="audio/wav"'), "contentType"),
        (document('extraHeaders="ticket=a.b"'), "letters and digits"),
        (document('extraHeaders="ticket=a-b"'), "letters and digits"),
        (document(f'extraHeaders="ticket={"a" * 512}"'), "at most 512"),
    ],
)
def test_a_document_that_plivo_would_not_take(text: str, why: str) -> None:
    with pytest.raises(BadMessage, match=why):
        CARRIER.read_document(text)


def test_messages_have_plivos_fields_and_types() -> None:
    line = stream('contentType="audio/x-mulaw;rate=8000" extraHeaders="ticket=t,a=b"')
    assert line.connected() is None
    assert read(line.start()) == {
        "event": "start",
        "sequenceNumber": 1,
        "start": {
            "callId": CALL.call_sid,
            "streamId": "s1",
            "accountId": CARRIER.default_account,
            "tracks": ["inbound"],
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000},
        },
        "extra_headers": "ticket=t;a=b",
    }
    [frame] = line.media(b"\xff" * 160, 40)
    body = read(frame)
    assert (body["sequenceNumber"], body["streamId"]) == (2, "s1")
    assert (body["media"]["chunk"], body["media"]["timestamp"]) == (1, "1705312200040")
    assert read(line.dtmf("#"))["dtmf"]["digit"] == "#"
    assert line.stop() is None


def test_a_checkpoint_comes_back_only_when_it_was_played() -> None:
    line = stream()
    say(line, play(b"\x01" * 800))
    assert say(line, {"event": "checkpoint", "streamId": "s1", "name": "a"}) == []
    say(line, play(b"\x01" * 8000, rate="8000"))
    say(line, {"event": "checkpoint", "streamId": "s1", "name": "b"})
    [played] = [read(one) for one in line.advance(10.2)]
    assert (played["event"], played["name"], played["streamId"]) == ("playedStream", "a", "s1")
    [cleared] = say(line, {"event": "clearAudio", "streamId": "s1"}, 10.3)
    assert cleared["event"] == "clearedAudio"
    assert line.advance(20.0) == []
    assert [(echo.name, echo.played) for echo in line.echoed] == [("a", True), ("b", False)]


@pytest.mark.parametrize(
    ("message", "why"),
    [
        ("{", "JSON"),
        (b"\x00", "binary"),
        ('{"event":"media","media":{"payload":""}}', "'media'"),
        (json.dumps(play(b"\x01", kind="audio/x-l16")), "the stream is audio/x-mulaw"),
        (json.dumps(play(b"\x01", rate=16000)), "the stream is audio/x-mulaw"),
        ('{"event":"playAudio","media":{"contentType":"audio/x-mulaw","sampleRate":8000}}', "payload"),
        (
            '{"event":"playAudio","media":{"contentType":"audio/x-mulaw","sampleRate":8000,"payload":"***"}}',
            "base64",
        ),
        ('{"event":"checkpoint","streamId":"s2","name":"a"}', "'s2'"),
        ('{"event":"checkpoint","streamId":"s1"}', "'checkpoint'"),
        ('{"event":"clearAudio"}', "None"),
        (json.dumps(play(b"\x01" * 8 * 40_001)), "40 s"),
    ],
)
def test_what_plivo_cannot_use(message: Message, why: str) -> None:
    line = stream()
    assert line.receive(message, 10.0) == []
    assert why in line.warnings[0].text
    assert line.lead_ms == 0
