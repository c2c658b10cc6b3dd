"""Speechmatics real-time v2: final parts that are joined to an utterance, and utterances that can be ended.

Sources: github.com/speechmatics/docs (`spec/realtime.yaml`, limits, turn-detection) and speechmatics-rt 1.2.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from bridge.listening.hosted_settings import SpeechmaticsSettings
from bridge.listening.recognisers.base import (
    Capabilities,
    ExpectedSpeech,
    FailureKind,
    FinalText,
    PartialText,
    RecognisedWord,
    StreamFailed,
)
from bridge.listening.recognisers.wire import (
    Accepted,
    Address,
    Message,
    RecogniserWire,
    Settled,
    WireEvent,
    WireTraits,
    checked,
    end_of,
)

_LONGEST_SESSION_S = 48 * 3600.0
_KINDS: dict[str, FailureKind] = {
    "not_authorised": "auth",
    "not_allowed": "auth",
    "quota_exceeded": "busy",
    "timelimit_exceeded": "quota",
    "idle_timeout": "idle",
    "session_timeout": "lost",
    "job_error": "internal",
    "unknown_error": "internal",
}
_CODES: dict[int, FailureKind] = {1003: "rejected", 1008: "idle", 1011: "internal", 4001: "auth", 4003: "auth"}
_CODES |= {4004: "rejected", 4005: "busy", 4006: "quota", 4013: "internal"}


class _Alternative(msgspec.Struct):
    content: str
    confidence: float = 1.0


class _Result(msgspec.Struct):
    type: str = "word"
    start_time: float = 0.0
    end_time: float = 0.0
    alternatives: tuple[_Alternative, ...] = ()


class _Metadata(msgspec.Struct, frozen=True):
    start_time: float = 0.0
    end_time: float = 0.0
    transcript: str = ""


class _Message(msgspec.Struct):
    message: str = ""
    metadata: _Metadata = _Metadata()
    results: tuple[_Result, ...] = ()
    forced: bool = False
    type: str = ""
    reason: str = ""


_decoder = msgspec.json.Decoder(_Message)


class SpeechmaticsWire(RecogniserWire):
    """Speechmatics' protocol for one connection."""

    def __init__(self, settings: SpeechmaticsSettings, expected: ExpectedSpeech) -> None:
        self._settings = settings
        self._expected = expected
        self._segment = 0
        self._words: list[RecognisedWord] = []
        """Final words of the utterance under way."""
        self._partial = False
        self._messages = 0
        self.traits = WireTraits(
            name="speechmatics",
            capabilities=Capabilities(
                live=True, word_times=True, live_hints=False, longest_session_s=_LONGEST_SESSION_S
            ),
            awaits_ready=True,
        )

    @property
    def outstanding(self) -> bool:  # type: ignore[override]
        """Whether the utterance under way has words."""
        return self._partial or bool(self._words)

    def address(self, key: str) -> Address:
        """The key goes into the handshake."""
        return Address(self._settings.url, {"Authorization": f"Bearer {key}"} if key else {})

    def opening(self) -> Sequence[Message]:
        """Say what we send and how it is to be recognised."""
        settings = self._settings
        told: dict[str, object] = {
            "language": self._expected.language.partition("-")[0],
            "model": settings.model,
            "enable_partials": True,
            "max_delay": settings.max_delay_s,
            "conversation_config": {"end_of_utterance_silence_trigger": settings.silence_s},
        }
        if self._expected.hints:
            told["additional_vocab"] = [{"content": hint} for hint in self._expected.hints[:100]]
        audio = {"type": "raw", "encoding": "mulaw", "sample_rate": 8000}
        start = {"message": "StartRecognition", "audio_format": audio, "transcription_config": told}
        return (msgspec.json.encode(start).decode(),)

    def audio(self, ulaw: bytes) -> Sequence[Message]:
        """Messages are counted, since the goodbye names the last one."""
        self._messages += 1
        return (ulaw,)

    def finalise(self, number: int, at_s: float) -> Sequence[Message]:
        """End the utterance; without one this is not answered."""
        return (f'{{"message":"ForceEndOfUtterance","timestamp":{at_s:.3f}}}',)

    def goodbye(self) -> Sequence[Message]:
        """Say how many messages there were."""
        return (f'{{"message":"EndOfStream","last_seq_no":{self._messages}}}',)

    def receive(self, message: Message) -> Sequence[WireEvent]:
        """Understand one message; those of unknown types are ignored."""
        if isinstance(message, bytes):
            return ()
        told = _decoder.decode(message)
        match told.message:
            case "RecognitionStarted":
                return (Accepted(),)
            case "AddPartialTranscript":
                words = [*self._words, *_words(told.results)]
                self._partial = len(words) > len(self._words)
                return (PartialText(self._segment, _text(words), told.metadata.end_time, words=tuple(words)),)
            case "AddTranscript":
                self._words = _joined(self._words, told.results)
                return () if not self._words else (self._final(told.metadata.end_time),)
            case "EndOfUtterance":
                return self._ended(told)
            case "Error":
                return (StreamFailed(_KINDS.get(told.type, "rejected"), f"{told.type}: {told.reason[:100]}"),)
        return ()

    def _final(self, at: float) -> FinalText:
        words = tuple(self._words)
        sure = min((word.confidence for word in words if word.confidence is not None), default=1.0)
        return FinalText(self._segment, _text(words), max(at, end_of(words)), sure, words)

    def _ended(self, told: _Message) -> list[WireEvent]:
        if self._words:
            self._segment += 1
        self._words, self._partial = [], False
        return [Settled()] if told.forced else []

    def closed(self, code: int | None, reason: str) -> StreamFailed:
        """Close codes from 4001 on are the vendor's own."""
        if code in _CODES:
            return StreamFailed(_CODES[code], f"{code} {reason[:100]}")
        return super().closed(code, reason)


def _words(results: Sequence[_Result]) -> list[RecognisedWord]:
    return _joined([], results)


def _joined(words: Sequence[RecognisedWord], results: Sequence[_Result]) -> list[RecognisedWord]:
    """Words with more of them after; a punctuation mark belongs to the word before it."""
    found = list(words)
    for result in results:
        if not result.alternatives:
            continue
        best = result.alternatives[0]
        if result.type == "punctuation" and found:
            found[-1] = msgspec.structs.replace(found[-1], text=found[-1].text + best.content)
        elif result.type != "punctuation":
            found.append(RecognisedWord(best.content, result.start_time, result.end_time, best.confidence))
    return found


def _text(words: Sequence[RecognisedWord]) -> str:
    return checked(" ".join(word.text for word in words))
