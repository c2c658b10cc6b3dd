"""A ticket opens one call of one account, for a while; anything else is refused, with the reason."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.store.tickets import Ticket, TicketIssuer, TicketRefused

CALL = "CA00000000000000000000000000000002"
ACCOUNT = "AC00000000000000000000000000000001"


class Clock:
    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


def check(
    office: TicketIssuer, text: str | None, *, carrier: str = "acme", call: str = CALL, account: str | None = ACCOUNT
) -> Ticket:
    return office.check(text, carrier=carrier, call_id=call, account_id=account)


def refused(office: TicketIssuer, text: str | None, **changed: str) -> str:
    with pytest.raises(TicketRefused) as refusal:
        check(office, text, **changed)
    return refusal.value.why


def issue(office: TicketIssuer) -> str:
    return office.issue("acme", CALL, ACCOUNT)


def test_a_ticket_is_good_for_its_call_and_account() -> None:
    office = TicketIssuer(["secret"])
    ticket = check(office, issue(office))
    assert (ticket.carrier, ticket.call_id, ticket.account_id) == ("acme", CALL, ACCOUNT)


def test_a_stream_that_does_not_tell_its_account_is_told_it() -> None:
    office = TicketIssuer(["secret"])
    assert check(office, issue(office), account=None).account_id == ACCOUNT


def test_a_socket_that_replaces_another_may_show_an_old_ticket() -> None:
    clock = Clock()
    office = TicketIssuer(["secret"], ttl_s=60.0, clock=clock)
    ticket = issue(office)
    clock.now += 600.0
    assert refused(office, ticket) == "expired"
    assert office.check(ticket, carrier="acme", call_id=CALL, account_id=None, at_any_age=True).call_id == CALL


def test_two_tickets_for_one_call_differ() -> None:
    office = TicketIssuer(["secret"])
    assert issue(office) != issue(office)


def test_each_refusal_says_why() -> None:
    clock = Clock()
    office = TicketIssuer(["secret"], ttl_s=60.0, clock=clock)
    ticket = issue(office)
    assert refused(office, None) == "missing"
    assert refused(office, "") == "missing"
    assert refused(office, "no dot") == "malformed"
    assert refused(office, "%%%.%%%") == "malformed"
    assert refused(TicketIssuer(["another secret"]), ticket) == "forged"
    assert refused(office, ticket, carrier="other") == "wrong_carrier"
    assert refused(office, ticket, call="CA1") == "wrong_call"
    assert refused(office, ticket, account="AC1") == "wrong_account"
    clock.now += 60.0
    assert refused(office, ticket) == "expired"


def test_during_a_renewal_tickets_of_both_secrets_are_good() -> None:
    before = issue(TicketIssuer(["old"]))
    office = TicketIssuer(["new", "old"])
    check(office, before)
    check(office, issue(office))
    assert refused(TicketIssuer(["new"]), before) == "forged"


def test_a_ticket_fits_a_stream_parameter() -> None:
    assert len("ticket" + issue(TicketIssuer(["secret"]))) < 500


def test_an_office_without_a_secret_is_refused() -> None:
    with pytest.raises(ValueError, match="secret"):
        TicketIssuer([])


@given(st.data())
def test_no_change_to_a_ticket_goes_unnoticed(data: st.DataObject) -> None:
    office = TicketIssuer(["secret"])
    ticket = issue(office)
    at = data.draw(st.integers(0, len(ticket) - 1))
    other = data.draw(st.characters(max_codepoint=0x2FFF).filter(lambda c: c != ticket[at]))
    assert refused(office, ticket[:at] + other + ticket[at + 1 :]) in ("forged", "malformed")


@given(st.text(max_size=300))
def test_any_text_at_all_is_refused_politely(text: str) -> None:
    assert refused(TicketIssuer(["secret"]), text) in ("missing", "malformed", "forged")
