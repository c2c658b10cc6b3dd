"""What a carrier double is: how it signs, what it reads, and what it says and refuses on a media socket.

A `Carrier` holds no call and does no I/O; a `MediaStream` is one open socket's protocol, without socket or clock. What
the shell around them does (`bridge.simulator.phone_call`, `bridge.simulator.media_leg`) is the same for all.
"""

from __future__ import annotations

import abc
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal

import msgspec

from bridge.errors import BadMessage
from bridge.simulator.carriers.audio import FromPhone
from bridge.simulator.carriers.playout import Playout
from bridge.simulator.carriers.verbs import Dial, Redirect, Stream, Verb

Message = str | bytes
"""Of a media socket: text, or a binary frame."""

Problem = Literal[
    "retrieval",
    "redirects",
    "too large",
    "content type",
    "document",
    "handshake",
    "timeout",
    "refused",
    "scheme",
    "url",
]

PROBLEMS: dict[Problem, str] = {
    "retrieval": "HTTP retrieval failure",
    "redirects": "too many HTTP redirects",
    "too large": "the answer is too large",
    "content type": "invalid content type",
    "document": "document parse failure",
    "handshake": "handshake error",
    "timeout": "connection timeout",
    "refused": "connection refused",
    "scheme": "invalid URL scheme",
    "url": "invalid URL",
}


class CarrierError(BadMessage):
    """Something the server did that this carrier cannot use; its text is what the carrier's debugger would say."""

    def __init__(self, text: str, problem: Problem, status: int = 0) -> None:
        super().__init__(text)
        self.problem: Problem = problem
        self.status = status
        """The HTTP status that was answered; 0 without an answer."""


class Call(msgspec.Struct, kw_only=True, frozen=True):
    """What identifies one call to the server."""

    number: str
    called: str
    call_sid: str
    stream_sid: str
    account: str
    seed: str
    """What all identifiers were made from; the same seed gives the same call."""


def digest(text: str) -> str:
    """32 hexadecimal digits made from a text, to build identifiers of."""
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def uuid_of(text: str) -> str:
    """An identifier in the form of a UUID, made from a text."""
    hexes = digest(text)
    return "-".join((hexes[:8], hexes[8:12], hexes[12:16], hexes[16:20], hexes[20:]))


@dataclass(frozen=True, slots=True)
class Webhook:
    """A request to the server; `form` goes into the query of a GET and the body of a POST, `json` is always a body."""

    what: str
    """A word for the log."""
    method: str
    url: str
    form: Mapping[str, str] = field(default_factory=dict)
    json: Any = None


@dataclass(frozen=True, slots=True)
class Signing:
    """What is signed: the request as it goes out, and who signs when."""

    secret: str = field(repr=False)
    account: str
    method: str
    url: str
    """With its query."""
    form: Mapping[str, str]
    """The fields of a form body; empty for a GET, whose fields are in the URL."""
    body: bytes
    now: float
    """Unix time in seconds."""


StreamEvent = Literal["started", "stopped", "failed"]
DialResult = Literal["answered", "busy", "no_answer", "failed"]


@dataclass(frozen=True, slots=True)
class Warned:
    """A complaint of the carrier, as its debugger would show it; a carrier may show each only once, we keep all."""

    at: float
    code: int
    text: str


@dataclass(frozen=True, slots=True)
class Received:
    """What the server sent: `media` with its size, `mark` with its name, `clear` with the bytes it threw away."""

    at: float
    kind: Literal["media", "mark", "clear"]
    name: str = ""
    size: int = 0
    lead_ms: float = 0.0
    """How much was still queued when it came (before a clear took effect)."""


@dataclass(frozen=True, slots=True)
class Echoed:
    """A mark that is done with."""

    at: float
    name: str
    played: bool
    """False: a clear threw it out."""


