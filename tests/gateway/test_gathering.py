"""A busy loop rests between its rounds; a lonely or a late one does not. The clock is passed in."""

from __future__ import annotations

import asyncio

from bridge.gateway.gathering import Gathering


class World:
    """Calls, a clock, and the rests that were taken."""

    def __init__(self, calls: int) -> None:
        self.calls, self.now = calls, 100.0
        self.rests: list[float] = []
        self.gathering = Gathering(lambda: self.calls, 0.002, clock=lambda: self.now, sleep=self.sleep)

    def sleep(self, seconds: float) -> None:
        self.rests.append(round(seconds, 6))
        self.now += seconds

    async def rounds(self, count: int, work_s: float) -> None:
        """So many rounds of the loop, in each of which something takes this long."""
        for _ in range(count):
            self.now += work_s
            await asyncio.sleep(0)


async def test_frames_of_many_calls_are_read_together() -> None:
    world = World(calls=200)
    world.gathering.start()
    await world.rounds(50, work_s=0.0005)
    assert len(world.rests) in (49, 50, 51)
    assert set(world.rests) == {0.0015}
    world.gathering.stop()
    await world.rounds(5, work_s=0.0005)
    assert len(world.rests) <= 51


async def test_a_loop_that_is_late_does_not_rest() -> None:
    world = World(calls=200)
    world.gathering.start()
    await world.rounds(50, work_s=0.0021)
    assert world.rests == []
    world.gathering.stop()


async def test_a_few_calls_never_wait() -> None:
    world = World(calls=19)
    world.gathering.start()
    await world.rounds(50, work_s=0.0001)
    assert world.rests == []
    world.gathering.stop()


async def test_a_clock_that_was_set_back_costs_one_round() -> None:
    world = World(calls=200)
    world.gathering.start()
    await world.rounds(3, work_s=0.0)
    world.now -= 3600
    await world.rounds(2, work_s=0.0)
    assert max(world.rests) <= 0.002
    world.gathering.stop()
