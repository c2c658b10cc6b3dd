"""WebSocket frames of a server, written by hand where a coroutine for each message would cost too much."""

from __future__ import annotations

import struct

_TEXT = 0x81
"""RFC 6455 section 5.2: FIN, opcode 1. A server does not mask."""


def text_frame(payload: bytes) -> bytes:
    """One unmasked, unfragmented text message; `payload` is UTF-8."""
    length = len(payload)
    if length < 126:
        return bytes((_TEXT, length)) + payload
    if length < 65536:
        return struct.pack("!BBH", _TEXT, 126, length) + payload
    return struct.pack("!BBQ", _TEXT, 127, length) + payload
