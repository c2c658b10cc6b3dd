"""What a carrier is, in one page. Whoever implements `Carrier` and `MediaStream` can bring calls to this service.

A carrier is pure: it holds settings and secrets, but no socket, no clock and no chance. Requests come in as data
(`bridge.carriers.web`), the time is passed in, documents and requests go out as data, and `bridge.gateway` moves them.
`tests/carriers/contract.py` is this page as tests, which every carrier passes.

A call, in the order of what happens:

1. The carrier posts a webhook. `check_webhook` says whether it is genuine, `read_webhook` what it is: here `Ringing`.
   The answer is `document(OpenStream(...))`, with a one-time ticket of ours among the parameters.
2. The carrier opens the media socket at `Addresses.media`: `check_socket`, then one `open_stream()` for this socket.
3. `read_text` and `read_binary` turn its messages into `StreamStarted` (with our parameters), `CallerAudio`,
   `KeyPressed`, `MarkReturned` and `StreamStopped`; `audio`, `mark` and `clear` write ours.
4. We leave by `request(outcome)`, the carrier's REST API, where credentials allow it. Otherwise we close the socket,
   and the carrier asks by a webhook, `StreamOver`, what to do next: `document(outcome)`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple, Protocol

import msgspec

from bridge.audio.formats import AudioFormat
from bridge.carriers.addresses import Addresses
from bridge.carriers.conference import CallParty, PartyResult, RoomOutcome, RoomWebhook
from bridge.carriers.web import CarrierRequest, Document, RestRequest
from bridge.errors import BadMessage

KEYS = frozenset("0123456789*#ABCD")
"""What a keypad can send (ITU-T Q.23)."""


# -- what is to become of a call ---------------------------------------------------------------------


class OpenStream(msgspec.Struct, frozen=True, tag="open_stream"):
    """Answer the call and open a two-way media stream, which brings these parameters back in its `start`."""

    call_id: str
    parameters: dict[str, str]


class ComeBack(msgspec.Struct, frozen=True, tag="come_back"):
    """Ask us again what to do, at once: another process of ours will go on with the call.

    `account_id` and `parameters` are those of the call's first stream; whoever is asked opens another with them.
    """

    call_id: str
    account_id: str = ""
    parameters: dict[str, str] = {}


class EndCall(msgspec.Struct, frozen=True, tag="end_call"):
    """The call is over: the carrier hangs up."""


class ForwardCall(msgspec.Struct, frozen=True, tag="forward_call"):
    """The caller goes on to another party: a number, or a `sip:` address.

    `come_back`: when that party cannot be reached, we are asked what to do next (`ForwardOver`) for the call `call_id`.
    """

    target: str
    come_back: bool = False
    call_id: str = ""
    summary: str = ""
    """What that party is told before they hear the caller, where the carrier can; it stays with us until then."""
    announcement: str = ""
    """The name under which we are asked for the summary (`PartyAnswered`); empty: nothing is told."""
    language: str = ""
    """The language of the summary, as `de-DE`; empty: whatever the carrier's own voice speaks."""


class Announce(msgspec.Struct, frozen=True, tag="announce"):
    """The carrier's own voice tells the party who has answered a forwarded call, and then connects them."""

    text: str
    language: str = ""


class Apologise(msgspec.Struct, frozen=True, tag="apologise"):
    """We cannot speak any more: the carrier's own voice says it for us, and the call is over."""

    text: str


class LineBusy(msgspec.Struct, frozen=True, tag="line_busy"):
    """There is no room for this call: the carrier's own voice says so, and the call is over."""

    text: str = ""
    """Empty: a busy tone, where the carrier can give one."""


Outcome = OpenStream | ComeBack | EndCall | ForwardCall | Announce | Apologise | LineBusy | RoomOutcome


# -- what a carrier says by webhook --------------------------------------------------------------------


class Ringing(msgspec.Struct, frozen=True):
    """A call comes in and waits for an answer."""

    call_id: str
    account_id: str
    from_number: str = ""
    to_number: str = ""


class StreamOver(msgspec.Struct, frozen=True):
    """A call's media stream has ended, or never began: what next? Answered with a document."""

    call_id: str
    call_over: bool = False
    """The caller has gone: nothing will be heard any more."""
    to_number: str = ""
    """Empty where the carrier does not say it again."""


