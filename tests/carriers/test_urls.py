"""Which addresses mean the same: what a proxy or a carrier may make of ours, and nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.carriers.base import NotGenuine
from bridge.carriers.plivo import signatures as plivo
from bridge.carriers.twilio import signatures as twilio
from bridge.carriers.urls import spellings
from bridge.carriers.web import CarrierRequest

BASE = "https://bridge.example.com"

SAME = [
    # as configured, as signed
    (f"{BASE}/x", "https://bridge.example.com:443/x"),
    (f"{BASE}:443/x", f"{BASE}/x"),
    ("https://Bridge.Example.com/x", f"{BASE}/x"),
    ("https://bridge.example.com./x", f"{BASE}/x"),
    ("https://BRIDGE.example.com.:443/x", f"{BASE}/x"),
    ("https://bücher.example/x", "https://xn--bcher-kva.example/x"),
    ("https://xn--bcher-kva.example/x", "https://bücher.example/x"),
    ("https://xn--bcher-kva.example/x", "https://xn--bcher-kva.example:443/x"),
    ("https://user:secret@bridge.example.com/x", f"{BASE}/x"),
    (f"{BASE}/a%2fb", f"{BASE}/a%2Fb"),
    (f"{BASE}/a%2Fb", f"{BASE}/a%2fb"),
    (f"{BASE}/%61b%2D", f"{BASE}/ab-"),
    (f"{BASE}/x?From=%2b1500", f"{BASE}/x?From=%2B1500"),
    (f"{BASE}/x?a=%7E", f"{BASE}/x?a=~"),
    (BASE, f"{BASE}/"),
    (f"{BASE}/?a=1", f"{BASE}?a=1"),
    ("https://[2001:db8::1]/x", "https://[2001:db8::1]:443/x"),
    ("http://127.0.0.1:80/x", "http://127.0.0.1/x"),
    (f"{BASE}/x", "https://bridge.example.com./x"),
    (f"{BASE}/x", "https://bridge.example.com.:443/x"),
    (f"{BASE}:0443/x", f"{BASE}/x"),
    (f"{BASE}:/x", f"{BASE}/x"),
    ("https://straße.example/x", "https://xn--strae-oqa.example/x"),
    ("https://xn--strae-oqa.example/x", "https://straße.example/x"),
    ("https://STRASSE.example/x", "https://strasse.example/x"),
    ("https://bücher.example/x", "https://xn--bcher-kva.example./x"),
    ("https://bridge。example。com/x", f"{BASE}/x"),
    ("https://[2001:DB8:0:0::1]/x", "https://[2001:db8::1]/x"),
    (f"{BASE}/x?a=~", f"{BASE}/x?a=%7E"),
    (f"{BASE}/%C3%A9?n=%e2%82%ac", f"{BASE}/é?n=€"),
]
OTHER = [
    (f"{BASE}/x", f"{BASE}/X"),
    (f"{BASE}/x", f"{BASE}/x/"),
    (f"{BASE}/x", f"{BASE}/x?"),
    (f"{BASE}/x", f"{BASE}/./x"),
    (f"{BASE}/x", f"{BASE}//x"),
    (f"{BASE}/x", f"{BASE}:8443/x"),
    (f"{BASE}:8443/x", f"{BASE}:443/x"),
    (f"{BASE}/x", "http://bridge.example.com/x"),
    (f"{BASE}/x", "https://bridge.example.com.evil.example/x"),
    (f"{BASE}/x", "https://bridge.example.co/x"),
    (f"{BASE}/a%2Fb", f"{BASE}/a/b"),
    (f"{BASE}/a%252Fb", f"{BASE}/a%2Fb"),
    (f"{BASE}/x?a=1&b=2", f"{BASE}/x?b=2&a=1"),
    (f"{BASE}/x?a=%26b", f"{BASE}/x?a=&b"),
    (f"{BASE}/x?a=+", f"{BASE}/x?a=%20"),
    (f"{BASE}/x?a=1", f"{BASE}/x"),
    (f"{BASE}/x", "https://bridge.example.com../x"),
    (f"{BASE}/x", "https://bridge.example/x"),
    (f"{BASE}/a%20b", f"{BASE}/a b"),
    (f"{BASE}/a%40b", f"{BASE}/a@b"),
    (f"{BASE}/%ff", f"{BASE}/\udcff"),
    ("https://[2001:db8::1]/x", "https://[2001:db8::2]/x"),
]
ASKED = [
    # as configured, as the request names the host, as signed: by the host that was asked for
    (f"{BASE}/x", "Bridge.Example.com", "https://Bridge.Example.com/x", True),
    (f"{BASE}/x", "BRIDGE.example.com.", "https://BRIDGE.example.com./x", True),
    (f"{BASE}/x", "Bridge.example.com:443", "https://Bridge.example.com:443/x", True),
    ("https://bücher.example/x", "XN--BCHER-KVA.example", "https://XN--BCHER-KVA.example/x", True),
    (f"{BASE}:8443/x", "Bridge.example.com:8443", "https://Bridge.example.com:8443/x", True),
    (f"{BASE}/x", "evil.example.com", "https://evil.example.com/x", False),
    (f"{BASE}/x", "bridge.example.com.evil.example", "https://bridge.example.com.evil.example/x", False),
    (f"{BASE}/x", "bridge.example.com:8443", "https://bridge.example.com:8443/x", False),
    (f"{BASE}/x", "bridge.example.com@evil.example", "https://bridge.example.com@evil.example/x", False),
    (f"{BASE}/x", "", "https://Bridge.Example.com/x", False),
]


@pytest.mark.parametrize(("configured", "signed"), SAME)
def test_equal_addresses_are_the_same(configured: str, signed: str) -> None:
    assert signed in spellings(configured)


@pytest.mark.parametrize(("configured", "signed"), OTHER)
def test_other_addresses_are_not(configured: str, signed: str) -> None:
    assert signed not in spellings(configured)


@pytest.mark.parametrize(
    ("configured", "signed", "believed"), [(*one, True) for one in SAME] + [(*one, False) for one in OTHER]
)
def test_a_signature_over_another_spelling_is_believed(configured: str, signed: str, believed: bool) -> None:
    request = CarrierRequest("GET", configured, {"x-twilio-signature": twilio.sign("token", signed)})
    assert genuine(lambda: twilio.check_webhook(["token"], request)) is believed


@pytest.mark.parametrize(("configured", "signed"), [one for one in SAME if "?" not in one[0]])
def test_so_do_all_who_sign_addresses(configured: str, signed: str) -> None:
    signature = plivo.sign("token", "GET", signed, (), (), "n")
    headers = {"x-plivo-signature-v3": signature, "x-plivo-signature-v3-nonce": "n"}
    assert genuine(lambda: plivo.check_webhook(["token"], CarrierRequest("GET", configured, headers)))


@pytest.mark.parametrize(("configured", "host", "signed", "believed"), ASKED)
def test_the_host_that_was_asked_for_counts_where_it_is_ours(
    configured: str, host: str, signed: str, believed: bool
) -> None:
    headers = {"host": host, "x-twilio-signature": twilio.sign("token", signed)}
    assert genuine(lambda: twilio.check_webhook(["token"], CarrierRequest("GET", configured, headers))) is believed
    signature = plivo.sign("token", "GET", signed, (), (), "n")
    headers = {"host": host, "x-plivo-signature-v3": signature, "x-plivo-signature-v3-nonce": "n"}
    assert genuine(lambda: plivo.check_webhook(["token"], CarrierRequest("GET", configured, headers))) is believed


def genuine(check: object) -> bool:
    try:
        check()  # type: ignore[operator]
    except NotGenuine:
        return False
    return True


def test_an_endless_address_is_tried_as_it_came() -> None:
    endless = f"{BASE}/" + "%41" * 2700
    hosts = ("", ".", ":443", ".:443")
    assert spellings(endless) == tuple(endless.replace(BASE, f"{BASE}{more}") for more in hosts)


def test_of_an_address_that_is_signed_with_much_only_the_likeliest_spellings_are_tried() -> None:
    address = "https://Bücher.example/a%2fb?c=%7e"
    assert len(spellings(address, slash=True)) > 40
    assert spellings(address, slash=True, covers=65536) == spellings(address, slash=True)[:15]


@given(st.text("abcXYZ%2fF/.?&=~\u00fc\udcff", max_size=60))
def test_there_are_few_spellings_of_whatever_is_asked(path: str) -> None:
    found = spellings(f"https://Bücher.example.:443/{path}", slash=True)
    assert len(found) <= 250
    assert found[0] == f"https://Bücher.example.:443/{path}"
