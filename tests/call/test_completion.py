"""How likely is it that the caller has finished, and how long is that waited for?"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.call.actions import Action, Expect, Prompt, Say
from bridge.call.completion import is_whole_alone, odds, sounds_unfinished
from bridge.call.endpointing import Endpointing
from bridge.call.events import TurnJudged
from bridge.call.settings import EndpointSettings
from tests.call.phone import Phone

SETTINGS = EndpointSettings()
SENTENCE = "I want an appointment."
TEXTS = st.sampled_from([SENTENCE, "", "Tuesday", "My number is", "Yes.", "If the reader will excuse me,"])
PROBABILITIES = st.floats(0.0, 1.0)


def silence_ms(text: str, probability: float, pauses: int = 0) -> float:
    endpoint = Endpointing(SETTINGS, "open", earlier_pauses=pauses)
    endpoint.text, endpoint.probability = text, probability
    return endpoint.patience(listens=True).silence_ms


@pytest.mark.parametrize(
    ("text", "unfinished"),
    [
        ("My account number is", True),
        ("I would like to", True),
        ("Well, um", True),
        ("I need it for...", True),
        ("I'd like a large coffee with", True),
        ("My husband and I-", True),
        ("", True),
        ("Yes.", False),
        ("On Tuesday, please.", False),
        ("I would like an appointment.", False),
        ("Thank you", False),
        ("Half past nine", False),
        ("Is there anything else I can help you with?", False),
    ],
)
def test_the_last_word_asks_for_more_or_does_not(text: str, unfinished: bool) -> None:
    assert sounds_unfinished(text) == unfinished


@given(TEXTS, PROBABILITIES, PROBABILITIES, st.integers(0, 5))
def test_who_sounds_more_finished_is_never_waited_for_longer(text: str, one: float, other: float, pauses: int) -> None:
    low, high = sorted((one, other))
    assert silence_ms(text, high, pauses) <= silence_ms(text, low, pauses)


@given(TEXTS, PROBABILITIES, st.integers(0, 5))
def test_who_has_paused_before_is_never_waited_for_shorter(text: str, probability: float, pauses: int) -> None:
    assert silence_ms(text, probability, pauses + 1) >= silence_ms(text, probability, pauses)


@given(PROBABILITIES, st.integers(0, 3))
def test_a_rounding_error_moves_no_decision_by_more_than_milliseconds(probability: float, pauses: int) -> None:
    """Processors differ in the fifth place."""
    there = silence_ms(SENTENCE, min(probability + 1e-5, 1.0), pauses)
    assert abs(there - silence_ms(SENTENCE, probability, pauses)) < 10.0


@given(TEXTS, PROBABILITIES, st.integers(0, 9))
def test_the_silence_lies_between_the_short_and_the_long_one(text: str, probability: float, pauses: int) -> None:
    assert SETTINGS.short_ms <= silence_ms(text, probability, pauses) <= SETTINGS.long_ms


@pytest.mark.parametrize("edge", [0.0, 1.0])
def test_thresholds_at_the_edge_are_thresholds(edge: float) -> None:
    endpoint = Endpointing(EndpointSettings(finished_probability=edge, doubtful_probability=edge), "open")
    endpoint.text, endpoint.probability = SENTENCE, 0.5
    assert endpoint.patience(listens=True).silence_ms == (SETTINGS.long_ms if edge else SETTINGS.short_ms)


def test_words_that_ask_for_more_outweigh_a_voice_that_falls() -> None:
    assert odds(0.8, "I'd like a large coffee with", 0) < odds(0.6, "I'd like a large coffee.", 0)
    assert odds(0.9, "", 0) < odds(0.9, SENTENCE, 0)


def test_a_word_that_is_an_answer_is_waited_for_once_its_speaker_has_paused_before() -> None:
    """'Okay. (0.3 s) Okay. (0.7 s) Um, ...'"""
    assert is_whole_alone("Okay.")
    assert silence_ms("Okay.", 0.05) == SETTINGS.short_ms
    assert silence_ms("Okay.", 0.05, pauses=1) == SETTINGS.long_ms


# -- in a call ---------------------------------------------------------------------------------------------------


class Hesitant(Phone):
    """A caller whose every pause sounds nearly finished."""

    probability = 0.7

    def _tell(self, event: object) -> None:
        super()._tell(event)  # type: ignore[arg-type]
        if type(event).__name__ == "Recognised":
            self.tell(TurnJudged(event.revision, self.probability))  # type: ignore[attr-defined]


def ask() -> Hesitant:
    def script(prompt: Prompt) -> list[Action]:
        return [Expect("open"), Say("Go ahead.")] if prompt.kind == "call_started" else [Say("Thank you.")]

    phone = Hesitant(script)
    phone.answers()
    phone.wait(2)
    phone.recognises = lambda since: "I want a dark roast"
    return phone


def said(phone: Phone) -> list[str]:
    return [prompt.text for prompt in phone.prompts if prompt.kind == "caller_said"]


def over_after(phone: Phone) -> float:
    """Seconds of silence until the turn is over, that is, until the answer is heard."""
    last = phone.now
    heard = len(phone.line.played)
    while len(phone.line.played) == heard:
        phone.wait(0.01)
        assert phone.now < last + 5.0
    return phone.now - last


def test_the_second_pause_of_a_turn_is_given_more_time() -> None:
    phone = ask()
    phone.caller_speaks(1.0)
    phone.wait(1.0)
    at_once = over_after(phone)
    phone.wait_until_heard()
    phone.wait(1)
    phone.caller_speaks(1.0)
    phone.wait(1.35)
    phone.caller_speaks(1.0)
    phone.wait(1.0)
    assert over_after(phone) > at_once + 0.2


def test_who_was_cut_off_once_is_given_more_time_for_the_rest_of_the_call() -> None:
    phone = ask()
    phone.caller_speaks(1.0)
    phone.wait(1.0)
    at_once = over_after(phone)
    phone.caller_speaks(1.0)  # before a word of the answer was heard: it was only a pause
    phone.wait(1.0)
    over_after(phone)
    phone.wait_until_heard()
    phone.wait(1)
    phone.caller_speaks(1.0)
    phone.wait(1.0)
    assert over_after(phone) > at_once + 0.2
