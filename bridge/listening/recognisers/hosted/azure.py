"""Azure Speech: messages with headers, a turn for every request, audio that begins with a RIFF header.

Sources: the frame rules of MicrosoftDocs/azure-docs (`websocketprotocol.md`) and
microsoft-cognitiveservices-speech-sdk 1.52 for JavaScript; there is no current public document of the protocol. That
the service takes mu-law is the SDK's word.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from urllib.parse import urlencode

import msgspec

from bridge.listening.hosted_settings import AzureSettings
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
    Address,
    HeldAudio,
    Message,
    RecogniserWire,
    Reply,
    Settled,
    WireEvent,
    WireTraits,
    checked,
)

_TICKS = 1e7
"""Of 100 ns in a second."""
_MOST_HEADERS = 64
_STATUS: dict[str, FailureKind] = {
    "Error": "internal",
    "TooManyRequests": "busy",
    "BadRequest": "rejected",
    "Forbidden": "auth",
}
_SHORTEST_S = 0.1
_LONGEST_SESSION_S = 3600.0
_TIMESTAMP = "2026-01-01T00:00:00.000Z"
"""The service does not check it, and a protocol has no clock."""


class _Word(msgspec.Struct, rename="pascal"):
    word: str
    offset: float
    duration: float


class _Best(msgspec.Struct, rename="pascal"):
    confidence: float = 1.0
    display: str = ""
    words: tuple[_Word, ...] = ()


class _Speech(msgspec.Struct, rename="pascal"):
    text: str = ""
    offset: float = 0.0
    duration: float = 0.0
    recognition_status: str = "Success"
    display_text: str = ""
    n_best: tuple[_Best, ...] = msgspec.field(default=(), name="NBest")


_speech = msgspec.json.Decoder(_Speech)


def text_message(path: str, request: str, body: str, content_type: str = "application/json") -> str:
    """A text message: headers, an empty line, the body."""
    asked = f"X-RequestId: {request}\r\n" if request else ""
    return f"Path: {path}\r\n{asked}X-Timestamp: {_TIMESTAMP}\r\nContent-Type: {content_type}\r\n\r\n{body}"


def binary_message(path: str, request: str, payload: bytes, content_type: str = "audio/x-wav") -> bytes:
    """A binary message: the headers' length in two bytes, big-endian, the headers, the payload."""
    headers = f"Path: {path}\r\nX-RequestId: {request}\r\nX-Timestamp: {_TIMESTAMP}\r\nContent-Type: {content_type}\r\n"
    return struct.pack(">H", len(headers)) + headers.encode("ascii") + payload


def headers_of(message: str) -> tuple[dict[str, str], str]:
    """Headers with names in small letters, and the body. Raises ValueError for a message that has none."""
    head, blank, body = message.partition("\r\n\r\n")
    if not blank:
        raise ValueError("a message without headers")
    lines = head.split("\r\n")
    if len(lines) > _MOST_HEADERS:
        raise ValueError(f"a message with {len(lines)} headers")
    parted = (line.partition(":") for line in lines)
    return {name.strip().lower(): value.strip() for name, _, value in parted}, body


def riff_header() -> bytes:
    """The beginning of an endless WAV file of mu-law at 8 kHz."""
    form = struct.pack("<HHIIHH", 7, 1, 8000, 8000, 1, 8)
    return b"RIFF\0\0\0\0WAVEfmt " + struct.pack("<I", len(form)) + form + b"data\0\0\0\0"


