"""Bytes of a streamed answer -> lines, and lines -> server-sent events. No socket, no clock.

https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream
"""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple

import msgspec

from bridge.agents.base import AgentError, Failure

LONGEST_LINE = 256 * 1024
_BOM = b"\xef\xbb\xbf"
_DONE = re.compile(rb'"?\[DONE\]', re.IGNORECASE)
_BEAT = re.compile(r"ping|pong|heart.?beat|keep.?alive|noop", re.IGNORECASE)
"""Names of events that keep a connection open, and say nothing whatever they hold."""
_LONGEST_FIELD = 200
_LONGEST_EVENT = 1024 * 1024
_LONGEST_STRANGE = 64 * 1024


class LineSplitter:
    """Cuts bytes into lines that end in LF, CR or CRLF, wherever the pieces of the stream are cut."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self._begun = False
        self._after_cr = False

    def feed(self, piece: bytes) -> list[bytes]:
        """The lines that this piece completes, without their ends. Raises AgentError for a line without end."""
        if not self._begun:
            piece = bytes(self._rest) + piece
            self._rest.clear()
            if len(piece) < len(_BOM) and _BOM.startswith(piece):
                self._rest += piece
                return []
            piece, self._begun = piece.removeprefix(_BOM), True
        if self._after_cr and piece:
            self._after_cr = False
            piece = piece.removeprefix(b"\n")
        lines: list[bytes] = []
        if b"\n" in piece or b"\r" in piece:
            self._after_cr = piece.endswith(b"\r")
            first, *lines = piece.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
            lines.insert(0, bytes(self._rest) + first)
            piece = lines.pop()
            self._rest.clear()
        self._rest += piece
        if len(self._rest) > LONGEST_LINE:
            raise AgentError(Failure.TOO_MUCH, f"a line of the answer is longer than {LONGEST_LINE} bytes")
        return lines

    def close(self) -> list[bytes]:
        """What is left after the last line's end."""
        rest = bytes(self._rest)
        self._rest.clear()
        return [rest] if rest else []


class ServerEvent(NamedTuple):
    """One event of a stream: its name, empty for most, and what its `data:` lines hold, read as JSON or not."""

    name: str
    data: str
    value: Any


class EventReader:
    """Puts server-sent events together, line by line.

    A line of data that is whole by itself is an event at once: some servers forget the empty lines between events.
    """

    def __init__(self) -> None:
        self._name = ""
        self._pending: list[bytes] = []
        self._pending_bytes = 0
        self._strange: list[bytes] = []
        self._strange_bytes = 0

    @property
    def strange(self) -> bytes:
        """Lines that are no part of an event stream, up to 64 KiB: a page, a text, or plain JSON."""
        return b"\n".join(self._strange)[:_LONGEST_STRANGE]

    def line(self, line: bytes) -> ServerEvent | None:
        """The event that this line completes."""
        line = line.removeprefix(_BOM)
        if not line.strip():
            return self.close()
        field, colon, rest = line.partition(b":")
        rest = rest.removeprefix(b" ")
        match field.strip():
            case b"data" if colon:
                return self._data(rest.strip())
            case b"event" if colon:
                name = _text(rest).strip()
                self._name = "error" if error_event(name) else name
            case b"" if colon:
                pass  # a comment, which keeps proxies from closing the connection
            case b"id" | b"retry":
                pass
            case b"error" if colon:  # as older llama.cpp servers report it
                return ServerEvent("error", _text(rest), readable(rest)[1])
            case _ if line.startswith(b"{") and not self._strange and isinstance(value := readable(line)[1], dict):
                return ServerEvent(self._name, _text(line[:200]), value)  # JSON lines, or a whole answer on one
            case _ if self._strange_bytes < _LONGEST_STRANGE:
                self._strange_bytes += len(line)
                self._strange.append(line)
        return None

    def close(self) -> ServerEvent | None:
        """The event that an empty line, or the end of the stream, completes."""
        name, pending = self._name, self._pending
        self._name, self._pending, self._pending_bytes = "", [], 0
        if not pending:
            return ServerEvent(name, "", None) if name == "error" else None
        data = b"\n".join(pending)
        known, value = readable(data)
        if not known:
            raise AgentError(Failure.UNREADABLE_EVENT, "an event whose data is not JSON", _text(data[:100]))
        return ServerEvent(name, _text(data), value)

    def _data(self, data: bytes) -> ServerEvent | None:
        data = data.removeprefix(b"data:").strip()  # gateways that stream what was streamed to them
        if not data:
            return None
        if _BEAT.fullmatch(self._name) and not isinstance(readable(data)[1], dict):
            self._name = ""
            return None
        if self._name != "error" and not self._pending and _DONE.match(data):
            return ServerEvent(self._name, "[DONE]", None)
        if not self._pending:
            if self._name == "error":  # of any form
                name, self._name = self._name, ""
                return ServerEvent(name, _text(data), readable(data)[1])
            known, value = readable(data)
            if known:
                name, self._name = self._name, ""
                return ServerEvent(name, _text(data[:200]), value)
        self._pending_bytes += len(data) + 100
        if self._pending_bytes > _LONGEST_EVENT:
            raise AgentError(Failure.TOO_MUCH, f"an event of more than {_LONGEST_EVENT} bytes")
        self._pending.append(data)
        return None


def without_frame(line: bytes) -> bytes:
    """A line of JSON lines without what frameworks for server-sent events put around it; empty where it says nothing.

    That is so of comments, names of events but those of errors, `[DONE]` and `null`.
    """
    bare = line.strip().removeprefix(_BOM)
    field, colon, rest = bare[:_LONGEST_FIELD].partition(b":")
    match field.strip():
        case b"data" if colon:
            bare = bare.partition(b":")[2].strip()
        case b"event" if colon and error_event(_text(rest).strip()):
            return b'{"type": "error"}'
        case b"" | b"event" | b"id" | b"retry" if colon:
            return b""
    return b"" if bare == b"null" or _DONE.match(bare) else bare


def error_event(name: str) -> bool:
    """Whether an event of this name reports an error, whatever it holds."""
    return name.lower() in ("exception", "fatal") or name.lower().endswith(("error", "errors"))


def readable(raw: bytes) -> tuple[bool, Any]:
    """Whether this is JSON, and its value, also with what some servers send and JSON has not.

    Lone surrogates are left out; broken UTF-8, control characters, NaN and a byte order mark are taken.
    """
    try:
        return True, msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass
    try:
        return True, _without_surrogates(json.loads(_text(raw.removeprefix(_BOM)), strict=False))
    except (ValueError, RecursionError):
        return False, None


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")


def _without_surrogates(value: Any) -> Any:
    """Halves of characters cannot be encoded, so nobody further on could pass them on."""
    match value:
        case str():
            return value.encode("utf-8", "ignore").decode()
        case list():
            return [_without_surrogates(each) for each in value]
        case dict():
            return {_without_surrogates(key): _without_surrogates(each) for key, each in value.items()}
        case _:
            return value
