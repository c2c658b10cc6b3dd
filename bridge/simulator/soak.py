"""Calls for hours: each caller rings again and again, in one of many ways, while what the service uses is sampled.

Does anything of it grow? A trend is a straight line through the means of equal spans, the first fifth left out, in
which caches fill. Its error is that of the means about the line, so that samples which follow from each other do not
make it look better than it is.
"""

from __future__ import annotations

import asyncio
import math
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import numpy as np
import yaml

from bridge.simulator.caller import Caller
from bridge.simulator.phone_call import PhoneCall
from bridge.simulator.scenario import Scenario, parse
from bridge.simulator.trunk import Trunk, new_call

_SPANS = 16
_FILLS = 0.2
"""Of a soak: caches and allocators fill."""
_SURE = 3.0
"""Standard errors beyond which a slope is none by chance."""
_ENOUGH = 0.02
"""Of the mean, over the whole soak: less is no growth that anybody would ever see."""
_PAUSE_S = 1.0
_NOISY_S = 2.0
_GREETED_S = 5.0
"""Whoever has been on the line for so long has heard something, if anybody is there."""
_FEW = 0.05
"""Of calls may meet a process that has just been ended, or a busy line."""


class Samples:
    """What was used, by name, at which second."""

    def __init__(self) -> None:
        self.at: dict[str, list[float]] = {}
        self.values: dict[str, list[float]] = {}

    def take(self, at: float, used: dict[str, float]) -> None:
        """Note what is used now, as far as that could be learnt."""
        for name, value in used.items():
            self.at.setdefault(name, []).append(at)
            self.values.setdefault(name, []).append(value)


@dataclass(frozen=True, slots=True)
class Trend:
    """How something went: its mean, and by how much it grows in an hour, with the standard error of that."""

    mean: float
    first: float
    last: float
    slope_per_hour: float
    error_per_hour: float
    hours: float

    @property
    def flat(self) -> bool:
        """Whether it does not grow: no more than chance explains, or than a fiftieth of it over the whole soak."""
        sure = self.slope_per_hour > _SURE * self.error_per_hour
        return not sure or self.slope_per_hour * self.hours <= _ENOUGH * self.mean


def trend(at: Sequence[float], values: Sequence[float]) -> Trend:
    """Fit the line. Raises ValueError for too few samples to tell anything."""
    if len(values) != len(at) or len(at) < 2 * _SPANS:
        raise ValueError(f"{len(at)} samples are too few: {2 * _SPANS} are needed")
    begin = next(place for place, second in enumerate(at) if second >= at[0] + _FILLS * (at[-1] - at[0]))
    hours, used = np.array(at[begin:]) / 3600, np.array(values[begin:], float)
    x = np.array([span.mean() for span in np.array_split(hours, _SPANS)])
    y = np.array([span.mean() for span in np.array_split(used, _SPANS)])
    middle = x - x.mean()
    slope = float((middle * y).sum() / (middle**2).sum())
    residuals = y - y.mean() - slope * middle
    error = math.sqrt(float((residuals**2).sum()) / (_SPANS - 2) / float((middle**2).sum()))
    return Trend(float(y.mean()), float(y[0]), float(y[-1]), slope, error, float(hours[-1] - hours[0]))


def stories(recordings: Sequence[str]) -> dict[str, Callable[[random.Random], dict[str, Any]]]:
    """How callers behave, each in a way of its own: scenario fields, with what is random in them."""

    def speech(chance: random.Random) -> dict[str, Any]:
        return {"say": {"recording": chance.choice(recordings)}}

    def talks(chance: random.Random, turns: int = 2) -> list[Any]:
        said: list[Any] = [{"wait_for_silence": 700}]
        for _ in range(turns):
            said += [speech(chance), {"wait_for_silence": 700}]
        return said

    def ms(chance: random.Random, low: float, high: float) -> int:
        return round(chance.uniform(low, high))

    return {
        "talks and hangs up": lambda chance: {"steps": [*talks(chance, chance.randint(1, 3)), "hang_up"]},
        "hangs up at any moment": lambda chance: {"steps": [{"silence": ms(chance, 20, 20_000)}, "hang_up"]},
        "hangs up in mid-sentence": lambda chance: {"steps": [speech(chance), "hang_up"]},
        "interrupts and hangs up": lambda chance: {
            "steps": [
                {"interrupt": {"recording": chance.choice(recordings), "after_ms": ms(chance, 300, 3000)}},
                {"silence": 2000},
                "hang_up",
            ]
        },
        "presses keys": lambda chance: {
            "steps": [{"digits": "".join(chance.choices("0123456789*#", k=9))}, {"silence": 1500}, "hang_up"]
        },
        "line breaks": lambda chance: {
            "steps": [*talks(chance), "hang_up"], "line": {"cut_at_ms": ms(chance, 100, 15_000)},
        },
        "line stalls": lambda chance: {
            "steps": [*talks(chance), "hang_up"],
            "line": {"stalls": [{"at_ms": ms(chance, 500, 8000), "ms": ms(chance, 200, 3000)}], "jitter_ms": 30},
        },
        "line is dead": lambda chance: {
            "steps": [*talks(chance), "hang_up"], "line": {"half_open_at_ms": ms(chance, 500, 8000)},
        },
        "socket is dropped": lambda chance: {
            "steps": [*talks(chance), "hang_up"], "carrier": {"dropped_at_ms": ms(chance, 500, 8000)},
        },
        "carrier misbehaves": lambda chance: {
            "steps": [*talks(chance), "hang_up"],
            "carrier": {chance.choice(_FAULTS): True},
        },
        "nobody speaks": lambda chance: {"steps": [{"wait_for_hang_up": 60}]},
    }  # fmt: skip


