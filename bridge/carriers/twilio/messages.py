"""Twilio media-stream messages on the wire: one JSON text each, mu-law audio in base64. No socket, no clock.

Incoming text is read tolerantly, since carriers add fields and events without notice: unknown keys
are skipped, numbers may come as strings. Outgoing text has exactly the documented keys, since one
too many is refused (warning 31951).
Source: https://www.twilio.com/docs/voice/media-streams/websocket-messages
"""

from __future__ import annotations

import functools
from base64 import b64encode
from typing import Any

import msgspec

from bridge.errors import BadMessage

KEYS = frozenset("0123456789*#ABCD")
"""What a keypad can send (ITU-T Q.23)."""


class Connected(msgspec.Struct, frozen=True):
    """The first message of a socket; it names no stream yet."""

    protocol: str
    version: str


class Start(msgspec.Struct, frozen=True):
    """The stream begins: whose it is, and what audio it carries."""

    stream_sid: str
    account_sid: str
    call_sid: str
    encoding: str
    rate_hz: int
    channels: int
    parameters: dict[str, str]
    """What our document passed along in `<Parameter>`; Twilio itself tells no numbers here."""

    @property
    def is_mulaw_8000(self) -> bool:
        """Whether the audio is what we speak: mu-law, 8000 Hz, mono."""
        return self.encoding == "audio/x-mulaw" and self.rate_hz == 8000 and self.channels == 1


class Media(msgspec.Struct, frozen=True):
    """Audio of the caller: 20 ms as a rule, but any length is legal, none at all included."""

    stream_sid: str
    ulaw: bytes
    timestamp_ms: int
    """Since the stream's start; gaps are lost audio. -1 when it was not told."""
    track: str
    chunk: int = -1
    """Counts the track's messages from 1. -1 when it was not told."""


class Dtmf(msgspec.Struct, frozen=True):
    """The caller pressed a key: one of `KEYS`."""

    stream_sid: str
    digit: str


class Mark(msgspec.Struct, frozen=True):
    """A mark came back: playout reached it, or a clear threw it out."""

    stream_sid: str
    name: str


class Stop(msgspec.Struct, frozen=True):
    """The stream, or the call, is over. No reason is given."""

    stream_sid: str
    call_sid: str


class Unknown(msgspec.Struct, frozen=True):
    """An event we do not know."""

    event: str


Inbound = Connected | Start | Media | Dtmf | Mark | Stop | Unknown


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


class _Label(msgspec.Struct):
    name: str


class _Mark(_Message, tag="mark"):
    stream_sid: str
    mark: _Label


class _Key(msgspec.Struct):
    digit: Any


class _Dtmf(_Message, tag="dtmf"):
    stream_sid: str
    dtmf: _Key


class _Format(msgspec.Struct, rename="camel"):
    encoding: str = ""
    sample_rate: int = 0
    channels: int = 1


class _Details(msgspec.Struct, rename="camel"):
    account_sid: str
    call_sid: str
    stream_sid: str = ""
    media_format: _Format = msgspec.field(default_factory=_Format)
    custom_parameters: dict[str, Any] = {}


class _Start(_Message, tag="start"):
    start: _Details
    stream_sid: str = ""


class _Whose(msgspec.Struct, rename="camel"):
    call_sid: str = ""


class _Stop(_Message, tag="stop"):
    stream_sid: str = ""
    stop: _Whose = msgspec.field(default_factory=_Whose)


class _Connected(_Message, tag="connected"):
    protocol: str = ""
    version: str = ""


class _Anything(msgspec.Struct):
    event: str


_KNOWN = frozenset({"media", "mark", "dtmf", "start", "stop", "connected"})
# Not strict: whole numbers may be written as strings. Strings stay strings.
_decode = msgspec.json.Decoder(_Media | _Mark | _Dtmf | _Start | _Stop | _Connected, strict=False).decode
_decode_event = msgspec.json.Decoder(_Anything).decode


def decode(text: str | bytes) -> Inbound:
    """Read one message. Raises BadMessage, naming what is missing or wrong."""
    try:
        raw = _decode(text)
    except (ValueError, RecursionError) as error:
        return _unknown(text, error)
    if type(raw) is _Media:
        audio = raw.media
        return Media(raw.stream_sid, audio.payload, audio.timestamp, audio.track, audio.chunk)
    match raw:
        case _Mark():
            return Mark(_stream(raw.stream_sid, "mark"), raw.mark.name)
        case _Dtmf():
            return Dtmf(_stream(raw.stream_sid, "dtmf"), _key(raw.dtmf.digit))
        case _Start():
            return _start(raw)
        case _Stop():
            return Stop(raw.stream_sid, raw.stop.call_sid)
        case _Connected():
            return Connected(raw.protocol, raw.version)
    raise AssertionError(raw)  # the union above is complete


def _unknown(text: str | bytes, error: Exception) -> Unknown:
    """The message as an event that we do not know, if it is one; what is wrong with it otherwise."""
    try:
        event = _decode_event(text).event
    except (ValueError, RecursionError):
        # msgspec's errors, broken UTF-8 and digits without end are all ValueErrors.
        raise BadMessage(f"not a media-stream message: {error}") from None
    if event in _KNOWN:
        raise BadMessage(f"{event} message: {error}") from None
    return Unknown(event[:60])


def _start(raw: _Start) -> Start:
    start = raw.start
    audio = start.media_format
    return Start(
        _stream(start.stream_sid or raw.stream_sid, "start"),
        start.account_sid,
        start.call_sid,
        audio.encoding,
        audio.sample_rate,
        audio.channels,
        {name: _parameter(name, value) for name, value in start.custom_parameters.items()},
    )


def _stream(stream_sid: str, event: str) -> str:
    if not stream_sid:
        raise BadMessage(f"{event} message: 'streamSid' is missing or empty")
    return stream_sid


def _key(digit: object) -> str:
    key = str(digit).upper() if isinstance(digit, str | int) else ""
    if key not in KEYS:
        raise BadMessage(f"dtmf message: no key of a phone: {repr(digit)[:40]}")
    return key


def _parameter(name: str, value: object) -> str:
    """A parameter's value; it was a string when we sent it."""
    if isinstance(value, dict | list):
        raise BadMessage(f"start message: parameter {name[:40]!r} is not a string")
    return value if isinstance(value, str) else str(value)


def encode_media(stream_sid: str, ulaw: bytes) -> bytes:
    """Queue this mu-law audio at the carrier."""
    return b'%b,"media":{"payload":"%b"}}' % (_head("media", stream_sid), b64encode(ulaw))


def encode_mark(stream_sid: str, name: str) -> bytes:
    """Ask for an echo when everything queued so far has been played."""
    return b'%b,"mark":{"name":%b}}' % (_head("mark", stream_sid), msgspec.json.encode(name))


def encode_clear(stream_sid: str) -> bytes:
    """Make the carrier forget what it has not played yet; it then echoes all pending marks."""
    return b"%b}" % _head("clear", stream_sid)


@functools.lru_cache(maxsize=4096)
def _head(event: str, stream_sid: str) -> bytes:
    """What a stream's messages of one kind begin with, made once; three kinds a call."""
    return b'{"event":"%b","streamSid":%b' % (event.encode(), msgspec.json.encode(stream_sid))
