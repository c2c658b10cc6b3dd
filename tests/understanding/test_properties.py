"""What a formatter says, the parser reads back; nonsense has no value; whatever is said, the work is bounded."""

from __future__ import annotations

import sys

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bridge.text.readback import read_back
from bridge.text.spoken.languages import language
from bridge.understanding.calendar_days import Day, days_in
from bridge.understanding.languages.all import lexicon
from bridge.understanding.results import Hypothesis, Understood
from bridge.understanding.understand import KINDS, understand
from bridge.understanding.words import LONGEST_TEXT

CODES = ["en-US", "en-GB", "de-DE", "es-ES", "fr-FR", "it-IT", "pt-BR", "pt-PT", "nl-NL"]
CHOICES = {"red": ["crimson"], "blue": ["navy"]}
ORDINARY = (
    "the a of and house tree water computer blue green walked running yesterday's cat dogs because while although "
    "there "
    "under mountain river music street garden window really quickly always often between during should could "
    "might music "
    "holiday weather kitchen window bottle paper quiet broken delivery package refund website password"
).split()
"""Words of which no answer is made."""


def value(said: str, kind: str, code: str = "en-US", today: Day | None = None) -> object:
    found = understand([Hypothesis(said)], kind, code, choices=CHOICES, today=today)
    return None if found is None else found.value


codes = st.sampled_from(CODES)


@given(st.text("0123456789", min_size=1, max_size=20), codes)
def test_digits_that_are_read_back_are_understood(digits: str, code: str) -> None:
    assert value(read_back(digits, "digits", code), "digits", code) == digits
    assert value(" ".join(language(code).digits[int(digit)] for digit in digits), "digits", code) == digits


@given(st.from_regex(r"[2-9][0-9]{9}", fullmatch=True), codes)
def test_a_telephone_number_that_is_read_back_is_understood(number: str, code: str) -> None:
    assert value(read_back(number, "phone", code), "phone", code) == number


@given(st.integers(0, 999_999), codes)
def test_a_number_in_words_is_understood(number: int, code: str) -> None:
    assert value(language(code).cardinal(number, ""), "number", code) == number


@given(st.integers(1, 99_999), st.integers(0, 99), codes)
def test_a_sum_that_is_read_back_is_understood(units: int, cents: int, code: str) -> None:
    said = read_back(f"{units}{language(code).decimal_mark}{cents:02} €", "amount", code)
    assert value(said, "amount", code) == (f"{units}.{cents:02}" if cents else str(units))


@given(st.integers(1930, 2040), st.integers(1, 12), st.integers(1, 31), codes)
def test_a_date_that_is_read_back_is_understood(year: int, month: int, day: int, code: str) -> None:
    date = Day(year, month, min(day, days_in(year, month))).iso
    assert value(read_back(date, "date", code), "date", code) == date


@given(st.integers(0, 23), st.integers(0, 59), codes)
def test_a_time_that_is_said_by_the_clock_is_understood(hour: int, minute: int, code: str) -> None:
    if code.startswith("pt") and hour == 20 and 0 < minute < 10:
        return  # "vinte e quatro" is 24, too
    assert value(language(code).clock(hour, minute, None, ""), "time", code) == f"{hour:02}:{minute:02}"


@given(st.integers(0, 23), st.integers(0, 59))
def test_a_time_that_is_read_back_is_understood(hour: int, minute: int) -> None:
    half, shown = ("am" if hour < 12 else "pm"), (hour % 12 or 12)
    said = language("en-US").clock(shown, minute, None, half)
    assert value(said, "time") == f"{hour:02}:{minute:02}"


@given(st.text("abcdefghijklmnopqrstuvwxyz", min_size=3, max_size=15), codes)
@example("ai", "en-US")
def test_a_word_that_is_spelled_out_is_understood(word: str, code: str) -> None:
    assert value(read_back(word, "spelled", code), "spelling", code) == word
    assert value(" ".join(word.upper()), "spelling", code) == word


AS_IN = {"en": "as in", "de": "wie", "es": "de", "fr": "comme", "it": "come", "pt": "de", "nl": "van"}


