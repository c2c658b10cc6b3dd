"""The loop of one engine: schedule, run, reply. The engine works in a thread of its own, so sockets stay quick."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import repeat
from typing import TypeVar

import numpy as np

from bridge.audio.encoder import Samples
from bridge.audio.formats import FORMATS
from bridge.call.events import Word
from bridge.errors import VoiceError
from bridge.system import memory
from bridge.worker.engines.base import NO_SAMPLES, Engine, Job, Step
from bridge.worker.memory import OutOfMemory, give_back, ran_out
from bridge.worker.runaway import Runaway
from bridge.worker.scheduler import QueueEntry, Scheduler
from bridge.worker.settings import SchedulerSettings
from bridge.worker.streams import StepAudio, Stream

log = logging.getLogger(__name__)
_T = TypeVar("_T")
THREAD_NAME = "engine-"
"""With the engine's name behind it."""


_IDLE_S = 2.0
"""Nobody has spoken for so long: what the steps needed goes back to the system."""
_SLOW_FACTOR = 20.0
"""Of a step's expected time, see `SchedulerSettings.slow_step_s`."""


class SlowStep(VoiceError):
    """A step took far longer than texts of its length do."""


class Counts:
    """What an engine has done since the start."""

    def __init__(self) -> None:
        self.steps = 0
        self.jobs = 0
        self.failures = 0
        self.runaways = 0
        self.slow = 0
        """Steps whose streams were given up."""
        self.out_of_memory = 0
        self.busy_s = 0.0
        self.last_step_s = 0.0
        self.audio_s = 0.0
        self.largest_batch = 0


