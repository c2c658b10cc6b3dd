"""One media socket, driven on an absolute 20 ms clock: the caller's frames out, the carrier's playout in.

The line's clock starts with the call's first stream and runs at the carrier's rate. All audio, of both directions
and of every stream of the call, is placed on it.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from typing import Any, Literal

import aiohttp

from bridge.simulator.caller import Caller
from bridge.simulator.carriers.base import MediaStream, Message
from bridge.simulator.ear import Recording
from bridge.simulator.line import LineConditions
from bridge.simulator.scenario import Scenario
from bridge.simulator.sound import FRAME_MS, FRAME_SAMPLES, RATE_HZ, from_ulaw, to_ulaw

Ending = Literal["server", "caller", "cut", "patience", "dropped", "order"]
"""Who or what ended a stream: `dropped` is a socket that broke while the call goes on, `order` a request by REST."""

FRAME_S = FRAME_MS / 1000.0

_ABNORMAL = 1006
"""The socket broke without a close frame (RFC 6455, 7.4.1)."""


class LineClock:
    """The carrier's sample clock over the event loop's: starts when the first stream does, and drifts."""

    def __init__(self, loop: asyncio.AbstractEventLoop, drift_ppm: float) -> None:
        self._loop = loop
        self._rate = 1.0 + drift_ppm * 1e-6
        self._origin: float | None = None

    def start(self) -> None:
        """Frame zero begins now; a second call changes nothing."""
        if self._origin is None:
            self._origin = self._loop.time()

    @property
    def now(self) -> float:
        """Seconds on the line; zero before the start."""
        return 0.0 if self._origin is None else (self._loop.time() - self._origin) * self._rate

    def line_time(self, loop_s: float, otherwise: float) -> float:
        """The line's time at a time of the loop's clock; negative before the start, since `otherwise` without one."""
        return (loop_s - otherwise) if self._origin is None else (loop_s - self._origin) * self._rate

    def loop_time(self, line_s: float) -> float:
        """When the loop's clock shows this time on the line."""
        return (self._origin or 0.0) + line_s / self._rate


