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
the iteration ends after `done` (or `cancelled`), and raises VoiceError, VoiceBusy or VoiceLost.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import aiohttp

from bridge.audio.formats import MULAW_8000, AudioFormat
from bridge.call.events import Word
from bridge.errors import BadMessage, VoiceError, VoiceLost
from bridge.http import HttpClient, OpenClient, why_unreachable
from bridge.speaking.voices.base import Priority, SpeechRequest
from bridge.worker.protocol import Audio, Ready, Words
from bridge.worker.protocol_client import ClientStream, ProtocolClient

LARGEST_MESSAGE = 4_194_304


class RemoteSpeech:
    """One utterance at a worker. Iterate it for its audio and words, in order."""

    def __init__(self) -> None:
        self.audio_ms: int | None = None
        """Length of the whole, once it is done or cancelled."""
        self.number = 0
        self._stream: ClientStream | None = None
        self._arrived: asyncio.Queue[Audio | Words | VoiceError | None] = asyncio.Queue()
        self._offset = 0

    def begin(self, stream: ClientStream) -> None:
        """Remember the stream that will deliver audio and words."""
        self._stream, self.number = stream, stream.number

    def text(self, delta: str) -> None:
        """Add text; it may be cut anywhere."""
        if self._stream is not None:
            self._stream.text(delta)

    def flush(self) -> None:
        """Have all text so far spoken without waiting for the end of its sentence."""
        if self._stream is not None:
            self._stream.flush()

    def end(self) -> None:
        """Say that there is no more text."""
        if self._stream is not None:
            self._stream.end()

    def playout(self, lead_ms: int, upto_ms: int | None = None) -> None:
        """Say how much the caller still has to hear, and optionally allow audio up to a place in the stream."""
        if self._stream is not None:
            self._stream.playout(lead_ms, upto_ms)

    def cancel(self) -> None:
        """Nothing more is wanted; the iteration ends at once, and what had arrived is dropped."""
        if self._stream is not None:
            self._stream.cancel()
            self._finish(None)
            while not self._arrived.empty():
                self._arrived.get_nowait()
            self._arrived.put_nowait(None)

    async def __aiter__(self) -> AsyncIterator[Audio | Words]:
        while (arrived := await self._arrived.get()) is not None:
            if isinstance(arrived, VoiceError):
                raise arrived
            yield arrived

    # ---- what the worker sends ----------------------------------------------------------------------------------

    def audio(self, data: bytes) -> None:
        """Take more audio from the worker."""
        assert self._stream is not None
        self._arrived.put_nowait(Audio(self.number, self._offset, data))
        self._offset += len(data) // self._stream.audio_format.sample_bytes

    def words(self, words: Sequence[Word]) -> None:
        """Take words newly placed in time from the worker."""
        self._arrived.put_nowait(Words(self.number, list(words)))

    def no_words(self) -> None:
        """Nobody waits for words here."""

    def done(self) -> None:
        """All of the text was spoken."""
        self._finish(None)

    def failed(self, error: VoiceError) -> None:
        """No more audio will come."""
        self._finish(error)

    def _finish(self, last: VoiceError | None) -> None:
        if self._stream is not None:
            self.audio_ms = self._stream.received // self._stream.audio_format.bytes_per_ms
            self._stream = None
        self._arrived.put_nowait(last)


class WorkerConnection:
    """A connection to one worker. `ready` says what it offers."""

    def __init__(
        self,
        session: aiohttp.ClientSession | HttpClient,
        socket: aiohttp.ClientWebSocketResponse,
        client: ProtocolClient,
        outgoing: asyncio.Queue[str],
        ready: Ready,
    ) -> None:
        self.ready = ready
        self.on_close: Callable[[], None] | None = None
        """Called once when the connection is over."""
        self._session = session
        self._socket = socket
        self._client = client
        self._outgoing = outgoing
        self._tasks = [asyncio.create_task(self._read()), asyncio.create_task(self._write())]

    @property
    def draining(self) -> bool:
        """Whether the worker announced that it takes no new streams."""
        return self._client.draining

    @property
    def alive(self) -> bool:
        """Whether streams may be opened here."""
        return not self._socket.closed and not self.draining

    @property
    def open_streams(self) -> int:
        """Utterances in work on this connection."""
        return len(self._client.streams)

    def open(
        self,
        voice: str | None = None,
        audio_format: AudioFormat = MULAW_8000,
        speed: float = 1.0,
        priority: Priority = "live",
    ) -> RemoteSpeech:
        """Begin an utterance. A refusal comes out of its iteration."""
        speech = RemoteSpeech()
        if self._socket.closed:
            speech.failed(VoiceLost("the connection to the speech worker is closed"))
        else:
            request = SpeechRequest("", voice or "", audio_format, speed, priority)
            speech.begin(self._client.open(request, speech))
        return speech

    async def close(self) -> None:
        """Close the socket; utterances in work are lost."""
        await self._socket.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._session.close()

    async def __aenter__(self) -> WorkerConnection:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.close()

    async def _write(self) -> None:
        with contextlib.suppress(ConnectionError):
            while True:
                await self._socket.send_str(await self._outgoing.get())

    async def _read(self) -> None:
        reason = "the connection to the speech worker broke"
        try:
            async for message in self._socket:
                if message.type in (aiohttp.WSMsgType.BINARY, aiohttp.WSMsgType.TEXT):
                    self._client.receive(message.data)
        except BadMessage as error:
            reason = str(error)
            await self._socket.close()
        finally:
            self._client.lose(reason)
            if self.on_close:
                self.on_close()


async def connect(
    address: str,
    token: str = "",
    timeout_s: float = 5.0,
    keep_alive_s: float = 20.0,
    open_client: OpenClient = HttpClient,
) -> WorkerConnection:
    """Connect to a worker at `ws://host:port`, `http://host:port` or `unix:/path`.

    Raises VoiceLost when it cannot be reached.
    """
    path = address.removeprefix("unix:") if address.startswith("unix:") else None
    session = aiohttp.ClientSession(connector=aiohttp.UnixConnector(path)) if path else open_client()
    options: dict[str, Any] = {
        "headers": {"Authorization": f"Bearer {token}"} if token else None,
        "heartbeat": keep_alive_s,
        "max_msg_size": LARGEST_MESSAGE,
    }
    outgoing: asyncio.Queue[str] = asyncio.Queue()
    client = ProtocolClient(outgoing.put_nowait)
    try:
        async with asyncio.timeout(timeout_s):
            if isinstance(session, HttpClient):
                socket = await session.websocket(address, **options)
            else:
                socket = await session.ws_connect("http://worker/", **options)
            ready = client.receive(await socket.receive_str())
    except (aiohttp.ClientError, OSError, TimeoutError, TypeError, BadMessage) as error:
        await session.close()
        raise VoiceLost(f"no speech worker at {address}: {why_unreachable(error)}") from error
    if not isinstance(ready, Ready):
        await session.close()
        raise VoiceLost(f"the speech worker at {address} did not say what it offers: {ready}")
    return WorkerConnection(session, socket, client, outgoing, ready)
