"""What a carrier's socket can do wrong, and the code that closes it then."""

from __future__ import annotations

from aiohttp import WSCloseCode

from bridge.errors import BadMessage

CLOSE_CODES = {
    "bad_message": WSCloseCode.INVALID_TEXT,
    "binary_frame": WSCloseCode.UNSUPPORTED_DATA,
    "wrong_stream": WSCloseCode.POLICY_VIOLATION,
    "unsupported_format": WSCloseCode.UNSUPPORTED_DATA,
}
"""By the kind of `bridge.carriers.base.StreamViolation`."""


class Violation(BadMessage):
    """The other end broke the protocol: `kind` is counted, `code` closes the socket."""

    def __init__(self, kind: str, code: WSCloseCode, message: str) -> None:
        super().__init__(message)
        self.kind = kind
        self.code = code


class NoRoom(Exception):
    """The stream was expected, but this process has no room for its call."""
