"""Agents give their memory and go on with it in another process; a prompt that is put twice counts once."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.agents.base import CallInfo
from bridge.agents.chat import ChatFactory
from bridge.agents.script import ScriptAgent
from bridge.agents.script_load import load_script
from bridge.agents.settings import ChatSettings, WebSettings
from bridge.agents.web import WebFactory
from bridge.call.actions import Action, Prompt
from bridge.errors import BadMessage
from tests.agents.test_web import service

SCRIPTS = Path(__file__).parents[2] / "fixtures" / "agents"
MENU, APPOINTMENT = load_script(SCRIPTS / "menu.yaml"), load_script(SCRIPTS / "appointment.yaml")
INFO = CallInfo(call_id="CA1", from_number="+15550142", to_number="+15550199")
SAID = ["yes", "no", "Tuesday please", "my balance", "five five five one two three four", "", "what?", "an appointment"]
KEYS = ["1", "2", "0", "1234", "5551234567", "12345678"]
PROMPTS = st.one_of(
    st.builds(Prompt, st.just("caller_said"), st.sampled_from(SAID), again=st.booleans()),
    st.builds(Prompt, st.just("digits"), st.sampled_from(KEYS), again=st.booleans()),
    st.builds(Prompt, st.just("no_input"), attempt=st.integers(1, 3)),
)


def numbered(prompts: list[Prompt]) -> list[Prompt]:
    first = Prompt("call_started", turn=1)
    return [first, *(Prompt(p.kind, p.text, (), p.attempt, p.again, turn=n) for n, p in enumerate(prompts, 2))]


@pytest.mark.parametrize("script", [MENU, APPOINTMENT], ids=["menu", "appointment"])
@given(prompts=st.lists(PROMPTS, max_size=8), moves=st.sets(st.integers(0, 8)), twice=st.sets(st.integers(0, 8)))
def test_a_script_that_is_moved_anywhere_says_what_it_would_have_said(
    script: object, prompts: list[Prompt], moves: set[int], twice: set[int]
) -> None:
    """At each move the last prompt may be put a second time, as nobody knows what came of it."""
    assert script in (MENU, APPOINTMENT)
    chosen = MENU if script is MENU else APPOINTMENT
    stays, moved = ScriptAgent(chosen, INFO), ScriptAgent(chosen, INFO)
    for place, prompt in enumerate(numbered(prompts)):
        answer = stays.answer(prompt)
        assert moved.answer(prompt) == answer
        if place in moves:
            state = moved.state()
            moved = ScriptAgent(chosen, INFO)
            moved.resume(state)
            assert moved.state() == state
            if place in twice:
                assert moved.answer(prompt) == answer
        assert (moved.state_name, moved.slots) == (stays.state_name, stays.slots)
        assert moved.likely() == stays.likely()


@pytest.mark.parametrize("data", [b"", b"junk", b"\x80"])
def test_what_is_no_scripts_state_is_refused_and_changes_nothing(data: bytes) -> None:
    agent = ScriptAgent(MENU, INFO)
    agent.answer(Prompt("call_started", turn=1))
    before = agent.state()
    with pytest.raises(BadMessage, match="not the state of a script"):
        agent.resume(data)
    assert agent.state() == before


def test_another_scripts_state_is_refused_by_the_name_that_is_missing() -> None:
    agent = ScriptAgent(APPOINTMENT, INFO)
    agent.answer(Prompt("call_started", turn=1))
    with pytest.raises(BadMessage, match="this script has no state"):
        ScriptAgent(MENU, INFO).resume(agent.state())


async def replies(factory: WebFactory, prompts: list[Prompt], *, moved: bool) -> list[Action]:
    agent = factory.open_call(INFO)
    actions: list[Action] = []
    for prompt in prompts:
        if moved:
            state = agent.state()
            agent = factory.open_call(INFO)
            agent.resume(state)
        actions += [action async for action in agent.reply(prompt)]
    return actions


async def test_a_web_service_is_told_when_a_prompt_comes_a_second_time() -> None:
    async with service('{"type": "say", "text": "hello"}\n') as server:
        factory = WebFactory(WebSettings(url=f"{server.url}/agent"))
        try:
            prompts = [Prompt("caller_said", "hello", turn=3), Prompt("caller_said", "hello", turn=3)]
            await replies(factory, [*prompts, Prompt("caller_said", "and?", turn=4)], moved=True)
        finally:
            await factory.close()
    assert [(body["prompt"]["turn"], body["prompt"]["again"]) for body in server.bodies] == [
        (3, False),
        (3, True),
        (4, False),
    ]


async def test_a_web_agent_refuses_what_is_not_its_state() -> None:
    factory = WebFactory(WebSettings(url="http://127.0.0.1:9"))
    try:
        with pytest.raises(BadMessage, match="not the state of a web agent"):
            factory.open_call(INFO).resume(b"junk")
    finally:
        await factory.close()


async def test_a_chat_agent_needs_no_memory_but_the_history() -> None:
    factory = ChatFactory(ChatSettings(url="http://127.0.0.1:9", model="m", greeting="Hello."), "")
    try:
        agent = factory.open_call(INFO)
        agent.resume(agent.state())
        assert [action async for action in agent.reply(Prompt("call_started"))]
    finally:
        await factory.close()
