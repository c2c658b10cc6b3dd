"""The link to one worker: warm sockets that carry many streams each, spoken in `bridge.worker.protocol`.

The link reconnects with growing patience, and keeps away from a worker that failed several times in a row
until a short text spoken for nobody (the half-open probe) has come back.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import aiohttp

from bridge.breaker import Breaker
from bridge.call.events import Word
from bridge.errors import BadMessage, VoiceAstray, VoiceBusy, VoiceError, VoiceLost
from bridge.speaking.voices.base import Listener, Request, SpeechStream, TextStream
from bridge.worker import protocol
from bridge.worker.protocol import (
    Cancel,
    Cancelled,
    Done,
    Draining,
    End,
    Error,
    Flush,
    Open,
    Playout,
    Ready,
    Text,
    Words,
    frame_bytes,
    sample_bytes,
)

log = logging.getLogger(__name__)

_RECONNECT_S = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0)
_HANDSHAKE_S = 5.0
_KEEP_ALIVE_S = 10.0
_PROBE_TEXT = "Okay."
_PROBE_S = 2.0
_FIRST_AUDIO_TARGET_S = 0.5
"""A worker whose first audio takes this long has no headroom left."""
_SMOOTHING = 0.2
_NOT_ITS_FAULT = frozenset(("unknown_voice", "unknown_format", "bad_speed", "text_too_long", "too_many_streams"))


class _Stream:
    """One text on its way through a socket."""

    def __init__(self, socket: _Socket, number: int, audio_format: str, listener: Listener) -> None:
        self._socket = socket
        self.number = number
        self.listener: Listener | None = listener
        self.sample_bytes, self.frame_bytes = sample_bytes(audio_format), frame_bytes(audio_format)
        self.asked_at: float | None = None
        """When the worker had something that it must speak at once; it is not late before that."""
        self.received = 0
        """Bytes."""

    def text(self, delta: str) -> None:
        """Add text; it may be cut anywhere."""
        if self.listener is not None:
            self._socket.send(Text(self.number, delta))

    def flush(self) -> None:
        """Have all text so far spoken without waiting for the end of its sentence."""
        if self.listener is not None:
            self._asked()
            self._socket.send(Flush(self.number))

    def end(self) -> None:
        """There is no more text."""
        if self.listener is not None:
            self._asked()
            self._socket.send(End(self.number))

    def _asked(self) -> None:
        if self.asked_at is None and not self.received:
            self.asked_at = self._socket.link.time()

    def playout(self, lead_ms: float, upto_ms: int | None = None) -> None:
        """Tell the worker how much the caller still has to hear, and how far it may send."""
        if self.listener is not None:
            self._socket.send(Playout(self.number, max(0, int(lead_ms)), upto_ms))

    def cancel(self) -> None:
        """Stop; nothing more reaches the listener."""
        if self.listener is not None:
            self.listener = None
            self._socket.send(Cancel(self.number))
            self._socket.streams.pop(self.number, None)

    def give_up(self) -> None:
        """Cancel, and count it against the worker."""
        if self.listener is not None:
            self.cancel()
            self._socket.link.count_failure("late")


class _Socket:
    """One warm connection."""

    def __init__(self, link: WorkerLink) -> None:
        self.link = link
        self.streams: dict[int, _Stream] = {}
        self.ready = False
        self.welcomed = False
        """The worker has greeted on the latest connection."""
        self._number = 0
        self._outgoing: asyncio.Queue[str] = asyncio.Queue()

    def send(self, message: protocol.FromClient) -> None:
        """Queue a message."""
        self._outgoing.put_nowait(protocol.encode(message))

    def open(self, request: Request, listener: Listener) -> _Stream:
        """Begin a stream."""
        self._number = (self._number + 1) & 0xFFFF_FFFF
        stream = self.streams[self._number] = _Stream(self, self._number, request.audio_format, listener)
        cut = bool(request.text)
        self.send(Open(stream.number, request.voice, request.audio_format, request.speed, request.priority, cut))
        if request.text:
            stream.text(request.text)
        return stream

    async def run(self, http: aiohttp.ClientSession, address: str, headers: Mapping[str, str]) -> None:
        """Serve one connection until it ends. Raises OSError, ClientError, TimeoutError or BadMessage."""
        self._outgoing, self.welcomed = asyncio.Queue(), False
        connecting = http.ws_connect(address, headers=headers, heartbeat=_KEEP_ALIVE_S, max_msg_size=0, compress=0)
        async with asyncio.timeout(_HANDSHAKE_S) as handshake, connecting as socket:
            writer = asyncio.ensure_future(self._write(socket))
            try:
                async for message in socket:
                    if message.type is aiohttp.WSMsgType.BINARY:
                        self._audio(message.data)
                    elif message.type is aiohttp.WSMsgType.TEXT:
                        self._message(protocol.decode_worker(message.data))
                        if self.welcomed and handshake.when() is not None:
                            handshake.reschedule(None)
            finally:
                self.ready = False
                writer.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await writer

    async def _write(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        with contextlib.suppress(ConnectionError):
            while True:
                await socket.send_str(await self._outgoing.get())

    def lose(self, reason: str) -> int:
        """Fail all streams; return how many there were."""
        lost, self.streams = list(self.streams.values()), {}
        for stream in lost:
            self._fail(stream, VoiceLost(reason))
        return len(lost)

    def _audio(self, data: bytes) -> None:
        audio = protocol.decode_audio(data)
        stream = self.streams.get(audio.stream)
        if stream is None or stream.listener is None:
            return
        if audio.offset * stream.sample_bytes != stream.received or len(audio.data) % stream.frame_bytes:
            raise BadMessage(
                f"speech protocol: stream {audio.stream} has {stream.received // stream.sample_bytes} samples, "
                f"then came {len(audio.data)} bytes for offset {audio.offset}"
            )
        if not stream.received and stream.asked_at is not None:
            self.link.count_first_audio(stream.asked_at)
        stream.received += len(audio.data)
        stream.listener.audio(audio.data)

    def _message(self, message: protocol.FromWorker) -> None:
        match message:
            case Ready():
                if message.version != protocol.VERSION:
                    raise BadMessage(f"speech protocol: worker speaks version {message.version}, we {protocol.VERSION}")
                self.ready = self.welcomed = True
                self.link.welcome(message)
            case Words():
                stream = self.streams.get(message.stream)
                if stream and stream.listener:
                    stream.listener.words(message.words)
            case Done():
                stream = self.streams.pop(message.stream, None)
                if stream and stream.listener:
                    listener, stream.listener = stream.listener, None
                    self.link.count_success()
                    listener.done()
            case Cancelled():
                self.streams.pop(message.stream, None)
            case Draining():
                self.ready = False
                self.link.changed()
            case Error():
                self._error(message)

    def _error(self, error: Error) -> None:
        if error.stream is None:
            raise BadMessage(f"the worker ends the socket: {error.code}: {error.message}")
        stream = self.streams.pop(error.stream, None)
        if stream is None or stream.listener is None:
            return
        text = f"{error.code}: {error.message}"
        if error.code in ("busy", "draining", "too_fast"):
            retry_after_s = (error.retry_after_ms or 250) / 1000
            self.link.count_busy(retry_after_s)
            self._fail(stream, VoiceBusy(text, retry_after_s))
            return
        if error.code == "engine_runaway":  # that voice's fault; the worker's others are well
            self.link.counts["runaways"] += 1
            self._fail(stream, VoiceAstray(text))
            return
        if error.code not in _NOT_ITS_FAULT:
            self.link.count_failure(error.code)
        self._fail(stream, VoiceLost(text) if stream.received else VoiceError(text))

    def _fail(self, stream: _Stream, error: VoiceError) -> None:
        listener, stream.listener = stream.listener, None
        if listener is not None:
            listener.failed(error)


class WorkerLink:
    """Speech made by the worker at this address: `ws://host:port`, `http://host:port` or `unix:/path`."""

    def __init__(self, address: str, *, token: str = "", sockets: int = 1) -> None:
        self.name = address
        self._token = token
        self._sockets = [_Socket(self) for _ in range(max(1, sockets))]
        self._breaker = Breaker()
        self._changed: Callable[[], None] = lambda: None
        self._tasks: list[asyncio.Task[None]] = []
        self._probe: asyncio.TimerHandle | None = None
        self._http: aiohttp.ClientSession | None = None
        self._busy_until = 0.0
        self._first_audio_s = 0.0
        self._engines: Mapping[str, str] = MappingProxyType({})
        self.default_voice = ""
        self.counts: Counter[str] = Counter()

    @property
    def usable(self) -> bool:
        """Connected, and the breaker is closed."""
        return self._breaker.closed and any(socket.ready for socket in self._sockets)

    @property
    def load(self) -> float:
        """Streams under way; a worker that was just busy comes after all others."""
        streams = sum(len(socket.streams) for socket in self._sockets)
        return streams + (1e6 if self.time() < self._busy_until else 0.0)

    @property
    def headroom(self) -> float:
        """By how much first audio still comes sooner than half a second, waiting streams included."""
        if not self.usable or self.time() < self._busy_until:
            return 0.0
        now = self.time()
        streams = [stream for socket in self._sockets for stream in socket.streams.values()]
        waiting = [now - s.asked_at for s in streams if s.asked_at is not None and not s.received]
        late_s = max([self._first_audio_s, *waiting])
        return min(1.0, max(0.0, 1.0 - late_s / _FIRST_AUDIO_TARGET_S))

    @property
    def engines(self) -> Mapping[str, str]:
        """The worker's voices with their engine versions."""
        return self._engines

    async def start(self, changed: Callable[[], None]) -> None:
        """Begin to connect; returns at once."""
        self._changed = changed
        path = self.name.removeprefix("unix:").replace("//", "", 1) if self.name.startswith("unix:") else None
        connector = aiohttp.UnixConnector(path) if path else aiohttp.TCPConnector()
        self._http = aiohttp.ClientSession(connector=connector)
        address = "ws://worker/" if path else self.name
        self._tasks = [asyncio.ensure_future(self._keep(socket, address)) for socket in self._sockets]

    async def close(self) -> None:
        """End all streams and disconnect."""
        if self._probe:
            self._probe.cancel()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for socket in self._sockets:
            socket.lose("the service is closing")
        if self._http:
            await self._http.close()

    def open(self, request: Request, listener: Listener) -> SpeechStream:
        """Start speaking on the least loaded socket. Raises VoiceError when none is there."""
        stream = self.open_stream(request, listener)
        stream.end()
        return stream

    def open_stream(self, request: Request, listener: Listener) -> TextStream:
        """The same for a text that is not complete yet."""
        ready = [socket for socket in self._sockets if socket.ready]
        if not ready:
            raise VoiceError(f"worker {self.name} is not connected")
        self.counts["streams"] += 1
        return min(ready, key=lambda socket: len(socket.streams)).open(request, listener)

    def stats(self) -> dict[str, float]:
        """Counters, connections and the smoothed time to first audio."""
        return {
            **self.counts,
            "connected": sum(socket.ready for socket in self._sockets),
            "usable": float(self.usable),
            "under_way": sum(len(socket.streams) for socket in self._sockets),
            "breaker_opened": self._breaker.opened,
            "first_audio_ms": self._first_audio_s * 1000,
        }

    # ---- what the sockets report ------------------------------------------------------------------------------

    def welcome(self, ready: Ready) -> None:
        """A socket is ready for streams."""
        self.default_voice = ready.default_voice
        self._engines = MappingProxyType({voice: ready.models.get(voice, "unknown") for voice in ready.voices})
        self._changed()

    def changed(self) -> None:
        """Something about this link is different."""
        self._changed()

    def count_first_audio(self, asked_at: float) -> None:
        """First audio of a stream has come."""
        taken_s = self.time() - asked_at
        self._first_audio_s += (taken_s - self._first_audio_s) * _SMOOTHING

    def count_success(self) -> None:
        """A stream was spoken to its end."""
        self._breaker.succeeded()

    def count_busy(self, retry_after_s: float) -> None:
        """The worker is full, which is no failure."""
        self.counts["busy"] += 1
        self._busy_until = self.time() + retry_after_s

    def count_failure(self, why: str) -> None:
        """A stream failed by the worker's fault."""
        self.counts[f"failed_{why}"] += 1
        self._breaker.failed(self.time())
        if not self._breaker.closed and self._probe is None:
            log.warning("worker %s fails (%s): leaving it alone", self.name, why)
            self._plan_probe()
            self._changed()

    # ---- keeping it alive -------------------------------------------------------------------------------------

    async def _keep(self, socket: _Socket, address: str) -> None:
        attempt = 0
        headers = {"Authorization": f"Bearer {self._token}"} if self._token else {}
        assert self._http is not None
        while True:
            reason = "the worker closed the socket"
            try:
                await socket.run(self._http, address, headers)
            except (OSError, aiohttp.ClientError, TimeoutError) as error:
                reason = str(error) or type(error).__name__
            except BadMessage as error:
                self.counts["bad_messages"] += 1
                reason = str(error)
            lost = socket.lose(f"worker {self.name}: {reason}")
            attempt = 0 if socket.welcomed else attempt + 1
            self.counts["disconnected"] += 1
            if lost:
                self.count_failure("lost")
            (log.warning if attempt in (0, 3) else log.debug)("worker %s: %s", self.name, reason)
            self._changed()
            await asyncio.sleep(_RECONNECT_S[min(attempt, len(_RECONNECT_S) - 1)])

    def _plan_probe(self) -> None:
        retry_at = self._breaker.retry_at()
        if retry_at is not None:
            self._probe = asyncio.get_running_loop().call_at(retry_at, self._try_again)

    def _try_again(self) -> None:
        self._probe = None
        if self._breaker.closed:
            return
        if not any(socket.ready for socket in self._sockets):
            # The next connection is as good a sign as any; ask again a little later.
            self._probe = asyncio.get_running_loop().call_later(0.2, self._try_again)
            return
        if self._breaker.allows(self.time()):
            _Probe(self)

    def time(self) -> float:
        """Seconds on the event loop's clock."""
        return asyncio.get_running_loop().time()

    def probed(self, well: bool) -> None:
        """The half-open trial has ended."""
        if well:
            self._breaker.succeeded()
            log.info("worker %s is well again", self.name)
            self._changed()
        elif not self._breaker.closed and self._probe is None:
            self._breaker.failed(self.time())
            self._plan_probe()


class _Probe:
    """A short text spoken for nobody, to see whether a worker that failed is well again."""

    def __init__(self, link: WorkerLink) -> None:
        self._link = link
        self._well = False
        self._deadline = asyncio.get_running_loop().call_later(_PROBE_S, self._late)
        self._stream: SpeechStream | None = None
        try:
            self._stream = link.open(Request(_PROBE_TEXT), self)
        except VoiceError as error:
            self.failed(error)

    def audio(self, ulaw: bytes) -> None:
        """That is what was hoped for."""
        self._well = True

    def words(self, words: Sequence[Word]) -> None:
        """Not needed."""

    def done(self) -> None:
        """The trial is over."""
        self._deadline.cancel()
        self._link.probed(self._well)

    def failed(self, error: VoiceError) -> None:
        """The trial failed."""
        self._deadline.cancel()
        self._link.probed(isinstance(error, VoiceBusy))

    def _late(self) -> None:
        if self._stream:
            self._stream.cancel()
        self._link.probed(False)