class ForwardOver(msgspec.Struct, frozen=True):
    """The party that a call was forwarded to has hung up, or was not reached: what next? Answered with a document."""

    call_id: str
    account_id: str
    result: PartyResult
    from_number: str = ""
    to_number: str = ""
    call_over: bool = False
    """The caller has gone."""


class StreamReport(msgspec.Struct, frozen=True):
    """How a media stream fares. The same report may come twice, and `key` is the same then."""

    call_id: str
    status: str
    """One of the carrier's own words, or `unknown`: a metrics label."""
    key: tuple[str, ...]
    problem: str = ""
    """Why the stream failed; empty when it did not."""


class CallReport(msgspec.Struct, frozen=True):
    """How a call fares. The same report may come twice, and `key` is the same then."""

    call_id: str
    status: str
    """One of the carrier's own words, or `unknown`: a metrics label."""
    key: tuple[str, ...]
    call_over: bool = False


Webhook = Ringing | StreamOver | ForwardOver | RoomWebhook | StreamReport | CallReport


# -- what a carrier says on the media socket -------------------------------------------------------------


class StreamStarted(msgspec.Struct, frozen=True):
    """The stream begins: whose it is, and what our document passed along."""

    call_id: str
    account_id: str
    stream_id: str
    parameters: dict[str, str]


class CallerAudio(msgspec.Struct, frozen=True):
    """Audio of the caller in the stream's `caller_format`: 20 ms as a rule, but any length is legal, none included."""

    audio: bytes
    sequence: int = -1
    """Counts the messages of audio; -1 when it was not told."""
    timestamp_ms: int = -1
    """Place on the carrier's own clock, gaps are lost audio; -1 when it was not told."""


class KeyPressed(msgspec.Struct, frozen=True):
    """The caller pressed a key: one of `KEYS`."""

    digit: str


class MarkReturned(msgspec.Struct, frozen=True):
    """A mark came back: playout reached it, a clear threw it out, or this carrier does not say which."""

    name: str
    how: Literal["played", "cleared", "unknown"]


class StreamStopped(msgspec.Struct, frozen=True):
    """The stream, or the call, is over."""


class OtherMessage(msgspec.Struct, frozen=True):
    """An event that we do not know, and pass over: carriers add events without notice."""

    event: str


StreamEvent = StreamStarted | CallerAudio | KeyPressed | MarkReturned | StreamStopped | OtherMessage


class StreamViolation(BadMessage):
    """A message that is none of this stream's protocol. `kind` is a metrics label."""

    def __init__(
        self, kind: Literal["bad_message", "binary_frame", "wrong_stream", "unsupported_format"], message: str
    ) -> None:
        super().__init__(message)
        self.kind = kind


class SocketMessage(NamedTuple):
    """One WebSocket message of ours."""

    payload: bytes
    binary: bool = False


class MediaStream(Protocol):
    """The conversation on one media socket, without the socket: what it knows, it has read in messages."""

    caller_format: AudioFormat
    """The codec and rate of what the caller says; certain from `StreamStarted` on."""
    our_format: AudioFormat
    """The codec and rate of what `audio` takes."""
    odd_fields: int
    """How many messages had something odd that nobody needs, such as an unknown key, and were passed over for it."""

    def read_text(self, data: bytes) -> StreamEvent | None:
        """Read a text message; None when it means nothing to us (yet). Raises StreamViolation."""
        ...

    def read_binary(self, data: bytes) -> StreamEvent | None:
        """Read a binary message; None when it means nothing to us (yet). Raises StreamViolation."""
        ...

    def audio(self, audio: bytes) -> Sequence[SocketMessage]:
        """Queue audio in `our_format` at the carrier; a rest that is too short for a message is kept for the next."""
        ...

    def mark(self, name: str) -> Sequence[SocketMessage]:
        """Ask to be told when everything queued so far has been played; a kept rest is sent first, with silence."""
        ...

    def clear(self) -> Sequence[SocketMessage]:
        """Make the carrier forget what it has not played yet; a kept rest is dropped."""
        ...


# -- the carrier itself --------------------------------------------------------------------------------


class Pacing(msgspec.Struct, frozen=True):
    """How audio must be sent to a carrier, and what it tells about playing it."""

    message_ms: int = 80
    """Audio in one message, a multiple of `frame_ms`; an utterance's last may be shorter."""
    frame_ms: int = 1
    """A message is a multiple of this; an utterance's last is filled up with silence."""
    lead_max_ms: int | None = None
    """More than this may not wait at the carrier; None where nothing is known against it."""
    can_clear: bool = True
    """Whether queued audio can be taken back; if not, the lead must be short."""
    marks: Literal["none", "played_or_cleared", "played", "told_apart"] = "played_or_cleared"
    """Whether marks come back: those cleared as well, only those played, or each with a word which of these it was."""
    says_stop: bool = True
    """Whether a message announces the end of a stream; if not, an orderly close is the end."""
    reconnects: bool = False
    """Whether a lost socket is opened again for the same call, with a second `start`."""


