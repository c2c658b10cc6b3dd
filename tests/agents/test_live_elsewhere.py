"""A speaking model's answer whose process is killed: the model of the next one knows its own words, and is asked on."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bridge.agents.base import CallInfo
from bridge.call.actions import HangUp, Prompt, PromptKind, Say, Spoken
from bridge.simulator import virtual
from bridge.simulator.calls_in_tests import CityFixture
from tests.agents.live_calls import Telephone
from tests.doubles.live.base import Answer, LiveConversation
from tests.doubles.live.gemini import GeminiDouble
from tests.doubles.live.realtime import RealtimeDouble

INFO = CallInfo(call_id="CA1", from_number="+15550142")
HISTORY = (Spoken("bot", "Good morning."), Spoken("caller", "Hello there."), Spoken("bot", "What may I do?"))
REST = Answer("shall i book it", [("hang_up", {"reason": "done"})])


@pytest.mark.parametrize(
    ("kind", "text", "greeting"),
    [
        ("caller_said", "Tuesday, please.", ""),
        ("digits", "42", ""),
        ("no_input", "", ""),
        ("call_started", "", "I have an opening at nine. Shall I book it?"),
    ],
)
@pytest.mark.parametrize("double", [RealtimeDouble, GeminiDouble])
def test_a_speaking_model_is_asked_for_the_rest_of_words_that_it_is_told_of(
    city: CityFixture, double: type[Any], kind: PromptKind, text: str, greeting: str
) -> None:
    async def call() -> tuple[list[Any], list[LiveConversation]]:
        service = double([REST])
        async with service.serve() as at:
            factory = Telephone(city).factory(service, at, {"greeting": greeting})
            agent = factory.open_call(INFO)
            agent.resume(factory.open_call(INFO).state())
            history = () if kind == "call_started" else HISTORY
            so_far = (Say("I have an opening at nine.", False), Say(" Shall", True))
            prompt = Prompt(kind, text, history, turn=4, so_far=so_far)
            actions = [action async for action in agent.reply(prompt)]
            agent.left()
            await factory.close()
            return actions, service.conversations

    actions, talks = virtual.run(call)
    words = "".join(action.text for action in actions if isinstance(action, Say))
    assert words.strip() == REST.text
    assert actions[-1] == HangUp("done")
    told = json.dumps([talk.told for talk in talks])
    assert told.count("I have an opening at nine. Shall") == 1 + bool(greeting)
    assert text in told
    assert told.count("broke off") == 1
    assert all(talk.errors == [] for talk in talks)
