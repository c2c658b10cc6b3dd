"""Agents of each kind that do nobody any good, each in six ways: `hostile(kind, how)` opens one."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

from aiohttp import web

from bridge.agents.base import AgentFactory
from bridge.agents.factory import build_agents
from bridge.agents.settings import (
    AgentSettings,
    AnswerLimits,
    ChatSettings,
    ConversationRelaySettings,
    GeminiLiveSettings,
    PythonSettings,
    RealtimeAgentSettings,
    ScriptSettings,
    TeamMember,
    TeamSettings,
    WebSettings,
)
from bridge.agents.tools.settings import PythonToolsSettings
from tests.agents.doubles import Line, Server
from tests.agents.models import PATHS, events
from tests.agents.relay_application import Caller, RelayApplication, Told
from tests.doubles.live.base import LiveConversation, LiveDouble, Message, messages

WAYS = ("endless text", "silence", "lively silence", "huge results", "floods", "wrong types")
LIMITS = AnswerLimits(answer_characters=120, answer_s=12.0)
"""Tighter than usual, so that nobody has to listen for minutes."""
LARGE = "x" * 300_000
DEEP = "[" * 3000
TOOLS = PythonToolsSettings(functions=["tests.agents.orders:huge"])

WRONG = (
    '{"type": "text", "token": {"no": ["text"]}}',
    '{"type": "say", "text": 7}',
    '{"type": "response.output_audio.delta", "delta": 7, "response_id": ["r"]}',
    '{"serverContent": "none"}',
    '{"choices": "none"}',
    '{"state": {"no": ["text"]}}',
    "[]",
    "7",
    "null",
    '"',
    DEEP,
    f'{{"type": "text", "x": {DEEP}',
    f'{{"serverContent": {{"x": {DEEP}',
    "\ud800".encode("utf-8", "surrogatepass"),
)
"""Messages that are none, in anybody's protocol."""

Send = Callable[[str | bytes], Awaitable[None]]


@contextlib.asynccontextmanager
async def hostile(kind: str, how: str, folder: Path) -> AsyncIterator[AgentFactory]:
    """A factory of such agents."""
    async with contextlib.AsyncExitStack() as stack:
        settings: AgentSettings
        match kind:
            case "script":
                service = await stack.enter_async_context(_shop(how))
                file = folder / f"{how}.yaml"
                file.write_text(_script(service))
                settings = ScriptSettings(file=str(file))
            case "python":
                name = how.title().replace(" ", "")
                settings = PythonSettings(class_=f"tests.agents.misbehaviour_python:{name}", limits=LIMITS)
            case "team":
                name = how.title().replace(" ", "")
                bad = PythonSettings(class_=f"tests.agents.misbehaviour_python:{name}", limits=LIMITS)
                # The supervisor is as bad, and hears of what the caller says to the other.
                members = {name: TeamMember(agent=bad) for name in ("desk", "coach")}
                settings = TeamSettings(first="desk", members=members, supervisor="coach")
            case "openai" | "anthropic" | "gemini":
                server = await stack.enter_async_context(_model(kind, how))
                settings = ChatSettings(
                    url=f"{server.url}/v1",
                    model="small",
                    dialect=kind,
                    functions=[TOOLS],
                    limits=LIMITS,
                )
            case "web":
                server = await stack.enter_async_context(_web(how))
                settings = WebSettings(url=f"{server.url}/call", limits=LIMITS)
            case "conversation_relay":
                application = await stack.enter_async_context(RelayApplication(_Application(how)))
                settings = ConversationRelaySettings(url=application.url, limits=LIMITS)
            case _:
                double = LiveDoubles[kind](how)
                at = await stack.enter_async_context(double.serve())
                made = RealtimeAgentSettings if kind == "openai_realtime" else GeminiLiveSettings
                settings = made(
                    model="live",
                    url=f"ws://{at}{double.path}",
                    functions=[TOOLS],
                    limits=LIMITS,
                    longest_answer_s=4.0,
                )
        factory = build_agents(settings, environ={})
        yield factory
        await factory.close()


# -- a script, whose services misbehave ----------------------------------------------------------------


