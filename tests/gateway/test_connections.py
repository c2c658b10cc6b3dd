"""Connections that want nothing, want it slowly, or bring what nobody asked for: each ends in time and is counted."""

from __future__ import annotations

import asyncio
import zlib
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlencode

import aiohttp
import msgspec
import pytest
from aiohttp import web

from bridge.gateway.admission import Admission, LoopLag
from bridge.gateway.server import Gateway
from bridge.gateway.settings import GatewaySettings, MetricsSettings
from bridge.session.profiles import CallProfiles
from bridge.store.memory import MemoryStore
from bridge.system import turns
from bridge.system.connections import raise_descriptor_limit
from bridge.system.settings import ConnectionSettings
from bridge.system.turns import MOST_PER_TURN
from tests.gateway.carrier import CALL_SETTINGS, PUBLIC, RINGING, SETTINGS, running, sign
from tests.gateway.doubles import ServiceDoubles

SOON_S = 0.05
LATER_S = 600.0
PATIENCE_S = 60.0


@asynccontextmanager
async def gateway(settings: GatewaySettings = SETTINGS, **connections: float) -> AsyncIterator[Gateway]:
    limits = msgspec.convert(
        {"head_s": LATER_S, "body_s": LATER_S, "idle_s": LATER_S} | connections, ConnectionSettings
    )
    one = Gateway(
        msgspec.structs.replace(settings, connections=limits),
        CallProfiles.for_all(CALL_SETTINGS, ServiceDoubles().services),
        [],
    )
    await one.start("127.0.0.1", 0)
    one.open_doors()
    try:
        yield one
    finally:
        await one.stop()


async def connect(one: Gateway, sent: bytes = b"") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", one.port)
    writer.write(sent)
    await writer.drain()
    return reader, writer


async def rest(reader: asyncio.StreamReader) -> bytes:
    """What still comes until the other end closes."""
    async with asyncio.timeout(PATIENCE_S):
        try:
            return await reader.read()
        except ConnectionError:
            return b""


def refused(one: Gateway, why: str) -> float:
    return number(one, f'bridge_connections_refused_total{{why="{why}"}}')


def number(one: Gateway, name: str) -> float:
    """One from the metrics page."""
    wanted = f"{name} "
    lines = one.metrics.page().decode().splitlines()
    return next((float(line.removeprefix(wanted)) for line in lines if line.startswith(wanted)), 0.0)


@pytest.mark.parametrize("sent", [b"", b"GET /healthz HTTP/1.1\r\nHost: x\r\n", b"\x00", b"GET"])
async def test_a_connection_that_never_says_what_it_wants_is_closed(sent: bytes) -> None:
    async with gateway(head_s=SOON_S) as one:
        reader, writer = await connect(one, sent)
        await rest(reader)
        writer.close()
        if sent != b"\x00":  # that is no HTTP, and is answered so at once
            assert refused(one, "slow_head") == 1


@pytest.mark.parametrize("path", ["/healthz", "/nowhere", "/v1/audio/speech"])
async def test_a_body_that_never_comes_ends_its_connection(path: str) -> None:
    async with gateway(body_s=SOON_S, linger_s=LATER_S) as one:
        head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nslow"
        reader, writer = await connect(one, head.encode())
        await rest(reader)
        writer.close()
        assert refused(one, "slow_body") == 1


async def test_a_connection_that_asks_and_then_waits_is_closed_when_idle_for_long() -> None:
    async with gateway(idle_s=SOON_S) as one:
        reader, writer = await connect(one, b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await rest(reader)).startswith(b"HTTP/1.1 200")
        writer.close()


async def ask(open_one: tuple[asyncio.StreamReader, asyncio.StreamWriter]) -> bytes:
    """Ask once, and leave the connection open; the head of the answer."""
    reader, writer = open_one
    writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
    async with asyncio.timeout(PATIENCE_S):
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(line for line in head.lower().splitlines() if line.startswith(b"content-length:"))
        await reader.readexactly(int(length.split(b":")[1]))
    return head


