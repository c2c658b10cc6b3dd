"""The appointment dialogue with an order look-up, held by each kind of agent.

Real gateway, call machine, agents, HTTP and simulated callers, in virtual time.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import aiohttp
import pytest

from bridge.agents.base import AgentFactory
from bridge.agents.python import PythonFactory
from bridge.agents.python_load import AgentClass
from bridge.agents.settings import PythonSettings
from bridge.simulator.calls_in_tests import CityFixture, Heard
from bridge.simulator.scenario import parse
from bridge.simulator.spelled import read, reader, words_of
from bridge.simulator.virtual import MemoryConnector
from tests.agents.dialogues import World
from tests.agents.orders import Shop
from tests.agents.receptionists import KINDS, receptionist_of
from tests.simulator.virtual_bridge import AGENTS, PUBLIC, TOKEN, virtual_bridge

LINES = (
    "Riverside Dental. Please enter your order number. Your order is on its way. "
    "Press one for Tuesday or two for Thursday. I am booking it. You are booked for Tuesday. Goodbye."
)
EARS = sorted({*words_of(LINES), *words_of("and on Sorry One moment please")})
STEPS = (
    "{wait_for_silence: 900}, {digits: {keys: '123456', gap_ms: 200}}, {wait_for_silence: 900}, "
    "{digits: {keys: '1'}}, {wait_for_hang_up: 40}"
)
Open = Callable[[], AbstractAsyncContextManager[AgentFactory]]


@pytest.fixture(autouse=True)
def _a_new_world(monkeypatch: pytest.MonkeyPatch) -> None:
    World.reset()
    Shop.reset()
    monkeypatch.setattr(aiohttp, "TCPConnector", lambda **_how: MemoryConnector())  # agents are in the same network


def dialogue(name: str) -> PythonFactory:
    place = f"tests.agents.dialogues:{name}"
    return PythonFactory(PythonSettings(class_=place), AgentClass(place))


def ring(city: CityFixture, agents: Open, callers: list[str]) -> list[Heard]:
    @contextlib.asynccontextmanager
    async def bridge() -> AsyncIterator[tuple[str, str]]:
        async with agents() as factory, virtual_bridge(AGENTS / "booth.yaml", agents=factory) as (_, origin):
            yield f"{PUBLIC}/twilio/voice", origin
            await asyncio.sleep(1.0)

    scenarios = [
        parse(f"name: caller {place}\ncaller: {{number: '+1500555{place:04}'}}\nsteps: [{steps}]\nlongest_s: 100")
        for place, steps in enumerate(callers)
    ]
    return city(bridge, scenarios, auth_token=TOKEN, every_ms=130.0, understand=reader(EARS), natural_voice=False)


def words(heard: Heard) -> list[str]:
    return [word.text for word in read(heard.placed.recording.bot.sound, EARS)]


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_agent_looks_an_order_up_and_books_a_visit(kind: str, city: CityFixture, tmp_path: Path) -> None:
    for heard in ring(city, lambda: receptionist_of(kind, tmp_path), [STEPS] * 3):
        assert words(heard) == words_of(LINES), repr(heard)
        assert heard.hung_up_by == "server"
    if kind == "python":
        assert (World.looked_up, World.booked) == (["123456"] * 3, ["Tuesday"] * 3)
    else:
        assert (Shop.asked, Shop.booked) == (["123456"] * 3, ["Tuesday morning 1"] * 3)
