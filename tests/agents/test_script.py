"""Scripted dialogues told as conversations, and what holds for any script and any prompt."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.agents.base import AgentError, CallInfo, Failure
from bridge.agents.script import ScriptAgent, ScriptFactory
from bridge.agents.script_check import reachable
from bridge.agents.script_load import compile_script, load_script
from bridge.agents.script_states import Script
from bridge.agents.settings import TransferSettings
from bridge.agents.transfers import Transfers
from bridge.call.actions import Action, ChangeLanguage, Expect, HangUp, Prompt, Say, Spoken, Transfer, Wait
from tests.agents.conversation import Conversation

SAMPLES = sorted((Path(__file__).parents[2] / "fixtures" / "agents").glob("*.yaml"))
APPOINTMENT, MENU, PEER_JOB = (load_script(path) for path in SAMPLES)

SMALL = """
start: ask
values: {firm: Acme}
parameters: [first_name]
intents:
  sales: [buy something, sales]
  help: [help]
anywhere: {help: {repeat: true}}
states:
  ask:
    say: "Hello {first_name}, this is {firm}. What can I do?"
    ask: What can I do?
    when: {sales: sell}
    not_understood: ["Pardon?", I did not get that.]
    attempts: 3
    give_up: {say: I give up., hang_up: lost}
  sell:
    say: What is your name?
    expect: spelling
    capture: name
    on_answer: {say: "Thank you, {name:spelled}.", goto: mail}
  mail:
    say: And your e-mail address?
    expect: email
    capture: mail
    on_answer: sure
  sure:
    say: "{mail}, is that right?"
    on_yes: {transfer: "+15550100"}
    on_no: mail
"""


def test_a_state_tells_the_recogniser_what_is_likely_to_be_said() -> None:
    text = SMALL.replace("    expect: spelling\n", "    expect: spelling\n    hints: [Okafor, Patel]\n")
    caller = Conversation(compile_script(text, "small.yaml"), first_name="Ada")
    caller.starts()
    caller.says("I want to buy something")
    assert Expect("spelling", ("Okafor", "Patel")) in caller.actions


def test_a_state_goes_on_in_its_language() -> None:
    text = SMALL.replace("    expect: spelling\n", "    expect: spelling\n    language: de\n")
    caller = Conversation(compile_script(text, "small.yaml"), first_name="Ada")
    caller.starts()
    caller.says("I want to buy something")

    changed = caller.actions.index(ChangeLanguage("de-DE"))
    assert isinstance(caller.actions[changed + 1], Expect)


def small(**parameters: str) -> Conversation:
    return Conversation(compile_script(SMALL, "small.yaml"), **parameters)


def test_a_caller_books_an_appointment() -> None:
    call = Conversation(APPOINTMENT)
    assert call.starts() == "Thank you for calling Riverside Dental. How can I help you?"
    assert "Tuesday morning at half past nine" in call.says("I'd like to book an appointment, please.")
    assert call.says("Tuesday morning would be better.").startswith("Tuesday at half past nine it is.")
    assert call.expected == "digits:10"
    goodbye = call.presses("5551234567")
    assert "5 5 5, 1 2 3, 4 5 6 7" in goodbye
    assert goodbye.endswith("Thank you, goodbye.")
    assert call.ended == HangUp("booked")


def test_a_telephone_number_can_be_spoken_and_must_be_complete() -> None:
    call = Conversation(APPOINTMENT)
    call.starts()
    call.says("an appointment")
    call.says("Thursday")
    assert call.presses("123").startswith("I need a number with ten digits.")
    assert call.says("um, five five five").startswith("Sorry, that was not a number")
    assert "5 5 5, 1 2 3, 4 5 6 7" in call.says("555-123-456", "555-123-4567")


def test_a_silent_caller_is_asked_again_in_other_words_and_then_passed_on() -> None:
    call = Conversation(APPOINTMENT)
    call.starts()
    assert call.is_silent() == "Are you still there? How can I help you?"
    assert call.is_silent().startswith("I can't hear you.")
    call.is_silent()
    assert call.ended == Transfer("+15550100")


def test_a_caller_who_is_not_understood_is_asked_again_and_then_given_up() -> None:
    call = small()
    call.starts()
    assert call.says("mumble") == "Pardon? What can I do?"
    assert call.says("mumble") == "I did not get that. What can I do?"
    assert call.says("mumble") == "I give up."
    assert call.ended == HangUp("lost")


def test_understanding_starts_the_count_anew() -> None:
    call = small()
    call.starts()
    call.says("mumble")
    call.says("help")
    assert call.says("mumble") == "Pardon? What can I do?"


def test_spelling_email_and_yes_or_no() -> None:
    call = small(first_name="Ada")
    assert call.starts() == "Hello Ada, this is Acme. What can I do?"
    assert call.says("I want to buy something") == "What is your name?"
    assert call.expected == "spelling"
    assert call.says("Smith, S M I T H") == "Thank you, S, M, I, T, H. And your e-mail address?"
    assert call.expected == "email"
    assert call.says("smith at example dot com") == "smith@example.com, is that right?"
    assert call.expected == "yes_no"
    assert call.says("No, that's wrong.") == "And your e-mail address?"
    call.says("smith@example.org")
    call.says("Yes.")
    assert call.ended == Transfer("+15550100")


ORDERS = """
states:
  start: {say: "Your name?", expect: name, capture: caller, on_answer: phone}
  phone: {say: "Your number?", expect: phone, capture: phone, on_answer: day}
  day: {say: "Which day?", expect: date, capture: day, on_answer: speed}
  speed:
    say: "Standard or express?"
    expect: choice
    choices: {standard: [the normal one, cheap], express: [fast]}
    capture: speed
    on_answer: {say: "{caller}, {phone} extension {phone_extension}, {speed}.", hang_up: done}
