"""What a call costs: N simultaneous calls on one core, doing the job of `fixtures/peer-job.yaml`.

    python -m tests.bench.calls --calls 1 50 200 --seconds 60 --rounds 2

The service is pinned to one core, the callers to another. A caller listens to a greeting of about 11 s,
talks over it, is answered for about 5.5 s, talks again, over every second answer; the bot speaks about 60 %
of the time. Printed are the service's CPU and memory per call, and what callers felt. After each round, on the
same core, the *floor* is measured: a bare aiohttp socket that decodes the same frames and sends 12 messages a
second; the ratio of both is what carries over to other machines. A virtual machine's neighbours slow the one and not
the other, by up to a third: with `--together` both serve as many calls in the same seconds, which gives the ratio to
within 2 %, though not what callers feel on a core of their own. The run says how late the callers' own clock was, and
refuses to report when that was too late.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import contextlib
import heapq
import itertools
import json
import os
import re
import resource
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Any

import aiohttp
import numpy as np
import uvloop

from bridge.audio import mulaw
from bridge.carriers.twilio.signatures import sign
from tests.bench.machine import keep
from tests.bench.serving import PUBLIC_URL, ROOT, TOKEN, cpu_s, rss_mb, server

FRAME_S = 0.02
SILENT = mulaw.encode((np.random.default_rng(1).standard_normal(160 * 50) * 12).astype(np.int16))
"""A quiet line: noise at about -69 dBFS, since no real line is digitally silent."""
TALKS_AT_S = (6.0, 18.5, 22.5, 35.0, 39.0, 51.5, 55.5, 68.0, 72.0, 84.5)
"""Over the greeting, then into silence and over the answer by turns."""
MEANT_LEAD_MS = 120.0
"""The service keeps between this and 200 ms at the carrier; a message that finds less came late."""
SETTLES_S = 0.1
"""After a clear the service may send the same again, softer: until then neither silence nor an underrun."""
WORST_OWN_LATENESS_MS = 15.0


@dataclass
class Felt:
    """What callers felt, in milliseconds."""

    first_audio: list[float] = field(default_factory=list)
    reply: list[float] = field(default_factory=list)
    stop: list[float] = field(default_factory=list)
    lateness: list[float] = field(default_factory=list)
    underruns: int = 0
    audio_s: float = 0.0
    own_lateness: list[float] = field(default_factory=list)


class Caller:
    """One caller with their carrier: a playout clock, marks, and a script of when they talk."""

    def __init__(self, number: int, clips: list[bytes], felt: Felt, seed: int) -> None:
        self.number = number
        self.felt = felt
        self.stream = f"MZ{number:032x}"
        self.socket: aiohttp.ClientWebSocketResponse | None = None
        self.started_at = 0.0
        self.frame = 0
        self.plays_until = 0.0
        self.talking_since: float | None = None
        self.stopped_at: float | None = None
        self.measured = False
        self._clips = clips
        self._random = Random(seed + number)
        self._talks = list(TALKS_AT_S)
        self._clip = b""
        self._at = 0
        self._marks: list[tuple[float, int, str]] = []
        self._tie = itertools.count()
        self._waiting_reply = False
        self._first = True
        self._cleared_at = 0.0

    def next_frame(self, now: float) -> bytes:
        """20 ms of the caller, as they talk or listen."""
        since = now - self.started_at
        if self._talks and since >= self._talks[0]:
            self._talks.pop(0)
            self._clip, self._at = self._random.choice(self._clips), 0
            self.talking_since = now if self.plays_until > now else None
        if self._at < len(self._clip):
            piece = self._clip[self._at : self._at + 160]
            self._at += 160
            if self._at >= len(self._clip):
                self.stopped_at, self._waiting_reply = now + FRAME_S, True
            return piece.ljust(160, b"\xff")
        at = (self.frame * 160) % len(SILENT)
        return SILENT[at : at + 160]

    def message(self, now: float) -> bytes:
        """The next media message."""
        payload = base64.b64encode(self.next_frame(now)).decode()
        self.frame += 1
        return (
            f'{{"event":"media","sequenceNumber":"{self.frame + 2}","streamSid":"{self.stream}","media":'
            f'{{"track":"inbound","chunk":"{self.frame}","timestamp":"{self.frame * 20}","payload":"{payload}"}}}}'
        ).encode()

    def received(self, text: str, now: float) -> None:
        """One message of the service."""
        if text.startswith('{"event":"media"'):
            self._media((len(text) - text.index('"payload":"') - 14) * 3 / 4 / 8000, now)
        elif text.startswith('{"event":"mark"'):
            name = json.loads(text)["mark"]["name"]
            heapq.heappush(self._marks, (max(now, self.plays_until), next(self._tie), name))
        elif text.startswith('{"event":"clear"'):
            self.plays_until, self._cleared_at = min(self.plays_until, now), now
            self._marks = [(now, tie, name) for _, tie, name in sorted(self._marks)]

    def _media(self, length_s: float, now: float) -> None:
        felt, lead_ms = self.felt, (self.plays_until - now) * 1000
        if self._first:
            self._first = False
            felt.first_audio.append((now - self.started_at) * 1000)
        elif self._waiting_reply and self.stopped_at is not None:
            self._waiting_reply = False
            if self.measured:
                felt.reply.append((now - self.stopped_at) * 1000)
        elif self.measured and lead_ms > -500 and now - self._cleared_at > SETTLES_S:
            felt.lateness.append(max(MEANT_LEAD_MS - lead_ms, 0.0) if lead_ms > 0 else MEANT_LEAD_MS - lead_ms)
            felt.underruns += lead_ms < 0 and self.talking_since is None
        felt.audio_s += length_s if self.measured else 0.0
        self.plays_until = max(self.plays_until, now) + length_s

    def marks_due(self, now: float) -> Iterator[str]:
        """Marks that playout has reached."""
        while self._marks and self._marks[0][0] <= now:
            yield heapq.heappop(self._marks)[2]

    def check_silence(self, now: float) -> None:
        """Note when the bot fell silent after being talked over."""
        if self.talking_since is not None and self.plays_until + SETTLES_S <= now:
            if self.measured:
                self.felt.stop.append((self.plays_until - self.talking_since) * 1000)
            self.talking_since = None


def masked(payload: bytes) -> bytes:
    """A client's text frame. The mask is zero, which is legal and costs nothing."""
    length = len(payload)
    head = bytes((0x81, 0x80 | length)) if length < 126 else b"\x81\xfe" + length.to_bytes(2, "big")
    return head + b"\0\0\0\0" + payload


