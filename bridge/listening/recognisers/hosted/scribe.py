"""ElevenLabs Scribe v2 Realtime: audio in JSON, committed at our pauses, final texts that come twice.

Sources: elevenlabs.io/docs (guides/how-to/speech-to-text/realtime/event-reference), github.com/elevenlabs/skills
(`speech-to-text/references`) and elevenlabs 2.78 (`realtime/scribe.py`).
"""

from __future__ import annotations

import base64
import math
from collections.abc import Sequence
from urllib.parse import urlencode

import msgspec

from bridge.listening.hosted_settings import ScribeSettings
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
    UNKNOWN,
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

_SHORTEST_S = 0.3
"""Less audio than this since the last commit cannot be committed."""
_MOST_TERMS, _LONGEST_TERM = 50, 20
_COMMIT_EVERY_S = 25.0
_KINDS: dict[str, FailureKind] = {
    "error": "internal",
    "auth_error": "auth",
    "unaccepted_terms": "auth",
    "quota_exceeded": "quota",
    "rate_limited": "busy",
    "resource_exhausted": "busy",
    "queue_overflow": "busy",
    "transcriber_error": "internal",
    "input_error": "rejected",
    "invalid_request": "rejected",
    "chunk_size_exceeded": "rejected",
    "session_time_limit_exceeded": "lost",
    "insufficient_audio_activity": "idle",
}


class _Word(msgspec.Struct):
    text: str
    start: float | None = None
    end: float | None = None
    type: str = "word"
    logprob: float | None = None


class _Message(msgspec.Struct):
    message_type: str = ""
    text: str = ""
    words: tuple[_Word, ...] = ()
    error: str = ""


_decoder = msgspec.json.Decoder(_Message)


class ScribeWire(RecogniserWire):
    """Scribe's protocol for one connection."""

    def __init__(self, settings: ScribeSettings, expected: ExpectedSpeech) -> None:
        self._settings = settings
        self._expected = expected
        self._segment = 0
        self._partial = False
        self._sent_s = self._committed_s = 0.0
        self._asked = 0
        """Commits of ours that are to be answered."""
        self.traits = WireTraits(
            name="elevenlabs_scribe",
            capabilities=Capabilities(live=True, word_times=True, live_hints=False),
            message_ms=60,
            keep_alive_s=8.0,
            awaits_ready=True,
        )

    @property
    def outstanding(self) -> bool:  # type: ignore[override]
        """Whether a commit is to be answered, or a partial text waits for one."""
        return self._partial or self._asked > 0

    def address(self, key: str) -> Address:
        """Everything that the service must know stands in the query."""
        query = {
            "model_id": self._settings.model,
            "audio_format": "ulaw_8000",
            "commit_strategy": "manual",
            "include_timestamps": "true",
            "language_code": self._expected.language.partition("-")[0],
        }
        terms = [("keyterms", hint) for hint in self._expected.hints if len(hint) <= _LONGEST_TERM][:_MOST_TERMS]
        url = f"{self._settings.url}?{urlencode([*query.items(), *terms])}"
        return Address(url, {"xi-api-key": key} if key else {})

    def audio(self, ulaw: bytes) -> Sequence[Message]:
        """Audio goes in base64; who speaks for very long without a pause is committed in between."""
        self._sent_s += len(ulaw) / 8000
        if self._sent_s - self._committed_s >= _COMMIT_EVERY_S:
            self._committed_s = self._sent_s
            return (_chunk(ulaw, commit=True),)
        return (_chunk(ulaw),)

    def finalise(self, number: int, at_s: float) -> Sequence[Message]:
        """Commit what came since the last time, unless it is too little."""
        if self._sent_s - self._committed_s < _SHORTEST_S:
            return ()
        self._committed_s = self._sent_s
        self._asked += 1
        return (_chunk(b"", commit=True),)

    def keep_alive(self) -> Sequence[Message]:
        """An empty chunk, since pings are not enough."""
        return (_chunk(b""),)

    def receive(self, message: Message) -> Sequence[WireEvent]:
        """Understand one message; those of unknown types are ignored."""
        told = _decoder.decode(message)
        match told.message_type:
            case "session_started":
                return (Accepted(),)
            case "partial_transcript":
                if not told.text and not self._partial:
                    return ()
                self._partial = bool(told.text.strip())
                return (PartialText(self._segment, checked(told.text).strip(), UNKNOWN),)
            case "committed_transcript_with_timestamps":
                return self._committed(told)
            case "commit_throttled":
                self._asked = 0
                return () if self._partial else (Settled(),)
        kind = _KINDS.get(told.message_type)
        return () if kind is None else (StreamFailed(kind, f"{told.message_type}: {told.error[:100]}"),)

    def _committed(self, told: _Message) -> list[WireEvent]:
        """The copy with times is the one that counts; the other one, before it, is ignored."""
        words = [
            RecognisedWord(w.text.strip(), w.start, w.end, None if w.logprob is None else min(1.0, math.exp(w.logprob)))
            for w in told.words
            if w.type == "word" and w.text.strip()
        ]
        text = checked(told.text).strip()
        events: list[WireEvent] = []
        if text or self._partial:
            sure = min((word.confidence for word in words if word.confidence is not None), default=1.0)
            events.append(FinalText(self._segment, text, end_of(words), sure, tuple(words)))
            self._segment += 1
        self._partial = False
        if self._asked:
            self._asked -= 1
            if not self._asked:
                events.append(Settled())
        return events


def _chunk(ulaw: bytes, *, commit: bool = False) -> str:
    return msgspec.json.encode(
        {
            "message_type": "input_audio_chunk",
            "audio_base_64": base64.b64encode(ulaw).decode(),
            "commit": commit,
            "sample_rate": 8000,
        }
    ).decode()
