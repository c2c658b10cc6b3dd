"""A process that is about to stop: what its callers hear, and those who come back to it in its last minute."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from bridge.call.settings import CallSettings
from bridge.carriers.addresses import Addresses
from bridge.carriers.base import Apologise, EndCall, Outcome
from bridge.carriers.web import Document
from bridge.gateway.departures import RINGS_S, Departures
from bridge.gateway.process import call_key
from tests.carriers.contract import Example
from tests.gateway.carrier import PATIENCE_S, SETTINGS, Carrier, running
from tests.gateway.doubles import ServiceDoubles
from tests.gateway.test_carriers import EXAMPLES, Phone, desk, each, transferred
from tests.gateway.test_coming_back import breaks, two_processes
from tests.store.contract import until

pytestmark = pytest.mark.usefixtures("in_virtual_time")

GOODBYE = "we are closing"
CALL_SETTINGS = CallSettings(listens=False, inter_digit_s=0.0, shutdown=GOODBYE)


@asynccontextmanager
async def draining(
    example: Example, deadline_s: float = 60.0, settings: CallSettings = CALL_SETTINGS
) -> AsyncIterator[tuple[Carrier, Phone, asyncio.Event]]:
    """A service, a phone, and a switch: once it is set the service is told to stop."""
    others = [one.carrier for one in EXAMPLES if one.carrier.name != "twilio"]
    gateway_settings = msgspec.structs.replace(SETTINGS, after_stream_s=30.0, reconnect_s=30.0)
    async with running(gateway_settings, ServiceDoubles(desk), others=others, call=settings) as service:
        told, stopped = asyncio.Event(), asyncio.Event()

        async def stop() -> None:
            await told.wait()
            await service.gateway.drain(deadline_s)
            await service.gateway.stop()
            stopped.set()

        stopping = asyncio.create_task(stop())
        yield service, Phone(service, example), told
        told.set()
        async with asyncio.timeout(PATIENCE_S):
            await stopping


def says(example: Example, document: Document, outcome: Outcome) -> bool:
    addresses = Addresses(f"https://bridge.example.com/{example.carrier.name}")
    return document.text == example.carrier.document(outcome, addresses).text


async def after_stream(phone: Phone) -> Document:
    status, document = await phone.ask(phone.example.stream_over(time.time()))
    assert status == 200
    return document


async def nobody_answers(phone: Phone, dial: Document, result: str = "no_answer") -> Document:
    status, document = await phone.ask(phone.example.dial_over(time.time(), result, dial))
    assert status == 200
    return document


async def until_draining(service: Carrier) -> None:
    await until(lambda: service.gateway.process.admission.draining)


async def until_ending(service: Carrier) -> None:
    await until(lambda: service.gateway.process.admission.ending)


def heard_ms(phone: Phone) -> int:
    return len(phone.audio) // phone.example.carrier.open_stream().our_format.bytes_per_ms


# The deadline


@each
async def test_at_the_deadline_the_caller_hears_the_goodbye_and_the_carrier_hangs_up(example: Example) -> None:
    async with draining(example, deadline_s=0.0) as (service, phone, stop):
        await phone.call()
        await phone.until_ms(20 * len("hello"))
        phone.audio.clear()
        stop.set()
        assert await phone.until_closed() == 1000
        assert heard_ms(phone) == 20 * len(GOODBYE)
        assert says(example, await after_stream(phone), EndCall())
        assert await service.count("bridge_calls_ended_total", why="drain") == 1


@each
async def test_who_is_just_being_connected_at_the_deadline_hears_the_goodbye(example: Example) -> None:
    async with draining(example, deadline_s=0.0) as (service, phone, stop):
        document = await phone.ring()
        stop.set()
        await until_ending(service)
        await phone.connect(document)
        assert await phone.until_closed() == 1000
        assert heard_ms(phone) >= 20 * len(GOODBYE)
        assert says(example, await after_stream(phone), EndCall())


@each
async def test_who_came_back_from_a_lost_stream_hears_the_goodbye(example: Example) -> None:
    async with draining(example, deadline_s=0.0) as (service, phone, stop):
        await phone.call()
        await phone.until_ms(20 * len("hello"))
        breaks(phone.socket)
        document = await after_stream(phone)
        stop.set()
        await until_ending(service)
        phone.audio.clear()
        await phone.connect(document)
        assert await phone.until_closed() == 1000
        assert heard_ms(phone) >= 20 * len(GOODBYE)
        assert says(example, await after_stream(phone), EndCall())


# Before the deadline


@each
async def test_a_caller_whose_webhook_was_answered_before_the_drain_is_served(example: Example) -> None:
    async with draining(example) as (service, phone, stop):
        document = await phone.ring()
        stop.set()
        await until_draining(service)
        status, again = await phone.ask(example.ringing(time.time()))  # the carrier had not got the answer in time
        assert status == 200
        assert not says(example, again, Apologise(CALL_SETTINGS.last_apology))
        await phone.connect(document)
        await phone.until_ms(20 * len("hello"))
        await phone.hang_up()


@each
async def test_a_transfer_that_nobody_answers_comes_back_to_a_draining_process(example: Example) -> None:
    async with draining(example) as (service, phone, stop):
        dial = await transferred(phone)
        stop.set()
        await until_draining(service)
        await phone.connect(await nobody_answers(phone, dial))
        await phone.until_ms(20 * len("no_answer!"))
        assert [one.kind for one in service.doubles.agents.calls[-1].prompts] == ["transfer_failed"]
        await phone.hang_up()


@each
async def test_a_lost_stream_comes_back_to_a_draining_process(example: Example) -> None:
    async with draining(example) as (service, phone, stop):
        await phone.call()
        await phone.until_ms(20 * len("hello"))
        stop.set()
        await until_draining(service)
        breaks(phone.socket)
        if not example.carrier.pacing.reconnects:
            await service.until_calls(0)
            await asyncio.sleep(0.2)  # a carrier is no faster than that
        await phone.connect(await after_stream(phone))
        await phone.press("7")
        assert await phone.until_closed() == 1000
        assert await service.count("bridge_calls_resumed_total") == 1
        dial = await after_stream(phone)
        assert "15005550020" in dial.text, "and is transferred as at any other time"
        await phone.ask(example.dial_over(time.time(), "answered", dial))
        service.gateway.process.departures.rang(call_key(example.carrier, example.call_id))


@each
@pytest.mark.parametrize("result", ["answered", "busy"])
async def test_the_port_is_held_while_a_transfer_rings_and_no_longer(example: Example, result: str) -> None:
    async with draining(example) as (service, phone, stop):
        dial = await transferred(phone)
        departures = service.gateway.process.departures
        assert departures.ringing == 1
        stop.set()
        await until_draining(service)
        await asyncio.sleep(0.1)
        status, document = await phone.ask(example.dial_over(time.time(), result, dial))  # the port is open
        if (
            result == "answered" and example.carrier.name == "vonage"
        ):  # which says nothing more of a call that goes well
            departures.rang(call_key(example.carrier, example.call_id))
        assert departures.ringing == 0
        if result == "busy":
            assert status == 200
            await phone.connect(document)
            await phone.until_ms(20 * len("busy!"))
            await phone.hang_up()


# After the deadline


@each
async def test_who_comes_back_from_a_transfer_after_the_deadline_gets_an_apology_and_no_busy_line(
    example: Example,
) -> None:
    async with draining(example, deadline_s=0.0) as (service, phone, stop):
        dial = await transferred(phone)
        service.gateway.process.departures.leaves("another")  # whom the process waits for meanwhile
        stop.set()
        await until_ending(service)
        document = await nobody_answers(phone, dial)
        assert says(example, document, Apologise(CALL_SETTINGS.last_apology))
        service.gateway.process.departures.told("another")


async def test_an_overflow_number_takes_those_who_come_back_after_the_deadline() -> None:
    (twilio, *_) = EXAMPLES
    settings = msgspec.structs.replace(SETTINGS, overflow_number="+15005550099")
    async with running(settings, ServiceDoubles(desk)) as service:
        phone = Phone(service, twilio)
        dial = await transferred(phone)
        service.gateway.process.admission.ending = True
        assert "+15005550099</Number>" in (await nobody_answers(phone, dial)).text


# Whatever happens


@each
async def test_a_transfer_that_nobody_answers_comes_back_to_a_full_house(example: Example) -> None:
    async with draining(example) as (service, phone, _):
        dial = await transferred(phone)
        service.gateway.process.admission._max_calls = 0
        await phone.connect(await nobody_answers(phone, dial))
        await phone.until_ms(20 * len("no_answer!"))
        await phone.hang_up()


@each
async def test_a_transfer_that_nobody_answers_comes_back_to_a_process_that_is_just_starting(example: Example) -> None:
    async with draining(example) as (service, phone, _):
        dial = await transferred(phone)
        service.gateway.process.admission.started = False
        asking = asyncio.create_task(nobody_answers(phone, dial))
        await asyncio.sleep(0.1)
        assert not asking.done()
        service.gateway.open_doors()
        await phone.connect(await asking)
        await phone.until_ms(20 * len("no_answer!"))
        await phone.hang_up()


@each
async def test_a_transfer_comes_back_to_another_process_when_its_own_is_about_to_stop(
    example: Example, tmp_path: Path
) -> None:
    async with two_processes(tmp_path, call=CALL_SETTINGS) as (one, other):
        for each_process in (one, other):
            each_process.doubles.agents.answer = desk
        phone = Phone(one, example)
        dial = await transferred(phone)
        await one.gateway.drain(60.0)  # at once: the other process can answer
        one.gateway.process.admission.ending = True
        document = await nobody_answers(phone, dial)
        phone.gateway = other
        await phone.connect(document)
        await phone.until_ms(20 * len("no_answer!"))
        (agent,) = other.doubles.agents.calls
        assert [one.kind for one in agent.prompts] == ["transfer_failed"]
        await phone.hang_up()


@each
async def test_a_late_repetition_of_how_a_transfer_ended_does_not_end_what_came_after(example: Example) -> None:
    async with draining(example) as (service, phone, _):
        dial = await transferred(phone)
        await phone.connect(await nobody_answers(phone, dial, "busy"))
        await phone.until_ms(20 * len("busy!"))

        async def talk() -> None:
            silence = example.carrier.open_stream().caller_format.silence(20)
            while True:
                await phone.say(silence)
                await asyncio.sleep(0.01)

        talking = asyncio.create_task(talk())
        await nobody_answers(phone, dial, "busy")
        talking.cancel()
        await asyncio.gather(talking, return_exceptions=True)
        assert service.gateway.calls == 1
        assert await service.count("bridge_calls_resumed_total") == 1
        phone.audio.clear()
        await phone.press("7")
        assert await phone.until_closed() == 1000, "the second transfer takes place"
        assert "15005550020" in (await after_stream(phone)).text
        service.gateway.process.departures.rang(call_key(example.carrier, example.call_id))


def test_a_party_rings_for_so_long_and_no_longer() -> None:
    now = 0.0
    departures = Departures(3.0, clock=lambda: now)
    departures.rings("CA1")
    now = 1.0
    departures.rings("CA2")
    departures.rang("CA3")
    assert departures.ringing == 2
    now = RINGS_S + 0.5
    assert departures.ringing == 1
    departures.rang("CA2")
    assert departures.ringing == 0
