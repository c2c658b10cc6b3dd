"""Whole calls on every carrier, at a server of a few lines: webhook, document, socket, marks, the end, REST."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from bridge.errors import ConfigError
from bridge.simulator import virtual
from bridge.simulator.carriers import CARRIERS, carrier_named, carrier_of
from bridge.simulator.rest import RestApi
from bridge.simulator.result import Happening
from bridge.simulator.runner import PlacedCall, place_call
from bridge.simulator.scenario import parse
from bridge.simulator.sound import stretches
from tests.simulator.carriers.line_server import Ending, LineServer, close

WAITS = "name: x\n{}steps: [{{digits: '5'}}, {{wait_for_hang_up: 20}}]"


def ring(
    server: LineServer,
    more: str = "",
    *,
    rest: RestApi | None = None,
    scenario: str = "",
    on_happening: Callable[[Happening], None] | None = None,
) -> PlacedCall:
    async def main() -> PlacedCall:
        runner = web.AppRunner(server.app(), shutdown_timeout=1.0)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 8080).start()
        server.origin = "http://127.0.0.1:8080"
        api = web.AppRunner((rest or RestApi()).application())
        await api.setup()
        await web.TCPSite(api, "127.0.0.1", 9000).start()
        async with aiohttp.ClientSession(connector=virtual.MemoryConnector()) as session:
            placed = await place_call(
                f"{server.origin}/{server.carrier}/voice",
                parse(scenario or WAITS.format(more)),
                auth_token="secret",
                session=session,
                seed="1",
                status_callback=f"{server.origin}/hangup",
                rest=rest,
                understand=(lambda _sound, _hints: "a tone") if on_happening else None,
                on_happening=on_happening,
            )
        await runner.cleanup()
        await api.cleanup()
        return placed

    return virtual.run(main)


@pytest.mark.parametrize("carrier", CARRIERS)
def test_a_whole_call(carrier: str) -> None:
    server = LineServer(carrier)
    placed = ring(server)
    result = placed.result
    assert (result.carrier, result.transferred_to.lstrip("+"), result.hung_up_by) == (carrier, "15550100", "server")
    assert [verdict for verdict in result.verdicts if not verdict.passed] == []
    assert server.played == ["end"]
    assert server.keys == ["5"]
    assert server.frames == pytest.approx(50, abs=3)
    [(start, end)] = stretches(placed.recording.bot.sound)
    assert start == pytest.approx(0, abs=40)
    assert end - start == pytest.approx(1000, abs=20)
    assert {fault.kind for fault in result.faults} <= {"repeat"}  # a tone is nothing but repeats


@pytest.mark.parametrize("carrier", CARRIERS)
def test_callbacks_tell_the_streams_and_the_calls_course(carrier: str) -> None:
    server = LineServer(carrier)
    ring(server)
    told = [
        fields.get("StreamEvent") or fields.get("Event") or fields.get("status") or fields.get("CallStatus")
        for path, fields in server.requests
        if path in ("/status", "/hangup")
    ]
    assert (
        told
        == {
            "twilio": ["ringing", "in-progress", "stream-started", "stream-stopped", "completed"],
            "telnyx": ["ringing", "in-progress", "stream-started", "stream-stopped", "completed"],
            "vonage": ["ringing", "answered", "answered", "disconnected", "completed"],
            "plivo": ["StartStream", "StopStream", "Hangup"],
        }[carrier]
    )


@pytest.mark.parametrize("carrier", CARRIERS)
def test_a_socket_that_breaks(carrier: str) -> None:
    """Telnyx opens the call's stream anew; on the others the document goes on."""
    server = LineServer(carrier)
    result = ring(server, "carrier: {dropped_at_ms: 500}\n").result
    assert result.transferred_to.lstrip("+") == "15550100"
    assert len(server.starts) == (2 if carrier == "telnyx" else 1)
    assert server.played == (["end"] if carrier == "telnyx" else [])
    if carrier == "telnyx":
        first, second = [start["start"] for start in server.starts]
        assert first["call_control_id"] == second["call_control_id"]
        assert first["custom_parameters"] == second["custom_parameters"] == {"ticket": "t"}