"""


def test_values_are_kept_as_values_and_sentences_are_not() -> None:
    call = Conversation(compile_script(ORDERS, "orders.yaml"))
    call.starts()
    assert call.says("I don't want to tell you").startswith("Sorry")
    assert call.says("K O W A L S K I, that is my last name") == "Your number?"
    assert call.says("It's 555 123 4567, extension 12") == "Which day?"
    assert call.says("March fourth, no wait, fifth") == "Standard or express?"
    assert call.agent.slots["day"].endswith("-03-05")
    expected = next(action for action in call.actions if isinstance(action, Expect))
    assert expected.hints == ("standard", "express", "the normal one", "cheap", "fast")
    assert expected.choices == {"standard": ("the normal one", "cheap"), "express": ("fast",)}
    assert call.says("the cheap one") == "Kowalski, 5551234567 extension 12, standard."


def test_a_missing_parameter_leaves_no_hole() -> None:
    assert small().starts() == "Hello , this is Acme. What can I do?"


def test_parameters_that_the_script_does_not_name_stay_out() -> None:
    assert "first_name" in small(first_name="Ada", firm="Evil").agent.slots
    assert small(firm="Evil").agent.slots["firm"] == "Acme"


def test_a_menu_by_key_and_by_word() -> None:
    by_key, by_word = Conversation(MENU), Conversation(MENU)
    by_key.starts()
    by_word.starts()
    assert by_key.presses("2") == by_word.says("There's no power in my street!")
    assert by_key.expected == "digits:5"
    assert "1 2 3, 4 5" not in by_key.presses("1234")
    said = by_key.presses("12345#")
    assert said.startswith("A crew has been told about the outage in 1 2 3, 4 5.")
    assert any(isinstance(action, Wait) for action in by_key.actions)
    assert by_key.actions[0] == Say(
        "A crew has been told about the outage in 1 2 3, 4 5.", interruption="protected", cacheable=False
    )


def test_zero_reaches_a_person_from_everywhere() -> None:
    call = Conversation(MENU)
    call.starts()
    call.presses("1")
    call.presses("0")
    assert call.ended == Transfer("+15550123")


def test_without_a_recogniser_any_speech_goes_on() -> None:
    call = Conversation(PEER_JOB)
    greeting = call.starts()
    answer = call.says("")
    assert answer != greeting
    assert call.says("") == answer


def test_speech_without_words_where_words_are_needed_is_not_understood() -> None:
    call = small()
    call.starts()
    assert call.says("") == "Pardon? What can I do?"


def test_an_answer_that_nobody_heard_was_not_given() -> None:
    """The caller goes on after a pause: they are asked about all they said, from where the script was."""
    call = Conversation(APPOINTMENT)
    call.starts()
    offer = call.says("I would like an appointment", heard=False)
    assert call.says("I would like an appointment if you have one") == offer
    assert call.agent.state_name == "offer"


def test_a_spelling_that_goes_on_is_captured_whole() -> None:
    call = small()
    call.starts()
    call.says("sales")
    call.says("S M", heard=False)
    assert call.says("S M I T H").startswith("Thank you, S, M, I, T, H.")


def test_an_unheard_answer_does_not_count_as_a_miss() -> None:
    call = small()
    call.starts()
    call.says("mumble", heard=False)
    call.says("mumble mumble", heard=False)
    assert call.says("mumble") == "Pardon? What can I do?"


def test_keys_pressed_before_the_greeting_was_heard_count() -> None:
    agent = ScriptAgent(MENU, CallInfo(call_id="CA1"))
    agent.answer(Prompt("call_started"))
    agent.answer(Prompt("digits", "1"))
    agent.answer(Prompt("digits", "12345678", again=True))
    assert agent.state_name == "check_account"


def test_only_the_authors_own_words_may_be_cached() -> None:
    call = Conversation(APPOINTMENT)
    call.starts()
    call.says("an appointment")
    call.says("Thursday")
    assert all(action.cacheable for action in call.actions if isinstance(action, Say))
    call.presses("5551234567")
    kept = {action.text: action.cacheable for action in call.actions if isinstance(action, Say)}
    assert kept == {
        "I have 5 5 5, 1 2 3, 4 5 6 7.": False,
        "You are booked for Thursday at a quarter past three.": True,
        "Thank you, goodbye.": True,
    }


def test_lines_with_the_same_manners_are_one_utterance() -> None:
    call = Conversation(APPOINTMENT)
    call.starts()
    call.says("an appointment")
    says = [action for action in call.actions if isinstance(action, Say)]
    assert [say.more for say in says] == [True, True, True, False]
    assert "".join(say.text for say in says).count(".  ") == 0
    assert "that. I have" in "".join(say.text for say in says)


def test_warm_up_lines_are_those_that_never_change() -> None:
    lines = ScriptFactory(APPOINTMENT).phrases()
    assert {line.voice for line in lines} == {None}
    phrases = [line.text for line in lines]
    assert "Thank you for calling Riverside Dental. How can I help you?" in phrases
    assert len(phrases) == len(set(phrases))
    slots = [phrase for phrase in phrases if "{" in phrase]
    assert slots == ["I have {digits}."], "{time} is set by the script alone: no template, but fixed lines"
    assert phrases[-1] == slots[0], "what can be kept whole comes first"


def test_the_answer_is_there_without_giving_up_control() -> None:
    agent = ScriptFactory(APPOINTMENT).open_call(CallInfo(call_id="CA1"))
    first = agent.reply(Prompt("call_started")).__anext__()
    with pytest.raises(StopIteration) as stopped:
        first.send(None)  # one step of the coroutine: it may not wait for anything
    assert stopped.value.value == Expect("open", keys=("0",))


async def test_a_reply_broken_off_leaves_the_script_whole() -> None:
    agent = ScriptFactory(APPOINTMENT).open_call(CallInfo(call_id="CA1"))
    reply = agent.reply(Prompt("call_started"))
    await anext(reply)
    await reply.aclose()
    said = [action async for action in agent.reply(Prompt("caller_said", "an appointment"))]
    assert any(isinstance(action, Say) for action in said)
    await asyncio.sleep(0)


PROMPTS = st.builds(
    Prompt,
    kind=st.sampled_from(["call_started", "caller_said", "digits", "no_input"]),
    text=st.one_of(
        st.text(max_size=60),
        st.text("0123456789*#", max_size=12),
        st.sampled_from(["appointment", "Tuesday", "yes", "no", "operator", "repeat", "5551234567", "power", ""]),
    ),
    history=st.lists(
        st.builds(Spoken, speaker=st.sampled_from(["caller", "bot"]), text=st.text(max_size=8)), max_size=3
    ).map(tuple),
    attempt=st.integers(0, 5),
)


@pytest.mark.parametrize("script", [APPOINTMENT, MENU, PEER_JOB], ids=lambda script: script.name)
@given(prompts=st.lists(PROMPTS, max_size=12))
def test_any_prompt_in_any_state_is_answered(script: Script, prompts: list[Prompt]) -> None:
    agent = ScriptAgent(script, CallInfo(call_id="CA1"))
    for prompt in prompts:
        actions = agent.answer(prompt)
        says_something = any(isinstance(action, Say) and action.text.strip() for action in actions)
        assert says_something or isinstance(actions[-1], HangUp | Transfer)
        assert agent.state_name in script.states
        for action in actions[:-1]:
            assert not isinstance(action, HangUp | Transfer)
        assert _utterances_are_whole(actions)


def _utterances_are_whole(actions: list[Action]) -> bool:
    """What announces more words is followed by them, in the same manner."""
    for say, following in zip(actions, [*actions[1:], None], strict=True):
        if isinstance(say, Say) and say.more:
            if not isinstance(following, Say):
                return False
            if (say.interruption, say.voice, say.cacheable) != (
                following.interruption,
                following.voice,
                following.cacheable,
            ):
                return False
    return True


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_every_state_of_the_samples_is_reachable_and_speaks(path: Path) -> None:
    script = load_script(path)
    endless = path.stem == "peer-job"  # which goes on until the caller hangs up
    assert [one for one in script.warnings if not (endless and one.endswith("to the end of the call"))] == []
    assert reachable(script) == set(script.states)
    for state in script.states.values():
        assert any(line.text for line in state.say)


def test_what_a_caller_says_in_place_of_a_default_is_not_cached() -> None:
    script = """
