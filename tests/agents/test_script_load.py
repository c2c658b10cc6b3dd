"""A script with a mistake in it names the mistake."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bridge.agents.script_load import compile_script, load_script
from bridge.errors import ConfigError

HEAD = """
intents:
  book: [book it]
states:
  start:
    say: Hello.
    when: {book: end}
  end: {say: Goodbye., hang_up: done}
"""


def mistakes(text: str) -> list[str]:
    with pytest.raises(ConfigError) as raised:
        compile_script(text, "clinic.yaml")
    return str(raised.value).splitlines()


def with_state(body: str) -> str:
    return HEAD.replace("when: {book: end}", f"when: {{book: extra}}\n  extra: {body}")


def test_a_correct_script_has_no_warnings() -> None:
    assert compile_script(HEAD, "clinic.yaml").warnings == ()


@pytest.mark.parametrize(
    ("script", "mistake"),
    [
        ("", "the file: empty: expected a mapping with `start`, `intents` and `states`"),
        ("states: [a]", "states: a list: expected a mapping from the name of each state to what it is"),
        ("name: x", "states: an empty section: expected at least one state"),
        (with_state("{say: Hi., language: tlh, hang_up: x}"), "state 'extra', language: 'tlh': expected one of en-US"),
        (HEAD + "begin: start", "the file: unknown key 'begin'; known keys are"),
        (HEAD + "strat: end", "the file: unknown key 'strat'; did you mean 'start'?"),
        (HEAD + "start: strat", "start: 'strat': there is no such state; did you mean 'start'?"),
        (HEAD + "attempts: many", "attempts: 'many': expected a whole number"),
        (with_state("{sya: Hi., hang_up: x}"), "state 'extra': unknown key 'sya'; did you mean 'say'?"),
        (
            with_state("{say: {text: Hi., interruption: never}, hang_up: x}"),
            "state 'extra', say, interruption: 'never': expected one of interruptible, protected",
        ),
        (
            with_state("{say: [Hi., {txt: Ho.}], hang_up: x}"),
            "state 'extra', say, line 2: unknown key 'txt'; did you mean 'text'?",
        ),
        (
            with_state("{say: Hi., when: {book: {gto: end}}}"),
            "state 'extra', when: unknown key 'gto'; did you mean 'goto'?",
        ),
        (with_state("{say: Hi., when: {boook: end}}"), "state 'extra', when: 'boook': expected the name of an intent"),
        (
            with_state("{say: Hi., goto: edn}"),
            "state 'extra': goes to 'edn': there is no such state; did you mean 'end'?",
        ),
        (with_state("{say: Hi.}"), "state 'extra': nothing leads on from here"),
        (with_state("{on_speech: end}"), "state 'extra': say: nothing: a state that waits"),
        (with_state("{say: Hi., goto: extra}"), "state 'extra': goto extra -> extra never waits for the caller"),
        (with_state("{say: Hi., expect: numbers, on_answer: end}"), "state 'extra', expect: 'numbers': expected open,"),
        (with_state("{say: Hi., capture: x, on_speech: end}"), "state 'extra': capture: 'x': expected on_answer"),
        (with_state("{say: Hi., digits: {x: end}}"), "state 'extra', digits: 'x': expected keys of a telephone"),
        (with_state("{say: Hi., transfer: somebody}"), "transfer: 'somebody': expected an E.164 number"),
        (with_state("{say: Hi., goto: end, hang_up: x}"), "state 'extra': goto, hang_up: expected only one of"),
        (with_state("{say: 'Hi {nmae}.', hang_up: x}"), "'Hi {nmae}.': nothing fills the slot 'nmae'"),
        (
            with_state("{say: 'Hi {from_number:loud}.', hang_up: x}"),
            "amount or spelled or digits, not 'loud'",
        ),
        (with_state("{say: [{pause_s: 0}], hang_up: x}"), "expected words to say, or pause_s above 0"),
        (HEAD.replace("[book it]", "{patterns: ['(']}"), "intent 'book', patterns: '(': expected a regular expression"),
        (HEAD.replace("[book it]", "{phrase: [a]}"), "intent 'book': unknown key 'phrase'; did you mean 'phrases'?"),
        (HEAD.replace("[book it]", "[]"), "intent 'book': an empty list: expected phrases, words or patterns"),
        (HEAD.replace("[book it]", "['?!']"), "intent 'book', phrases: '?!': expected words"),
        (HEAD + "start: [", "not readable as YAML: a value is missing"),
        (HEAD.replace("  end:", "  start:"), "the key 'start' is written twice"),
    ],
)
def test_a_mistake_is_named(script: str, mistake: str) -> None:
    found = mistakes(script)
    assert all(re.match(r"clinic\.yaml(:\d+)?: ", line) for line in found)
    assert any(mistake in line for line in found), found


def test_all_mistakes_are_named_at_once() -> None:
    found = mistakes(with_state("{say: 'Hi {x}.', goto: nowhere}") + "start: elsewhere")
    assert len(found) == 3


def test_mistakes_in_the_keys_of_one_state_hide_no_other_and_make_none_elsewhere() -> None:
    script = """
intents: {book: {phrase: [a]}, ask: [ask me]}
states:
  start: {sya: Hi., when: {book: end, aks: end}, no_imput: x}
  middle: [1, 2]
  end: {say: [{txt: A.}, {pause_s: soon}, {text: B., interruption: loud}], hang_up: done, goto: nowhere}
  last: {say: C., when: {ask: middle}, attempts: many}
