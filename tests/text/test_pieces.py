from __future__ import annotations

from itertools import pairwise
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.text.pieces import LONGEST_PIECE, Chunking, PieceBuffer


def pieces(text: str, strategy: Chunking = "sentence") -> list[str]:
    buffer = PieceBuffer(strategy)
    return [piece.text for piece in buffer.feed(text) + buffer.flush()]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("I have an opening. Shall I book it?", ["I have an opening.", "Shall I book it?"]),
        ("Dr. Patel is in at 9 a.m. on Jan. 5.", ["Dr. Patel is in at 9 a.m. on Jan. 5."]),
        ("It costs 3.50. Is that fine? Yes!", ["It costs 3.50.", "Is that fine?", "Yes!"]),
        ('He said "Stop." Then he left.', ['He said "Stop."', "Then he left."]),
        ("J. R. Smith called.", ["J. R. Smith called."]),
        ("Well... let me see.", ["Well...", "let me see."]),
        ("One line\nand another", ["One line", "and another"]),
        ("No. I can not.", ["No.", "I can not."]),
        ("   ", []),
        ("", []),
    ],
)
def test_sentences(text: str, expected: list[str]) -> None:
    assert pieces(text) == expected


def test_a_sentence_goes_out_as_soon_as_it_is_complete() -> None:
    buffer = PieceBuffer("sentence")
    assert buffer.feed("It is 3") == []
    assert buffer.feed(".") == []  # perhaps 3.5
    assert [piece.text for piece in buffer.feed(" Bye")] == ["It is 3."]
    assert [piece.text for piece in buffer.flush()] == ["Bye"]
    assert buffer.flush() == []


def test_pauses_follow_the_mark() -> None:
    buffer = PieceBuffer("sentence")
    buffer.feed("")
    said = [buffer.feed("Yes. ")[0], buffer.feed("Really?\n")[0]]
    for text in ("well,", "so"):
        buffer.feed(text)
        said += buffer.flush()
    assert [piece.pause_ms for piece in said] == [320, 320, 150, 0]


LINE = "I have an opening on Tuesday, at noon, with Dr. Patel. Well, shall I book it?"


@pytest.mark.parametrize(
    ("strategy", "expected"),
    [
        ("sentence", ["I have an opening on Tuesday, at noon, with Dr. Patel.", "Well, shall I book it?"]),
        ("clause", ["I have an opening on Tuesday,", "at noon, with Dr. Patel.", "Well, shall I book it?"]),
        ("fixed", ["I have an opening on Tuesday, at noon, with Dr. Patel.", "Well, shall I book it?"]),
        ("word", LINE.split()),
    ],
)
def test_strategies(strategy: Chunking, expected: list[str]) -> None:
    assert pieces(LINE, strategy) == expected


def test_fixed_pieces_end_between_words() -> None:
    text = "one two three four five six seven eight nine ten " * 4
    assert [len(piece) for piece in pieces(text, "fixed")] == [56, 59, 57, 20]


def test_only_the_first_piece_of_a_stream_is_a_clause() -> None:
    buffer = PieceBuffer("clause")
    assert [piece.text for piece in buffer.feed("Well, let me have a look, ")] == ["Well, let me have a look,"]
    assert buffer.feed("I think I can do that for you, ") == []


def test_a_long_sentence_is_cut_at_a_clause() -> None:
    text = "If the weather holds, " * 20
    assert all(piece.endswith("holds,") and len(piece) <= LONGEST_PIECE for piece in pieces(text))


_text = st.lists(st.sampled_from([*"abcDJ .,!?;:\n\t'\")0123…—", "Dr. ", "a.m. "]), max_size=600).map("".join)


_strategy = st.sampled_from(get_args(Chunking))


@given(_text, st.lists(st.integers(0, 900), max_size=12), _strategy)
def test_pieces_do_not_depend_on_how_the_text_arrives(text: str, cuts: list[int], strategy: Chunking) -> None:
    buffer, at_once = PieceBuffer(strategy), PieceBuffer(strategy)
    edges = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    parts = [piece for a, b in pairwise(edges) for piece in buffer.feed(text[a:b])]

    assert parts + buffer.flush() == at_once.feed(text) + at_once.flush()


@given(_text, _strategy)
def test_no_word_is_lost_or_cut(text: str, strategy: Chunking) -> None:
    assert [word for piece in pieces(text, strategy) for word in piece.split()] == text.split()


@given(_text, _strategy)
def test_pieces_are_short_unless_a_word_is_longer(text: str, strategy: Chunking) -> None:
    assert all(len(piece) <= LONGEST_PIECE + 10 or " " not in piece for piece in pieces(text, strategy))
