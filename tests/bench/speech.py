"""How a speech worker bears load: open-loop arrivals of real sentences, each played in real time, with playout reports.

    python -m tests.bench.speech --streams 1 10 50 --seconds 20

A worker process is pinned to one core, the clients to another. Utterances arrive at random (Poisson, seeded) at the
rate at which on average N are being spoken at once. Every client keeps what a bridge keeps: credit for 800 ms beyond
what was heard. Every tenth utterance is cancelled in the middle. The run says how late its own clock was, and refuses
to report when that was too late.

    TTFA      text sent -> first audible sample received, its place in the message included
    jitter    credit given -> the audio it allows, beyond the first message
    cancel    cancel sent -> its answer, after which nothing of the stream may come
    underrun  the client had nothing to play, 60 ms after its first audio
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import subprocess
import sys
import time
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import numpy as np

from bridge.audio.mulaw import DECODE
from bridge.worker import protocol
from bridge.worker.protocol import Audio, Cancel, Cancelled, Done, End, Error, Open, Playout, Text
from tests.bench.machine import keep

LINES = (
    "Thank you for calling Northside Dental, how can I help you today?",
    "I have an opening on Tuesday at half past three. Would that work for you?",
    "Okay, one moment please.",
    "Your total is $49.99, and your receipt will be sent to the address we have on file.",
    "I'm sorry, I didn't catch that. Could you say it again, please?",
    "Dr. Patel can see you at 9:30 a.m. on Thursday, or at noon on Friday. Which one do you prefer?",
    "Goodbye!",
)
LONG = " ".join(LINES * 2)
MEAN_S = 4.2
"""Of the lines when spoken by the default voice."""
TICK_S = 0.02
CREDIT_MS = 800
PLAYS_AFTER_S = 0.06
AUDIBLE = 300
"""Of 32768: about -41 dBFS."""
WORST_OWN_LATENESS_MS = 20.0
GOALS = {"ttfa_p95_ms": 300.0, "jitter_p99_ms": 20.0, "cancel_p99_ms": 50.0, "underruns": 0.0, "refused": 0.0}
"""Published rules of thumb for streaming voice APIs, and our own."""


@dataclass
class Utterance:
    """One text on its way, and how it went."""

    text: str
    cancels: bool
    asked_at: float
    first_at: float | None = None
    ttfa_ms: float | None = None
    received_ms: float = 0.0
    upto_ms: int = 0
    credited_at: float = 0.0
    waits: bool = False
    jitter_ms: list[float] = field(default_factory=list)
    underruns: int = 0
    dry: bool = False
    cancel_at: float | None = None
    cancel_ms: float | None = None
    over: bool = False
    refused: bool = False

    def heard_ms(self, now: float) -> float:
        """How much has been played."""
        return 0.0 if self.first_at is None else max(0.0, now - self.first_at - PLAYS_AFTER_S) * 1000


class Client:
    """One socket with its share of the streams."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket
        self.active: dict[int, Utterance] = {}
        self._next = 0

    async def say(self, utterance: Utterance) -> None:
        """Send a text with credit for its beginning."""
        self._next += 1
        number = self._next
        self.active[number] = utterance
        utterance.upto_ms, utterance.credited_at = CREDIT_MS, utterance.asked_at
        for message in (Open(number), Playout(number, 0, CREDIT_MS), Text(number, utterance.text), End(number)):
            await self.socket.send_str(protocol.encode(message))

    async def read(self) -> None:
        """Take what the worker sends, until the socket closes."""
        async for message in self.socket:
            now = time.perf_counter()
            if message.type is aiohttp.WSMsgType.BINARY:
                audio = protocol.decode_audio(message.data)
                self._audio(self.active[audio.stream], audio, now)
                continue
            told = protocol.decode_worker(message.data)
            if isinstance(told, Done | Cancelled | Error) and told.stream is not None:
                utterance = self.active.pop(told.stream)
                utterance.over, utterance.refused = True, isinstance(told, Error)
                if isinstance(told, Cancelled) and utterance.cancel_at is not None:
                    utterance.cancel_ms = (now - utterance.cancel_at) * 1000

    def _audio(self, utterance: Utterance, audio: Audio, now: float) -> None:
        if utterance.first_at is None:
            utterance.first_at = now
        elif utterance.waits:
            utterance.jitter_ms.append((now - utterance.credited_at) * 1000)
        utterance.waits = False
        if utterance.ttfa_ms is None:
            loud = np.flatnonzero(np.abs(DECODE[np.frombuffer(audio.data, np.uint8)]) > AUDIBLE)
            if len(loud):
                utterance.ttfa_ms = (now - utterance.asked_at) * 1000 + (audio.offset + int(loud[0])) / 8
        utterance.received_ms += len(audio.data) / 8
        utterance.dry = False

    async def tick(self) -> None:
        """Play 20 ms of everything; report, notice underruns, cancel what is to be cancelled."""
        for number, utterance in list(self.active.items()):
            now = time.perf_counter()
            if utterance.first_at is None:
                continue
            heard = utterance.heard_ms(now)
            if utterance.cancels and heard > 700 and utterance.cancel_at is None:
                utterance.cancel_at = now
                await self.socket.send_str(protocol.encode(Cancel(number)))
                continue
            if heard > utterance.received_ms and not utterance.dry and utterance.cancel_at is None:
                utterance.underruns, utterance.dry = utterance.underruns + 1, True
            upto = int(heard) // 100 * 100 + CREDIT_MS
            if upto > utterance.upto_ms:
                utterance.waits = utterance.received_ms >= utterance.upto_ms
                utterance.upto_ms, utterance.credited_at = upto, now
                lead = int(max(0.0, utterance.received_ms - heard))
                await self.socket.send_str(protocol.encode(Playout(number, lead, upto)))