def test_telnyx_does_not_reconnect_where_the_document_says_no() -> None:
    server = LineServer("telnyx", attributes='enableReconnect="false"')
    ring(server, "carrier: {dropped_at_ms: 500}\n")
    assert len(server.starts) == 1


@pytest.mark.parametrize("carrier", CARRIERS)
def test_a_socket_that_is_refused_once(carrier: str) -> None:
    """Plivo tries again; the others do not."""
    result = ring(LineServer(carrier, refuses=1)).result
    assert result.connected is (carrier == "plivo")
    assert result.passed is (carrier == "plivo")


class ComesBack(LineServer):
    """A second stream after five seconds in which the caller hears nothing of us."""

    def _transfer(self) -> str:
        if len(self.starts) > 1:
            return "<Response><Hangup/></Response>"
        return self._stream().replace("<Response>", '<Response><Pause length="5"/>')


def test_what_a_caller_does_in_a_second_stream_is_told_at_its_time() -> None:
    told: list[tuple[str, int, str]] = []
    steps = "name: x\nsteps: [{digits: '5'}, {silence: 1200}, {digits: '6'}, {wait_for_hang_up: 20}]"
    server = ComesBack("twilio")
    placed = ring(server, scenario=steps, on_happening=lambda one: told.append((one.kind, one.at_ms, one.text)))
    assert server.keys == ["5", "6"]
    first, second = [round(stream.opened_at * 1000) for stream in placed.facts.streams]
    assert second - first >= 6000
    (_, pressed) = [at for kind, at, _ in told if kind == "caller"]
    assert pressed == pytest.approx(second + 200, abs=60), "the pause between the streams is no step of the caller's"
    bots = [at for kind, at, _ in told if kind == "bot"]
    assert bots == [pytest.approx(first, abs=60), pytest.approx(second, abs=60)], "a turn ends with its stream"
    assert [at for _, at, _ in told] == sorted(at for _, at, _ in told)


def test_a_plivo_document_that_does_not_wait_for_its_stream_ends_the_call() -> None:
    result = ring(LineServer("plivo", attributes='contentType="audio/x-mulaw;rate=8000"')).result
    [verdict] = [one for one in result.verdicts if one.what == "media stream opened"]
    assert "does not wait" in verdict.heard
    assert not result.passed


# -- the REST APIs

BASIC = "Basic " + base64.b64encode(b"account:password").decode()
BEARER = "Bearer key"


def _part(fields: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(fields).encode()).rstrip(b"=").decode()


VONAGE = f"Bearer {_part({'alg': 'RS256'})}.{_part({'application_id': 'a', 'iat': 1, 'jti': 'j'})}.c2ln"

Asks = Callable[[str], tuple[str, str, dict[str, Any]]]

