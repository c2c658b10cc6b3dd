"""The web agent against a service on a real socket."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from bridge.agents.base import AgentError, CallInfo, Likely
from bridge.agents.settings import WebSettings
from bridge.agents.web import WebFactory
from bridge.call.actions import Action, Expect, HangUp, Prompt, Say, Spoken, Transfer, Wait
from tests.agents.doubles import Line, Server

INFO = CallInfo(call_id="CA1", from_number="+15550142", to_number="+15550199", parameters={"plan": "gold"})
PROMPT = Prompt("caller_said", "Tuesday, please.", (Spoken("bot", "Which day?"),))


def service(*lines: str) -> Server:
    async def answer(body: Any, line: Line) -> None:
        for each in lines:
            await line.write(each)

    return Server("/agent", "application/x-ndjson", answer)


async def ask(server: Server, secret: str = "") -> list[Action]:
    factory = WebFactory(WebSettings(url=f"{server.url}/agent"), secret)
    try:
        return [action async for action in factory.open_call(INFO).reply(PROMPT)]
    finally:
        await factory.close()


async def test_every_action_can_be_said_in_json() -> None:
    async with service(
        '{"type": "say", "text": "I have an opening", "more": true}\n',
        '{"type": "say", "text": " at nine.", "interruption": "protected", "voice": "joe", "cacheable": false}\n\n',
        '{"type": "wait", "seconds": 0.5}\n{"type": "expect", "answer": "yes_no"}\n',
        '{"type": "transfer", "target": "+15550123"}\n',
        '{"type": "hang_up"}',
    ) as server:
        actions = await ask(server)
    assert actions == [
        Say("I have an opening", more=True),
        Say(" at nine.", interruption="protected", voice="joe", cacheable=False),
        Wait(0.5),
        Expect("yes_no"),
        Transfer("+15550123"),
        HangUp("agent"),
    ]


async def test_the_service_gets_the_call_the_prompt_and_the_secret() -> None:
    async with service() as server:
        assert await ask(server, secret="s3cret") == []
    assert server.headers[0]["Authorization"] == "Bearer s3cret"
    assert server.bodies == [
        {
            "call": {
                "call_id": "CA1",
                "from_number": "+15550142",
                "to_number": "+15550199",
                "parameters": {"plan": "gold"},
            },
            "prompt": {
                "kind": "caller_said",
                "text": "Tuesday, please.",
                "history": [{"speaker": "bot", "text": "Which day?", "interrupted": False}],
                "attempt": 0,
                "again": False,
            },
        }
    ]


@pytest.mark.parametrize(
    "line", ["hello\n", '{"type": "dance"}\n', '{"type": "say"}\n', '{"text": "hi"}\n', '{"type": "say", "text": 5}\n']
)
async def test_what_is_no_action_is_an_error_that_shows_it(line: str) -> None:
    async with service(line) as server:
        with pytest.raises(AgentError, match="the agent sent"):
            await ask(server)


async def test_a_line_without_end_is_refused() -> None:
    async with service("x" * 300_000) as server:
        with pytest.raises(AgentError, match="longer than"):
            await ask(server)


async def test_actions_before_a_broken_connection_still_count() -> None:
    async def answer(body: Any, line: Line) -> None:
        await line.write('{"type": "say", "text": "One moment"}\n')
        raise ConnectionResetError

    async with Server("/agent", "application/x-ndjson", answer) as server:
        factory = WebFactory(WebSettings(url=f"{server.url}/agent"))
        reply = factory.open_call(INFO).reply(PROMPT)
        assert await anext(reply) == Say("One moment")
        with pytest.raises(AgentError, match="cannot be reached"):
            await anext(reply)
        await factory.close()


async def test_a_pause_inside_the_answer_is_bounded() -> None:
    async def answer(body: Any, line: Line) -> None:
        await line.write('{"type": "say", "text": "One moment"}\n')
        await asyncio.Event().wait()

    async with Server("/agent", "application/x-ndjson", answer) as server:
        factory = WebFactory(WebSettings(url=f"{server.url}/agent", action_deadline_s=0.05))
        reply = factory.open_call(INFO).reply(PROMPT)
        assert await anext(reply) == Say("One moment")
        with pytest.raises(AgentError, match="did not answer in time"):
            await anext(reply)
        async with asyncio.timeout(10):
            await server.hung_up.wait()
        await factory.close()


async def test_what_the_reader_does_meanwhile_is_his_own_time() -> None:
    async with service('{"type": "say", "text": "A"}\n', '{"type": "say", "text": "B"}\n') as server:
        factory = WebFactory(WebSettings(url=f"{server.url}/agent", first_action_deadline_s=5, action_deadline_s=5))
        reply = factory.open_call(INFO).reply(PROMPT)
        assert await anext(reply) == Say("A")
        await asyncio.create_task(_read_one(reply, Say("B")))  # another task may go on reading
        await reply.aclose()
        await factory.close()


async def _read_one(reply: Any, expected: Action) -> None:
    assert await anext(reply) == expected


async def test_the_service_may_name_what_it_will_probably_say_next() -> None:
    async with service(
        '{"type": "likely", "lines": [{"text": "You are booked.", "likelihood": 0.7}]}\n',
        '{"type": "say", "text": "Shall I?"}\n',
    ) as server:
        factory = WebFactory(WebSettings(url=f"{server.url}/agent"))
        agent = factory.open_call(INFO)
        assert [action async for action in agent.reply(PROMPT)] == [Say("Shall I?")]
        assert agent.likely() == [Likely("You are booked.", 0.7)]
        reply = agent.reply(PROMPT)
        assert await anext(reply) == Say("Shall I?")
        await reply.aclose()
        await factory.close()
