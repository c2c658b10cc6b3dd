"""The process around the calls: health, drain, one port that is taken, records."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import msgspec
import pytest

from bridge.call.record import replay
from bridge.errors import ConfigError
from bridge.gateway.departures import Departures
from bridge.gateway.ladder import PressureSettings, Rung
from bridge.gateway.server import Gateway
from bridge.gateway.settings import GatewaySettings
from bridge.session.profiles import CallProfiles
from bridge.speaking.voices.health import Health
from bridge.telemetry.metrics import Metrics
from bridge.telemetry.recorder import Recorder
from tests.gateway.carrier import CALL_SETTINGS, RINGING, SETTINGS, Carrier, running
from tests.gateway.doubles import FRAME, ServiceDoubles
from tests.store.contract import until


async def ready(carrier: Carrier) -> tuple[int, dict[str, object]]:
    async with carrier.http.get(carrier.base + "/readyz") as response:
        return response.status, await response.json()


async def test_a_process_is_alive_before_it_is_ready() -> None:
    async with running(doors_open=False) as carrier:
        async with carrier.http.get(carrier.base + "/healthz") as response:
            assert response.status == 200
        assert (await ready(carrier))[0] == 503
        carrier.gateway.open_doors()
        assert (await ready(carrier))[0] == 200


@pytest.mark.usefixtures("in_virtual_time")
async def test_a_process_is_not_ready_while_it_refuses_calls_and_is_again_soon_after_speech_was_slow() -> None:
    now, speech = 100.0, Health()
    async with running(headroom=lambda: speech.headroom(now, [])) as carrier:
        assert (await ready(carrier))[0] == 200
        for _ in range(3):
            speech.heard(4.0, now)  # first audio of three texts came after four seconds
        status, told = await ready(carrier)
        assert (status, told["refusing"]) == (503, "no headroom")
        document = await carrier.document("/twilio/voice", {**RINGING, "CallSid": "CA9"})
        assert [one.tag for one in document] == ["Say", "Hangup"]
        now += 10.0  # and no stream came in that time that could have shown that all is well
        assert (await ready(carrier))[0] == 200
        leg = await carrier.call()
        await leg.until_audio(len(FRAME))
        await leg.stop()


@pytest.mark.usefixtures("in_virtual_time")
async def test_a_process_under_pressure_gives_up_what_callers_miss_least_and_says_so() -> None:
    left = 1.0
    relieved: list[Rung] = []

    def watch(gateway: Gateway) -> None:
        gateway.relieve = relieved.append

    calm = PressureSettings(rest_s=0.01)
    async with running(
        msgspec.structs.replace(SETTINGS, pressure=calm, max_loop_lag_ms=1e6), before=watch, headroom=lambda: left
    ) as carrier:
        assert (await ready(carrier))[1]["pressure"] == "calm"
        leg = await carrier.call()
        await leg.until_audio(len(FRAME))
        (session,) = carrier.gateway.media.sessions().values()
        left = 0.13
        await until(lambda: relieved == [Rung.NO_PREFETCH])
        assert not session.call.may_speculate
        status, told = await ready(carrier)
        assert (status, told["pressure"]) == (200, "no prefetch")
        assert await carrier.count("bridge_pressure_rung") == 2.0
        assert await carrier.count("bridge_pressure_climbs_total", rung="no prefetch") == 1.0
        other = await carrier.call("CA9", "MZ9")
        await other.until_audio(len(FRAME))
        assert not any(each.call.may_speculate for each in carrier.gateway.media.sessions().values())
        left = 1.0
        await until(lambda: relieved[1:] == [Rung.NO_SPECULATION, Rung.CALM])
        assert all(each.call.may_speculate for each in carrier.gateway.media.sessions().values())
        await other.stop()
        await leg.stop()


async def test_a_full_process_is_not_ready_until_a_call_has_ended() -> None:
    async with running(msgspec.structs.replace(SETTINGS, max_calls=1)) as carrier:
        leg = await carrier.call()
        status, told = await ready(carrier)
        assert (status, told["refusing"]) == (503, "full")
        await leg.stop()
        await carrier.until_calls(0)
        assert (await ready(carrier))[0] == 200


async def test_a_drain_lets_a_call_finish_and_admits_no_other() -> None:
    async with running() as carrier:
        leg = await carrier.call()
        await leg.until_audio(len(FRAME) * 5)
        drain = asyncio.create_task(carrier.gateway.drain(deadline_s=30.0))
        await asyncio.sleep(0)
        status, told = await ready(carrier)
        assert (status, told["draining"], told["calls"]) == (503, True, 1)
        document = await carrier.document("/twilio/voice", {**RINGING, "CallSid": "CA9"})
        assert [one.tag for one in document] == ["Say", "Hangup"]
        await leg.press("9")
        await leg.until_closed()
        await asyncio.wait_for(drain, 5.0)
        assert bytes(leg.audio) == FRAME * len("hellobye")


@pytest.mark.usefixtures("in_virtual_time")
async def test_at_the_deadline_a_drain_asks_calls_to_end() -> None:
    async with running() as carrier:
        leg = await carrier.call()
        await leg.until_audio(len(FRAME) * 5)
        drain = asyncio.create_task(carrier.gateway.drain(deadline_s=0.0))
        assert await leg.until_closed() == 1000
        await asyncio.wait_for(drain, 5.0)
        assert await carrier.count("bridge_calls_ended_total", why="drain") == 1


@pytest.mark.usefixtures("in_virtual_time")
async def test_a_stopped_process_keeps_its_port_until_the_carrier_knows_what_comes_after_the_stream() -> None:
    async with running(msgspec.structs.replace(SETTINGS, after_stream_s=30.0)) as carrier:
        leg = await carrier.call()
        await leg.until_audio(len(FRAME) * 5)
        drain = asyncio.create_task(carrier.gateway.drain(deadline_s=0.0))
        assert await leg.until_closed() == 1000
        await asyncio.wait_for(drain, 5.0)
        stopped = asyncio.create_task(carrier.gateway.stop())
        document = await carrier.after_stream()
        assert [one.tag for one in document] == ["Hangup"]
        await asyncio.wait_for(stopped, 5.0)  # and not a moment longer


@pytest.mark.usefixtures("in_virtual_time")
async def test_callers_whose_stream_a_stopping_process_closes_hear_an_apology_from_the_carrier() -> None:
    async with running(msgspec.structs.replace(SETTINGS, drain_goodbye_s=0.01, after_stream_s=30.0)) as carrier:
        leg = await carrier.call()
        leg.answers_marks = False
        await leg.until_audio(len(FRAME) * 5)
        await carrier.gateway.drain(deadline_s=0.0)
        stopped = asyncio.create_task(carrier.gateway.stop())
        await leg.until_closed()
        assert [one.tag for one in await carrier.after_stream()] == ["Say", "Hangup"]
        await asyncio.wait_for(stopped, 5.0)


@pytest.mark.usefixtures("in_virtual_time")
async def test_a_carrier_that_does_not_ask_keeps_no_port_for_ever() -> None:
    now = 0.0
    departures = Departures(3.0, clock=lambda: now)
    departures.leaves("CA1")
    now = 2.0
    departures.leaves("CA2")
    assert departures.waiting_s == 3.0
    departures.told("CA2")
    assert departures.waiting_s == 1.0
    now = 3.0
    assert await departures.all_told() is False
    departures.told("CA1")
    departures.told("CA1")
    assert await departures.all_told() is True


@pytest.mark.usefixtures("in_virtual_time")
async def test_stopping_closes_the_sockets_of_calls_that_would_not_end() -> None:
    async with running(msgspec.structs.replace(SETTINGS, drain_goodbye_s=0.01)) as carrier:
        leg = await carrier.call()
        leg.answers_marks = False  # so that nothing counts as heard soon
        await leg.until_audio(len(FRAME) * 5)
        closed = asyncio.create_task(leg.until_closed())
        await carrier.gateway.drain(deadline_s=0.0)
        await carrier.gateway.stop()
        assert await closed in (1000, 1001)


async def test_a_port_that_is_taken_is_named() -> None:
    async with running() as carrier:
        other = Gateway(SETTINGS, CallProfiles.for_all(CALL_SETTINGS, ServiceDoubles().services), [])
        with pytest.raises(ConfigError, match=str(carrier.gateway.port)):
            await other.start("127.0.0.1", carrier.gateway.port)


async def test_two_gateways_share_a_port_where_asked_to() -> None:
    first, second = (
        Gateway(SETTINGS, CallProfiles.for_all(CALL_SETTINGS, ServiceDoubles().services), []) for _ in range(2)
    )
    await first.start("127.0.0.1", 0, reuse_port=True)
    await second.start("127.0.0.1", first.port, reuse_port=True)
    assert first.port == second.port
    await first.stop()
    await second.stop()


async def test_a_gateway_without_a_public_address_refuses_to_be_made() -> None:
    with pytest.raises(ConfigError, match="PUBLIC_URL"):
        Gateway(GatewaySettings(), CallProfiles.for_all(CALL_SETTINGS, ServiceDoubles().services), [])


async def test_a_call_over_the_wire_leaves_a_record_that_replays(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path, Metrics())
    async with running(recorder=recorder) as carrier:
        leg = await carrier.call()
        await leg.until_audio(len(FRAME) * 5)
        await leg.press("9")
        await leg.until_closed()
        await carrier.until_calls(0)
    recorder.close()
    (file,) = tmp_path.iterdir()
    lines = file.read_bytes().splitlines()
    about = json.loads(lines[0])["about"]
    assert (about["from"], about["to"]) == (RINGING["From"], RINGING["To"])
    result = replay(lines)
    assert result.differences == []
    assert result.commands > 5


async def test_a_small_service_keeps_half_of_its_lines_from_one_number_and_tells_how_full_it_is() -> None:
    async with running(msgspec.structs.replace(SETTINGS, max_calls=2)) as carrier:
        admission = carrier.gateway.process.admission
        asked = [admission.ask(f"CA{n}", number=f"+1500555000{number}") for n, number in enumerate((6, 6, 7))]
        assert asked == ["admitted", "number", "admitted"]
        carrier.gateway.process.lag.each_second()
        assert await carrier.count("bridge_use_ratio") == 1.0
