"""Several processes: one that dies is replaced, wrong settings end all, a stop ends all."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from ctypes import c_double
from pathlib import Path

import pytest

from bridge.gateway.processes import ProcessGroup, Watch, say_starting
from bridge.system.main_thread import STOPPED, MainThread, main_thread


def stay(directory: str, _place: int, _beat: object, replaces: bool) -> None:
    """Lives until it is told to end; leaves a file with its number, and in it whether it replaces another."""
    Path(directory, str(os.getpid())).write_text(str(replaces))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    threading.Event().wait(30.0)


def stop_by_itself(directory: str, _place: int, beat: c_double, _replaces: bool) -> None:
    """Keeps its beat once, and is then stopped as by a debugger: it can do nothing any more, and keeps its sockets."""
    beat.value = time.monotonic()
    Path(directory, str(os.getpid())).touch()
    os.kill(os.getpid(), signal.SIGSTOP)


def refuse(_directory: str, _place: int, _beat: object, _replaces: bool) -> None:
    sys.exit(2)


async def until_files(directory: Path, count: int) -> set[int]:
    async with asyncio.timeout(60):
        while len(found := {int(file.name) for file in directory.iterdir()}) < count:
            await asyncio.sleep(0.02)
    return found


async def test_a_process_that_dies_is_replaced_and_a_stop_ends_all(tmp_path: Path) -> None:
    group = ProcessGroup(stay, (str(tmp_path),), 2)
    running = asyncio.create_task(group.run())
    first = await until_files(tmp_path, 2)
    victim = first.pop()
    os.kill(victim, signal.SIGKILL)
    everybody = await until_files(tmp_path, 3)
    await asyncio.sleep(0)
    assert set(group.pids) <= everybody - {victim}
    (third,) = everybody - first - {victim}
    async with asyncio.timeout(60):
        while (told := Path(tmp_path, str(third)).read_text()) == "":
            await asyncio.sleep(0.02)
    assert told == "True"
    assert {Path(tmp_path, str(one)).read_text() for one in first} == {"False"}
    group.stop()
    await asyncio.wait_for(running, 10.0)
    assert group.pids == []
    assert not group.refused


async def test_wrong_settings_end_all_processes(tmp_path: Path) -> None:
    group = ProcessGroup(refuse, (str(tmp_path),), 2)
    await asyncio.wait_for(group.run(), 20.0)
    assert group.refused


async def test_a_process_that_does_not_answer_any_more_is_killed_and_replaced(tmp_path: Path) -> None:
    group = ProcessGroup(stop_by_itself, (str(tmp_path),), 1, stuck_s=0.5)
    running = asyncio.create_task(group.run())
    first, *_ = await until_files(tmp_path, 1)
    await until_files(tmp_path, 2)
    assert first not in group.pids
    await end(group, running)


async def test_a_process_that_never_begins_to_answer_is_killed_and_replaced(tmp_path: Path) -> None:
    group = ProcessGroup(stay, (str(tmp_path),), 1, stuck_s=600.0, starting_s=0.5)  # it keeps no beat
    running = asyncio.create_task(group.run())
    seen: set[int] = set()
    async with asyncio.timeout(60):
        while len(seen) < 2:
            seen |= set(group.pids)
            await asyncio.sleep(0.02)
    await end(group, running)


def start_for_long(directory: str, _place: int, beat: c_double, _replaces: bool) -> None:
    """Is not ready for longer than a process may be silent, and says so all the time; then it is silent."""
    for _ in range(100):
        beat.value = -time.monotonic()
        time.sleep(0.02)
    Path(directory, str(os.getpid())).touch()
    threading.Event().wait(600.0)


async def test_a_process_that_takes_long_to_be_ready_is_left_alone_while_it_says_so(tmp_path: Path) -> None:
    group = ProcessGroup(start_for_long, (str(tmp_path),), 1, stuck_s=0.1, starting_s=20.0)
    running = asyncio.create_task(group.run())
    (first,) = await until_files(tmp_path, 1)
    assert group.pids == [first]
    await end(group, running)


async def test_a_process_says_that_it_is_starting() -> None:
    beat = c_double(0.0)
    saying = asyncio.create_task(say_starting(beat))
    await asyncio.sleep(0)
    assert beat.value < 0
    saying.cancel()


async def end(group: ProcessGroup, running: asyncio.Task[None]) -> None:
    group.stop()
    for pid in group.pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    await asyncio.wait_for(running, 20.0)


def looked_at(
    state: str, cpu_share: float, *, looks_every_s: float = 0.25, beats_until_s: float = 4.25
) -> float | None:
    """How long a process that beats until then, and is seen like this afterwards, is silent when it is given up."""
    watch, now, beat_at, cpu_s = Watch(15.0), 0.0, 0.0, 0.0
    while now < beats_until_s + 30.0:
        now += looks_every_s
        healthy = now < beats_until_s
        beat_at = float(int(now)) if healthy else beat_at
        cpu_s += looks_every_s * (0.1 if healthy else cpu_share)
        if watch.is_stuck(beat_at, MainThread("S" if healthy else state, cpu_s), now):
            return now - beat_at
    return None


@pytest.mark.parametrize(
    ("what", "state", "cpu_share", "within_s"),
    [
        ("was stopped by a signal", "T", 0.0, 3.5),
        ("waits for a lock", "S", 0.0, 3.5),
        ("runs in a loop of its own", "R", 1.0, 3.5),
        ("runs beside one other process", "R", 0.9, 3.5),
        ("is let run now and then by a busy machine", "R", 0.2, 15.5),
        ("is not let run at all", "R", 0.0, 15.5),
        ("waits for a disk", "D", 0.0, 15.5),
        ("runs a little and waits, as one that shares Python's lock", "S", 0.2, 15.5),
    ],
)
def test_who_is_seen_to_be_stuck_is_given_up_sooner_than_who_may_be_kept_waiting(
    what: str, state: str, cpu_share: float, within_s: float
) -> None:
    silent_s = looked_at(state, cpu_share)
    assert silent_s is not None
    assert (3.0 if within_s < 10 else 15.0) < silent_s <= within_s, what


def test_who_looks_late_has_been_kept_waiting_and_judges_nobody_by_that() -> None:
    watch = Watch(15.0)
    assert not watch.is_stuck(10.0, MainThread("S", 1.0), 10.2)
    assert not watch.is_stuck(10.0, MainThread("S", 1.0), 10.45)
    assert not watch.is_stuck(10.0, MainThread("S", 1.0), 14.0), "nobody knows what the process did meanwhile"
    assert not watch.is_stuck(14.1, MainThread("S", 1.1), 14.25)
    assert Watch(15.0).is_stuck(10.0, MainThread("R", 1.0), 25.1), "but not for ever"


def test_where_the_system_tells_nothing_the_beat_alone_counts() -> None:
    watch = Watch(15.0)
    assert not watch.is_stuck(10.0, None, 24.9)
    assert watch.is_stuck(10.0, None, 25.1)


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="only Linux tells what another process does")
def test_a_process_that_was_stopped_is_seen_to_be() -> None:
    child = subprocess.Popen([sys.executable, "-c", "import time; print(1, flush=True); time.sleep(60)"], stdout=-1)
    try:
        assert child.stdout is not None
        child.stdout.readline()
        os.kill(child.pid, signal.SIGSTOP)
        os.waitid(os.P_PID, child.pid, os.WSTOPPED | os.WNOWAIT)
        seen = main_thread(child.pid)
        assert seen is not None
        assert seen.state == STOPPED
    finally:
        child.kill()
        child.wait()
    assert main_thread(child.pid) is None
