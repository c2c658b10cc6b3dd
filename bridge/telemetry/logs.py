"""Structured logs that hold no phone numbers, words or digits unless the operator asks for them.

Call `event(logger, "call started", call=call_id, caller=private(number))`: the text formatter writes
`call started call=CA... caller=<private>`, the JSON one an object a line.
"""

from __future__ import annotations

import json
import logging
import sys
import threading
import time
import traceback
from collections import OrderedDict
from collections.abc import Callable
from types import TracebackType

from aiohttp.http_exceptions import HttpProcessingError

from bridge.telemetry.settings import TelemetrySettings

_FIELDS = "bridge_fields"
_PRIVATE_ERROR = "bridge_private_error"
_FLOOD_S = 1.0
_KINDS_KEPT = 1024
_NOT_OURS = (HttpProcessingError, ConnectionError, TimeoutError)
"""Errors that are about a request, not about us: their tracebacks help nobody."""
Field = str | int | float | bool | None


class Private(str):
    """A phone number, what somebody said, or a digit: shown in logs only where `log_private` is set."""

    __slots__ = ()


def private(text: str) -> Private:
    """Mark `text` as nobody's business but the call's."""
    return Private(text)


def event(logger: logging.Logger, what: str, /, level: int = logging.INFO, **fields: Field) -> None:
    """Log that `what` happened, with its fields."""
    if logger.isEnabledFor(level):
        logger.log(level, "%s", what, extra={_FIELDS: fields})


def raised(logger: logging.Logger, what: str, error: Exception, /, **fields: Field) -> None:
    """Log that somebody else's code raised this error, with its place; what it says may be what a caller said."""
    logger.warning("%s", what, exc_info=error, extra={_FIELDS: fields, _PRIVATE_ERROR: True})


def configure_logs(settings: TelemetrySettings) -> None:
    """Send this process's logs to standard error in the chosen form, with Python's warnings and what nobody caught."""
    handler = logging.StreamHandler(sys.stderr)
    formatter = JsonFormatter if settings.log_format == "json" else TextFormatter
    handler.setFormatter(formatter(show_private=settings.log_private))
    handler.addFilter(FloodGate())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.log_level.upper())
    logging.captureWarnings(True)
    sys.excepthook = _tell_uncaught
    threading.excepthook = lambda uncaught: _tell_uncaught(
        uncaught.exc_type, uncaught.exc_value, uncaught.exc_traceback
    )


def _tell_uncaught(kind: type[BaseException], error: BaseException | None, raised_at: TracebackType | None) -> None:
    """What ends a process, or a thread, is a line of the log like any other."""
    if issubclass(kind, Exception):
        logging.getLogger("bridge").critical("not caught", exc_info=(kind, error or kind(), raised_at))
    else:
        sys.__excepthook__(kind, error or kind(), raised_at)


_THEIRS = ("aiohttp", "mcp.")
"""Beginnings of the names of loggers that tell what others sent: each line of what is no MCP server, say."""


class FloodGate(logging.Filter):
    """Lets one line a second through of what outsiders can cause at will: of each kind and, where it is told, address.

    The next line that passes says how many were left out. Such lines are those of the HTTP server and of the client of
    MCP servers, whose tracebacks are about what others sent and so become one line, and our own warnings that name a
    `remote`.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._kinds: OrderedDict[tuple[str, str], tuple[float, int]] = OrderedDict()

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether this line is written."""
        fields: dict[str, Field] = getattr(record, _FIELDS, {})
        theirs = record.name.startswith(_THEIRS)
        if theirs:
            kind = (record.name + str(record.msg), "")
        elif "remote" in fields:
            kind = (record.getMessage(), str(fields["remote"]))
        else:
            return True
        now = self._clock()
        passed_at, left_out = self._kinds.pop(kind, (-_FLOOD_S, 0))
        if now - passed_at < _FLOOD_S:
            self._kinds[kind] = passed_at, left_out + 1
            return False
        self._kinds[kind] = now, 0
        while len(self._kinds) > _KINDS_KEPT:
            self._kinds.popitem(last=False)
        if theirs and record.exc_info and record.exc_info[1] is not None:
            error = str(record.exc_info[1]).splitlines()
            fields = fields | {"error": repr((error or [type(record.exc_info[1]).__name__])[0][:200])}
            if record.name.startswith("mcp") or isinstance(record.exc_info[1], _NOT_OURS):
                record.exc_info = None
        if left_out:
            fields = fields | {"left_out": left_out}
        setattr(record, _FIELDS, fields)
        return True


class _Formatter(logging.Formatter):
    def __init__(self, *, show_private: bool) -> None:
        super().__init__()
        self._show_private = show_private

    def _fields(self, record: logging.LogRecord) -> dict[str, Field]:
        fields: dict[str, Field] = getattr(record, _FIELDS, {})
        return {name: self._shown(value) for name, value in fields.items()}

    def _shown(self, value: Field) -> Field:
        return "<private>" if isinstance(value, Private) and not self._show_private else value

    def _traceback(self, record: logging.LogRecord) -> str:
        """The traceback; of an error whose words may be a caller's, where it was raised and what it is."""
        assert record.exc_info is not None
        if self._show_private or not getattr(record, _PRIVATE_ERROR, False):
            return self.formatException(record.exc_info)
        kind, _, raised_at = record.exc_info
        frames = "".join(traceback.format_tb(raised_at))
        return f"Traceback (most recent call last):\n{frames}{getattr(kind, '__name__', kind)}: <private>"

    def _time(self, record: logging.LogRecord) -> str:
        whole = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        return f"{whole}.{int(record.msecs):03d}Z"


class TextFormatter(_Formatter):
    """One line a person can read: time, level, what, key=value."""

    def format(self, record: logging.LogRecord) -> str:
        parts = [self._time(record), record.levelname.lower(), record.getMessage()]
        parts += [f"{name}={_in_one_line(value)}" for name, value in self._fields(record).items()]
        line = " ".join(parts)
        return f"{line}\n{self._traceback(record)}" if record.exc_info else line


def _in_one_line(value: Field) -> Field:
    """Somebody else's words forge no line of ours: what cannot be printed is written as Python writes it."""
    return value if not isinstance(value, str) or value.isprintable() else repr(value)


class JsonFormatter(_Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Field] = {
            "time": self._time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
        }
        line.update(self._fields(record))
        if record.exc_info:
            line["exception"] = self._traceback(record)
        return json.dumps(line, ensure_ascii=False)
