"""So much at once, so much in the long run."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.worker.allowance import Allowance


def test_a_burst_then_the_rate() -> None:
    allowance = Allowance(10, 100, 5.0)
    assert allowance.take(100, 5.0) == 0
    assert allowance.take(20, 5.5) == pytest.approx(1.5)
    assert allowance.take(20, 7.0) == 0
    assert allowance.take(1, 7.0) > 0
    assert allowance.take(100, 1000.0) == 0
    assert allowance.take(1, 1000.0) > 0


def test_more_than_a_burst_is_never_there() -> None:
    allowance = Allowance(10, 100, 0.0)
    assert allowance.take(101, 0.0) > 0
    assert allowance.take(101, 1e6) > 0
    assert allowance.take(100, 1e6) == 0


@given(st.lists(st.tuples(st.floats(0, 3), st.integers(0, 150)), max_size=80))
def test_never_more_than_burst_and_rate_and_waiting_as_told_helps(story: list[tuple[float, int]]) -> None:
    allowance, now, taken = Allowance(10, 100, 0.0), 0.0, 0
    for passed_s, amount in story:
        now += passed_s
        wait_s = allowance.take(amount, now)
        if wait_s and amount <= 100:
            now += wait_s + 1e-6
            assert allowance.take(amount, now) == 0
            wait_s = 0.0
        taken += 0 if wait_s else amount
        assert taken <= 100 + 10 * now + 1e-3
