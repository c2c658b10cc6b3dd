"""What the protocol of a hosted voice is: messages or a request out, events in; without socket, task or clock.

A `VoiceWire` serves one WebSocket, on which one text or several are spoken at once, each under a name of ours, its
*context*. An `HttpVoiceWire` serves one request and its answer. Times of words are milliseconds from the first sample
of the context.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

import msgspec

from bridge.audio.formats import AudioFormat
from bridge.errors import VoiceBusy, VoiceError, VoiceLost, kind_of_status
from bridge.speaking.voices.base import SpeechRequest

Message = str | bytes
_BUSY_S = 0.5
"""When to ask again whoever is busy and does not say when."""


class VoiceAddress(msgspec.Struct, frozen=True):
    """Where to connect, and with what in the handshake; connections to equal addresses serve each other's texts."""

    url: str
    headers: dict[str, str] = {}


class TimedText(msgspec.Struct, frozen=True):
    """A piece of the spoken text, a word or less, and when it is heard."""

    text: str
    start_ms: float
    end_ms: float


class WordTimes(msgspec.Struct):
    """Words in seconds, in three lists, as several vendors send them."""

    words: tuple[str, ...] = ()
    start: tuple[float, ...] = ()
    end: tuple[float, ...] = ()

    def timed(self) -> tuple[TimedText, ...]:
        """Return the words in milliseconds. Raises ValueError for lists that differ in length."""
        if not len(self.words) == len(self.start) == len(self.end):
            raise ValueError("word times whose lists differ in length")
        spans = zip(self.words, self.start, self.end, strict=True)
        return tuple(TimedText(word, start * 1000, end * 1000) for word, start, end in spans)


class SpeechAudio(msgspec.Struct, frozen=True):
    """More audio of a context, in any number of bytes."""

    context: str
    data: bytes


class SpeechTimes(msgspec.Struct, frozen=True):
    """More of a context's text is placed in time."""

    context: str
    pieces: tuple[TimedText, ...]


class SpeechDone(msgspec.Struct, frozen=True):
    """All of a context was spoken, and its place is free."""

    context: str


class ContextFreed(msgspec.Struct, frozen=True):
    """A cancelled context's place is free; no more of it comes."""

    context: str


class SpeechRefused(msgspec.Struct, frozen=True):
    """A context has failed, or with an empty name all of the connection."""

    context: str
    error: VoiceError
    closes: bool = False
    """The connection is of no more use for other texts."""


VoiceEvent = SpeechAudio | SpeechTimes | SpeechDone | ContextFreed | SpeechRefused


class VoiceTraits(msgspec.Struct, frozen=True, kw_only=True):
    """What connection and provider have to know of a protocol."""

    contexts: int = 1
    """Texts at once on one connection."""
    places_words: bool = True
    confirms_cancel: bool = True
    """A cancelled context's place is free when the service says so; otherwise at once."""
    reusable: bool = True
    """A connection serves more texts after its first."""
    idle_s: float = 60.0
    """A connection without a text for so long is replaced before the service closes it."""
    oldest_s: float = 3000.0
    """An older connection gets no new text."""
    texts_a_minute: int = 0
    """A connection gets no more; 0: as many as come."""
    longest_text: int = 1000
    """Characters of one message."""


