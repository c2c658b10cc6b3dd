"""The published clips through the real voice model, echo gate, recogniser and end-of-turn model.

`python -m tests.bench.turn_taking` measures all of them; here every third one must come out right.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest

from bridge.call.settings import EndpointSettings, FloorSettings
from tests.bench.turn_taking import CLIPS, Engines, floor_outcome, read_ulaw, turn_outcome

ENTRIES: list[dict[str, Any]] = json.loads((CLIPS / "manifest.json").read_text())["clips"]


@pytest.fixture(scope="module")
def engines() -> Engines:
    return Engines()


def test_interruptions_stop_the_bot_and_noises_do_not(engines: Engines) -> None:
    bot = read_ulaw(CLIPS / "bot.wav")
    clips = [entry for entry in ENTRIES if entry["set"] == "floor"][::3]
    found = [(entry["file"], floor_outcome(engines, entry, bot, FloorSettings(), 0.025)) for entry in clips]
    missed = [file for file, outcome in found if outcome.interrupts and not outcome.stopped]
    stopped = [file for file, outcome in found if not outcome.interrupts and outcome.stopped]
    assert len(missed) <= 1, missed
    assert len(stopped) <= 0.1 * sum(not outcome.interrupts for _, outcome in found), stopped
    assert all(outcome.down_ms is not None for _, outcome in found if outcome.stopped)


def test_a_caller_with_a_declared_answer_is_never_cut_off(engines: Engines) -> None:
    declared = [entry for entry in ENTRIES if entry["kind"] == "declared"]
    assert [entry["file"] for entry in declared if turn_outcome(engines, entry, EndpointSettings())[0]] == []


def test_sentences_are_answered_and_pauses_are_waited_out(engines: Engines) -> None:
    cut: Counter[str] = Counter()
    answered: Counter[str] = Counter()
    for entry in [e for e in ENTRIES if e["kind"] in ("complete", "unfinished")][::2]:
        was_cut, reply_ms = turn_outcome(engines, entry, EndpointSettings())
        cut[entry["kind"]] += was_cut
        answered[entry["kind"]] += reply_ms is not None
    assert cut["complete"] == 0
    assert answered["complete"] == 8
    assert cut["unfinished"] <= 1
