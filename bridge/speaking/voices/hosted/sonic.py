"""Cartesia Sonic over `/tts/websocket`: many contexts on a connection, word times in messages of their own.

Sources: docs.cartesia.ai (api-reference/tts/websocket, use-the-api/tts-websocket, concurrency-limits-and-timeouts,
api-errors) and cartesia 4.2 (`types/generation_request.py`, `types/websocket_response.py`).
"""

from __future__ import annotations

import base64
from collections.abc import Sequence

import msgspec

from bridge.errors import VoiceBusy, VoiceError, kind_of_status
from bridge.speaking.hosted_settings import SonicSettings
from bridge.speaking.voices.base import SpeechRequest
from bridge.speaking.voices.hosted.wire import (
    Message,
    SpeechAudio,
    SpeechDone,
    SpeechRefused,
    SpeechTimes,
    VoiceAddress,
    VoiceEvent,
    VoiceTraits,
    VoiceWire,
    WordTimes,
    busy,
)


class _Message(msgspec.Struct):
    type: str = ""
    context_id: str = ""
    data: str = ""
    word_timestamps: WordTimes | None = None
    status_code: int = 0
    error_code: str | None = None
    title: str = ""
    message: str = ""
    error: str = ""


_decoder = msgspec.json.Decoder(_Message)


class SonicWire(VoiceWire):
    """The protocol of one connection, whose contexts may differ in voice and format."""

    traits = VoiceTraits(contexts=10, confirms_cancel=False, idle_s=240.0, longest_text=2000)

    def __init__(self, settings: SonicSettings) -> None:
        self._settings = settings
        self._open: dict[str, dict[str, object]] = {}
        """What every message of a context repeats."""

    def address(self, request: SpeechRequest, key: str) -> VoiceAddress:
        """Connections have no voice, so that all share them."""
        headers = {"Cartesia-Version": self._settings.version}
        return VoiceAddress(self._settings.url, {**headers, "Authorization": f"Bearer {key}"} if key else headers)

    def begin(self, context: str, request: SpeechRequest) -> Sequence[Message]:
        """A context begins with its first text."""
        given = request.audio_format
        encoding = "pcm_mulaw" if given.codec == "mulaw" else "pcm_s16le"
        told: dict[str, object] = {
            "context_id": context,
            "model_id": self._settings.model,
            "voice": {"mode": "id", "id": request.voice},
            "output_format": {"container": "raw", "encoding": encoding, "sample_rate": given.rate_hz},
            "add_timestamps": True,
            "max_buffer_delay_ms": 0,
        }
        if request.language:
            told["language"] = request.language.partition("-")[0]
        if request.speed != 1.0:
            told["generation_config"] = {"speed": min(1.5, max(0.6, request.speed))}
        self._open[context] = told
        return ()

    def text(self, context: str, text: str) -> Sequence[Message]:
        """Texts are joined as they are."""
        return (_json({**self._open[context], "transcript": text + " ", "continue": True}),)

    def end(self, context: str) -> Sequence[Message]:
        """Nothing more is added to the context."""
        return (_json({**self._open[context], "transcript": "", "continue": False}),)

    def cancel(self, context: str) -> Sequence[Message]:
        """What is being made goes on to its end, under the old name."""
        self._open.pop(context, None)
        return (_json({"context_id": context, "cancel": True}),)

    def receive(self, message: Message) -> Sequence[VoiceEvent]:
        """Understand one message; those of unknown types are ignored."""
        told = _decoder.decode(message)
        match told.type:
            case "chunk" if told.data:
                return (SpeechAudio(told.context_id, base64.b64decode(told.data, validate=True)),)
            case "timestamps" if told.word_timestamps is not None:
                return (SpeechTimes(told.context_id, told.word_timestamps.timed()),)
            case "done":
                self._open.pop(told.context_id, None)
                return (SpeechDone(told.context_id),)
            case "error":
                self._open.pop(told.context_id, None)
                return (SpeechRefused(told.context_id, _error(told)),)
        return ()

    def closed(self, code: int | None, reason: str) -> VoiceError | None:
        """Read a close: idle connections end without a word after five minutes of silence."""
        if code == 1000 and not self._open:
            return VoiceError("closed an idle connection", "idle")
        return super().closed(code, reason)


def _error(told: _Message) -> VoiceError:
    said = f"{told.status_code} {told.error_code or ''} {told.title or told.error}: {told.message}"[:160]
    kind = kind_of_status(told.status_code or 500)
    if kind == "busy":
        found = busy(said)
        return VoiceBusy(said, found.retry_after_s, code=told.error_code or "")
    return VoiceError(said, kind, code=told.error_code or "")


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
