"""Scenarios: short forms, and errors that say where, what, and what was expected."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bridge.errors import ConfigError
from bridge.simulator import scenario
from bridge.simulator.scenario import Digits, Interrupt, Noise, Say, Utterance, WaitFor, WaitForSilence, parse

FIXTURES = Path(__file__).parents[2] / "fixtures" / "scenarios"


def test_short_and_long_forms_mean_the_same() -> None:
    short = parse("name: x\nsteps: [{say: hello}, {wait_for_silence: 600}, {wait_for: number}, {digits: '12'}, cough]")
    long = parse(
        "name: x\nsteps: [{say: {text: hello}}, {wait_for_silence: {ms: 600}}, {wait_for: {words: [number]}}, "
        "{digits: {keys: '12'}}, {cough: {}}]"
    )
    assert short.steps == long.steps
    assert short.steps == (
        Say(utterance=Utterance(text="hello")),
        WaitForSilence(ms=600),
        WaitFor(words=("number",)),
        Digits(keys="12"),
        Noise(kind="cough"),
    )


def test_an_interruption_has_words_and_a_time() -> None:
    [step] = parse("name: x\nsteps: [{interrupt: {after_ms: 1200, text: wait, level_db: -26}}]").steps
    assert step == Interrupt(utterance=Utterance(text="wait", level_db=-26.0), after_ms=1200)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name: x\nsteps: [{sy: hi}]", r"f.yaml: steps\[0\]: unknown step 'sy' \(did you mean 'say'\?\), expected one"),
        ("name: x\nsteps: [{say: 3}]", r"f.yaml: steps\[0\].say: got 3, expected text"),
        (
            "name: x\nsteps: [{say: {voice: heart}}]",
            r"steps\[0\].say: got .*, expected a mapping with text or recording",
        ),
        ("name: x\nsteps: [{digits: 55x}]", r"steps\[0\].digits: got '55x', expected keys out of"),
        (
            "name: x\nsteps: [{interrupt: {after_ms: soon, text: b}}]",
            r"interrupt.after_ms: got 'soon', expected a whole number",
        ),
        ("name: x\nsteps: [{hang_up: 3}]", r"steps\[0\].hang_up: got 3, expected no value"),
        ("name: x\nsteps: []", r"f.yaml: steps: got an empty list, expected a list"),
        ("name: x\nsteps: [hang_up]\nlin: {}", r"f.yaml: unknown key 'lin' \(did you mean 'line'\?\)"),
        ("name: x\nsteps: [hang_up]\nline: {stalls: [{at: 4}]}", r"line.stalls\[0\]: unknown key 'at'.*at_ms, ms"),
        (
            "name: x\nsteps: [hang_up]\nexpect: {hung_up_by: me}",
            r"expect.hung_up_by: got 'me', expected one of 'server'",
        ),
        ("steps: [hang_up]", r"f.yaml: .*missing required field name"),
        ("- hang_up", r"f.yaml: got a list, expected a mapping"),
        ("name: [", r"f.yaml:1: not YAML: a value is missing"),
    ],
)
def test_an_error_names_file_key_value_and_expectation(text: Any, message: Any) -> None:
    with pytest.raises(ConfigError, match=message):
        parse(text, "f.yaml")


def test_a_missing_file_is_named() -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.yaml: cannot be read"):
        scenario.load(Path("nowhere.yaml"))


@pytest.mark.parametrize("path", sorted(FIXTURES.glob("*.yaml")), ids=lambda path: path.stem)
def test_the_scenarios_that_come_with_the_bridge_are_valid_and_their_recordings_exist(path: Any) -> None:
    read = scenario.load(path)
    for step in read.steps:
        if isinstance(step, Say | Interrupt) and step.utterance.recording:
            assert (path.parent / step.utterance.recording).is_file()


def named_in_the_reference(part: str) -> set[str]:
    """The keys in the first column of one table of the README."""
    text = (FIXTURES / "README.md").read_text(encoding="utf-8")
    [section] = [one for one in text.split("\n## ") if one.startswith(part)]
    rows = [row.split("|")[1] for row in section.splitlines() if row.startswith("| `")]
    return {key for row in rows for key in re.findall(r"`(\w+)`", row)}


@pytest.mark.parametrize("part", [scenario.Line, scenario.Carrier, scenario.Expect])
def test_the_reference_names_every_key(part: type[msgspec.Struct]) -> None:
    keys = {field.name for field in msgspec.structs.fields(part)}
    assert named_in_the_reference(part.__name__.lower()) == keys


def test_the_reference_names_every_step_and_its_example_is_one() -> None:
    assert named_in_the_reference("steps") == set(scenario._STEPS)
    text = (FIXTURES / "README.md").read_text(encoding="utf-8")
    example = parse(text.partition("```yaml\n")[2].partition("```")[0], folder=FIXTURES)
    assert len(example.steps) == 5
