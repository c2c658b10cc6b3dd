"""Scripts that look things up: services over HTTP on real sockets, opening hours, a slot's value, included files."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from bridge.agents.base import CallInfo
from bridge.agents.script import ScriptAgent, ScriptFactory
from bridge.agents.script_drawing import drawing
from bridge.agents.script_hours import HoursSpec, opening_hours
from bridge.agents.script_load import compile_script, load_script
from bridge.agents.script_requests import ScriptServices, value_at
from bridge.call.actions import Action, HangUp, Prompt, Say
from bridge.errors import ConfigError
from bridge.http import HttpClient

INFO = CallInfo(call_id="CA1")

ORDERS = """
start: ask
states:
  ask:
    say: What is your order number?
    expect: digits:6
    capture: number
    on_answer: look_up
  look_up:
    http:
      url: "URL/orders/{number}"
      headers_env: {Authorization: SHOP_KEY}
      keep: {status: state, first: items.0.name}
      deadline_s: 20
      filler: Let me look that up.
      on_status: {"404": {say: There is no such order., goto: ask}}
    on_result: tell
    on_failed: {say: Our system is away., hang_up: away}
  tell:
    switch: status
    cases: {Ready: {say: "Your {first} is ready.", goto: book}, sent: {say: It was sent., hang_up: done}}
    otherwise: {say: "It is {status}.", hang_up: done}
  book:
    say: Shall we deliver it?
    on_yes: deliver
    on_no: {say: Goodbye., hang_up: done}
  deliver:
    http:
      url: "URL/deliveries"
      method: POST
      fields: {order: "{number}"}
      keep: {day: day}
      filler: I am booking it.
    on_result: {say: "It comes on {day}.", hang_up: done}
    on_failed: {say: I could not book it., hang_up: failed}
