"""A process dies at every instant at which its store knows more than before, and the caller still gets the agent.

What others see of a process is what it wrote and its sockets, so that as many instants can be told apart as it asks the
store to keep something. The process is a real one that has ended, in name.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from functools import cache
from pathlib import Path
from typing import TypeVar

import aiohttp
import msgspec
import pytest
from aiohttp import WSCloseCode

from bridge.agents.base import CallInfo
from bridge.call.events import Word
from bridge.call.state import VERSION, BotState, CallerState, CallState, UnheardRest, encode
from bridge.carriers.web import Document
from bridge.gateway import neighbours, returning, server
from bridge.gateway.keeping import CallKeeper
from bridge.gateway.process import BEGUN, call_key
from bridge.gateway.returning import kept_call
from bridge.session.ports import KeptCall
from bridge.session.timers import Timer
from bridge.store.base import Changed, Store
from bridge.store.redis import RedisStore
from bridge.store.sqlite import SqliteStore
from bridge.system.process_name import own_name
from tests.carriers.contract import Example
from tests.carriers.test_telnyx import TestTelnyx as Telnyx
from tests.carriers.test_twilio import TestTwilio as Twilio
from tests.gateway.carrier import PATIENCE_S, RINGING, SETTINGS, Carrier, running
from tests.gateway.doubles import ServiceDoubles
from tests.gateway.test_carriers import EXAMPLES, Phone
from tests.gateway.test_coming_back import CALL_SETTINGS, GREETING, LATER_S, asks, breaks, desk, keyed
from tests.store.contract import until

_T = TypeVar("_T")
INSTANTS = range(4)
"""In the life of a stream: before its ticket is spent, or what is claimed; that it has begun; and first states."""
OpenAnother = Callable[[], Awaitable[Store]]


@cache
def ended() -> str:
    """The name of a process that has ended."""
    say = "from bridge.system.process_name import own_name; print(own_name())"
    return subprocess.run([sys.executable, "-c", say], capture_output=True, text=True, check=True).stdout.strip()


class DyingStore:
    """The store as one process uses it that dies: from some operation on, nothing it does reaches the others."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.left: int | None = None
        """Operations until death; None: it is not near."""
        self.dead = False
        self.holds: asyncio.Event | None = None
        """Nothing of what `holding` names is done before this is set."""
        self.holding: tuple[str, ...] = ("add", "put kept:")
        self.held = False

    async def _unless_dead(self, operation: Callable[[], Awaitable[_T]], otherwise: _T) -> _T:
        if self.dead:
            return otherwise
        if self.left is None:
            return await operation()
        self.left -= 1
        if self.left >= 0:
            return await operation()
        self.dead = True
        return otherwise

    async def start(self) -> None:
        await self._store.start()

    async def close(self) -> None:
        await self._store.close()

    async def _hold(self, operation: str) -> None:
        if self.holds is not None and operation.startswith(self.holding):
            self.held = True
            await self.holds.wait()

    async def put(self, key: str, value: bytes, ttl_s: float) -> None:
        await self._hold(f"put {key}")
        if key.startswith("serving:"):
            await self._store.put(key, value, ttl_s)
        else:
            await self._unless_dead(lambda: self._store.put(key, value, ttl_s), None)

    async def get(self, key: str) -> bytes | None:
        return None if self.dead else await self._store.get(key)  # changes nothing

    async def keep_all(self, values: Mapping[str, bytes], ttl_s: float) -> bool:
        return await self._unless_dead(lambda: self._store.keep_all(values, ttl_s), False)

    async def take(self, key: str) -> bytes | None:
        await self._hold(f"take {key}")
        return await self._unless_dead(lambda: self._store.take(key), None)

    async def add(self, key: str, value: bytes, ttl_s: float) -> bool:
        await self._hold(f"add {key}")
        return await self._unless_dead(lambda: self._store.add(key, value, ttl_s), False)

    async def replace(self, key: str, value: bytes, by: bytes, ttl_s: float) -> bool:
        return await self._unless_dead(lambda: self._store.replace(key, value, by, ttl_s), False)

    def watch(self, prefix: str, changed: Changed) -> Callable[[], None]:
        return self._store.watch(prefix, changed)

    def stats(self) -> dict[str, float]:
        return {}


