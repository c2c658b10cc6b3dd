"""Answers of which a voice can say nothing, from agents of every kind: asked for once more, and then a failure.

The caller never sits in silence until the call asks whether they are still there.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, ClassVar

import msgspec
import pytest

from bridge.agents.base import AgentError, AgentFactory, CallInfo, Failure
from bridge.agents.dialogue import Conversation, PhoneAgent
from bridge.agents.factory import build_agents
from bridge.agents.settings import AgentSettings, ChatSettings, PythonSettings, TeamMember, TeamSettings, WebSettings
from bridge.call.actions import Action, Prompt, Say
from bridge.call.states import EndReason
from bridge.simulator.calls_in_tests import CityFixture
from bridge.text.cleaning import clean
from tests.agents.doubles import Line, Server
from tests.agents.live_calls import ASKS, LISTENS, Telephone
from tests.agents.models import PATHS, events
from tests.agents.relay_application import Caller, Told
from tests.agents.test_relay import HEARING, rings
from tests.doubles.live.base import Answer, LiveDouble
from tests.doubles.live.gemini import GeminiDouble
from tests.doubles.live.realtime import RealtimeDouble

NOTHING = [
    "",
    " \n\t\n",
    "...",
    "?!",
    "\u2026",
    "**",
    "**...**",
    "# ",
    "> ",
    "- ",
    "---",
    "| --- | --- |",
    "```\n```",
    "```python\n```",
    '```json\n{"name": "transfer"}\n```',
    "~~~text\n~~~",
    "\N{GRINNING FACE}",
    "\N{THUMBS UP SIGN}\N{EMOJI MODIFIER FITZPATRICK TYPE-3} \N{WHITE HEAVY CHECK MARK}",
    "<think>They want a time.</think>",
    "<thinking>\nThey want a time.\n</thinking>\n\n",
    "<think>They want a",
    "\N{WHITE LEFT-POINTING TRIANGLE}think\N{WHITE RIGHT-POINTING TRIANGLE}hm",
    "[1]",
    "[1][2]",
    "[^1]",
    "\u30104\u2020source\u3011",
    "\u200b",
    "\ufeff\u200d\u2060",
    "\u00ad",
    "\u2800",
    "\u3164\u3164",
    "\u115f\u1160\uffa0",
    "\U000e0061\U000e007f",
    "&nbsp;",
    "&#8203;",
    "<br>",
    "<b></b>",
    "<speak></speak>",
    "<!-- nothing to add -->",
    "*smiles warmly*",
    "(laughs)",
    "[pause]",
    "<|im_end|>",
    "</s>",
    "<tool_call>{}</tool_call>",
    '{"name": "transfer", "arguments": {}}',
    "hang_up()",
    "Thought: I have nothing to add.",
    "![](https://example.com/cat.png)",
    "[](https://example.com)",
    "\\n\\n",
]
SOMETHING = [
    "1",
    "<think>hm</think>Yes.",
    "[1] Yes.",
    "\N{GRINNING FACE} Yes!",
    "\u200bYes",
    "```\nYes.\n```",
    "**Yes**",
    "\u4f60\u597d",
    '<sub alias="yes">y.</sub>',
]
TEXT = "Tuesday at nine."
PATIENT = msgspec.structs.replace(HEARING, failure_limit=1000)
KINDS = ("openai", "anthropic", "gemini", "web", "python", "team")


class Repeats(PhoneAgent):
    """Says the next of these texts, whenever it is asked."""

    answers: ClassVar[Any]

    async def call_started(self, call: Conversation) -> None:
        """Say nothing: these are calls in their middle."""

    async def caller_said(self, call: Conversation, text: str) -> None:
        await call.say(type(self).answers.asked(again=False))


class Answers:
    """What an agent answers next, and whether it was told of each prompt that it is put again."""

    def __init__(self) -> None:
        self.left: list[str] = []
        self.again: list[bool] = []

    def asked(self, *, again: bool) -> str:
        self.again.append(again)
        return self.left.pop(0)


@asynccontextmanager
async def answering(kind: str) -> AsyncIterator[tuple[AgentFactory, Answers]]:
    """An agent of this kind, and what it answers."""
    answers = Answers()

    async def model(_body: Any, line: Line) -> None:
        for event in events(kind, answers.asked(again=bool(answers.again)), []):
            await line.write(event)

    async def service(body: Any, line: Line) -> None:
        text = answers.asked(again=body["prompt"]["again"])
        await line.write(json.dumps({"type": "say", "text": text}) + "\n")

    server = Server("/call", "application/x-ndjson", service)
    if kind in PATHS:
        server = Server(PATHS[kind], "text/event-stream", model)
    async with server:
        web = WebSettings(url=f"{server.url}/call")
        settings: AgentSettings = web
        match kind:
            case "openai" | "anthropic" | "gemini":
                settings = ChatSettings(url=f"{server.url}/v1", model="small", dialect=kind, key_env="")
            case "python":
                Repeats.answers = answers
                settings = PythonSettings(class_="tests.agents.test_nothing_said:Repeats")
            case "team":
                settings = TeamSettings(first="desk", members={"desk": TeamMember(agent=web)})
        factory = build_agents(settings, environ={})
        yield factory, answers
        await factory.close()


async def reply(factory: AgentFactory) -> list[Action]:
    agent = factory.open_call(CallInfo(call_id="CA1"))
    return [action async for action in agent.reply(Prompt("caller_said", "When?", turn=2))]


async def becomes(factory: AgentFactory, answers: Answers, *texts: str) -> str:
    """What is said when these are the answers, how often was asked, or the kind of the failure."""
    answers.left, answers.again = list(texts), []
    try:
        actions = await reply(factory)
    except AgentError as error:
        return f"{error.kind}"
    said = clean("".join(action.text for action in actions if isinstance(action, Say)))
    return f"{said} {answers.again}"


@pytest.mark.parametrize("kind", KINDS)
async def test_an_answer_without_a_word_that_is_said_is_asked_for_once_more(kind: str) -> None:
    async with answering(kind) as (factory, answers):
        once = {text: await becomes(factory, answers, text, TEXT) for text in NOTHING}
        twice = {text: await becomes(factory, answers, text, text) for text in NOTHING}
    again = "[False, False]" if kind == "python" else "[False, True]"
    assert once == dict.fromkeys(NOTHING, f"{TEXT} {again}")
    assert twice == dict.fromkeys(NOTHING, Failure.NOTHING_SAID.value)


@pytest.mark.parametrize("kind", KINDS)
async def test_an_answer_with_one_word_is_an_answer(kind: str) -> None:
    async with answering(kind) as (factory, answers):
        found = {text: await becomes(factory, answers, text) for text in SOMETHING}
    assert found == {text: f"{clean(text)} [False]" for text in SOMETHING}
    assert all(clean(text) for text in SOMETHING)


@pytest.mark.parametrize("text", ["...", "[1]", "\u200b", "*smiles*", "\u3164"])
async def test_a_declared_answer_excuses_no_text_that_cannot_be_said(text: str) -> None:
    async def model(_body: Any, line: Line) -> None:
        for event in events("openai", text, [("expect", {"answer": "yes_no"})]):
            await line.write(event)

    async with Server(PATHS["openai"], "text/event-stream", model) as server:
        factory = build_agents(ChatSettings(url=f"{server.url}/v1", model="small", key_env=""), environ={})
        with pytest.raises(AgentError) as failed:
            await reply(factory)
        await factory.close()
    assert failed.value.kind is Failure.NOTHING_SAID


async def test_an_application_that_writes_nothing_to_say_has_failed() -> None:
    left = [text for text in NOTHING if text.strip()]
    failures: list[str] = []

    async def handle(caller: Caller, told: Told) -> None:
        if told["type"] == "prompt":
            text = left[len(failures)]
            await caller.says(*([text[:1], text[1:]] if len(text) > 1 else [text]))

    async with rings(handle, welcome_greeting="Welcome.", settings=PATIENT) as (_, call):
        counted = call.metrics.agent_failures.labels(Failure.NOTHING_SAID)._value
        await call.until(lambda: call.transcript)
        while len(failures) < len(left):
            await call.says("When?")
            await call.until(lambda: counted.get() == len(failures) + 1)
            await call.until(lambda: call.transcript[-1].by_bridge and call.session.call.utterances.silent)
            failures.append(left[len(failures)])
    assert failures == left


@pytest.mark.parametrize("end", ["", "...", "\N{THUMBS UP SIGN}"])
async def test_an_applications_last_sign_after_its_words_fails_nothing(end: str) -> None:
    async def handle(caller: Caller, told: Told) -> None:
        if told["type"] == "prompt":
            await caller.says(TEXT)
            await caller.says(end)

    async with rings(handle, welcome_greeting="Welcome.") as (_, call):
        await call.until(lambda: call.transcript)
        await call.says("When?")
        await call.until(lambda: call.transcript[-1].text == TEXT)
        await call.wait(3.0)
        assert not any(turn.by_bridge for turn in call.transcript)
        call.session.stream_closed(EndReason.CALLER)


@pytest.mark.parametrize("double", [RealtimeDouble, GeminiDouble])
@pytest.mark.parametrize("text", ["", " "])
def test_a_speaking_model_that_makes_no_sound_is_asked_once_more(
    double: type[LiveDouble], text: str, city: CityFixture
) -> None:
    """With an utterance in which there is nothing, and without one."""
    answers = [Answer("hello there"), Answer(text), Answer("goodbye for now", [("hang_up", {"reason": "done"})])]
    call = Telephone(city).rings(double(answers), LISTENS, ASKS, "wait_for_hang_up")
    assert call.said == "hello there goodbye for now", call.problems
    assert call.heard.hung_up_by == "server"
