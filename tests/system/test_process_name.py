"""Whether a process is there is asked of the system: it may be slow, stopped, dead, or of another machine."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from bridge.system.process_name import own_name, still_runs

SAY = "from bridge.system.process_name import own_name; print(own_name(), flush=True); input()"


@pytest.fixture
def child() -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen([sys.executable, "-c", SAY], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    yield process
    process.kill()
    process.communicate()


def test_a_process_is_there_until_it_has_ended_however_silent_it_is(child: subprocess.Popen[str]) -> None:
    assert child.stdout is not None
    name = child.stdout.readline().strip()
    assert still_runs(name)
    os.kill(child.pid, signal.SIGSTOP)
    os.waitpid(child.pid, os.WUNTRACED)
    assert still_runs(name), "stopped is not dead"
    os.kill(child.pid, signal.SIGCONT)
    assert still_runs(name)
    os.kill(child.pid, signal.SIGKILL)
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert still_runs(name) is False, "dead, though its parent has not asked for its exit code"
    child.wait()
    assert still_runs(name) is False


def test_another_process_of_the_same_number_is_another_process() -> None:
    here, pid, started, rest = own_name().split(".")
    assert still_runs(f"{here}.{pid}.{started}.{rest}")
    assert still_runs(f"{here}.{pid}.{int(started) - 1}.{rest}") is False


@pytest.mark.parametrize("name", ["", "0f3a5b", "another.1.2.3", ".1.2.3", "{here}.x.2.3", "{here}.1..3", "{here}"])
def test_of_a_process_elsewhere_nothing_is_known(name: str) -> None:
    assert still_runs(name.format(here=own_name().partition(".")[0])) is None


def test_two_names_of_one_process_differ() -> None:
    assert own_name() != own_name()