async def test_an_address_that_asks_once_on_many_connections_leaves_room_for_others() -> None:
    async with gateway(most=8, most_idle_per_address=3) as one:
        kept = [await connect(one) for _ in range(3)]
        for each in kept:
            assert b"200 OK" in await ask(each)
        for _ in range(10):  # each is answered, and not kept
            more = await connect(one)
            assert b"Connection: close" in await ask(more)
            assert await rest(more[0]) == b""
            more[1].close()
        assert refused(one, "too_many_idle") == 10
        first, second, third = kept
        first[1].close()
        second[1].close()
        async with asyncio.timeout(PATIENCE_S):
            while number(one, "bridge_connections") > 1:
                await asyncio.sleep(0.001)
        for each in (third, await connect(one), await connect(one)):
            for _ in range(2):  # those that are kept can ask again
                assert b"200 OK" in await ask(each)
            each[1].close()
        assert refused(one, "too_many_idle") == 10


async def test_silent_connections_of_one_address_have_a_ceiling_and_leave_room_for_those_who_speak() -> None:
    async with gateway(most_silent_per_address=3) as one:
        silent = [await connect(one) for _ in range(3)]
        reader, turned_away = await connect(one)
        assert await rest(reader) == b""
        assert refused(one, "too_many_of_address") == 1
        silent[0][1].write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await silent[0][0].readline()).startswith(b"HTTP/1.1 200")
        async with aiohttp.ClientSession() as http, http.get(f"http://127.0.0.1:{one.port}/healthz") as answer:
            assert answer.status == 200
        for _, writer in [*silent, (reader, turned_away)]:
            writer.close()


async def test_what_many_connections_ask_at_once_is_answered_a_few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    turn, answered_in = 0, Counter[int]()

    async def health(self: Gateway, request: web.Request) -> web.Response:
        answered_in[turn] += 1
        return web.Response()

    async def count_turns() -> None:
        nonlocal turn
        while True:
            await asyncio.sleep(0)
            turn += 1

    monkeypatch.setattr(Gateway, "_health", health)
    monkeypatch.setattr(turns, "PER_S", 0.0)  # however long a turn takes here
    async with gateway() as one:
        silent = [await connect(one) for _ in range(150)]
        counting = asyncio.create_task(count_turns())
        for _, writer in silent:
            writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        at_once = [asyncio.create_task(connect(one, b"GET /healthz HTTP/1.0\r\n\r\n")) for _ in range(50)]
        for reader, writer in [*silent, *await asyncio.gather(*at_once)]:
            assert b" 200 OK" in (await rest(reader)).partition(b"\r\n")[0]
            writer.close()
        counting.cancel()
    assert answered_in.total() == 200
    assert max(answered_in.values()) <= MOST_PER_TURN


async def test_trusted_proxies_may_hold_more() -> None:
    settings = msgspec.structs.replace(SETTINGS, trusted_proxies=("127.0.0.0/8",))
    async with gateway(settings, most_silent_per_address=1) as one:
        held = [await connect(one) for _ in range(4)]
        held[-1][1].write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await held[-1][0].readline()).startswith(b"HTTP/1.1 200")
        for _, writer in held:
            writer.close()


