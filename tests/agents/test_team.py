"""Several agents on one call: who speaks when, in which voice, knowing what; and nobody twice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Any

import pytest

from bridge.agents.base import AgentError, CallInfo, Failure, FixedLine, LikelyLine
from bridge.agents.factory import build_agents
from bridge.agents.settings import ScriptSettings, TeamMember, TeamSettings
from bridge.agents.team import TeamFactory
from bridge.call.account import AgentAccount
from bridge.call.actions import Action, Expect, HangUp, Prompt, Say, Spoken, Transfer
from bridge.config import parse_settings
from bridge.errors import BadMessage, ConfigError

Answer = Callable[[Prompt], list[Action]]


class Actor:
    """An agent that answers by a function, and remembers what it was asked and told."""

    def __init__(self, info: CallInfo, answer: Answer) -> None:
        self.info = info
        self.answer = answer
        self.prompts: list[Prompt] = []
        self.confirmations: list[int] = []
        self.gone = 0

    async def reply(self, prompt: Prompt) -> AsyncGenerator[Action, None]:
        self.prompts.append(prompt)
        for action in self.answer(prompt):
            yield action

    def confirmed(self, turn: int) -> None:
        self.confirmations.append(turn)

    def state(self) -> bytes:
        return str(len(self.prompts)).encode()

    def resume(self, state: bytes) -> None:
        self.resumed = state

    def likely(self) -> list[LikelyLine]:
        return [LikelyLine("Goodbye.", 0.5)]

    def account(self) -> AgentAccount:
        return AgentAccount(slots={"asked": str(len(self.prompts))}, costs={"money": 1.0})

    def attend(self, ask: Any) -> None:
        self.ask = ask

    def saw(self, event: Any, commands: Any, call: Any) -> None:
        pass

    def left(self) -> None:
        self.gone += 1


class Cast:
    """Opens actors of one name; the last one opened is at hand."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.opened: list[Actor] = []

    def open_call(self, info: CallInfo) -> Actor:
        self.opened.append(Actor(info, self.answer))
        return self.opened[-1]

    def phrases(self) -> list[FixedLine]:
        return [FixedLine("Hello.")]

    async def close(self) -> None:
        pass


def reception(prompt: Prompt) -> list[Action]:
    match prompt.kind:
        case "call_started":
            return [Say("Reception. How can I help?")]
        case "caller_said" if "bill" in prompt.text:
            return [Say("I'll get my colleague."), Transfer("agent:billing", "wants to pay", {"ref": "7"}), HangUp()]
        case "caller_said" if "now" in prompt.text:
            return [Say("A very long sentence"), Transfer("agent:billing", at_once=True)]
        case _:
            return [Say("Yes?")]


def billing(prompt: Prompt) -> list[Action]:
    if prompt.kind == "handed_over":
        return [Say("Billing here.")]
    if prompt.text == "back":
        return [Transfer("agent:reception")]
    return [Say("Which bill?"), Expect("digits:4", ("invoice",))]


MEMBER = ScriptSettings(file="unused.yaml")
SETTINGS = TeamSettings(
    first="reception",
    members={
        "reception": TeamMember(agent=MEMBER),
        "billing": TeamMember(agent=MEMBER, voice="joe", language="de", hints=["Rechnung"]),
    },
)


class Table:
    """A team and its casts, asked without a call."""

    def __init__(self, settings: TeamSettings = SETTINGS, **answers: Answer) -> None:
        self.casts = {name: Cast(answers.get(name, {"reception": reception, "billing": billing}.get(name, billing)))
                      for name in settings.members}  # fmt: skip
        self.reports: list[AgentError] = []
        factory = TeamFactory(settings, self.casts, lambda _info, error: self.reports.append(error))
        self.factory = factory
        self.team = factory.open_call(CallInfo(call_id="CA1", parameters={"lang": "en"}))
        self.team.attend(lambda wants: self.wanted.append(wants.cut))
        self.wanted: list[bool] = []
        self.turn = 0

    async def asks(self, kind: Any, text: str = "", **fields: Any) -> list[Action]:
        self.turn += 1
        prompt = Prompt(kind, text, guess=kind == "caller_said", turn=self.turn, **fields)
        return [action async for action in self.team.reply(prompt)]

    def at(self, name: str) -> Actor:
        return self.casts[name].opened[-1]


def words(actions: list[Action]) -> list[tuple[str, Any, str | None]]:
    return [(action.text, action.by, action.voice) for action in actions if isinstance(action, Say)]


