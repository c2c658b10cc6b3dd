"""Servers and proxies for tests of outgoing HTTP, on real sockets and as badly behaved as a test needs them."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

Handle = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def listening(handle: Handle, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """A server on a port of its own."""
    connections: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        connections.add(task)
        try:
            await handle(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in connections:
            task.cancel()
        await asyncio.gather(*connections, return_exceptions=True)


async def read_request(reader: asyncio.StreamReader) -> bytes:
    """Head and body of one request."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = next((int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0)
    return head + await reader.readexactly(length)


def answer(body: str | bytes, content_type: str = "text/plain", status: str = "200 OK") -> bytes:
    data = body.encode() if isinstance(body, str) else body
    return f"HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {len(data)}\r\n\r\n".encode() + data


class Proxy:
    """Does as a proxy does, but every name leads to this machine: tunnels by CONNECT, passes plain requests on."""

    def __init__(self, target_port: int) -> None:
        self._target_port = target_port
        self.asked: list[str] = []

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        self.asked.append(head.split(b"\r\n")[0].decode())
        there, back = await asyncio.open_connection("127.0.0.1", self._target_port)
        if head.startswith(b"CONNECT"):
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        else:
            back.write(head)
        async with asyncio.TaskGroup() as both_ways:
            both_ways.create_task(self.copy(reader, back))
            both_ways.create_task(self.copy(there, writer))

    @staticmethod
    async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while piece := await reader.read(65536):
            writer.write(piece)
        writer.close()


class Closing:
    """Keeps its connections, and closes a kept one in the moment in which it is used again."""

    def __init__(
        self,
        *,
        at_first: bool = False,
        in_the_answer: bool = False,
        says: bytes | None = None,
        closes_with: bytes = b"",
    ) -> None:
        self._says = answer("hello") if says is None else says
        self._closes_with = closes_with
        self._at_first = at_first
        self._in_the_answer = in_the_answer
        self.requests: list[bytes] = []
        self.connections = 0

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        for count in range(2):
            self.requests.append((await read_request(reader)).rpartition(b"\r\n\r\n")[2])
            if self._at_first or (count and not self._in_the_answer):
                writer.write(self._closes_with)
                return
            if count:
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel")
                return
            writer.write(self._says)
