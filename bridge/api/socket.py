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

import msgspec
from aiohttp import WSCloseCode, WSMsgType, web

from bridge.api.access import Account, ApiError
from bridge.api.speech import SpeechApi
from bridge.audio.formats import FORMATS
from bridge.errors import BadMessage, VoiceError
from bridge.speaking.voices.base import SpeechListener, SpeechRequest, SpeechStream
from bridge.worker import protocol
from bridge.worker.protocol import Error
from bridge.worker.protocol_server import ProtocolServer

STREAM = "/v1/audio/stream"
_KEEP_ALIVE_S = 20.0
_UNREAD_BYTES = 4_194_304
_LAST_WORDS_S = 2.0


class SpeechSockets:
    """The WebSocket route, and all who are connected to it."""

    def __init__(self, api: SpeechApi) -> None:
        self._api = api
        self._sockets: set[SpeechSocket] = set()

    def add_to(self, app: web.Application) -> None:
        """Register the WebSocket route with the application."""
        app.router.add_get(STREAM, self._api.answering(self._handle))

    async def close(self) -> None:
        """End all streams and sockets."""
        await asyncio.gather(*(one.socket.close(code=WSCloseCode.GOING_AWAY) for one in list(self._sockets)))

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        account = self._api.account(request)
        self._api.voices()
        if not web.WebSocketResponse().can_prepare(request).ok:
            raise ApiError(426, "upgrade_required", f"{STREAM} is a WebSocket")
        with account.socket():
            socket = web.WebSocketResponse(
                heartbeat=_KEEP_ALIVE_S, max_msg_size=protocol.MESSAGE_BYTES, compress=False, timeout=_LAST_WORDS_S
            )
            await socket.prepare(request)
            one = SpeechSocket(self._api, account, socket, request.transport)
            self._sockets.add(one)
            try:
                await one.serve()
            finally:
                self._sockets.discard(one)
        return socket


class SpeechSocket:
    """One client's WebSocket, over which text comes and speech goes."""

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
        limits = protocol.Limits(api.settings.text_chars, api.settings.streams_per_key)
        self._server = ProtocolServer(limits, self._open, self.put, self._ended)
        self._outgoing: asyncio.Queue[str | bytes] = asyncio.Queue()
        self._unread = 0

    async def serve(self) -> None:
        """Serve the client until it leaves."""
        writer = asyncio.create_task(self._write())
        try:
            self._server.say(self._welcome())
            async for message in self.socket:
                try:
                    if message.type is not WSMsgType.TEXT:
                        raise BadMessage("clients send no binary messages")
                    self._server.receive(message.data)
                except BadMessage as error:
                    self._server.say(Error("bad_message", str(error)))
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(_LAST_WORDS_S):
                            await self._outgoing.join()
                    await self.socket.close(code=WSCloseCode.POLICY_VIOLATION, message=b"bad_message")
        finally:
            self._server.close()
            writer.cancel()
            await asyncio.gather(writer, return_exceptions=True)

    def _welcome(self) -> protocol.Ready:
        voices, settings = self._api.voices(), self._api.settings
        limits = protocol.Limits(settings.text_chars, settings.streams_per_key)
        names = [*voices, *(name for name, meant in settings.voices.items() if meant in voices)]
        models = {name: voices[settings.voices.get(name, name)] for name in names}
        return protocol.Ready(protocol.VERSION, names, names[0], models, list(FORMATS), limits)

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

    def _open(self, request: SpeechRequest, listener: SpeechListener) -> SpeechStream:
        """Begin a stream of this key. Raises VoiceError."""
        try:
            voice = self._api.voice(request.voice or None)
            self._account.take()
        except ApiError as error:
            raise VoiceError(str(error), "rejected", code=error.code, retry_after_s=error.retry_after_s) from error
        try:
            return self._api.open(msgspec.structs.replace(request, voice=voice), listener)
        except VoiceError:
            self._account.give_back()
            raise

    def _ended(self, how: str, code: str) -> None:
        if how != "refused":
            self._account.give_back()
        self._api.count(how)
