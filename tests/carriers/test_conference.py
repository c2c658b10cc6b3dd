"""Transfers by conference, carrier by carrier: what is asked of the API, what documents say, what webhooks mean."""

from __future__ import annotations

import json
from urllib.parse import parse_qsl, urlencode
from xml.etree import ElementTree as ET

import pytest

from bridge.carriers.addresses import Addresses
from bridge.carriers.base import Announce, CallReference, Carrier, Outcome, Webhook
from bridge.carriers.conference import (
    AskParty,
    CallParty,
    HoldCall,
    HoldMusic,
    HoldOver,
    JoinRoom,
    PartyAnswered,
    PartyChose,
    PartyOver,
    PartyResult,
    PartyRings,
)
from bridge.carriers.plivo.carrier import CallApi, PlivoCarrier
from bridge.carriers.telnyx.carrier import TelnyxCarrier, TexmlApi
from bridge.carriers.twilio.carrier import TwilioCarrier
from bridge.carriers.twilio.requests import CallsApi
from bridge.carriers.web import FORM, CarrierRequest, UnreadableRequest

BASE = "https://bridge.example.com/x"
ADDRESSES = Addresses(BASE)
CALL = CallReference("call-1", "account-1")
PARTY = CallParty("a-name", "+15005550020", "+15005550010", 30)
CARRIERS: dict[str, Carrier] = {
    "twilio": TwilioCarrier(["t"], api=CallsApi("https://api.twilio.com", "AC1", "AC1", "t")),
    "telnyx": TelnyxCarrier([], api=TexmlApi("https://api.telnyx.com", "key", "17")),
    "plivo": PlivoCarrier(["t"], api=CallApi("https://api.plivo.com", "MA1", "t")),
}
each = pytest.mark.parametrize("carrier", CARRIERS)
ANNOUNCE, STATUS = f"{BASE}/announce?of=a-name", f"{BASE}/party-status?of=a-name"
REQUESTS = {
    "twilio": (
        "https://api.twilio.com/2010-04-01/Accounts/AC1/Calls.json",
        {
            "To": "+15005550020",
            "From": "+15005550010",
            "Url": ANNOUNCE,
            "Method": "POST",
            "StatusCallback": STATUS,
            "StatusCallbackMethod": "POST",
            "Timeout": "30",
        },
    ),
    "telnyx": (
        "https://api.telnyx.com/v2/texml/Accounts/account-1/Calls",
        {
            "ApplicationSid": "17",
            "To": "+15005550020",
            "From": "+15005550010",
            "Url": ANNOUNCE,
            "StatusCallback": STATUS,
            "StatusCallbackEvent": "initiated completed",
        },
    ),
    "plivo": (
        "https://api.plivo.com/v1/Account/MA1/Call/",
        {
            "from": "15005550010",
            "to": "15005550020",
            "answer_url": ANNOUNCE,
            "answer_method": "POST",
            "hangup_url": STATUS,
            "hangup_method": "POST",
            "hangup_on_ring": 30,
        },
    ),
}


@each
def test_somebody_is_called_by_the_api(carrier: str) -> None:
    request = CARRIERS[carrier].call_party(PARTY, CALL, ADDRESSES)
    assert request is not None
    url, what = REQUESTS[carrier]
    is_form = request.headers["Content-Type"] == FORM
    told = dict(parse_qsl(request.body.decode())) if is_form else json.loads(request.body)
    assert (request.method, request.url, told) == ("POST", url, what)


CALLED_OFF = {
    "twilio": ("POST", "https://api.twilio.com/2010-04-01/Accounts/AC1/Calls/a%2Fb.json", b"Status=completed"),
    "telnyx": ("POST", "https://api.telnyx.com/v2/texml/Accounts/account-1/Calls/a%2Fb", b"Status=completed"),
    "plivo": ("DELETE", "https://api.plivo.com/v1/Account/MA1/Request/a%2Fb/", b""),
}


@each
def test_a_telephone_that_rings_is_called_off_by_the_api(carrier: str) -> None:
    request = CARRIERS[carrier].cancel_party(CallReference("a/b", "account-1"))
    assert request is not None
    assert (request.method, request.url, request.body) == CALLED_OFF[carrier]


@pytest.mark.parametrize(
    ("carrier", "body", "called"),
    [
        ("twilio", b'{"sid": "CA1", "status": "queued"}', "CA1"),
        ("twilio", b"<html>", ""),
        ("twilio", b'{"sid": 17}', ""),
        ("plivo", b'{"message": "call fired", "request_uuid": "r-1"}', "r-1"),
        ("plivo", b'{"request_uuid": ["r-1"]}', ""),
        ("plivo", b"[]", ""),
        ("telnyx", b'{"from": "+1", "to": "+2", "status": "queued"}', ""),
    ],
)
def test_some_carriers_answer_with_the_name_of_the_call_that_they_place(carrier: str, body: bytes, called: str) -> None:
    assert CARRIERS[carrier].read_answer(201, body).call_id == called


