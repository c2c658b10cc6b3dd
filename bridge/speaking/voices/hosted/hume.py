"""Hume Octave: a connection for each text, linear16 at 48 kHz, words in milliseconds, an end that is the close.

Sources: hume 0.14 (`tts/stream_input`, `tts/types`).
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from urllib.parse import urlencode

import msgspec

from bridge.audio.formats import AudioFormat
from bridge.errors import VoiceError, kind_of_status
from bridge.speaking.hosted_settings import HumeSettings
from bridge.speaking.voices.base import SpeechRequest
from bridge.speaking.voices.hosted.wire import (
    Message,
    SpeechAudio,
    SpeechRefused,
    SpeechTimes,
    TimedText,
    VoiceAddress,
    VoiceEvent,
    VoiceTraits,
    VoiceWire,
    busy,
)

_PCM_48000 = AudioFormat("pcm", 48_000)


class _Span(msgspec.Struct):
    begin: float
    end: float


class _Timestamp(msgspec.Struct):
    type: str = "word"
    text: str = ""
    time: _Span | None = None


class _Message(msgspec.Struct):
    type: str = ""
    audio: str = ""
    timestamp: _Timestamp | None = None
    error: str | None = None
    code: str | int | None = None
    message: str = ""


_decoder = msgspec.json.Decoder(_Message)


class HumeWire(VoiceWire):
    """The protocol of one connection, which speaks one text and ends with it."""

    traits = VoiceTraits(reusable=False, idle_s=40.0, longest_text=4000)

    def __init__(self, settings: HumeSettings) -> None:
        self._settings = settings
        self._context = ""
        self._told: dict[str, object] = {}

    def address(self, request: SpeechRequest, key: str) -> VoiceAddress:
        """Format and version stand in the query, the key in the handshake."""
        query = {
            "format_type": "pcm",
            "instant_mode": "true",
            "no_binary": "true",
            "strip_headers": "true",
            "include_timestamp_types": "word",
            "version": self._settings.model,
        }
        return VoiceAddress(f"{self._settings.url}?{urlencode(query)}", {"X-Hume-Api-Key": key} if key else {})

    def gives(self, wanted: AudioFormat) -> AudioFormat:
        """There is no other rate, and no mu-law."""
        return _PCM_48000

    def begin(self, context: str, request: SpeechRequest) -> Sequence[Message]:
        """Every message names the voice."""
        self._context = context
        speed = min(2.0, max(0.5, request.speed))
        voice = {"name": request.voice, "provider": self._settings.voice_provider}
        self._told = {"voice": voice, "speed": speed}
        return ()

    def text(self, context: str, text: str) -> Sequence[Message]:
        """Texts are joined as they are."""
        return (_json({**self._told, "text": text + " "}),)

    def flush(self, context: str) -> Sequence[Message]:
        """Have the text so far spoken."""
        return ('{"flush":true}',)

    def end(self, context: str) -> Sequence[Message]:
        """Have the rest spoken, and the connection closed after it."""
        return ('{"close":true}',)

    def receive(self, message: Message) -> Sequence[VoiceEvent]:
        """Understand one message; those of unknown types are ignored."""
        if isinstance(message, bytes):
            return (SpeechAudio(self._context, message),) if message else ()
        told = _decoder.decode(message)
        if told.error is not None:
            return (SpeechRefused("", _error(told)),)
        if told.type == "audio" and told.audio:
            return (SpeechAudio(self._context, base64.b64decode(told.audio, validate=True)),)
        word = told.timestamp
        if told.type == "timestamp" and word is not None and word.type == "word" and word.time is not None:
            return (SpeechTimes(self._context, (TimedText(word.text, word.time.begin, word.time.end),)),)
        return ()

    def closed(self, code: int | None, reason: str) -> VoiceError | None:
        """A clean close after the text was complete is the end of the speech."""
        return None if code == 1000 else super().closed(code, reason)


def _error(told: _Message) -> VoiceError:
    said = f"{told.code or ''} {told.error} {told.message}".strip()[:160]
    status = str(told.code or "")
    kind = kind_of_status(int(status)) if status.isdecimal() and len(status) == 3 else "rejected"
    if "internal" in said.lower():
        kind = "internal"
    return busy(said) if kind == "busy" else VoiceError(said, kind)


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
