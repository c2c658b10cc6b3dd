"""A server on a real socket that plays the other side of an agent's protocol."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any, Protocol, TypeVar

from aiohttp import web

T = TypeVar("T")


class VirtualTime(Protocol):
    """What the fixture `virtual_time` gives: a way to run a coroutine function in time that passes at once."""

    def __call__(self, main: Callable[[], Awaitable[T]]) -> T: ...


class Server:
    """Answers every POST by `answer(request body, stream)`; remembers bodies, headers and broken connections."""

    def __init__(self, path: str, content_type: str, answer: Callable[[Any, Line], Awaitable[None]]) -> None:
        self._path = path
        self._content_type = content_type
        self._answer = answer
        self.bodies: list[Any] = []
        self.headers: list[dict[str, str]] = []
        self.status = 200
        self.refusals: list[tuple[int, dict[str, str]]] = []
        """Statuses and headers of the next answers, which are none."""
        self.queries: list[str] = []
        self.connections: set[object] = set()
        self.hung_up = asyncio.Event()

    async def __aenter__(self) -> Server:
        application = web.Application()
        application.router.add_post(self._path, self._handle)
        self._runner = web.AppRunner(application, handler_cancellation=True)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._runner.cleanup()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        self.bodies.append(await request.json())
        self.headers.append(dict(request.headers))
        self.queries.append(request.query_string)
        self.connections.add(request.transport)
        if self.refusals:
            status, headers = self.refusals.pop(0)
            return web.Response(status=status, headers=headers, text="not now")
        if self.status != 200:
            return web.Response(status=self.status, text="no such luck")
        response = web.StreamResponse(headers={"Content-Type": self._content_type})
        await response.prepare(request)
        try:
            await self._answer(self.bodies[-1], Line(response))
        except (asyncio.CancelledError, ConnectionResetError):
            self.hung_up.set()
            raise
        return response


class Line:
    """What the server writes on."""

    def __init__(self, response: web.StreamResponse) -> None:
        self._response = response

    async def write(self, raw: str | bytes) -> None:
        await self._response.write(raw if isinstance(raw, bytes) else raw.encode())
