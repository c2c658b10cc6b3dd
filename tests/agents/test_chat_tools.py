"""Chat models with tools: functions, HTTP, OpenAPI files and real MCP servers, on real sockets."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from bridge.agents.base import AgentError, CallInfo, Failure
from bridge.agents.chat import ChatAgent, ChatFactory
from bridge.agents.own_tools import OWN_TOOLS
from bridge.agents.settings import ChatSettings, TransferSettings
from bridge.agents.tools import mcp
from bridge.agents.tools.base import ToolFailed, as_text
from bridge.agents.tools.factory import Toolbox, build_tools
from bridge.agents.tools.settings import (
    HttpToolSettings,
    McpSettings,
    OpenApiSettings,
    PythonToolsSettings,
    ToolSettings,
)
from bridge.call.actions import Action, HangUp, Prompt, Say, Spoken
from bridge.errors import ConfigError
from bridge.http import HttpClient, HttpSettings
from tests.agents.doubles import Line, Server, VirtualTime
from tests.agents.orders import Shop
from tests.agents.test_chat import STOP, chunk, tool

INFO = CallInfo(call_id="CA1")
ASKED = Prompt("caller_said", "Where is my order 123456?", turn=2)
HERE = Path(__file__).parents[2]
FUNCTIONS = PythonToolsSettings(
    functions=[f"tests.agents.orders:{name}" for name in ("find_order", "book_visit", "huge", "broken", "strange")],
    fillers={"find_order": "Let me look that up.", "book_visit": "I am booking it."},
    deadline_s=20.0,
)


@pytest.fixture(autouse=True)
def _a_new_shop() -> None:
    Shop.reset()


def called(name: str, arguments: str = "{}", *, call_id: str = "call_1", index: int = 0) -> str:
    piece = {"index": index, "id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}
    return chunk(tool_calls=[piece])


def model(*answers: list[str]) -> Server:
    """A model that gives these answers one after the other, and the last one for ever."""

    async def answer(body: Any, line: Line) -> None:
        for piece in answers[min(len(server.bodies), len(answers)) - 1]:
            await line.write(piece)

    server = Server("/v1/chat/completions", "text/event-stream", answer)
    return server


def toolbox(*settings: ToolSettings, directory: Path = HERE) -> Toolbox:
    return build_tools(list(settings), OWN_TOOLS, directory, {"SHOP_KEY": "s3cret"}, HttpClient)


@asynccontextmanager
async def agent(server: Server, *settings: ToolSettings, **more: Any) -> AsyncIterator[ChatAgent]:
    chat = ChatSettings(url=f"{server.url}/v1", model="small", functions=list(settings), **more)
    factory = ChatFactory(chat, toolbox=toolbox(*settings))
    await factory.prepare()
    await factory.toolbox.troubles()  # those that come later are there
    try:
        yield factory.open_call(INFO)
    finally:
        await factory.close()


def said(actions: list[Action]) -> str:
    return "".join(f"{each.text}{'' if each.more else ' '}" for each in actions if isinstance(each, Say)).strip()


async def asks(agent: ChatAgent, prompt: Prompt = ASKED) -> list[Action]:
    return [action async for action in agent.reply(prompt)]


async def test_a_function_is_called_and_the_model_goes_on_with_what_it_gave() -> None:
    first = [chunk(content="I see."), called("find_order", '{"number": "123456"}'), STOP]
    async with model(first, [chunk(content="It is on its way."), STOP]) as server, agent(server, FUNCTIONS) as bot:
        assert said(await asks(bot)) == "I see. It is on its way."
        (use,) = bot.account().tools
        assert (use.name, json.loads(use.result)["state"], use.failed) == ("find_order", "on its way", False)
        assert bot.account().costs["answers"] == 2
        history = (Spoken("caller", ASKED.text), Spoken("bot", "I see. It is on its way."))
        await asks(bot, Prompt("caller_said", "Thanks.", history, turn=3))
    offered = {each["function"]["name"]: each["function"] for each in server.bodies[0]["tools"]}
    assert offered["find_order"] == {
        "name": "find_order",
        "description": "Find out where an order is.",
        "parameters": {
            "type": "object",
            "properties": {"number": {"type": "string", "description": "Six digits.", "pattern": "^[0-9]{6}$"}},
            "required": ["number"],
            "additionalProperties": False,
        },
    }
    assert offered["book_visit"]["parameters"]["required"] == ["day"]
    assert offered["book_visit"]["parameters"]["properties"]["time"]["enum"] == ["afternoon", "morning"]
    asked, given = server.bodies[1]["messages"][-2:]
    assert asked["tool_calls"][0]["function"] == {"name": "find_order", "arguments": '{"number": "123456"}'}
    assert json.loads(given["content"]) == {"number": "123456", "state": "on its way"}
    assert given["tool_call_id"] == asked["tool_calls"][0]["id"] == "call_1"
    for before, after in zip(server.bodies, server.bodies[1:], strict=False):
        assert after["messages"][: len(before["messages"]) - 1] == before["messages"][:-1]  # the prefix is stable
    assert server.bodies[2]["messages"][-4:-2] == [asked, given]  # and the result is known in the next turn


@pytest.mark.parametrize(
    ("call", "result"),
    [
        (called("find_order", '{"number": "12"}'), "error: wrong arguments: Expected `str` matching regex"),
        (called("find_order", '{"nummer": "123456"}'), "error: wrong arguments: Object"),
        (called("find_order", "{"), "error: the arguments are not JSON"),
        (called("find_order", "[1]"), "error: the arguments are no object"),
        (called("broken"), "error: it failed"),
        (called("huge"), "x" * 200),
        (called("strange"), "[["),
    ],
)
async def test_what_goes_wrong_with_a_tool_is_told_to_the_model(call: str, result: str) -> None:
    async with model([call, STOP], [chunk(content="Sorry."), STOP]) as server, agent(server, FUNCTIONS) as bot:
        assert said(await asks(bot)) == "Sorry."
    told = server.bodies[1]["messages"][-1]["content"]
    assert told.startswith(result)
    assert len(told) < 4100
    assert "secret" not in told


def test_a_filler_is_said_when_tools_take_long_and_tools_run_side_by_side(virtual_time: VirtualTime) -> None:
    calls = [
        called("find_order", '{"number": "123456"}'),
        called("find_order", '{"number": "654321"}', call_id="c2", index=1),
    ]

    async def call() -> list[tuple[str, float]]:
        loop, found = asyncio.get_running_loop(), []
        for takes_s in (0.6, 0.8):
            Shop.takes_s = takes_s
            async with model([*calls, STOP], [chunk(content="Both."), STOP]) as server, agent(server, FUNCTIONS) as bot:
                began_at = loop.time()
                found.append((said(await asks(bot)), round(loop.time() - began_at, 1)))
        return found

    assert virtual_time(call) == [("Both.", 0.6), ("Let me look that up. Both.", 0.8)]


def test_a_tool_has_a_deadline(virtual_time: VirtualTime) -> None:
    async def call() -> str:
        Shop.takes_s = 60.0
        server = model([called("find_order", '{"number": "123456"}'), STOP], [chunk(content="No luck."), STOP])
        async with server, agent(server, FUNCTIONS) as bot:
            await asks(bot)
            return str(server.bodies[1]["messages"][-1]["content"])

    assert virtual_time(call) == "error: there was no result in time"
    assert Shop.given_up == ["123456"]


def test_what_changes_the_world_waits_for_the_turn_to_count_and_is_finished(virtual_time: VirtualTime) -> None:
    async def call() -> None:
        Shop.takes_s = 2.0
        server = model([called("book_visit", '{"day": "Tuesday"}'), STOP], [chunk(content="Booked."), STOP])
        async with server, agent(server, FUNCTIONS) as bot:
            guess = Prompt("caller_said", "Book Tuesday", turn=2, guess=True)
            reply = bot.reply(guess)
            assert await anext(reply) == Say("I am booking it.", cacheable=True)
            pending = asyncio.ensure_future(anext(reply))
            await asyncio.sleep(1.0)
            assert Shop.booked == []
            pending.cancel()  # the caller goes on: nothing of the answer was heard
            await asyncio.gather(pending, return_exceptions=True)
            await reply.aclose()
            await asyncio.sleep(5.0)
            assert Shop.booked == []
            server.bodies.clear()
            reply = bot.reply(Prompt("caller_said", "Book Tuesday, please", turn=3, guess=True, again=True))
            await anext(reply)
            pending = asyncio.ensure_future(anext(reply))
            await asyncio.sleep(0.5)
            bot.confirmed(3)
            await asyncio.sleep(0.5)
            pending.cancel()  # the caller talks over it, but the booking has begun
            await asyncio.gather(pending, return_exceptions=True)
            await reply.aclose()
            await asyncio.sleep(5.0)
            assert Shop.booked == ["Tuesday morning 1"]
            history = (Spoken("caller", "Book Tuesday, please"), Spoken("bot", "I am booking"))
            assert said(await asks(bot, Prompt("caller_said", "Hello?", history, turn=4))) == "Booked."
            assert "visit 1" in json.dumps(server.bodies[-1]["messages"])

    virtual_time(call)
    assert Shop.booked == ["Tuesday morning 1"]


def test_a_look_up_is_given_up_when_the_caller_talks_over_it(virtual_time: VirtualTime) -> None:
    async def call() -> None:
        Shop.takes_s = 10.0
        async with (
            model([called("find_order", '{"number": "123456"}'), STOP]) as server,
            agent(server, FUNCTIONS) as bot,
        ):
            reply = bot.reply(ASKED)
            assert said([await anext(reply)]) == "Let me look that up."
            await reply.aclose()
            await asyncio.sleep(0)
            assert bot.state() == bot.state()
            assert b"find_order" not in bot.state()

    virtual_time(call)
    assert Shop.given_up == ["123456"]


@pytest.mark.parametrize("blank", ["\n\n", "...", "\u200b", "<thinking>hm</thinking>\n\n", "\N{EYES}"])
def test_what_nobody_hears_before_a_tool_fills_no_time(blank: str, virtual_time: VirtualTime) -> None:
    """It begins no answer either, of which the caller would have to hear something before the world is changed."""

    async def call() -> None:
        Shop.takes_s = 3.0
        look_up = [chunk(content=blank), called("find_order", '{"number": "123456"}'), STOP]
        book = [chunk(content=blank), called("book_visit", '{"day": "Tuesday"}'), STOP]
        async with model(look_up, book, [chunk(content="Booked."), STOP]) as server, agent(server, FUNCTIONS) as bot:
            clock = asyncio.get_running_loop()
            began_at = clock.time()
            reply = bot.reply(Prompt("caller_said", "Book Tuesday.", turn=3, guess=True))
            assert said([await anext(reply)]) == "Let me look that up."
            assert clock.time() - began_at < 1.0
            assert said([await anext(reply)]) == "I am booking it."
            bot.confirmed(3)
            assert said([action async for action in reply]) == "Booked."

    virtual_time(call)


async def test_a_model_that_only_calls_tools_is_stopped() -> None:
    endless = [called("find_order", '{"number": "123456"}'), STOP]
    async with model(endless) as server, agent(server, FUNCTIONS, tool_rounds=3) as bot:
        with pytest.raises(AgentError, match="called tools more than 3 times") as error:
            await asks(bot)
    assert error.value.kind is Failure.TOO_MUCH
    assert len(server.bodies) == 4


async def test_a_goodbye_with_a_tool_call_needs_no_second_answer() -> None:
    answer = [chunk(content="Bye."), called("find_order", '{"number": "123456"}'), *tool("hang_up", index=1), STOP]
    async with model(answer) as server, agent(server, FUNCTIONS) as bot:
        assert (await asks(bot))[-1] == HangUp("agent")
    assert len(server.bodies) == 1


async def test_a_call_moves_with_what_its_tools_gave() -> None:
    first = [called("find_order", '{"number": "123456"}'), STOP]
    async with model(first, [chunk(content="On its way."), STOP]) as server, agent(server, FUNCTIONS) as bot:
        await asks(bot)
        state = bot.state()
        async with agent(server, FUNCTIONS) as moved:
            moved.resume(state)
            await asks(
                moved,
                Prompt("caller_said", "Thanks.", (Spoken("caller", ASKED.text), Spoken("bot", "On its way.")), turn=3),
            )
    assert "on its way" in json.dumps(server.bodies[-1]["messages"][-3])


@pytest.mark.parametrize(
    ("budget", "what"),
    [
        ({"answers": 2}, "2 answers in one call; at most 2"),
        ({"tokens": 30}, "40 tokens in one call; at most 30"),
        ({"money": 0.00003, "price_read": 1.0, "price_written": 2.0}, r"0\.0001 spent on one call; at most 3e-05"),
    ],
)
async def test_a_call_may_cost_so_much_and_no_more(budget: dict[str, Any], what: str) -> None:
    from bridge.agents.settings import CallBudget

    usage = 'data: {"choices": [], "usage": {"prompt_tokens": 15, "completion_tokens": 5}}\n\n'
    async with model([chunk(content="Yes."), STOP, usage]) as server, agent(server, budget=CallBudget(**budget)) as bot:
        await asks(bot)
        await asks(bot)
        with pytest.raises(AgentError, match=what) as error:
            await asks(bot)
    assert error.value.kind is Failure.BUDGET_SPENT
    assert len(server.bodies) == 2


@pytest.mark.parametrize(
    ("settings", "what"),
    [
        (PythonToolsSettings(functions=["nowhere"]), "expected a module and a function"),
        (PythonToolsSettings(functions=["tests.agents.orders:nothing"]), "expected a module and a function"),
        (PythonToolsSettings(functions=["no_such_module:f"]), "No module named 'no_such_module'"),
        (PythonToolsSettings(functions=["tests.agents.orders:no_types"]), "expected a type for 'number'"),
        (PythonToolsSettings(functions=["tests.agents.orders:no_docstring"]), "expected a docstring"),
        (PythonToolsSettings(functions=["tests.agents.orders:huge"] * 2), "there is a tool of this name already"),
        (HttpToolSettings(name="a b", description="", url="http://h"), r"name: 'a b'"),
        (HttpToolSettings(name="hang_up", description="", url="http://h"), "there is a tool of this name already"),
        (HttpToolSettings(name="a", description="", url="ftp://h"), "url: 'ftp://h'"),
        (HttpToolSettings(name="a", description="", url="http://h", headers_env={"X": "NOPE"}), "'NOPE': expected"),
        (OpenApiSettings(file="nowhere.yaml"), "file: 'nowhere.yaml': cannot be read"),
        (OpenApiSettings(file="pyproject.toml"), "cannot be read|expected an OpenAPI document"),
        (McpSettings(), "expected either command or url"),
    ],
)
def test_tools_that_cannot_be_offered_are_named(settings: ToolSettings, what: str) -> None:
    async def build() -> None:
        toolbox(settings)

    with pytest.raises(ConfigError, match=rf"agent\.functions\[\d\].*({what})"):
        asyncio.run(build())


OPENAPI = """
openapi: 3.1.0
info: {title: Shop, version: "1"}
paths:
  /orders/{number}:
    parameters: [{$ref: "#/components/parameters/number"}]
    get:
      operationId: findOrder
      summary: Find an order.
      parameters: [{name: detail, in: query, schema: {type: boolean}}]
    delete: {operationId: cancelOrder, description: Cancel it.}
  /visits:
    post:
      operationId: bookVisit
      requestBody: {content: {application/json: {schema: {$ref: "#/components/schemas/Visit"}}}}
