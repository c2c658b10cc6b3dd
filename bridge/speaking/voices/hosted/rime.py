"""Rime over `/ws3`: one text at a time, words placed in seconds in some languages, a stop that nobody confirms.

Sources: docs.rime.ai (api-reference/coda/websockets-json, docs/websockets-segment, docs/errors).
"""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from urllib.parse import urlencode

import msgspec

from bridge.errors import VoiceError, kind_of_status
from bridge.speaking.hosted_settings import RimeSettings
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


class _Message(msgspec.Struct, rename="camel"):
    type: str = ""
    data: str = ""
    context_id: str = ""
    word_timestamps: WordTimes | None = msgspec.field(default=None, name="word_timestamps")
    message: str = ""


_decoder = msgspec.json.Decoder(_Message)


class RimeWire(VoiceWire):
    """The protocol of one connection, which has one voice and one format."""

    traits = VoiceTraits(idle_s=50.0, longest_text=950)

    def __init__(self, settings: RimeSettings) -> None:
        self._settings = settings
        self._context = ""

    def address(self, request: SpeechRequest, key: str) -> VoiceAddress:
        """Everything that the service must know stands in the query."""
        given = request.audio_format
        query = {
            "speaker": request.voice,
            "modelId": self._settings.model,
            "audioFormat": "mulaw" if given.codec == "mulaw" else "pcm",
            "samplingRate": str(given.rate_hz),
            "segment": "never",
        }
        if request.language:
            query["lang"] = request.language.partition("-")[0]
        url = f"{self._settings.url}?{urlencode(query)}"
        return VoiceAddress(url, {"Authorization": f"Bearer {key}"} if key else {})

    def begin(self, context: str, request: SpeechRequest) -> Sequence[Message]:
        """A context is a name that its texts bear."""
        self._context = context
        return ()

    def text(self, context: str, text: str) -> Sequence[Message]:
        """Texts are joined as they are."""
        return (_json({"text": text + " ", "contextId": context}),)

    def end(self, context: str) -> Sequence[Message]:
        """Nothing is spoken without a flush, which is answered by one `done`."""
        return ('{"operation":"flush"}',)

    def cancel(self, context: str) -> Sequence[Message] | None:
        """There is a message for it, but its `done` could not be told from the next text's: hang up."""
        return None

    def receive(self, message: Message) -> Sequence[VoiceEvent]:
        """Understand one message; those of unknown types are ignored."""
        told = _decoder.decode(message)
        context = told.context_id or self._context
        match told.type:
            case "chunk" if told.data:
                return (SpeechAudio(context, base64.b64decode(told.data, validate=True)),)
            case "timestamps" if told.word_timestamps is not None:
                return (SpeechTimes(context, told.word_timestamps.timed()),)
            case "done":
                return (SpeechDone(context),)
            case "error":
                return (SpeechRefused(context, VoiceError(told.message[:160], "rejected"), closes=True),)
        return ()

    def closed(self, code: int | None, reason: str) -> VoiceError | None:
        """Close code 1011 bears an HTTP status at the beginning of its reason."""
        if code == 1011 and (status := re.match(r"(\d{3})\b", reason)):
            kind = kind_of_status(int(status[1]))
            return busy(reason[:120]) if kind == "busy" else VoiceError(reason[:120], kind)
        return super().closed(code, reason)


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
