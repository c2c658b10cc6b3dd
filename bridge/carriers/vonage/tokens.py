"""JSON Web Tokens as Vonage uses them: HS256 by them on webhooks, RS256 by us on REST requests.

Source: https://developer.vonage.com/en/getting-started/concepts/webhooks , vonage-jwt 1.1.5.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from bridge.carriers.base import NotGenuine
from bridge.carriers.web import CarrierRequest

AUTHORIZATION = "authorization"
TOLERANCE_S = 300
"""An older token may be one that somebody kept and sends again."""
_LIFETIME_S = 900
_LONGEST = 4096
_SOCKET = b"bridge media socket"


class _Head(msgspec.Struct):
    alg: str


class Claims(msgspec.Struct):
    """What a webhook's token says; the names are Vonage's."""

    iat: float
    exp: float | None = None
    application_id: str = ""
    payload_hash: str = ""


_read_head = msgspec.json.Decoder(_Head).decode
_read_claims = msgspec.json.Decoder(Claims).decode


def private_key(pem: str) -> RSAPrivateKey:
    """An application's private key; `\\n` may stand for the ends of lines. Raises ValueError when it is none."""
    try:
        key = load_pem_private_key(pem.replace("\\n", "\n").encode(), password=None)
    except (ValueError, TypeError):
        raise ValueError("expected a private key as PEM text, -----BEGIN PRIVATE KEY----- and so on") from None
    if not isinstance(key, RSAPrivateKey):
        raise ValueError("expected an RSA private key")
    return key


def application_token(key: RSAPrivateKey, application_id: str, *, now: float, nonce: str) -> str:
    """The token of one REST request."""
    claims = {"application_id": application_id, "iat": int(now), "exp": int(now) + _LIFETIME_S, "jti": nonce}
    text = f"{_encode({'alg': 'RS256', 'typ': 'JWT'})}.{_encode(claims)}"
    return f"{text}.{_base64url(key.sign(text.encode(), PKCS1v15(), SHA256()))}"


def socket_token(secret: str) -> str:
    """What our document asks Vonage to show at the media socket: only who knows the secret can make it."""
    return _base64url(hmac.digest(secret.encode(), _SOCKET, hashlib.sha256))


def check_webhook(secrets: Sequence[str], request: CarrierRequest, now: float) -> None:
    """Raise NotGenuine unless one of the secrets' owner signed this request, and its body, not long ago."""
    text = _bearer(request)
    signed, _, signature = text.rpartition(".")
    head, dot, body = signed.partition(".")
    if not dot or len(text) > _LONGEST:
        raise NotGenuine("unreadable_token")
    try:
        algorithm = _read_head(_decode(head)).alg
        given, claims = _decode(signature), _read_claims(_decode(body))
    except (ValueError, RecursionError):
        raise NotGenuine("unreadable_token") from None
    if algorithm != "HS256":
        raise NotGenuine("unknown_algorithm")
    made = [hmac.digest(secret.encode(), signed.encode(), hashlib.sha256) for secret in secrets if secret]
    # Every comparison is made, so that the time taken tells nothing.
    if not sum(hmac.compare_digest(one, given) for one in made):
        raise NotGenuine("wrong_signature")
    if not abs(now - claims.iat) <= TOLERANCE_S or (claims.exp is not None and now > claims.exp + TOLERANCE_S):
        raise NotGenuine("too_old")
    if request.body and not claims.payload_hash:
        raise NotGenuine("no_body_hash")
    told = claims.payload_hash.lower().encode("utf-8", "surrogateescape")
    if told and not hmac.compare_digest(hashlib.sha256(request.body).hexdigest().encode(), told):
        raise NotGenuine("wrong_body_hash")


def check_socket(secrets: Sequence[str], request: CarrierRequest) -> None:
    """Raise NotGenuine unless the handshake shows what our document asked for."""
    given = _bearer(request).encode("utf-8", "surrogateescape")
    if not sum(hmac.compare_digest(socket_token(secret).encode(), given) for secret in secrets if secret):
        raise NotGenuine("wrong_signature")


def application_of(request: CarrierRequest) -> str:
    """The application that a webhook's token names; empty where there is no token, as in development."""
    try:
        return _read_claims(_decode(_bearer(request).split(".")[1])).application_id
    except (NotGenuine, IndexError, ValueError, RecursionError):
        return ""


def _bearer(request: CarrierRequest) -> str:
    kind, _, text = request.headers.get(AUTHORIZATION, "").strip().partition(" ")
    if not kind:
        raise NotGenuine("no_signature")
    if kind.lower() != "bearer":
        raise NotGenuine("unreadable_token")
    return text.strip()


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _encode(part: dict[str, Any]) -> str:
    return _base64url(msgspec.json.encode(part))


def _decode(text: str) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except binascii.Error:
        raise ValueError("not base64url") from None