DEFAULT_PACING = Pacing()


class CallReference(msgspec.Struct, frozen=True):
    """Which call a REST request is about."""

    call_id: str
    account_id: str


class RestAnswer(msgspec.Struct, frozen=True):
    """How a REST request ended.

    `gone` is as good as `done` when hanging up: the call has ended already. `busy` may succeed when
    sent again a little later, `refused` never will.
    """

    outcome: Literal["done", "gone", "busy", "refused"]
    why: str = ""
    """What the carrier says about it, else the HTTP status; empty when done."""
    call_id: str = ""
    """The name of the call that was placed, where the answer tells it: what `Carrier.cancel_party` takes."""


class NotGenuine(BadMessage):
    """A request that this carrier did not send, as far as can be told. `why` is a metrics label."""

    def __init__(self, why: str) -> None:
        super().__init__(f"not the carrier's: {why.replace('_', ' ')}")
        self.why = why


class Carrier(Protocol):
    """A company that brings us phone calls."""

    @property
    def name(self) -> str:
        """The carrier's name in paths, metrics and tickets: lower-case letters."""
        ...

    @property
    def routes(self) -> tuple[str, ...]:
        """The webhooks' paths below `/{name}/`, GET and POST; `/{name}/media` is the media socket."""
        ...

    @property
    def pacing(self) -> Pacing:
        """How audio is sent to this carrier."""
        ...

    @property
    def signature_headers(self) -> tuple[str, ...]:
        """Headers, in lower case, of which a genuine webhook has at least one: without them no body is read."""
        ...

    @property
    def subprotocols(self) -> tuple[str, ...]:
        """WebSocket subprotocols of which the media socket must choose one; none where the carrier offers none."""
        ...

    def check_webhook(self, request: CarrierRequest, now: float) -> None:
        """Raise NotGenuine unless this carrier sent the request; UnreadableRequest if that cannot be told.

        `now` is Unix time, for signatures that grow old.
        """
        ...

    def check_socket(self, request: CarrierRequest, now: float) -> None:
        """Raise NotGenuine unless this carrier opens the media socket, where it has a way to show that."""
        ...

    def read_webhook(self, route: str, request: CarrierRequest) -> Webhook | None:
        """What a genuine webhook says; None for what needs no answer but 204. Raises UnreadableRequest."""
        ...

    def open_stream(self) -> MediaStream:
        """The conversation on a new media socket."""
        ...

    def document(self, outcome: Outcome, addresses: Addresses) -> Document:
        """Instructions for this outcome, in answer to a webhook. Raises ValueError for what would be refused."""
        ...

    def request(
        self, outcome: Outcome, call: CallReference, addresses: Addresses, *, now: float, nonce: str
    ) -> RestRequest | None:
        """A REST request that carries out this outcome on a call in progress; its media stream ends by that.

        None where credentials are missing or the API cannot do it: then closing the stream must do. `now` is Unix
        time and `nonce` a random text, for requests that are signed. Raises ValueError for what would be refused.
        """
        ...

    def call_party(self, party: CallParty, call: CallReference, addresses: Addresses) -> RestRequest | None:
        """A REST request that calls somebody whom this call's caller is to meet (`bridge.carriers.conference`).

        None where credentials are missing, or the carrier has no rooms.
        """
        ...

    def cancel_party(self, call: CallReference) -> RestRequest | None:
        """A REST request that stops a telephone from ringing: one that `call_party` has called, and nobody answered."""
        ...

    def read_answer(self, status: int, body: bytes) -> RestAnswer:
        """What the HTTP answer to such a request means; the body may be anything."""
        ...


def with_plus(number: str) -> str:
    """A number as E.164 writes it, from carriers that leave out the plus; anything else as it is."""
    return f"+{number}" if number.isascii() and number.isdigit() and 7 <= len(number) <= 15 else number


def first(fields: Mapping[str, str], *names: str) -> str:
    """The first of these fields that is there and not empty; else an empty text."""
    return next((fields[name] for name in names if fields.get(name)), "")
