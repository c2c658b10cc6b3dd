"""Signatures against Twilio's published example and vectors computed independently."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import MultiDict
from twilio.request_validator import RequestValidator

from bridge.carriers.base import NotGenuine
from bridge.carriers.twilio.signatures import check_socket, check_webhook, sign
from bridge.carriers.web import CarrierRequest, UnreadableRequest

TOKEN = "test_auth_token"
BASE = "https://bridge.example.com"
FORM = "application/x-www-form-urlencoded"
EXAMPLE = [
    ("CallSid", "CA1234567890ABCDE"),
    ("Caller", "+14158675309"),
    ("Digits", "1234"),
    ("From", "+14158675309"),
    ("To", "+18005551212"),
]
CALL = [
    ("AccountSid", "AC00000000000000000000000000000001"),
    ("CallSid", "CA00000000000000000000000000000002"),
    ("From", "+15005550006"),
    ("To", "+15005550010"),
    ("CallStatus", "ringing"),
    ("Direction", "inbound"),
    ("ApiVersion", "2010-04-01"),
]
JSON_URL = f"{BASE}/twilio/amd?bodySHA256=7dc7456a13428deb5048cecbbf9c27b97a29ad32bbc932a7dd1f3f1742d732ee"
SHA256 = {"x-twilio-webhooks-signature-settings": "key=K1,algorithm=HMAC_SHA256"}


def webhook_refusal(
    tokens: Sequence[str], *, url: str, headers: dict[str, str], method: str, body: bytes
) -> str | None:
    """Why a webhook is not believed; None when it is."""
    try:
        check_webhook(tokens, CarrierRequest(method, url, headers, body))
    except NotGenuine as refusal:
        return refusal.why
    except UnreadableRequest:
        return "unreadable"
    return None


def socket_refusal(tokens: Sequence[str], *, url: str, headers: dict[str, str]) -> str | None:
    """Why a handshake is not believed; None when it is."""
    try:
        check_socket(tokens, CarrierRequest("GET", url, headers))
    except NotGenuine as refusal:
        return refusal.why
    return None


def genuine(
    signature: str,
    url: str,
    fields: list[tuple[str, str]] | None = None,
    *,
    tokens: tuple[str, ...] = (TOKEN,),
    more: dict[str, str] | None = None,
) -> bool:
    headers = {"x-twilio-signature": signature, "content-type": FORM, **(more or {})}
    method, body = ("GET", b"") if fields is None else ("POST", urlencode(fields).encode())
    return webhook_refusal(tokens, url=url, headers=headers, method=method, body=body) is None


@pytest.mark.parametrize(
    ("token", "url", "fields", "signature", "more"),
    [
        ("12345", "https://mycompany.com/myapp.php?foo=1&bar=2", EXAMPLE, "RSOYDt4T1cUTdK1PDd93/VVr8B8=", {}),
        (TOKEN, f"{BASE}/twilio/voice", CALL, "H/OgeKiF253x7tYmcVfxRMloc5E=", {}),
        (TOKEN, f"{BASE}/twilio/voice?CallSid=CA1&From=%2B15005550006", None, "nscZay+TMqHrRb/hZr3voV9Jnxg=", {}),
        (TOKEN, f"{BASE}/x", [("A", "b"), ("A", "a"), ("A", "a"), ("N", "Zoë")], "G4fUQwO0PQU03+zwiyOY/U5JRuc=", {}),
        (
            "shared_key_secret",
            f"{BASE}/twilio/voice",
            CALL,
            "fsWJ/AWEfhjG79W3l5BE+RzPUnapMbraZ17eFrTpTSo=",
            SHA256,
        ),
    ],
)
def test_published_vectors(
    token: str, url: str, fields: list[tuple[str, str]] | None, signature: str, more: dict[str, str]
) -> None:
    assert genuine(signature, url, fields, tokens=(token,), more=more)
    assert not genuine(signature, url + "x", fields, tokens=(token,), more=more)
    assert not genuine(signature, url, fields, tokens=("other",), more=more)


@pytest.mark.parametrize(
    ("url", "signature"),
    [
        ("wss://bridge.example.com/twilio/media", "McRGZaC8IvrDLB1F1ZoXYUSmVL0="),
        ("wss://bridge.example.com/twilio/media", "hAxc/9TXExBv4tHnDm6h68THBEU="),
        ("wss://bridge.example.com/twilio/media", "3TLoK0lgMwYvsCUZ7t4UvR/I93g="),
        ("https://bridge.example.com/twilio/media", "McRGZaC8IvrDLB1F1ZoXYUSmVL0="),
        ("wss://bridge.example.com:443/twilio/media", "McRGZaC8IvrDLB1F1ZoXYUSmVL0="),
    ],
)
def test_handshakes_with_and_without_port_and_slash(url: str, signature: str) -> None:
    assert socket_refusal([TOKEN], url=url, headers={"x-twilio-signature": signature}) is None
    assert socket_refusal(["other"], url=url, headers={"x-twilio-signature": signature}) == "wrong_signature"
    assert socket_refusal([TOKEN], url=url, headers={}) == "no_signature"


def test_a_json_body_is_covered_by_its_hash() -> None:
    body = b'{"CallSid":"CA1","AnsweredBy":"human"}'
    headers = {"x-twilio-signature": "K/maDOshRte3aMKrM7QFMYW0cl4=", "content-type": "application/json"}
    assert webhook_refusal([TOKEN], url=JSON_URL, headers=headers, method="POST", body=body) is None
    spaced = webhook_refusal([TOKEN], url=JSON_URL, headers=headers, method="POST", body=body + b" ")
    assert spaced == "wrong_body_hash"


def test_either_token_counts_while_they_rotate() -> None:
    signature = sign("new", f"{BASE}/x", CALL)
    assert genuine(signature, f"{BASE}/x", CALL, tokens=("old", "new"))


def test_an_algorithm_nobody_knows_is_refused() -> None:
    signature = sign(TOKEN, f"{BASE}/x", CALL)
    assert not genuine(signature, f"{BASE}/x", CALL, more={"x-twilio-webhooks-signature-settings": "algorithm=MD5"})


def test_empty_values_are_signed_too() -> None:
    fields = [("CallSid", "CA1"), ("CallerName", "")]
    assert genuine(sign(TOKEN, f"{BASE}/x", fields), f"{BASE}/x", fields)


@pytest.mark.parametrize(
    ("configured", "signed", "believed"),
    [
        (f"{BASE}:443/x", f"{BASE}/x", True),
        (f"{BASE}/x", f"{BASE}:443/x", True),
        (f"{BASE}:8443/x", f"{BASE}:8443/x", True),
        (f"{BASE}:8443/x", f"{BASE}/x", True),  # Twilio leaves out even other ports in places
        (f"{BASE}:8443/x", f"{BASE}:443/x", False),
        (f"{BASE}/x", f"{BASE}:8443/x", False),
        (f"{BASE}/x", f"{BASE}/x/", False),  # a slash more is another page,
        (BASE, f"{BASE}/", True),  # but for an empty path
        (f"{BASE}/?a=1", f"{BASE}?a=1", True),
        ("https://user:secret@bridge.example.com/x", f"{BASE}/x", True),
        ("https://[2001:db8::1]/x", "https://[2001:db8::1]:443/x", True),
        ("https://[2001:db8::1]:443/x", "https://[2001:db8::1]/x", True),
        ("http://bridge.example.com/x", f"{BASE}/x", False),
    ],
)
def test_which_addresses_are_the_same(configured: str, signed: str, believed: bool) -> None:
    assert genuine(sign(TOKEN, signed, CALL), configured, CALL) is believed


@pytest.mark.parametrize(
    ("changed", "body", "refusal"),
    [
        ({}, b"CallSid=CA1", None),
        ({}, b"CallSid=CA2", "wrong_signature"),
        ({"x-twilio-signature": ""}, b"CallSid=CA1", "no_signature"),
        ({"x-twilio-signature": "\udcff\u00e9"}, b"CallSid=CA1", "wrong_signature"),
        ({"x-twilio-webhooks-signature-settings": "key=K1,algorithm=MD5"}, b"CallSid=CA1", "unknown_algorithm"),
        ({"x-twilio-webhooks-signature-settings": "nonsense"}, b"CallSid=CA1", "unknown_algorithm"),
        ({}, b"CallSid=\xff", "unreadable"),
        ({}, b"CallSid=%FF", "unreadable"),
        ({"content-type": "application/json"}, b"{}", "no_body_hash"),
    ],
)
def test_a_refusal_says_why(changed: dict[str, str], body: bytes, refusal: str | None) -> None:
    headers = {"x-twilio-signature": sign(TOKEN, f"{BASE}/x", [("CallSid", "CA1")]), "content-type": FORM} | changed
    assert webhook_refusal([TOKEN], url=f"{BASE}/x", headers=headers, method="POST", body=body) == refusal


def test_a_changed_json_body_is_named() -> None:
    headers = {"x-twilio-signature": sign(TOKEN, JSON_URL), "content-type": "application/json"}
    assert webhook_refusal([TOKEN], url=JSON_URL, headers=headers, method="POST", body=b"{}") == "wrong_body_hash"


@pytest.mark.parametrize(("method", "kind"), [("POST", "application/json"), ("POST", FORM), ("GET", ""), ("POST", "")])
def test_a_body_that_was_left_out_is_missed(method: str, kind: str) -> None:
    headers = {"x-twilio-signature": sign(TOKEN, JSON_URL), "content-type": kind}
    assert webhook_refusal([TOKEN], url=JSON_URL, headers=headers, method=method, body=b"") == "wrong_body_hash"


@given(st.binary(min_size=1, max_size=80), st.data())
def test_one_changed_byte_of_a_body_its_url_or_the_signature_is_noticed(body: bytes, data: st.DataObject) -> None:
    url = f"{BASE}/twilio/amd?bodySHA256={hashlib.sha256(body).hexdigest()}&a=b"
    signature = sign(TOKEN, url)

    def refusal(url: str, body: bytes, signature: str) -> str | None:
        headers = {"x-twilio-signature": signature, "content-type": "application/json"}
        return webhook_refusal([TOKEN], url=url, headers=headers, method="POST", body=body)

    assert refusal(url, body, signature) is None
    at = data.draw(st.integers(0, len(body) - 1))
    other = bytes([body[at] ^ data.draw(st.integers(1, 255))])
    assert refusal(url, body[:at] + other + body[at + 1 :], signature) == "wrong_body_hash"
    at = data.draw(st.integers(len(BASE) + 1, len(url) - 1))
    assert refusal(url[:at] + ("y" if url[at] == "x" else "x") + url[at + 1 :], body, signature) is not None
    at = data.draw(st.integers(0, len(signature) - 1))
    changed = signature[:at] + ("B" if signature[at] == "A" else "A") + signature[at + 1 :]
    assert refusal(url, body, changed) == "wrong_signature"


@given(st.lists(st.tuples(st.sampled_from("ABab"), st.text(max_size=6)), max_size=8))
def test_our_signatures_are_those_of_twilios_own_library(fields: list[tuple[str, str]]) -> None:
    told = RequestValidator(TOKEN).compute_signature(f"{BASE}/x?a=1", MultiDict(fields))
    assert sign(TOKEN, f"{BASE}/x?a=1", fields) == told


def test_an_empty_token_signs_nothing() -> None:
    assert not genuine(sign("", f"{BASE}/x", CALL), f"{BASE}/x", CALL, tokens=("",))


def test_a_path_that_is_no_text_is_refused_like_any_other() -> None:
    # aiohttp hands over bytes that are not UTF-8 as surrogates
    headers = {"x-twilio-signature": "x"}
    assert socket_refusal([TOKEN], url=f"{BASE}/\udcff?\udcfe", headers=headers) == "wrong_signature"


@given(
    st.lists(st.tuples(st.text(min_size=1, max_size=8), st.text(max_size=12)), min_size=1, max_size=6, unique=True),
    st.data(),
)
def test_changing_any_field_breaks_the_signature(fields: list[tuple[str, str]], data: st.DataObject) -> None:
    signature = sign(TOKEN, f"{BASE}/x", fields)
    assert genuine(signature, f"{BASE}/x", fields)
    at = data.draw(st.integers(0, len(fields) - 1))
    changed = [*fields]
    changed[at] = (fields[at][0], fields[at][1] + "!")
    assert not genuine(signature, f"{BASE}/x", changed)