async def ring(session: aiohttp.ClientSession, base: str, caller: Caller, *, floor: bool) -> None:
    """Post the webhook, open the stream, say who we are."""
    ticket, call = "", f"CA{caller.number:032x}"
    if not floor:
        form = {"CallSid": call, "AccountSid": "AC1", "From": f"+1500{caller.number:07}", "To": "+15005550010"}
        signed = {"X-Twilio-Signature": sign(TOKEN, f"{PUBLIC_URL}/twilio/voice", list(form.items()))}
        async with session.post(f"{base}/twilio/voice", data=form, headers=signed) as answer:
            document = await answer.text()
        found = re.search(r'name="ticket" value="([^"]+)"', document)
        if found is None:
            raise SystemExit(f"the service refused a call: {document[:300]}")
        ticket = found[1]
    socket_url = base.replace("http", "ws") + "/twilio/media"
    signed = {"X-Twilio-Signature": sign(TOKEN, f"{PUBLIC_URL.replace('https', 'wss')}/twilio/media")}
    caller.socket = await session.ws_connect(socket_url, max_msg_size=0, compress=0, headers=signed)
    start = {
        "accountSid": "AC1",
        "streamSid": caller.stream,
        "callSid": call,
        "tracks": ["inbound"],
        "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
        "customParameters": {"ticket": ticket},
    }
    await caller.socket.send_str('{"event":"connected","protocol":"Call","version":"1.0.0"}')
    caller.started_at = time.perf_counter()
    message = {"event": "start", "sequenceNumber": "1", "streamSid": caller.stream, "start": start}
    await caller.socket.send_str(json.dumps(message))


async def listen(caller: Caller) -> None:
    """Take what the service says until it goes."""
    assert caller.socket is not None
    async for message in caller.socket:
        if message.type is aiohttp.WSMsgType.TEXT:
            caller.received(message.data, time.perf_counter())