class VoiceWire(ABC):
    """The protocol of one connection, as a vendor speaks it."""

    traits = VoiceTraits()

    @abstractmethod
    def address(self, request: SpeechRequest, key: str) -> VoiceAddress:
        """Return where such a text is spoken."""

    def gives(self, wanted: AudioFormat) -> AudioFormat:
        """Return the format in which audio comes where this one is wanted."""
        return wanted

    def opening(self) -> Sequence[Message]:
        """Say who we are, right after the handshake."""
        return ()

    def begin(self, context: str, request: SpeechRequest) -> Sequence[Message]:
        """Open a context, whose voice and format are the request's."""
        return ()

    @abstractmethod
    def text(self, context: str, text: str) -> Sequence[Message]:
        """Add text, which ends between two words."""

    def flush(self, context: str) -> Sequence[Message]:
        """Have the text so far spoken; a hint."""
        return ()

    @abstractmethod
    def end(self, context: str) -> Sequence[Message]:
        """Say that there is no more text."""

    def cancel(self, context: str) -> Sequence[Message] | None:
        """Stop a context; None: nothing but closing the connection does."""
        return None

    @abstractmethod
    def receive(self, message: Message) -> Sequence[VoiceEvent]:
        """Understand one message. Raises msgspec.MsgspecError or ValueError for one that makes no sense."""

    def closed(self, code: int | None, reason: str) -> VoiceError | None:
        """Say why the service closed the connection; None: because all texts were spoken."""
        said = f"closed the connection ({code}){': ' + reason[:120] if reason else ''}"
        if code in (1003, 1007, 1008, 1009):
            return VoiceError(said, "rejected")
        return VoiceError(said, "internal") if code in (1011, 1012, 1013) else VoiceLost(said)


class HttpOrder(msgspec.Struct, frozen=True):
    """A request that is sent by POST."""

    url: str
    headers: dict[str, str]
    body: bytes


class RequestWire(ABC):
    """The protocol of one request: a text out, the answer in pieces."""

    traits = VoiceTraits()

    def gives(self, wanted: AudioFormat) -> AudioFormat:
        """Return the format in which audio comes where this one is wanted."""
        return wanted

    @abstractmethod
    def feed(self, data: bytes) -> Sequence[VoiceEvent]:
        """Understand more of the answer. Raises msgspec.MsgspecError or ValueError for what makes no sense."""

    @abstractmethod
    def finish(self) -> Sequence[VoiceEvent]:
        """Take note that the answer has ended."""


class HttpVoiceWire(RequestWire):
    """The protocol of one request by HTTP, whose answer is its body."""

    @abstractmethod
    def order(self, text: str, request: SpeechRequest, key: str) -> HttpOrder:
        """Return the request for this text."""

    def answered(self, content_type: str) -> None:
        """Take note of what kind of body comes. Raises ValueError for one that is no audio."""

    def refused(self, status: int, headers: Mapping[str, str], body: bytes) -> VoiceError:
        """Return the error for an answer with this status."""
        return refused(status, headers, body.decode("utf-8", "replace"))


def refused(status: int, headers: Mapping[str, str], said: str = "") -> VoiceError:
    """Return the error for a handshake or a request that was answered with this HTTP status."""
    message = f"answered {status}{': ' + ' '.join(said.split())[:160] if said else ''}"
    kind = kind_of_status(status)
    if kind == "busy":
        return VoiceBusy(message, retry_after_s(headers))
    return VoiceError(message, kind)


def retry_after_s(headers: Mapping[str, str]) -> float:
    """Seconds after which to ask again: those that the headers name, within a minute, else half a second."""
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        found = next((value for key, value in headers.items() if key.lower() == name), "")
        if found.strip().replace(".", "", 1).isdecimal():
            return min(60.0, max(0.05, float(found) * unit))
    return _BUSY_S


def busy(message: str) -> VoiceBusy:
    """Return the error for a service that is busy and does not say for how long."""
    return VoiceBusy(message, _BUSY_S)


def linear(wanted: AudioFormat) -> AudioFormat:
    """Return linear16 at the wanted rate: for services that have it and no mu-law."""
    return AudioFormat("pcm", wanted.rate_hz)


def pieces(text: str, longest: int) -> list[str]:
    """A text in pieces of at most so many characters, cut between words where there are any."""
    found: list[str] = []
    while len(text) > longest:
        cut = text.rfind(" ", 0, longest) + 1 or longest
        found.append(text[:cut])
        text = text[cut:]
    return [*found, text] if text.strip() else found