async def test_a_colleague_takes_over_in_the_same_answer_in_its_own_voice() -> None:
    table = Table()
    await table.asks("call_started")
    actions = await table.asks("caller_said", "My bill, please.")
    assert words(actions) == [("I'll get my colleague.", "reception", None), ("Billing here.", "billing", "joe")]
    assert Expect("open", ("Rechnung",), "de") in actions
    assert not any(isinstance(action, Transfer | HangUp) for action in actions)
    (prompt,) = table.at("billing").prompts
    assert (prompt.kind, prompt.text) == ("handed_over", "wants to pay")
    assert prompt.history[-2:] == (
        Spoken("caller", "My bill, please."),
        Spoken("bot", "I'll get my colleague.", by="reception"),
    )
    assert table.at("billing").info.parameters == {
        "lang": "en",
        "asked": "2",
        "ref": "7",
        "handed_over_by": "reception",
        "summary": "wants to pay",
    }
    answer = await table.asks("caller_said", "The last one.")
    assert answer[-1] == Expect("digits:4", ("invoice", "Rechnung"), "de")


async def test_a_caller_who_goes_on_speaking_is_with_the_first_agent_again() -> None:
    table = Table()
    await table.asks("call_started")
    await table.asks("caller_said", "My bill")
    assert words(await table.asks("caller_said", "My appointment", again=True)) == [("Yes?", "reception", None)]
    assert (table.at("billing").gone, table.at("reception").gone) == (1, 0)
    assert table.team.account().slots == {"asked": "3"}, "what the other was about to do has not been"


async def test_who_has_handed_over_is_let_go_of_when_that_is_certain() -> None:
    table = Table()
    await table.asks("call_started")
    await table.asks("caller_said", "My bill")
    assert table.at("reception").gone == 0
    table.team.confirmed(2)
    assert table.at("reception").gone == 1
    assert table.at("reception").confirmations == table.at("billing").confirmations == [2]
    assert table.team.account() == AgentAccount(slots={"asked": "1"}, costs={"money": 2.0})


async def test_in_the_middle_of_a_sentence() -> None:
    table = Table()
    await table.asks("call_started")
    said = await table.asks("caller_said", "now!")
    assert words(said) == [("A very long sentence", "reception", None)]
    assert table.wanted == [True], "its words are to be cut short"
    assert words(await table.asks("floor_given")) == [("Billing here.", "billing", "joe")]


async def test_agents_who_hand_over_to_each_other_for_ever_are_an_error() -> None:
    table = Table(
        reception=lambda prompt: [Transfer("agent:billing")], billing=lambda prompt: [Transfer("agent:reception")]
    )
    with pytest.raises(AgentError) as told:
        await table.asks("call_started")
    assert told.value.kind is Failure.TOO_MUCH
    assert sum(len(cast.opened) for cast in table.casts.values()) < 7


async def test_a_team_moves_to_another_process_with_the_agent_who_is_at_work() -> None:
    table = Table()
    await table.asks("call_started")
    await table.asks("caller_said", "My bill")
    other = Table()
    other.team.resume(table.team.state())
    assert other.team.at_work == "billing"
    assert other.at("billing").resumed == b"1"
    assert other.at("billing").info.parameters["ref"] == "7"
    with pytest.raises(BadMessage, match="team"):
        other.team.resume(b"nonsense")


async def test_only_the_agent_at_work_may_ask_for_the_floor() -> None:
    table = Table()
    await table.asks("call_started")
    first = table.at("reception")
    await table.asks("caller_said", "My bill")
    first.ask(type("Wants", (), {"cut": False})())
    assert table.wanted == []
    table.at("billing").ask(type("Wants", (), {"cut": False})())
    assert table.wanted == [False]


def test_lines_are_kept_in_the_voice_of_who_says_them() -> None:
    table = Table()
    assert table.factory.phrases() == [FixedLine("Hello.", None), FixedLine("Hello.", "joe")]


# -- the supervisor ------------------------------------------------------------------------------------

