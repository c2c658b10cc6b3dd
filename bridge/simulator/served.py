"""The service as a process of its own, for a demonstration or for the tests of an agent."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections import deque
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO

from bridge.errors import BridgeError
from bridge.system.lifetime import die_with_parent

_READY_S = 180.0
_STOP_S = 20.0
_LAST_LINES = 20
"""Of what a service said that did not start."""


@contextlib.contextmanager
def served(config: Path, variables: Mapping[str, str], *, told: bool = True) -> Iterator[int]:
    """Run `bridge serve` as a process of its own, and give its port once it takes calls.

    `variables` are added to its environment; with `told` its output is passed on. Raises BridgeError where it ends
    before it is ready.
    """
    port = _free_port()
    command = [
        sys.executable,
        "-m",
        "bridge.cli",
        "serve",
        "-c",
        str(config),
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
    ]
    process = subprocess.Popen(
        command,
        env={**os.environ, **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,  # a Ctrl-C is ours to pass on, once
        preexec_fn=die_with_parent(),
    )
    assert process.stdout is not None
    last: deque[str] = deque(maxlen=_LAST_LINES)
    reader = threading.Thread(target=_pass_on, args=(process.stdout, last, told), daemon=True)
    reader.start()
    try:
        _wait_until_ready(process, port, last)
        yield port
    finally:
        _stop(process)
        reader.join(timeout=1.0)


def _wait_until_ready(process: subprocess.Popen[str], port: int, last: deque[str]) -> None:
    deadline = time.monotonic() + _READY_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            said = "\n".join(last)
            raise BridgeError(f"the service ended with status {process.returncode} before it was ready:\n{said}")
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=2.0) as answer:
                if answer.status == 200:
                    return
        except (urllib.error.URLError, OSError):
            pass
        time.sleep(0.1)
    raise BridgeError(f"the service was not ready after {_READY_S:.0f} s")


def _stop(process: subprocess.Popen[str]) -> None:
    """Ask a process politely to end, then insist."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        if process.poll() is not None:
            return
        process.send_signal(number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_STOP_S)


def _pass_on(lines: IO[str], last: deque[str], told: bool) -> None:
    for line in lines:
        last.append(line.rstrip())
        if told:
            print(f"  service | {line.rstrip()}", file=sys.stderr, flush=True)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
