"""What stands in a YAML file is what is meant, or the file is refused with the remedy."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from bridge import yaml_text
from bridge.agents import script_schema
from bridge.agents.script_mistakes import Mistakes
from bridge.config import parse_settings
from bridge.errors import ConfigError
from bridge.simulator import scenario

PLAIN = {
    "0": 0, "7": 7, "-12": -12, "8080": 8080, "1.5": 1.5, "-0.25": -0.25, ".5": 0.5, "1e3": 1000.0, "2.5e-3": 0.0025,
    "!!int 12": 12, "!!float 12": 12.0, "true": True, "False": False, "null": None, "~": None, "": None,
}  # fmt: skip
TEXT = [
    "0123", "010000", "007", "12:30", "1:30:45", "12:30:00.5", "1_000", "1,000", "0x1F", "0b11", "0o17", "+15550100",
    "+7", "yes", "no", "on", "Off", "y", "2024-01-31", "00.5", ".inf", ".nan", "1_0.5", "0049 30 123", "#5", "*",
    "1e999", "-1e999", "9" * 19, "9" * 900,
]  # fmt: skip


@pytest.mark.parametrize(("written", "meant"), PLAIN.items())
def test_what_is_plainly_a_number_a_truth_value_or_nothing_is_one(written: str, meant: Any) -> None:
    found = yaml_text.load(f"key: {written}\n")["key"]
    assert (found, type(found)) == (meant, type(meant))


@pytest.mark.parametrize("written", [text for text in TEXT if text[0] not in "#*"])
def test_everything_else_stays_as_it_was_written(written: str) -> None:
    assert yaml_text.load(f"key: {written}\n") == {"key": written}
    assert yaml_text.load(f"{written}: here\n") == {written: "here"}


@pytest.mark.parametrize("text", ["0123", "1_000", "12:30", "0x1F", ".inf", "1e999", "many"])
@pytest.mark.parametrize("tag", ["!!int", "!!float"])
def test_what_a_tag_calls_a_number_is_one_only_where_it_is_plainly_one(tag: str, text: str) -> None:
    assert yaml_text.load(f"key: {tag} {text}\n") == {"key": text}


@given(st.text("0123456789", min_size=1, max_size=12))
def test_digits_are_never_another_number_than_people_read(digits: str) -> None:
    found = yaml_text.load(f"key: {digits}\n")["key"]
    assert str(found) == digits
    assert isinstance(found, str if digits != str(int(digits)) else int)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("gateway: {port: 010000}", "gateway.port: is '010000', expected a whole number: write a number in plain"),
        ("gateway: {max_calls: 1_000}", "max_calls: is '1_000', expected a whole number: write a number in plain"),
        ("call: {no_input_s: 1:30}", "call.no_input_s: is '1:30', expected a number: write a number in plain"),
        ("listening: {echo: {enabled: no}}", "listening.echo.enabled: is 'no', expected true or false"),
        ("gateway: {port: '8080'}", "gateway.port: is '8080', expected a whole number: write a number in plain digits"),
        ("gateway: {port: 8e3}", "port: is 8000.0, expected a whole number: write a whole number in plain digits"),
        ("call: {no_input_s: .inf}", "call.no_input_s: is '.inf', expected a number: write a number in plain digits"),
        ("gateway: {development_unsigned: 1}", "is 1, expected true or false"),
        (
            "gateway: {overflow_number: 15550100}",
            "gateway.overflow_number: is 15550100, expected text: put it in quotes",
        ),
    ],
)
def test_a_setting_that_cannot_be_meant_so_is_refused_with_the_remedy(text: str, said: str) -> None:
    with pytest.raises(ConfigError) as refused:
        parse_settings(text, "bridge.yaml")
    assert said in str(refused.value)


@pytest.mark.parametrize("written", ["0123", "1_000", "1:30", "0x10", "+3", "00.5", ".5", "1,5"])
@pytest.mark.parametrize("key", ["attempts: {}", "states: {{a: {{say: [{{pause_s: {}}}]}}}}"])
def test_a_script_refuses_such_numbers_with_the_remedy(key: str, written: str) -> None:
    mistakes = Mistakes()
    script_schema.parse(key.format(f"'{written}'"), mistakes)
    assert [mistake.count("write a number in plain digits") for mistake in mistakes] == [1]


@pytest.mark.parametrize("written", ["yes", "no", "on", "Off", "y"])
def test_a_script_refuses_such_truth_values_with_the_remedy(written: str) -> None:
    mistakes = Mistakes()
    script_schema.parse(f"states: {{a: {{on_yes: {{repeat: {written}}}}}}}", mistakes)
    assert [mistake.count("expected true or false") for mistake in mistakes] == [1]


def test_a_script_keeps_text_as_it_was_written() -> None:
    written = ", ".join(f"k{place}: '{text}'" for place, text in enumerate(TEXT))
    plain = ", ".join(f"p{place}: {text}" for place, text in enumerate(TEXT) if text[0] not in "#*" and "," not in text)
    mistakes = Mistakes()
    read = script_schema.parse(f"values: {{{written}, {plain}}}", mistakes).values
    assert not mistakes
    assert [read[f"k{place}"] for place in range(len(TEXT))] == TEXT
    assert all(read[key] == TEXT[int(key[1:])] for key in read)


def test_a_number_in_the_form_of_the_whole_world_keeps_its_plus() -> None:
    assert parse_settings("gateway: {overflow_number: +15550100}", "b").gateway.overflow_number == "+15550100"


def test_a_scenarios_caller_presses_the_keys_that_are_written() -> None:
    read = scenario.parse("name: keys\nsteps: [{digits: 0123}, hang_up]\n")
    assert read.steps[0] == scenario.Digits(keys="0123")


NO_YAML = {
    "a: [": (1, "a bracket too many or too few"),
    "a: {b: 1": (1, "braces"),
    "a: [b c: d": (1, "a list in brackets"),
    "a: b: c": (1, "a colon where none can be"),
    "a:\n  - b\n c: d": (3, "indentation"),
    "b:\n\t- x": (2, "a tab"),
    "a: @x": (1, "in quotes"),
    "a: `x`": (1, "in quotes"),
    "a: %x": (1, "in quotes"),
    "a: *b": (1, "in quotes"),
    "a: *": (1, "in quotes"),
    "a: !x y": (1, "in quotes"),
    "a: !<x": (1, "in quotes"),
    "a: |x\n b": (1, "in quotes"),
    "a: !!timestamp x": (1, "in quotes"),
    "a: !!binary x": (1, "in quotes"),
    "a: !!set [x]": (1, "in quotes"),
    "a: !!python/object:x y": (1, "in quotes"),
    "a: 'x": (1, "not closed"),
    'a: "x\n---\n': (2, "not closed"),
    'a: "\\q"': (1, "a backslash"),
    'a: "\\xzz"': (1, "a backslash"),
    "a: \x00": (None, "a control character"),
    "? [a]\n: b": (1, "a key that is a list"),
    "a: 1\n---\nb: 2": (2, "one document"),
    "a: &x 1\nb: &x 2": (2, "anchors"),
    "<<: 3": (1, "<< wants a section"),
    "a\nb: c": (2, "a colon where none can be"),
    "a: &a [*a]": (1, "inside what it names"),
    "a: " + "[" * 200 + "]" * 200: (1, "too deeply"),
    "[" * 5000: (None, "too deeply"),
    "%YAML 3.0\n---\na: 1": (1, "a version of YAML"),
}


@pytest.mark.parametrize(("text", "where"), NO_YAML.items(), ids=[text[:20] for text in NO_YAML])
def test_a_text_that_is_no_yaml_is_told_in_its_authors_words(text: str, where: tuple[int | None, str]) -> None:
    with pytest.raises(yaml.YAMLError) as refused:
        yaml_text.load(text)
    line, said = yaml_text.problem(refused.value)
    assert line == where[0]
    assert where[1] in said


@pytest.mark.parametrize("text", ["a: !!bool maybe", "a: !!int x", "a: !!float x"])
def test_a_tag_makes_nothing_of_a_text_that_it_does_not_fit(text: str) -> None:
    assert yaml_text.load(text) == {"a": text.rpartition(" ")[2]}


def test_a_value_that_many_share_is_read_once() -> None:
    text = "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 30))
    assert yaml_text.load(text)["a1"] == [["x"]] * 9


@pytest.mark.parametrize(
    ("expected", "told"),
    [
        ("`int`", "a whole number"),
        ("`int | null`", "a whole number or nothing"),
        ("`int` >= 1", "a whole number of at least 1"),
        ("`float` <= 1", "a number of at most 1"),
        ("float that is finite", "a number that is finite"),
        ("`str` of length >= 1", "text of at least 1 character"),
        ("`array` of length 2", "a list of 2 entries"),
        ("`object | str`", "a section or text"),
        ("`str` matching regex '^https?://[^/]'", "an address that starts with http:// or https://"),
    ],
)
def test_what_is_expected_is_told_without_the_words_of_a_program(expected: str, told: str) -> None:
    assert yaml_text.in_words(expected) == told