values: {name: friend}
states:
  start: {say: "Hello {name}, what is your name?", capture: name, on_answer: bye}
  bye: {say: "Goodbye {name}.", hang_up: done}
"""
    call = Conversation(compile_script(script, "name.yaml"))
    call.starts()
    assert call.actions[-1] == Say("Hello friend, what is your name?", cacheable=True)
    call.says("Ada")
    assert call.actions[0] == Say("Goodbye Ada.", cacheable=False)


def fraud(states: str, **settings: Any) -> Conversation:
    """A script whose first question takes eleven digits into the slot `told`; they are 1 202 555 0123."""
    head = """
start: ask
values: {desk: "+15550100"}
parameters: [line]
states:
"""
    transfers = Transfers(TransferSettings(**settings))
    script = compile_script(head + states, "fraud.yaml", transfers)
    call = Conversation(script, line="+12025550177", desk="+12025550188")
    call.starts()
    call.presses("12025550123")
    return call


ASK = '  ask: {say: "Which number?", expect: "digits:11", capture: told, on_answer: %s}\n'
WASHED = ASK % '{set: {a: "+{told}"}, goto: b}' + '  b: {say: One., goto: c}\n  c: {say: Two., transfer: "{a}"}'


@pytest.mark.parametrize(
    ("states", "settings", "dialled"),
    [
        (ASK % '{transfer: "+15550100"}', {}, "+15550100"),
        (ASK % '{transfer: "{desk}"}', {}, "+15550100"),
        (ASK % "{transfer: front desk}", {"targets": {"Front desk": "+15550111"}}, "+15550111"),
        (ASK % '{set: {a: "{desk}"}, transfer: "{a}"}', {}, "+15550100"),
        (ASK % '{set: {told: "{desk}"}, transfer: "{told}"}', {}, "+15550100"),  # not what the caller said any more
        (ASK % '{transfer: "{told}"}', {"allow": ["+1"], "region": "US"}, None),
        (ASK % '{set: {a: "+{told}"}, transfer: "{a}"}', {"allow": ["+1"]}, None),
        (ASK % '{set: {a: "+{told}", b: "{a}"}, transfer: "{b}"}', {"allow": ["+1"]}, None),
        (WASHED, {"allow": ["+1"]}, None),
        (WASHED, {"allow": ["+1"], "from_caller": True}, "+12025550123"),
        (WASHED, {"allow": ["+44"], "from_caller": True}, None),
        (ASK % '{transfer: "{from_number}"}', {"allow": ["+1"]}, None),
        (ASK % '{set: {a: "{from_number}"}, transfer: "{a}"}', {"allow": ["+1"]}, None),
        (ASK % '{transfer: "{line}"}', {}, None),  # what came with the call is not the script's
        (ASK % '{transfer: "{line}"}', {"allow": ["+1"]}, "+12025550177"),
    ],
)
def test_whom_a_caller_is_put_through_to(states: str, settings: dict[str, Any], dialled: str | None) -> None:
    call = fraud(states, **settings)
    if dialled is not None:
        assert call.ended == Transfer(dialled)
        return
    assert call.ended is None
    assert [action for action in call.actions if isinstance(action, Say)][-2:] == [
        Say("I'm sorry, I could not connect you.", cacheable=True),
        Say("Which number?", cacheable=True),
    ]
    assert call.expected == "digits:11"


def test_a_script_says_what_follows_when_nobody_can_be_reached() -> None:
    states = ASK % '{transfer: "{told}"}' + "  away: {say: Please call again., hang_up: nobody}\n"
    call = fraud(states + "on_transfer_failed: {say: Nobody is there., goto: away}")
    assert call.actions[-1] == HangUp("nobody")
    assert [action.text.strip() for action in call.actions if isinstance(action, Say)] == [
        "Nobody is there.",
        "Please call again.",
    ]


def test_a_transfer_that_is_always_refused_ends_the_call_and_not_the_process() -> None:
    states = ASK % '{transfer: "{told}"}' + '  on: {say: Again., transfer: "{told}"}\n'
    call = fraud(states + "on_transfer_failed: on")
    assert call.ended == HangUp("transfer failed")


def test_a_caller_whom_nobody_answered_is_asked_again() -> None:
    call = fraud(ASK % '{say: One moment., transfer: "+15550100"}')
    assert call.ended == Transfer("+15550100")
    actions = call.agent.answer(Prompt("transfer_failed", "busy"))
    assert actions == [
        Say("I'm sorry, I could not connect you.", cacheable=True),
        Expect("digits:11"),
        Say("Which number?", cacheable=True),
    ]
    call.presses("12025550123")
    assert call.ended == Transfer("+15550100")


def test_a_new_agent_begins_with_what_happened_to_a_caller_who_comes_back() -> None:
    script = compile_script("start: ask\nstates:\n" + ASK % "ask", "back.yaml")
    agent = ScriptAgent(script, CallInfo(call_id="CA1"))
    assert agent.answer(Prompt("transfer_failed", "busy")) == [
        Say("I'm sorry, I could not connect you.", cacheable=True),
        Expect("digits:11"),
        Say("Which number?", cacheable=True),
    ]


def test_a_refused_target_is_reported_once_and_not_for_what_is_only_likely() -> None:
    script = compile_script(
        """
