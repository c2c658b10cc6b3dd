"""The far side of ConversationRelay: an application on a real WebSocket, as somebody would write it for the relay."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any

from aiohttp import WSCloseCode, web

Told = dict[str, Any]


class Caller:
    """One socket: what was told on it, and what the application answers."""

    def __init__(self, socket: web.WebSocketResponse, request: web.Request) -> None:
        self.socket = socket
        self.headers = dict(request.headers)
        self.told: list[Told] = []
        self.closed_with: int | None = None

    async def says(self, *tokens: str, last: bool = True, **fields: Any) -> None:
        """One talk cycle, token by token; without `last` its end is still to come."""
        for number, token in enumerate(tokens, start=1):
            await self.send(type="text", token=token, last=last and number == len(tokens), **fields)

    async def send(self, **fields: Any) -> None:
        await self.socket.send_str(json.dumps(fields))

    def of(self, kind: str) -> list[Told]:
        return [told for told in self.told if told["type"] == kind]


Handle = Callable[[Caller, Told], Awaitable[None]]


async def keep_quiet(_caller: Caller, _told: Told) -> None:
    """Answer nothing at all."""


class RelayApplication:
    """Calls `handle` for every message it is told, on each socket."""

    def __init__(self, handle: Handle = keep_quiet) -> None:
        self.handle = handle
        self.callers: list[Caller] = []
        self.refuses: int | None = None
        """Answer handshakes with this status."""
        self.reads = asyncio.Event()
        self.reads.set()

    async def __aenter__(self) -> RelayApplication:
        application = web.Application()
        application.router.add_get("/relay", self._serve)
        self._runner = web.AppRunner(application, handler_cancellation=True, shutdown_timeout=0.2)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"ws://127.0.0.1:{self._runner.addresses[0][1]}/relay"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for caller in self.callers:
            self.breaks(caller)
        await self._runner.cleanup()

    @property
    def caller(self) -> Caller:
        """The socket opened last."""
        return self.callers[-1]

    def breaks(self, caller: Caller) -> None:
        """Cut a socket without a goodbye, as a crash does."""
        transport = caller.socket._req.transport if caller.socket._req is not None else None
        if transport is not None:
            transport.abort()

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        if self.refuses is not None:
            return web.Response(status=self.refuses)
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        caller = Caller(socket, request)
        self.callers.append(caller)
        async for message in socket:
            await self.reads.wait()
            caller.told.append(json.loads(message.data))
            await self.handle(caller, caller.told[-1])
        caller.closed_with = socket.close_code
        return socket


async def hang_up(caller: Caller) -> None:
    """Close the socket in good order, which ends the session."""
    await caller.socket.close(code=WSCloseCode.OK)
