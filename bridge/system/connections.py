"""Connections before they are anybody's: how many there may be, and how long they may take to say what they want.

aiohttp waits for ever for the first line of a request, and for its body. Here a connection has a deadline for the head
of its first request and for every body, counts against its address until it has asked for something, and all together
have a ceiling below what the system allows in descriptors. What is turned away is counted, and costs no more than that:
not later either, when the garbage collector finds it. An exception that knows where it came from refers to itself by
the frames that it went through, and a thousand such requests held the loop for 100 ms; so these forget.
"""

from __future__ import annotations

import asyncio
import socket
from collections import Counter, deque
from collections.abc import Callable
from typing import Any, cast

from aiohttp import StreamReader, web
from aiohttp.http_exceptions import HttpProcessingError, PayloadEncodingError
from aiohttp.typedefs import Handler

from bridge.system.settings import ConnectionSettings
from bridge.system.turns import Turns

RESERVED_DESCRIPTORS = 256
"""For files, workers, models and whatever else a process holds open."""
_MOST_LINES = 4096
"""In what the system hands over at once, 256 KiB at most: no head, body or message of anybody honest has as many."""
_TAKEN_AT_ONCE = 16
_PIECE_BYTES = 4096
"""As many chunks of one byte each take two milliseconds."""


def raise_descriptor_limit() -> int:
    """Allow this process as many descriptors as the system lets it have; how many that is."""
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return 1 << 20
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
            soft = hard
        except (ValueError, OSError):  # a container may forbid even that
            pass
    return (1 << 20) if soft == resource.RLIM_INFINITY else soft


class Connections:
    """The connections of one process.

    `count` is told why one was turned away, `tell_open` how many there are. `is_exempt` says of which addresses many
    may wait: those of trusted proxies.
    """

    def __init__(
        self,
        settings: ConnectionSettings,
        count: Callable[[str], None],
        tell_open: Callable[[int], None] = lambda _open: None,
        is_exempt: Callable[[str], bool] = lambda _address: False,
    ) -> None:
        self.settings = settings
        self.open = 0
        self.most = max(1, min(settings.most, raise_descriptor_limit() - RESERVED_DESCRIPTORS))
        self.silent: Counter[str] = Counter()
        """Of each address, those that have asked for nothing yet."""
        self.idle: Counter[str] = Counter()
        """Of each address, those that may ask again."""
        self.turns = Turns()
        """In which connections begin and say what they want."""
        self.closed = False
        self.leaving = False
        """None is kept open after its answer any more: the next request is to find another process."""
        self._count = count
        self._tell_open = tell_open
        self._is_exempt = is_exempt

    async def close(self, _app: web.Application) -> None:
        """Begin with none any more; to be called when the server that they belong to shuts down."""
        self.closed = True

    def admit(self, address: str) -> bool:
        """Whether one more from this address may stay."""
        if self.open >= self.most:
            self.turned_away("too_many")
            return False
        if self.silent[address] >= self.settings.most_silent_per_address and not self._is_exempt(address):
            self.turned_away("too_many_of_address")
            return False
        return True

    def may_idle(self, address: str) -> bool:
        """Whether one more of this address may be kept open after its answer."""
        if self.leaving:
            return False
        return self.idle[address] < self.settings.most_idle_per_address or self._is_exempt(address)

    def turned_away(self, why: str) -> None:
        """Count a connection that is closed before its time."""
        self._count(why)

    def changed(self, by: int) -> None:
        """One has opened or closed."""
        self.open += by
        self._tell_open(self.open)


