"""Has the caller finished?"""

from __future__ import annotations

import pytest

from bridge.call.actions import Action, Expect, Prompt, Say, TextAlternative
from bridge.call.endpointing import Endpointing
from bridge.call.events import TurnJudged
from bridge.call.settings import CallSettings, EndpointSettings
from bridge.call.turn import CallerTurn
from tests.call.phone import Phone

SETTINGS = EndpointSettings()


def patience(answer: str, text: str | None, probability: float | None = None) -> float:
    endpoint = Endpointing(SETTINGS, answer)
    endpoint.text, endpoint.probability = text, probability
    return endpoint.patience(listens=True).silence_ms


def test_a_finished_sentence_is_answered_soon_an_unfinished_one_later() -> None:
    assert patience("open", "I want an appointment.", 0.95) == SETTINGS.short_ms
    assert patience("open", "I want an appointment.", 0.2) == SETTINGS.long_ms
    assert patience("open", "I want an", 0.95) == SETTINGS.long_ms
    assert patience("open", None) == SETTINGS.ceiling_ms


def test_a_doubtful_turn_is_waited_for_longer_than_a_finished_one_and_less_than_an_unfinished_one() -> None:
    assert patience("open", "I want an appointment.", 0.45) == SETTINGS.doubtful_ms
    assert SETTINGS.short_ms < SETTINGS.doubtful_ms < SETTINGS.long_ms


@pytest.mark.parametrize("text", ["No.", "yes", "Stop!", "Okay", "Agent."])
def test_a_word_that_is_an_answer_by_itself_is_answered_soon_whatever_its_tone(text: str) -> None:
    assert patience("open", text, 0.04) == SETTINGS.short_ms


@pytest.mark.parametrize("text", ["No, I meant the", "Yes and", "Maybe", "Tuesday"])
def test_a_word_that_may_go_on_is_judged_by_its_tone(text: str) -> None:
    assert patience("open", text, 0.04) == SETTINGS.long_ms


def lone(text: str, spoken_s: float, pauses: int = 0) -> float:
    endpoint = Endpointing(SETTINGS, "open", earlier_pauses=pauses)
    endpoint.text, endpoint.probability, endpoint.spoken_s = text, 0.04, spoken_s
    return endpoint.patience(listens=True).silence_ms


@pytest.mark.parametrize("text", ["Tuesday.", "Maybe?", "Oh.", ""])
def test_one_short_sound_is_answered_or_asked_about_soon_whatever_its_tone(text: str) -> None:
    assert lone(text, 0.4) == SETTINGS.lone_ms


@pytest.mark.parametrize(
    ("text", "spoken_s", "pauses"),
    [
        ("And", 0.4, 0),  # asks for more
        ("Tuesday at nine.", 0.9, 0),
        ("Tuesday.", 0.4, 1),  # the speaker pauses between words
        ("", 1.8, 0),  # may have been a sentence
    ],
)
def test_what_may_go_on_is_no_lone_sound(text: str, spoken_s: float, pauses: int) -> None:
    assert lone(text, spoken_s, pauses) == SETTINGS.long_ms


def test_a_declared_answer_sets_the_patience() -> None:
    assert patience("yes_no", "Yeah.", 0.1) == SETTINGS.short_ms
    assert patience("digits:10", "555 123") == SETTINGS.ceiling_ms
    assert patience("digits:6", "555 123") == SETTINGS.short_ms
    assert patience("email", "jane at example") == SETTINGS.ceiling_ms
    assert patience("email", "jane at example dot com") == SETTINGS.short_ms
    assert patience("spelling", "J A N E") == SETTINGS.ceiling_ms


@pytest.mark.parametrize(
    ("answer", "text", "silence_ms"),
    [
        ("digits:4", "double four seven one", SETTINGS.short_ms),
        ("digits:4", "twelve thirty four", SETTINGS.short_ms),
        ("digits:4", "one two three six, no wait", SETTINGS.ceiling_ms),
        ("digits:4", "one two three six, no wait, four", SETTINGS.short_ms),
        ("digits", "one two three", SETTINGS.ceiling_ms),
        ("digits:4", "I don't have it with me.", SETTINGS.short_ms),
        ("phone", "four one five triple five", SETTINGS.ceiling_ms),
        ("phone", "four one five triple five oh one three two", SETTINGS.short_ms),
        ("email", "jane at gmail", SETTINGS.ceiling_ms),
        ("email", "jane at example dot co", SETTINGS.ceiling_ms),
        ("email", "jane at example dot co dot uk", SETTINGS.short_ms),
        ("email", "I don't have an email.", SETTINGS.short_ms),
        ("spelling", "I don't want to spell it.", SETTINGS.short_ms),
        ("date", "March fourth nineteen eighty five", SETTINGS.short_ms),
        ("time", "three thirty pm", SETTINGS.short_ms),
        ("yes_no", "not really", SETTINGS.short_ms),
    ],
)
def test_how_much_is_missing_is_known_by_what_is_understood(answer: str, text: str, silence_ms: float) -> None:
    probability = 0.1 if answer in ("date", "time", "yes_no") else 0.95
    assert patience(answer, text, probability) == silence_ms


