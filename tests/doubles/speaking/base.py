"""What the doubles of hosted voices share: a real server, words with a sound of their own, and misbehaviour on order.

A vendor's own module speaks its wire. It is written from the vendor's documentation, and where the vendor has a Python
client, that client has understood it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Literal

import aiohttp
import numpy as np
from aiohttp import web
from aiohttp.test_utils import TestServer

from bridge.audio.mulaw import decode
from tests.speaking.doubles import WORD_BYTES, WORD_MS, sound_of
from tests.speaking.provider_contract import Fault

KEY = "vendor-key"
Manner = Literal["well", "slow", "silent", "gap"]
"""When it speaks: as it should, `slow_s` late, never, or never again after some words."""
Ending = Literal["once", "missing", "twice", "slow", "late"]
"""How often it says that a text was spoken, `slow_s` after the audio, or that it sends more audio after saying so."""
Placing = Literal["with", "early", "late", "never"]
"""When it says where words lie: each with its audio, all before any audio, all after it, or not at all."""


_socket: ContextVar[web.WebSocketResponse] = ContextVar("socket")
"""That on which the text under way was asked for."""
_head: ContextVar[bytes] = ContextVar("head", default=b"")
"""What is to come before the samples of the text under way."""

Saying = Callable[[], Coroutine[Any, Any, None]]


class Misbehaves(Exception):
    """The double does what it was told to do wrong."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault)
        self.fault = fault


@dataclass(frozen=True)
class Orders:
    """How a text is treated whose stream was opened under these orders."""

    fault: Fault = "well"
    after_words: int = 0
    manner: Manner = "well"
    mid_word: bool = False
    """With `lost`: half of the next word is still heard."""
    close: tuple[int, str] | None = None
    """Where there is a socket: it is closed with this code and reason after so many words."""


