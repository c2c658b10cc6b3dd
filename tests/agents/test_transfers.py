"""Whom callers may be connected to: a table of targets, by who named them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.agents.settings import TransferSettings
from bridge.agents.transfers import E164, SIP, Origin, Refusal, TransferRefused, Transfers
from bridge.errors import ConfigError

RULES = Transfers(
    TransferSettings(
        region="DE",
        allow=["+49", "US", "sip:*@pbx.example.com", "+19005550123"],
        targets={"front desk": "030 123456", "Night": "sip:night@example.com"},
    )
)


def outcome(target: str, origin: Origin = Origin.AGENT, rules: Transfers = RULES) -> str:
    """What is dialled, or why nothing is."""
    try:
        return rules.dialled(target, origin)
    except TransferRefused as refused:
        return str(refused.why)


@pytest.mark.parametrize(
    ("target", "dialled"),
    [
        ("+4930123456", "+4930123456"),
        ("0049 30 123456", "+4930123456"),
        ("030/12 34 56", "+4930123456"),
        ("(030) 123-456", "+4930123456"),
        ("tel:+49-30-123456", "+4930123456"),
        ("+12025550123", "+12025550123"),
        ("front desk", "+4930123456"),
        (" Front  DESK ", "+4930123456"),
        ("night", "sip:night@example.com"),
        ("sip:anna@pbx.example.com", "sip:anna@pbx.example.com"),
        ("SIP:anna@PBX.example.com", "SIP:anna@PBX.example.com"),
        ("+19005550123", "+19005550123"),  # a premium rate that is written whole in `allow`
    ],
)
def test_what_is_dialled(target: str, dialled: str) -> None:
    assert outcome(target) == dialled


@pytest.mark.parametrize(
    ("target", "why"),
    [
        ("", Refusal.EMPTY),
        (" \n", Refusal.EMPTY),
        ("back desk", Refusal.NOT_A_NUMBER),
        ("desk", Refusal.NOT_A_NUMBER),
        ("112", Refusal.NOT_A_NUMBER),
        ("+49112", Refusal.NOT_A_NUMBER),
        ("911", Refusal.NOT_A_NUMBER),
        ("*31#030123456", Refusal.NOT_A_NUMBER),
        ("+4930123456 ext. 5", Refusal.NOT_A_NUMBER),
        ("+49" + "9" * 200, Refusal.NOT_A_NUMBER),
        ("+999123456789", Refusal.NOT_A_NUMBER),
        ("sip:anna@example.com", Refusal.NOT_ALLOWED),
        ("sip:anna@pbx.example.com@evil.example", Refusal.NOT_A_NUMBER),
        ("sip:anna@evil.example?x=@pbx.example.com", Refusal.NOT_A_NUMBER),
        ("sip:<anna@pbx.example.com>", Refusal.NOT_A_NUMBER),
        ("https://example.com", Refusal.NOT_A_NUMBER),
        ("+442079460958", Refusal.NOT_ALLOWED),
        ("+18095550123", Refusal.NOT_ALLOWED),  # Dominican Republic: +1, but not the US
        ("+19005551234", Refusal.COSTLY),
        ("0900 1 234567", Refusal.COSTLY),
        ("+49 180 5 123456", Refusal.COSTLY),
        ("+882 16 1234 5678", Refusal.COSTLY),
        ("+8816 1234 5678", Refusal.COSTLY),
        ("+979 123 456 789", Refusal.COSTLY),
        ("+15550100", Refusal.NOT_A_NUMBER),
    ],
)
def test_what_is_refused(target: str, why: Refusal) -> None:
    assert outcome(target) == why


@pytest.mark.parametrize("target", ["+4930123456", "front desk", "030 123456", "sip:anna@pbx.example.com"])
def test_what_the_caller_named_is_dialled_only_where_that_is_set(target: str) -> None:
    assert outcome(target, Origin.CALLER) == Refusal.FROM_CALLER
    settings = TransferSettings(region="DE", allow=["+4930"], from_caller=True, targets={"front desk": "+15550100"})
    expected = {"front desk": Refusal.NOT_A_NUMBER, "sip:anna@pbx.example.com": Refusal.NOT_ALLOWED}
    assert outcome(target, Origin.CALLER, Transfers(settings)) == expected.get(target, "+4930123456")


def test_nothing_is_allowed_by_default_but_what_the_operator_wrote() -> None:
    rules = Transfers()
    assert outcome("+12025550123", Origin.AGENT, rules) == Refusal.NOT_ALLOWED
    assert outcome("+12025550123", Origin.OPERATOR, rules) == "+12025550123"
    assert outcome("+15550100", Origin.OPERATOR, rules) == "+15550100"  # as they are written in documents
    assert outcome("sip:a@example.com", Origin.OPERATOR, rules) == "sip:a@example.com"
    assert outcome("0049 30 123456", Origin.OPERATOR, rules) == Refusal.NO_COUNTRY
    assert not rules.open


def test_a_number_in_a_message_of_ours_would_be_a_callers_number_in_a_log() -> None:
    with pytest.raises(TransferRefused) as refused:
        RULES.dialled("+44 20 7946 0958")
    assert "7946" not in str(refused.value)
    assert refused.value.target == "+44 20 7946 0958"


@pytest.mark.parametrize(
    ("settings", "mistake"),
    [
        (TransferSettings(region="XX"), "agent.transfers.region: 'XX': expected two letters of ISO 3166"),
        (TransferSettings(allow=["49"]), "agent.transfers.allow: '49': expected a number or its beginning"),
        (TransferSettings(allow=["+49*"]), "agent.transfers.allow: '+49*': expected a number or its beginning"),
        (TransferSettings(allow=[""]), "agent.transfers.allow: '': expected a number or its beginning"),
        (
            TransferSettings(targets={"desk": "030 1"}),
            "agent.transfers.targets.desk: '030 1': expected an E.164 number",
        ),
        (TransferSettings(targets={"desk": ""}), "agent.transfers.targets.desk: '': expected an E.164 number"),
    ],
)
def test_rules_that_cannot_be_meant_are_refused_at_the_start(settings: TransferSettings, mistake: str) -> None:
    with pytest.raises(ConfigError) as refused:
        Transfers(settings)
    assert str(refused.value).startswith(mistake)


@given(st.text(max_size=60) | st.text("+0123456789 ()-sip:@.x", max_size=40), st.sampled_from(Origin))
def test_whatever_is_named_is_dialled_as_a_number_or_an_address_or_not_at_all(target: str, origin: Origin) -> None:
    dialled = outcome(target, origin)
    assert dialled in set(Refusal) or E164.fullmatch(dialled) or SIP.fullmatch(dialled)
    if origin is Origin.CALLER:
        assert dialled in set(Refusal)
