"""A far side for `bridge.listening.recognisers.websocket`: a service on a real WebSocket, well-behaved or not.

Well-behaved, it recognises with the real model: partial texts as the audio grows, a final text when asked, and an
opinion that the turn is over after 0.5 s of silence. Given a `Misconduct`, it says what that says instead, when so much
audio has come.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from aiohttp import WSMsgType, web
from aiohttp.test_utils import TestServer

from bridge.audio.mulaw import decode_float
from bridge.listening.recognisers.whisper import Whisper

_SPEECH_DB = -45.0


@dataclass(frozen=True)
class Says:
    """A message, an abrupt end (`message` None), or a refusal to read any more (`deaf`), after so much audio."""

    after_s: float
    message: dict[str, Any] | str | bytes | None = None
    deaf: bool = False


@dataclass
class Session:
    """One socket as the service saw it."""

    texts: list[dict[str, Any]] = field(default_factory=list)
    audio: bytearray = field(default_factory=bytearray)
    authorization: str | None = None
    closed: bool = False

    def asked(self, kind: str) -> list[dict[str, Any]]:
        return [text for text in self.texts if text["type"] == kind]


class StreamingService:
    """`misconduct[n]` is what the n-th socket does; later sockets are well-behaved."""

    def __init__(self, whisper: Whisper | None = None, misconduct: Sequence[Sequence[Says]] = ()) -> None:
        self.sessions: list[Session] = []
        self.refuses: int | None = None
        """Answer handshakes with this status."""
        self._whisper = whisper
        self._misconduct = misconduct
        self._sockets: set[web.WebSocketResponse] = set()
        self._held = asyncio.Event()

    @contextlib.asynccontextmanager
    async def serve(self) -> AsyncIterator[str]:
        """The address while it runs."""
        app = web.Application()
        app.router.add_get("/listen", self._handle)
        self._server = TestServer(app)
        await self._server.start_server()
        try:
            yield str(self._server.make_url("/listen")).replace("http", "ws", 1)
        finally:
            self._held.set()
            await self._server.close()

    async def dies(self) -> None:
        """Cut every connection without a goodbye, and refuse new ones."""
        self.refuses = 503
        for socket in list(self._sockets):
            self._cut(socket)

    def _cut(self, socket: web.WebSocketResponse) -> None:
        assert socket._req is not None
        if socket._req.transport is not None:
            socket._req.transport.abort()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        if self.refuses is not None:
            return web.Response(status=self.refuses)
        script = list(self._misconduct[len(self.sessions)]) if len(self.sessions) < len(self._misconduct) else None
        session = Session(authorization=request.headers.get("Authorization"))
        self.sessions.append(session)
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self._sockets.add(socket)
        try:
            engine = None if script is not None or self._whisper is None else _Engine(self._whisper)
            await self._converse(socket, session, script, engine)
        except ConnectionError:
            pass
        finally:
            session.closed = True
            self._sockets.discard(socket)
        return socket

    async def _converse(
        self, socket: web.WebSocketResponse, session: Session, script: list[Says] | None, engine: _Engine | None
    ) -> None:
        async for message in socket:
            if message.type is WSMsgType.BINARY:
                session.audio += message.data
            elif message.type is WSMsgType.TEXT:
                text = json.loads(message.data)
                session.texts.append(text)
                if text["type"] == "start":
                    await socket.send_json({"type": "ready", "build": "whatever"})
                if text["type"] == "close":
                    break
                if text["type"] == "finalise" and engine is not None:
                    for answer in engine.finalise(text["id"]):
                        await socket.send_json(answer)
            if message.type is WSMsgType.BINARY and engine is not None:
                for answer in engine.hears(message.data):
                    await socket.send_json(answer)
            while script and len(session.audio) >= script[0].after_s * 8000:
                await self._misbehaves(socket, script.pop(0))

    async def _misbehaves(self, socket: web.WebSocketResponse, says: Says) -> None:
        if says.deaf:
            await self._held.wait()
        elif says.message is None:
            self._cut(socket)
        elif isinstance(says.message, bytes):
            await socket.send_bytes(says.message)
        else:
            await socket.send_str(says.message if isinstance(says.message, str) else json.dumps(says.message))


class _Engine:
    """A streaming recogniser made of a whole-utterance one."""

    STEP = 8000

    def __init__(self, whisper: Whisper) -> None:
        self._whisper = whisper
        self._audio = bytearray()
        self._done = 0
        self._looked = 0
        self._segment = 0
        self._quiet_ms = 0
        self._spoke = False

    def hears(self, ulaw: bytes) -> list[dict[str, Any]]:
        self._audio += ulaw
        answers: list[dict[str, Any]] = []
        power = float(np.mean(np.square(decode_float(ulaw))))
        if power > 10 ** (_SPEECH_DB / 10):
            if not self._spoke:
                answers.append({"type": "turn", "opinion": "speech", "strength": 0.8})
            self._spoke, self._quiet_ms = True, 0
        elif self._spoke:
            self._quiet_ms += len(ulaw) // 8
            if self._quiet_ms >= 500:
                self._spoke = False
                answers.append({"type": "turn", "opinion": "over", "strength": 0.9, "at_ms": len(self._audio) / 8})
        if self._spoke and len(self._audio) - self._looked >= self.STEP:
            self._looked = len(self._audio)
            found = self._whisper.recognise(bytes(self._audio[self._done :]))
            answers.append({"type": "partial", "segment": self._segment, "text": found.text})
        return answers

    def finalise(self, number: int) -> list[dict[str, Any]]:
        ulaw = bytes(self._audio[self._done :])
        found = self._whisper.recognise(ulaw)
        answers: list[dict[str, Any]] = []
        if found.text:
            texts = found.text.split()
            first, last = _voiced(ulaw)
            begin, step = (self._done + first) / 8, (last - first) / 8 / len(texts)
            words = [[text, begin + n * step, begin + (n + 1) * step, None] for n, text in enumerate(texts)]
            said = {"segment": self._segment, "text": found.text, "end_ms": len(self._audio) / 8}
            answers.append({"type": "final", **said, "confidence": found.confidence, "words": words})
            self._segment += 1
        self._done = self._looked = len(self._audio)
        return [*answers, {"type": "finalised", "id": number}]


def _voiced(ulaw: bytes) -> tuple[int, int]:
    """Where the speech in it begins and ends."""
    samples = decode_float(ulaw)
    power = np.square(samples[: len(samples) // 160 * 160]).reshape(-1, 160).mean(axis=1)
    loud = np.flatnonzero(power > 10 ** (_SPEECH_DB / 10))
    return (int(loud[0]) * 160, int(loud[-1] + 1) * 160) if len(loud) else (0, len(ulaw))