states:
  start: {say: "Shall I call you back?", on_yes: {transfer: "{from_number}"}, on_no: {say: Bye., hang_up: done}}
""",
        "back.yaml",
    )
    errors: list[AgentError] = []
    agent = ScriptFactory(script, lambda _info, error: errors.append(error)).open_call(
        CallInfo(call_id="CA1", from_number="+15550142")
    )
    agent.answer(Prompt("call_started"))
    agent.likely()
    assert errors == []
    agent.answer(Prompt("caller_said", "Yes."))
    assert [(error.kind, error.quoted) for error in errors] == [(Failure.TRANSFER_REFUSED, "+15550142")]


YES_OR_NO = """
start: ask
values: {firm: Acme}
states:
  ask:
    say: Welcome to {firm}. Shall I go on?
    no_input: Are you there?
    not_understood: ["Yes or no, please.", "Just say yes."]
    on_yes: {say: "Very well.", goto: code}
    on_no: {say: Goodbye then., hang_up: done}
  code:
    say: What is your code?
    expect: digits
    capture: code
    on_answer: {say: "Your code is {code}.", goto: bye}
  bye:
    say: Thank you for calling {firm}.
    hang_up: done
"""


def test_a_script_names_what_one_step_may_lead_to_and_stays_where_it_is() -> None:
    agent = ScriptAgent(compile_script(YES_OR_NO, "yes or no"), CallInfo(call_id="CA1"))
    assert agent.likely() == [], "before the call nothing is known"
    agent.answer(Prompt("call_started"))
    before = dict(agent.slots)
    named = {line.text: line.likelihood for line in agent.likely()}
    assert named == pytest.approx(
        {
            "Very well.": 0.4,
            "What is your code?": 0.4,
            "Goodbye then.": 0.4,
            "Are you there? Welcome to Acme. Shall I go on?": 0.1,
            "Yes or no, please. Welcome to Acme. Shall I go on?": 0.1,
        }
    )
    assert (agent.state_name, agent.slots) == ("ask", before)
    agent.answer(Prompt("caller_said", "what?"))
    assert "Just say yes. Welcome to Acme. Shall I go on?" in {line.text for line in agent.likely()}


def test_what_the_caller_is_about_to_tell_is_in_no_likely_line() -> None:
    agent = ScriptAgent(compile_script(YES_OR_NO, "yes or no"), CallInfo(call_id="CA1"))
    agent.answer(Prompt("call_started"))
    agent.answer(Prompt("caller_said", "yes"))
    texts = [line.text for line in agent.likely()]
    assert "Thank you for calling Acme." in texts
    assert not any("Your code" in text for text in texts)
    agent.answer(Prompt("digits", "4711"))
    assert agent.likely() == [], "after the goodbye nothing follows"


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_what_a_script_says_next_was_named_before(path: Path) -> None:
    """Each answer that may be kept, to anything the first state knows, is among the lines named."""
    script = load_script(path)
    for prompt in (Prompt("no_input", attempt=1), Prompt("caller_said", "xylophone"), Prompt("caller_said", "yes")):
        agent = ScriptAgent(script, CallInfo(call_id="CA1"))
        agent.answer(Prompt("call_started"))
        named = {line.text for line in agent.likely()}
        said = ""
        for action in agent.answer(prompt):
            if isinstance(action, Say) and action.cacheable:
                said += action.text
                if not action.more:
                    assert said in named
                    said = ""