components:
  parameters: {number: {name: number, in: path, required: true, schema: {type: string}}}
  schemas:
    Visit:
      {type: object, required: [day], properties: {day: {type: string}, next: {$ref: "#/components/schemas/Visit"}}}
"""


@asynccontextmanager
async def shop() -> AsyncIterator[tuple[str, list[str]]]:
    """A shop over HTTP: what it was asked, and odd answers."""
    seen: list[str] = []

    async def handle(request: web.Request) -> web.StreamResponse:
        body = (await request.read()).decode()
        seen.append(f"{request.method} {request.raw_path} {body} {request.headers.get('X-Key', '')}".strip())
        match request.match_info["number"]:
            case "404":
                return web.Response(status=404, text="no such order")
            case "away":
                raise web.HTTPFound("http://169.254.169.254/secret")
            case "huge":
                return web.Response(text="x" * 5_000_000)
            case "slow":
                await asyncio.sleep(60)
        return web.json_response({"state": "on its way"})

    application = web.Application()
    application.router.add_route("*", "/orders/{number}", handle)
    application.router.add_route("*", "/{number}", handle)
    runner = web.AppRunner(application, handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}", seen
    finally:
        await runner.cleanup()


async def test_the_operations_of_an_openapi_file_are_tools(tmp_path: Path) -> None:
    (tmp_path / "shop.yaml").write_text(OPENAPI)
    async with shop() as (url, seen):
        settings = OpenApiSettings(file="shop.yaml", url=url, headers_env={"X-Key": "SHOP_KEY"})
        tools = (box := toolbox(settings, directory=tmp_path)).tools()
        assert {name: each.changes for name, each in tools.items()} == {
            "findOrder": False,
            "cancelOrder": True,
            "bookVisit": True,
        }
        assert tools["findOrder"].parameters["required"] == ["number"]
        assert tools["bookVisit"].parameters["properties"]["next"]["type"] == "object"
        assert await tools["findOrder"].call({"number": "a/../b", "detail": True}) == {"state": "on its way"}
        await tools["bookVisit"].call({"day": "Tuesday"})
        await box.close()
    assert seen == ["GET /orders/a%2F..%2Fb?detail=true  s3cret", 'POST /visits {"day": "Tuesday"} s3cret']


@pytest.mark.parametrize(
    ("number", "result"),
    [
        ("404", "error: the service answered 404: no such order"),
        ("away", "error: the service answered 302"),
        ("huge", "xxx"),
        ("slow", "error: there was no result in time"),
        ("", "error: wrong arguments: number is missing"),
        ("..", "error: wrong arguments: number is missing"),
    ],
)
async def test_a_service_that_misbehaves_is_a_failed_tool(number: str, result: str) -> None:
    async with shop() as (url, _):
        find = HttpToolSettings(
            name="find",
            description="Find.",
            url=f"{url}/orders/{{number}}",
            deadline_s=0.5 if number == "slow" else 5.0,
        )
        server = model([called("find", json.dumps({"number": number})), STOP], [chunk(content="Well."), STOP])
        async with server, agent(server, find) as bot:
            await asks(bot)
    assert server.bodies[1]["messages"][-1]["content"].startswith(result)


STDIO = McpSettings(command=[sys.executable, "-m", "tests.agents.orders"], deadline_s=5.0)


async def test_tools_of_an_mcp_server_that_is_a_program() -> None:
    box = toolbox(STDIO)
    assert await box.troubles() == {}
    try:
        tools = box.tools()
        assert {name: each.changes for name, each in tools.items()} == {
            "find_order": False,
            "book_visit": True,
            "slow": False,
            "die": False,
        }
        assert (await tools["find_order"].call({"number": "123456"}))["state"] == "on its way"
        with pytest.raises(ToolFailed, match="Error executing tool find_order"):
            await tools["find_order"].call({"number": "999999"})
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await tools["slow"].call({})
        assert (await tools["find_order"].call({"number": "654321"}))["state"] == "ready"
        with pytest.raises(ToolFailed, match="the server of this tool is away"):
            async with asyncio.timeout(60):
                await tools["die"].call({})
        async with asyncio.timeout(60):
            while True:  # it is started again
                try:
                    assert (await box.tools()["find_order"].call({"number": "123456"}))["state"] == "on its way"
                    break
                except (KeyError, ToolFailed):
                    await asyncio.sleep(0.1)
    finally:
        await box.close()


SILENT = McpSettings(command=[sys.executable, "-c", "import time; time.sleep(600)"])
"""It runs, and says nothing."""


async def test_the_service_does_not_start_later_for_an_mcp_server_that_is_silent(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(mcp, "_START_S", 0.3)
    box = toolbox(FUNCTIONS, SILENT)
    missing = "has not answered in 0.3 s: its tools are missing"
    try:
        await box.start()
        assert "find_order" in box.tools()
        assert missing not in caplog.text
        async with asyncio.timeout(60):
            while missing not in caplog.text:
                await asyncio.sleep(0.01)
    finally:
        async with asyncio.timeout(60):  # and the program is ended, which would sleep for longer
            await box.close()


async def test_tools_of_an_mcp_server_over_http_in_a_whole_answer() -> None:
    import uvicorn

    from tests.agents.orders import serve

    running = uvicorn.Server(uvicorn.Config(serve().streamable_http_app(), port=0, log_level="error"))
    serving = asyncio.ensure_future(running.serve())
    while not running.started:
        await asyncio.sleep(0.01)
    port = running.servers[0].sockets[0].getsockname()[1]
    settings = McpSettings(url=f"http://127.0.0.1:{port}/mcp", prefix="shop_", tools=["find_order", "book_visit"])
    call = called("shop_find_order", '{"number": "123456"}')
    try:
        async with model([call, STOP], [chunk(content="On its way."), STOP]) as server, agent(server, settings) as bot:
            assert said(await asks(bot)) == "On its way."
    finally:
        running.should_exit = True
        await serving
    offered = [each["function"]["name"] for each in server.bodies[0]["tools"]]
    assert offered == ["hang_up", "expect", "shop_find_order", "shop_book_visit"]
    assert "on its way" in server.bodies[1]["messages"][-1]["content"]


async def test_an_mcp_server_over_https_is_reached_through_the_proxy_and_our_own_authority_is_trusted(
    tmp_path: Path,
) -> None:
    import trustme
    import uvicorn
    from mcp.server.transport_security import TransportSecuritySettings

    from tests.agents.orders import serve
    from tests.http_doubles import Proxy, listening

    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ours.pem"))
    authority.issue_cert("elsewhere.test").private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "server.pem"))
    anybody = TransportSecuritySettings(enable_dns_rebinding_protection=False)
    app = serve().streamable_http_app(transport_security=anybody)
    running = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error", ssl_certfile=str(tmp_path / "server.pem")))
    serving = asyncio.ensure_future(running.serve())
    while not running.started:
        await asyncio.sleep(0.01)
    proxy = Proxy(running.servers[0].sockets[0].getsockname()[1])
    try:
        async with listening(proxy.handle) as port:
            http = HttpSettings(ca_bundle="ours.pem", proxy=f"http://127.0.0.1:{port}")
            sources: list[ToolSettings] = [McpSettings(url="https://elsewhere.test/mcp")]
            box = build_tools(sources, OWN_TOOLS, HERE, {}, lambda: HttpClient(http, directory=tmp_path, environ={}))
            assert await box.troubles() == {}
            try:
                assert (await box.tools()["find_order"].call({"number": "123456"}))["state"] == "on its way"
            finally:
                await box.close()
    finally:
        running.should_exit = True
        await serving
    assert set(proxy.asked) == {"CONNECT elsewhere.test:443 HTTP/1.1"}


async def test_a_call_begins_without_the_tools_of_a_server_that_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bridge.agents.tools.mcp._START_S", 0.2)
    away = McpSettings(url="http://127.0.0.1:9/mcp")
    async with model([chunk(content="Hello."), STOP]) as server, agent(server, away) as bot:
        assert said(await asks(bot)) == "Hello."
    assert [each["function"]["name"] for each in server.bodies[0]["tools"]] == ["hang_up", "expect"]


@pytest.mark.parametrize("value", ["é" * 100, {"a": ["é" * 100]}, 1.5, None, {1, 2}, float("nan"), b"\xff", object()])
def test_every_result_becomes_a_text_of_limited_length(value: Any) -> None:
    text = as_text(value, 20)
    assert len(text) <= 20 + len(" [cut off here: the result is longer]")
    assert text


async def test_tools_are_configured_in_the_file() -> None:
    from bridge.config import parse_settings

    text = """