class MediaLeg:
    """Runs one stream to its end."""

    def __init__(
        self,
        socket: aiohttp.ClientWebSocketResponse,
        stream: MediaStream,
        scenario: Scenario,
        caller: Caller,
        line: LineConditions,
        clock: LineClock,
        recording: Recording,
        late_ms: list[float],
        on_frame: Callable[[bytes], None],
        *,
        order: asyncio.Future[Any],
        drops: bool = True,
    ) -> None:
        """`order` is done when the carrier ends the stream for a request by REST; without `drops` the scenario's
        broken socket is not this one."""
        self._socket = socket
        self._stream = stream
        self._scenario = scenario
        self._caller = caller
        self._line = line
        self._clock = clock
        self._recording = recording
        self._late_ms = late_ms
        self._on_frame = on_frame
        self._order = order
        self._drop_at_ms = scenario.carrier.dropped_at_ms if drops else None
        self._loop = asyncio.get_running_loop()
        self._outbox: asyncio.Queue[tuple[float, Message] | None] = asyncio.Queue()
        self._mark_timer: asyncio.TimerHandle | None = None
        self._first_frame = round(stream.opened_at / FRAME_S)
        self._written = 0

    async def run(self) -> Ending:
        """Talk until one side ends it. The socket is closed afterwards."""
        self._caller.line_opens(self._first_frame * FRAME_MS)
        sender = asyncio.create_task(self._send())
        reader = asyncio.create_task(self._read())
        frames = asyncio.create_task(self._frames())
        try:
            await asyncio.wait([reader, frames, self._order], return_when=asyncio.FIRST_COMPLETED)
            if not frames.done() and not self._order.done():
                return "dropped" if self._socket.close_code in (None, _ABNORMAL) else "server"
            ending: Ending = frames.result() if frames.done() else "order"
            if ending in ("cut", "dropped"):
                self._cut()
            else:
                await self._say_goodbye(sender, reader)
            return ending
        finally:
            if self._mark_timer is not None:
                self._mark_timer.cancel()
            for task in (sender, reader, frames):
                task.cancel()
            await asyncio.gather(sender, reader, frames, return_exceptions=True)
            self._stream.advance(self._clock.now)
            self._keep_heard()
            await self._socket.close()

    async def _say_goodbye(self, sender: asyncio.Task[None], reader: asyncio.Task[None]) -> None:
        """`stop`, and a moment for the server to close; a carrier without such a message closes at once."""
        last = self._stream.stop()
        if last is not None:
            self._post(last)
        self._outbox.put_nowait(None)
        waiting = [sender, reader] if last is not None else [sender]
        await asyncio.wait(waiting, timeout=2.0, return_when=asyncio.FIRST_COMPLETED)

    async def _frames(self) -> Ending:
        settings = self._scenario.line
        index = self._first_frame
        while True:
            # The frame's sound exists once its last sample was spoken.
            due = (index + 1) * FRAME_S
            await self._sleep_until(due)
            self._late_ms.append((self._clock.now - due) * 1000.0)
            for text in self._stream.advance(max(due, self._clock.now)):
                self._post(text)
            if settings.cut_at_ms is not None and due * 1000.0 >= settings.cut_at_ms:
                return "cut"
            if self._drop_at_ms is not None and due * 1000.0 >= self._drop_at_ms:
                return "dropped"
            start = (index - self._first_frame) * FRAME_SAMPLES
            heard = bytes(self._stream.heard[start : start + FRAME_SAMPLES])
            frame = self._caller.tick(heard)
            self._keep_heard()
            sound = self._line.colour(index - self._first_frame, frame.sound, self._stream.heard)
            leaves_at = self._line.leaves_at_ms(index) / 1000.0
            if not self._line.lost():
                ulaw = to_ulaw(sound)
                self._recording.frame(index, frame.sound, from_ulaw(ulaw))
                timestamp_ms = (index - self._first_frame) * FRAME_MS
                for message in self._stream.media(ulaw, timestamp_ms):
                    self._outbox.put_nowait((leaves_at, message))
            for digit in frame.digits:
                self._outbox.put_nowait((leaves_at, self._stream.dtmf(digit)))
            self._on_frame(heard)
            if frame.hang_up:
                return "caller"
            if due > self._scenario.longest_s:
                return "patience"
            index += 1

    def _keep_heard(self) -> None:
        """Copy what was played since the last call to the recording."""
        heard = self._stream.heard
        if len(heard) > self._written:
            first = round(self._stream.opened_at * RATE_HZ) + self._written
            self._recording.bot.write(first, from_ulaw(bytes(heard[self._written :])))
            self._written = len(heard)

    async def _read(self) -> None:
        async for message in self._socket:
            passes_at = self._line.after_stall_ms(self._clock.now * 1000.0, "from_server") / 1000.0
            if math.isinf(passes_at):
                continue  # lost on a dead line; that the server gave it up is noticed all the same, to be measured
            if passes_at > self._clock.now:
                await self._sleep_until(passes_at)
            if message.type in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY):
                for text in self._stream.receive(message.data, self._clock.now):
                    self._post(text)
                self._arm()

    def _post(self, message: Message) -> None:
        """Put something that is no frame on the wire, now or when a stall ends."""
        self._outbox.put_nowait((self._line.after_stall_ms(self._clock.now * 1000.0, "to_server") / 1000.0, message))

    async def _send(self) -> None:
        while (item := await self._outbox.get()) is not None:
            leaves_at, message = item
            if leaves_at > self._clock.now:
                await self._sleep_until(leaves_at)
            try:
                await send(self._socket, message)
            except (ConnectionError, aiohttp.ClientError):
                return  # the reader sees the end too, and says so

    async def _sleep_until(self, line_s: float) -> None:
        if math.isinf(line_s):
            await self._loop.create_future()
        delay = self._clock.loop_time(line_s) - self._loop.time()
        if delay > 0:
            await asyncio.sleep(delay)

    def _arm(self) -> None:
        """Wake up when the next mark is reached, so that its echo is not a frame late."""
        if self._mark_timer is not None:
            self._mark_timer.cancel()
        at = self._stream.next_mark_at
        self._mark_timer = None if at is None else self._loop.call_at(self._clock.loop_time(at) + 1e-4, self._marks_due)

    def _marks_due(self) -> None:
        for text in self._stream.advance(self._clock.now):
            self._post(text)
        self._arm()

    def _cut(self) -> None:
        """Break the connection as a dead network does: no stop, no close frame."""
        connection = self._socket._response.connection
        if connection is not None and connection.transport is not None:
            connection.transport.abort()


async def send(socket: aiohttp.ClientWebSocketResponse, message: Message | None) -> None:
    """Send one message of a carrier as what it is: a text or a binary frame."""
    if isinstance(message, bytes):
        await socket.send_bytes(message)
    elif message is not None:
        await socket.send_str(message)
