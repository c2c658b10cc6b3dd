"""Virtual time: nothing sleeps, order is exact, and the same seed gives the same bytes."""

from __future__ import annotations

import asyncio
import secrets
import time

import aiohttp
import pytest
from aiohttp import web

from bridge.simulator import virtual


def test_an_hour_passes_at_once_and_timers_fire_in_order() -> None:
    async def main() -> list[float]:
        began = asyncio.get_running_loop().time()

        async def wake(after: float) -> float:
            await asyncio.sleep(after)
            return asyncio.get_running_loop().time() - began

        return [await one for one in asyncio.as_completed([wake(3600.0), wake(0.02), wake(60.0)])]

    assert virtual.run(main) == pytest.approx([0.02, 60.0, 3600.0])


def test_the_standard_clocks_follow_and_come_back() -> None:
    real = time.monotonic

    async def main() -> tuple[float, float]:
        before = time.monotonic(), time.time()
        await asyncio.sleep(10.0)
        return time.monotonic() - before[0], time.time() - before[1]

    assert virtual.run(main) == pytest.approx((10.0, 10.0))
    assert time.monotonic is real


def test_random_numbers_follow_the_seed() -> None:
    async def main() -> str:
        return secrets.token_hex(16)

    assert virtual.run(main, seed=7) == virtual.run(main, seed=7) != virtual.run(main, seed=8)
    assert secrets.token_hex(16) != secrets.token_hex(16)


def test_waiting_for_what_never_comes_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(virtual, "_STUCK_S", 0.01)

    async def main() -> None:
        await asyncio.get_running_loop().create_future()

    with pytest.raises(virtual.Deadlock, match="no timer"):
        virtual.run(main)


async def _echo(request: web.Request) -> web.WebSocketResponse:
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    async for message in socket:
        await socket.send_str(message.data.upper())
    return socket


def test_aiohttp_talks_to_itself_over_the_network_in_memory() -> None:
    async def main() -> tuple[str, int, str]:
        app = web.Application()
        app.router.add_get("/", _echo)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        port = runner.addresses[0][1]
        async with aiohttp.ClientSession(connector=virtual.MemoryConnector()) as session:
            async with session.ws_connect(f"http://127.0.0.1:{port}/") as socket:
                await socket.send_str("hello " * 30_000)
                text = (await socket.receive()).data
            async with session.get(f"http://127.0.0.1:{port}/nowhere") as answer:
                status = answer.status
            try:
                await session.get("http://127.0.0.1:1/")
                refused = ""
            except aiohttp.ClientError as error:
                refused = str(error)
            except ConnectionRefusedError as error:
                refused = str(error)
        await runner.cleanup()
        return text[:5], status, refused

    text, status, refused = virtual.run(main)
    assert (text, status) == ("HELLO", 404)
    assert "nobody listens" in refused


def test_an_aborted_connection_is_lost_at_the_other_end() -> None:
    async def main() -> type[BaseException] | None:
        lost: asyncio.Future[BaseException | None] = asyncio.get_running_loop().create_future()

        class Server(asyncio.Protocol):
            def connection_lost(self, error: Exception | None) -> None:
                lost.set_result(error)

        loop = asyncio.get_running_loop()
        server = await loop.create_server(Server, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        transport, _ = await loop.create_connection(asyncio.Protocol, "127.0.0.1", port)
        transport.abort()
        error = await lost
        return None if error is None else type(error)

    assert virtual.run(main) is ConnectionResetError
