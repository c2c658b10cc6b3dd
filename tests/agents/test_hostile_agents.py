"""Agents that do nobody any good harm their own call alone: a table of kinds and ways, between two good calls.

Real gateway, call machine, agents, HTTP, WebSockets and simulated callers, in virtual time.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
from collections.abc import AsyncGenerator, AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from bridge.agents.base import Agent, AgentError, AgentFactory, CallInfo, Failure, FixedLine
from bridge.agents.script_load import load_script
from bridge.call.actions import Action, Prompt
from bridge.call.settings import CallSettings
from bridge.errors import ConfigError
from bridge.simulator.calls_in_tests import CityFixture
from bridge.simulator.scenario import Scenario, parse
from bridge.simulator.spelled import read, reader, words_of
from bridge.simulator.virtual import MemoryConnector
from tests.agents.dialogues import World
from tests.agents.misbehaviour import WAYS, hostile
from tests.agents.receptionists import KINDS
from tests.agents.test_order_calls import EARS, LINES, STEPS, dialogue
from tests.simulator.virtual_bridge import AGENTS, PUBLIC, TOKEN, virtual_bridge

TOO_MUCH, LATE = Failure.TOO_MUCH, Failure.TIMEOUT
MODEL = {
    "endless text": TOO_MUCH,
    "silence": LATE,
    "lively silence": LATE,
    "huge results": TOO_MUCH,
    "floods": TOO_MUCH,
    "wrong types": Failure.UNREADABLE_EVENT,
}
LIVE: dict[str, Failure | str | None] = {**MODEL, "wrong types": Failure.SERVICE_ERROR}
EXPECTED: dict[str, dict[str, Failure | str | None]] = {
    "script": dict.fromkeys(WAYS),
    "python": {**MODEL, "silence": None, "lively silence": None, "wrong types": "TypeError"},
    "openai": {**MODEL},
    "anthropic": {**MODEL},
    "gemini": {**MODEL},
    "web": {**MODEL, "wrong types": Failure.BAD_ACTION},
    "conversation_relay": {**MODEL, "silence": None, "lively silence": None, "wrong types": None},
    "openai_realtime": LIVE,
    "gemini_live": LIVE,
    "team": {**MODEL, "silence": None, "lively silence": None, "wrong types": "TypeError"},
}
"""How the first answer of each must end: where there is no failure, it is whole, or the call has given it up."""


class ByNumber:
    """The good agent, and a bad one for each number that has its own; what became of their answers."""

    def __init__(self, good: AgentFactory, bad: dict[str, AgentFactory]) -> None:
        self._good, self._bad = good, bad
        self.failures: dict[str, list[Failure | str]] = {number: [] for number in bad}

    def open_call(self, info: CallInfo) -> Agent:
        if info.from_number not in self._bad:
            return self._good.open_call(info)
        agent: Any = self._bad[info.from_number].open_call(info)
        agent.reply = self._noted(agent.reply, self.failures[info.from_number])
        return agent  # type: ignore[no-any-return]

    def _noted(self, reply: Any, failures: list[Failure | str]) -> Any:
        async def noted(prompt: Prompt) -> AsyncGenerator[Action, None]:
            try:
                async with contextlib.aclosing(reply(prompt)) as actions:
                    async for action in actions:
                        yield action
            except Exception as error:
                failures.append(error.kind if isinstance(error, AgentError) else type(error).__name__)
                raise

        return noted

    def phrases(self) -> list[FixedLine]:
        return []

    async def close(self) -> None:
        pass


def caller(number: str, steps: str) -> Scenario:
    return parse(f"name: caller\ncaller: {{number: '{number}'}}\nsteps: [{steps}]\nlongest_s: 100")


@pytest.mark.parametrize("kind", KINDS)
def test_hostile_agents_harm_their_own_calls_alone(
    kind: str, city: CityFixture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    World.reset()
    monkeypatch.setattr(aiohttp, "TCPConnector", lambda **_how: MemoryConnector())  # agents are in the same network
    numbers = {way: f"+1500555{place:04}" for place, way in enumerate(WAYS, 1)}
    agents: list[ByNumber] = []
    unnoticed: list[dict[str, Any]] = []
    short = CallSettings(listens=False, apology="Sorry.", last_apology="Sorry.", goodbye="Goodbye.", no_input_s=3.0)

    @contextlib.asynccontextmanager
    async def bridge() -> AsyncIterator[tuple[str, str]]:
        asyncio.get_running_loop().set_exception_handler(lambda _loop, context: unnoticed.append(context))
        async with contextlib.AsyncExitStack() as stack:
            bad = {numbers[way]: await stack.enter_async_context(hostile(kind, way, tmp_path)) for way in WAYS}
            agents.append(ByNumber(dialogue("Clinic"), bad))
            async with virtual_bridge(AGENTS / "booth.yaml", agents=agents[0], call=short) as (_, origin):
                yield f"{PUBLIC}/twilio/voice", origin
                await asyncio.sleep(1.0)
            gc.collect()  # errors that nobody noticed are told now

    callers = [caller("+15005550000", STEPS)]
    callers += [caller(numbers[way], "{wait_for_hang_up: 25}") for way in WAYS]
    callers += [caller("+15005550099", STEPS)]
    first, *bad, last = city(
        bridge, callers, auth_token=TOKEN, every_ms=130.0, understand=reader(EARS), natural_voice=False
    )
    for good in (first, last):
        assert [word.text for word in read(good.placed.recording.bot.sound, EARS)] == words_of(LINES)
        assert good.hung_up_by == "server"
    found = {way: next(iter(agents[0].failures[numbers[way]]), None) for way in WAYS}
    assert found == EXPECTED[kind]
    assert {heard.hung_up_by for heard in bad} <= {"server", "caller"}  # who is patient, but not for ever
    assert unnoticed == []


def test_a_script_that_would_go_round_without_end_is_refused_when_it_is_read(tmp_path: Path) -> None:
    """Nothing bounds how often a script changes its state in one answer, since it must listen on every way round."""
    service = 'http: {url: "http://shop.example.com", deadline_s: 2}'
    for body in ("say: Again., goto: ask", f"{service}, on_result: ask, on_failed: ask"):
        file = tmp_path / "round.yaml"
        file.write_text(f"start: ask\nstates:\n  ask: {{{body}}}\n")
        with pytest.raises(ConfigError, match="never waits for the caller"):
            load_script(file)
