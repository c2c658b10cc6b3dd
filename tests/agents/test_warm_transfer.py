"""A caller is handed to a person who is told first what it is about; when nobody answers, the agent knows it."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bridge.agents.script import ScriptFactory
from bridge.agents.script_load import load_script
from bridge.simulator.calls_in_tests import CityFixture, Heard
from bridge.simulator.carriers import CARRIERS
from bridge.simulator.scenario import parse
from bridge.simulator.spelled import reader, words_of
from tests.simulator.virtual_bridge import AGENTS, PUBLIC, TOKEN, virtual_bridge

SCRIPT = """
start: hello
transfer_failed: Nobody is free.
states:
  hello:
    say: Welcome. Press one for a person.
    digits:
      "1": {say: I am connecting you., transfer: "+15550100", summary: "The caller {from_number} wants to pay a bill."}
      "9": {say: Goodbye., hang_up: done}
"""
EARS = sorted(words_of("Welcome. Press one for a person. I am connecting you. Nobody is free. Goodbye."))
STEPS = "steps: [{wait_for_silence: 700}, {digits: {keys: '1'}}, %s]"


def ring(city: CityFixture, folder: Path, carrier: str, scenario: str) -> Heard:
    (folder / "desk.yaml").write_text(SCRIPT)
    agents = ScriptFactory(load_script(folder / "desk.yaml"))

    @contextlib.asynccontextmanager
    async def bridge() -> AsyncIterator[tuple[str, str]]:
        async with virtual_bridge(AGENTS / "booth.yaml", agents=agents) as (_, origin):
            yield f"{PUBLIC}/{carrier}/{CARRIERS[carrier].dial_path}", origin

    (heard,) = city(
        bridge, [parse(scenario)], auth_token=TOKEN, carrier=carrier, understand=reader(EARS), natural_voice=False
    )
    return heard


@pytest.mark.parametrize("carrier", ["twilio", "telnyx", "plivo"])
def test_whoever_answers_is_told_what_it_is_about_and_the_caller_does_not_hear_it(
    city: CityFixture, tmp_path: Path, carrier: str
) -> None:
    expect = "expect: {transferred_to: '+15550100', announced: ['wants to pay a bill', '+15005550006']}"
    heard = ring(city, tmp_path, carrier, "name: x\n" + STEPS % "{wait_for_hang_up: 20}" + "\n" + expect).check()
    assert heard.says("connecting you")
    assert not heard.says("bill")


@pytest.mark.parametrize("carrier", CARRIERS)
@pytest.mark.parametrize("does", ["busy", "no_answer", "failed"])
def test_when_nobody_answers_the_caller_is_back_with_the_agent_who_knows_it(
    city: CityFixture, tmp_path: Path, carrier: str, does: str
) -> None:
    steps = STEPS % "{wait_for_silence: 4000}, {digits: {keys: '9'}}, {wait_for_hang_up: 20}"
    heard = ring(city, tmp_path, carrier, f"name: x\n{steps}\nperson: {{does: {does}}}").check()
    assert heard.transferred_to == ""
    assert heard.says("nobody is free")
    assert heard.hung_up_by == "server"
