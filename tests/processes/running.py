"""A service as a process of its own: what it says, who belongs to it, how it ends."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from bridge.simulator.processes import family

SERVE = [sys.executable, "-m", "bridge.cli", "serve"]
PATIENCE_S = 120.0


def wait_until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


class Service:
    """A service as a process, with what it says."""

    def __init__(self, command: list[str], temporary: Path, **variables: str) -> None:
        self.file = temporary.parent / f"said-{time.monotonic_ns()}"
        with self.file.open("wb") as out:
            self.process = subprocess.Popen(
                command, stdout=out, stderr=out, env=os.environ | {"TMPDIR": str(temporary)} | variables
            )
        self.family: set[int] = set()

    @property
    def said(self) -> str:
        return self.file.read_text(errors="replace")

    def says(self, words: str) -> None:
        wait_until(lambda: words in self.said or self.process.poll() is not None)
        assert words in self.said, self.said
        self.family |= set(family(self.process.pid))

    def living(self) -> set[int]:
        self.family |= set(family(self.process.pid))
        return {pid for pid in self.family if runs(pid)}

    def ends(self) -> int:
        wait_until(lambda: self.process.poll() is not None)
        return self.process.wait()


def runs(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


@contextmanager
def service(command: list[str], temporary: Path, **variables: str) -> Iterator[Service]:
    one = Service(command, temporary, **variables)
    try:
        yield one
    finally:
        for pid in one.living():
            os.kill(pid, signal.SIGKILL)
        one.process.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
