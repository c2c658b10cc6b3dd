"""What callers hear when a value that they gave is read back."""

from __future__ import annotations

import pytest

from bridge.text.readback import FORMATS, LONGEST_VALUE, read_back
from bridge.text.spoken.form import spoken_form
from bridge.text.spoken.languages import language


@pytest.mark.parametrize(
    ("value", "way", "said"),
    [
        ("5551234567", "phone", "five five five, one two three, four five six seven"),
        ("+15551234567", "phone", "plus one, five five five, one two three, four five six seven"),
        ("+49 30 1234567", "phone", "plus four nine, three zero, one two three four five six seven"),
        ("john.smith@example.com", "email", "john dot smith at example dot com"),
        ("jo_7@mail.example.de", "email", "jo underscore seven at mail dot example dot D E"),
        ("(555) 123-4567 ext. 12", "phone", "five five five, one two three, four five six seven, extension one two"),
        ("5551234567x9", "phone", "five five five, one two three, four five six seven, extension nine"),
        ("AB1234", "code", "A B one two, three four"),
        ("0042", "code", "zero zero four two"),
        ("2026-03-04", "date", "March fourth, twenty twenty-six"),
        ("$45.2", "amount", "forty-five dollars and twenty cents"),
        ("1200", "amount", "one thousand two hundred"),
        ("smith", "spelled", "S, M, I, T, H"),
        ("jo@ab.com", "spelled", "J, O, at, A, B, dot com"),
        ("123 456", "digits", "one two three, four five six"),
        ("", "code", ""),
        ("no number", "phone", "no number"),
        ("no address", "email", "no address"),
    ],
)
def test_values_are_read_back(value: str, way: str, said: str) -> None:
    assert read_back(value, way) == said


@pytest.mark.parametrize("way", FORMATS)
def test_what_is_read_back_is_spoken_as_it_stands_and_is_bounded(way: str) -> None:
    for value in ("a1@b.com", "5551234567", "2026-03-04", "smith", "x" * 5000, "7" * 5000):
        words = read_back(value, way)
        assert spoken_form(words, language("en")).text == words
        assert len(words) <= LONGEST_VALUE * 8