class MediaStream(abc.ABC):
    """One open media stream: builds what the carrier says, plays and refuses what the server says.

    Times are seconds on the carrier's own clock. Only the phone's mu-law goes in and comes out, see `audio`.
    """

    def __init__(
        self, call: Call, stream_sid: str, verb: Stream, opened_at: float, *, echoes_marks: bool = True, seed: int = 1
    ) -> None:
        """`echoes_marks` False is a carrier that has lost its marks; `seed` stands behind what happens by chance."""
        self.call = call
        self.stream_sid = stream_sid
        self.verb = verb
        self.echoes_marks = echoes_marks
        self.seed = seed
        self.playout = Playout(verb.outward, opened_at)
        self.received: list[Received] = []
        self.echoed: list[Echoed] = []
        self.warnings: list[Warned] = []
        self._voice = FromPhone(verb.inward)
        self._sequence = 0
        self._chunk = 0

    # what the carrier says

    @abc.abstractmethod
    def connected(self) -> Message | None:
        """What is said as soon as the socket is open; None where `start` comes first."""

    @abc.abstractmethod
    def start(self) -> Message:
        """Build the message that begins the stream: who calls, and the parameters of the document."""

    @abc.abstractmethod
    def media(self, ulaw: bytes, timestamp_ms: int) -> list[Message]:
        """One frame of the caller; `timestamp_ms` counts from the start of the stream."""

    @abc.abstractmethod
    def dtmf(self, digit: str) -> Message:
        """A key the caller pressed."""

    @abc.abstractmethod
    def stop(self) -> Message | None:
        """The stream or the call has ended; None where closing the socket says so."""

    # what the server says

    @abc.abstractmethod
    def receive(self, message: Message, now: float) -> list[Message]:
        """Take one message of the server; returns what goes back at once."""

    @abc.abstractmethod
    def _mark_message(self, what: Any) -> Message:
        """A mark on its way back."""

    def _done_with(self, what: Any, at: float, played: bool, out: list[Message]) -> None:
        """Say that a mark was reached; a carrier that says it of cleared ones too adds to `out` in both cases."""
        self.echoed.append(Echoed(at, self._mark_name(what), played))
        if self.echoes_marks:
            out.append(self._mark_message(what))

    @staticmethod
    def _mark_name(what: Any) -> str:
        return str(what)

    # playing

    @property
    def heard(self) -> bytearray:
        """What came out of the caller's receiver since the stream was opened, as mu-law."""
        return self.playout.heard

    @property
    def lead_ms(self) -> float:
        """Audio queued and not yet played."""
        return self.playout.lead_ms

    @property
    def next_mark_at(self) -> float | None:
        """When the next queued mark will have been reached."""
        return self.playout.next_mark_at

    @property
    def idle(self) -> list[tuple[int, int]]:
        """Where `heard` is silent for want of audio: (first, end) sample, between audio only."""
        return self.playout.idle

    @property
    def joints(self) -> list[int]:
        """Samples of `heard` where one message followed another without a pause."""
        return self.playout.joints

    @property
    def opened_at(self) -> float:
        """When the stream began, in seconds on the line's clock."""
        return self.playout.opened_at

    def begin(self, at: float) -> None:
        """The stream begins at this time on the line's clock; to be said before anything is played."""
        self.playout.opened_at = at

    def advance(self, now: float) -> list[Message]:
        """Play until `now`; returns the marks that were reached."""
        out: list[Message] = []
        for what, at in self.playout.advance(now):
            self._done_with(what, at, True, out)
        return out

    # for those who build on this

    def _take_audio(self, data: bytes, now: float) -> None:
        self.received.append(Received(now, "media", size=len(data), lead_ms=self.lead_ms))
        self.playout.add(data)

    def _take_mark(self, what: Any, now: float, out: list[Message]) -> None:
        self.received.append(Received(now, "mark", name=self._mark_name(what), lead_ms=self.lead_ms))
        if self.playout.empty:
            self._done_with(what, now, True, out)
        else:
            self.playout.mark(what)

    def _take_clear(self, now: float, out: list[Message]) -> None:
        size = round(self.lead_ms * 8) * self.verb.outward.unit
        self.received.append(Received(now, "clear", size=size, lead_ms=self.lead_ms))
        for what in self.playout.clear():
            self._done_with(what, now, False, out)

    def _warn(self, now: float, code: int, text: str) -> None:
        self.warnings.append(Warned(now, code, f"{code} {text}" if code else text))


