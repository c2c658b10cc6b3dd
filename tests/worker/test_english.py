"""The English front end's work grows with the text, whatever the text is."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.worker.engines.english import LONGEST_TEXT, RUNS, EnglishReader, _readable

READER = EnglishReader()
ODD = ["1a", "ab-", "A1", "1st", "1/2", "@", "1e5", "%", "-1", "aB", "é1", "日1", "$", "'", "_a", "1.", "a.b.", "x"]


def calls(work: Callable[[], object]) -> int:
    """How many functions it calls: a measure of work that no busy machine changes."""
    count = 0

    def note(_frame: object, event: str, _argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(None)
    return count


def work(text: str) -> int:
    return calls(lambda: READER.read(text, text.split()))


@pytest.mark.parametrize("unit", ODD)
def test_an_odd_word_of_twice_the_length_is_twice_the_work(unit: str) -> None:
    once, twice = unit * (120 // len(unit)), unit * (240 // len(unit))
    work(once)
    assert work(twice) < 2.6 * work(once) + 2000


@settings(max_examples=40)
@given(st.text("a1B-'/@é日$. ", min_size=1, max_size=8))
def test_no_text_is_more_work_than_its_length_allows(unit: str) -> None:
    text = (unit * 200)[:200]
    assert work(text) < 3000 * len(text)


@pytest.mark.parametrize(
    "word",
    [
        "Tuesday",
        "$1,234.56",
        "9:30",
        "555-0123",
        "(212)",
        "antidisestablishmentarianism",
        "10/11/2024",
        "john@example.com",
    ],
)
def test_words_that_people_use_are_read_as_they_are(word: str) -> None:
    assert _readable(word) == word


@given(st.text(max_size=300))
def test_reading_in_parts_loses_no_character(text: str) -> None:
    assert "".join(_readable(text).split()) == "".join(text.split())


def test_a_word_without_end_comes_in_parts() -> None:
    assert max(map(len, _readable("a1" * 100).split())) == RUNS


def test_a_piece_without_end_is_read_as_far_as_pieces_go() -> None:
    assert work("a" * 20_000) < 1.2 * work("a" * LONGEST_TEXT)
    assert len(READER.read("a" * 20_000 + " end", ["a" * 20_000, "end"]).words) == 2


@pytest.mark.parametrize("text", ["\u60a8\u8981\u9884\u7ea6\u5417?", "\u4f60\u597d,", "...", "?"])
def test_marks_among_letters_that_it_cannot_read_make_no_sound(text: str) -> None:
    reading = EnglishReader().read(text, text.split())
    assert reading.phonemes == ""
    assert len(reading.words) == len(text.split())
