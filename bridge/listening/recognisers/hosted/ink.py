"""Cartesia Ink: either turns with an opinion of their end, or texts with word times that are settled when asked.

Sources: docs.cartesia.ai (use-the-api/stt/migrate-from-deepgram-flux and -nova, stt/troubleshooting) and cartesia 4.2
(`types/stt`).
"""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlencode

import msgspec

from bridge.audio import mulaw
from bridge.call.events import Opinion, TurnOpinion
from bridge.errors import kind_of_status
from bridge.listening.hosted_settings import InkSettings
from bridge.listening.recognisers.base import (
    Capabilities,
    ExpectedSpeech,
    FinalText,
    PartialText,
    RecognisedWord,
    StreamFailed,
)
from bridge.listening.recognisers.hosted.deepgram import key_terms
from bridge.listening.recognisers.wire import (
    UNKNOWN,
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
    plain_words,
)

_OPINIONS = {
    "turn.start": (Opinion.SPEECH, 0.8),
    "turn.eager_end": (Opinion.OVER_EARLY, 0.7),
    "turn.resume": (Opinion.RESUMED, 1.0),
    "turn.end": (Opinion.OVER, 0.9),
}


class _Word(msgspec.Struct):
    word: str
    start: float
    end: float


class _Message(msgspec.Struct):
    type: str = ""
    transcript: str = ""
    text: str = ""
    is_final: bool = False
    words: tuple[_Word, ...] = ()
    status_code: int = 0
    code: int = 0
    title: str = ""
    error_code: str | None = None


_decoder = msgspec.json.Decoder(_Message)


class _InkWire(RecogniserWire):
    path = ""

    def __init__(self, settings: InkSettings, expected: ExpectedSpeech) -> None:
        self._settings = settings
        self._expected = expected

    def _query(self) -> dict[str, str]:
        return {"model": self._settings.model, "encoding": "pcm_mulaw", "sample_rate": "8000"}

    def address(self, key: str) -> Address:
        """Everything that the service must know stands in the query, its version in the handshake."""
        terms = [("keyterm", term) for term in key_terms(self._expected.hints)]
        url = f"{self._settings.url}{self.path}?{urlencode([*self._query().items(), *terms])}"
        headers = {"Cartesia-Version": self._settings.version}
        return Address(url, {**headers, "Authorization": f"Bearer {key}"} if key else headers)

    @staticmethod
    def _failure(told: _Message) -> StreamFailed:
        status = told.status_code or told.code or 500
        return StreamFailed(kind_of_status(status), f"{status} {told.error_code or told.title[:80]}")


class InkTurnsWire(_InkWire):
    """Ink with turns: text that grows within each, no times, no way to settle it when asked."""

    path = "turns/websocket"
    idle_silence_ms = 100

    def __init__(self, settings: InkSettings, expected: ExpectedSpeech) -> None:
        super().__init__(settings, expected)
        self._turn = GrowingTurn()
        self._asked = False
        self._asked_s = self._sent_s = 0.0
        self.traits = WireTraits(
            name="cartesia_ink",
            capabilities=Capabilities(live=True, turn_ends=True, forced_finals=False, live_hints=False),
            message_ms=100,
            awaits_ready=True,
            keep_alive_s=60.0,
            silence_s=0.25,
        )

    @property
    def outstanding(self) -> bool:  # type: ignore[override]
        """Whether a request, or words of the turn, wait to be final."""
        return self._turn.open or self._asked

    def _query(self) -> dict[str, str]:
        settings = self._settings
        return super()._query() | {
            "turn_start_threshold": f"{settings.start_threshold:g}",
            "turn_eager_end_threshold": f"{settings.eager_threshold:g}",
            "turn_end_threshold": f"{settings.end_threshold:g}",
        }

    def audio(self, ulaw: bytes) -> Sequence[Message]:
        """Audio goes as it is; how much of it there was tells how far the service can have heard."""
        self._sent_s += len(ulaw) / mulaw.RATE_HZ
        return (ulaw,)

    def finalise(self, number: int, at_s: float) -> Sequence[Message]:
        """There is no message for it: the answer is an end of the turn, eager or not, or its newest text in a while."""
        self._asked, self._asked_s = True, at_s
        return ()

    def unanswered(self) -> Sequence[WireEvent]:
        """Take the newest text, once the service has heard enough silence after it to have said more."""
        if self._turn.open and self._sent_s < self._asked_s + self.traits.settle_s:
            return ()
        return self._settled()

    def _settled(self) -> list[WireEvent]:
        text, self._asked = self._turn.settle(), False
        return [Settled()] if text is None else [text, Settled()]

    def goodbye(self) -> Sequence[Message]:
        """Say that the call is over."""
        return ('{"type":"close"}',)

    def receive(self, message: Message) -> Sequence[WireEvent]:
        """Understand one message; those of unknown types are ignored."""
        if isinstance(message, bytes):
            return ()
        told = _decoder.decode(message)
        events: list[WireEvent] = []
        match told.type:
            case "connected":
                return (Accepted(),)
            case "error":
                return (self._failure(told),)
            case "turn.update" | "turn.eager_end":
                if partial := self._turn.grown(plain_words(told.transcript), UNKNOWN):
                    events.append(partial)
            case "turn.end":
                if final := self._turn.end(plain_words(told.transcript)):
                    events.append(final)
        if told.type in _OPINIONS:
            opinion, strength = _OPINIONS[told.type]
            events.append(TurnOpinion(opinion, strength, UNKNOWN))
        if self._asked and told.type in ("turn.eager_end", "turn.end"):
            events += self._settled()
        return events


class InkWire(_InkWire):
    """Ink without turns: each text is what is new since the last final one, and `finalize` settles it."""

    path = "websocket"

    def __init__(self, settings: InkSettings, expected: ExpectedSpeech) -> None:
        super().__init__(settings, expected)
        self._segment = 0
        self._partial = self._awaited = False
        self.traits = WireTraits(
            name="cartesia_ink",
            capabilities=Capabilities(live=True, word_times=True, live_hints=False, live_language=False),
            message_ms=100,
        )

    @property
    def outstanding(self) -> bool:  # type: ignore[override]
        """Whether a request or a partial text waits."""
        return self._partial or self._awaited

    def _query(self) -> dict[str, str]:
        return super()._query() | {"language": self._expected.language.partition("-")[0]}

    def finalise(self, number: int, at_s: float) -> Sequence[Message]:
        """Ask for the final text, in a word that is no JSON."""
        self._awaited = True
        return ("finalize",)

    def goodbye(self) -> Sequence[Message]:
        """Say that the call is over, in a word that is no JSON."""
        return ("close",)

    def receive(self, message: Message) -> Sequence[WireEvent]:
        """Understand one message; those of unknown types are ignored."""
        if isinstance(message, bytes):
            return ()
        told = _decoder.decode(message)
        match told.type:
            case "error":
                return (self._failure(told),)
            case "flush_done":
                self._awaited = False
                return (Settled(),)
            case "transcript":
                return self._heard(told)
        return ()

    def _heard(self, told: _Message) -> list[WireEvent]:
        words = tuple(RecognisedWord(w.word.strip(), w.start, w.end) for w in told.words)
        text = checked(told.text).strip()
        if not text and not self._partial:
            return []
        self._partial = bool(text) and not told.is_final
        if not told.is_final:
            return [PartialText(self._segment, text, end_of(words), words=words)]
        self._segment += 1
        return [FinalText(self._segment - 1, text, end_of(words), words=words)]
