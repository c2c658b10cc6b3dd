"""The chat agent against a double that streams as the OpenAI chat completions API does."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from bridge.agents.base import AgentError, CallInfo, Failure, FixedLine
from bridge.agents.chat import ChatFactory
from bridge.agents.settings import AnswerLimits, ChatSettings, TransferSettings
from bridge.call.actions import Action, ChangeLanguage, Expect, HangUp, Prompt, Say, Spoken, Transfer
from tests.agents.doubles import Line, Server, VirtualTime

INFO = CallInfo(call_id="CA1", from_number="+15550142")
PROMPT = Prompt("caller_said", "Tuesday, please.")
DESK = TransferSettings(targets={"desk": "+15550100"})


def chunk(**delta: Any) -> str:
    return f"data: {json.dumps({'id': 'x', 'choices': [{'index': 0, 'delta': delta, 'finish_reason': None}]})}\n\n"


def tool(name: str, *arguments: str, index: int = 0) -> list[str]:
    first = {"index": index, "id": "call_1", "type": "function", "function": {"name": name, "arguments": ""}}
    rest = [{"index": index, "function": {"arguments": piece}} for piece in arguments]
    return [chunk(tool_calls=[first]), *(chunk(tool_calls=[piece]) for piece in rest)]


STOP = 'data: {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}\n\n'
DONE = "data: [DONE]\n\n"


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


async def reported(server: Server, **settings: Any) -> tuple[list[Action], list[AgentError]]:
    """What is done, and what went wrong: reported on the way or raised at the end."""
    errors: list[AgentError] = []
    settings = {"url": f"{server.url}/v1", "model": "small"} | settings
    factory = ChatFactory(ChatSettings(**settings), report=lambda _info, error: errors.append(error))
    actions: list[Action] = []
    try:
        async with asyncio.timeout(60):  # what should end by itself, and does not, fails
            async for action in factory.open_call(INFO).reply(PROMPT):
                actions.append(action)
    except AgentError as error:
        errors.append(error)
    await factory.close()
    return actions, errors


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
        await line.write(chunk(content="last.") + STOP)

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
        async with asyncio.timeout(60):
            await server.hung_up.wait()
        await factory.close()


async def test_tools_become_actions_after_the_words() -> None:
    pieces = [
        *tool("expect", '{"answer": "dig', 'its", "digits": 10}'),
        chunk(content="One moment."),
        *tool("transfer", '{"target": "desk"}', index=1),
        *tool("hang_up", index=2),
        STOP,
    ]
    async with model(*pieces) as server:
        actions = await ask(server, transfers=DESK)
        offered = [each["function"]["name"] for each in server.bodies[0]["tools"]]
    assert actions == [
        Say("One moment.", more=True, cacheable=False),
        Expect("digits:10"),
        Transfer("+15550100"),
        HangUp("agent"),
    ]
    assert offered == ["hang_up", "expect", "transfer"]


async def test_a_model_that_changes_the_language_is_asked_for_its_words_in_it() -> None:
    async def answer(body: Any, line: Line) -> None:
        changed = "goes on in the language de" in body["messages"][-1]["content"]
        for piece in (
            [chunk(content="Guten Tag."), STOP] if changed else [*tool("set_language", '{"language": "de"}'), STOP]
        ):
            await line.write(piece)

    async with Server("/v1/chat/completions", "text/event-stream", answer) as server:
        actions = await ask(server, languages=("en", "de"))
        offered = [each["function"]["name"] for each in server.bodies[0]["tools"]]

    assert actions == [ChangeLanguage("de"), Say("Guten Tag.", more=True, cacheable=False)]
    assert offered == ["hang_up", "expect", "set_language"]
    assert len(server.bodies) == 2


async def test_a_model_that_only_declares_what_the_caller_will_answer_is_asked_for_its_words() -> None:
    async def answer(body: Any, line: Line) -> None:
        told = "They have not heard a word yet" in body["messages"][-1]["content"]
        for piece in [chunk(content="Is it so?"), STOP] if told else [*tool("expect", '{"answer": "yes_no"}'), STOP]:
            await line.write(piece)

    async with Server("/v1/chat/completions", "text/event-stream", answer) as server:
        actions = await ask(server)

    assert actions == [Expect("yes_no"), Say("Is it so?", more=True, cacheable=False)]


async def test_a_model_that_only_ever_changes_the_language_is_asked_no_third_time() -> None:
    async with model(*tool("set_language", '{"language": "de"}'), STOP) as server:
        actions = await ask(server, languages=("en", "de"))

    assert actions == [ChangeLanguage("de"), ChangeLanguage("de")]


@pytest.mark.parametrize(
    ("pieces", "kind"),
    [
        ([*tool("set_language", '{"language": "de"}'), STOP], Failure.TOOL_NOT_ON_OFFER),
        ([*tool("expect", "{"), DONE], Failure.BAD_ACTION),
        ([*tool("hang_up", '{"reason": "by'), STOP], Failure.BAD_ACTION),
        ([*tool("expect", '{"answer": "anything"}'), STOP], Failure.BAD_ACTION),
        ([*tool("expect", '{"answer": "digits", "digits": 1000}'), STOP], Failure.BAD_ACTION),
        ([*tool("launch_rocket", "{}"), DONE], Failure.TOOL_NOT_ON_OFFER),
        ([*tool("transfer", '{"target": "desk"}'), DONE], Failure.TOOL_NOT_ON_OFFER),  # no targets: no such tool
        ([*tool("hang_up")], Failure.BROKEN_STREAM),  # its arguments never came
        ([chunk(content="Hel")], Failure.BROKEN_STREAM),
        (["data: {\n\n"], Failure.UNREADABLE_EVENT),
        (["Internal Server Error"], Failure.UNREADABLE_EVENT),
        (['data: {"error": {"message": "overloaded"}}\n\n'], Failure.SERVICE_ERROR),
        (["event: error\ndata: overloaded\n\n"], Failure.SERVICE_ERROR),
        ([DONE], Failure.NOTHING_SAID),
        ([chunk(content="..."), STOP, DONE], Failure.NOTHING_SAID),
        ([chunk(content="x" * 5000), STOP], Failure.TOO_MUCH),
        ([chunk(content="x" * 2500)] * 3, Failure.TOO_MUCH),
        ([": " + "x" * 300_000], Failure.TOO_MUCH),
        ([], Failure.BROKEN_STREAM),
    ],
)
async def test_nonsense_from_the_model_is_an_error_of_a_kind(pieces: list[str], kind: Failure) -> None:
    async with model(*pieces) as server:
        actions, errors = await reported(server)
    assert [error.kind for error in errors] == [kind]
    assert not any(isinstance(action, HangUp | Transfer | Expect) for action in actions)
    assert (
        str(errors[0]).startswith("the chat model at http://")
        or kind is Failure.NOTHING_SAID
        or "at most" in str(errors[0])
    )
    assert "overloaded" not in str(errors[0])


async def test_an_answer_cut_off_by_its_length_stands_and_is_counted() -> None:
    async with model(chunk(content="We open at"), STOP.replace("stop", "length")) as server:
        actions, errors = await reported(server)
    assert actions == [Say("We open at", more=True, cacheable=False)]
    assert [error.kind for error in errors] == [Failure.CUT_OFF]
    async with model(*tool("hang_up"), STOP.replace("stop", "length")) as server:
        actions, errors = await reported(server)
    assert (actions, [error.kind for error in errors]) == ([], [Failure.CUT_OFF])


async def test_a_content_filter_ends_the_answer_after_its_words() -> None:
    async with model(chunk(content="You may"), STOP.replace("stop", "content_filter")) as server:
        actions, errors = await reported(server)
    assert actions == [Say("You may", more=True, cacheable=False)]
    assert [error.kind for error in errors] == [Failure.FILTERED]


async def test_an_empty_answer_is_asked_for_once_more() -> None:
    async def answer(body: Any, line: Line) -> None:
        await line.write((chunk(content="Hello.") if len(server.bodies) > 1 else chunk(content="\n")) + STOP)

    async with Server("/v1/chat/completions", "text/event-stream", answer) as server:
        assert await ask(server) == [Say("Hello.", more=True, cacheable=False)]
    assert server.bodies[0] == server.bodies[1]


async def test_a_target_that_is_not_allowed_is_told_to_the_model_which_goes_on() -> None:
    async def answer(body: Any, line: Line) -> None:
        if len(server.bodies) == 1:
            for piece in (chunk(content="One moment."), *tool("transfer", '{"target": "+19005550000"}'), STOP):
                await line.write(piece)
        else:
            await line.write(chunk(content=" I cannot do that.") + STOP)

    async with Server("/v1/chat/completions", "text/event-stream", answer) as server:
        actions, errors = await reported(server, transfers=DESK)
    assert [action.text for action in actions if isinstance(action, Say)] == ["One moment.", " I cannot do that."]
    assert not any(isinstance(action, Transfer) for action in actions)
    assert [error.kind for error in errors] == [Failure.TRANSFER_REFUSED]
    *_, said, told = server.bodies[1]["messages"]
    assert said == {"role": "assistant", "content": "One moment."}
    assert told["role"] == "user"
    assert "not possible (costly)" in told["content"]
    assert "You may transfer to: desk." in told["content"]


async def test_numbers_are_offered_only_where_some_are_allowed() -> None:
    async with model(chunk(content="Good."), STOP) as server:
        await ask(server)
        await ask(server, transfers=DESK)
        await ask(server, transfers=TransferSettings(allow=["+1202"], targets={"desk": "+15550100"}))
        await ask(server, tools=False)
    none, named, numbers, no_tools = (
        {t["function"]["name"]: t for t in body.get("tools", [])} for body in server.bodies
    )
    assert "transfer" not in none
    assert named["transfer"]["function"]["parameters"]["properties"]["target"] == {"type": "string", "enum": ["desk"]}
    described = numbers["transfer"]["function"]["parameters"]["properties"]["target"]
    assert described["description"] == "A telephone number with its country code, such as +15550100, or one of: desk."
    assert no_tools == {}


async def test_what_a_server_refuses_can_be_left_out_or_added() -> None:
    async with model(chunk(content="Good."), STOP) as server:
        await ask(
            server,
            key="k",
            max_tokens=99,
            max_tokens_field="max_completion_tokens",
            tools=False,
            headers={"X-Team": "front"},
            key_header="api-key",
            query={"api-version": "2026-01-01"},
            extra_body={"reasoning_effort": "none", "stream": True, "model": None, "stop": ["#"]},
        )
    assert server.queries == ["api-version=2026-01-01"]
    body = server.bodies[0]
    body.pop("messages")
    assert body == {"stream": True, "max_completion_tokens": 99, "reasoning_effort": "none", "stop": ["#"]}
    headers = server.headers[0]
    assert (headers["X-Team"], headers["api-key"]) == ("front", "k")
    assert "Authorization" not in headers


@pytest.mark.parametrize("role", ["system", "developer"])
async def test_roles_take_turns_where_a_server_insists(role: str) -> None:
    history = (
        Spoken("bot", "Hello."),
        Spoken("bot", "I had a problem.", by_bridge=True),
        Spoken("caller", "Tuesday."),
        Spoken("bot", "Good."),
    )
    async with model(chunk(content="Good."), STOP) as server:
        await ask(server, Prompt("no_input", "", history, 1), alternating_roles=True, instructions_role=role)
        await ask(server, Prompt("caller_said", "No.", history), alternating_roles=True, instructions_role="user")
        await ask(server, Prompt("caller_said", "No.", history), instructions="")
    first, second, third = ([message["role"] for message in body["messages"]] for body in server.bodies)
    assert first == [role, "user", "assistant", "user", "assistant", "user"]
    assert second == ["user", "assistant", "user", "assistant", "user"]
    assert third == ["assistant", "user", "user", "assistant", "user"]
    joined = server.bodies[0]["messages"][3]["content"]
    assert joined == "[The telephone system, not you, said to the caller: I had a problem.]\n\nTuesday."


async def test_what_the_bridge_said_is_not_the_models_words() -> None:
    async with model(chunk(content="Good."), STOP) as server:
        await ask(server, Prompt("caller_said", "No.", (Spoken("bot", "I had a problem.", by_bridge=True),)))
    assert [message["role"] for message in server.bodies[0]["messages"]] == ["system", "user", "user"]


@pytest.mark.parametrize(
    ("kind", "words"),
    [("transfer_failed", "did not succeed (no answer)"), ("transfer_refused", "not possible (no answer)")],
)
async def test_a_failed_transfer_is_told_in_words(kind: Any, words: str) -> None:
    async with model(chunk(content="Good."), STOP) as server:
        await ask(server, Prompt(kind, "no_answer"))
    assert words in server.bodies[0]["messages"][-1]["content"]


async def test_two_answers_come_over_one_connection() -> None:
    async with model(chunk(content="Good."), STOP, DONE) as server:
        factory = ChatFactory(ChatSettings(url=f"{server.url}/v1", model="small"))
        for _ in range(3):
            assert [action async for action in factory.open_call(INFO).reply(PROMPT)]
        await factory.close()
    assert len(server.connections) == 1


async def test_a_server_that_goes_on_after_done_is_not_waited_for() -> None:
    async def answer(body: Any, line: Line) -> None:
        await line.write(chunk(content="Good.") + DONE)
        await asyncio.Event().wait()

    async with Server("/v1/chat/completions", "text/event-stream", answer) as server:
        assert await ask(server) == [Say("Good.", more=True, cacheable=False)]


@pytest.mark.parametrize(
    "beat",
    [
        ": ping\n\n",
        "\n",
        "data:\n\n",
        'data: {"choices": []}\n\n',
        chunk(content=""),
        chunk(content=" "),
        chunk(role="assistant"),
    ],
)
def test_heartbeats_do_not_keep_an_answer_alive(beat: str, virtual_time: VirtualTime) -> None:
    async def answer(body: Any, line: Line) -> None:
        await line.write(chunk(content="One moment"))
        while True:
            await line.write(beat)
            await asyncio.sleep(1.0)

    async def call() -> tuple[list[Action], list[AgentError]]:
        async with Server("/v1/chat/completions", "text/event-stream", answer) as server:
            return await reported(server, token_deadline_s=6.0)

    actions, errors = virtual_time(call)
    assert "".join(action.text for action in actions if isinstance(action, Say)).strip() == "One moment"
    assert [error.kind for error in errors] == [Failure.TIMEOUT]


@pytest.mark.parametrize(
    ("longest_s", "said", "failed"),
    [(21.0, [Say("Good.", more=True, cacheable=False)], []), (19.0, [], [Failure.TIMEOUT])],
)
def test_thoughts_keep_an_answer_alive_but_not_for_ever(
    longest_s: float, said: list[Action], failed: list[Failure], virtual_time: VirtualTime
) -> None:
    async def answer(body: Any, line: Line) -> None:
        for _ in range(20):
            await line.write(chunk(reasoning_content="hm"))
            await asyncio.sleep(1.0)
        await line.write(chunk(content="Good.") + STOP)

    async def call() -> tuple[list[Action], list[AgentError]]:
        async with Server("/v1/chat/completions", "text/event-stream", answer) as server:
            deadlines = {"first_token_deadline_s": 3.0, "token_deadline_s": 3.0}
            return await reported(server, **deadlines, limits=AnswerLimits(answer_s=longest_s))

    actions, errors = virtual_time(call)
    assert actions == said
    assert [error.kind for error in errors] == failed


async def test_the_model_sees_what_was_heard_and_nothing_else() -> None:
    history = (Spoken("bot", "We have Tuesday or", interrupted=True), Spoken("caller", "Tuesday, please."))
    async with model(chunk(content="Good."), STOP) as server:
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
    assert [action async for action in agent.reply(Prompt("call_started"))] == [Say("Hello.", cacheable=True)]
    assert factory.phrases() == [FixedLine("Hello.")]


async def test_refusals_and_silence_are_errors_that_say_so() -> None:
    async def never(body: Any, line: Line) -> None:
        await asyncio.Event().wait()

    async with model() as server:
        server.status = 429
        with pytest.raises(AgentError, match=r"answered 429$"):
            await ask(server)
    with pytest.raises(AgentError, match="cannot be reached"):
        await ask(server, retry_s=0.0)
    async with Server("/v1/chat/completions", "text/event-stream", never) as silent:
        with pytest.raises(AgentError, match="did not answer in time"):
            await ask(silent, first_token_deadline_s=0.05)


@pytest.mark.parametrize(
    ("refusals", "asked"),
    [
        ([(429, {"Retry-After": "0"})], 2),
        ([(429, {"Retry-After": "0.05"})], 2),
        ([(429, {"Retry-After-Ms": "50", "Retry-After": "60"})], 2),  # as Azure has it
        ([(429, {"Retry-After-Ms": "60000", "Retry-After": "0"})], 1),
        ([(429, {"Retry-After-Ms": "soon", "Retry-After": "0"})], 2),
        ([(429, {"Retry-After": "0"})] * 2, 2),  # once is enough: somebody waits on the line
        ([(429, {})], 1),
        ([(429, {"Retry-After": "60"})], 1),
        ([(429, {"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"})], 1),
        ([(429, {"Retry-After": "-1"})], 1),
        ([(429, {"Retry-After": "9" * 5000})], 1),
        ([(500, {"Retry-After": "0"})], 1),
    ],
)
async def test_a_model_with_too_much_to_do_is_asked_again_when_it_says(
    refusals: list[tuple[int, dict[str, str]]], asked: int
) -> None:
    async with model(chunk(content="Good morning."), STOP, DONE) as server:
        server.refusals = [*refusals]
        if len(refusals) == asked:
            with pytest.raises(AgentError, match="answered"):
                await ask(server)
        else:
            assert await ask(server) == [Say("Good morning.", more=True, cacheable=False)]
        assert len(server.bodies) == asked


async def test_nobody_waits_longer_than_there_is_patience() -> None:
    async with model(chunk(content="Good morning."), STOP, DONE) as server:
        server.refusals = [(429, {"Retry-After": "1"})]
        with pytest.raises(AgentError, match="answered 429"):
            await ask(server, first_token_deadline_s=0.9)
        assert len(server.bodies) == 1
