"""Twilio as a carrier: Media Streams opened by a TwiML document, calls ended by closing them or by REST.

Source: https://www.twilio.com/docs/voice/media-streams, https://www.twilio.com/docs/voice/twiml/stream
"""

from __future__ import annotations

from collections.abc import Sequence

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
)
from bridge.carriers.conference import ROOM_ROUTES, CallParty, HoldOver, PartyAnswered, PartyChose, party_report
from bridge.carriers.documents import document_of
from bridge.carriers.twilio import documents as twiml
from bridge.carriers.twilio import signatures
from bridge.carriers.twilio.messages import TwilioStream
from bridge.carriers.twilio.requests import CallsApi, read_answer
from bridge.carriers.web import CarrierRequest, Document, RestRequest, UnreadableRequest

OVER = frozenset({"completed", "busy", "failed", "no-answer", "canceled"})
"""Statuses of a call of which nothing more will be heard."""
_STATUSES = OVER | {"queued", "initiated", "ringing", "in-progress"}
_STREAM_EVENTS = frozenset({"stream-started", "stream-stopped", "stream-error"})
_LONGEST_ADDRESS = 400
"""Of a SIP caller; a stream parameter has room for 500 characters with its name."""


class TwilioCarrier:
    """One Twilio account (`bridge.carriers.base.Carrier`). `tokens` check signatures, `api` ends and moves calls."""

    name = "twilio"
    routes = ("voice", "after-stream", "after-dial", "announce", *ROOM_ROUTES, "stream-status", "call-status")
    pacing = Pacing()
    signature_headers = (signatures.SIGNATURE,)
    subprotocols: tuple[str, ...] = ()

    def __init__(self, tokens: Sequence[str], *, api: CallsApi | None = None, caller_id: str = "") -> None:
        self._tokens = tuple(tokens)
        self._api = api
        self._caller_id = caller_id

    def check_webhook(self, request: CarrierRequest, now: float) -> None:
        """Raise NotGenuine unless one of the account's tokens signed the webhook."""
        signatures.check_webhook(self._tokens, request)

    def check_socket(self, request: CarrierRequest, now: float) -> None:
        """Raise NotGenuine unless one of the account's tokens signed the handshake."""
        signatures.check_socket(self._tokens, request)

    def read_webhook(self, route: str, request: CarrierRequest) -> Webhook | None:
        """What a genuine webhook says. Raises UnreadableRequest when a call rings without its names."""
        fields = request.fields
        call_sid, status = fields.get("CallSid", ""), fields.get("CallStatus", "")
        match route:
            case "voice":
                account_sid = fields.get("AccountSid", "")
                if not call_sid or not account_sid:
                    raise UnreadableRequest("CallSid and AccountSid are required")
                caller, called = fields.get("From", ""), fields.get("To", "")
                return Ringing(call_sid, account_sid, caller[:_LONGEST_ADDRESS], called[:_LONGEST_ADDRESS])
            case "after-stream":
                return StreamOver(call_sid, status in OVER, fields.get("To", "")[:_LONGEST_ADDRESS])
            case "after-dial":
                return ForwardOver(
                    call_sid,
                    fields.get("AccountSid", ""),
                    twiml.dial_result(fields.get("DialCallStatus", "")),
                    fields.get("From", "")[:_LONGEST_ADDRESS],
                    fields.get("To", "")[:_LONGEST_ADDRESS],
                    call_over=status in OVER,
                )
            case "announce":
                return PartyAnswered(call_sid, announcement_of(request))
            case "accept":
                return PartyChose(call_sid, announcement_of(request), fields.get("Digits", ""))
            case "party-status":
                ended = twiml.call_result(status) if status in OVER else None
                return party_report(call_sid, announcement_of(request), status, ended)
            case "after-hold":
                return HoldOver(call_sid, announcement_of(request), call_over=status in OVER)
            case "stream-status":
                event = fields.get("StreamEvent", "")
                key = ("stream", fields.get("StreamSid", ""), event, fields.get("Timestamp", ""))
                known = event if event in _STREAM_EVENTS else "unknown"
                failed = event == "stream-error"
                problem = (fields.get("StreamError", "") or "no reason given") if failed else ""
                return StreamReport(call_sid, known, key, problem)
            case "call-status":
                key = ("call", call_sid, status, fields.get("SequenceNumber", ""))
                return CallReport(call_sid, status if status in _STATUSES else "unknown", key, status in OVER)
        return None

    def open_stream(self) -> TwilioStream:
        """The conversation on a new media socket."""
        return TwilioStream()

    def document(self, outcome: Outcome, addresses: Addresses) -> Document:
        """TwiML for this outcome. Raises ValueError for what would be refused."""
        return document_of(outcome, addresses, twiml, twiml.connect_stream, self._caller_id)

    def request(
        self, outcome: Outcome, call: CallReference, addresses: Addresses, *, now: float, nonce: str
    ) -> RestRequest | None:
        """The REST request for this outcome; None without credentials. Raises ValueError for what would be refused."""
        if self._api is None:
            return None
        match outcome:
            case EndCall():
                return self._api.hang_up(call.call_id)
            case ComeBack():
                return self._api.fetch_document(call.call_id, addresses.webhook("after-stream"))
        return self._api.replace_document(call.call_id, self.document(outcome, addresses))

    def call_party(self, party: CallParty, call: CallReference, addresses: Addresses) -> RestRequest | None:
        """The REST request that calls somebody whom this call's caller is to meet; None without credentials."""
        if self._api is None:
            return None
        return self._api.call(
            party.target,
            self._caller_id or party.from_number,
            url=addresses.announcement(party.transfer),
            told=addresses.transfer("party-status", party.transfer),
            rings_s=party.rings_s,
        )

    def cancel_party(self, call: CallReference) -> RestRequest | None:
        """The REST request that stops a telephone from ringing; None without credentials."""
        return None if self._api is None else self._api.hang_up(call.call_id)

    def read_answer(self, status: int, body: bytes) -> RestAnswer:
        """What Twilio's answer to such a request means."""
        return read_answer(status, body)