def transport_of(caller: Caller) -> asyncio.Transport:
    """The socket under a caller's WebSocket, written to directly to keep the generator cheap."""
    assert caller.socket is not None
    transport: asyncio.Transport = caller.socket._conn.transport  # type: ignore[union-attr, assignment]
    return transport


async def talk(callers: list[Caller], until: float) -> None:
    """Send every caller's frames on one absolute clock, spread evenly over its 20 ms."""
    begin, count = time.perf_counter(), len(callers)
    transports = [transport_of(caller) for caller in callers]
    for tick in itertools.count():
        for i, caller in enumerate(callers):
            due = begin + tick * FRAME_S + i * FRAME_S / count
            now = time.perf_counter()
            if due - now > 0.0005:
                await asyncio.sleep(due - now)
                now = time.perf_counter()
            elif i % 16 == 0:
                await asyncio.sleep(0)
            if caller.measured:
                caller.felt.own_lateness.append((now - due) * 1000)
            for name in caller.marks_due(now):
                echo = {"event": "mark", "streamSid": caller.stream, "mark": {"name": name}}
                transports[i].write(masked(json.dumps(echo).encode()))
            transports[i].write(masked(caller.message(now)))
            caller.check_silence(now)
        if time.perf_counter() >= until:
            return


def clips() -> list[bytes]:
    """What callers say: the recordings in fixtures/callers that are a sentence, no more and no less."""
    import wave

    found = []
    for path in sorted((ROOT / "fixtures" / "callers").glob("*.wav")):
        with wave.open(str(path)) as wav:
            if wav.getframerate() == 8000 and 1.2 < wav.getnframes() / 8000 < 3:
                found.append(mulaw.encode(np.frombuffer(wav.readframes(wav.getnframes()), "<i2").astype(np.int16)))
    return found


async def run(
    base: str,
    pid: int,
    calls: int,
    seconds: float,
    seed: int,
    *,
    floor: bool,
    used: Callable[[int], tuple[float, float]] = lambda pid: (cpu_s(pid), rss_mb(pid)),
) -> dict[str, Any]:
    """Ring, let things settle, measure, hang up. `used` tells CPU seconds and MB of the server with this process id."""
    felt = Felt()
    callers = [Caller(i + 1 + seed * 10_000, clips(), felt, seed) for i in range(calls)]
    _, before_mb = used(pid)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        listeners = []
        warmup = asyncio.create_task(asyncio.sleep(0))
        for caller in callers:
            await ring(session, base, caller, floor=floor)
            listeners.append(asyncio.create_task(listen(caller)))
            await asyncio.sleep(0.01)
        await warmup
        talking = asyncio.create_task(talk(callers, time.perf_counter() + seconds + 2.0))
        await asyncio.sleep(2.0)
        for caller in callers:
            caller.measured = True
        (cpu_before, _), own_before = used(pid), resource.getrusage(resource.RUSAGE_SELF)
        began = time.perf_counter()
        await asyncio.sleep(seconds - 0.5)
        took = time.perf_counter() - began
        cpu, memory_mb = used(pid)
        cpu -= cpu_before
        own = resource.getrusage(resource.RUSAGE_SELF)
        own_cpu = own.ru_utime + own.ru_stime - own_before.ru_utime - own_before.ru_stime
        await talking
        for caller in callers:
            assert caller.socket is not None
            await caller.socket.close()
        await asyncio.gather(*listeners)
    return {
        "calls": calls,
        "seconds": round(took, 1),
        "cpu_ms_per_call_second": round(cpu / took / calls * 1000, 3),
        "core_used_percent": round(cpu / took * 100, 1),
        "memory_mb_per_call": round((memory_mb - before_mb) / calls, 3),
        "first_audio_ms": spread(felt.first_audio),
        "reply_ms": spread(felt.reply),
        "stop_ms": spread(felt.stop),
        "lateness_ms": spread(felt.lateness),
        "underruns": felt.underruns,
        "bot_audio_s": round(felt.audio_s, 1),
        "bot_speaking_percent": round(felt.audio_s / took / calls * 100, 1),
        "own_lateness_ms": spread(felt.own_lateness),
        "own_core_percent": round(own_cpu / took * 100, 1),
    }


