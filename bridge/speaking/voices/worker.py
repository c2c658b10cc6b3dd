"""The provider that is one speech worker: warm sockets that carry many streams each, and are made anew when lost.

Programs of the speech API have a socket of their own, opened for the first of them: what they send uses up no caller's
share of text, and what they do not read makes nobody else wait.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import aiohttp

from bridge.errors import BadMessage, VoiceError
from bridge.http import HttpClient, OpenClient
from bridge.speaking.voices.base import SpeechListener, SpeechRequest, SpeechStream
from bridge.worker.protocol import Ready
from bridge.worker.protocol_client import ProtocolClient

log = logging.getLogger(__name__)

_RECONNECT_S = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0)
_HANDSHAKE_S = 5.0
_KEEP_ALIVE_S = 10.0


class _Socket:
    """One warm connection, made anew for as long as the provider lives."""

    def __init__(self, outgoing: asyncio.Queue[str]) -> None:
        self.outgoing = outgoing
        self.client = ProtocolClient(outgoing.put_nowait)
        self.welcomed = False
        """The worker has greeted on the latest connection."""

    async def write(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        """Send what is queued, until cancelled."""
        with contextlib.suppress(ConnectionError):
            while True:
                await socket.send_str(await self.outgoing.get())


class WorkerProvider:
    """Speech made by the worker at this address: `ws://host:port`, `http://host:port` or `unix:/path`."""

    reads_written_text = True
    """It says written text as the bridge does (`bridge.text.spoken`), and knows pronunciations besides."""

    def __init__(
        self, address: str, *, token: str = "", sockets: int = 1, open_client: OpenClient = HttpClient
    ) -> None:
        self.name = address
        self.default_voice = ""
        self.voices: Mapping[str, str] = MappingProxyType({})
        self.counts: Counter[str] = Counter()
        self._token = token
        self._sockets = [_Socket(asyncio.Queue()) for _ in range(max(1, sockets))]
        self._tenants: _Socket | None = None
        self._changed: Callable[[], None] = lambda: None
        self._tasks: list[asyncio.Task[None]] = []
        self._open_client = open_client
        self._unix = address.removeprefix("unix:").replace("//", "", 1) if address.startswith("unix:") else ""
        self._http: HttpClient | aiohttp.ClientSession | None = None

    @property
    def usable(self) -> bool:
        """Whether it is connected, and takes new streams."""
        return any(socket.client.usable for socket in self._sockets)

    async def start(self, changed: Callable[[], None]) -> None:
        """Begin to connect; returns at once."""
        self._changed = changed
        if self._unix:
            self._http = aiohttp.ClientSession(connector=aiohttp.UnixConnector(self._unix))
        else:
            self._http = self._open_client()
        self._tasks = [asyncio.ensure_future(self._keep(socket)) for socket in self._sockets]

    async def close(self) -> None:
        """End all streams and disconnect."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for socket in self._all:
            socket.client.lose("the service is closing")
        if self._http:
            await self._http.close()

    def open(self, request: SpeechRequest, listener: SpeechListener) -> SpeechStream:
        """Begin a stream on the least loaded socket. Raises VoiceError when none is there."""
        own = [self._tenants_socket()] if request.priority == "tenant" else []
        clients = [socket.client for socket in own if socket.client.usable]
        clients = clients or [socket.client for socket in self._sockets if socket.client.usable]
        if not clients:
            raise VoiceError(f"worker {self.name} is not connected", "lost")
        return min(clients, key=lambda client: len(client.streams)).open(request, listener)

    def stats(self) -> dict[str, float]:
        """Return the counters of this worker's connections."""
        return {**self.counts, "connected": sum(socket.client.usable for socket in self._all)}

    @property
    def _all(self) -> list[_Socket]:
        return self._sockets if self._tenants is None else [*self._sockets, self._tenants]

    def _tenants_socket(self) -> _Socket:
        """The socket of the speech API, which is not there yet when the first of its streams is opened."""
        if self._tenants is None:
            self._tenants = _Socket(asyncio.Queue())
            if self._http is not None:
                self._tasks.append(asyncio.ensure_future(self._keep(self._tenants)))
        return self._tenants

    async def _keep(self, socket: _Socket) -> None:
        attempt = 0
        headers = {"Authorization": f"Bearer {self._token}"} if self._token else {}
        while True:
            reason = "the worker closed the socket"
            try:
                await self._serve(socket, headers)
            except (OSError, aiohttp.ClientError, TimeoutError) as error:
                reason = str(error) or type(error).__name__
            except BadMessage as error:
                self.counts["bad_messages"] += 1
                reason = str(error)
            attempt = 0 if socket.welcomed else attempt + 1
            self.counts["disconnected"] += 1
            socket.client.lose(f"worker {self.name}: {reason}")
            (log.warning if attempt in (0, 3) else log.debug)("worker %s: %s", self.name, reason)
            self._changed()
            await asyncio.sleep(_RECONNECT_S[min(attempt, len(_RECONNECT_S) - 1)])

    async def _serve(self, socket: _Socket, headers: Mapping[str, str]) -> None:
        """Serve one connection until it ends. Raises OSError, ClientError, TimeoutError or BadMessage."""
        socket.welcomed, socket.client.draining = False, False
        while not socket.outgoing.empty():
            socket.outgoing.get_nowait()
        async with asyncio.timeout(_HANDSHAKE_S) as handshake:
            connection = await self._connect(headers)
            writer = asyncio.ensure_future(socket.write(connection))
            try:
                async for message in connection:
                    if message.type not in (aiohttp.WSMsgType.BINARY, aiohttp.WSMsgType.TEXT):
                        continue
                    told = socket.client.receive(message.data)
                    if isinstance(told, Ready):
                        handshake.reschedule(None)
                        socket.welcomed = True
                        self._welcome(told)
                    elif told is not None:
                        self._changed()
            finally:
                writer.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await writer
                await connection.close()

    async def _connect(self, headers: Mapping[str, str]) -> aiohttp.ClientWebSocketResponse:
        options: dict[str, Any] = {"headers": headers, "heartbeat": _KEEP_ALIVE_S, "max_msg_size": 0, "compress": 0}
        if isinstance(self._http, HttpClient):
            return await self._http.websocket(self.name, **options)
        assert self._http is not None
        socket: aiohttp.ClientWebSocketResponse = await self._http.ws_connect("ws://worker/", **options)
        return socket

    def _welcome(self, ready: Ready) -> None:
        self.default_voice = ready.default_voice
        self.voices = MappingProxyType({voice: ready.models.get(voice, "unknown") for voice in ready.voices})
        self._changed()
