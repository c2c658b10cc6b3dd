"""Workers that come and go: found by a name or by a directory, spoken with at once, let go of when they are no more."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable

import pytest
from aiohttp import web

from bridge.call.commands import PullSpeech, Synthesise
from bridge.call.events import SpeechEnded
from bridge.errors import VoiceError
from bridge.http import HttpClient
from bridge.speaking.settings import SpeakingSettings, VoiceRoute, WorkerProviderSettings
from bridge.speaking.speech import SpeechService
from bridge.speaking.voices.addresses import check_address, stands_for_many
from bridge.speaking.voices.fleet import Fleet, find
from bridge.speaking.voices.pool import ProviderPool, Route
from bridge.speaking.voices.worker import WorkerProvider
from tests.speaking.doubles import Ear, FakeWorker, heard


class Directory:
    """Names workers over HTTP, as the directory of a Ray Serve fleet does."""

    def __init__(self) -> None:
        self.named: list[str] = []
        self.status = 200
        self.body: bytes | None = None
        self.asked_with: list[str] = []
        self.address = ""

    async def answer(self, request: web.Request) -> web.Response:
        self.asked_with.append(request.headers.get("Authorization", ""))
        body = json.dumps({"workers": self.named, "newer": 1}).encode() if self.body is None else self.body
        return web.Response(status=self.status, body=body, headers={"Location": "http://127.0.0.1:1/"})


@pytest.fixture
async def directory() -> AsyncIterator[Directory]:
    directory = Directory()
    app = web.Application()
    app.router.add_get("/workers", directory.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    directory.address = f"ray+http://127.0.0.1:{runner.addresses[0][1]}/workers"
    yield directory
    await runner.cleanup()


@pytest.fixture
async def pool() -> AsyncIterator[ProviderPool]:
    pool = ProviderPool({"worker": []})
    await pool.start({})
    yield pool
    await pool.close()


def fleet_of(address: str, token: str = "") -> Fleet:
    return Fleet(address, lambda one: WorkerProvider(one), token, HttpClient)


async def until(true: Callable[[], bool], pool: ProviderPool) -> None:
    changed = asyncio.Event()
    pool.wait(changed, changed.set)
    async with asyncio.timeout(60):
        while not true():
            changed.clear()
            await changed.wait()
    pool.leave(changed)


async def test_a_worker_that_comes_is_spoken_with_and_one_that_goes_is_not(
    directory: Directory, pool: ProviderPool, fake: FakeWorker, other: FakeWorker
) -> None:
    fleet = fleet_of(directory.address)
    directory.named = [fake.address]
    await fleet.look("worker", pool)
    await until(lambda: pool.usable, pool)
    assert [one.name for one in pool.providers] == [fake.address]

    directory.named = [fake.address, other.address]
    await fleet.look("worker", pool)
    await until(lambda: all(one.usable for one in pool.providers), pool)
    assert [one.name for one in pool.providers] == [fake.address, other.address]

    await fake.stop()
    directory.named = [other.address]
    await until(lambda: not pool.providers[0].usable, pool)
    await fleet.look("worker", pool)
    assert [one.name for one in pool.providers] == [other.address]
    found = pool.choose(Route("worker", "heart"), ())
    assert found is not None
    assert found.name == other.address


async def test_whoever_still_serves_stays_though_nobody_names_it(
    directory: Directory, pool: ProviderPool, fake: FakeWorker
) -> None:
    fleet = fleet_of(directory.address)
    directory.named = [fake.address]
    await fleet.look("worker", pool)
    await until(lambda: pool.usable, pool)
    directory.named = []
    await fleet.look("worker", pool)
    assert [one.name for one in pool.providers] == [fake.address]


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (503, b"not yet"),
        (302, b""),
        (200, b"<html>"),
        (200, b"{}"),
        (200, b'{"workers": "ws://127.0.0.1:1"}'),
        (200, b'{"workers": ["unix:/run/docker.sock"]}'),
        (200, b'{"workers": ["ray+http://127.0.0.1:1/workers"]}'),
        (200, b'{"workers": ["ws://"]}'),
        (200, b'{"workers": ["ws://h:99999"]}'),
        (200, b'{"workers": [' + b'"ws://127.0.0.1:1",' * 100_000 + b'"ws://127.0.0.1:1"]}'),
    ],
    ids=["not yet", "moved", "no JSON", "no list", "text", "a file", "another fleet", "no host", "no port", "endless"],
)
async def test_a_directory_in_trouble_takes_nobodys_voice(
    directory: Directory, pool: ProviderPool, fake: FakeWorker, status: int, body: bytes
) -> None:
    fleet = fleet_of(directory.address)
    directory.named = [fake.address]
    await fleet.look("worker", pool)
    directory.status, directory.body = status, body
    with pytest.raises(VoiceError, match="workers"):
        await find(directory.address)
    await fleet.look("worker", pool)
    assert [one.name for one in pool.providers] == [fake.address]


async def test_the_directory_is_shown_the_token(directory: Directory) -> None:
    assert await find(directory.address, "secret") == []
    assert await find(directory.address) == []
    assert directory.asked_with == ["Bearer secret", ""]


async def test_a_name_stands_for_all_whom_it_leads_to() -> None:
    assert await find("dns+ws://127.0.0.1:8090") == ["ws://127.0.0.1:8090"]
    assert await find("dns+wss://[::1]:8090") == ["wss://[::1]:8090"]
    assert "ws://127.0.0.1:8090" in await find("dns+ws://localhost:8090")


@pytest.mark.parametrize("name", ["nobody.invalid", "a" * 70, "no..body"])
async def test_a_name_that_leads_nowhere_is_no_empty_fleet(name: str) -> None:
    with pytest.raises(VoiceError, match=re.escape(name)):
        await find(f"dns+ws://{name}:8090")


@pytest.mark.parametrize("kind", ["workers", "providers"])
async def test_a_caller_hears_a_worker_that_was_found(directory: Directory, fake: FakeWorker, kind: str) -> None:
    directory.named = [fake.address]
    settings = SpeakingSettings(workers=(directory.address,))
    if kind == "providers":
        found = WorkerProviderSettings(addresses=(directory.address,))
        routes = (VoiceRoute(provider="fleet"),)
        settings = SpeakingSettings(
            workers=("ws://127.0.0.1:9",), providers={"fleet": found}, voices={"anna": routes}, voice="anna"
        )
    service = SpeechService(settings, environ={})
    await service.start()
    try:
        ear = Ear()
        call = service.open_call(ear.deliver)
        call.synthesise(Synthesise(1, "one two three", True))
        call.pull(PullSpeech(1, 60_000, 0))
        assert isinstance(await ear.end(), SpeechEnded)
        assert heard(ear.audio()) == ["one", "two", "three"]
    finally:
        await service.close()


@pytest.mark.parametrize(
    ("address", "mistake"),
    [
        ("127.0.0.1:8090", "no address of speech workers"),
        ("ftp://host:1", "no address of speech workers"),
        ("unix:", "no address of speech workers"),
        ("ws://", "no address of speech workers"),
        ("ray+http://", "no address of speech workers"),
        ("dns+ws://name", "names no port"),
        ("ws://host:port", "no address of speech workers"),
    ],
)
def test_an_address_at_which_nobody_can_be_is_refused(address: str, mistake: str) -> None:
    with pytest.raises(ValueError, match=mistake):
        check_address(address)
    with pytest.raises(ValueError, match=mistake):
        SpeakingSettings(workers=(address,))


@pytest.mark.parametrize(
    ("address", "many"),
    [("ws://h:1", False), ("unix:/w.sock", False), ("dns+ws://h:1", True), ("ray+https://h/workers", True)],
)
def test_some_addresses_stand_for_many(address: str, many: bool) -> None:
    check_address(address)
    assert stands_for_many(address) is many
