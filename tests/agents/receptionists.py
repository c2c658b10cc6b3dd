"""The receptionist of the appointment dialogue as each kind of agent, with whatever stands at its far end.

All of them greet, take an order number, look the order up, offer two days, book a visit, say goodbye: `Shop` is asked.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from aiohttp import web

from bridge.agents.base import AgentFactory
from bridge.agents.factory import build_agents
from bridge.agents.settings import (
    AgentSettings,
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
from tests.agents.models import receptionist, says
from tests.agents.orders import book_visit, find_order
from tests.agents.relay_application import Caller, RelayApplication, Told
from tests.doubles.live.base import KEY, Answer, LiveConversation, LiveDouble
from tests.doubles.live.gemini import GeminiDouble
from tests.doubles.live.realtime import RealtimeDouble

KINDS = (
    "script",
    "python",
    "openai",
    "anthropic",
    "gemini",
    "web",
    "conversation_relay",
    "openai_realtime",
    "gemini_live",
    "team",
)
GREETING = "Riverside Dental. Please enter your order number."
OFFER = "Your order is {}. Press one for Tuesday or two for Thursday."
BOOKING = "I am booking it."
BOOKED = "You are booked for {}. Goodbye."
DAYS = {"1": "Tuesday", "2": "Thursday"}
TOOLS = PythonToolsSettings(
    functions=["tests.agents.orders:find_order", "tests.agents.orders:book_visit"], fillers={"book_visit": BOOKING}
)
KEYS = {"OPENAI_API_KEY": KEY, "GEMINI_API_KEY": KEY}


@contextlib.asynccontextmanager
async def receptionist_of(kind: str, folder: Path) -> AsyncIterator[AgentFactory]:
    """A factory of receptionists of this kind."""
    async with contextlib.AsyncExitStack() as stack:
        settings: AgentSettings
        told: list[Any] = []
        match kind:
            case "script":
                address = await stack.enter_async_context(_shop_service())
                (folder / "clinic.yaml").write_text(SCRIPT.replace("URL", address))
                settings = ScriptSettings(file="clinic.yaml")
            case "python":
                settings = PythonSettings(class_="tests.agents.dialogues:Clinic")
            case "openai" | "anthropic" | "gemini":
                model = await stack.enter_async_context(receptionist(kind))
                told = model.bodies
                settings = ChatSettings(url=f"{model.url}/v1", model="small", functions=[TOOLS], dialect=kind)
            case "web":
                service = await stack.enter_async_context(Server("/call", "application/x-ndjson", WebService()))
                settings = WebSettings(url=f"{service.url}/call")
            case "team":
                address = await stack.enter_async_context(_shop_service())
                (folder / "desk.yaml").write_text(DESK.replace("URL", address))
                (folder / "visits.yaml").write_text(VISITS.replace("URL", address))
                members = {name: TeamMember(agent=ScriptSettings(file=f"{name}.yaml")) for name in ("desk", "visits")}
                settings = TeamSettings(first="desk", members=members)
            case "conversation_relay":
                application = await stack.enter_async_context(RelayApplication(Application()))
                settings = ConversationRelaySettings(url=application.url, welcome_greeting=GREETING)
            case _:
                double = SpeakingModel() if kind == "openai_realtime" else SpeakingGemini()
                at = await stack.enter_async_context(double.serve())
                made = RealtimeAgentSettings if kind == "openai_realtime" else GeminiLiveSettings
                settings = made(model="live", url=f"ws://{at}{double.path}", functions=[TOOLS])
        factory = build_agents(settings, folder, KEYS)
        yield factory
        await factory.close()
        assert not any("error" in str(body) for body in told)


SCRIPT = f"""
start: greeting
states:
  greeting:
    say: {GREETING}
    expect: digits:6
    capture: number
    on_answer: look_up
  look_up:
    http: {{url: "URL/orders/{{number}}", keep: {{state: state}}}}
    on_result: offer
    on_failed: {{say: Our system is away., hang_up: away}}
  offer:
    say: {OFFER.format("{state}")}
    digits:
      "1": {{set: {{day: Tuesday}}, goto: book}}
      "2": {{set: {{day: Thursday}}, goto: book}}
  book:
    http: {{url: "URL/visits", method: POST, fields: {{day: "{{day}}"}}, filler: {BOOKING}}}
    on_result: {{say: "{BOOKED.format("{day}")}", hang_up: booked}}
    on_failed: {{say: Our system is away., hang_up: away}}