agent:
  kind: chat
  model: small
  functions:
    - {kind: python, functions: [orders:find_order]}
    - {kind: http, name: weather, description: The weather., url: "https://example.com/{city}"}
    - {kind: openapi, file: shop.yaml}
    - {kind: mcp, command: [uvx, some-server]}
  second: {model: other, late_ms: 1500}
  budget: {tokens: 20000}
"""
    settings = parse_settings(text, "bridge.yaml", {}).agent
    assert isinstance(settings, ChatSettings)
    assert [type(each).__name__ for each in settings.functions] == [
        "PythonToolsSettings",
        "HttpToolSettings",
        "OpenApiSettings",
        "McpSettings",
    ]
    with pytest.raises(ConfigError, match=r"agent.functions"):
        parse_settings(text.replace("kind: mcp", "kind: nope"), "bridge.yaml", {})
    assert isinstance(settings.transfers, TransferSettings)


async def test_the_doctor_says_which_tools_there_are_and_whose_server_is_away_without_waiting_for_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from bridge import doctor_services

    monkeypatch.setattr("bridge.agents.tools.mcp._START_S", 3600.0)

    away = "agent.functions[1]: no tool can be called"
    cases: list[tuple[list[ToolSettings], str, str]] = [
        ([FUNCTIONS], "ok", "find_order, book_visit, huge, broken, strange"),
        ([FUNCTIONS, McpSettings(url="http://127.0.0.1:9/mcp")], "fail", f"{away}: nobody listens there"),
        ([FUNCTIONS, McpSettings(url="shop")], "fail", f"{away}: that is no address of a web server"),
        (
            [FUNCTIONS, McpSettings(command=["no-such-program"])],
            "fail",
            f"{away}: the program cannot be started: no such file or directory",
        ),
        (
            [FUNCTIONS, McpSettings(command=[sys.executable, "-c", ""])],
            "fail",
            f"{away}: the program ended, or closed its output",
        ),
        ([STDIO], "ok", "find_order, book_visit, slow, die"),
        (
            [McpSettings(command=STDIO.command, tools=["other"])],
            "fail",
            f"{away[:16]}0]: no tool can be called: it has none of these tools",
        ),
        ([], "", ""),
    ]
    for sources, status, what in cases:
        settings = ChatSettings(url="http://127.0.0.1:9", model="small", functions=sources)
        factory = ChatFactory(settings, toolbox=toolbox(*sources))
        async with asyncio.timeout(120):
            found = [(one.status, one.found) for one in await doctor_services.tools(factory, settings)]
        await factory.close()
        assert found == ([(status, what)] if status else [])
