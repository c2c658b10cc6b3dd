"""Vonage's double on its own wire, by literal messages."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any

import pytest

from bridge.errors import BadMessage
from bridge.simulator.carriers.audio import AudioFormat
from bridge.simulator.carriers.base import MediaStream, Message, Signing
from bridge.simulator.carriers.verbs import Dial, Play, Redirect, Say, Stream
from bridge.simulator.carriers.vonage import BUFFER_MESSAGES, Vonage, VonageStream

CARRIER = Vonage()
CALL = CARRIER.new_call("+15005550006", "+15005550010", "seed")
FRAME = b"\x01\x02" * 320


def ncco(**endpoint: Any) -> str:
    socket = {"type": "websocket", "uri": "wss://x/y", "content-type": "audio/l16;rate=16000", **endpoint}
    return json.dumps([{"action": "connect", "eventUrl": ["https://x/event"], "endpoint": [socket]}])


def stream(**endpoint: Any) -> VonageStream:
    [verb] = CARRIER.read_document(ncco(**endpoint))
    assert isinstance(verb, Stream)
    return CARRIER.open_stream(CALL, "leg", verb, 10.0)


def read(message: Message | None) -> dict[str, Any]:
    assert isinstance(message, str)
    found: dict[str, Any] = json.loads(message)
    return found


def say(line: MediaStream, fields: dict[str, Any], now: float = 10.0) -> list[dict[str, Any]]:
    return [read(one) for one in line.receive(json.dumps(fields), now)]


def claims_of(header: str, secret: str) -> dict[str, Any]:
    head, body, signed = header.removeprefix("Bearer ").split(".")
    made = hmac.new(secret.encode(), f"{head}.{body}".encode(), hashlib.sha256).digest()
    assert base64.urlsafe_b64encode(made).rstrip(b"=").decode() == signed
    assert json.loads(base64.urlsafe_b64decode(head + "==")) == {"alg": "HS256", "typ": "JWT"}
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    return found


def test_a_webhook_bears_a_token_with_the_hash_of_its_body() -> None:
    header = CARRIER.sign(Signing("secret", "app", "POST", "https://x/y", {}, b"{}", 1_700_000_000.0))["Authorization"]
    claims = claims_of(header, "secret")
    assert claims["iat"] == 1_700_000_000
    assert claims["application_id"] == "app"
    assert claims["payload_hash"] == hashlib.sha256(b"{}").hexdigest()


def test_the_answer_webhook_is_a_get_without_a_body() -> None:
    webhook = CARRIER.document(CALL, "https://x/answer", CARRIER.dial_method, "ringing")
    assert webhook.method == "GET"
    assert (webhook.form["from"], webhook.form["uuid"]) == ("15005550006", CALL.call_sid)
    header = CARRIER.sign(Signing("secret", "app", "GET", "https://x/y?a=b", {}, b"", 1.0))["Authorization"]
    assert "payload_hash" not in claims_of(header, "secret")


def test_an_ncco_says_how_the_stream_is_coded_and_where_to_ask_afterwards() -> None:
    [verb] = CARRIER.read_document(ncco(headers={"ticket": "t"}, authorization={"type": "vonage"}))
    form = AudioFormat("L16", 16000)
    assert verb == Stream(
        "wss://x/y",
        parameters={"ticket": "t"},
        status_callback="https://x/event",
        action="https://x/event",
        action_may_be_empty=True,
        inward=form,
        outward=form,
        authorization="sign",
    )


def test_other_actions() -> None:
    text = json.dumps(
        [
            {"action": "talk", "text": "Good day"},
            {"action": "stream", "streamUrl": ["https://x/a.mp3"]},
            {"action": "notify", "payload": {"a": 1}, "eventUrl": ["https://x/next"]},
            {"action": "connect", "endpoint": [{"type": "phone", "number": "15005550020"}]},
        ]
    )
    ask = Redirect("https://x/next", payload='{"a":1}', may_be_empty=True)
    assert CARRIER.read_document(text) == [Say("Good day"), Play("https://x/a.mp3"), ask, Dial(("+15005550020",))]
    assert CARRIER.redirected(CALL, ask).json["payload"] == {"a": 1}
    assert CARRIER.read_document("[]") == []


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("<Response/>", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("{}", "not a list"),
        ('[{"action":"sing"}]', "'sing'"),
        ('[{"action":"connect","endpoint":[]}]', "one endpoint"),
        (ncco(**{"content-type": "audio/x-mulaw"}), "content-type"),
        (ncco(headers={"ticket": "a" * 512}), "at most 512"),
        (ncco(headers=[]), "not an object"),
        (ncco(authorization={"type": "basic"}), "authorization"),
        (ncco(type="vbc"), "'vbc'"),
        ('[{"action":"notify","eventUrl":["https://x"]}]', "notify needs a payload"),
    ],
)
def test_an_ncco_that_vonage_would_not_take(text: str, why: str) -> None:
    with pytest.raises(BadMessage, match=why):
        CARRIER.read_document(text)


@pytest.mark.parametrize(
    ("authorization", "header"),
    [(None, None), ({"type": "custom", "value": "Bearer xyz"}, "Bearer xyz"), ({"type": "vonage"}, "signed")],
)
def test_a_socket_is_opened_as_the_ncco_asks(authorization: Any, header: str | None) -> None:
    verb = stream(**({"authorization": authorization} if authorization else {})).verb
    headers = CARRIER.sign_socket(Signing("secret", "app", "GET", "wss://x/y", {}, b"", 1.0), verb)
    if header == "signed":
        assert claims_of(headers["Authorization"], "secret")["application_id"] == "app"
    else:
        assert headers.get("Authorization") == header


def test_messages_have_vonages_form() -> None:
    line = stream(headers={"ticket": "t"})
    assert line.connected() is None
    assert read(line.start()) == {
        "event": "websocket:connected",
        "content-type": "audio/l16;rate=16000",
        "ticket": "t",
    }
    [frame] = line.media(b"\xff" * 160, 0)
    assert frame == bytes(640)
    assert read(line.dtmf("5")) == {"event": "websocket:dtmf", "digit": "5", "duration": 260}
    assert line.stop() is None


def test_a_notify_comes_back_when_the_audio_before_it_was_played() -> None:
    line = stream()
    for _ in range(5):
        assert line.receive(FRAME, 10.0) == []
    assert say(line, {"action": "notify", "payload": {"mark": "a"}}) == []
    assert line.lead_ms == 100.0
    assert [read(one) for one in line.advance(10.1)] == [{"event": "websocket:notify", "payload": {"mark": "a"}}]
    assert say(line, {"action": "notify", "payload": {"n": 1}}, 10.3) == [
        {"event": "websocket:notify", "payload": {"n": 1}}
    ]
    assert [echo.name for echo in line.echoed] == ["a", '{"n":1}']


def test_a_clear_is_answered_and_what_it_threw_out_never_comes_back() -> None:
    line = stream()
    line.receive(FRAME, 10.0)
    line.receive(FRAME, 10.0)
    say(line, {"action": "notify", "payload": {"mark": "a"}})
    assert say(line, {"action": "clear"}, 10.01) == [{"event": "websocket:cleared"}]
    assert line.advance(20.0) == []
    assert [(echo.name, echo.played) for echo in line.echoed] == [("a", False)]
    assert [one.size for one in line.received if one.kind == "clear"] == [960]


@pytest.mark.parametrize(
    ("message", "why"),
    [
        (FRAME[:-2], "638 bytes, expected 640"),
        (FRAME * 2, "1280 bytes"),
        (b"", "0 bytes"),
        ("{", "not JSON"),
        ('{"action":"hangup"}', "no action"),
        ('{"action":"notify"}', "no action"),
        ('{"event":"media"}', "no action"),
    ],
)
def test_what_vonage_cannot_use(message: Message, why: str) -> None:
    line = stream()
    assert line.receive(message, 10.0) == []
    assert why in line.warnings[0].text
    assert line.lead_ms == 0


def test_what_is_over_a_minute_ahead_is_lost() -> None:
    line = stream()
    for _ in range(BUFFER_MESSAGES):
        line.receive(FRAME, 10.0)
    assert line.warnings == []
    line.receive(FRAME, 10.0)
    assert "3072" in line.warnings[0].text
