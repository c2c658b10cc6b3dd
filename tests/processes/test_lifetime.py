"""Processes as an operator meets them: ended before they are ready, orphaned, started twice, in odd places."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from bridge.simulator.processes import family
from bridge.system import sockets
from bridge.system.own_folder import OwnFolder, folder_name
from tests.processes.running import PATIENCE_S, SERVE, free_port, service, wait_until

AGENT = """
import threading, time
from bridge.agents.dialogue import PhoneAgent

threading.Thread(target=time.sleep, args=(3600,)).start()

class Agent(PhoneAgent):
    async def call_started(self, call):
        await call.say("Hello.")
        await call.hang_up()
"""
CONFIG = """
gateway: {development_unsigned: true, host: 127.0.0.1}
listening: {recogniser: {kind: none}, turn: {kind: none}}
agent: {kind: python, class: "endless:Agent"}
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Settings whose agent has a thread without end, as libraries have them: nothing may wait for it."""
    (tmp_path / "endless.py").write_text(AGENT)
    file = tmp_path / "bridge.yaml"
    file.write_text(CONFIG)
    return file


@pytest.fixture
def temporary(tmp_path: Path) -> Path:
    """A short folder for temporary files, to see what is left in it."""
    folder = tmp_path / "t"
    folder.mkdir()
    return folder


MOMENTS = {
    "one": (["--port", "0"], "listening on"),
    "several": (["--port", "0", "--processes", "2"], "starting the speech worker"),
    "several, the worker there": (["--port", "0", "--processes", "2"], "starting 2 processes"),
    "ready": (["--port", "0"], "ready for calls"),
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_sigterm_is_obeyed_at_any_moment_and_nothing_is_left(moment: str, config: Path, temporary: Path) -> None:
    options, words = MOMENTS[moment]
    with service([*SERVE, "-c", str(config), *options], temporary) as running:
        running.says(words)
        running.process.send_signal(signal.SIGTERM)
        assert running.ends() == 0, running.said
        wait_until(lambda: not running.living())
    assert list(temporary.iterdir()) == []
    assert "Traceback" not in running.said


def test_sigterm_while_it_still_loads_python_is_obeyed(config: Path, temporary: Path) -> None:
    with service([*SERVE, "-c", str(config), "--port", "0"], temporary) as running:
        wait_until(lambda: _handles_sigterm(running.process.pid) or running.process.poll() is not None)
        running.process.send_signal(signal.SIGTERM)
        assert running.ends() == 0, running.said
    assert "Traceback" not in running.said


def _handles_sigterm(pid: int) -> bool:
    """As the system says it: bit 14 of SigCgt (proc(5))."""
    found = re.search(r"SigCgt:\s*([0-9a-f]+)", Path(f"/proc/{pid}/status").read_text())
    return found is not None and bool(int(found[1], 16) >> (signal.SIGTERM - 1) & 1)


def test_the_first_process_of_a_container_obeys_sigterm_before_it_is_ready(config: Path, temporary: Path) -> None:
    inside = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"]
    if subprocess.run([*inside, "true"], capture_output=True).returncode:
        pytest.skip("this user may make no process namespaces")
    with service([*inside, *SERVE, "-c", str(config), "--port", "0"], temporary) as running:
        running.says("listening on")
        (first,) = [pid for pid in family(running.process.pid) if _parent(pid) == running.process.pid]
        os.kill(first, signal.SIGTERM)
        assert running.ends() == 0, running.said
    assert list(temporary.iterdir()) == []


def _parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


@pytest.mark.parametrize("processes", [1, 2])
def test_no_child_outlives_a_parent_that_is_killed(processes: int, config: Path, temporary: Path) -> None:
    port = free_port()
    command = [*SERVE, "-c", str(config), "--port", str(port), "--processes", str(processes)]
    with service(command, temporary) as running:
        running.says("ready for calls" if processes == 1 else "starting 2 processes")
        if processes > 1:
            wait_until(lambda: len(sockets.listeners(port)) == processes)
        running.says("")
        running.process.kill()
        running.process.wait()
        wait_until(lambda: not running.living())
    assert sockets.listeners(port) == []
    (temporary / folder_name("bridge-voice")).mkdir()  # as a process that is killed before its children leaves it
    with OwnFolder(temporary / folder_name("bridge-voice")) as next_one:
        assert list(temporary.iterdir()) == [next_one]


ENDLESS = """
import asyncio, os, sys, time
from bridge.gateway.processes import ProcessGroup
from bridge.simulator.load import Load

def endless(how):
    print("begun", flush=True)
    while how == "in Python":
        pass
    time.sleep(3600)

class Endless:
    def __init__(self, how):
        self.how = how
    def __reduce__(self):
        return endless, (self.how,)

def target(*arguments):
    endless("in native code")

if __name__ == "__main__":
    {start}
