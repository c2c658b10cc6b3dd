"""A call whose stream is gone goes on in another process: two gateways, one store, every carrier, in virtual time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest

from bridge.call.actions import Action, Expect, HangUp, Prompt, Say
from bridge.call.settings import CallSettings
from bridge.call.states import Bot
from bridge.carriers.addresses import Addresses
from bridge.carriers.base import Apologise, EndCall, Outcome
from bridge.carriers.web import Document
from bridge.gateway import neighbours, returning, server
from bridge.gateway.process import call_key
from bridge.session.session import CallSession
from bridge.store.sqlite import SqliteStore
from tests.carriers.contract import Example
from tests.carriers.test_telnyx import TestTelnyx as Telnyx
from tests.gateway.carrier import CALL, PATIENCE_S, RINGING, SETTINGS, Carrier, Leg, running
from tests.gateway.doubles import FRAME, ServiceDoubles
from tests.gateway.test_carriers import EXAMPLES, Phone, each
from tests.store.contract import until

pytestmark = pytest.mark.usefixtures("in_virtual_time")

LATER_S = 600.0
CALL_SETTINGS = CallSettings(listens=False, inter_digit_s=LATER_S)
GREETING = "key in four digits"


def desk(prompt: Prompt) -> list[Action]:
    if prompt.kind == "call_started":
        return [Say(GREETING), Expect("digits:4")]
    return [Say(f"{prompt.kind} {prompt.text}")]


@pytest.fixture(autouse=True)
def slow_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes that are only late are not taken for gone: the tests of others may hold their processor."""
    monkeypatch.setattr(neighbours, "_FRESH_S", LATER_S)
    monkeypatch.setattr(returning, "_SILENT_S", 2.0)


@asynccontextmanager
async def two_processes(
    folder: Path, *, call: CallSettings = CALL_SETTINGS, **changes: Any
) -> AsyncIterator[tuple[Carrier, Carrier]]:
    """Two processes that share a store, and a carrier that knows both."""
    settings = msgspec.structs.replace(SETTINGS, **{"after_stream_s": 0.05, "reconnect_s": LATER_S} | changes)
    others = [one.carrier for one in EXAMPLES if one.carrier.name != "twilio"]
    stores = [SqliteStore(folder / "store") for _ in range(2)]
    for store in stores:
        await store.start()
    try:
        async with (
            running(settings, ServiceDoubles(desk), others=others, store=stores[0], call=call) as one,
            running(settings, ServiceDoubles(desk), others=others, store=stores[1], call=call) as other,
        ):
            await until(lambda: bool(one.gateway.process.neighbours.serving))
            await until(lambda: bool(other.gateway.process.neighbours.serving))
            yield one, other
    finally:
        for store in stores:
            await store.close()


def breaks(socket: aiohttp.ClientWebSocketResponse) -> None:
    """The network between carrier and service breaks: no stop, no close frame."""
    transport = socket._response.connection and socket._response.connection.transport
    assert transport is not None
    transport.abort()


def session_of(phone: Phone) -> CallSession:
    """The session of the call in the process that has it."""
    session = phone.gateway.gateway.media.sockets[call_key(phone.example.carrier, phone.example.call_id)].session
    assert session is not None
    return session


async def keyed(phone: Phone) -> None:
    """The caller has heard the greeting and pressed half of the keys."""
    await phone.until_ms(20 * len(GREETING))
    session = session_of(phone)
    phone.gateway.doubles.ears.calls[-1].spent = {"seconds_acme": 3.0}
    reading = asyncio.create_task(phone.until_closed())  # which also sends the last mark back
    await until(lambda: session.call.bot is Bot.IDLE)
    reading.cancel()
    await asyncio.gather(reading, return_exceptions=True)
    await phone.press("5")
    await phone.press("1")
    await until(lambda: session.state().caller.keys == "51")


async def goes_on(phone: Phone, process: Carrier, document: Document) -> None:
    """The carrier follows the document to this process, where the other half of the keys is pressed."""
    phone.gateway, phone.audio = process, bytearray()
    await phone.connect(document)
    await phone.press("2")
    await phone.press("4")
    await phone.until_ms(20 * len("digits 5124"))
    (agent,) = process.doubles.agents.calls
    assert [(one.kind, one.text) for one in agent.prompts] == [("digits", "5124")]
    assert [one.text for one in agent.prompts[0].history if one.speaker == "bot"] == [GREETING]
    kept = session_of(phone).kept()
    assert kept is not None
    assert kept.costs["seconds_acme"] == 3.0, "what it has cost so far goes with it"
    assert agent.resumed_from == f"of {phone.example.call_id}".encode()
    assert agent.info.from_number == "+15005550006"
    assert await process.count("bridge_calls_resumed_total") == 1
    assert await process.count("bridge_calls_started_total") == 0
    await phone.socket.close()


