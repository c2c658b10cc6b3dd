"""Azure Speech over `websocket/v2`: messages with headers, a turn for each text, words in ticks of 100 ns.

Sources: microsoft-cognitiveservices-speech-sdk 1.52 for JavaScript (`common.speech`), learn.microsoft.com (rest
text-to-speech, how-to-lower-speech-synthesis-latency). The messages of v2 are known from that client alone.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

import msgspec

from bridge.audio.formats import AudioFormat
from bridge.errors import VoiceError
from bridge.speaking.hosted_settings import AzureVoiceSettings
from bridge.speaking.voices.base import SpeechRequest
from bridge.speaking.voices.hosted.wire import (
    ContextFreed,
    Message,
    SpeechAudio,
    SpeechDone,
    SpeechTimes,
    TimedText,
    VoiceAddress,
    VoiceEvent,
    VoiceTraits,
    VoiceWire,
    busy,
)

_TICKS_PER_MS = 10_000
_MOST_HEADERS = 64
_TIMESTAMP = "2026-01-01T00:00:00.000Z"
"""The service does not check it, and a protocol has no clock."""


class _Text(msgspec.Struct, rename="pascal"):
    text: str = ""
    boundary_type: str = "WordBoundary"


class _Data(msgspec.Struct, rename="pascal"):
    offset: float = 0.0
    duration: float = 0.0
    text: _Text | None = msgspec.field(default=None, name="text")


class _Entry(msgspec.Struct, rename="pascal"):
    type: str = ""
    data: _Data = msgspec.field(default_factory=_Data)


class _Metadata(msgspec.Struct, rename="pascal"):
    metadata: tuple[_Entry, ...] = ()


_metadata = msgspec.json.Decoder(_Metadata)


class AzureVoiceWire(VoiceWire):
    """The protocol of one connection: one turn at a time, each with an id of its own."""

    traits = VoiceTraits(idle_s=100.0, longest_text=4000)

    def __init__(self, settings: AzureVoiceSettings) -> None:
        self._settings = settings
        self._turns = 0
        self._context = ""
        self._cancelled = False

    @property
    def _request(self) -> str:
        return f"{self._turns:032x}"

    def address(self, request: SpeechRequest, key: str) -> VoiceAddress:
        """Connections have no voice, so that all share them."""
        base = self._settings.url or f"wss://{self._settings.region}.tts.speech.microsoft.com"
        headers = {"X-ConnectionId": "0" * 31 + "1", **({"Ocp-Apim-Subscription-Key": key} if key else {})}
        return VoiceAddress(f"{base}/cognitiveservices/websocket/v2", headers)

    def gives(self, wanted: AudioFormat) -> AudioFormat:
        """Every format of ours is one of theirs."""
        return wanted

    def opening(self) -> Sequence[Message]:
        """Say who we are, once for the connection."""
        system = {"context": {"system": {"name": "bridge", "version": "1"}, "os": {"platform": "server"}}}
        return (_message("speech.config", "", _json(system)),)

    def begin(self, context: str, request: SpeechRequest) -> Sequence[Message]:
        """Open a turn with voice and format."""
        self._context, self._cancelled = context, False
        self._turns += 1
        given = request.audio_format
        khz = given.rate_hz // 1000
        form = "raw-8khz-8bit-mono-mulaw" if given.codec == "mulaw" else f"raw-{khz}khz-16bit-mono-pcm"
        language = request.language or "-".join(request.voice.split("-")[:2])
        marks = {"wordBoundaryEnabled": True, "punctuationBoundaryEnabled": False, "sentenceBoundaryEnabled": False}
        options = {**marks, "bookmarkEnabled": False, "visemeEnabled": False, "sessionEndEnabled": True}
        spoken: dict[str, object] = {"bidirectionalStreamingMode": True, "voiceName": request.voice}
        spoken["language"] = language
        if request.speed != 1.0:
            spoken["rate"] = f"{request.speed:g}"
        synthesis = {
            "audio": {"outputFormat": form, "metadataOptions": options},
            "language": {"autoDetection": False},
            "input": spoken,
        }
        return (_message("synthesis.context", self._request, _json({"synthesis": synthesis})),)

    def text(self, context: str, text: str) -> Sequence[Message]:
        """Texts are joined as they are, and are no SSML."""
        return (_message("text.piece", self._request, text + " ", "text/plain"),)

    def end(self, context: str) -> Sequence[Message]:
        """Say that the turn's text is complete."""
        return (_message("text.end", self._request, "", "text/plain"),)

    def cancel(self, context: str) -> Sequence[Message]:
        """Stop the turn; the connection is free when the turn is said to have ended."""
        self._cancelled = True
        return (_message("synthesis.control", self._request, '{"action":"stop"}'),)

    def receive(self, message: Message) -> Sequence[VoiceEvent]:
        """Understand one message; those of other turns and of unknown paths are ignored."""
        if isinstance(message, bytes):
            return self._audio(message)
        head, blank, body = message.partition("\r\n\r\n")
        if not blank:
            raise ValueError("a message without headers")
        headers = _headers(head)
        if headers.get("x-requestid", "").lower() != self._request:
            return ()
        match headers.get("path", "").lower():
            case "audio.metadata":
                placed = tuple(_placed(_metadata.decode(body)))
                return (SpeechTimes(self._context, placed),) if placed else ()
            case "turn.end":
                return (ContextFreed(self._context) if self._cancelled else SpeechDone(self._context),)
        return ()

    def _audio(self, message: bytes) -> Sequence[VoiceEvent]:
        if len(message) < 2:
            raise ValueError("an audio message without headers")
        (length,) = struct.unpack_from(">H", message)
        if len(message) < 2 + length:
            raise ValueError("an audio message that is shorter than its headers")
        headers = _headers(message[2 : 2 + length].decode("ascii", "replace"))
        data = message[2 + length :]
        ours = headers.get("path") == "audio" and headers.get("x-requestid", "").lower() == self._request
        return (SpeechAudio(self._context, data),) if ours and data and not self._cancelled else ()

    def closed(self, code: int | None, reason: str) -> VoiceError | None:
        """Throttling and bad requests share a code, and are told apart by the reason alone."""
        if "throttled" in reason.lower() or "too many requests" in reason.lower():
            return busy(reason[:120])
        return super().closed(code, reason)


def _placed(metadata: _Metadata) -> list[TimedText]:
    found = []
    for entry in metadata.metadata:
        data = entry.data
        if entry.type == "WordBoundary" and data.text is not None and data.text.boundary_type == "WordBoundary":
            start = data.offset / _TICKS_PER_MS
            found.append(TimedText(data.text.text, start, start + data.duration / _TICKS_PER_MS))
    return found


def _headers(head: str) -> dict[str, str]:
    lines = head.split("\r\n")
    if len(lines) > _MOST_HEADERS:
        raise ValueError(f"a message with {len(lines)} headers")
    parted = (line.partition(":") for line in lines)
    return {name.strip().lower(): value.strip() for name, _, value in parted if name}


def _message(path: str, request: str, body: str, content_type: str = "application/json") -> str:
    asked = f"X-RequestId: {request}\r\n" if request else ""
    return f"Path: {path}\r\n{asked}X-Timestamp: {_TIMESTAMP}\r\nContent-Type: {content_type}\r\n\r\n{body}"


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
