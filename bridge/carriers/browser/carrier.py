"""A web page as a carrier: the browser phone, for whoever has a microphone and no carrier's account.

The page does what a carrier does: it posts a webhook, gets a document (JSON here), opens the media socket, speaks the
media messages of a real carrier on it. So a call of the phone takes the way of every other call. What a carrier
proves by a signature the page proves by the cookie of its login (`bridge.console.login`).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from urllib.parse import urlsplit

from bridge.carriers.addresses import Addresses
from bridge.carriers.base import (
    Announce,
    Apologise,
    CallReference,
    ComeBack,
    EndCall,
    ForwardCall,
    LineBusy,
    NotGenuine,
    OpenStream,
    Outcome,
    Pacing,
    RestAnswer,
    Ringing,
    StreamOver,
    Webhook,
)
from bridge.carriers.conference import AskParty, CallParty, HoldCall, HoldMusic, JoinRoom
from bridge.carriers.twilio.messages import TwilioStream
from bridge.carriers.web import JSON, CarrierRequest, Document, RestRequest, UnreadableRequest

ACCOUNT = "console"
LoggedIn = Callable[[str, float], bool]
"""Whether the `Cookie` header of a request holds a login that is good at this Unix time."""


class BrowserCarrier:
    """The browser phone (`bridge.carriers.base.Carrier`)."""

    name = "browser"
    routes = ("voice", "after-stream")
    pacing = Pacing()
    signature_headers = ("cookie",)
    subprotocols: tuple[str, ...] = ()

    def __init__(self, logged_in: LoggedIn) -> None:
        self._logged_in = logged_in

    def check_webhook(self, request: CarrierRequest, now: float) -> None:
        """Raise NotGenuine unless our own page sent this, logged in."""
        self._check(request, now)

    def check_socket(self, request: CarrierRequest, now: float) -> None:
        """Raise NotGenuine unless our own page opens the socket, logged in."""
        self._check(request, now)

    def _check(self, request: CarrierRequest, now: float) -> None:
        if not self._logged_in(request.headers.get("cookie", ""), now):
            raise NotGenuine("not_logged_in")
        origin = request.headers.get("origin", "")
        ours = {urlsplit(request.url).netloc, request.headers.get("host", "")}
        if origin and urlsplit(origin).netloc not in ours - {""}:  # a page in a sandbox says `null`
            raise NotGenuine("foreign_page")

    def read_webhook(self, route: str, request: CarrierRequest) -> Webhook | None:
        """What the page says. Raises UnreadableRequest when a call rings without a name."""
        fields = request.fields
        call_id = fields.get("call_id", "")
        if not call_id:
            raise UnreadableRequest("call_id is required")
        match route:
            case "voice":
                return Ringing(call_id, ACCOUNT, fields.get("from", "")[:80], fields.get("to", "")[:80])
            case "after-stream":
                return StreamOver(call_id, fields.get("over") == "true", fields.get("to", "")[:80])
        return None

    def open_stream(self) -> TwilioStream:
        """The conversation on a new media socket."""
        return TwilioStream()

    def document(self, outcome: Outcome, addresses: Addresses) -> Document:
        """What the page is to do, as a JSON object with the member `do`. Raises ValueError for what means nothing."""
        match outcome:
            case OpenStream(_, parameters):
                return _document({"do": "stream", "url": addresses.media, "parameters": parameters})
            case ComeBack():
                return _document({"do": "ask", "url": addresses.webhook("after-stream")})
            case EndCall():
                return _document({"do": "hang_up"})
            case ForwardCall(target):
                if not target.strip():
                    raise ValueError("a call is forwarded to somebody")
                return _document({"do": "forward", "target": target})
            case Apologise(text) | Announce(text):
                return _document({"do": "say", "text": text})
            case LineBusy(text):
                return _document({"do": "busy", "text": text})
            case HoldCall() | HoldMusic() | AskParty() | JoinRoom():
                raise ValueError("a page has no rooms to wait in")

    def request(
        self, outcome: Outcome, call: CallReference, addresses: Addresses, *, now: float, nonce: str
    ) -> RestRequest | None:
        """None: nobody can be reached at a browser but over its socket."""
        return None

    def call_party(self, party: CallParty, call: CallReference, addresses: Addresses) -> RestRequest | None:
        """None: nobody is met in a room here."""
        return None

    def cancel_party(self, call: CallReference) -> RestRequest | None:
        """None: nobody is called from here."""
        return None

    def read_answer(self, status: int, body: bytes) -> RestAnswer:
        """What the answer to a request means; there is none here."""
        return RestAnswer("done" if status < 300 else "refused", "" if status < 300 else f"HTTP {status}")


def _document(told: dict[str, object]) -> Document:
    return Document(json.dumps(told), JSON)
