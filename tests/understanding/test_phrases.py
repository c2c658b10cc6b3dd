import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.understanding.phrases import Intent, likeness, normalise


def intent(*phrases: str, words: tuple[str, ...] = (), pattern: str = "", unless: tuple[str, ...] = ()) -> Intent:
    return Intent(
        phrases=tuple(normalise(phrase) for phrase in phrases),
        word_sets=tuple(normalise(each) for each in words),
        patterns=(re.compile(pattern),) if pattern else (),
        unless=tuple(normalise(each) for each in unless),
    )


BOOK = intent("book an appointment", "make an appointment")


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("I'd like to, please.", "i would like to please"),
        ("I DON’T know; that's what it is!", "i do not know that is what it is"),
        ("At 9 a.m. on Tuesday's list", "at 9 am on tuesday list"),
        ("one two three", "1 2 3"),
        ("Can't, won't, cannot", "can not will not can not"),
        ("my e-mail", "my email"),
        ("", ""),
    ],
)
def test_texts_are_brought_to_one_form(written: str, words: str) -> None:
    assert " ".join(normalise(written)) == words


@pytest.mark.parametrize(
    "said",
    [
        "I'd like to book an appointment, please.",
        "BOOK AN APPOINTMENT",
        "could I make an urgent appointment",
        "I want to book an apointment",
        "booking an appointment",
        "I would like to book in an appointment",
    ],
)
def test_a_caller_who_wants_an_appointment(said: str) -> None:
    assert BOOK.match(normalise(said))


@pytest.mark.parametrize(
    "said",
    [
        "",
        "I read a book",
        "appointment an book",
        "I don't want to book an appointment",
        "book me something that may one day become an appointment",
    ],
)
def test_a_caller_who_does_not(said: str) -> None:
    assert BOOK.match(normalise(said)) is None


def test_the_more_specific_intent_scores_higher() -> None:
    said = normalise("please cancel my appointment")
    general = intent(words=("appointment",)).match(said)
    special = intent("cancel my appointment").match(said)
    assert general
    assert special
    assert special.score > general.score


def test_word_sets_need_every_word_in_any_order() -> None:
    lost = intent(words=("card lost",))
    assert lost.match(normalise("I have lost my credit card"))
    assert lost.match(normalise("I have a card")) is None


def test_patterns_capture_what_they_name() -> None:
    day = intent(pattern=r"(?P<day>monday|tuesday)(?: (?P<part>morning|afternoon))?")
    found = day.match(normalise("Tuesday morning would be better"))
    assert found
    assert found.captured == {"day": "tuesday", "part": "morning"}
    assert day.match(normalise("not tuesday")) is None


def test_unless_rules_an_intent_out() -> None:
    balance = intent(words=("balance",), unless=("new balance shoes",))
    assert balance.match(normalise("my balance"))
    assert balance.match(normalise("I bought new balance shoes")) is None


def test_days_are_never_mistaken_for_each_other() -> None:
    days = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday", "today"]
    for one in days:
        for other in days:
            assert bool(likeness(one, other)) == (one == other)


@given(st.text())
def test_any_text_can_be_matched(text: str) -> None:
    words = normalise(text)
    match = BOOK.match(words)
    assert match is None or match.score > 0


@given(st.text("abcdefghij ", max_size=30), st.text("abcdefghij ", max_size=30))
def test_likeness_does_not_depend_on_the_order(said: str, wanted: str) -> None:
    assert likeness(said, wanted) == likeness(wanted, said)


@given(st.text())
def test_the_one_form_is_stable(text: str) -> None:
    once = normalise(text)
    again = normalise(" ".join(once))
    assert again == once
