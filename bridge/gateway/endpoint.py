"""The media sockets of one process: who may open one, and which of them carry calls."""

from __future__ import annotations

import asyncio

from aiohttp import WSCloseCode, web

from bridge.call.events import EndRequested, SpeculationAllowed
from bridge.call.states import EndReason
from bridge.carriers.base import Carrier
from bridge.gateway.media import MediaSocket
from bridge.gateway.process import Process
from bridge.gateway.signatures import RequestRefused
from bridge.session.session import CallSession

CLOSE_TIMEOUT_S = 2.0
"""How long the carrier may take to answer our close."""


class MediaEndpoint:
    """Accepts media sockets and knows those that carry calls."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self.sockets: dict[str, MediaSocket] = {}
        """Running calls by their names among those of all carriers."""
        self.waiting: dict[str, int] = {}
        """How many sockets of each address have not brought `start`."""

    def sessions(self) -> dict[str, CallSession]:
        """Every call that has begun and is not over, by its name among those of all carriers."""
        return {
            key: socket.session
            for key, socket in self.sockets.items()
            if socket.session is not None and not socket.session.over
        }

    async def handle(self, carrier: Carrier, request: web.Request) -> web.StreamResponse:
        """Answer a request for a media socket, and serve the socket to its end."""
        errors = self.process.metrics.protocol_errors
        try:
            self.process.signatures.check_socket(carrier, request)
        except RequestRefused as refusal:
            return web.Response(status=refusal.status, text=str(refusal))
        address = self.process.signatures.address(request)
        if self.waiting.get(address, 0) >= self.process.gateway.max_waiting_per_address:
            errors.labels(carrier.name, "too_many_waiting").inc()
            return web.Response(status=429, text="too many media sockets without a start message")
        ws = web.WebSocketResponse(
            compress=False,
            protocols=carrier.subprotocols,
            max_msg_size=self.process.gateway.max_message_bytes,
            timeout=CLOSE_TIMEOUT_S,
            decode_text=False,
        )
        if not ws.can_prepare(request):
            errors.labels(carrier.name, "not_a_websocket").inc()
            return web.Response(status=400, text="this address speaks WebSocket only")
        self.waiting[address] = self.waiting.get(address, 0) + 1
        socket = MediaSocket(self, carrier, ws, request, address)
        try:
            await ws.prepare(request)
            await socket.run()
        finally:
            socket.no_longer_waiting()
        return ws

    def release(self, key: str) -> None:
        """A call is over here: its place is free."""
        self.sockets.pop(key, None)
        self.process.admission.end(key)
        self.process.keeper.leave(key)

    def end_all(self, reason: EndReason) -> None:
        """Ask every call to say goodbye."""
        for socket in list(self.sockets.values()):
            if socket.session is not None:
                socket.session.tell(EndRequested(reason))

    def speculate(self, *, allowed: bool) -> None:
        """Let every call begin its answers early, or not before the caller's turn is over."""
        for session in self.sessions().values():
            session.tell(SpeculationAllowed(allowed))

    def completed(self, key: str) -> bool:
        """The carrier says that this call is over; False when it is none of ours."""
        socket = self.sockets.get(key)
        if socket is not None:
            socket.carrier_completed()
        return socket is not None

    def moved(self, key: str) -> None:
        """Another process has the stream of this call, and goes on with it."""
        socket = self.sockets.get(key)
        if socket is not None:
            socket.moved()

    async def move_all(self) -> None:
        """Close every media socket, and leave the calls to those who share the store: carriers bring them there."""
        moving = list(self.sockets.items())
        for key, _ in moving:
            self.process.keeper.lost(key)
        await self.process.keeper.settled()
        for _, socket in moving:
            socket.moved()
        await asyncio.gather(*(socket.closed() for _, socket in moving))

    async def close_all(self) -> None:
        """Close every media socket at once."""
        sockets = list(self.sockets.values())
        for key, socket in list(self.sockets.items()):
            if socket.session is not None:
                self.process.departures.leaves(key)
                socket.session.stream_closed(EndReason.DRAIN)
            socket.close(WSCloseCode.GOING_AWAY)
        await asyncio.gather(*(socket.closed() for socket in sockets))
