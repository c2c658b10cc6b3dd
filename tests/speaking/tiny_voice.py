"""A hosted voice in small: a provider with a socket for each stream and linear16 at 24 kHz, and its service.

The service is as vendors' are: it takes JSON, sends samples in pieces of odd sizes, places words in seconds or not at
all, says errors in its own words, and may send on after it was told to stop. The provider makes of it what
`bridge.speaking.voices.base` asks for.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable

import aiohttp
import numpy as np
from aiohttp import web

from bridge.audio.encoder import Encoder, LinearDecoder
from bridge.call.events import Word
from bridge.errors import FailureKind, VoiceBusy, VoiceError, VoiceLost
from bridge.speaking.voices.base import SpeechListener, SpeechRequest
from tests.speaking.provider_contract import Fault

RATE_HZ = 24_000
WORD_S = 0.2
_PIECE = 4801
"""Bytes: no whole number of samples, let alone of frames."""
_KINDS: dict[str, FailureKind] = {"payment required": "quota", "no such voice": "rejected", "oops": "internal"}


class TinyService:
    """The far end. 200 ms of a tone for each word."""

    def __init__(self, *, places_words: bool = True) -> None:
        self.texts: list[str] = []
        self.voices: list[str] = []
        self.fault: Fault = "well"
        self.after_words = 0
        self._places_words = places_words
        self._hold: asyncio.Event | None = None
        self._runner: web.AppRunner | None = None
        self.url = ""

    def misbehave(self, fault: Fault, after_words: int) -> None:
        self.fault, self.after_words = fault, after_words

    def hold(self) -> None:
        self._hold = asyncio.Event()

    def release(self) -> None:
        if self._hold is not None:
            self._hold.set()

    async def __aenter__(self) -> TinyService:
        app = web.Application()
        app.router.add_get("/", self._serve)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}/"
        return self

    async def __aexit__(self, *error: object) -> None:
        self.release()
        assert self._runner is not None
        await self._runner.cleanup()

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        fault, after = self.fault, self.after_words
        if fault == "busy":
            return web.Response(status=429, headers={"Retry-After": "2"})
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        text = ""
        self.voices.append(request.query["voice"])
        async for message in socket:
            order = json.loads(message.data)
            text += order.get("add", "")
            if "over" in order:
                break
        self.texts.append(text)
        with contextlib.suppress(ConnectionError):
            for index, word in enumerate(text.split()):
                if fault == "lost" and index >= after:
                    assert request.transport is not None
                    request.transport.close()
                    return socket
                if fault in ("rejected", "internal") and index >= after:
                    await socket.send_json({"error": "no such voice" if fault == "rejected" else "oops"})
                    return socket
                await self._say(socket, index, word)
                if self._hold is not None and not index:
                    await self._hold.wait()
            await socket.send_json({"finished": True})
        return socket

    async def _say(self, socket: web.WebSocketResponse, index: int, word: str) -> None:
        if self._places_words:
            await socket.send_json({"word": word, "from_s": index * WORD_S, "to_s": (index + 1) * WORD_S})
        wave = np.sin(np.arange(int(WORD_S * RATE_HZ)) * (0.05 + 0.01 * (len(word) % 5))) * 9000
        data = wave.astype("<i2").tobytes()
        for start in range(0, len(data), _PIECE):
            await socket.send_bytes(data[start : start + _PIECE])


class TinyProvider:
    """The service as a provider."""

    name = "tiny"
    default_voice = "ada"

    def __init__(self, url: str) -> None:
        self.url = url
        self.voices = {"ada": "tiny-1", "bob": "tiny-1"}
        self.usable = False
        self._http: aiohttp.ClientSession | None = None
        self._streams: set[_TinyStream] = set()

    async def start(self, changed: Callable[[], None]) -> None:
        self._http = aiohttp.ClientSession()
        self.usable = True
        changed()

    async def close(self) -> None:
        self.usable = False
        for stream in list(self._streams):
            stream.fail(VoiceLost("the provider is closed"))
        if self._http is not None:
            await self._http.close()

    def open(self, request: SpeechRequest, listener: SpeechListener) -> _TinyStream:
        if self._http is None or not self.usable:
            raise VoiceError("not started", "lost")
        stream = _TinyStream(self._http, self.url, request, listener, self._streams.discard)
        self._streams.add(stream)
        return stream

    def stats(self) -> dict[str, float]:
        return {"open": len(self._streams)}


class _TinyStream:
    def __init__(
        self,
        http: aiohttp.ClientSession,
        url: str,
        request: SpeechRequest,
        listener: SpeechListener,
        over: Callable[[_TinyStream], None],
    ) -> None:
        self._listener: SpeechListener | None = listener
        self._over = over
        self._decoder = LinearDecoder()
        self._encoder = Encoder(RATE_HZ, request.audio_format, 1.0)
        self._orders: asyncio.Queue[dict[str, object]] = asyncio.Queue()
        self._timed = False
        if request.text:
            self.text(request.text)
            self.end()
        address = f"{url}?voice={request.voice or TinyProvider.default_voice}"
        self._task = asyncio.ensure_future(self._run(http, address))

    def text(self, delta: str) -> None:
        self._orders.put_nowait({"add": delta})

    def flush(self) -> None:
        """It speaks at the end only."""

    def end(self) -> None:
        self._orders.put_nowait({"over": True})

    def playout(self, lead_ms: float, upto_ms: int | None = None) -> None:
        """It cannot be paced."""

    def cancel(self) -> None:
        self._listener = None
        self._task.cancel()
        self._over(self)

    def fail(self, error: VoiceError) -> None:
        listener = self._listener
        self.cancel()
        if listener is not None:
            listener.failed(error)

    async def _run(self, http: aiohttp.ClientSession, address: str) -> None:
        try:
            async with http.ws_connect(address) as socket:
                writer = asyncio.ensure_future(self._write(socket))
                try:
                    async for message in socket:
                        self._take(message)
                finally:
                    writer.cancel()
        except aiohttp.WSServerHandshakeError as error:
            if error.status == 429:
                self.fail(VoiceBusy("too many at once", float(str(error.headers and error.headers["Retry-After"]))))
            else:
                self.fail(VoiceError(str(error)))
        except (aiohttp.ClientError, OSError) as error:
            self.fail(VoiceLost(str(error)))
        self.fail(VoiceLost("the connection ended before the speech did"))

    async def _write(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        while True:
            await socket.send_json(await self._orders.get())

    def _take(self, message: aiohttp.WSMessage) -> None:
        listener = self._listener
        if listener is None:
            return
        if message.type is aiohttp.WSMsgType.BINARY:
            if not self._timed:
                self._timed = True
                listener.no_words()
            if audio := self._encoder.feed(self._decoder.feed(message.data)):
                listener.audio(audio)
            return
        told = json.loads(message.data)
        if "word" in told:
            self._timed = True
            listener.words([Word(told["word"], round(told["from_s"] * 1000), round(told["to_s"] * 1000))])
        elif "error" in told:
            self.fail(VoiceError(told["error"], _KINDS.get(told["error"], "internal")))
        elif "finished" in told:
            if audio := self._encoder.finish():
                listener.audio(audio)
            self._listener = None
            self._over(self)
            listener.done()


async def tiny_service(*, places_words: bool = True) -> AsyncIterator[TinyService]:
    """For fixtures."""
    async with TinyService(places_words=places_words) as service:
        yield service
