"""Fixtures that make a test read like a phone call: `call` in real time, `city` for many callers in virtual time.

    def test_books_an_appointment(call):
        heard = call("scenarios/appointment.yaml")
        assert heard.says("tuesday morning")
        assert heard.reply_latency_ms < 1500
        assert heard.hung_up_by == "server"

With `bridge_config` in the ini file (or `--bridge-config`) `bridge serve` is started with that file, and rung. Else
`--bridge-url` (or the ini setting `bridge_url`) names the voice webhook, TWILIO_AUTH_TOKEN holds the token (other
carriers, see `--bridge-carrier`, have secrets of their own: `bridge call --help` lists them), `--bridge-connect-to`
says where the server really is. `--bridge-report DIR` keeps the pages and recordings, a folder a test.
"""

from __future__ import annotations

import asyncio
import functools
import hashlib
import os
import re
import secrets
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
import pytest

from bridge.simulator import ear, report, scenario, virtual
from bridge.simulator.caller import says
from bridge.simulator.carriers import CARRIERS, carrier_named, carrier_of
from bridge.simulator.carriers.base import Carrier
from bridge.simulator.ear import Understand
from bridge.simulator.rest import RestApi
from bridge.simulator.result import CallResult, Turn
from bridge.simulator.runner import PlacedCall, check_for_foreign_audio, place_call
from bridge.simulator.scenario import Scenario
from bridge.simulator.served import served

T = TypeVar("T")

_PUBLIC_URL = "https://test.example.com"
"""The address that a carrier believes in of a service which was started for the tests."""

Serve = Callable[[], AbstractAsyncContextManager[tuple[str, str]]]
"""Starts a server; gives its voice webhook as the carrier knows it, and the origin where it really listens."""


class Heard:
    """A call that is over, as a test asks about it."""

    def __init__(self, placed: PlacedCall) -> None:
        self.placed = placed
        self.result: CallResult = placed.result

    def __repr__(self) -> str:
        lines = [f"{turn.start_ms / 1000:7.2f} s {turn.speaker:6} {turn.text}" for turn in self.result.turns]
        return "\n".join([f"<{self.result.name}, ended by {self.result.hung_up_by}>", *lines])

    @property
    def turns(self) -> list[Turn]:
        """Both sides' turns, as heard."""
        return self.result.turns

    @property
    def hung_up_by(self) -> str:
        """Who ended the call: `server`, `caller` or `carrier`."""
        return self.result.hung_up_by

    @property
    def transferred_to(self) -> str:
        """The number to which the caller was transferred, if they were."""
        return self.result.transferred_to

    @property
    def words(self) -> str:
        """Everything the bot was heard to say."""
        return self.result.heard()

    @property
    def reply_latency_ms(self) -> int:
        """The slowest answer. Fails the test when there was none."""
        if not self.result.reply_latencies_ms:
            pytest.fail(f"the bot never answered\n{self!r}")
        return max(self.result.reply_latencies_ms)

    @property
    def stop_ms(self) -> int:
        """The slowest stop of a bot that was talked over. Fails the test when it never stopped."""
        if not self.result.stops_ms:
            pytest.fail(f"the bot never stopped for the caller\n{self!r}")
        return max(self.result.stops_ms)

    def says(self, phrase: str) -> bool:
        """Whether the bot was heard to say this; `a|b` allows either."""
        return says(self.words, phrase)

    def check(self) -> Heard:
        """Fail the test unless every expectation of the scenario was met."""
        missed = [
            f"{one.what}: {one.heard} (expected: {one.expected})" for one in self.result.verdicts if not one.passed
        ]
        if missed:
            pytest.fail("\n".join([*missed, repr(self)]), pytrace=False)
        return self


class CallFixture:
    """The `call` fixture: ring the server in real time."""

    def __init__(self, number: Number, folder: Path, keep: Callable[[list[Heard]], None]) -> None:
        self._number = number
        self._folder = folder
        self._keep = keep

    def __call__(self, what: str | Path | Scenario, *, url: str = "", connect_to: str = "", carrier: str = "") -> Heard:
        """Place one call; `what` is a scenario, its file (relative to the test), or its YAML text.

        Waits for the call's end, in an `async` test too. A server that runs in the test's own event loop could not
        answer meanwhile: `await call.ring(...)` there.
        """
        return _anywhere(lambda: asyncio.run(self.ring(what, url=url, connect_to=connect_to, carrier=carrier)))

    async def ring(
        self, what: str | Path | Scenario, *, url: str = "", connect_to: str = "", carrier: str = ""
    ) -> Heard:
        """Ring the server as calling the fixture does, for tests that await."""
        number = self._number
        url = url or number.url
        if not url:
            pytest.fail("whom to call? give --bridge-url, the ini setting bridge_url, or url=", pytrace=False)
        carrier = carrier or number.carrier
        company = carrier_named(carrier) if carrier else carrier_of(url)
        placed = await place_call(
            url,
            _scenario(what, self._folder),
            auth_token=number.secret(company),
            carrier=company.name,
            connect_to=connect_to or number.connect_to,
            understand=_whisper(),
        )
        heard = Heard(placed)
        self._keep([heard])
        return heard


@dataclass(frozen=True, slots=True)
class Number:
    """What is rung where a test names nothing else."""

    url: str = ""
    connect_to: str = ""
    carrier: str = ""
    token: str = ""
    """What the carrier signs with; empty: what the environment says."""

    def secret(self, company: Carrier) -> str:
        """What the carrier signs with, from the environment."""
        if self.token:
            return self.token
        return os.environ.get(company.secret_variable, "").partition(",")[0]


