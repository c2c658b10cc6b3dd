from __future__ import annotations

from bridge.breaker import Breaker


def test_failures_in_a_row_open_it_and_one_success_forgives() -> None:
    breaker = Breaker(failures=3, cool_off_s=1.0)
    breaker.failed(0.0)
    breaker.failed(0.0)
    breaker.succeeded()
    breaker.failed(0.0)
    breaker.failed(0.0)
    assert breaker.allows(0.0)
    breaker.failed(0.0)
    assert not breaker.allows(0.0)
    assert not breaker.allows(0.9)


def test_one_trial_at_a_time_decides() -> None:
    breaker = Breaker(failures=1, cool_off_s=1.0, longest_s=3.0)
    breaker.failed(0.0)
    assert breaker.allows(1.0)
    assert not breaker.allows(1.0)
    breaker.failed(1.0)
    assert not breaker.allows(2.9)
    assert breaker.allows(3.0)
    breaker.failed(3.0)
    assert breaker.retry_at() == 6.0  # never longer than longest_s
    assert breaker.allows(6.0)
    breaker.succeeded()
    assert breaker.allows(6.0)
    assert breaker.retry_at() is None
    assert breaker.opened == 3


def test_late_failures_of_uses_begun_before_do_not_lengthen_the_wait() -> None:
    breaker = Breaker(failures=1, cool_off_s=1.0)
    breaker.failed(0.0)
    breaker.failed(0.5)
    assert breaker.allows(1.0)


def test_a_trial_without_a_result_leaves_room_for_another() -> None:
    breaker = Breaker(failures=1, cool_off_s=1.0)
    breaker.failed(0.0)
    assert breaker.allows(1.0)
    assert not breaker.allows(1.0)
    breaker.abandoned()
    assert breaker.allows(1.1)
