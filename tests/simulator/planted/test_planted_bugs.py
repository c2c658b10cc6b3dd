"""Does the simulator find bugs? Each is planted into the real service and must be reported; a sound one must not.

The suite is `scenarios/`: a folder for each service of `service.py`, a file for each caller. All callers of one
service ring it at once, in virtual time.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path

import pytest
from msgspec.structs import replace

from bridge.simulator.calls_in_tests import CityFixture, Heard
from bridge.simulator.carriers import CARRIERS
from bridge.simulator.ear import Understand
from bridge.simulator.scenario import Scenario, load
from tests.simulator.planted import interruption, playout, sound, turns, wire
from tests.simulator.planted.catalogue import BUGS, CALLS_LEFT, SERVED, exists
from tests.simulator.planted.service import service
from tests.simulator.planted.studio import Studio
from tests.simulator.virtual_bridge import PUBLIC, TOKEN

PLANTED = (sound, playout, interruption, turns, wire)
"""Importing them fills `BUGS`."""
SCENARIOS = Path(__file__).parent / "scenarios"
SERVICES = sorted(folder.name for folder in SCENARIOS.iterdir() if folder.is_dir())


class Suite:
    """Rings services."""

    def __init__(self, city: CityFixture, studio: Studio, recordings: Path, understand: Understand) -> None:
        self._city = city
        self._studio = studio
        self._recordings = recordings
        self._understand = understand

    def ring(self, name: str, callers: Sequence[str], carrier: str, *, in_words: bool) -> tuple[list[Heard], int]:
        """These callers, 170 ms apart, at this service; and how many calls it still has when all are over."""
        left = 0

        @contextlib.asynccontextmanager
        async def serve() -> AsyncIterator[tuple[str, str]]:
            nonlocal left
            async with service(name, self._studio) as (application, origin):
                yield f"{PUBLIC}/{carrier}/{CARRIERS[carrier].dial_path}", origin
                assert application.gateway is not None
                left = len(application.gateway.media.sockets)

        scenarios = [self._scenario(SCENARIOS / name / f"{caller}.yaml", carrier) for caller in callers]
        heard = self._city(
            serve,
            scenarios,
            auth_token=TOKEN,
            every_ms=170.0,
            understand=self._understand if in_words else None,
            # The mark is a hiss, and under an echo it takes away from its likeness with what was said.
            watermarks=all(one.line.echo_db is None for one in scenarios),
        )
        return heard, left

    def _scenario(self, file: Path, carrier: str) -> Scenario:
        scenario = load(file)
        sounds = tuple(str(self._recordings / carrier / sound) for sound in scenario.expect.sounds)
        return replace(scenario, expect=replace(scenario.expect, sounds=sounds))

    def complaints(self, scenarios: Sequence[str], carrier: str, *, in_words: bool = True) -> list[tuple[str, str]]:
        """What is reported of calls after `service/scenario`: each failed verdict, and the story to it."""
        found: list[tuple[str, str]] = []
        for name in sorted({one.partition("/")[0] for one in scenarios}):
            everybody = [one.partition("/")[2] for one in scenarios if one.startswith(f"{name}/")]
            for callers in ([one for one in everybody if one != "echo"], [one for one in everybody if one == "echo"]):
                if callers:
                    found += self._complaints(name, callers, carrier, in_words=in_words)
        return found

    def _complaints(
        self, name: str, callers: Sequence[str], carrier: str, *, in_words: bool
    ) -> Iterator[tuple[str, str]]:
        calls, left = self.ring(name, callers, carrier, in_words=in_words)
        if left:
            yield CALLS_LEFT, f"{left} {CALLS_LEFT} when all are over"
        for heard in calls:
            for verdict in heard.result.verdicts:
                if not verdict.passed:
                    told = f"{heard.result.name}: {verdict.what}: {verdict.heard} (expected {verdict.expected})"
                    yield verdict.what, told


@pytest.fixture
def suite(city: CityFixture, studio: Studio, recordings: Path, understand: Understand) -> Suite:
    return Suite(city, studio, recordings, understand)


@pytest.mark.parametrize("carrier", SERVED)
@pytest.mark.parametrize("name", SERVICES)
def test_a_sound_service_gives_no_cause_for_complaint(name: str, carrier: str, suite: Suite) -> None:
    everybody = sorted(f"{name}/{file.stem}" for file in (SCENARIOS / name).glob("*.yaml"))
    assert suite.complaints([one for one in everybody if exists(one, carrier)], carrier) == []


@pytest.mark.parametrize(
    ("name", "carrier"),
    [
        (name, carrier)
        for name, bug in BUGS.items()
        for carrier in SERVED
        if carrier in bug.carriers and all(exists(one, carrier) for one in bug.scenarios)
    ],
)
def test_a_planted_bug_is_reported_for_what_it_is(
    name: str, carrier: str, suite: Suite, studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    bug = BUGS[name]
    bug.plant(monkeypatch)
    with studio.anew() if bug.in_the_voice else contextlib.nullcontext():
        reported = suite.complaints(bug.scenarios, carrier, in_words=bug.in_words)
    missing = [one for one in bug.reported_as if not any(what.startswith(one) for what, _ in reported)]
    told = "; ".join(story for _, story in reported) or "nothing"
    assert not missing, f"{bug.story} Not reported: {', '.join(missing)}, but {told}"


def test_every_scenario_is_there_for_a_bug() -> None:
    used = {scenario for bug in BUGS.values() for scenario in bug.scenarios}
    assert used == {f"{file.parent.name}/{file.stem}" for file in SCENARIOS.glob("*/*.yaml")}
