"""A speaking model's whole answer in one message: the loop has its turn meanwhile, and nonsense ends nothing else."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import threading
from collections.abc import AsyncIterator, Iterator

import pytest
from aiohttp import web

from bridge.agents.live.answer import LiveAnswer, Voice
from bridge.agents.live.gemini import GeminiWire
from bridge.agents.live.realtime import RealtimeWire
from bridge.agents.live.session import LiveSession
from bridge.agents.live.wire import LiveEvent, LiveWire, SpeechPart, Trouble
from bridge.agents.settings import GeminiLiveSettings, LiveSettings, RealtimeAgentSettings
from bridge.audio.formats import MULAW_8000
from bridge.http import HttpClient
from tests.attacks.probe import LoopProbe, budget_ms

BYTES = 1_400_000
"""Of audio: as much as a message may hold."""


def gemini(encoded: str) -> str:
    blob = {"mimeType": "audio/pcm;rate=24000", "data": encoded}
    return json.dumps({"serverContent": {"modelTurn": {"parts": [{"inlineData": blob}]}}})


def realtime(encoded: str) -> str:
    return json.dumps(
        {"type": "response.output_audio.delta", "response_id": "r", "item_id": "i", "output_index": 0, "delta": encoded}
    )


GREETINGS = {
    "gemini_live": ['{"setupComplete":{}}'],
    "openai_realtime": ['{"type":"session.updated","session":{}}', '{"type":"response.created","response":{"id":"r"}}'],
}
SAYS = {"gemini_live": gemini, "openai_realtime": realtime}


class Service:
    """In a thread of its own, so that only our loop's work is measured. It says what it is given once asked."""

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._loop = asyncio.new_event_loop()
        self._sockets: list[web.WebSocketResponse] = []
        self.url = ""

    @contextlib.contextmanager
    def runs(self) -> Iterator[None]:
        thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        thread.start()
        runner = asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(20)
        try:
            yield
        finally:
            asyncio.run_coroutine_threadsafe(runner.cleanup(), self._loop).result(20)
            self._loop.call_soon_threadsafe(self._loop.stop)
            thread.join(20)

    async def _start(self) -> web.AppRunner:
        app = web.Application()
        app.router.add_get("/", self._handle)
        runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.2)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.url = f"ws://127.0.0.1:{runner.addresses[0][1]}/"
        return runner

    async def _handle(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(max_msg_size=0)
        await socket.prepare(request)
        self._sockets.append(socket)
        for greeting in GREETINGS[self._kind]:
            await socket.receive()
            await socket.send_str(greeting)
        async for _ in socket:
            pass
        return socket

    def says(self, text: str) -> None:
        asyncio.run_coroutine_threadsafe(self._sockets[-1].send_str(text), self._loop).result(20)


class Heard:
    """What one answer of the session was told of."""

    def __init__(self) -> None:
        self.audio = bytearray()
        self.troubles: list[Trouble] = []
        self.answer: LiveAnswer | None = None

    def __call__(self, _session: LiveSession, event: LiveEvent) -> None:
        if isinstance(event, SpeechPart):
            self.audio += event.audio
        elif isinstance(event, Trouble):
            self.troubles.append(event)
        if self.answer is not None and not isinstance(event, Trouble):
            self.answer.happened(event)

    async def until(self, size: int, troubles: int = 0) -> None:
        async with asyncio.timeout(60):
            while len(self.audio) < size or len(self.troubles) < troubles:
                await asyncio.sleep(0.01)


def wire_of(kind: str, url: str) -> tuple[LiveWire, LiveSettings]:
    if kind == "gemini_live":
        its = GeminiLiveSettings(model="m", url=url)
        return GeminiWire(its, "k", {}, (), history=False, goes_on_from=""), its
    theirs = RealtimeAgentSettings(model="m", url=url)
    return RealtimeWire(theirs, "k", {}, (), MULAW_8000), theirs


@contextlib.asynccontextmanager
async def asked(kind: str, service: Service) -> AsyncIterator[Heard]:
    """A session that was asked for an answer, and listens to it."""
    wire, its = wire_of(kind, service.url)
    heard, http = Heard(), HttpClient()
    session = LiveSession(wire, http, heard)
    await session.open(20.0)
    heard.answer = LiveAnswer(session, Voice(MULAW_8000), its)
    session.send(wire.ask(spoken=False, text="Hello?"))
    await asyncio.sleep(0.1)
    yield heard
    session.close()
    await http.close()


@pytest.mark.parametrize("kind", SAYS)
async def test_a_whole_answer_in_one_message_holds_the_loop_no_longer_than_anything(kind: str) -> None:
    service, sound = Service(kind), bytes(range(1, 201)) * (BYTES // 200)
    said = SAYS[kind](base64.b64encode(sound).decode())
    with service.runs():
        async with asked(kind, service) as heard:
            with LoopProbe() as probe:
                service.says(said)
                await heard.until(len(sound))
                worst_ms, whose = probe.worst_ms, probe.whose
    assert bytes(heard.audio) == sound
    assert worst_ms <= budget_ms(), whose


@pytest.mark.parametrize("kind", SAYS)
@pytest.mark.parametrize("size", [41, 40_001])
async def test_audio_that_is_no_base64_is_told_of_and_the_next_is_heard(kind: str, size: int) -> None:
    service = Service(kind)
    with service.runs():
        async with asked(kind, service) as heard:
            service.says(SAYS[kind]("A" * size))
            service.says(SAYS[kind](base64.b64encode(b"\x11" * 400).decode()))
            await heard.until(400, troubles=1)
    assert [trouble.aside for trouble in heard.troubles] == [True]
    assert bytes(heard.audio).endswith(b"\x11" * 400)
