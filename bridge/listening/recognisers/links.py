"""How a `WireStream` reaches its service: a link is opened into a channel, over which messages go both ways."""

from __future__ import annotations

import asyncio
from typing import NamedTuple, Protocol
from urllib.parse import urlsplit

import aiohttp
import msgspec

from bridge.http import HttpClient
from bridge.listening.recognisers.base import StreamFailed
from bridge.listening.recognisers.wire import Address, Message, refused

LARGEST_MESSAGE = 256 * 1024
_LARGEST_ANSWER = 64 * 1024


class LinkFailed(Exception):
    """There is no channel, or none any more; `failure` says why."""

    def __init__(self, failure: StreamFailed) -> None:
        super().__init__(failure.reason)
        self.failure = failure


class Closed(NamedTuple):
    """The service has closed the channel."""

    code: int | None
    reason: str


class Channel(Protocol):
    """An open connection. `send` and `receive` raise LinkFailed, aiohttp.ClientError or OSError when it breaks."""

    async def send(self, message: Message) -> None:
        """Send one message to the service."""

    async def receive(self) -> Message | Closed:
        """Wait for the service's next message."""

    async def close(self) -> None:
        """Hang up; this may be called again."""


class Link(Protocol):
    """The way to a service, for one call."""

    @property
    def where(self) -> str:
        """The address without what may be secret in it."""

    @property
    def connect_s(self) -> float:
        """The longest that connecting may take."""

    async def open(self) -> Channel:
        """Connect. Raises LinkFailed, aiohttp.ClientError, OSError or TimeoutError."""


class WebSocketLink(NamedTuple):
    """The way to a service with WebSockets."""

    http: HttpClient | None
    address: Address
    connect_s: float

    @property
    def where(self) -> str:
        """The address without what may be secret in it."""
        parts = urlsplit(self.address.url)
        return f"{parts.scheme}://{parts.netloc}{parts.path}"

    async def open(self) -> Channel:
        """Connect, after asking for the socket's address where the service wants that."""
        http, address = self.http, self.address
        if http is None:
            raise LinkFailed(StreamFailed("internal", "the recogniser is not loaded"))
        try:
            async with asyncio.timeout(self.connect_s):
                url = address.url if address.post is None else await _asked_for_url(http, address)
                socket = await http.websocket(
                    url,
                    headers=address.headers if address.post is None else {},
                    max_msg_size=LARGEST_MESSAGE,
                    autoping=True,
                    timeout=aiohttp.ClientWSTimeout(ws_close=1.0),
                )
        except aiohttp.WSServerHandshakeError as error:
            said = error.headers.get("dg-error", "") if error.headers else ""
            raise LinkFailed(refused(error.status, said)) from None
        return _WebSocket(socket)


class _WebSocket:
    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket

    async def send(self, message: Message) -> None:
        if isinstance(message, str):
            await self._socket.send_str(message)
        else:
            await self._socket.send_bytes(message)

    async def receive(self) -> Message | Closed:
        message = await self._socket.receive()
        if message.type in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY):
            data: Message = message.data
            return data
        if message.type is aiohttp.WSMsgType.ERROR:
            if getattr(message.data, "code", None) == aiohttp.WSCloseCode.MESSAGE_TOO_BIG:
                raise LinkFailed(StreamFailed("internal", f"sent a message of more than {LARGEST_MESSAGE} bytes"))
            raise LinkFailed(StreamFailed("lost", f"the connection broke: {type(message.data).__name__}"))
        return Closed(self._socket.close_code, message.extra if isinstance(message.extra, str) else "")

    async def close(self) -> None:
        await self._socket.close()


class _Session(msgspec.Struct):
    url: str


async def _asked_for_url(http: HttpClient, address: Address) -> str:
    """Begin a session by POST, and return the address of its WebSocket. Raises LinkFailed."""
    headers = {**address.headers, "Content-Type": "application/json"}
    async with await http.request("POST", address.url, data=address.post, headers=headers) as answer:
        if answer.status >= 300:
            raise LinkFailed(refused(answer.status))
        body = await answer.content.read(_LARGEST_ANSWER)
    try:
        return msgspec.json.decode(body, type=_Session).url
    except msgspec.MsgspecError as error:
        raise LinkFailed(StreamFailed("internal", f"sent a bad answer: {str(error)[:120]}")) from None
