"""A caller is handed to a person by conference: music for one, the summary for the other, and every way it can fail.

Real gateway, agents, HTTP, media sockets, and both legs at a simulated carrier, in virtual time.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from bridge.agents.script import ScriptFactory
from bridge.agents.script_load import load_script
from bridge.app import Application
from bridge.simulator.calls_in_tests import CityFixture, Heard
from bridge.simulator.carriers import CARRIERS
from bridge.simulator.rest import RestApi
from bridge.simulator.scenario import parse
from bridge.simulator.spelled import reader, words_of
from bridge.simulator.virtual import MemoryConnector
from tests.agents.test_warm_transfer import EARS, SCRIPT, STEPS
from tests.simulator.virtual_bridge import AGENTS, PUBLIC, TOKEN, virtual_bridge

WITH_ROOMS = ["twilio", "telnyx", "plivo"]
BACK = STEPS % "{wait_for_silence: 700}, {digits: {keys: '9'}}, {wait_for_hang_up: 40}"


class Desk:
    """A service with the carriers' REST APIs, and what was seen of one call."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._script = folder / "desk.yaml"
        self.speaks("")
        self.rest = RestApi()
        self.drains_after_s = 0.0
        self.stays_s = 0.0
        """How long it runs on when the call is over."""
        monkeypatch.setattr(aiohttp, "TCPConnector", lambda **_how: MemoryConnector())  # the APIs are in this network

    def speaks(self, language: str) -> None:
        """Have the agent change to this language when the call begins."""
        self._script.write_text(SCRIPT.replace("  hello:\n", f"  hello:\n    language: '{language}'\n"))
        self._agents = ScriptFactory(load_script(self._script))

    async def _stop(self, application: Application) -> None:
        """Tell the service to stop while somebody is rung."""
        await asyncio.sleep(self.drains_after_s)
        assert application.gateway is not None
        await application.gateway.drain(60.0)
        await application.gateway.stop()

    def ring(self, city: CityFixture, carrier: str, scenario: str) -> Heard:
        @contextlib.asynccontextmanager
        async def bridge() -> AsyncIterator[tuple[str, str]]:
            api = web.AppRunner(self.rest.application())
            await api.setup()
            await web.TCPSite(api, "127.0.0.1", 9000).start()
            rest = "http://127.0.0.1:9000"
            async with virtual_bridge(AGENTS / "booth.yaml", agents=self._agents, rest=rest) as (application, origin):
                if self.drains_after_s:
                    stopping = asyncio.create_task(self._stop(application))
                yield f"{PUBLIC}/{carrier}/{CARRIERS[carrier].dial_path}", origin
                if self.drains_after_s:
                    await stopping
                await asyncio.sleep(self.stays_s)
            await api.cleanup()

        (heard,) = city(
            bridge,
            [parse(scenario)],
            auth_token=TOKEN,
            carrier=carrier,
            understand=reader(sorted({*EARS, *words_of("hello")})),
            natural_voice=False,
            rest=self.rest,
        )
        return heard


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    return Desk(tmp_path, monkeypatch)


TOLD = {"on_hold", "music", "person_rings", "announced", "person_presses", "not_answered", "connected"}
ENDED = {"ringing_stopped", "person_hung_up_on"}


def happened(heard: Heard) -> list[str]:
    """What came of the transfer, in order."""
    return [one.kind for one in heard.placed.facts.happenings if one.kind in TOLD | ENDED]


@pytest.mark.parametrize("carrier", WITH_ROOMS)
def test_the_caller_hears_music_the_person_the_summary_and_then_they_are_connected(
    city: CityFixture, desk: Desk, carrier: str
) -> None:
    expect = (
        "expect: {transferred_to: '+15550100', music: true, "
        "announced: ['wants to pay a bill', '+15005550006', 'press 1'], hung_up_by: server}"
    )
    heard = desk.ring(city, carrier, "name: x\n" + STEPS % "{wait_for_hang_up: 40}" + "\n" + expect).check()
    assert heard.says("connecting you")
    assert not heard.says("bill")
    kinds = happened(heard)
    assert kinds.index("music") < kinds.index("announced") < kinds.index("person_presses") < kinds.index("connected")


@pytest.mark.parametrize("carrier", WITH_ROOMS)
@pytest.mark.parametrize(
    ("language", "asked"),
    [
        ("de", "drücken sie die 1"),
        ("es-MX", "pulse 1"),
        ("fr", "appuyez sur 1"),
        ("it", "prema 1"),
        ("nl", "druk op 1"),
        ("pt-BR", "pressione 1"),
    ],
)
def test_the_person_is_asked_for_the_key_in_the_language_of_the_call(
    city: CityFixture, desk: Desk, carrier: str, language: str, asked: str
) -> None:
    desk.speaks(language)
    expect = f"expect: {{transferred_to: '+15550100', announced: ['wants to pay a bill', '{asked}']}}"
    heard = desk.ring(city, carrier, "name: x\n" + STEPS % "{wait_for_hang_up: 40}" + "\n" + expect).check()
    assert "press 1" not in heard.placed.facts.announced.lower()


@pytest.mark.parametrize("carrier", WITH_ROOMS)
@pytest.mark.parametrize("does", ["busy", "no_answer", "failed", "declined", "hangs_up", "machine"])
def test_when_that_fails_the_caller_is_back_with_the_agent_who_knows_it(
    city: CityFixture, desk: Desk, carrier: str, does: str
) -> None:
    scenario = f"name: x\n{BACK}\nperson: {{does: {does}}}\nexpect: {{music: true, hung_up_by: server}}"
    heard = desk.ring(city, carrier, scenario).check()
    assert heard.transferred_to == ""
    assert heard.says("nobody is free")
    assert heard.says("goodbye")
    assert "connected" not in happened(heard)