def at_once(kinds: tuple[str, ...], calls: int, seconds: float, seed: int) -> list[dict[str, Any]]:
    """Measure the service, the floor, or both in the same seconds, each with so many calls."""

    async def all_of_them(running: list[tuple[int, str]]) -> list[dict[str, Any]]:
        return await asyncio.gather(
            *(
                run(base, pid, calls, seconds, seed, floor=kind == "floor")
                for kind, (pid, base) in zip(kinds, running, strict=True)
            )
        )

    with contextlib.ExitStack() as stack:
        running = [stack.enter_context(server(0, floor=kind == "floor")) for kind in kinds]
        return asyncio.run(all_of_them(running))


def spread(values: list[float]) -> dict[str, float]:
    """Percentiles and count."""
    if not values:
        return {"n": 0}
    p50, p95, p99 = (round(float(np.percentile(values, p)), 2) for p in (50, 95, 99))
    return {"p50": p50, "p95": p95, "p99": p99, "mean": round(statistics.fmean(values), 2), "n": len(values)}


def show(result: dict[str, Any]) -> None:
    """One line a measure."""

    def text(key: str) -> str:
        s = result[key]
        return f"{s['p50']:.1f} / {s['p95']:.1f} / {s['p99']:.1f} ms (n {s['n']})" if s["n"] else "-"

    print(
        f"  cpu {result['cpu_ms_per_call_second']:.2f} ms per call-second, core {result['core_used_percent']:.0f} %",
        end="",
    )
    print(f", memory {result['memory_mb_per_call']:.2f} MB per call, bot speaks {result['bot_speaking_percent']:.0f} %")
    for name, key in (("first audio", "first_audio_ms"), ("reply", "reply_ms"), ("stop", "stop_ms")):
        print(f"  {name:12} p50/p95/p99 {text(key)}")
    print(f"  {'lateness':12} p50/p95/p99 {text('lateness_ms')}, underruns {result['underruns']}", end="")
    print(f" in {result['bot_audio_s'] / 60:.1f} minutes of speech")
    print(
        f"  callers' own lateness {text('own_lateness_ms')}, their core {result['own_core_percent']:.0f} %", flush=True
    )


def main() -> None:
    """Run and keep the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, nargs="+", default=[1, 50, 200])
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1)
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--no-floor", action="store_true", help="the service alone")
    which.add_argument("--together", action="store_true", help="service and floor in the same seconds on the same core")
    arguments = parser.parse_args()
    os.sched_setaffinity(0, {1 % (os.cpu_count() or 1)})
    uvloop.install()
    results: dict[str, list[dict[str, Any]]] = {"bridge": [], "floor": []}
    turns: list[tuple[str, ...]] = [("bridge",), ("floor",)]
    if arguments.together:
        turns = [("bridge", "floor")]
    elif arguments.no_floor:
        turns = [("bridge",)]
    for calls in arguments.calls:
        for number, kinds in itertools.product(range(arguments.rounds), turns):
            print(f"{' and '.join(kinds)}: {calls} calls, {arguments.seconds:.0f} s, round {number + 1}", flush=True)
            measured = at_once(kinds, calls, arguments.seconds, arguments.seed + number)
            if any(result["own_lateness_ms"]["p99"] > WORST_OWN_LATENESS_MS for result in measured):
                print(f"  not reported: the callers' own clock was late, {measured[0]['own_lateness_ms']}")
                continue
            for kind, result in zip(kinds, measured, strict=True):
                show(result)
                results[kind].append(result)
    ratios = {calls: ratio for calls in arguments.calls if (ratio := times_the_floor(results, calls)) is not None}
    for calls, ratio in ratios.items():
        print(f"{calls} calls: {ratio:.2f} times the floor")
    kept_as = "calls_together" if arguments.together else "calls"
    print("kept in", keep(kept_as, {"seed": arguments.seed, "times_the_floor": ratios, **results}))


def times_the_floor(results: dict[str, list[dict[str, Any]]], calls: int) -> float | None:
    """The service's CPU over the floor's, both summed over all rounds with so many calls."""
    of = {
        kind: sum(row["cpu_ms_per_call_second"] for row in rows if row["calls"] == calls)
        for kind, rows in results.items()
    }
    complete = len({sum(row["calls"] == calls for row in rows) for rows in results.values()}) == 1
    return round(of["bridge"] / of["floor"], 2) if complete and of["floor"] else None


if __name__ == "__main__":
    main()
