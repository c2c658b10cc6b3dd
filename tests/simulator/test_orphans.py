"""`bridge load` and `bridge demo` as processes: whoever kills the parent without warning leaves no child behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bridge.simulator.processes import family
from tests.simulator.media_server import MediaServer
from tests.simulator.test_pytest_plugin import server as server

PATIENCE_S = 60.0
CONFIG = """
gateway: {host: 127.0.0.1}
listening: {recogniser: {kind: none}, turn: {kind: none}}
agent: {kind: script, file: script.yaml}
"""


def wait_until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@contextmanager
def started(command: list[str], said: list[str]) -> Iterator[tuple[subprocess.Popen[str], set[int]]]:
    """A command, and the processes of its family as they come; what still runs at the end is killed."""
    process = subprocess.Popen(
        [sys.executable, "-m", "bridge.cli", *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | {"TWILIO_AUTH_TOKEN": "secret"},
    )
    assert process.stdout is not None
    out = process.stdout
    threading.Thread(target=lambda: said.extend(out), daemon=True).start()
    members: set[int] = set()
    try:
        yield process, members
    finally:
        for pid in {*members, *family(process.pid)}:
            if runs(pid):
                os.kill(pid, signal.SIGKILL)
        process.wait()


def killed(process: subprocess.Popen[str], members: set[int]) -> None:
    """Kill the parent, and see the rest of the family end by itself."""
    members |= set(family(process.pid))
    assert len(members) > 1
    process.kill()
    process.wait()
    wait_until(lambda: not [pid for pid in members if runs(pid)])


def test_the_callers_of_a_load_end_with_it(server: MediaServer, tmp_path: Path) -> None:
    said: list[str] = []
    command = ["load", server.url, "--calls", "2", "--generators", "2", "--hold", "40", "-o", str(tmp_path)]
    with started(command, said) as (process, members):
        wait_until(lambda: len(server.webhooks) >= 2)
        killed(process, members)


@pytest.mark.parametrize("moment", ["starting the service", "the phone rings"])
def test_the_service_of_a_demo_ends_with_it(moment: str, tmp_path: Path) -> None:
    (tmp_path / "script.yaml").write_text("start: hello\nstates:\n  hello: {say: Hello there., hang_up: done}\n")
    (tmp_path / "bridge.yaml").write_text(CONFIG)
    (tmp_path / "waits.yaml").write_text("name: x\nsteps: [{wait_for_hang_up: 30}]\n")
    said: list[str] = []
    command = ["demo", "-c", str(tmp_path / "bridge.yaml"), "-s", str(tmp_path / "waits.yaml"), "-o", str(tmp_path)]
    with started(command, said) as (process, members):
        wait_until(lambda: moment in "".join(said) or process.poll() is not None)
        assert process.poll() is None, "".join(said)
        wait_until(lambda: len(family(process.pid)) > 1)
        killed(process, members)
