"""An agent speaks without being asked: never over the caller, never over protected words, and in its turn."""

from __future__ import annotations

from bridge.call.actions import Action, Expect, Prompt, Say
from bridge.call.events import AgentWantsFloor
from bridge.call.settings import CallSettings
from bridge.call.states import Bot
from tests.call.phone import Phone

GREETING = "Thank you for calling the clinic today."
HELLO = Say(GREETING)
NEWS = "Your order has been found."


def messenger(prompt: Prompt) -> list[Action]:
    match prompt.kind:
        case "call_started":
            return [Say(GREETING)]
        case "floor_given":
            return [Say(NEWS)]
        case _:
            return [Expect("open")]


def phone_with(greeting: Say = HELLO, settings: CallSettings | None = None) -> Phone:
    def agent(prompt: Prompt) -> list[Action]:
        return [greeting] if prompt.kind == "call_started" else messenger(prompt)

    phone = Phone(agent) if settings is None else Phone(agent, settings=settings)
    phone.answers()
    return phone


def kinds(phone: Phone) -> list[str]:
    return [prompt.kind for prompt in phone.prompts]


def test_an_agent_speaks_unasked_when_both_sides_are_silent() -> None:
    phone = phone_with()
    phone.wait(4)
    phone.tell(AgentWantsFloor())
    phone.wait(4)
    assert phone.heard_words() == [*GREETING.split(), *NEWS.split()]
    assert phone.prompts[-1].history[0].text == GREETING


def test_it_waits_for_its_own_words() -> None:
    phone = phone_with()
    phone.wait(1)
    phone.tell(AgentWantsFloor())
    phone.wait(6)
    assert phone.heard_words() == [*GREETING.split(), *NEWS.split()]


def test_it_cuts_its_own_words_short_where_it_says_so() -> None:
    phone = phone_with()
    phone.wait(1)
    phone.tell(AgentWantsFloor(cut=True))
    phone.wait(4)
    heard = phone.heard_words()
    assert heard[-len(NEWS.split()) :] == NEWS.split()
    assert len(heard) < len(GREETING.split()) + len(NEWS.split())
    assert "interrupted" not in phone.decided()


def test_it_does_not_cut_short_what_is_protected() -> None:
    phone = phone_with(Say(GREETING, interruption="protected"))
    phone.wait(1)
    phone.tell(AgentWantsFloor(cut=True))
    phone.wait(6)
    assert phone.heard_words() == [*GREETING.split(), *NEWS.split()]


def test_it_never_speaks_over_the_caller() -> None:
    phone = phone_with()
    phone.wait(4)
    phone.caller_speaks(2.0)
    phone.wait(1.0)
    phone.tell(AgentWantsFloor())
    phone.wait(0.9)
    assert kinds(phone) == ["call_started"]
    phone.wait(5)
    assert kinds(phone) == ["call_started", "caller_said"], "the answer to the caller was the chance to speak"


def test_it_waits_for_a_number_that_is_being_pressed() -> None:
    phone = phone_with()
    phone.wait(4)
    phone.presses("12")
    phone.wait(0.7)
    phone.tell(AgentWantsFloor())
    phone.wait(1)
    assert "floor_given" not in kinds(phone)


def test_wanting_it_twice_is_wanting_it_once_and_nobody_speaks_after_a_goodbye() -> None:
    phone = phone_with()
    phone.wait(1)
    phone.tell(AgentWantsFloor())
    phone.tell(AgentWantsFloor())
    phone.wait(6)
    assert kinds(phone) == ["call_started", "floor_given"]


def test_silence_is_never_told_where_that_is_set() -> None:
    phone = phone_with(settings=CallSettings(no_input_s=0.0))
    phone.wait(60)
    assert kinds(phone) == ["call_started"]
    assert phone.call.bot is Bot.IDLE


def test_words_that_only_speech_breaks_off_are_kept_from_keys() -> None:
    phone = phone_with(Say(GREETING, interruption="speech_only"))
    phone.wait(1)
    phone.presses("1")
    phone.wait(4)
    assert phone.heard_words() == GREETING.split()
