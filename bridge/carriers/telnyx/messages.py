"""Telnyx media streaming on the wire: one JSON text each, G.711 in base64, numbered because it may be out of order.

The caller's audio comes in the codec of the call, mu-law or A-law, and is given on as mu-law; ours is mu-law always,
since that is what our document asks for.
Source: https://developers.telnyx.com/docs/voice/programmable-voice/media-streaming
"""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import msgspec

from bridge.audio import mulaw
from bridge.audio.formats import MULAW_8000
from bridge.carriers.base import (
    CallerAudio,
    KeyPressed,
    MarkReturned,
    OtherMessage,
    SocketMessage,
    StreamEvent,
    StreamStarted,
    StreamStopped,
    StreamViolation,
    first,
)
from bridge.carriers.json_text import JsonReader, key_of, no_binary, text_of, whole_of
from bridge.carriers.telnyx.reorder import Reorder

FRAME_MS = 20
_FRAME_BYTES = MULAW_8000.frame_bytes
_ALAW_TO_MULAW = mulaw.encode(mulaw.decode_alaw(bytes(range(256))))
"""For `bytes.translate`."""


class _Message(msgspec.Struct, tag_field="event"):
    pass


class _Audio(msgspec.Struct):
    payload: bytes  # msgspec reads base64 here
    chunk: int = -1
    timestamp: int = -1
    track: str = "inbound"


class _Media(_Message, tag="media"):
    media: _Audio
    stream_id: str = ""


class _Mark(_Message, tag="mark"):
    mark: Any = None
    stream_id: Any = ""


class _Dtmf(_Message, tag="dtmf"):
    dtmf: Any = None
    stream_id: Any = ""


class _Details(msgspec.Struct):
    call_control_id: Any = ""
    media_format: Any = None
    custom_parameters: Any = None


class _Start(_Message, tag="start"):
    start: _Details
    stream_id: str


class _Stop(_Message, tag="stop"):
    stream_id: Any = ""


class _Connected(_Message, tag="connected"):
    pass


class _Error(_Message, tag="error"):
    payload: Any = None


class _Payload(msgspec.Struct):
    payload: bytes
    chunk: Any = None
    track: Any = "inbound"


class _AnyMedia(msgspec.Struct):
    media: _Payload
    stream_id: Any = ""


# Not strict: whole numbers may be written as strings. Strings stay strings.
_decode = msgspec.json.Decoder(_Media | _Mark | _Dtmf | _Start | _Stop | _Connected | _Error, strict=False).decode
_decode_media = msgspec.json.Decoder(_AnyMedia).decode


