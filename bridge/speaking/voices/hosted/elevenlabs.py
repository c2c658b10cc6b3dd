"""ElevenLabs over `multi-stream-input`: five contexts on a connection, letters placed in time.

Sources: elevenlabs.io/docs (api-reference/text-to-speech multi-stream-input, eleven-api/guides/how-to/websockets) and
elevenlabs 2.78. Names on the wire come in two spellings, and both are read.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from urllib.parse import quote, urlencode

import msgspec

from bridge.audio.formats import AudioFormat
from bridge.errors import FailureKind, VoiceError
from bridge.speaking.hosted_settings import ElevenLabsSettings
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
    busy,
)

_IDLE_S = 180
_KINDS: dict[str, FailureKind] = {
    "invalid_api_key": "auth",
    "unauthorized": "auth",
    "quota_exceeded": "quota",
    "subscription_required": "auth",
    "input_timeout_exceeded": "idle",
    "max_active_conversations": "busy",
    "concurrent_limit_exceeded": "busy",
    "too_many_concurrent_requests": "busy",
    "rate_limit_exceeded": "busy",
    "system_busy": "busy",
}


class _Alignment(msgspec.Struct):
    chars: tuple[str, ...] = ()
    starts: tuple[float, ...] = msgspec.field(default=(), name="charStartTimesMs")
    durations: tuple[float, ...] = msgspec.field(default=(), name="charDurationsMs")
    durations_of_old: tuple[float, ...] = msgspec.field(default=(), name="charsDurationsMs")


class _Message(msgspec.Struct, rename="camel"):
    audio: str | None = None
    context_id: str | None = None
    context_id_of_old: str | None = msgspec.field(default=None, name="context_id")
    is_final: bool | None = None
    is_final_of_old: bool | None = msgspec.field(default=None, name="is_final")
    alignment: _Alignment | None = None
    normalized_alignment: _Alignment | None = None
    message: str = ""
    error: str | None = None
    code: int | None = None


_decoder = msgspec.json.Decoder(_Message)


class ElevenLabsWire(VoiceWire):
    """The protocol of one connection, which has one voice and one format."""

    traits = VoiceTraits(contexts=5, idle_s=_IDLE_S * 0.8, longest_text=5000)

    def __init__(self, settings: ElevenLabsSettings) -> None:
        self._settings = settings
        self._clocks: dict[str, float] = {}
        """Where the next alignment begins in each context, in milliseconds."""
        self._words: dict[str, TimedText] = {}
        """The word in each context whose end may not have come yet."""

    def address(self, request: SpeechRequest, key: str) -> VoiceAddress:
        """Voice, model and format stand in the address."""
        settings = self._settings
        given = request.audio_format
        query = {
            "model_id": settings.model,
            "output_format": "ulaw_8000" if given.codec == "mulaw" else f"pcm_{given.rate_hz}",
            "auto_mode": "true",
            "sync_alignment": "true",
            "inactivity_timeout": str(_IDLE_S),
        }
        if request.language and settings.model != "eleven_multilingual_v2":
            query["language_code"] = request.language.partition("-")[0]
        path = f"/v1/text-to-speech/{quote(request.voice, safe='')}/multi-stream-input"
        return VoiceAddress(f"{settings.url}{path}?{urlencode(query)}", {"xi-api-key": key} if key else {})

    def gives(self, wanted: AudioFormat) -> AudioFormat:
        """Every format of ours is one of theirs."""
        return wanted

    def begin(self, context: str, request: SpeechRequest) -> Sequence[Message]:
        """Open the context with a blank, as is documented, and the settings of the voice."""
        settings = self._settings
        speed = min(1.2, max(0.7, request.speed))
        voice = {"stability": settings.stability, "similarity_boost": settings.similarity, "speed": speed}
        self._clocks[context] = 0.0
        return (_json({"context_id": context, "text": " ", "voice_settings": voice}),)

    def text(self, context: str, text: str) -> Sequence[Message]:
        """Text ends with a blank, or it is glued to what follows."""
        return (_json({"context_id": context, "text": text + " "}),)

    def flush(self, context: str) -> Sequence[Message]:
        """Have the text so far spoken."""
        return (_json({"context_id": context, "flush": True}),)

    def end(self, context: str) -> Sequence[Message]:
        """Flush, then close: what was flushed is spoken to its end, and the final message comes."""
        return (*self.flush(context), _json({"context_id": context, "close_context": True}))

    def cancel(self, context: str) -> Sequence[Message]:
        """Close the context; its place is free when the final message has come."""
        return (_json({"context_id": context, "close_context": True}),)

    def receive(self, message: Message) -> Sequence[VoiceEvent]:
        """Understand one message; those of unknown forms are ignored."""
        told = _decoder.decode(message)
        context = told.context_id or told.context_id_of_old or ""
        if told.error is not None:
            return (SpeechRefused("", _error(told.error, told.message)),)
        events: list[VoiceEvent] = []
        if context in self._clocks:
            alignment = told.alignment or told.normalized_alignment
            if alignment is not None and (placed := self._placed(context, alignment)):
                events.append(SpeechTimes(context, tuple(placed)))
        if told.audio:
            events.append(SpeechAudio(context, base64.b64decode(told.audio, validate=True)))
        if told.is_final or told.is_final_of_old:
            last = self._words.pop(context, None)
            events += [SpeechTimes(context, (last,))] if last is not None else []
            events.append(SpeechDone(context))
            self._clocks.pop(context, None)
        return events

    def _placed(self, context: str, alignment: _Alignment) -> list[TimedText]:
        """Words out of letters, whose times begin at zero in each message; the last may go on in the next one."""
        durations = alignment.durations or alignment.durations_of_old
        if not len(alignment.chars) == len(alignment.starts) == len(durations):
            raise ValueError("an alignment whose lists differ in length")
        base = self._clocks[context]
        word = self._words.pop(context, None)
        placed: list[TimedText] = []
        for char, start, lasts in zip(alignment.chars, alignment.starts, durations, strict=True):
            if char.isspace():
                placed += [word] if word is not None else []
                word = None
            elif word is None:
                word = TimedText(char, base + start, base + start + lasts)
            else:
                word = TimedText(word.text + char, word.start_ms, base + start + lasts)
            self._clocks[context] = max(self._clocks[context], base + start + lasts)
        if word is not None:
            self._words[context] = word
        return placed

    def closed(self, code: int | None, reason: str) -> VoiceError | None:
        """Every error of the service closes with 1008; a word about it stands in the message before, or the reason."""
        if code == 1008:
            return _error("", reason)
        return super().closed(code, reason)


def _error(code: str, message: str) -> VoiceError:
    said = f"{code}: {message}" if code else message
    kind = _KINDS.get(code)
    if kind == "busy":
        return busy(said[:160])
    if kind is None:
        kind = "internal" if "something went wrong" in message.lower() else "rejected"
    return VoiceError(said[:160], kind, code=code)


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
