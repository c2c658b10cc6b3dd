"""`GET /v1/audio/stream`: speech over a WebSocket, for text that is still being written, and that may be cut off.

The messages are those of `bridge.worker.protocol`, one JSON text each, audio binary; the key goes into the handshake
as `Authorization: Bearer KEY`. A client numbers its streams, and may have several at once:

    <- {"type":"ready","version":1,"voices":["heart"],"default_voice":"heart","formats":["mulaw_8000",...],...}
    -> {"type":"open","stream":1,"voice":"heart","format":"pcm_24000"}
    -> {"type":"text","stream":1,"text":"I have an opening on Tues"}
    -> {"type":"text","stream":1,"text":"day. Shall "}
    <- {"type":"words","stream":1,"words":[["I",20,110],["have",110,300],...]}
    <- binary: 01 00 00 00, 00 00 00 00, samples      the stream, the offset of the first sample (both little-endian)
    -> {"type":"end","stream":1}
    <- {"type":"done","stream":1,"audio_ms":2320}

or, when the listener has heard enough,

    -> {"type":"cancel","stream":1}
    <- {"type":"cancelled","stream":1,"audio_ms":420}   nothing of the stream follows

`flush` speaks what is there without waiting for the end of a sentence; `playout` reports, as to a worker, are for those
who play at once and want no more than `upto_ms`. A stream's errors leave the others alone. Codes besides the worker's:
`rate_limit_exceeded` and `too_many_streams` of the key, `draining`, `no_voice`, `speech_failed`. A client that does
not read is cut off once 4 MB wait for it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Sequence

from aiohttp import WSCloseCode, WSMsgType, web

from bridge.api.access import Account, ApiError
from bridge.api.speech import SpeechApi
from bridge.call.events import Word
from bridge.errors import BadMessage, VoiceBusy, VoiceError
from bridge.speaking.voices.base import Request, TextStream
from bridge.worker import protocol
from bridge.worker.protocol import (
    FASTEST,
    FRAME_MS,
    SAMPLE_RATES,
    SLOWEST,
    Cancel,
    Cancelled,
    Done,
    End,
    Error,
    Flush,
    Open,
    Playout,
    Text,
    Words,
    frame_bytes,
    sample_bytes,
)

STREAM = "/v1/audio/stream"
_KEEP_ALIVE_S = 20.0
_UNREAD_BYTES = 4_194_304
_LAST_WORDS_S = 2.0
_REMEMBERED = 256
"""Streams that ended lately: late messages about them are no error."""


class SpeechSockets:
    """The WebSocket route, and all who are connected to it."""

    def __init__(self, api: SpeechApi) -> None:
        self._api = api
        self._sockets: set[SpeechSocket] = set()

    def add_to(self, app: web.Application) -> None:
        """Register the route."""
        app.router.add_get(STREAM, self._api.answering(self._handle))

    async def close(self) -> None:
        """End all streams and sockets."""
        await asyncio.gather(*(one.socket.close(code=WSCloseCode.GOING_AWAY) for one in list(self._sockets)))

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        account = self._api.account(request)
        self._api.voices()
        if not web.WebSocketResponse().can_prepare(request).ok:
            raise ApiError(426, "upgrade_required", f"{STREAM} is a WebSocket")
        if account.sockets >= self._api.settings.streams_per_key:
            raise ApiError(429, "too_many_sockets", "this key has too many sockets open", retry_after_s=1.0)
        socket = web.WebSocketResponse(
            heartbeat=_KEEP_ALIVE_S, max_msg_size=protocol.MESSAGE_BYTES, compress=False, timeout=_LAST_WORDS_S
        )
        await socket.prepare(request)
        one = SpeechSocket(self._api, account, socket, request.transport)
        self._sockets.add(one)
        account.sockets += 1
        try:
            await one.serve()
        finally:
            account.sockets -= 1
            self._sockets.discard(one)
        return socket


class SpeechSocket:
    """One client."""

    def __init__(
        self,
        api: SpeechApi,
        account: Account,
        socket: web.WebSocketResponse,
        transport: asyncio.BaseTransport | None,
    ) -> None:
        self.socket = socket
        self._api = api
        self._account = account
        self._transport = transport
        self._streams: dict[int, _Stream] = {}
        self._over: deque[int] = deque(maxlen=_REMEMBERED)
        self._outgoing: asyncio.Queue[str | bytes] = asyncio.Queue()
        self._unread = 0

    async def serve(self) -> None:
        """Until the client goes."""
        writer = asyncio.create_task(self._write())
        try:
            self.send(self._welcome())
            async for message in self.socket:
                try:
                    if message.type is not WSMsgType.TEXT:
                        raise BadMessage("clients send no binary messages")
                    self._receive(message.data)
                except BadMessage as error:
                    self.send(Error("bad_message", str(error)))
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(_LAST_WORDS_S):
                            await self._outgoing.join()
                    await self.socket.close(code=WSCloseCode.POLICY_VIOLATION, message=b"bad_message")
        finally:
            for stream in list(self._streams.values()):
                stream.cancel()
                self._end(stream, "cancelled")
            writer.cancel()
            await asyncio.gather(writer, return_exceptions=True)

    def _welcome(self) -> protocol.Ready:
        voices, settings = self._api.voices(), self._api.settings
        limits = protocol.Limits(settings.text_chars, settings.streams_per_key)
        names = [*voices, *(name for name, meant in settings.voices.items() if meant in voices)]
        models = {name: voices[settings.voices.get(name, name)] for name in names}
        return protocol.Ready(protocol.VERSION, names, names[0], models, list(SAMPLE_RATES), limits)

    def send(self, message: protocol.FromWorker) -> None:
        """Queue a message."""
        self.put(protocol.encode(message))

    def put(self, data: str | bytes) -> None:
        """Queue what is encoded already."""
        self._outgoing.put_nowait(data)
        self._unread += len(data)
        if self._unread > _UNREAD_BYTES and isinstance(self._transport, asyncio.Transport):
            self._transport.abort()  # a closing handshake would wait for a peer that does not read

    async def _write(self) -> None:
        with contextlib.suppress(ConnectionError):
            while True:
                data = await self._outgoing.get()
                await (self.socket.send_bytes(data) if isinstance(data, bytes) else self.socket.send_str(data))
                self._outgoing.task_done()
                self._unread -= len(data)

    # ---- what the client says ----------------------------------------------------------------------------------

    def _receive(self, text: str) -> None:
        """One message. Raises BadMessage when it does not even name a stream."""
        try:
            message = protocol.decode_client(text)
        except protocol.BadStreamMessage as error:
            return self.fail(error.stream, Error("bad_message", str(error), error.stream))
        try:
            self._obey(message)
        except (ApiError, VoiceError) as error:
            self.fail(message.stream, _as_message(error, message.stream))
        return None

    def _obey(self, message: protocol.FromClient) -> None:
        if isinstance(message, Open):
            return self._open(message)
        stream = self._streams.get(message.stream)
        if stream is None:
            if isinstance(message, Cancel) or message.stream in self._over:
                return None
            raise ApiError(400, "unknown_stream", f"stream {message.stream} is not open")
        match message:
            case Text():
                stream.text(message.text, self._api.settings.text_chars)
            case Flush():
                stream.speech.flush()
            case End():
                stream.ended = True
                stream.speech.end()
            case Playout():
                stream.speech.playout(message.lead_ms, message.upto_ms)
            case Cancel():
                stream.cancel()
                self._end(stream, "cancelled")
                self.send(Cancelled(stream.number, stream.audio_ms))
        return None

    def _open(self, message: Open) -> None:
        if message.stream in self._streams:
            raise ApiError(400, "stream_exists", f"stream {message.stream} is open already")
        if message.format not in SAMPLE_RATES:
            raise ApiError(400, "unknown_format", f"no format {message.format!r}; there are: {', '.join(SAMPLE_RATES)}")
        if not SLOWEST <= message.speed <= FASTEST:
            raise ApiError(400, "bad_speed", f"speed {message.speed:g} is not within {SLOWEST:g} to {FASTEST:g}")
        voice = self._api.voice(message.voice)
        self._account.take()
        stream = _Stream(self, message.stream, message.format)
        try:
            stream.speech = self._api.open(Request("", voice, message.speed, message.priority, message.format), stream)
        except VoiceError:
            self._account.give_back()
            raise
        self._streams[message.stream] = stream

    # ---- how streams end ---------------------------------------------------------------------------------------

    def done(self, stream: _Stream) -> None:
        """All of it was sent."""
        self._end(stream, "done")
        self.send(Done(stream.number, stream.audio_ms))

    def fail(self, number: int, error: VoiceError | Error) -> None:
        """A stream ends for this reason, if it had begun at all."""
        stream = self._streams.get(number)
        if stream is not None:
            stream.cancel()
            self._end(stream, "failed")
        else:
            self._over.append(number)
            self._api.count("refused")
        self.send(error if isinstance(error, Error) else _as_message(error, number))

    def _end(self, stream: _Stream, answer: str) -> None:
        del self._streams[stream.number]
        self._over.append(stream.number)
        self._account.give_back()
        self._api.count(answer)


class _Stream:
    """One text; hears what the worker makes of it."""

    speech: TextStream

    def __init__(self, client: SpeechSocket, number: int, audio_format: str) -> None:
        self.number = number
        self.ended = False
        self._client = client
        self._format = audio_format
        self._characters = 0
        self._sent_bytes = 0

    @property
    def audio_ms(self) -> int:
        """Audio sent so far."""
        return self._sent_bytes // frame_bytes(self._format) * FRAME_MS

    def text(self, delta: str, most: int) -> None:
        """More text. Raises ApiError after the end of it, and when it is too long."""
        if self.ended:
            raise ApiError(400, "already_ended", f"text after the end of stream {self.number}")
        self._characters += len(delta)
        if self._characters > most:
            raise ApiError(400, "text_too_long", f"more than {most} characters in stream {self.number}")
        self.speech.text(delta)

    def cancel(self) -> None:
        """Nothing more is wanted."""
        self.speech.cancel()

    def audio(self, ulaw: bytes) -> None:
        """More samples, in the stream's format."""
        offset = self._sent_bytes // sample_bytes(self._format)
        self._sent_bytes += len(ulaw)
        self._client.put(protocol.encode_audio(self.number, offset, ulaw))

    def words(self, words: Sequence[Word]) -> None:
        """Words placed in time."""
        self._client.send(Words(self.number, list(words)))

    def done(self) -> None:
        """That was all."""
        self._client.done(self)

    def failed(self, error: VoiceError) -> None:
        """Nothing more will come."""
        self._client.fail(self.number, error)


def _as_message(error: ApiError | VoiceError, stream: int) -> Error:
    if isinstance(error, ApiError):
        retry_after_ms = None if error.retry_after_s is None else round(error.retry_after_s * 1000)
        return Error(error.code, str(error), stream, retry_after_ms)
    if isinstance(error, VoiceBusy):
        return Error("busy", str(error), stream, round(error.retry_after_s * 1000))
    return Error("speech_failed", str(error), stream)