class EngineRunner:
    """Serves the streams of one engine until `close`; their `deliver` is called after every step while they are open.

    `hung` is called once if a step does not come back in time; after that nothing more is run.
    """

    def __init__(
        self,
        engine: Engine,
        settings: SchedulerSettings,
        step_s: float,
        hung: Callable[[Engine], None],
    ) -> None:
        self.engine = engine
        self.scheduler = Scheduler(settings, engine.batch)
        self.counts = Counts()
        self._step_s = step_s
        self._slow_s = settings.slow_step_s
        self._hung = hung
        self._streams: dict[QueueEntry, Stream] = {}
        self._news = asyncio.Event()
        self._tidy_at = 0
        """How many jobs were done when memory was last given back."""
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=THREAD_NAME + engine.name)
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Warm the engine up and begin to serve."""
        await self._in_thread(self._warm)
        self._task = asyncio.create_task(self._serve(), name=f"engine-{self.engine.name}")

    async def close(self) -> None:
        """Stop after the running step."""
        if self._task:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        self._thread.shutdown(wait=False)
        self.engine.close()

    # ---- the loop ---------------------------------------------------------------------------------------------

    async def _serve(self) -> None:
        try:
            await self._loop()
        except Exception:
            log.critical("engine %s cannot go on", self.engine.name, exc_info=True)
        self._hung(self.engine)

    async def _loop(self) -> None:
        while True:
            batch = self.scheduler.next_batch(now())
            if not batch:
                await self._rest()
                continue
            streams = [self._streams[place] for place in batch]
            step = asyncio.ensure_future(self._in_thread(self._run, streams))
            if not await self._in_time(step, streams):
                step.cancel()
                log.critical("a step of engine %s did not come back within %s s", self.engine.name, self._step_s)
                return
            outcomes = step.result()
            self.scheduler.keep_pace(batch, self.counts.last_step_s, now())
            for stream, outcome in zip(streams, outcomes, strict=True):
                self._reply(stream, outcome)

    async def _in_time(self, step: asyncio.Future[list[StepAudio | Exception]], streams: Sequence[Stream]) -> bool:
        """Wait for a step. Its streams fail once it takes far longer than their work should; False: it has hung."""
        limit_s = self._slow_s + _SLOW_FACTOR * sum(stream.place.cost_s for stream in streams)
        await asyncio.wait({step}, timeout=min(limit_s, self._step_s))
        if step.done() or limit_s >= self._step_s:
            return step.done()
        self.counts.slow += 1
        log.error("a step of engine %s takes longer than %.1f s: its streams are given up", self.engine.name, limit_s)
        for stream in streams:
            if not stream.closed:
                stream.deliver(stream, StepAudio(), SlowStep(f"no audio within {limit_s:.1f} s"))
        await asyncio.wait({step}, timeout=self._step_s - limit_s)
        return step.done()

    async def _rest(self) -> None:
        wake_at = self.scheduler.wake_at()
        self._news.clear()
        done = wake_at is None and not self._streams and self._tidy_at != self.counts.jobs
        patience_s = None if wake_at is None else max(wake_at - now(), 0.001)
        try:
            async with asyncio.timeout(_IDLE_S if done else patience_s):
                await self._news.wait()
        except TimeoutError:
            if done:
                self._tidy_at = self.counts.jobs
                await self._in_thread(memory.give_back)

    def _reply(self, stream: Stream, outcome: StepAudio | Exception) -> None:
        made, error = (StepAudio(), outcome) if isinstance(outcome, Exception) else (outcome, None)
        if stream.closed:
            return
        audio_ms = stream.milliseconds(made.data)
        self.counts.audio_s += audio_ms / 1000
        self.counts.failures += error is not None
        self.counts.runaways += isinstance(error, Runaway)
        job = None
        if error is None:
            job, error = self._job(stream)
        self.scheduler.ran(stream.place, job.kind if job else None, job.cost_s if job else 0.0, audio_ms, now())
        stream.deliver(stream, made, error)

    # ---- in the engine's thread -------------------------------------------------------------------------------

    def _warm(self) -> None:
        self.engine.warm()
        for audio_format in FORMATS.values():
            encoder = self.engine.encoder(audio_format, 1.0)
            encoder.feed_all([encoder], [np.zeros(self.engine.rate_hz, np.float32)])

    def _run(self, streams: Sequence[Stream]) -> list[StepAudio | Exception]:
        """One step for each stream, and its sound in the stream's format."""
        began = time.perf_counter()
        outcomes = self._steps(streams)
        self.counts.steps += 1
        self.counts.jobs += len(streams)
        self.counts.largest_batch = max(self.counts.largest_batch, len(streams))
        self.counts.last_step_s = time.perf_counter() - began
        self.counts.busy_s += self.counts.last_step_s
        return outcomes

    def _steps(self, streams: Sequence[Stream]) -> list[StepAudio | Exception]:
        """A batch that fails is run again in halves: only the culprit suffers, and what was too large at once fits."""
        try:
            steps = self.engine.run([job for stream in streams if (job := stream.job)])
        except Exception as error:
            failure = self._failure(error)
            if len(streams) == 1:
                log.warning("engine %s: %r", self.engine.name, error, exc_info=not isinstance(error, Runaway))
        else:
            return self._encoded(streams, steps)
        if isinstance(failure, OutOfMemory):
            give_back()
        if len(streams) == 1:
            return [failure]
        log.warning("engine %s failed on a batch of %d (%r): in halves now", self.engine.name, len(streams), failure)
        middle = len(streams) // 2
        return self._steps(streams[:middle]) + self._steps(streams[middle:])

    def _encoded(self, streams: Sequence[Stream], steps: Sequence[Step]) -> list[StepAudio | Exception]:
        """A step's samples in the streams' formats. If that fails these streams do: their encoders have moved on."""
        taken = [_advance(stream, step) for stream, step in zip(streams, steps, strict=True)]
        sounding = [stream.encoder for stream, (audio, _) in zip(streams, taken, strict=True) if len(audio)]
        data: Iterator[bytes | Exception]
        try:
            data = iter(type(streams[0].encoder).feed_all(sounding, [audio for audio, _ in taken if len(audio)]))
        except Exception as error:
            log.exception("engine %s: its audio could not be encoded", self.engine.name)
            data = repeat(self._failure(error))
        return [_made(next(data) if len(audio) else b"", words) for audio, words in taken]

    def _failure(self, error: Exception) -> Exception:
        """The error as it is passed on: without the traceback, which would keep the step's memory."""
        if not ran_out(error):
            return error.with_traceback(None)
        self.counts.out_of_memory += 1
        return OutOfMemory(f"out of memory ({error!r})")

    def _job(self, stream: Stream) -> tuple[Job | None, Exception | None]:
        """What the stream needs next; an engine that cannot even begin it harms no other stream."""
        try:
            return stream.job, None
        except Exception as error:
            log.exception("engine %s cannot begin a piece", self.engine.name)
            self.counts.failures += 1
            return None, self._failure(error)

    async def _in_thread(self, work: Callable[..., _T], *arguments: object) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, lambda: work(*arguments))

    # ---- what the server tells --------------------------------------------------------------------------------

    def join(self, stream: Stream) -> None:
        """A stream has opened; its place came from this runner's scheduler."""
        self._streams[stream.place] = stream

    def ask(self, stream: Stream) -> None:
        """The stream may have new work."""
        if stream.place.running or stream.place.kind is not None:
            return
        job, error = self._job(stream)
        if error is not None:
            stream.deliver(stream, StepAudio(), error)
        elif job is not None:
            self.scheduler.ask(stream.place, job.kind, job.cost_s, now())
            self._news.set()

    def report(self, stream: Stream, lead_ms: float, upto_ms: float | None) -> None:
        """Take the client's playout report for a stream."""
        self.scheduler.report(stream.place, lead_ms, upto_ms, now())
        self._news.set()

    def hold(self, stream: Stream, held: bool) -> None:
        """The stream's socket is full, or free again."""
        self.scheduler.hold(stream.place, held, now())
        self._news.set()

    def leave(self, stream: Stream) -> None:
        """Forget a stream that is over."""
        if not stream.closed:
            stream.cancel()
            self.engine.release()
        self.scheduler.leave(stream.place)
        self._streams.pop(stream.place, None)


def now() -> float:
    """Seconds on the clock of the scheduler."""
    return time.monotonic()


def _made(data: bytes | Exception, words: tuple[Word, ...] | Exception) -> StepAudio | Exception:
    """A step's outcome, of which sound or words may have failed."""
    if isinstance(words, Exception):
        return words
    return data if isinstance(data, Exception) else StepAudio(data, words)


def _advance(stream: Stream, step: Step) -> tuple[Samples, tuple[Word, ...] | Exception]:
    """Samples that are not numbers would be noise at full level in somebody's ear."""
    try:
        audio, words = stream.advance(step)
    except (ValueError, AssertionError) as error:
        log.exception("an engine's answer does not fit its question")
        return NO_SAMPLES, error
    return (audio, words) if np.isfinite(audio).all() else (NO_SAMPLES, ArithmeticError("samples are not numbers"))
