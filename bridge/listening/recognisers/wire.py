"""What the protocol of a streaming recogniser is: messages out, events in; without socket, task or clock.

`WireStream` (`bridge.listening.recognisers.wire_stream`) speaks any of them over a WebSocket. One wire serves one
connection. Its times are seconds from the first byte of audio on that connection, `UNKNOWN` where nobody says.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import msgspec

from bridge.call.events import TurnOpinion
from bridge.errors import kind_of_status
from bridge.listening.recognisers.base import (
    Capabilities,
    ExpectedSpeech,
    FailureKind,
    FinalText,
    PartialText,
    RecognisedWord,
    StreamFailed,
)

Message = str | bytes
UNKNOWN = -1.0
_MOST_CHARS = 8_000
"""Of one segment: no caller says so much in one breath, so whoever sends it is broken."""


class Address(msgspec.Struct, frozen=True):
    """Where to connect, and with what in the handshake."""

    url: str
    headers: dict[str, str] = {}
    post: bytes | None = None
    """Sent to the URL by POST first, whose answer's `url` is then the address of the WebSocket."""


class Accepted(msgspec.Struct, frozen=True):
    """The service has accepted us: audio may be sent."""


class Settled(msgspec.Struct, frozen=True):
    """All audio before our latest request has its final text; `number` where the service repeats it."""

    number: int = 0


class Reply(msgspec.Struct, frozen=True):
    """Something that has to be answered at once."""

    messages: tuple[Message, ...]


WireEvent = PartialText | FinalText | TurnOpinion | StreamFailed | Accepted | Settled | Reply


class WireTraits(msgspec.Struct, frozen=True, kw_only=True):
    """What the connection has to know of a protocol."""

    name: str
    capabilities: Capabilities
    message_ms: int = 40
    """Audio is sent in messages of this length, a shorter one only before a request."""
    shortest_ms: int = 0
    """A message with less audio than this is filled up with silence."""
    keep_alive_s: float = 0.0
    """After so long without anything to send `keep_alive` is sent; 0: never."""
    silence_s: float = 0.0
    """While words are open and no audio comes, silence of this length is sent in its place, for services that take
    nothing else for the end of what was said; 0: none."""
    awaits_ready: bool = False
    """Nothing but the opening may be sent before `Accepted`."""
    settle_s: float = 0.3
    """A request that has no answer after so long has none if no text is outstanding."""
    numbered: bool = False
    """Answers name their request, so that several may be under way."""
    catch_up: float = 0.0
    """Audio that had to wait is sent this many times as fast as it was spoken, after a second's worth at once;
    0: as fast as the network takes it."""


class RecogniserWire(ABC):
    """One connection's protocol. Methods that a vendor has no message for keep what stands here."""

    traits: WireTraits
    outstanding = False
    """Something that was said, or asked for, has no final text yet."""
    idle_silence_ms = 0
    """Silence that is sent in place of `keep_alive`; 0: `keep_alive` it is."""

    @abstractmethod
    def address(self, key: str) -> Address:
        """Return where to connect with this key."""

    def opening(self) -> Sequence[Message]:
        """Say who we are and what we send, right after the handshake."""
        return ()

    def audio(self, ulaw: bytes) -> Sequence[Message]:
        """Wrap more of the caller's audio in messages."""
        return (ulaw,)

    def expect(self, expected: ExpectedSpeech) -> Sequence[Message]:
        """Tell the service what will be said from now on."""
        return ()

    def finalise(self, number: int, at_s: float) -> Sequence[Message]:
        """Ask for the final texts of all audio up to this time; nothing, where there is nothing to ask for."""
        return ()

    def unanswered(self) -> Sequence[WireEvent]:
        """Decide what a request came to that got no answer for `settle_s`; nothing: keep waiting."""
        return () if self.outstanding else (Settled(),)

    def keep_alive(self) -> Sequence[Message]:
        """Say something, so that the service does not think that we are gone."""
        return ()

    def goodbye(self) -> Sequence[Message]:
        """Say that the call is over."""
        return ()

    @abstractmethod
    def receive(self, message: Message) -> Sequence[WireEvent]:
        """Understand one message. Raises msgspec.MsgspecError or ValueError for one that makes no sense."""

    def closed(self, code: int | None, reason: str) -> StreamFailed:
        """Say why the service closed the connection."""
        kind: FailureKind = "internal" if code in (1011, 1012, 1013) else "rejected" if code in (1003, 1007) else "lost"
        return StreamFailed(kind, f"closed the connection ({code}){': ' + reason[:120] if reason else ''}")


