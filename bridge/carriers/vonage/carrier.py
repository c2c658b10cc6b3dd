"""Vonage as a carrier: a WebSocket endpoint opened by an NCCO, calls ended by closing it or by REST.

The socket is a leg of its own in the call's conversation: events of the socket's leg carry our headers, by which the
caller's leg is known. That a socket's leg is `disconnected` is an event whose answer may be another NCCO.
Source: https://developer.vonage.com/en/voice/voice-api/concepts/websockets , vonage-voice 1.5.1.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal
from urllib.parse import quote, urlencode

import msgspec
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from bridge.carriers.addresses import Addresses
from bridge.carriers.base import (
    Announce,
    Apologise,
    CallReference,
    CallReport,
    ComeBack,
    EndCall,
    ForwardCall,
    ForwardOver,
    LineBusy,
    OpenStream,
    Outcome,
    Pacing,
    RestAnswer,
    Ringing,
    StreamOver,
    StreamReport,
    Webhook,
    first,
    with_plus,
)
from bridge.carriers.conference import AskParty, CallParty, HoldCall, HoldMusic, JoinRoom
from bridge.carriers.json_text import text_of
from bridge.carriers.vonage import documents as ncco
from bridge.carriers.vonage import tokens
from bridge.carriers.vonage.messages import FRAME_MS, VonageStream
from bridge.carriers.web import JSON, CarrierRequest, Document, RestRequest, UnreadableRequest

OVER = frozenset({"completed", "busy", "cancelled", "failed", "rejected", "timeout", "unanswered"})
"""Statuses of a call of which nothing more will be heard."""
_STATUSES = OVER | {"started", "ringing", "answered", "disconnected", "machine", "human", "transfer"}
_NEVER_BEGAN = frozenset({"failed", "rejected", "timeout", "unanswered", "busy", "cancelled"})
_DIALLED: dict[str, Literal["busy", "no_answer", "failed"]] = {
    "busy": "busy",
    "timeout": "no_answer",
    "unanswered": "no_answer",
    "failed": "failed",
    "rejected": "failed",
    "cancelled": "failed",
}
"""Statuses of a dialled leg that was never connected (https://developer.vonage.com/en/voice/voice-api/webhook-reference)."""
_LONGEST_ADDRESS = 60
"""Bytes of a SIP caller: all headers of a socket share 512."""


class VoiceApi(msgspec.Struct, frozen=True):
    """Vonage's API about calls: where it is, and the application that may use it."""

    base_url: str
    application_id: str
    key: RSAPrivateKey

    def update(self, call_id: str, what: dict[str, Any], *, now: float, nonce: str) -> RestRequest:
        """Change what a call does now."""
        token = tokens.application_token(self.key, self.application_id, now=now, nonce=nonce)
        return RestRequest(
            "PUT",
            f"{self.base_url.rstrip('/')}/v1/calls/{quote(call_id, safe='')}",
            {"Authorization": f"Bearer {token}", "Content-Type": JSON},
            msgspec.json.encode(what),
        )


class VonageCarrier:
    """One Vonage application (`bridge.carriers.base.Carrier`). `secrets` check webhooks, `api` ends and moves calls."""

    name = "vonage"
    routes = ("answer", "event", "after-stream", "after-dial")
    pacing = Pacing(frame_ms=FRAME_MS, says_stop=False)
    signature_headers = (tokens.AUTHORIZATION,)
    subprotocols: tuple[str, ...] = ()

    def __init__(
        self, secrets: Sequence[str], *, api: VoiceApi | None = None, rate_hz: int = 16000, caller_id: str = ""
    ) -> None:
        self._secrets = tuple(secrets)
        self._api = api
        self._rate_hz = rate_hz
        self._caller_id = caller_id

    def check_webhook(self, request: CarrierRequest, now: float) -> None:
        """Raise NotGenuine unless the account's secret signed the webhook's token, and the token covers its body."""
        tokens.check_webhook(self._secrets, request, now)

    def check_socket(self, request: CarrierRequest, now: float) -> None:
        """Raise NotGenuine unless the handshake shows the token of our document."""
        tokens.check_socket(self._secrets, request)

    def read_webhook(self, route: str, request: CarrierRequest) -> Webhook | None:
        """What a genuine webhook says. Raises UnreadableRequest when a call rings without its name."""
        fields = request.fields
        match route:
            case "answer":
                call_id = fields.get("uuid", "")
                if not call_id:
                    raise UnreadableRequest("uuid is required")
                caller, called = (with_plus(_short(fields.get(name, ""))) for name in ("from", "to"))
                return Ringing(call_id, tokens.application_of(request), caller, called)
            case "after-stream":
                return StreamOver(text_of(request.json.get("payload"), "call_id") or fields.get("uuid", ""))
            case "after-dial":
                return self._dialled(request, fields)
            case "event":
                return self._event(fields, text_of(request.json.get("headers"), "call_id"))
        return None

    def _dialled(self, request: CarrierRequest, fields: dict[str, str]) -> ForwardOver | None:
        """An event of the leg of whom we dialled, at the address that names the caller's call.

        Of somebody who answered nothing need be done: without further actions the call ends with that leg.
        """
        call_id, status = dict(request.query).get("call_id", ""), fields.get("status", "")
        if not call_id:
            raise UnreadableRequest("call_id is required")
        if status not in _DIALLED:
            return None
        gone = status == "cancelled"  # the caller hung up while it rang
        return ForwardOver(call_id, tokens.application_of(request), _DIALLED[status], call_over=gone)

    def _event(self, fields: dict[str, str], socket_of: str) -> Webhook | None:
        """An event of the socket's leg, which belongs to the call `socket_of`, or of the caller's leg itself."""
        leg, status = fields.get("uuid", ""), fields.get("status", "")
        known = status if status in _STATUSES else "unknown"
        key = (leg, status, fields.get("timestamp", ""))
        if not socket_of:
            return CallReport(leg, known, ("call", *key), status in OVER) if status else None
        if status == "disconnected" or status in _NEVER_BEGAN:
            return StreamOver(socket_of)
        return StreamReport(socket_of, known, ("stream", *key), first(fields, "reason"))

    def open_stream(self) -> VonageStream:
        """The conversation on a new media socket."""
        return VonageStream(self._rate_hz)

    def document(self, outcome: Outcome, addresses: Addresses) -> Document:
        """An NCCO for this outcome. Raises ValueError for what would be refused."""
        return ncco.document(self._actions(outcome, addresses))

    def _actions(self, outcome: Outcome, addresses: Addresses) -> list[ncco.Action]:
        match outcome:
            case OpenStream(call_id, parameters):
                return ncco.connect_socket(
                    addresses.media,
                    rate_hz=self._rate_hz,
                    headers={**parameters, "call_id": call_id},
                    authorization=f"Bearer {tokens.socket_token(self._secrets[0])}" if self._secrets else "",
                    event_url=addresses.webhook("event"),
                    caller_id=self._caller_id.removeprefix("+"),
                )
            case ComeBack(call_id=call_id):
                return ncco.ask(addresses.webhook("after-stream"), call_id)
            case EndCall():
                return []
            case ForwardCall(target, come_back=come_back, call_id=call_id):
                event_url = f"{addresses.webhook('after-dial')}?{urlencode({'call_id': call_id})}"
                return ncco.dial(
                    target, caller_id=self._caller_id, event_url=event_url if come_back and call_id else ""
                )
            case Apologise(text) | LineBusy(text) | Announce(text):
                return ncco.talk(text) if text else []
            case HoldCall() | HoldMusic() | AskParty() | JoinRoom():
                raise ValueError("nobody waits in a room here")

    def request(
        self, outcome: Outcome, call: CallReference, addresses: Addresses, *, now: float, nonce: str
    ) -> RestRequest | None:
        """The REST request for this outcome; None without credentials. Raises ValueError for what would be refused."""
        if self._api is None:
            return None
        what: dict[str, Any]
        match outcome:
            case EndCall():
                what = {"action": "hangup"}
            case ComeBack():
                url = addresses.webhook("after-stream")
                what = {"action": "transfer", "destination": {"type": "ncco", "url": [url]}}
            case _:
                actions = self._actions(outcome, addresses)
                what = {"action": "transfer", "destination": {"type": "ncco", "ncco": actions}}
        return self._api.update(call.call_id, what, now=now, nonce=nonce)

    def call_party(self, party: CallParty, call: CallReference, addresses: Addresses) -> RestRequest | None:
        """None: nobody is met in a room here."""
        return None

    def cancel_party(self, call: CallReference) -> RestRequest | None:
        """None: nobody is called from here."""
        return None

    def read_answer(self, status: int, body: bytes) -> RestAnswer:
        """What Vonage's answer to such a request means."""
        if 200 <= status < 300:
            return RestAnswer("done")
        why = _reason(body) or f"HTTP status {status}"
        if status == 404:
            return RestAnswer("gone", why)
        return RestAnswer("busy" if status == 429 or status >= 500 else "refused", why)


def _short(address: str) -> str:
    return address.encode("utf-8", "replace")[:_LONGEST_ADDRESS].decode("utf-8", "ignore")


def _reason(body: bytes) -> str:
    """What an error says, in one of the shapes that Vonage's APIs have."""
    try:
        told = msgspec.json.decode(body)
    except (ValueError, RecursionError):
        return ""
    return next((text for name in ("detail", "error_title", "title", "error") if (text := text_of(told, name))), "")
