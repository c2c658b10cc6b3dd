"""The documents and REST requests that steer a call."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.carriers.twilio import documents as twiml
from bridge.carriers.twilio import requests as twilio_rest

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


def test_a_transfer_within_twilio_and_what_comes_after() -> None:
    document = ET.fromstring(twiml.dial("client:anna", timeout_s=12, then="https://b/dialled"))
    assert document.findtext("Dial/Client") == "anna"
    dial = document.find("Dial")
    assert dial is not None
    assert dial.attrib == {"timeout": "12", "action": "https://b/dialled", "method": "POST"}


def test_a_call_that_is_not_answered() -> None:
    assert [(verb.tag, verb.attrib) for verb in ET.fromstring(twiml.reject())] == [("Reject", {"reason": "busy"})]


def test_a_parameter_may_fill_its_room() -> None:
    text = twiml.connect_stream(URL, parameters={"t": "x" * 498}, status_callback="https://b/s", then="https://b/a")
    assert "x" * 498 in text


def test_a_loopback_server_needs_no_tls() -> None:
    for host in ("127.0.0.1:8080", "localhost", "[::1]:1"):
        text = twiml.connect_stream(f"ws://{host}/m", parameters={}, status_callback="http://b/s", then="http://b/a")
        assert f'url="ws://{host}/m"' in text


def test_the_end_of_a_call() -> None:
    assert ET.fromstring(twiml.hang_up()).find("Hangup") is not None
    spoken = ET.fromstring(twiml.say_and_hang_up("Sorry & goodbye"))
    assert [part.tag for part in spoken] == ["Say", "Hangup"]
    assert spoken.findtext("Say") == "Sorry & goodbye"


@given(st.text(max_size=200))
def test_whatever_is_in_the_words_a_document_can_be_read(words: str) -> None:
    def kept(text: str | None) -> str:
        return "".join(character for character in text or "" if character.isalnum())

    spoken = ET.fromstring(twiml.say_and_hang_up(words))
    assert kept(spoken.findtext("Say")) == kept(words)
    assert kept(ET.fromstring(twiml.dial(f"client:{words}")).findtext("Dial/Client")) == kept(words)
    stream = ET.fromstring(twiml.connect_stream(URL, parameters={"n": words}, status_callback="https://b/s", then="/a"))
    parameter = stream.find("Connect/Stream/Parameter")
    assert parameter is not None
    assert kept(parameter.get("value")) == kept(words)


@pytest.mark.parametrize("words", ["a\x00b", "a\x0bb", "a\ud800b", "a\uffffb"])
def test_what_xml_cannot_hold_is_left_out(words: str) -> None:
    assert ET.fromstring(twiml.say_and_hang_up(words)).findtext("Say") == "ab"


def test_rest_requests_about_a_call() -> None:
    path = "/2010-04-01/Accounts/AC1/Calls/CA1.json"
    assert twilio_rest.hang_up("AC1", "CA1") == twilio_rest.RestRequest("POST", path, {"Status": "completed"})
    assert twilio_rest.replace_document("AC1", "CA1", "<Response/>").form == {"Twiml": "<Response/>"}
    with pytest.raises(ValueError, match="4000"):
        twilio_rest.replace_document("AC1", "CA1", "x" * 4001)


def test_identifiers_cannot_lead_elsewhere() -> None:
    assert twilio_rest.hang_up("AC1", "../x?y").path == "/2010-04-01/Accounts/AC1/Calls/..%2Fx%3Fy.json"


def test_each_region_has_its_own_address() -> None:
    assert twilio_rest.base_url() == "https://api.twilio.com"
    assert twilio_rest.base_url("ie1", "dublin") == "https://api.dublin.ie1.twilio.com"
    for region, edge in [("ie1", ""), ("", "dublin"), ("evil.example/", "dublin")]:
        with pytest.raises(ValueError, match="region"):
            twilio_rest.base_url(region, edge)


@pytest.mark.parametrize(
    ("status", "body", "answer"),
    [
        (200, b'{"sid":"CA1"}', ("done", 0, "")),
        (404, b'{"code":20404,"message":"not found","status":404}', ("gone", 20404, "not found")),
        (400, b'{"code":"21220","message":"not in progress"}', ("refused", 21220, "not in progress")),
        (401, b"<html>", ("refused", 0, "HTTP status 401")),
        (429, b"", ("busy", 0, "HTTP status 429")),
        (503, b"[]", ("busy", 0, "HTTP status 503")),
        (302, b"{}", ("refused", 0, "HTTP status 302")),
    ],
)
def test_what_an_answer_means(status: int, body: bytes, answer: tuple[object, ...]) -> None:
    read = twilio_rest.read_answer(status, body)
    assert (read.outcome, read.code, read.message) == answer
