"""A ticket opens one call of one account, for a while; anything else is refused, with the reason."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.store.tickets import TicketOffice, TicketRefused

CALL = "CA00000000000000000000000000000002"
ACCOUNT = "AC00000000000000000000000000000001"


class Clock:
    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


def refused(office: TicketOffice, text: str | None, call: str = CALL, account: str = ACCOUNT) -> str:
    with pytest.raises(TicketRefused) as refusal:
        office.check(text, call, account)
    return refusal.value.why


def test_a_ticket_is_good_for_its_call_and_account() -> None:
    office = TicketOffice(["token"])
    ticket = office.check(office.issue(CALL, ACCOUNT), CALL, ACCOUNT)
    assert (ticket.call_sid, ticket.account_sid) == (CALL, ACCOUNT)


def test_two_tickets_for_one_call_differ() -> None:
    office = TicketOffice(["token"])
    assert office.issue(CALL, ACCOUNT) != office.issue(CALL, ACCOUNT)


def test_each_refusal_says_why() -> None:
    clock = Clock()
    office = TicketOffice(["token"], ttl_s=60.0, clock=clock)
    ticket = office.issue(CALL, ACCOUNT)
    assert refused(office, None) == "missing"
    assert refused(office, "") == "missing"
    assert refused(office, "no dot") == "malformed"
    assert refused(office, "%%%.%%%") == "malformed"
    assert refused(TicketOffice(["another token"]), ticket) == "forged"
    assert refused(office, ticket, call="CA1") == "wrong_call"
    assert refused(office, ticket, account="AC1") == "wrong_account"
    clock.now += 60.0
    assert refused(office, ticket) == "expired"


def test_during_a_rotation_tickets_of_both_tokens_are_good() -> None:
    before = TicketOffice(["old"]).issue(CALL, ACCOUNT)
    office = TicketOffice(["new", "old"])
    office.check(before, CALL, ACCOUNT)
    office.check(office.issue(CALL, ACCOUNT), CALL, ACCOUNT)
    assert refused(TicketOffice(["new"]), before) == "forged"


def test_a_ticket_fits_a_stream_parameter() -> None:
    assert len("ticket" + TicketOffice(["token"]).issue(CALL, ACCOUNT)) < 500


def test_an_office_without_a_token_is_refused() -> None:
    with pytest.raises(ValueError, match="token"):
        TicketOffice([])


@given(st.data())
def test_no_change_to_a_ticket_goes_unnoticed(data: st.DataObject) -> None:
    office = TicketOffice(["token"])
    ticket = office.issue(CALL, ACCOUNT)
    at = data.draw(st.integers(0, len(ticket) - 1))
    other = data.draw(st.characters(max_codepoint=0x2FFF).filter(lambda c: c != ticket[at]))
    assert refused(office, ticket[:at] + other + ticket[at + 1 :]) in ("forged", "malformed")


@given(st.text(max_size=300))
def test_any_text_at_all_is_refused_politely(text: str) -> None:
    assert refused(TicketOffice(["token"]), text) in ("missing", "malformed", "forged")
