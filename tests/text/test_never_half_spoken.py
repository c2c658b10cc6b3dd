"""What is read together is never cut apart, however the deltas are cut, so that pieces say what the whole would."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.text.chunker import Chunker, says_something, whole
from bridge.text.settings import Chunking, ChunkSettings
from bridge.text.spoken.form import spoken_form
from bridge.text.spoken.languages import language

HARD = [
    "It costs $1,200.50 in all.",
    "Write to john.smith@example.com or call 555-123-4567 today.",
    "Your PIN is 0042 and your code is A1 B2.",
    "Your confirmation number is: 48213 as of now.",
    "Open 9:00 - 17:00 on 12 May 2024 or Jan. 5 at 9:30 a.m. daily.",
    "Card 4111 1111 1111 1111 with 12,50 € or 5 USD on it.",
    "DE89 3704 0044 0532 0130 00 is the account.",
    "Dial *67 or press # then 1 1/2 cups of No. 5 at 12 Main St. near Dr. Smith.",
    "Flight BA 2490 leaves from room 305 in 5 km at (555) 123-4567 ext. 12 soon.",
]
STRATEGIES: list[Chunking] = ["sentence", "clause", "fixed", "word"]


def said(text: str) -> str:
    """Words without marks: at a cut after `a.m.` there may be a pause more."""
    return re.sub(r"[.,]", "", spoken_form(text, language("en")).text)


@pytest.mark.parametrize("strategy", STRATEGIES)
@given(
    text=st.lists(st.sampled_from(HARD), min_size=1, max_size=3).map(" ".join),
    cuts=st.lists(st.integers(0, 250), max_size=20),
    step_ms=st.sampled_from([0.0, 20.0, 500.0]),
)
@settings(max_examples=150, deadline=None)
def test_the_pieces_say_what_the_whole_says(strategy: Chunking, text: str, cuts: list[int], step_ms: float) -> None:
    chunker, now, pieces = Chunker(ChunkSettings(strategy=strategy, settle_ms=10**6)), 0.0, []
    edges = sorted({0, len(text), *(cut for cut in cuts if cut < len(text))})
    for start, end in pairwise(edges):
        pieces += chunker.feed(text[start:end], now)
        now += step_ms / 1000
        pieces += chunker.wake(now)
    pieces += chunker.finish(now)

    assert " ".join(said(piece) for piece in pieces) == said(text)


def test_marks_and_pictures_alone_are_no_piece() -> None:
    assert whole("Done. ... 👍 !", ChunkSettings(strategy="word")) == ("Done.",)
    assert [sign for sign in ("#", "5", "*", " ... — !?") if says_something(sign)] == ["#", "5", "*"]
