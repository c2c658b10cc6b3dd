"""Many calls at once: hold a number of them, or search for the highest number at which service levels hold.

The calls run in processes of their own on an absolute 20 ms schedule. Before a number is printed the load asks
whether it measured the server or itself: a generator that was late, or short of CPU, makes the step void.
"""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess

import msgspec

from bridge.errors import BridgeError
from bridge.simulator import load_generator, processes
from bridge.simulator.load_generator import Job, LoadMeasures
from bridge.simulator.result import percentile
from bridge.simulator.trunk import Trunk
from bridge.system.lifetime import EndsWithParent, run_child

SPARE_DESCRIPTORS = 64
"""What a process needs besides its calls' sockets."""
RAMP_S = 30.0
"""How long calls may take to come about, besides the time between two of them."""

Progress = Callable[[str, LoadMeasures], None]
"""Told once a second what the load is at, and what has happened since the step began."""


class ServiceLevel(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What callers may expect; a step that misses one of these has failed."""

    first_audio_p95_ms: float = 1000.0
    reply_p95_ms: float = 1500.0
    stop_p95_ms: float = 800.0
    underruns_per_minute: float = 0.05
    """Of bot speech."""
    failed_share: float = 0.0
    unanswered_share: float = 0.02


class OwnLimits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Beyond these the generators were the bottleneck, and what they measured says nothing about the server."""

    late_p99_ms: float = 5.0
    cpu_share: float = 0.8
    """Of one core, for the busiest generator process."""


class Step(msgspec.Struct, kw_only=True):
    """One number of calls, held for a while."""

    calls: int
    seconds: float
    tally: LoadMeasures
    generator_cpu: list[float] = msgspec.field(default_factory=list)
    """Share of a core, each generator process."""
    server_cpu_s: float | None = None
    server_memory: int | None = None
    idle_memory: int | None = None
    """Before the first call."""
    machine_busy: float = 0.0
    """Share of this whole machine's CPU time that was not idle."""
    missed: list[str] = msgspec.field(default_factory=list)
    """Service levels that were not met."""
    void: list[str] = msgspec.field(default_factory=list)
    """Why the measurement cannot be trusted."""

    @property
    def passed(self) -> bool:
        """Trustworthy, and every service level met."""
        return not self.missed and not self.void

    @property
    def cpu_ms_per_call_second(self) -> float | None:
        """The server's CPU milliseconds for one second of one call."""
        if self.server_cpu_s is None or not self.tally.call_s:
            return None
        return 1000.0 * self.server_cpu_s / (self.calls * self.seconds)

    @property
    def memory_per_call(self) -> float | None:
        """Bytes more than the idle server had, for each call."""
        if self.server_memory is None or self.idle_memory is None:
            return None
        return max(0, self.server_memory - self.idle_memory) / max(1, self.calls)


class Load:
    """The generator processes; use as a context manager."""

    def __init__(
        self,
        trunk: Trunk,
        job: Job,
        *,
        generators: int = 1,
        server_pid: int | None = None,
        level: ServiceLevel | None = None,
        limits: OwnLimits | None = None,
        calls_per_s: float = 10.0,
        progress: Progress = lambda what, tally: None,
    ) -> None:
        self._trunk = trunk
        self._job = job
        self._count = generators
        self._server_pid = server_pid
        self._level = level or ServiceLevel()
        self._limits = limits or OwnLimits()
        self._calls_per_s = calls_per_s
        self._progress = progress
        self._pipes: list[Connection] = []
        self._processes: list[SpawnProcess] = []
        self._idle_memory: int | None = None

    def __enter__(self) -> Load:
        context = multiprocessing.get_context("spawn")
        for index in range(self._count):
            ours, theirs = context.Pipe()
            arguments = (
                EndsWithParent(),
                load_generator.main,
                theirs,
                self._trunk,
                self._job,
                f"{os.getpid()}/{index}",
                self._count / self._calls_per_s,
            )
            process = context.Process(target=run_child, args=arguments, daemon=True)
            process.start()
            theirs.close()
            self._pipes.append(ours)
            self._processes.append(process)
        if self._server_pid is not None:
            self._idle_memory = processes.usage(self._server_pid).total_memory
        self._collect()
        return self

    def __exit__(self, *error: object) -> None:
        for pipe in self._pipes:
            try:
                pipe.send(None)
            except OSError:
                continue
        for process in self._processes:
            process.join(15.0)
            if process.is_alive():
                process.kill()

    def step(self, calls: int, hold_s: float) -> Step:
        """Bring the number of calls to `calls`, then measure for `hold_s`. Raises BridgeError when that fails."""
        self._check_descriptors(calls)
        for index, pipe in enumerate(self._pipes):
            pipe.send(calls // self._count + (index < calls % self._count))
        self._ramp(calls)
        self._collect()
        server, machine, began = self._server(), _machine(), time.perf_counter()
        tally, shares = LoadMeasures(), [0.0] * self._count
        while (passed := time.perf_counter() - began) < hold_s:
            time.sleep(min(1.0, hold_s - passed))
            parts = self._collect()
            for index, part in enumerate(parts):
                shares[index] += part.cpu_s
                tally.add(part)
            tally.active = sum(part.active for part in parts)
            self._progress(f"holding {calls} calls, {passed:.0f} of {hold_s:.0f} s", tally)
        seconds = time.perf_counter() - began
        after, busy = self._server(), _busy(machine, _machine())
        step = Step(
            calls=calls,
            seconds=seconds,
            tally=tally,
            generator_cpu=[share / seconds for share in shares],
            machine_busy=busy,
            idle_memory=self._idle_memory,
        )
        if server is not None and after is not None:
            step.server_cpu_s = after.total_cpu_s - server.total_cpu_s
            step.server_memory = after.total_memory
        step.void = self._void(step)
        step.missed = list(missed(step, self._level))
        return step

    def search(self, most: int, hold_s: float, *, begin: int = 10) -> Iterator[Step]:
        """Double the calls while service levels hold, then halve the gap; each step as it was made."""
        good, bad = 0, most + 1
        calls = min(begin, most)
        while good < calls < bad:
            step = self.step(calls, hold_s)
            yield step
            if step.passed:
                good = calls
            else:
                bad = calls
            if bad > most:
                calls = min(most, 2 * calls)
            elif bad - good <= max(1, good // 10):
                break
            else:
                calls = (good + bad) // 2

    def _ramp(self, calls: int) -> None:
        deadline = time.perf_counter() + RAMP_S + 2.0 * calls / self._calls_per_s
        tally = LoadMeasures()
        while True:
            time.sleep(0.5)
            parts = self._collect()
            for part in parts:
                tally.add(part)
            tally.active = sum(part.active for part in parts)
            self._progress(f"ramping to {calls} calls", tally)
            if tally.active >= calls:
                return
            if time.perf_counter() > deadline:
                reasons = ", ".join(f"{reason} ({count})" for reason, count in tally.reasons.items())
                turned = f"{tally.refused} refused, {tally.failed} failed{': ' if reasons else ''}{reasons}"
                came = f"only {tally.active} of {calls} calls came about: {turned}{self._at_its_limit()}"
                raise BridgeError(f"{came}. {tally.remedy}".removesuffix(". "))

    def _check_descriptors(self, calls: int) -> None:
        """Raise BridgeError for more calls than a generator process may have sockets."""
        most = processes.most_descriptors()
        if -(-calls // self._count) + SPARE_DESCRIPTORS > most:
            raise BridgeError(
                f"{calls} calls in {self._count} generator process{'es' if self._count > 1 else ''} need more than the "
                f"{most} open files that each may have (ulimit -n): use more --generators, or raise the limit"
            )

    def _at_its_limit(self) -> str:
        """Whether the server has no descriptors left, in words."""
        used, most = processes.descriptors(self._server_pid) if self._server_pid is not None else (0, 0)
        if not most or used < most - SPARE_DESCRIPTORS // 2:
            return ""
        return f"; the server has {used} of the {most} files open that it may have (ulimit -n)"

    def _collect(self) -> list[LoadMeasures]:
        for pipe in self._pipes:
            pipe.send("?")
        found = []
        for pipe, process in zip(self._pipes, self._processes, strict=True):
            if not pipe.poll(30.0):
                raise BridgeError(f"generator process {process.pid} does not answer")
            try:
                found.append(msgspec.msgpack.decode(pipe.recv_bytes(), type=LoadMeasures))
            except (EOFError, OSError):
                raise BridgeError(f"generator process {process.pid} has died") from None
        return found

    def _server(self) -> processes.Usage | None:
        return None if self._server_pid is None else processes.usage(self._server_pid)

    def _void(self, step: Step) -> list[str]:
        found = []
        late = percentile(step.tally.late_ms, 0.99)
        if late is None:
            found.append("no frame was sent")
        elif not (step.tally.finished or step.tally.failed or step.tally.refused):
            found.append("no call came to its end, which is when it is measured; hold longer")
        elif late > self._limits.late_p99_ms:
            found.append(
                f"our own frames were late: p99 {late:.1f} ms, at most {self._limits.late_p99_ms:g} ms allowed"
            )
        busiest = max(step.generator_cpu, default=0.0)
        if busiest > self._limits.cpu_share:
            found.append(f"a generator process used {100 * busiest:.0f} % of a core; use more generators")
        return found


def missed(step: Step, level: ServiceLevel) -> Iterator[str]:
    """The service levels that a step did not meet, in words."""
    tally = step.tally
    for name, values, limit in (
        ("first audio", tally.first_audio_ms, level.first_audio_p95_ms),
        ("reply latency", tally.reply_ms, level.reply_p95_ms),
        ("stop latency", tally.stop_ms, level.stop_p95_ms),
    ):
        value = percentile(values, 0.95)
        if value is not None and value > limit:
            yield f"{name} p95 {value:.0f} ms, at most {limit:g} ms"
    per_minute = 60.0 * tally.underruns / tally.bot_s if tally.bot_s else 0.0
    if per_minute > level.underruns_per_minute:
        yield f"{per_minute:.2f} underruns a minute of speech, at most {level.underruns_per_minute:g}"
    over = tally.finished + tally.failed + tally.refused
    if over and (tally.failed + tally.refused) / over > level.failed_share:
        reasons = ", ".join(f"{reason} ({count})" for reason, count in tally.reasons.items())
        yield f"{tally.failed} of {over} calls failed, {tally.refused} refused {reasons}".strip()
    if tally.silent:
        yield f"{tally.silent} callers heard nothing"
    asked = len(tally.reply_ms) + tally.unanswered
    if asked and tally.unanswered / asked > level.unanswered_share:
        yield f"{tally.unanswered} of {asked} turns of the caller went unanswered"


def _machine() -> tuple[float, float]:
    """(busy, all) CPU seconds of this machine since its start."""
    with open("/proc/stat", encoding="ascii") as file:
        ticks = [int(field) for field in file.readline().split()[1:9]]
    return sum(ticks) - ticks[3] - ticks[4], sum(ticks)


def _busy(before: tuple[float, float], after: tuple[float, float]) -> float:
    return (after[0] - before[0]) / max(1.0, after[1] - before[1])
