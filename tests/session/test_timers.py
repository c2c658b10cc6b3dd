"""The wheel wakes each timer once, on time, and nobody twice."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.session.timers import GRID_S, Timer, TimerWheel

LOOP = asyncio.new_event_loop()
"""Never runs, so its timers never fire: the test winds the wheel by hand."""


@pytest.fixture(scope="module", autouse=True)
def _close_the_loop() -> Iterator[None]:
    yield
    LOOP.close()


class Bench:
    def __init__(self) -> None:
        self.now = 100.0
        self.late: list[float] = []
        self.wheel = TimerWheel(LOOP, clock=lambda: self.now, on_late=self.late.append)
        self.woken: list[str] = []

    def timer(self, name: str, then: Callable[[], None] = lambda: None) -> Timer:
        def wake() -> None:
            self.woken.append(name)
            then()

        return Timer(wake)

    def advance(self, seconds: float) -> None:
        self.now += seconds
        self.wheel.fire_due()


def test_a_timer_fires_once_and_not_early() -> None:
    bench = Bench()
    bench.wheel.set(bench.timer("a"), 100.052)
    bench.advance(0.050)
    assert bench.woken == []
    bench.advance(0.006)
    assert bench.woken == ["a"]
    bench.advance(1.0)
    assert bench.woken == ["a"]


def test_setting_a_timer_anew_moves_it() -> None:
    bench = Bench()
    timer = bench.timer("a")
    bench.wheel.set(timer, 100.1)
    bench.wheel.set(timer, 100.5)
    bench.advance(0.2)
    assert bench.woken == []
    bench.wheel.set(timer, 100.25)
    bench.advance(0.1)
    assert bench.woken == ["a"]
    assert not timer.waiting


def test_a_timer_taken_off_never_fires() -> None:
    bench = Bench()
    timer = bench.timer("a")
    bench.wheel.set(timer, 100.1)
    bench.wheel.set(timer, None)
    bench.advance(1.0)
    assert bench.woken == []


def test_a_neighbour_in_the_same_slot_can_be_taken_off_while_firing() -> None:
    bench = Bench()
    second = bench.timer("second")
    bench.wheel.set(bench.timer("first", lambda: bench.wheel.set(second, None)), 100.01)
    bench.wheel.set(second, 100.01)
    bench.advance(0.02)
    assert bench.woken == ["first"]


def test_a_timer_set_into_the_past_while_firing_waits_for_the_next_turn() -> None:
    bench = Bench()
    again: list[Timer] = []
    timer = bench.timer("a", lambda: bench.wheel.set(again[0], 99.0))
    again.append(timer)
    bench.wheel.set(timer, 100.01)
    bench.advance(0.02)
    assert bench.woken == ["a"]
    bench.advance(0.001)
    assert bench.woken == ["a", "a"]


def test_an_owner_that_raises_does_not_cost_its_neighbours_their_turn() -> None:
    bench = Bench()

    def fail() -> None:
        raise RuntimeError("a bug")

    bench.wheel.set(Timer(fail), 100.01)
    bench.wheel.set(bench.timer("b"), 100.01)
    bench.advance(0.02)
    assert bench.woken == ["b"]


def test_lateness_is_measured_from_the_slot() -> None:
    bench = Bench()
    bench.wheel.set(bench.timer("a"), 100.01)
    bench.advance(0.110)
    assert len(bench.late) == 1
    assert abs(bench.late[0] - 0.1) < 1e-6


@given(
    st.lists(st.tuples(st.integers(0, 4), st.one_of(st.none(), st.floats(0.0, 0.3)), st.floats(0.0, 0.1)), max_size=40)
)
def test_whatever_is_set_every_timer_fires_within_a_grid_step_of_its_last_time(
    steps: list[tuple[int, float | None, float]],
) -> None:
    bench = Bench()
    due: dict[int, float] = {}
    timers = {n: Timer(lambda n=n: check(n)) for n in range(5)}  # type: ignore[misc]

    def check(n: int) -> None:
        assert due.pop(n) <= bench.now + 1e-6

    for n, delay, pause in steps:
        if delay is None:
            bench.wheel.set(timers[n], None)
            due.pop(n, None)
        else:
            due[n] = bench.now + delay
            bench.wheel.set(timers[n], due[n])
        bench.advance(pause)
        assert all(at > bench.now - GRID_S - 1e-6 for at in due.values())
    bench.advance(1.0)
    assert due == {}


async def test_on_a_real_loop_timers_fire_in_order() -> None:
    done = asyncio.Event()
    order: list[int] = []
    loop = asyncio.get_running_loop()
    wheel = TimerWheel(loop)

    def note(n: int) -> None:
        order.append(n)
        if len(order) == 3:
            done.set()

    start = loop.time()
    for n, delay in ((2, 0.03), (0, 0.001), (1, 0.015)):
        wheel.set(Timer(lambda n=n: note(n)), start + delay)  # type: ignore[misc]
    await asyncio.wait_for(done.wait(), 5.0)
    assert order == [0, 1, 2]
    wheel.close()
