"""Smallest.ai Lightning: one text at a time, linear16 at 8 kHz, words one by one, an end that comes late unless asked.

Sources: docs.smallest.ai (waves tts asyncapi, concurrency-and-limits) and smallestai 5.14. There is no way to stop but
closing the connection.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from urllib.parse import urlencode

import msgspec

from bridge.audio.formats import AudioFormat
from bridge.errors import VoiceError
from bridge.speaking.hosted_settings import SmallestSettings
from bridge.speaking.voices.base import SpeechRequest
from bridge.speaking.voices.hosted.wire import (
    Message,
    SpeechAudio,
    SpeechDone,
    SpeechRefused,
    SpeechTimes,
    TimedText,
    VoiceAddress,
    VoiceEvent,
    VoiceTraits,
    VoiceWire,
    linear,
)

_END_MS = 100
"""How long after the last audio it says that it is complete; four seconds unless it is asked."""
_IDLE_S = 60


class _Trouble(msgspec.Struct):
    message: str = ""
    code: str | int | None = None


class _Data(msgspec.Struct):
    audio: str = ""
    word: str = ""
    start: float = 0.0
    end: float = 0.0


class _Message(msgspec.Struct):
    status: str = ""
    external_request_id: str = ""
    data: _Data | None = None
    message: str = ""
    error: _Trouble | str | None = None


_decoder = msgspec.json.Decoder(_Message)


class SmallestWire(VoiceWire):
    """The protocol of one connection; every message repeats voice, model and format."""

    traits = VoiceTraits(idle_s=_IDLE_S * 0.75, longest_text=900)

    def __init__(self, settings: SmallestSettings) -> None:
        self._settings = settings
        self._context = ""
        self._told: dict[str, object] = {}

    def address(self, request: SpeechRequest, key: str) -> VoiceAddress:
        """Connections have no voice, so that all share them."""
        url = f"{self._settings.url}?{urlencode({'timeout': _IDLE_S})}"
        return VoiceAddress(url, {"Authorization": f"Bearer {key}"} if key else {})

    def gives(self, wanted: AudioFormat) -> AudioFormat:
        """Linear samples are documented for the socket; mu-law is not."""
        return linear(wanted)

    def begin(self, context: str, request: SpeechRequest) -> Sequence[Message]:
        """A context begins with its first text."""
        self._context = context
        self._told = {
            "voice_id": request.voice,
            "model": self._settings.model,
            "sample_rate": self.gives(request.audio_format).rate_hz,
            "speed": min(2.0, max(0.5, request.speed)),
            "word_timestamps": True,
            "max_buffer_flush_ms": 0,
            "complete_backoff_ms": _END_MS,
            "request_id": context,
        }
        if request.language:
            self._told["language"] = request.language.partition("-")[0]
        return ()

    def text(self, context: str, text: str) -> Sequence[Message]:
        """Texts are joined as they are."""
        return (_json({**self._told, "text": text + " ", "continue": True, "flush": False}),)

    def end(self, context: str) -> Sequence[Message]:
        """Have the rest spoken, after which no more comes."""
        return (_json({**self._told, "text": "", "continue": False, "flush": True}),)

    def receive(self, message: Message) -> Sequence[VoiceEvent]:
        """Understand one message; those of unknown statuses are ignored."""
        told = _decoder.decode(message)
        context = told.external_request_id or self._context
        match told.status:
            case "chunk" if told.data is not None and told.data.audio:
                return (SpeechAudio(context, base64.b64decode(told.data.audio, validate=True)),)
            case "word_timestamp" if told.data is not None:
                word = TimedText(told.data.word, told.data.start * 1000, told.data.end * 1000)
                return (SpeechTimes(context, (word,)),)
            case "complete":
                return (SpeechDone(context),)
            case "error":
                return (SpeechRefused(context, _error(told), closes=True),)
        return ()


def _error(told: _Message) -> VoiceError:
    """Errors come in two forms, in neither of which a code is promised."""
    trouble = told.error if isinstance(told.error, _Trouble) else _Trouble(told.error or told.message)
    said = trouble.message.lower()
    if "inactivity" in said or "timed out" in said:
        return VoiceError(trouble.message[:160], "idle")
    internal = "internal" in said or str(trouble.code or "").startswith("5")
    return VoiceError(trouble.message[:160], "internal" if internal else "rejected")


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