async def asks(phone: Phone, process: Carrier) -> Document:
    """The carrier asks this process what comes after the stream."""
    phone.gateway = process
    status, document = await phone.ask(phone.example.stream_over(time.time()))
    assert status == 200
    return document


def is_document(example: Example, document: Document, outcome: Outcome) -> bool:
    name = example.carrier.name
    return document.text == example.carrier.document(outcome, Addresses(f"https://bridge.example.com/{name}")).text


async def is_in_vain_for_a_thief(document: Document, phone: Phone, process: Carrier) -> None:
    """Somebody else takes the document to this process, and gets no call; the caller notices nothing."""
    thief = Phone(process, phone.example)
    await thief.connect(document)
    assert await thief.until_closed() == 1008
    assert (
        await process.count("bridge_protocol_errors_total", carrier=phone.example.carrier.name, kind="ticket_spent")
        == 1
    )
    await phone.press("2")
    await phone.press("4")
    await phone.until_ms(20 * (len(GREETING) + len("digits 5124")))


@each
async def test_a_call_whose_stream_broke_off_goes_on_in_another_process(example: Example, tmp_path: Path) -> None:
    async with two_processes(tmp_path) as (one, other):
        phone = Phone(one, example)
        await phone.call()
        await keyed(phone)
        breaks(phone.socket)
        if not example.carrier.pacing.reconnects:
            await one.until_calls(0)
        await goes_on(phone, other, await asks(phone, other))
        await one.until_calls(0)  # where the carrier might have opened it again, too


@each
async def test_a_process_at_its_deadline_moves_its_calls(example: Example, tmp_path: Path) -> None:
    async with two_processes(tmp_path) as (one, other):
        phone = Phone(one, example)
        await phone.call()
        await keyed(phone)
        draining = asyncio.create_task(one.gateway.drain(0.0))
        assert await phone.until_closed() == 1001
        await draining
        await goes_on(phone, other, await asks(phone, other))
        assert await one.count("bridge_calls_ended_total", why="moved") == 1
        with pytest.raises(aiohttp.ClientConnectorError):  # whoever asks now must be sent to another process
            await one.ring("CA9")


@each
async def test_a_connection_that_was_kept_is_answered_once_more_by_a_process_that_has_moved_its_calls(
    example: Example, tmp_path: Path
) -> None:
    async with two_processes(tmp_path) as (one, other):
        phone = Phone(one, example)
        await phone.call()
        await keyed(phone)
        async with one.http.get(f"{one.base}/healthz") as answer:
            await answer.read()  # the connection is kept for the next request
        draining = asyncio.create_task(one.gateway.drain(0.0))
        assert await phone.until_closed() == 1001
        async with asyncio.timeout(1.0):
            document = await asks(phone, one)
        with pytest.raises(aiohttp.ClientConnectorError):
            await asks(phone, one)
        await draining
        if not example.carrier.pacing.reconnects:
            await goes_on(phone, other, document)


async def test_processes_that_stop_together_say_goodbye(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "_NEWS_S", 3.0)  # as long as a slow machine takes
    async with two_processes(tmp_path) as (one, other):
        leg = await one.call()
        await leg.until_audio(len(FRAME) * len(GREETING))
        draining = [asyncio.create_task(each.gateway.drain(0.0)) for each in (one, other)]
        assert await leg.until_closed() == 1000
        await asyncio.gather(*draining)
        assert await one.count("bridge_calls_ended_total", why="drain") == 1


@each
@pytest.mark.parametrize("how", ["agent", "caller"])
async def test_a_call_that_was_ended_is_not_brought_back(example: Example, how: str, tmp_path: Path) -> None:
    async with two_processes(tmp_path) as (one, other):
        goodbye: list[Action] = [HangUp()] if how == "agent" else []
        one.doubles.agents.answer = lambda _prompt: [Say("hello"), *goodbye]
        phone = Phone(one, example)
        await phone.call()
        if how == "agent":
            assert await phone.until_closed() == 1000
        else:
            await phone.until_ms(20 * len("hello"))
            await phone.hang_up()
        await one.until_calls(0)
        await one.gateway.process.keeper.settled()
        document = await asks(phone, other)
        ends = EndCall() if how == "agent" else Apologise(other.gateway.process.profiles.last_apology(""))
        assert is_document(example, document, ends)
        assert other.doubles.agents.calls == []


async def test_a_carrier_that_opens_a_lost_socket_again_may_do_so_at_another_process(tmp_path: Path) -> None:
    async with two_processes(tmp_path) as (one, other):
        phone = Phone(one, Telnyx.example)
        document = await phone.ring()
        await phone.connect(document)
        await keyed(phone)
        breaks(phone.socket)
        await goes_on(phone, other, document)  # the same document: the same ticket
        await one.until_calls(0)
        assert await one.count("bridge_calls_ended_total", why="moved") == 1


