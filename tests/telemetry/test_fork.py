"""Calls told to servers elsewhere: what the server reads, and what becomes of it when it is away, slow or rude."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import WSCloseCode, web
from hypothesis import given
from hypothesis import strategies as st

from bridge.carriers.base import CallerAudio, StreamStarted, StreamStopped
from bridge.carriers.one_way import FRAME, ForkedFacts, OneWayStream, Tracks
from bridge.carriers.twilio.messages import TwilioStream
from bridge.errors import ConfigError
from bridge.gateway.observers import CallObservers
from bridge.http import HttpClient
from bridge.telemetry import fork as forking
from bridge.telemetry.fork import MediaFork
from bridge.telemetry.metrics import Metrics
from bridge.telemetry.settings import ForkSettings
from tests.gateway.carrier import ACCOUNT, CALL, CALLED, CALLER, PATIENCE_S, running
from tests.gateway.doubles import FRAME as TONE
from tests.store.contract import until

FACTS = ForkedFacts("CA1", "AC1", {"from": "+15005550006"})
Behaviour = Callable[["Server", web.WebSocketResponse], Awaitable[None]]


def sounds(messages: list[dict[str, Any]], track: str) -> bytes:
    return b"".join(
        base64.b64decode(one["media"]["payload"])
        for one in messages
        if one["event"] == "media" and one["media"]["track"] == track
    )


def told(messages: list[str]) -> list[dict[str, Any]]:
    return [json.loads(one) for one in messages]


# The wire


@given(st.binary(min_size=1, max_size=4000), st.lists(st.integers(1, 900), max_size=8), st.integers(0, 5000))
def test_however_the_sound_is_cut_the_server_hears_the_same(sound: bytes, cuts: list[int], place: int) -> None:
    stream = OneWayStream(FACTS, "MZ1", "both")
    messages, at = stream.start(), 0
    for size in [*cuts, len(sound)]:
        piece = sound[at : at + size]
        messages += stream.sound(place + at, piece, piece[::-1])
        at += len(piece)
    read = told(messages + stream.stop())
    assert sounds(read, "inbound").rstrip(b"\xff") == sound.rstrip(b"\xff")
    assert len(sounds(read, "inbound")) == len(sounds(read, "outbound")) == -(-len(sound) // FRAME) * FRAME
    media = [one["media"] for one in read if one["event"] == "media"]
    assert [int(one["timestamp"]) for one in media if one["track"] == "inbound"] == [
        (place + first) * 1000 // 8000 for first in range(0, len(sound), FRAME)
    ]
    for track in ("inbound", "outbound"):
        chunks = [int(one["chunk"]) for one in media if one["track"] == track]
        assert chunks == list(range(1, len(chunks) + 1))
    numbers = [int(one["sequenceNumber"]) for one in read if "sequenceNumber" in one]
    assert numbers == list(range(1, len(numbers) + 1))


def test_sound_that_was_lost_is_a_gap_in_the_time_stamps() -> None:
    stream = OneWayStream(FACTS, "MZ1", "caller")
    messages = stream.sound(0, b"a" * 200, b"b" * 200) + stream.sound(8000, b"c" * 160, b"d" * 160)
    media = [one["media"] for one in told(messages)]
    assert [(one["timestamp"], base64.b64decode(one["payload"])) for one in media] == [
        ("0", b"a" * 160),
        ("20", b"a" * 40 + b"\xff" * 120),
        ("1000", b"c" * 160),
    ]


def test_a_reader_of_twilios_streams_understands_every_message() -> None:
    stream = OneWayStream(FACTS, "MZ1", "caller")
    reader = TwilioStream()
    messages = [*stream.start(), *stream.sound(0, b"a" * 400, b"b" * 400), *stream.stop()]
    events = [event for event in map(reader.read_text, (one.encode() for one in messages)) if event is not None]
    started = next(one for one in events if isinstance(one, StreamStarted))
    assert (started.call_id, started.account_id, started.stream_id) == ("CA1", "AC1", "MZ1")
    assert started.parameters == {"from": "+15005550006"}
    assert b"".join(one.audio for one in events if isinstance(one, CallerAudio)).rstrip(b"\xff") == b"a" * 400
    assert isinstance(events[-1], StreamStopped)
    assert reader.odd_fields == 0


# Servers


async def listens(server: Server, socket: web.WebSocketResponse) -> None:
    """A server that does what it should."""
    async for message in socket:
        server.streams[-1].append(json.loads(message.data))


@dataclass
class Server:
    behaves: Behaviour = listens
    streams: list[list[dict[str, Any]]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    closed: int = 0
    url: str = ""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.headers.append(dict(request.headers))
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self.streams.append([])
        await self.behaves(self, socket)
        self.closed += 1
        return socket


@asynccontextmanager
async def serving(behaves: Behaviour = listens, port: int = 0) -> AsyncIterator[Server]:
    server = Server(behaves)
    app = web.Application()
    app.router.add_get("/calls", server.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.2)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    server.url = f"ws://127.0.0.1:{runner.addresses[0][1]}/calls"
    try:
        yield server
    finally:
        await runner.cleanup()


@asynccontextmanager
async def forked(url: str, tracks: Tracks = "both", **environ: str) -> AsyncIterator[MediaFork]:
    settings = ForkSettings(url=url, token_env="FORK_TOKEN", tracks=tracks)
    fork = MediaFork(settings, environ, Metrics(), HttpClient(environ={}), chance=lambda: 0.01)
    try:
        yield fork
    finally:
        await fork.close()


def count(fork: MediaFork, name: str) -> float:
    lines = fork.metrics.page().decode().splitlines()
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(name))


async def test_a_call_is_told_from_its_start_to_its_end() -> None:
    async with serving() as server, forked(server.url, FORK_TOKEN="a-token") as fork:
        call = fork.open_call(FACTS)
        for number in range(5):
            call.sound(number * 1600, b"a" * 1600, b"b" * 1600)
        call.ended()
        await until(lambda: server.closed == 1)
        (stream,) = server.streams
        assert [one["event"] for one in stream[:2]] == ["connected", "start"]
        assert stream[1]["start"]["tracks"] == ["inbound", "outbound"]
        assert (sounds(stream, "inbound"), sounds(stream, "outbound")) == (b"a" * 8000, b"b" * 8000)
        assert stream[-1]["event"] == "stop"
        assert server.headers[0]["Authorization"] == "Bearer a-token"
        assert count(fork, "bridge_fork_failures_total") == count(fork, "bridge_fork_lost_seconds_total") == 0


@pytest.mark.parametrize(("tracks", "names"), [("caller", {"inbound"}), ("ours", {"outbound"})])
async def test_a_server_may_want_one_side_alone(tracks: Tracks, names: set[str]) -> None:
    async with serving() as server, forked(server.url, tracks) as fork:
        call = fork.open_call(FACTS)
        call.sound(0, b"a" * 1600, b"b" * 1600)
        call.ended()
        await until(lambda: server.closed == 1)
        assert {one["media"]["track"] for one in server.streams[0] if one["event"] == "media"} == names
        assert "Authorization" not in server.headers[0]


async def test_a_server_that_comes_late_hears_what_has_waited_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forking, "_MOST_WAITING", 3200)
    async with serving() as gone:
        url = gone.url
    async with forked(url) as fork:
        call = fork.open_call(FACTS)
        for number in range(10):
            call.sound(number * 1600, bytes([number]) * 1600, bytes([number]) * 1600)
        await until(lambda: count(fork, "bridge_fork_failures_total") > 1)
        async with serving(port=int(url.rpartition(":")[2].partition("/")[0])) as server:
            await until(lambda: bool(server.streams) and len(sounds(server.streams[0], "inbound")) == 3200)
            first = next(one["media"] for one in server.streams[0] if one["event"] == "media")
            assert (first["timestamp"], base64.b64decode(first["payload"])) == ("1600", b"\x08" * 160)
            call.ended()
            await until(lambda: server.closed == 1)
        assert count(fork, "bridge_fork_lost_seconds_total") == pytest.approx(1.6)


async def test_a_server_that_does_not_read_loses_the_oldest_sound_and_holds_up_nobody() -> None:
    release = asyncio.Event()

    async def stares(server: Server, socket: web.WebSocketResponse) -> None:
        await release.wait()

    async with serving(stares) as server, forked(server.url) as fork:
        call = fork.open_call(FACTS)
        await until(lambda: bool(server.streams))
        for number in range(6000):  # twenty minutes
            call.sound(number * 1600, b"a" * 1600, b"b" * 1600)
            if number % 50 == 0:
                await asyncio.sleep(0)
        assert call._samples <= forking._MOST_WAITING
        assert count(fork, "bridge_fork_lost_seconds_total") > 60
        call.ended()
        release.set()


@pytest.mark.parametrize(
    ("code", "again"),
    [
        (WSCloseCode.OK, False),
        (WSCloseCode.POLICY_VIOLATION, False),
        (WSCloseCode.INTERNAL_ERROR, True),
        (WSCloseCode.GOING_AWAY, True),
    ],
)
async def test_a_socket_that_breaks_off_is_opened_again_and_one_that_was_closed_is_not(
    code: WSCloseCode, again: bool
) -> None:
    async def closes(server: Server, socket: web.WebSocketResponse) -> None:
        if len(server.streams) > 1:
            await listens(server, socket)
            return
        await socket.receive()
        await socket.close(code=code)

    async with serving(closes) as server, forked(server.url) as fork:
        call = fork.open_call(FACTS)
        call.sound(0, b"a" * 1600, b"b" * 1600)
        await until(lambda: server.closed == 1)
        if again:
            await until(lambda: len(server.streams) == 2)
            call.sound(1600, b"c" * 1600, b"d" * 1600)
            call.ended()
            await until(lambda: server.closed == 2)
            assert b"c" * 1600 in sounds(server.streams[1], "inbound")
        else:
            await until(lambda: not fork._calls)
            assert len(server.streams) == 1
        assert count(fork, "bridge_fork_failures_total") == (1 if again else 0)


async def test_a_server_that_talks_is_not_listened_to() -> None:
    async def talks(server: Server, socket: web.WebSocketResponse) -> None:
        for number in range(500):
            await socket.send_str(f"nonsense {number}" * 50)
        await socket.send_bytes(b"\x00" * 1000)
        await listens(server, socket)

    async with serving(talks) as server, forked(server.url) as fork:
        call = fork.open_call(FACTS)
        call.sound(0, b"a" * 1600, b"b" * 1600)
        call.ended()
        await until(lambda: server.closed == 1)
        assert sounds(server.streams[0], "inbound") == b"a" * 1600


async def test_a_whole_call_over_the_wire_is_told_while_it_goes_on() -> None:
    async with serving() as server, forked(server.url) as fork:
        async with running(observers=CallObservers(forks=(fork,))) as carrier:
            leg = await carrier.call()
            await leg.until_audio(len(TONE) * len("hello"))

            async def talk() -> None:
                while True:
                    await leg.media(b"\x11" * 160)
                    await asyncio.sleep(0.02)

            talking = asyncio.create_task(talk())
            await until(lambda: bool(server.streams) and b"\x11" * 160 in sounds(server.streams[0], "inbound"))
            await until(lambda: TONE[:1] * 100 in sounds(server.streams[0], "outbound"))
            assert server.closed == 0, "while the call goes on"
            talking.cancel()
            await leg.press("9")
            async with asyncio.timeout(PATIENCE_S):
                await leg.until_closed()
        await until(lambda: server.closed == 1)
        start = server.streams[0][1]["start"]
        assert (start["callSid"], start["accountSid"]) == (CALL, ACCOUNT)
        about = start["customParameters"]
        assert (about["carrier"], about["from"], about["to"]) == ("twilio", CALLER, CALLED)
        assert "ticket" not in about
        assert server.streams[0][-1]["event"] == "stop"


async def test_a_server_that_is_away_costs_the_call_nothing() -> None:
    async with serving() as gone:
        url = gone.url
    async with forked(url) as fork, running(observers=CallObservers(forks=(fork,))) as carrier:
        leg = await carrier.call()
        await leg.until_audio(len(TONE) * len("hello"))
        await leg.press("9")
        assert await leg.until_closed() == 1000
        await carrier.until_calls(0)


# Settings


@pytest.mark.parametrize("url", ["https://example.com", "example.com", "wss://", "", "wss://host:99999", "wss://[::1"])
def test_an_address_that_is_no_socket_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="expected an address such as wss://"):
        ForkSettings(url=url)


async def test_a_token_that_cannot_be_sent_is_refused() -> None:
    settings = ForkSettings(url="wss://example.com", token_env="FORK_TOKEN")
    with pytest.raises(ConfigError, match="FORK_TOKEN"):
        MediaFork(settings, {"FORK_TOKEN": "a\nb"}, Metrics(), HttpClient(environ={}))
