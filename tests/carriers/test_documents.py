"""The documents and REST requests that steer a call."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

from bridge.carriers import twilio_rest, twiml

URL = "wss://bridge.example.com/twilio/media"


def test_a_stream_with_its_ticket_and_what_comes_after() -> None:
    text = twiml.connect_stream(URL, parameters={"ticket": 'a"b&c'}, status_callback="https://b/s", then="https://b/a")
    document = ET.fromstring(text)
    stream = document.find("Connect/Stream")
    assert stream is not None
    assert stream.attrib == {"url": URL, "statusCallback": "https://b/s", "statusCallbackMethod": "POST"}
    assert [p.attrib for p in stream] == [{"name": "ticket", "value": 'a"b&c'}]
    redirect = document.find("Redirect")
    assert redirect is not None
    assert (redirect.text, redirect.attrib) == ("https://b/a", {"method": "POST"})


@pytest.mark.parametrize(
    ("url", "parameters", "names"),
    [
        ("ws://bridge.example.com/m", {}, "wss"),
        (f"{URL}?token=1", {}, "query string"),
        (URL, {"ticket": "x" * 500}, "too long"),
    ],
)
def test_what_the_carrier_would_refuse_is_refused_first(url: str, parameters: dict[str, str], names: str) -> None:
    with pytest.raises(ValueError, match=names):
        twiml.connect_stream(url, parameters=parameters, status_callback="https://b/s", then="https://b/a")


def test_a_transfer_dials_a_number_or_a_sip_address() -> None:
    number = ET.fromstring(twiml.dial("+15005550020", caller_id="+15005550010"))
    assert number.findtext("Dial/Number") == "+15005550020"
    dial = number.find("Dial")
    assert dial is not None
    assert dial.attrib["callerId"] == "+15005550010"
    assert ET.fromstring(twiml.dial("sip:agent@example.com")).findtext("Dial/Sip") == "sip:agent@example.com"


def test_the_end_of_a_call() -> None:
    assert ET.fromstring(twiml.hang_up()).find("Hangup") is not None
    spoken = ET.fromstring(twiml.say_and_hang_up("Sorry & goodbye"))
    assert [part.tag for part in spoken] == ["Say", "Hangup"]
    assert spoken.findtext("Say") == "Sorry & goodbye"


def test_rest_requests_about_a_call() -> None:
    path = "/2010-04-01/Accounts/AC1/Calls/CA1.json"
    assert twilio_rest.hang_up("AC1", "CA1") == twilio_rest.RestRequest("POST", path, {"Status": "completed"})
    assert twilio_rest.replace_document("AC1", "CA1", "<Response/>").form == {"Twiml": "<Response/>"}
    with pytest.raises(ValueError, match="4000"):
        twilio_rest.replace_document("AC1", "CA1", "x" * 4001)
