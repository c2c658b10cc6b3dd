"""Files of one call each: their names, and how those that are too old are removed."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Container
from pathlib import Path

from bridge.errors import ConfigError

logger = logging.getLogger(__name__)

_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_-]")
_LONGEST = 80


def make_folder(directory: Path, setting: str) -> None:
    """Have a folder to write to, for this service's user alone. Raises ConfigError, which names the setting."""
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise ConfigError(f"{setting}: {directory}: {error.strerror or error}") from None
    if not os.access(directory, os.W_OK | os.X_OK):
        raise ConfigError(f"{setting}: {directory}: cannot be written")


def stem_of(call_id: str) -> str:
    """A call's identifier as its files begin: letters, digits, - and _ alone, at most 80 of them."""
    return _NOT_IN_NAMES.sub("_", call_id)[:_LONGEST] or "call"


def free_name(directory: Path, call_id: str, suffix: str, taken: Container[Path]) -> Path:
    """A name after the call that no file has, nor anything in `taken`: a second one of the same call ends in -2."""
    stem = stem_of(call_id)
    path = directory / f"{stem}{suffix}"
    attempt = 2
    while path in taken or path.exists():  # in this order: a file is there before its name is let go of
        path = directory / f"{stem}-{attempt}{suffix}"
        attempt += 1
    return path


def of_call(directory: Path, call_id: str, suffix: str) -> list[Path]:
    """All files of one call in a directory, in the order in which they were begun."""
    stem = stem_of(call_id)
    numbered = re.compile(re.escape(stem) + r"(?:-(\d+))?" + re.escape(suffix))
    found = {path: match for path in directory.glob(f"{stem}*{suffix}") if (match := numbered.fullmatch(path.name))}
    return sorted(found, key=lambda path: int(found[path][1] or 1))


def remove_older(directory: Path, pattern: str, before: float, *, spare: Container[Path]) -> int:
    """Remove the files that were last written before this time, but for those in `spare`; how many there were."""
    removed = 0
    try:
        for path in directory.glob(pattern):
            if path not in spare and path.stat().st_mtime < before:
                path.unlink(missing_ok=True)
                removed += 1
    except OSError:  # another process of the service has been faster
        logger.debug("could not look through %s", directory, exc_info=True)
    return removed
