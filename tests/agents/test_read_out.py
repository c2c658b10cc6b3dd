"""Digits as a script reads them out."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bridge.agents.script_states import say_digits
from bridge.understanding.results import Hypothesis
from bridge.understanding.understand import understand


def test_digits_are_read_back_in_groups() -> None:
    assert say_digits("5551234567") == "5 5 5, 1 2 3, 4 5 6 7"
    assert say_digits("+15551234567") == "1, 5 5 5, 1 2 3, 4 5 6 7"
    assert say_digits("1234") == "1 2 3 4"
    assert say_digits("12345678") == "1 2 3, 4 5 6, 7 8"
    assert say_digits("") == ""


@given(st.text("0123456789", min_size=1, max_size=40))
def test_what_is_read_back_is_what_was_pressed(digits: str) -> None:
    found = understand([Hypothesis(say_digits(digits))], "digits")
    assert found is not None
    assert found.value == digits