HANG_UP: dict[str, Asks] = {
    "twilio": lambda call: (
        "POST",
        f"/2010-04-01/Accounts/AC1/Calls/{call}.json",
        {"headers": {"Authorization": BASIC}, "data": {"Status": "completed"}},
    ),
    "telnyx": lambda call: ("POST", f"/v2/calls/{call}/actions/hangup", {"headers": {"Authorization": BEARER}}),
    "vonage": lambda call: (
        "PUT",
        f"/v1/calls/{call}",
        {"headers": {"Authorization": VONAGE}, "json": {"action": "hangup"}},
    ),
    "plivo": lambda call: ("DELETE", f"/v1/Account/MA1/Call/{call}/", {"headers": {"Authorization": BASIC}}),
}
TRANSFER: dict[str, Asks] = {
    "twilio": lambda call: (
        "POST",
        f"/2010-04-01/Accounts/AC1/Calls/{call}.json",
        {"headers": {"Authorization": BASIC}, "data": {"Twiml": "<Response><Dial>+15550111</Dial></Response>"}},
    ),
    "telnyx": lambda call: (
        "POST",
        f"/v2/calls/{call}/actions/transfer",
        {"headers": {"Authorization": BEARER}, "json": {"to": "+15550111"}},
    ),
    "vonage": lambda call: (
        "PUT",
        f"/v1/calls/{call}",
        {
            "headers": {"Authorization": VONAGE},
            "json": {
                "action": "transfer",
                "destination": {
                    "type": "ncco",
                    "ncco": [{"action": "connect", "endpoint": [{"type": "phone", "number": "15550111"}]}],
                },
            },
        },
    ),
    "plivo": lambda call: (
        "POST",
        f"/v1/Account/MA1/Call/{call}/",
        {
            "headers": {"Authorization": BASIC},
            "json": {"legs": "aleg", "aleg_url": "http://127.0.0.1:8080/after", "aleg_method": "POST"},
        },
    ),
}
ANSWERS = {"twilio": (200, 404), "telnyx": (200, 422), "vonage": (204, 404), "plivo": (204, 404)}


async def ask(what: tuple[str, str, dict[str, Any]]) -> int:
    method, path, more = what
    async with (
        aiohttp.ClientSession(connector=virtual.MemoryConnector()) as session,
        session.request(method, f"http://127.0.0.1:9000{path}", **more) as answer,
    ):
        return answer.status


def by_rest(table: dict[str, Asks], answered: list[int]) -> Ending:
    async def ending(server: LineServer, _socket: web.WebSocketResponse, call: str) -> None:
        answered.append(await ask(table[server.carrier](call)))

    return ending


@pytest.mark.parametrize("carrier", CARRIERS)
def test_a_call_is_ended_by_rest(carrier: str) -> None:
    answered: list[int] = []
    api = RestApi()
    result = ring(LineServer(carrier, by_rest(HANG_UP, answered)), rest=api).result
    assert answered == [ANSWERS[carrier][0]]
    assert (result.hung_up_by, result.ended, result.transferred_to) == ("server", "hung up", "")
    assert result.passed
    assert len(api.log) == 1


@pytest.mark.parametrize("carrier", CARRIERS)
def test_a_call_is_transferred_by_rest(carrier: str) -> None:
    answered: list[int] = []
    result = ring(LineServer(carrier, by_rest(TRANSFER, answered)), rest=RestApi()).result
    target = "15550100" if carrier == "plivo" else "15550111"  # Plivo asks our own document for the number
    assert result.transferred_to.lstrip("+") == target
    assert answered[0] in (200, 202, 204)


@pytest.mark.parametrize("carrier", CARRIERS)
def test_a_call_that_is_over_or_unknown_is_answered_as_its_carrier_does(carrier: str) -> None:
    server = LineServer(carrier)
    statuses: list[int] = []

    async def late(_server: LineServer, socket: web.WebSocketResponse, _call: str) -> None:
        statuses.append(await ask(HANG_UP[carrier]("nobody")))
        method, path, more = HANG_UP[carrier]("nobody")
        statuses.append(await ask((method, path, {**more, "headers": {}})))
        await close(_server, socket, _call)

    server.ending = late
    ring(server, rest=RestApi())
    assert statuses == [ANSWERS[carrier][1], 401]


# -- choosing one


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://x/telnyx/voice", "telnyx"),
        ("https://x/prefix/vonage/answer", "vonage"),
        ("https://x/plivo", "plivo"),
        ("https://x/twilio/voice", "twilio"),
        ("https://telnyx.example.com/voice", "twilio"),
        ("https://x/", "twilio"),
    ],
)
def test_the_path_of_a_webhook_names_its_carrier(url: str, name: str) -> None:
    assert carrier_of(url).name == name


def test_an_unknown_carrier_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="twilio, telnyx, vonage, plivo"):
        carrier_named("acme")