class AzureWire(RecogniserWire):
    """Azure's protocol for one connection."""

    def __init__(self, settings: AzureSettings, expected: ExpectedSpeech) -> None:
        self._settings = settings
        self._expected = expected
        self._turns = 0
        self._segment = 0
        self._partial = self._ending = False
        self._sent_s = self._turn_s = 0.0
        """Audio sent in all, and before the turn under way."""
        self._held = HeldAudio()
        self.traits = WireTraits(
            name="azure",
            capabilities=Capabilities(
                live=True,
                word_times=True,
                live_hints=True,
                live_language=False,
                longest_session_s=_LONGEST_SESSION_S,
            ),
            message_ms=60,
        )

    @property
    def outstanding(self) -> bool:  # type: ignore[override]
        """Whether a turn is being ended, or a hypothesis waits for its phrase."""
        return self._partial or self._ending

    @property
    def _request(self) -> str:
        return f"{self._turns:032x}"

    def address(self, key: str) -> Address:
        """Language and form of the answers stand in the query."""
        settings = self._settings
        base = settings.url or f"wss://{settings.region}.stt.speech.microsoft.com"
        query = {"language": self._expected.language, "format": "detailed", "wordLevelTimestamps": "true"}
        url = f"{base}/speech/recognition/{settings.mode}/cognitiveservices/v1?{urlencode(query)}"
        return Address(url, {"X-ConnectionId": "0" * 31 + "1", **({"Ocp-Apim-Subscription-Key": key} if key else {})})

    def opening(self) -> Sequence[Message]:
        """Say who we are, and begin the first turn."""
        system = {"context": {"system": {"name": "bridge", "version": "1"}}, "recognition": self._settings.mode}
        return (text_message("speech.config", "", _json(system)), *self._begin())

    def _begin(self) -> list[Message]:
        self._turns += 1
        self._turn_s = self._sent_s
        context: dict[str, object] = {
            "phraseOutput": {"format": "Detailed", "detailed": {"options": ["WordTimings"]}},
        }
        if self._expected.hints:
            items = [{"Text": hint} for hint in self._expected.hints[:100]]
            context["dgi"] = {"Groups": [{"Type": "Generic", "Items": items}]}
        return [
            text_message("speech.context", self._request, _json(context)),
            binary_message("audio", self._request, riff_header()),
        ]

    def expect(self, expected: ExpectedSpeech) -> Sequence[Message]:
        """Hints go with the next turn."""
        self._expected = expected
        return ()

    def audio(self, ulaw: bytes) -> Sequence[Message]:
        """Audio belongs to the turn under way; while one is being ended it waits for the next."""
        if not self._ending:
            return self._sounds(ulaw)
        if self._held.add(ulaw):
            return ()
        self._ending = False  # it never said that the turn is over: go on without that
        return self._go_on()

    def _sounds(self, ulaw: bytes) -> list[Message]:
        self._sent_s += len(ulaw) / 8000
        return [binary_message("audio", self._request, ulaw[at : at + 8000]) for at in range(0, len(ulaw), 8000)]

    def finalise(self, number: int, at_s: float) -> Sequence[Message]:
        """End the turn by an empty payload, unless there is hardly anything in it."""
        if self._ending or self._sent_s - self._turn_s < _SHORTEST_S:
            return ()
        self._ending = True
        return (binary_message("audio", self._request, b""),)

    def receive(self, message: Message) -> Sequence[WireEvent]:
        """Understand one message; those of unknown paths are ignored."""
        if isinstance(message, bytes):
            return ()
        headers, body = headers_of(message)
        match headers.get("path", "").lower():
            case "speech.hypothesis" | "speech.fragment":
                told = _speech.decode(body)
                self._partial = bool(told.text)
                until = self._at(told.offset + told.duration)
                return (PartialText(self._segment, checked(told.text), until),)
            case "speech.phrase":
                return self._phrase(_speech.decode(body))
            case "turn.end":
                return self._turn_over()
        return ()

    def _at(self, ticks: float) -> float:
        return self._turn_s + ticks / _TICKS

    def _phrase(self, told: _Speech) -> list[WireEvent]:
        if told.recognition_status in _STATUS:
            return [StreamFailed(_STATUS[told.recognition_status], told.recognition_status)]
        had, self._partial = self._partial, False
        best = told.n_best[0] if told.n_best else _Best(display=told.display_text)
        text = checked(best.display or told.display_text)
        if not text and not had:
            return []
        words = tuple(RecognisedWord(w.word, self._at(w.offset), self._at(w.offset + w.duration)) for w in best.words)
        self._segment += 1
        sure = min(1.0, max(0.0, best.confidence))
        return [FinalText(self._segment - 1, text, self._at(told.offset + told.duration), sure, words)]

    def _turn_over(self) -> list[WireEvent]:
        """Telemetry is owed after a turn; then the next one begins, with the audio that waited for it."""
        asked, self._ending = self._ending, False
        telemetry = text_message("telemetry", self._request, '{"ReceivedMessages":[],"Metrics":[]}')
        return [Reply((telemetry, *self._go_on())), *([Settled()] if asked else [])]

    def _go_on(self) -> list[Message]:
        return [*self._begin(), *self._sounds(self._held.take())]

    def closed(self, code: int | None, reason: str) -> StreamFailed:
        """1002 and 4000 mean that a message of ours was wrong; throttling is told by the reason alone."""
        if "throttled" in reason.lower() or "too many requests" in reason.lower():
            return StreamFailed("busy", reason[:120])
        if code in (1002, 4000):
            return StreamFailed("rejected", f"{code} {reason[:100]}")
        return super().closed(code, reason)


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
