"""Dialogues in Python on whole calls: real gateway, call machine and simulated callers, in virtual time."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from bridge.agents.python import PythonFactory
from bridge.agents.python_load import AgentClass
from bridge.agents.settings import PythonSettings
from bridge.simulator.calls_in_tests import CityFixture, Heard
from bridge.simulator.scenario import parse
from bridge.simulator.spelled import read, reader, words_of
from tests.agents.dialogues import World
from tests.simulator.virtual_bridge import AGENTS, PUBLIC, TOKEN, virtual_bridge

LINES = (
    "Welcome to the telephone booth. Please enter your ten digit number on the keypad now. "
    "I am booking it. I have {}. Thank you very much and goodbye."
)
EARS = sorted({*words_of(LINES.format("0123456789")), *words_of("Are you still there? Sorry, I have trouble")})


def ring(city: CityFixture, agent: str, count: int, steps: str) -> list[Heard]:
    @contextlib.asynccontextmanager
    async def bridge() -> AsyncIterator[tuple[str, str]]:
        place = f"tests.agents.dialogues:{agent}"
        agents = PythonFactory(PythonSettings(class_=place), AgentClass(place))
        async with virtual_bridge(AGENTS / "booth.yaml", agents=agents) as (_, origin):
            yield f"{PUBLIC}/twilio/voice", origin
            await asyncio.sleep(5.0)
            left = [task for task in asyncio.all_tasks() if "dialogue" in repr(task) or "_Performer" in repr(task)]
            assert left == []

    calls = [parse(f"name: caller {place}\nsteps: [{steps.format(5550100000 + place)}]") for place in range(count)]
    return city(bridge, calls, auth_token=TOKEN, every_ms=87.0, understand=reader(EARS), natural_voice=False)


@pytest.mark.parametrize("takes_s", [0.0, 2.0])
def test_callers_are_read_back_their_numbers_and_each_is_booked_once(city: CityFixture, takes_s: float) -> None:
    World.reset()
    World.takes_s = takes_s
    steps = "{{wait_for_silence: 900}}, {{digits: {{keys: '{}', gap_ms: 200}}}}, wait_for_hang_up"
    for place, heard in enumerate(ring(city, "Booth", 8, steps)):
        words = [word.text for word in read(heard.placed.recording.bot.sound, EARS)]
        assert words == words_of(LINES.format(5550100000 + place))
        assert heard.hung_up_by == "server"
    assert sorted(World.booked) == [str(5550100000 + place) for place in range(8)]


def test_a_caller_who_hangs_up_ends_the_dialogue(city: CityFixture) -> None:
    World.reset()
    (heard,) = ring(city, "Booth", 1, "{{wait_for_silence: 900}}, hang_up")
    assert heard.hung_up_by == "caller"
    assert World.booked == []


def test_an_error_is_apologised_for_and_the_call_goes_on(city: CityFixture, caplog: pytest.LogCaptureFixture) -> None:
    World.reset()
    steps = "{{wait_for_silence: 900}}, {{digits: {{keys: '1', gap_ms: 200}}}}, {{wait_for_silence: 900}}, hang_up"
    (heard,) = ring(city, "Reception", 1, steps.replace("'1'", "'999999'"))
    assert "KeyError: '999999'" in caplog.text
    assert heard.hung_up_by == "caller"
