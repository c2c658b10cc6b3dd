"""One call's WebSocket to a ConversationRelay application: opened, kept, opened again, closed. No meaning.

What is sent is queued and written in order; when the application does not read, or does not answer pings, the link is
lost. `LinkEvents` hears of everything, on the event loop.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from typing import Protocol

import aiohttp

from bridge.agents.base import AgentError, Failure
from bridge.agents.outages import Outage, ServiceAway, refused_with
from bridge.http import HttpClient, why_unreachable

_MOST_UNSENT = 256
"""Messages; an application that has not read so many does not read at all."""
_LONGEST_MESSAGE = 256 * 1024
_CLOSE_S = 2.0
_ORDERLY = (aiohttp.WSCloseCode.OK, aiohttp.WSCloseCode.GOING_AWAY)


class LinkEvents(Protocol):
    """Who hears of what happens on a link."""

    async def received(self, raw: str | bytes) -> None:
        """A message has come; the next one is read when this returns."""
        ...

    def reopened(self) -> list[str]:
        """The application was reached again; returns what to send it first."""
        ...

    def lost(self, why: str, *, orderly: bool) -> None:
        """The link is closed for good; `orderly`: the application said that it closes."""
        ...


async def connect(
    http: HttpClient, url: str, headers: Mapping[str, str], deadline_s: float, heartbeat_s: float
) -> aiohttp.ClientWebSocketResponse:
    """Open a socket to an application. Raises AgentError when it cannot be had."""
    try:
        async with asyncio.timeout(deadline_s):
            return await http.websocket(
                url,
                headers=headers,
                heartbeat=heartbeat_s,
                max_msg_size=_LONGEST_MESSAGE,
                timeout=aiohttp.ClientWSTimeout(ws_close=_CLOSE_S),
            )
    except aiohttp.WSServerHandshakeError as error:
        raise refused_with(error.status, f"the application at {url} answered {error.status} to the handshake") from None
    except TimeoutError:
        raise AgentError(Failure.UNREACHABLE, f"the application at {url}: no answer in time") from None
    except (aiohttp.ClientError, OSError) as error:
        raise ServiceAway(Failure.UNREACHABLE, f"the application at {url}: {why_unreachable(error)}") from None


class RelayLink:
    """A socket to one application, for one call."""

    def __init__(
        self,
        url: str,
        headers: Mapping[str, str],
        http: HttpClient,
        events: LinkEvents,
        *,
        connect_deadline_s: float,
        heartbeat_s: float,
        reconnect: bool,
        outage: Outage,
    ) -> None:
        self._url = url
        self._headers = headers
        self._http = http
        self._events = events
        self._connect_deadline_s = connect_deadline_s
        self._heartbeat_s = heartbeat_s
        self._reconnect = reconnect
        self._outage = outage
        self._unsent: asyncio.Queue[str] = asyncio.Queue(_MOST_UNSENT)
        self._running: asyncio.Task[None] | None = None
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self.closed = False

    async def open(self, first: str) -> None:
        """Reach the application, which may be away for a moment, and send it this. Raises AgentError."""
        self._running = asyncio.get_running_loop().create_task(self._run(await self._reach(), [first]))

    async def _reach(self) -> aiohttp.ClientWebSocketResponse:
        """A socket to the application, which may be away for a moment. Raises AgentError."""
        waits_s = self._outage.waits_s()
        while True:
            try:
                socket = await self._connect()
                self._outage.over()
                return socket
            except ServiceAway:
                wait_s = next(waits_s, None)
                if wait_s is None:
                    raise
            await asyncio.sleep(wait_s)

    async def _connect(self) -> aiohttp.ClientWebSocketResponse:
        return await connect(self._http, self._url, self._headers, self._connect_deadline_s, self._heartbeat_s)

    @property
    def opened(self) -> bool:
        """Whether the application was reached once, and the link is not given up."""
        return self._running is not None and not self.closed

    def send(self, message: str) -> None:
        """Queue a message; an application that has not read the last hundreds of them is lost."""
        if self.closed:
            return
        try:
            self._unsent.put_nowait(message)
        except asyncio.QueueFull:
            self.give_up("does not read what it is sent", orderly=False)

    def close(self) -> None:
        """Say goodbye in the background; nothing is told of this link any more."""
        self.closed = True
        if self._running is not None:
            self._running.cancel()

    async def _run(self, socket: aiohttp.ClientWebSocketResponse, first: list[str]) -> None:
        """Serve one socket after the other, as long as the application can be reached."""
        try:
            while True:
                self._socket = socket
                await self._serve(socket, first)
                if socket.close_code == aiohttp.WSCloseCode.OK or not self._reconnect:
                    break
                try:
                    again = await self._reach()
                except AgentError:
                    break
                while not self._unsent.empty():  # what was not answered is told anew, sent or not
                    self._unsent.get_nowait()
                socket, first = again, self._events.reopened()
        finally:
            await _say_goodbye(socket)
        why = "closed" if socket.close_code in _ORDERLY else f"broke off with close code {socket.close_code}"
        self.give_up(f"{why} the session", orderly=socket.close_code in _ORDERLY)

    async def _serve(self, socket: aiohttp.ClientWebSocketResponse, first: list[str]) -> None:
        """Read and write until the socket is closed."""
        writer = asyncio.get_running_loop().create_task(self._write(socket, first))
        try:
            async for message in socket:
                if message.type in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY):
                    await self._events.received(message.data)
        finally:
            writer.cancel()

    async def _write(self, socket: aiohttp.ClientWebSocketResponse, first: list[str]) -> None:
        try:
            for message in first:
                await socket.send_str(message)
            while True:
                await socket.send_str(await self._unsent.get())
        except (aiohttp.ClientError, OSError):
            pass  # whoever reads notices, too

    def give_up(self, why: str, *, orderly: bool) -> None:
        """Close the link, since the application does this: the session is over, and whoever holds it is told."""
        if self.closed:
            return
        self.close()
        self._events.lost(f"the application at {self._url} {why}", orderly=orderly)


async def _say_goodbye(socket: aiohttp.ClientWebSocketResponse) -> None:
    """Close the socket, whatever has become of it."""
    with contextlib.suppress(aiohttp.ClientError, OSError):
        await asyncio.shield(socket.close())
