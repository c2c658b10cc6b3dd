"""The chat agent against a double that streams as the OpenAI chat completions API does."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from bridge.agents.base import AgentError, CallInfo, FixedLine
from bridge.agents.chat import ChatFactory
from bridge.agents.settings import ChatSettings
from bridge.call.actions import Action, Expect, HangUp, Prompt, Say, Spoken, Transfer
from tests.agents.doubles import Line, Server

INFO = CallInfo(call_id="CA1", from_number="+15550142")
PROMPT = Prompt("caller_said", "Tuesday, please.")


def chunk(**delta: Any) -> str:
    return f"data: {json.dumps({'id': 'x', 'choices': [{'index': 0, 'delta': delta, 'finish_reason': None}]})}\n\n"


def tool(name: str, *arguments: str, index: int = 0) -> list[str]:
    first = {"index": index, "id": "call_1", "type": "function", "function": {"name": name, "arguments": ""}}
    rest = [{"index": index, "function": {"arguments": piece}} for piece in arguments]
    return [chunk(tool_calls=[first]), *(chunk(tool_calls=[piece]) for piece in rest)]


def model(*pieces: str) -> Server:
    async def answer(body: Any, line: Line) -> None:
        for piece in pieces:
            await line.write(piece)

    return Server("/v1/chat/completions", "text/event-stream", answer)


async def ask(server: Server, prompt: Prompt = PROMPT, key: str = "", **settings: Any) -> list[Action]:
    factory = ChatFactory(ChatSettings(url=f"{server.url}/v1", model="small", **settings), key)
    try:
        return [action async for action in factory.open_call(INFO).reply(prompt)]
    finally:
        await factory.close()


async def test_words_are_passed_on_as_they_are_written() -> None:
    async with model(
        chunk(role="assistant", content=""), chunk(content="An open"), chunk(content="ing."), "data: [DONE]\n\n"
    ) as server:
        actions = await ask(server)
    assert actions == [Say("An open", more=True, cacheable=False), Say("ing.", more=True, cacheable=False)]


async def test_events_cut_anywhere_are_put_together_again() -> None:
    whole = ": keep-alive\r\n\r\n" + chunk(content="Grüß ") + chunk(content="Gott.") + "data: [DONE]\n\n"
    async with model(*whole) as server:
        actions = await ask(server)
    assert "".join(action.text for action in actions if isinstance(action, Say)) == "Grüß Gott."


async def test_the_first_words_are_there_before_the_last_are_written() -> None:
    heard = asyncio.Event()

    async def answer(body: Any, line: Line) -> None:
        await line.write(chunk(content="First "))
        await heard.wait()
        await line.write(chunk(content="last."))

    async with Server("/v1/chat/completions", "text/event-stream", answer) as server:
        factory = ChatFactory(ChatSettings(url=f"{server.url}/v1", model="small"))
        reply = factory.open_call(INFO).reply(PROMPT)
        assert await anext(reply) == Say("First ", more=True, cacheable=False)
        heard.set()
        assert [action async for action in reply] == [Say("last.", more=True, cacheable=False)]
        await factory.close()


async def test_an_interrupted_answer_closes_the_stream() -> None:
    async def answer(body: Any, line: Line) -> None:
        await line.write(chunk(content="I could go on "))
        await asyncio.Event().wait()

    async with Server("/v1/chat/completions", "text/event-stream", answer) as server:
        factory = ChatFactory(ChatSettings(url=f"{server.url}/v1", model="small"))
        reply = factory.open_call(INFO).reply(PROMPT)
        await anext(reply)
        await reply.aclose()
        async with asyncio.timeout(10):
            await server.hung_up.wait()
        await factory.close()


async def test_tools_become_actions_after_the_words() -> None:
    pieces = [
        *tool("expect", '{"answer": "dig', 'its", "digits": 10}'),
        chunk(content="One moment."),
        *tool("transfer", '{"target": "desk"}', index=1),
        *tool("hang_up", index=2),
    ]
    async with model(*pieces) as server:
        actions = await ask(server, transfer_targets={"desk": "+15550100"})
        offered = [each["function"]["name"] for each in server.bodies[0]["tools"]]
    assert actions == [
        Say("One moment.", more=True, cacheable=False),
        Expect("digits:10"),
        Transfer("+15550100"),
        HangUp("agent"),
    ]
    assert offered == ["hang_up", "expect", "transfer"]


@pytest.mark.parametrize(
    "pieces",
    [
        tool("transfer", '{"target": "+19005550000"}'),
        tool("transfer", "{"),
        tool("launch_rocket", "{}"),
        tool("expect", '{"answer": "anything"}'),
        ["data: {\n\n"],
        ['data: {"error": {"message": "overloaded"}}\n\n'],
        ["data: [DONE]\n\n"],
        [],
    ],
)
async def test_nonsense_from_the_model_is_an_error_with_its_name(pieces: list[str]) -> None:
    async with model(*pieces) as server:
        with pytest.raises(AgentError, match="the chat model"):
            await ask(server)


async def test_the_model_sees_what_was_heard_and_nothing_else() -> None:
    history = (Spoken("bot", "We have Tuesday or", interrupted=True), Spoken("caller", "Tuesday, please."))
    async with model(chunk(content="Good.")) as server:
        await ask(
            server, Prompt("caller_said", "In the morning.", history), key="secret", temperature=0.2, max_tokens=99
        )
        await ask(server, Prompt("digits", "42", history))
        await ask(server, Prompt("no_input", attempt=2))
    first, digits, silent = server.bodies
    assert first["stream"] is True
    assert (first["model"], first["temperature"], first["max_tokens"]) == ("small", 0.2, 99)
    assert [message["role"] for message in first["messages"]] == ["system", "assistant", "user", "user"]
    assert first["messages"][1]["content"] == "We have Tuesday or ... [the caller interrupted here]"
    assert first["messages"][-1]["content"] == "In the morning."
    assert "42" in digits["messages"][-1]["content"]
    assert "silent, time 2" in silent["messages"][-1]["content"]
    assert server.headers[0]["Authorization"] == "Bearer secret"
    assert "Authorization" not in server.headers[1]


async def test_a_fixed_greeting_needs_no_model() -> None:
    factory = ChatFactory(ChatSettings(url="http://127.0.0.1:9/v1", model="small", greeting="Hello."))
    agent = factory.open_call(INFO)
    assert [action async for action in agent.reply(Prompt("call_started"))] == [Say("Hello.")]
    assert factory.phrases() == [FixedLine("Hello.")]


async def test_refusals_and_silence_are_errors_that_say_so() -> None:
    async def never(body: Any, line: Line) -> None:
        await asyncio.Event().wait()

    async with model() as server:
        server.status = 429
        with pytest.raises(AgentError, match="answered 429: no such luck"):
            await ask(server)
    with pytest.raises(AgentError, match="cannot be reached"):
        await ask(server)
    async with Server("/v1/chat/completions", "text/event-stream", never) as silent:
        with pytest.raises(AgentError, match="did not answer in time"):
            await ask(silent, first_token_deadline_s=0.05)
