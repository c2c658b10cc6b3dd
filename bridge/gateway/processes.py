"""Several processes on one port: started, watched, replaced when they die, ended together."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from ctypes import c_double
from multiprocessing.context import SpawnProcess
from multiprocessing.sharedctypes import RawValue
from typing import Any

from bridge.system.lifetime import EndsWithParent, run_child
from bridge.system.main_thread import STOPPED, WAITING, MainThread, main_thread
from bridge.telemetry import logs
from bridge.telemetry.metrics import process_ended

logger = logging.getLogger(__name__)

_RESTART_S = (0.2, 1.0, 5.0, 15.0)
_WELL_AFTER_S = 60.0
_STARTING_BEAT_S = 1.0
_LOOK_S = 0.25
_SURELY_S = 3.0
"""A process that has kept no beat for so long, and is seen to be stopped or stuck, will keep none."""
_STILL_S = 1.0
"""Who was stopped, or waited for something else than its loop, for so long up to now."""
_BUSY_SHARE = 0.8
"""Of the time without a beat: a loop that has run for so much of it was not kept from its beat by other processes."""


class Watch:
    """Tells a process that is stuck from one that its machine lets wait, by looking at it every now and then.

    `stuck_s` is how long any process may be silent. One that is seen to be stopped, to wait where no loop waits, or to
    have had the processor all the while is stuck sooner.
    """

    def __init__(self, stuck_s: float, surely_s: float = _SURELY_S) -> None:
        self._stuck_s, self._surely_s = stuck_s, min(surely_s, stuck_s)
        self._beat_at = -1.0
        self._cpu_s = self._last_cpu_s = 0.0
        self._still_since: float | None = None
        self._looked_at: float | None = None

    def is_stuck(self, beat_at: float, thread: MainThread | None, now: float) -> bool:
        """Whether a process with this last beat, whose main thread is seen like this, is stuck."""
        late = self._looked_at is not None and now - self._looked_at > 2 * _LOOK_S
        self._looked_at = now
        if thread is not None and (beat_at != self._beat_at or late):
            # whoever looks late was kept waiting, too, and has seen nothing of the time between
            self._beat_at, self._cpu_s, self._still_since = beat_at, thread.cpu_s, None
        silent_s = now - beat_at
        if silent_s > self._stuck_s or thread is None:
            return silent_s > self._stuck_s
        still = thread.state == STOPPED or (thread.state == WAITING and thread.cpu_s == self._last_cpu_s)
        self._last_cpu_s = thread.cpu_s
        self._still_since = (now if self._still_since is None else self._still_since) if still else None
        if silent_s <= self._surely_s:
            return False
        stood_still = self._still_since is not None and now - self._still_since >= _STILL_S
        return stood_still or thread.cpu_s - self._cpu_s >= _BUSY_SHARE * silent_s


class ProcessGroup:
    """Runs `target(*arguments, place, beat, replaces)` in `count` fresh processes until `stop`.

    `place` counts them from 0, and `replaces` says that another one had the place before. A process that ends by itself
    is replaced, after growing pauses when it keeps ending. One that has begun to keep its `beat` (the time of
    `time.monotonic()`, which all processes of a machine share) and then does not for `stuck_s`, or for less where it is
    seen to be stuck (`Watch`), is killed and replaced: it would still be handed its share of the calls. One that is not
    ready yet writes that time negative, and may be silent for `starting_s`, before its first beat, too: while it loads
    models it keeps none. Exit code 2 means that its settings are wrong: then all are ended, since another
    would fare no better.
    """

    def __init__(
        self,
        target: Callable[..., Any],
        arguments: tuple[Any, ...],
        count: int,
        *,
        stuck_s: float = 15.0,
        starting_s: float = 120.0,
    ) -> None:
        self._stuck_s = stuck_s
        self._starting_s = starting_s
        self._target = target
        self._arguments = arguments
        self._count = count
        # Fresh interpreters: a fork would share sockets, threads and the metrics of the parent.
        self._context = multiprocessing.get_context("spawn")
        self._processes: dict[int, SpawnProcess] = {}
        self._stopping = False
        self.refused = False
        """Whether a process found the settings wrong."""

    @property
    def pids(self) -> list[int]:
        """The ids of the running processes."""
        return [process.pid for process in self._processes.values() if process.pid is not None and process.is_alive()]

    async def run(self) -> None:
        """Keep the processes running until `stop`, and until the last has ended."""
        await asyncio.gather(*(self._keep(place) for place in range(self._count)))

    def stop(self) -> None:
        """Ask all to drain and end; a second call makes them hurry."""
        self._stopping = True
        for pid in self.pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)

    async def _keep(self, place: int) -> None:
        loop = asyncio.get_running_loop()
        attempt, replaces = 0, False
        while True:
            started_at = loop.time()
            code = await self._run_one(place, replaces=replaces)
            replaces = True
            if code == 2:
                self.refused = True
                self.stop()
            if self._stopping:
                return
            attempt = 0 if loop.time() - started_at > _WELL_AFTER_S else attempt + 1
            pause_s = _RESTART_S[min(attempt, len(_RESTART_S) - 1)]
            logs.event(logger, "process ended", logging.ERROR, place=place, code=code, restart_s=pause_s)
            await asyncio.sleep(pause_s)

    async def _run_one(self, place: int, *, replaces: bool) -> int:
        """Start a process and wait for its end; its exit code."""
        if self._stopping:
            return 0
        beat = RawValue(c_double, 0.0)  # without a lock, which a killed process could keep
        arguments = (EndsWithParent(), self._target, *self._arguments, place, beat, replaces)
        process = self._context.Process(target=run_child, args=arguments, name=f"bridge-{place}")
        process.start()
        self._processes[place] = process
        ended = asyncio.Event()
        loop = asyncio.get_running_loop()
        loop.add_reader(process.sentinel, ended.set)
        watching = asyncio.create_task(self._watch(process, beat))
        try:
            await ended.wait()
        finally:
            watching.cancel()
            loop.remove_reader(process.sentinel)
        process.join()
        if process.pid is not None:
            process_ended(process.pid)
        return process.exitcode or 0

    async def _watch(self, process: SpawnProcess, beat: c_double) -> None:
        """Kill a process that does not keep its beat any more, or never begins to."""
        started_at, watch = time.monotonic(), Watch(self._stuck_s)
        assert process.pid is not None
        while True:
            await asyncio.sleep(min(_LOOK_S, self._stuck_s / 8, self._starting_s / 8))
            last_at, now = abs(beat.value) or started_at, time.monotonic()
            silent_s = now - last_at
            ready = beat.value > 0
            stuck = watch.is_stuck(last_at, main_thread(process.pid), now) if ready else silent_s > self._starting_s
            if stuck:
                logs.event(logger, "process is stuck", logging.CRITICAL, pid=process.pid, silent_s=round(silent_s, 1))
                process.kill()
                return


async def say_starting(beat: c_double) -> None:
    """Keep the beat of a process that is not ready yet, until cancelled."""
    while True:
        beat.value = -time.monotonic()
        await asyncio.sleep(_STARTING_BEAT_S)
