"""Which carriers bring calls, each with its own secrets. A secret is never in the file: `..._env` names its variable.

```yaml
carriers:
  - kind: twilio
  - kind: telnyx
    public_key_env: TELNYX_KEY_OF_THE_SHOP
```

Without the section, every carrier is served whose first variable below is set in the environment.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from bridge.variables import Variable


class _Common(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="kind"):
    caller_id: str = ""
    """The number shown to whom a call is transferred; empty: the caller's own, where the carrier allows it."""


class TwilioSettings(_Common, frozen=True, tag="twilio"):
    """A Twilio account. The auth token checks signatures; account SID and token, or an API key, allow REST requests."""

    auth_token_env: Variable = "TWILIO_AUTH_TOKEN"
    """The account's auth token; several, separated by commas, while it is being rotated, the new one first."""
    account_sid_env: Variable = "TWILIO_ACCOUNT_SID"
    """With it (and an API key, or the first auth token) calls are ended and transferred by REST."""
    api_key_sid_env: Variable = "TWILIO_API_KEY"
    api_key_secret_env: Variable = "TWILIO_API_SECRET"
    api_base_url: str = "https://api.twilio.com"
    """Other regions: https://api.{edge}.{region}.twilio.com."""


class TelnyxSettings(_Common, frozen=True, tag="telnyx"):
    """A Telnyx account with a TeXML application. The public key checks signatures, the API key allows REST requests."""

    public_key_env: Variable = "TELNYX_PUBLIC_KEY"
    """The account's Ed25519 public key in base64; several, separated by commas, while it is renewed."""
    api_key_env: Variable = "TELNYX_API_KEY"
    application_id_env: Variable = "TELNYX_APPLICATION_ID"
    """The TeXML application's id: with it a transfer with a summary calls the person, and the caller hears music."""
    api_base_url: str = "https://api.telnyx.com"


class VonageSettings(_Common, frozen=True, tag="vonage"):
    """A Vonage voice application. The signature secret checks webhooks, its private key allows REST requests."""

    signature_secret_env: Variable = "VONAGE_SIGNATURE_SECRET"
    """The account's signature secret; several, separated by commas, while it is renewed."""
    application_id_env: Variable = "VONAGE_APPLICATION_ID"
    private_key_env: Variable = "VONAGE_PRIVATE_KEY"
    """The application's private key: the PEM text itself, in which `\\n` may stand for the ends of lines."""
    rate_hz: Literal[8000, 16000, 24000] = 16000
    """Of the audio, linear16 both ways."""
    api_base_url: str = "https://api.nexmo.com"
    """A regional host where the application has one, such as https://api-eu-1.vonage.com."""


class PlivoSettings(_Common, frozen=True, tag="plivo"):
    """A Plivo account. The auth token checks signatures, and with the auth ID allows REST requests."""

    auth_token_env: Variable = "PLIVO_AUTH_TOKEN"
    """The account's auth token; several, separated by commas, while it is being rotated, the new one first."""
    auth_id_env: Variable = "PLIVO_AUTH_ID"
    api_base_url: str = "https://api.plivo.com"


CarrierSettings = TwilioSettings | TelnyxSettings | VonageSettings | PlivoSettings
