"""One socket of the worker: obeys its client's messages, and sends what its streams have made."""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections import Counter, deque
from collections.abc import Mapping
from typing import Protocol

from aiohttp import web

from bridge.text.chunker import Chunker, unhurried
from bridge.worker import protocol
from bridge.worker.allowance import Allowance
from bridge.worker.engines.base import Engine
from bridge.worker.memory import OutOfMemory
from bridge.worker.protocol import SAMPLE_RATES, Cancel, Cancelled, Done, End, Error, Flush, Open, Playout, Text, Words
from bridge.worker.runaway import Runaway
from bridge.worker.runner import EngineRunner, now
from bridge.worker.settings import WorkerSettings
from bridge.worker.streams import Made, Stream
from bridge.worker.voices import Voice

REMEMBERED = 256
"""Streams that ended lately, per socket: late messages about them are no error."""


class House(Protocol):
    """What a connection needs of the worker it belongs to."""

    settings: WorkerSettings
    voices: dict[str, Voice]
    refused: Mapping[str, str]
    """Voices that could not be loaded, and why."""
    default_voice: str
    draining: bool
    counts: Counter[str]

    def runner(self, voice: Voice) -> EngineRunner:
        """Who synthesises this voice."""

    def stream_closed(self) -> None:
        """A stream is over."""


class Refused(Exception):
    """A message asks for what cannot be; ends the stream with this error."""

    def __init__(self, code: str, message: str, retry_after_ms: int | None = None) -> None:
        super().__init__(message)
        self.code, self.retry_after_ms = code, retry_after_ms


