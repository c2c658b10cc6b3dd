"""A server pinned to cores for as long as it is measured, and what it has used."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

from bridge.system.lifetime import die_with_parent

ROOT = Path(__file__).parents[2]
PEER_JOB = ROOT / "fixtures" / "peer-job.yaml"
TOKEN = "bench"
PUBLIC_URL = "https://bench.example.com"


def cpu_s(pid: int) -> float:
    """CPU time of a process and its threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def rss_mb(pid: int) -> float:
    """Memory of a process."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def _begins(cores: Collection[int]) -> Callable[[], None]:
    """What the server does first: it keeps to its cores, and ends when the benchmark does, even one that is killed."""
    end_with_parent = die_with_parent()

    def begin() -> None:
        os.sched_setaffinity(0, cores)
        if end_with_parent is not None:
            end_with_parent()

    return begin


@contextlib.contextmanager
def server(
    *cores: int, floor: bool, job: Path = PEER_JOB, processes: int = 1, **secrets: str
) -> Iterator[tuple[int, str]]:
    """The service with this configuration, or the floor, pinned to these cores; its process and address.

    With several `processes` it is the one that watches them. `secrets` are further variables of its environment.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "tests.bench.floor", str(port)]
    if not floor:
        command = [sys.executable, "-m", "bridge.cli", "serve", "-c", str(job), "--port", str(port)]
        command += ["--processes", str(processes)]
    environment = {**os.environ, "TWILIO_AUTH_TOKEN": TOKEN, "PUBLIC_URL": PUBLIC_URL, **secrets}
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        preexec_fn=_begins(cores),
    )
    base = f"http://127.0.0.1:{port}"
    try:
        for _ in range(600):
            if process.poll() is not None:
                assert process.stderr is not None
                raise SystemExit(f"the server did not start: {process.stderr.read().decode()[-800:]}")
            try:
                with urllib.request.urlopen(f"{base}/readyz", timeout=1) as answer:
                    if answer.status == 200:
                        break
            except OSError:
                time.sleep(0.2)
        yield process.pid, base
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(8)
        except subprocess.TimeoutExpired:
            process.kill()
