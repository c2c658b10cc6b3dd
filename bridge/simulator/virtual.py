"""Virtual time: an event loop whose clock jumps to the next timer, and a network in memory.

Servers and clients run unchanged: `create_server` and `create_connection` connect inside the process, work for a thread
pool runs at once, the clocks and random sources of the standard library follow the loop and the seed. Minutes of
calls pass in seconds, and the same seed gives the same bytes.
"""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import inspect
import os
import random
import selectors
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, TypeVar

import aiohttp
from aiohttp.client_proto import ResponseHandler

from bridge.errors import BridgeError

T = TypeVar("T")

EPOCH_S = 1_800_000_000.0
"""What `time.time` starts at: a day in January 2027."""

_STUCK_S = 30.0


class Deadlock(BridgeError):
    """Nothing can happen any more: every task waits for something that no timer will bring."""


class VirtualLoop(asyncio.SelectorEventLoop):
    """Runs whatever is ready, then sets its clock to the next timer; never sleeps."""

    def __init__(self) -> None:
        self._now = 1000.0
        self._servers: dict[tuple[str, int], _MemoryServer] = {}
        self._free_port = 20000
        self._threads = 0
        super().__init__(_JumpingSelector(self))

    def time(self) -> float:
        """Return the virtual clock's time in seconds."""
        return self._now

    def jump(self, seconds: float) -> None:
        """Let this much virtual time pass at once."""
        self._now += seconds

    def run_in_executor(  # type: ignore[override]
        self, executor: Any, work: Callable[..., T], *arguments: Any
    ) -> asyncio.Future[T]:
        """Do the work now: threads would make the order of things depend on the machine."""
        future: asyncio.Future[T] = self.create_future()
        try:
            future.set_result(work(*arguments))
        except BaseException as error:
            future.set_exception(error)
        return future

    async def create_server(self, protocol_factory: Any, host: Any = None, port: Any = None, **_: Any) -> Any:
        """Listen in memory; port 0 takes the next free one."""
        if not port:
            self._free_port += 1
            port = self._free_port
        if ("", port) in self._servers:
            raise OSError(98, "Address already in use")
        server = _MemoryServer(self, protocol_factory, host or "127.0.0.1", port)
        self._servers[("", port)] = server
        return server

    async def create_connection(self, protocol_factory: Any, host: Any = None, port: Any = None, **_: Any) -> Any:
        """Connect to a server of this loop; nothing outside can be reached."""
        await asyncio.sleep(0)
        server = self._servers.get(("", port))
        if server is None:
            raise ConnectionRefusedError(111, f"nobody listens on {host}:{port} in this virtual network")
        ours, theirs = protocol_factory(), server.protocol_factory()
        near = _MemoryTransport(self, ours, ("127.0.0.1", 40000), (server.host, server.port))
        far = _MemoryTransport(self, theirs, (server.host, server.port), ("127.0.0.1", 40000))
        near.peer, far.peer = far, near
        theirs.connection_made(far)
        ours.connection_made(near)
        return near, ours

    def forget_server(self, port: int) -> None:
        """Stop listening at a server's address."""
        self._servers.pop(("", port), None)


class _JumpingSelector(selectors.DefaultSelector):
    """Instead of waiting for `timeout`, moves the loop's clock by it."""

    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> Any:
        if timeout is None:
            # No timer at all: only a real thread can still wake us up.
            ready = super().select(_STUCK_S)
            if not ready:
                raise Deadlock("no task can go on and no timer is set")
            return ready
        if timeout > 0:
            # The exact time of the next timer: adding up rounded timeouts would drift away from it.
            scheduled = self._loop._scheduled  # type: ignore[attr-defined]
            while scheduled and scheduled[0]._cancelled:
                heapq.heappop(scheduled)._scheduled = False
                self._loop._timer_cancelled_count -= 1  # type: ignore[attr-defined]
            if scheduled:
                self._loop.jump(max(0.0, scheduled[0]._when - self._loop.time()))
        return []


