"""AssemblyAI Universal-Streaming over `/v3/ws`: turns whose text only grows, forced ends, audio at real time.

Sources: assemblyai.com/docs/streaming (message-sequence, common-session-errors-and-closures,
updating-configuration-mid-stream) and assemblyai 1.8 (`streaming/v3`).
"""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlencode

import msgspec

from bridge.call.events import Opinion, TurnOpinion
from bridge.listening.hosted_settings import AssemblyAISettings
from bridge.listening.recognisers.base import (
    Capabilities,
    ExpectedSpeech,
    FailureKind,
    RecognisedWord,
    StreamFailed,
)
from bridge.listening.recognisers.hosted.deepgram import key_terms
from bridge.listening.recognisers.wire import (
    Accepted,
    Address,
    GrowingTurn,
    Message,
    RecogniserWire,
    Settled,
    WireEvent,
    WireTraits,
    checked,
    end_of,
)

_LONGEST_SESSION_S = 3 * 3600.0
_NEAR_S = 1.5
"""A turn whose last word ended longer before our request was not ended by it."""
_KINDS: dict[int, FailureKind] = {1008: "auth", 3005: "internal", 3006: "rejected", 3007: "rejected", 3008: "lost"}
_KINDS |= {3009: "busy"}


class _Word(msgspec.Struct):
    text: str
    start: float
    end: float
    confidence: float = 1.0


class _Turn(msgspec.Struct):
    turn_order: int
    end_of_turn: bool = False
    transcript: str = ""
    utterance: str = ""
    end_of_turn_confidence: float = 0.0
    words: tuple[_Word, ...] = ()


class _Kind(msgspec.Struct):
    type: str = ""
    error_code: int = 0
    error: str = ""
    timestamp: float = 0.0


_kinds = msgspec.json.Decoder(_Kind)
_turns = msgspec.json.Decoder(_Turn)


class AssemblyAIWire(RecogniserWire):
    """Universal-Streaming's protocol for one connection."""

    def __init__(self, settings: AssemblyAISettings, expected: ExpectedSpeech) -> None:
        self._settings = settings
        self._expected = expected
        self._turn = GrowingTurn()
        self._order = -1
        """The turn under way, or the last one that has ended."""
        self._ended = -1
        self._eager = False
        self._forced_s: float | None = None
        """Until when we have ended the turn, as long as that is not answered."""
        self._terms = key_terms(expected.hints)
        self.traits = WireTraits(
            name="assemblyai",
            capabilities=Capabilities(
                live=True,
                word_times=True,
                turn_ends=True,
                forced_finals=settings.force_end,
                live_language=False,
                longest_session_s=_LONGEST_SESSION_S,
            ),
            message_ms=60,
            shortest_ms=50,
            awaits_ready=True,
            catch_up=settings.catch_up,
        )

    @property
    def outstanding(self) -> bool:  # type: ignore[override]
        """Whether words of the turn are not final."""
        return self._turn.open

    def address(self, key: str) -> Address:
        """Everything that the service must know stands in the query, lists as JSON text."""
        settings = self._settings
        query = {
            "speech_model": settings.model,
            "encoding": "pcm_mulaw",
            "sample_rate": "8000",
            "format_turns": "false",
            "end_of_turn_confidence_threshold": f"{settings.end_threshold:g}",
            "min_turn_silence": str(settings.minimum_silence_ms),
            "max_turn_silence": str(settings.maximum_silence_ms),
        }
        if self._terms:
            query["keyterms_prompt"] = _json(self._terms)
        return Address(f"{settings.url}?{urlencode(query)}", {"Authorization": key} if key else {})

    def expect(self, expected: ExpectedSpeech) -> Sequence[Message]:
        """Change the key terms on the open connection."""
        terms = key_terms(expected.hints)
        if terms == self._terms:
            return ()
        self._terms = terms
        return (_json({"type": "UpdateConfiguration", "keyterms_prompt": terms}),)

    def finalise(self, number: int, at_s: float) -> Sequence[Message]:
        """End the turn, if that is wanted."""
        if not self._settings.force_end:
            return ()
        self._forced_s = at_s
        return ('{"type":"ForceEndpoint"}',)

    def unanswered(self) -> Sequence[WireEvent]:
        """Take the newest text, whose words change no more; an end of ours is answered where there are words."""
        if self._forced_s is not None and self._turn.open:
            return ()
        text = self._turn.settle()
        self._forced_s = None
        return (Settled(),) if text is None else (text, Settled())

    def goodbye(self) -> Sequence[Message]:
        """Say that the call is over, since billing goes on until then."""
        return ('{"type":"Terminate"}',)

    def receive(self, message: Message) -> Sequence[WireEvent]:
        """Understand one message; those of unknown types are ignored."""
        if isinstance(message, bytes):
            return ()
        kind = _kinds.decode(message)
        match kind.type:
            case "Begin":
                return (Accepted(),)
            case "Turn":
                return self._told(_turns.decode(message))
            case "SpeechStarted":
                return (TurnOpinion(Opinion.SPEECH, 0.7, kind.timestamp / 1000),)
            case "Error":
                return (StreamFailed(_KINDS.get(kind.error_code, "internal"), f"{kind.error_code} {kind.error[:100]}"),)
        return ()

    def _told(self, turn: _Turn) -> list[WireEvent]:
        if turn.turn_order <= self._ended:
            return []  # a formatted copy of a turn that is over
        self._order = turn.turn_order
        words = [RecognisedWord(checked(w.text), w.start / 1000, w.end / 1000, w.confidence) for w in turn.words]
        at = end_of(words)
        sure = min(1.0, max(0.0, turn.end_of_turn_confidence))
        events: list[WireEvent] = []
        if not turn.end_of_turn:
            if partial := self._turn.grown(words, at):
                events.append(partial)
            if bool(turn.utterance) != self._eager:
                self._eager = bool(turn.utterance)
                events.append(TurnOpinion(Opinion.OVER_EARLY if self._eager else Opinion.RESUMED, max(0.5, sure), at))
            return events
        self._ended, self._eager = turn.turn_order, False
        if final := self._turn.end(words, at):
            events.append(final)
        if self._forced_s is not None and at >= self._forced_s - _NEAR_S:
            self._forced_s = None
            events.append(Settled())
        else:
            events.append(TurnOpinion(Opinion.OVER, max(0.5, sure), at))
        return events

    def closed(self, code: int | None, reason: str) -> StreamFailed:
        """Close codes from 3005 on are the vendor's own."""
        if code in _KINDS:
            return StreamFailed(_KINDS[code], f"{code} {reason[:100]}")
        return super().closed(code, reason)


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
