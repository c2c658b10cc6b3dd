"""What the protocol of a model is that listens and speaks itself: messages out, events in; no socket, task or clock.

`LiveSession` (`bridge.agents.live.session`) speaks any of them over a WebSocket; one wire serves one connection. What
belongs to an answer that is not wanted any more the wire drops, so that late audio is never heard.
"""

from __future__ import annotations

import binascii
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from bridge.call.actions import Spoken
from bridge.errors import FailureKind

Message = dict[str, Any]

_QUOTED = 120
_AT_ONCE = 12_800
"""Letters of base64 that are decoded in one go, a multiple of four: a fifth of a second, linear at 24 kHz."""


class LiveAddress(msgspec.Struct, frozen=True):
    """Where to connect, and with what in the handshake."""

    url: str
    headers: dict[str, str]


class SessionReady(msgspec.Struct, frozen=True):
    """The service has accepted our configuration."""


class SpeechPart(msgspec.Struct, frozen=True):
    """More audio of one utterance, linear at `rate_hz`, or mu-law at 8 kHz where that is 0."""

    item: str
    audio: bytes
    rate_hz: int = 0


class EncodedSpeech(msgspec.Struct, frozen=True):
    """More audio of one utterance than is decoded in one go, still in base64."""

    item: str
    encoded: str
    rate_hz: int = 0

    def parts(self) -> Iterator[SpeechPart]:
        """The audio in pieces, each decoded when it is asked for. Raises ValueError where it is no base64."""
        for start in range(0, len(self.encoded), _AT_ONCE):
            audio = binascii.a2b_base64(self.encoded[start : start + _AT_ONCE])
            yield SpeechPart(self.item, audio, self.rate_hz)


def speech(item: str, encoded: str, rate_hz: int = 0) -> SpeechPart | EncodedSpeech:
    """Audio that a service sent in base64. Raises ValueError for a short one that is none."""
    if len(encoded) > _AT_ONCE:
        return EncodedSpeech(item, encoded, rate_hz)
    return SpeechPart(item, binascii.a2b_base64(encoded), rate_hz)


class TextPart(msgspec.Struct, frozen=True):
    """More of the transcript of one utterance."""

    item: str
    text: str


class SpeechOver(msgspec.Struct, frozen=True):
    """All audio and all words of one utterance have come."""

    item: str


class ToolCalled(msgspec.Struct, frozen=True):
    """The model calls a tool with these arguments, as JSON."""

    id: str
    name: str
    arguments: str


class ToolsWithdrawn(msgspec.Struct, frozen=True):
    """The model does not want the results of these calls any more."""

    ids: tuple[str, ...]


class Trouble(msgspec.Struct, frozen=True):
    """Something went wrong, sorted as everywhere; `fatal`: the session is of no more use."""

    kind: FailureKind
    what: str
    quoted: str = ""
    """The service's own words, which may hold what was said."""
    fatal: bool = False
    aside: bool = False
    """It concerns no answer."""


class AnswerOver(msgspec.Struct, frozen=True):
    """The answer is complete, or no more of it will come."""

    trouble: Trouble | None = None
    cut_off: bool = False
    """It reached the model's limit of tokens."""
    filtered: bool = False


class TokensUsed(msgspec.Struct, frozen=True):
    """Tokens of one answer, as the service counts them; `cached` are part of those read."""

    text_read: int = 0
    audio_read: int = 0
    text_written: int = 0
    audio_written: int = 0
    cached: int = 0


class Leaving(msgspec.Struct, frozen=True):
    """The service will end the session in so many seconds."""

    seconds: float


class AnswerNow(msgspec.Struct, frozen=True):
    """Something that has to be answered at once."""

    messages: tuple[Message, ...]


LiveEvent = (
    SessionReady
    | AnswerNow
    | SpeechPart
    | EncodedSpeech
    | TextPart
    | SpeechOver
    | ToolCalled
    | ToolsWithdrawn
    | Trouble
    | AnswerOver
    | TokensUsed
    | Leaving
)


class ToolResult(msgspec.Struct, frozen=True):
    """What a call of a tool came to."""

    id: str
    name: str
    text: str


class LiveWire(ABC):
    """The protocol of one connection, whose methods return the messages to send, in order.

    What a service has no message for keeps what stands here.
    """

    name: str
    speculates = False
    """An answer may be begun before the caller's turn is over, and taken back without a trace."""
    results_need_answer = False
    """The model goes on by itself after results of tools, and can do nothing before it has them."""

    @property
    @abstractmethod
    def answering(self) -> bool:
        """Whether the model is at work on an answer, be it wanted or not."""

    @property
    def resumption(self) -> str:
        """What another session can go on from exactly where this one is; empty: nothing."""
        return ""

    @abstractmethod
    def address(self) -> LiveAddress:
        """Return where to connect, and with what."""

    @abstractmethod
    def opening(self) -> Sequence[Message]:
        """Say who we are and what we want, right after the handshake."""

    @abstractmethod
    def recall(self, history: Sequence[Spoken], notes: Sequence[str]) -> Sequence[Message]:
        """Tell what was said and heard before this session, and what else is to be known."""

    def listen(self) -> Sequence[Message]:
        """The caller begins to speak."""
        return ()

    @abstractmethod
    def audio(self, ulaw: bytes) -> Sequence[Message]:
        """More of the caller's turn."""

    def forget(self) -> Sequence[Message]:
        """What was heard since the last question is of no interest."""
        return ()

    @abstractmethod
    def heard(self, item: str, heard_ms: int, text: str) -> Sequence[Message]:
        """The caller heard only so much of this utterance, these words of it; 0: nothing."""

    @abstractmethod
    def ask(self, *, spoken: bool, text: str = "", notes: Sequence[str] = ()) -> Sequence[Message]:
        """Ask for an answer: to what the caller said (`spoken`), or to a text; `notes` are for the model alone."""

    @abstractmethod
    def results(self, results: Sequence[ToolResult], *, go_on: bool) -> Sequence[Message]:
        """Give results of tools; `go_on`: the model is to go on with its answer."""

    @abstractmethod
    def stop(self) -> Sequence[Message]:
        """Nothing more of the answer is wanted."""

    @abstractmethod
    def receive(self, raw: str | bytes) -> Sequence[LiveEvent]:
        """Understand one message. Raises msgspec.MsgspecError or ValueError for one that makes no sense."""

    def closed(self, code: int | None, reason: str) -> Trouble:
        """Say why the service closed the connection."""
        found = f"closed the connection ({code})"
        return Trouble(kind_of_words(reason) or "lost", found, reason[:_QUOTED], fatal=True)


_BY_WORDS: tuple[tuple[FailureKind, tuple[str, ...]], ...] = (
    ("auth", ("api key", "api_key", "unauthenticated", "unauthorized", "permission", "credential")),
    ("quota", ("insufficient_quota", "exceeded your current quota", "billing", "hard limit")),
    ("busy", ("rate_limit", "rate limit", "resource_exhausted", "resource exhausted", "overloaded", "unavailable")),
    ("idle", ("session_expired", "maximum duration", "deadline", "timed out", "idle")),
    ("rejected", ("invalid", "not found", "not_found", "unsupported", "not supported", "unknown")),
    ("internal", ("internal", "server_error")),
)


def kind_of_words(said: str) -> FailureKind | None:
    """Sort a service's own words for a failure: a code, or a sentence. None where they say nothing known."""
    folded = said.lower()
    return next((kind for kind, words in _BY_WORDS if any(word in folded for word in words)), None)