class Carrier(abc.ABC):
    """One phone company: everything about a call that another one does differently."""

    name: ClassVar[str]
    secret_variable: ClassVar[str]
    """The environment variable with the secret behind its signatures."""
    secret_hint: ClassVar[str]
    """What that secret is, after `the secret that`."""
    numbers: ClassVar[Mapping[Problem, int]] = {}
    """The error numbers of its debugger, where it has any."""
    webhook_agent: ClassVar[str]
    socket_agent: ClassVar[str]
    default_account: ClassVar[str]
    dial_method: ClassVar[str] = "POST"
    dial_path: ClassVar[str] = "voice"
    """The last part of the webhook's path, as this service has it."""
    signs_sockets: ClassVar[bool] = False
    """Whether the upgrade of a media socket proves by itself who opens it."""
    names_streams: ClassVar[bool] = True
    """Whether each of its messages on a media socket names the stream."""
    names_calls: ClassVar[bool] = True
    """Whether `start` names the call, besides what the document's parameters say."""
    document_types: ClassVar[tuple[str, ...]] = ("text/xml", "application/xml", "text/html", "text/plain")
    connect_attempts: ClassVar[int] = 1
    """How often it tries to open a media socket."""

    outgoing_direction: ClassVar[str] = "outbound-api"
    """The `Direction` of a call that the server has asked for."""

    def outgoing(self, webhook: Webhook) -> Webhook:
        """Return the request as one of a call that the server has asked for."""
        if "Direction" not in webhook.form:
            return webhook
        return replace(webhook, form={**webhook.form, "Direction": self.outgoing_direction})

    @abc.abstractmethod
    def new_call(self, number: str, called: str, seed: str, account: str = "") -> Call:
        """Identifiers made from a seed: the same seed gives the same call."""

    @abc.abstractmethod
    def document(self, call: Call, url: str, method: str, status: str) -> Webhook:
        """The request for a document of a call that rings (`ringing`) or goes on (`in-progress`)."""

    def redirected(self, call: Call, verb: Redirect) -> Webhook:
        """The request for the document that a document names."""
        return self.document(call, verb.url, verb.method, "in-progress")

    def after_stream(self, call: Call, verb: Stream, stream_sid: str, *, opened: bool) -> Webhook:
        """The request for the document after a stream, or instead of one that could not be opened."""
        return self.document(call, verb.action, verb.method, "in-progress")

    def after_dial(self, call: Call, verb: Dial, result: DialResult) -> Webhook:
        """The request for the document after somebody was dialled, in the words of TwiML."""
        asked = self.document(call, verb.action, verb.method, "in-progress")
        return replace(asked, form={**asked.form, "DialCallStatus": result.replace("_", "-")})

    def party_answered(self, call: Call, url: str) -> Webhook:
        """The request for what whoever was dialled hears before they are connected: a call of its own."""
        leg = msgspec.structs.replace(call, call_sid=call.call_sid[:-4] + "9999")
        asked = self.document(leg, url, "POST", "in-progress")
        return replace(asked, what="party answered", form={**asked.form, "ParentCallSid": call.call_sid})

    def stream_event(
        self, call: Call, verb: Stream, stream_sid: str, event: StreamEvent, error: str, now: float
    ) -> Webhook | None:
        """The status callback of a stream, if the document asked for one; `now` is unix time."""
        return None

    def call_event(self, call: Call, url: str, status: str, number: int, seconds: int, now: float) -> Webhook | None:
        """The status callback of a call: its status for the `number`-th time, after so many seconds."""
        return self.document(call, url, "POST", status)

    @abc.abstractmethod
    def sign(self, what: Signing) -> dict[str, str]:
        """The headers that prove who sends a webhook."""

    def sign_socket(self, what: Signing, verb: Stream) -> dict[str, str]:
        """The headers that prove who opens a media socket."""
        return {}

    def read(self, content_type: str, body: str) -> list[Verb]:
        """Read a document. Raises CarrierError when the carrier would refuse it."""
        if content_type in self.document_types:
            return self.read_document(body)
        raise self.error("content type", f"{content_type or 'none'!r}, expected {self.document_types[0]}")

    @abc.abstractmethod
    def read_document(self, body: str) -> list[Verb]:
        """Read a document of the right type. Raises CarrierError when the carrier would refuse it."""

    @abc.abstractmethod
    def open_stream(
        self, call: Call, stream_sid: str, verb: Stream, opened_at: float, *, echoes_marks: bool = True, seed: int = 1
    ) -> MediaStream:
        """A stream on a socket that was just opened."""

    def told_to_server(self, secret: str) -> str:
        """What the server must be told beside the secret, for people; empty where both sides share it."""
        return ""

    def error(self, problem: Problem, detail: str, *, number: int = 0, status: int = 0) -> CarrierError:
        """An error as this carrier words it, with its number where it has one."""
        number = number or self.numbers.get(problem, 0)
        head = f"{number} " if number else f"{self.name.title()}: "
        return CarrierError(f"{head}{PROBLEMS[problem]}: {detail}", problem, status)


def compact(fields: Mapping[str, Any]) -> str:
    """JSON without spaces, as carriers send it."""
    return json.dumps(fields, separators=(",", ":"))
