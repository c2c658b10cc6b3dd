"""A team on whole calls in virtual time: the caller hears one agent after the other, without a gap."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bridge.agents.factory import build_agents
from bridge.agents.settings import ScriptSettings, TeamMember, TeamSettings
from bridge.call.events import Word
from bridge.simulator.pytest_plugin import CityFixture
from bridge.simulator.scenario import parse
from bridge.simulator.spelled import HeardWord, SpelledVoice, read, reader, words_of
from tests.simulator.virtual_bridge import AGENTS, PUBLIC, TOKEN, virtual_bridge

SLOW_S = 0.5
"""What the voice takes to begin: if it began after the other's last word, the caller would hear that."""
DESK = """
start: hello
states:
  hello:
    say: Front desk. Press one.
    digits:
      "1": {say: One moment please while my colleague comes to the telephone., transfer: billing}
"""
BILLS = """
start: hello
parameters: [handed_over_by]
states:
  hello:
    say: Billing department, sent by {handed_over_by}. Press nine.
    digits: {"9": {say: Thank you and goodbye., hang_up: done}}
"""
EARS = sorted(words_of(f"{DESK} {BILLS} desk"))
SCENARIO = """
name: handed over
steps:
  - wait_for_silence: 900
  - digits: {keys: "1"}
  - wait_for_silence: 900
  - digits: {keys: "9"}
  - wait_for_hang_up
"""


@pytest.fixture
def team(tmp_path: Path) -> TeamSettings:
    members = {}
    for name, script in (("desk", DESK), ("billing", BILLS)):
        (tmp_path / f"{name}.yaml").write_text(script)
        members[name] = TeamMember(agent=ScriptSettings(file=str(tmp_path / f"{name}.yaml")))
    return TeamSettings(first="desk", members=members)


def test_the_first_words_of_a_colleague_are_made_while_the_last_ones_before_are_heard(
    city: CityFixture, team: TeamSettings
) -> None:
    @contextlib.asynccontextmanager
    async def bridge() -> AsyncIterator[tuple[str, str]]:
        voice = SpelledVoice(Word, asyncio.get_running_loop().call_later, delay_s=SLOW_S)
        async with virtual_bridge(AGENTS / "booth.yaml", agents=build_agents(team), voice=voice) as (_, origin):
            yield f"{PUBLIC}/twilio/voice", origin

    (heard,) = city(bridge, [parse(SCENARIO)], auth_token=TOKEN, understand=reader(EARS), natural_voice=False)
    words = read(heard.placed.recording.bot.sound, EARS)
    said = [word.text for word in words]
    assert said == words_of(
        "Front desk. Press one. One moment please while my colleague comes to the telephone. "
        "Billing department, sent by desk. Press nine. Thank you and goodbye."
    )
    handover_ms = gap(words, "telephone", "billing")
    assert 0 <= handover_ms < 250, "a turn with words that are not ready takes twice as long at least"
    assert heard.hung_up_by == "server"


def gap(words: list[HeardWord], last: str, first: str) -> int:
    texts = [word.text for word in words]
    return words[texts.index(first)].start_ms - words[texts.index(last)].end_ms
