"""Which carriers a service has: those of its settings, else those whose secret is in the environment."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import pytest

from bridge.carriers.addresses import Addresses
from bridge.carriers.base import CallReference, Carrier, EndCall
from bridge.carriers.catalogue import KINDS, build_carriers, variable_of
from bridge.carriers.settings import CarrierSettings, TelnyxSettings, TwilioSettings
from bridge.errors import ConfigError
from tests.carriers.test_vonage import PEM

SECRETS = {
    "TWILIO_AUTH_TOKEN": "new, old",
    "TELNYX_PUBLIC_KEY": base64.b64encode(bytes(range(32))).decode(),
    "VONAGE_SIGNATURE_SECRET": "signature",
    "PLIVO_AUTH_TOKEN": "token",
}
"""Of each carrier the secret that webhooks are checked with."""
REST = {
    "TWILIO_ACCOUNT_SID": "AC1",
    "TELNYX_API_KEY": "KEY1",
    "PLIVO_AUTH_ID": "MA1",
    "VONAGE_APPLICATION_ID": "app",
    "VONAGE_PRIVATE_KEY": PEM.replace("\n", "\\n"),
}


def names(settings: Sequence[CarrierSettings] = (), **environ: str) -> list[str]:
    return [carrier.name for carrier in build_carriers(settings, environ)]


def by_rest(carrier: Carrier) -> Any:
    call, addresses = CallReference("c", "a"), Addresses("https://b/x")
    return carrier.request(EndCall(), call, addresses, now=1.7e9, nonce="n")


def test_every_carrier_has_its_own_first_variable() -> None:
    assert {variable_of(kind()) for kind in KINDS} == set(SECRETS)


@pytest.mark.parametrize("variable", sorted(SECRETS))
def test_a_secret_in_the_environment_is_enough(variable: str) -> None:
    assert names((), **{variable: SECRETS[variable]}) == [variable.partition("_")[0].lower()]


def test_all_of_them_at_once() -> None:
    carriers = build_carriers((), SECRETS)
    assert len(carriers) == len(KINDS)
    assert [by_rest(carrier) for carrier in carriers] == [None] * len(KINDS)
    assert all(by_rest(carrier) for carrier in build_carriers((), SECRETS | REST))


def test_the_settings_say_which() -> None:
    assert names([TelnyxSettings()], **SECRETS) == ["telnyx"]
    named = TwilioSettings(auth_token_env="SHOP_TOKEN")
    assert names([named], SHOP_TOKEN="x") == ["twilio"]
    with pytest.raises(ConfigError, match="set SHOP_TOKEN"):
        names([named], **SECRETS)


def test_one_kind_is_named_once() -> None:
    with pytest.raises(ConfigError, match="twice"):
        names([TwilioSettings(), TwilioSettings(auth_token_env="X")], **SECRETS)


def test_a_service_that_could_check_nothing_refuses_to_start() -> None:
    with pytest.raises(ConfigError, match="TWILIO_AUTH_TOKEN or TELNYX_PUBLIC_KEY"):
        names()
    with pytest.raises(ConfigError, match="TWILIO_AUTH_TOKEN"):
        names([TwilioSettings()], TWILIO_AUTH_TOKEN=" , ")


def test_without_signatures_no_secret_is_needed() -> None:
    assert len(build_carriers((), {}, unsigned=True)) == len(KINDS)


@pytest.mark.parametrize("variable", sorted(SECRETS))
@pytest.mark.parametrize("secret", ["two words", "caf\u00e9", "tab\there"])
def test_a_secret_that_was_copied_badly_is_named_and_not_shown(variable: str, secret: str) -> None:
    with pytest.raises(ConfigError, match=variable) as error:
        names((), **{variable: secret})
    assert secret not in str(error.value)


def test_a_key_that_is_none_is_named() -> None:
    with pytest.raises(ConfigError, match="TELNYX_PUBLIC_KEY: expected an Ed25519 public key"):
        names(TELNYX_PUBLIC_KEY="AAAA")
    with pytest.raises(ConfigError, match="VONAGE_PRIVATE_KEY: expected a private key"):
        names(VONAGE_SIGNATURE_SECRET="x", VONAGE_APPLICATION_ID="app", VONAGE_PRIVATE_KEY="AAAA")


@pytest.mark.parametrize("data", [{"kind": "telnyx", "auth_token_env": "X"}, {"kind": "nobody"}, {}])
def test_a_carrier_takes_its_own_settings_alone(data: Mapping[str, object]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(data, CarrierSettings)
