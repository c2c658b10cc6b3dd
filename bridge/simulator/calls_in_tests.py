"""What a test does with simulated calls: rings a server, or lets a city of callers ring it, and asks what was heard."""

from __future__ import annotations

import asyncio
import functools
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import aiohttp
import pytest

from bridge.simulator import ear, scenario, virtual
from bridge.simulator.caller import says
from bridge.simulator.carriers import carrier_named, carrier_of
from bridge.simulator.carriers.base import Carrier
from bridge.simulator.ear import Understand
from bridge.simulator.rest import RestApi
from bridge.simulator.result import CallResult, Turn
from bridge.simulator.runner import PlacedCall, check_for_foreign_audio, place_call
from bridge.simulator.scenario import Scenario

T = TypeVar("T")

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