def _anywhere(work: Callable[[], T]) -> T:
    """Do something that runs an event loop of its own, beside one that is running if need be."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return work()
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(work).result()


class CityFixture:
    """The `city` fixture: many callers at one server, in virtual time."""

    def __init__(self, folder: Path, keep: Callable[[list[Heard]], None]) -> None:
        self._folder = folder
        self._keep = keep

    def __call__(
        self,
        serve: Serve,
        scenarios: Sequence[str | Path | Scenario],
        *,
        auth_token: str = "secret",
        carrier: str = "",
        every_ms: float = 100.0,
        seed: int = 1,
        understand: Understand | None = None,
        natural_voice: bool = True,
        watermarks: bool = False,
        rest: RestApi | None = None,
    ) -> list[Heard]:
        """Start the server in virtual time and let a caller ring every `every_ms`; the same seed, the same bytes.

        With `watermarks`, every caller's voice carries a mark, and hearing another's is a failed expectation. `rest` is
        the carrier's REST API, which the server reaches at an address where somebody serves it.
        """
        read = [_scenario(what, self._folder) for what in scenarios]

        async def one(index: int, webhook: str, origin: str, session: aiohttp.ClientSession) -> PlacedCall:
            await asyncio.sleep(index * every_ms / 1000.0)
            return await place_call(
                webhook,
                read[index],
                auth_token=auth_token,
                carrier=carrier,
                connect_to=origin,
                session=session,
                seed=f"{seed}/{index}",
                understand=understand,
                natural_voice=natural_voice,
                watermark=watermarks,
                rest=rest,
            )

        async def live() -> list[PlacedCall]:
            connector = virtual.MemoryConnector(limit=0)
            async with serve() as (webhook, origin), aiohttp.ClientSession(connector=connector) as session:
                return await asyncio.gather(*[one(index, webhook, origin, session) for index in range(len(read))])

        calls = _anywhere(lambda: virtual.run(live, seed=seed))
        if watermarks:
            check_for_foreign_audio(calls)
        heard = [Heard(placed) for placed in calls]
        self._keep(heard)
        return heard


def _scenario(what: str | Path | Scenario, folder: Path) -> Scenario:
    if isinstance(what, Scenario):
        return what
    if isinstance(what, str) and "\n" in what:
        return scenario.parse(what, "scenario", folder)
    return scenario.load(folder / what)


@functools.lru_cache(maxsize=1)
def _whisper() -> Understand:
    return ear.whisper()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the options of the plugin."""
    group = parser.getgroup("bridge", "simulated phone calls")
    group.addoption("--bridge-url", default="", help="the voice webhook to ring")
    group.addoption("--bridge-connect-to", default="", metavar="ORIGIN", help="where that server really is")
    group.addoption("--bridge-carrier", default="", choices=["", *CARRIERS], help="who rings (default: by the URL)")
    group.addoption("--bridge-report", default="", metavar="DIR", help="keep each test's page, recordings and results")
    group.addoption("--bridge-config", default="", metavar="FILE", help="start `bridge serve` with it, and ring that")
    parser.addini("bridge_url", "the voice webhook to ring", default="")
    parser.addini("bridge_config", "configuration of a service to start and ring, if no URL is given", default="")


def report_folder(nodeid: str) -> str:
    """A folder name for a test that no other test has, also when its name holds what no folder name may."""
    name = re.sub(r"[^\w.-]+", "_", nodeid)
    told = hashlib.sha256(nodeid.encode()).hexdigest()[:8]
    return f"{name[-100:].strip('_.')}-{told}"


def _keeper(request: pytest.FixtureRequest) -> Callable[[list[Heard]], None]:
    folder = request.config.getoption("--bridge-report", default="")
    kept: list[Heard] = []

    def keep(heard: list[Heard]) -> None:
        kept.extend(heard)
        if folder:
            report.write_all(
                Path(folder) / report_folder(request.node.nodeid), [(one.result, one.placed.recording) for one in kept]
            )

    return keep


@pytest.fixture(scope="session")
def bridge_service(pytestconfig: pytest.Config) -> Iterator[Number]:
    """The service of `bridge_config`, started once for all tests, and how it is rung."""
    named: str = pytestconfig.getoption("--bridge-config", default="")
    file = Path(named) if named else pytestconfig.rootpath / pytestconfig.getini("bridge_config")
    token = secrets.token_hex(16)
    with served(file, {"TWILIO_AUTH_TOKEN": token, "PUBLIC_URL": _PUBLIC_URL}, told=False) as port:
        yield Number(f"{_PUBLIC_URL}/twilio/voice", f"http://127.0.0.1:{port}", "twilio", token)


@pytest.fixture
def call(request: pytest.FixtureRequest) -> CallFixture:
    """Ring the server under test: `heard = call("scenario.yaml")`."""
    config: Any = request.config
    number = Number(
        config.getoption("--bridge-url", default="") or config.getini("bridge_url"),
        config.getoption("--bridge-connect-to", default=""),
        config.getoption("--bridge-carrier", default=""),
    )
    if not number.url and (config.getoption("--bridge-config", default="") or config.getini("bridge_config")):
        number = request.getfixturevalue("bridge_service")
    return CallFixture(number, request.path.parent, _keeper(request))


@pytest.fixture
def city(request: pytest.FixtureRequest) -> CityFixture:
    """Many callers at once in virtual time: `heard = city(serve, scenarios)`."""
    return CityFixture(request.path.parent, _keeper(request))