class _MemoryServer:
    """A server in memory, which `create_server` gives back."""

    def __init__(self, loop: VirtualLoop, protocol_factory: Any, host: str, port: int) -> None:
        self.protocol_factory = protocol_factory
        self.host = host
        self.port = port
        self._loop = loop

    @property
    def sockets(self) -> list[_MemoryServer]:
        return [self]

    def getsockname(self) -> tuple[str, int]:
        return self.host, self.port

    def fileno(self) -> int:
        return -1  # as of a socket that has no descriptor

    def is_serving(self) -> bool:
        return True

    def close(self) -> None:
        self._loop.forget_server(self.port)

    async def wait_closed(self) -> None:
        return None


class _MemoryTransport(asyncio.Transport):
    """One end of a connection: what is written arrives at the peer's protocol in a later step of the loop."""

    def __init__(self, loop: VirtualLoop, protocol: Any, here: tuple[str, int], there: tuple[str, int]) -> None:
        super().__init__({"sockname": here, "peername": there})
        self.peer: _MemoryTransport | None = None
        self._loop = loop
        self._protocol = protocol
        self._arriving: list[bytes | None] = []
        self._waiting_bytes = 0
        self._reading = True
        self._delivering = False
        self._closing = False
        self._lost = False
        self._high, self._low = 65536, 16384
        self._writer_paused = False

    # our side

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self._closing or self.peer is None or not data:
            return
        self.peer._arrive(bytes(data))
        if not self._writer_paused and self.get_write_buffer_size() > self._high:
            self._writer_paused = True
            self._protocol.pause_writing()

    def writelines(self, parts: Any) -> None:
        self.write(b"".join(parts))

    def write_eof(self) -> None:
        if self.peer is not None:
            self.peer._arrive(None)

    def can_write_eof(self) -> bool:
        return True

    def close(self) -> None:
        if not self._closing:
            self._closing = True
            if self.peer is not None:
                self.peer._arrive(None)
            self._loop.call_soon(self._lose, None)

    def abort(self) -> None:
        if not self._lost:
            self._closing = True
            if self.peer is not None:
                self.peer._arriving.clear()
                self._loop.call_soon(self.peer._lose, ConnectionResetError(104, "Connection reset by peer"))
            self._loop.call_soon(self._lose, None)

    def is_closing(self) -> bool:
        return self._closing

    def get_write_buffer_size(self) -> int:
        return 0 if self.peer is None else self.peer._waiting_bytes

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._high = 65536 if high is None else high
        self._low = self._high // 4 if low is None else low

    def get_write_buffer_limits(self) -> tuple[int, int]:
        return self._low, self._high

    def get_protocol(self) -> Any:
        return self._protocol

    def set_protocol(self, protocol: Any) -> None:
        self._protocol = protocol

    def is_reading(self) -> bool:
        return self._reading

    def pause_reading(self) -> None:
        self._reading = False

    def resume_reading(self) -> None:
        self._reading = True
        self._wake()

    # the peer's side

    def _arrive(self, data: bytes | None) -> None:
        if self._lost:
            return
        self._arriving.append(data)
        self._waiting_bytes += len(data or b"")
        self._wake()

    def _wake(self) -> None:
        if self._arriving and self._reading and not self._delivering:
            self._delivering = True
            self._loop.call_soon(self._deliver)

    def _deliver(self) -> None:
        self._delivering = False
        while self._arriving and self._reading and not self._lost:
            data = self._arriving.pop(0)
            if data is None:
                if not self._protocol.eof_received():
                    self.close()
                continue
            self._waiting_bytes -= len(data)
            self._protocol.data_received(data)
        peer = self.peer
        if peer is not None and peer._writer_paused and self._waiting_bytes <= peer._low and not peer._lost:
            peer._writer_paused = False
            peer._protocol.resume_writing()

    def _lose(self, error: Exception | None) -> None:
        if not self._lost:
            self._lost = self._closing = True
            self._protocol.connection_lost(error)