def sound(word: str, encoding: Literal["mulaw", "pcm"] = "mulaw", rate_hz: int = 8000) -> bytes:
    """200 ms that belong to this word alone; linear16 is the same square wave at its rate."""
    ulaw = sound_of(word)
    if encoding == "mulaw":
        return ulaw
    linear: bytes = np.repeat(np.asarray(decode(ulaw)), rate_hz // 8000).astype("<i2").tobytes()
    return linear


class SpeakingDouble:
    """A vendor's service on a port of its own, which says each word in 200 ms."""

    path = "/"
    word_ms = WORD_MS
    its_idle_s = 0.0
    """The vendor's limit, where one is documented."""

    def __init__(self) -> None:
        self.orders = Orders()
        self.schedule: list[Orders] = []
        """For the texts that come next, one each, before `orders` count."""
        self.ending: Ending = "once"
        self.placing: Placing = "with"
        self.pace = 0.0
        """Words come so many times as fast as they are spoken; 0: as fast as they can be sent."""
        self.head = b""
        """Put before the samples of a text."""
        self.idle_s = self.its_idle_s
        """A socket on which nothing is said to it for so long is closed; 0: never."""
        self.most: int | None = None
        """More at once are refused: texts, or connections where each has but one."""
        self.slow_s = 0.6
        self.piece = WORD_BYTES
        """Bytes of audio in one message."""
        self.refuses: int | None = None
        """Answer handshakes with this status."""
        self.texts: list[str] = []
        """Every text that was to be spoken, in order."""
        self.cancelled = 0
        self.opened = self.idled = 0
        self._halve = self._halved = False
        self._hold: asyncio.Event | None = None
        self._sockets: set[web.WebSocketResponse] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._forever = asyncio.Event()

    @contextlib.asynccontextmanager
    async def serve(self) -> AsyncIterator[str]:
        """The address while it runs, without a slash at its end."""
        app = web.Application()
        self.routes(app)
        server = TestServer(app)
        await server.start_server()
        try:
            yield str(server.make_url("")).rstrip("/")
        finally:
            self.release()
            for task in self._tasks:
                task.cancel()
            await server.close()

    # ---- on order -----------------------------------------------------------------------------------------------

    def misbehave(self, fault: Fault, after_words: int) -> None:
        self.orders = Orders(fault, after_words)

    def next_orders(self) -> Orders:
        """How the text is treated that is being opened."""
        return self.schedule.pop(0) if self.schedule else self.orders

    def hold(self) -> None:
        self._hold = asyncio.Event()

    def release(self) -> None:
        if self._hold is not None:
            self._hold.set()

    def settings(self, url: str, **others: Any) -> Any:
        """The settings of a voice that is here."""
        raise NotImplementedError

    # ---- the service --------------------------------------------------------------------------------------------

    def routes(self, app: web.Application) -> None:
        app.router.add_get(self.path, self.handle)

    def authorised(self, request: web.Request) -> bool:
        return request.headers.get("Authorization") in (f"Bearer {KEY}", f"Token {KEY}", f"Basic {KEY}")

    def refusal(self, request: web.Request) -> str:
        """What is wrong with a handshake, as far as the vendor says so; empty: nothing."""
        return ""

    async def converse(self, socket: web.WebSocketResponse, request: web.Request) -> None:
        raise NotImplementedError

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if self.refuses is not None:
            return web.Response(status=self.refuses, headers={"Retry-After": "2"})
        if not self.authorised(request):
            return web.Response(status=401, text="unauthorised")
        if wrong := self.refusal(request):
            return web.Response(status=400, text=wrong, headers={"dg-error": wrong})
        self.opened += 1
        socket = web.WebSocketResponse(max_msg_size=0)
        await socket.prepare(request)
        self._sockets.add(socket)
        _socket.set(socket)
        try:
            await self.converse(socket, request)
        except ConnectionError:
            pass
        finally:
            self._sockets.discard(socket)
        return socket

    async def messages(self, socket: web.WebSocketResponse) -> AsyncIterator[aiohttp.WSMessage]:
        """What the client says, until it hangs up or has said nothing for too long."""
        while True:
            try:
                message = await socket.receive(timeout=self.idle_s or None)
            except TimeoutError:
                self.idled += 1
                await self.idle(socket)
                return
            if message.type not in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY):
                return
            yield message

    async def idle(self, socket: web.WebSocketResponse) -> None:
        """Say goodbye to a client that says nothing."""
        await socket.close(code=1000)

    async def dies(self) -> None:
        """Cut every connection without a goodbye, and refuse new ones."""
        self.refuses = 503
        for socket in list(self._sockets):
            self.cut(socket)

    def cut(self, socket: web.WebSocketResponse) -> None:
        assert socket._req is not None
        if socket._req.transport is not None:
            socket._req.transport.abort()

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        async def quietly() -> None:
            with contextlib.suppress(ConnectionError):
                await work

        task = asyncio.get_running_loop().create_task(quietly())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def spoken(self, text: str, orders: Orders) -> AsyncIterator[tuple[int, str]]:
        """Its words, each when it is to be said. Raises Misbehaves."""
        if orders.manner == "slow":
            await asyncio.sleep(self.slow_s)
        if orders.manner == "silent":
            await self._forever.wait()
        _head.set(self.head)
        for index, word in enumerate(text.split()):
            if self.pace and index:
                await asyncio.sleep(self.word_ms / 1000 / self.pace)
            if orders.close is not None and index >= orders.after_words:
                code, reason = orders.close
                await _socket.get().close(code=code, message=reason.encode())
                raise ConnectionResetError
            if orders.fault != "well" and orders.manner == "slow":
                await asyncio.sleep(0.02)  # or what was sent already would be lost, too
            if self._halved:
                self._halved = False
                raise Misbehaves("lost")
            self._halve = orders.mid_word and index >= orders.after_words
            if orders.fault != "well" and index >= orders.after_words and not orders.mid_word:
                raise Misbehaves(orders.fault)
            if orders.manner == "gap" and index >= orders.after_words:
                await self._forever.wait()
            yield index, word
            if self._hold is not None and not index:
                await self._hold.wait()

    async def parts(self, text: str, orders: Orders) -> AsyncIterator[tuple[int, str, bool, bool]]:
        """Its words, each with whether to say where it lies and whether to sound it. Raises Misbehaves."""
        words = list(enumerate(text.split()))
        for index, word in words if self.placing == "early" else ():
            yield index, word, True, False
        async for index, word in self.spoken(text, orders):
            yield index, word, self.placing == "with", True
        for index, word in words if self.placing == "late" else ():
            yield index, word, True, False

    def cut_up(self, audio: bytes) -> list[bytes]:
        audio = _head.get() + audio
        _head.set(b"")
        if self._halve:
            self._halve, self._halved = False, True
            audio = audio[: len(audio) // 2]
        return [audio[at : at + self.piece] for at in range(0, len(audio), self.piece)]

    async def ends(self, done: Saying, late: Saying) -> None:
        """Say that a text was spoken: once, not at all, twice, or with more audio after it."""
        if self.ending == "missing":
            return
        if self.ending == "slow":
            await asyncio.sleep(self.slow_s)
        await done()
        if self.ending == "twice":
            await done()
        elif self.ending == "late":
            await late()
