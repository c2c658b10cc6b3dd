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
from tests.understanding.test_answers import rows

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


TODAY = Day(2026, 11, 27)
TOLD: dict[tuple[str, str], list[str]] = {}
"""What callers say, by language and kind."""
for _language, _kind, _said, _ in rows("_calls"):
    TOLD.setdefault((_language[:2], _kind.partition(":")[0]), []).append(_said)

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


HESITATIONS = {code: sorted(lexicon(code).hesitations) for code in CODES}
DENIED = {
    "en": "it's not",
    "de": "es ist nicht",
    "es": "no es",
    "fr": "ce n'est pas",
    "it": "non è",
    "pt": "não é",
    "nl": "het is niet",
}
NUMBERED = ("digits", "phone", "number", "amount")


@given(st.data(), codes, st.sampled_from(KINDS))
def test_a_hesitation_at_either_end_changes_nothing(data: st.DataObject, code: str, kind: str) -> None:
    said = data.draw(st.sampled_from(TOLD[code[:2], kind]))
    um, mark = data.draw(st.sampled_from(HESITATIONS[code])), data.draw(st.sampled_from(["", ","]))
    plain = value(said, kind, code, TODAY)
    assert value(f"{um}{mark} {said}", kind, code, TODAY) == plain
    assert value(f"{said}{mark} {um}{mark}", kind, code, TODAY) == plain


@given(st.text("0123456789", min_size=4, max_size=12), codes, st.sampled_from(NUMBERED))
def test_what_a_number_is_said_not_to_be_is_never_its_value(digits: str, code: str, kind: str) -> None:
    apart = " ".join(language(code).digits[int(digit)] for digit in digits)
    for said in (apart, digits):
        assert value(f"{DENIED[code[:2]]} {said}", kind, code) is None


@given(st.integers(1, 28), st.integers(1, 12), st.integers(1, 23), codes)
def test_a_day_or_an_hour_that_is_denied_is_never_the_value(day: int, month: int, hour: int, code: str) -> None:
    not_it = DENIED[code[:2]]
    date = Day(2027, month, day).iso
    assert value(f"{not_it} {read_back(date, 'date', code)}", "date", code, TODAY) is None
    assert value(f"{not_it} {language(code).clock(hour, 30, None, '')}", "time", code) is None


@given(
    st.lists(
        st.sampled_from("one two three oh um no wait sorry double triple 4 55 twelve dash and the is my".split()),
        max_size=20,
    )
)
def test_no_digit_is_in_a_value_that_nobody_said(words: list[str]) -> None:
    told = {"one": "1", "two": "2", "three": "3", "oh": "0", "4": "4", "55": "5", "twelve": "12"}
    said = {digit for word in words for digit in told.get(word, "")}
    for kind in ("digits", "phone"):
        assert set(str(value(" ".join(words), kind) or "")) <= said


@given(
    st.lists(st.sampled_from([*"SMITHBRO", "um", "no wait", "sorry", "double", "and", "then", "it is"]), max_size=20)
)
def test_no_letter_is_in_a_spelling_that_nobody_said(words: list[str]) -> None:
    letters = {word.lower() for word in words if len(word) == 1}
    found = str(value(" ".join(words), "spelling") or "")
    assert set(found) <= letters or found in ("double", "then")  # one word alone may be the name


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
    [
        ("fr-FR", "un "),
        ("en-US", "double "),
        ("de-DE", "zwei und "),
        ("es-ES", "y "),
        ("en-US", "no wait "),
        ("en-US", "my wife's "),
        ("en-US", "at seven "),
        ("en-US", "starts with "),
        ("en-US", "um "),
    ],
)
def test_a_text_of_twice_the_length_is_twice_the_work(kind: str, code: str, piece: str) -> None:
    short, long = ((piece * LONGEST_TEXT)[:length] for length in (LONGEST_TEXT // 2, LONGEST_TEXT))
    steps(long, kind, code)  # what is kept is made now
    assert steps(long, kind, code) <= 2.5 * steps(short, kind, code) + 200
