"""Telnyx as a carrier: media streams opened by a TeXML document, calls ended by closing them or by REST.

TeXML speaks TwiML's verbs (https://developers.telnyx.com/docs/voice/programmable-voice/texml-twiml-compatibility), so
the documents are built by the same code; `<Stream>` has attributes of its own. A socket that is lost is opened again
by Telnyx for the same call (`enableReconnect`). A `<Dial>` that ends asks its `action` what to do
(https://developers.telnyx.com/docs/voice/programmable-voice/texml-verbs/dial), in the words of TwiML.
Source: https://developers.telnyx.com/docs/voice/programmable-voice/texml-verbs/stream
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from urllib.parse import quote, urlencode

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from bridge.carriers.addresses import Addresses, announcement_of
from bridge.carriers.base import (
    CallReference,
    CallReport,
    ComeBack,
    EndCall,
    ForwardOver,
    Outcome,
    Pacing,
    RestAnswer,
    Ringing,
    StreamOver,
    StreamReport,
    Webhook,
    first,
)
from bridge.carriers.conference import ROOM_ROUTES, CallParty, HoldOver, PartyAnswered, PartyChose, party_report
from bridge.carriers.documents import document_of
from bridge.carriers.telnyx import signatures
from bridge.carriers.telnyx.messages import FRAME_MS, TelnyxStream
from bridge.carriers.twilio import documents as texml
from bridge.carriers.web import FORM, JSON, CarrierRequest, Document, RestRequest, UnreadableRequest

OVER = frozenset({"completed", "busy", "failed", "no-answer", "canceled"})
"""Statuses of a call of which nothing more will be heard."""
_STATUSES = OVER | {"queued", "initiated", "ringing", "in-progress", "answered"}
_STREAM_EVENTS = frozenset({"stream-started", "stream-stopped", "stream-failed"})
_LONGEST_ADDRESS = 400
_ALREADY_OVER = "90018"
"""The error code for a call that has ended."""
_STREAM = {
    "track": "inbound_track",
    "codec": "PCMU",
    # Without these two nothing that we send would be heard.
    "bidirectionalMode": "rtp",
    "bidirectionalCodec": "PCMU",
    "enableReconnect": "true",
}
_connect_stream = partial(texml.connect_stream, attributes=_STREAM)


class TexmlApi(msgspec.Struct, frozen=True):
    """Telnyx's API about calls that follow TeXML documents: where it is, and the key for it."""

    base_url: str
    key: str
    application: str = ""
    """The id of the TeXML application in whose name somebody is called."""

    def call(self, call: CallReference, what: dict[str, str]) -> RestRequest:
        """Call somebody for this call's account.

        Source: https://developers.telnyx.com/api-reference/texml-rest-commands/initiate-an-outbound-call
        """
        return RestRequest(
            "POST",
            f"{self.base_url.rstrip('/')}/v2/texml/Accounts/{quote(call.account_id, safe='')}/Calls",
            {"Authorization": f"Bearer {self.key}", "Content-Type": JSON},
            msgspec.json.encode({"ApplicationSid": self.application, **what}),
        )

    def update(self, call: CallReference, form: dict[str, str]) -> RestRequest:
        """Change what a call does now; its media stream ends."""
        account, call_id = quote(call.account_id, safe=""), quote(call.call_id, safe="")
        return RestRequest(
            "POST",
            f"{self.base_url.rstrip('/')}/v2/texml/Accounts/{account}/Calls/{call_id}",
            {"Authorization": f"Bearer {self.key}", "Content-Type": FORM},
            urlencode(form).encode(),
        )