def _script(url: str) -> str:
    return f"""
start: ask
states:
  ask:
    say: One moment.
    http: {{url: "{url}", keep: {{state: state}}, deadline_s: 2}}
    on_result: tell
    on_failed: {{say: Our system is away., hang_up: away}}
  tell: {{say: "It is {{state}}.", hang_up: done}}
"""


@contextlib.asynccontextmanager
async def _shop(how: str) -> AsyncIterator[str]:
    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        match how:
            case "endless text":
                await response.write(b'{"state": "')
                while True:
                    await response.write(b"and on and on " * 50)
                    await asyncio.sleep(0.01)
            case "silence":
                await asyncio.sleep(3600)
            case "lively silence":
                while True:
                    await response.write(b" ")
                    await asyncio.sleep(0.5)
            case "huge results":
                await response.write(json.dumps({"state": LARGE}).encode())
            case "floods":
                await response.write(b'{"state": "sent"}')
            case _:
                await response.write(b'{"state": ' + b"[" * 900 + b"]" * 900 + b"}")
        return response

    app = web.Application()
    app.router.add_get("/order", answer)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.2)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/order"
    finally:
        await runner.cleanup()


# -- chat models, web services ---------------------------------------------------------------------------


def _model(dialect: str, how: str) -> Server:
    nothing = {"openai": {"choices": []}, "anthropic": {"type": "ping"}, "gemini": {"candidates": []}}[dialect]

    async def answer(_body: Any, line: Line) -> None:
        match how:
            case "endless text":
                while True:
                    *words, _ = (e for e in events(dialect, "and on and on ", []) if "stop" not in e)
                    for event in words:
                        await line.write(event)
                    await asyncio.sleep(0.01)
            case "silence":
                await asyncio.sleep(3600)
            case "lively silence":
                while True:
                    await line.write(f": still here\n\ndata: {json.dumps(nothing)}\n\n")
                    await asyncio.sleep(0.5)
            case "huge results":
                for event in events(dialect, "", [("huge", {})]):
                    await line.write(event)
            case "floods":
                for event in events(dialect, "", [("expect", {"answer": "open"})] * 500):
                    await line.write(event)
            case _:
                for wrong in WRONG:
                    await line.write(b"data: " + (wrong if isinstance(wrong, bytes) else wrong.encode()) + b"\n\n")

    return Server(PATHS[dialect], "text/event-stream", answer)


def _web(how: str) -> Server:
    async def answer(_body: Any, line: Line) -> None:
        match how:
            case "endless text":
                while True:
                    await line.write('{"type": "say", "text": "and on and on ", "more": true}\n')
                    await asyncio.sleep(0.01)
            case "silence":
                await asyncio.sleep(3600)
            case "lively silence":
                while True:
                    await line.write("\n")
                    await asyncio.sleep(0.5)
            case "huge results":
                await line.write(json.dumps({"type": "say", "text": LARGE}) + "\n")
            case "floods":
                for _ in range(5000):
                    await line.write('{"type": "wait", "seconds": 0.0}\n')
            case _:
                for wrong in WRONG:
                    await line.write((wrong if isinstance(wrong, bytes) else wrong.encode()) + b"\n")

    return Server("/call", "application/x-ndjson", answer)


# -- applications behind the relay -------------------------------------------------------------------------


class _Application:
    def __init__(self, how: str) -> None:
        self._how = how

    async def __call__(self, caller: Caller, told: Told) -> None:
        if told["type"] != "setup":
            return
        socket = caller.socket
        match self._how:
            case "endless text":
                while not socket.closed:
                    await caller.says("and on and on ", last=False)
                    await asyncio.sleep(0.01)
            case "lively silence":
                while not socket.closed:
                    await caller.says("", last=False)
                    await asyncio.sleep(0.5)
            case "huge results":
                await caller.says(LARGE[:200_000])
                await caller.says(LARGE)
            case "floods":
                for _ in range(5000):
                    await caller.send(type="sendDigits", digits="1")
            case "wrong types":
                for wrong in WRONG:
                    await _raw(socket, wrong)
                await caller.says("Please enter your order number.")


async def _raw(socket: web.WebSocketResponse, message: str | bytes) -> None:
    await (socket.send_bytes(message) if isinstance(message, bytes) else socket.send_str(message))


# -- models that speak themselves ----------------------------------------------------------------------------


