"""One stream at a time: a warm socket against a cold one, a long text against a short one, how long lines are.

The three are measured in rounds, in a new random order each time, so that whatever else the machine does befalls all
alike, and none always follows the same neighbour.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence

import aiohttp

from bridge.bench.measures import Sockets
from bridge.bench.playback import FirstSound
from bridge.bench.sentences import LONG, SHORT
from bridge.bench.worker import Target
from bridge.errors import VoiceError, VoiceLost
from bridge.worker import protocol
from bridge.worker.protocol import Cancel, Cancelled, Done, End, Error, Open, PlayoutReport, Ready, Text

FIRST_MS = 200
"""Credit where only the beginning is wanted: more would keep the engine from the next text."""


class WorkerLine:
    """A socket on which one text after the other is spoken. Raises VoiceError."""

    def __init__(self, session: aiohttp.ClientSession, target: Target) -> None:
        self._session = session
        self._target = target
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._number = 0
        self.ready: Ready | None = None

    async def open(self) -> Ready:
        """Connect; what the worker offers."""
        try:
            self._socket = await self._session.ws_connect(self._target.url, max_msg_size=0)
            ready = protocol.decode_worker(await self._socket.receive_str())
        except (aiohttp.ClientError, OSError, TypeError) as error:
            raise VoiceLost(f"no speech worker at {self._target.address}: {error or type(error).__name__}") from error
        if not isinstance(ready, Ready):
            raise VoiceError(f"{self._target.address} is no speech worker: it said {ready}")
        self.ready = ready
        return ready

    async def close(self) -> None:
        """Close the socket to the worker."""
        if self._socket is not None:
            await self._socket.close()

    async def speak(self, text: str, voice: str | None = None, *, first_only: bool = False) -> tuple[float, int]:
        """Time to the first audible sample from now, and the length of the sound, both in milliseconds."""
        began = time.perf_counter()
        first = FirstSound(began)
        if self._socket is None:
            await self.open()
        assert self._socket is not None
        self._number += 1
        number = self._number
        messages: list[protocol.FromClient] = [Open(number, voice), Text(number, text), End(number)]
        if first_only:
            messages.insert(1, PlayoutReport(number, 0, FIRST_MS))
        for message in messages:
            await self._socket.send_str(protocol.encode(message))
        async for reply in self._socket:
            if reply.type is aiohttp.WSMsgType.BINARY:
                if first.feed(protocol.decode_audio(reply.data), time.perf_counter()) and first_only:
                    await self._socket.send_str(protocol.encode(Cancel(number)))
            elif reply.type is aiohttp.WSMsgType.TEXT:
                told = protocol.decode_worker(reply.data)
                if isinstance(told, Error):
                    raise VoiceError(f"{told.code}: {told.message}")
                if isinstance(told, Done | Cancelled):
                    if first.ttfa_ms is None:
                        raise VoiceError(f"no sound that can be heard: {text!r}")
                    return first.ttfa_ms, told.audio_ms
        raise VoiceLost(f"the speech worker at {self._target.address} hung up")


async def lengths(target: Target, lines: Sequence[str], voice: str | None) -> list[int]:
    """How long each line is when spoken, in milliseconds; warms the worker up, too."""
    async with target.session() as session:
        line = WorkerLine(session, target)
        try:
            return [(await line.speak(text, voice))[1] for text in lines]
        finally:
            await line.close()


async def sockets(
    target: Target, voice: str | None, rounds: int, rng: random.Random, progress: Callable[[str], None]
) -> Sockets:
    """So many rounds of each. Raises VoiceError."""
    measured = Sockets(warm_ms=[], cold_ms=[], long_ms=[], long_chars=len(LONG))
    before = await target.stats()
    async with target.session() as session:
        open_line = WorkerLine(session, target)
        await open_line.open()

        async def warm() -> None:
            measured.warm_ms.append((await open_line.speak(SHORT, voice))[0])

        async def long() -> None:
            measured.long_ms.append((await open_line.speak(LONG, voice, first_only=True))[0])

        async def cold() -> None:
            async with target.session() as another:
                line = WorkerLine(another, target)
                try:
                    measured.cold_ms.append((await line.speak(SHORT, voice))[0])
                finally:
                    await line.close()

        try:
            for number in range(rounds):
                progress(f"one stream at a time: round {number + 1} of {rounds}")
                for kind in rng.sample((warm, long, cold), 3):
                    await kind()
        finally:
            await open_line.close()
    after = await target.stats()
    if before and after and after["audio_s"] > before["audio_s"]:
        measured.rtf = (after["busy_s"] - before["busy_s"]) / (after["audio_s"] - before["audio_s"])
    return measured
