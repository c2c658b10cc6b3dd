"""Deepgram Aura over `/v1/speak`: one text at a time, bare audio, no word times, and a stop that is confirmed.

Sources: developers.deepgram.com (reference/transform-text-to-speech-websocket, docs/tts-ws-flush, tts-ws-clear,
tts-troubleshooting) and deepgram-sdk 7.17 (`speak/v1`).
"""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlencode

import msgspec

from bridge.errors import VoiceError
from bridge.speaking.hosted_settings import AuraSettings
from bridge.speaking.voices.base import SpeechRequest
from bridge.speaking.voices.hosted.wire import (
    ContextFreed,
    Message,
    SpeechAudio,
    SpeechDone,
    SpeechRefused,
    VoiceAddress,
    VoiceEvent,
    VoiceTraits,
    VoiceWire,
    busy,
)


class _Message(msgspec.Struct):
    type: str = ""
    warn_code: str = ""
    code: str = ""
    warn_msg: str = ""
    description: str = ""


_decoder = msgspec.json.Decoder(_Message)


class AuraWire(VoiceWire):
    """The protocol of one connection, which has one voice and one format; nothing labels its audio."""

    traits = VoiceTraits(places_words=False, idle_s=50.0, texts_a_minute=18, longest_text=1900)

    def __init__(self, settings: AuraSettings) -> None:
        self._settings = settings
        self._context = ""
        self._flushes = 0
        """Those that are not answered."""
        self._clearing = self._over = False

    def address(self, request: SpeechRequest, key: str) -> VoiceAddress:
        """Voice and format stand in the address."""
        given = request.audio_format
        query = {
            "model": request.voice,
            "encoding": "mulaw" if given.codec == "mulaw" else "linear16",
            "sample_rate": str(given.rate_hz),
        }
        url = f"{self._settings.url}?{urlencode(query)}"
        return VoiceAddress(url, {"Authorization": f"Token {key}"} if key else {})

    def begin(self, context: str, request: SpeechRequest) -> Sequence[Message]:
        """All audio from here on belongs to this context."""
        self._context, self._flushes, self._over = context, 0, False
        return ()

    def text(self, context: str, text: str) -> Sequence[Message]:
        """Texts are joined as they are."""
        return (_json({"type": "Speak", "text": text + " "}),)

    def end(self, context: str) -> Sequence[Message]:
        """Nothing is spoken without a flush, of which there may be twenty in a minute: one for each text."""
        self._flushes, self._over = 1, True
        return ('{"type":"Flush"}',)

    def cancel(self, context: str) -> Sequence[Message]:
        """Clear everything; audio until that is confirmed is the old one."""
        self._clearing = True
        return ('{"type":"Clear"}',)

    def receive(self, message: Message) -> Sequence[VoiceEvent]:
        """Understand one message; those of unknown types are ignored."""
        if isinstance(message, bytes):
            return (SpeechAudio(self._context, message),) if message and not self._clearing else ()
        told = _decoder.decode(message)
        match told.type:
            case "Flushed" if not self._clearing and self._over and self._flushes:
                self._flushes = 0
                return (SpeechDone(self._context),)
            case "Cleared" if self._clearing:
                self._clearing = False
                return (ContextFreed(self._context),)
            case "Warning" if "FLUSH" in (told.warn_code or told.code):
                # That flush is not answered: the text has to be spoken elsewhere.
                return (SpeechRefused(self._context, busy(told.warn_code or told.code), closes=True),)
            case "Error":
                error = VoiceError(f"{told.code} {told.description}"[:160], "internal", code=told.code)
                return (SpeechRefused("", error),)
        return ()

    def closed(self, code: int | None, reason: str) -> VoiceError | None:
        """Close frames carry a code in their reason: too much text in a minute, silence, old age."""
        if "DATA-0001" in reason:
            return busy(reason[:120])
        if any(one in reason for one in ("NET-0001", "NET-0003")):
            return VoiceError(reason[:120], "idle", code=reason.split(":")[0][:20])
        return super().closed(code, reason)


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
