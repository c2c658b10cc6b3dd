"""Plivo audio streaming on the wire: one JSON text each, mu-law in base64; `start` is the first message.

A checkpoint comes back as `playedStream` only when what was queued before it was really played; after a clear there is
one `clearedAudio` instead. No documented message says the end: the socket is closed.
Source: https://plivo.com/docs/voice-agents/audio-streaming/concepts/audio-streaming-reference
"""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import msgspec

from bridge.audio.formats import MULAW_8000
from bridge.carriers.base import (
    CallerAudio,
    KeyPressed,
    MarkReturned,
    SocketMessage,
    StreamEvent,
    StreamStarted,
    StreamStopped,
    StreamViolation,
)
from bridge.carriers.json_text import JsonReader, key_of, no_binary, text_of
from bridge.carriers.plivo import headers

# The messages as they are on the wire: one type for each `event`, so that a field counts only where it belongs.


class _Message(msgspec.Struct, rename="camel", tag_field="event"):
    pass


class _Audio(msgspec.Struct):
    payload: bytes  # msgspec reads base64 here
    chunk: int = -1
    timestamp: int = -1
    track: str = "inbound"


class _Media(_Message, tag="media"):
    stream_id: str
    media: _Audio


class _Dtmf(_Message, tag="dtmf"):
    stream_id: Any = ""
    dtmf: Any = None


class _Played(_Message, tag="playedStream"):
    stream_id: Any = ""
    name: Any = None


class _Cleared(_Message, tag="clearedAudio"):
    stream_id: Any = ""


class _Details(msgspec.Struct, rename="camel"):
    call_id: str
    stream_id: str
    media_format: Any = None


class _Start(_Message, tag="start"):
    start: _Details
    extra_headers: Any = msgspec.field(default="", name="extra_headers")


class _Stop(_Message, tag="stop"):
    stream_id: Any = ""


class _Payload(msgspec.Struct):
    payload: bytes
    track: Any = "inbound"


class _AnyMedia(msgspec.Struct, rename="camel"):
    media: _Payload
    stream_id: Any = None


# Not strict: whole numbers may be written as strings. Strings stay strings.
_decode = msgspec.json.Decoder(_Media | _Dtmf | _Played | _Cleared | _Start | _Stop, strict=False).decode
_decode_media = msgspec.json.Decoder(_AnyMedia).decode


class PlivoStream(JsonReader):
    """One media socket of Plivo's (`bridge.carriers.base.MediaStream`)."""

    caller_format = our_format = MULAW_8000
    known = frozenset({"media", "dtmf", "playedStream", "clearedAudio", "start", "stop"})

    def __init__(self) -> None:
        super().__init__()
        self._stream_id = ""

    def read_text(self, data: bytes) -> StreamEvent | None:
        """Read one message; None when it means nothing to us. Raises StreamViolation, naming what is wrong."""
        try:
            raw = _decode(data)
        except (ValueError, RecursionError) as error:
            return self._odd(data, error)
        if type(raw) is _Media:
            audio = raw.media
            self._check_stream(raw.stream_id)
            if audio.track == "outbound":
                return None
            return CallerAudio(audio.payload, audio.chunk, audio.timestamp)
        if type(raw) is _Start:
            return self._start(raw)
        if isinstance(raw.stream_id, str):
            self._check_stream(raw.stream_id)
        else:
            self.odd_fields += 1
        match raw:
            case _Dtmf():
                digit = key_of(raw.dtmf)
                return KeyPressed(digit) if digit else self._pass_over()
            case _Played():
                name = text_of({"name": raw.name}, "name")
                return MarkReturned(name, "played") if name else self._pass_over()
            case _Stop():
                return StreamStopped()
        return None  # what was cleared, we have taken back already

    def read_binary(self, data: bytes) -> StreamEvent | None:
        """Refuse it: the protocol has no binary messages."""
        raise no_binary()

    def audio(self, audio: bytes) -> tuple[SocketMessage, ...]:
        """Queue mu-law audio at the carrier."""
        head = b'{"event":"playAudio","media":{"contentType":"audio/x-mulaw","sampleRate":8000,"payload":"%b"}}'
        return (SocketMessage(head % b64encode(audio)),)

    def mark(self, name: str) -> tuple[SocketMessage, ...]:
        """Ask to be told when everything queued so far has been played."""
        told = {"event": "checkpoint", "streamId": self._stream_id, "name": name}
        return (SocketMessage(msgspec.json.encode(told)),)

    def clear(self) -> tuple[SocketMessage, ...]:
        """Make the carrier forget what it has not played yet; its checkpoints do not come back then."""
        return (SocketMessage(msgspec.json.encode({"event": "clearAudio", "streamId": self._stream_id})),)

    def _start(self, raw: _Start) -> StreamStarted:
        start, told = raw.start, raw.start.media_format
        told = told if isinstance(told, dict) else {}
        encoding = self._told_text(told.get("encoding"), "audio/x-mulaw")
        rate_hz = self._told_number(told.get("sampleRate"), 8000)
        if encoding != "audio/x-mulaw" or rate_hz != 8000:
            found = f"{encoding!r:.40} at {rate_hz} Hz"
            raise StreamViolation("unsupported_format", f"only mu-law at 8000 Hz is spoken here, not {found}")
        if not start.stream_id or not start.call_id:
            raise StreamViolation("bad_message", "start message: 'streamId' or 'callId' is empty")
        self._stream_id = self._stream_id or start.stream_id
        text = raw.extra_headers
        if not isinstance(text, str):
            self.odd_fields += text is not None
            text = ""
        # The account is left out: a subaccount's calls ring under the name of its main account.
        return StreamStarted(start.call_id, "", start.stream_id, headers.read(text))

    def _salvaged(self, data: bytes) -> StreamEvent | None:
        media = _decode_media(data)
        self._check_stream(media.stream_id if isinstance(media.stream_id, str) else "")
        return None if media.media.track == "outbound" else CallerAudio(media.media.payload)

    def _check_stream(self, named: str) -> None:
        """A socket carries one stream: a message counts, unless it names another."""
        if named != self._stream_id and (named or not self._stream_id):
            raise StreamViolation("wrong_stream", "a message for another stream")
