"""Servers that imitate a vendor's API, and leave things out of it or put things in: for each dialect a table."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from bridge.agents.base import AgentError, CallInfo, Failure
from bridge.agents.chat import ChatFactory
from bridge.agents.chat_dialects import stream_of
from bridge.agents.settings import ChatSettings
from bridge.call.actions import Action, HangUp, Prompt, Say
from tests.agents.doubles import Line, Server, VirtualTime
from tests.agents.models import PATHS, events

INFO = CallInfo(call_id="CA1")
PROMPT = Prompt("caller_said", "Tuesday, please.")


def sse(*values: Any) -> str:
    return "".join(f"data: {json.dumps(value)}\n\n" for value in values)


def text(words: str, **more: Any) -> Any:
    return {"type": "content_block_delta", "delta": {"type": "text_delta", "text": words}, **more}


def tool(name: str, **more: Any) -> Any:
    return {"type": "content_block_start", "content_block": {"type": "tool_use", "id": name, "name": name}, **more}


def arguments(piece: str, **more: Any) -> Any:
    return {"type": "content_block_delta", "delta": {"type": "input_json_delta", "partial_json": piece}, **more}


def ends(reason: str = "end_turn") -> Any:
    return {"type": "message_delta", "delta": {"stop_reason": reason}}


def parts(*of: Any, **more: Any) -> Any:
    return {"candidates": [{"content": {"parts": list(of)}, **more}]}


def calls(name: str, args: Any) -> Any:
    return {"functionCall": {"name": name, "args": args}}


BOTH = [("expect", {"answer": "yes_no"}), ("hang_up", {})]
ANSWER = '{"answer": "yes_no"}'
STOP = {"finishReason": "STOP"}
WHOLE = {
    "type": "message",
    "content": [
        {"type": "thinking", "thinking": "hm"},
        {"type": "text", "text": "Good day."},
        {"type": "tool_use", "id": "a", "name": "expect", "input": {"answer": "yes_no"}},
        {"type": "tool_use", "id": "b", "name": "hang_up", "input": {}},
    ],
    "stop_reason": "tool_use",
    "usage": {"input_tokens": 3, "output_tokens": 4},
}


def read(dialect: Any, raw: str) -> tuple[str, Any, str]:
    """Words, calls, and why it ended; or the kind of the failure."""
    stream = stream_of(ChatSettings(model="m", dialect=dialect), frozenset({"hang_up", "expect"}))
    words = ""
    try:
        for line in raw.encode().split(b"\n"):
            words += stream.line(line)
        words += stream.close()
    except AgentError as error:
        return words, [], str(error.kind)
    return words, [(one.name, json.loads(one.arguments or "{}")) for one in stream.tool_calls()], stream.finish_reason


@pytest.mark.parametrize(
    ("dialect", "raw", "calls", "reason"),
    [
        ("anthropic", json.dumps(WHOLE), BOTH, "tool_use"),  # does not stream
        ("anthropic", json.dumps(WHOLE, indent=2), BOTH, "tool_use"),
        ("anthropic", sse(WHOLE), BOTH, "tool_use"),
        ("anthropic", sse(text("Good "), text("day."), ends()), [], "end_turn"),  # no index, no beginning
        ("anthropic", sse(text("Good day.", index=None), ends()) + "data: [DONE]\n\n", [], "end_turn"),
        (
            "anthropic",
            sse(text("Good day."), tool("expect"), arguments(ANSWER), tool("hang_up"), arguments("{}"), ends()),
            BOTH,
            "end_turn",
        ),
        (  # one place for all
            "anthropic",
            sse(
                text("Good day.", index=0),
                tool("expect", index=0),
                arguments('{"answer": ', index=0),
                arguments('"yes_no"}', index=0),
                tool("hang_up", index=0),
                ends(),
            ),
            BOTH,
            "end_turn",
        ),
        (  # the place as a text, and pieces that name none
            "anthropic",
            sse(
                text("Good day."),
                tool("expect", index="1"),
                arguments(ANSWER, index="1"),
                tool("hang_up", index="2"),
                arguments("{}"),
                ends(),
            ),
            BOTH,
            "end_turn",
        ),
        ("anthropic", sse(text("Good day."), {"type": "ping"}, {"type": "x_vendor", "n": 1}, ends()), [], "end_turn"),
        ("anthropic", sse(text("Good day."), ends("max_tokens")), [], "length"),
        ("anthropic", sse(text("Good day."), ends("model_context_window_exceeded")), [], "length"),
        ("anthropic", sse(text("Good day."), ends("refusal")), [], "content_filter"),
        ("gemini", json.dumps(parts({"text": "Good day."}, **STOP)), [], "stop"),  # does not stream
        ("gemini", json.dumps([parts({"text": "Good "}), parts({"text": "day."}, **STOP)], indent=1), [], "stop"),
        ("gemini", sse([parts({"text": "Good "}), parts({"text": "day."}, **STOP)]), [], "stop"),
        (
            "gemini",
            sse(parts({"text": "Good day."}, calls("expect", {"answer": "yes_no"}), calls("hang_up", None), **STOP)),
            BOTH,
            "stop",
        ),
        ("gemini", sse({"candidates": {"content": {"parts": {"text": "Good day."}}, **STOP}}), [], "stop"),
        (
            "gemini",
            sse(parts({"text": "Good day."}, finishReason="FINISH_REASON_UNSPECIFIED"), parts(**STOP)),
            [],
            "stop",
        ),
        ("gemini", sse(parts({"text": "Good day."}), parts(finishReason="FinishReason.MAX_TOKENS")), [], "length"),
        ("gemini", sse(parts({"text": "Good day."}), parts(finishReason="max_tokens")), [], "length"),
        ("gemini", sse(parts({"text": "Good day."}), parts(finishReason="LANGUAGE")), [], "content_filter"),
        ("gemini", sse(parts({"text": "Good day."}, **STOP)) + "data: [DONE]\n\n", [], "stop"),
    ],
)
def test_what_an_imitation_means(dialect: str, raw: str, calls: Any, reason: str) -> None:
    assert read(dialect, raw) == ("Good day.", calls, reason)


BROKEN: dict[str, Failure] = {
    "<html>502 Bad Gateway</html>\n": Failure.UNREADABLE_EVENT,
    "Internal Server Error": Failure.UNREADABLE_EVENT,
    '"hello"': Failure.UNREADABLE_EVENT,
    sse("hello"): Failure.UNREADABLE_EVENT,
    sse(7): Failure.UNREADABLE_EVENT,
    "data: hello\n\n": Failure.UNREADABLE_EVENT,
    "": Failure.BROKEN_STREAM,
    ": ping\n\n": Failure.BROKEN_STREAM,
    "data: [DONE]\n\n": Failure.BROKEN_STREAM,
    "event: error\ndata: overloaded\n\n": Failure.SERVICE_ERROR,
    "event: error\n\n": Failure.SERVICE_ERROR,
    "event: api_error\ndata: {}\n\n": Failure.SERVICE_ERROR,
    '{"error": {"message": "no such model"}}': Failure.SERVICE_ERROR,
    '{"detail": "Not Found"}': Failure.SERVICE_ERROR,
    '{\n "message": "no"\n}': Failure.SERVICE_ERROR,
    sse({"error": "overloaded"}): Failure.SERVICE_ERROR,
    sse({"error": {"type": "overloaded_error"}}): Failure.SERVICE_ERROR,
    sse({"type": "error", "error": {"type": "api_error"}}): Failure.SERVICE_ERROR,
    sse({"type": "error"}): Failure.SERVICE_ERROR,
    sse({"type": "exception", "message": "x"}): Failure.SERVICE_ERROR,
    sse({"message": "Internal server error"}): Failure.SERVICE_ERROR,
    sse({"code": 500, "msg": "x"}): Failure.SERVICE_ERROR,
    sse({"success": False}): Failure.SERVICE_ERROR,
    sse({"base_resp": {"status_code": 1008}}): Failure.SERVICE_ERROR,
}


@pytest.mark.parametrize("dialect", PATHS)
@pytest.mark.parametrize("raw", BROKEN)
def test_what_is_no_answer_fails_by_the_same_kind_in_every_dialect(dialect: str, raw: str) -> None:
    if dialect == "openai" and raw.startswith("data: [DONE]"):
        pytest.skip("that is the end of a whole answer here")
    assert read(dialect, raw) == ("", [], BROKEN[raw].value)


@pytest.mark.parametrize("dialect", PATHS)
def test_thoughts_are_life_and_empty_thoughts_are_none(dialect: Any) -> None:
    def thought(words: str) -> Any:
        match dialect:
            case "openai":
                return {"choices": [{"delta": {"reasoning_content": words}}]}
            case "anthropic":
                return {"type": "content_block_delta", "delta": {"type": "thinking_delta", "thinking": words}}
            case _:
                return parts({"text": words, "thought": True})

    stream = stream_of(ChatSettings(model="m", dialect=dialect), frozenset())
    lively = []
    for words in ("", " ", "They want a time."):
        assert stream.line(sse(thought(words)).split("\n")[0].encode()) == ""
        lively.append(stream.lively)
    assert lively == [False, False, True]


def whole(dialect: str) -> list[str]:
    """The events of an answer with words and a call of a tool, up to why it ended, and without what follows that."""
    found = "".join(events(dialect, "Good day.", [("hang_up", {})]))
    return [f"{event}\n\n" for event in found.split("\n\n") if event and "[DONE]" not in event and "_stop" not in event]


async def answered(dialect: Any, server: Server) -> tuple[list[Action], float]:
    loop = asyncio.get_running_loop()
    factory = ChatFactory(ChatSettings(url=f"{server.url}/v1", model="small", dialect=dialect))
    began_at = loop.time()
    actions = [action async for action in factory.open_call(INFO).reply(PROMPT)]
    took_s = loop.time() - began_at
    await factory.close()
    return actions, took_s


def test_an_answer_that_has_ended_is_whole_however_its_connection_ends(virtual_time: VirtualTime) -> None:
    """Kept open without a word, with heartbeats, torn, or with something behind it that nobody can read."""

    async def stays(_line: Line) -> None:
        await asyncio.sleep(3600)

    async def beats(line: Line) -> None:
        for _ in range(3600):
            await line.write(": still here\n\n")
            await asyncio.sleep(0.5)

    async def tears(line: Line) -> None:
        transport = line._response._req.transport if line._response._req is not None else None
        assert transport is not None
        transport.abort()

    async def murmurs(line: Line) -> None:
        await line.write("event: close\ndata: stream closed\n\n<end>\n\n")

    async def call() -> dict[tuple[str, str], str]:
        found = {}
        for dialect in PATHS:
            for end in (stays, beats, tears, murmurs):

                async def answer(_body: Any, line: Line, dialect: str = dialect, end: Any = end) -> None:
                    for event in whole(dialect):
                        await line.write(event)
                    await asyncio.sleep(0.1)
                    await end(line)

                async with Server(PATHS[dialect], "text/event-stream", answer) as server:
                    try:
                        actions, took_s = await answered(dialect, server)
                    except AgentError as error:
                        found[dialect, end.__name__] = str(error)
                        continue
                words = "".join(action.text for action in actions if isinstance(action, Say)).strip()
                soon = "soon" if took_s < 1.5 else f"after {took_s:.1f} s"
                found[dialect, end.__name__] = f"{words} {actions[-1]} {soon}"
        return found

    found = virtual_time(call)
    assert found == dict.fromkeys(found, f"Good day. {HangUp('agent')} soon")
    assert len(found) == 12


async def test_what_follows_the_end_soon_is_read() -> None:
    """Its costs, as most servers tell them."""

    async def answer(_body: Any, line: Line) -> None:
        for event in whole("openai"):
            await line.write(event)
        await asyncio.sleep(0.01)
        await line.write(sse({"choices": [], "usage": {"prompt_tokens": 15, "completion_tokens": 5}}))

    async with Server(PATHS["openai"], "text/event-stream", answer) as server:
        factory = ChatFactory(ChatSettings(url=f"{server.url}/v1", model="small"))
        agent = factory.open_call(INFO)
        assert [action async for action in agent.reply(PROMPT)][-1] == HangUp("agent")
        assert agent.account().costs["prompt_tokens"] == 15
        await factory.close()
