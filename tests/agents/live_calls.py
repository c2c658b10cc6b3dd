"""Calls in virtual time with a model that speaks itself: our whole service, a double of the vendor, the ear."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from bridge.agents.base import AgentError, AgentFactory, CallInfo
from bridge.agents.live.factory import LiveFactory
from bridge.agents.settings import GeminiLiveSettings, RealtimeAgentSettings
from bridge.agents.tools.factory import Toolbox
from bridge.call.account import ToolUse
from bridge.call.actions import Action, Prompt, Spoken
from bridge.call.settings import CallSettings
from bridge.http import HttpClient
from bridge.simulator.calls_in_tests import CityFixture, Heard
from bridge.simulator.scenario import parse
from bridge.simulator.spelled import HeardWord, read, reader, words_of
from bridge.simulator.virtual import MemoryConnector
from tests.doubles.live.base import KEY, LiveConversation, LiveDouble
from tests.doubles.live.gemini import GeminiDouble
from tests.simulator.virtual_bridge import AGENTS, PUBLIC, TOKEN, virtual_bridge

FIXTURES = Path(__file__).parents[2] / "fixtures" / "scenarios"
ASKS = "{say: {recording: ../callers/book_appointment.wav}}"
INTERRUPTS = "{interrupt: {after_ms: %d, recording: ../callers/tuesday_morning.wav}}"
LISTENS = "{wait_for_silence: 900}"
_SCRIPTS = "press one please wait thank you goodbye"


class VirtualHttp(HttpClient):
    """Reaches servers of a virtual loop."""

    _virtual: aiohttp.ClientSession | None = None

    async def websocket(self, url: str, **options: Any) -> aiohttp.ClientWebSocketResponse:
        if self._virtual is None:
            self._virtual = aiohttp.ClientSession(connector=MemoryConnector(limit=0))
        socket: aiohttp.ClientWebSocketResponse = await self._virtual.ws_connect(url, **options)
        return socket

    async def close(self) -> None:
        if self._virtual is not None:
            await self._virtual.close()


@dataclass
class LiveCall:
    """A call that is over: what the caller heard, what the service was told, what we took note of."""

    heard: Heard
    talks: list[LiveConversation]
    double: LiveDouble
    problems: list[AgentError]
    transcript: tuple[Spoken, ...]
    costs: dict[str, float]
    tools: tuple[ToolUse, ...]
    ears: list[str]

    @property
    def talk(self) -> LiveConversation:
        return self.talks[-1]

    @property
    def words(self) -> list[HeardWord]:
        return read(self.heard.placed.recording.bot.sound, self.ears)

    @property
    def said(self) -> str:
        """All whole words that were heard."""
        return " ".join(word.text for word in self.words if word.complete)


@dataclass
class Telephone:
    """Rings a service whose agent is a model that speaks itself."""

    city: CityFixture
    call: CallSettings = field(default_factory=lambda: CallSettings(listens=False))
    toolbox: Toolbox | None = None
    problems: list[AgentError] = field(default_factory=list)

    def rings(
        self,
        double: LiveDouble,
        *steps: str,
        line: str = "{}",
        number: str = "/twilio/voice",
        team: Callable[[LiveFactory], AgentFactory] | None = None,
        **settings: Any,
    ) -> LiveCall:
        """One caller, who rings this path and does these steps; `team` puts the model among others."""
        agents: list[Any] = []

        def made(at: str) -> AgentFactory:
            factory = self.factory(double, at, settings)
            opened = factory.open_call

            def open_call(info: CallInfo) -> Any:
                agents.append(opened(info))
                agents[-1].reply = self._noted(agents[-1].reply)
                return agents[-1]

            factory.open_call = open_call  # type: ignore[method-assign]
            return factory if team is None else team(factory)

        @contextlib.asynccontextmanager
        async def bridge() -> AsyncIterator[tuple[str, str]]:
            async with double.serve() as at:
                agent = AGENTS / "booth.yaml"
                async with virtual_bridge(agent, agents=made(at), call=self.call) as (_, origin):
                    yield PUBLIC + number, origin
                    for _ in range(3):
                        await asyncio.sleep(0.5)  # goodbyes are said in the background

        fillers = [] if self.toolbox is None else [tool.filler for tool in self.toolbox.tools().values()]
        texts = [*(one.text for one in double.answers), "okay", *fillers, self._ours(), _SCRIPTS]
        ears = sorted(words_of(" ".join(texts)))
        scenario = parse(f"name: x\nline: {line}\nsteps: [{', '.join(steps)}]", folder=FIXTURES)
        (heard,) = self.city(bridge, [scenario], auth_token=TOKEN, understand=reader(ears), natural_voice=False)
        agent = agents[0]
        account = agent.account()
        transcript = agent._call.transcript() if agent._call is not None else ()
        return LiveCall(
            heard, double.conversations, double, self.problems, transcript, account.costs, account.tools, ears
        )

    def _noted(self, reply: Any) -> Any:
        """An agent's `reply` whose failures are kept."""

        async def noted(prompt: Prompt) -> AsyncGenerator[Action, None]:
            try:
                async with contextlib.aclosing(reply(prompt)) as actions:
                    async for action in actions:
                        yield action
            except AgentError as error:
                self.problems.append(error)
                raise

        return noted

    def _ours(self) -> str:
        call = self.call
        return f"{call.apology} {call.last_apology} {call.fallback.text} {call.goodbye}"

    def factory(self, double: LiveDouble, at: str, settings: dict[str, Any]) -> LiveFactory:
        url = f"ws://{at}{double.path}"
        made: RealtimeAgentSettings | GeminiLiveSettings
        if isinstance(double, GeminiDouble):
            made = GeminiLiveSettings(model="gemini-live", url=url, **settings)
        else:
            made = RealtimeAgentSettings(model="gpt-realtime", url=url, **settings)
        return LiveFactory(
            made, KEY, http=VirtualHttp(), report=lambda _, error: self.problems.append(error), toolbox=self.toolbox
        )
