"""A team on whole calls in virtual time: the caller hears one agent after the other, without a gap."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator
from pathlib import Path
from typing import Any, cast

import pytest

from bridge.agents.base import AgentFactory, CallInfo, Failure, FixedLine
from bridge.agents.factory import build_agents
from bridge.agents.settings import ScriptSettings, SupervisorLimits, TeamMember, TeamSettings
from bridge.agents.team import TeamFactory
from bridge.call.account import AgentAccount
from bridge.call.actions import Action, HangUp, Prompt, Say
from bridge.call.events import Word
from bridge.simulator.calls_in_tests import CityFixture
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


class Coach:
    """A supervisor in Python code of its own, as good or bad as it likes."""

    def __init__(self, does: str) -> None:
        self.does = does
        self.heard: list[Prompt] = []

    def open_call(self, _info: CallInfo) -> Coach:
        return self

    async def reply(self, prompt: Prompt) -> AsyncGenerator[Action, None]:
        self.heard.append(prompt)
        match self.does:
            case "whispers":
                yield Say("They sound hurried.")
                yield HangUp()
            case "raises":
                raise RuntimeError("a bug")
            case "is silent":
                await asyncio.sleep(1000)
            case "floods":
                while True:
                    yield HangUp()
            case "talks without end":
                while True:
                    yield Say("blah " * 1000)

    def account(self) -> AgentAccount:
        return AgentAccount(costs={"money": 0.5})

    def phrases(self) -> list[FixedLine]:
        return []

    def __getattr__(self, name: str) -> Any:
        if name in ("confirmed", "state", "resume", "likely"):
            return lambda *_: None
        raise AttributeError(name)

    async def close(self) -> None:
        pass


class Host:
    """The agent who has the caller: says a line for each key, and whether somebody whispers."""

    def __init__(self) -> None:
        self.hints: list[str] = []

    def open_call(self, _info: CallInfo) -> Host:
        return self

    async def reply(self, prompt: Prompt) -> AsyncGenerator[Action, None]:
        self.hints.append(prompt.hint or "")
        if prompt.kind == "call_started":
            yield Say("Front desk.")
        elif prompt.text == "9":
            yield Say("Goodbye.")
            yield HangUp()
        else:
            yield Say(f"Line {LINES[prompt.text]}.")

    def phrases(self) -> list[FixedLine]:
        return []

    def __getattr__(self, name: str) -> Any:
        if name in ("confirmed", "resume"):
            return lambda *_: None
        if name in ("state", "likely"):
            return {"state": lambda: b"", "likely": list}[name]
        raise AttributeError(name)

    async def close(self) -> None:
        pass


LINES = {"1": "one", "2": "two", "3": "three", "4": "four", "5": "five"}
_PRESSES = ", ".join(f"{{wait_for_silence: 900}}, {{digits: {{keys: '{key}'}}}}" for key in "123459")
KEYS_PRESSED = f"name: x\nsteps: [{_PRESSES}, {{wait_for_hang_up: 30}}]\nlongest_s: 100"


@pytest.mark.parametrize(
    ("does", "limits", "asked"),
    [
        ("whispers", SupervisorLimits(), 6),
        ("whispers", SupervisorLimits(answers=2), 2),
        ("whispers", SupervisorLimits(money=1.5), 3),
        ("raises", SupervisorLimits(), 3),
        ("is silent", SupervisorLimits(), 2),  # who thinks for 15 s misses what is said meanwhile
        ("floods", SupervisorLimits(), 6),
        ("talks without end", SupervisorLimits(), 6),
    ],
)
def test_a_supervisor_on_a_whole_call_whispers_and_harms_nothing_whatever_it_does(
    city: CityFixture, does: str, limits: SupervisorLimits, asked: int
) -> None:
    coach, hosts, member = Coach(does), [Host(), Host()], TeamMember(agent=ScriptSettings(file="-"))
    settings = TeamSettings(
        first="desk", members={"desk": member, "coach": member}, supervisor="coach", supervisor_limits=limits
    )
    plain = TeamSettings(first="desk", members={"desk": member})
    ears = sorted(words_of("Front desk line one two three four five goodbye sorry"))
    sounds, errors = [], []
    for team, host in ((settings, hosts[0]), (plain, hosts[1])):
        members = cast(dict[str, AgentFactory], {"desk": host, "coach": coach})
        agents = TeamFactory(team, members, lambda _info, error: errors.append(error.kind))

        @contextlib.asynccontextmanager
        async def bridge(agents: TeamFactory = agents) -> AsyncIterator[tuple[str, str]]:
            async with virtual_bridge(AGENTS / "booth.yaml", agents=agents) as (_, origin):
                yield f"{PUBLIC}/twilio/voice", origin

        (heard,) = city(bridge, [parse(KEYS_PRESSED)], auth_token=TOKEN, understand=reader(ears), natural_voice=False)
        sounds.append([(word.text, word.start_ms) for word in read(heard.placed.recording.bot.sound, ears)])
        assert heard.hung_up_by == "server"
    lines = "Front desk. Line one. Line two. Line three. Line four. Line five. Goodbye."
    assert [word for word, _ in sounds[0]] == words_of(lines)
    assert sounds[0] == sounds[1], "not a millisecond later than without a supervisor"
    assert [prompt.kind for prompt in coach.heard] == ["overheard"] * asked
    whispered = sum(hint == "They sound hurried." for hint in hosts[0].hints)
    assert whispered == (min(asked, 5) if does == "whispers" else 0)
    assert errors == {"raises": [Failure.RAISED] * 3, "is silent": [Failure.TIMEOUT]}.get(does, [])
    if does == "talks without end":
        assert max(len(hint) for hint in hosts[0].hints) <= 500
