"""Scripts on calls in which the recogniser is not sure of what it heard."""

from __future__ import annotations

import pytest

from bridge.agents.answers import said_back
from bridge.agents.script_load import compile_script
from bridge.call.actions import Say
from bridge.errors import ConfigError
from bridge.understanding.results import Understood
from tests.agents.conversation import Conversation

ASKING = """
intents: {help: [operator]}
anywhere: {help: {say: "I get somebody.", hang_up: help}}
states:
  start: {say: "Hello. Your code?", ask: "Your code?", expect: EXPECTED, capture: code, on_answer: told}
  told: {say: "It is {code}.", hang_up: done}
give_up: {say: "I give up.", hang_up: lost}
"""
DECIDING = """
states:
  start: {say: "Cancel it?", on_yes: {say: "Cancelled.", hang_up: "yes"}, on_no: {say: "Kept.", hang_up: "no"}}
"""
READ_BACK = 'read_back: "I have {value}. Is that right?"\n'
SORRY = "Sorry, I didn't get that. Your code?"


def asked(text: str = ASKING, expect: str = "digits:4", more: str = "") -> Conversation:
    caller = Conversation(compile_script(text.replace("EXPECTED", expect) + more, "doubt.yaml"))
    caller.starts()
    return caller


@pytest.mark.parametrize(
    ("expect", "said", "sure", "answer"),
    [
        ("digits:4", "1234", 0.8, "It is 1234."),
        ("digits:4", "1234", 0.3, SORRY),
        ("phone", "555 123 4567", 0.3, SORRY),
        ("phone", "415 555 0132", 0.5, "It is 4155550132."),
        ("name", "Smith", 0.4, SORRY),
        ("name", "my name is Smith", 0.6, "It is Smith."),
        ("date", "March fourth 2027", 0.2, SORRY),
        ("email", "jo at example dot com", 0.35, SORRY),
        ("amount", "twelve fifty", 0.55, SORRY),  # what is hardly a sum, hardly heard
        ("amount", "twelve fifty", 0.9, "It is 12.50."),
        ("time", "four o'clock", 0.1, SORRY),
        ("open", "whatever", 0.1, "It is whatever."),
    ],
)
def test_a_doubtful_answer_is_asked_for_again(expect: str, said: str, sure: float, answer: str) -> None:
    assert asked(expect=expect).says(said, sure=sure) == answer


def test_whoever_says_the_same_again_means_it() -> None:
    caller = asked()
    assert caller.says("1234", sure=0.3) == SORRY
    assert caller.says("one two three four", sure=0.3) == "It is 1234."


def test_whoever_says_something_else_again_is_asked_until_it_is_given_up() -> None:
    caller = asked()
    assert caller.says("1234", sure=0.3) == SORRY
    assert caller.says("1254", sure=0.3) == SORRY
    assert caller.says("1264", sure=0.3) == "I give up."


def test_a_doubtful_answer_is_read_back_where_the_script_has_words_for_it() -> None:
    caller = asked(more=READ_BACK)
    assert caller.says("1234", sure=0.3) == "I have one two three four. Is that right?"
    assert caller.expected == "yes_no"
    assert not any(isinstance(action, Say) and action.cacheable for action in caller.actions)
    assert caller.says("yes it is", sure=0.3) == "It is 1234."
    assert caller.agent.slots["code"] == "1234"
    assert "value" not in caller.agent.slots


@pytest.mark.parametrize(
    ("then", "answer"),
    [
        ("no", SORRY),
        ("no, 1254", "It is 1254."),
        ("one two five four", "It is 1254."),
        ("what was that", "Sorry, I didn't get that. I have one two three four. Is that right?"),
        ("1234", "It is 1234."),
        ("operator", "I get somebody."),
    ],
)
def test_what_was_read_back_is_confirmed_denied_or_corrected(then: str, answer: str) -> None:
    caller = asked(more=READ_BACK)
    caller.says("1234", sure=0.3)
    assert caller.says(then) == answer


def test_a_correction_that_is_in_doubt_itself_is_read_back_in_its_turn() -> None:
    caller = asked(more=READ_BACK)
    caller.says("1234", sure=0.3)
    assert caller.says("no, 1254", sure=0.3) == "I have one two five four. Is that right?"
    assert caller.says("yes") == "It is 1254."


def test_after_a_no_the_same_words_are_read_back_anew() -> None:
    caller = asked(more=READ_BACK)
    caller.says("1234", sure=0.3)
    assert caller.says("no") == SORRY
    assert caller.says("1234", sure=0.3) == "I have one two three four. Is that right?"


def test_a_value_is_read_back_as_it_is_in_a_language_that_we_have_no_words_of() -> None:
    assert said_back(Understood("digits", "1234", 0.3), "pl-PL") == "1234"
    assert said_back(Understood("digits", "1234", 0.3), "") == "one two three four"


def test_keys_are_never_in_doubt() -> None:
    caller = asked(more=READ_BACK)
    caller.says("1234", sure=0.3)
    assert caller.presses("1254") == "It is 1254."


def test_silence_after_what_was_read_back_hears_it_again() -> None:
    caller = asked(more=READ_BACK)
    caller.says("1234", sure=0.3)
    assert caller.is_silent() == "Are you still there? I have one two three four. Is that right?"
    assert caller.says("yes") == "It is 1234."


def test_a_yes_that_was_hardly_heard_is_asked_for_again_and_never_read_back() -> None:
    caller = asked(DECIDING, more=READ_BACK)
    assert caller.says("yes", sure=0.1) == "Sorry, I didn't get that. Cancel it?"
    assert caller.says("yes", sure=0.15) == "Cancelled."
    assert asked(DECIDING).says("know", sure=0.6) == "Kept."


def test_a_state_has_its_own_measure() -> None:
    strict = ASKING.replace("capture: code", "capture: code, sure_from: 0.9")
    assert asked(strict).says("1234", sure=0.7) == SORRY
    assert asked(strict).says("1234", sure=1.0) == "It is 1234."
    assert asked(ASKING.replace("capture: code", "capture: code, sure_from: 0")).says("1234", sure=0.1) == "It is 1234."


def test_what_was_read_back_is_known_in_the_process_that_goes_on_with_the_call() -> None:
    caller = asked(more=READ_BACK)
    caller.says("1234", sure=0.3)
    moved = caller.agent.state()
    other = asked(more=READ_BACK)
    other.agent.resume(moved)
    assert other.says("yes") == "It is 1234."


def test_an_answer_that_was_never_heard_leaves_no_doubt_behind() -> None:
    caller = asked()
    caller.says("1234", sure=0.3, heard=False)
    assert caller.says("1234", sure=0.3) == SORRY  # the same turn again, with no more to it


@pytest.mark.parametrize(
    ("more", "mistake"),
    [("sure_from: 2\n", "expected a number from 0 to 1"), ("read_back: Is it right?\n", "expected `{value}` in it")],
)
def test_a_script_that_cannot_be_sure_is_refused(more: str, mistake: str) -> None:
    with pytest.raises(ConfigError, match=mistake):
        asked(more=more)
