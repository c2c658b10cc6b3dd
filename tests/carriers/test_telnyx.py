"""Telnyx as a carrier, from its own side: the contract, its real messages, its documents and requests."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from bridge.audio import mulaw
from bridge.carriers.addresses import Addresses
from bridge.carriers.base import (
    CallerAudio,
    CallReference,
    CallReport,
    ComeBack,
    EndCall,
    ForwardCall,
    KeyPressed,
    LineBusy,
    MarkReturned,
    NotGenuine,
    OpenStream,
    OtherMessage,
    RestAnswer,
    SocketMessage,
    StreamOver,
    StreamReport,
    StreamStarted,
    StreamStopped,
    StreamViolation,
)
from bridge.carriers.telnyx.carrier import TelnyxCarrier, TexmlApi
from bridge.carriers.telnyx.messages import TelnyxStream
from bridge.carriers.telnyx.reorder import WINDOW, Reorder
from bridge.carriers.telnyx.signatures import check_webhook, public_key
from bridge.carriers.web import FORM, CarrierRequest, Document, UnreadableRequest
from tests.carriers.contract import CarrierContract, Example

WIRE = Path(__file__).parents[2] / "fixtures" / "wire" / "telnyx"
BASE = "https://bridge.example.com/telnyx"
STREAM = "32de0dea-53cb-4b21-89a4-9e1819c043bc"
CALL = "v3:T02llQxIyaRkhfRKxgAP8nY511EhFLizdvdUKJiSw8d6A9BborherQ"
ACCOUNT = "83b07c8a-0dd1-4f5c-a3d8-3ae0b6a1a3ad"
FRAME = bytes([0xFF, 0x7F, 0xCE, 0x4E]) * 40
NOW = 1_700_000_000.0
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
"""The account's key; only its public half is known to us."""
API = TexmlApi("https://api.telnyx.com", "KEY0123", "17")
CARRIER = TelnyxCarrier([KEY.public_key()], api=API, caller_id="+15005550010")
ADDRESSES = Addresses(BASE)
RINGING = {"AccountSid": ACCOUNT, "CallSid": CALL, "From": "+15005550006", "To": "+15005550010"}


def wire(name: str) -> bytes:
    return (WIRE / f"{name}.json").read_bytes().strip()


def text(event: str, **fields: Any) -> bytes:
    return json.dumps({"event": event, "sequence_number": "5", "stream_id": STREAM, **fields}).encode()


def start(document: Document) -> bytes:
    parameters = {one.attrib["name"]: one.attrib["value"] for one in ET.fromstring(document.text).iter("Parameter")}
    message = json.loads(wire("in_start"))
    message["start"] |= {"custom_parameters": parameters, "call_control_id": CALL}
    return json.dumps(message).encode()


def audio(sound: bytes, number: int) -> SocketMessage:
    payload = base64.b64encode(sound).decode()
    media = {"track": "inbound", "chunk": str(number), "timestamp": str(number * 20), "payload": payload}
    return SocketMessage(text("media", media=media))


def taken(messages: Sequence[SocketMessage]) -> list[tuple[str, bytes]]:
    told = []
    for payload, binary in messages:
        assert not binary
        message = json.loads(payload)
        match message:
            case {"event": "media", "media": {"payload": sound}}:
                assert set(message) == {"event", "media"}
                told.append(("audio", base64.b64decode(sound, validate=True)))
            case {"event": "mark", "mark": {"name": name}}:
                assert set(message) == {"event", "mark"}
                told.append(("mark", name.encode()))
            case _:
                assert message == {"event": "clear"}
                told.append(("clear", b""))
    return told


def signed(body: bytes, at: float = NOW, key: Ed25519PrivateKey = KEY, url: str = f"{BASE}/voice") -> CarrierRequest:
    signature = base64.b64encode(key.sign(f"{int(at)}|".encode() + body)).decode()
    headers = {"content-type": FORM, "telnyx-signature-ed25519": signature, "telnyx-timestamp": str(int(at))}
    return CarrierRequest("POST", url, headers, body)


def dialled(document: Document) -> str:
    """Where we want to be told what became of whom this document dials."""
    dial = ET.fromstring(document.text).find("Dial")
    assert dial is not None
    return dial.attrib["action"].rpartition("/")[2]


DIALLED = {"answered": "completed", "busy": "busy", "no_answer": "no-answer", "failed": "failed"}


