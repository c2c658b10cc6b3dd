import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.agents.matching import normalise
from bridge.agents.spoken import read_digits, read_email, read_spelling, read_yes_no, say_digits


@pytest.mark.parametrize(
    ("said", "digits"),
    [
        ("555-123-4567.", "5551234567"),
        ("five five five, one two three, four five six seven", "5551234567"),
        ("Double five, triple one.", "55111"),
        ("It's five oh two", "502"),
        ("twenty three", "23"),
        ("forty, seven", "47"),
        ("fifty ten", "5010"),
        ("seventy", "70"),
        ("My number is 42, thank you", "42"),
        ("Oh, I don't know", ""),
        ("nothing to see", ""),
        ("٣ and 7", "37"),
    ],
)
def test_digits_as_recognisers_write_them(said: str, digits: str) -> None:
    assert read_digits(said) == digits


@pytest.mark.parametrize(
    ("said", "letters"),
    [
        ("S M I T H", "smith"),
        ("S-M-I-T-H.", "smith"),
        ("Smith, S M I double T", "smitt"),
        ("S as in Sam, M for Mary", "sm"),
        ("Smith", "smith"),
        ("A 7 B", "a7b"),
    ],
)
def test_spelled_words(said: str, letters: str) -> None:
    assert read_spelling(said) == letters


@pytest.mark.parametrize(
    ("said", "address"),
    [
        ("john dot smith at example dot com", "john.smith@example.com"),
        ("It's john.smith@example.com.", "john.smith@example.com"),
        ("mary underscore jones at mail dot example dot org", "mary_jones@mail.example.org"),
        ("j o h n at example dot com", "john@example.com"),
        ("I have none", ""),
    ],
)
def test_email_addresses(said: str, address: str) -> None:
    assert read_email(said) == address


@pytest.mark.parametrize(
    "said", ["Yes.", "Yeah, sure", "That's right!", "um, OK", "no problem", "Of course", "Uh huh."]
)
def test_yes(said: str) -> None:
    assert read_yes_no(normalise(said)) is True


@pytest.mark.parametrize("said", ["No.", "Nope", "that's not right", "No, thank you", "That isn't correct", "wrong"])
def test_no(said: str) -> None:
    assert read_yes_no(normalise(said)) is False


@pytest.mark.parametrize("said", ["", "Tuesday", "I don't know", "I'm not sure", "well"])
def test_neither_yes_nor_no(said: str) -> None:
    assert read_yes_no(normalise(said)) is None


def test_digits_are_read_back_in_groups() -> None:
    assert say_digits("5551234567") == "5 5 5, 1 2 3, 4 5 6 7"
    assert say_digits("+15551234567") == "1, 5 5 5, 1 2 3, 4 5 6 7"
    assert say_digits("1234") == "1 2 3 4"
    assert say_digits("12345678") == "1 2 3, 4 5 6, 7 8"
    assert say_digits("") == ""


@given(st.text("0123456789", max_size=40))
def test_what_is_read_back_is_what_was_pressed(digits: str) -> None:
    assert read_digits(say_digits(digits)) == digits


@given(st.text())
def test_any_text_can_be_read(text: str) -> None:
    assert read_digits(text).isdecimal() or not read_digits(text)
    assert "@" in read_email(text) or not read_email(text)
    read_spelling(text)
    read_yes_no(normalise(text))
