"""Who has no token, and asks a worker's port for nothing good: it costs those who speak nothing."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from bridge.system.settings import ConnectionSettings
from bridge.worker.client import connect
from bridge.worker.engines.hibari import HibariEngine
from bridge.worker.main import listen, runner_of
from bridge.worker.server import Worker
from bridge.worker.settings import WorkerSettings
from bridge.worker.voices import LoadedVoice

SOON_S, LATER_S, PATIENCE_S = 0.05, 600.0, 60.0
TOKEN = "of-the-bridges"
BOMB = zlib.compress(b"a" * 10_000_000)


@asynccontextmanager
async def port(hibari: HibariEngine, **limits: float) -> AsyncIterator[tuple[Worker, int]]:
    """A worker as `bridge worker` serves it, with these limits of connections."""
    all_limits = {"head_s": LATER_S, "body_s": LATER_S, "idle_s": LATER_S} | limits
    settings = WorkerSettings(port=0, voices={})
    worker = Worker(settings, {"heart": LoadedVoice(hibari, "heart", 1.8)})
    await worker.start()
    server: web.AppRunner = runner_of(worker)
    await server.setup()
    try:
        address = await listen(server, settings, worker.refused_connection, ConnectionSettings(**all_limits))  # type: ignore[arg-type]
        yield worker, int(address.rpartition(":")[2])
    finally:
        await server.cleanup()
        await worker.close()


async def answer(port: int, sent: bytes) -> bytes:
    """What comes back until the worker closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(sent)
    try:
        async with asyncio.timeout(PATIENCE_S):
            return await reader.read()
    except ConnectionError:
        return b""
    finally:
        writer.close()


@pytest.mark.parametrize(
    ("sent", "limit", "why"),
    [
        (b"", "head_s", "slow_head"),
        (b"GET / HTTP/1.1\r\nHost: x\r\n", "head_s", "slow_head"),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nslow", "body_s", "slow_body"),
        (b"POST /nowhere HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nslow", "body_s", "slow_body"),
        (b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X: y\r\n" * 5_000 + b"\r\n", "linger_s", "unreadable"),
    ],
)
async def test_who_says_it_slowly_or_at_endless_length_is_cut_off_and_counted(
    hibari: HibariEngine, sent: bytes, limit: str, why: str
) -> None:
    async with port(hibari, **({"linger_s": LATER_S} | {limit: SOON_S})) as (worker, number):
        await answer(number, sent)
        assert worker.counts[f"connection_{why}"] == 1


async def test_silent_connections_leave_room_for_a_bridge(hibari: HibariEngine) -> None:
    async with port(hibari, most_silent_per_address=2) as (worker, number):
        first = await connect(f"ws://127.0.0.1:{number}")
        silent = [await asyncio.open_connection("127.0.0.1", number) for _ in range(2)]
        assert await answer(number, b"") == b""
        assert worker.counts["connection_too_many_of_address"] == 1
        silent[0][1].close()
        async with asyncio.timeout(PATIENCE_S):
            while True:
                try:
                    second = await connect(f"ws://127.0.0.1:{number}")
                    break
                except Exception:  # the worker has not seen yet that one is gone
                    await asyncio.sleep(0.01)
        async with first, second:
            assert len(worker.connections) == 2
        silent[1][1].close()


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd"])
@pytest.mark.parametrize("path", ["/", "/healthz", "/stats", "/nowhere"])
async def test_nothing_that_nobody_asked_for_is_inflated(
    hibari: HibariEngine, path: str, coding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a body is being inflated")

    monkeypatch.setattr("aiohttp.http_parser.DeflateBuffer.__init__", refuse)
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Encoding: {coding}\r\nContent-Length: {len(BOMB)}\r\n\r\n"
    async with port(hibari) as (_, number):
        assert (await answer(number, head.encode() + BOMB)).startswith(b"HTTP/1.1 415")
