"""OpenAI speech, `/v1/audio/speech`: a request for each sentence, linear16 at 24 kHz, no word times.

Sources: developers.openai.com (api/reference audio/speech) and openai 3.57. Servers that speak the same API put WAV
headers where none was asked for; those are taken off.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from bridge.audio.formats import AudioFormat
from bridge.errors import VoiceError, VoiceLost
from bridge.speaking.hosted_settings import OpenAISpeechSettings
from bridge.speaking.voices.base import SpeechRequest
from bridge.speaking.voices.hosted.wire import (
    HttpOrder,
    HttpVoiceWire,
    SpeechAudio,
    VoiceEvent,
    VoiceTraits,
    refused,
)

_PCM_24000 = AudioFormat("pcm", 24_000)


class _Trouble(msgspec.Struct):
    message: str = ""
    type: str | None = None
    code: str | None = None


class _Refusal(msgspec.Struct):
    error: _Trouble = msgspec.field(default_factory=_Trouble)


class OpenAISpeechWire(HttpVoiceWire):
    """One request's protocol, whose answer's body is the audio."""

    traits = VoiceTraits(places_words=False, longest_text=4000)

    def __init__(self, settings: OpenAISpeechSettings) -> None:
        self._settings = settings
        self._bytes = 0

    def gives(self, wanted: AudioFormat) -> AudioFormat:
        """There is no other rate, and no mu-law."""
        return _PCM_24000

    def order(self, text: str, request: SpeechRequest, key: str) -> HttpOrder:
        """Return the request, which asks for samples without a header."""
        settings = self._settings
        body: dict[str, object] = {"model": settings.model, "input": text, "voice": request.voice}
        body["response_format"] = "pcm"
        if request.speed != 1.0:
            body["speed"] = min(4.0, max(0.25, request.speed))
        if settings.instructions:
            body["instructions"] = settings.instructions
        headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {key}"} if key else {})}
        return HttpOrder(settings.url, headers, msgspec.json.encode(body))

    def answered(self, content_type: str) -> None:
        """Audio, or a type that says nothing; an error in JSON with status 200 is none."""
        if "json" in content_type or "text/" in content_type:
            raise ValueError(f"{content_type[:60]} in place of audio")

    def feed(self, data: bytes) -> Sequence[VoiceEvent]:
        """All of the body is audio."""
        self._bytes += len(data)
        return (SpeechAudio("", data),) if data else ()

    def finish(self) -> Sequence[VoiceEvent]:
        """A body with nothing in it is no speech."""
        if not self._bytes:
            raise VoiceLost("answered without any audio")
        return ()

    def refused(self, status: int, headers: Mapping[str, str], body: bytes) -> VoiceError:
        """An exhausted account has the status of a busy server, and a code that tells them apart."""
        try:
            trouble = msgspec.json.decode(body, type=_Refusal).error
        except msgspec.MsgspecError:
            trouble = _Trouble()
        said = f"{trouble.code or trouble.type or ''} {trouble.message}".strip()
        if "insufficient_quota" in (trouble.code, trouble.type):
            return VoiceError(f"answered {status}: {said[:120]}", "quota", code="insufficient_quota")
        return refused(status, headers, said)
