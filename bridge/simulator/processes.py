"""What a server's processes use, from /proc: CPU seconds and memory of one process and all its descendants."""

from __future__ import annotations

import os
import resource
from dataclasses import dataclass
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Usage:
    """CPU seconds since its start, and resident memory in bytes, of each process by id."""

    cpu_s: dict[int, float]
    memory: dict[int, int]

    @property
    def total_cpu_s(self) -> float:
        """CPU seconds of all processes together."""
        return sum(self.cpu_s.values())

    @property
    def total_memory(self) -> int:
        """Bytes of memory of all processes together; pages they share are counted for each."""
        return sum(self.memory.values())


def usage(pid: int) -> Usage:
    """A process and its descendants now; what ended meanwhile is left out."""
    cpu: dict[int, float] = {}
    memory: dict[int, int] = {}
    for one in family(pid):
        try:
            fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
            pages = int(Path(f"/proc/{one}/statm").read_text().split()[1])
        except (OSError, IndexError, ValueError):
            continue
        cpu[one] = (int(fields[11]) + int(fields[12])) / _TICKS  # utime, stime: proc(5)
        memory[one] = pages * _PAGE
    return Usage(cpu, memory)


def family(pid: int) -> list[int]:
    """A process and all its descendants."""
    found, waiting = [], [pid]
    while waiting:
        one = waiting.pop()
        found.append(one)
        for task in Path(f"/proc/{one}/task").glob("*/children"):
            try:
                waiting += [int(child) for child in task.read_text().split()]
            except OSError:
                continue
    return found


def descriptors(pid: int | None = None) -> tuple[int, int]:
    """Open files and the limit for them (`ulimit -n`) of a process, this one by default; zeros where unknown."""
    place = Path(f"/proc/{pid or 'self'}")
    try:
        used = sum(1 for _ in (place / "fd").iterdir())
        limits = (place / "limits").read_text().splitlines()
        row = next(line for line in limits if line.startswith("Max open files"))
    except (OSError, StopIteration):
        return 0, 0
    soft = row.split()[3]
    return used, int(soft) if soft.isdigit() else 0


def most_descriptors() -> int:
    """Raise this process's limit for open files as far as it may be raised; returns the limit then."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        except (OSError, ValueError):
            return soft
    return hard


def listening_on(port: int) -> int | None:
    """The process that listens on this TCP port of this machine, the oldest if several share it."""
    sockets = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            lines = Path(table).read_text().splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            fields = line.split()
            if fields[3] == "0A" and int(fields[1].rpartition(":")[2], 16) == port:
                sockets.add(f"socket:[{fields[9]}]")
    owners = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit() and _has(entry, sockets)]
    return min(owners, default=None)


def _has(process: Path, sockets: set[str]) -> bool:
    try:
        return any(os.readlink(one) in sockets for one in (process / "fd").iterdir())
    except OSError:
        return False
