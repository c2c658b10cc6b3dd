"""Plivo as a carrier, from its own side: the contract, its real messages, signatures, documents and requests."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.carriers.addresses import Addresses
from bridge.carriers.base import (
    Apologise,
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
    RestAnswer,
    SocketMessage,
    StreamOver,
    StreamReport,
    StreamStarted,
    StreamStopped,
    StreamViolation,
)
from bridge.carriers.plivo import headers
from bridge.carriers.plivo.carrier import CallApi, PlivoCarrier
from bridge.carriers.plivo.messages import PlivoStream
from bridge.carriers.plivo.signatures import check_webhook, sign
from bridge.carriers.web import FORM, CarrierRequest, Document, UnreadableRequest
from tests.carriers.contract import CarrierContract, Example

WIRE = Path(__file__).parents[2] / "fixtures" / "wire" / "plivo"
BASE = "https://bridge.example.com/plivo"
TOKEN = "plivo_token"
STREAM = "8765abcd-0000-4000-8000-00000000000a"
CALL = "abc-123"
ACCOUNT = "MA00000000000000000B"
FRAME = bytes([0xFF, 0x7F, 0xCE, 0x4E]) * 40
CARRIER = PlivoCarrier([TOKEN], api=CallApi("https://api.plivo.com", ACCOUNT, TOKEN), caller_id="15005550010")
ADDRESSES = Addresses(BASE)
RINGING = {
    "CallUUID": CALL,
    "From": "15005550006",
    "To": "15005550010",
    "Direction": "inbound",
    "CallStatus": "ringing",
}


def wire(name: str) -> bytes:
    return (WIRE / f"{name}.json").read_bytes().strip()


def text(event: str, **fields: Any) -> bytes:
    return json.dumps({"event": event, "sequenceNumber": 5, "streamId": STREAM, **fields}).encode()


def posted(fields: Mapping[str, str], route: str = "voice") -> CarrierRequest:
    url, form = f"{BASE}/{route}", tuple(fields.items())
    told = {"content-type": FORM, "x-plivo-signature-v3-nonce": "nonce-1"}
    told["x-plivo-signature-v3"] = sign(TOKEN, "POST", url, form, (), "nonce-1")
    return CarrierRequest("POST", url, told, urlencode(fields).encode())


def start(document: Document) -> bytes:
    stream = ET.fromstring(document.text).find("Stream")
    assert stream is not None
    told = stream.attrib.get("extraHeaders", "")
    assert len(told) <= 512
    assert re.fullmatch("([A-Za-z0-9]+=[A-Za-z0-9]+(,|$))*", told)
    return json.dumps(json.loads(wire("in_start")) | {"extra_headers": told.replace(",", ";")}).encode()


def audio(sound: bytes, number: int) -> SocketMessage:
    payload = base64.b64encode(sound).decode()
    media = {"track": "inbound", "chunk": number, "timestamp": str(1705312200000 + number * 20), "payload": payload}
    return SocketMessage(text("media", media=media, extra_headers="a=b"))


def taken(messages: Sequence[SocketMessage]) -> list[tuple[str, bytes]]:
    told = []
    for payload, binary in messages:
        assert not binary
        match json.loads(payload):
            case {"event": "playAudio", "media": {"payload": sound, **form}, **rest}:
                assert (form, rest) == ({"contentType": "audio/x-mulaw", "sampleRate": 8000}, {})
                told.append(("audio", base64.b64decode(sound, validate=True)))
            case {"event": "checkpoint", "streamId": stream, "name": name, **rest}:
                assert (stream, rest) == (STREAM, {})
                told.append(("mark", name.encode()))
            case message:
                assert message == {"event": "clearAudio", "streamId": STREAM}
                told.append(("clear", b""))
    return told


def dialled(document: Document) -> str:
    """Where we want to be told what became of whom this document dials."""
    dial = ET.fromstring(document.text).find("Dial")
    assert dial is not None
    return dial.attrib["action"].rpartition("/")[2]


DIALLED = {"answered": "completed", "busy": "busy", "no_answer": "timeout", "failed": "failed"}


class TestPlivo(CarrierContract):
    example = Example(
        carrier=CARRIER,
        call_id=CALL,
        account_id="",
        api="https://api.plivo.com",
        ringing=lambda _now: posted(RINGING),
        stream_over=lambda _now: posted(RINGING | {"CallStatus": "in-progress", "Event": "Redirect"}, "after-stream"),
        dial_over=lambda _now, result, document: posted(
            RINGING | {"CallStatus": "in-progress", "DialStatus": DIALLED[result]}, dialled(document)
        ),
        handshake={},
        start=start,
        audio=audio,
        key=lambda digit: text("dtmf", dtmf={"track": "inbound", "digit": digit}),
        mark=lambda name: text("playedStream", name=name),
        stop=None,
        unknown=text("hologram", media=7, start=[], dtmf=None),
        odd=[text("dtmf", dtmf=7), text("dtmf"), text("playedStream"), text("playedStream", name=7)],
        needed=("callId", "streamId"),
        odd_audio=[
            text("media", media={"payload": base64.b64encode(b"\xff" * 160).decode(), **fields})
            for fields in (
                {"timestamp": None},
                {"timestamp": 5.5},
                {"timestamp": "soon", "chunk": []},
                {"track": None},
                {"track": "inbound", "novelty": {}},
                {},
            )
        ],
        taken=taken,
        messages=[path.read_bytes() for path in sorted(WIRE.glob("in_*.json"))],
    )


# Its messages


def started() -> PlivoStream:
    stream = PlivoStream()
    stream.read_text(wire("in_start"))
    return stream


def test_each_message_of_the_carrier_is_read() -> None:
    stream = PlivoStream()
    start = stream.read_text(wire("in_start"))
    assert start == StreamStarted(CALL, "", STREAM, {"ticket": "9f3c", "from": "+15005550006"})
    assert stream.read_text(wire("in_media")) == CallerAudio(FRAME, 41, 1705312200000)
    assert stream.read_text(wire("in_dtmf")) == KeyPressed("5")
    assert stream.read_text(wire("in_played_stream")) == MarkReturned("1.7", "played")
    assert stream.read_text(wire("in_cleared_audio")) is None
    assert stream.read_text(text("stop")) == StreamStopped()  # not documented, but should it come, it is the end
    assert stream.odd_fields == 0


def test_each_message_of_ours_is_as_documented() -> None:
    stream = started()
    assert [one.payload for one in stream.audio(FRAME)] == [wire("out_play_audio")]
    assert [one.payload for one in stream.mark("1.7")] == [wire("out_checkpoint")]
    assert [one.payload for one in stream.clear()] == [wire("out_clear_audio")]


@pytest.mark.parametrize("told", [{"encoding": "audio/x-l16"}, {"sampleRate": 16000}])
def test_a_format_we_do_not_speak_is_refused_loudly(told: dict[str, object]) -> None:
    message = json.loads(wire("in_start"))
    message["start"]["mediaFormat"] |= told
    with pytest.raises(StreamViolation) as violation:
        PlivoStream().read_text(json.dumps(message).encode())
    assert violation.value.kind == "unsupported_format"


@pytest.mark.parametrize("name", ["in_media", "in_dtmf", "in_played_stream", "in_cleared_audio"])
def test_a_message_for_another_stream_is_told_apart(name: str) -> None:
    message = json.loads(wire(name)) | {"streamId": "other"}
    with pytest.raises(StreamViolation) as violation:
        started().read_text(json.dumps(message).encode())
    assert violation.value.kind == "wrong_stream"


# Extra headers


@given(st.dictionaries(st.from_regex("[A-Za-z0-9]{1,8}", fullmatch=True), st.text(max_size=12), max_size=4))
def test_whatever_is_written_into_headers_is_read_from_them(parameters: dict[str, str]) -> None:
    parameters = {name: value for name, value in parameters.items() if value and value.isprintable()}
    told = headers.write(parameters)
    assert re.fullmatch("([A-Za-z0-9]+=[A-Z2-7]+(,|$))*", told)
    assert headers.read(told) == headers.read(told.replace(",", ";")) == parameters


@given(st.text(max_size=600))
def test_any_headers_at_all_can_be_read(told: str) -> None:
    assert all(headers.read(told).values())


def test_headers_that_cannot_be_sent_are_refused_here() -> None:
    with pytest.raises(ValueError, match="letters and digits"):
        headers.write({"call_id": "x"})
    with pytest.raises(ValueError, match="512 bytes"):
        headers.write({"ticket": "x" * 400})


# Its signatures

VECTORS = [
    ("POST", f"{BASE}/answer", "+gbfV/bXg96BnRrNGco7Pi40t90TPWxYnrfEBoGj+lM="),
    ("POST", f"{BASE}/answer?x=1", "lhkE95B9OXGTpKMfWHBI9wimeIPZ4tZVyW+DcXzoLFU="),
]


def refusal(request: CarrierRequest, tokens: Sequence[str] = (TOKEN,)) -> str | None:
    try:
        check_webhook(tokens, request)
    except NotGenuine as error:
        return error.why
    except UnreadableRequest:
        return "unreadable"
    return None


def signed(method: str, url: str, signature: str, body: bytes = b"", **more: str) -> CarrierRequest:
    told = {"content-type": FORM, "x-plivo-signature-v3-nonce": "nonce-1", "x-plivo-signature-v3": signature}
    return CarrierRequest(method, url, told | more, body)


@pytest.mark.parametrize(("method", "url", "signature"), VECTORS)
def test_vectors_computed_elsewhere(method: str, url: str, signature: str) -> None:
    body = urlencode(RINGING).encode()
    assert refusal(signed(method, url, signature, body)) is None
    assert refusal(signed(method, url, f"bm90IGl0, {signature}", body)) is None
    assert refusal(signed(method, url + "x", signature, body)) == "wrong_signature"
    assert refusal(signed(method, url, signature, body + b"&x=1")) == "wrong_signature"
    assert refusal(signed(method, url, signature, body), ["other"]) == "wrong_signature"
    assert refusal(signed(method, url, signature, body), ["other", TOKEN]) is None


def test_the_vector_of_a_get() -> None:
    query = urlencode([("b", "2"), ("a", "1"), *RINGING.items()])
    url = f"{BASE}/answer?{query}"
    assert refusal(signed("GET", url, "Z7MFagtZQl6ux8QVGYggtsZHxw5CES/3hbSsyvPOivQ=")) is None


def test_the_main_accounts_signature_counts_too() -> None:
    request = posted(RINGING)
    told = {**request.headers, "x-plivo-signature-ma-v3": request.headers["x-plivo-signature-v3"]}
    del told["x-plivo-signature-v3"]
    assert refusal(CarrierRequest("POST", request.url, told, request.body)) is None


@pytest.mark.parametrize(
    ("changed", "body", "why"),
    [
        ({"x-plivo-signature-v3": ""}, None, "no_signature"),
        ({"x-plivo-signature-v3": " , "}, None, "no_signature"),
        ({"x-plivo-signature-v3-nonce": ""}, None, "no_signature"),
        ({"x-plivo-signature-v3-nonce": "nonce-2"}, None, "wrong_signature"),
        ({"x-plivo-signature-v3": "\udcff\u00e9"}, None, "wrong_signature"),
        ({"content-type": "application/json"}, b"{}", "no_body_hash"),
        ({}, b"CallUUID=%FF", "unreadable"),
    ],
)
def test_a_refusal_says_why(changed: dict[str, str], body: bytes | None, why: str) -> None:
    request = posted(RINGING)
    asked = CarrierRequest("POST", request.url, {**request.headers, **changed}, body or request.body)
    assert refusal(asked) == why


def test_an_empty_token_signs_nothing() -> None:
    url = f"{BASE}/voice"
    assert refusal(signed("GET", url, sign("", "GET", url, (), (), "nonce-1")), [""]) == "wrong_signature"


# Its webhooks, documents and requests


def told(route: str, **fields: str) -> object:
    return CARRIER.read_webhook(route, posted({"CallUUID": CALL, **fields}, route))


def test_what_its_webhooks_say() -> None:
    assert told("after-stream", CallStatus="in-progress") == StreamOver(CALL)
    assert told("after-stream", CallStatus="completed") == StreamOver(CALL, call_over=True)
    assert told("stream-status", Event="DroppedStream", StreamID="s", Reason="timeout") == StreamReport(
        CALL, "DroppedStream", ("stream", "s", "DroppedStream", ""), "timeout"
    )
    assert told("stream-status", Event="PlayedStream", StreamID="s") == StreamReport(
        CALL, "PlayedStream", ("stream", "s", "PlayedStream", "")
    )
    assert told("call-status", CallStatus="completed", Event="Hangup") == CallReport(
        CALL, "completed", ("call", CALL, "completed", "Hangup"), call_over=True
    )


def document(outcome: Any) -> ET.Element:
    return ET.fromstring(CARRIER.document(outcome, ADDRESSES).text)


def test_a_stream_in_which_we_can_be_heard_and_what_comes_after() -> None:
    told = document(OpenStream(CALL, {"ticket": "9f3c"}))
    stream = told.find("Stream")
    assert stream is not None
    assert stream.text == "wss://bridge.example.com/plivo/media"
    assert stream.attrib == {
        "bidirectional": "true",
        "keepCallAlive": "true",
        "contentType": "audio/x-mulaw;rate=8000",
        "streamTimeout": "86400",
        "statusCallbackUrl": f"{BASE}/stream-status",
        "statusCallbackMethod": "POST",
        "extraHeaders": "ticket=HFTDGYY",
    }
    assert told.findtext("Redirect") == f"{BASE}/after-stream"


def test_the_other_outcomes() -> None:
    assert [(one.tag, one.attrib) for one in document(EndCall())] == [("Hangup", {})]
    assert [(one.tag, one.attrib) for one in document(LineBusy())] == [("Hangup", {"reason": "busy"})]
    assert [(one.tag, one.text) for one in document(Apologise("Sorry."))] == [("Speak", "Sorry."), ("Hangup", None)]
    dial = document(ForwardCall("+15005550020")).find("Dial")
    assert dial is not None
    assert (dial.findtext("Number"), dial.attrib["callerId"]) == ("+15005550020", "15005550010")
    assert document(ForwardCall("sip:anna@example.com")).findtext("Dial/User") == "sip:anna@example.com"
    assert document(ComeBack(CALL)).findtext("Redirect") == f"{BASE}/after-stream"


def test_rest_requests_about_a_call() -> None:
    def asked(outcome: Any) -> tuple[str, Any]:
        request = CARRIER.request(outcome, CallReference(CALL, ACCOUNT), ADDRESSES, now=0.0, nonce="n")
        assert request is not None
        assert request.url == f"https://api.plivo.com/v1/Account/{ACCOUNT}/Call/{CALL}/"
        credentials = base64.b64encode(f"{ACCOUNT}:{TOKEN}".encode()).decode()
        assert request.headers["Authorization"] == f"Basic {credentials}"
        return request.method, json.loads(request.body) if request.body else None

    assert asked(EndCall()) == ("DELETE", None)
    # The API takes an address, where the outcome that was noted is asked for.
    where = {"legs": "aleg", "aleg_url": f"{BASE}/after-stream", "aleg_method": "POST"}
    assert asked(ForwardCall("+15005550020")) == asked(ComeBack(CALL)) == ("POST", where)
    nothing = PlivoCarrier([TOKEN]).request(EndCall(), CallReference(CALL, ""), ADDRESSES, now=0.0, nonce="n")
    assert nothing is None


@pytest.mark.parametrize(
    ("status", "body", "answer"),
    [
        (204, b"", RestAnswer("done")),
        (202, b"{}", RestAnswer("done")),
        (404, b'{"error":"call not found"}', RestAnswer("gone", "call not found")),
        (401, b"<html>", RestAnswer("refused", "HTTP status 401")),
        (500, b"[]", RestAnswer("busy", "HTTP status 500")),
    ],
)
def test_what_an_answer_means(status: int, body: bytes, answer: RestAnswer) -> None:
    assert CARRIER.read_answer(status, body) == answer
