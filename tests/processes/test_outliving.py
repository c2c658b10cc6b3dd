"""Processes are killed under calls of every carrier: no call is lost, no word is lost, and none is said twice.

A line stands between a carrier and a process to stop a call at a chosen instant, until its process is killed there.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
from contextlib import AsyncExitStack
from pathlib import Path

from bridge.simulator.call_facts import CallFacts
from bridge.system import sockets
from tests.processes.outliving import (
    ENVIRONMENT,
    TONES,
    Account,
    busiest,
    calls_of,
    command,
    on_the_line_s,
    ring,
    summary,
)
from tests.processes.running import Service, free_port, service, wait_until
from tests.speaking.doubles import FakeWorker
from tests.store.contract import until

IN_THE_GREETING_S = 2.0
CARRIERS = ["twilio", "telnyx", "plivo", "vonage", "twilio", "telnyx"]


async def test_calls_go_on_when_the_process_that_has_most_of_them_is_killed(tmp_path: Path) -> None:
    port = free_port()
    (tmp_path / "t").mkdir()
    async with FakeWorker(sounds=TONES) as worker:
        with service(command(tmp_path, worker.address, port, 2), tmp_path / "t", **ENVIRONMENT) as running:

            def ready() -> bool:
                return running.said.count("ready for calls") == 2

            await asyncio.to_thread(wait_until, ready)
            begun: list[CallFacts] = []
            calls = [asyncio.create_task(ring(port, name, n, 20.0, begun.append)) for n, name in enumerate(CARRIERS)]
            await until(lambda: len(begun) == len(CARRIERS) and min(map(on_the_line_s, begun)) > IN_THE_GREETING_S)
            everybody = sockets.listeners(port)
            await asyncio.to_thread(wait_until, lambda: sum(map(calls_of, everybody)) == len(CARRIERS))
            victim = busiest(port)
            os.kill(victim, signal.SIGKILL)
            accounts = await asyncio.gather(*calls)
            assert victim not in sockets.listeners(port)
    assert all(one.fine for one in accounts), summary(accounts)
    assert sum(one.streams > 1 for one in accounts) >= len(CARRIERS) / 2


class Line:
    """The way from one call's carrier to a process: it holds all that the carrier sends once it has seen `until`."""

    def __init__(self, ports: list[int], until: bytes) -> None:
        self.held, self.goes_on = asyncio.Event(), asyncio.Event()
        self.sounded = asyncio.Event()
        """The process has sent something after it was held, and let go on."""
        self._ports = ports
        self._until = until
        self._serving: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Line:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = int(self._server.sockets[0].getsockname()[1])
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in list(self._serving):
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)

    async def _serve(self, carrier: asyncio.StreamReader, to_carrier: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        try:
            process, to_process = await asyncio.open_connection("127.0.0.1", self._ports[0])
        except OSError:
            to_carrier.close()
            return
        ways = [
            asyncio.create_task(self._there(carrier, to_process)),
            asyncio.create_task(self._back(process, to_carrier)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            to_carrier.transport.abort()
            to_process.close()
            self._serving.discard(task)

    async def _there(self, carrier: asyncio.StreamReader, to_process: asyncio.StreamWriter) -> None:
        while data := await carrier.read(65536):
            if self.held.is_set():
                await self.goes_on.wait()
            to_process.write(data)
            await to_process.drain()

    async def _back(self, process: asyncio.StreamReader, to_carrier: asyncio.StreamWriter) -> None:
        while data := await process.read(65536):
            if self.goes_on.is_set():
                self.sounded.set()
            to_carrier.write(data)
            await to_carrier.drain()
            if data.startswith(self._until):
                self.held.set()


INSTANTS = {
    "its webhook is answered": b"HTTP/1.1 200",
    "its socket is open": b"HTTP/1.1 101",
    "its first sound": b"HTTP/1.1 101",
}


async def test_calls_begin_whose_process_is_killed_at_any_instant_of_their_beginning(
    tmp_path: Path, redis_url: str
) -> None:
    more = f"store: {{redis_url: '{redis_url}', redis_deadline_ms: 5000}}\n"
    folders = [tmp_path / name for name in ("one", "other")]
    ports = [free_port() for _ in folders]
    async with AsyncExitStack() as stack:
        worker = await stack.enter_async_context(FakeWorker(sounds=TONES))
        services: list[Service] = []
        for folder, port in zip(folders, ports, strict=True):
            (folder / "t").mkdir(parents=True)
            serve = command(folder, worker.address, port, 1, more)
            services.append(stack.enter_context(service(serve, folder / "t", **ENVIRONMENT, BRIDGE_SECRET="s" * 32)))
        for one in services:
            await asyncio.to_thread(one.says, "ready for calls")
        lines: list[Line] = []
        calls: list[asyncio.Task[Account]] = []
        for number, (instant, carrier) in enumerate(itertools.product(INSTANTS, dict.fromkeys(CARRIERS))):
            line = await stack.enter_async_context(Line(ports, INSTANTS[instant]))
            lines.append(line)
            calls.append(asyncio.create_task(ring(line.port, carrier, number, 20.0)))
        await until(lambda: all(line.held.is_set() for line in lines))
        beginning = lines[-len(set(CARRIERS)) :]
        for line in beginning:
            line.goes_on.set()
        await until(lambda: any(line.sounded.is_set() for line in beginning))
        ports[0] = ports[1]
        services[0].process.kill()
        for line in lines:
            line.goes_on.set()
        accounts = await asyncio.gather(*calls)
    assert all(one.fine for one in accounts), summary(accounts)
    assert [one.streams for one in accounts] == [1] * 4 + [2] * 8