"""


class ShopService:
    """A shop's service, on a socket: what it was asked, and an answer that is held back until somebody lets it go."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, str]] = []
        self.held = asyncio.Event()
        self.held.set()
        self.arrived = asyncio.Event()
        self.url = ""

    async def order(self, request: web.Request) -> web.StreamResponse:
        number = request.match_info["number"]
        self.asked.append(("GET", number, request.headers.get("Authorization", "")))
        if number == "404404":
            raise web.HTTPNotFound
        if number == "500500":
            raise web.HTTPInternalServerError
        if number == "999999":
            return web.Response(text="no JSON")
        if number == "000000" and not self.arrived.is_set():
            self.arrived.set()
            await asyncio.Event().wait()
        state = {"111111": "sent", "222222": "lost " * 1000}.get(number, "ready")
        return web.json_response({"state": state, "items": [{"name": "lamp"}]})

    async def deliver(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(("POST", (await request.json())["order"], ""))
        self.arrived.set()
        await self.held.wait()
        return web.json_response({"day": "Tuesday"})


@asynccontextmanager
async def shop() -> AsyncIterator[ShopService]:
    service = ShopService()
    app = web.Application()
    app.router.add_get("/orders/{number}", service.order)
    app.router.add_post("/deliveries", service.deliver)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    service.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield service
    finally:
        await runner.cleanup()


@asynccontextmanager
async def dialogue(service: ShopService, text: str = ORDERS) -> AsyncIterator[ScriptAgent]:
    script = compile_script(text.replace("URL", service.url), "orders.yaml")
    services = ScriptServices(script, HttpClient(), {"SHOP_KEY": "s3cret"})
    factory = ScriptFactory(script, services=services)
    agent = factory.open_call(INFO)
    try:
        await answer(agent, Prompt("call_started", turn=1))
        yield agent
    finally:
        service.held.set()
        await factory.close()


async def answer(agent: ScriptAgent, prompt: Prompt) -> list[Action]:
    return [action async for action in agent.reply(prompt)]


def said(actions: list[Action]) -> str:
    """What was said; without the fillers, which a slow machine may have added."""
    texts = [action.text.strip() for action in actions if isinstance(action, Say)]
    return " ".join(text for text in texts if text not in ("Let me look that up.", "I am booking it."))


@pytest.mark.parametrize(
    ("number", "heard", "tool"),
    [
        ("123456", "Your lamp is ready. Shall we deliver it?", False),
        ("111111", "It was sent.", False),
        ("404404", "There is no such order. What is your order number?", True),
        ("500500", "Our system is away.", True),
        ("999999", "It is .", False),
    ],
)
async def test_a_service_is_asked_and_the_dialogue_branches_by_its_answer(number: str, heard: str, tool: bool) -> None:
    async with shop() as service, dialogue(service) as agent:
        assert said(await answer(agent, Prompt("digits", number, turn=2))) == heard
        assert service.asked == [("GET", number, "s3cret")]
        (use,) = agent.account().tools
        assert (use.name, use.failed) == ("look_up", tool)


async def test_what_a_service_says_is_cut_to_what_a_slot_may_hold() -> None:
    async with shop() as service, dialogue(service) as agent:
        assert len(said(await answer(agent, Prompt("digits", "222222", turn=2)))) < 520


async def test_what_changes_the_world_waits_until_the_turn_counts_and_is_done_once() -> None:
    async with shop() as service, dialogue(service) as agent:
        await answer(agent, Prompt("digits", "123456", turn=2))
        service.held.clear()
        reply = agent.reply(Prompt("caller_said", "yes", turn=3, guess=True))
        first = await anext(reply)
        assert isinstance(first, Say)
        assert first.text == "I am booking it."
        rest = asyncio.ensure_future(anext(reply))
        await asyncio.sleep(0)
        assert len(service.asked) == 1  # nobody has heard a word yet
        agent.confirmed(3)
        await service.arrived.wait()
        rest.cancel()  # the caller talks over it
        await asyncio.wait({rest})
        await reply.aclose()
        service.held.set()
        heard = said(await answer(agent, Prompt("caller_said", "hello?", turn=4)))
        assert heard == "It comes on Tuesday."
        assert [each[0] for each in service.asked] == ["GET", "POST"]


async def test_a_wrong_guess_asks_for_nothing_that_changes_the_world() -> None:
    async with shop() as service, dialogue(service) as agent:
        await answer(agent, Prompt("digits", "123456", turn=2))
        reply = agent.reply(Prompt("caller_said", "yes", turn=3, guess=True))
        await anext(reply)
        await reply.aclose()
        actions = await answer(agent, Prompt("caller_said", "no, thank you", turn=4, again=True))
        assert said(actions) == "Goodbye."
        assert [each[0] for each in service.asked] == ["GET"]


async def test_a_look_up_that_is_talked_over_is_made_again() -> None:
    async with shop() as service, dialogue(service) as agent:
        reply = agent.reply(Prompt("digits", "000000", turn=2))
        waiting = asyncio.ensure_future(anext(reply))
        await service.arrived.wait()
        waiting.cancel()
        await asyncio.wait({waiting})
        await reply.aclose()
        assert said(await answer(agent, Prompt("caller_said", "hello?", turn=3))).startswith("Your lamp is ready.")
        assert [each[1] for each in service.asked] == ["000000", "000000"]


async def test_what_was_begun_in_another_process_is_not_done_twice() -> None:
    async with shop() as service, dialogue(service) as agent:
        await answer(agent, Prompt("digits", "123456", turn=2))
        service.held.clear()
        reply = agent.reply(Prompt("caller_said", "yes", turn=3))
        waiting = asyncio.ensure_future(anext(reply))
        await service.arrived.wait()
        script = compile_script(ORDERS.replace("URL", service.url), "orders.yaml")
        other = ScriptFactory(script).open_call(INFO)
        other.resume(agent.state())
        assert said(await answer(other, Prompt("caller_said", "yes", turn=3))) == "I could not book it."
        service.held.set()
        await waiting
        await reply.aclose()
        assert [each[0] for each in service.asked] == ["GET", "POST"]


async def test_a_service_that_does_not_answer_in_time_has_failed() -> None:
    async with shop() as service, dialogue(service, ORDERS.replace("deadline_s: 20", "deadline_s: 0.2")) as agent:
        assert said(await answer(agent, Prompt("digits", "000000", turn=2))) == "Our system is away."
        (use,) = agent.account().tools
        assert (use.failed, use.result) == (True, "no answer in time")


BERLIN = HoursSpec(
    time_zone="Europe/Berlin",
    week={"mon-thu": "09:00-12:30, 13:30-18:00", "fri": "22:00-02:00", "sat, sun": "closed"},
    holidays=["12-25", "2026-04-03"],
    special={"2026-12-24": "09:00-12:00", "2027-12-25": "10:00-11:00"},
)


@pytest.mark.parametrize(
    ("utc", "standing"),
    [
        ("2026-01-05 07:59", "closed"),  # Monday, 8:59 in winter
        ("2026-01-05 08:00", "open"),
        ("2026-07-06 07:00", "open"),  # 9:00 in summer
        ("2026-01-05 11:30", "closed"),  # midday
        ("2026-01-05 12:30", "open"),
        ("2026-01-05 17:00", "closed"),
        ("2026-01-09 21:30", "open"),  # Friday night
        ("2026-01-10 00:59", "open"),  # still Friday's
        ("2026-01-10 01:00", "closed"),
        ("2026-04-03 08:00", "holiday"),
        ("2026-12-24 10:30", "open"),
        ("2026-12-24 13:00", "closed"),
        ("2026-12-25 09:30", "holiday"),
        ("2027-12-25 09:30", "open"),
    ],
)
def test_opening_hours(utc: str, standing: str) -> None:
    assert opening_hours(BERLIN).at(datetime.fromisoformat(utc).replace(tzinfo=UTC)) == standing


@pytest.mark.parametrize(
    ("change", "mistake"),
    [
        ({"time_zone": "Mars"}, "time_zone: 'Mars': expected a name such as Europe/Berlin"),
        ({"time_zone": "../etc/passwd"}, "time_zone: '../etc/passwd': expected"),
        ({"week": {"monday-funday": "09:00-10:00"}}, "week: 'monday-funday': expected days"),
        ({"week": {"mon": "9-17"}}, "week, mon: '9-17': expected times such as"),
        ({"week": {"mon": "09:00-24:30"}}, "week, mon: '09:00-24:30': expected times"),
        ({"holidays": ["02-30"]}, "holidays: '02-30': expected a date"),
        ({"special": {"12-24": "closed"}}, "special: '12-24': expected a date such as 2026-12-24"),
    ],
)
def test_hours_with_a_mistake_in_them_name_it(change: dict[str, Any], mistake: str) -> None:
    with pytest.raises(ValueError, match=mistake):
        opening_hours(HoursSpec(**{"time_zone": "Europe/Berlin", **change}))


HOURS = """
start: door
hours: {office: {time_zone: Europe/Berlin, week: {mon-fri: "09:00-18:00"}, holidays: ["12-25"]}}
states:
  door: {hours: office, open: desk, closed: shut, holiday: {say: Happy holidays., goto: shut}}
  desk: {say: We are here., transfer: "+15550100"}
  shut: {say: We are closed., hang_up: closed}
"""


@pytest.mark.parametrize(
    ("now", "heard"),
    [
        ("2026-01-05 10:00", "We are here."),
        ("2026-01-04 10:00", "We are closed."),
        ("2026-12-25 10:00", "Happy holidays. We are closed."),
    ],
)
async def test_a_caller_hears_what_fits_the_time_of_day(now: str, heard: str) -> None:
    clock = datetime.fromisoformat(now).replace(tzinfo=UTC)
    agent = ScriptFactory(compile_script(HOURS, "hours.yaml"), clock=lambda: clock).open_call(INFO)
    actions = await answer(agent, Prompt("call_started"))
    assert said(actions) == heard
    assert isinstance(actions[-1], HangUp) == ("closed" in heard)


def test_the_drawing_shows_what_is_looked_up() -> None:
    picture = drawing(compile_script(ORDERS.replace("URL", "http://shop.test"), "orders.yaml"))
    assert all(label in picture for label in ("answered", "status 404", "failed", "status is ready"))
    picture = drawing(compile_script(HOURS, "hours.yaml"))
    assert all(label in picture for label in (">open<", ">closed / holiday<"))


@pytest.mark.parametrize(
    ("old", "new", "mistake"),
    [
        ("on_result: tell", "on_reslt: tell", "unknown key 'on_reslt'; did you mean 'on_result'?"),
        ("    on_result: tell\n", "", "state 'look_up', http: 'on_result': expected `on_result`, which says where"),
        (
            "    on_result: tell\n",
            "    on_result: tell\n    goto: ask\n",
            "state 'look_up': http, goto: expected",
        ),
        ("goto: ask}}", "goto: look_up}}", "state 'look_up': goto look_up -> look_up never waits for the caller"),
        ("on_result: tell", "on_result: nowhere", "goes to 'nowhere': there is no such state"),
        ("deadline_s: 20", "deadline_s: 0", "state 'look_up', http, deadline_s: 0.0: expected up to 60"),
        ('"404"', '"4o4"', "state 'look_up', http, on_status: '4o4': expected a status such as 404"),
        (
            "URL/orders",
            "ftp://shop/orders",
            "state 'look_up', http, url: 'ftp://shop/orders/{number}': expected an addr",
        ),
        ("URL/orders", "https://{number}.test", "expected an address that starts with http:// or https://, and a host"),
        ("/{number}", "/{nmber}", "nothing fills the slot 'nmber'; did you mean 'number'?"),
        ("switch: status", "switch: stats", "nothing fills the slot 'stats'; did you mean"),
        ("    otherwise: {", "    open: {", "state 'tell': 'open': expected `hours` beside it"),
    ],
)
def test_a_look_up_with_a_mistake_in_it_names_it(old: str, new: str, mistake: str) -> None:
    with pytest.raises(ConfigError) as raised:
        compile_script(ORDERS.replace(old, new).replace("URL", "http://shop.test"), "orders.yaml")
    assert mistake in str(raised.value)


def test_a_secret_that_is_not_there_is_named() -> None:
    script = compile_script(ORDERS.replace("URL", "http://shop.test"), "orders.yaml")
    with pytest.raises(ConfigError, match="state 'look_up', http, headers_env, Authorization: 'SHOP_KEY': expected"):
        ScriptServices(script, HttpClient(), {})


def test_an_answer_that_is_easily_misheard_is_said_back() -> None:
    script = 'states: {start: {say: "Your e-mail?", expect: email, capture: mail, on_answer: GO}}'
    warned = compile_script(script.replace("GO", "{say: Thanks., hang_up: x}"), "mail.yaml").warnings
    assert warned == (
        "mail.yaml:1: state 'start': capture: 'mail': no line says it back, so that nobody can correct it",
    )
    assert compile_script(script.replace("GO", '{say: "Thanks, {mail}.", hang_up: x}'), "mail.yaml").warnings == ()


def test_included_files_bring_states_intents_and_hours(tmp_path: Path) -> None:
    (tmp_path / "parts").mkdir()
    (tmp_path / "main.yaml").write_text(
        "start: hi\ninclude: parts/end.yaml\nstates: {hi: {say: Hi., when: {bye: end}}}"
    )
    (tmp_path / "parts" / "end.yaml").write_text("include: [parts/bye.yaml]\nstates: {end: {say: Bye., hang_up: done}}")
    (tmp_path / "parts" / "bye.yaml").write_text("include: parts/end.yaml\nintents: {bye: [goodbye]}")
    assert set(load_script(tmp_path / "main.yaml").states) == {"hi", "end"}


@pytest.mark.parametrize(
    ("included", "mistake"),
    [
        (None, "include: 'more.yaml': cannot be read: No such file or directory"),
        ("- a", "include 'more.yaml': a list: expected a mapping"),
        ("a: [", "include 'more.yaml': not readable as YAML"),
        ("start: hi", "include 'more.yaml': 'start': expected only values, intents"),
        ("states: {hi: {say: Ho., hang_up: x}}", "include 'more.yaml', states: 'hi': is there already"),
        ("states: [hi]", "more.yaml:1: include 'more.yaml', states: a list: expected a mapping"),
        ("include: {a: b}", "include: a section: expected a list of files"),
    ],
)
def test_an_included_file_with_a_mistake_in_it_is_named(tmp_path: Path, included: str | None, mistake: str) -> None:
    (tmp_path / "main.yaml").write_text("start: hi\ninclude: more.yaml\nstates: {hi: {say: Hi., hang_up: done}}")
    if included is not None:
        (tmp_path / "more.yaml").write_text(included)
    with pytest.raises(ConfigError) as raised:
        load_script(tmp_path / "main.yaml")
    assert mistake in str(raised.value)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("a", "1"), ("b.c", "x y"), ("l.1", "true"), ("l.9", ""), ("b.c.d", ""), ("", '{"a": 1, "b": {"c": "x\\ny"}'),
    ],
)  # fmt: skip
def test_a_place_in_an_answer(path: str, text: str) -> None:
    value = {"a": 1, "b": {"c": "x\ny"}, "l": [None, True]}
    assert value_at(value, path) == text or (not path and value_at(value, path).startswith(text[:-1]))
