"""Signatures of webhooks as Standard Webhooks has them, which libraries of every language can check.

The text `id.time.body` is signed with HMAC-SHA256; the header holds one signature a secret, so that secrets can be
changed without a gap. Source: https://www.standardwebhooks.com (specification, version 1.0).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping, Sequence

from bridge.errors import ConfigError

_PREFIX = "whsec_"
TOLERANCE_S = 300.0
"""A signature older than this, or from so far ahead, is not to be trusted: somebody may have kept it."""


def key_of(secret: str) -> bytes:
    """The bytes that sign: what `whsec_` holds in base64, or the text itself. Raises ConfigError for no base64."""
    if not secret.startswith(_PREFIX):
        return secret.encode()
    try:
        return base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except binascii.Error:
        raise ConfigError(f"a secret that begins with {_PREFIX}: expected base64 behind it") from None


def headers(keys: Sequence[bytes], identifier: str, epoch_s: int, body: bytes) -> dict[str, str]:
    """The headers that identify, date and sign a body."""
    signed = " ".join(f"v1,{_signature(key, identifier, str(epoch_s), body)}" for key in keys)
    return {"webhook-id": identifier, "webhook-timestamp": str(epoch_s), "webhook-signature": signed}


def genuine(key: bytes, received: Mapping[str, str], body: bytes, epoch_s: float) -> bool:
    """Tell whether a webhook was signed with this key, lately: what a receiver has to ask before it reads the body."""
    identifier, at = received.get("webhook-id", ""), received.get("webhook-timestamp", "")
    if not (at.isascii() and at.isdecimal() and len(at) < 15 and abs(epoch_s - int(at)) <= TOLERANCE_S):
        return False
    wanted = f"v1,{_signature(key, identifier, at, body)}".encode()
    given = received.get("webhook-signature", "").split(" ")
    return any(hmac.compare_digest(wanted, one.encode("utf-8", "replace")) for one in given)


def _signature(key: bytes, identifier: str, at: str, body: bytes) -> str:
    signed = hmac.new(key, f"{identifier}.{at}.".encode() + body, hashlib.sha256).digest()
    return base64.b64encode(signed).decode()
