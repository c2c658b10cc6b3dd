"""Many listeners at once: texts arrive at random, each is played in real time, and what one would notice is noted.

Arrivals are open-loop (Poisson, seeded): a slow worker does not make them fewer, as a slow telephone line makes no
caller go away.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import Callable, Iterator, Sequence

import aiohttp

from bridge.bench.measures import Level, doubts
from bridge.bench.playback import Listeners
from bridge.bench.worker import Target, watch_gpu
from bridge.errors import VoiceLost

TICK_S = 0.02
CANCELLED_SHARE = 0.1
STREAMS_PER_SOCKET = 50
_FEW = 30
"""Utterances that a level should have, be it for longer than was asked."""
_PATIENCE_S = 30.0

Progress = Callable[[str], None]


def arrivals(rate: float, rng: random.Random) -> Iterator[float]:
    """When they come, in seconds: at random, so many a second in the long run."""
    at_s = 0.0
    while True:
        at_s += rng.expovariate(rate)
        yield at_s


def length_s(seconds: float, rate: float) -> float:
    """How long a level is held: as asked, but where little arrives up to four times as long."""
    return min(max(seconds, _FEW / rate), 4 * seconds)


class _Socket:
    """A connection and the listeners on it."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse, listeners: Listeners) -> None:
        self.socket = socket
        self.listeners = listeners

    async def read(self) -> None:
        """Take what the worker sends until the socket closes."""
        async for message in self.socket:
            if message.type in (aiohttp.WSMsgType.BINARY, aiohttp.WSMsgType.TEXT):
                self.listeners.receive(message.data, time.perf_counter())
        self.listeners.hang_up()

    async def send(self, messages: Sequence[str]) -> None:
        """To the worker; on a socket that is gone nothing more happens."""
        with contextlib.suppress(ConnectionError):
            for message in messages:
                await self.socket.send_str(message)


async def hold(
    target: Target,
    streams: int,
    seconds: float,
    *,
    lines: Sequence[str],
    mean_s: float,
    voice: str | None = None,
    rng: random.Random,
    progress: Progress = lambda _what: None,
    hopeless: Callable[[Level], bool] = lambda _level: False,
) -> Level:
    """Hold so many streams for some time. Raises VoiceLost.

    mean_s    mean length of the lines when spoken: arrivals come at streams / mean_s a second
    hopeless  asked now and then whether going on is of any use
    """
    rate = streams / mean_s
    level = Level(streams=streams, seconds=length_s(seconds, rate))
    before, cpu_before, core_before = await target.stats(), target.cpu_s(), target.core_s()
    async with target.session() as session, watch_gpu() as gpu_percent:
        count = -(-streams // STREAMS_PER_SOCKET)
        sockets = [_Socket(await _connect(session, target), Listeners(level, voice)) for _ in range(count)]
        readers = [asyncio.create_task(one.read()) for one in sockets]
        began, own_before = time.perf_counter(), time.process_time()
        await _run(sockets, level, lines, arrivals(rate, rng), rng, progress, hopeless)
        elapsed_s = time.perf_counter() - began
        level.own_cpu = (time.process_time() - own_before) / elapsed_s
        for one in sockets:
            await one.socket.close()
        await asyncio.gather(*readers)
    level.gpu_percent = sum(gpu_percent) / len(gpu_percent) if gpu_percent else None
    after, cpu_after, core_after = await target.stats(), target.cpu_s(), target.core_s()
    if cpu_before is not None and cpu_after is not None:
        level.worker_cpu = (cpu_after - cpu_before) / elapsed_s
        if core_before is not None and core_after is not None:
            level.others_cpu = max(0.0, (core_after - core_before) / elapsed_s - level.worker_cpu)
    if before and after and after["audio_s"] > before["audio_s"]:
        level.audio_s = after["audio_s"] - before["audio_s"]
        level.rtf = (after["busy_s"] - before["busy_s"]) / level.audio_s
        level.mean_batch = (after["jobs"] - before["jobs"]) / max(1.0, after["steps"] - before["steps"])
    level.void = doubts(level)
    return level


async def _run(
    sockets: Sequence[_Socket],
    level: Level,
    lines: Sequence[str],
    arriving: Iterator[float],
    rng: random.Random,
    progress: Progress,
    hopeless: Callable[[Level], bool],
) -> None:
    began, ticks, spoken = time.perf_counter(), 0, 0
    arrives_s = next(arriving)
    until_s = level.seconds
    while True:
        elapsed_s = time.perf_counter() - began
        active = sum(len(one.listeners.active) for one in sockets)
        if elapsed_s >= until_s and (not active or elapsed_s >= until_s + _PATIENCE_S):
            break
        while arrives_s < min(elapsed_s, until_s):
            one = rng.choice(sockets)
            text, cancels = rng.choice(lines), rng.random() < CANCELLED_SHARE
            await one.send(one.listeners.begin(text, cancels, time.perf_counter()))
            arrives_s = next(arriving)
        for one in sockets:
            await one.send(one.listeners.tick(time.perf_counter()))
        if elapsed_s < until_s:
            spoken += sum(one.listeners.listening(time.perf_counter()) for one in sockets)
            level.mean_streams = spoken / (ticks + 1)
        ticks += 1
        if ticks % 25 == 0:
            progress(
                f"{level.streams} streams, {elapsed_s:.0f} of {level.seconds:.0f} s: {active} open, "
                f"{level.finished} finished, {level.underruns} underruns, {level.refused} refused"
            )
            if hopeless(level):
                until_s = min(until_s, elapsed_s)
        await asyncio.sleep(max(0.0, began + ticks * TICK_S - time.perf_counter()))
        late_s = time.perf_counter() - began - ticks * TICK_S
        level.late_ms.append(max(0.0, late_s) * 1000)
        if late_s > TICK_S:  # what was missed is missed; the next tick is due now
            ticks += int(late_s / TICK_S)


async def _connect(session: aiohttp.ClientSession, target: Target) -> aiohttp.ClientWebSocketResponse:
    """A socket on which the worker has said that it is ready. Raises VoiceLost."""
    try:
        socket = await session.ws_connect(target.url, max_msg_size=0)
        await socket.receive_str()
    except (aiohttp.ClientError, OSError, TypeError) as error:
        raise VoiceLost(f"no speech worker at {target.address}: {error or type(error).__name__}") from error
    return socket
