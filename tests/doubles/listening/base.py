"""What the doubles of recognisers share: a real server, sessions that are written down, and misconduct on order.

A vendor's own side is a class without sockets: messages of the client in, messages of the service out.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from aiohttp import WSMsgType, web
from aiohttp.test_utils import TestServer

from tests.doubles.hearing import Hearing

KEY = "vendor-key"


@dataclass(frozen=True)
class Close:
    """The service closes the connection; without a code it is cut."""

    code: int | None = 1000
    reason: str = ""


Told = dict[str, Any] | str | bytes | Close


@dataclass(frozen=True)
class Says:
    """What a service says, or that it falls silent, once it has heard so much audio, in place of being itself."""

    after_s: float
    told: Told | None = None
    """None: from then on it reads on and says nothing."""


@dataclass
class Session:
    """One connection as the service saw it."""

    query: dict[str, str]
    headers: dict[str, str]
    texts: list[str] = field(default_factory=list)
    audio_s: float = 0.0
    longest: int = 0
    closed: bool = False

    def sent(self, key: str, value: str) -> list[dict[str, Any]]:
        """The client's JSON messages of this kind."""
        told = [json.loads(text) for text in self.texts if text.startswith("{")]
        return [one for one in told if one.get(key) == value]


class Side:
    """The service's end of one connection."""

    idle_s = 0.0
    """Without a message for so long it closes."""

    def __init__(self, session: Session, hearing: Hearing) -> None:
        self.session = session
        self.hearing = hearing

    def opened(self) -> Sequence[Told]:
        return ()

    def text(self, text: str) -> Sequence[Told]:
        return ()

    def audio(self, data: bytes) -> Sequence[Told]:
        return ()

    def idle(self) -> Sequence[Told]:
        return (Close(None),)


class ListeningDouble:
    """A vendor's service on a port of its own. `misconduct[n]` is what its n-th connection meets."""

    path = "/"
    side: type[Side] = Side

    def __init__(self, misconduct: Sequence[Sequence[Says]] = ()) -> None:
        self.sessions: list[Session] = []
        self.refuses: int | None = None
        """Answer handshakes with this status."""
        self.second = 1.0
        """How long its second is: services wait long before they hang up."""
        self.pause_s = 0.5
        self._misconduct = misconduct
        self._sockets: set[web.WebSocketResponse] = set()

    @contextlib.asynccontextmanager
    async def serve(self) -> AsyncIterator[str]:
        """The address while it runs, without a slash at its end."""
        app = web.Application()
        self.routes(app)
        server = TestServer(app)
        await server.start_server()
        self.url = str(server.make_url("")).rstrip("/")
        try:
            yield self.url
        finally:
            await server.close()

    def routes(self, app: web.Application) -> None:
        app.router.add_get(self.path, self.handle)

    def settings(self, url: str) -> Any:
        """The settings of a recogniser that listens here."""
        raise NotImplementedError

    def authorised(self, request: web.Request) -> bool:
        return request.headers.get("Authorization") in (f"Bearer {KEY}", f"Token {KEY}", KEY)

    def refusal(self, request: web.Request) -> str:
        """What is wrong with a handshake, as far as the vendor says so; empty: nothing."""
        return ""

    async def dies(self) -> None:
        """Cut every connection without a goodbye, and refuse new ones."""
        self.refuses = 503
        for socket in list(self._sockets):
            self._cut(socket)

    def _cut(self, socket: web.WebSocketResponse) -> None:
        assert socket._req is not None
        if socket._req.transport is not None:
            socket._req.transport.abort()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if self.refuses is not None:
            return web.Response(status=self.refuses)
        if not self.authorised(request):
            return web.Response(status=401)
        if wrong := self.refusal(request):
            return web.Response(status=400, text=wrong, headers={"dg-error": wrong})
        script = list(self._misconduct[len(self.sessions)]) if len(self.sessions) < len(self._misconduct) else []
        session = Session(dict(request.query), dict(request.headers))
        self.sessions.append(session)
        socket = web.WebSocketResponse(max_msg_size=0)
        await socket.prepare(request)
        self._sockets.add(socket)
        try:
            await self._converse(socket, self.side(session, Hearing(self.pause_s)), script)
        except ConnectionError:
            pass
        finally:
            session.closed = True
            self._sockets.discard(socket)
        return socket

    async def _converse(self, socket: web.WebSocketResponse, side: Side, script: list[Says]) -> None:
        mute = False
        told: Sequence[Told] = side.opened()
        while True:
            for one in told if not mute else ():
                if not await self._say(socket, one):
                    return
            while script and side.hearing.position_s >= script[0].after_s:
                said = script.pop(0).told
                mute = True
                if said is not None and not await self._say(socket, said):
                    return
            try:
                message = await socket.receive(timeout=side.idle_s * self.second if side.idle_s else None)
            except TimeoutError:
                told = side.idle()
                continue
            if message.type is WSMsgType.BINARY:
                side.session.longest = max(side.session.longest, len(message.data))
                told = side.audio(message.data)
            elif message.type is WSMsgType.TEXT:
                side.session.texts.append(message.data)
                told = side.text(message.data)
            else:
                return
            side.session.audio_s = side.hearing.position_s

    async def _say(self, socket: web.WebSocketResponse, told: Told) -> bool:
        """Send one message. False when that was the end."""
        match told:
            case Close(code, reason):
                if code is None:
                    self._cut(socket)
                else:
                    await socket.close(code=code, message=reason.encode())
                return False
            case bytes():
                await socket.send_bytes(told)
            case str():
                await socket.send_str(told)
            case dict():
                await socket.send_str(json.dumps(told))
        return True
