"""Twilio media-stream messages on the wire: one JSON text each, mu-law audio in base64. No socket, no clock.

Incoming text is read tolerantly, since carriers add fields and events without notice: unknown keys
are skipped, numbers may come as strings, and a field that nobody needs may hold anything. Outgoing text has exactly
the documented keys, since one too many is refused (warning 31951).
Source: https://www.twilio.com/docs/voice/media-streams/websocket-messages
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

# The messages as they are on the wire: one type for each `event`, so that a field counts only where it belongs.


class _Message(msgspec.Struct, rename="camel", tag_field="event"):
    pass


class _Audio(msgspec.Struct):
    payload: bytes  # msgspec reads base64 here
    timestamp: int = -1
    chunk: int = -1
    track: str = "inbound"


class _Media(_Message, tag="media"):
    stream_sid: str
    media: _Audio


class _Mark(_Message, tag="mark"):
    stream_sid: Any = None
    mark: Any = None


class _Dtmf(_Message, tag="dtmf"):
    stream_sid: Any = None
    dtmf: Any = None


class _Details(msgspec.Struct, rename="camel"):
    call_sid: str
    account_sid: Any = ""
    stream_sid: Any = ""
    media_format: Any = None
    custom_parameters: Any = None


class _Start(_Message, tag="start"):
    start: _Details
    stream_sid: Any = ""


class _Stop(_Message, tag="stop"):
    stream_sid: Any = ""


class _Connected(_Message, tag="connected"):
    pass


class _Payload(msgspec.Struct):
    payload: bytes
    track: Any = "inbound"


class _AnyMedia(msgspec.Struct, rename="camel"):
    media: _Payload
    stream_sid: Any = None


# Not strict: whole numbers may be written as strings. Strings stay strings.
_decode = msgspec.json.Decoder(_Media | _Mark | _Dtmf | _Start | _Stop | _Connected, strict=False).decode
_decode_media = msgspec.json.Decoder(_AnyMedia).decode


class TwilioStream(JsonReader):
    """One media socket of Twilio's (`bridge.carriers.base.MediaStream`)."""

    caller_format = our_format = MULAW_8000
    known = frozenset({"media", "mark", "dtmf", "start", "stop", "connected"})

    def __init__(self) -> None:
        super().__init__()
        self._stream_sid = ""
        self._media = self._mark = self._clear = b""

    def read_text(self, data: bytes) -> StreamEvent | None:
        """Read one message; None when it means nothing to us. Raises StreamViolation, naming what is wrong."""
        try:
            raw = _decode(data)
        except (ValueError, RecursionError) as error:
            return self._odd(data, error)
        if type(raw) is _Media:
            audio = raw.media
            self._check_stream(raw.stream_sid)
            if audio.track == "outbound":
                return None  # our own voice, where a stream was opened on both tracks
            return CallerAudio(audio.payload, audio.chunk, audio.timestamp)
        if type(raw) is _Connected:
            return None
        if type(raw) is _Start:
            return self._start(raw)
        if isinstance(raw.stream_sid, str):
            self._check_stream(raw.stream_sid)
        else:
            self.odd_fields += 1
        if type(raw) is _Stop:
            return StreamStopped()
        if type(raw) is _Dtmf:
            digit = key_of(raw.dtmf)
            return KeyPressed(digit) if digit else self._pass_over()
        name = text_of(raw.mark, "name") if type(raw) is _Mark else ""
        # Twilio sends marks back when they are played and when they are cleared, and does not say which.
        return MarkReturned(name, "unknown") if name else self._pass_over()

    def read_binary(self, data: bytes) -> StreamEvent | None:
        """Refuse it: the protocol has no binary messages."""
        raise no_binary()

    def audio(self, audio: bytes) -> tuple[SocketMessage, ...]:
        """Queue mu-law audio at the carrier."""
        return (SocketMessage(self._media % b64encode(audio)),)

    def mark(self, name: str) -> tuple[SocketMessage, ...]:
        """Ask for an echo when everything queued so far has been played."""
        return (SocketMessage(self._mark % msgspec.json.encode(name)),)

    def clear(self) -> tuple[SocketMessage, ...]:
        """Make the carrier forget what it has not played yet; it then echoes all pending marks."""
        return (SocketMessage(self._clear),)

    def _start(self, raw: _Start) -> StreamStarted:
        start, told = raw.start, raw.start.media_format if isinstance(raw.start.media_format, dict) else {}
        named = [one for one in (start.stream_sid, raw.stream_sid) if isinstance(one, str)]
        self.odd_fields += 2 - len(named) + (not isinstance(start.account_sid, str))
        stream_sid = next(filter(None, named), "")
        if not stream_sid:
            raise StreamViolation("bad_message", "start message: 'streamSid' is missing or empty")
        encoding = self._told_text(told.get("encoding"), "audio/x-mulaw")
        rate_hz, channels = self._told_number(told.get("sampleRate"), 8000), self._told_number(told.get("channels"), 1)
        if encoding != "audio/x-mulaw" or rate_hz != 8000 or channels != 1:
            found = f"{encoding!r:.40} at {rate_hz} Hz, {channels} channels"
            raise StreamViolation("unsupported_format", f"only mu-law at 8000 Hz, mono, is spoken here, not {found}")
        if not self._stream_sid:
            self._name(stream_sid)
        passed = start.custom_parameters if isinstance(start.custom_parameters, dict) else {}
        parameters = {name: value for name, value in passed.items() if isinstance(value, str)}
        self.odd_fields += len(passed) - len(parameters)
        # A ticket says whose call it is, too.
        return StreamStarted(start.call_sid, text_of({"account": start.account_sid}, "account"), stream_sid, parameters)

    def _name(self, stream_sid: str) -> None:
        """Make, once a stream, what our messages begin with."""
        self._stream_sid = stream_sid
        whose = msgspec.json.encode(stream_sid).replace(b"%", b"%%")
        self._media = b'{"event":"media","streamSid":%b,"media":{"payload":"%%b"}}' % whose
        self._mark = b'{"event":"mark","streamSid":%b,"mark":{"name":%%b}}' % whose
        self._clear = (b'{"event":"clear","streamSid":%b}' % whose).replace(b"%%", b"%")

    def _salvaged(self, data: bytes) -> StreamEvent | None:
        media = _decode_media(data)
        self._check_stream(media.stream_sid if isinstance(media.stream_sid, str) else "")
        return None if media.media.track == "outbound" else CallerAudio(media.media.payload)

    def _check_stream(self, named: str) -> None:
        """A socket carries one stream: a message counts, unless it names another."""
        if named != self._stream_sid and (named or not self._stream_sid):
            raise StreamViolation("wrong_stream", "a message for another stream")
