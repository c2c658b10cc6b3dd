"""The files in which a translator mends a language: what is wrong in one is said, and all of them are sound."""

from __future__ import annotations

import re
from importlib import resources

import pytest

from bridge.text.spoken.languages import CODES, language
from bridge.understanding.languages import all as languages
from bridge.understanding.languages.all import FILES, lexicon, read
from bridge.understanding.lexicon import Lexicon
from bridge.understanding.number_names import names_of_numbers, read_languages


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("agree: yes", r"english\.yaml: agree is none of"),
        ("yes: [yes, yeah]", r"english\.yaml: yes: \['yes', 'yeah'\] is no text"),
        ("weekdays: monday", r"english\.yaml: weekdays: not a table"),
        ("weekdays: {first: monday}", r"english\.yaml: weekdays: .*'first'"),
        ("largest_name: many", r"english\.yaml: largest_name: 'many' is no whole number"),
        ("ones_first: maybe", r"english\.yaml: ones_first: 'maybe' is neither true nor false"),
        ("clock: {noon: noon}", r"english\.yaml: clock: .*'noon'"),
        ("- yes", r"english\.yaml: not a table"),
    ],
)
def test_a_mistake_in_a_file_is_named(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read("english", text, language("en-US"))


def test_a_table_has_its_value_first_and_then_the_words() -> None:
    found = read("english", "days: {1: Tomorrow, 2: day after tomorrow}\nyes: it's right, yes", language("en-US"))
    assert found.days == {("tomorrow",): 1, ("day", "after", "tomorrow"): 2}
    assert found.yes == {("it", "is", "right"), ("yes",)}


@pytest.mark.parametrize("name", sorted(set(FILES.values())))
def test_no_key_stands_twice_in_a_file(name: str) -> None:
    text = resources.files(languages.__package__).joinpath(f"{name}.yaml").read_text(encoding="utf-8")
    keys = re.findall(r"^(\w+):", text, re.M)
    assert sorted(set(keys)) == sorted(keys)


@pytest.mark.parametrize("code", CODES)
def test_every_language_that_is_spoken_is_understood(code: str) -> None:
    words = lexicon(code)
    assert words.spoken is language(code)
    assert all((words.yes, words.no, words.corrections, words.letters, words.alphabet, words.weekdays, words.signs))


@pytest.mark.parametrize("code", CODES)
def test_a_language_names_every_letter_and_weekday(code: str) -> None:
    words: Lexicon = lexicon(code)
    assert set("abcdefghijklmnopqrstuvwxyz") <= set(words.alphabet.values())
    assert set(words.weekdays.values()) == set(range(7))


@pytest.mark.parametrize("code", CODES)
def test_nothing_is_both_a_yes_and_a_no(code: str) -> None:
    words = lexicon(code)
    assert not (words.yes | words.weak_yes) & words.no


def test_what_was_read_ahead_is_at_hand() -> None:
    read_languages()
    before = names_of_numbers.cache_info().misses
    assert names_of_numbers(lexicon("de-AT"))[("dreiundzwanzig",)] == 23
    assert names_of_numbers.cache_info().misses == before