class LimitedConnection(web.RequestHandler):
    """One connection under the limits."""

    __slots__ = ("_address", "_begun", "_counted", "_deadline", "_held", "_idles", "_limits", "_peer", "_pieces")

    def __init__(self, server: web.Server, limits: Connections, **options: Any) -> None:
        super().__init__(server, loop=asyncio.get_running_loop(), **options)
        self._limits = limits
        self._address: str | None = None
        """While it has asked for nothing."""
        self._peer = ""
        self._idles = False
        self._counted = False
        self._begun = False
        self._pieces: deque[bytes] = deque()
        """What has come and waits for its turn."""
        self._held = False
        """Nothing more is read until then: what else comes waits with the sender."""
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Turn it away, or give it time to say what it wants."""
        peer = transport.get_extra_info("peername")
        address = str(peer[0]) if isinstance(peer, tuple) and peer else ""
        limits = self._limits
        if not limits.admit(address):
            assert isinstance(transport, asyncio.Transport)
            transport.abort()
            return
        self._counted, self._address, self._peer = True, address, address
        limits.changed(+1)
        limits.silent[address] += 1
        self.transport = cast(asyncio.Transport, transport)
        self._set_deadline(limits.settings.head_s, "slow_head", None)
        limits.turns.do(self._begin)

    def _begin(self) -> None:
        """Be a connection of aiohttp's, unless somebody is no longer there."""
        if not self._counted or self.transport is None:
            return
        if self._limits.closed:
            self.transport.abort()
            return
        self._begun = True
        super().connection_made(self.transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Take a connection that is gone off the counts."""
        if not self._counted:
            return
        self._counted = False
        self._limits.changed(-1)
        self._speaks()
        self._pieces.clear()
        if self._begun:
            super().connection_lost(exc)
        self.transport = None

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Send what is left of an answer; after it the connection is kept open, unless its address has enough."""
        if self._counted and not self._upgraded and not self._idles:
            if self._limits.may_idle(self._peer):
                self._idles = True
                self._limits.idle[self._peer] += 1
            else:
                if not self._limits.leaving:
                    self._limits.turned_away("too_many_idle")
                resp.force_close()  # which the answer says, unless it has begun
                self.close()
        return await super().finish_response(request, resp, start_time)

    def data_received(self, data: bytes) -> None:
        """Take what has come in its turn, but at once what a socket brings, or aiohttp itself has kept."""
        if not data or (self._upgraded and not self._pieces):
            super().data_received(data)
            return
        self._pieces.append(data)
        if len(self._pieces) > 1:
            return
        self._limits.turns.do(self._next_piece)
        if self._pieces and not self._held:
            self._held = True
            self._pause_transport_reading()

    def _next_piece(self) -> None:
        """Take a piece, unless it is HTTP of so many lines or chunks that taking it apart would hold the loop."""
        if not self._pieces:
            return  # the connection was lost meanwhile
        data = self._pieces.popleft()
        # what a media socket brings is masked audio, whose bytes say nothing of lines
        if not self._upgraded and data.count(b"\n") > _MOST_LINES:
            self._limits.turned_away("unreadable")
            self._pieces.clear()
            if self.transport is not None:
                self.transport.close()
            return
        super().data_received(data)
        if self._messages:
            _forget_where(getattr(self._messages[-1][0], "exc", None))  # of what is no HTTP
        if self._pieces:
            self._limits.turns.do(self._next_piece)
        elif self._held:
            self._held = False
            if not self._reading_paused and not self._buffer_paused:
                self._resume_transport_reading()

    def asks(self, body: StreamReader, *, chunked: bool = False) -> None:
        """A request's head is there; its body must come in time, too."""
        self._speaks()
        if chunked:
            # What is left of a body after its answer is thrown away chunk by chunk: of one-byte chunks that is a
            # thousand times the work of the bytes, and holds the loop.
            self._lingering_time = 0.0
        if not body.is_eof():
            self._set_deadline(self._limits.settings.body_s, "slow_body", body)

    def handle_error(
        self, request: web.BaseRequest, status: int = 500, exc: BaseException | None = None, message: str | None = None
    ) -> web.StreamResponse:
        """Answer what went wrong; what a client broke off, or garbled, is counted, and is no error of ours."""
        if isinstance(exc, HttpProcessingError):
            why = "unreadable"
        elif isinstance(exc, PayloadEncodingError | web.RequestPayloadError | ConnectionError) and (
            request.content.exception() is not None
        ):
            why = "broken_body"
        else:
            return super().handle_error(request, status, exc, message)
        _forget_where(exc)
        self._limits.turned_away(why)
        response = web.Response(status=400, text="the request cannot be read\n")
        response.force_close()
        return response

    def _speaks(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        if self._idles:
            self._idles = False
            _one_less(self._limits.idle, self._peer)
        if self._address is not None:
            _one_less(self._limits.silent, self._address)
            self._address = None

    def _set_deadline(self, limit_s: float, why: str, body: StreamReader | None) -> None:
        self._deadline = asyncio.get_running_loop().call_later(limit_s, self._late, why, body)

    def _late(self, why: str, body: StreamReader | None) -> None:
        self._deadline = None
        if body is not None and body.is_eof():
            return
        self._limits.turned_away(why)
        if self.transport is not None:
            assert isinstance(self.transport, asyncio.Transport)
            self.transport.abort()


def _forget_where(error: BaseException | None) -> None:
    while error is not None:
        error.__traceback__ = None
        error = error.__context__


def _one_less(counts: Counter[str], address: str) -> None:
    counts[address] -= 1
    if counts[address] <= 0:
        del counts[address]


class LimitedSite(web.BaseSite):
    """A port whose connections are under the limits."""

    __slots__ = ("_host", "_limits", "_options", "_port", "_reuse_port")

    def __init__(
        self,
        runner: web.AppRunner,
        host: str,
        port: int,
        limits: Connections,
        *,
        backlog: int,
        reuse_port: bool = False,
    ) -> None:
        super().__init__(runner, backlog=backlog)
        self._host, self._port, self._limits, self._reuse_port = host, port, limits, reuse_port

    @property
    def name(self) -> str:
        """The site's address, as messages and logs name it."""
        return f"http://{self._host}:{self._port}"

    async def start(self) -> None:
        """Listen on the site's port. Raises OSError."""
        await super().start()
        server = self._runner.server
        assert server is not None
        settings = self._limits.settings

        def connection() -> LimitedConnection:
            return LimitedConnection(
                server,
                self._limits,
                access_log=None,
                keepalive_timeout=settings.idle_s,
                lingering_time=settings.linger_s,
                # What nobody asked for is never inflated: no carrier compresses, and a bomb would hold the loop.
                auto_decompress=False,
            )

        # asyncio takes as many connections in one turn of its loop as may wait.
        self._server = await asyncio.get_running_loop().create_server(
            connection, self._host, self._port, backlog=_TAKEN_AT_ONCE, reuse_port=self._reuse_port or None
        )
        for one in self._server.sockets:
            if (descriptor := one.fileno()) < 0:
                continue  # no socket of the system's
            with socket.fromfd(descriptor, one.family, one.type) as same:
                same.listen(self._backlog)


async def read_body(request: web.Request) -> bytes:
    """Read a request's body in pieces small enough for the loop, whatever chunks it was sent in.

    Raises web.HTTPRequestEntityTooLarge beyond the application's `client_max_size`.
    """
    most, body = request.client_max_size, bytearray()
    while piece := await request.content.read(_PIECE_BYTES):
        body += piece
        if len(body) > most:
            raise web.HTTPRequestEntityTooLarge(most)
        await asyncio.sleep(0)  # other calls' turn
    return bytes(body)


@web.middleware
async def limits_of_requests(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Tell the connection that it has asked for something, and refuse bodies in a coding that is not undone."""
    connection = request.protocol
    if isinstance(connection, LimitedConnection):
        connection.asks(request.content, chunked="Transfer-Encoding" in request.headers)
    if request.headers.get("Content-Encoding", "identity").strip().lower() not in ("", "identity"):
        response = web.Response(status=415, text="bodies in a content coding are not read here\n")
        response.force_close()
        return response
    try:
        return await handler(request)
    except web.HTTPException as error:
        _forget_where(error)
        return web.Response(status=error.status, reason=error.reason, body=error.body, headers=error.headers)