"""
    found = mistakes(script)
    named = [re.sub(r"^clinic\.yaml:\d+: ", "", line) for line in found]
    for beginning in (
        "intent 'book': unknown key 'phrase'",
        "state 'start': unknown key 'sya'; did you mean 'say'?",
        "state 'start': unknown key 'no_imput'; did you mean 'no_input'?",
        "state 'start', when: 'aks'",
        "state 'middle': a list: expected a section",
        "state 'end', say, line 1: unknown key 'txt'",
        "state 'end', say, line 2, pause_s: 'soon'",
        "state 'end', say, line 3, interruption: 'loud'",
        "state 'last', attempts: 'many'",
    ):
        assert [line for line in named if line.startswith(beginning)], (beginning, named)
    assert not [line for line in named if "'middle': there is no such state" in line or "'book': expected the" in line]


def test_rings_without_the_caller_are_named_once() -> None:
    script = HEAD.replace("{say: Goodbye., hang_up: done}", "{say: A., goto: b}\n  b: {say: B., goto: end}")
    assert mistakes(script) == ["clinic.yaml:9: state 'b': goto b -> end -> b never waits for the caller"]


def test_unreachable_states_and_empty_slots_are_warnings() -> None:
    script = compile_script(
        """
intents: {skip: [skip]}
states:
  start: {say: "Which day?", capture: day, on_answer: sure, when: {skip: sure}}
  sure: {say: "{day}, then.", hang_up: done}
  orphan: {say: "Hello?", hang_up: done}
""",
        "clinic.yaml",
    )
    assert script.warnings == (
        "clinic.yaml:6: state 'orphan': no way leads here",
        "clinic.yaml:5: state 'sure': '{day}, then.': 'day' may still be empty here",
    )


ODDITIES = {
    "no way leads here": "main.yaml:6: state 'orphan': no way leads here",
    "an empty slot": "main.yaml:5: state 'sure': '{day}, then.': 'day' may still be empty here",
    "not said back": "main.yaml:4: state 'start': capture: 'mail': no line says it back, so that nobody can correct it",
    "no end": "more.yaml:3: state 'waits': no way leads from here to the end of the call",
}


def test_what_is_odd_has_the_place_of_its_file_too(tmp_path: Path) -> None:
    (tmp_path / "main.yaml").write_text(
        """intents: {skip: [skip], wait: [wait]}
include: more.yaml
states:
  start: {say: "Your mail?", expect: email, capture: mail, on_answer: {set: {day: now}, goto: sure}, when: {skip: sure}}
  sure: {say: "{day}, then.", when: {wait: waits}, on_speech: {hang_up: x}}
  orphan: {say: "Hello?", hang_up: done}
"""
    )
    (tmp_path / "more.yaml").write_text("# more\nstates:\n  waits: {say: Wait., on_speech: waits, give_up: waits}\n")
    warnings = [one.removeprefix(f"{tmp_path}/") for one in load_script(tmp_path / "main.yaml").warnings]
    assert sorted(warnings) == sorted(ODDITIES.values())


def test_words_that_yaml_would_take_for_something_else_stay_words() -> None:
    script = compile_script(
        'states: {start: {say: no, digits: {012: off}}, off: {say: "yes", hang_up: on}}', "clinic.yaml"
    )
    assert script.states["start"].say[0].text == "no"
    assert list(script.states["start"].digits) == ["012"]
    assert script.states["start"].expect == "digits:3"


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"absent.yaml: the script cannot be read"):
        load_script(tmp_path / "absent.yaml")
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match=r"binary.yaml: the script cannot be read"):
        load_script(tmp_path / "binary.yaml")


@pytest.mark.parametrize("intent", ["{phrases: book it}", "{phrase: [book it]}", "{words: [book]}", "7"])
def test_one_mistake_in_an_intent_is_named_once(intent: str) -> None:
    found = mistakes(HEAD.replace("[book it]", intent))
    assert len(found) == 1, found


LINES = {
    "a key that is none": (with_state("{say: Hi., hang_up: x}") + "  more:\n    say: A.\n    hangup: x\n", 12),
    "a value of another kind": (with_state("{say: Hi., hang_up: x}") + "  more:\n    say: A.\n    attempts: x\n", 12),
    "a line of a list": (with_state("{say: Hi., hang_up: x}") + "  more:\n    say:\n    - A.\n    - {txt: B.}\n", 13),
    "a key of an entry": (
        with_state("{say: Hi., hang_up: x}") + "  more:\n    say: A.\n    digits:\n      x: end\n",
        13,
    ),
    "a way to nowhere": (with_state("{say: Hi., hang_up: x}") + "  more:\n    say: A.\n    goto: edn\n", 12),
    "a slot that nothing fills": (
        with_state("{say: Hi., hang_up: x}") + "  more:\n    hang_up: x\n    say: 'A {b}.'\n",
        12,
    ),
    "a state that leads nowhere": (with_state("{say: Hi., hang_up: x}") + "  more:\n    say: A.\n", 10),
    "an intent that is none": (HEAD + "  more:\n    say: A.\n    when:\n      boook: end\n", 12),
    "a pattern": (HEAD.replace("[book it]", "\n    patterns:\n    - a\n    - '('"), 6),
    "no YAML": (HEAD + "start: [", 9),
    "a key written twice": (HEAD + "start: end\nstart: end", 10),
    "a key of the whole file": (HEAD + "name: x\nstrat: end", 10),
    "hours": (HEAD + "hours:\n  office:\n    time_zone: Mars\n", 11),
    "days of hours": (HEAD + "hours:\n  office:\n    time_zone: Europe/Berlin\n    week:\n      mno: 9-5\n", 13),
}


@pytest.mark.parametrize(("script", "line"), LINES.values(), ids=LINES)
def test_a_mistake_has_its_line(script: str, line: int) -> None:
    assert any(one.startswith(f"clinic.yaml:{line}: ") for one in mistakes(script)), mistakes(script)
