"""`bridge bench speech`: how a speech worker bears load, what it costs, and which goals that meets."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import gc
import os
import random
import shlex
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator, Sequence
from importlib import metadata
from pathlib import Path

import msgspec
from rich.console import Console

from bridge import variables
from bridge.bench import chunking, floor, listeners, report, single
from bridge.bench.goals import goals
from bridge.bench.measures import Level, Report, edge, milliseconds
from bridge.bench.sentences import LINES
from bridge.bench.worker import InTorch, Target, gpu_name, own_worker
from bridge.simulator.load_report import machine
from bridge.worker.settings import WorkerSettings

OK, MISSED, VOID = 0, 1, 3
_FILE_COLUMNS = 170
_SEARCH_STEPS = 6
_SEARCH_CLOSE = 0.08
"""The search ends when the answer is known this well."""
_QUIET_LOAD = 0.3
"""Load average below which nothing else seems to run."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What one run of the benchmark measures, and for how long."""

    streams: Sequence[int] = (1, 10, 50, 100, 500)
    seconds: float = 20.0
    """Of each level."""
    rounds: int = 100
    """Of warm, cold and long; 0: not at all."""
    seed: int = 1
    search: bool = True
    chunking: bool = True
    address: str = ""
    """A running worker; empty: one of our own."""
    voice: str | None = None


QUICK = Plan(streams=(1, 10, 50), seconds=6.0, rounds=20, search=False, chunking=False)


def run(settings: WorkerSettings, plan: Plan, folder: Path) -> int:
    """Measure, print, write speech.json and speech.html into `folder`.

    Exit status 0 when no goal was missed, 1 when one was, 3 when nothing could be measured. Raises BridgeError.
    """
    console = Console()
    if not console.is_terminal:
        console = Console(width=_FILE_COLUMNS)
    with console.status("starting the speech worker") as status, asyncio.Runner(loop_factory=_new_loop) as runner:
        measured = runner.run(_measure(settings, plan, status.update, lambda line: console.print(line)))
    report.show(measured, console)
    for file in report.write(folder, measured):
        console.print(f"wrote {file}")
    if measured.levels and all(level.void for level in measured.levels):
        console.print("[yellow]the listeners were the bottleneck: give them a core or a machine of their own[/yellow]")
        return VOID
    return MISSED if any(goal.verdict == "missed" for goal in measured.goals) else OK


def _new_loop() -> asyncio.AbstractEventLoop:
    try:
        import uvloop
    except ImportError:  # there is none for Windows
        return asyncio.new_event_loop()
    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return loop


async def _measure(
    settings: WorkerSettings, plan: Plan, progress: Callable[[str], None], say: Callable[[str], None]
) -> Report:
    gpu = await gpu_name() if not plan.address and _on_gpu(settings, plan.voice) else None
    measured = Report(
        machine=machine() + (f", {gpu}" if gpu else ""),
        at=datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
        version=_version(),
        command=f"bridge {shlex.join(sys.argv[1:])}",
        worker=f"the worker at {plan.address}",
        models={},
        seed=plan.seed,
        gpu=gpu,
        notes=_doubts_about_the_machine(),
    )
    if plan.address:
        await _one_target(
            Target(plan.address, variables.value(settings.token_env, os.environ)), plan, measured, progress, say
        )
    else:
        with divided_cores(gpu is not None) as cores:
            progress("counting what a second of speech takes")
            measured.floor = await asyncio.to_thread(floor.of_voice, settings, plan.voice)
            async with own_worker(settings, cores) as target:
                measured.cores = target.cores
                counted = "one core" if target.cores == 1 else f"{target.cores} cores"
                measured.worker = f"a worker of our own on {counted}"
                await _one_target(target, plan, measured, progress, say)
            if plan.chunking:
                measured.strategies = await chunking.compare(settings, plan.voice, cores, progress)
    if plan.streams or plan.rounds:
        measured.goals = goals(measured)
    return measured


