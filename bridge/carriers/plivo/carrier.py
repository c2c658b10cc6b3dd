"""Plivo as a carrier: audio streams opened by an XML document, calls ended by closing them or by REST.

Source: https://www.plivo.com/docs/voice/xml/audiostream , plivo-python 4.63.0.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from typing import Literal
from urllib.parse import quote

import msgspec

from bridge.carriers.addresses import Addresses, announcement_of
from bridge.carriers.base import (
    CallReference,
    CallReport,
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
    with_plus,
)
from bridge.carriers.conference import ROOM_ROUTES, CallParty, HoldOver, PartyAnswered, PartyChose, party_report
from bridge.carriers.documents import document_of
from bridge.carriers.json_text import text_of
from bridge.carriers.plivo import documents as xml
from bridge.carriers.plivo import signatures
from bridge.carriers.plivo.messages import PlivoStream
from bridge.carriers.web import JSON, CarrierRequest, Document, RestRequest, UnreadableRequest

OVER = frozenset({"completed", "busy", "failed", "timeout", "no-answer", "cancel"})
"""Statuses of a call of which nothing more will be heard."""
_STATUSES = OVER | {"ringing", "in-progress"}
_DIALLED: dict[str, Literal["answered", "busy", "no_answer", "failed"]] = {
    "completed": "answered",
    "busy": "busy",
    "timeout": "no_answer",
    "no-answer": "no_answer",
}
"""DialStatus, see https://www.plivo.com/docs/voice/xml/dial; `failed` and `cancel` are failures."""
_STREAM_EVENTS = frozenset(
    {"StartStream", "StopStream", "DroppedStream", "DegradedStream", "PlayedStream", "ClearedAudio"}
)
_PROBLEMS = frozenset({"DroppedStream", "DegradedStream"})
_LONGEST_ADDRESS = 50
"""Bytes of a SIP caller: all extra headers of a stream share 512."""


class CallApi(msgspec.Struct, frozen=True):
    """Plivo's API about calls: where it is, and the account that may use it."""

    base_url: str
    auth_id: str
    auth_token: str

    def request(self, method: str, call_id: str, what: Mapping[str, str | int] | None = None) -> RestRequest:
        """A request about one call; about a new one where `call_id` is empty."""
        return self._asked(method, f"Call/{quote(call_id, safe='')}/" if call_id else "Call/", what)

    def cancel(self, request_id: str) -> RestRequest:
        """Take back the request for a call that still rings."""
        return self._asked("DELETE", f"Request/{quote(request_id, safe='')}/")

    def _asked(self, method: str, path: str, what: Mapping[str, str | int] | None = None) -> RestRequest:
        credentials = b64encode(f"{self.auth_id}:{self.auth_token}".encode()).decode()
        return RestRequest(
            method,
            f"{self.base_url.rstrip('/')}/v1/Account/{quote(self.auth_id, safe='')}/{path}",
            {"Authorization": f"Basic {credentials}"} | ({"Content-Type": JSON} if what else {}),
            msgspec.json.encode(what) if what else b"",
        )