def refused(status: int, said: str = "") -> StreamFailed:
    """Return the failure for a handshake or a request that was answered with this HTTP status."""
    return StreamFailed(kind_of_status(status), f"answered {status}{': ' + said[:120] if said else ''}")


def checked(text: str) -> str:
    """A segment's text, if it can be one. Raises ValueError for one that is longer than anybody speaks."""
    if len(text) > _MOST_CHARS:
        raise ValueError(f"a segment of {len(text)} characters")
    return text


def end_of(words: Sequence[RecognisedWord]) -> float:
    """The end of the last word that has one, else `UNKNOWN`."""
    return max((word.end_at for word in words if word.end_at is not None), default=UNKNOWN)


class HeldAudio:
    """Audio that waits until the service has ended the turn before it, ten seconds of it at most."""

    _MOST_BYTES = 10 * 8000

    def __init__(self) -> None:
        self._waiting = bytearray()

    def add(self, ulaw: bytes) -> bool:
        """Keep more audio; False when it has waited so long that the end of that turn is given up."""
        self._waiting += ulaw
        return len(self._waiting) < self._MOST_BYTES

    def take(self) -> bytes:
        """Return all that waits, and keep nothing."""
        waited = bytes(self._waiting)
        self._waiting.clear()
        return waited


class GrowingTurn:
    """Segments out of texts that are each the whole of a turn so far, as far as no final text was given of it.

    When a turn is settled in its middle, at a pause of ours, its words until there are one segment, and what the
    service adds to them later is the next.
    """

    def __init__(self) -> None:
        self.segment = 0
        self._words: list[RecognisedWord] = []
        self._at = UNKNOWN
        self._given = 0
        """Words of this turn that were given as final."""

    @property
    def open(self) -> bool:
        """Whether it has words that were not given as final."""
        return len(self._words) > self._given

    def grown(self, words: Sequence[RecognisedWord], at: float) -> PartialText | None:
        """The turn's words so far; they may also be fewer than before."""
        had = self.open
        self._words, self._at = list(words), at
        left = self._left()
        return PartialText(self.segment, _joined(left), at, words=tuple(left)) if left or had else None

    def settle(self, words: Sequence[RecognisedWord] | None = None, at: float = UNKNOWN) -> FinalText | None:
        """Take what has come so far, or these words, for final, while the turn goes on."""
        if words is not None:
            self._words, self._at = list(words), at
        left = self._left()
        if not left:
            return None
        self._given = len(self._words)
        self.segment += 1
        sure = min((word.confidence for word in left if word.confidence is not None), default=1.0)
        return FinalText(self.segment - 1, _joined(left), self._at, sure, tuple(left))

    def end(self, words: Sequence[RecognisedWord] | None = None, at: float = UNKNOWN) -> FinalText | None:
        """Take the turn for over."""
        found = self.settle(words, at)
        self._words, self._given = [], 0
        return found

    def _left(self) -> list[RecognisedWord]:
        return self._words[self._given :]


def plain_words(text: str) -> list[RecognisedWord]:
    """Words of a text of which nobody says when they were spoken."""
    return [RecognisedWord(word) for word in checked(text).split()]


def _joined(words: Sequence[RecognisedWord]) -> str:
    return checked(" ".join(word.text for word in words))
