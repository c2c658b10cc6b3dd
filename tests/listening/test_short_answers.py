"""A lone word is recognised though no sentence is around it, and a noise is no word."""

from __future__ import annotations

import csv
import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.audio import mulaw
from bridge.listening.recognisers.short_answers import (
    SHORT_ANSWERS,
    choose,
    choose_expected,
    expected_words,
    words_of,
)
from bridge.listening.recognisers.whisper import Whisper
from bridge.listening.settings import WhisperSettings
from bridge.understanding.results import Hypothesis
from bridge.understanding.understand import understand
from tests.bench.human_clips import Clip, read_clips
from tests.bench.turn_taking import CLIPS, read_ulaw

HUMAN = CLIPS.parent / "human"


def index_rows() -> list[dict[str, str]]:
    with (HUMAN / "INDEX.tsv").open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))


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


@pytest.mark.parametrize(
    ("likelihoods", "no_speech", "word"),
    [
        ({"Yeah": -1.4, "What": -1.8, "One": -3.1, "No": -6.1}, 0.33, "Yeah"),  # "yes" in noise
        ({"No": -0.7, "Oh": -2.0, "Nope": -3.7, "Yes": -4.2}, 0.42, "No"),
        ({"No": -2.2, "Nope": -4.8, "Yeah": -4.8}, 0.52, "No"),  # among voices
        ({"Yes": -1.6, "No": -1.7}, 0.3, None),  # either
        ({"Uh": -0.5, "Mm": -4.1, "Yeah": -4.3, "No": -6.0}, 0.64, None),  # a cough
        ({"Okay": -2.8, "Bye": -3.3, "No": -5.0}, 0.6, None),
        ({"Yes": -0.1, "No": -7.0}, 0.8, None),  # not even speech
        ({"Yes": -0.1}, 0.1, None),  # nothing to decide between
    ],
)
def test_where_a_yes_or_a_no_is_expected_less_is_enough(
    likelihoods: dict[str, float], no_speech: float, word: str | None
) -> None:
    chosen = choose_expected(likelihoods, expected_words("yes_no", "en", ()), no_speech)
    assert (chosen[0] if chosen else None) == word
    assert chosen is None or 0.0 < chosen[1] <= 1.0


def test_a_choice_is_decided_among_its_single_words() -> None:
    expected = expected_words("choice", "en", ("Balance", "pay a bill", "Agent"))
    assert expected == [("Balance",), ("Agent",)]
    assert choose_expected({"Agent": -2.0, "Again": -1.5, "Balance": -6.0}, expected, 0.5) is not None
    assert expected_words("open", "en", ("Balance",)) == []
    assert all(
        word in SHORT_ANSWERS[code]
        for code in SHORT_ANSWERS
        for words in expected_words("yes_no", code, ())
        for word in words
    )


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


def in_noise(clip: Clip) -> bytes:
    """A lone word half a second after the line's noise began, which is 5 dB softer than the word."""
    word = mulaw.decode(clip.ulaw).astype(float)[int(clip.onset_s * 8000) : int(clip.end_s * 8000)]
    sound = np.concatenate([np.zeros(4000), word, np.zeros(1000)])
    noise_level = np.sqrt(np.square(word).mean()) * 10 ** (-5 / 20)
    sound += np.random.default_rng(1).normal(0.0, noise_level, len(sound))
    return mulaw.encode(np.clip(sound, -32767, 32767).astype(np.int16))


def test_a_question_that_asks_for_yes_or_no_hears_them_where_noise_hides_them(whisper: Whisper) -> None:
    words = {row["file"]: row["transcript"] for row in index_rows() if row["transcript"] in ("yes", "no")}
    understood: dict[str, list[str]] = {"open": [], "yes_no": []}
    for clip in read_clips(HUMAN):
        if clip.file in words:
            for answer, right in understood.items():
                heard = whisper.recognise(in_noise(clip), answer=answer).text
                value = understand([Hypothesis(heard)], "yes_no")
                assert value is None or value.value == (words[clip.file] == "yes"), clip.file
                right += [clip.file] if value else []
    assert set(understood["open"]) < set(understood["yes_no"])
    assert len(understood["yes_no"]) >= len(words) - 1
