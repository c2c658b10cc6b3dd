"""What each vendor streams, recorded small with its quirks, and what becomes of it: one table for all dialects."""

from __future__ import annotations

import asyncio
import itertools
import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from bridge.agents.base import AgentError, CallInfo, Failure
from bridge.agents.chat import ChatFactory
from bridge.agents.chat_dialects import request_body, stream_of
from bridge.agents.chat_model import ChatModel
from bridge.agents.chat_prompts import Exchange, as_messages
from bridge.agents.factory import build_agents
from bridge.agents.settings import ChatSettings, SecondModelSettings, TransferSettings
from bridge.call.actions import HangUp, Prompt, Say, Spoken, Transfer
from bridge.errors import ConfigError
from bridge.http import HttpClient
from tests.agents.doubles import Line, Server, VirtualTime
from tests.agents.models import PATHS, events

FIXTURES = Path(__file__).parents[2] / "fixtures" / "chat"
INFO = CallInfo(call_id="CA1")
NAMES = frozenset({"find_order", "hang_up", "expect", "pay"})


class Recorded(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What must become of a recorded stream."""

    vendor: str
    dialect: str = "openai"
    words: str = ""
    calls: list[tuple[str, dict[str, Any]]] = []
    reason: str = ""
    usage: tuple[int, int] = (0, 0)
    fails: str = ""


def recorded() -> list[tuple[str, Recorded]]:
    expected = msgspec.json.decode((FIXTURES / "expected.json").read_bytes(), type=dict[str, Recorded])
    return sorted(expected.items())


def heard(raw: bytes, expected: Recorded, cuts: list[int]) -> tuple[str, Any, str, Any, str]:
    """What a stream gives whose bytes come in these pieces."""
    from bridge.agents.lines import LineSplitter

    dialect: Any = expected.dialect
    stream, splitter, words = stream_of(ChatSettings(model="m", dialect=dialect), NAMES), LineSplitter(), ""
    places = [0, *sorted({cut % (len(raw) + 1) for cut in cuts}), len(raw)]
    try:
        for start, end in itertools.pairwise(places):
            for line in splitter.feed(raw[start:end]):
                words += stream.line(line)
        for line in splitter.close():
            words += stream.line(line)
        words += stream.close()
    except AgentError as error:
        return words, [], stream.finish_reason, tuple(stream.usage), str(error.kind)
    calls = [(call.name, msgspec.json.decode(call.arguments or "{}")) for call in stream.tool_calls()]
    return words, calls, stream.finish_reason, tuple(stream.usage), ""


@pytest.mark.parametrize(("name", "expected"), recorded())
@hypothesis_settings(max_examples=20, deadline=None)
@given(cuts=st.lists(st.integers(0, 5000), max_size=12))
def test_a_recorded_stream_means_the_same_however_it_is_cut(name: str, expected: Recorded, cuts: list[int]) -> None:
    raw = (FIXTURES / name).read_bytes()
    wanted = (expected.words, expected.calls, expected.reason, expected.usage, expected.fails)
    assert heard(raw, expected, cuts) == wanted


def test_every_recording_is_expected_to_mean_something_and_every_vendor_is_there() -> None:
    files = {path.name for path in FIXTURES.iterdir()} - {"expected.json", "README.md"}
    assert files == {name for name, _ in recorded()}
    vendors = {each.vendor for _, each in recorded()}
    assert vendors >= {
        "openai", "azure", "anthropic", "gemini", "groq", "vllm", "ollama", "llama.cpp", "openrouter",
    }  # fmt: skip


@pytest.mark.parametrize("dialect", ["anthropic", "gemini"])
@given(
    raw=st.lists(st.binary(max_size=60), max_size=8),
    junk=st.dictionaries(
        st.sampled_from(
            ["type", "index", "delta", "content_block", "candidates", "usage", "message", "error", "usageMetadata"]
        ),
        st.one_of(
            st.none(),
            st.integers(),
            st.text(max_size=5),
            st.lists(st.integers(), max_size=2),
            st.dictionaries(
                st.sampled_from(["type", "text", "content", "parts", "usage"]), st.text(max_size=5), max_size=2
            ),
        ),
        max_size=4,
    ),
)
def test_nonsense_is_an_error_of_a_kind_and_nothing_else(dialect: Any, raw: list[bytes], junk: dict[str, Any]) -> None:
    stream = stream_of(ChatSettings(model="m", dialect=dialect), NAMES)
    try:
        for line in [*raw, f"data: {json.dumps(junk)}".encode(), b""]:
            stream.line(line)
        stream.close()
    except AgentError:
        pass


EXCHANGE = Exchange(
    2,
    2,
    [
        {
            "role": "assistant",
            "content": "Let me see.",
            "tool_calls": [
                {
                    "id": "c1",
                    "type": "function",
                    "function": {"name": "find_order", "arguments": '{"n": 1}'},
                    "thoughtSignature": "sig",
                },
                {"id": "c2", "type": "function", "function": {"name": "find_order", "arguments": "{}"}},
            ],
        },
        {"role": "tool", "tool_call_id": "c1", "name": "find_order", "content": "ready"},
        {"role": "tool", "tool_call_id": "c2", "name": "find_order", "content": "lost"},
    ],
)
HISTORY = (Spoken("bot", "Hello."), Spoken("caller", "My orders?"), Spoken("bot", "One is ready."))
TOOLS = [
    {"type": "function", "function": {"name": "find_order", "description": "Find.", "parameters": {"type": "object"}}}
]


def body(dialect: Any) -> dict[str, Any]:
    settings = ChatSettings(model="m", dialect=dialect, instructions="Be kind.", temperature=0.5, max_tokens=99)
    messages = as_messages(settings, INFO, Prompt("caller_said", "Thanks.", HISTORY), [EXCHANGE])
    return request_body(settings, messages, TOOLS)


def test_tools_and_what_they_gave_as_anthropic_takes_them() -> None:
    asked = body("anthropic")
    assert asked["system"] == [{"type": "text", "text": "Be kind.", "cache_control": {"type": "ephemeral"}}]
    assert asked["tools"] == [{"name": "find_order", "description": "Find.", "input_schema": {"type": "object"}}]
    assert (asked["max_tokens"], asked["temperature"], asked["stream"]) == (99, 0.5, True)
    assert asked["messages"] == [
        {"role": "user", "content": "[The call has begun.]"},
        {"role": "assistant", "content": "Hello."},
        {"role": "user", "content": "My orders?"},
        {
            "role": "assistant",
            "content": [
                {"type": "text", "text": "Let me see."},
                {"type": "tool_use", "id": "c1", "name": "find_order", "input": {"n": 1}},
                {"type": "tool_use", "id": "c2", "name": "find_order", "input": {}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "c1", "content": "ready"},
                {"type": "tool_result", "tool_use_id": "c2", "content": "lost"},
            ],
        },
        {"role": "assistant", "content": "One is ready."},
        {"role": "user", "content": "Thanks."},
    ]


def test_tools_and_what_they_gave_as_gemini_takes_them() -> None:
    asked = body("gemini")
    assert asked["systemInstruction"] == {"parts": [{"text": "Be kind."}]}
    assert asked["generationConfig"] == {"temperature": 0.5, "maxOutputTokens": 99}
    assert asked["tools"][0]["functionDeclarations"][0]["parametersJsonSchema"] == {"type": "object"}
    assert [content["role"] for content in asked["contents"]] == [
        "user",
        "model",
        "user",
        "model",
        "user",
        "model",
        "user",
    ]
    assert asked["contents"][3]["parts"] == [
        {"text": "Let me see."},
        {"functionCall": {"name": "find_order", "args": {"n": 1}}, "thoughtSignature": "sig"},
        {"functionCall": {"name": "find_order", "args": {}}},
    ]
    assert asked["contents"][4]["parts"] == [
        {"functionResponse": {"name": "find_order", "response": {"result": "ready"}}},
        {"functionResponse": {"name": "find_order", "response": {"result": "lost"}}},
    ]


def test_tools_and_what_they_gave_as_openai_takes_them() -> None:
    asked = body("openai")
    assert [message["role"] for message in asked["messages"]] == [
        "system", "assistant", "user", "assistant", "tool", "tool", "assistant", "user",
    ]  # fmt: skip
    assert asked["messages"][4] == {"role": "tool", "tool_call_id": "c1", "content": "ready"}


@pytest.mark.parametrize(
    ("history", "place"),
    [
        (HISTORY, 2),
        (HISTORY[:2], 2),  # interrupted before a word of the answer was heard
        ((*HISTORY[:2], Spoken("caller", "Hello?")), 2),
        ((*HISTORY, Spoken("bot", "Anything else?"), Spoken("bot", "Sorry.", by_bridge=True)), 2),
        ((), 0),
        (HISTORY[1:], 1),
    ],
)
@pytest.mark.parametrize("prompt", [("caller_said", "Thanks."), ("digits", "1"), ("no_input", "")])
@pytest.mark.parametrize("role", ["system", "user"])
def test_a_server_that_insists_on_turns_gets_them_around_tools_too(
    history: tuple[Spoken, ...], place: int, prompt: tuple[Any, str], role: Any
) -> None:
    settings = ChatSettings(model="m", alternating_roles=True, instructions_role=role)
    exchange = msgspec.structs.replace(EXCHANGE, place=place)
    messages = as_messages(settings, INFO, Prompt(*prompt, history), [exchange])
    roles = [message["role"] for message in messages if message["role"] != "system"]
    follows = {"": "user", "user": "assistant", "assistant": "user tool", "tool": "tool assistant"}
    for before, after in itertools.pairwise(["", *roles]):
        assert after in follows[before].split(), roles
    assert roles[-1] in ("user", "tool")


def served(name: str, path: str) -> Server:
    async def answer(body: Any, line: Line) -> None:
        await line.write((FIXTURES / name).read_bytes())

    return Server(path, "text/event-stream", answer)


@pytest.mark.parametrize(
    ("dialect", "name", "path", "header"),
    [
        ("openai", "openai.sse", "/v1/chat/completions", ("Authorization", "Bearer k")),
        ("anthropic", "anthropic.sse", "/v1/messages", ("x-api-key", "k")),
        ("gemini", "gemini.sse", "/v1/models/small:streamGenerateContent", ("x-goog-api-key", "k")),
    ],
)
async def test_each_dialect_asks_at_its_own_address_with_its_own_header(
    dialect: Any, name: str, path: str, header: tuple[str, str]
) -> None:
    async with served(name, path) as server:
        settings = ChatSettings(url=f"{server.url}/v1", model="small", dialect=dialect, key_env="KEY")
        factory = build_agents(settings, environ={"KEY": "k"})
        actions = []
        with suppress(AgentError):  # these streams call tools that are not on offer here
            async for action in factory.open_call(INFO).reply(Prompt("caller_said", "Hello?")):
                actions.append(action)
        await factory.close()
    assert "".join(each.text for each in actions if isinstance(each, Say)).strip()
    assert server.headers[0][header[0]] == header[1]
    assert server.queries == (["alt=sse"] if dialect == "gemini" else [""])


# A second model.


def chunk(words: str) -> str:
    return f'data: {{"choices": [{{"delta": {{"content": "{words}"}}}}]}}\n\n'


STOP = 'data: {"choices": [{"delta": {}, "finish_reason": "stop"}]}\n\n'


def speaks(words: str, after_s: float = 0.0, then_s: float = 0.0) -> Server:
    """A model that says this after a while, and the rest later."""

    async def answer(body: Any, line: Line) -> None:
        await asyncio.sleep(after_s)
        await line.write(chunk(words))
        await asyncio.sleep(then_s)
        await line.write(STOP)

    return Server("/v1/chat/completions", "text/event-stream", answer)


async def contest(first: Server, other: Server, late_ms: int = 0) -> tuple[str, list[AgentError]]:
    errors: list[AgentError] = []
    own = SecondModelSettings(model="other", url=f"{other.url}/v1", late_ms=late_ms)
    settings = ChatSettings(url=f"{first.url}/v1", model="small", second=own, first_token_deadline_s=5.0)
    second = ChatModel(ChatSettings(url=f"{other.url}/v1", model="other", retry_s=0.0), "", HttpClient())
    factory = ChatFactory(settings, second=second, report=lambda _info, error: errors.append(error))
    try:
        actions = [action async for action in factory.open_call(INFO).reply(Prompt("caller_said", "Hello?"))]
    finally:
        await factory.close()
    return "".join(each.text for each in actions if isinstance(each, Say)), errors


@pytest.mark.parametrize(("status", "headers"), [(500, {}), (429, {"Retry-After": "60"}), (401, {})])
async def test_the_second_model_answers_where_the_first_refuses(status: int, headers: dict[str, str]) -> None:
    async with speaks("First.") as first, speaks("Second.") as other:
        first.refusals = [(status, headers)]
        words, errors = await contest(first, other)
    assert (words, [error.kind for error in errors]) == ("Second.", [Failure.HTTP_STATUS])
    assert other.bodies[0]["model"] == "other"


async def test_the_second_model_is_left_alone_while_the_first_is_well() -> None:
    async with speaks("First.") as first, speaks("Second.") as other:
        assert await contest(first, other, late_ms=5000) == ("First.", [])
    assert other.bodies == []


def test_who_is_first_speaks_and_the_others_connection_is_closed(virtual_time: VirtualTime) -> None:
    async def call() -> None:
        async with speaks("First.", after_s=3.0) as first, speaks("Second.", after_s=0.5, then_s=1.0) as other:
            assert await contest(first, other, late_ms=1000) == ("Second.", [])
            await first.hung_up.wait()
        async with speaks("First.", after_s=1.2, then_s=1.0) as first, speaks("Second.", after_s=0.5) as other:
            assert await contest(first, other, late_ms=1000) == ("First.", [])
            await other.hung_up.wait()

    virtual_time(call)


async def test_when_both_fail_the_answer_fails_as_the_last_did() -> None:
    async with speaks("First.") as first, speaks("Second.") as other:
        first.status, other.status = 500, 503
        with pytest.raises(AgentError, match="answered 503"):
            await contest(first, other)


async def test_a_model_that_breaks_off_after_its_first_word_is_not_replaced() -> None:
    async def answer(body: Any, line: Line) -> None:
        await line.write(chunk("First"))

    async with Server("/v1/chat/completions", "text/event-stream", answer) as first, speaks("Second.") as other:
        with pytest.raises(AgentError) as error:
            await contest(first, other)
    assert error.value.kind is Failure.BROKEN_STREAM
    assert other.bodies == []


def test_a_second_model_of_another_server_gets_nothing_of_the_first() -> None:
    from bridge.agents.factory import _second

    first = ChatSettings(model="a", key_env="KEY", headers={"X": "1"}, extra_body={"seed": 1}, dialect="anthropic")
    same = _second(msgspec.structs.replace(first, second=SecondModelSettings(model="b")))
    assert (same.model, same.key_env, same.headers, same.dialect) == ("b", "KEY", {"X": "1"}, "anthropic")
    other = _second(
        msgspec.structs.replace(first, second=SecondModelSettings(model="b", url="https://other.example.com"))
    )
    assert (other.key_env, other.headers, other.extra_body, other.dialect) == ("", {}, {}, "openai")
    assert other.transfers == TransferSettings()


def test_a_second_model_of_another_dialect_gets_nothing_that_only_the_first_has() -> None:
    from bridge.agents.factory import _second

    first = ChatSettings(
        model="a", max_tokens_field="max_completion_tokens", alternating_roles=True, instructions_role="user"
    )
    own = SecondModelSettings(model="b", url="https://api.anthropic.com/v1", dialect="anthropic")
    second = _second(msgspec.structs.replace(first, second=own))
    assert (second.max_tokens_field, second.alternating_roles, second.instructions_role) == (
        "max_tokens",
        False,
        "system",
    )


@pytest.mark.parametrize("dialect", ["anthropic", "gemini"])
@pytest.mark.parametrize(
    "setting",
    [{"max_tokens_field": "max_completion_tokens"}, {"alternating_roles": True}, {"instructions_role": "user"}],
)
def test_what_belongs_to_another_dialect_is_refused(dialect: Any, setting: dict[str, Any]) -> None:
    [name] = setting
    with pytest.raises(ValueError, match=f"{name} belongs to `dialect: openai` and does nothing with {dialect}"):
        ChatSettings(model="m", dialect=dialect, **setting)
    ChatSettings(model="m", **setting)


@pytest.mark.parametrize("dialect", ["anthropic", "gemini"])
def test_another_vendors_requests_are_not_sent_to_the_address_that_nobody_wrote(dialect: Any) -> None:
    with pytest.raises(ConfigError, match=rf"agent\.url: .* expected a server that speaks {dialect}, such as https://"):
        build_agents(ChatSettings(model="m", dialect=dialect), environ={})
    second = SecondModelSettings(model="m", dialect=dialect)
    with pytest.raises(ConfigError, match=r"agent\.second\.url: "):
        build_agents(ChatSettings(model="m", second=second), environ={})


async def test_connections_are_warm_before_the_first_question_and_one_serves_all() -> None:
    async with speaks("Hello.") as server:
        factory = ChatFactory(ChatSettings(url=f"{server.url}/v1", model="small"))
        await factory.prepare()
        assert factory.model._warming is not None
        await factory.model._warming
        for _ in range(3):
            async for action in factory.open_call(INFO).reply(Prompt("caller_said", "Hello?")):
                assert not isinstance(action, HangUp | Transfer)
        await factory.close()
    assert len(server.connections) == 1


@pytest.mark.parametrize("dialect", ["openai", "anthropic", "gemini"])
async def test_the_connection_of_each_answer_that_is_broken_off_is_closed(dialect: Any) -> None:
    open_now, closed = 0, 0

    async def answer(body: Any, line: Line) -> None:
        nonlocal open_now, closed
        open_now += 1
        try:
            for event in events(dialect, "I could go on and on. ", []):
                await line.write(event)
                if "could" in event:
                    await asyncio.Event().wait()
        finally:
            open_now, closed = open_now - 1, closed + 1

    async with Server(PATHS[dialect], "text/event-stream", answer) as server:
        factory = build_agents(ChatSettings(url=f"{server.url}/v1", model="small", dialect=dialect), environ={})
        agent = factory.open_call(INFO)
        for turn in range(1, 6):
            reply = agent.reply(Prompt("caller_said", "Hello?", turn=turn))
            await anext(reply)
            await reply.aclose()
        async with asyncio.timeout(60):
            while closed < 5:
                await asyncio.sleep(0.01)
        await factory.close()
    assert (open_now, closed, len(server.connections)) == (0, 5, 5)


EVENT = {
    "openai": b'data: {"id":"x","choices":[{"index":0,"delta":%s,"finish_reason":null}]}\n\n',
    "anthropic": b'event: ping\ndata: {"type":"ping"}\n\n',
    "gemini": b'data: {"candidates":[{"index":0,"content":{"parts":[],"role":"model"}}]}\n\n',
}


def lf(raw: bytes) -> bytes:
    return raw.replace(b"\r\n", b"\n")


def between(raw: bytes, event: bytes) -> bytes:
    """The stream with this before each of its events, and before its end."""
    return b"\n\n".join(event + part if part else part for part in lf(raw).split(b"\n\n"))


ANY_SERVER: dict[str, Any] = {
    "ends of lines are CRLF": lambda raw, _: lf(raw).replace(b"\n", b"\r\n"),
    "ends of lines are CR": lambda raw, _: lf(raw).replace(b"\n", b"\r"),
    "comments": lambda raw, _: between(raw, b": ping\n\n:\n\n"),
    "comments within events": lambda raw, _: lf(raw).replace(b"data:", b": still here\ndata:"),
    "ids and times to retry": lambda raw, _: lf(raw).replace(b"data:", b"id: 7\nretry: 100\ndata:"),
    "no [DONE]": lambda raw, _: b"\n\n".join(part for part in lf(raw).split(b"\n\n") if part != b"data: [DONE]"),
    "no space behind the colon": lambda raw, _: lf(raw).replace(b"data: ", b"data:"),
    "a byte order mark": lambda raw, _: b"\xef\xbb\xbf" + raw,
    "no end of the last line": lambda raw, _: raw.rstrip(),
    "events without anything": lambda raw, dialect: between(raw, EVENT[dialect].replace(b"%s", b"{}")),
}
OPENAI_ALONE: dict[str, Any] = {
    "empty choices": lambda raw, _: between(raw, b'data: {"id":"","choices":[]}\n\n'),
    "no choices, but filters": lambda raw, _: between(raw, b'data: {"choices":null,"content_filter_results":{}}\n\n'),
    "no delta": lambda raw, _: between(raw, EVENT["openai"].replace(b"%s", b"null")),
    "the role alone, in each chunk": lambda raw, _: between(
        raw, EVENT["openai"].replace(b"%s", b'{"role":"assistant","content":null,"tool_calls":null}')
    ),
    **{
        name: lambda raw, _, name=name: EVENT["openai"].replace(b"%s", b'{"%s":"hm"}' % name.encode()) + raw
        for name in ("reasoning_content", "reasoning", "reasoning_details", "thinking")
    },
    "<think>": lambda raw, _: (
        EVENT["openai"].replace(b"%s", b'{"content":"<thi"}')
        + EVENT["openai"].replace(b"%s", b'{"content":"nk>hm</think>"}')
        + raw
    ),
}
GOOD = [(name, one) for name, one in recorded() if not one.fails]


@pytest.mark.parametrize(("name", "expected"), GOOD, ids=[name for name, _ in GOOD])
@pytest.mark.parametrize("quirk", [*ANY_SERVER, *OPENAI_ALONE])
def test_every_vendors_stream_means_the_same_with_every_quirk(name: str, expected: Recorded, quirk: str) -> None:
    if quirk in OPENAI_ALONE and expected.dialect != "openai":
        pytest.skip("a quirk of another protocol")
    raw = (ANY_SERVER | OPENAI_ALONE)[quirk]((FIXTURES / name).read_bytes(), expected.dialect)
    wanted = (expected.words, expected.calls, expected.reason, expected.usage, "")
    assert heard(raw, expected, []) == wanted
    assert heard(raw, expected, list(range(1, 5000, 7))) == wanted


ERRORS = {
    "openai": [
        '{"error":{"message":"overloaded","type":"server_error","code":503}}',
        '{"object":"error","message":"overloaded","code":500}',
        '[{"error":{"message":"overloaded","code":503}}]',
        '{"id":"x","error":{"code":502,"message":"away"},"choices":[{"delta":{"content":""},"finish_reason":"error"}]}',
    ],
    "anthropic": ['{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}'],
    "gemini": ['{"error":{"code":503,"message":"overloaded","status":"UNAVAILABLE"}}', '[{"error":{"code":503}}]'],
}


@pytest.mark.parametrize(("name", "expected"), GOOD, ids=[name for name, _ in GOOD])
def test_an_error_in_the_middle_of_any_vendors_stream_fails_the_answer(name: str, expected: Recorded) -> None:
    """Also where it stands instead of all else, and where the event bears its name."""
    first, *_ = lf((FIXTURES / name).read_bytes()).split(b"\n\n")
    for error in ERRORS[expected.dialect]:
        for before in (b"", first + b"\n\n"):
            for named in (b"", b"event: error\n"):
                raw = before + named + b"data: " + error.encode() + b"\n\n"
                *_, failed = heard(raw, expected, [])
                assert failed == "service_error", raw