@pytest.fixture(params=["sqlite", "redis"])
async def another(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[OpenAnother]:
    """Opens the store for one more process."""
    opened: list[Store] = []
    if request.param == "redis" and "example" in request.fixturenames:
        name = request.getfixturevalue("example").carrier.name
        if name not in ("twilio", "telnyx"):
            pytest.skip("one carrier that asks and one that comes by itself are enough for a second store")
    url = request.getfixturevalue("redis_url") if request.param == "redis" else ""

    async def start() -> Store:
        store = RedisStore(url, secret=b"secret", deadline_s=10.0) if url else SqliteStore(tmp_path / "store")
        await store.start()
        opened.append(store)
        return store

    yield start
    for store in opened:
        await store.close()


@pytest.fixture(autouse=True)
def slow_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbours, "_FRESH_S", LATER_S)
    monkeypatch.setattr(server, "_NEWS_S", 0.0)
    monkeypatch.setattr(returning, "_LOOKS", 100)
    monkeypatch.setattr(returning, "_LAST_WORD_S", 10.0)
    monkeypatch.setattr(returning, "_SILENT_S", 2.0)  # until then a live process has told that it lost a stream


@asynccontextmanager
async def mortal_and_another(another: OpenAnother) -> AsyncIterator[tuple[Carrier, DyingStore, Carrier]]:
    """Two processes of which one is going to die, and the one's store."""
    settings = msgspec.structs.replace(SETTINGS, after_stream_s=0.05, reconnect_s=LATER_S, start_deadline_s=LATER_S)
    others = [one.carrier for one in EXAMPLES if one.carrier.name != "twilio"]
    mortal = DyingStore(await another())
    async with asyncio.timeout(PATIENCE_S), AsyncExitStack() as stack:  # to its end, too: what hangs is to be named
        one, other = [
            await stack.enter_async_context(
                running(settings, ServiceDoubles(desk), others=others, store=store, call=CALL_SETTINGS)
            )
            for store in (mortal, await another())
        ]
        keeper: CallKeeper = one.gateway.process.keeper
        keeper.process = ended()
        yield one, mortal, other


async def comes_back(phone: Phone, process: Carrier, document: Document) -> None:
    """What the carrier does when a socket breaks: it opens it again, or asks what comes next."""
    phone.gateway, phone.audio = process, bytearray()
    if not phone.example.carrier.pacing.reconnects:
        status, document = await phone.ask(phone.example.stream_over(time.time()))
        assert status == 200
    await phone.connect(document)


async def dies(phone: Phone, mortal: DyingStore, document: Document, instant: int) -> None:
    """The carrier connects, and the process dies before this operation of its store."""
    mortal.left = instant
    await phone.connect(document)
    await until(lambda: mortal.dead)
    breaks(phone.socket)


each = pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.carrier.name)
at_every_instant = pytest.mark.parametrize("instant", INSTANTS)


@each
@at_every_instant
async def test_a_call_whose_process_dies_at_its_beginning_begins_or_goes_on_elsewhere(
    example: Example, instant: int, another: OpenAnother
) -> None:
    async with mortal_and_another(another) as (one, mortal, other):
        phone = Phone(one, example)
        document = await phone.ring()
        await dies(phone, mortal, document, instant)
        await comes_back(phone, other, document)
        await until(lambda: bool(other.doubles.agents.calls))
        (agent,) = other.doubles.agents.calls
        for key in "5124":
            await phone.press(key)
        await until(lambda: bool(agent.prompts) and agent.prompts[-1].text == "5124")
        assert agent.info.from_number.lstrip("+") == "15005550006"
        began = [prompt.kind for prompt in agent.prompts] == ["call_started", "digits"]
        assert began is (agent.resumed_from is None), "at the beginning, or from the state that was written"
        await phone.until_ms(20 * len("digits 5124"))
        await phone.hang_up()


@each
@pytest.mark.parametrize("instant", range(2))
async def test_a_call_whose_process_dies_before_it_has_answered_the_webhook_rings_elsewhere(
    example: Example, instant: int, another: OpenAnother
) -> None:
    async with mortal_and_another(another) as (one, mortal, other):
        phone = Phone(one, example)
        mortal.left = instant
        await phone.ring()  # an answer that is lost: the carrier asks again, or at the address of its fallback
        phone.gateway = other
        await phone.connect(await phone.ring())
        await phone.until_ms(20 * len(GREETING))
        (agent,) = other.doubles.agents.calls
        assert agent.resumed_from is None
        await phone.hang_up()


