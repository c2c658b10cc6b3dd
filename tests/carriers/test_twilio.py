"""Twilio as a carrier, from its own side: the contract, its real messages, its documents and requests."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode
from xml.etree import ElementTree as ET

import pytest

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
from bridge.carriers.twilio import documents as twiml
from bridge.carriers.twilio.carrier import TwilioCarrier
from bridge.carriers.twilio.messages import TwilioStream
from bridge.carriers.twilio.requests import CallsApi
from bridge.carriers.twilio.signatures import sign
from bridge.carriers.web import FORM, CarrierRequest, Document
from tests.carriers.contract import CarrierContract, Example

WIRE = Path(__file__).parents[2] / "fixtures" / "wire" / "twilio"
BASE = "https://bridge.example.com/twilio"
TOKEN = "test_auth_token"
STREAM = "MZ0000000000000000000000000000000a"
CALL = "CA00000000000000000000000000000002"
ACCOUNT = "AC00000000000000000000000000000001"
FRAME = bytes([0xFF, 0x7F, 0xCE, 0x4E]) * 40
RINGING = [
    ("AccountSid", ACCOUNT),
    ("CallSid", CALL),
    ("From", "+15005550006"),
    ("To", "+15005550010"),
]
API = CallsApi("https://api.twilio.com", ACCOUNT, ACCOUNT, TOKEN)
CARRIER = TwilioCarrier([TOKEN], api=API, caller_id="+15005550010")
ADDRESSES = Addresses(BASE)


def wire(name: str) -> bytes:
    return (WIRE / f"{name}.json").read_bytes().strip()


def text(event: str, **fields: Any) -> bytes:
    return json.dumps({"event": event, "sequenceNumber": "5", "streamSid": STREAM, **fields}).encode()


def start(document: Document) -> bytes:
    parameters = {one.attrib["name"]: one.attrib["value"] for one in ET.fromstring(document.text).iter("Parameter")}
    message = json.loads(wire("in_start"))
    message["start"] |= {"customParameters": parameters, "callSid": CALL, "accountSid": ACCOUNT}
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
            case {"event": "media", "streamSid": sid, "media": {"payload": sound, **more}, **rest}:
                assert (sid, more, rest) == (STREAM, {}, {})
                told.append(("audio", base64.b64decode(sound, validate=True)))
            case {"event": "mark", "streamSid": sid, "mark": {"name": name, **more}, **rest}:
                assert (sid, more, rest) == (STREAM, {}, {})
                told.append(("mark", name.encode()))
            case _:
                assert message == {"event": "clear", "streamSid": STREAM}
                told.append(("clear", b""))
    return told


def ringing(fields: list[tuple[str, str]] = RINGING, route: str = "voice") -> CarrierRequest:
    url = f"{BASE}/{route}"
    headers = {"content-type": FORM, "x-twilio-signature": sign(TOKEN, url, fields)}
    return CarrierRequest("POST", url, headers, urlencode(fields).encode())


def dialled(document: Document) -> str:
    """Where we want to be told what became of whom this document dials."""
    dial = ET.fromstring(document.text).find("Dial")
    assert dial is not None
    return dial.attrib["action"].rpartition("/")[2]


DIALLED = {"answered": "completed", "busy": "busy", "no_answer": "no-answer", "failed": "failed"}


class TestTwilio(CarrierContract):
    example = Example(
        carrier=CARRIER,
        call_id=CALL,
        account_id=ACCOUNT,
        api="https://api.twilio.com",
        ringing=lambda _now: ringing(),
        stream_over=lambda _now: ringing([*RINGING, ("CallStatus", "in-progress")], "after-stream"),
        dial_over=lambda _now, result, document: ringing(
            [*RINGING, ("CallStatus", "in-progress"), ("DialCallStatus", DIALLED[result])], dialled(document)
        ),
        handshake={"x-twilio-signature": sign(TOKEN, "wss://bridge.example.com/twilio/media")},
        start=start,
        audio=audio,
        key=lambda digit: text("dtmf", dtmf={"track": "inbound_track", "digit": digit}),
        mark=lambda name: text("mark", mark={"name": name}),
        stop=text("stop", stop={"accountSid": ACCOUNT, "callSid": CALL}),
        unknown=text("hologram", media=7, start=[], dtmf=None),
        odd=[
            text("dtmf", dtmf=7),
            text("dtmf"),
            text("mark", mark={}),
            text("mark", mark={"name": 7}),
            text("mark", mark={"name": "x" * 5000}),
        ],
        needed=("callSid",),
        odd_audio=[
            text("media", media={"payload": base64.b64encode(b"\xff" * 160).decode(), **fields})
            for fields in (
                {"timestamp": None},
                {"timestamp": 5.5},
                {"timestamp": "soon", "chunk": []},
                {"timestamp": "9" * 5000},
                {"track": None},
                {"track": "inbound", "novelty": {}},
                {},
            )
        ],
        taken=taken,
        messages=[path.read_bytes() for path in sorted(WIRE.glob("in_*.json"))],
    )


# Its messages


def started() -> TwilioStream:
    stream = TwilioStream()
    stream.read_text(wire("in_start"))
    return stream


def test_each_message_of_the_carrier_is_read() -> None:
    stream = TwilioStream()
    assert stream.read_text(wire("in_connected")) is None
    start = stream.read_text(wire("in_start"))
    assert start == StreamStarted(
        "CA0000000000000000000000000000000c",
        "AC0000000000000000000000000000000b",
        STREAM,
        {"ticket": "9f3c", "from": "+15005550006"},
    )
    assert stream.read_text(wire("in_media")) == CallerAudio(FRAME, 1, 5)
    assert stream.read_text(wire("in_media_outbound")) is None
    assert stream.read_text(wire("in_dtmf")) == KeyPressed("1")
    assert stream.read_text(wire("in_dtmf_pound")) == KeyPressed("#")
    assert stream.read_text(wire("in_unknown")) == OtherMessage("transcription")
    assert stream.read_text(wire("in_mark")) == MarkReturned("1.7", "unknown")
    assert stream.read_text(wire("in_stop")) == StreamStopped()
    assert stream.odd_fields == 0


def test_each_message_of_ours_has_exactly_the_documented_keys() -> None:
    stream = started()
    assert [one.payload for one in stream.audio(FRAME)] == [wire("out_media")]
    assert [one.payload for one in stream.mark("1.7")] == [wire("out_mark")]
    assert [one.payload for one in stream.clear()] == [wire("out_clear")]


def test_a_streams_name_may_hold_anything() -> None:
    message = json.loads(wire("in_start"))
    message["start"]["streamSid"] = message["streamSid"] = name = 'MZ%b"%%\n'
    stream = TwilioStream()
    stream.read_text(json.dumps(message).encode())
    for sent in (*stream.audio(FRAME), *stream.mark('%b"'), *stream.clear()):
        assert json.loads(sent.payload)["streamSid"] == name


@pytest.mark.parametrize("change", [{"sampleRate": 16000}, {"channels": 2}, {"encoding": "audio/x-alaw"}])
def test_only_the_format_that_is_spoken_is_taken(change: dict[str, object]) -> None:
    message = json.loads(wire("in_start"))
    message["start"]["mediaFormat"] |= change
    with pytest.raises(StreamViolation, match="only mu-law") as violation:
        TwilioStream().read_text(json.dumps(message).encode())
    assert violation.value.kind == "unsupported_format"


@pytest.mark.parametrize(
    ("message", "names"),
    [
        (text("media"), "media message: .*`media`"),
        (text("media", media={"track": "inbound"}), "payload"),
        (text("media", media={"payload": "%%%"}), "base64"),
        (text("media", media={"payload": 7}), "payload"),
        (text("start", start={"accountSid": "AC"}), "callSid"),
    ],
)
def test_a_message_without_which_nothing_goes_on_is_named(message: bytes, names: str) -> None:
    with pytest.raises(StreamViolation, match=names):
        started().read_text(message)


@pytest.mark.parametrize("event", ["media", "dtmf", "mark", "stop"])
def test_a_message_for_another_stream_is_told_apart(event: str) -> None:
    message = json.loads(wire(f"in_{event}")) | {"streamSid": "MZother"}
    with pytest.raises(StreamViolation) as violation:
        started().read_text(json.dumps(message).encode())
    assert violation.value.kind == "wrong_stream"


def test_numbers_may_come_as_strings_and_unknown_keys_are_skipped() -> None:
    message = json.loads(wire("in_start"))
    message["start"]["mediaFormat"]["sampleRate"] = "8000"
    message["start"]["novelty"] = {"a": [1]}
    message["start"]["customParameters"] |= {"count": 3, "list": []}
    stream = TwilioStream()
    start = stream.read_text(json.dumps(message).encode())
    assert isinstance(start, StreamStarted)
    assert set(start.parameters) == {"ticket", "from"}
    assert stream.odd_fields == 2


def test_binary_messages_are_refused() -> None:
    with pytest.raises(StreamViolation) as violation:
        started().read_binary(FRAME)
    assert violation.value.kind == "binary_frame"


# Its webhooks


def told(route: str, **fields: str) -> object:
    return CARRIER.read_webhook(route, ringing(list({"CallSid": CALL, **fields}.items()), route))


def test_what_its_webhooks_say() -> None:
    assert told("after-stream", CallStatus="in-progress") == StreamOver(CALL)
    assert told("after-stream", CallStatus="completed") == StreamOver(CALL, call_over=True)
    over = told(
        "after-dial", AccountSid=ACCOUNT, DialCallStatus="no-answer", From="+1", To="+2", CallStatus="in-progress"
    )
    assert over == ForwardOver(CALL, ACCOUNT, "no_answer", "+1", "+2")
    report = told("stream-status", StreamEvent="stream-error", StreamSid="MZ1", StreamError="31920", Timestamp="t")
    assert report == StreamReport(CALL, "stream-error", ("stream", "MZ1", "stream-error", "t"), "31920")
    report = told("call-status", CallStatus="busy", SequenceNumber="2")
    assert report == CallReport(CALL, "busy", ("call", CALL, "busy", "2"), call_over=True)
    report = told("call-status", CallStatus="dreaming")
    assert isinstance(report, CallReport)
    assert report.status == "unknown"


# Its documents and requests


def document(outcome: Any) -> ET.Element:
    return ET.fromstring(CARRIER.document(outcome, ADDRESSES).text)


def test_a_stream_with_its_ticket_and_what_comes_after() -> None:
    told = document(OpenStream(CALL, {"ticket": 'a"b&c', "from": ""}))
    stream = told.find("Connect/Stream")
    assert stream is not None
    assert stream.attrib == {
        "url": "wss://bridge.example.com/twilio/media",
        "statusCallback": f"{BASE}/stream-status",
        "statusCallbackMethod": "POST",
    }
    assert [one.attrib for one in stream] == [{"name": "ticket", "value": 'a"b&c'}]
    redirect = told.find("Redirect")
    assert redirect is not None
    assert (redirect.text, redirect.attrib) == (f"{BASE}/after-stream", {"method": "POST"})


def test_a_parameter_has_room_for_499_characters() -> None:
    assert "x" * 498 in CARRIER.document(OpenStream(CALL, {"t": "x" * 498}), ADDRESSES).text
    with pytest.raises(ValueError, match="too long"):
        CARRIER.document(OpenStream(CALL, {"t": "x" * 499}), ADDRESSES)


def test_a_loopback_server_needs_no_tls() -> None:
    for host in ("127.0.0.1:8080", "localhost", "[::1]:1"):
        told = CARRIER.document(OpenStream(CALL, {}), Addresses(f"http://{host}/twilio"))
        assert f'url="ws://{host}/twilio/media"' in told.text


def test_a_transfer_dials_a_number_or_a_sip_address() -> None:
    dial = document(ForwardCall("+15005550020")).find("Dial")
    assert dial is not None
    assert dial.findtext("Number") == "+15005550020"
    assert dial.attrib == {"callerId": "+15005550010", "timeout": "30"}
    assert document(ForwardCall("sip:agent@example.com")).findtext("Dial/Sip") == "sip:agent@example.com"
    assert "action" not in dial.attrib
    back = document(ForwardCall("+15005550020", come_back=True)).find("Dial")
    assert back is not None
    assert (back.attrib["action"], back.attrib["method"]) == (f"{BASE}/after-dial", "POST")
    assert document(ForwardCall("client:anna")).findtext("Dial/Client") == "anna"


def test_what_comes_after_a_transfer() -> None:
    dial = ET.fromstring(twiml.dial("+1500", timeout_s=12, then="https://b/dialled").text).find("Dial")
    assert dial is not None
    assert dial.attrib == {"timeout": "12", "action": "https://b/dialled", "method": "POST"}


def test_the_end_of_a_call() -> None:
    assert [one.tag for one in document(EndCall())] == ["Hangup"]
    assert [(one.tag, one.text) for one in document(Apologise("Sorry & bye"))] == [
        ("Say", "Sorry & bye"),
        ("Hangup", None),
    ]
    assert [one.tag for one in document(LineBusy("Later."))] == ["Say", "Hangup"]
    assert [(one.tag, one.attrib) for one in document(LineBusy())] == [("Reject", {"reason": "busy"})]
    assert [(one.tag, one.text) for one in document(ComeBack(CALL))] == [("Redirect", f"{BASE}/after-stream")]


@pytest.mark.parametrize("words", ["a\x00b", "a\x0bb", "a\ud800b", "a\uffffb"])
def test_what_xml_cannot_hold_is_left_out(words: str) -> None:
    assert document(Apologise(words)).findtext("Say") == "ab"


def request(outcome: Any, call_id: str = CALL, carrier: TwilioCarrier = CARRIER) -> Any:
    return carrier.request(outcome, CallReference(call_id, ACCOUNT), ADDRESSES, now=0.0, nonce="n")


def test_rest_requests_about_a_call() -> None:
    hang_up = request(EndCall())
    assert hang_up.method == "POST"
    assert hang_up.url == f"https://api.twilio.com/2010-04-01/Accounts/{ACCOUNT}/Calls/{CALL}.json"
    assert dict(parse_qsl(hang_up.body.decode())) == {"Status": "completed"}
    credentials = base64.b64encode(f"{ACCOUNT}:{TOKEN}".encode()).decode()
    assert hang_up.headers == {"Authorization": f"Basic {credentials}", "Content-Type": FORM}
    moved = dict(parse_qsl(request(ForwardCall("+15005550020")).body.decode()))
    assert ET.fromstring(moved["Twiml"]).findtext("Dial/Number") == "+15005550020"
    back = dict(parse_qsl(request(ComeBack(CALL)).body.decode()))
    assert back == {"Url": f"{BASE}/after-stream", "Method": "POST"}
    with pytest.raises(ValueError, match="4000"):
        request(ForwardCall("x" * 4001))
    assert request(EndCall(), carrier=TwilioCarrier([TOKEN])) is None


@pytest.mark.parametrize(
    ("status", "body", "answer"),
    [
        (200, b'{"sid":"CA1"}', RestAnswer("done", call_id="CA1")),
        (404, b'{"code":20404,"message":"not found","status":404}', RestAnswer("gone", "20404 not found")),
        (400, b'{"code":"21220","message":"not in progress"}', RestAnswer("refused", "21220 not in progress")),
        (401, b"<html>", RestAnswer("refused", "HTTP status 401")),
        (429, b"", RestAnswer("busy", "HTTP status 429")),
        (503, b"[]", RestAnswer("busy", "HTTP status 503")),
        (302, b"{}", RestAnswer("refused", "HTTP status 302")),
    ],
)
def test_what_an_answer_means(status: int, body: bytes, answer: RestAnswer) -> None:
    assert CARRIER.read_answer(status, body) == answer
