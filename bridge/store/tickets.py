"""One-time tickets: proof, inside the media stream's parameters, that our own webhook sent the carrier here.

A ticket is `claims.signature`, both base64url: the claims are a JSON array of expiry, nonce, carrier, call and account,
the signature HMAC-SHA256 under a secret of ours, so that every process and machine of the service can check what any
other one issued. Spending it once is the caller's part: `Ticket.nonce` goes into the store at `start`.
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

Refusal = Literal["missing", "malformed", "forged", "expired", "wrong_carrier", "wrong_call", "wrong_account", "spent"]

_PURPOSE = b"bridge media ticket 2"
_SIGNATURE_BYTES = 16


class TicketRefused(BadMessage):
    """The stream carries no ticket of ours that is still good; `why` is a metrics label."""

    def __init__(self, why: Refusal) -> None:
        super().__init__(f"ticket refused: {why.replace('_', ' ')}")
        self.why: Refusal = why


class Ticket(msgspec.Struct, frozen=True, array_like=True):
    """What a good ticket says."""

    expires_at: int
    """Unix time."""
    nonce: str
    carrier: str
    call_id: str
    account_id: str


_read_claims = msgspec.json.Decoder(Ticket).decode


class TicketIssuer:
    """Issues one-time tickets for the media socket, and checks them.

    `ours` are our secrets, the current one first: it signs, all of them are accepted, so that a renewal does not drop
    the calls that are being set up.
    """

    def __init__(self, ours: Sequence[str], *, ttl_s: float = 60.0, clock: Callable[[], float] = time.time) -> None:
        if not ours:
            raise ValueError("a ticket office needs at least one secret")
        self._secrets = [hmac.digest(secret.encode(), _PURPOSE, hashlib.sha256) for secret in ours]
        self._ttl_s = ttl_s
        self._clock = clock

    def issue(self, carrier: str, call_id: str, account_id: str) -> str:
        """Write a ticket for this call: some 90 characters beside its names, since carriers pass on 500 or fewer."""
        ticket = Ticket(int(self._clock() + self._ttl_s), secrets.token_hex(8), carrier, call_id, account_id)
        claims = msgspec.json.encode(ticket)
        return f"{_encode(claims)}.{_encode(_sign(self._secrets[0], claims))}"

    def check(
        self, text: str | None, *, carrier: str, call_id: str, account_id: str | None, at_any_age: bool = False
    ) -> Ticket:
        """Read a ticket that must be for this call; `account_id` is None where the stream does not tell it.

        Raises TicketRefused, saying why. `at_any_age` is for a socket that replaces another of the same call.
        """
        if not text:
            raise TicketRefused("missing")
        claims, signature = _split(text)
        if not any(hmac.compare_digest(_sign(secret, claims), signature) for secret in self._secrets):
            raise TicketRefused("forged")
        ticket = _read(claims)
        if self.has_expired(ticket) and not at_any_age:
            raise TicketRefused("expired")
        if ticket.carrier != carrier:
            raise TicketRefused("wrong_carrier")
        if ticket.call_id != call_id:
            raise TicketRefused("wrong_call")
        if account_id is not None and ticket.account_id != account_id:
            raise TicketRefused("wrong_account")
        return ticket

    def has_expired(self, ticket: Ticket) -> bool:
        """Whether it is too late to begin a call with it."""
        return self._clock() >= ticket.expires_at


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
        return _read_claims(claims)
    except ValueError:
        raise TicketRefused("malformed") from None
