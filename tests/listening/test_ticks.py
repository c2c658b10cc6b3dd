"""The batch driven by a real event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from bridge.call.events import VoiceActivity
from bridge.listening.activity import ActivityBatch, SileroModel
from bridge.listening.settings import ActivitySettings
from bridge.listening.sound import Floats
from bridge.listening.ticks import ActivityTicks, Lateness
from tests.listening.sounds import frames, line, say

MODEL = SileroModel()
YES = line(say("Yes."))


class Watched:
    """The real model; notes the sizes of its batches and can fail."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.broken = False

    def __call__(self, windows: Floats, state: Floats) -> tuple[Floats, Floats]:
        self.sizes.append(len(windows))
        if self.broken:
            raise ValueError("planted")
        return MODEL(windows, state)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.001)


def ticks_for(model: Watched, heard: list[tuple[object, VoiceActivity]], **settings: float) -> ActivityTicks:
    chosen = {"report_probability": 0.0, "silence_db": -200.0, "above_floor_db": -200.0, "tick_ms": 1.0, **settings}
    return ActivityTicks(
        ActivityBatch(model, ActivitySettings(**chosen)),  # type: ignore[arg-type]
        lambda owner, event: heard.append((owner, event)),
    )


async def test_windows_that_come_together_share_one_model_call() -> None:
    model, heard = Watched(), []  # type: ignore[var-annotated]
    ticks = ticks_for(model, heard)
    for number in range(5):
        ticks.hear(ticks.batch.open(number), YES[:256], 0.1)
    await until(lambda: len(heard) == 5)
    assert model.sizes == [5]
    assert [owner for owner, _ in heard] == [0, 1, 2, 3, 4]
    ticks.close()


async def test_many_windows_are_judged_bit_by_bit_and_the_loops_other_work_comes_between() -> None:
    model, heard = Watched(), []  # type: ignore[var-annotated]
    ticks = ticks_for(model, heard, batch_windows=2)
    between: list[int] = []
    for number in range(7):
        ticks.hear(ticks.batch.open(number), YES[:256], 0.1)

    def other_work() -> None:
        between.append(len(heard))
        if len(heard) < 7:
            asyncio.get_running_loop().call_soon(other_work)

    other_work()
    await until(lambda: len(heard) == 7)
    assert model.sizes == [2, 2, 2, 1]
    assert {2, 4, 6} <= set(between)
    assert [owner for owner, _ in heard] == list(range(7))
    ticks.close()


async def test_an_idle_process_schedules_nothing() -> None:
    model, heard = Watched(), []  # type: ignore[var-annotated]
    ticks = ticks_for(model, heard)
    row = ticks.batch.open()
    idle = []
    for start in (0, 160):
        ticks.hear(row, YES[start : start + 160], 0.0)
        idle.append(ticks.idle)
    await until(lambda: len(heard) == 1)
    assert [*idle, ticks.idle] == [True, False, True]
    ticks.close()


async def test_a_whole_call_at_once_is_judged_in_order() -> None:
    model, heard = Watched(), []  # type: ignore[var-annotated]
    ticks = ticks_for(model, heard, batch_windows=1, backlog_windows=1000)
    rows = [ticks.batch.open(number) for number in range(3)]
    for index, frame in enumerate(frames(YES)):
        for row in rows:
            ticks.hear(row, frame, index * 0.02)
    await until(lambda: len(heard) == 3 * (len(YES) // 256))
    for number in range(3):
        times = [event.at for owner, event in heard if owner == number]
        assert times == sorted(times)
    ticks.close()


async def test_a_failing_model_is_counted_and_the_next_batch_is_judged() -> None:
    model, heard = Watched(), []  # type: ignore[var-annotated]
    ticks = ticks_for(model, heard)
    model.broken = True
    row = ticks.batch.open()
    ticks.hear(row, YES[:256], 0.1)
    await until(lambda: ticks.failures == 1 and ticks.idle)
    model.broken = False
    ticks.hear(row, YES[256:512], 0.2)
    await until(lambda: any(event.at == 0.2 for _, event in heard))
    ticks.close()


async def test_after_closing_nothing_is_judged() -> None:
    model, heard = Watched(), []  # type: ignore[var-annotated]
    ticks = ticks_for(model, heard)
    row = ticks.batch.open()
    ticks.hear(row, YES[:256], 0.1)
    ticks.close()
    ticks.hear(row, YES[256:512], 0.2)
    assert ticks.idle
    assert (model.sizes, heard) == ([], [])


async def test_a_call_that_cannot_take_its_result_costs_no_other_call_anything() -> None:
    heard: list[object] = []

    def take(owner: object, event: VoiceActivity) -> None:
        if owner == "broken":
            raise RuntimeError("this call's own trouble")
        heard.append((owner, event.at))

    ticks = ActivityTicks(ActivityBatch(Watched()), take)
    rows = [ticks.batch.open(owner) for owner in ("first", "broken", "last")]
    for at in (0.1, 0.2):
        for row in rows:
            ticks.hear(row, YES[:256], at)
        await until(lambda at=at: ("last", at) in heard)  # type: ignore[misc]
    assert heard == [("first", 0.1), ("last", 0.1), ("first", 0.2), ("last", 0.2)]
    assert ticks.failed_calls == 2
    ticks.close()


def test_a_process_is_as_late_as_half_of_its_calls() -> None:
    batch = ActivityBatch(Watched(), ActivitySettings(backlog_windows=100))
    rows = [batch.open(number) for number in range(4)]
    assert batch.late_ms == 0.0
    batch.write(rows[0], YES[:256] * 50, 1.0)
    batch.write(rows[1], YES[:256] * 11, 1.0)
    assert batch.late_ms == 0.0, "two of four are behind, who may have sent faster than they spoke"
    batch.write(rows[2], YES[:256] * 6, 1.0)
    assert batch.late_ms == 5 * 32.0
    batch.release(rows[2])
    batch.release(rows[3])
    assert batch.late_ms == 10 * 32.0


def test_lateness_is_an_average_of_the_last_second_and_is_forgotten() -> None:
    now = 100.0
    lateness = Lateness(lambda: now)
    for _ in range(500):
        now += 0.01
        lateness.note(200.0)
    assert lateness.average_ms == pytest.approx(200.0, rel=0.02)
    now += 0.01
    lateness.note(0.0)
    assert lateness.average_ms > 190.0, "one moment says little"
    now += 3.0
    assert lateness.average_ms < 11.0


async def test_calls_that_are_judged_late_are_noticed() -> None:
    model, heard = Watched(), []  # type: ignore[var-annotated]
    ticks = ticks_for(model, heard, backlog_windows=100)
    ticks.hear(ticks.batch.open(0), YES[:256], 0.1)
    await until(lambda: len(heard) == 1)
    assert ticks.lateness.average_ms == 0.0, "in time"
    for number in range(3):
        ticks.hear(ticks.batch.open(number), YES[:256] * 30, 0.1)
    await until(lambda: len(heard) == 91)
    assert ticks.lateness.average_ms > 0.0
    ticks.close()