class TestTelnyx(CarrierContract):
    example = Example(
        carrier=CARRIER,
        call_id=CALL,
        account_id=ACCOUNT,
        api="https://api.telnyx.com",
        ringing=lambda now: signed(urlencode(RINGING).encode(), now),
        stream_over=lambda now: signed(urlencode(RINGING).encode(), now, url=f"{BASE}/after-stream"),
        dial_over=lambda now, result, document: signed(
            urlencode({**RINGING, "CallStatus": "in-progress", "DialCallStatus": DIALLED[result]}).encode(),
            now,
            url=f"{BASE}/{dialled(document)}",
        ),
        handshake={},
        start=start,
        audio=audio,
        key=lambda digit: text("dtmf", dtmf={"digit": digit}),
        mark=lambda name: text("mark", mark={"name": name}),
        stop=text("stop", stop={"call_control_id": CALL}),
        unknown=text("hologram", media=7, start=[], dtmf=None),
        odd=[text("dtmf", dtmf=7), text("dtmf"), text("mark", mark={}), text("mark", mark={"name": 7})],
        needed=("stream_id", "call_control_id"),
        odd_audio=[
            text("media", media={"payload": base64.b64encode(b"\xff" * 160).decode(), **fields})
            for fields in (
                {"chunk": "1", "timestamp": None},
                {"chunk": "1", "timestamp": 5.5},
                {"chunk": None},
                {"chunk": "soon"},
                {"chunk": 1, "track": "inbound", "novelty": {}},
                {},
            )
        ],
        taken=taken,
        messages=[path.read_bytes() for path in sorted(WIRE.glob("in_*.json"))],
    )


# Its messages


def started(name: str = "in_start") -> TelnyxStream:
    stream = TelnyxStream()
    stream.read_text(wire(name))
    return stream


def test_each_message_of_the_carrier_is_read() -> None:
    stream = TelnyxStream()
    assert stream.read_text(wire("in_connected")) is None
    start = stream.read_text(wire("in_start"))
    assert isinstance(start, StreamStarted)
    assert (start.call_id, start.account_id, start.stream_id) == (CALL, "", STREAM)
    assert start.parameters["ticket"] == "9f3c"
    assert stream.read_text(wire("in_media")) == CallerAudio(FRAME, 2, 5)
    assert stream.read_text(wire("in_media_outbound")) is None
    assert stream.read_text(wire("in_dtmf")) == KeyPressed("1")
    assert stream.read_text(wire("in_mark")) == MarkReturned("1.7", "unknown")
    assert stream.read_text(wire("in_error")) == OtherMessage("error 100003")
    assert stream.read_text(wire("in_stop")) == StreamStopped()
    assert stream.odd_fields == 0


def test_each_message_of_ours_is_as_documented() -> None:
    stream = started()
    assert [one.payload for one in stream.audio(FRAME)] == [wire("out_media")]
    assert [one.payload for one in stream.mark("1.7")] == [wire("out_mark")]
    assert [one.payload for one in stream.clear()] == [wire("out_clear")]


def test_a_call_in_a_law_is_heard_in_mu_law() -> None:
    # What Telnyx sends is the codec of the call, A-law in much of Europe, whatever we send.
    stream = started("in_start_pcma")
    samples = (np.sin(np.arange(160) / 5) * 8000).astype(np.int16)
    message = audio(mulaw.encode_alaw(samples), 1)
    event = stream.read_text(message.payload)
    assert isinstance(event, CallerAudio)
    heard = mulaw.decode(event.audio).astype(int)
    assert np.max(np.abs(heard - samples)) < 600
    assert np.corrcoef(heard, samples)[0, 1] > 0.999


@pytest.mark.parametrize(
    "told",
    [{"encoding": "L16"}, {"encoding": "G722"}, {"sample_rate": 16000}, {"channels": 2}],
)
def test_a_codec_we_do_not_speak_is_refused_loudly(told: dict[str, object]) -> None:
    message = json.loads(wire("in_start"))
    message["start"]["media_format"] |= told
    with pytest.raises(StreamViolation) as violation:
        TelnyxStream().read_text(json.dumps(message).encode())
    assert violation.value.kind == "unsupported_format"


def test_parameters_may_come_as_a_list() -> None:
    message = json.loads(wire("in_start"))
    message["start"]["custom_parameters"] = [{"name": "ticket", "value": "9f3c"}, {"name": "call_id", "value": "c1"}]
    start = TelnyxStream().read_text(json.dumps(message).encode())
    assert isinstance(start, StreamStarted)
    assert start.parameters == {"ticket": "9f3c", "call_id": "c1"}


def test_a_call_is_named_by_its_start_and_not_by_the_parameters_that_a_ticket_brings_along() -> None:
    message = json.loads(wire("in_start"))
    message["start"]["custom_parameters"] = {"ticket": "9f3c", "call_id": "another"}
    start = TelnyxStream().read_text(json.dumps(message).encode())
    assert isinstance(start, StreamStarted)
    assert start.call_id == message["start"]["call_control_id"] != "another"