@each
@at_every_instant
async def test_a_call_whose_next_process_dies_as_it_takes_it_over_goes_on_all_the_same(
    example: Example, instant: int, another: OpenAnother
) -> None:
    async with mortal_and_another(another) as (mortal_one, mortal, one):
        phone = Phone(one, example)
        document = await phone.ring()
        await phone.connect(document)
        await keyed(phone)
        breaks(phone.socket)
        if not example.carrier.pacing.reconnects:
            await one.until_calls(0)
            document = await asks(phone, mortal_one)
        phone.gateway = mortal_one
        await dies(phone, mortal, document, instant)
        await comes_back(phone, one, document)
        for key in "24":
            await phone.press(key)
        await until(lambda: "5124" in [prompt.text for prompt in one.doubles.agents.calls[-1].prompts])
        await phone.hang_up()


@each
async def test_a_process_that_is_asked_too_early_waits_for_the_last_word_of_the_one_that_had_the_call(
    example: Example, another: OpenAnother, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with mortal_and_another(another) as (one, store, other):
        one.gateway.process.keeper.process = own_name()
        ask, asked = other.gateway.process.kept_calls.ask, list[str]()

        async def noted(key: str) -> KeptCall | None:
            asked.append(key)
            return await ask(key)

        monkeypatch.setattr(other.gateway.process.kept_calls, "ask", noted)
        phone = Phone(one, example)
        document = await phone.ring()
        await phone.connect(document)
        await keyed(phone)
        store.holds = asyncio.Event()
        breaks(phone.socket)
        await until(lambda: store.held)
        phone.gateway, phone.audio = other, bytearray()
        asking = asyncio.create_task(comes_back(phone, other, document))
        await until(lambda: len(asked) > 1)
        store.holds.set()
        await asking
        for key in "24":
            await phone.press(key)
        await phone.until_ms(20 * len("digits 5124"))
        await phone.hang_up()


async def test_a_call_whose_socket_breaks_while_its_process_gets_ready_begins_on_the_next(another: OpenAnother) -> None:
    async with mortal_and_another(another) as (one, store, other):
        one.gateway.process.keeper.process = own_name()
        phone = Phone(one, Telnyx.example)
        document = await phone.ring()
        store.holds = asyncio.Event()
        await phone.connect(document)
        await until(lambda: store.held)
        before = connections(one)
        breaks(phone.socket)
        await until(lambda: connections(one) < before)
        store.holds.set()
        await until(lambda: b"abrupt_close" in one.gateway.metrics.page())
        await one.gateway.process.keeper.settled()
        again = Phone(other, Telnyx.example)
        await again.connect(document)
        await again.until_ms(20 * len(GREETING))
        await again.hang_up()


async def test_a_stream_that_started_in_time_is_not_late_because_the_store_is_slow(another: OpenAnother) -> None:
    store = DyingStore(await another())
    settings = msgspec.structs.replace(SETTINGS, start_deadline_s=0.05)
    async with running(settings, ServiceDoubles(desk), store=store, call=CALL_SETTINGS) as one:
        phone = Phone(one, Twilio.example)
        document = await phone.ring()
        store.holds, late = asyncio.Event(), asyncio.Event()
        await phone.connect(document)
        await until(lambda: store.held)
        one.gateway.process.wheel.set(Timer(late.set), time.monotonic() + 2 * settings.start_deadline_s)
        await late.wait()
        store.holds.set()
        await phone.until_ms(20 * len(GREETING))
        assert await one.refused_with("start_deadline") == 0
        await phone.hang_up()
        await one.until_calls(0)


@each
@pytest.mark.parametrize("how", ["the process closes it", "the carrier asks what comes next"])
async def test_a_call_whose_socket_is_closed_while_it_is_taken_over_goes_on_in_the_next_stream(
    example: Example, how: str, another: OpenAnother
) -> None:
    asks_first = not example.carrier.pacing.reconnects
    async with mortal_and_another(another) as (one, store, other):
        phone = Phone(other, example)
        document = await phone.ring()
        await phone.connect(document)
        await keyed(phone)
        breaks(phone.socket)
        if asks_first:
            await other.until_calls(0)
            document = await asks(phone, one)
        phone.gateway, phone.audio = one, bytearray()
        store.holds, store.holding = asyncio.Event(), ("take after:",)
        await phone.connect(document)
        await until(lambda: store.held)
        [socket] = one.gateway.media.sockets.values()
        if how == "the process closes it" or not asks_first:
            socket.close(WSCloseCode.GOING_AWAY)
            await until(lambda: not one.gateway.media.sockets)
            store.holds.set()
            await comes_back(phone, one, document)
        else:
            await phone.connect(await asks(phone, one))
            store.holds.set()
        for digit in "24":
            await phone.press(digit)
        agents = one.doubles.agents.calls
        await until(lambda: bool(agents) and "5124" in [prompt.text for prompt in agents[-1].prompts])
        assert one.gateway.calls == 1
        await phone.hang_up()
        await one.until_calls(0)


def connections(carrier: Carrier) -> int:
    runner = carrier.gateway._runner
    assert runner is not None
    assert runner.server is not None
    return sum(one.transport is not None for one in runner.server.connections)


@pytest.mark.parametrize("runs", [True, False])
async def test_a_second_use_of_a_ticket_takes_no_call_from_a_process_that_is_there_but_silent(
    runs: bool, another: OpenAnother
) -> None:
    async with mortal_and_another(another) as (one, mortal, other):
        one.gateway.process.keeper.process = own_name() if runs else ended()
        phone = Phone(one, Telnyx.example)
        document = await phone.ring()
        mortal.left = 1  # the ticket is spent, and the process silent from then on
        await phone.connect(document)
        await until(lambda: mortal.dead)
        thief = Phone(other, Telnyx.example)
        await thief.connect(document)
        if runs:
            assert await thief.until_closed() == 1008
            assert await other.count("bridge_protocol_errors_total", carrier="telnyx", kind="ticket_spent") == 1
        else:
            await thief.until_ms(20 * len(GREETING))
            await thief.hang_up()
        await phone.hang_up()


@pytest.mark.parametrize(("silent_s", "said"), [(0.5, "two three four"), (20.0, "three four")])
async def test_what_a_process_that_was_stopped_had_sent_already_was_heard_on_its_open_stream(
    silent_s: float, said: str, another: OpenAnother, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with mortal_and_another(another) as (_, _, other):
        process = other.gateway.process
        words = tuple(Word(word, 200 * n, 200 * n + 180) for n, word in enumerate("one two three four".split()))
        rest = UnheardRest("one two three four", words=words)
        state = CallState(VERSION, "", 5.0, BotState(rest=(rest,)), CallerState())
        await process.kept_calls.keep("CA1", KeptCall(encode(state), process=ended(), written_at=1000.0))
        await process.store.put(f"alive:{ended()}", msgspec.msgpack.encode(1000.2), 60.0)
        monkeypatch.setattr(process.keeper, "_clock", lambda: 1000.2 + silent_s)
        _, found, _ = await kept_call(process, CallInfo(call_id="CA1", from_number="", to_number=""), "CA1", 0.2)
        assert found is not None
        assert [one.text for one in found.bot.rest] == [said]


async def test_late_news_of_a_process_that_died_takes_no_call_from_who_has_it_now(
    another: OpenAnother,
) -> None:
    async with mortal_and_another(another) as (one, _mortal, other):
        phone = Phone(other, Telnyx.example)
        await phone.call()
        await keyed(phone)
        name = BEGUN + call_key(Telnyx.example.carrier, Telnyx.example.call_id)
        other.gateway._begun(name, one.gateway.process.keeper.process.encode())
        for key in "24":
            await phone.press(key)
        await phone.until_ms(20 * (len(GREETING) + len("digits 5124")))
        await phone.hang_up()


async def test_a_process_that_drains_leaves_new_callers_to_those_that_share_its_port(tmp_path: Path) -> None:
    stores = [SqliteStore(tmp_path / "store") for _ in range(2)]
    for store in stores:
        await store.start()
    async with (
        running(store=stores[0], shared_port=0) as one,
        running(store=stores[1], shared_port=one.gateway.port) as other,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True)) as http,
    ):
        await until(lambda: bool(one.gateway.process.neighbours.serving and other.gateway.process.neighbours.serving))
        await one.gateway.drain()
        carrier = Carrier(other.gateway, other.doubles, http)
        for number in range(16):
            document = await carrier.document("/twilio/voice", {**RINGING, "CallSid": f"CA{number:032x}"})
            assert document.find(".//Stream") is not None, "told busy"
    for store in stores:
        await store.close()
