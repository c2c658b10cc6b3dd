"""The browser phone as a carrier: only our own page, logged in, and a document that says what it is to do."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

import pytest

from bridge.carriers.addresses import Addresses
from bridge.carriers.base import (
    Apologise,
    CallReference,
    ComeBack,
    EndCall,
    ForwardCall,
    LineBusy,
    NotGenuine,
    OpenStream,
    Outcome,
    Ringing,
    StreamOver,
)
from bridge.carriers.browser.carrier import ACCOUNT, BrowserCarrier
from bridge.carriers.web import CarrierRequest, UnreadableRequest

HERE = Addresses("https://bridge.example.com/browser")
CARRIER = BrowserCarrier(lambda cookie, now: cookie == "session=good" and now < 100)


def asked(cookie: str = "session=good", origin: str = "https://bridge.example.com", **fields: str) -> CarrierRequest:
    headers = {"cookie": cookie, "origin": origin, "content-type": "application/x-www-form-urlencoded"}
    return CarrierRequest("POST", "https://bridge.example.com/browser/voice", headers, urlencode(fields).encode())


def test_our_page_rings_when_it_is_logged_in() -> None:
    for check in (CARRIER.check_webhook, CARRIER.check_socket):
        check(asked(), 1.0)
        check(asked(origin=""), 1.0)


@pytest.mark.parametrize(
    ("request_", "now", "why"),
    [
        (asked(cookie=""), 1.0, "not_logged_in"),
        (asked(cookie="session=forged"), 1.0, "not_logged_in"),
        (asked(), 100.0, "not_logged_in"),
        (asked(origin="https://evil.example.com"), 1.0, "foreign_page"),
        (asked(origin="null"), 1.0, "foreign_page"),
    ],
)
def test_nobody_else_rings_or_opens_a_socket(request_: CarrierRequest, now: float, why: str) -> None:
    for check in (CARRIER.check_webhook, CARRIER.check_socket):
        with pytest.raises(NotGenuine) as refused:
            check(request_, now)
        assert refused.value.why == why


def test_what_the_page_says_is_read_and_cut_to_size() -> None:
    ringing = CARRIER.read_webhook("voice", asked(call_id="c1", to="+15550100", **{"from": "x" * 200}))
    assert ringing == Ringing("c1", ACCOUNT, "x" * 80, "+15550100")
    assert CARRIER.read_webhook("after-stream", asked(call_id="c1", over="true")) == StreamOver("c1", True, "")
    assert CARRIER.read_webhook("status", asked(call_id="c1")) is None
    with pytest.raises(UnreadableRequest, match="call_id"):
        CARRIER.read_webhook("voice", asked())


@pytest.mark.parametrize(
    ("outcome", "told"),
    [
        (OpenStream("c1", {"ticket": "t"}), {"do": "stream", "url": HERE.media, "parameters": {"ticket": "t"}}),
        (ComeBack("c1"), {"do": "ask", "url": HERE.webhook("after-stream")}),
        (EndCall(), {"do": "hang_up"}),
        (ForwardCall("+15550100"), {"do": "forward", "target": "+15550100"}),
        (Apologise("Sorry."), {"do": "say", "text": "Sorry."}),
        (LineBusy("Busy."), {"do": "busy", "text": "Busy."}),
    ],
)
def test_every_outcome_is_something_that_the_page_can_do(outcome: Outcome, told: dict[str, Any]) -> None:
    assert json.loads(CARRIER.document(outcome, HERE).text) == told
    assert CARRIER.request(outcome, CallReference("c1", ACCOUNT), HERE, now=1.0, nonce="n") is None


def test_a_call_is_forwarded_to_somebody() -> None:
    with pytest.raises(ValueError, match="somebody"):
        CARRIER.document(ForwardCall(" "), HERE)
