"""Deepgram Nova over `/v1/listen`: segments that are replaced until final, and `Finalize`, which may go unanswered.

Sources: developers.deepgram.com/docs (endpointing, interim-results, finalize, audio-keep-alive, close-stream,
configure) and the types of deepgram-sdk 7.17 (`listen/v1`).
"""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlencode

import msgspec

from bridge.listening.hosted_settings import DeepgramSettings
from bridge.listening.recognisers.base import (
    Capabilities,
    ExpectedSpeech,
    FinalText,
    PartialText,
    RecognisedWord,
    StreamFailed,
)
from bridge.listening.recognisers.wire import (
    Address,
    Message,
    RecogniserWire,
    Reply,
    Settled,
    WireEvent,
    WireTraits,
    checked,
)

MOST_TERMS, MOST_TERM_CHARS = 100, 1500
"""Key terms of one connection: beyond 500 tokens the service may fall silent."""


class _Word(msgspec.Struct):
    word: str
    start: float
    end: float
    confidence: float = 1.0
    punctuated_word: str = ""


class _Alternative(msgspec.Struct):
    transcript: str
    confidence: float = 1.0
    words: tuple[_Word, ...] = ()


class _Channel(msgspec.Struct):
    alternatives: tuple[_Alternative, ...]


class _Results(msgspec.Struct):
    channel: _Channel
    start: float = 0.0
    duration: float = 0.0
    is_final: bool = False
    from_finalize: bool = False


class _Kind(msgspec.Struct):
    type: str = ""
    description: str = ""


_kinds = msgspec.json.Decoder(_Kind)
_results = msgspec.json.Decoder(_Results)


def key_terms(hints: Sequence[str]) -> list[str]:
    """Return as many of the hints as one connection may have."""
    kept, chars = [], 0
    for hint in hints[:MOST_TERMS]:
        chars += len(hint)
        if chars > MOST_TERM_CHARS:
            break
        kept.append(hint)
    return kept


class DeepgramWire(RecogniserWire):
    """Nova's protocol for one connection."""

    def __init__(self, settings: DeepgramSettings, expected: ExpectedSpeech) -> None:
        self._settings = settings
        self._expected = expected
        self._segment = 0
        self._partial = False
        self._configuring = False
        self._terms = key_terms(expected.hints)
        self._wanted = self._terms
        self.traits = WireTraits(
            name="deepgram",
            capabilities=Capabilities(live=True, word_times=True, live_hints=settings.live_hints, live_language=False),
            keep_alive_s=4.0,
        )

    @property
    def outstanding(self) -> bool:  # type: ignore[override]
        """Whether a partial text waits for its final one."""
        return self._partial

    def address(self, key: str) -> Address:
        """Everything that the service must know stands in the query."""
        settings = self._settings
        query = {
            "model": settings.model,
            "encoding": "mulaw",
            "sample_rate": "8000",
            "channels": "1",
            "language": self._expected.language,
            "interim_results": "true",
            "endpointing": str(settings.endpointing_ms),
            "smart_format": "true",
        }
        terms = [("keyterm", term) for term in self._terms]
        url = f"{settings.url}?{urlencode([*query.items(), *terms])}"
        return Address(url, {"Authorization": f"Token {key}"} if key else {})

    def expect(self, expected: ExpectedSpeech) -> Sequence[Message]:
        """Change the key terms; only one change may be under way."""
        self._wanted = key_terms(expected.hints)
        return self._configure()

    def _configure(self) -> tuple[Message, ...]:
        if not self._settings.live_hints or self._configuring or self._wanted == self._terms:
            return ()
        self._terms, self._configuring = self._wanted, True
        return (msgspec.json.encode({"type": "Configure", "keyterms": self._terms}).decode(),)

    def finalise(self, number: int, at_s: float) -> Sequence[Message]:
        """Ask for final texts, which goes unanswered when little was heard."""
        return ('{"type":"Finalize"}',)

    def keep_alive(self) -> Sequence[Message]:
        """Say that we are there, since after 10 s without audio the service hangs up."""
        return ('{"type":"KeepAlive"}',)

    def goodbye(self) -> Sequence[Message]:
        """Say that the call is over, since billing goes on until then."""
        return ('{"type":"CloseStream"}',)

    def receive(self, message: Message) -> Sequence[WireEvent]:
        """Understand one message; those of unknown types are ignored."""
        if isinstance(message, bytes):
            return ()
        kind = _kinds.decode(message)
        match kind.type:
            case "Results":
                return self._heard(_results.decode(message))
            case "ConfigureSuccess" | "ConfigureFailure":
                self._configuring = False
                messages = self._configure()
                return (Reply(messages),) if messages else ()
            case "Error":
                return (StreamFailed("rejected", kind.description[:120] or "refused a message"),)
        return ()

    def _heard(self, results: _Results) -> list[WireEvent]:
        if not results.channel.alternatives:
            raise ValueError("Results without an alternative")
        best = results.channel.alternatives[0]
        text, until = checked(best.transcript), results.start + results.duration
        words = tuple(RecognisedWord(w.punctuated_word or w.word, w.start, w.end, w.confidence) for w in best.words)
        events: list[WireEvent] = []
        if results.is_final:
            if text or self._partial:
                events.append(FinalText(self._segment, text, until, best.confidence, words))
                self._segment += 1
            self._partial = False
        elif text or self._partial:
            self._partial = bool(text)
            events.append(PartialText(self._segment, text, until, best.confidence, words))
        if results.from_finalize:
            events.append(Settled())
        return events

    def closed(self, code: int | None, reason: str) -> StreamFailed:
        """Close frames carry a code in their reason: NET-0001 is our silence, DATA-0000 unreadable audio."""
        if "NET-0001" in reason:
            return StreamFailed("idle", reason[:120])
        if "DATA-0000" in reason:
            return StreamFailed("rejected", reason[:120])
        return super().closed(code, reason)
