"""What callers say, as recognisers write it, and what is understood of it: one row a call."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge.understanding.calendar_days import Day
from bridge.understanding.results import Hypothesis, Understood
from bridge.understanding.understand import KINDS, understand

TODAY = Day(2026, 11, 27)
CHOICES = {"balance": ["how much do I owe"], "outage": ["power is out", "no power"], "agent": ["operator", "person"]}
CHOICES_IN = {
    "de-DE": {"balance": ["Kontostand"], "outage": ["Strom ist weg", "Störung"], "agent": ["Mensch", "Mitarbeiter"]},
    "es-ES": {"balance": ["saldo"], "outage": ["no tengo luz", "avería"], "agent": ["agente", "persona"]},
    "fr-FR": {"balance": ["solde"], "outage": ["panne", "plus de courant"], "agent": ["conseiller", "personne"]},
    "it-IT": {"balance": ["saldo"], "outage": ["guasto", "manca la luce"], "agent": ["operatore", "persona"]},
    "pt-BR": {"balance": ["saldo"], "outage": ["sem luz", "falta de energia"], "agent": ["atendente", "pessoa"]},
    "nl-NL": {"balance": ["saldo"], "outage": ["storing", "geen stroom"], "agent": ["medewerker", "mens"]},
}
LANGUAGES = {
    "english": "en-US",
    "german": "de-DE",
    "spanish": "es-ES",
    "french": "fr-FR",
    "italian": "it-IT",
    "portuguese": "pt-BR",
    "dutch": "nl-NL",
}
SHOWN = ("extension", "currency")
"""Parts that the tables tell."""


def rows(table: str = "") -> list[tuple[str, str, str, str]]:
    found = []
    for name, language in LANGUAGES.items():
        text = (Path(__file__).parent / f"{name}{table}.txt").read_text(encoding="utf-8")
        for line in text.splitlines():
            if line and not line.startswith("#"):
                kind, said, value = (part.strip() for part in line.split(" | "))
                found.append((language, kind, said, value))
    return found


def shown(understood: Understood | None) -> str:
    if understood is None:
        return "-"
    parts = [f"{name}={understood.parts[name]}" for name in SHOWN if name in understood.parts]
    return " ".join([understood.text, *parts])


@pytest.mark.parametrize(("language", "kind", "said", "value"), rows())
def test_an_answer(language: str, kind: str, said: str, value: str) -> None:
    choices = CHOICES_IN.get(language, CHOICES)
    assert shown(understand([Hypothesis(said)], kind, language, choices=choices, today=TODAY)) == value


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("language", LANGUAGES.values())
def test_answers_as_they_are_said_on_the_phone(language: str, kind: str) -> None:
    told = [row for row in rows("_calls") if row[0] == language and row[1].partition(":")[0] == kind]
    choices = CHOICES_IN.get(language, CHOICES)
    got = {
        (answer, said): shown(understand([Hypothesis(said)], answer, language, choices=choices, today=TODAY))
        for _, answer, said, _ in told
    }
    assert got == {(answer, said): value for _, answer, said, value in told}
    assert len(told) >= 50


@pytest.mark.parametrize("language", LANGUAGES.values())
def test_every_table_is_long_and_has_every_kind(language: str) -> None:
    table = [(kind.partition(":")[0], value) for code, kind, _, value in rows() if code == language]
    assert len(table) >= 100
    assert {kind for kind, _ in table} == set(KINDS)
    assert {kind for kind, value in table if value == "-"} == set(KINDS)


def test_a_date_in_digits_is_read_in_the_order_of_its_country() -> None:
    found = [understand([Hypothesis("4/3/2026")], "date", code) for code in ("en-US", "en-GB", "en", "pt-BR")]
    assert [reading.value for reading in found if reading] == ["2026-04-03", "2026-03-04", "2026-04-03", "2026-03-04"]


@pytest.mark.parametrize(
    ("said", "kind", "value"),
    [("no", "yes_no", "-"), ("dwa trzy", "digits", "-"), ("six", "digits", "-"), ("123 456", "digits", "123456"),
     ("jan@example.pl", "email", "jan@example.pl"), ("2026-03-04", "date", "2026-03-04"), ("14:30", "time", "14:30")],
)  # fmt: skip
def test_of_a_language_without_a_file_only_digits_and_signs_are_understood(said: str, kind: str, value: str) -> None:
    assert shown(understand([Hypothesis(said)], kind, "pl-PL")) == value  # "no" is a yes in Polish


@pytest.mark.parametrize(("kind", "said"), [(kind, said) for lang, kind, said, _ in rows() if lang == "en-US"])
def test_letter_case_and_the_last_stop_change_nothing_but_names(kind: str, said: str) -> None:
    plain = understand([Hypothesis(said)], kind, choices=CHOICES, today=TODAY)
    if kind in ("name", "spelling", "date"):
        return  # there a capital says something: KOWALSKI is spelled, Mar is a month
    for other in (said.lower(), f"{said}."):
        again = understand([Hypothesis(other)], kind, choices=CHOICES, today=TODAY)
        assert shown(again) == shown(plain)


# -- several hypotheses


def test_the_hypothesis_that_has_a_value_is_believed() -> None:
    heard = [Hypothesis("I ate one two", 0.6), Hypothesis("eight one two five", 0.4)]
    found = understand(heard, "digits:4")
    assert found is not None
    assert found.value == "8125"
    assert 0.3 < found.confidence < 0.4


def test_hypotheses_that_differ_take_confidence_from_each_other() -> None:
    alone = understand([Hypothesis("one two three four", 0.9)], "digits:4")
    doubted = understand([Hypothesis("one two three four", 0.9), Hypothesis("one two three five", 0.8)], "digits:4")
    agreed = understand([Hypothesis("one two three four", 0.9), Hypothesis("1234", 0.8)], "digits:4")
    assert alone is not None
    assert doubted is not None
    assert agreed is not None
    assert doubted.value == alone.value
    assert doubted.confidence < alone.confidence == agreed.confidence


@pytest.mark.parametrize(("sure_of_words", "value"), [(0.3, "1234"), (0.1, "1234"), (0.05, "-"), (0.0, "-")])
def test_a_value_in_words_that_were_hardly_said_is_a_guess(sure_of_words: float, value: str) -> None:
    heard = [Hypothesis("I want to think about it", 0.9), Hypothesis("one two three four", sure_of_words)]
    assert shown(understand(heard, "digits:4")) == value


def test_a_value_that_the_likeliest_words_deny_is_less_sure() -> None:
    denied = understand([Hypothesis("not 1234", 0.6), Hypothesis("1234", 0.4)], "digits:4")
    assert denied is None or denied.confidence < 0.4


def test_what_can_be_either_is_not_understood() -> None:
    assert understand([Hypothesis("yes", 0.5), Hypothesis("no", 0.49)], "yes_no") is None


def test_an_open_answer_has_no_value() -> None:
    assert understand([Hypothesis("anything")], "open") is None
    assert understand([], "digits") is None


# -- what belongs to a value


@pytest.mark.parametrize(
    ("said", "value", "half"),
    [
        ("half past nine", "09:30", "unknown"),
        ("9:30 pm", "21:30", "pm"),
        ("18:00", "18:00", "pm"),
        ("6 a.m.", "06:00", "am"),
    ],
)
def test_a_time_says_which_half_of_the_day_is_meant_or_that_nobody_knows(said: str, value: str, half: str) -> None:
    found = understand([Hypothesis(said)], "time")
    assert found is not None
    assert (found.value, found.parts["half_of_day"]) == (value, half)


def test_a_date_without_a_year_says_so() -> None:
    known, unknown = (understand([Hypothesis("March fourth")], "date", today=today) for today in (TODAY, None))
    assert known is not None
    assert unknown is not None
    assert (known.value, known.parts) == ("2027-03-04", {"year": "assumed"})
    assert unknown.value == "--03-04"
    assert understand([Hypothesis("tomorrow")], "date") is None


def test_a_word_that_was_not_spelled_says_so() -> None:
    said, spelled = (understand([Hypothesis(text)], "spelling") for text in ("Smith", "S M I T H"))
    assert said is not None
    assert spelled is not None
    assert said.value == spelled.value
    assert said.parts == {"spelled": "no"}
    assert said.confidence < spelled.confidence


def test_values_have_their_types() -> None:
    kinds = {"yes_no": "yes", "number": "two and a half", "digits": "one two"}
    values = [found.value for kind, said in kinds.items() if (found := understand([Hypothesis(said)], kind))]
    assert values == [True, 2.5, "12"]
