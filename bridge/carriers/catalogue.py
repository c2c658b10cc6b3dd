"""Every carrier there is, made from settings and secrets. The only module of this room that knows them all.

A carrier's code is loaded when it is configured: some need a library that nobody else does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import get_args

from bridge import variables
from bridge.carriers.base import Carrier
from bridge.carriers.settings import CarrierSettings, PlivoSettings, TelnyxSettings, TwilioSettings, VonageSettings
from bridge.errors import ConfigError

KINDS: tuple[type[CarrierSettings], ...] = get_args(CarrierSettings)


class Secrets:
    """The secrets that settings name, looked up in an environment. Without `required`, missing ones are empty."""

    def __init__(self, environ: Mapping[str, str], *, required: bool = True) -> None:
        self._environ = environ
        self._required = required

    def one(self, variable: str) -> variables.Secret:
        """The variable's value; empty when it is not set."""
        return variables.value(variable, self._environ)

    def several(self, variable: str, kind: str, what: str) -> tuple[variables.Secret, ...]:
        """The variable's values, separated by commas. Raises ConfigError when there are none, or odd ones."""
        values = variables.values(variable, self._environ)
        if not values and self._required:
            raise ConfigError(
                f"no {what}: set {variable}, or gateway.development_unsigned: true on a machine that nobody else can "
                f"reach; {kind} webhooks are checked with it"
            )
        return values


def build_carriers(
    settings: Sequence[CarrierSettings], environ: Mapping[str, str], *, unsigned: bool = False
) -> tuple[Carrier, ...]:
    """The carriers whose calls are taken; those with a secret in the environment where the settings name none.

    With `unsigned` nothing is checked, so that secrets may be missing. Raises ConfigError, naming the variable.
    """
    chosen = configured(settings, environ, unsigned=unsigned)
    if not chosen:
        names = " or ".join(variable_of(kind()) for kind in KINDS)
        raise ConfigError(
            f"no carrier: set {names}, list some under carriers:, or set gateway.development_unsigned: true on a "
            "machine that nobody else can reach"
        )
    twice = {kind_of(one) for one in chosen if sum(type(other) is type(one) for other in chosen) > 1}
    if twice:
        # Their addresses would be the same, and the calls of one would be checked with the other's secret.
        raise ConfigError(f"carriers: {', '.join(sorted(twice))} is listed twice")
    secrets = Secrets(environ, required=not unsigned)
    return tuple(build_carrier(one, secrets) for one in chosen)


def configured(
    settings: Sequence[CarrierSettings], environ: Mapping[str, str], *, unsigned: bool = False
) -> tuple[CarrierSettings, ...]:
    """The settings of the carriers to serve: those given, else the defaults of all that have a secret."""
    if settings:
        return tuple(settings)
    defaults: list[CarrierSettings] = [kind() for kind in KINDS]
    return tuple(one for one in defaults if variables.value(variable_of(one), environ)) or tuple(
        defaults if unsigned else ()
    )


def kind_of(settings: CarrierSettings) -> str:
    """What these settings have as `kind`: the carrier's name."""
    return str(type(settings).__struct_config__.tag)


def variable_of(settings: CarrierSettings) -> str:
    """The variable with the secret that webhooks are checked with: the first that these settings name."""
    name = next(field for field in type(settings).__struct_fields__ if field.endswith("_env"))
    return str(getattr(settings, name))


def build_carrier(settings: CarrierSettings, secrets: Secrets) -> Carrier:
    """One carrier. Raises ConfigError when a secret is missing or unusable."""
    match settings:
        case TwilioSettings():
            return _twilio(settings, secrets)
        case TelnyxSettings():
            return _telnyx(settings, secrets)
        case VonageSettings():
            return _vonage(settings, secrets)
        case PlivoSettings():
            return _plivo(settings, secrets)


def _twilio(settings: TwilioSettings, secrets: Secrets) -> Carrier:
    from bridge.carriers.twilio.carrier import TwilioCarrier
    from bridge.carriers.twilio.requests import CallsApi

    tokens = secrets.several(settings.auth_token_env, "Twilio", "Twilio auth token")
    account, user, password = (
        secrets.one(name) for name in (settings.account_sid_env, settings.api_key_sid_env, settings.api_key_secret_env)
    )
    if not (user and password) and tokens:
        user, password = account, tokens[0]
    api = CallsApi(settings.api_base_url, account, user, password) if account and password else None
    return TwilioCarrier(tokens, api=api, caller_id=settings.caller_id)


def _telnyx(settings: TelnyxSettings, secrets: Secrets) -> Carrier:
    from bridge.carriers.telnyx.carrier import TelnyxCarrier, TexmlApi
    from bridge.carriers.telnyx.signatures import public_key

    try:
        keys = [public_key(text) for text in secrets.several(settings.public_key_env, "Telnyx", "Telnyx public key")]
    except ValueError as error:
        raise ConfigError(f"environment variable {settings.public_key_env}: {error}") from None
    api_key = secrets.one(settings.api_key_env)
    api = TexmlApi(settings.api_base_url, api_key, str(secrets.one(settings.application_id_env))) if api_key else None
    return TelnyxCarrier(keys, api=api, caller_id=settings.caller_id)


def _vonage(settings: VonageSettings, secrets: Secrets) -> Carrier:
    from bridge.carriers.vonage.carrier import VoiceApi, VonageCarrier
    from bridge.carriers.vonage.tokens import private_key

    ours = secrets.several(settings.signature_secret_env, "Vonage", "Vonage signature secret")
    application, pem = str(secrets.one(settings.application_id_env)), secrets.one(settings.private_key_env)
    api = None
    if application and pem:
        try:
            api = VoiceApi(settings.api_base_url, application, private_key(pem))
        except ValueError as error:
            raise ConfigError(f"environment variable {settings.private_key_env}: {error}") from None
    return VonageCarrier(ours, api=api, rate_hz=settings.rate_hz, caller_id=settings.caller_id)


def _plivo(settings: PlivoSettings, secrets: Secrets) -> Carrier:
    from bridge.carriers.plivo.carrier import CallApi, PlivoCarrier

    tokens = secrets.several(settings.auth_token_env, "Plivo", "Plivo auth token")
    auth_id = secrets.one(settings.auth_id_env)
    api = CallApi(settings.api_base_url, auth_id, tokens[0]) if auth_id and tokens else None
    return PlivoCarrier(tokens, api=api, caller_id=settings.caller_id)