def _version() -> str:
    """Of this package, with the commit where it is run from a checkout; `+` when files in it differ."""
    version, here = metadata.version("bridge"), Path(__file__).parent
    try:
        commit = subprocess.run(["git", "describe", "--always", "--dirty=+"], cwd=here, capture_output=True, text=True)
    except OSError:
        return version
    return f"{version} ({commit.stdout.strip()})" if commit.returncode == 0 else version


def _on_gpu(settings: WorkerSettings, voice: str | None) -> bool:
    found = settings.voices.get(voice or next(iter(settings.voices)))
    return isinstance(found, InTorch) and not found.device.startswith("cpu")


def _doubts_about_the_machine() -> list[str]:
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    return [f"the machine was not quiet: load average {load:.1f} at the start"] if load > _QUIET_LOAD else []


async def _one_target(
    target: Target, plan: Plan, measured: Report, progress: Callable[[str], None], say: Callable[[str], None]
) -> None:
    async with target.session() as session:
        line = single.WorkerLine(session, target)
        measured.models = (await line.open()).models
        await line.close()
    progress("warming up")
    lengths_ms = await single.lengths(target, LINES, plan.voice)
    mean_s = sum(lengths_ms) / len(lengths_ms) / 1000

    async def level(streams: int, hopeless: Callable[[Level], bool] = lambda _level: False) -> Level:
        found = await listeners.hold(
            target,
            streams,
            plan.seconds,
            lines=LINES,
            mean_s=mean_s,
            voice=plan.voice,
            rng=random.Random(plan.seed * 1_000_003 + streams),
            progress=progress,
            hopeless=hopeless,
        )
        if measured.floor and found.rtf:
            found.floor_share = floor.rtf(measured.floor, found.mean_batch or 1.0) / found.rtf
        gc.collect()
        say(_in_a_line(found))
        return found

    with _no_collections():
        if plan.rounds:
            rng = random.Random(plan.seed)
            measured.sockets = await single.sockets(target, plan.voice, plan.rounds, rng, progress)
        for streams in plan.streams:
            measured.levels.append(await level(streams))
        if plan.search:
            measured.searched = await search(measured.levels, level)


@contextlib.contextmanager
def _no_collections() -> Iterator[None]:
    """What is alive now stays alive; a collection in the middle of a level would be our own lateness."""
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.unfreeze()


async def search(
    levels: Sequence[Level], level: Callable[[int, Callable[[Level], bool]], Awaitable[Level]]
) -> list[Level]:
    """Halve the distance between the most streams that went well and the fewest that did not."""
    searched: list[Level] = []
    for _ in range(_SEARCH_STEPS):
        following = next_step(*edge([*levels, *searched]))
        if following is None:
            break
        searched.append(await level(following, _hopeless))
        if searched[-1].void:
            break
    return searched


def next_step(good: int, bad: int | None) -> int | None:
    """Where to look between what went well and what did not; None when that is known well enough."""
    if bad is None:
        return max(good * 2, 1)
    if bad - good <= max(1.0, good * _SEARCH_CLOSE):
        return None
    return (good + bad) // 2


def _hopeless(level: Level) -> bool:
    return level.underruns + level.refused + level.failed > 0


def _in_a_line(level: Level) -> str:
    if level.void:
        return f"{level.streams} streams: not measured, {'; '.join(level.void)}"
    ttfa, jitter = level.p("ttfa_ms", 0.95), level.p("jitter_ms", 0.99)
    return (
        f"{level.streams} streams, {level.utterances} utterances: TTFA p95 {milliseconds(ttfa)} ms, "
        f"jitter p99 {milliseconds(jitter)} ms, {level.underruns} underruns, {level.refused} refused"
    )


@contextlib.contextmanager
def divided_cores(gpu: bool) -> Iterator[list[int]]:
    """The worker's cores, with ourselves kept away from them; none where there is only one for both.

    A worker on the CPU gets one core, since that is what is counted; one that feeds a GPU gets all but ours.
    """
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    if len(cores) < 2:
        yield []
        return
    theirs, ours = (cores[:-1], cores[-1:]) if gpu else (cores[:1], cores[1:])
    os.sched_setaffinity(0, ours)
    try:
        yield theirs
    finally:
        os.sched_setaffinity(0, cores)
