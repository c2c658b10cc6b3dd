"""One-time tickets: proof, inside the media stream's parameters, that our own webhook sent the carrier here.

A ticket is `claims.signature`, both base64url: the claims are `expiry|nonce|call|account`, the signature
HMAC-SHA256 under a secret derived from the carrier's token, so that every process and machine of the
service can check what any other one issued. Spending it once is the caller's part: `Ticket.nonce` goes
into the store at `start`.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
import time
from collections.abc import Callable, Sequence
from typing import Literal

import msgspec

from bridge.errors import BadMessage

Refusal = Literal["missing", "malformed", "forged", "expired", "wrong_call", "wrong_account", "spent"]

_PURPOSE = b"bridge media ticket 1"
_SIGNATURE_BYTES = 16


class TicketRefused(BadMessage):
    """The stream carries no ticket of ours that is still good; `why` is a metrics label."""

    def __init__(self, why: Refusal) -> None:
        super().__init__(f"ticket refused: {why.replace('_', ' ')}")
        self.why: Refusal = why


class Ticket(msgspec.Struct, frozen=True):
    """What a good ticket says."""

    call_sid: str
    account_sid: str
    expires_at: float
    """Unix time."""
    nonce: str


class TicketOffice:
    """Issues and checks tickets.

    `tokens` are the carrier's tokens, the current one first: it signs, all of them are accepted, so that a
    rotation does not drop the calls that are being set up.
    """

    def __init__(self, tokens: Sequence[str], *, ttl_s: float = 60.0, clock: Callable[[], float] = time.time) -> None:
        if not tokens:
            raise ValueError("a ticket office needs at least one token to derive its secret from")
        self._secrets = [hmac.digest(token.encode(), _PURPOSE, hashlib.sha256) for token in tokens]
        self._ttl_s = ttl_s
        self._clock = clock

    def issue(self, call_sid: str, account_sid: str) -> str:
        """Write a ticket for this call; about 150 characters, well inside the 500 a parameter may have."""
        expires_at = int(self._clock() + self._ttl_s)
        claims = "|".join((str(expires_at), secrets.token_hex(8), call_sid, account_sid)).encode()
        return f"{_encode(claims)}.{_encode(_sign(self._secrets[0], claims))}"

    def check(self, text: str | None, call_sid: str, account_sid: str) -> Ticket:
        """Read a ticket that must be for this call and account. Raises TicketRefused, saying why."""
        if not text:
            raise TicketRefused("missing")
        claims, signature = _split(text)
        if not any(hmac.compare_digest(_sign(secret, claims), signature) for secret in self._secrets):
            raise TicketRefused("forged")
        ticket = _read(claims)
        if self._clock() >= ticket.expires_at:
            raise TicketRefused("expired")
        if ticket.call_sid != call_sid:
            raise TicketRefused("wrong_call")
        if ticket.account_sid != account_sid:
            raise TicketRefused("wrong_account")
        return ticket


def _sign(secret: bytes, claims: bytes) -> bytes:
    return hmac.digest(secret, claims, hashlib.sha256)[:_SIGNATURE_BYTES]


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    # `altchars` with `validate`: urlsafe_b64decode alone skips foreign characters, so two texts could be one ticket.
    raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    if _encode(raw) != text:
        raise binascii.Error("not the canonical encoding")
    return raw


def _split(text: str) -> tuple[bytes, bytes]:
    claims, dot, signature = text.partition(".")
    if not dot:
        raise TicketRefused("malformed")
    try:
        return _decode(claims), _decode(signature)
    except (binascii.Error, ValueError):
        raise TicketRefused("malformed") from None


def _read(claims: bytes) -> Ticket:
    try:
        expires_at, nonce, call_sid, account_sid = claims.decode().split("|", 3)
        return Ticket(call_sid=call_sid, account_sid=account_sid, expires_at=float(expires_at), nonce=nonce)
    except ValueError:
        raise TicketRefused("malformed") from None