class TelnyxCarrier:
    """One Telnyx account (`bridge.carriers.base.Carrier`). `keys` check signatures, `api` ends and moves calls."""

    name = "telnyx"
    routes = ("voice", "after-stream", "after-dial", "announce", *ROOM_ROUTES, "stream-status", "call-status")
    pacing = Pacing(frame_ms=FRAME_MS, reconnects=True)
    signature_headers = (signatures.SIGNATURE,)
    subprotocols: tuple[str, ...] = ()

    def __init__(self, keys: Sequence[Ed25519PublicKey], *, api: TexmlApi | None = None, caller_id: str = "") -> None:
        self._keys = tuple(keys)
        self._api = api
        self._caller_id = caller_id

    def check_webhook(self, request: CarrierRequest, now: float) -> None:
        """Raise NotGenuine unless the account's key signed the webhook in the last minutes."""
        signatures.check_webhook(self._keys, request, now)

    def check_socket(self, request: CarrierRequest, now: float) -> None:
        """Accept it: Telnyx does not sign handshakes, the ticket in `start` is the proof."""

    def read_webhook(self, route: str, request: CarrierRequest) -> Webhook | None:
        """What a genuine webhook says. Raises UnreadableRequest when a call rings without its names."""
        # Only the body is signed: nothing in the query string counts.
        fields = dict(reversed(request.form))
        call_id, status = fields.get("CallSid", ""), fields.get("CallStatus", "")
        match route:
            case "voice":
                account_id = fields.get("AccountSid", "")
                if not call_id or not account_id:
                    raise UnreadableRequest("CallSid and AccountSid are required")
                caller, called = fields.get("From", ""), fields.get("To", "")
                return Ringing(call_id, account_id, caller[:_LONGEST_ADDRESS], called[:_LONGEST_ADDRESS])
            case "after-stream":
                return StreamOver(call_id, status in OVER, fields.get("To", "")[:_LONGEST_ADDRESS])
            case "after-dial":
                return ForwardOver(
                    call_id,
                    fields.get("AccountSid", ""),
                    texml.dial_result(fields.get("DialCallStatus", "")),
                    fields.get("From", "")[:_LONGEST_ADDRESS],
                    fields.get("To", "")[:_LONGEST_ADDRESS],
                    call_over=status in OVER,
                )
            case "announce":
                return PartyAnswered(call_id, announcement_of(request))
            case "accept":
                return PartyChose(call_id, announcement_of(request), fields.get("Digits", ""))
            case "party-status":
                ended = texml.call_result(status) if status in OVER else None
                return party_report(call_id, announcement_of(request), status, ended)
            case "after-hold":
                return HoldOver(call_id, announcement_of(request), call_over=status in OVER)
            case "stream-status":
                event = first(fields, "StreamEvent", "Event")
                key = ("stream", first(fields, "StreamSid", "StreamId"), event, fields.get("Timestamp", ""))
                failed = event == "stream-failed"
                problem = (first(fields, "StreamError", "FailureReason") or "no reason given") if failed else ""
                return StreamReport(call_id, event if event in _STREAM_EVENTS else "unknown", key, problem)
            case "call-status":
                key = ("call", call_id, status, first(fields, "SequenceNumber", "Timestamp"))
                return CallReport(call_id, status if status in _STATUSES else "unknown", key, status in OVER)
        return None

    def open_stream(self) -> TelnyxStream:
        """The conversation on a new media socket."""
        return TelnyxStream()

    def document(self, outcome: Outcome, addresses: Addresses) -> Document:
        """TeXML for this outcome. Raises ValueError for what would be refused."""
        return document_of(outcome, addresses, texml, _connect_stream, self._caller_id)

    def request(
        self, outcome: Outcome, call: CallReference, addresses: Addresses, *, now: float, nonce: str
    ) -> RestRequest | None:
        """The REST request for this outcome; None without credentials. Raises ValueError for what would be refused."""
        if self._api is None:
            return None
        match outcome:
            case EndCall():
                return self._api.update(call, {"Status": "completed"})
            case ComeBack():
                return self._api.update(call, {"Url": addresses.webhook("after-stream")})
        return self._api.update(call, {"Texml": self.document(outcome, addresses).text})

    def call_party(self, party: CallParty, call: CallReference, addresses: Addresses) -> RestRequest | None:
        """The REST request that calls somebody whom this call's caller is to meet; None without credentials.

        How long it may ring is not among the fields that are documented: that is left to us.
        """
        if self._api is None or not self._api.application:
            return None
        what = {
            "To": party.target,
            "From": self._caller_id or party.from_number,
            "Url": addresses.announcement(party.transfer),
            "StatusCallback": addresses.transfer("party-status", party.transfer),
            "StatusCallbackEvent": "initiated completed",  # the answer to this is not documented to name the call
        }
        return self._api.call(call, what)

    def cancel_party(self, call: CallReference) -> RestRequest | None:
        """The REST request that stops a telephone from ringing; None without credentials."""
        return None if self._api is None else self._api.update(call, {"Status": "completed"})

    def read_answer(self, status: int, body: bytes) -> RestAnswer:
        """What Telnyx's answer to such a request means."""
        if 200 <= status < 300:
            return RestAnswer("done")
        code, why = _error(body)
        why = " ".join(part for part in (code, why) if part) or f"HTTP status {status}"
        if status == 404 or (status == 422 and code == _ALREADY_OVER):
            return RestAnswer("gone", why)
        return RestAnswer("busy" if status == 429 or status >= 500 else "refused", why)


class _Error(msgspec.Struct):
    code: str | int = ""
    title: str = ""
    detail: str = ""


class _Errors(msgspec.Struct):
    errors: list[_Error] = []


_decode_errors = msgspec.json.Decoder(_Errors, strict=False).decode


def _error(body: bytes) -> tuple[str, str]:
    """The first error's code and what it says; empty when there is none."""
    try:
        errors = _decode_errors(body).errors
    except (ValueError, RecursionError):
        return "", ""
    return (str(errors[0].code), errors[0].detail or errors[0].title) if errors else ("", "")