async def test_all_connections_together_have_a_ceiling() -> None:
    async with gateway(most=2) as one:
        held = [await connect(one, b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n") for _ in range(2)]
        for reader, _ in held:
            await reader.readline()
        reader, turned_away = await connect(one)
        assert await rest(reader) == b""
        assert refused(one, "too_many") == 1
        held[0][1].close()
        async with asyncio.timeout(PATIENCE_S):
            while b"bridge_connections 1.0" not in one.metrics.page():
                await asyncio.sleep(0)
        for _, writer in [*held, (reader, turned_away)]:
            writer.close()


BOMB = zlib.compress(b"a" * 10_000_000)


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd", "GZIP", "gzip, deflate"])
@pytest.mark.parametrize("path", ["/healthz", "/nowhere", "/v1/audio/speech"])
async def test_nothing_that_nobody_asked_for_is_inflated(path: str, coding: str) -> None:
    async with gateway() as one, aiohttp.ClientSession() as http:
        headers = {"Content-Encoding": coding}
        async with http.post(f"http://127.0.0.1:{one.port}{path}", data=BOMB, headers=headers) as answer:
            assert answer.status == 415


def test_descriptors_are_raised_to_what_the_system_allows() -> None:
    import resource

    assert raise_descriptor_limit() == resource.getrlimit(resource.RLIMIT_NOFILE)[1]


# ---- who may read the metrics ---------------------------------------------------------------------------------


async def page(one: Gateway, port: int, **headers: str) -> tuple[int, bytes]:
    async with aiohttp.ClientSession() as http, http.get(f"http://127.0.0.1:{port}/metrics", headers=headers) as answer:
        return answer.status, await answer.read()


async def test_call_volumes_are_nobodys_business() -> None:
    async with gateway() as one:
        assert (await page(one, one.port))[0] == 404


async def test_who_brings_the_token_reads_the_metrics(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BRIDGE_METRICS_TOKEN", "secret")
    async with gateway() as one:
        assert (await page(one, one.port))[0] == 401
        assert (await page(one, one.port, Authorization="Bearer wrong"))[0] == 401
        status, text = await page(one, one.port, Authorization="Bearer secret")
        assert (status, b"bridge_ready 1.0" in text) == (200, True)


async def test_a_port_of_their_own_answers_on_this_machine(unused_tcp_port: int) -> None:
    settings = msgspec.structs.replace(SETTINGS, metrics=MetricsSettings(port=unused_tcp_port))
    async with gateway(settings) as one:
        assert (await page(one, unused_tcp_port))[0] == 200
        assert (await page(one, one.port))[0] == 404


ON_ITS_OWN_PORT = {
    "nothing": (b"", "slow_head", b""),
    "a head without end": (b"GET /metrics HTTP/1.1\r\nHost: x\r\n", "slow_head", b""),
    "a body that never comes": (
        b"POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nx", "slow_body", b"HTTP/1.1 405",
    ),
    "a compressed body": (
        b"POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Encoding: gzip\r\nContent-Length: 1\r\n\r\nx",
        "",
        b"HTTP/1.1 415",
    ),
    "many thousand lines": (b"GET /metrics HTTP/1.1\r\n" + b"a:b\r\n" * 9000, "unreadable", b""),
}  # fmt: skip


@pytest.mark.parametrize(("sent", "why", "answer"), ON_ITS_OWN_PORT.values(), ids=ON_ITS_OWN_PORT)
async def test_the_port_of_the_metrics_has_the_deadlines_of_the_public_one(
    sent: bytes, why: str, answer: bytes, unused_tcp_port: int
) -> None:
    settings = msgspec.structs.replace(SETTINGS, metrics=MetricsSettings(port=unused_tcp_port))
    async with gateway(settings, head_s=SOON_S, body_s=SOON_S, linger_s=LATER_S) as one:
        reader, writer = await asyncio.open_connection("127.0.0.1", unused_tcp_port)
        writer.write(sent)
        said = await rest(reader)
        writer.close()
        assert said.startswith(answer)
        assert bool(said) is bool(answer)
        assert not why or refused(one, why) == 1


async def test_the_port_of_the_metrics_has_the_ceilings_of_the_public_one(unused_tcp_port: int) -> None:
    settings = msgspec.structs.replace(SETTINGS, metrics=MetricsSettings(port=unused_tcp_port))
    async with gateway(settings, most_silent_per_address=1, most_idle_per_address=1) as one:
        _, silent = await asyncio.open_connection("127.0.0.1", unused_tcp_port)
        reader, writer = await asyncio.open_connection("127.0.0.1", unused_tcp_port)
        assert await rest(reader) == b""
        assert refused(one, "too_many_of_address") == 1
        silent.write(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")  # kept open
        async with asyncio.timeout(PATIENCE_S):
            while not one._metrics_page.limits.idle:
                await asyncio.sleep(0)
        third, more = await asyncio.open_connection("127.0.0.1", unused_tcp_port)
        more.write(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"Connection: close" in await rest(third)
        assert refused(one, "too_many_idle") == 1
        for each in (silent, writer, more):
            each.close()
        assert (await page(one, one.port))[0] == 404


async def test_a_page_is_written_once_a_second_however_often_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BRIDGE_METRICS_TOKEN", "secret")
    async with gateway() as one:
        written: list[bytes] = []
        whole = one.metrics.page

        def write() -> bytes:
            written.append(whole())
            return written[-1]

        monkeypatch.setattr(one.metrics, "page", write)
        await asyncio.gather(*(page(one, one.port, Authorization="Bearer secret") for _ in range(20)))
        assert 1 <= len(written) <= 3


# ---- who may have how many lines ------------------------------------------------------------------------------


def admission(**limits: int) -> Admission:
    from bridge.gateway.admission import CallLimits

    door = Admission(max_calls=10, max_loop_lag_ms=1000, lag=LoopLag(), limits=CallLimits(**limits))
    door.started = True
    return door


def test_one_number_cannot_hold_all_lines() -> None:
    door = admission(per_number=2)
    assert [door.ask(f"call{i}", number="+15550100") for i in range(3)] == ["admitted", "admitted", "number"]
    assert door.ask("other", number="+15550101") == "admitted"
    assert door.ask("call0", number="+15550100") == "admitted", "a repeated webhook keeps its place"
    door.begin("call0")
    assert door.ask("call3", number="+15550100") == "number"
    door.end("call0")
    assert door.ask("call3", number="+15550100") == "admitted"


@pytest.mark.parametrize(
    ("max_calls", "written", "of_a_number"),
    [(200, None, 20), (1000, None, 20), (20, None, 10), (5, None, 2), (2, None, 1), (1, None, 1), (20, 20, 20)],
)
def test_one_number_cannot_hold_all_lines_of_a_small_service_unless_that_is_written(
    max_calls: int, written: int | None, of_a_number: int
) -> None:
    settings = GatewaySettings(max_calls=max_calls, max_calls_per_number=written)
    assert settings.calls_of_a_number == of_a_number


def test_withheld_numbers_are_many_people() -> None:
    door = admission(per_number=1)
    assert [door.ask(f"call{i}") for i in range(3)] == ["admitted"] * 3


def test_one_account_cannot_hold_all_lines() -> None:
    door = admission(per_account=1)
    assert [door.ask(f"call{i}", number=f"+1555010{i}", account="AC1") for i in range(2)] == ["admitted", "account"]
    assert door.ask("call2", account="AC2") == "admitted"


@pytest.mark.parametrize(("places", "of_one"), [(10, 8), (200, 160), (2, 1), (1, 1)])
def test_no_account_holds_all_lines_once_another_calls(places: int, of_one: int) -> None:
    from bridge.gateway.admission import CallLimits

    def admitted(limits: CallLimits, account: str) -> int:
        door = Admission(max_calls=places, max_loop_lag_ms=1000, lag=LoopLag(), limits=limits)
        door.started = True
        return [door.ask(f"{account}{i}", account=account) for i in range(places)].count("admitted")

    assert admitted(CallLimits(places=places), "AC1") == places, "it is the only one"
    shared = CallLimits(places=places)
    shared.add("another's", "", "AC2")
    shared.drop("another's")
    assert admitted(shared, "AC1") == of_one
    assert admitted(CallLimits(per_account=places, places=places), "AC1") == places


def test_a_place_is_free_at_once_when_the_call_came_to_another_process() -> None:
    door = admission()
    for i in range(10):
        door.ask(f"call{i}")
    assert door.ask("one more") == "full"
    door.came_elsewhere("call3")
    assert door.ask("one more") == "admitted"
    door.begin("call4")
    door.came_elsewhere("call4")
    assert door.calls == 1, "it came here"


async def test_processes_that_share_a_store_tell_each_other_where_calls_came() -> None:
    store = MemoryStore()
    first, second = (
        Gateway(SETTINGS, CallProfiles.for_all(CALL_SETTINGS, ServiceDoubles().services), [], store=store)
        for _ in range(2)
    )
    for one in (first, second):
        await one.start("127.0.0.1", 0)
        one.open_doors()
    first.process.admission.ask("twilio/CA1", number="+15550100")
    await store.put("begun:twilio/CA1", b"", 15.0)
    async with asyncio.timeout(PATIENCE_S):
        while "twilio/CA1" in first.process.admission._reserved:
            await asyncio.sleep(0)
    for one in (first, second):
        await one.stop()


BROKEN = {
    "fewer bytes than were announced": (b"Content-Length: 100\r\n\r\n{", True),
    "a chunk that ends in the middle": (b"Transfer-Encoding: chunked\r\n\r\n5\r\nab", True),
    "a chunk without a length": (b"Transfer-Encoding: chunked\r\n\r\nzz\r\nab\r\n", False),
    "two lengths": (b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab", False),
}


@pytest.mark.parametrize("path", ["/twilio/voice", "/v1/audio/speech", "/nowhere"])
@pytest.mark.parametrize(("sent", "breaks_off"), BROKEN.values(), ids=BROKEN)
async def test_a_body_that_is_broken_off_or_garbled_is_counted_and_leaves_no_traceback(
    path: str, sent: bytes, breaks_off: bool, caplog: pytest.LogCaptureFixture
) -> None:
    async with running() as carrier:
        one = carrier.gateway
        head = b"POST %s HTTP/1.1\r\nHost: x\r\nX-Twilio-Signature: x\r\nContent-Type: text/plain\r\n" % path.encode()
        reader, writer = await connect(one, head + sent)
        if breaks_off:
            async with asyncio.timeout(PATIENCE_S):
                while not one.process.metrics.connections._value.get():  # it has arrived
                    await asyncio.sleep(0)
            writer.transport.abort()
        else:
            assert b" 400 " in (await rest(reader)) or path != "/twilio/voice"
            writer.close()
        if path == "/twilio/voice":
            async with asyncio.timeout(PATIENCE_S):
                while refused(one, "broken_body") + refused(one, "unreadable") < 1:
                    await asyncio.sleep(0.005)
    assert [record.getMessage() for record in caplog.records if record.exc_info] == []


async def test_a_body_in_as_many_chunks_as_bytes_is_not_taken_apart() -> None:
    async with gateway() as one:
        head = b"POST /twilio/voice HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        reader, writer = await connect(one, head + b"1\r\na\r\n" * 20_000)
        await rest(reader)
        assert b'bridge_connections_refused_total{why="unreadable"} 1' in one.metrics.page()
        writer.close()


@pytest.mark.parametrize("length", [100, 5000])
async def test_a_signed_form_in_small_chunks_is_read_as_any_other(length: int) -> None:
    async with running() as carrier:
        fields = RINGING | {"Extra": "x" * 9000}
        body = urlencode(fields).encode()

        async def chunks() -> AsyncIterator[bytes]:
            for at in range(0, len(body), length):
                yield body[at : at + length]

        headers = {
            "X-Twilio-Signature": sign(PUBLIC + "/twilio/voice", fields),
            "Content-Type": "application/x-www-form-urlencoded",
        }
        async with carrier.http.post(carrier.base + "/twilio/voice", data=chunks(), headers=headers) as answer:
            assert answer.status == 200
            assert b"<Stream" in await answer.read()