"""
STARTS = {
    "of a service, loading in Python": "asyncio.run(ProcessGroup(target, (Endless('in Python'),), 1).run())",
    "of a service, loading in native code": "asyncio.run(ProcessGroup(target, (Endless('in native code'),), 1).run())",
    "of a service, before it looks after its parent": "asyncio.run(ProcessGroup(target, (), 1).run())",
    "of a load, loading": "Load(Endless('in Python'), None).__enter__()",
}


@pytest.mark.parametrize("start", STARTS)
def test_no_process_that_still_loads_outlives_its_parent(start: str, temporary: Path) -> None:
    script = temporary / "parent.py"
    script.write_text(ENDLESS.format(start=STARTS[start]))
    with service([sys.executable, str(script)], temporary) as running:
        running.says("begun")
        running.process.kill()
        running.process.wait()
        wait_until(lambda: not running.living())


async def test_no_engine_outlives_its_parent_whatever_it_is_at(temporary: Path) -> None:
    script = """
import asyncio
from bridge.listening.engine_pool import _spawn

async def main():
    process = await _spawn()
    print("begun", flush=True)
    await process.wait()

asyncio.run(main())
"""
    with service([sys.executable, "-c", script], temporary) as running:
        running.says("begun")
        wait_until(lambda: len(running.living()) == 2)
        (engine,) = running.living() - {running.process.pid}
        os.kill(engine, signal.SIGSTOP)  # it reads nothing meanwhile
        running.process.kill()
        running.process.wait()
        wait_until(lambda: not running.living())


def test_no_part_of_a_demo_outlives_one_that_is_killed(config: Path, temporary: Path, tmp_path: Path) -> None:
    scenario = tmp_path / "silent.yaml"
    scenario.write_text("name: Waits\nsteps: [wait_for_hang_up]\n")
    command = [sys.executable, "-m", "bridge.cli", "demo", "-c", str(config), "-s", str(scenario), "-o", str(tmp_path)]
    with service(command, temporary) as running:
        running.says("the phone rings")
        assert len(running.living()) >= 3  # the demo, the service, its speech worker
        running.process.kill()
        running.process.wait()
        wait_until(lambda: not running.living())


def test_no_caller_of_a_load_outlives_one_that_is_killed(temporary: Path, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # a service that never answers
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/twilio/voice"
        command = [sys.executable, "-m", "bridge.cli", "load", url]
        options = ["--calls", "4", "--generators", "2", "--hold", "300", "-o", str(tmp_path / "load")]
        with service([*command, *options], temporary, TWILIO_AUTH_TOKEN="secret") as running:
            silent.settimeout(PATIENCE_S)
            silent.accept()[0].close()  # it rings
            assert len(running.living()) >= 3
            running.process.kill()
            running.process.wait()
            wait_until(lambda: not running.living())


@pytest.mark.parametrize("processes", [1, 2])
def test_a_second_service_on_a_port_says_who_is_there_and_ends(processes: int, config: Path, temporary: Path) -> None:
    port = free_port()
    command = [*SERVE, "-c", str(config), "--port", str(port), "--processes", str(processes)]

    def listening() -> set[int]:
        """Those who do at two looks: a process that is being started holds its parent's sockets for a moment."""
        return set(sockets.listeners(port)) & set(sockets.listeners(port))

    with service(command, temporary) as first:
        wait_until(lambda: len(listening()) == processes)
        there = listening()
        with service(command, temporary) as second:
            assert second.ends() == 2
        assert f"cannot listen on 127.0.0.1:{port}: Address already in use" in second.said
        assert all(f"process {pid} (" in second.said for pid in there & listening())
        assert first.process.poll() is None


def test_a_second_worker_on_a_socket_says_who_is_there_and_leaves_it_alone(temporary: Path) -> None:
    path = temporary / "worker.sock"
    command = [sys.executable, "-m", "bridge.cli", "worker", "--unix", str(path)]
    with service(command, temporary) as first:
        first.says("speech worker ready")
        with service(command, temporary) as second:
            assert second.ends() == 2
        assert f"{path} is taken: process {first.process.pid} (" in second.said
        with socket.socket(socket.AF_UNIX) as still:
            still.connect(str(path))
        first.process.send_signal(signal.SIGTERM)
        assert first.ends() == 0
    assert list(temporary.iterdir()) == []


def test_a_worker_takes_over_the_socket_of_one_that_was_killed(temporary: Path) -> None:
    path = temporary / "worker.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    with service([sys.executable, "-m", "bridge.cli", "worker", "--unix", str(path)], temporary) as worker:
        worker.says(f"speech worker ready on unix:{path}")


def test_a_worker_removes_no_file_that_is_not_a_socket(temporary: Path) -> None:
    path = temporary / "precious"
    path.write_text("data")
    with service([sys.executable, "-m", "bridge.cli", "worker", "--unix", str(path)], temporary) as worker:
        assert worker.ends() == 2
    assert "is no socket" in worker.said
    assert path.read_text() == "data"


