"""The web agent against a service on a real socket."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from bridge.agents.base import AgentError, CallInfo, Failure, LikelyLine
from bridge.agents.settings import TransferSettings, WebSettings
from bridge.agents.web import WebFactory
from bridge.call.actions import Action, Expect, HangUp, Prompt, Say, Spoken, Transfer, Wait
from tests.agents.doubles import Line, Server, VirtualTime

INFO = CallInfo(call_id="CA1", from_number="+15550142", to_number="+15550199", parameters={"plan": "gold"})
PROMPT = Prompt("caller_said", "Tuesday, please.", (Spoken("bot", "Which day?"),))


def service(*lines: str) -> Server:
    async def answer(body: Any, line: Line) -> None:
        for each in lines:
            await line.write(each)

    return Server("/agent", "application/x-ndjson", answer)


async def ask(server: Server, secret: str = "", **settings: Any) -> list[Action]:
    factory = WebFactory(WebSettings(url=f"{server.url}/agent", **settings), secret)
    try:
        return [action async for action in factory.open_call(INFO).reply(PROMPT)]
    finally:
        await factory.close()


async def test_every_action_can_be_said_in_json() -> None:
    async with service(
        '{"type": "say", "text": "I have an opening", "more": true}\n',
        '{"type": "say", "text": " at nine.", "interruption": "protected", "voice": "joe", "cacheable": true}\n\n',
        '{"type": "wait", "seconds": 0.5}\n{"type": "expect", "answer": "yes_no"}\n',
        '{"type": "transfer", "target": "desk"}\n',
        '{"type": "hang_up"}',
    ) as server:
        actions = await ask(server, transfers=TransferSettings(targets={"desk": "+15550123"}))
    assert actions == [
        Say("I have an opening", more=True),
        Say(" at nine.", interruption="protected", voice="joe", cacheable=True),
        Wait(0.5),
        Expect("yes_no"),
        Transfer("+15550123"),
        HangUp("agent"),
    ]


async def test_only_what_the_service_says_may_be_kept_is_kept_for_other_calls() -> None:
    async with service(
        '{"type": "say", "text": "Your card ends in 4411."}\n',
        '{"type": "say", "text": "We open at nine.", "cacheable": true}\n',
    ) as server:
        actions = await ask(server)
    assert [action.cacheable for action in actions if isinstance(action, Say)] == [False, True]


async def test_the_service_gets_the_call_the_prompt_and_the_secret() -> None:
    async with service('{"type": "hang_up"}') as server:
        assert await ask(server, secret="s3cret", headers={"X-Team": "front"}) == [HangUp("agent")]
    assert server.headers[0]["X-Team"] == "front"
    assert server.headers[0]["Authorization"] == "Bearer s3cret"
    assert server.bodies == [
        {
            "call": {
                "call_id": "CA1",
                "from_number": "+15550142",
                "to_number": "+15550199",
                "parameters": {"plan": "gold"},
                "transfer_failed": "",
            },
            "prompt": {
                "kind": "caller_said",
                "text": "Tuesday, please.",
                "history": [{"speaker": "bot", "text": "Which day?", "interrupted": False, "by_bridge": False}],
                "attempt": 0,
                "again": False,
                "guess": False,
                "turn": 0,
                "readings": [],
                "answer": "open",
                "language": "",
                "choices": {},
            },
            "understood": None,
        }
    ]


@pytest.mark.parametrize(
    ("line", "kind", "names"),
    [
        ("hello\n", Failure.UNREADABLE_EVENT, "no action"),
        ("<html>502 Bad Gateway</html>\n", Failure.UNREADABLE_EVENT, "no action"),
        ('{"type": "say", "text": "x"', Failure.UNREADABLE_EVENT, "no action"),
        ('{"type": "dance"}\n', Failure.BAD_ACTION, "Invalid value"),
        ('{"type": "say"}\n', Failure.BAD_ACTION, "missing required field `text`"),
        ('{"text": "hi"}\n', Failure.BAD_ACTION, "missing required field `type`"),
        ('{"type": "say", "text": 5}\n', Failure.BAD_ACTION, "Expected string, got number"),
        ('[{"type": "say", "text": "x"}]\n', Failure.BAD_ACTION, "got array"),
        ('{"type": "say", "text": "x", "interruption": "never"}\n', Failure.BAD_ACTION, "Invalid enum value"),
        ('{"type": "expect", "answer": "digits:ten"}\n', Failure.BAD_ACTION, "open, yes_no, digits"),
        ('{"type": "wait", "seconds": 1e999}\n', Failure.BAD_ACTION, "out of range"),
        ('{"type": "wait", "seconds": -1}\n', Failure.BAD_ACTION, "a wait of -1 seconds"),
        ('{"type": "wait", "seconds": 0.001}\n' * 2000, Failure.TOO_MUCH, "actions; at most 200"),
        ('{"type": "say", "text": "' + "x" * 3001 + '"}\n', Failure.TOO_MUCH, "in one text; at most 3000"),
        (
            '{"type": "likely", "lines": [' + '{"text": "x", "likelihood": 0},' * 40 + "{}]}\n",
            Failure.BAD_ACTION,
            "text",
        ),
        ('{"type": "likely", "lines": [{"text": "x", "likelihood": 2}]}\n', Failure.BAD_ACTION, "a likelihood of 2"),
        ('{"type": "error", "message": "no database"}\n', Failure.SERVICE_ERROR, "reported an error"),
        ('{"type": "error", "message": null}\n', Failure.SERVICE_ERROR, "reported an error"),
        ('{"type": "error", "message": {"why": "no database"}}\n', Failure.SERVICE_ERROR, "reported an error"),
        ('{"error": "no database"}\n', Failure.SERVICE_ERROR, "reported an error"),
        ('{"error": {"message": "no database", "code": 7}}\n', Failure.SERVICE_ERROR, "reported an error"),
        ('{"errors": [{"message": "no database"}]}\n', Failure.SERVICE_ERROR, "reported an error"),
        ('{"detail": "no database"}\n', Failure.SERVICE_ERROR, "reported an error"),
        ('{"type": null, "message": "no database"}\n', Failure.SERVICE_ERROR, "reported an error"),
        ('{"type": "ServerError", "status": 500}\n', Failure.SERVICE_ERROR, "reported an error"),
        ('{"type": "say", "text": null}\n', Failure.BAD_ACTION, "missing required field `text`"),
        ("\n" * 200_000, Failure.TOO_MUCH, "an answer of more than"),
        ("", Failure.NOTHING_SAID, "neither a word nor an action"),
        ('{"type": "say", "text": " ... "}\n', Failure.NOTHING_SAID, "neither a word nor an action"),
    ],
)
async def test_what_is_no_answer_is_an_error_of_a_kind(line: str, kind: Failure, names: str) -> None:
    async with service(line) as server:
        with pytest.raises(AgentError) as broken:
            await ask(server)
    assert broken.value.kind is kind
    assert names in str(broken.value)
    for private in ("hello", "dance", "never", "database", "Bad Gateway"):
        assert private not in str(broken.value)


@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r", "\n\n\n"])
async def test_lines_may_begin_with_a_mark_and_end_in_any_way(ends: str) -> None:
    async with service("\ufeff" + ends.join(['{"type": "say", "text": "A"}', '{"type": "hang_up"}'])) as server:
        assert await ask(server) == [Say("A"), HangUp("agent")]


@pytest.mark.parametrize(
    ("line", "action"),
    [
        ('{"type": "say", "text": "A", "cacheable": null, "voice": null, "interruption": null}', Say("A")),
        ('{"type": "say", "text": "A", "more": null, "what we do not know": null}', Say("A")),
        ('{"type": "say", "text": "A", "error": null}', Say("A")),
        ('{"type": "hang_up", "reason": null}', HangUp("agent")),
        ('{"type": "hang_up", "reason": "no\\ud83d", "said": null}', HangUp("no")),
        ('{"type": "say", "text": "A", "error": "x", "message": "y"}', Say("A")),
    ],
)
async def test_null_is_the_default_of_what_may_be_left_out(line: str, action: Any) -> None:
    async with service(line + "\n") as server:
        assert await ask(server) == [action]


@pytest.mark.parametrize(
    "lines",
    [
        ["data: %s", "", "data: [DONE]"],
        ["data:%s"],
        ["event: message", "id: 1", "data: %s", "", "retry: 1000"],
        [": ping", "%s", ":"],
        ["%s", "[DONE]"],
        ["%s", '"[DONE]"'],
        ["null", "%s", "data: null"],
        ["data:", "%s"],
    ],
)
async def test_the_frame_of_server_sent_events_does_not_spoil_a_good_answer(lines: list[str]) -> None:
    async with service("\r\n".join(lines).replace("%s", '{"type": "say", "text": "A"}') + "\r\n") as server:
        assert await ask(server) == [Say("A")]


@pytest.mark.parametrize("line", ["event: error\ndata: overloaded\n", "data: " * 40_000, "event: server_error\n"])
async def test_a_frame_without_an_action_is_an_error(line: str) -> None:
    async with service(line) as server:
        with pytest.raises(AgentError) as broken:
            await ask(server)
    assert broken.value.kind in (Failure.SERVICE_ERROR, Failure.UNREADABLE_EVENT)


async def test_half_a_character_does_not_spoil_the_rest() -> None:
    async with service('{"type": "say", "text": "Good \\ud83d day"}\n') as server:
        assert await ask(server) == [Say("Good  day")]


@pytest.mark.parametrize(
    ("status", "kind"), [(500, Failure.HTTP_STATUS), (404, Failure.HTTP_STATUS), (204, Failure.HTTP_STATUS)]
)
async def test_a_status_is_named_and_what_comes_with_it_is_kept_apart(status: int, kind: Failure) -> None:
    async with service() as server:
        server.status = status
        with pytest.raises(AgentError, match=f"answered {status}$") as refused:
            await ask(server)
    assert refused.value.kind is kind
    assert refused.value.quoted == ("no such luck" if status != 204 else "")


async def test_an_address_where_nobody_listens_is_unreachable() -> None:
    async with service() as server:
        pass
    with pytest.raises(AgentError, match="cannot be reached") as refused:
        await ask(server, retry_s=0.0)
    assert refused.value.kind is Failure.UNREACHABLE


@pytest.mark.parametrize(
    "beat",
    [
        "\n",
        '{"type": "say", "text": ""}\n',
        '{"type": "say", "text": " ... ", "more": true}\n',
        '{"type": "say", "text": "\\u200b"}\n',
        '{"type": "likely", "lines": []}\n',
        '{"type": "likely", "lines": [{"text": "We open at nine.", "likelihood": 0.5}]}\n',
    ],
)
def test_lines_without_a_word_do_not_keep_an_answer_alive(beat: str, virtual_time: VirtualTime) -> None:
    async def answer(body: Any, line: Line) -> None:
        while True:
            await line.write(beat)
            await asyncio.sleep(1.0)

    async def call() -> list[Action]:
        async with Server("/agent", "application/x-ndjson", answer) as server:
            return await ask(server, first_action_deadline_s=6.0)

    with pytest.raises(AgentError) as late:
        virtual_time(call)
    assert late.value.kind is Failure.TIMEOUT


async def test_a_target_that_is_not_allowed_is_told_to_the_service_which_goes_on() -> None:
    async def answer(body: Any, line: Line) -> None:
        target = '{"type": "transfer", "target": "+19005550000"}\n'
        await line.write(
            target if body["prompt"]["kind"] == "caller_said" else '{"type": "say", "text": "I can\'t."}\n'
        )

    async with Server("/agent", "application/x-ndjson", answer) as server:
        assert await ask(server) == [Say("I can't.")]
    assert [(body["prompt"]["kind"], body["prompt"]["text"]) for body in server.bodies] == [
        ("caller_said", "Tuesday, please."),
        ("transfer_refused", "costly"),
    ]


class Guessed:
    """A call in which the service is asked on a guess."""

    def __init__(self, server: Server, **settings: Any) -> None:
        self.server = server
        self.errors: list[AgentError] = []
        self.factory = WebFactory(
            WebSettings(url=f"{server.url}/agent", **settings), report=lambda _info, error: self.errors.append(error)
        )
        self.agent = self.factory.open_call(INFO)
        self.guess = Prompt("caller_said", "Book it.", guess=True, turn=3)

    async def asked(self, prompt: Prompt) -> list[Action]:
        return [action async for action in self.agent.reply(prompt)]

    def prompts(self) -> list[tuple[str, int, Any]]:
        told = [body["prompt"] for body in self.server.bodies]
        return [(prompt["kind"], prompt["turn"], prompt.get("guess")) for prompt in told]


async def test_a_service_is_told_that_a_prompt_is_a_guess_and_when_it_counts() -> None:
    async with service('{"type": "say", "text": "Booked."}') as server:
        call = Guessed(server)
        assert await call.asked(call.guess) == [Say("Booked.")]
        call.agent.confirmed(3)
        await call.factory.close()
    assert call.prompts() == [("caller_said", 3, True), ("confirmed", 3, None)]
    assert server.bodies[1] == {"call": server.bodies[0]["call"], "prompt": {"turn": 3, "kind": "confirmed"}}
    assert call.errors == []


async def test_nothing_is_said_of_a_guess_that_never_counted() -> None:
    async with service('{"type": "say", "text": "Booked."}') as server:
        call = Guessed(server)
        await call.asked(call.guess)
        await call.asked(Prompt("caller_said", "Book it for Tuesday.", again=True, guess=True, turn=4))
        call.agent.confirmed(4)
        await call.factory.close()
    assert call.prompts() == [("caller_said", 3, True), ("caller_said", 4, True), ("confirmed", 4, None)]


@pytest.mark.parametrize("status", [200, 202, 204])
async def test_a_notice_is_taken_with_any_success(status: int) -> None:
    async with service('{"type": "say", "text": "Booked."}') as server:
        call = Guessed(server)
        await call.asked(call.guess)
        server.status = status
        call.agent.confirmed(3)
        await call.factory.close()
    assert call.errors == []


async def test_a_notice_that_does_not_arrive_is_reported() -> None:
    async with service('{"type": "say", "text": "Booked."}') as server:
        call = Guessed(server)
        await call.asked(call.guess)
        server.status = 500
        call.agent.confirmed(3)
        await call.factory.close()
    assert [error.kind for error in call.errors] == [Failure.HTTP_STATUS]


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
        with pytest.raises(AgentError, match="broke off"):
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
        async with asyncio.timeout(60):
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
        assert agent.likely() == [LikelyLine("You are booked.", 0.7)]
        reply = agent.reply(PROMPT)
        assert await anext(reply) == Say("Shall I?")
        await reply.aclose()
        await factory.close()
