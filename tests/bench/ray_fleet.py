"""Speech workers on Ray Serve under callers who hear every gap: killed, scaled up and down, and updated.

    python -m tests.bench.ray_fleet      needs the extra `ray`; takes about five minutes, and keeps its results

Callers speak to the fleet through the bridge's own speech service, which finds the workers by Ray's directory, and play
what they get as it would be played, at 20 ms frames. Every text is another one, so that no cache helps. Nothing is sent
but on the loopback addresses, Ray's usage statistics are off.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import statistics
import sys
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any

os.environ["RAY_USAGE_STATS_ENABLED"] = "0"

from bridge.call.commands import PullSpeech, Synthesise
from bridge.call.events import Event, SpeechArrived, SpeechEnded, SpeechFailed
from bridge.errors import VoiceError
from bridge.ray_app import application
from bridge.speaking.settings import SpeakingSettings
from bridge.speaking.speech import SpeechService
from bridge.speaking.voices.fleet import find
from bridge.worker.ray_serve import WORKERS
from tests.bench.machine import keep

APP = "speech"
AHEAD_MS, FRAME_S = 600, 0.02
MONTHS = "January February March April May June July August September October November December".split()
HEARD_GAP_MS = 40


@dataclass
class Heard:
    """One utterance at a caller's ear."""

    began_at: float
    first_ms: float = 0.0
    gap_ms: float = 0.0
    audio_ms: float = 0.0
    failed: str = ""
    words_right: bool = False


@dataclass
class Caller:
    """Listens to one utterance after another, in real time."""

    service: SpeechService
    number: int
    heard: list[Heard] = field(default_factory=list)
    stopping: bool = False
    _bytes: int = 0
    _words: list[str] = field(default_factory=list)
    _over: bool = False
    _failed: str = ""

    async def listen(self) -> None:
        call = self.service.open_call(self._deliver)
        try:
            spoken = 0
            while not self.stopping:
                spoken += 1
                await self._utterance(call, spoken)
                await asyncio.sleep(0.2)
        finally:
            call.close()

    def _deliver(self, event: Event) -> None:
        match event:
            case SpeechArrived():
                self._bytes += len(event.audio)
                self._words += [word.text for word in event.words]
            case SpeechEnded():
                self._over = True
            case SpeechFailed():
                self._over, self._failed = True, event.reason

    async def _utterance(self, call: Any, spoken: int) -> None:
        month, day = MONTHS[(self.number + spoken) % 12], 1 + (7 * self.number + spoken) % 28
        text = (
            f"Caller {self.number}, this is message {spoken}. I have an opening on {month} {day}, in the late morning. "
            f"If that does not suit you, please tell me which other day of {month} you would like to come."
        )
        self._bytes, self._words, self._over, self._failed = 0, [], False, ""
        one = Heard(time.monotonic())
        played_ms, tick = 0.0, 0
        call.synthesise(Synthesise(spoken, text, True, cacheable=False))
        began = time.monotonic()
        while not (self._over and played_ms >= self._bytes / 8):
            have_ms = self._bytes / 8
            if tick % 5 == 0:
                call.pull(PullSpeech(spoken, int(played_ms) + AHEAD_MS, int(have_ms - played_ms)))
            tick += 1
            await asyncio.sleep(max(0.0, began + tick * FRAME_S - time.monotonic()))
            if self._bytes and not one.first_ms:
                one.first_ms = (time.monotonic() - began) * 1000
            if self._bytes / 8 > played_ms:
                played_ms = min(played_ms + 20, self._bytes / 8)
            elif played_ms:
                one.gap_ms += 20
        one.audio_ms, one.failed = self._bytes / 8, self._failed
        one.words_right = self._words == text.split()
        self.heard.append(one)


def summary(heard: list[Heard], **more: Any) -> dict[str, Any]:
    """What callers heard in one part of the trial."""
    first = sorted(one.first_ms for one in heard if one.first_ms)
    gaps = sorted(one.gap_ms for one in heard if one.gap_ms > HEARD_GAP_MS)
    return {
        "utterances": len(heard),
        "seconds_heard": round(sum(one.audio_ms for one in heard) / 1000),
        "dropped": sum(bool(one.failed) for one in heard),
        "why": sorted({one.failed for one in heard if one.failed}),
        "words_lost_or_repeated": sum(not one.words_right for one in heard if not one.failed),
        "with_a_gap": len(gaps),
        "gaps_ms": [round(gap) for gap in gaps],
        "first_audio_ms_p50": round(statistics.median(first)) if first else None,
        "first_audio_ms_most": round(first[-1]) if first else None,
        **more,
    }


