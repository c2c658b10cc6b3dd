"""What the measured values come to: goals, the search for the limit, confidence, and what is kept of it all."""

from __future__ import annotations

import io
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from bridge.bench.goals import at_least, goals, sources
from bridge.bench.measures import Level, Report, Sockets, Strategy, doubts, edge, saving
from bridge.bench.report import show, write
from bridge.bench.speech import next_step, search
from bridge.bench.tables import cells, most


def a_level(streams: int, **values: Any) -> Level:
    lists = {"ttfa_ms": [50.0] * 20, "jitter_ms": [5.0] * 20, "cancel_ms": [4.0] * 3, "late_ms": [1.0]}
    return Level(**({"streams": streams, "utterances": 20, "finished": 20} | lists | values))


def a_report(*levels: Level, **values: Any) -> Report:
    measured = Sockets(warm_ms=[30.0] * 5, cold_ms=[50.0] * 5, long_ms=[31.0] * 5, long_chars=600)
    fixed: dict[str, Any] = {
        "machine": "a desk",
        "at": "now",
        "version": "1",
        "command": "bridge bench speech",
        "worker": "w",
    }
    return Report(**(fixed | {"models": {"heart": "m"}, "seed": 1, "levels": [*levels], "sockets": measured} | values))


def verdicts(report: Report) -> dict[str, str]:
    return {f"{goal.name} {goal.bound}": goal.verdict for goal in goals(report)}


def test_goals_are_met_missed_or_not_measured() -> None:
    good = verdicts(a_report(a_level(1, ttfa_ms=[39.0]), a_level(50), a_level(100)))
    assert good["TTFA p50 at 1 stream < 40 ms"] == "met"
    assert [met for name, met in good.items() if "TTFA p95" in name] == ["met", "met", "not measured"]
    assert all(met == "met" for name, met in good.items() if "500 streams" not in name)
    bad = a_report(
        a_level(1, ttfa_ms=[41.0]),
        a_level(50, ttfa_ms=[301.0] * 20),
        a_level(100, refused=1),
        a_level(500, void=["we were late"], ttfa_ms=[1.0]),
    )
    found = [met for name, met in verdicts(bad).items() if "TTFA p" in name]
    assert found == ["missed", "missed", "missed", "not measured"]
    slow = verdicts(a_report(a_level(50, jitter_ms=[25.0] * 9, cancel_ms=[30.0], sound_after_cancel=1)))
    assert {name for name, met in slow.items() if met == "missed"} == {
        "chunk jitter p99, while nobody is turned away < 20 ms",
        "cancel to the last byte, p99 < 20 ms",
        "sound after a cancel was answered none",
    }
    sluggish = a_report()
    sluggish.sockets = Sockets(warm_ms=[45.0] * 5, cold_ms=[50.0] * 5, long_ms=[60.0] * 5, long_chars=600)
    assert [met for met in verdicts(sluggish).values() if met != "not measured"] == ["missed"] * 2
    assert [line.partition(":")[0] for line in sources(goals(sluggish))] == ["rule of thumb", "our budget"]


def test_a_gpu_has_harder_goals() -> None:
    report = a_report(a_level(50, utterances=200, seconds=20.0), a_level(500, ttfa_ms=[150.0] * 20), gpu="a GPU")
    found = verdicts(report)
    assert found["TTFA p95 at 500 streams, none refused, no gap < 300 ms"] == "met"
    assert found["TTFA p95 at 500 streams, none refused, no gap < 100 ms"] == "missed"
    assert found["TTFA p95 at 10 requests a second or more, no gap < 32.8 ms"] == "missed"
    assert len(sources(goals(report))) == 3


def test_a_bound_within_what_chance_can_do_is_neither_met_nor_missed() -> None:
    assert at_least((0.35, 0.31, 0.4), 0.3) == "met"
    assert at_least((0.35, 0.29, 0.4), 0.3) == "undecided"
    assert at_least((0.2, 0.1, 0.29), 0.3) == "missed"
    assert at_least(None, 0.3) == "not measured"


def test_a_remote_worker_gains_more_from_a_warm_socket() -> None:
    report = a_report()
    report.sockets = Sockets(warm_ms=[29.0] * 5, cold_ms=[34.0] * 5, long_ms=[29.0] * 5, long_chars=600)
    measured = next(goal.measured for goal in goals(report) if "warm" in goal.name)
    assert measured == "29.0 against 34.0 ms: 15% faster (15% to 15%); computed: 30% where a round trip takes 4.7 ms"
    assert pytest.approx(0.7 * (34 + 3 * 4.73), abs=0.02) == (29 + 4.73)


