"""What it costs to write a call's state to the store as the call goes, per call-second; a part of `features`.

The conversation is that of `features`, an hour's history before it. States are written as
`bridge.gateway.keeping` writes them: what has changed, at most every `APART_S`, all calls of a process in one go.
"""

from __future__ import annotations

import asyncio
import subprocess
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from random import Random
from shutil import which

import msgspec

from bridge.call.actions import Spoken
from bridge.call.events import CallResumed
from bridge.call.machine import Call
from bridge.call.settings import CallSettings
from bridge.call.state import HISTORY_CHARACTERS, encode
from bridge.gateway.keeping import APART_S, BEAT_S
from bridge.session.ports import KeptCall
from bridge.store.base import Store
from bridge.store.kept_calls import KeptCalls
from bridge.store.redis import RedisStore
from bridge.store.sqlite import SqliteStore
from tests.call.phone import Phone
from tests.processes.running import free_port

TOGETHER = 20
"""Calls of which a state is written in the same tenth of a second; what each process adds is its own."""


def writes_per_s(phone: Phone, settings: CallSettings, seconds: float) -> float:
    """How often the conversation's call is written."""
    call, written, count, last, credit = Call(settings), -1, 0, 0.0, 3.0
    for now, event, _ in phone.log:
        call.receive(event, now)
        credit = min(credit + (now - last) / APART_S, 3.0)
        last = now
        if call.changes != written and credit >= 1.0:
            written, credit, count = call.changes, credit - 1.0, count + 1
    return count / seconds


def cpu_us(work: Callable[[], object], times: int) -> float:
    """Microseconds of CPU a time, the best of five rounds."""
    best = 1e9
    for _ in range(5):
        began = time.process_time()
        for _ in range(times):
            work()
        best = min(best, (time.process_time() - began) / times)
    return best * 1e6


def kept(phone: Phone) -> tuple[Callable[[], bytes], int]:
    """Writes the state of a long call, and how many bytes that is."""
    state = phone.call.state(phone.now)
    words = " ".join(["word"] * 20)
    history = tuple(Spoken(("bot", "caller")[n % 2], words) for n in range(HISTORY_CHARACTERS // len(words)))
    call = Call.resume(
        msgspec.structs.replace(state, bot=msgspec.structs.replace(state.bot, history=history)), phone.call.settings
    )
    call.receive(CallResumed(), 1.0)
    agent = b'{"state":"confirm","slots":{"number":"5512"}}'

    def write() -> bytes:
        whole = msgspec.structs.replace(call.state(5.0), agent=agent)
        return KeptCalls.encode(KeptCall(encode(whole), "+15005550006", "+15005550010", {}, "AC1", "f00", 1.0))

    return write, len(write())


async def _store_us(store: Store, size: int) -> tuple[float, float]:
    """Microseconds of this process's CPU for one of many values in one go, and for one go of nothing but a beat."""
    await store.start()
    random = Random(1)
    values = {f"kept:twilio/CA{number}": random.randbytes(size) for number in range(TOGETHER)}

    async def cpu_us(work: Callable[[], Awaitable[object]], times: int) -> float:
        best = 1e9
        for _ in range(5):
            began = time.process_time()
            for _ in range(times):
                await work()
            best = min(best, (time.process_time() - began) / times * 1e6)
        return best

    beat_us = await cpu_us(lambda: store.keep_all({"alive:f00": b"123456789"}, 60.0), 100)
    many_us = await cpu_us(lambda: store.keep_all(values, 60.0), 100)
    await store.close()
    return (many_us - beat_us) / TOGETHER, beat_us


def state_costs_ms(phone: Phone, settings: CallSettings, seconds: float) -> dict[str, float]:
    """Rows for the table, per call-second; a sign of life is one per process, however many calls it has."""
    write, size = kept(phone)
    often, state_us = writes_per_s(phone, settings, seconds), cpu_us(write, 500)
    rows: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        found = {"SQLite": asyncio.run(_store_us(SqliteStore(Path(folder, "store")), size))}
        if which("redis-server"):
            port = free_port()
            options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", folder]
            server = subprocess.Popen(["redis-server", *options], stdout=subprocess.DEVNULL)
            time.sleep(1.0)
            try:
                store = RedisStore(f"redis://127.0.0.1:{port}", secret=b"bench", deadline_s=5.0)
                found["Redis"] = asyncio.run(_store_us(store, size))
            finally:
                server.kill()
                server.wait()
    for name, (value_us, beat_us) in found.items():
        rows[f"state to {name}, {often:.1f} times a second, {size / 1024:.0f} KB"] = (
            often * (state_us + value_us) / 1000
        )
        rows[f"a process's sign of life to {name}, whole process"] = beat_us / BEAT_S / 1000
    return rows
