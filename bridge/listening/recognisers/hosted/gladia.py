"""Gladia Live v2: a session that is begun by POST, texts that only its own endpointing settles.

Sources: github.com/gladiaio/docs (`api-reference/v2/live`, `chapters/live-stt`) and gladiaio-sdk 2.2 (`v2/live`).
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from bridge.listening.hosted_settings import GladiaSettings
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
    Settled,
    WireEvent,
    WireTraits,
    checked,
)

_LONGEST_SESSION_S = 3 * 3600.0
_FINAL_CODES = range(4400, 4500)
"""Close codes after which connecting again is of no use."""
_MOST_UTTERANCES = 64


class _Word(msgspec.Struct):
    word: str
    start: float
    end: float
    confidence: float = 1.0


class _Utterance(msgspec.Struct):
    text: str
    start: float = 0.0
    end: float = 0.0
    confidence: float = 1.0
    words: tuple[_Word, ...] = ()


class _Data(msgspec.Struct):
    id: str = ""
    is_final: bool = False
    utterance: _Utterance | None = None


class _Kind(msgspec.Struct):
    type: str = ""


class _Message(msgspec.Struct):
    data: _Data | None = None


_kinds = msgspec.json.Decoder(_Kind)
_decoder = msgspec.json.Decoder(_Message)


class GladiaWire(RecogniserWire):
    """Gladia's protocol for one connection."""

    def __init__(self, settings: GladiaSettings, expected: ExpectedSpeech) -> None:
        self._settings = settings
        self._expected = expected
        self._segments: dict[str, int] = {}
        """Numbers of the utterances that are not final yet, by their ids."""
        self._count = 0
        self._asked = False
        self.traits = WireTraits(
            name="gladia",
            capabilities=Capabilities(
                live=True,
                word_times=True,
                forced_finals=False,
                live_hints=False,
                longest_session_s=_LONGEST_SESSION_S,
            ),
            message_ms=100,
            silence_s=0.25,
            settle_s=0.3 + settings.endpointing_s,
        )

    @property
    def outstanding(self) -> bool:  # type: ignore[override]
        """Whether a request, or an utterance, is under way."""
        return self._asked or bool(self._segments)

    def address(self, key: str) -> Address:
        """The session's settings are posted; the answer is the address of its socket."""
        settings = self._settings
        body: dict[str, object] = {
            "encoding": "wav/ulaw",
            "bit_depth": 8,
            "sample_rate": 8000,
            "channels": 1,
            "model": settings.model,
            "endpointing": settings.endpointing_s,
            "language_config": {"languages": [self._expected.language.partition("-")[0]], "code_switching": False},
            "messages_config": {"receive_partial_transcripts": True},
        }
        if self._expected.hints:
            vocabulary = {"vocabulary": list(self._expected.hints[:100])}
            body["realtime_processing"] = {"custom_vocabulary": True, "custom_vocabulary_config": vocabulary}
        return Address(settings.url, {"X-Gladia-Key": key} if key else {}, msgspec.json.encode(body))

    def finalise(self, number: int, at_s: float) -> Sequence[Message]:
        """There is no message for it: the answer is the final text of the utterance under way."""
        self._asked = True
        return ()

    def unanswered(self) -> Sequence[WireEvent]:
        """Take silence for an answer where nothing is under way."""
        if self._segments:
            return ()
        self._asked = False
        return (Settled(),)

    def goodbye(self) -> Sequence[Message]:
        """Say that the call is over, since billing goes on until then."""
        return ('{"type":"stop_recording"}',)

    def receive(self, message: Message) -> Sequence[WireEvent]:
        """Understand one message; those of unknown types are ignored."""
        if isinstance(message, bytes):
            return ()
        kind = _kinds.decode(message).type
        if kind != "transcript":
            return ()
        data = _decoder.decode(message).data
        if data is None:
            raise ValueError(f"{kind} without data")
        return self._heard(data)

    def _heard(self, data: _Data) -> list[WireEvent]:
        said = data.utterance
        if said is None:
            raise ValueError("transcript without an utterance")
        segment = self._segments.get(data.id)
        if segment is None:
            segment, self._count = self._count, self._count + 1
            if len(self._segments) >= _MOST_UTTERANCES:
                raise ValueError(f"{_MOST_UTTERANCES} utterances without a final text")
        words = tuple(RecognisedWord(w.word.strip(), w.start, w.end, w.confidence) for w in said.words)
        text = checked(said.text).strip()
        if not data.is_final:
            self._segments[data.id] = segment
            return [PartialText(segment, text, said.end, said.confidence, words)]
        self._segments.pop(data.id, None)
        events: list[WireEvent] = [FinalText(segment, text, said.end, said.confidence, words)]
        if self._asked and not self._segments:
            self._asked = False
            events.append(Settled())
        return events

    def closed(self, code: int | None, reason: str) -> StreamFailed:
        """Codes from 4400 to 4499 say that another try would fare no better."""
        if code in _FINAL_CODES:
            return StreamFailed("auth" if code in (4401, 4403) else "rejected", f"{code} {reason[:100]}")
        return super().closed(code, reason)
