"""What the doubles of speaking models share: a server, a conversation that is kept, answers and misconduct on order.

What they say is spelled in chords (`bridge.simulator.spelled`), which the simulator's ear reads word for word.
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

from bridge.audio.mulaw import encode_float
from bridge.audio.resample import resample
from bridge.simulator.spelled import speak

KEY = "vendor-key"
Message = dict[str, Any]


@dataclass
class Answer:
    """What the model does when it is asked, and what goes wrong with that."""

    text: str = ""
    calls: Sequence[tuple[str, Message]] = ()
    """Tools that it calls behind its words: names and arguments."""
    slow_s: float = 0.0
    """So long it thinks before its first sound."""
    at_once: bool = False
    """All of its audio comes in one message."""
    pace: float = 8.0
    """How much faster than it sounds its audio comes."""
    dies_after_ms: int | None = None
    """The connection is cut when so much of its audio was sent."""
    stalls_after_ms: int | None = None
    """Nothing more comes when so much of its audio was sent."""
    late_ms: int = 0
    """So much more audio comes after it was cancelled."""
    stray: bool = False
    """Audio of somebody else's answer comes in between."""
    words_last: bool = False
    """The transcript comes behind the audio."""
    error: Message | None = None
    """It fails, with this."""
    refused: Message | None = None
    """The question is answered by this error."""
    reason: str = ""
    """Why it ended early: max_output_tokens, content_filter."""


@dataclass
class Item:
    """One entry of the conversation, as the service keeps it."""

    id: str
    role: str
    text: str = ""
    audio: bytes = b""
    audio_ms: float = 0.0
    kept_ms: float | None = None
    """So much of it the caller heard, as the service was told."""


@dataclass
class LiveConversation:
    """One connection as the service saw it."""

    query: dict[str, str]
    headers: dict[str, str]
    told: list[Message] = field(default_factory=list)
    setup: Message = field(default_factory=dict)
    items: list[Item] = field(default_factory=list)
    results: dict[str, Any] = field(default_factory=dict)
    """Of tools, by the call's id."""
    closed: bool = False
    errors: list[Message] = field(default_factory=list)
    """What the service found wrong with what it was sent."""

    def item(self, name: str) -> Item | None:
        return next((one for one in self.items if one.id == name), None)

    def said(self, role: str) -> list[Item]:
        return [one for one in self.items if one.role == role]


def sounds(text: str, rate_hz: int) -> bytes:
    """The speech of a text: mu-law at 8 kHz, or linear at any other rate."""
    sound, _ = speak(text)
    if rate_hz == 8000:
        return encode_float(sound)
    wide = resample(sound, 8000, rate_hz)
    return bytes((np.clip(wide, -1.0, 1.0) * 32767.0).round().astype("<i2").tobytes())


class LiveDouble:
    """A service on a port of its own, which gives these answers in a row."""

    path = "/"

    def __init__(self, answers: Sequence[Answer] = ()) -> None:
        self.answers = list(answers)
        self.given = 0
        self.conversations: list[LiveConversation] = []
        self.sockets: list[web.WebSocketResponse] = []
        self.refuses: int | None = None
        """Answer handshakes with this status."""
        self.second = 1.0

    @contextlib.asynccontextmanager
    async def serve(self) -> AsyncIterator[str]:
        """The address while it runs: `host:port`."""
        app = web.Application()
        app.router.add_get(self.path, self._handle)
        runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.2)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        try:
            yield f"127.0.0.1:{runner.addresses[0][1]}"
        finally:
            for socket in self.sockets:
                self.cut(socket)
            await runner.cleanup()

    @property
    def conversation(self) -> LiveConversation:
        """That of the connection opened last."""
        return self.conversations[-1]

    def next_answer(self, _talk: LiveConversation) -> Answer:
        self.given += 1
        return self.answers[self.given - 1] if self.given <= len(self.answers) else Answer("okay")

    def cut(self, socket: web.WebSocketResponse) -> None:
        """Cut a connection without a goodbye."""
        if socket._req is not None and socket._req.transport is not None:
            socket._req.transport.abort()

    def authorised(self, request: web.Request) -> bool:
        raise NotImplementedError

    async def converse(self, socket: web.WebSocketResponse, talk: LiveConversation) -> None:
        raise NotImplementedError

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        if self.refuses is not None:
            return web.Response(status=self.refuses)
        if not self.authorised(request):
            return web.Response(status=401)
        talk = LiveConversation(dict(request.query), dict(request.headers))
        self.conversations.append(talk)
        socket = web.WebSocketResponse(max_msg_size=0)
        await socket.prepare(request)
        self.sockets.append(socket)
        try:
            await self.converse(socket, talk)
        except ConnectionError:
            pass
        finally:
            talk.closed = True
        return socket


class Speaker:
    """Sends one answer's audio and transcript in pieces, as fast as it is told, until somebody stops it."""

    def __init__(self, answer: Answer, rate_hz: int, piece_ms: int = 200) -> None:
        self.answer = answer
        self.audio = sounds(answer.text, rate_hz) if answer.text else b""
        self.per_ms = 8 if rate_hz == 8000 else rate_hz * 2 // 1000
        self.piece = len(self.audio) if answer.at_once else piece_ms * self.per_ms
        self.stopped = asyncio.Event()
        self.sent_ms = 0.0
        self.words = answer.text.split()

    async def pieces(self) -> AsyncIterator[tuple[str, bytes | str]]:
        """`text` and `audio` pieces in the order and at the time in which they come."""
        answer, words = self.answer, [f"{word} " for word in self.words]
        if answer.slow_s:
            await self._wait(answer.slow_s)
        ahead = [] if answer.words_last else words
        for start in range(0, len(self.audio), max(self.piece, 1)):
            if self.stopped.is_set() and self.sent_ms >= self._until_ms:
                break
            piece = self.audio[start : start + self.piece]
            for _ in range(3):  # the transcript runs ahead of the audio
                if ahead:
                    yield "text", ahead.pop(0)
            yield "audio", piece
            self.sent_ms += len(piece) / self.per_ms
            await self._wait(len(piece) / self.per_ms / 1000 / answer.pace)
        if not self.stopped.is_set():
            for word in words if answer.words_last else ahead:
                yield "text", word

    @property
    def _until_ms(self) -> float:
        return self._stopped_at_ms + self.answer.late_ms

    _stopped_at_ms = 0.0

    def stop(self) -> None:
        if not self.stopped.is_set():
            self._stopped_at_ms = self.sent_ms
            self.stopped.set()

    async def _wait(self, seconds: float) -> None:
        if self.stopped.is_set():
            await asyncio.sleep(0)
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.stopped.wait()


async def messages(socket: web.WebSocketResponse, talk: LiveConversation) -> AsyncIterator[Message]:
    """What the client sends."""
    async for message in socket:
        if message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
            told = json.loads(message.data)
            talk.told.append(told)
            yield told