@pytest.mark.parametrize("processes", [1, 2])
def test_a_long_folder_for_temporary_files_is_no_hindrance(processes: int, config: Path, tmp_path: Path) -> None:
    folder = tmp_path / ("long" * 20) / ("longer" * 20)
    folder.mkdir(parents=True)
    with service([*SERVE, "-c", str(config), "--port", "0", "--processes", str(processes)], folder) as running:
        running.says("ready for calls" if processes == 1 else "starting 2 processes")
        running.process.send_signal(signal.SIGTERM)
        assert running.ends() == 0
        wait_until(lambda: not running.living())
    assert list(folder.iterdir()) == []


def test_a_socket_path_that_is_too_long_is_refused_with_the_limit(tmp_path: Path) -> None:
    path = tmp_path / ("x" * 120)
    with service([sys.executable, "-m", "bridge.cli", "worker", "--unix", str(path)], tmp_path) as worker:
        assert worker.ends() == 2
    assert f"a socket's path may have {sockets.LONGEST_PATH}" in worker.said


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.7", "voice.example.com"])
def test_a_worker_that_others_can_reach_needs_a_token(host: str, temporary: Path) -> None:
    command = [sys.executable, "-m", "bridge.cli", "worker", "--host", host, "--port", "0"]
    with service(command, temporary, BRIDGE_WORKER_TOKEN="") as worker:
        assert worker.ends() == 2
    assert f"worker.host: {host} can be reached from other machines, and no token is set" in worker.said


def test_a_worker_with_a_token_may_listen_on_all_interfaces(temporary: Path) -> None:
    command = [sys.executable, "-m", "bridge.cli", "worker", "--host", "0.0.0.0", "--port", "0"]
    with service(command, temporary, BRIDGE_WORKER_TOKEN="secret") as worker:
        worker.says("speech worker ready on ws://0.0.0.0:")


def test_a_service_whose_settings_are_refused_ends_though_its_agent_has_threads(config: Path, temporary: Path) -> None:
    config.write_text(CONFIG.replace("endless:Agent", "endless:Nobody"))
    with service([*SERVE, "-c", str(config), "--port", "0"], temporary) as running:
        assert running.ends() == 2
    assert "Nobody" in running.said


WORKING = """
import asyncio, time
from bridge.app import new_loop
from bridge.system.lifetime import UnwaitedThreads
from bridge.system.termination import leave_threads_behind

async def main():
    asyncio.get_running_loop().set_default_executor(UnwaitedThreads())
    begun = asyncio.Event()
    loop = asyncio.get_running_loop()
    work = lambda: (loop.call_soon_threadsafe(begun.set), time.sleep(3600))
    waiting = [asyncio.create_task(asyncio.to_thread(work)) for _ in range(100)]
    await begun.wait()

with asyncio.Runner(loop_factory=new_loop) as runner:
    runner.run(main())
leave_threads_behind(7)
"""


def test_work_in_a_loops_threads_is_not_waited_for(temporary: Path) -> None:
    with service([sys.executable, "-c", WORKING], temporary) as running:
        assert running.ends() == 7, running.said


STUCK = """
import asyncio, faulthandler, sys
from bridge.system.lifetime import StopSignals, end_when_stuck

async def main():
    StopSignals()
    watchdog = asyncio.create_task(end_when_stuck(0.5))
    await asyncio.sleep(0)
    print("stuck", flush=True)
    {how}

asyncio.run(main())
"""
HOW = {"in Python": "while True: pass", "in native code": "import re; re.match('(a+)+b', 'a' * 80)"}


@pytest.mark.parametrize("how", HOW)
def test_a_loop_that_is_stuck_ends_whatever_it_is_stuck_in(how: str, temporary: Path) -> None:
    with service([sys.executable, "-c", STUCK.format(how=HOW[how])], temporary) as running:
        running.says("stuck")
        running.process.send_signal(signal.SIGTERM)
        assert running.ends() == 1
    assert "Timeout (0:00:00.500000)!" in running.said


async def test_work_is_cancelled_when_a_signal_comes_before_it_is_done() -> None:
    from bridge.system.lifetime import StopSignals

    stop, cleaned = StopSignals(()), asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cleaned.set()

    asyncio.get_running_loop().call_soon(stop.signalled)
    assert await stop.unless_asked(work()) is False
    assert cleaned.is_set()


async def test_work_that_fails_before_any_signal_says_so() -> None:
    from bridge.system.lifetime import StopSignals

    async def work() -> None:
        raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="no"):
        await StopSignals(()).unless_asked(work())


def test_what_a_service_leaves_on_disk_is_its_operators_alone(config: Path, temporary: Path) -> None:
    kept = temporary / "kept"
    config.write_text(
        CONFIG + f"speaking: {{cache: {{disk_path: {kept}}}}}\ntelemetry: {{record_directory: {kept}/records}}\n"
    )
    with service([*SERVE, "-c", str(config), "--port", "0"], temporary) as running:
        running.says("ready for calls")
        running.process.send_signal(signal.SIGTERM)
        assert running.ends() == 0
    found = [kept, *kept.rglob("*")]
    assert len(found) > 2
    assert {str(path): oct(path.stat().st_mode & 0o077) for path in found if path.stat().st_mode & 0o077} == {}
