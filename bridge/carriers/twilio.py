"""Twilio media-stream messages on the wire: one JSON text each, mu-law audio in base64. No socket, no clock.

Incoming text is read tolerantly, since carriers add fields and events without notice: unknown keys
are skipped, numbers may come as strings. Outgoing text has exactly the documented keys, since one
too many is refused (warning 31951).
Source: https://www.twilio.com/docs/voice/media-streams/websocket-messages
"""

from __future__ import annotations

import binascii
import json
from base64 import b64encode
from typing import Any, TypeVar

import msgspec

from bridge.errors import BadMessage


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
    """Audio of the caller: 20 ms as a rule, but any length is legal."""

    stream_sid: str
    ulaw: bytes
    timestamp_ms: int
    """Since the stream's start; gaps are lost audio. -1 when it was not told."""
    track: str


class Dtmf(msgspec.Struct, frozen=True):
    """The caller pressed a key."""

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


_T = TypeVar("_T")

Inbound = Connected | Start | Media | Dtmf | Mark | Stop | Unknown


class _RawMedia(msgspec.Struct):
    payload: str
    timestamp: str | int | None = None
    track: str = "inbound"


class _RawDtmf(msgspec.Struct):
    digit: str


class _RawMark(msgspec.Struct):
    name: str


class _RawFormat(msgspec.Struct, rename="camel"):
    encoding: str = ""
    sample_rate: str | int | float = 0
    channels: str | int | float = 1


class _RawStart(msgspec.Struct, rename="camel"):
    account_sid: str
    call_sid: str
    stream_sid: str = ""
    media_format: _RawFormat = msgspec.field(default_factory=_RawFormat)
    custom_parameters: dict[str, Any] = {}


class _RawStop(msgspec.Struct, rename="camel"):
    call_sid: str = ""


class _Raw(msgspec.Struct, rename="camel"):
    """Every message at once: one typed decode, whatever the event."""

    event: str
    stream_sid: str = ""
    media: _RawMedia | None = None
    dtmf: _RawDtmf | None = None
    mark: _RawMark | None = None
    start: _RawStart | None = None
    stop: _RawStop | None = None
    protocol: str = ""
    version: str = ""


_decode = msgspec.json.Decoder(_Raw).decode


def decode(text: str | bytes) -> Inbound:
    """Read one message. Raises BadMessage, naming what is missing or wrong."""
    try:
        raw = _decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise BadMessage(f"not a media-stream message: {error}") from None
    if raw.event == "media":
        return _media(raw)
    match raw.event:
        case "mark":
            mark = _part(raw.mark, "mark")
            return Mark(_stream(raw), mark.name)
        case "dtmf":
            return Dtmf(_stream(raw), _part(raw.dtmf, "dtmf").digit)
        case "start":
            return _start(raw)
        case "stop":
            return Stop(raw.stream_sid, raw.stop.call_sid if raw.stop else "")
        case "connected":
            return Connected(raw.protocol, raw.version)
    return Unknown(raw.event[:60])


def _media(raw: _Raw) -> Media:
    media = _part(raw.media, "media")
    try:
        ulaw = binascii.a2b_base64(media.payload, strict_mode=True) if media.payload else b""
    except (binascii.Error, ValueError) as error:
        raise BadMessage(f"media.payload is not base64: {error}") from None
    told = media.timestamp
    timestamp_ms = int(told) if told is not None and str(told).isdecimal() else -1
    return Media(_stream(raw), ulaw, timestamp_ms, media.track)


def _start(raw: _Raw) -> Start:
    start = _part(raw.start, "start")
    audio = start.media_format
    return Start(
        start.stream_sid or _stream(raw),
        start.account_sid,
        start.call_sid,
        audio.encoding,
        _number(audio.sample_rate, "start.mediaFormat.sampleRate"),
        _number(audio.channels, "start.mediaFormat.channels"),
        {name: str(value) for name, value in start.custom_parameters.items()},
    )


def _part(part: _T | None, name: str) -> _T:
    if part is None:
        raise BadMessage(f"{name} message without '{name}'")
    return part


def _stream(raw: _Raw) -> str:
    if not raw.stream_sid:
        raise BadMessage(f"{raw.event} message without 'streamSid'")
    return raw.stream_sid


def _number(value: str | int | float, name: str) -> int:
    try:
        return int(value)
    except (ValueError, OverflowError):
        raise BadMessage(f"{name} is no number: {str(value)[:40]!r}") from None


def encode_media(stream_sid: str, ulaw: bytes) -> bytes:
    """Queue this mu-law audio at the carrier."""
    return encode_payload(stream_sid, b64encode(ulaw))


def encode_payload(stream_sid: str, base64_ulaw: bytes) -> bytes:
    """The same for audio that is kept in base64."""
    head = b'{"event":"media","streamSid":' + _quoted(stream_sid)
    return head + b',"media":{"payload":"' + base64_ulaw + b'"}}'


def encode_mark(stream_sid: str, name: str) -> bytes:
    """Ask for an echo when everything queued so far has been played."""
    return b'{"event":"mark","streamSid":' + _quoted(stream_sid) + b',"mark":{"name":' + _quoted(name) + b"}}"


def encode_clear(stream_sid: str) -> bytes:
    """Make the carrier forget what it has not played yet; it then echoes all pending marks."""
    return b'{"event":"clear","streamSid":' + _quoted(stream_sid) + b"}"


def _quoted(text: str) -> bytes:
    return json.dumps(text).encode()