@given(st.text("abcdefghijklmnopqrstuvwxyz", min_size=2, max_size=12), codes)
def test_a_word_spelled_by_an_alphabet_of_its_language_is_understood(word: str, code: str) -> None:
    alphabet = {letter: name for name, letter in reversed(list(lexicon(code).alphabet.items())) if len(name) > 2}
    assert value(" ".join(alphabet[letter] for letter in word), "spelling", code) == word
    as_in = AS_IN[code[:2]]
    assert value(" ".join(f"{letter} {as_in} {alphabet[letter]}" for letter in word), "spelling", code) == word


label = st.from_regex(r"(?!(gmail|hotmail|yahoo|outlook|icloud|aol|gmx|protonmail)$)[b-hj-z]{4,9}", fullmatch=True)


@given(label, label, st.sampled_from([".", "_", "-", ""]), label, st.sampled_from(["com", "org", "co.uk"]))
def test_an_address_that_is_read_back_is_understood(first: str, last: str, sign: str, domain: str, top: str) -> None:
    address = f"{first}{sign}{last if sign else ''}@{domain}.{top}"
    assert value(address, "email") == address
    said = (
        f"{first}{sign}{last if sign else ''}".replace(".", " dot ").replace("_", " underscore ").replace("-", " dash ")
    )
    assert value(f"my email is {said} at {domain} dot {top.replace('.', ' dot ')}", "email") == address


@given(st.lists(st.sampled_from(ORDINARY), max_size=30).map(" ".join), st.sampled_from(KINDS))
def test_ordinary_words_have_no_value_that_is_trusted(said: str, kind: str) -> None:
    found = understand([Hypothesis(said)], kind, choices={"red": [], "seven": []}, today=Day(2026, 11, 27))
    assert found is None or (found.confidence <= 0.8 and kind in ("name", "spelling"))


@given(st.text(max_size=300), st.sampled_from([*KINDS, "digits:4"]), codes)
def test_any_text_can_be_read(said: str, kind: str, code: str) -> None:
    found = understand([Hypothesis(said)], kind, code, choices=CHOICES, today=Day(2026, 11, 27))
    assert found is None or isinstance(found, Understood)
    assert found is None or 0 < found.confidence <= 1


@given(
    st.lists(
        st.sampled_from(
            "one oh double hundred and point dot at no wait sorry a b see @ . , - 12 may th half to".split()
        ),
        max_size=60,
    ).map(" ".join),
    st.sampled_from(KINDS),
)
def test_any_row_of_such_words_can_be_read(said: str, kind: str) -> None:
    understand([Hypothesis(said)], kind, choices=CHOICES, today=Day(2026, 11, 27))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "piece",
    ["one ", "double ", "a ", "at dot ", "no wait ", "b as in ", "@.", "hundred ", "9", "oh ", "may ", "'", "-1"],
)
def test_what_comes_after_the_longest_text_is_not_looked_at(kind: str, piece: str) -> None:
    long = piece * 100_000
    assert value(long, kind) == value(long[:LONGEST_TEXT], kind)


@given(st.integers(-200_000, 200_000))
def test_days_of_the_calendar_are_counted_right(number: int) -> None:
    day = Day(1970, 1, 1).plus(number)
    assert day.number == number
    assert 1 <= day.day <= days_in(day.year, day.month)
    assert day.plus(1).weekday == (day.weekday + 1) % 7


def steps(said: str, kind: str, code: str) -> int:
    """How many functions are called to read a text, which no clock need measure."""
    count = 0

    def called(_frame: object, event: str, _of: object) -> None:
        nonlocal count
        count += event == "call"

    sys.setprofile(called)
    try:
        value(said, kind, code)
    finally:
        sys.setprofile(None)
    return count


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("code", "piece"),
    [("fr-FR", "un "), ("en-US", "double "), ("de-DE", "zwei und "), ("es-ES", "y "), ("en-US", "no wait ")],
)
def test_a_text_of_twice_the_length_is_twice_the_work(kind: str, code: str, piece: str) -> None:
    short, long = ((piece * LONGEST_TEXT)[:length] for length in (LONGEST_TEXT // 2, LONGEST_TEXT))
    steps(long, kind, code)  # what is kept is made now
    assert steps(long, kind, code) <= 2.5 * steps(short, kind, code) + 200
