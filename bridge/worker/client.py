"""A client for speech workers: one warm socket, any number of utterances on it.

    worker = await connect("ws://127.0.0.1:8090")          # or connect("unix:/run/bridge/worker.sock")
    speech = worker.open(voice="heart")
    speech.text("I have an opening on Tuesday. ")
    speech.end()
    async for message in speech:
        match message:
            case Audio(data=ulaw): ...
            case Words(words=words): ...

All orders are queued and return at once, so they may be given from anywhere in the loop. What comes back is iterated;
the iteration ends after `done` (or `cancelled`), and raises VoiceBusy, VoiceLost or VoiceError.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

import aiohttp

from bridge.errors import BadMessage, VoiceBusy, VoiceError, VoiceLost
from bridge.worker import protocol
from bridge.worker.protocol import (
    Audio,
    Cancel,
    Cancelled,
    Done,
    Draining,
    End,
    Error,
    Flush,
    FromClient,
    Open,
    Playout,
    Priority,
    Ready,
    Text,
    Words,
)

LARGEST_MESSAGE = 4_194_304


class Speech:
    """One utterance. Iterate it for its audio and words, in order."""

    def __init__(self, worker: WorkerLink, number: int) -> None:
        self.number = number
        self.audio_ms: int | None = None
        """Length of the whole, once it is done or cancelled."""
        self._worker = worker
        self._arrived: asyncio.Queue[Audio | Words | VoiceError | None] = asyncio.Queue()
        self._open = True

    def text(self, delta: str) -> None:
        """Add text; it may be cut anywhere."""
        if self._open:
            self._worker.send(Text(self.number, delta))

    def flush(self) -> None:
        """Have all text so far spoken without waiting for the end of its sentence."""
        if self._open:
            self._worker.send(Flush(self.number))

    def end(self) -> None:
        """There is no more text."""
        if self._open:
            self._worker.send(End(self.number))

    def playout(self, lead_ms: int, upto_ms: int | None = None) -> None:
        """Say how much the caller still has to hear, and optionally allow audio up to a place in the stream."""
        if self._open:
            self._worker.send(Playout(self.number, max(lead_ms, 0), upto_ms))

    def cancel(self) -> None:
        """Nothing more is wanted; the iteration ends at once, and what had arrived is dropped."""
        if self._open:
            self._worker.send(Cancel(self.number))
            self._finish(None)
            self._drop()

    async def __aiter__(self) -> AsyncIterator[Audio | Words]:
        while (arrived := await self._arrived.get()) is not None:
            if isinstance(arrived, VoiceError):
                raise arrived
            yield arrived

    def receive(self, message: Audio | Words | Done | Cancelled | Error) -> None:
        """What the worker sent about this stream."""
        match message:
            case Audio() | Words():
                self._arrived.put_nowait(message)
            case Done() | Cancelled():
                self.audio_ms = message.audio_ms
                self._finish(None)
            case Error():
                self._finish(_as_exception(message))

    def lost(self, reason: str) -> None:
        """The socket is gone."""
        self._finish(VoiceLost(reason))

    def _finish(self, last: VoiceError | None) -> None:
        if self._open:
            self._open = False
            self._worker.forget(self)
            self._arrived.put_nowait(last)

    def _drop(self) -> None:
        while not self._arrived.empty():
            self._arrived.get_nowait()
        self._arrived.put_nowait(None)


class WorkerLink:
    """A connection to one worker. `ready` says what it offers."""

    def __init__(self, session: aiohttp.ClientSession, socket: aiohttp.ClientWebSocketResponse, ready: Ready) -> None:
        self.ready = ready
        self.draining = False
        """The worker announced that it takes no new streams."""
        self.on_close: Callable[[], None] | None = None
        """Called once when the connection is over."""
        self._session = session
        self._socket = socket
        self._streams: dict[int, Speech] = {}
        self._next = 0
        self._outgoing: asyncio.Queue[str] = asyncio.Queue()
        self._tasks = [asyncio.create_task(self._read()), asyncio.create_task(self._write())]

    @property
    def alive(self) -> bool:
        """Whether streams may be opened here."""
        return not self._socket.closed and not self.draining

    @property
    def open_streams(self) -> int:
        """Utterances in work on this connection."""
        return len(self._streams)

    def open(
        self,
        voice: str | None = None,
        audio_format: str = "mulaw_8000",
        speed: float = 1.0,
        priority: Priority = "live",
    ) -> Speech:
        """Begin an utterance. A refusal comes out of its iteration."""
        while self._next in self._streams:
            self._next = (self._next + 1) & 0xFFFF_FFFF
        speech = Speech(self, self._next)
        self._next = (self._next + 1) & 0xFFFF_FFFF
        if self._socket.closed:
            speech.lost("the connection to the speech worker is closed")
            return speech
        self._streams[speech.number] = speech
        self.send(Open(speech.number, voice, audio_format, speed, priority))
        return speech

    async def close(self) -> None:
        """Close the socket; utterances in work are lost."""
        await self._socket.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._session.close()

    async def __aenter__(self) -> WorkerLink:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.close()

    def send(self, message: FromClient) -> None:
        """Queue a message (used by `Speech`)."""
        self._outgoing.put_nowait(protocol.encode(message))

    def forget(self, speech: Speech) -> None:
        """The utterance is over (used by `Speech`)."""
        self._streams.pop(speech.number, None)

    async def _write(self) -> None:
        with contextlib.suppress(ConnectionError):
            while True:
                await self._socket.send_str(await self._outgoing.get())

    async def _read(self) -> None:
        reason = "the connection to the speech worker broke"
        try:
            async for message in self._socket:
                if message.type is aiohttp.WSMsgType.BINARY:
                    self._route(protocol.decode_audio(message.data))
                elif message.type is aiohttp.WSMsgType.TEXT:
                    self._route(protocol.decode_worker(message.data))
        except BadMessage as error:
            reason = str(error)
            await self._socket.close()
        finally:
            for speech in list(self._streams.values()):
                speech.lost(reason)
            if self.on_close:
                self.on_close()

    def _route(self, message: Audio | protocol.FromWorker) -> None:
        match message:
            case Draining():
                self.draining = True
            case Error(stream=None):
                raise BadMessage(f"{message.code}: {message.message}")
            case Audio() | Words() | Done() | Cancelled() | Error():
                speech = self._streams.get(message.stream if message.stream is not None else -1)
                if speech is not None:
                    speech.receive(message)
            case Ready():
                pass


async def connect(address: str, token: str = "", timeout_s: float = 5.0, keep_alive_s: float = 20.0) -> WorkerLink:
    """Connect to a worker at `ws://host:port`, `http://host:port` or `unix:/path`.

    Raises VoiceLost when it cannot be reached.
    """
    path = address.removeprefix("unix:") if address.startswith("unix:") else None
    session = aiohttp.ClientSession(connector=aiohttp.UnixConnector(path) if path else None)
    headers = {"Authorization": f"Bearer {token}"} if token else None
    try:
        async with asyncio.timeout(timeout_s):
            socket = await session.ws_connect(
                "http://worker/" if path else address,
                headers=headers,
                heartbeat=keep_alive_s,
                max_msg_size=LARGEST_MESSAGE,
            )
            ready = protocol.decode_worker(await socket.receive_str())
    except (aiohttp.ClientError, OSError, TimeoutError, TypeError, BadMessage) as error:
        await session.close()
        raise VoiceLost(f"no speech worker at {address}: {error or type(error).__name__}") from error
    if not isinstance(ready, Ready) or ready.version != protocol.VERSION:
        await session.close()
        raise VoiceLost(f"the speech worker at {address} speaks another protocol: {ready}")
    return WorkerLink(session, socket, ready)


def _as_exception(error: Error) -> VoiceError:
    message = f"{error.code}: {error.message}"
    if error.code in ("busy", "draining", "too_fast"):
        return VoiceBusy(message, (error.retry_after_ms or 0) / 1000)
    if error.code in ("engine_failed", "out_of_memory", "engine_runaway", "engine_hung"):
        return VoiceLost(message)
    return VoiceError(message)
