"""Structured logs that hold no phone numbers, words or digits unless the operator asks for them.

Call `event(logger, "call started", call=call_id, caller=private(number))`: the text formatter writes
`call started call=CA... caller=<private>`, the JSON one an object a line.
"""

from __future__ import annotations

import json
import logging
import sys
import time

from bridge.telemetry.settings import TelemetrySettings

_FIELDS = "bridge_fields"
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


def configure_logs(settings: TelemetrySettings) -> None:
    """Send this process's logs to standard error in the chosen form."""
    handler = logging.StreamHandler(sys.stderr)
    formatter = JsonFormatter if settings.log_format == "json" else TextFormatter
    handler.setFormatter(formatter(show_private=settings.log_private))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.log_level.upper())


class _Formatter(logging.Formatter):
    def __init__(self, *, show_private: bool) -> None:
        super().__init__()
        self._show_private = show_private

    def _fields(self, record: logging.LogRecord) -> dict[str, Field]:
        fields: dict[str, Field] = getattr(record, _FIELDS, {})
        return {name: self._shown(value) for name, value in fields.items()}

    def _shown(self, value: Field) -> Field:
        return "<private>" if isinstance(value, Private) and not self._show_private else value

    def _time(self, record: logging.LogRecord) -> str:
        whole = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        return f"{whole}.{int(record.msecs):03d}Z"


class TextFormatter(_Formatter):
    """One line a person can read: time, level, what, key=value."""

    def format(self, record: logging.LogRecord) -> str:
        parts = [self._time(record), record.levelname.lower(), record.getMessage()]
        parts += [f"{name}={value}" for name, value in self._fields(record).items()]
        line = " ".join(parts)
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


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
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)