class PlivoCarrier:
    """One Plivo account (`bridge.carriers.base.Carrier`). `tokens` check signatures, `api` ends and moves calls."""

    name = "plivo"
    routes = ("voice", "after-stream", "after-dial", "announce", *ROOM_ROUTES, "stream-status", "call-status")
    pacing = Pacing(marks="played", says_stop=False)
    signature_headers = (signatures.SIGNATURE, signatures.MAIN_SIGNATURE)
    subprotocols: tuple[str, ...] = ()

    def __init__(self, tokens: Sequence[str], *, api: CallApi | None = None, caller_id: str = "") -> None:
        self._tokens = tuple(tokens)
        self._api = api
        self._caller_id = caller_id

    def check_webhook(self, request: CarrierRequest, now: float) -> None:
        """Raise NotGenuine unless one of the account's tokens signed the webhook."""
        signatures.check_webhook(self._tokens, request)

    def check_socket(self, request: CarrierRequest, now: float) -> None:
        """Accept it: no signature of handshakes is documented, the ticket in `start` is the proof."""

    def read_webhook(self, route: str, request: CarrierRequest) -> Webhook | None:
        """What a genuine webhook says. Raises UnreadableRequest when a call rings without its name."""
        fields = request.fields
        call_id, status = fields.get("CallUUID", ""), fields.get("CallStatus", "")
        match route:
            case "voice":
                if not call_id:
                    raise UnreadableRequest("CallUUID is required")
                caller, called = (with_plus(_short(fields.get(name, ""))) for name in ("From", "To"))
                return Ringing(call_id, fields.get("ParentAuthID", ""), caller, called)
            case "after-stream":
                return StreamOver(call_id, status in OVER, with_plus(_short(fields.get("To", ""))))
            case "after-dial":
                result = _DIALLED.get(fields.get("DialStatus", ""), "failed")
                caller, called = (with_plus(_short(fields.get(name, ""))) for name in ("From", "To"))
                account = fields.get("ParentAuthID", "")
                return ForwardOver(call_id, account, result, caller, called, call_over=status in OVER)
            case "announce":
                return PartyAnswered(call_id, announcement_of(request))
            case "accept":
                return PartyChose(call_id, announcement_of(request), fields.get("Digits", ""))
            case "party-status":
                ended = _DIALLED.get(status, "failed") if status in OVER else None
                return party_report(call_id, announcement_of(request), status, ended)
            case "after-hold":
                return HoldOver(call_id, announcement_of(request), call_over=status in OVER)
            case "stream-status":
                event = fields.get("Event", "")
                key = ("stream", first(fields, "StreamID", "StreamId"), event, fields.get("Timestamp", ""))
                problem = (first(fields, "Reason") or "no reason given") if event in _PROBLEMS else ""
                return StreamReport(call_id, event if event in _STREAM_EVENTS else "unknown", key, problem)
            case "call-status":
                key = ("call", call_id, status, fields.get("Event", ""))
                return CallReport(call_id, status if status in _STATUSES else "unknown", key, status in OVER)
        return None

    def open_stream(self) -> PlivoStream:
        """The conversation on a new media socket."""
        return PlivoStream()

    def document(self, outcome: Outcome, addresses: Addresses) -> Document:
        """XML for this outcome. Raises ValueError for what would be refused."""
        return document_of(outcome, addresses, xml, xml.connect_stream, self._caller_id)

    def request(
        self, outcome: Outcome, call: CallReference, addresses: Addresses, *, now: float, nonce: str
    ) -> RestRequest | None:
        """The REST request for this outcome; None without credentials.

        But for hanging up, the API takes an address of ours, not a document: we are asked there what to do.
        """
        if self._api is None:
            return None
        if isinstance(outcome, EndCall):
            return self._api.request("DELETE", call.call_id)
        where = {"legs": "aleg", "aleg_url": addresses.webhook("after-stream"), "aleg_method": "POST"}
        return self._api.request("POST", call.call_id, where)

    def call_party(self, party: CallParty, call: CallReference, addresses: Addresses) -> RestRequest | None:
        """The REST request that calls somebody whom this call's caller is to meet; None without credentials.

        Source: https://docs.plivo.com/docs/voice/api/call/make-a-call
        """
        if self._api is None:
            return None
        what: dict[str, str | int] = {
            "from": (self._caller_id or party.from_number).removeprefix("+"),
            "to": party.target.removeprefix("+"),
            "answer_url": addresses.announcement(party.transfer),
            "answer_method": "POST",
            "hangup_url": addresses.transfer("party-status", party.transfer),
            "hangup_method": "POST",
            "hangup_on_ring": party.rings_s,
        }
        return self._api.request("POST", "", what)

    def cancel_party(self, call: CallReference) -> RestRequest | None:
        """The REST request that stops a telephone from ringing; None without credentials.

        Until somebody answers there is only the request for a call, and that is what is taken back.
        Source: https://docs.plivo.com/docs/voice/api/call/hangup-a-call
        """
        return None if self._api is None else self._api.cancel(call.call_id)

    def read_answer(self, status: int, body: bytes) -> RestAnswer:
        """What Plivo's answer to such a request means."""
        try:
            told = msgspec.json.decode(body)
        except (ValueError, RecursionError):
            told = None
        if 200 <= status < 300:
            return RestAnswer("done", call_id=text_of(told, "request_uuid"))
        why = text_of(told, "error") or f"HTTP status {status}"
        if status == 404:
            return RestAnswer("gone", why)
        return RestAnswer("busy" if status == 429 or status >= 500 else "refused", why)


def _short(address: str) -> str:
    return address.encode("utf-8", "replace")[:_LONGEST_ADDRESS].decode("utf-8", "ignore")
