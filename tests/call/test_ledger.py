"""What stands in the history is what was said of a text, however much of it was heard."""

from __future__ import annotations

import pytest

from bridge.call.events import Word
from bridge.call.ledger import Utterance
from tests.text.counting import steps

WRITTEN = (
    '**Hello** <prosody rate="slow">there</prosody>, John <john@example.com> 👍 <think>hm</think>in '
    '<phoneme ph="nuː jɔːk">New York</phoneme>.'
)
SAID = "Hello there, John john@example.com in New York."


def utterance(text: str) -> Utterance:
    """One whose words were placed in time, 100 ms each."""
    one = Utterance(1)
    one.text = text
    one.place(tuple(Word(word, at * 100, at * 100 + 90) for at, word in enumerate(SAID.split())))
    one.finish(100.0 * len(SAID.split()))
    return one


@pytest.mark.parametrize("heard", range(8))
def test_heard_and_unheard_are_the_said_text_between_them(heard: int) -> None:
    one = utterance(WRITTEN)
    one.heard_ms = heard * 100.0

    assert one.heard_text() == " ".join(SAID.split()[:heard])
    assert one.rest_text() == " ".join(SAID.split()[heard:])


def test_words_that_nobody_placed_are_those_that_are_said() -> None:
    one = Utterance(1)
    one.text = WRITTEN
    one.finish(1000.0)

    assert [word.text for word in one.words] == SAID.split()


def test_a_text_of_pictures_alone_says_nothing() -> None:
    one = Utterance(1)
    one.text = "👍 🎉"
    one.finish(0.0)

    assert (one.all_heard, one.heard_text(), one.words) == (True, "", [])


@pytest.mark.parametrize("delta", ["word ", "👋 ", "**a** ", "(sighs) ", "§ "])
def test_what_is_left_to_say_of_a_growing_text_is_asked_for_again_at_the_price_of_what_was_added(delta: str) -> None:
    def last_asked(count: int) -> int:
        one = Utterance(1)
        for _ in range(count):
            one.write(delta)
            one.rest_text()
        one.write(delta)
        return steps(one.rest_text)

    last_asked(10)
    assert last_asked(1000) <= 1.1 * last_asked(500)


def test_a_text_that_is_another_one_is_said_from_its_beginning() -> None:
    one = Utterance(1)
    one.text = "**Hello"
    assert one.rest_text() == "Hello"
    one.text = "Good *day*."
    assert one.rest_text() == "Good day."
