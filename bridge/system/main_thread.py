"""What the main thread of another process is doing, as Linux tells it: running, waiting, stopped, and its own clock."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

STOPPED, WAITING = "T", "S"


class MainThread(NamedTuple):
    """The main thread of a process at one moment."""

    state: str
    """A letter of proc(5): `R` runs or would if it were let, `S` waits, `T` was stopped by a signal."""
    cpu_s: float
    """How long it has run so far."""


def main_thread(pid: int) -> MainThread | None:
    """What the main thread of this process is doing; None where nobody can tell."""
    try:
        told = Path(f"/proc/{pid}/task/{pid}/stat").read_text("ascii", "replace")
        fields = told.rpartition(")")[2].split()
        return MainThread(fields[0], (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"))
    except (OSError, ValueError, IndexError):
        return None
