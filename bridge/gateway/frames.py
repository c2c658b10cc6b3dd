"""WebSocket frames of a server, written by hand where a coroutine for each message would cost too much."""

from __future__ import annotations

import struct

_TEXT, _BINARY = 0x81, 0x82
"""RFC 6455 section 5.2: FIN, opcode 1 or 2. A server does not mask."""


def message_frame(payload: bytes, binary: bool = False) -> bytes:
    """One unmasked, unfragmented message; the payload of a text message is UTF-8."""
    length, kind = len(payload), _BINARY if binary else _TEXT
    if length < 126:
        return bytes((kind, length)) + payload
    if length < 65536:
        return struct.pack("!BBH", kind, 126, length) + payload
    return struct.pack("!BBQ", kind, 127, length) + payload