@pytest.mark.parametrize("event", ["media", "dtmf", "mark", "stop"])
def test_a_message_for_another_stream_is_told_apart(event: str) -> None:
    message = json.loads(wire(f"in_{event}")) | {"stream_id": "other"}
    with pytest.raises(StreamViolation) as violation:
        started().read_text(json.dumps(message).encode())
    assert violation.value.kind == "wrong_stream"


# The order of its messages


def heard(*numbers: int) -> list[int]:
    """Pieces of one byte, the number itself, in the order in which they are heard."""
    order = Reorder()
    return [number for one in numbers for number in order.put(one, bytes([one]))]


@pytest.mark.parametrize(
    ("came", "expected"),
    [
        ((1, 2, 3), [1, 2, 3]),
        ((1, 3, 2, 4), [1, 2, 3, 4]),
        ((1, 4, 3, 2, 5), [1, 2, 3, 4, 5]),
        ((1, 3, 4, 5, 6), [1, 3, 4, 5, 6]),  # 2 was lost
        ((1, 3, 4, 5, 2, 6), [1, 3, 4, 5, 6]),  # 2 came too late
        ((1, 2, 2, 3), [1, 2, 3]),
        ((1, 3, 3, 2), [1, 2, 3]),
        ((5, 6, 7), [5, 6, 7]),  # it need not begin with 1
        ((1, 2, 100, 101), [1, 2, 100, 101]),
        ((100, 101, 1, 2), [100, 101, 1, 2]),  # counted anew
        ((1, 3, 100, 101), [1, 3, 100, 101]),
    ],
)
def test_pieces_are_heard_in_their_order(came: tuple[int, ...], expected: list[int]) -> None:
    assert heard(*came) == expected


@given(st.data())
def test_whatever_is_swapped_within_the_window_is_put_right(data: st.DataObject) -> None:
    numbers = list(range(1, 60))
    at = 1
    while at < len(numbers) - WINDOW:
        block = data.draw(st.permutations(numbers[at : at + WINDOW]))
        numbers[at : at + WINDOW] = block
        at += data.draw(st.integers(WINDOW, 8))
    assert heard(*numbers) == list(range(1, 60))


@given(st.lists(st.integers(-1, 250), max_size=80))
def test_no_order_at_all_makes_the_caller_mute(numbers: list[int]) -> None:
    order = Reorder()
    for number in numbers:
        order.put(number, b"x")
    assert len(order._kept) < WINDOW
    later = b"".join(order.put(number, bytes([number % 256])) for number in range(1000, 1020))
    assert later.endswith(bytes(number % 256 for number in range(1000, 1020)))


# Its signatures


def refusal(request: CarrierRequest, now: float = NOW) -> str | None:
    try:
        check_webhook([KEY.public_key()], request, now)
    except NotGenuine as error:
        return error.why
    return None


def test_a_signature_covers_time_and_body() -> None:
    request = signed(b"CallSid=1")
    assert refusal(request) is None
    assert refusal(CarrierRequest("POST", request.url, request.headers, b"CallSid=2")) == "wrong_signature"
    later = {**request.headers, "telnyx-timestamp": str(int(NOW) + 1)}
    assert refusal(CarrierRequest("POST", request.url, later, request.body)) == "wrong_signature"
    assert refusal(signed(b"CallSid=1", key=Ed25519PrivateKey.generate())) == "wrong_signature"


def test_a_signature_grows_old_in_five_minutes() -> None:
    assert refusal(signed(b"x"), NOW + 300) is None
    assert refusal(signed(b"x"), NOW + 301) == "too_old"
    assert refusal(signed(b"x"), NOW - 301) == "too_old"


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"telnyx-signature-ed25519": ""}, "no_signature"),
        ({"telnyx-timestamp": ""}, "no_signature"),
        ({"telnyx-timestamp": "soon"}, "unreadable_time"),
        ({"telnyx-timestamp": "9" * 5000}, "unreadable_time"),
        ({"telnyx-timestamp": "\u0663"}, "unreadable_time"),
        ({"telnyx-signature-ed25519": "%%%"}, "wrong_signature"),
        ({"telnyx-signature-ed25519": "AAAA"}, "wrong_signature"),
        ({"telnyx-signature-ed25519": "\udcff"}, "wrong_signature"),
    ],
)
def test_a_refusal_says_why(changed: dict[str, str], why: str) -> None:
    request = signed(b"x")
    assert refusal(CarrierRequest("POST", request.url, {**request.headers, **changed}, b"x")) == why


