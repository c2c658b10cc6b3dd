"""Vonage as a carrier, from its own side: the contract, its real messages, tokens, documents and requests."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from bridge.carriers.addresses import Addresses
from bridge.carriers.base import (
    Apologise,
    CallerAudio,
    CallReference,
    CallReport,
    ComeBack,
    EndCall,
    ForwardCall,
    ForwardOver,
    KeyPressed,
    LineBusy,
    MarkReturned,
    NotGenuine,
    OpenStream,
    RestAnswer,
    Ringing,
    SocketMessage,
    StreamOver,
    StreamReport,
    StreamStarted,
    StreamViolation,
)
from bridge.carriers.vonage.carrier import VoiceApi, VonageCarrier
from bridge.carriers.vonage.messages import VonageStream
from bridge.carriers.vonage.tokens import check_socket, check_webhook, private_key, socket_token
from bridge.carriers.web import CarrierRequest, Document, UnreadableRequest
from tests.carriers.contract import CarrierContract, Example

WIRE = Path(__file__).parents[2] / "fixtures" / "wire" / "vonage"
BASE = "https://bridge.example.com/vonage"
SECRET = "signature secret of the account"
CALL = "63f61863-4a51-4f6b-86e1-46edebcf9356"
APPLICATION = "78d335fa-323d-0114-9c3d-d6f0d48968cf"
NOW = 1_700_000_000.0
KEY = generate_private_key(65537, 2048)
PEM = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
CARRIER = VonageCarrier([SECRET], api=VoiceApi("https://api.nexmo.com", APPLICATION, KEY), caller_id="+15005550010")
ADDRESSES = Addresses(BASE)
RINGING = {"from": "15005550006", "to": "15005550010", "uuid": CALL, "conversation_uuid": "CON-1"}
SOCKET: dict[str, Any] = {
    "uuid": "aaaaaaaa-0000-4000-8000-0123456789ab",
    "headers": {"call_id": CALL, "ticket": "9f3c"},
}


def wire(name: str) -> bytes:
    return (WIRE / f"{name}.json").read_bytes().strip()


def base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def token(claims: Mapping[str, Any], secret: str = SECRET, head: Mapping[str, Any] | None = None) -> str:
    head = {"alg": "HS256", "typ": "JWT"} if head is None else head
    text = ".".join(base64url(json.dumps(part).encode()) for part in (head, claims))
    return f"{text}.{base64url(hmac.digest(secret.encode(), text.encode(), hashlib.sha256))}"


def claims(body: bytes, at: float = NOW) -> dict[str, Any]:
    told = {"iss": "Vonage", "iat": int(at), "jti": "j", "api_key": "a1b2c3d4", "application_id": APPLICATION}
    return told | ({"payload_hash": hashlib.sha256(body).hexdigest()} if body else {})


def posted(fields: Mapping[str, Any], route: str = "answer", at: float = NOW) -> CarrierRequest:
    body = json.dumps(fields).encode()
    headers = {"content-type": "application/json", "authorization": f"Bearer {token(claims(body, at))}"}
    return CarrierRequest("POST", f"{BASE}/{route}", headers, body)


def start(document: Document) -> bytes:
    (action,) = json.loads(document.text)
    (endpoint,) = action["endpoint"]
    return json.dumps(
        {"event": "websocket:connected", "content-type": endpoint["content-type"], **endpoint["headers"]}
    ).encode()


def taken(messages: Sequence[SocketMessage]) -> list[tuple[str, bytes]]:
    told = []
    for payload, binary in messages:
        if binary:
            assert len(payload) == 640
            told.append(("audio", payload))
            continue
        match json.loads(payload):
            case {"action": "notify", "payload": {"mark": name, **more}, **rest}:
                assert (more, rest) == ({}, {})
                told.append(("mark", name.encode()))
            case message:
                assert message == {"action": "clear"}
                told.append(("clear", b""))
    return told


def text(event: str, **fields: Any) -> bytes:
    return json.dumps({"event": event, **fields}).encode()


DIALLED = {"answered": "completed", "busy": "busy", "no_answer": "timeout", "failed": "rejected"}
DIALLED_LEG = "0a1b2c3d-dddd-eeee-ffff-000000000000"


def dialled(document: Document) -> str:
    """Where we want to be told what becomes of the leg that this document dials."""
    (action,) = json.loads(document.text)
    assert action["eventType"] == "synchronous"
    return str(action["eventUrl"][0]).rpartition("/")[2]


class TestVonage(CarrierContract):
    example = Example(
        carrier=CARRIER,
        call_id=CALL,
        account_id=APPLICATION,
        api="https://api.nexmo.com",
        ringing=lambda now: posted(RINGING, "answer", now),
        stream_over=lambda now: posted({**SOCKET, "status": "disconnected"}, "event", now),
        dial_over=lambda now, result, document: posted(
            {"uuid": DIALLED_LEG, "status": DIALLED[result], "from": "15005550010", "to": "15005550020"},
            dialled(document),
            now,
        ),
        handshake={"authorization": f"Bearer {socket_token(SECRET)}"},
        start=start,
        audio=lambda sound, _number: SocketMessage(sound, True),
        key=lambda digit: text("websocket:dtmf", digit=digit, duration=260),
        mark=lambda name: text("websocket:notify", payload={"mark": name}),
        stop=None,
        unknown=text("hologram"),
        odd=[
            text("websocket:dtmf", dtmf=7),
            text("websocket:dtmf"),
            text("websocket:notify"),
            text("websocket:notify", payload={"mark": 7}),
            text("websocket:notify", payload=[]),
        ],
        needed=("call_id",),
        odd_audio=[],
        taken=taken,
        messages=[path.read_bytes() for path in sorted(WIRE.glob("in_*.json"))],
    )


# Its messages


def started(name: str = "in_connected") -> VonageStream:
    stream = VonageStream(16000)
    stream.read_text(wire(name))
    return stream


def test_each_message_of_the_carrier_is_read() -> None:
    stream = VonageStream(16000)
    start = stream.read_text(wire("in_connected"))
    assert isinstance(start, StreamStarted)
    assert (start.call_id, start.account_id) == (CALL, "")
    assert start.parameters == {"ticket": "9f3c", "from": "+15005550006", "call_id": CALL}
    assert stream.read_binary(b"\x01\x02" * 320) == CallerAudio(b"\x01\x02" * 320)
    assert stream.read_text(wire("in_dtmf")) == KeyPressed("1")
    assert stream.read_text(wire("in_dtmf_nested")) == KeyPressed("#")
    assert stream.read_text(wire("in_notify")) == MarkReturned("1.7", "unknown")
    assert stream.read_text(wire("in_cleared")) is None
    assert stream.odd_fields == 0


def test_each_message_of_ours_is_as_documented() -> None:
    stream = started()
    assert stream.audio(b"\x01\x02" * 640) == (
        SocketMessage(b"\x01\x02" * 320, True),
        SocketMessage(b"\x01\x02" * 320, True),
    )
    assert stream.mark("1.7") == (SocketMessage(wire("out_notify")),)
    assert stream.clear() == (SocketMessage(wire("out_clear")),)


def test_the_rate_is_the_one_that_the_carrier_tells() -> None:
    assert started("in_connected").caller_format.name == "pcm_16000"
    stream = started("in_connected_8000")
    assert (stream.caller_format.name, stream.our_format.name) == ("pcm_8000", "pcm_8000")
    assert [len(one.payload) for one in stream.audio(b"\0" * 640)] == [320, 320]


@pytest.mark.parametrize("told", ["audio/l16;rate=44100", "audio/x-mulaw;rate=8000", "audio/l16", "x"])
def test_a_format_we_do_not_speak_is_refused_loudly(told: object) -> None:
    with pytest.raises(StreamViolation) as violation:
        VonageStream(16000).read_text(text("websocket:connected", call_id="c", **{"content-type": told}))
    assert violation.value.kind == "unsupported_format"


def test_half_a_sample_does_not_turn_the_rest_into_noise() -> None:
    stream = started()
    assert stream.read_binary(b"\x01\x02\x03") == CallerAudio(b"\x01\x02")
    assert stream.read_binary(b"\x01\x02") == CallerAudio(b"\x01\x02")
    assert stream.odd_fields == 1


# Its tokens


def refusal(request: CarrierRequest, now: float = NOW, secrets: Sequence[str] = (SECRET,)) -> str | None:
    try:
        check_webhook(secrets, request, now)
    except NotGenuine as error:
        return error.why
    return None


def bearing(value: str, body: bytes = b"") -> CarrierRequest:
    return CarrierRequest("POST", f"{BASE}/event", {"authorization": value, "content-type": "application/json"}, body)


def test_a_token_covers_the_body_and_grows_old_in_five_minutes() -> None:
    request = posted(RINGING)
    assert refusal(request) is None
    assert refusal(request, NOW + 300) is None
    assert refusal(request, NOW + 301) == "too_old"
    assert refusal(request, NOW - 301) == "too_old"
    assert refusal(CarrierRequest("POST", request.url, request.headers, b"{}")) == "wrong_body_hash"
    assert refusal(request, secrets=["other"]) == "wrong_signature"
    assert refusal(request, secrets=["other", SECRET]) is None
    assert refusal(request, secrets=[""]) == "wrong_signature"


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("", "no_signature"),
        ("Basic abc", "unreadable_token"),
        ("Bearer", "unreadable_token"),
        ("Bearer a.b", "unreadable_token"),
        ("Bearer a.b.c", "unreadable_token"),
        ("Bearer \u00e9.\udcff.x", "unreadable_token"),
        (f"Bearer {token({'iat': int(NOW)}, head={'alg': 'none'})}", "unknown_algorithm"),
        (f"Bearer {token({'iat': int(NOW)}, head={'alg': 'RS256'})}", "unknown_algorithm"),
        (f"Bearer {token({'iat': int(NOW)}, head={'typ': 'JWT'})}", "unreadable_token"),
        (f"Bearer {token({})}", "unreadable_token"),
        (f"Bearer {token({'iat': 'soon'})}", "unreadable_token"),
        (f"Bearer {token({'iat': int(NOW), 'exp': int(NOW) - 600})}", "too_old"),
        (f"Bearer {token({'iat': 1e300})}", "too_old"),
        (f"Bearer {token({'iat': int(NOW), 'x': 'y' * 9000})}", "unreadable_token"),
        (f"Bearer {token({'iat': int(NOW)}, secret='')}", "wrong_signature"),
        (f"bearer {token({'iat': int(NOW)})}", None),
    ],
)
def test_a_refusal_says_why(value: str, why: str | None) -> None:
    assert refusal(bearing(value)) == why


def test_a_body_needs_its_hash() -> None:
    assert refusal(bearing(f"Bearer {token({'iat': int(NOW)})}", b"{}")) == "no_body_hash"
    odd = {"iat": int(NOW), "payload_hash": "\u00e9"}
    assert refusal(bearing(f"Bearer {token(odd)}", b"{}")) == "wrong_body_hash"


NOTHING: list[Any] = [None, True, False, 5.5, [], ["15005550006"], {}, {"type": "phone", "number": "15005550006"}, ""]
"""What a field of a webhook may hold that says nothing."""


@pytest.mark.parametrize("odd", NOTHING, ids=repr)
@pytest.mark.parametrize("name", ["from", "to", "conversation_uuid"])
def test_a_call_rings_whatever_is_in_a_field_beside_its_name(name: str, odd: object) -> None:
    call = CARRIER.read_webhook("answer", posted(RINGING | {name: odd}))
    assert isinstance(call, Ringing)
    assert call.call_id == CALL
    assert call.from_number == ("" if name == "from" else "+15005550006")  # withheld, and nobody else's number
    assert call.to_number == ("" if name == "to" else "+15005550010")


@pytest.mark.parametrize("written", [15005550006, 15005550006.0, "15005550006"])
def test_a_number_may_be_written_as_one(written: object) -> None:
    call = CARRIER.read_webhook("answer", posted(RINGING | {"from": written}))
    assert isinstance(call, Ringing)
    assert call.from_number == "+15005550006"


@pytest.mark.parametrize("odd", NOTHING, ids=repr)
def test_calls_without_a_name_are_not_all_one_call(odd: object) -> None:
    with pytest.raises(UnreadableRequest, match="uuid is required"):
        CARRIER.read_webhook("answer", posted(RINGING | {"uuid": odd}))


@pytest.mark.parametrize("odd", NOTHING, ids=repr)
@pytest.mark.parametrize("name", ["uuid", "status", "timestamp", "reason", "headers", "rate"])
def test_an_event_with_something_odd_in_it_says_the_rest(name: str, odd: object) -> None:
    event = {
        "uuid": "leg",
        "status": "ringing",
        "timestamp": "t",
        "reason": "r",
        "headers": {"call_id": CALL},
        "rate": 1,
    }
    read = CARRIER.read_webhook("event", posted(event | {name: odd}, "event"))
    if name == "headers":
        assert isinstance(read, CallReport)
        return
    assert isinstance(read, StreamReport)
    assert read.call_id == CALL
    assert read.problem == ("" if name == "reason" else "r")
    assert read.status == ("unknown" if name == "status" else "ringing")


def test_a_call_may_ring_by_get() -> None:
    headers = {"authorization": f"Bearer {token(claims(b''))}"}
    request = CarrierRequest("GET", f"{BASE}/answer?{urlencode(RINGING)}", headers)
    assert refusal(request) is None
    assert CARRIER.read_webhook("answer", request) == Ringing(CALL, APPLICATION, "+15005550006", "+15005550010")


@pytest.mark.parametrize("value", ["", "Bearer x", f"Bearer {socket_token('other')}", "Bearer \udcff"])
def test_a_handshake_without_our_token_is_refused(value: str) -> None:
    with pytest.raises(NotGenuine):
        check_socket([SECRET, ""], CarrierRequest("GET", f"{BASE}/media", {"authorization": value}))


def test_an_empty_secret_opens_nothing() -> None:
    headers = {"authorization": f"Bearer {socket_token('')}"}
    with pytest.raises(NotGenuine):
        check_socket([""], CarrierRequest("GET", f"{BASE}/media", headers))


@pytest.mark.parametrize("pem", ["", "x", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----"])
def test_a_key_that_is_none_is_named(pem: str) -> None:
    with pytest.raises(ValueError, match="private key"):
        private_key(pem)


def test_a_key_may_stand_on_one_line() -> None:
    assert private_key(PEM.replace("\n", "\\n")).key_size == 2048


# Its webhooks, documents and requests


def told(**fields: Any) -> object:
    return CARRIER.read_webhook("event", posted(fields, "event"))


def test_what_becomes_of_a_dialled_leg() -> None:
    there = f"after-dial?call_id={CALL}"

    def said(**fields: Any) -> object:
        return CARRIER.read_webhook("after-dial", posted(fields, there))

    for status in ("started", "ringing", "answered", "completed", "hologram", ""):
        assert said(uuid="leg", status=status) is None
    assert said(uuid="leg", status="unanswered") == ForwardOver(CALL, APPLICATION, "no_answer")
    assert said(uuid="leg", status="cancelled") == ForwardOver(CALL, APPLICATION, "failed", call_over=True)
    # What the body calls so is not the call that our own address names.
    assert said(uuid="leg", status="busy", call_id="other") == ForwardOver(CALL, APPLICATION, "busy")
    with pytest.raises(UnreadableRequest):
        CARRIER.read_webhook("after-dial", posted({"uuid": "leg", "status": "busy"}, "after-dial"))


def test_what_its_events_say() -> None:
    assert told(**SOCKET, status="disconnected") == StreamOver(CALL)
    assert told(**SOCKET, status="unanswered") == StreamOver(CALL)
    report = told(**SOCKET, status="answered", timestamp="t")
    assert report == StreamReport(CALL, "answered", ("stream", SOCKET["uuid"], "answered", "t"))
    report = told(uuid=CALL, status="completed", timestamp="t")
    assert report == CallReport(CALL, "completed", ("call", CALL, "completed", "t"), call_over=True)
    report = told(uuid=CALL, status="dreaming")
    assert isinstance(report, CallReport)
    assert report.status == "unknown"
    assert told(uuid=CALL) is None
    asked = CARRIER.read_webhook("after-stream", posted({"payload": {"call_id": CALL}}, "after-stream"))
    assert asked == StreamOver(CALL)


def actions(outcome: Any) -> Any:
    return json.loads(CARRIER.document(outcome, ADDRESSES).text)


def test_a_socket_with_its_headers_and_its_authorization() -> None:
    assert actions(OpenStream(CALL, {"ticket": "9f3c"})) == [
        {
            "action": "connect",
            "eventType": "synchronous",
            "eventUrl": [f"{BASE}/event"],
            "eventMethod": "POST",
            "from": "15005550010",
            "endpoint": [
                {
                    "type": "websocket",
                    "uri": "wss://bridge.example.com/vonage/media",
                    "content-type": "audio/l16;rate=16000",
                    "headers": {"ticket": "9f3c", "call_id": CALL},
                    "authorization": {"type": "custom", "value": f"Bearer {socket_token(SECRET)}"},
                }
            ],
        }
    ]
    with pytest.raises(ValueError, match="512 bytes"):
        actions(OpenStream(CALL, {"ticket": "x" * 500}))


def test_the_other_outcomes() -> None:
    assert actions(EndCall()) == actions(LineBusy()) == []
    assert actions(Apologise("Sorry.")) == [{"action": "talk", "text": "Sorry."}]
    (dial,) = actions(ForwardCall("+15005550020"))
    assert dial["endpoint"] == [{"type": "phone", "number": "15005550020"}]
    assert dial["from"] == "15005550010"
    assert actions(ForwardCall("sip:anna@example.com"))[0]["endpoint"] == [
        {"type": "sip", "uri": "sip:anna@example.com"}
    ]
    (ask,) = actions(ComeBack(CALL))
    assert (ask["action"], ask["payload"], ask["eventUrl"]) == ("notify", {"call_id": CALL}, [f"{BASE}/after-stream"])


def test_rest_requests_carry_a_token_of_the_application() -> None:
    def asked(outcome: Any) -> Any:
        request = CARRIER.request(outcome, CallReference(CALL, APPLICATION), ADDRESSES, now=NOW, nonce="n-1")
        assert request is not None
        assert (request.method, request.url) == ("PUT", f"https://api.nexmo.com/v1/calls/{CALL}")
        head, body, signature = request.headers["Authorization"].removeprefix("Bearer ").split(".")
        pad = "=" * 4
        assert json.loads(base64.urlsafe_b64decode(head + pad)) == {"alg": "RS256", "typ": "JWT"}
        told = json.loads(base64.urlsafe_b64decode(body + pad))
        assert told == {"application_id": APPLICATION, "iat": int(NOW), "exp": int(NOW) + 900, "jti": "n-1"}
        signed = base64.urlsafe_b64decode(signature + pad)
        KEY.public_key().verify(signed, f"{head}.{body}".encode(), PKCS1v15(), SHA256())
        return json.loads(request.body)

    assert asked(EndCall()) == {"action": "hangup"}
    moved = asked(ForwardCall("+15005550020"))
    assert (moved["action"], moved["destination"]["type"]) == ("transfer", "ncco")
    assert moved["destination"]["ncco"] == actions(ForwardCall("+15005550020"))
    assert asked(ComeBack(CALL))["destination"] == {"type": "ncco", "url": [f"{BASE}/after-stream"]}


@pytest.mark.parametrize(
    ("status", "body", "answer"),
    [
        (204, b"", RestAnswer("done")),
        (404, b'{"title":"Not Found"}', RestAnswer("gone", "Not Found")),
        (401, b'{"error_title":"Unauthorized"}', RestAnswer("refused", "Unauthorized")),
        (400, b"[]", RestAnswer("refused", "HTTP status 400")),
        (429, b"", RestAnswer("busy", "HTTP status 429")),
    ],
)
def test_what_an_answer_means(status: int, body: bytes, answer: RestAnswer) -> None:
    assert CARRIER.read_answer(status, body) == answer
