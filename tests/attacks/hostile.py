"""The far sides that a service asks itself, gone bad: an agent with bad answers, a Redis that is away or lies."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Literal

from aiohttp import web

Temper = Literal["empty", "silent", "refusing", "forged", "garbage", "endless"]
"""How a `HostileRedis` answers: as one that holds nothing, never, with errors, with what nobody wrote, with what is no
answer, with 80 MB."""
_ENDLESS_BYTES = 80_000_000
_PIECE = b"\x00" * 65_536


def _say(text: str, **fields: object) -> bytes:
    return json.dumps({"type": "say", "text": text, **fields}).encode() + b"\n"


def _forever(*pieces: bytes) -> Iterator[bytes]:
    while True:
        yield from pieces


ODD_WORDS = (
    "1a" * 1400, "a." * 1400, "<" * 2800, "((((" * 700, "*_" * 1400, "$1" * 1400, "9" * 2800, "1-" * 1400,
    "\u0301" * 2800, "\u200b\u202e" * 1400, "\U0001f468\u200d" * 1400, "Dr. " * 700, "http://" * 400, "&amp" * 700,
    "\ud83d" * 100, "<say-as interpret-as='date'>" * 90, "x" * 2800, "1/2/" * 700, "III" * 900, "a@" * 1400,
    "\u00e4\u00df" * 1400,
)  # fmt: skip

ANSWERS: dict[str, Callable[[], Iterator[bytes]]] = {
    "short": lambda: iter([_say("Hello there.")]),
    "huge": lambda: iter([_say("All of our words, one after the other. " * 6400)]),
    "numbers": lambda: (_say(f"{number}, ", more=True) for number in range(1_000_000)),
    "odd_words": lambda: (_say(word, more=True) for word in ODD_WORDS),
    "odd_signs": lambda: (_say((signs * 2900)[:2900]) for signs in ("\u221a2 \u00d7 \u00b2 ", "\u0661\u0662\u0663 ")),
    "letters": lambda: (_say("a" * 20, more=True) for _ in range(1_000_000)),
    "actions": lambda: _forever(b'{"type":"wait","seconds":0.001}\n'),
    "expect": lambda: iter([b'{"type":"expect","answer":"digits:ten"}\n', b'{"type":"expect","answer":5}\n']),
    "likely": lambda: _forever(
        json.dumps({"type": "likely", "lines": [{"text": f"line {number} " * 30} for number in range(500)]}).encode()
        + b"\n"
    ),
    "nested": lambda: iter([b"[" * 200_000 + b"\n"]),
    "endless_line": lambda: _forever(b'{"type":"say","text":"' + b"a" * 60_000),
    "no_json": lambda: _forever(b"\xff\xfe\x00 no JSON \n"),
}
"""What `HostileAgent` answers, by the last part of its path."""


class HostileAgent:
    """A web service for agents whose every answer is one of `ANSWERS`, or of any length when nobody hangs up."""

    def __init__(self) -> None:
        self.answer = "numbers"
        self.asked = 0
        self.over = asyncio.Event()
        """Set when an answer has been given whole, or broken off by the service."""

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[str]:
        """Serve on a port of its own; its address."""
        application = web.Application()
        application.router.add_post("/agent", self._handle)
        runner = web.AppRunner(application, handler_cancellation=True, access_log=None)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            yield f"http://127.0.0.1:{runner.addresses[0][1]}/agent"
        finally:
            await runner.cleanup()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        await request.read()
        self.asked += 1
        response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"})
        try:
            await response.prepare(request)
            for piece in ANSWERS[self.answer]():
                await response.write(piece)
            await response.write_eof()
        except ConnectionResetError:
            pass
        finally:
            self.over.set()
        return response


class HostileRedis:
    """Speaks Redis's protocol (RESP) and means no good, as `temper` says."""

    def __init__(self) -> None:
        self.temper: Temper = "empty"
        self.asked = 0
        self._connections: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[str]:
        """Serve on a port of its own; its address."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        try:
            yield f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}/0"
        finally:
            server.close()
            for task in self._connections:
                task.cancel()
            await asyncio.gather(*self._connections, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            while True:
                command = await _command(reader)
                self.asked += 1
                if command[0].upper() == b"XREAD":
                    await reader.read()  # nothing is ever added: Redis blocks, until the client goes
                await self._answer(command, writer)
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError, ValueError):
            pass
        finally:
            self._connections.discard(task)
            writer.close()

    async def _answer(self, command: list[bytes], writer: asyncio.StreamWriter) -> None:
        name = command[0].upper()
        if self.temper == "silent":
            return
        if name in (b"PING", b"CLIENT", b"SELECT", b"AUTH"):
            writer.write(b"+PONG\r\n" if name == b"PING" else b"+OK\r\n")
        elif name == b"SUBSCRIBE":
            writer.write(b"*3\r\n$9\r\nsubscribe\r\n" + _bulk(command[1]) + b":1\r\n")
        elif name in (b"XREVRANGE", b"XRANGE"):
            writer.write(b"*-1\r\n")
        elif self.temper == "refusing":
            writer.write(b"-NOPERM this user has no permissions to run the '" + name.lower() + b"' command\r\n")
        elif self.temper == "forged" and name in (b"GET", b"GETDEL"):
            writer.write(_bulk(b"x" * 4096))
        elif self.temper == "garbage":
            writer.write(b"?\x00\xff this is no answer\r\n*3\r\n$-7\r\n:many\r\n")
        elif self.temper == "endless":
            writer.write(b"$%d\r\n" % _ENDLESS_BYTES)
            for _ in range(_ENDLESS_BYTES // len(_PIECE)):
                writer.write(_PIECE)
                await writer.drain()
            writer.write(b"\x00" * (_ENDLESS_BYTES % len(_PIECE)) + b"\r\n")
        else:
            writer.write(b"+OK\r\n" if name == b"SET" else b":0\r\n" if name in (b"PUBLISH", b"EXPIRE") else b"$-1\r\n")


async def _command(reader: asyncio.StreamReader) -> list[bytes]:
    """One command: an array of bulk strings. Raises ValueError."""
    head = await reader.readuntil(b"\r\n")
    if not head.startswith(b"*"):
        raise ValueError("no array")
    parts = []
    for _ in range(int(head[1:])):
        length = int((await reader.readuntil(b"\r\n"))[1:])
        parts.append((await reader.readexactly(length + 2))[:-2])
    return parts


def _bulk(value: bytes) -> bytes:
    return b"$%d\r\n%s\r\n" % (len(value), value)
