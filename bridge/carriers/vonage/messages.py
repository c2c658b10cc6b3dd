"""Vonage's WebSocket endpoint on the wire: linear16 in binary messages of exactly 20 ms, control in JSON texts.

It has no marks by name, but sends a payload of ours back when everything before it was played (`notify`); whether also
when it was cleared is not documented. No message says the end: the socket is closed.
Source: https://developer.vonage.com/en/voice/voice-api/concepts/websockets
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from bridge.audio.formats import FORMATS, AudioFormat
from bridge.carriers.base import (
    CallerAudio,
    KeyPressed,
    MarkReturned,
    OtherMessage,
    SocketMessage,
    StreamEvent,
    StreamStarted,
    StreamViolation,
)
from bridge.carriers.json_text import key_of, reason_of, text_of, without_odd_numbers

FRAME_MS = 20
_TYPE = re.compile(r"audio/l16\s*;\s*rate=(\d{1,6})", re.IGNORECASE)
_decode = msgspec.json.Decoder(dict[str, Any]).decode
_CLEAR = SocketMessage(b'{"action":"clear"}')


def linear16(rate_hz: int) -> AudioFormat:
    """The format of a stream at this rate. Raises KeyError for one that is not spoken."""
    return FORMATS[f"pcm_{rate_hz}"]


class VonageStream:
    """One media socket of Vonage's (`bridge.carriers.base.MediaStream`)."""

    def __init__(self, rate_hz: int) -> None:
        self.caller_format = self.our_format = linear16(rate_hz)
        self.odd_fields = 0
        self._rest = b""

    def read_text(self, data: bytes) -> StreamEvent | None:
        """Read one control message; None when it means nothing to us. Raises StreamViolation, naming what is wrong."""
        try:
            message = _decode(data)
        except (ValueError, RecursionError) as error:
            mended = without_odd_numbers(data)
            if mended is None:
                raise StreamViolation("bad_message", f"not a control message: {reason_of(error)}") from None
            self.odd_fields += 1
            return self.read_text(mended)
        event = message.get("event")
        match event:
            case "websocket:connected":
                return self._start(message)
            case "websocket:dtmf":
                digit = key_of(message) or key_of(message.get("dtmf"))
                return KeyPressed(digit) if digit else self._pass_over()
            case "websocket:notify":
                name = text_of(message.get("payload"), "mark")
                return MarkReturned(name, "unknown") if name else self._pass_over()
            case "websocket:cleared":
                return None
            case str():
                return OtherMessage(event[:60])
        raise StreamViolation("bad_message", "a control message without an event")

    def read_binary(self, data: bytes) -> StreamEvent | None:
        """Audio of the caller; half a sample at its end is dropped, since the next message begins with a whole one."""
        if len(data) % 2:
            self.odd_fields += 1
            data = data[:-1]
        return CallerAudio(data)

    def audio(self, audio: bytes) -> tuple[SocketMessage, ...]:
        """Queue linear16 at the carrier, in messages of exactly 20 ms."""
        size = self.our_format.frame_bytes
        audio = self._rest + audio if self._rest else audio
        whole = len(audio) - len(audio) % size
        self._rest = audio[whole:]
        return tuple(SocketMessage(audio[at : at + size], True) for at in range(0, whole, size))

    def mark(self, name: str) -> tuple[SocketMessage, ...]:
        """Ask to be notified when everything queued so far has been played."""
        mark = SocketMessage(b'{"action":"notify","payload":{"mark":%b}}' % msgspec.json.encode(name))
        if not self._rest:
            return (mark,)
        rest, self._rest = self._rest.ljust(self.our_format.frame_bytes, b"\0"), b""
        return (SocketMessage(rest, True), mark)

    def clear(self) -> tuple[SocketMessage, ...]:
        """Make the carrier forget what it has not played yet."""
        self._rest = b""
        return (_CLEAR,)

    def _start(self, message: dict[str, Any]) -> StreamStarted:
        """The first message: our document's headers stand beside its own fields."""
        told = message.pop("content-type", None)
        if not isinstance(told, str) or not told:
            self.odd_fields += told is not None
        else:
            rate = _TYPE.fullmatch(told)
            if rate is None or f"pcm_{rate[1]}" not in FORMATS:
                raise StreamViolation("unsupported_format", f"only audio/l16 is spoken here, not {told!r:.60}")
            self.caller_format = self.our_format = linear16(int(rate[1]))
        del message["event"]
        parameters = {name: value for name, value in message.items() if isinstance(value, str)}
        call_id = parameters.get("call_id", "")
        if not call_id:
            raise StreamViolation("bad_message", "websocket:connected: the header 'call_id' is missing or empty")
        # No message names the stream; there is one on a socket.
        return StreamStarted(call_id, "", call_id, parameters)

    def _pass_over(self) -> StreamEvent | None:
        self.odd_fields += 1
        return None
