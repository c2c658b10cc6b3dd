"""A process's name among those that share a store, from which others on its machine can tell whether it still runs.

A process that says nothing may be slow, stopped or dead, and only the system knows which. A name holds what to ask the
system for: the process's number, and when it started, since numbers are used again (proc_pid_stat(5)).
"""

from __future__ import annotations

import hashlib
import os
import secrets
import socket
from contextlib import suppress
from functools import cache
from pathlib import Path

_ENDED = ("Z", "X", "x")
"""States of a process whose parent has not asked for its exit code yet."""


def own_name() -> str:
    """A new name for this process; `still_runs` reads it."""
    pid = os.getpid()
    return f"{_here()}.{pid}.{_started(pid) or ''}.{secrets.token_hex(6)}"


def still_runs(name: str) -> bool | None:
    """Whether the process of this name is there, however slow or stopped; None where that cannot be told from here."""
    here, _, rest = name.partition(".")
    pid, _, rest = rest.partition(".")
    started, _, _ = rest.partition(".")
    if not here or here != _here() or not pid.isdecimal() or not started:
        return None
    return _started(int(pid)) == started


@cache
def _here() -> str:
    """What processes that see each other's numbers have in common, and others have not; empty where unknown."""
    with suppress(OSError):
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii")
        numbers = os.readlink("/proc/self/ns/pid")  # a container counts its processes on its own
        return hashlib.sha256(f"{socket.gethostname()} {boot} {numbers}".encode()).hexdigest()[:12]
    return ""


def _started(pid: int) -> str | None:
    """When a process started, in ticks since the machine did; None when it has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
    return None if len(fields) < 20 or fields[0] in _ENDED else fields[19]
