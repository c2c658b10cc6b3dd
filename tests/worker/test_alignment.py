from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.worker.alignment import align, at


def owns(text: str, spoken: str) -> dict[str, str]:
    """For each word of the text what is spoken for it."""
    said = spoken.split()
    spans = align(text.split(), said, lambda token: float(len(token)))
    return {word: " ".join(said[int(first) : int(end)]) for word, (first, end) in zip(text.split(), spans, strict=True)}


def test_equal_words_are_their_own() -> None:
    assert owns("I can't come", "I can't come") == {"I": "I", "can't": "can't", "come": "come"}


def test_a_number_that_is_read_as_several_words() -> None:
    assert owns("Call 555-0123 now", "Call 5 5 5, 0 1 2 3 now") == {
        "Call": "Call",
        "555-0123": "5 5 5, 0 1 2 3",
        "now": "now",
    }


def test_two_words_that_are_read_as_three() -> None:
    assert owns("at 9:30 a.m. sharp", "at nine thirty A.M. sharp") == {
        "at": "at",
        "9:30": "nine thirty",
        "a.m.": "A.M.",
        "sharp": "sharp",
    }


def test_a_title_that_is_written_out() -> None:
    assert owns("See Dr. Patel", "See Doctor Patel") == {"See": "See", "Dr.": "Doctor", "Patel": "Patel"}


def test_a_sign_that_is_not_read_takes_no_time() -> None:
    spans = align(["yes", "|", "no"], ["yes", "no"], lambda token: 0.0 if token == "|" else 1.0)
    assert spans == [(0, 1), (1, 1), (1, 2)]


def test_two_words_that_are_read_as_one() -> None:
    spans = align(["5", "km"], ["5km"], lambda token: 1.0)
    assert spans == [(0, 0.5), (0.5, 1)]


def test_time_within_a_word() -> None:
    assert at([0.0, 1.0, 3.0], 1.5) == pytest.approx(2.0)
    assert at([0.0, 1.0, 3.0], 2) == pytest.approx(3.0)


_words = st.lists(st.sampled_from("a b c d 9 nine thirty $".split()), max_size=12)


@given(_words, _words, st.sampled_from([0.0, 1.0]))
def test_every_word_gets_a_share_and_nothing_is_shared_twice(mine: list[str], theirs: list[str], least: float) -> None:
    spans = align(mine, theirs, lambda token: least + len(token) - 1)

    assert len(spans) == len(mine)
    edges = [edge for span in spans for edge in span]
    assert edges == sorted(edges)
    if mine:
        assert edges[0] == 0
        assert edges[-1] == len(theirs)
        assert all(a == b for a, b in zip(edges[1::2], edges[2::2], strict=False))
