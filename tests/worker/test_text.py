from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.worker.text import LONGEST_PIECE, SentenceBuffer


def pieces(text: str) -> list[str]:
    buffer = SentenceBuffer()
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
    buffer = SentenceBuffer()
    assert buffer.feed("It is 3") == []
    assert buffer.feed(".") == []  # perhaps 3.5
    assert [piece.text for piece in buffer.feed(" Bye")] == ["It is 3."]
    assert [piece.text for piece in buffer.flush()] == ["Bye"]
    assert buffer.flush() == []


def test_pauses_follow_the_mark() -> None:
    buffer = SentenceBuffer()
    buffer.feed("")
    said = [buffer.feed("Yes. ")[0], buffer.feed("Really?\n")[0]]
    for text in ("well,", "so"):
        buffer.feed(text)
        said += buffer.flush()
    assert [piece.pause_ms for piece in said] == [320, 320, 150, 0]


def test_a_long_sentence_is_cut_at_a_clause() -> None:
    text = "If the weather holds, " * 20
    assert all(piece.endswith("holds,") and len(piece) <= LONGEST_PIECE for piece in pieces(text))


_text = st.lists(st.sampled_from([*"abcDJ .,!?;:\n\t'\")0123…—", "Dr. ", "a.m. "]), max_size=600).map("".join)


@given(_text, st.lists(st.integers(0, 900), max_size=12))
def test_pieces_do_not_depend_on_how_the_text_arrives(text: str, cuts: list[int]) -> None:
    buffer, at_once = SentenceBuffer(), SentenceBuffer()
    edges = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    parts = [piece for a, b in pairwise(edges) for piece in buffer.feed(text[a:b])]

    assert parts + buffer.flush() == at_once.feed(text) + at_once.flush()


@given(_text)
def test_no_word_is_lost_or_cut(text: str) -> None:
    assert [word for piece in pieces(text) for word in piece.split()] == text.split()


@given(_text)
def test_pieces_are_short_unless_a_word_is_longer(text: str) -> None:
    assert all(len(piece) <= LONGEST_PIECE + 10 or " " not in piece for piece in pieces(text))
