"""Expectations against what was heard: each passes where it should, and fails for its own reason."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.simulator.judge import judge
from bridge.simulator.result import CallResult, Fault, Happening, Turn, Verdict
from bridge.simulator.scenario import parse


def bot(start_ms: int, end_ms: int) -> Turn:
    return Turn(speaker="bot", start_ms=start_ms, end_ms=end_ms)


def caller(start_ms: int, end_ms: int, kind: str = "speech") -> Turn:
    return Turn(speaker="caller", start_ms=start_ms, end_ms=end_ms, kind=kind)


def verdict(expect: str, *, sounds: dict[str, str] | None = None, **heard: Any) -> Verdict:
    """The verdict on one expectation, of a call of ten seconds."""
    result = CallResult(name="x", call_sid="CA", url="", duration_ms=10_000, connected=True, **heard)
    wanted = parse(f"name: x\nsteps: [hang_up]\nexpect: {{{expect}}}").expect
    _, _, *verdicts = judge(result, wanted, sounds=sounds)  # the first two are judged in every call
    [one] = verdicts
    return one


@pytest.mark.parametrize(
    ("turns", "cut_off_at"),
    [
        ([caller(0, 3000), bot(3400, 5000)], None),
        ([caller(0, 3000), bot(2900, 5000)], None),  # the caller guessed the end well
        ([caller(0, 3000), bot(2000, 5000)], "2.00"),
        ([bot(0, 5000), caller(2000, 3000, "interrupt")], None),  # it is the caller who interrupts
        ([caller(0, 3000, "interrupt"), bot(1000, 5000)], "1.00"),
        ([caller(1000, 3000), bot(1200, 5000)], None),  # both began at once
        ([caller(0, 900, "cough"), bot(400, 5000)], None),
        ([caller(0, 900, "digits"), bot(400, 5000)], None),
    ],
)
def test_who_is_cut_off(turns: list[Turn], cut_off_at: str | None) -> None:
    one = verdict("cut_offs: 0", turns=turns)
    assert one.what == "caller cut off"
    assert one.heard == (f"1, first at {cut_off_at} s" if cut_off_at else "0")
    assert one.passed == (cut_off_at is None)


@pytest.mark.parametrize(("leads_ms", "passed"), [([80, 320, 200], True), ([80, 460, 200], False), ([], True)])
def test_the_most_that_ever_waited_at_the_carrier_counts(leads_ms: list[int], passed: bool) -> None:
    one = verdict("lead_ms: 450", leads_ms=leads_ms)
    assert (one.what, one.passed) == ("audio waiting", passed)
    assert one.heard == f"{max(leads_ms, default=0)} ms"


@pytest.mark.parametrize(("marks", "passed"), [(20, True), (120, True), (130, False)])
def test_marks_are_counted_whether_they_were_played_or_cleared(marks: int, passed: bool) -> None:
    kinds = ("mark", "mark_cleared", "clear")
    happenings = [Happening(at_ms=10, kind=kinds[index % 2]) for index in range(marks)]
    one = verdict("marks_per_s: 12", happenings=[*happenings, Happening(at_ms=9, kind="clear")])
    assert (one.what, one.heard, one.passed) == ("marks", f"{marks / 10:.1f}", passed)


@pytest.mark.parametrize("told", ["", "80 ms left out after 200 ms"])
def test_a_recording_was_heard_untouched_or_it_is_told_what_became_of_it(told: str) -> None:
    one = verdict("sounds: [voice/hello.wav]", sounds={"voice/hello.wav": told})
    assert (one.what, one.passed) == ("sounds like hello.wav", not told)
    assert one.heard == (told or "untouched")


@pytest.mark.parametrize("kind", ["click", "seam"])
def test_a_seam_counts_as_a_click(kind: Any) -> None:
    assert verdict("clicks: 0").passed
    one = verdict("clicks: 0", faults=[Fault(at_ms=1200, kind=kind, text="")])
    assert (one.heard, one.passed) == ("1, first at 1.20 s", False)


@pytest.mark.parametrize("kind", ["second_stream", "stolen_ticket"])
@pytest.mark.parametrize(
    ("how", "passed"), [("refused: 403", True), ("accepted: it was talked to", False), ("left open", False)]
)
def test_a_thief_must_be_refused(kind: str, how: str, passed: bool) -> None:
    result = CallResult(name="x", call_sid="CA", url="", happenings=[Happening(at_ms=0, kind=kind, text=how)])
    [one] = [one for one in judge(result, parse("name: x\nsteps: [hang_up]").expect) if one.expected == "refused"]
    assert (one.heard, one.passed) == (how, passed)
