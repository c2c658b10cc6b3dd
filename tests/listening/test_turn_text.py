"""The texts of one call's segments, however they come."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bridge.call.events import TextPiece
from bridge.listening.recognisers.base import FinalText, PartialText, RecognisedWord, TextAlternative
from bridge.listening.turn_text import MOST_ALTERNATIVES, HeardText, TurnText, joined


def test_partial_texts_replace_each_other_and_the_final_one_replaces_them() -> None:
    text = TurnText()
    text.take(PartialText(0, "I wand", 1.0))
    text.take(PartialText(0, "I want to", 1.4))
    assert text.since(0.0)[0] == "I want to"
    text.take(PartialText(0, "I want", 1.5))  # they may shrink
    text.take(FinalText(0, "I want to cancel.", 1.9, 0.9))
    assert text.since(0.0) == HeardText("I want to cancel.", 0.9)


def test_a_partial_text_that_was_overtaken_by_its_final_one_is_forgotten() -> None:
    text = TurnText()
    text.take(FinalText(0, "I want to cancel.", 1.9))
    text.take(PartialText(0, "I want to", 1.4))
    assert text.since(0.0)[0] == "I want to cancel."


def test_a_second_final_text_is_the_better_one() -> None:
    text = TurnText()
    text.take(FinalText(0, "i want to cancel", 1.9))
    text.take(FinalText(0, "I want to cancel.", 1.9))
    assert text.since(0.0)[0] == "I want to cancel."


def test_only_what_was_said_since_then_counts() -> None:
    text = TurnText()
    text.take(FinalText(0, "My name is Ada.", 2.0))
    text.take(FinalText(1, "I want to cancel.", 6.0))
    assert text.since(3.0)[0] == "I want to cancel."
    assert text.since(6.0) == HeardText("", 0.0)


def test_other_readings_of_a_segment_are_other_readings_of_the_turn() -> None:
    text = TurnText()
    text.take(FinalText(0, "My number is", 2.0, 0.9))
    text.take(FinalText(1, "for two", 4.0, 0.8, alternatives=(TextAlternative("four two", 0.6),)))
    heard = text.since(0.0)
    assert (heard.text, heard.confidence) == ("My number is for two", 0.8)
    assert heard.alternatives == (TextAlternative("My number is four two", 0.6),)


def test_the_likeliest_readings_of_many_parts_come_first_and_are_few() -> None:
    parts = [HeardText("a", 0.9, tuple(TextAlternative(f"a{n}", n / 100) for n in range(8, 0, -1))) for _ in range(40)]
    whole = joined([*parts, HeardText("", 0.0)])
    assert len(whole.alternatives) == MOST_ALTERNATIVES
    assert {other.confidence for other in whole.alternatives} == {0.08}
    assert joined([]) == HeardText("", 0.0)


def test_a_segment_that_began_before_is_cut_at_its_words() -> None:
    words = tuple(RecognisedWord(word, at, at + 0.3) for word, at in (("Thanks.", 1.0), ("Cancel", 4.0), ("it,", 4.4)))
    text = TurnText()
    text.take(FinalText(0, "Thanks. Cancel it,", 4.7, words=(*words, RecognisedWord("please."))))
    assert text.since(0.5)[0] == "Thanks. Cancel it,"
    assert text.since(3.0)[0] == "Cancel it, please."


def test_a_late_final_text_belongs_to_the_audio_that_was_asked_for() -> None:
    """An engine without times settles a segment 2 s after it was asked: that is no news about the next turn."""
    text = TurnText()
    text.take(PartialText(0, "My name is", 2.0))
    text.asked(2.4)
    text.take(FinalText(0, "My name is Ada.", 4.4))
    assert text.since(3.0)[0] == ""
    assert text.since(1.0)[0] == "My name is Ada."


def test_what_a_dead_stream_left_open_is_good_until_another_has_heard_it() -> None:
    text = TurnText()
    text.take(FinalText(0, "My name is Ada.", 2.0))
    text.take(PartialText(1, "I wand two", 3.0))
    assert not text.settled
    assert text.restart() == 2.0  # what the next stream has to hear again
    assert text.since(0.0)[0] == "My name is Ada. I wand two"
    text.take(PartialText(0, "", 2.2))
    assert text.since(0.0)[0] == "My name is Ada. I wand two"
    text.take(PartialText(0, "I want to", 3.0))
    assert text.since(0.0)[0] == "My name is Ada. I want to"


def test_the_machine_is_told_the_latest_pieces_with_their_times() -> None:
    text = TurnText()
    text.take(FinalText(0, "My name is Ada.", 2.0))
    text.take(PartialText(1, "I want", 3.12345, 0.6))
    heard = text.heard()
    assert heard.pieces == (TextPiece("My name is Ada.", 2.0), TextPiece("I want", 3.123))
    assert heard.confidence == 0.6
    assert heard.since(2.5) == "I want"


SEGMENTS = st.lists(st.text("abc ", max_size=6), min_size=1, max_size=6)


@given(SEGMENTS, st.randoms(use_true_random=False))
def test_in_whatever_order_they_come_the_final_texts_make_the_turn(texts: list[str], random: object) -> None:
    said: list[PartialText | FinalText] = []
    for number, words in enumerate(texts):
        said.append(FinalText(number, words, number + 1.0))
        said += [PartialText(number, words[:length], number + 0.5) for length in range(len(words))]
    random.shuffle(said)  # type: ignore[attr-defined]
    text = TurnText()
    for one in said:
        text.take(one)
    assert text.since(0.0)[0] == " ".join(words.strip() for words in texts if words.strip())
    assert text.settled


@given(st.lists(st.integers(0, 500), max_size=400))
def test_memory_is_bounded(numbers: list[int]) -> None:
    text = TurnText()
    for number in numbers:
        text.take(PartialText(number, "word", float(number)))
    assert len(text._segments) <= 64
    assert len(text.heard().pieces) <= 8