@pytest.mark.parametrize(
    ("text", "spoken_s"),
    [
        ("4, 2, 3, 4, 2", 0.45),  # "four two"
        ("9 8 7 7 7 7 7 7 7 7 7 7 7", 2.6),  # "nine, eight, seven"
        ("4 2 3 4", 0.3),
    ],
)
def test_digits_that_nobody_can_have_said_complete_no_number(text: str, spoken_s: float) -> None:
    endpoint = Endpointing(SETTINGS, "digits:4")
    endpoint.text, endpoint.spoken_s = text, spoken_s
    assert endpoint.patience(listens=True).silence_ms == SETTINGS.ceiling_ms
    assert Endpointing(SETTINGS, "digits:4").patience(listens=True).silence_ms == SETTINGS.ceiling_ms


def test_digits_said_fast_are_a_number() -> None:
    endpoint = Endpointing(SETTINGS, "digits:7")
    endpoint.text, endpoint.spoken_s = "555 1234", 1.2
    assert endpoint.patience(listens=True).silence_ms == SETTINGS.short_ms


def test_without_a_recogniser_declared_digits_are_waited_for() -> None:
    assert Endpointing(SETTINGS, "digits:10").patience(listens=False).silence_ms == SETTINGS.ceiling_ms


def test_without_a_recogniser_nobody_can_tell_how_finished_it_sounds() -> None:
    silence_ms = Endpointing(SETTINGS, "open").patience(listens=False).silence_ms
    assert SETTINGS.short_ms < silence_ms == SETTINGS.unheard_ms < SETTINGS.long_ms


def ask_for(answer: str) -> Phone:
    def script(prompt: Prompt) -> list[Action]:
        return [Expect(answer), Say("Please go ahead.")] if prompt.kind == "call_started" else [Say("Thank you.")]

    phone = Phone(script)
    phone.answers()
    phone.wait(2)
    return phone


def test_a_phone_number_said_with_pauses_is_not_cut_off() -> None:
    phone = ask_for("digits:10")
    phone.recognises = lambda since: {0: "555", 1: "555 123", 2: "555 123 4567"}[min(int((phone.now - begun) / 1.7), 2)]
    begun = phone.now
    for _ in range(3):
        phone.caller_speaks(0.9)
        phone.wait(1.75)
    phone.wait(2)
    said = [p.text for p in phone.prompts if p.kind == "caller_said"]
    assert said == ["555 123 4567"]


def test_a_pause_in_mid_sentence_is_waited_out() -> None:
    phone = ask_for("open")
    phone.recognises = lambda since: (
        "My account number is" if phone.now < paused + 1.0 else "My account number is nine."
    )
    phone.caller_speaks(1.0)
    paused = phone.now + 1.0
    phone.wait(1.8)
    phone.caller_speaks(0.6)
    phone.wait(3)
    assert [p.text for p in phone.prompts if p.kind == "caller_said"] == ["My account number is nine."]


def test_an_opinion_of_an_older_pause_counts_for_nothing() -> None:
    phone = ask_for("open")
    phone.caller_speaks(1.0)
    phone.wait(1.19)
    phone.caller_speaks(0.5)
    phone.wait(0.2)
    phone.tell(TurnJudged(1, 0.99))
    assert phone.call._caller.turn is not None
    assert phone.call._caller.turn.endpoint.probability is None
    phone.wait(0.6)
    assert len([said for said in phone.call.transcript() if said.speaker == "caller"]) == 1


def test_a_turn_has_a_longest_length() -> None:
    settings = CallSettings(endpoint=EndpointSettings(longest_turn_s=5.0))
    phone = Phone(lambda prompt: [Say("Go on.")], settings)
    phone.answers()
    phone.wait(2)
    phone.caller_speaks(20)
    phone.wait(8)
    assert "turn over" in phone.decided()


def test_what_may_have_been_said_reaches_the_agent_with_the_words() -> None:
    phone = ask_for("digits:4")
    phone.recognises = lambda _since: "I ate one two five"
    phone.confidence, phone.other_readings = 0.7, (TextAlternative("eight one two five", 0.5),)
    phone.caller_speaks(1.5)
    phone.wait(6)
    [said] = [prompt for prompt in phone.prompts if prompt.kind == "caller_said"]
    assert said.text == "I ate one two five"
    assert said.readings == (TextAlternative(said.text, 0.7), *phone.other_readings)


def test_words_that_came_live_since_have_no_older_readings() -> None:
    turn = CallerTurn(0.0, 1.0, Endpointing(SETTINGS, "digits:4"), carried="My code is")
    turn.recognised("one two", (TextAlternative("one two", 0.7), TextAlternative("one to", 0.2)))
    assert turn.readings_of("My code is one two")[1] == TextAlternative("My code is one to", 0.2)
    assert turn.readings_of("My code is one two three") == ()
