"""Inworld over `voice:streamBidirectional`: five contexts on a connection, word times that restart at each flush.

Sources: docs.inworld.ai (api-reference/ttsAPI/texttospeech/synthesize-speech-websocket, resources/concurrency-limits)
and its published examples. That the socket gives mu-law is its package's word, not its documentation's.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence

import msgspec

from bridge.errors import FailureKind, VoiceError
from bridge.speaking.hosted_settings import InworldSettings
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

_KINDS: dict[int, FailureKind] = {3: "rejected", 5: "rejected", 7: "auth", 8: "busy", 14: "lost", 16: "auth"}
"""By the codes of gRPC's status."""


class _Status(msgspec.Struct):
    code: int = 0
    message: str = ""


class _Alignment(msgspec.Struct, rename="camel"):
    words: tuple[str, ...] = ()
    word_start_time_seconds: tuple[float, ...] = ()
    word_end_time_seconds: tuple[float, ...] = ()


class _Timestamps(msgspec.Struct, rename="camel"):
    word_alignment: _Alignment | None = None


class _Chunk(msgspec.Struct, rename="camel"):
    audio_content: str = ""
    timestamp_info: _Timestamps | None = None


class _Result(msgspec.Struct, rename="camel"):
    context_id: str = ""
    audio_chunk: _Chunk | None = None
    flush_completed: dict[str, object] | None = None
    context_closed: dict[str, object] | None = None
    status: _Status | None = None


class _Message(msgspec.Struct):
    result: _Result | None = None
    error: _Status | None = None


_decoder = msgspec.json.Decoder(_Message)


class InworldWire(VoiceWire):
    """The protocol of one connection, whose contexts may differ in voice and format."""

    traits = VoiceTraits(contexts=5, longest_text=950)

    def __init__(self, settings: InworldSettings) -> None:
        self._settings = settings
        self._clocks: dict[str, tuple[float, float]] = {}
        """For each context where its flush begins, and where its last word ends, in milliseconds."""

    def address(self, request: SpeechRequest, key: str) -> VoiceAddress:
        """Connections have no voice, so that all share them."""
        return VoiceAddress(self._settings.url, {"Authorization": f"Basic {key}"} if key else {})

    def begin(self, context: str, request: SpeechRequest) -> Sequence[Message]:
        """Open the context; text may follow at once."""
        given = request.audio_format
        self._clocks[context] = (0.0, 0.0)
        create = {
            "voiceId": request.voice,
            "modelId": self._settings.model,
            "audioConfig": {
                "audioEncoding": "MULAW" if given.codec == "mulaw" else "PCM",
                "sampleRateHertz": given.rate_hz,
                "speakingRate": min(1.5, max(0.5, request.speed)),
            },
            "timestampType": "WORD",
            "autoMode": False,
        }
        return (_json({"contextId": context, "create": create}),)

    def text(self, context: str, text: str) -> Sequence[Message]:
        """Texts are joined as they are."""
        return (_json({"contextId": context, "send_text": {"text": text + " "}}),)

    def flush(self, context: str) -> Sequence[Message]:
        """Have the text so far spoken."""
        return (_json({"contextId": context, "flush_context": {}}),)

    def end(self, context: str) -> Sequence[Message]:
        """Close the context: the rest is spoken first."""
        return (_json({"contextId": context, "close_context": {}}),)

    def cancel(self, context: str) -> Sequence[Message]:
        """Stop the context; its place is free when that is confirmed."""
        return (_json({"contextId": context, "cancel_context": {}}),)

    def receive(self, message: Message) -> Sequence[VoiceEvent]:
        """Understand one message; those of unknown forms are ignored."""
        told = _decoder.decode(message)
        if told.error is not None:
            return (SpeechRefused("", _error(told.error)),)
        result = told.result
        if result is None:
            return ()
        context, events = result.context_id, list[VoiceEvent]()
        if result.status is not None and result.status.code:
            self._clocks.pop(context, None)
            return (SpeechRefused(context, _error(result.status)),)
        if result.audio_chunk is not None:
            info = result.audio_chunk.timestamp_info
            if info is not None and info.word_alignment is not None and context in self._clocks:
                events.append(SpeechTimes(context, self._placed(context, info.word_alignment)))
            if result.audio_chunk.audio_content:
                events.append(SpeechAudio(context, base64.b64decode(result.audio_chunk.audio_content, validate=True)))
        if result.flush_completed is not None and context in self._clocks:
            end_ms = self._clocks[context][1]
            self._clocks[context] = (end_ms, end_ms)
        if result.context_closed is not None:
            self._clocks.pop(context, None)
            events.append(SpeechDone(context))
        return events

    def _placed(self, context: str, alignment: _Alignment) -> tuple[TimedText, ...]:
        starts, ends = alignment.word_start_time_seconds, alignment.word_end_time_seconds
        if not len(alignment.words) == len(starts) == len(ends):
            raise ValueError("word times whose lists differ in length")
        base_ms, end_ms = self._clocks[context]
        spans = zip(alignment.words, starts, ends, strict=True)
        placed = tuple(TimedText(w, base_ms + s * 1000, base_ms + e * 1000) for w, s, e in spans)
        self._clocks[context] = (base_ms, max([end_ms, *(one.end_ms for one in placed)]))
        return placed


def _error(status: _Status) -> VoiceError:
    said = f"{status.code} {status.message}"[:160]
    kind = _KINDS.get(status.code, "internal")
    return busy(said) if kind == "busy" else VoiceError(said, kind)


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