WATCHED = TeamSettings(
    first="reception",
    members={"reception": TeamMember(agent=MEMBER), "coach": TeamMember(agent=MEMBER)},
    supervisor="coach",
)


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_a_supervisor_hears_an_exchange_and_whispers() -> None:
    table = Table(WATCHED, coach=lambda prompt: [Say("Offer "), Say("Tuesday."), HangUp()])
    await table.asks("call_started")
    await table.asks("caller_said", "When can I come?", history=(Spoken("bot", "Hello."),))
    await settle()
    heard = table.at("coach").prompts[0]
    assert heard.kind == "overheard"
    assert heard.history == (Spoken("bot", "Hello."), Spoken("caller", "When can I come?"))
    await table.asks("caller_said", "Well?")
    assert table.at("reception").prompts[-1].hint == "Offer Tuesday."
    table.casts["coach"].answer = lambda prompt: [Say("Nothing.")]
    await settle()
    await table.asks("caller_said", "And?")
    await settle()
    await table.asks("caller_said", "So?")
    assert not table.at("reception").prompts[-1].hint, "a hint is given once, and nothing is no hint"


@pytest.mark.parametrize("how", ["raises", "fails", "empty"])
async def test_a_supervisor_in_trouble_disturbs_nobody(how: str) -> None:
    def coach(_prompt: Prompt) -> list[Action]:
        if how == "raises":
            raise RuntimeError("a bug")
        if how == "fails":
            raise AgentError(Failure.UNREACHABLE, "no coach")
        return []

    table = Table(WATCHED, coach=coach)
    await table.asks("call_started")
    assert words(await table.asks("caller_said", "Hello?")) == [("Yes?", "reception", None)]
    await settle()
    kinds = {"raises": [Failure.RAISED], "fails": [Failure.UNREACHABLE], "empty": []}[how]
    assert [error.kind for error in table.reports] == kinds
    assert table.at("coach").gone == 1
    table.team.left()


# -- settings, and real agents in a whole call -----------------------------------------------------------


@pytest.mark.parametrize(
    ("yaml", "named"),
    [
        ("{kind: team, first: nobody, members: {a: {agent: {kind: script, file: a}}}}", "nobody"),
        ("{kind: team, first: a, supervisor: a, members: {a: {agent: {kind: script, file: a}}}}", "supervisor"),
        ("{kind: team, first: a, members: {a: {agent: {kind: script, file: a, transfers: {targets: {b: '+155501'}}}}, "
         "b: {agent: {kind: script, file: b}}}}", "colleague"),
        ("{kind: team, first: a, members: {a: {agent: {kind: script, file: a}, voise: x}}}", "voise"),
        ("{kind: team, first: a, members: {a: {agent: {kind: team, first: b, members: {}}}}}", "kind"),
    ],
)  # fmt: skip
def test_a_team_that_cannot_work_is_refused(yaml: str, named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        parse_settings(f"agent: {yaml}", "bridge.yaml")


def test_a_colleagues_name_is_no_telephone(tmp_path: Path) -> None:
    settings = parse_settings(
        "agent: {kind: web, url: 'https://x', transfers: {targets: {billing: 'agent:billing'}}}", "bridge.yaml"
    )
    assert settings.agent is not None
    with pytest.raises(ConfigError, match=r"targets\.billing"):
        build_agents(settings.agent, tmp_path)


DESK = """
start: hello
states:
  hello:
    say: Reception.
    on_speech: {say: One moment., transfer: billing}
    digits: {"1": {say: One moment please., transfer: billing}}
"""
BILLS = """
start: hello
parameters: [summary, handed_over_by]
states:
  hello:
    say: Billing, from {handed_over_by}.
    on_speech: {say: Goodbye., hang_up: done}
    digits: {"9": {say: Goodbye., hang_up: done}}
"""


def test_scripts_hand_over_by_a_transfer_to_a_name(tmp_path: Path) -> None:
    (tmp_path / "desk.yaml").write_text(DESK)
    (tmp_path / "bills.yaml").write_text(BILLS)
    settings = parse_settings(
        """
        agent:
          kind: team
          first: desk
          members:
            desk: {agent: {kind: script, file: desk.yaml}}
            billing: {agent: {kind: script, file: bills.yaml}, voice: joe}
        """,
        str(tmp_path / "bridge.yaml"),
    )
    assert settings.agent is not None
    team = build_agents(settings.agent, tmp_path).open_call(CallInfo(call_id="CA1"))

    async def all_of(prompt: Prompt) -> list[Action]:
        return [action async for action in team.reply(prompt)]

    asyncio.run(all_of(Prompt("call_started", turn=1)))
    said = words(asyncio.run(all_of(Prompt("digits", "1", turn=2))))
    assert said == [("One moment please.", "desk", None), ("Billing, from desk.", "billing", "joe")]
