"""Who gets behind the login, and who does not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.carriers.base import NotGenuine
from bridge.carriers.browser.carrier import BrowserCarrier
from bridge.carriers.web import CarrierRequest
from bridge.console.login import COOKIE, Logins

NOW = 1_700_000_000.0
LOGINS = Logins("open sesame", "a secret of ours", hours=12)
GOOD = f"{COOKIE}={LOGINS.try_password('open sesame', '192.0.2.1', NOW)}"


def test_the_right_password_gives_a_cookie_that_holds_for_its_hours() -> None:
    assert LOGINS.logged_in(GOOD, NOW + 12 * 3600 - 1)
    assert LOGINS.logged_in(f"other=1; {GOOD}; more=2", NOW)
    assert not LOGINS.logged_in(GOOD, NOW + 12 * 3600)


def test_a_new_password_or_secret_ends_all_logins() -> None:
    assert not Logins("open simsim", "a secret of ours", hours=12).logged_in(GOOD, NOW)
    assert not Logins("open sesame", "another secret", hours=12).logged_in(GOOD, NOW)
    assert Logins("open sesame", "a secret of ours", hours=1).logged_in(GOOD, NOW)


@given(st.integers(0, len(GOOD) - 1), st.characters(min_codepoint=33, max_codepoint=126))
def test_a_cookie_that_was_changed_anywhere_is_none(place: int, character: str) -> None:
    changed = GOOD[:place] + character + GOOD[place + 1 :]
    assert LOGINS.logged_in(changed, NOW) == (changed == GOOD)


@given(st.text(max_size=300))
def test_any_text_is_no_cookie(text: str) -> None:
    assert not LOGINS.logged_in(text, NOW)
    assert not LOGINS.logged_in(f"{COOKIE}={text}", NOW)


def test_five_mistakes_a_minute_and_then_nobody_may_try_from_there() -> None:
    logins = Logins("open sesame", "a secret of ours", hours=12)
    for second in range(5):
        assert logins.may_try("192.0.2.1", NOW + second)
        assert not logins.try_password("open barley", "192.0.2.1", NOW + second)
    assert not logins.may_try("192.0.2.1", NOW + 5)
    assert logins.may_try("192.0.2.2", NOW + 5), "others may"
    assert logins.may_try("192.0.2.1", NOW + 61), "a minute later, too"


def test_what_is_remembered_of_mistakes_is_bounded() -> None:
    logins = Logins("open sesame", "a secret of ours", hours=12)
    for number in range(5000):
        logins.try_password("wrong", f"192.0.{number // 256}.{number % 256}", NOW)
    assert len(logins._failed) <= 4096


def test_a_console_without_a_password_is_none() -> None:
    with pytest.raises(ValueError, match="needs a password"):
        Logins("", "a secret of ours", hours=12)


# ---- the browser phone --------------------------------------------------------------------------------------


def request(**headers: str) -> CarrierRequest:
    url = "https://bridge.example.com/browser/media"
    return CarrierRequest("GET", url, {"host": "localhost:8080", **headers})


@pytest.mark.parametrize("origin", ["https://bridge.example.com", "http://localhost:8080", ""])
def test_our_own_page_may_call(origin: str) -> None:
    BrowserCarrier(LOGINS.logged_in).check_socket(request(cookie=GOOD, origin=origin), NOW)


@pytest.mark.parametrize(
    ("headers", "why"),
    [
        ({}, "not_logged_in"),
        ({"cookie": f"{COOKIE}=1.2"}, "not_logged_in"),
        ({"cookie": GOOD, "origin": "https://evil.example"}, "foreign_page"),
        ({"cookie": GOOD, "origin": "null"}, "foreign_page"),
    ],
)
def test_nobody_else_may(headers: dict[str, str], why: str) -> None:
    with pytest.raises(NotGenuine) as refused:
        BrowserCarrier(LOGINS.logged_in).check_webhook(request(**headers), NOW)
    assert refused.value.why == why