@pytest.mark.parametrize("carrier", WITH_ROOMS)
def test_a_caller_who_hangs_up_meanwhile_leaves_nobody_listening(city: CityFixture, desk: Desk, carrier: str) -> None:
    scenario = f"name: x\n{STEPS % '{wait_for_hang_up: 40}'}\nperson: {{caller_waits_ms: 4000}}"
    heard = desk.ring(city, carrier, scenario)
    assert heard.hung_up_by == "caller"
    assert happened(heard)[-1] == "person_hung_up_on"


RINGS_ON = "person: {does: %s, after_ms: 100000, caller_waits_ms: %d}\nlongest_s: 240"


@pytest.mark.parametrize("carrier", WITH_ROOMS)
def test_a_telephone_that_still_rings_when_the_caller_hangs_up_is_called_off(
    city: CityFixture, desk: Desk, carrier: str
) -> None:
    heard = desk.ring(city, carrier, f"name: x\n{STEPS % '{wait_for_hang_up: 40}'}\n{RINGS_ON % ('answered', 4000)}")
    assert heard.hung_up_by == "caller"
    assert happened(heard)[-1] == "ringing_stopped"


@pytest.mark.parametrize("carrier", WITH_ROOMS)
def test_a_telephone_that_rings_for_too_long_is_called_off_and_the_caller_is_back(
    city: CityFixture, desk: Desk, carrier: str
) -> None:
    heard = desk.ring(city, carrier, f"name: x\n{BACK}\n{RINGS_ON % ('answered', 200000)}").check()
    assert heard.says("nobody is free")
    assert happened(heard)[-1] == "ringing_stopped"


class Late(RestApi):
    """An API that places calls at once, and says so when the caller has long hung up."""

    @web.middleware
    async def _late(self, request: web.Request, handler: Any) -> web.StreamResponse:
        answer: web.StreamResponse = await handler(request)
        if request.path.rstrip("/").endswith(("Calls", "Calls.json", "Call")):
            await asyncio.sleep(4.0)
        return answer

    def application(self) -> web.Application:
        app = super().application()
        app.middlewares.append(self._late)
        return app


@pytest.mark.parametrize("carrier", WITH_ROOMS)
def test_a_telephone_of_which_we_learn_when_nobody_waits_any_more_is_called_off(
    city: CityFixture, desk: Desk, carrier: str
) -> None:
    desk.rest, desk.stays_s = Late(), 5.0
    heard = desk.ring(city, carrier, f"name: x\n{STEPS % '{wait_for_hang_up: 40}'}\n{RINGS_ON % ('answered', 1000)}")
    assert heard.hung_up_by == "caller"
    party = "/Request/" if carrier == "plivo" else "/Calls/"
    assert "ringing_stopped" in happened(heard) or party in desk.rest.log[-1], desk.rest.log


class Refusing(RestApi):
    """An API that calls nobody."""

    def _call(self, *_what: object, events: str = "") -> None:
        return None


@pytest.mark.parametrize("carrier", WITH_ROOMS)
def test_a_carrier_that_will_not_call_them_gives_the_caller_back(city: CityFixture, desk: Desk, carrier: str) -> None:
    desk.rest = Refusing()
    heard = desk.ring(city, carrier, f"name: x\n{BACK}").check()
    assert heard.says("nobody is free")
    assert heard.says("goodbye")


class WithoutUpdates(RestApi):
    """An API that answers nothing about calls that go on."""

    def application(self) -> web.Application:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._fails)
        return app

    async def _fails(self, request: web.Request) -> web.Response:
        self.log.append(request.path)
        return web.Response(status=503)


@pytest.mark.parametrize("carrier", WITH_ROOMS)
def test_while_the_carriers_api_is_down_the_carrier_connects_them_itself(
    city: CityFixture, desk: Desk, carrier: str
) -> None:
    desk.rest = WithoutUpdates()
    expect = "expect: {transferred_to: '+15550100', announced: ['wants to pay a bill'], music: false}"
    desk.ring(city, carrier, "name: x\n" + STEPS % "{wait_for_hang_up: 40}" + "\n" + expect).check()
    assert len(desk.rest.log) == 2  # neither could be asked for; nobody was called


@pytest.mark.parametrize("carrier", WITH_ROOMS)
@pytest.mark.parametrize("does", ["busy", "machine"])
def test_a_caller_is_back_though_the_carrier_never_reports_how_it_ended(
    city: CityFixture, desk: Desk, carrier: str, does: str
) -> None:
    quiet = "carrier: {status_callbacks: false}\nlongest_s: 240"
    heard = desk.ring(city, carrier, f"name: x\n{BACK}\nperson: {{does: {does}, caller_waits_ms: 200000}}\n{quiet}")
    assert heard.check().says("nobody is free")


@pytest.mark.parametrize("carrier", WITH_ROOMS)
@pytest.mark.parametrize("does", ["answered", "busy", "declined"])
def test_a_service_that_drains_meanwhile_is_there_until_it_is_decided(
    city: CityFixture, desk: Desk, carrier: str, does: str
) -> None:
    desk.drains_after_s = 6.0
    scenario = f"name: x\n{BACK}\nperson: {{does: {does}, after_ms: 6000}}"
    heard = desk.ring(city, carrier, scenario)
    if does == "answered":
        assert heard.transferred_to == "+15550100"
    else:
        assert heard.check().says("nobody is free")
        assert heard.says("goodbye")
