"""Calls told to servers elsewhere as they go: analytics, a second transcript, whoever supervises.

Each call has a socket of its own to each server. One that is slow or away loses the oldest sound, which is counted, and
the call notices nothing; one that breaks off is opened again, under another stream's name, while its call goes on.
"""

from __future__ import annotations

import asyncio
import logging
import random
import secrets
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from urllib.parse import urlsplit

import aiohttp

from bridge import variables
from bridge.audio.mulaw import RATE_HZ
from bridge.call.commands import Command
from bridge.call.events import Event
from bridge.carriers.one_way import ForkedFacts, OneWayStream
from bridge.http import HttpClient, OpenClient
from bridge.telemetry import logs
from bridge.telemetry.metrics import Metrics
from bridge.telemetry.settings import ForkSettings

logger = logging.getLogger(__name__)

_MOST_WAITING = 10 * RATE_HZ
"""Samples of a call that wait for a server that is slow or away."""
_OPENS_S = 5.0
_LAST_S = 2.0
"""How long a server may take to read the rest of a call that is over."""
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 30.0
_ENOUGH = frozenset({aiohttp.WSCloseCode.OK, aiohttp.WSCloseCode.POLICY_VIOLATION})
"""With these codes a server says that it does not want the rest of the call."""


class CallFork:
    """One call's way to one server, a tap of its session: its methods never wait."""

    def __init__(self, fork: MediaFork, facts: ForkedFacts) -> None:
        self._fork = fork
        self._facts = facts
        self._waiting: deque[tuple[int, bytes, bytes]] = deque()
        self._samples = 0
        self._news = asyncio.Event()
        self._over = False

    def sound(self, place: int, caller: bytes, ours: bytes) -> None:
        """Queue both tracks; beyond the limit the oldest sound is lost."""
        self._waiting.append((place, caller, ours))
        self._samples += len(caller)
        while self._samples > _MOST_WAITING:
            self._lose(self._waiting.popleft())
        self._news.set()

    def moment(self, at: float, event: Event, commands: Sequence[Command]) -> None:
        """A one-way stream has no word for anything but sound."""

    def ended(self) -> None:
        """The call is over: tell the rest, and close."""
        self._over = True
        self._news.set()

    async def run(self) -> None:
        """Tell the call to its end, or until the server has had enough."""
        pause_s = _FIRST_PAUSE_S
        try:
            while True:
                if await self._told_to_the_end():
                    return
                if self._over:
                    return
                await asyncio.sleep(pause_s * self._fork.chance())
                pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
        finally:
            while self._waiting:
                self._lose(self._waiting.popleft())

    async def _told_to_the_end(self) -> bool:
        """Open a socket and tell what comes; False where that broke off."""
        try:
            async with asyncio.timeout(_OPENS_S):
                socket = await self._fork.open()
        except (aiohttp.ClientError, OSError) as error:
            self._fork.failed("unreachable", self._facts.call_id, error)
            return False
        telling = asyncio.create_task(self._tell(socket))
        listening = asyncio.create_task(_hear_out(socket))
        try:
            await asyncio.wait({telling, listening}, return_when=asyncio.FIRST_COMPLETED)
            if telling.done() and telling.exception() is None:
                return True
            if socket.close_code in _ENOUGH:
                logs.event(logger, "fork has had enough", call=self._facts.call_id, to=self._fork.name)
                return True
            self._fork.failed("broke off", self._facts.call_id, telling.exception() if telling.done() else None)
            return False
        finally:
            for task in (telling, listening):
                task.cancel()
            await asyncio.gather(telling, listening, return_exceptions=True)
            await socket.close()

    async def _tell(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        stream = OneWayStream(self._facts, f"MZ{secrets.token_hex(16)}", self._fork.settings.tracks)
        for message in stream.start():
            await socket.send_str(message)
        while True:
            while self._waiting:
                piece = self._waiting.popleft()
                self._samples -= len(piece[1])
                for message in stream.sound(*piece):
                    await socket.send_str(message)
            if self._over:
                break
            self._news.clear()
            await self._news.wait()
        for message in stream.stop():
            await socket.send_str(message)

    def _lose(self, piece: tuple[int, bytes, bytes]) -> None:
        self._samples -= len(piece[1])
        self._fork.metrics.fork_losses.inc(len(piece[1]) / RATE_HZ)


async def _hear_out(socket: aiohttp.ClientWebSocketResponse) -> None:
    """Take what a server says that should say nothing, until it closes."""
    async for _ in socket:
        pass


class MediaFork:
    """One server that calls are told to. Raises ConfigError for a token that cannot be sent.

    `chance` is 0..1, so that not all calls come back to a server at once.
    """

    def __init__(
        self,
        settings: ForkSettings,
        environ: Mapping[str, str],
        metrics: Metrics,
        http: HttpClient,
        *,
        chance: Callable[[], float] = random.random,
    ) -> None:
        token = variables.header(settings.token_env, environ)
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._http = http
        self._calls: set[asyncio.Task[None]] = set()
        self.settings = settings
        self.metrics = metrics
        self.chance = chance
        self.name = urlsplit(settings.url).hostname or ""

    def open_call(self, facts: ForkedFacts) -> CallFork:
        """Begin to tell this call."""
        call = CallFork(self, facts)
        task = asyncio.get_running_loop().create_task(call.run(), name="fork")
        self._calls.add(task)
        task.add_done_callback(self._calls.discard)
        return call

    async def open(self) -> aiohttp.ClientWebSocketResponse:
        """Open a socket to the server. Raises aiohttp.ClientError, OSError or TimeoutError."""
        return await self._http.websocket(self.settings.url, headers=self._headers, max_msg_size=65_536)

    def failed(self, why: str, call_id: str, error: BaseException | None) -> None:
        """Count a socket that could not be opened, or broke off."""
        self.metrics.fork_failures.labels(why).inc()
        told = "" if error is None else str(error) or type(error).__name__
        logs.event(logger, "fork failed", logging.WARNING, call=call_id, to=self.name, why=why, error=told[:200])

    async def close(self) -> None:
        """Let the calls that are over be told to their end, for a moment, and let go of the connections."""
        if self._calls:
            await asyncio.wait(self._calls, timeout=_LAST_S)
        for task in self._calls:
            task.cancel()
        await asyncio.gather(*self._calls, return_exceptions=True)
        await self._http.close()


def open_forks(
    settings: Sequence[ForkSettings], environ: Mapping[str, str], metrics: Metrics, open_client: OpenClient
) -> tuple[MediaFork, ...]:
    """One fork for each server that the configuration names. Raises ConfigError."""
    return tuple(MediaFork(one, environ, metrics, open_client()) for one in settings)
