from __future__ import annotations

from itertools import pairwise
from typing import Any, get_args

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bridge.text import boundaries
from bridge.text.chunker import Chunker, pause_after_ms, says_something, unhurried, whole
from bridge.text.cleaning import clean
from bridge.text.settings import Chunking, ChunkSettings

STRATEGIES: tuple[Chunking, ...] = get_args(Chunking)

TOKENS = st.sampled_from(
    "Hello Dr. Patel Mr. is at 9:30 a.m. p.m. on Tuesday, or 3.5 percent; 1,200 dollars. www.example.com, a.b@c.com. "
    'The U.S. Government. No. 5 No. I can\'t! Really? yes J. Smith 555 0199 — "Stop!" he said. 1. **bold** `x` 👋 '
    "very 你好。再见".split()
)
TEXTS = st.lists(TOKENS, max_size=40).map(" ".join)


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("Hello! How can I help?", ["Hello! How can I help?"]),
        ("Good morning! How can I help?", ["Good morning!", "How can I help?"]),
        ("Dr. Patel can see you. Is 9:30 a.m. on Tuesday fine?", None),
        ("It costs 3.5 dollars. That's a bargain.", ["It costs 3.5 dollars.", "That's a bargain."]),
        ("Meet me at 5 p.m. Please come early.", ["Meet me at 5 p.m.", "Please come early."]),
        ("Meet me at 5 p.m. Tuesday if you can.", ["Meet me at 5 p.m. Tuesday if you can."]),
        ("The U.S. Government said so. We agree.", ["The U.S. Government said so.", "We agree."]),
        ("No. I can't do that today.", ["No. I can't do that today."]),
        ("Ask for room No. 5 on the left.", ["Ask for room No. 5 on the left."]),
        ("Visit www.example.com. Or write to a.b@c.com.", ["Visit www.example.com.", "Or write to a.b@c.com."]),
        ("J. R. Smith will call you. Goodbye for now.", ["J. R. Smith will call you.", "Goodbye for now."]),
        ('"Stop that!" he said to me.', ['"Stop that!" he said to me.']),
        ("1. First press one. 2. Then press two.", ["1. First press one.", "2. Then press two."]),
        ("好的，谢谢您的来电。请问您的名字是什么？", ["好的，谢谢您的来电。", "请问您的名字是什么？"]),
        ("Wait... I have it here.", ["Wait... I have it here."]),
        ("", []),
        ("👋 **", []),
    ],
)
def test_sentences_are_cut_where_a_person_would_breathe(text: str, pieces: list[str] | None) -> None:
    expected = pieces or ["Dr. Patel can see you.", "Is 9:30 a.m. on Tuesday fine?"]
    assert list(whole(text, ChunkSettings())) == (expected if text.strip("👋* ") else [])


def test_a_long_sentence_is_cut_at_a_clause() -> None:
    text = "If you would like to change your booking, " * 5 + "press one now"
    pieces = whole(text, ChunkSettings())
    assert len(pieces) == 2
    assert pieces[0].endswith("booking,")
    assert len(pieces[0]) <= 220


def test_a_long_text_without_any_mark_is_cut_between_words_but_not_after_an_article() -> None:
    pieces = whole("call me at the office tomorrow " * 12, ChunkSettings(longest_chars=100))
    assert all(len(piece) <= 100 for piece in pieces)
    assert not any(piece.endswith((" the", " at")) for piece in pieces[:-1])


@given(TEXTS, st.sampled_from(STRATEGIES), st.lists(st.integers(0, 400), max_size=30), st.integers(0, 80))
def test_joined_pieces_are_the_text_and_no_token_is_broken(
    text: str, strategy: Chunking, cuts: list[int], step_ms: int
) -> None:
    """However the deltas are cut, and however slowly they come, short of a pause that means the end."""
    chunker = Chunker(ChunkSettings(strategy=strategy, settle_ms=1e9))
    edges = sorted({0, len(text), *(cut for cut in cuts if cut < len(text))})
    now = 0.0
    pieces: list[str] = []
    for start, end in pairwise(edges):
        pieces += chunker.feed(text[start:end], now)
        now += step_ms / 1000
        pieces += chunker.wake(now)
    pieces += chunker.finish(now)
    said = clean(text)
    assert "".join(pieces) == said
    whole_tokens = said.split()
    assert [token for piece in pieces for token in piece.split()] == whole_tokens or "。" in said


