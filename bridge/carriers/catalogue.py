"""Every carrier there is, made from settings and secrets. The only module of this room that knows them all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bridge.carriers.base import Carrier
from bridge.carriers.settings import CarrierSettings, TwilioSettings
from bridge.carriers.twilio.carrier import TwilioCarrier
from bridge.carriers.twilio.requests import CallsApi
from bridge.errors import ConfigError

KINDS: tuple[type[CarrierSettings], ...] = (TwilioSettings,)


class Secrets:
    """The secrets that settings name, looked up in an environment. Without `required`, missing ones are empty."""

    def __init__(self, environ: Mapping[str, str], *, required: bool = True) -> None:
        self._environ = environ
        self._required = required

    def one(self, variable: str) -> str:
        """The variable's value; empty when it is not set."""
        return self._environ.get(variable, "").strip()

    def several(self, variable: str, kind: str, what: str) -> tuple[str, ...]:
        """The variable's values, separated by commas. Raises ConfigError when there are none, or odd ones."""
        values = tuple(part.strip() for part in self.one(variable).split(",") if part.strip())
        if not values and self._required:
            raise ConfigError(
                f"no {what}: set {variable}, or gateway.development_unsigned: true on a machine that nobody else can "
                f"reach; {kind} webhooks are checked with it"
            )
        if any(not value.isascii() or not value.isprintable() or " " in value for value in values):
            raise ConfigError(f"environment variable {variable}: the {what} has spaces or odd characters in it")
        return values


def build_carriers(
    settings: Sequence[CarrierSettings], environ: Mapping[str, str], *, unsigned: bool = False
) -> tuple[Carrier, ...]:
    """The carriers whose calls are taken; those with a secret in the environment where the settings name none.

    With `unsigned` nothing is checked, so that secrets may be missing. Raises ConfigError, naming the variable.
    """
    chosen = configured(settings, environ, unsigned=unsigned)
    if not chosen:
        variables = " or ".join(variable_of(kind()) for kind in KINDS)
        raise ConfigError(
            f"no carrier: set {variables}, list some under carriers:, or set gateway.development_unsigned: true on a "
            "machine that nobody else can reach"
        )
    secrets = Secrets(environ, required=not unsigned)
    return tuple(build_carrier(one, secrets) for one in chosen)


def configured(
    settings: Sequence[CarrierSettings], environ: Mapping[str, str], *, unsigned: bool = False
) -> tuple[CarrierSettings, ...]:
    """The settings of the carriers to serve: those given, else the defaults of all that have a secret."""
    if settings:
        return tuple(settings)
    defaults: list[CarrierSettings] = [kind() for kind in KINDS]
    return tuple(one for one in defaults if environ.get(variable_of(one), "").strip()) or tuple(
        defaults if unsigned else ()
    )


def variable_of(settings: CarrierSettings) -> str:
    """The variable with the secret that webhooks are checked with: the first that these settings name."""
    name = next(field for field in type(settings).__struct_fields__ if field.endswith("_env"))
    return str(getattr(settings, name))


def build_carrier(settings: CarrierSettings, secrets: Secrets) -> Carrier:
    """One carrier. Raises ConfigError when a secret is missing or unusable."""
    return _twilio(settings, secrets)


def _twilio(settings: TwilioSettings, secrets: Secrets) -> Carrier:
    tokens = secrets.several(settings.auth_token_env, "Twilio", "Twilio auth token")
    account, user, password = (
        secrets.one(name) for name in (settings.account_sid_env, settings.api_key_sid_env, settings.api_key_secret_env)
    )
    if not (user and password):
        user, password = account, tokens[0] if tokens else ""
    api = CallsApi(settings.api_base_url, account, user, password) if account and password else None
    return TwilioCarrier(tokens, api=api, caller_id=settings.caller_id)
