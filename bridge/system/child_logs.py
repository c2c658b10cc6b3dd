"""What processes of ours write on their standard output and error, as lines of this process's log."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Literal

import msgspec

_LINE_BYTES = 8192
"""What is kept of a line."""
_LEVELS = ("debug", "info", "warning", "error")


class _Logged(msgspec.Struct, frozen=True):
    """A line of `bridge.telemetry.logs.JsonFormatter`; its fields are left out."""

    level: Literal["debug", "info", "warning", "error", "critical"]
    event: str
    exception: str = ""


def level_name() -> str:
    """The level of this process's logs, as the settings say it: for a process that it starts."""
    level = logging.getLogger().getEffectiveLevel()
    return next((name for name in _LEVELS if logging.getLevelNamesMapping()[name.upper()] >= level), _LEVELS[-1])


def pass_on(logger: logging.Logger, source: str, line: str, plain: int) -> str:
    """Log a line of the process `source`: what it logged as JSON at the level it has there, anything else at `plain`.

    Returns it as a person reads it.
    """
    try:
        said = msgspec.json.decode(line, type=_Logged)
    except msgspec.DecodeError:
        logger.log(plain, "%s: %s", source, line)
        return line
    text = "\n".join(filter(None, (said.event, said.exception)))
    logger.log(logging.getLevelNamesMapping()[said.level.upper()], "%s: %s", source, text)
    return text


async def read_lines(stream: asyncio.StreamReader, tell: Callable[[str], None]) -> None:
    """Tell each line that is not empty, until the stream ends; a line without end comes in parts."""
    rest = b""
    while data := await stream.read(_LINE_BYTES):
        *lines, rest = (rest + data).split(b"\n")
        if len(rest) > _LINE_BYTES:
            lines, rest = [*lines, rest], b""
        for line in lines:
            _tell_if_any(line, tell)
    _tell_if_any(rest, tell)


def _tell_if_any(raw: bytes, tell: Callable[[str], None]) -> None:
    line = raw[:_LINE_BYTES].decode(errors="replace").rstrip()
    if line:
        tell(line)
