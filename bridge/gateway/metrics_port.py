"""`GET /metrics`, for the operator alone: on an address of its own, or for whoever brings the token.

A page takes milliseconds to write, so that it is written once a second at most, however often it is asked for.
"""

from __future__ import annotations

import asyncio
import hmac
import time
from collections.abc import Callable

import msgspec
from aiohttp import web

from bridge.errors import ConfigError
from bridge.gateway.settings import MetricsSettings
from bridge.system.connections import Connections, LimitedSite, limits_of_requests
from bridge.system.settings import ConnectionSettings
from bridge.telemetry.metrics import CONTENT_TYPE, Metrics

KEPT_S = 1.0
MOST_CONNECTIONS = 128
"""At the same time, to the page's own port: what reads it are a few programs."""
_BACKLOG = 64


class MetricsPage:
    """The page, on the service's port where that is allowed, and on one of its own."""

    def __init__(
        self,
        settings: MetricsSettings,
        metrics: Metrics,
        *,
        token: str = "",
        open_to_all: bool = False,
        clock: Callable[[], float] = time.monotonic,
        connections: ConnectionSettings | None = None,
    ) -> None:
        few = connections or ConnectionSettings()
        self.limits = Connections(
            msgspec.structs.replace(few, most=min(few.most, MOST_CONNECTIONS)),
            lambda why: metrics.connections_refused.labels(why).inc(),
        )
        """Of the page's own port: those of the service's port, for fewer connections."""
        self._settings = settings
        self._metrics = metrics
        self._token = token
        self._open_to_all = open_to_all and not token
        self._clock = clock
        self._page = b""
        self._until = 0.0
        self._writing = asyncio.Lock()
        self._runner: web.AppRunner | None = None

    def add_to(self, app: web.Application) -> None:
        """Answer on the service's port, which others can reach: with the token, or in development."""
        if self._token or self._open_to_all:
            app.router.add_get("/metrics", self._public)

    async def start(self, *, reuse_port: bool) -> None:
        """Listen on the page's own port, if it has one. Raises ConfigError."""
        settings = self._settings
        if not settings.port:
            return
        app = web.Application(client_max_size=0, middlewares=[limits_of_requests])
        app.router.add_get("/metrics", self._own)
        app.on_shutdown.append(self.limits.close)
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=1.0)
        await self._runner.setup()
        try:
            site = LimitedSite(
                self._runner, settings.host, settings.port, self.limits, backlog=_BACKLOG, reuse_port=reuse_port
            )
            await site.start()
        except OSError as error:
            await self.stop()
            where = f"{settings.host}:{settings.port}"
            raise ConfigError(f"gateway.metrics: cannot listen on {where}: {error.strerror or error}") from None

    async def stop(self) -> None:
        """Close the page's own port."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _public(self, request: web.Request) -> web.Response:
        sent = request.headers.get("Authorization", "").encode(errors="surrogateescape")
        if self._token and not hmac.compare_digest(sent, f"Bearer {self._token}".encode()):
            return web.Response(status=401, text="token missing or wrong\n", headers={"WWW-Authenticate": "Bearer"})
        return await self._own(request)

    async def _own(self, _request: web.Request) -> web.Response:
        async with self._writing:
            if self._clock() >= self._until:
                # In a thread: the interpreter lets the loop go on between its lines.
                self._page = await asyncio.to_thread(self._metrics.page)
                self._until = self._clock() + KEPT_S
        return web.Response(body=self._page, headers={"Content-Type": CONTENT_TYPE})
