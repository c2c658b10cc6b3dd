"""The bridge's end of the engine processes: jobs queue here, so that one nobody wants any more costs nothing.

A process works on one job at a time. If it dies, at work or idle, another is started at once, and its job is asked
again, once: a job that kills two processes has failed. If it passes a job's deadline, it is killed, since nothing else
stops a computation.

A spare process stands by: `ready` with its models, so that a turn whose process dies is answered without a pause, or
`light`, with its libraries alone, which is half of a start and takes 70 MB instead of 280.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import os
import signal
import sys
import time
from collections import deque
from pathlib import Path
from typing import Literal

import msgspec

from bridge.errors import BridgeError, ConfigError
from bridge.listening.engine_messages import (
    LENGTH,
    EngineAnswer,
    EngineReady,
    EngineRefused,
    EngineSetup,
    JobFailed,
    JobProbability,
    JobText,
    JudgeJob,
    RecogniseJob,
    answers,
    pack,
)
from bridge.system.child_logs import pass_on, read_lines
from bridge.system.lifetime import die_with_parent

log = logging.getLogger(__name__)
_readers: set[asyncio.Task[None]] = set()
"""Of what the processes write on their standard error; each ends with its process."""

SpareEngine = Literal["ready", "light"]

_SOURCES = str(Path(__file__).resolve().parents[2])
# The engine process must find this very package, whatever folder the bridge was started in.
_ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1"}
"""numpy's other threads would wait in a loop for the next product, and keep a core from the models: a third of what an
utterance cost. The models have threads of their own."""
_LOAD_DEADLINE_S = 120.0
_SPARE_AFTER_S = 10.0
"""Not while the service starts, or another process has just been lost."""
_RESTART_PAUSES_S = (0.0, 0.5, 2.0, 10.0, 30.0)


class EngineFailed(BridgeError):
    """An engine process gave no answer to a job; `refused`: nor would it the next time."""

    def __init__(self, reason: str, *, refused: bool = False) -> None:
        super().__init__(reason)
        self.refused = refused


class EngineCounters(msgspec.Struct):
    """What the processes have done since the start."""

    jobs: int = 0
    failed: int = 0
    repeated: int = 0
    """Jobs that were asked again since their process died."""
    dropped: int = 0
    """Jobs that were given up while they waited."""
    restarts: int = 0
    busy_s: float = 0.0
    waited_s: float = 0.0
    """How long the last job waited for a free process."""


class _Job:
    """A job in the queue or under way."""

    def __init__(self, order: RecogniseJob | JudgeJob, answer: asyncio.Future[EngineAnswer]) -> None:
        self.order = order
        self.answer = answer
        self.asked_at = time.monotonic()
        self.repeated = False


class EnginePool:
    """A pool of engine processes."""

    def __init__(
        self,
        setup: EngineSetup,
        *,
        processes: int = 1,
        deadline_s: float = 8.0,
        spare: SpareEngine = "light",
        spare_after_s: float = _SPARE_AFTER_S,
    ) -> None:
        self.counters = EngineCounters()
        self.processes = processes
        self._setup = setup
        self._deadline_s = deadline_s
        self._numbers = itertools.count(1)
        self._queue: deque[_Job] = deque()
        self._arrived = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._spare_kind = spare
        self._spare_after_s = spare_after_s
        self._spare: asyncio.subprocess.Process | None = None
        self._preparing: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start the processes and wait until they are warm. Raises ConfigError with an engine's own words."""
        try:
            first = await asyncio.gather(*(self._launch() for _ in range(self.processes)))
        except EngineFailed as error:
            raise ConfigError(f"listening: the engine process did not start: {error}") from error
        self._tasks = [asyncio.create_task(self._run(process)) for process in first]
        self._preparing = asyncio.create_task(self._prepare_spare())
        await asyncio.sleep(0)  # a task that is cancelled before it has begun does not end its process

    async def close(self) -> None:
        """End the processes; waiting jobs fail."""
        tasks = [*self._tasks, *([self._preparing] if self._preparing else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._tasks.clear()
        if self._spare is not None:
            await _end(self._spare)
            self._spare = None
        for job in self._queue:
            if not job.answer.done():
                job.answer.set_exception(EngineFailed("the bridge is closing"))
        self._queue.clear()

    @property
    def waiting(self) -> int:
        """Jobs that wait for a free process."""
        return len(self._queue)

    async def recognise(
        self, ulaw: bytes, *, language: str, hints: tuple[str, ...], readings: int = 1, answer: str = "open"
    ) -> JobText:
        """Text of one utterance, in so many readings. Cancel it, and it leaves the queue. Raises EngineFailed."""
        found = await self._ask(RecogniseJob(next(self._numbers), ulaw, language, hints, readings, answer))
        if not isinstance(found, JobText):
            raise EngineFailed(f"the engine process answered {type(found).__name__}")
        return found

    async def judge(self, ulaw: bytes) -> float:
        """Probability that the caller has finished; cancelling works as in `recognise`. Raises EngineFailed."""
        answer = await self._ask(JudgeJob(next(self._numbers), ulaw))
        if not isinstance(answer, JobProbability):
            raise EngineFailed(f"the engine process answered {type(answer).__name__}")
        return answer.probability

    async def _ask(self, order: RecogniseJob | JudgeJob) -> EngineAnswer:
        job = _Job(order, asyncio.get_running_loop().create_future())
        self._queue.append(job)
        self._arrived.set()
        try:
            async with asyncio.timeout(self._deadline_s):
                answer = await job.answer
        except TimeoutError:
            raise EngineFailed(f"no answer within {self._deadline_s:g} s") from None
        finally:
            if job in self._queue:
                self._queue.remove(job)
                self.counters.dropped += 1
        if isinstance(answer, JobFailed):
            raise EngineFailed(answer.reason, refused=answer.refused)
        return answer

    async def _next_job(self, died: asyncio.Task[int]) -> _Job | None:
        """The next job; None when the process has died before there was one."""
        while not self._queue:
            self._arrived.clear()
            arrived = asyncio.create_task(self._arrived.wait())
            try:
                await asyncio.wait((died, arrived), return_when=asyncio.FIRST_COMPLETED)
            finally:
                arrived.cancel()
            if died.done():
                log.warning("an engine process ended by itself; starting another")
                return None
        return self._queue.popleft()

    async def _run(self, process: asyncio.subprocess.Process | None) -> None:
        """Feed one process for ever, and replace it when it is lost."""
        losses = 0
        try:
            while True:
                if process is None:
                    await asyncio.sleep(_RESTART_PAUSES_S[min(losses, len(_RESTART_PAUSES_S)) - 1])
                    try:
                        process = await self._replacement()
                    except EngineFailed as error:
                        losses += 1
                        log.error("the engine process did not start again: %s", error)
                        continue
                died = asyncio.create_task(process.wait())
                try:
                    while (job := await self._next_job(died)) is not None and await self._do(process, job):
                        losses = 0
                finally:
                    died.cancel()
                losses += 1
                self.counters.restarts += 1
                await _end(process)
                process = None
        finally:
            if process is not None:
                await _end(process)

    async def _do(self, process: asyncio.subprocess.Process, job: _Job) -> bool:
        """Run one job; false if the process is of no use any more."""
        started = time.monotonic()
        self.counters.waited_s = started - job.asked_at
        self.counters.jobs += 1
        try:
            async with asyncio.timeout_at(asyncio.get_running_loop().time() + self._deadline_s):
                answer = await _exchange(process, pack(job.order))
        except TimeoutError:
            reason = f"no answer within {self._deadline_s:g} s"
        except (OSError, EOFError, msgspec.MsgspecError) as error:
            reason = f"the engine process was lost ({type(error).__name__})"
            if not job.repeated and not job.answer.done():
                log.warning("%s; starting another, which is asked again", reason)
                self._ask_again(job)
                return False
        else:
            self.counters.failed += isinstance(answer, JobFailed)
            self.counters.busy_s += time.monotonic() - started
            if not job.answer.done():
                job.answer.set_result(answer)
            return True
        log.warning("engine job failed: %s; starting another process", reason)
        self.counters.failed += 1
        if not job.answer.done():
            job.answer.set_exception(EngineFailed(reason))
        return False

    def _ask_again(self, job: _Job) -> None:
        """Put a job whose process died before all others."""
        job.repeated = True
        self.counters.repeated += 1
        self._queue.appendleft(job)
        self._arrived.set()

    async def _replacement(self) -> asyncio.subprocess.Process:
        """A process in place of one that was lost: the spare, where there is one. Raises EngineFailed."""
        spare, self._spare = self._spare, None
        if spare is not None and spare.returncode is not None:
            spare = None
        try:
            if spare is not None and self._spare_kind == "ready":
                return spare
            return await self._launch(spare, msgspec.structs.replace(self._setup, warm=False))
        finally:
            if self._preparing is None or self._preparing.done():
                self._preparing = asyncio.create_task(self._prepare_spare())

    async def _prepare_spare(self) -> None:
        """Have a process at hand, some time from now."""
        await asyncio.sleep(self._spare_after_s)
        try:
            self._spare = await (self._launch() if self._spare_kind == "ready" else _spawn())
        except (EngineFailed, OSError) as error:
            log.warning("there is no spare engine process: %s", error)

    async def _launch(
        self, spare: asyncio.subprocess.Process | None = None, setup: EngineSetup | None = None
    ) -> asyncio.subprocess.Process:
        """A process that has said it is ready. Raises EngineFailed."""
        process = spare or await _spawn()
        try:
            async with asyncio.timeout(_LOAD_DEADLINE_S):
                answer = await _exchange(process, pack(setup or self._setup))
        except (TimeoutError, OSError, EOFError, msgspec.MsgspecError) as error:
            await _end(process)
            raise EngineFailed(f"it said nothing useful ({type(error).__name__})") from error
        except asyncio.CancelledError:
            await _end(process)
            raise
        if isinstance(answer, EngineReady):
            return process
        await _end(process)
        raise EngineFailed(answer.reason if isinstance(answer, EngineRefused) else f"it said {answer!r}")


async def _spawn() -> asyncio.subprocess.Process:
    """A process that loads its libraries and waits for its set-up."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "bridge.listening.engine_process",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**_ONE_THREAD, **os.environ, "PYTHONPATH": os.pathsep.join([_SOURCES, *_existing_path()])},
        # It obeys no other signal, and looks at its input only between two jobs, or once its models are loaded.
        preexec_fn=die_with_parent(signal.SIGKILL),
    )
    if process.stderr is not None:
        reading = asyncio.create_task(read_lines(process.stderr, _tell))
        _readers.add(reading)
        reading.add_done_callback(_readers.discard)
    return process


def _tell(line: str) -> None:
    """Log its libraries' complaints, and why it ended."""
    pass_on(log, "engine process", line, logging.WARNING)


def _existing_path() -> list[str]:
    return [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]


async def _exchange(process: asyncio.subprocess.Process, message: bytes) -> EngineAnswer:
    """Send one message and read one."""
    if process.stdin is None or process.stdout is None:
        raise EOFError
    process.stdin.write(message)
    await process.stdin.drain()
    head = await process.stdout.readexactly(LENGTH.size)
    return answers.decode(await process.stdout.readexactly(LENGTH.unpack(head)[0]))


async def _end(process: asyncio.subprocess.Process) -> None:
    """Kill it and collect its status."""
    with contextlib.suppress(ProcessLookupError):
        process.kill()
    await process.wait()
