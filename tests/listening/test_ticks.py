"""The batch driven by a real event loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

import pytest

from bridge.call.events import VoiceActivity
from bridge.listening.activity import ActivityBatch, SileroModel
from bridge.listening.settings import ActivitySettings
from bridge.listening.sound import Floats
from bridge.listening.ticks import ActivityTicks
from tests.listening.sounds import frames, line, say

MODEL = SileroModel()
YES = line(say("Yes."))


class Watched:
    """The real model; notes the threads that ran it and can be held up, or fail."""

    def __init__(self) -> None:
        self.threads: list[int] = []
        self.sizes: list[int] = []
        self.go = threading.Event()
        self.go.set()
        self.broken = False

    def __call__(self, windows: Floats, state: Floats) -> tuple[Floats, Floats]:
        self.threads.append(threading.get_ident())
        self.sizes.append(len(windows))
        assert self.go.wait(30)
        if self.broken:
            raise ValueError("planted")
        return MODEL(windows, state)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
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
    ticks = ticks_for(model, heard, inline_windows=8)
    for number in range(5):
        ticks.hear(ticks.batch.open(number), YES[:256], 0.1)
    await until(lambda: len(heard) == 5)
    assert model.sizes == [5]
    assert set(model.threads) == {threading.get_ident()}
    assert [owner for owner, _ in heard] == [0, 1, 2, 3, 4]
    ticks.close()


async def test_a_large_batch_runs_elsewhere_and_the_loop_goes_on() -> None:
    model, heard = Watched(), []  # type: ignore[var-annotated]
    ticks = ticks_for(model, heard, inline_windows=2)
    model.go.clear()
    rows = [ticks.batch.open(number) for number in range(4)]
    for row in rows:
        ticks.hear(row, YES[:256], 0.1)
    await until(lambda: bool(model.threads))
    assert threading.get_ident() not in model.threads
    for row in rows[:3]:  # the loop is free: audio keeps coming in while the model computes
        ticks.hear(row, YES[256:512], 0.2)
    assert heard == []
    model.go.set()
    await until(lambda: len(heard) == 7)
    assert model.sizes == [4, 3]
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
    ticks = ticks_for(model, heard, inline_windows=1, backlog_windows=1000)
    rows = [ticks.batch.open(number) for number in range(3)]
    for index, frame in enumerate(frames(YES)):
        for row in rows:
            ticks.hear(row, frame, index * 0.02)
    await until(lambda: len(heard) == 3 * (len(YES) // 256))
    for number in range(3):
        times = [event.at for owner, event in heard if owner == number]
        assert times == sorted(times)
    ticks.close()


@pytest.mark.parametrize("inline", [0, 8])
async def test_a_failing_model_is_counted_and_the_next_batch_is_judged(inline: int) -> None:
    model, heard = Watched(), []  # type: ignore[var-annotated]
    ticks = ticks_for(model, heard, inline_windows=inline)
    model.broken = True
    row = ticks.batch.open()
    ticks.hear(row, YES[:256], 0.1)
    await until(lambda: ticks.failures == 1 and ticks.idle)
    model.broken = False
    ticks.hear(row, YES[256:512], 0.2)
    await until(lambda: any(event.at == 0.2 for _, event in heard))
    ticks.close()


async def test_after_closing_nothing_is_delivered() -> None:
    model, heard = Watched(), []  # type: ignore[var-annotated]
    ticks = ticks_for(model, heard, inline_windows=0)
    model.go.clear()
    ticks.hear(ticks.batch.open(), YES[:256], 0.1)
    await until(lambda: bool(model.threads))
    ticks.close()
    model.go.set()
    await asyncio.to_thread(ticks._thread.shutdown)  # the batch has been judged
    await asyncio.sleep(0)  # whatever the thread left for the loop has been done
    assert heard == []