@given(st.floats(-0.4, 0.6), st.integers(1, 1000))
def test_the_confidence_interval_holds_the_truth(share: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    machine = rng.gamma(2.0, 3.0, 60)  # what else goes on, the same for both of a round
    before = 40 + machine + rng.normal(0, 1, 60)
    after = 40 * (1 - share) + machine * (1 - share) + rng.normal(0, 1, 60)
    found = saving(before.tolist(), after.tolist())
    assert found is not None
    middle, low, high = found
    assert low <= middle <= high
    assert low - 0.05 < share < high + 0.05
    assert high - low < 0.3


def test_few_rounds_decide_nothing() -> None:
    assert saving([1.0] * 4, [1.0] * 4) is None


def test_levels_are_void_when_the_listeners_were_too_slow() -> None:
    assert doubts(a_level(1)) == []
    assert doubts(a_level(1, late_ms=[1.0] * 98 + [99.0] * 2)) == [
        "our own clock was 99 ms late (99th percentile, at most 10)"
    ]
    assert doubts(a_level(1, late_ms=[1.0] * 199 + [99.0])) == []
    assert doubts(a_level(1, own_cpu=0.9)) == ["the listeners took 90% of a core (at most 85%)"]
    void = a_level(500, void=["we were late"], own_cpu=0.9, rtf=0.1, gpu_percent=50.0)
    assert cells(void) == ["500", *["–"] * 8, "1.0 ms", "90%"]
    assert void.remarks == ["not measured: we were late"]
    assert a_level(1, others_cpu=0.2).remarks == ["other programs took 20% of the worker's core"]


# ---- the limit ------------------------------------------------------------------------------------------------------


def test_the_limit_is_below_the_fewest_that_were_too_many() -> None:
    assert edge([]) == (0, None)
    assert edge([a_level(10), a_level(50)]) == (50, None)
    assert edge([a_level(10), a_level(50, refused=1), a_level(60)]) == (10, 50)
    assert edge([a_level(10), a_level(50, gaps_ms=[3.0], void=["late"]), a_level(60)]) == (60, None)


@given(st.integers(1, 800))
async def test_the_search_closes_in(limit: int) -> None:
    async def level(streams: int, hopeless: Callable[[Level], bool]) -> Level:
        measured = a_level(streams, failed=int(streams > limit))
        assert hopeless(measured) == (streams > limit)
        return measured

    levels = [a_level(1), a_level(10, failed=int(limit < 10)), a_level(100, failed=int(limit < 100))]
    searched = await search(levels, level)
    best, bad = edge([*levels, *searched])
    assert best <= limit
    assert bad is None or bad > limit
    assert bad is None or len(searched) == 6 or bad - best <= max(1, 0.08 * best)
    assert len(searched) <= 6


async def test_a_level_that_says_nothing_ends_the_search() -> None:
    async def level(streams: int, hopeless: Callable[[Level], bool]) -> Level:
        return a_level(streams, void=["we were late"])

    searched = await search([a_level(50)], level)
    assert [one.streams for one in searched] == [100]


def test_the_search_ends_when_the_limit_is_known_well_enough() -> None:
    assert next_step(0, None) == 1
    assert next_step(0, 1) is None
    assert next_step(50, 100) == 75
    assert next_step(96, 100) is None


# ---- what is kept ---------------------------------------------------------------------------------------------------


def test_the_results_are_kept_and_drawn(tmp_path: Path) -> None:
    many = [random.Random(2).uniform(0, 100) for _ in range(5000)]
    report = a_report(
        a_level(1),
        a_level(50, jitter_ms=many),
        a_level(100, gaps_ms=[1.0]),
        a_level(500, void=["we were <late>"]),
        cores=1,
        notes=["the machine was not quiet"],
    )
    report.strategies = [
        Strategy(
            name="sentence",
            pieces=3,
            ttfa_ms=[40.0],
            writing_ms=[900.0],
            audio_s=3.0,
            word_errors=0.125,
            click_db=None,
            ordinary_click_db=-1.0,
            step_db=2.0,
            ordinary_step_db=2.5,
        )
    ]
    report.goals = goals(report)
    kept, tables, page = write(tmp_path / "new", report)
    values = json.loads(kept.read_text())
    assert values["levels"][0]["ttfa_ms"] == [50.0] * 20
    assert values["levels"][0]["percentiles"]["ttfa_ms"] == {"p50": 50.0, "p95": 50.0, "p99": 50.0}
    assert len(values["levels"][1]["jitter_ms"]) == 500
    assert values["levels"][1]["jitter_ms"][495] == pytest.approx(float(np.quantile(many, 0.99)), abs=0.3)
    text = page.read_text()
    assert text.count("<svg") == 1 + 3 * 3
    for shown in ("we were &lt;late&gt;", "the machine was not quiet", "12.5%", "940", "bridge bench"):
        assert shown in text
    lines = tables.read_text().splitlines()
    row = next(line for line in lines if line.startswith("| 100 | 50.0 / 50.0 / 50.0 "))
    assert "| 1, longest 1 ms |" in row
    assert "| sentence | 3 | 40.0 / 40.0 | 940 | 12.5% | +0% | – / -1.0 | +2.0 / +2.5 |" in lines
    assert most(report) == "up to 50, 50 a core"
    assert most(a_report()) == "none"
    assert most(a_report(a_level(10))) == "at least 10"
    assert most(a_report(a_level(10), gpu="a GPU", cores=15)) == "at least 10 on one GPU"


def test_a_terminal_shows_no_number_of_a_void_level() -> None:
    console = Console(width=200, record=True, file=io.StringIO())
    report = a_report(a_level(777, void=["we were late"], ttfa_ms=[123.0] * 9))
    report.goals = goals(report)
    show(report, console)
    text = console.export_text()
    assert "777" in text
    assert "not measured: we were late" in text
    assert "123" not in text