async def load(address: str, streams: int, seconds: float, rng: random.Random) -> dict[str, Any]:
    """One level of load; its numbers."""
    everything: list[Utterance] = []
    late: list[float] = []
    async with aiohttp.ClientSession() as session:
        clients = [Client(await session.ws_connect(address)) for _ in range(-(-streams // 50))]
        for client in clients:
            await client.socket.receive_str()
        readers = [asyncio.create_task(client.read()) for client in clients]
        began = time.perf_counter()
        arrives, ticks = rng.expovariate(streams / MEAN_S), 0
        while (elapsed := time.perf_counter() - began) < seconds or any(client.active for client in clients):
            while arrives < min(elapsed, seconds):
                utterance = Utterance(rng.choice(LINES), rng.random() < 0.1, time.perf_counter())
                everything.append(utterance)
                await rng.choice(clients).say(utterance)
                arrives += rng.expovariate(streams / MEAN_S)
            for client in clients:
                await client.tick()
            ticks += 1
            await asyncio.sleep(max(0.0, began + ticks * TICK_S - time.perf_counter()))
            late.append(max(0.0, time.perf_counter() - began - ticks * TICK_S) * 1000)
            if elapsed > seconds + 60:
                break
        for client in clients:
            await client.socket.close()
        await asyncio.gather(*readers)
    return summary(streams, everything, late)


def summary(streams: int, everything: list[Utterance], late: list[float]) -> dict[str, Any]:
    """Percentiles of one level."""
    served = [utterance for utterance in everything if not utterance.refused]
    ttfa = [utterance.ttfa_ms for utterance in served if utterance.ttfa_ms is not None]
    jitter = [value for utterance in served for value in utterance.jitter_ms]
    cancels = [utterance.cancel_ms for utterance in served if utterance.cancel_ms is not None]
    return {
        "streams": streams,
        "utterances": len(everything),
        "unfinished": sum(not utterance.over for utterance in everything),
        "refused": sum(utterance.refused for utterance in everything),
        "ttfa_p50_ms": percentile(ttfa, 50),
        "ttfa_p95_ms": percentile(ttfa, 95),
        "ttfa_p99_ms": percentile(ttfa, 99),
        "jitter_p99_ms": percentile(jitter, 99),
        "cancel_p99_ms": percentile(cancels, 99),
        "underruns": sum(utterance.underruns for utterance in served),
        "own_lateness_p99_ms": percentile(late, 99),
        "ttfa_ms": [round(value, 1) for value in ttfa],
    }


def percentile(values: list[float], which: float) -> float | None:
    """None without values."""
    return round(float(np.percentile(values, which)), 1) if values else None


async def single(address: str, text: str, warm: aiohttp.ClientWebSocketResponse | None, number: int) -> float:
    """TTFA of one text in ms, on this socket or on a new one, its opening included."""
    async with aiohttp.ClientSession() as session:
        began = time.perf_counter()
        socket = warm or await session.ws_connect(address)
        if warm is None:
            await socket.receive_str()
        for message in (Open(number), Text(number, text), End(number)):
            await socket.send_str(protocol.encode(message))
        first: float | None = None
        async for reply in socket:
            if reply.type is aiohttp.WSMsgType.BINARY:
                first = first or (time.perf_counter() - began) * 1000
            elif isinstance(protocol.decode_worker(reply.data), Done | Error):
                break
        return first or float("nan")


async def compare(address: str) -> dict[str, Any]:
    """A warm socket against a cold one, and a long text against a short one."""
    results: dict[str, list[float]] = {"warm": [], "cold": [], "long": []}
    async with aiohttp.ClientSession() as session:
        socket = await session.ws_connect(address)
        await socket.receive_str()
        for index in range(15):
            results["warm"].append(await single(address, LINES[2], socket, 2 * index))
            results["cold"].append(await single(address, LINES[2], None, 1))
            results["long"].append(await single(address, LONG, socket, 2 * index + 1))
        await socket.close()
    return {f"ttfa_{name}_p50_ms": percentile(values, 50) for name, values in results.items()} | {"long": len(LONG)}


def start_worker(options: list[str], core: int | None) -> tuple[subprocess.Popen[str], str]:
    """A worker process, pinned where that is possible, and its address."""
    command = [sys.executable, "-m", "bridge.worker", "--port", "0", *options]
    worker = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    if core is not None:
        os.sched_setaffinity(worker.pid, {core})
    assert worker.stdout is not None
    line = worker.stdout.readline()
    if not line.startswith("speech worker ready on "):
        sys.exit(f"the worker did not start: {line}")
    return worker, line.removeprefix("speech worker ready on ").split(",")[0]


async def measure(address: str, options: argparse.Namespace) -> dict[str, Any]:
    """All levels, one after the other, and the two comparisons."""
    levels = []
    for streams in options.streams:
        level = await load(address, streams, options.seconds, random.Random(options.seed))
        levels.append(level)
        print("  ".join(f"{name} {value}" for name, value in level.items() if name != "ttfa_ms"), flush=True)
        if (level["own_lateness_p99_ms"] or 0) > WORST_OWN_LATENESS_MS:
            print("    not to be trusted: the clients themselves were late")
            continue
        met = {name: (level[name] or 0) <= goal for name, goal in GOALS.items()}
        print("    " + "  ".join(f"{name} <= {GOALS[name]:g}: {'met' if ok else 'MISSED'}" for name, ok in met.items()))
    compared = await compare(address)
    print("  ".join(f"{name} {value}" for name, value in compared.items()))
    async with aiohttp.ClientSession() as session:
        stats = await (await session.get(address.replace("ws:", "http:") + "/stats")).json()
    engines = {
        name: {
            "rtf": round(engine["busy_s"] / max(engine["audio_s"], 1e-9), 4),
            "largest_batch": engine["largest_batch"],
        }
        for name, engine in stats["engines"].items()
    }
    print(engines)
    return {
        "levels": levels,
        "compared": compared,
        "engines": engines,
        "seed": options.seed,
        "seconds": options.seconds,
    }


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--streams", type=int, nargs="+", default=[1, 10, 50])
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", action="store_true", help="write tests/bench/results/speech.json")
    parser.add_argument("worker", nargs="*", help="options of the worker, after --")
    options = parser.parse_args()
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    worker, address = start_worker(options.worker, cores[0] if len(cores) > 1 else None)
    try:
        if len(cores) > 1:
            os.sched_setaffinity(0, set(cores[1:]))
        result = asyncio.run(measure(address, options))
    finally:
        worker.terminate()
        worker.wait()
    if options.keep:
        print(keep("speech", result))


if __name__ == "__main__":
    main()