class MemoryConnector(aiohttp.BaseConnector):
    """Lets an aiohttp client reach servers of a `VirtualLoop`."""

    async def _create_connection(self, req: Any, traces: Any, timeout: Any) -> ResponseHandler:
        try:
            _, protocol = await self._loop.create_connection(self._factory, req.url.host, req.url.port)
        except OSError as error:
            raise aiohttp.ClientConnectorError(req.connection_key, error) from error
        return protocol


def run(main: Callable[[], Awaitable[T]], *, seed: int = 1) -> T:
    """Run a coroutine function to its end in virtual time, with `seed` behind every random number.

    Raises Deadlock when nothing can go on.
    """
    loop = VirtualLoop()
    with standing_in(loop, seed):
        try:
            asyncio.set_event_loop(loop)
            return loop.run_until_complete(_only(main))
        finally:
            _wind_up(loop)
            asyncio.set_event_loop(None)
            loop.close()


async def _only(main: Callable[[], Awaitable[T]]) -> T:
    return await main()


def _wind_up(loop: VirtualLoop) -> None:
    tasks = asyncio.all_tasks(loop)
    for task in sorted(tasks, key=lambda task: task.get_name()):
        task.cancel()
    if tasks:
        loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
    loop.run_until_complete(loop.shutdown_asyncgens())


@contextlib.contextmanager
def standing_in(loop: VirtualLoop, seed: int) -> Iterator[None]:
    """Put the loop's clock and seeded randomness where the standard library's were, as test tools do with clocks."""
    source = random.Random(seed)
    clocks: dict[Any, Callable[[], Any]] = {
        time.monotonic: loop.time,
        time.perf_counter: loop.time,
        time.time: lambda: EPOCH_S + loop.time(),
        time.monotonic_ns: lambda: int(loop.time() * 1e9),
        time.time_ns: lambda: int((EPOCH_S + loop.time()) * 1e9),
    }
    undo: list[Callable[[], None]] = []

    def put(owner: Any, name: str, value: Any) -> None:
        before = getattr(owner, name)
        undo.append(lambda: setattr(owner, name, before))
        setattr(owner, name, value)

    state = random.getstate()
    try:
        for function, stand_in in clocks.items():
            put(time, function.__name__, stand_in)
        put(os, "urandom", source.randbytes)
        put(random, "_urandom", source.randbytes)
        random.seed(seed)
        for defaults in _remembered_clocks(clocks):
            put(*defaults)
        yield
    finally:
        random.setstate(state)
        for step in reversed(undo):
            step()


def _remembered_clocks(clocks: dict[Any, Callable[[], Any]]) -> Iterator[tuple[Any, str, Any]]:
    """Functions of ours whose default argument is a clock: they have taken the real one when they were defined."""
    for name, module in sorted(sys.modules.items()):
        if not name.startswith("bridge.") or module is None:
            continue
        for owner in [module, *(value for value in vars(module).values() if inspect.isclass(value))]:
            for value in list(vars(owner).values()):
                if not inspect.isfunction(value) or not value.__module__.startswith("bridge."):
                    continue
                if any(_is_clock(one, clocks) for one in value.__defaults__ or ()):
                    yield value, "__defaults__", tuple(_stand_in(one, clocks) for one in value.__defaults__ or ())
                if any(_is_clock(one, clocks) for one in (value.__kwdefaults__ or {}).values()):
                    changed = {key: _stand_in(one, clocks) for key, one in (value.__kwdefaults__ or {}).items()}
                    yield value, "__kwdefaults__", changed


def _is_clock(value: Any, clocks: dict[Any, Callable[[], Any]]) -> bool:
    return inspect.isbuiltin(value) and value in clocks


def _stand_in(value: Any, clocks: dict[Any, Callable[[], Any]]) -> Any:
    return clocks[value] if _is_clock(value, clocks) else value
