"""Signatures against the carrier's published vectors; documents read as the carrier reads them."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.errors import BadMessage
from bridge.simulator.carriers.twilio import Twilio, signature
from bridge.simulator.carriers.verbs import Dial, Hangup, Pause, Redirect, Reject, Say, Stream


def test_the_published_example() -> None:
    form = {
        "CallSid": "CA1234567890ABCDE",
        "Caller": "+14158675309",
        "Digits": "1234",
        "From": "+14158675309",
        "To": "+18005551212",
    }
    url = "https://mycompany.com/myapp.php?foo=1&bar=2"
    assert signature("12345", url, form) == "RSOYDt4T1cUTdK1PDd93/VVr8B8="


def test_a_socket_is_signed_over_its_wss_url() -> None:
    signed = signature("test_auth_token", "wss://bridge.example.com/twilio/media")
    assert signed == "McRGZaC8IvrDLB1F1ZoXYUSmVL0="


def test_repeated_fields_count_once_each_value() -> None:
    fields = [("A", "b"), ("A", "a"), ("A", "a"), ("N", "Zoë")]
    assert signature("test_auth_token", "https://bridge.example.com/x", fields) == "G4fUQwO0PQU03+zwiyOY/U5JRuc="


def test_a_document_is_read_verb_by_verb() -> None:
    document = """<?xml version="1.0" encoding="UTF-8"?>
    <Response><Say>One <prosody>moment</prosody></Say><Pause length="2"/>
      <Connect action="/next"><Stream url="wss://x/y" statusCallback="https://x/s"><Parameter name="a" value="b&amp;c"/>
      </Stream></Connect>
      <Dial action="/done"><Number>+15005550020</Number></Dial>
      <Redirect method="GET">https://x/after</Redirect><Reject reason="busy"/><Hangup/></Response>"""
    assert Twilio().read_document(document) == [
        Say("One moment"),
        Pause(2.0),
        Stream("wss://x/y", parameters={"a": "b&c"}, status_callback="https://x/s", action="/next"),
        Dial(("+15005550020",), action="/done"),
        Redirect("https://x/after", "GET"),
        Reject("busy"),
        Hangup(),
    ]


@pytest.mark.parametrize(
    ("document", "why"),
    [
        ("<Response><Say>", "12100"),
        ("<Answer/>", "<Answer>"),
        ("<Response><Sing/></Response>", "<Sing>"),
        ("<Response><Connect/></Response>", "expected <Stream>"),
        ('<Response><Connect><Stream url="wss://x?y=1"/></Connect></Response>', "31920"),
        ('<Response><Connect><Stream url="wss://x" track="both_tracks"/></Connect></Response>', "31941"),
        (
            '<Response><Connect><Stream url="wss://x"><Parameter name="a" value="'
            + "b" * 500
            + '"/></Stream></Connect></Response>',
            "under 500",
        ),
    ],
)
def test_a_document_the_carrier_cannot_use_is_refused_with_its_number(document: Any, why: Any) -> None:
    with pytest.raises(BadMessage, match=why):
        Twilio().read_document(document)
