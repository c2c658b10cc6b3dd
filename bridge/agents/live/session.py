"""One connection to a model that listens and speaks: opened, written to in order, read, closed. No meaning.

What comes in is given out at once, event by event; between large pieces of audio the loop has its turn, however much a
service sends in one message.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence

import aiohttp
import msgspec

from bridge.agents.base import AgentError, Failure
from bridge.agents.live.wire import (
    AnswerNow,
    EncodedSpeech,
    LiveEvent,
    LiveWire,
    Message,
    SessionReady,
    Trouble,
)
from bridge.errors import FailureKind, kind_of_status
from bridge.http import HttpClient, why_unreachable

_MOST_UNSENT = 512
"""Messages; a service that has not read so many does not read at all. Audio comes in ten a second."""
_LONGEST_MESSAGE = 2 * 1024 * 1024
"""Bytes: half a minute of linear audio at once."""
_MOST_NONSENSE = 20
"""Messages that cannot be understood; whoever sends more of them is no such service."""
_MOST_ASIDES = 50
"""Errors that concern no answer and are told of."""
_CLOSE_S = 2.0
_HEARTBEAT_S = 20.0
_SHOWN = 100

FAILURES: dict[FailureKind, Failure] = {
    "auth": Failure.REFUSED,
    "quota": Failure.REFUSED,
    "rejected": Failure.REFUSED,
    "busy": Failure.SERVICE_ERROR,
    "internal": Failure.SERVICE_ERROR,
    "idle": Failure.BROKEN_STREAM,
    "lost": Failure.BROKEN_STREAM,
}


def agent_error(name: str, trouble: Trouble) -> AgentError:
    """Return the failure of an agent that this trouble of its service is."""
    return AgentError(FAILURES[trouble.kind], f"{name}: {trouble.kind}: {trouble.what}", trouble.quoted)


class LiveSession:
    """A wire on a socket. `happened` hears of every event, on the event loop."""

    def __init__(self, wire: LiveWire, http: HttpClient, happened: Callable[[LiveSession, LiveEvent], None]) -> None:
        self.wire = wire
        self.recalled = False
        """It was told what was said before."""
        self.lost: Trouble | None = None
        """Why nothing more can be had of it."""
        self._http = http
        self._happened = happened
        self._unsent: asyncio.Queue[Message] = asyncio.Queue(_MOST_UNSENT)
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._quiet = asyncio.Event()
        self._closed = False
        self._nonsense = self._asides = 0

    @property
    def usable(self) -> bool:
        """Whether it can be asked."""
        return self._ready.done() and not self._closed and self.lost is None

    async def open(self, deadline_s: float) -> None:
        """Connect, and wait until the service has accepted us. Raises AgentError."""
        address = self.wire.address()
        try:
            async with asyncio.timeout(deadline_s):
                self._socket = await self._http.websocket(
                    address.url,
                    headers=address.headers,
                    heartbeat=_HEARTBEAT_S,
                    max_msg_size=_LONGEST_MESSAGE,
                    timeout=aiohttp.ClientWSTimeout(ws_close=_CLOSE_S),
                )
                loop = asyncio.get_running_loop()
                self.send(self.wire.opening())
                self._tasks = [loop.create_task(self._read(self._socket)), loop.create_task(self._write(self._socket))]
                await self._ready
        except aiohttp.WSServerHandshakeError as error:
            trouble = Trouble(kind_of_status(error.status), f"answered {error.status} to the handshake")
            raise agent_error(self.wire.name, trouble) from None
        except (aiohttp.ClientError, OSError) as error:
            self.close()
            late = isinstance(error, TimeoutError)
            what = "no answer in time" if late else why_unreachable(error)
            raise AgentError(Failure.UNREACHABLE, f"{self.wire.name}: lost: {what}") from None
        except BaseException:
            self.close()
            raise

    def send(self, messages: Sequence[Message]) -> None:
        """Queue messages; a service that does not read is lost."""
        for message in messages:
            if self._closed or self.lost is not None:
                return
            try:
                self._unsent.put_nowait(message)
            except asyncio.QueueFull:
                self._lose(Trouble("lost", "does not read what it is sent", fatal=True))

    async def settled(self, deadline_s: float) -> bool:
        """Wait until the model is at work on no answer. False where that takes too long, or the session is lost."""
        try:
            async with asyncio.timeout(deadline_s):
                while self.wire.answering and self.usable:
                    self._quiet.clear()
                    await self._quiet.wait()
        except TimeoutError:
            return False
        return self.usable

    def close(self) -> None:
        """Say goodbye in the background; nothing is told of this session any more."""
        if self._closed:
            return
        self._closed = True
        self._quiet.set()
        for task in self._tasks:
            task.cancel()
        if self._socket is not None and not self._socket.closed:
            self._goodbye = asyncio.get_running_loop().create_task(_goodbye(self._socket))

    async def _read(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        while True:
            message = await socket.receive()
            if message.type not in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY):
                break
            for event in self._understood(message.data):
                await self._give(event)
                if self._closed:
                    return
            self._quiet.set()
        broken = socket.exception()
        said = message.extra if isinstance(message.extra, str) else ""
        self._lose(self.wire.closed(socket.close_code, said if broken is None else str(broken)[:_SHOWN]))

    def _understood(self, raw: str | bytes) -> Sequence[LiveEvent]:
        """The events of a message; of one that makes no sense, that it makes none."""
        try:
            return self.wire.receive(raw)
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            return (self._nonsensical(error),)

    def _nonsensical(self, error: Exception) -> Trouble:
        self._nonsense += 1
        fatal = self._nonsense > _MOST_NONSENSE
        what = f"sent what cannot be understood: {str(error)[:_SHOWN]}"
        return Trouble("internal", what, fatal=fatal, aside=not fatal)

    async def _give(self, event: LiveEvent) -> None:
        match event:
            case SessionReady():
                if not self._ready.done():
                    self._ready.set_result(None)
            case AnswerNow(messages):
                self.send(messages)
            case EncodedSpeech() as encoded:
                await self._decode(encoded)
            case Trouble(fatal=True) as trouble:
                self._lose(trouble)
            case Trouble(aside=False) as trouble if not self._ready.done():
                self._lose(trouble)
            case Trouble(aside=True) as trouble:
                self._asides += 1
                if self._asides <= _MOST_ASIDES:
                    self._tell(trouble)
            case _:
                self._tell(event)

    async def _decode(self, encoded: EncodedSpeech) -> None:
        parts = encoded.parts()
        while True:
            await asyncio.sleep(0)
            try:
                part = next(parts, None)
            except ValueError as error:
                await self._give(self._nonsensical(error))
                return
            if part is None:
                return
            self._tell(part)

    async def _write(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        try:
            while True:
                message = await self._unsent.get()
                await socket.send_str(msgspec.json.encode(message).decode())
        except (aiohttp.ClientError, OSError):
            pass  # whoever reads notices, too

    def _tell(self, event: LiveEvent) -> None:
        if not self._closed:
            self._happened(self, event)

    def _lose(self, trouble: Trouble) -> None:
        if self.lost is not None or self._closed:
            return
        self.lost = trouble
        if not self._ready.done():
            self._ready.set_exception(agent_error(self.wire.name, trouble))
            self._ready.exception()  # it may be that nobody waits for it any more
        self._quiet.set()
        self._tell(trouble)
        self.close()


async def _goodbye(socket: aiohttp.ClientWebSocketResponse) -> None:
    with contextlib.suppress(aiohttp.ClientError, OSError):
        await socket.close()
