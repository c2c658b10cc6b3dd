"""What services and models are told of a declared answer's value."""

from __future__ import annotations

import pytest

from bridge.agents.answers import today, understood
from bridge.agents.base import AgentError, CallInfo, Failure
from bridge.agents.chat_prompts import as_messages
from bridge.agents.guard import _Budget
from bridge.agents.settings import AnswerLimits, ChatSettings
from bridge.call.actions import Expect, Prompt, TextAlternative
from bridge.understanding.results import Understood


def told(prompt: Prompt) -> str:
    settings = ChatSettings(url="http://127.0.0.1:1", model="small")
    return str(as_messages(settings, CallInfo(call_id="CA1"), prompt)[-1]["content"])


def test_a_declared_answer_has_a_value() -> None:
    prompt = Prompt("caller_said", "It's 555 123 4567, extension 12", answer="phone")
    assert understood(prompt) == Understood("phone", "5551234567", 0.95, {"extension": "12"})
    assert told(prompt).endswith("[Understood as phone: 5551234567, extension 12.]")


def test_the_reading_that_is_an_answer_is_believed() -> None:
    readings = (TextAlternative("I ate one two five", 0.7), TextAlternative("eight one two five", 0.5))
    prompt = Prompt("caller_said", "I ate one two five", answer="digits:4", readings=readings)
    found = understood(prompt)
    assert found is not None
    assert found.value == "8125"
    assert 0.4 < found.confidence <= 0.5
    assert told(prompt).endswith("[Understood as digits: 8125.]")


def test_a_model_is_told_that_a_value_is_doubtful() -> None:
    prompt = Prompt("caller_said", "8125", answer="digits:4", readings=(TextAlternative("8125", 0.3),))
    assert told(prompt).endswith("[Understood as digits: 8125; this is not certain, have it confirmed.]")


def test_an_answer_is_understood_in_the_language_of_the_question() -> None:
    asked = {"en-US": None, "de-DE": "23", "nl-NL": None}
    for language, value in asked.items():
        found = understood(Prompt("caller_said", "zwo drei", answer="digits", language=language))
        assert (None if found is None else found.value) == value


def test_a_choice_is_one_of_those_declared() -> None:
    prompt = Prompt("caller_said", "the cheap one", answer="choice", choices={"standard": ("cheap",), "express": ()})
    found = understood(prompt)
    assert found is not None
    assert found.value == "standard"


def test_what_is_no_answer_is_told_to_be_none() -> None:
    prompt = Prompt("caller_said", "I don't want to say", answer="yes_no")
    assert understood(Prompt("caller_said", "what was that", answer="date")) is None
    assert "nderstood as" in told(prompt)
    assert told(Prompt("caller_said", "what was that", answer="date")) == "what was that [Not understood as date.]"
    assert told(Prompt("caller_said", "yes")) == "yes"
    assert understood(Prompt("no_input", answer="date")) is None


def test_tomorrow_is_counted_from_today() -> None:
    found = understood(Prompt("caller_said", "tomorrow", answer="date"))
    assert found is not None
    assert found.value == today().plus(1).iso


@pytest.mark.parametrize(
    ("expect", "kind"),
    [
        (Expect("choice"), Failure.BAD_ACTION),
        (Expect("choice", choices={str(number): () for number in range(101)}), Failure.TOO_MUCH),
        (Expect("choice", choices={"x" * 81: ()}), Failure.TOO_MUCH),
        (Expect(keys=("1",) * 101), Failure.TOO_MUCH),
        (Expect(keys=("one",)), Failure.BAD_ACTION),
        (Expect(keys=("1" * 21,)), Failure.BAD_ACTION),
        (Expect("dates"), Failure.BAD_ACTION),
    ],
)
def test_what_a_service_expects_is_checked(expect: Expect, kind: Failure) -> None:
    with pytest.raises(AgentError) as raised:
        _Budget(AnswerLimits()).check(expect)
    assert raised.value.kind is kind
