"""A lone word is recognised though no sentence is around it, and a noise is no word."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.listening.recognisers.short_answers import SHORT_ANSWERS, choose, words_of
from bridge.listening.recognisers.whisper import Whisper
from bridge.listening.settings import WhisperSettings
from tests.bench.turn_taking import CLIPS, read_ulaw


@pytest.mark.parametrize(
    ("likelihoods", "no_speech", "word"),
    [
        ({"Yes": -0.08, "Yeah": -4.0, "Okay": -8.0}, 0.07, "Yes"),
        ({"No": -2.32, "Oh": -7.5}, 0.17, "No"),  # "no" in 0.24 s
        ({"Stop": -2.27, "No": -5.0}, 0.11, "Stop"),
        ({"Yeah": -0.9, "Yes": -1.1}, 0.05, None),  # either
        ({"Thank": -2.9, "Okay": -3.1}, 0.2, None),  # neither
        ({"Uh": -0.49, "Mm": -4.1}, 0.64, None),  # a cough
        ({}, 0.0, None),
    ],
)
def test_a_word_counts_when_it_is_likely_and_far_ahead(
    likelihoods: dict[str, float], no_speech: float, word: str | None
) -> None:
    chosen = choose(likelihoods, no_speech)
    assert (chosen[0] if chosen else None) == word


@given(st.dictionaries(st.sampled_from(SHORT_ANSWERS["en"]), st.floats(-30, 0), max_size=12), st.floats(0, 1))
def test_a_confidence_is_a_share(likelihoods: dict[str, float], no_speech: float) -> None:
    chosen = choose(likelihoods, no_speech)
    if chosen is not None:
        word, confidence = chosen
        assert likelihoods[word] == max(likelihoods.values())
        assert 0.0 <= confidence <= 1.0
        assert math.isfinite(confidence)


def test_single_words_among_an_agents_hints_may_be_said_alone() -> None:
    assert words_of(["Cappuccino", "Doctor Patel", " Riverside ", ""]) == ["Cappuccino", "Riverside"]


@pytest.fixture(scope="module")
def whisper() -> Whisper:
    return Whisper(WhisperSettings())


def clips(kind: str) -> list[str]:
    entries = json.loads((CLIPS / "manifest.json").read_text())["clips"]
    return [entry["file"] for entry in entries if entry["kind"] == kind][:6]


@pytest.mark.parametrize("file", [*clips("cough"), *clips("breath"), *clips("bang"), *clips("typing"), *clips("car")])
def test_half_a_second_of_noise_is_no_word_that_takes_the_floor(whisper: Whisper, file: str) -> None:
    [entry] = [one for one in json.loads((CLIPS / "manifest.json").read_text())["clips"] if one["file"] == file]
    start = max(0, int((entry["onset_ms"] - 400) * 8))
    heard = whisper.recognise(read_ulaw(CLIPS / file)[start : start + 8 * 900])
    assert heard.text.lower().strip(".!?,") not in {"yes", "no", "stop", "wait", "hello", "help", "what"}, heard
