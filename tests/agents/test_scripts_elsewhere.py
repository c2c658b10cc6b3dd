"""A script whose process is killed while a service is asked: the next one asks again, or says that it does not know."""

from __future__ import annotations

import asyncio

import pytest
from msgspec import UNSET

from bridge.agents.script import ScriptFactory
from bridge.agents.script_load import compile_script
from bridge.agents.script_requests import ScriptServices
from bridge.call.actions import HangUp, Prompt, Say
from bridge.http import HttpClient
from tests.agents.test_script_services import INFO, shop

SCRIPT = """
start: ask
states:
  ask:
    say: Which order?
    expect: digits:6
    capture: number
    on_answer: {say: One moment please., goto: look_up}
  look_up:
    http: {url: "URL/orders/{number}", keep: {status: state}, filler: Let me look that up.}
    on_result: {say: ["It is {status}.", {text: I send it., interruption: protected}], goto: BEHIND}
    on_failed: {say: Our system is away., hang_up: away}
  deliver:
    http: {url: "URL/deliveries", method: POST, fields: {order: "{number}"}, keep: {day: day}, filler: I am at it.}
    on_result: {say: ["It comes on {day}.", {text: Goodbye., interruption: protected}], hang_up: done}
    on_failed: {say: I cannot tell whether it is sent., hang_up: away}
  look_again:
    http: {url: "URL/orders/000000", keep: {status: state}, filler: Just a second.}
    on_result: {say: ["It is still {status}.", {text: Goodbye., interruption: protected}], hang_up: done}
    on_failed: {say: Our system is away., hang_up: away}
"""
FILLERS = ("Let me look that up.", "I am at it.", "Just a second.")


@pytest.mark.parametrize(
    ("number", "behind", "heard"),
    [
        ("000000", "look_again", "It is ready. I send it. It is still ready. Goodbye."),
        ("123456", "look_again", "It is ready. I send it. It is still ready. Goodbye."),
        ("123456", "deliver", "It is ready. I send it. I cannot tell whether it is sent."),
    ],
    ids=["the first request", "the second request", "one that changes the world"],
)
async def test_the_rest_is_said_whichever_request_was_under_way(number: str, behind: str, heard: str) -> None:
    async with shop() as service:
        script = compile_script(SCRIPT.replace("URL", service.url).replace("BEHIND", behind), "orders.yaml")
        factory = ScriptFactory(script, services=ScriptServices(script, HttpClient(), {}))
        agent, another, said = factory.open_call(INFO), factory.open_call(INFO), list[Say]()
        prompt = Prompt("caller_said", " ".join(number), turn=2, answer="digits:6")
        assert [action async for action in agent.reply(Prompt("call_started", turn=1))]

        async def hear() -> None:
            async for action in agent.reply(prompt):
                said.extend([action] if isinstance(action, Say) else [])

        hearing = asyncio.create_task(hear())
        async with asyncio.timeout(10):
            await service.arrived.wait()
        another.resume(agent.state())
        again = Prompt(prompt.kind, prompt.text, turn=2, answer="digits:6", so_far=tuple(said) or UNSET)
        rest = [action async for action in another.reply(again)]
        assert isinstance(rest[-1], HangUp)
        texts = [say.text for say in (*said, *rest) if isinstance(say, Say)]
        assert " ".join(text for text in texts if text and text not in FILLERS) == f"One moment please. {heard}"
        assert sum(method == "POST" for method, _, _ in service.asked) == (behind == "deliver")
        hearing.cancel()
        service.held.set()
        await factory.close()
