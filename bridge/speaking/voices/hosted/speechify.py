"""Speechify Simba over `/v1/audio/stream/with-timestamps`: a request for each sentence, answered by server-sent events.

Sources: speechify-api 4.0 (`audio/raw_client.py`, `types`), docs.sws.speechify.com (api-limits).
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence

import msgspec

from bridge.audio.formats import AudioFormat
from bridge.errors import FailureKind, VoiceError, VoiceLost
from bridge.speaking.hosted_settings import SpeechifySettings
from bridge.speaking.voices.base import SpeechRequest
from bridge.speaking.voices.hosted.wire import (
    HttpOrder,
    HttpVoiceWire,
    SpeechAudio,
    SpeechDone,
    SpeechRefused,
    SpeechTimes,
    TimedText,
    VoiceEvent,
    VoiceTraits,
    busy,
    refused,
)

_LONGEST_EVENT = 16 * 1024 * 1024
_KINDS: dict[str, FailureKind] = {
    "unauthorized": "auth",
    "forbidden": "auth",
    "payment_required": "quota",
    "rate_limited": "busy",
    "concurrency_limit_reached": "busy",
    "service_unavailable": "busy",
    "internal_error": "internal",
    "upstream_failure": "internal",
}


class _Mark(msgspec.Struct):
    type: str = "word"
    value: str = ""
    start_time: float = 0.0
    end_time: float = 0.0


class _Trouble(msgspec.Struct):
    code: str = ""
    message: str = ""


class _Event(msgspec.Struct):
    type: str = ""
    audio: str | None = None
    speech_marks: tuple[_Mark, ...] | None = None
    error: _Trouble | None = None


_events = msgspec.json.Decoder(_Event)


class SpeechifyWire(HttpVoiceWire):
    """The protocol of one request, whose answer is a stream of events."""

    traits = VoiceTraits(longest_text=5000)

    def __init__(self, settings: SpeechifySettings) -> None:
        self._settings = settings
        self._rest = bytearray()
        self._done = False

    def gives(self, wanted: AudioFormat) -> AudioFormat:
        """Every format of ours is one of theirs."""
        return wanted

    def order(self, text: str, request: SpeechRequest, key: str) -> HttpOrder:
        """Return the request, which names the format."""
        given = request.audio_format
        body: dict[str, object] = {
            "input": text,
            "voice_id": request.voice,
            "model": self._settings.model,
            "output_format": "ulaw_8000" if given.codec == "mulaw" else f"pcm_{given.rate_hz}",
        }
        if request.language:
            body["language"] = request.language
        headers = {"Content-Type": "application/json", "Accept": "text/event-stream"}
        if key:
            headers["Authorization"] = f"Bearer {key}"
        return HttpOrder(self._settings.url, headers, msgspec.json.encode(body))

    def answered(self, content_type: str) -> None:
        """Anything but a stream of events is an error."""
        if "event-stream" not in content_type:
            raise ValueError(f"{content_type[:60] or 'nothing'} in place of events")

    def feed(self, data: bytes) -> Sequence[VoiceEvent]:
        """Understand the lines that are complete; comments and names of events say nothing that the data do not."""
        self._rest += data
        if len(self._rest) > _LONGEST_EVENT:
            raise ValueError(f"an event of more than {_LONGEST_EVENT} bytes")
        *lines, rest = self._rest.split(b"\n")
        self._rest = rest
        found: list[VoiceEvent] = []
        for line in lines:
            if line.startswith(b"data:"):
                found += self._understood(_events.decode(bytes(line[5:]).strip()))
        return found

    def _understood(self, event: _Event) -> list[VoiceEvent]:
        found: list[VoiceEvent] = []
        match event.type:
            case "speech.chunk":
                marks = [mark for mark in event.speech_marks or () if mark.type == "word"]
                if marks:
                    placed = (TimedText(mark.value, mark.start_time, mark.end_time) for mark in marks)
                    found.append(SpeechTimes("", tuple(placed)))
                if event.audio:
                    found.append(SpeechAudio("", base64.b64decode(event.audio, validate=True)))
            case "speech.done":
                self._done = True
                found.append(SpeechDone(""))
            case "speech.error":
                found.append(SpeechRefused("", _error(event.error or _Trouble())))
        return found

    def finish(self) -> Sequence[VoiceEvent]:
        """A body that ends without saying so was cut."""
        if not self._done:
            raise VoiceLost("ended its answer before the speech was done")
        return ()

    def refused(self, status: int, headers: Mapping[str, str], body: bytes) -> VoiceError:
        """Errors before the first audio have a status, and a code that says more."""
        try:
            trouble = msgspec.json.decode(body, type=_Event).error or _Trouble()
        except msgspec.MsgspecError:
            trouble = _Trouble()
        return refused(status, headers, f"{trouble.code} {trouble.message}".strip())


def _error(trouble: _Trouble) -> VoiceError:
    said = f"{trouble.code}: {trouble.message}"[:160]
    kind = _KINDS.get(trouble.code, "rejected")
    return busy(said) if kind == "busy" else VoiceError(said, kind, code=trouble.code)
