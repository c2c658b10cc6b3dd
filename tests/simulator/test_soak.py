"""The soak itself: it finds what grows and nothing else, and its callers behave in every way that it lists."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import yaml

from bridge.cli import main
from bridge.simulator import soak as soaking
from bridge.simulator import virtual
from bridge.simulator.caller import Caller
from bridge.simulator.scenario import parse
from bridge.simulator.soak import Callers, Samples, SoakTally, Trend, soak, stories, trend
from bridge.simulator.trunk import Trunk
from bridge.speaking.call_speech import CallSpeech
from tests.simulator.virtual_bridge import AGENTS, PUBLIC, TOKEN, session, virtual_bridge

CALLERS = Path(__file__).parents[2] / "fixtures" / "callers"
RECORDINGS = [str(CALLERS / "mm_hm.wav"), str(CALLERS / "yes_please.wav")]
HOUR = [float(second) for second in range(0, 3600, 5)]


def line(growth_per_hour: float, noise: float, *, fills: float = 0.0, waves: float = 0.0) -> Trend:
    """The trend of something that begins at 300."""
    chance, at = np.random.default_rng(7), np.array(HOUR) / 3600
    used = 300 + growth_per_hour * at + noise * chance.standard_normal(len(at))
    used += fills * (1 - np.exp(-at * 60)) + waves * np.sin(at * 2 * np.pi * 9)
    return trend(HOUR, list(used))


@pytest.mark.parametrize(
    ("what", "flat"),
    [
        (line(0.0, 5.0), True),
        (line(0.0, 0.0), True),
        (line(0.0, 5.0, fills=100.0), True),
        (line(0.0, 0.0, waves=20.0), True),
        (line(-50.0, 5.0), True),
        (line(3.0, 0.1), True),
        (line(20.0, 5.0), False),
        (line(20.0, 0.0), False),
        (line(60.0, 20.0, fills=100.0), False),
    ],
    ids=["noise", "nothing", "a cache fills", "waves", "shrinks", "a hundredth", "grows", "grows evenly", "both"],
)
def test_what_grows_is_told_from_what_wavers(what: Trend, flat: bool) -> None:
    assert what.flat is flat


def test_a_slope_is_given_with_an_error_that_holds_it() -> None:
    its = line(20.0, 5.0)
    assert abs(its.slope_per_hour - 20.0) < 3 * its.error_per_hour
    assert 0.1 < its.error_per_hour < 5.0


def test_what_could_not_be_learnt_for_a_while_keeps_its_times() -> None:
    samples = Samples()
    for at in (0.0, 1.0, 2.0):
        samples.take(at, {"memory": at} | ({} if at == 1.0 else {"tasks": at}))
    assert samples.at == {"memory": [0.0, 1.0, 2.0], "tasks": [0.0, 2.0]} == samples.values


def test_too_few_samples_tell_nothing() -> None:
    with pytest.raises(ValueError, match="3 samples are too few"):
        trend([0.0, 1.0, 2.0], [1.0, 1.0, 1.0])


@pytest.mark.parametrize("story", sorted(stories(RECORDINGS)))
def test_every_story_can_be_told(story: str) -> None:
    for seed in range(20):
        fields = stories(RECORDINGS)[story](random.Random(seed))
        Caller(parse(yaml.safe_dump({"name": story, **fields})))


def test_callers_ring_again_and_again_and_leave_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    """A whole soak in virtual time, on the real service."""
    happened: list[str] = []

    def break_it() -> bool:
        happened.append("broken")
        return len(happened) > 1  # the first time nobody could be killed

    short = {
        "hangs up": lambda _: {"steps": [{"silence": 300}, "hang_up"]},
        "misbehaves": lambda _: {"steps": [{"silence": 300}, "hang_up"], "carrier": {"second_start": True}},
        "breaks": lambda _: {"steps": [{"silence": 900}, "hang_up"], "line": {"cut_at_ms": 200}},
    }
    monkeypatch.setattr(soaking, "stories", lambda _recordings: short)

    async def ring() -> tuple[Samples, Counter[str], SoakTally, int]:
        async with virtual_bridge(AGENTS / "booth.yaml") as (application, origin):
            trunk = Trunk(url=f"{PUBLIC}/twilio/voice", auth_token=TOKEN, connect_to=origin)
            callers = Callers(trunk, RECORDINGS, session, seed=1)

            async def look() -> dict[str, float]:
                return {"tasks": float(len(asyncio.all_tasks()))}

            faults = [("broken", 3.0, break_it)]
            samples, counted = await soak(
                callers, calls=2, seconds=10.0, every_s=0.5, look=look, faults=faults, tell=lambda *_: None
            )
            assert application.gateway is not None
            return samples, counted, callers.tally, application.gateway.calls

    samples, counted, tally, left = virtual.run(ring)
    assert len(samples.at["tasks"]) == len(samples.values["tasks"]) == 20
    assert (counted["broken"], len(happened)) == (2, 3)
    assert tally.served
    assert tally.honest == tally.by_story["hangs up"]
    assert tally.calls == tally.by_story.total() == tally.ended.total() > 4
    assert left == 0


@pytest.mark.parametrize("what", ["refused", "mute"])
def test_a_service_that_serves_nobody_is_not_said_to_be_well(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It uses nothing, and grows by nothing."""
    waits = {"waits": lambda _: {"steps": [{"silence": 6000}, "hang_up"]}}
    monkeypatch.setattr(soaking, "stories", lambda _recordings: waits)

    async def ring() -> SoakTally:
        async with virtual_bridge(AGENTS / "booth.yaml") as (application, origin):
            if what == "mute":
                monkeypatch.setattr(CallSpeech, "synthesise", lambda *_: None)
            token = TOKEN if what == "mute" else "another"
            trunk = Trunk(url=f"{PUBLIC}/twilio/voice", auth_token=token, connect_to=origin)
            callers = Callers(trunk, RECORDINGS, session, seed=1)

            async def look() -> dict[str, float]:
                return {"calls": float(application.gateway.calls if application.gateway else 0)}

            await soak(callers, calls=2, seconds=20.0, every_s=0.5, look=look, tell=lambda *_: None)
            return callers.tally

    tally = virtual.run(ring)
    assert not tally.served
    assert tally.unserved == tally.honest == tally.calls > 0


def test_a_soak_needs_something_to_ring(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["soak"]) == 2
    assert "--virtual-hours" in capsys.readouterr().err
    assert main(["soak", "http://127.0.0.1:1/twilio/voice", "--virtual-hours", "1"]) == 2
