"""Keys: when they are an answer, what ends them, and how long what was expected stays expected."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from bridge.agents.base import CallInfo
from bridge.agents.script import ScriptAgent
from bridge.agents.script_load import load_script
from bridge.call.actions import Action, Expect, Prompt, Say
from bridge.call.keypad import Keypad
from tests.call.phone import Phone

MENU = Path(__file__).parents[2] / "fixtures" / "agents" / "menu.yaml"
KEYS = ("1", "2", "21", "*")


def digits(phone: Phone) -> list[str]:
    return [prompt.text for prompt in phone.prompts if prompt.kind == "digits"]


def asks(*questions: Sequence[Action]) -> Callable[[Prompt], Sequence[Action]]:
    """An agent that asks one after the other, whatever the answers are."""
    left = list(questions)
    return lambda prompt: left.pop(0) if left else [Say("Thank you.")]


def called(*questions: Sequence[Action]) -> Phone:
    phone = Phone(asks(*questions))
    phone.answers()
    phone.wait(3)
    return phone


@pytest.mark.parametrize(
    ("keys", "answer", "known", "after_s"),
    [
        ("1", "open", KEYS, 0),
        ("2", "open", KEYS, 3),  # "21" may follow
        ("21", "open", KEYS, 0),
        ("7", "open", KEYS, 0),  # no choice, and no beginning of one
        ("*", "digits:8", KEYS, 0),  # begins no number either
        ("1", "digits:8", KEYS, 3),
        ("12345678", "digits:8", KEYS, 0),
        ("1", "open", (), 3),  # an agent that did not say which keys it knows
        ("12#", "digits", (), 0),
        ("5", "phone", ("0",), 3),
        ("1#", "open", ("1#", "12"), 0),
        ("", "open", KEYS, None),
    ],
)
def test_when_keys_are_an_answer(keys: str, answer: str, known: tuple[str, ...], after_s: float | None) -> None:
    pad = Keypad(3.0)
    for key in keys:
        pad.press(key, 10.0, known)
    assert pad.complete_at(answer, known) == (None if after_s is None else 10.0 + after_s)


def test_a_key_that_begins_nothing_longer_is_an_answer_at_once() -> None:
    phone = called([Say("Press one or two."), Expect(keys=("1", "2"))])
    phone.presses("1", gap_s=0.05)
    assert digits(phone) == ["1"]


def test_our_own_menu_answers_a_key_at_once() -> None:
    agent = ScriptAgent(load_script(MENU), CallInfo(call_id="CA1"))
    phone = Phone(agent.answer)
    phone.answers()
    phone.wait(12)
    phone.presses("2", gap_s=0.05)
    assert digits(phone) == ["2"]
    phone.wait(0.5)
    assert phone.call._bot.answer == "digits:5"


def test_a_hash_after_a_complete_number_is_no_answer_to_the_next_question() -> None:
    phone = called([Say("Your code?"), Expect("digits:4")], [Say("And your day of birth?"), Expect("digits:2")])
    phone.presses("1234#")
    phone.wait(6)
    assert digits(phone) == ["1234"]
    phone.presses("07")
    phone.wait(1)
    assert digits(phone) == ["1234", "07"]


def test_a_caller_who_presses_hash_twice_has_still_answered_once() -> None:
    phone = called([Say("Your code?"), Expect("digits:4")], [Say("Press hash or star."), Expect(keys=("#", "*"))])
    phone.presses("1234##")
    phone.wait(6)
    assert digits(phone) == ["1234"]


def test_a_hash_alone_is_an_answer() -> None:
    phone = called([Say("Press hash to go on."), Expect(keys=("#",))])
    phone.presses("#", gap_s=0.05)
    assert digits(phone) == ["#"]


def test_a_hash_much_later_is_an_answer_of_its_own() -> None:
    phone = called([Say("Your code?"), Expect("digits:4")], [Say("Right?"), Expect(keys=("#", "*"))])
    phone.presses("1234")
    phone.wait(5)
    phone.presses("#")
    phone.wait(1)
    assert digits(phone) == ["1234", "#"]


def test_an_expected_answer_ends_with_its_question() -> None:
    phone = called([Say("Your number?"), Expect("digits:10")], [Say("Thank you. How can I help you?")])
    assert phone.call._bot.answer == "digits:10"
    phone.presses("5551234567")
    phone.wait(3)
    assert phone.call._bot.answer == "open"


def test_a_spoken_answer_ends_its_question_too_and_the_prompt_says_what_was_asked() -> None:
    phone = called([Say("Is that right?"), Expect("yes_no", language="en-GB")], [Say("Good. Anything else?")])
    phone.recognises = lambda since: "Yes."
    phone.caller_speaks(0.8)
    phone.wait(4)
    assert [(prompt.answer, prompt.language) for prompt in phone.prompts] == [("open", ""), ("yes_no", "en-GB")]
    assert phone.call._bot.answer == "open"


def test_silence_does_not_end_the_question() -> None:
    phone = called([Say("Your number?"), Expect("digits:10")], [Say("Are you there?")])
    phone.wait(12)
    assert phone.prompts[1].kind == "no_input"
    assert phone.call._bot.answer == "digits:10"


def test_a_caller_who_goes_on_before_the_reply_was_heard_still_answers_the_question_before() -> None:
    phone = Phone(
        asks([Say("Your name?"), Expect("spelling")], [Say("Is that all?"), Expect("yes_no")]), synthesis_s=0.6
    )
    phone.recognises = lambda since: "S M I T H"
    phone.answers()
    phone.wait(4)
    phone.caller_speaks(1.0)
    while len(phone.prompts) < 2 or phone.call._bot.answer != "yes_no":
        phone.wait(0.05)
    phone.caller_speaks(1.0)
    phone.wait(8)
    assert [(prompt.answer, prompt.again) for prompt in phone.prompts[1:3]] == [("spelling", False), ("spelling", True)]