class _HostileDouble(LiveDouble, ABC):
    """Accepts a session, and misbehaves at each question."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.how = how

    def authorised(self, request: web.Request) -> bool:
        return True

    async def converse(self, socket: web.WebSocketResponse, talk: LiveConversation) -> None:
        self.number, at_work = 0, None
        try:
            async for told in messages(socket, talk):
                if (ready := self.ready(told)) is not None:
                    await socket.send_json(ready)
                elif self.asked(told):
                    if at_work is not None:
                        at_work.cancel()
                    self.number += 1
                    at_work = asyncio.create_task(self.misbehave(socket))
        finally:
            if at_work is not None:
                at_work.cancel()

    @abstractmethod
    def ready(self, told: Message) -> Message | None: ...

    @abstractmethod
    def asked(self, told: Message) -> bool: ...

    def begun(self) -> list[Message]:
        return []

    @abstractmethod
    def text(self, text: str) -> Message: ...

    @abstractmethod
    def audio(self, ulaw_ms: int) -> Message: ...

    @abstractmethod
    def calls(self, name: str, many: int) -> list[Message]: ...

    async def misbehave(self, socket: web.WebSocketResponse) -> None:
        with contextlib.suppress(ConnectionError):
            for message in self.begun():
                await socket.send_json(message)
            match self.how:
                case "endless text":
                    while True:
                        for message in (self.text("and on and on "), self.audio(200)):
                            await socket.send_json(message)
                        await asyncio.sleep(0.01)
                case "lively silence":
                    while True:
                        await socket.send_json(self.text(""))
                        await asyncio.sleep(0.5)
                case "huge results":
                    for message in self.calls("huge", 1):
                        await socket.send_json(message)
                case "floods":
                    for message in self.calls("expect", 500):
                        await socket.send_json(message)
                case "wrong types":
                    for wrong in WRONG * 4:
                        await _raw(socket, wrong)


class _Realtime(_HostileDouble):
    path = "/v1/realtime"

    def ready(self, told: Message) -> Message | None:
        return {"type": "session.updated"} if told["type"] == "session.update" else None

    def asked(self, told: Message) -> bool:
        return bool(told["type"] == "response.create")

    def begun(self) -> list[Message]:
        return [{"type": "response.created", "response": {"id": f"r{self.number}"}}]

    def _of(self, kind: str, **fields: Any) -> Message:
        return {"type": kind, "response_id": f"r{self.number}", "item_id": f"i{self.number}", **fields}

    def text(self, text: str) -> Message:
        return self._of("response.output_audio_transcript.delta", delta=text)

    def audio(self, ulaw_ms: int) -> Message:
        return self._of("response.output_audio.delta", delta=base64.b64encode(b"\x20\xa0" * 4 * ulaw_ms).decode())

    def calls(self, name: str, many: int) -> list[Message]:
        item = {"type": "function_call", "name": name, "arguments": '{"answer": "open"}'}
        called = [
            self._of("response.output_item.done", item={**item, "id": f"c{n}", "call_id": f"c{n}"}) for n in range(many)
        ]
        return [*called, {"type": "response.done", "response": {"id": f"r{self.number}", "status": "completed"}}]


class _GeminiLive(_HostileDouble):
    def ready(self, told: Message) -> Message | None:
        return {"setupComplete": {}} if "setup" in told else None

    def asked(self, told: Message) -> bool:
        return "activityEnd" in told.get("realtimeInput", {}) or "toolResponse" in told

    def text(self, text: str) -> Message:
        return {"serverContent": {"outputTranscription": {"text": text}}}

    def audio(self, ulaw_ms: int) -> Message:
        data = base64.b64encode(b"\x00\x10\x00\xf0" * 12 * ulaw_ms).decode()
        blob = {"mimeType": "audio/pcm;rate=24000", "data": data}
        return {"serverContent": {"modelTurn": {"parts": [{"inlineData": blob}]}}}

    def calls(self, name: str, many: int) -> list[Message]:
        called = [{"id": f"c{n}", "name": name, "args": {"answer": "open"}} for n in range(many)]
        return [{"toolCall": {"functionCalls": called}}]


LiveDoubles: dict[str, Callable[[str], _HostileDouble]] = {"openai_realtime": _Realtime, "gemini_live": _GeminiLive}
