"""The worker and its sockets. Connections speak `bridge.worker.protocol`; engines' runners serve their streams."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import logging
import os
import time
from collections import Counter
from collections.abc import Mapping
from types import MappingProxyType

from aiohttp import WSCloseCode, WSMsgType, web

from bridge import variables
from bridge.audio.formats import FORMATS
from bridge.errors import BadMessage
from bridge.system.connections import limits_of_requests
from bridge.worker import metrics, protocol
from bridge.worker.connection import Connection
from bridge.worker.engines.base import Engine
from bridge.worker.runner import EngineRunner, now
from bridge.worker.settings import WorkerSettings
from bridge.worker.voices import LoadedVoice

log = logging.getLogger(__name__)

NO_TOKEN = "token missing or wrong\n"
FAREWELL_S = 2.0
"""How long all sockets together may take for their closing handshakes when the worker stops."""


class Worker:
    """Voices, their engines' runners, and the connections."""

    def __init__(
        self,
        settings: WorkerSettings,
        voices: dict[str, LoadedVoice],
        refused: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self.settings = settings
        self.voices = voices
        self.refused = refused
        self.default_voice = next(iter(voices))
        self.draining = False
        self.failed = asyncio.Event()
        """Set when the process must be replaced."""
        self.counts: Counter[str] = Counter()
        self.connections: set[Connection] = set()
        engines = dict.fromkeys(voice.engine for voice in voices.values())
        self.runners = {
            engine: EngineRunner(engine, settings.scheduler, settings.step_s, self._hung) for engine in engines
        }
        self._token = variables.header(settings.token_env, os.environ)
        self._idle = asyncio.Event()
        self._started_at = time.time()

    async def start(self) -> None:
        """Warm up the engines and serve."""
        for runner in self.runners.values():
            await runner.start()

    async def close(self) -> None:
        """Stop all engines and their threads."""
        for runner in self.runners.values():
            await runner.close()

    async def drain(self) -> None:
        """Refuse new streams, and give the running ones their time to finish."""
        self.draining = True
        for connection in self.connections:
            connection.send(protocol.Draining())
        self.stream_closed()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self.settings.drain_s):
                await self._idle.wait()
                for connection in list(self.connections):
                    await connection.drained()
        farewells = [
            connection.socket.close(code=WSCloseCode.GOING_AWAY, message=b"draining") for connection in self.connections
        ]
        with contextlib.suppress(TimeoutError):  # one that does not answer is cut off with the server
            async with asyncio.timeout(FAREWELL_S):
                await asyncio.gather(*farewells, return_exceptions=True)

    def runner(self, voice: LoadedVoice) -> EngineRunner:
        """Return the runner of the engine that speaks with this voice."""
        return self.runners[voice.engine]

    def stream_closed(self) -> None:
        """A stream is over; perhaps it was the last."""
        if self.draining and not any(connection.streams for connection in self.connections):
            self._idle.set()

    def refused_connection(self, why: str) -> None:
        """Count a connection that was closed before it was anybody's."""
        self.counts[f"connection_{why}"] += 1

    def _hung(self, engine: Engine) -> None:
        for connection in list(self.connections):
            connection.fail_all(engine, "engine_hung", f"engine {engine.name} does not answer; this worker stops")
        self.failed.set()

    @property
    def ready(self) -> bool:
        """Whether new streams are welcome."""
        return not self.draining and not self.failed.is_set()

    @property
    def streams(self) -> int:
        """Utterances under way on all sockets."""
        return sum(len(connection.streams) for connection in self.connections)

    @property
    def headroom(self) -> float:
        """0 (a stream would be refused, of one voice at least) .. 1 (idle)."""
        moment = now()
        free = min((runner.scheduler.headroom(moment) for runner in self.runners.values()), default=0.0)
        return free if self.ready else 0.0

    # ---- routes -----------------------------------------------------------------------------------------------

    def application(self) -> web.Application:
        """`GET /` is the WebSocket; `/healthz`, `/readyz`, `/stats` and `/metrics` are for operators."""
        app = web.Application(middlewares=[limits_of_requests])
        app.router.add_get("/", self._socket)
        app.router.add_get("/healthz", self._health)
        app.router.add_get("/readyz", self._readiness)
        app.router.add_get("/stats", self._stats)
        app.router.add_get("/metrics", self._metrics)
        return app

    async def _health(self, request: web.Request) -> web.Response:
        failed = self.failed.is_set()
        return web.Response(status=503 if failed else 200, text="an engine hangs\n" if failed else "ok\n")

    async def _readiness(self, request: web.Request) -> web.Response:
        return web.Response(status=200 if self.ready else 503, text="ready\n" if self.ready else "not ready\n")

    def _is_known(self, request: web.Request) -> bool:
        """Whether a request brings the token, where one is set."""
        sent = request.headers.get("Authorization", "").encode(errors="surrogateescape")
        return not self._token or hmac.compare_digest(sent, f"Bearer {self._token}".encode())

    async def _stats(self, request: web.Request) -> web.Response:
        if not self._is_known(request):
            return web.Response(status=401, text=NO_TOKEN)
        moment = now()
        return web.json_response(
            {
                "up_s": round(time.time() - self._started_at, 1),
                "ready": self.ready,
                "sockets": len(self.connections),
                "streams": self.streams,
                "headroom": round(self.headroom, 3),
                "counts": dict(self.counts),
                "engines": {
                    runner.engine.name: vars(runner.counts) | {"backlog_s": runner.scheduler.backlog_s(moment)}
                    for runner in self.runners.values()
                },
            }
        )

    async def _metrics(self, request: web.Request) -> web.Response:
        if not self._is_known(request):
            return web.Response(status=401, text=NO_TOKEN)
        counts = {runner.engine.name: vars(runner.counts) for runner in self.runners.values()}
        page = metrics.page(self.ready, len(self.connections), self.streams, self.headroom, self.counts, counts)
        return web.Response(body=page, headers={"Content-Type": metrics.CONTENT_TYPE})

    async def _socket(self, request: web.Request) -> web.StreamResponse:
        if not self._is_known(request):
            return web.Response(status=401, text=NO_TOKEN)
        if len(self.connections) >= self.settings.sockets:
            return web.Response(status=503, text="too many sockets\n")
        socket = web.WebSocketResponse(
            heartbeat=self.settings.keep_alive_s, max_msg_size=protocol.MESSAGE_BYTES, compress=False
        )
        await socket.prepare(request)
        connection = Connection(self, socket)
        self.connections.add(connection)
        writer = asyncio.create_task(self._write(connection, request.transport))
        try:
            connection.send(self._welcome())
            await self._read(connection)
        finally:
            connection.close()
            self.connections.discard(connection)
            writer.cancel()
        return socket

    def _welcome(self) -> protocol.Ready:
        limits = protocol.Limits(
            text_chars=self.settings.text_chars,
            streams=self.settings.streams_per_socket,
            text_chars_per_s=self.settings.text_chars_per_s,
            text_burst_chars=self.settings.text_burst_chars,
        )
        models = {name: voice.model for name, voice in self.voices.items()}
        return protocol.Ready(protocol.VERSION, list(self.voices), self.default_voice, models, list(FORMATS), limits)

    async def _read(self, connection: Connection) -> None:
        async for message in connection.socket:
            try:
                if message.type is not WSMsgType.TEXT:
                    raise BadMessage("speech protocol: clients send no binary messages")
                connection.receive(message.data)
                await connection.room()
            except BadMessage as error:
                self.counts["bad_sockets"] += 1
                connection.send(protocol.Error("bad_message", str(error)))
                await connection.drained()
                await connection.socket.close(code=WSCloseCode.POLICY_VIOLATION, message=b"bad_message")

    async def _write(self, connection: Connection, transport: asyncio.Transport | None) -> None:
        try:
            await connection.write()
        except (TimeoutError, ConnectionError) as error:
            if isinstance(error, TimeoutError):
                self.counts["slow_readers"] += 1
                log.warning(
                    "a client that has read nothing for %g s is dropped, with %d streams",
                    self.settings.slow_reader_s,
                    len(connection.streams),
                )
            if transport is not None:
                transport.abort()  # a closing handshake would wait for a peer that does not read