@pytest.mark.parametrize(
    "carrier",
    [
        TwilioCarrier(["t"]),
        TelnyxCarrier([]),
        TelnyxCarrier([], api=TexmlApi("https://api.telnyx.com", "key")),
        PlivoCarrier(["t"]),
    ],
)
def test_without_credentials_nobody_is_called(carrier: Carrier) -> None:
    assert carrier.call_party(PARTY, CALL, ADDRESSES) is None


def told(carrier: str, outcome: Outcome) -> ET.Element:
    return ET.fromstring(CARRIERS[carrier].document(outcome, ADDRESSES).text)


@each
def test_the_caller_waits_with_music_and_both_leave_together(carrier: str) -> None:
    hold, join = told(carrier, HoldCall("a-name")), told(carrier, JoinRoom("a-name", "Anna wants to pay."))
    waits, joins = hold.find(".//Conference"), join.find(".//Conference")
    assert waits is not None
    assert joins is not None
    assert waits.text == joins.text == "a-name"
    assert waits.attrib["startConferenceOnEnter"] == "false"
    assert joins.attrib["startConferenceOnEnter"] == "true"
    assert waits.attrib["endConferenceOnExit"] == joins.attrib["endConferenceOnExit"] == "true"
    assert waits.attrib["waitSound" if carrier == "plivo" else "waitUrl"] == f"{BASE}/hold-music"
    asks = waits if carrier == "plivo" else hold[0]
    assert asks.attrib["action"] == f"{BASE}/after-hold?of=a-name"
    assert [one.tag for one in join] == (["Speak", "Conference"] if carrier == "plivo" else ["Say", "Dial"])
    assert len(told(carrier, JoinRoom("a-name"))) == 1
    (play,) = told(carrier, HoldMusic("https://x/y.wav"))
    assert (play.tag, play.attrib, play.text) == ("Play", {"loop": "0"}, "https://x/y.wav")


@each
def test_whoever_answers_is_asked_twice_and_then_hung_up_on(carrier: str) -> None:
    first, second, last = told(carrier, AskParty("a-name", "Anna wants to pay. Press 1."))
    for one in (first, second):
        assert one.attrib["action"] == f"{BASE}/accept?of=a-name"
        assert one.attrib["numDigits"] == "1"
        assert [child.text for child in one] == ["Anna wants to pay. Press 1."]
    assert last.tag == "Hangup"


@each
@pytest.mark.parametrize("language", ["de-DE", "pt-BR", ""])
def test_the_carriers_voice_speaks_the_language_of_the_summary(carrier: str, language: str) -> None:
    """Source: https://www.twilio.com/docs/voice/twiml/say, which TeXML follows; Plivo calls the verb Speak."""
    wanted = {"language": language} if language else {}
    for outcome in (
        Announce("Anna möchte zahlen.", language),
        AskParty("a-name", "Anna möchte zahlen.", language),
        JoinRoom("a-name", "Anna möchte zahlen.", language),
    ):
        spoken = [one for one in told(carrier, outcome).iter() if one.tag in ("Say", "Speak")]
        assert spoken
        assert all(one.attrib == wanted for one in spoken)


def read(carrier: str, route: str, fields: dict[str, str], query: str = "?of=a-name") -> Webhook | None:
    names = {"CallSid": "CallUUID"} if carrier == "plivo" else {}
    body = urlencode({names.get(name, name): value for name, value in fields.items()}).encode()
    request = CarrierRequest("POST", f"{BASE}/{route}{query}", {"content-type": FORM}, body)
    return CARRIERS[carrier].read_webhook(route, request)


@each
def test_what_webhooks_of_both_sides_mean(carrier: str) -> None:
    running = {"CallSid": "c", "CallStatus": "in-progress"}
    assert read(carrier, "announce", running) == PartyAnswered("c", "a-name")
    assert read(carrier, "accept", {**running, "Digits": "1"}) == PartyChose("c", "a-name", "1")
    assert read(carrier, "accept", running) == PartyChose("c", "a-name", "")
    assert read(carrier, "after-hold", running) == HoldOver("c", "a-name")
    assert read(carrier, "after-hold", {"CallSid": "c", "CallStatus": "completed"}) == HoldOver("c", "a-name", True)
    for status in ("queued", "initiated", "ringing"):
        assert read(carrier, "party-status", {"CallSid": "c", "CallStatus": status}) == PartyRings("c", "a-name")
    assert read(carrier, "party-status", running) is None
    for route in ("announce", "accept", "after-hold", "party-status"):
        with pytest.raises(UnreadableRequest):
            read(carrier, route, running, "")


RESULTS: list[tuple[str, PartyResult]] = [
    ("completed", "answered"),
    ("busy", "busy"),
    ("no-answer", "no_answer"),
    ("failed", "failed"),
]


@each
@pytest.mark.parametrize(("status", "result"), RESULTS)
def test_how_the_call_to_somebody_ended(carrier: str, status: str, result: PartyResult) -> None:
    told = read(carrier, "party-status", {"CallSid": "c", "CallStatus": status})
    assert told == PartyOver("c", "a-name", result)