class TelnyxStream(JsonReader):
    """One media socket of Telnyx's (`bridge.carriers.base.MediaStream`)."""

    caller_format = our_format = MULAW_8000
    known = frozenset({"media", "mark", "dtmf", "start", "stop", "connected", "error"})

    def __init__(self) -> None:
        super().__init__()
        self._stream_id = ""
        self._is_alaw = False
        self._order = Reorder()
        self._rest = b""

    def read_text(self, data: bytes) -> StreamEvent | None:
        """Read one message; None when it means nothing to us yet. Raises StreamViolation, naming what is wrong."""
        try:
            raw = _decode(data)
        except (ValueError, RecursionError) as error:
            return self._odd(data, error)
        if type(raw) is _Media:
            audio = raw.media
            self._check_stream(raw.stream_id)
            if audio.track == "outbound":
                return None  # our own voice, where a stream was opened on both tracks
            return self._heard(audio.payload, audio.chunk, audio.timestamp)
        match raw:
            case _Start():
                return self._start(raw)
            case _Error():
                return self._refused(raw.payload)
            case _Connected():
                return None
        if not isinstance(raw, _Mark | _Dtmf | _Stop):
            raise AssertionError(raw)
        if isinstance(raw.stream_id, str):
            self._check_stream(raw.stream_id)
        else:
            self.odd_fields += 1
        match raw:
            case _Stop():
                return StreamStopped()
            case _Dtmf():
                digit = key_of(raw.dtmf)
                return KeyPressed(digit) if digit else self._pass_over()
        name = text_of(raw.mark, "name")
        # Marks come back when they are played and when they are cleared, without a word which it is.
        return MarkReturned(name, "unknown") if name else self._pass_over()

    def read_binary(self, data: bytes) -> StreamEvent | None:
        """Refuse it: the protocol has no binary messages."""
        raise no_binary()

    def audio(self, audio: bytes) -> tuple[SocketMessage, ...]:
        """Queue mu-law audio at the carrier, in whole frames: what is shorter than 20 ms it may not play."""
        audio = self._rest + audio if self._rest else audio
        whole = len(audio) - len(audio) % _FRAME_BYTES
        self._rest = audio[whole:]
        return (_media(audio[:whole]),) if whole else ()

    def mark(self, name: str) -> tuple[SocketMessage, ...]:
        """Ask for an echo when everything queued so far has been played."""
        mark = SocketMessage(b'{"event":"mark","mark":{"name":%b}}' % msgspec.json.encode(name))
        if not self._rest:
            return (mark,)
        rest, self._rest = self._rest.ljust(_FRAME_BYTES, MULAW_8000.silence(1)[:1]), b""
        return (_media(rest), mark)

    def clear(self) -> tuple[SocketMessage, ...]:
        """Make the carrier forget what it has not played yet; it then echoes all pending marks."""
        self._rest = b""
        return (SocketMessage(b'{"event":"clear"}'),)

    def _heard(self, payload: bytes, chunk: int, timestamp_ms: int) -> StreamEvent | None:
        """The audio that is in order with this message."""
        audio = self._order.put(chunk, payload.translate(_ALAW_TO_MULAW) if self._is_alaw else payload)
        return CallerAudio(audio, chunk, timestamp_ms) if audio else None

    def _start(self, raw: _Start) -> StreamStarted:
        told = raw.start.media_format
        told = told if isinstance(told, dict) else {}
        encoding = self._told_text(told.get("encoding"), "PCMU")
        rate_hz, channels = self._told_number(told.get("sample_rate"), 8000), self._told_number(told.get("channels"), 1)
        if encoding not in ("PCMU", "PCMA") or rate_hz != 8000 or channels != 1:
            found = f"{encoding!r:.40} at {rate_hz} Hz"
            raise StreamViolation("unsupported_format", f"only PCMU and PCMA at 8000 Hz are spoken here, not {found}")
        if not raw.stream_id:
            raise StreamViolation("bad_message", "start message: 'stream_id' is empty")
        if not self._stream_id:
            self._stream_id, self._is_alaw = raw.stream_id, encoding == "PCMA"
        parameters = self._parameters(raw.start.custom_parameters)
        # The call's own name, not the one that a ticket brings along: https://developers.telnyx.com/api-reference/callbacks
        # documents CallSid as the call_control_id.
        call_id = raw.start.call_control_id
        if not isinstance(call_id, str) or not call_id:
            self.odd_fields += 1
            call_id = first(parameters, "call_id")
        return StreamStarted(call_id, "", raw.stream_id, parameters)

    def _parameters(self, told: object) -> dict[str, str]:
        """Our document's parameters: an object, or a list of names and values as in the REST API."""
        if isinstance(told, list):
            told = {text_of(one, "name"): one.get("value") for one in told if isinstance(one, dict)}
        if not isinstance(told, dict):
            self.odd_fields += told is not None
            return {}
        parameters = {name: value for name, value in told.items() if isinstance(value, str)}
        self.odd_fields += len(told) - len(parameters)
        return parameters

    def _refused(self, payload: object) -> OtherMessage:
        """The carrier complains about a message of ours: its code says which kind."""
        code = payload.get("code") if isinstance(payload, dict) else None
        return OtherMessage(f"error {whole_of(code)}")

    def _salvaged(self, data: bytes) -> StreamEvent | None:
        media = _decode_media(data)
        self._check_stream(media.stream_id if isinstance(media.stream_id, str) else "")
        audio = media.media
        return None if audio.track == "outbound" else self._heard(audio.payload, whole_of(audio.chunk), -1)

    def _check_stream(self, stream_id: str) -> None:
        """Only messages of this stream count; some name none."""
        if stream_id != self._stream_id and (stream_id or not self._stream_id):
            raise StreamViolation("wrong_stream", "a message for another stream")


def _media(audio: bytes) -> SocketMessage:
    return SocketMessage(b'{"event":"media","media":{"payload":"%b"}}' % b64encode(audio))