class Trial:
    """A fleet, and those who listen to it."""

    def __init__(
        self, service: SpeechService, address: str, run: Callable[..., Any], arguments: dict[str, Any]
    ) -> None:
        self.service = service
        self.address = address
        self.run = run
        self.arguments = arguments
        self.callers: list[Caller] = []
        self.tasks: list[asyncio.Task[None]] = []
        self.parts: dict[str, dict[str, Any]] = {}

    def callers_are(self, number: int) -> None:
        while len(self.callers) < number:
            caller = Caller(self.service, len(self.callers))
            self.callers.append(caller)
            self.tasks.append(asyncio.create_task(caller.listen()))
        for caller in self.callers[number:]:
            caller.stopping = True
        self.callers = self.callers[:number]

    async def part(self, name: str, do: Callable[[], Any], least_s: float) -> None:
        """Do something while all listen, until `least_s` after it, and note what they heard."""
        listening = list(self.callers)
        before = [len(caller.heard) for caller in listening]
        began = time.monotonic()
        more = await do()
        await asyncio.sleep(max(0.0, least_s - (time.monotonic() - began)))
        listening += [caller for caller in self.callers if caller not in listening]
        before += [0] * (len(listening) - len(before))
        heard = [one for caller, first in zip(listening, before, strict=True) for one in caller.heard[first:]]
        self.parts[name] = summary(heard, callers=len(self.callers), took_s=round(time.monotonic() - began, 1), **more)
        print(name, json.dumps(self.parts[name]), flush=True)

    async def whole(self, number: int, without: Collection[int] = (), deadline_s: float = 240.0) -> float:
        """Wait until so many workers are named and speak, none of them one of these processes; returns how long."""
        began = time.monotonic()
        while time.monotonic() - began < deadline_s:
            with contextlib.suppress(VoiceError):
                named = await find(self.address)
                there = {one["pid"] for one in await self.replicas() if one["address"] in named}
                if len(named) == len(there) == number and not there & set(without):
                    return round(time.monotonic() - began, 1)
            await asyncio.sleep(1.0)
        raise TimeoutError(f"not {number} workers after {deadline_s:g} s")

    async def replicas(self) -> list[dict[str, Any]]:
        """What each replica that Ray leads us to says about itself."""
        from ray import serve

        handle = serve.get_deployment_handle(WORKERS, APP)
        found: dict[int, dict[str, Any]] = {}
        for _ in range(12):
            with contextlib.suppress(Exception):  # one that has just died
                one = await handle.describe.remote()
                found[one["pid"]] = one
        return list(found.values())

    async def nothing(self) -> dict[str, Any]:
        return {}

    async def kill(self, what: str) -> dict[str, Any]:
        victim = max(await self.replicas(), key=lambda one: one["streams"])
        os.kill(victim[what], signal.SIGKILL)
        return {"streams_on_it": victim["streams"], "whole_again_after_s": await self.whole(2, [victim["pid"]])}

    async def grow(self) -> dict[str, Any]:
        self.callers_are(5)
        return {"three_workers_after_s": await self.whole(3)}

    async def shrink(self) -> dict[str, Any]:
        self.callers_are(2)
        return {"two_workers_after_s": await self.whole(2)}

    async def update(self) -> dict[str, Any]:
        old = [one["pid"] for one in await self.replicas()]
        began = time.monotonic()
        await asyncio.to_thread(self.run, self.arguments | {"version": "2"})
        await self.whole(2, old)
        return {"both_replaced_after_s": round(time.monotonic() - began, 1)}


async def trial(port: int, run: Callable[..., Any], arguments: dict[str, Any]) -> dict[str, Any]:
    address = f"ray+http://127.0.0.1:{port}/workers"
    service = SpeechService(SpeakingSettings(workers=(address,), worker_token_env=""), connect_s=30.0)
    await service.start()
    it = Trial(service, address, run, arguments)
    await it.whole(2)
    it.callers_are(3)
    await asyncio.sleep(10)
    await it.part("undisturbed", it.nothing, 30)
    await it.part("worker_process_killed", lambda: it.kill("pid"), 20)
    await it.part("replica_killed", lambda: it.kill("replica_pid"), 20)
    await it.part("rolling_update", it.update, 20)
    await it.part("scaled_up", it.grow, 20)
    await it.part("scaled_down", it.shrink, 20)
    it.callers_are(0)
    await asyncio.gather(*it.tasks)
    await service.close()
    return it.parts


def main() -> int:
    import ray
    from ray import serve

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    ray.init(address="local", num_cpus=8, include_dashboard=False, log_to_driver=False, object_store_memory=100_000_000)
    serve.start(http_options={"host": "127.0.0.1", "port": port})
    arguments = {
        "min_workers": 2,
        "max_workers": 3,
        "streams_per_worker": 1.6,
        "most_used": 1.0,
        "host": "127.0.0.1",
        "upscale_delay_s": 2.0,
        "downscale_delay_s": 10.0,
    }

    def run(these: dict[str, Any]) -> None:
        serve.run(application(these), name=APP, route_prefix="/workers", _local_testing_mode=False)

    try:
        run(arguments)
        parts = asyncio.run(trial(port, run, arguments))
    finally:
        serve.shutdown()
        ray.shutdown()
    keep("ray_fleet", {"ray": ray.__version__, "fleet": arguments, "parts": parts})
    return 0 if not any(part["dropped"] or part["words_lost_or_repeated"] for part in parts.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
