"""One WebSocket to a hosted voice, which speaks any `VoiceWire`: its contexts, what is sent, what comes."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol

import aiohttp
import msgspec

from bridge.errors import VoiceError, VoiceLost
from bridge.http import HttpClient, why_unreachable
from bridge.speaking.voices.hosted.output import StreamOutput
from bridge.speaking.voices.hosted.wire import (
    ContextFreed,
    Message,
    SpeechAudio,
    SpeechDone,
    SpeechRefused,
    SpeechTimes,
    VoiceAddress,
    VoiceEvent,
    VoiceWire,
    refused,
)

_LARGEST_MESSAGE = 16 * 1024 * 1024
"""Services send a whole sentence in one message, which is more than aiohttp takes by itself."""
_MOST_UNSENT = 256
"""Messages that wait for a service which does not read."""
_FREED_S = 2.0
"""A service that has not confirmed a cancellation after so long is left, and the connection with it."""


class ConnectionUser(Protocol):
    """Whoever has a context on a connection."""

    output: StreamOutput

    def ended(self) -> None:
        """The context is over, in whatever way."""


class VoiceConnection:
    """A connection from before it is open until it is closed; `changed` is called at both, and when a place is free."""

    def __init__(
        self, http: HttpClient, wire: VoiceWire, address: VoiceAddress, connect_s: float, changed: Callable[[], None]
    ) -> None:
        self.address = address
        self.failure: VoiceError | None = None
        """Why it is closed."""
        self.opened = False
        self.wire = wire
        self._http = http
        self._connect_s = connect_s
        self._changed = changed
        self._loop = asyncio.get_running_loop()
        self._began_at = self._used_at = self._loop.time()
        self._begun: deque[float] = deque()
        self._contexts: dict[str, ConnectionUser | None] = {}
        """Those that the service still has; None: cancelled."""
        self._ended: set[str] = set()
        """Those whose text is complete."""
        self._retiring = False
        self._outgoing: asyncio.Queue[Message] = asyncio.Queue(_MOST_UNSENT)
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._task = self._loop.create_task(self._run())
        self._task.add_done_callback(self._conclude)

    # ---- for the provider ---------------------------------------------------------------------------------------

    @property
    def busy(self) -> bool:
        """Whether the service is still at work on a context."""
        return bool(self._contexts)

    @property
    def contexts(self) -> int:
        """How many contexts the service has, cancelled ones that it has not confirmed included."""
        return len(self._contexts)

    def free(self) -> bool:
        """Whether it takes another text now."""
        traits, now = self.wire.traits, self._loop.time()
        while self._begun and self._begun[0] < now - 60.0:
            self._begun.popleft()
        if traits.texts_a_minute and len(self._begun) >= traits.texts_a_minute:
            return False
        return self.failure is None and not self._retiring and not self.stale() and self.contexts < traits.contexts

    def stale(self) -> bool:
        """Whether it is so old, or was idle for so long, that the service may close it at any moment."""
        traits, now = self.wire.traits, self._loop.time()
        idle = not self._contexts and now - self._used_at > traits.idle_s
        return idle or now - self._began_at > traits.oldest_s

    def begin(self, context: str, user: ConnectionUser) -> None:
        """Give a context a place."""
        self._contexts[context] = user
        self._used_at = self._loop.time()
        self._begun.append(self._used_at)
        self._retiring = self._retiring or not self.wire.traits.reusable

    def send(self, messages: Sequence[Message]) -> None:
        """Queue messages; a service that does not read them loses the connection."""
        for message in messages:
            try:
                self._outgoing.put_nowait(message)
            except asyncio.QueueFull:
                self.close(VoiceLost("does not read what it is sent"))
                return

    def end(self, context: str) -> None:
        """Take note that a context's text is complete."""
        self._ended.add(context)

    def cancel(self, context: str) -> None:
        """Stop a context; its place is free once the service says so."""
        if context not in self._contexts:
            return
        self._contexts[context] = None
        orders = self.wire.cancel(context)
        if orders is None:
            self.close(VoiceLost("closed because of a cancellation"))
            return
        self.send(orders)
        if not self.wire.traits.confirms_cancel:
            self._forget(context)
        else:
            self._timers[context] = self._loop.call_later(_FREED_S, self._unconfirmed, context)

    def close(self, error: VoiceError) -> None:
        """Close the connection at once; contexts that are under way fail with this error, though not at once."""
        if self.failure is None:
            self.failure = error
            self._task.cancel()

    async def closed(self) -> None:
        """Wait until nothing is left of the connection."""
        await asyncio.gather(self._task, return_exceptions=True)

    def _unconfirmed(self, context: str) -> None:
        """The service may still count the context: nothing new goes where it is."""
        self._retiring = True
        self._forget(context)
        if not self._contexts:
            self.close(VoiceLost("did not confirm a cancellation"))

    def _forget(self, context: str) -> None:
        user = self._contexts.pop(context, None)
        self._ended.discard(context)
        if timer := self._timers.pop(context, None):
            timer.cancel()
        self._used_at = self._loop.time()
        if user is not None:
            user.ended()
        self._changed()

    # ---- the connection -----------------------------------------------------------------------------------------

    async def _run(self) -> VoiceError | None:
        """Serve the connection until it ends; None: it ended because all was spoken."""
        try:
            return await self._converse()
        except TimeoutError:
            return VoiceLost(f"no connection within {self._connect_s:g} s")
        except aiohttp.WSServerHandshakeError as refusal:
            headers = dict(refusal.headers or {})
            return refused(refusal.status, headers, headers.get("dg-error", ""))
        except (aiohttp.ClientError, OSError) as broken:
            return VoiceLost(f"the connection broke: {why_unreachable(broken)}")

    def _conclude(self, task: asyncio.Task[VoiceError | None]) -> None:
        """End what was under way, once the connection is closed."""
        error = self.failure or VoiceLost("closed") if task.cancelled() else task.result()
        self.failure = error or VoiceLost("closed")
        for timer in self._timers.values():
            timer.cancel()
        contexts, self._contexts = self._contexts, {}
        for context, user in contexts.items():
            if user is None:
                continue
            if error is None and context in self._ended:
                user.output.closed()
            else:
                user.output.failed(self.failure)
            user.ended()
        self._changed()

    async def _converse(self) -> VoiceError | None:
        async with asyncio.timeout(self._connect_s):
            socket = await self._http.websocket(
                self.address.url,
                headers=self.address.headers,
                max_msg_size=_LARGEST_MESSAGE,
                heartbeat=20.0,
                compress=0,
                timeout=aiohttp.ClientWSTimeout(ws_close=1.0),
            )
        writer = self._loop.create_task(self._write(socket))
        try:
            self.opened = True
            self._changed()
            return await self._read(socket)
        finally:
            writer.cancel()
            await asyncio.gather(writer, return_exceptions=True)
            await socket.close()

    async def _write(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        for message in self.wire.opening():
            await _send(socket, message)
        while True:
            await _send(socket, await self._outgoing.get())

    async def _read(self, socket: aiohttp.ClientWebSocketResponse) -> VoiceError | None:
        """Read until the connection ends; None: it ended because all was spoken."""
        while True:
            message = await socket.receive()
            if message.type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSING, aiohttp.WSMsgType.CLOSED):
                reason = message.extra if isinstance(message.extra, str) else ""
                return self.wire.closed(socket.close_code, reason)
            if message.type is aiohttp.WSMsgType.ERROR:
                return VoiceLost(f"the connection broke: {str(message.data)[:80]}")
            try:
                events = self.wire.receive(message.data)
            except (msgspec.MsgspecError, ValueError) as error:
                return VoiceError(f"sent a bad message: {str(error)[:120]}", code="bad_message")
            for event in events:
                if isinstance(event, SpeechRefused) and not event.context:
                    return event.error
                self._take(event)

    def _take(self, event: VoiceEvent) -> None:
        user = self._contexts.get(event.context)
        match event:
            case SpeechAudio(context, data) if user is not None:
                if user.output.audio(data) is not None:
                    self.cancel(context)
                    user.ended()
            case SpeechTimes() if user is not None:
                user.output.times(event.pieces)
            case SpeechDone(context) if context in self._contexts:
                if user is not None:
                    user.output.done()
                self._forget(context)
            case ContextFreed(context) if context in self._contexts:
                self._forget(context)
            case SpeechRefused(context, error, closes) if context in self._contexts:
                self._retiring = self._retiring or closes
                if user is not None:
                    user.output.failed(error)
                self._forget(context)


async def _send(socket: aiohttp.ClientWebSocketResponse, message: Message) -> None:
    if isinstance(message, str):
        await socket.send_str(message)
    else:
        await socket.send_bytes(message)
