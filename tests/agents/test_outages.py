"""Services that are killed and back in a moment: the turn is held, no word is lost, and none is said twice.

Real sockets: a service that is away is a port on which nobody listens, and one that dies cuts its connection.
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from bridge.agents.base import AgentError, AgentFactory, CallInfo, Failure
from bridge.agents.chat import ChatFactory
from bridge.agents.factory import build_agents
from bridge.agents.outages import Outage, ServiceAway
from bridge.agents.relay_link import RelayLink
from bridge.agents.rest_of_answer import RestOfAnswer, RestOfWords
from bridge.agents.settings import ChatSettings, SecondModelSettings, WebSettings
from bridge.agents.web import WebFactory
from bridge.call.actions import Action, Expect, HangUp, Prompt, Say
from bridge.http import HttpClient
from tests.agents.models import PATHS, events
from tests.store.contract import until

INFO = CallInfo(call_id="CA1", from_number="+15550142")
PROMPT = Prompt("caller_said", "Tuesday, please.", turn=4)
WORDS = "I have an opening at nine. "
REST = "Shall I book it?"
PATIENCE: dict[str, Any] = {"retry_s": 60.0}
KINDS = ["web", *PATHS]


def answer(kind: str, words: str) -> list[str]:
    """What a service of this kind writes, piece by piece."""
    if kind != "web":
        return list(events(kind, words, []))
    pieces = [f"{word} " for word in words.split()]
    pieces[-1] = pieces[-1].strip()
    return [f'{{"type": "say", "text": "{piece}", "more": true}}\n' for piece in pieces] + [
        '{"type": "say", "text": ""}\n'
    ]


class Dies(Exception):
    """The service is killed now."""


Way = Callable[[web.Request], Awaitable[web.StreamResponse]]


async def _unread(request: web.Request) -> web.StreamResponse:
    raise Dies


async def _read(request: web.Request) -> web.StreamResponse:
    await request.read()
    raise Dies


async def _head_alone(request: web.Request) -> web.StreamResponse:
    await request.read()
    await _begun(request)
    raise Dies


async def _half_a_line(request: web.Request) -> web.StreamResponse:
    response = await _begun(request)
    await response.write(b": connected\n\n\n" if request.path != "/agent" else b'\n{"type": "say", "te')
    raise Dies


async def _begun(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(
        headers={"Content-Type": "application/x-ndjson" if request.path == "/agent" else "text/event-stream"}
    )
    await response.prepare(request)
    return response


def _status(status: int) -> Way:
    async def refuse(request: web.Request) -> web.StreamResponse:
        return web.Response(status=status, text="not now")

    return refuse


def answers(*pieces: str, dies: bool = False) -> Way:
    """Write these pieces, and go on, or die."""

    async def write(request: web.Request) -> web.StreamResponse:
        response = await _begun(request)
        for piece in pieces:
            await response.write(piece.encode())
        if dies:
            raise Dies
        return response

    return write


DEATHS: dict[str, Way] = {
    "before it reads the prompt": _unread,
    "after it has read the prompt": _read,
    "after the head of its answer": _head_alone,
    "in its first line": _half_a_line,
    "behind a proxy (502)": _status(502),
    "behind a proxy (503)": _status(503),
    "behind a proxy (504)": _status(504),
}


class Service:
    """A service that answers each request in the next of these ways, the last one for ever."""

    def __init__(self, *ways: Way) -> None:
        self.ways = list(ways)
        self.bodies: list[Any] = []
        self.keys: list[str] = []

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        way = self.ways.pop(0) if len(self.ways) > 1 else self.ways[0]
        self.keys.append(request.headers["Idempotency-Key"])
        try:
            if way is not _unread:
                self.bodies.append(await request.json())
            return await way(request)
        except Dies:
            assert request.transport is not None
            request.transport.abort()
            raise

    @asynccontextmanager
    async def listens(self, port: socket.socket) -> AsyncIterator[Service]:
        """Be there, on this port."""
        application = web.Application()
        for path in ("/agent", *PATHS.values()):
            application.router.add_post(path, self._handle)
        runner = web.AppRunner(application, shutdown_timeout=0.2)
        await runner.setup()
        await web.SockSite(runner, port).start()
        try:
            yield self
        finally:
            await runner.cleanup()


@contextmanager
def nobody() -> Iterator[socket.socket]:
    """A port that is ours and on which nobody listens yet."""
    port = socket.socket()
    port.bind(("127.0.0.1", 0))
    try:
        yield port
    finally:
        port.close()


@asynccontextmanager
async def factory(kind: str, port: socket.socket, **settings: Any) -> AsyncIterator[tuple[Any, list[AgentError]]]:
    """The agent whose service is at this port, and what was reported of it."""
    url = f"http://127.0.0.1:{port.getsockname()[1]}"
    errors: list[AgentError] = []
    made: WebFactory | ChatFactory
    if kind == "web":
        patience = {"first_action_deadline_s": 60.0, "action_deadline_s": 60.0} | PATIENCE | settings
        made = WebFactory(WebSettings(url=f"{url}/agent", **patience), report=lambda _i, error: errors.append(error))
    else:
        patience = {"first_token_deadline_s": 60.0, "token_deadline_s": 60.0} | PATIENCE | settings
        chat = ChatSettings(url=f"{url}/v1", model="small", dialect=kind, **patience)  # type: ignore[arg-type]
        made = ChatFactory(chat, report=lambda _i, error: errors.append(error))
    try:
        yield made, errors
    finally:
        await made.close()


async def said(made: AgentFactory) -> str:
    """All words of one answer."""
    actions = [action async for action in made.open_call(INFO).reply(PROMPT)]
    return "".join(action.text for action in actions if isinstance(action, Say))


# -- before the first word -----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
async def test_a_prompt_waits_for_a_service_that_is_not_there(kind: str) -> None:
    with nobody() as port:
        async with factory(kind, port) as (made, _):
            client = made.client if kind == "web" else made.model.client
            reply = asyncio.create_task(said(made))
            await until(lambda: client.outage.known)
            async with Service(answers(*answer(kind, WORDS + REST))).listens(port) as service:
                assert await reply == WORDS + REST
    assert len(service.bodies) == 1


@pytest.mark.parametrize("death", DEATHS)
@pytest.mark.parametrize("kind", KINDS)
async def test_a_prompt_whose_service_dies_is_put_again_and_can_be_known_as_the_same(kind: str, death: str) -> None:
    with nobody() as port:
        service = Service(DEATHS[death], DEATHS[death], answers(*answer(kind, WORDS + REST)))
        async with service.listens(port), factory(kind, port) as (made, errors):
            assert await said(made) == WORDS + REST
            assert not errors
            await said(made)
    assert len(set(service.keys[:3])) == 1, "one prompt, three times"
    assert service.keys[3] != service.keys[0], "another prompt"
    assert all(body == service.bodies[0] for body in service.bodies)
    if kind == "web":
        assert service.bodies[0]["prompt"]["turn"] == 4
        assert service.bodies[0]["call"]["call_id"] == "CA1"


@pytest.mark.parametrize("death", DEATHS)
async def test_nobody_waits_where_that_is_not_wanted(death: str) -> None:
    with nobody() as port:
        service = Service(DEATHS[death], answers(*answer("web", WORDS)))
        async with service.listens(port), factory("web", port, retry_s=0.0) as (made, _):
            with pytest.raises(AgentError):
                await said(made)


@pytest.mark.parametrize("status", [400, 401, 404, 500])
async def test_a_service_that_will_not_answer_is_not_asked_again(status: int) -> None:
    with nobody() as port:
        service = Service(_status(status))
        async with service.listens(port), factory("web", port) as (made, _):
            with pytest.raises(AgentError):
                await said(made)
    assert len(service.keys) == 1


async def test_a_second_model_does_not_wait_for_the_first() -> None:
    with nobody() as one, nobody() as other:
        first, second = Service(_read, answers(*answer("openai", REST))), Service(answers(*answer("openai", WORDS)))
        async with first.listens(one), second.listens(other):
            urls = [f"http://127.0.0.1:{each.getsockname()[1]}/v1" for each in (one, other)]
            stands_in = SecondModelSettings(model="other", url=urls[1])
            made = build_agents(ChatSettings(url=urls[0], model="small", second=stands_in, **PATIENCE), environ={})
            assert await said(made) == WORDS
            await made.close()
    assert (len(first.keys), len(second.keys)) == (1, 1)


async def test_the_model_that_stands_in_is_waited_for() -> None:
    with nobody() as one, nobody() as other:
        second = Service(_read, answers(*answer("openai", WORDS)))
        async with second.listens(other):
            urls = [f"http://127.0.0.1:{each.getsockname()[1]}/v1" for each in (one, other)]
            stands_in = SecondModelSettings(model="other", url=urls[1])
            made = build_agents(ChatSettings(url=urls[0], model="small", second=stands_in, **PATIENCE), environ={})
            assert await said(made) == WORDS
            await made.close()


# -- in the middle -------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
async def test_the_rest_of_a_broken_answer_is_asked_for_and_the_whole_is_said_once(kind: str) -> None:
    begun = answer(kind, WORDS + REST)[:-2]
    with nobody() as port:
        service = Service(answers(*begun, dies=True), DEATHS["after it has read the prompt"], _whole(kind))
        async with service.listens(port), factory(kind, port) as (made, errors):
            assert await said(made) == WORDS + REST
            assert [error.kind for error in errors] == [Failure.BROKEN_STREAM]
    assert len(set(service.keys)) == 2, "an answer, and its rest"
    if kind == "web":
        assert "so_far" not in service.bodies[0]
        assert {**service.bodies[1], "so_far": 0} == {**service.bodies[0], "so_far": 0}
        told = "".join(one["text"] for one in service.bodies[1]["so_far"])
        assert told
        assert (WORDS + REST).startswith(told)
    else:
        assert "Write only what comes after them" in json.dumps(service.bodies[1])
        assert "Write only what comes after them" not in json.dumps(service.bodies[0])


def _whole(kind: str) -> Way:
    return answers(*answer(kind, WORDS + REST))


RESTS = {
    "the whole, in other pieces": ['{"type": "say", "text": "One moment. It is nine. Bye."}', '{"type": "hang_up"}'],
    "the rest, which says so": ['{"type": "rest"}', '{"type": "say", "text": " Bye."}', '{"type": "hang_up"}'],
}


@pytest.mark.parametrize("rest", RESTS)
async def test_a_service_may_give_the_whole_or_say_that_it_gives_the_rest(rest: str) -> None:
    begun = ['{"type": "say", "text": "One moment.", "more": true}\n', '{"type": "say", "text": " It is nine."}\n']
    with nobody() as port:
        service = Service(answers(*begun, dies=True), answers("\n".join(RESTS[rest])))
        async with service.listens(port), factory("web", port) as (made, _):
            actions = [action async for action in made.open_call(INFO).reply(PROMPT)]
    assert actions == [Say("One moment.", more=True), Say(" It is nine."), Say(" Bye."), HangUp("agent")]


@pytest.mark.parametrize(
    "rest",
    ['{"type": "say", "text": "It is ten."}', '{"type": "expect", "answer": "yes_no"}', '{"type": "hang_up"}'],
)
async def test_another_answer_is_not_said_after_half_of_the_first(rest: str) -> None:
    with nobody() as port:
        service = Service(answers('{"type": "say", "text": "It is nine."}\n', dies=True), answers(rest))
        async with service.listens(port), factory("web", port) as (made, _):
            reply = made.open_call(INFO).reply(PROMPT)
            assert await anext(reply) == Say("It is nine.")
            with pytest.raises(AgentError, match="answered otherwise"):
                await anext(reply)


@pytest.mark.parametrize("kind", KINDS)
async def test_an_answer_that_breaks_off_twice_is_broken(kind: str) -> None:
    begun = answer(kind, WORDS + REST)[:-2]
    with nobody() as port:
        service = Service(answers(*begun, dies=True), answers(*begun, dies=True))
        async with service.listens(port), factory(kind, port) as (made, _):
            with pytest.raises(ServiceAway, match="broke off"):
                await said(made)
    assert len(service.keys) == 2


def test_what_is_said_when_a_model_goes_on_or_begins_anew() -> None:
    for so_far, pieces, said_now in (
        ("I have an", [" opening."], " opening."),
        ("I have an", ["opening."], " opening."),
        ("I have an ", ["opening."], "opening."),
        ("I have an ", [" opening."], "opening."),
        ("I have an ", ["I have an opening."], "opening."),
        ("I have an", ["I ", "have an", " opening."], " opening."),
        ("I have an", ["I will see."], " I will see."),
        ("", ["I have."], "I have."),
    ):
        rest = RestOfWords(so_far)
        assert "".join(map(rest.new, pieces)) == said_now


PIECES = st.lists(st.one_of(st.text("ab ", min_size=1, max_size=4).map(Say), st.just(Expect("yes_no"))), max_size=6)


@given(given_before=PIECES, more=PIECES, cuts=st.lists(st.integers(1, 5), max_size=12))
def test_however_the_whole_is_cut_only_what_is_new_is_said(
    given_before: list[Action], more: list[Action], cuts: list[int]
) -> None:
    whole = [*given_before, *more]
    rest = RestOfAnswer(given_before)
    new = [action for each in _cut(whole, cuts) if (action := rest.new(each)) is not None]
    assert _flat([*given_before, *new]) == _flat(whole)


def _cut(actions: list[Action], cuts: list[int]) -> Iterator[Action]:
    sizes = iter(cuts)
    for action in actions:
        text = action.text if isinstance(action, Say) else ""
        while text:
            size = next(sizes, 9)
            yield Say(text[:size])
            text = text[size:]
        if not isinstance(action, Say):
            yield action


def _flat(actions: list[Action]) -> list[str | Action]:
    flat: list[str | Action] = []
    for action in actions:
        flat += list(action.text) if isinstance(action, Say) else [action]
    return flat


# -- how long ------------------------------------------------------------------------------------------


def waits(outage: Outage, clock: list[float]) -> list[float]:
    """What one prompt waits whose attempts all fail at once."""
    found: list[float] = []
    for wait_s in outage.waits_s():
        found.append(wait_s)
        clock[0] += wait_s
    return found


def test_only_those_wait_who_come_while_an_outage_is_young() -> None:
    clock = [100.0]
    outage = Outage(2.0, lambda: clock[0])
    first = waits(outage, clock)
    assert sum(first) <= 2.0 < sum(first) + 0.5
    assert first == sorted(first)
    clock[0] = 102.5
    assert waits(outage, clock) == [], "it has been away for longer than anybody waits"
    outage.over()
    assert waits(outage, clock), "another outage"
    clock[0] += 31.0
    assert waits(outage, clock), "nobody has asked for so long that nothing is known"
    assert waits(Outage(0.0, lambda: clock[0]), clock) == []


# -- a relayed application -----------------------------------------------------------------------------


async def test_a_session_waits_for_an_application_that_is_not_there() -> None:
    class Nobody:
        async def received(self, raw: str | bytes) -> None: ...

        def reopened(self) -> list[str]:
            return []

        def lost(self, why: str, *, orderly: bool) -> None: ...

    told: list[str] = []

    async def serve(request: web.Request) -> web.WebSocketResponse:
        connected = web.WebSocketResponse()
        await connected.prepare(request)
        async for message in connected:
            assert message.type is aiohttp.WSMsgType.TEXT
            told.append(message.data)
        return connected

    http, outage = HttpClient(), Outage(60.0)
    with nobody() as port:
        link = RelayLink(
            f"ws://127.0.0.1:{port.getsockname()[1]}/relay",
            {},
            http,
            Nobody(),
            connect_deadline_s=60.0,
            heartbeat_s=20.0,
            reconnect=False,
            outage=outage,
        )
        opening = asyncio.create_task(link.open("setup"))
        await until(lambda: outage.known)
        application = web.Application()
        application.router.add_get("/relay", serve)
        runner = web.AppRunner(application, shutdown_timeout=0.2)
        await runner.setup()
        await web.SockSite(runner, port).start()
        await opening
        await until(lambda: told == ["setup"])
        link.close()
        await http.close()
        await runner.cleanup()
