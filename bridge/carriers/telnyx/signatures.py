"""Ed25519 signatures of Telnyx's webhooks: over the time they were sent and the body as it came.

Source: telnyx-python 4.189.0, `lib/webhook_verification.py`.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from bridge.carriers.base import NotGenuine
from bridge.carriers.web import CarrierRequest

SIGNATURE = "telnyx-signature-ed25519"
TIMESTAMP = "telnyx-timestamp"
TOLERANCE_S = 300
"""An older signature may be a request that somebody kept and sends again."""


def public_key(text: str) -> Ed25519PublicKey:
    """The key that the portal shows in base64. Raises ValueError when it is none."""
    try:
        return Ed25519PublicKey.from_public_bytes(base64.b64decode(text, validate=True))
    except (binascii.Error, ValueError):
        raise ValueError("expected an Ed25519 public key: 32 bytes in base64") from None


def check_webhook(keys: Sequence[Ed25519PublicKey], request: CarrierRequest, now: float) -> None:
    """Raise NotGenuine unless one of the keys' owner signed this body, not long ago."""
    given, sent_at = request.headers.get(SIGNATURE, ""), request.headers.get(TIMESTAMP, "")
    if not given or not sent_at:
        raise NotGenuine("no_signature")
    if not (sent_at.isascii() and sent_at.isdigit() and len(sent_at) < 12):
        raise NotGenuine("unreadable_time")
    try:
        signature = base64.b64decode(given, validate=True)
    except (binascii.Error, ValueError):
        raise NotGenuine("wrong_signature") from None
    if not any(_signed(key, signature, f"{sent_at}|".encode() + request.body) for key in keys):
        raise NotGenuine("wrong_signature")
    if abs(now - int(sent_at)) > TOLERANCE_S:
        raise NotGenuine("too_old")


def _signed(key: Ed25519PublicKey, signature: bytes, message: bytes) -> bool:
    try:
        key.verify(signature, message)
    except InvalidSignature:
        return False
    return True