values: {{day: "", state: ""}}
"""


_LOOKS_UP, _, _BOOKS = SCRIPT.partition("  offer:\n")
DESK = f"""{_LOOKS_UP.replace("on_result: offer", "on_result: {transfer: visits}")}values: {{state: ""}}
"""
"""Greets and looks the order up, and hands over to whom offers a visit."""
VISITS = f"""
start: offer
parameters: [state]
states:
  offer:
{_BOOKS.replace(', state: ""', "")}"""


@contextlib.asynccontextmanager
async def _shop_service() -> AsyncIterator[str]:
    async def order(request: web.Request) -> web.Response:
        found = await find_order(request.match_info["number"])
        return web.json_response({"number": found.number, "state": found.state})

    async def visit(request: web.Request) -> web.Response:
        return web.json_response({"visit": await book_visit((await request.json())["day"])})

    app = web.Application()
    app.router.add_get("/orders/{number}", order)
    app.router.add_post("/visits", visit)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


class WebService:
    """A web service as the README describes it: it books when the caller's turn is confirmed."""

    def __init__(self) -> None:
        self.wanted: dict[tuple[str, int], str] = {}

    async def __call__(self, body: Any, line: Line) -> None:
        call, prompt = body["call"]["call_id"], body["prompt"]
        match prompt:
            case {"kind": "call_started"}:
                answer = [{"type": "say", "text": GREETING}, {"type": "expect", "answer": "digits:6"}]
            case {"kind": "digits", "text": number} if len(number) == 6:
                order = await find_order(number)
                answer = [{"type": "say", "text": OFFER.format(order.state)}, {"type": "expect", "answer": "digits:1"}]
            case {"kind": "digits", "text": key}:
                self.wanted[call, prompt["turn"]] = DAYS[key]
                answer = [
                    {"type": "say", "text": BOOKING},
                    {"type": "say", "text": BOOKED.format(DAYS[key])},
                    {"type": "hang_up", "reason": "booked"},
                ]
            case {"kind": "confirmed", "turn": turn}:
                if day := self.wanted.pop((call, turn), ""):
                    await book_visit(day)
                answer = []
            case _:
                answer = [{"type": "error", "message": f"unexpected: {prompt}"}]
        for action in answer:
            await line.write(json.dumps(action) + "\n")


class Application:
    """An application behind ConversationRelay: keys come one by one."""

    def __init__(self) -> None:
        self.pressed: dict[Caller, str] = {}

    async def __call__(self, caller: Caller, told: Told) -> None:
        if told["type"] != "dtmf":
            return
        keys = self.pressed[caller] = self.pressed.get(caller, "") + told["digit"]
        if len(keys) == 6:
            order = await find_order(keys)
            await caller.says(*(f"{word} " for word in OFFER.format(order.state).split()))
        elif len(keys) == 7:
            await caller.says(f"{BOOKING} ", last=False)
            await book_visit(DAYS[keys[-1]])
            await caller.says(BOOKED.format(DAYS[keys[-1]]))
            await caller.send(type="end", handoffData="booked")


class _Rules(LiveDouble):
    """Answers by the rules that the chat models follow."""

    def next_answer(self, talk: LiveConversation) -> Answer:
        last = talk.items[-1]
        result = next(reversed(talk.results.values()), "") if last.role == "tool" else ""
        return _spoken(last.text, str(result))


class SpeakingModel(_Rules, RealtimeDouble):
    """OpenAI's Realtime API with the receptionist behind it."""


class SpeakingGemini(GeminiDouble):
    """Gemini Live with the receptionist behind it, which goes on by itself after results."""

    def next_answer(self, talk: LiveConversation) -> Answer:
        results = list(talk.results.values())
        news = results[self.read.get(id(talk), 0) :]
        self.read[id(talk)] = len(results)
        result = next((one["result"] for one in news if one["result"] != "done"), "")
        if news and not result:
            return Answer("")
        return _spoken(talk.items[-1].text, result)

    def __init__(self) -> None:
        super().__init__()
        self.read: dict[int, int] = {}


def _spoken(heard: str, result: str) -> Answer:
    words, calls = says(heard, result)
    return Answer(words.lower().replace(".", ""), calls)