class Connection:
    """One socket and its streams."""

    def __init__(self, worker: House, socket: web.WebSocketResponse) -> None:
        self.worker = worker
        self.socket = socket
        self.streams: dict[int, Stream] = {}
        self._over: deque[int] = deque(maxlen=REMEMBERED)
        self._queue: asyncio.Queue[str | bytes] = asyncio.Queue()
        self.queued_bytes = 0
        """Waiting for the client to take them."""
        self._held = False
        self._taken = asyncio.Event()
        """Set whenever the client has taken something."""
        self._gone = False
        """It will never take anything again."""
        settings = worker.settings
        self._allowance = Allowance(settings.text_chars_per_s, settings.text_burst_chars, now())

    # ---- from the client --------------------------------------------------------------------------------------

    def receive(self, text: str) -> None:
        """One message. Raises BadMessage when nothing on this socket can be trusted any more."""
        try:
            message = protocol.decode_client(text)
        except protocol.BadStreamMessage as error:
            return self._fail(error.stream, Error("bad_message", str(error), error.stream))
        try:
            self._obey(message)
        except Refused as refused:
            self._fail(message.stream, Error(refused.code, str(refused), message.stream, refused.retry_after_ms))

    def _obey(self, message: protocol.FromClient) -> None:
        if isinstance(message, Open):
            return self._open(message)
        stream = self.streams.get(message.stream)
        if stream is None:
            if isinstance(message, Cancel) or message.stream in self._over:
                return None
            raise Refused("unknown_stream", f"stream {message.stream} is not open")
        match message:
            case Text():
                self._text(stream, message.text)
            case Flush():
                stream.flush()
            case End():
                stream.flush()
                stream.ended = True
            case Playout():
                self.worker.runner(stream.voice).report(stream, message.lead_ms, message.upto_ms)
            case Cancel():
                self._close(stream)
                return self.send(Cancelled(stream.number, stream.sent_ms))
        self.worker.runner(stream.voice).ask(stream)
        return self.advance(stream)

    def _open(self, message: Open) -> None:
        worker, settings = self.worker, self.worker.settings
        if message.stream in self.streams:
            raise Refused("stream_exists", f"stream {message.stream} is open already")
        name = worker.default_voice if message.voice is None else message.voice
        voice = worker.voices.get(name)
        if name in worker.refused:
            raise Refused("unknown_voice", f"voice {name!r} could not be loaded: {worker.refused[name]}")
        if voice is None:
            raise Refused("unknown_voice", f"no voice {name!r}; there are: {', '.join(worker.voices)}")
        if message.format not in SAMPLE_RATES:
            raise Refused("unknown_format", f"no format {message.format!r}; there are: {', '.join(SAMPLE_RATES)}")
        if not protocol.SLOWEST <= message.speed <= protocol.FASTEST:
            raise Refused("bad_speed", f"speed {message.speed} is not within {protocol.SLOWEST} to {protocol.FASTEST}")
        if worker.draining:
            raise Refused("draining", "this worker is about to stop")
        if len(self.streams) >= settings.streams_per_socket:
            raise Refused("too_many_streams", f"{settings.streams_per_socket} streams are open on this socket")
        runner = worker.runner(voice)
        retry_after_s = runner.scheduler.retry_after_s(now())
        if retry_after_s is not None:
            raise Refused("busy", "no place for another stream now", round(retry_after_s * 1000))
        if not voice.engine.acquire():
            worker.counts["no_memory"] += 1
            raise Refused("busy", f"voice {name!r} is not loaded, and others that are in use take all memory", 1000)
        place = runner.scheduler.join((id(self), message.stream), message.priority, now())
        encoder = voice.engine.encoder(message.format, voice.gain)
        stream = Stream(
            message.stream,
            voice,
            message.format,
            message.speed,
            place,
            encoder,
            self.deliver,
            None if message.cut else Chunker(unhurried(voice.chunking)),
        )
        self.streams[message.stream] = stream
        runner.join(stream)
        worker.counts["opened"] += 1
        if self._held:
            runner.hold(stream, True)

    def _text(self, stream: Stream, text: str) -> None:
        if stream.ended:
            raise Refused("already_ended", f"text after the end of stream {stream.number}")
        stream.characters += len(text)
        if stream.characters > self.worker.settings.text_chars:
            raise Refused(
                "text_too_long", f"more than {self.worker.settings.text_chars} characters in stream {stream.number}"
            )
        wait_s = self._allowance.take(len(text), now())
        if wait_s:
            limits = self.worker.settings
            raise Refused(
                "too_fast",
                f"{len(text)} characters, and this socket may send {int(self._allowance.left)} now "
                f"({limits.text_burst_chars} at once, then {limits.text_chars_per_s:g} a second)",
                math.ceil(wait_s * 1000),
            )
        stream.write(text)

    # ---- to the client ----------------------------------------------------------------------------------------

    def advance(self, stream: Stream) -> None:
        """Send what may be sent; close the stream when that was all."""
        if stream.closed:
            return
        stream.finish()
        for audio in stream.take():
            self.send_audio(audio)
        if stream.all_sent:
            self._close(stream)
            self.worker.counts["done"] += 1
            self.send(Done(stream.number, stream.sent_ms))

    def deliver(self, stream: Stream, made: Made, error: Exception | None) -> None:
        """The outcome of one of a stream's steps."""
        if error is not None:
            message = f"synthesis failed: {str(error) or repr(error)}"
            return self._fail(stream.number, Error(_code(error), message, stream.number))
        if made.words:
            self.send(Words(stream.number, list(made.words)))
        stream.add(made.data)
        return self.advance(stream)

    def fail_all(self, engine: Engine, code: str, message: str) -> None:
        """End every stream of this engine for the same reason."""
        for number in [number for number, stream in self.streams.items() if stream.voice.engine is engine]:
            self._fail(number, Error(code, message, number))

    def _fail(self, number: int, error: Error) -> None:
        if number in self.streams:
            self._close(self.streams[number])
        self._over.append(number)
        self.worker.counts[f"error_{error.code}"] += 1
        self.send(error)

    def _close(self, stream: Stream) -> None:
        self.worker.runner(stream.voice).leave(stream)
        del self.streams[stream.number]
        self._over.append(stream.number)
        self.worker.stream_closed()

    def close(self) -> None:
        """The socket is gone, and its streams with it."""
        for stream in list(self.streams.values()):
            self._close(stream)

    # ---- the socket's queue -----------------------------------------------------------------------------------

    def send(self, message: protocol.FromWorker) -> None:
        """Queue a message."""
        self._put(protocol.encode(message))

    def send_audio(self, audio: protocol.Audio) -> None:
        """Queue audio."""
        self._put(protocol.encode_audio(audio.stream, audio.offset, audio.data))

    def _put(self, data: str | bytes) -> None:
        if self._gone:
            return
        self._queue.put_nowait(data)
        self.queued_bytes += len(data)
        if not self._held and self.queued_bytes > self.worker.settings.held_bytes:
            self._hold(True)

    async def write(self) -> None:
        """Send what is queued, until cancelled. Raises TimeoutError when the client does not take it."""
        try:
            while True:
                data = await self._queue.get()
                async with asyncio.timeout(self.worker.settings.slow_reader_s):
                    await (self.socket.send_bytes(data) if isinstance(data, bytes) else self.socket.send_str(data))
                self._queue.task_done()
                self.queued_bytes -= len(data)
                self._taken.set()
                if self._held and self.queued_bytes < self.worker.settings.held_bytes // 2:
                    self._hold(False)
        finally:
            self._gone = True
            self._taken.set()

    async def room(self) -> None:
        """Wait until the client has taken most answers: one that only asks must not fill the memory with them.

        What its streams make is bounded earlier, by holding them.
        """
        while not self._gone and self.queued_bytes > 2 * self.worker.settings.held_bytes:
            self._taken.clear()
            await self._taken.wait()

    async def drained(self) -> None:
        """Wait, for as long as a slow reader may take, until all that is queued was handed to the socket."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self.worker.settings.slow_reader_s):
                await self._queue.join()

    def _hold(self, held: bool) -> None:
        self._held = held
        for stream in self.streams.values():
            self.worker.runner(stream.voice).hold(stream, held)


def _code(error: Exception) -> str:
    match error:
        case Runaway():
            return "engine_runaway"
        case OutOfMemory():
            return "out_of_memory"
        case _:
            return "engine_failed"