def test_either_key_counts_while_they_are_renewed() -> None:
    check_webhook([Ed25519PrivateKey.generate().public_key(), KEY.public_key()], signed(b"x"), NOW)


@pytest.mark.parametrize("text", ["", "AAAA", "%%%", "x" * 5000])
def test_a_key_that_is_none_is_named(text: str) -> None:
    with pytest.raises(ValueError, match="32 bytes in base64"):
        public_key(text)


def test_a_query_string_counts_for_nothing_since_nobody_signed_it() -> None:
    request = signed(b"", url=f"{BASE}/voice?CallSid=v3:x&AccountSid=a")
    assert refusal(request) is None
    with pytest.raises(UnreadableRequest, match="CallSid"):
        CARRIER.read_webhook("voice", request)


# Its webhooks, documents and requests


def told(route: str, **fields: str) -> object:
    return CARRIER.read_webhook(route, signed(urlencode({"CallSid": CALL, **fields}).encode()))


def test_what_its_webhooks_say() -> None:
    assert told("after-stream", CallStatus="in-progress") == StreamOver(CALL)
    assert told("after-stream", CallStatus="completed") == StreamOver(CALL, call_over=True)
    report = told("stream-status", StreamEvent="stream-failed", StreamSid="s", FailureReason="refused", Timestamp="t")
    assert report == StreamReport(CALL, "stream-failed", ("stream", "s", "stream-failed", "t"), "refused")
    assert told("call-status", CallStatus="completed", SequenceNumber="2") == CallReport(
        CALL, "completed", ("call", CALL, "completed", "2"), call_over=True
    )


def document(outcome: Any) -> ET.Element:
    return ET.fromstring(CARRIER.document(outcome, ADDRESSES).text)


def test_a_stream_in_which_we_can_be_heard() -> None:
    told = document(OpenStream(CALL, {"ticket": "9f3c"}))
    stream = told.find("Connect/Stream")
    assert stream is not None
    assert stream.attrib == {
        "url": "wss://bridge.example.com/telnyx/media",
        "track": "inbound_track",
        "codec": "PCMU",
        "bidirectionalMode": "rtp",
        "bidirectionalCodec": "PCMU",
        "enableReconnect": "true",
        "statusCallback": f"{BASE}/stream-status",
        "statusCallbackMethod": "POST",
    }
    assert {one.attrib["name"]: one.attrib["value"] for one in stream} == {"ticket": "9f3c"}
    assert told.findtext("Redirect") == f"{BASE}/after-stream"


def test_the_end_of_a_call() -> None:
    assert [one.tag for one in document(EndCall())] == ["Hangup"]
    assert document(ForwardCall("+15005550020")).findtext("Dial/Number") == "+15005550020"
    assert [one.tag for one in document(LineBusy())] == ["Reject"]


def test_rest_requests_about_a_call() -> None:
    call = CallReference(CALL, ACCOUNT)

    def asked(outcome: Any) -> dict[str, str]:
        request = CARRIER.request(outcome, call, ADDRESSES, now=NOW, nonce="n")
        assert request is not None
        assert request.method == "POST"
        quoted = CALL.replace(":", "%3A")
        assert request.url == f"https://api.telnyx.com/v2/texml/Accounts/{ACCOUNT}/Calls/{quoted}"
        assert request.headers == {"Authorization": "Bearer KEY0123", "Content-Type": FORM}
        return dict(parse_qsl(request.body.decode()))

    assert asked(EndCall()) == {"Status": "completed"}
    assert asked(ComeBack(CALL)) == {"Url": f"{BASE}/after-stream"}
    moved = ET.fromstring(asked(ForwardCall("+15005550020"))["Texml"])
    assert moved.findtext("Dial/Number") == "+15005550020"
    assert TelnyxCarrier([]).request(EndCall(), call, ADDRESSES, now=NOW, nonce="n") is None


@pytest.mark.parametrize(
    ("status", "body", "answer"),
    [
        (200, b"{}", RestAnswer("done")),
        (422, b'{"errors":[{"code":"90018","title":"Call has ended"}]}', RestAnswer("gone", "90018 Call has ended")),
        (422, b'{"errors":[{"code":10015,"detail":"Bad"}]}', RestAnswer("refused", "10015 Bad")),
        (404, b'{"errors":[]}', RestAnswer("gone", "HTTP status 404")),
        (401, b"<html>", RestAnswer("refused", "HTTP status 401")),
        (429, b"", RestAnswer("busy", "HTTP status 429")),
    ],
)
def test_what_an_answer_means(status: int, body: bytes, answer: RestAnswer) -> None:
    assert CARRIER.read_answer(status, body) == answer