@given(TEXTS, st.lists(st.integers(0, 400), max_size=30), st.sampled_from(STRATEGIES))
@example("No. www.example.com, Hello", [], "clause")  # the first piece is said before a hurry could be over
@example("Hello Hello Hello Hello Hello — percent;", [33], "clause")  # "p" alone is pence
@example("Hello Hello Hello Hello — Hello percent;", [33], "word")
@example("Hello Hello Hello Hello — code issue;", [33], "word")
@example("Hello Hello Hello Hello Hello dollars.", [31], "word")
@example("Hello Hello Hello Hello — code Apple;", [32], "word")
def test_without_hurry_the_cuts_depend_on_the_text_alone(text: str, cuts: list[int], strategy: Chunking) -> None:
    """So that what was warmed up is found again, however the agent writes it."""
    settings = unhurried(strategy)
    chunker = Chunker(settings)
    edges = sorted({0, len(text), *(cut for cut in cuts if cut < len(text))})
    pieces = [p for s, e in pairwise(edges) for p in chunker.feed(text[s:e], 0.0)]
    pieces += chunker.finish(0.0)
    assert [p.strip() for p in pieces if says_something(p)] == list(whole(text, settings))


@given(TEXTS, st.sampled_from(STRATEGIES))
def test_what_belongs_together_is_never_parted(text: str, strategy: Chunking) -> None:
    pieces = whole(text, ChunkSettings(strategy=strategy))
    for before, after in pairwise(pieces):
        last, first = before.split()[-1], after.split()[0]
        assert last not in ("Dr.", "Mr.")
        assert not (last[-1].isdigit() and (first[0].isdigit() or first in ("a.m.", "p.m.", "percent;", "dollars.")))


ANY_TEXT = st.lists(st.sampled_from([*"abcDJ .,!?;:\n\t'\")0123…—。", "Dr. ", "a.m. ", "1, 2, 3, "]), max_size=600).map(
    "".join
)


@given(ANY_TEXT, st.sampled_from(STRATEGIES), st.integers(30, 250))
def test_no_piece_is_longer_than_asked_whatever_the_text(text: str, strategy: Chunking, longest: int) -> None:
    pieces = Chunker(ChunkSettings(strategy=strategy, longest_chars=longest)).finish(0.0, text)
    assert "".join(pieces) == clean(text)
    assert all(len(piece.strip()) <= max(longest, 60) for piece in pieces)


