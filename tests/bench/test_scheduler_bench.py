"""What the scheduler's order is worth, in virtual time, and that the simulation can be trusted to say so."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.worker.settings import SchedulerSettings
from tests.bench.scheduler import gains, line, ratio
from tests.bench.scheduler_load import ENGINES, EngineModel, Text, second_s
from tests.bench.scheduler_simulation import WARM_UP_S, Simulation, simulate

GPU, CPU = ENGINES
EVERYBODY = SchedulerSettings(backlog_ms=1e9, pressed=1e9, max_streams=10**6)
MEASURED = ("scheduler_us_per_step", "scheduler_core_share", "choice_us")


def alone(engine: EngineModel, *asked: Text) -> dict[str, Any]:
    """Nobody but these, and no prefetch."""
    simulation = Simulation("no prefetch", engine, asked, WARM_UP_S + 5, 1)
    simulation.run()
    return simulation.result()


def test_a_seed_gives_one_answer_but_for_the_processor_time() -> None:
    first, second = (simulate("deadline", GPU, 40, 2, 7) for _ in range(2))
    for name in MEASURED:
        del first[name], second[name]

    assert first == second
    assert first["ttfa_ms"] != simulate("deadline", GPU, 40, 2, 8)["ttfa_ms"]


def test_one_text_alone_takes_what_its_steps_take() -> None:
    """One plan, one chunk of 200 ms; on the other engine all of it."""
    text = Text(WARM_UP_S, "live", ((0.5, 2.0),))

    assert alone(GPU, text)["ttfa_ms"]["p50"] == pytest.approx((0.002 + 0.0002 + 0.002 + 0.2 * 0.0007) * 1000, abs=0.1)
    assert alone(CPU, text)["ttfa_ms"]["p50"] == pytest.approx((0.004 + 2.0 * 0.007) * 1000, abs=0.1)


def test_an_engine_slower_than_speech_leaves_the_silence_it_must() -> None:
    """Made at 1.5 s, heard from 1.56 s to 2.56 s. The next step may begin 400 ms on, with credit for 1.2 s: 3.46 s."""
    slow = EngineModel("slow", batch=1, step_s=1.5, plan_s=0.0, sound_s=0.0, chunks_s=(1.0,))
    result = alone(slow, Text(WARM_UP_S, "live", ((0.0, 2.0),)))

    assert result["streams_with_a_gap"] == 1
    assert result["gap_s"] == pytest.approx(0.9)


def test_silence_for_want_of_text_is_not_the_engines() -> None:
    assert alone(GPU, Text(WARM_UP_S, "live", ((0.0, 0.5), (3.0, 0.5))))["streams_with_a_gap"] == 0


def test_deadline_order_is_worth_it_on_an_engine_that_is_nearly_busy() -> None:
    """The same texts at the same times, and everybody is taken."""
    streams = round(0.92 / second_s(CPU))
    own, first_come, round_robin = (
        simulate(order, CPU, streams, 15, 1, EVERYBODY) for order in ("deadline", "first come", "round robin")
    )

    assert own["ttfa_ms"]["p95"] < first_come["ttfa_ms"]["p95"] / 2
    assert own["streams_with_a_gap"] < round_robin["streams_with_a_gap"] / 2
    assert own["gap_s"] < round_robin["gap_s"] / 2


def test_too_many_are_refused_so_that_the_others_are_served() -> None:
    streams = round(2 / second_s(CPU))
    worker, everybody = simulate("deadline", CPU, streams, 5, 1), simulate("deadline", CPU, streams, 5, 1, EVERYBODY)

    assert worker["refused"] > 0
    assert everybody["refused"] == 0
    assert worker["gap_s"] < everybody["gap_s"] / 10


def test_prefetch_delays_a_first_sound_by_no_more_than_a_step() -> None:
    """On an engine that takes one at a time the longest is a piece of some 7 s."""
    behind = simulate("deadline", CPU, 20, 10, 1)["first_audio_behind_later_work_ms"]

    assert 0 < behind["p100"] <= (CPU.step_s + 8 * CPU.sound_s) * 1000


def test_the_report_says_how_many_times_as_much() -> None:
    rows = [simulate(order, CPU, 30, 2, 1) for order in ("deadline", "first come")]

    assert line(rows[0]).startswith("| 30 | deadline |")
    assert gains(rows)[0]["ttfa_p95"] == ratio(rows[1]["ttfa_ms"]["p95"], rows[0]["ttfa_ms"]["p95"])
    assert ratio(3, 0) == "3 to 0"