async def test_a_call_goes_on_though_the_store_has_forgotten_that_its_ticket_was_spent(tmp_path: Path) -> None:
    example = Telnyx.example
    async with two_processes(tmp_path) as (one, other):
        phone = Phone(one, example)
        document = await phone.ring()
        await phone.connect(document)
        await keyed(phone)
        media = one.gateway.media.sockets[call_key(example.carrier, example.call_id)]
        assert await one.gateway.process.store.take(f"ticket:{media.nonce}") is not None
        breaks(phone.socket)
        await goes_on(phone, other, document)


async def test_a_stolen_ticket_that_the_store_has_forgotten_begins_no_call_that_goes_on(tmp_path: Path) -> None:
    async with two_processes(tmp_path) as (one, other):
        phone = Phone(one, Telnyx.example)
        document = await phone.ring()
        await phone.connect(document)
        await keyed(phone)
        media = one.gateway.media.sockets[call_key(phone.example.carrier, phone.example.call_id)]
        await one.gateway.process.keeper.settled()
        await one.gateway.process.store.take(f"ticket:{media.nonce}")
        await is_in_vain_for_a_thief(document, phone, other)
        await phone.hang_up()


async def test_who_has_stolen_a_ticket_gets_no_call_at_another_process_either(tmp_path: Path) -> None:
    async with two_processes(tmp_path) as (one, other):
        phone = Phone(one, Telnyx.example)
        document = await phone.ring()
        await phone.connect(document)
        await keyed(phone)
        await is_in_vain_for_a_thief(document, phone, other)


async def test_a_call_that_never_gets_a_stream_is_given_up_with_an_apology(tmp_path: Path) -> None:
    async with two_processes(tmp_path) as (one, other):
        leg = await one.call()
        await leg.until_audio(len(FRAME))
        breaks(leg.socket)
        await one.until_calls(0)
        asked = [[verb.tag for verb in await other.after_stream()] for _ in range(13)]
        assert asked == [["Connect", "Redirect"]] * 12 + [["Say", "Hangup"]]


async def test_a_question_that_comes_twice_does_not_bring_an_old_state_back(tmp_path: Path) -> None:
    async with two_processes(tmp_path) as (one, other):
        leg = await one.call()
        await leg.until_audio(len(FRAME) * len(GREETING))
        breaks(leg.socket)
        await one.until_calls(0)
        kept_calls = one.gateway.process.kept_calls
        document = await other.after_stream()
        old = await kept_calls.ask(f"twilio/{CALL}")
        back = Leg(await other.open(), CALL, "MZ2")
        await back.start({one.attrib["name"]: one.attrib["value"] for one in document.iter("Parameter")})
        await other.until_calls(1)
        async with asyncio.timeout(PATIENCE_S):
            while (new := await kept_calls.ask(f"twilio/{CALL}")) is None or not new.process:
                await asyncio.sleep(0.01)
        await one.after_stream()  # a carrier that asks twice, and reaches a process that is late
        now = await kept_calls.ask(f"twilio/{CALL}")
        assert old is not None
        assert now is not None
        assert now.process == other.gateway.process.keeper.process
        assert now.written_at >= new.written_at


async def test_a_returning_call_is_not_turned_away_from_a_full_house(tmp_path: Path) -> None:
    async with two_processes(tmp_path, max_calls=1) as (one, other):
        leg = await one.call()
        await leg.until_audio(len(FRAME) * len(GREETING))
        there = await other.call("CA9", "MZ9")
        await there.until_audio(len(FRAME))
        breaks(leg.socket)
        await one.until_calls(0)
        document = await other.after_stream()
        back = Leg(await other.open(), CALL, "MZ2")
        await back.start({one.attrib["name"]: one.attrib["value"] for one in document.iter("Parameter")})
        await back.press("1")
        await other.until_calls(2)


async def test_a_status_callback_reaches_the_process_that_has_the_call(tmp_path: Path) -> None:
    async with two_processes(tmp_path) as (one, other):
        leg = await one.call()
        await leg.until_audio(len(FRAME))
        status, _, _ = await other.post("/twilio/call-status", {**RINGING, "CallStatus": "completed"})
        assert status == 204
        assert await leg.until_closed() == 1000
        assert await one.count("bridge_calls_ended_total", why="carrier completed") == 1


async def test_a_place_that_one_process_kept_is_free_when_another_has_the_stream(tmp_path: Path) -> None:
    async with two_processes(tmp_path, max_calls=1) as (one, other):
        parameters = await one.ring()
        assert one.gateway.process.admission.refusing == "full"
        leg = Leg(await other.open())
        await leg.start(parameters)
        await until(lambda: one.gateway.process.admission.refusing is None)