_FAULTS = (
    "duplicate_webhook",
    "wrong_signature",
    "no_socket_signature",
    "second_stream",
    "replayed_stream",
    "stolen_ticket",
    "stray_messages",
    "second_start",
    "shuffled_callbacks",
)


@dataclass(slots=True)
class SoakTally:
    """What has come of the calls so far."""

    calls: int = 0
    by_story: Counter[str] = field(default_factory=Counter)
    ended: Counter[str] = field(default_factory=Counter)
    honest: int = 0
    """Calls whose line and carrier did nothing wrong ..."""
    unserved: int = 0
    """... and which were not taken, or heard nothing."""

    @property
    def served(self) -> bool:
        """Whether callers were served: what nobody rings does not grow either."""
        return self.unserved <= _FEW * self.honest and self.honest > 0


class Callers:
    """So many callers, each of whom rings again as soon as a call is over."""

    def __init__(self, trunk: Trunk, recordings: Sequence[str], open_session: Callable[[], Any], seed: int) -> None:
        self._trunk = trunk
        self._stories = stories(recordings)
        self._open_session = open_session
        self._seed = seed
        self.tally = SoakTally()

    async def ring_until(self, over: Callable[[], bool], number: int) -> None:
        """One caller's calls, one after the other."""
        chance = random.Random(f"{self._seed}/{number}")
        session: aiohttp.ClientSession
        async with self._open_session() as session:
            await asyncio.sleep(chance.uniform(0, _NOISY_S))
            turn = 0
            while not over():
                story = chance.choice(sorted(self._stories))
                await self._call(story, self._stories[story](chance), f"{number}/{turn}", number, session)
                turn += 1
                await asyncio.sleep(chance.uniform(0, _PAUSE_S))

    async def _call(
        self, story: str, fields: dict[str, Any], seed: str, number: int, session: aiohttp.ClientSession
    ) -> None:
        scenario = _scenario(story, fields)
        call = new_call(
            f"+1500555{number % 10_000:04}", scenario.caller.called, f"{self._seed}/{seed}", self._trunk.carrier
        )
        heard = False
        try:
            facts = await PhoneCall(self._trunk, call, scenario, Caller(scenario), session).run()
            how = facts.ended if facts.hung_up_by != "carrier" else "the carrier could not go on"
            heard = bool(facts.streams) and (facts.duration_s < _GREETED_S or bool(facts.recording.bot.sound.any()))
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            how = type(error).__name__
        if not fields.keys() & {"line", "carrier"}:
            self.tally.honest += 1
            self.tally.unserved += not heard
        self.tally.calls += 1
        self.tally.by_story[story] += 1
        self.tally.ended[how[:60]] += 1


def _scenario(story: str, fields: dict[str, Any]) -> Scenario:
    return parse(yaml.safe_dump({"name": story, "longest_s": 90.0, **fields}))


Look = Callable[[], Awaitable[dict[str, float]]]
Fault = tuple[str, float, Callable[[], bool]]
"""What goes wrong, how often in seconds, and how it is brought about; False where it cannot be at this moment."""


async def soak(
    callers: Callers,
    *,
    calls: int,
    seconds: float,
    every_s: float,
    look: Look,
    faults: Sequence[Fault] = (),
    tell: Callable[[float, dict[str, float], SoakTally], None],
) -> tuple[Samples, Counter[str]]:
    """Hold so many calls for so long, sample what is used, and let things go wrong; samples, and what went wrong."""
    loop = asyncio.get_running_loop()
    began, samples, happened = loop.time(), Samples(), Counter[str]()
    due = {what: began + every for what, every, _ in faults}

    def over() -> bool:
        return loop.time() - began >= seconds

    ringing = [asyncio.create_task(callers.ring_until(over, number)) for number in range(calls)]
    try:
        while not over():
            await asyncio.sleep(every_s)
            for what, every, bring_about in faults:
                if loop.time() >= due[what]:
                    due[what] += every
                    happened[what] += bring_about()
            used = await look()
            samples.take(loop.time() - began, used)
            tell(loop.time() - began, used, callers.tally)
        await asyncio.gather(*ringing)
    finally:
        for task in ringing:
            task.cancel()
        await asyncio.gather(*ringing, return_exceptions=True)
    return samples, happened
