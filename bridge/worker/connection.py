"""One socket of the worker: its streams in the engines, and the queue of what its client is yet to read."""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections import Counter
from collections.abc import Mapping
from typing import Protocol

from aiohttp import web

from bridge.errors import VoiceBusy, VoiceError
from bridge.speaking.voices.base import SpeechListener, SpeechRequest
from bridge.text.chunker import Chunker, unhurried
from bridge.text.spoken.languages import language, nearest
from bridge.worker import protocol
from bridge.worker.allowance import Allowance
from bridge.worker.engines.base import Engine
from bridge.worker.memory import OutOfMemory
from bridge.worker.protocol_server import ProtocolServer
from bridge.worker.runaway import Runaway
from bridge.worker.runner import EngineRunner, now
from bridge.worker.settings import WorkerSettings
from bridge.worker.streams import StepAudio, Stream
from bridge.worker.voices import LoadedVoice


class ConnectionOwner(Protocol):
    """What a connection needs of the worker it belongs to."""

    settings: WorkerSettings
    voices: dict[str, LoadedVoice]
    refused: Mapping[str, str]
    """Voices that could not be loaded, and why."""
    default_voice: str
    draining: bool
    counts: Counter[str]

    def runner(self, voice: LoadedVoice) -> EngineRunner:
        """Return the runner of the engine that speaks with this voice."""

    def stream_closed(self) -> None:
        """Take note that a stream is over."""


class EngineStream:
    """One utterance that an engine of this worker speaks (`bridge.speaking.voices.base.SpeechStream`)."""

    def __init__(self, connection: Connection, stream: Stream, listener: SpeechListener) -> None:
        self.stream = stream
        self._connection = connection
        self._listener = listener
        self._runner = connection.worker.runner(stream.voice)
        stream.deliver = self._deliver
        self._runner.join(stream)

    def text(self, delta: str) -> None:
        """Add text. Raises VoiceBusy for more than the socket may send."""
        self._connection.allow(len(delta))
        self.stream.write(delta)
        self._ask()

    def flush(self) -> None:
        """Have all text so far spoken."""
        self.stream.flush()
        self._ask()

    def end(self) -> None:
        """Say that there is no more text."""
        self.stream.flush()
        self.stream.ended = True
        self._ask()

    def playout(self, lead_ms: float, upto_ms: int | None = None) -> None:
        """Report what the caller still has to hear."""
        self._runner.report(self.stream, lead_ms, upto_ms)
        self._ask()

    def cancel(self) -> None:
        """Stop; its place is free at once."""
        self._connection.leave(self)

    def fail(self, error: VoiceError) -> None:
        """End the stream with an error; no more audio will come."""
        self.cancel()
        self._listener.failed(error)

    def hold(self, held: bool) -> None:
        """The client does not read, or reads again."""
        self._runner.hold(self.stream, held)

    def _ask(self) -> None:
        self._runner.ask(self.stream)
        self._advance()

    def _deliver(self, _stream: Stream, made: StepAudio, error: Exception | None) -> None:
        """The outcome of one step."""
        if error is not None:
            message = f"synthesis failed: {str(error) or repr(error)}"
            return self.fail(VoiceError(message, "internal", code=_code(error)))
        if made.words:
            self._listener.words(made.words)
        self.stream.add(made.data)
        return self._advance()

    def _advance(self) -> None:
        """Send what may be sent; end the stream when that was all."""
        if self.stream.closed:
            return
        self.stream.finish()
        for audio in self.stream.take():
            self._listener.audio(audio)
        if self.stream.all_sent:
            self.cancel()
            self._listener.done()


class Connection:
    """One socket and its streams."""

    def __init__(self, worker: ConnectionOwner, socket: web.WebSocketResponse) -> None:
        self.worker = worker
        self.socket = socket
        self.streams: set[EngineStream] = set()
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
        limits = protocol.Limits(settings.text_chars, settings.streams_per_socket)
        self._server = ProtocolServer(limits, self._open, self._put, self._ended)

    def receive(self, text: str) -> None:
        """One message. Raises BadMessage when nothing on this socket can be trusted any more."""
        self._server.receive(text)

    def send(self, message: protocol.FromWorker) -> None:
        """Queue a message for the client."""
        self._server.say(message)

    def fail_all(self, engine: Engine, code: str, message: str) -> None:
        """End every stream of this engine for the same reason."""
        for stream in [one for one in self.streams if one.stream.voice.engine is engine]:
            stream.fail(VoiceError(message, "lost", code=code))

    def close(self) -> None:
        """The socket is gone, and its streams with it."""
        self._server.close()

    def allow(self, characters: int) -> None:
        """Take so much text. Raises VoiceBusy when it comes too fast."""
        wait_s = self._allowance.take(characters, now())
        if wait_s:
            limits = self.worker.settings
            raise VoiceBusy(
                f"{characters} characters, and this socket may send {int(self._allowance.left)} now "
                f"({limits.text_burst_chars} at once, then {limits.text_chars_per_s:g} a second)",
                math.ceil(wait_s * 1000) / 1000,
                code="too_fast",
            )

    def leave(self, stream: EngineStream) -> None:
        """A stream is over, for whatever reason."""
        if stream in self.streams:
            self.streams.discard(stream)
            self.worker.runner(stream.stream.voice).leave(stream.stream)
            self.worker.stream_closed()

    def _open(self, request: SpeechRequest, listener: SpeechListener) -> EngineStream:
        worker = self.worker
        name = request.voice or worker.default_voice
        voice = worker.voices.get(name)
        if name in worker.refused:
            raise _unknown_voice(f"voice {name!r} could not be loaded: {worker.refused[name]}")
        if voice is None:
            raise _unknown_voice(f"no voice {name!r}; there are: {', '.join(worker.voices)}")
        if worker.draining:
            raise VoiceError("this worker is about to stop", "busy", code="draining")
        runner = worker.runner(voice)
        retry_after_s = runner.scheduler.retry_after_s(now(), request.priority)
        if retry_after_s is not None:
            raise VoiceBusy("no place for another stream now", retry_after_s)
        if not voice.engine.acquire():
            worker.counts["no_memory"] += 1
            raise VoiceBusy(f"voice {name!r} is not loaded, and others that are in use take all memory", 1.0)
        place = runner.scheduler.join(object(), request.priority, now())
        chunker = None if request.cut else Chunker(unhurried(voice.chunking))
        encoder = voice.engine.encoder(request.audio_format, voice.gain)
        made = Stream(
            voice,
            request.audio_format,
            request.speed,
            place,
            encoder,
            text=chunker,
            reads=language(nearest(request.language, voice.language)),
        )
        stream = EngineStream(self, made, listener)
        self.streams.add(stream)
        worker.counts["opened"] += 1
        if self._held:
            stream.hold(True)
        return stream

    def _ended(self, how: str, code: str) -> None:
        if code:
            self.worker.counts[f"error_{code}"] += 1
        elif how == "done":
            self.worker.counts["done"] += 1

    # ---- the socket's queue -----------------------------------------------------------------------------------

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
        for stream in self.streams:
            stream.hold(held)


def _unknown_voice(message: str) -> VoiceError:
    return VoiceError(message, "rejected", code="unknown_voice")


def _code(error: Exception) -> str:
    match error:
        case Runaway():
            return "engine_runaway"
        case OutOfMemory():
            return "out_of_memory"
        case _:
            return "engine_failed"