@pytest.mark.parametrize("token", ["1, ", "word ", "Dr. ", "a", "555 ", "1a"])
def test_every_token_is_looked_at_once_however_long_the_text_goes_on(
    token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[str] = []
    judge = boundaries._kind

    def counted(token: str, following: str, known: bool, sentence_starts: bool) -> boundaries.Kind | None:
        looked.append(token)
        return judge(token, following, known, sentence_starts)

    monkeypatch.setattr(boundaries, "_kind", counted)
    chunker = Chunker(ChunkSettings())
    for _ in range(3000):
        chunker.feed(token, 0.0)
        assert len(chunker.waiting) <= 220 + 40
    assert len(looked) <= 2 * 3000


def test_pauses_follow_the_mark() -> None:
    assert [pause_after_ms(text) for text in ("Yes.", 'Really?"', "well,", "so", "", "“Stop!”")] == [
        320,
        320,
        150,
        0,
        0,
        320,
    ]


LINE = "I have an opening on Tuesday, at noon, with Dr. Patel. Well, shall I book it?"


@pytest.mark.parametrize(
    ("strategy", "expected"),
    [
        ("sentence", ["I have an opening on Tuesday, at noon, with Dr. Patel.", "Well, shall I book it?"]),
        ("clause", ["I have an opening on Tuesday,", "at noon, with Dr. Patel.", "Well, shall I book it?"]),
        ("fixed", ["I have an opening on Tuesday, at noon, with Dr. Patel. Well,", "shall I book it?"]),
        (
            "word",
            [
                "I",
                "have",
                "an",
                "opening",
                "on",
                "Tuesday,",
                "at",
                "noon,",
                "with",
                "Dr. Patel.",
                *"Well, shall I book it?".split(),
            ],
        ),
    ],
)
def test_strategies(strategy: Chunking, expected: list[str]) -> None:
    assert list(whole(LINE, ChunkSettings(strategy=strategy))) == expected


def test_only_the_first_piece_is_a_clause_at_once() -> None:
    chunker = Chunker(unhurried("clause"))
    assert chunker.feed("Well, let me have a look, I") == ["Well, let me have a look,"]
    assert chunker.feed(" think I can do that for you, ") == []


def test_what_waits_is_given_out_before_something_else_comes() -> None:
    chunker = Chunker(unhurried("clause"))
    assert chunker.feed("I will **not") == []
    assert chunker.finish() == ["I will not"]
    assert chunker.feed("Do you mind? Yes") == ["Do you mind?"]
    assert chunker.finish() == [" Yes"]


def write(chunker: Chunker, text: str, ms_per_word: float) -> list[tuple[int, str]]:
    """Words written at a steady pace, the chunker woken when it asks; pieces with the time they came at."""
    now = 0.0
    found: list[tuple[int, str]] = []

    def note(pieces: list[str]) -> None:
        found.extend((round(now * 1000), piece.strip()) for piece in pieces)

    for index, word in enumerate(text.split()):
        due = index * ms_per_word / 1000
        while chunker.wake_at is not None and chunker.wake_at <= due:
            now = chunker.wake_at
            note(chunker.wake(now))
        now = due
        note(chunker.feed(f"{' ' if index else ''}{word}", now))
    while chunker.wake_at is not None:
        now = chunker.wake_at
        note(chunker.wake(now))
    note(chunker.finish(now))
    return found


def test_the_first_clause_does_not_wait_for_its_sentence() -> None:
    text = "Certainly, I can do that, let me look at the calendar for you. It will not take long at all."
    assert write(Chunker(ChunkSettings()), text, 30) == [
        (60, "Certainly,"),
        (390, "I can do that, let me look at the calendar for you."),
        (820, "It will not take long at all."),  # 250 ms after the last word
    ]


def test_a_fast_writer_gets_whole_sentences() -> None:
    text = "Certainly, I can do that. It will not take long."
    assert write(Chunker(ChunkSettings()), text, 8)[0] == (40, "Certainly, I can do that.")


def test_a_slow_writer_without_marks_is_spoken_between_words() -> None:
    pieces = write(Chunker(ChunkSettings()), "We have several free places on every afternoon of that week", 100)
    assert pieces[0] == (400, "We have several free")
    assert " ".join(piece for _, piece in pieces) == "We have several free places on every afternoon of that week"


def test_later_pieces_wait_for_their_sentence_while_the_listener_is_still_busy() -> None:
    text = "Let me check the calendar for you right now. Well, on Tuesday, as far as I can see, there is one place."
    pieces = write(Chunker(ChunkSettings()), text, 40)
    assert [piece for _, piece in pieces] == [
        "Let me check the calendar for you right now.",
        "Well, on Tuesday, as far as I can see, there is one place.",
    ]


def test_a_writer_who_pauses_after_a_sentence_has_ended_it() -> None:
    chunker = Chunker(ChunkSettings(settle_ms=250))
    assert chunker.feed("Let me look that up.", 1.0) == []
    assert chunker.wake_at == 1.25
    assert chunker.wake(1.25) == ["Let me look that up."]
    assert chunker.finish(9.0, " Here it is.") == [" Here it is."]


@pytest.mark.parametrize("text", ["I will ask Dr.", "It costs 3.", "It is at 9:30 a.m.", "It ends with the letter J."])
def test_a_pause_after_a_dot_that_may_go_on_ends_nothing(text: str) -> None:
    chunker = Chunker(ChunkSettings(strategy="sentence"))
    chunker.feed(text, 0.0)
    assert chunker.wake_at is None


def test_the_word_strategy_keeps_numbers_and_titles_whole() -> None:
    assert whole("Call Dr. Patel at 9:30 a.m. or 555 0199 now", ChunkSettings(strategy="word")) == (
        "Call",
        "Dr. Patel",
        "at 9:30 a.m.",
        "or 555 0199 now",
    )


def test_the_fixed_strategy_cuts_by_length() -> None:
    pieces = whole("one two three four five six seven eight nine ten", ChunkSettings(strategy="fixed", fixed_chars=12))
    assert pieces == ("one two three", "four five six", "seven eight nine", "ten")


@pytest.mark.parametrize(
    ("strategy", "setting", "whose"),
    [
        ("clause", {"fixed_chars": 80}, "fixed"),
        ("word", {"fixed_chars": 80}, "fixed"),
        ("sentence", {"clause_after_ms": 30.0}, "clause"),
        ("fixed", {"words_after_ms": 200.0}, "clause"),
        ("word", {"first_clause_chars": 10}, "clause"),
        ("sentence", {"first_clause_rest_chars": 10}, "clause"),
    ],
)
def test_a_setting_of_another_strategy_is_refused(strategy: Any, setting: dict[str, Any], whose: Any) -> None:
    [name] = setting
    with pytest.raises(ValueError, match=f"{name} belongs to `strategy: {whose}` and does nothing with {strategy}"):
        ChunkSettings(strategy=strategy, **setting)
    ChunkSettings(strategy=whose, **setting)
