"""The benchmark of understanding tells whose error a wrong value is, and hears a real voice over a real call."""

from __future__ import annotations

import pytest

from bridge.call.actions import Prompt, TextAlternative
from bridge.text.spoken.form import spoken_form
from bridge.text.spoken.languages import language
from bridge.understanding.understand import KINDS
from tests.bench.turn_taking import Engines
from tests.bench.understanding import Row, judged, on_the_line, rows, turns, voices

ROW = Row("digits:4", "one two three four", "1234")


def prompt(*texts: str) -> Prompt:
    readings = tuple(TextAlternative(text, 0.9) for text in texts)
    return Prompt("caller_said", texts[0], answer=ROW.kind, language="en-US", readings=readings)


@pytest.mark.parametrize(
    ("prompts", "verdict"),
    [
        ([prompt("1, 2, 3, 4.")], "right"),
        ([prompt("1 2 3", "one two three four")], "right"),
        ([prompt("one two tree floor")], "recogniser"),
        ([prompt("one two"), prompt("three four")], "turn"),
        ([], "turn"),
    ],
)
def test_whose_error_a_wrong_value_is(prompts: list[Prompt], verdict: str) -> None:
    assert judged(ROW, "heart", prompts).verdict == verdict


def test_the_right_words_without_the_right_value_are_the_parsers_error() -> None:
    found = judged(Row("digits:4", "one two three four", "4321"), "heart", [prompt("1 2 3 4")])
    assert (found.verdict, found.understood) == ("parser", "1234")


def test_the_rows_are_of_every_kind_and_always_the_same() -> None:
    chosen = rows([], 3)
    assert chosen == rows([], 3)
    assert {row.kind.partition(":")[0] for row in chosen} == set(KINDS)
    assert all(not any(c.isdigit() for c in row.said) and row.value != "-" for row in chosen)


def test_a_voice_is_heard_and_understood() -> None:
    engines, said = Engines(), "yes please"
    clip = on_the_line(voices()["heart"](spoken_form(said, language("en-US")).text))
    found = judged(Row("yes_no", said, "yes"), "heart", turns(engines, "yes_no", clip))
    assert (found.verdict, found.understood) == ("right", "yes")
