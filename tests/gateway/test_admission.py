"""Who gets in: as many calls as fit, while the process keeps time and the door is open."""

from __future__ import annotations

import asyncio

import pytest

from bridge.gateway.admission import Admission, LoopLag


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def door(max_calls: int = 2, elsewhere: int = 0) -> tuple[Admission, LoopLag, Clock]:
    clock, lag = Clock(), LoopLag()
    admission = Admission(max_calls=max_calls, max_loop_lag_ms=40.0, lag=lag, clock=clock, elsewhere=lambda: elsewhere)
    admission.started = True
    return admission, lag, clock


def test_nobody_is_admitted_before_everything_is_warm() -> None:
    admission, _, _ = door()
    admission.started = False
    assert admission.ask("CA1") == "starting"
    assert not admission.ready


def test_calls_beyond_the_limit_are_turned_away_until_one_ends() -> None:
    admission, _, _ = door(max_calls=2)
    for call in ("CA1", "CA2"):
        assert admission.ask(call) == "admitted"
        assert admission.begin(call)
    assert admission.ask("CA3") == "full"
    admission.end("CA1")
    assert admission.ask("CA3") == "admitted"


def test_an_admitted_call_keeps_its_place_until_its_stream_comes() -> None:
    admission, _, clock = door(max_calls=1)
    assert admission.ask("CA1") == "admitted"
    assert admission.ask("CA2") == "full"
    assert admission.ask("CA1") == "admitted"  # the carrier repeats a webhook that it thinks lost
    clock.now += 20.0
    assert admission.ask("CA2") == "admitted"


def test_a_stream_that_another_process_admitted_is_refused_when_there_is_no_room() -> None:
    admission, _, _ = door(max_calls=1)
    assert admission.begin("CA1")
    assert not admission.begin("CA2")
    admission.end("CA2")
    assert admission.calls == 1


@pytest.mark.parametrize(
    ("max_calls", "elsewhere", "taken"),
    [(10, 0, 10), (10, 1, 11), (10, 2, 12), (10, 50, 12), (200, 50, 240), (200, 13, 213), (4, 50, 4)],
)
def test_a_full_process_takes_up_to_a_fifth_more_while_others_have_places_free(
    max_calls: int, elsewhere: int, taken: int
) -> None:
    admission, _, _ = door(max_calls, elsewhere)
    verdicts = [admission.ask(f"CA{call}") for call in range(2 * max_calls)]
    assert verdicts == ["admitted"] * taken + ["full"] * (2 * max_calls - taken)
    assert admission.places == 0
    assert admission.use == 1.0


def test_streams_that_others_admitted_fall_unevenly_and_still_find_a_place() -> None:
    """Ten of ours and ten of another process were let in; twelve of the streams come here."""
    admission, _, _ = door(max_calls=10)
    ours = [f"ours{call}" for call in range(10)]
    assert {admission.ask(call) for call in ours} == {"admitted"}
    assert all(admission.begin(call) for call in [*ours, "theirs1", "theirs2"])
    assert not admission.begin("theirs3")
    assert admission.calls == 12


def test_what_a_process_tells_the_others_is_its_own_share() -> None:
    admission, lag, _ = door(max_calls=3, elsewhere=100)
    assert admission.places == 3
    admission.ask("CA1")
    assert admission.begin("CA2")
    assert admission.places == 1
    for _ in range(60):
        lag.note(0.09)
    assert admission.places == 0  # late: a call that came here would be refused
    admission.draining = True
    assert admission.places is None


def test_a_late_process_takes_no_new_call_and_keeps_those_it_has() -> None:
    admission, lag, _ = door()
    assert admission.ask("CA1") == "admitted"
    for _ in range(60):
        lag.note(0.09)
    assert admission.ask("CA2") == "late"
    assert admission.ask("CA1") == "admitted"
    for _ in range(60):
        lag.note(0.001)
    assert admission.ask("CA2") == "admitted"


def test_one_hiccup_is_not_lateness() -> None:
    admission, lag, _ = door()
    for _ in range(59):
        lag.note(0.001)
    lag.note(0.5)
    assert admission.ask("CA1") == "admitted"


def test_when_listening_or_speech_is_full_no_new_call_comes_in() -> None:
    left = 1.0
    admission = Admission(max_calls=9, max_loop_lag_ms=40.0, lag=LoopLag(), headroom=lambda: left)
    admission.started = True
    assert admission.ask("CA1") == "admitted"
    left = 0.0
    assert admission.ask("CA2") == "no headroom"
    assert admission.ask("CA1") == "admitted"


def test_how_full_a_process_is_says_the_fullest_of_its_parts() -> None:
    left, lag = 1.0, LoopLag()
    admission = Admission(max_calls=4, max_loop_lag_ms=40.0, lag=lag, headroom=lambda: left)
    admission.started = True
    assert admission.use == 0.0
    admission.ask("CA1")
    assert admission.use == 0.25
    for _ in range(60):
        lag.note(0.020)
    assert admission.use == pytest.approx(0.5)
    left = 0.1
    assert admission.use == pytest.approx(0.9)
    for _ in range(60):
        lag.note(9.0)
    assert (admission.use, admission.ask("CA2")) == (1.0, "late")


def test_a_drain_shuts_the_door() -> None:
    admission, _, _ = door()
    before = admission.ready
    admission.draining = True
    assert (before, admission.ready) == (True, False)
    assert admission.ask("CA1") == "draining"


async def test_lag_is_measured_on_the_loop() -> None:
    noted = asyncio.Event()

    class Noting(LoopLag):
        def note(self, lag_s: float) -> None:
            super().note(lag_s)
            noted.set()

    lag = Noting()
    lag.start()
    await asyncio.wait_for(noted.wait(), 5.0)
    lag.stop()
    assert lag.p90_ms >= 0.0
