"""The agent's side of a call: guesses, failures, and what is made of both."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import pytest

from bridge.call.actions import SUPPLIED, Action, ChangeLanguage, Expect, HangUp, Prompt, Say, Spoken, Transfer, Wait
from bridge.call.answering import EMPTY, LATE
from bridge.call.commands import AskAgent, CancelAgent, ConfirmAnswer, Decided, Disconnect, Redirect
from bridge.call.events import NO_SOUND, AgentActed, AgentFailed, AgentWantsFloor, CallStarted, SpeechFailed, Word
from bridge.call.settings import CallSettings, EndpointSettings, FallbackSettings
from bridge.call.states import Bot, EndReason
from tests.call.phone import Phone

GREETING = "Thank you for calling."
FINISHED = "I would like an appointment please."


def receptionist(prompt: Prompt) -> Sequence[Action]:
    return [Say(GREETING)] if prompt.kind == "call_started" else [Say("Let me look that up for you.")]


class Failing(Phone):
    """An agent that fails, by these kinds, after so many seconds; None is an answer."""

    def __init__(self, *kinds: str | None, after_s: float = 0.1, settings: CallSettings | None = None) -> None:
        super().__init__(receptionist, settings)
        self.kinds = list(kinds)
        self.after_s = after_s

    def _reply(self, turn: int, prompt: Prompt) -> None:
        kind = self.kinds.pop(0) if self.kinds else None
        if kind is None:
            super()._reply(turn, prompt)
        else:
            self.later(self.after_s, lambda: self._tell(AgentFailed(turn, kind)))

    def says(self, seconds: float = 1.0) -> None:
        self.caller_speaks(seconds)
        self.wait(6)


def confirmed(phone: Phone) -> list[int]:
    return [command.turn for command in phone.ordered(ConfirmAnswer) if isinstance(command, ConfirmAnswer)]


def answered(script: Sequence[Action], recognised: str = FINISHED, synthesis_s: float = 0.03) -> Phone:
    """A call in which the caller has heard the greeting; the answer to what they say next is `script`."""
    phone = Phone(
        lambda prompt: receptionist(prompt) if prompt.kind == "call_started" else script, synthesis_s=synthesis_s
    )
    phone.recognises = lambda since: recognised
    phone.answers()
    phone.wait(4)
    return phone


# -- guesses -------------------------------------------------------------------------------------------


def test_what_a_caller_says_counts_when_a_second_of_the_answer_was_heard() -> None:
    phone = answered([Say("Tuesday at nine? Or rather on Wednesday?")])
    phone.caller_speaks(1.0)
    phone.wait(1.24)
    assert [(prompt.turn, prompt.guess) for prompt in phone.prompts] == [(1, False), (2, True)]
    phone.wait(0.3)  # the turn is over, and the answer on its way
    assert confirmed(phone) == []
    phone.wait(0.3)
    assert phone.heard_words()[-1] == "Tuesday"
    assert confirmed(phone) == []  # who speaks now goes on with what they were saying
    phone.wait(1.0)
    assert confirmed(phone) == [2]
    phone.wait(3)
    assert confirmed(phone) == [2]


@pytest.mark.parametrize("words", ["Sure.", "Yes, sir."])
def test_a_short_answer_counts_when_it_was_heard_whole(words: str) -> None:
    phone = answered([Say(words)])
    phone.caller_speaks(1.0)
    phone.wait(1.24)
    assert phone.prompts[-1].guess
    phone.wait(2.0)
    assert phone.heard_words()[-len(words.split()) :] == words.split()
    assert confirmed(phone) == [2]


LONG = "Tuesday at nine, or Wednesday at ten, or Thursday at eleven?"
HALF, WHOLE = "I would like an appointment.", "I would like an appointment for my two children and for myself."


def cut_off(goes_on_after_s: float, settings: CallSettings | None = None) -> Phone:
    """A caller whose pause was taken for the end goes on so long after the first word of ours was in their ear."""
    phone = Phone(
        lambda prompt: [Say(GREETING) if prompt.kind == "call_started" else Say(LONG)], settings, synthesis_s=0.03
    )
    phone.answers()
    phone.wait(4)
    phone.recognises = lambda since: HALF
    phone.caller_speaks(1.0)
    while len(phone.heard()) < 2:
        phone.wait(0.02)
    phone.wait(goes_on_after_s)
    phone.recognises = lambda since: WHOLE if since < phone.now - 3.0 else "For my two children and for myself."
    phone.caller_speaks(1.5)
    phone.wait(8)
    return phone


@pytest.mark.parametrize("goes_on_after_s", [0.0, 0.1, 0.3, 0.5, 0.65])
def test_both_halves_of_a_sentence_that_we_cut_off_are_one_turn(goes_on_after_s: float) -> None:
    phone = cut_off(goes_on_after_s)
    assert [(prompt.text, prompt.again) for prompt in phone.prompts[1:]] == [(HALF, False), (WHOLE, True)]
    assert confirmed(phone) == [3]
    asked = phone.prompts[2].history
    assert [spoken.speaker for spoken in asked] == ["bot"]  # and nothing of the first half
    heard = asked[0].text.removeprefix(GREETING).split()
    assert len(heard) <= 3  # a second at most
    assert LONG.split()[: len(heard)] == heard
    assert [spoken.text for spoken in phone.call.transcript() if spoken.speaker == "caller"] == [WHOLE]
    assert " ".join(phone.heard_words()).endswith(LONG)


@pytest.mark.parametrize("speaks_after_s", [1.1, 2.0])
def test_who_has_heard_a_second_of_the_answer_answers_it(speaks_after_s: float) -> None:
    phone = cut_off(speaks_after_s)
    assert [(prompt.text == HALF, prompt.again) for prompt in phone.prompts[1:]] == [(True, False), (False, False)]
    assert confirmed(phone) == [2, 3]
    assert HALF in [spoken.text for spoken in phone.call.transcript() if spoken.speaker == "caller"]


def test_an_answer_counts_from_its_first_word_where_that_is_set() -> None:
    phone = cut_off(0.5, CallSettings(endpoint=EndpointSettings(second_thoughts_ms=0)))
    assert [prompt.again for prompt in phone.prompts[1:]] == [False, False]
    assert confirmed(phone) == [2, 3]


def test_what_is_said_behind_keys_takes_them_not_back() -> None:
    phone = answered([Say(LONG)])
    phone.presses("5#")
    while len(phone.heard()) < 2:
        phone.wait(0.02)
    phone.wait(0.3)
    phone.caller_speaks(1.0)
    phone.wait(8)
    assert [(prompt.kind, prompt.again) for prompt in phone.prompts[1:]] == [("digits", False), ("caller_said", False)]
    assert confirmed(phone) == [2, 3]


@pytest.mark.parametrize("goes_on_after_s", [1.24, 1.34, 1.5])
def test_a_caller_who_goes_on_before_the_answer_replaces_the_prompt_which_never_counts(goes_on_after_s: float) -> None:
    """Within the pause, at its end, and when the turn was taken for over but nothing of the answer was heard."""
    phone = answered([Say("Tuesday at nine?")], synthesis_s=0.4)
    phone.caller_speaks(1.0)
    phone.wait(goes_on_after_s)
    phone.caller_speaks(0.7)
    phone.wait(5)
    assert [(prompt.turn, prompt.again) for prompt in phone.prompts[1:]] == [(2, False), (3, True)]
    assert confirmed(phone) == [3]


def test_an_answer_that_is_interrupted_counts() -> None:
    phone = answered([Say("Tuesday at nine, or Wednesday at ten, or Thursday at eleven?")])
    phone.caller_speaks(1.0)
    phone.wait(2.5)
    phone.caller_speaks(1.0)
    phone.wait(6)
    assert [(prompt.turn, prompt.again) for prompt in phone.prompts[1:]] == [(2, False), (3, False)]
    assert confirmed(phone) == [2, 3]


def test_keys_and_turns_without_early_words_count_too_and_silence_needs_no_confirmation() -> None:
    phone = Phone(receptionist, CallSettings(endpoint=EndpointSettings(speculate=False)))
    phone.answers()
    phone.wait(4)
    phone.caller_speaks(1.0)
    phone.wait(4)
    phone.presses("5#")
    phone.wait(12)
    assert [(prompt.kind, prompt.guess) for prompt in phone.prompts] == [
        ("call_started", False),
        ("caller_said", True),
        ("digits", True),
        ("no_input", False),
    ]
    assert confirmed(phone) == [2, 3]


def test_an_answer_without_words_counts_when_it_is_complete_and_the_turn_is_over() -> None:
    phone = answered([Expect("yes_no")])
    phone.caller_speaks(1.0)
    phone.wait(1.24)
    assert confirmed(phone) == []
    phone.wait(1)
    assert confirmed(phone) == [2]


def test_an_answer_that_failed_never_counts() -> None:
    phone = Failing(None, "timeout")
    phone.answers()
    phone.wait(4)
    phone.says()
    assert " ".join(phone.heard_words()).endswith(phone.settings.apology)
    assert confirmed(phone) == []


@pytest.mark.parametrize("action", [HangUp("done"), Transfer("+15550100")])
def test_an_answer_to_a_guess_ends_no_call_before_it_counts(action: Action) -> None:
    phone = answered([Say("Goodbye then."), action, Say("Never said.")])
    phone.caller_speaks(1.0)
    phone.wait(1.24)
    assert phone.prompts[-1].guess
    phone.caller_speaks(0.7)  # "Goodbye ... no, wait, one more thing."
    phone.wait(1.0)
    assert phone.ordered(Disconnect) + phone.ordered(Redirect) == []
    phone.wait(6)
    assert phone.call.ended
    assert " ".join(phone.heard_words()) == f"{GREETING} Goodbye then."
    assert len(phone.ordered(Disconnect)) + len(phone.ordered(Redirect)) == 1


def test_an_answer_type_declared_on_a_guess_counts_when_the_guess_does() -> None:
    phone = answered([Say("Your number?"), Expect("digits:10")])
    phone.caller_speaks(1.0)
    phone.wait(1.24)
    assert phone.prompts[-1].guess
    assert phone.call._bot.answer == "open"
    phone.wait(3)
    assert phone.call._bot.answer == "digits:10"


def test_an_answer_of_nothing_but_a_hang_up_is_carried_out_when_the_guess_counts() -> None:
    phone = answered([HangUp("done")])
    phone.caller_speaks(1.0)
    phone.wait(4)
    assert phone.hung_up == "done"


# -- failures ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["unreachable", "http_status", "broken_stream", "service_error"])
def test_a_failure_that_may_pass_is_asked_once_more_and_nobody_notices(kind: str) -> None:
    phone = Failing(None, kind)
    phone.answers()
    phone.wait(4)
    phone.says()
    assert [(prompt.text, prompt.again) for prompt in phone.prompts] == [
        ("", False),
        (FINISHED, False),
        (FINISHED, True),
    ]
    assert phone.prompts[2].history == phone.prompts[1].history
    assert " ".join(phone.heard_words()) == f"{GREETING} Let me look that up for you."


@pytest.mark.parametrize("kinds", [("unreachable", "unreachable"), ("timeout",), ("too_much",), ("raised",)])
def test_a_failure_that_stays_is_excused(kinds: Sequence[str]) -> None:
    phone = Failing(None, *kinds)
    phone.answers()
    phone.wait(4)
    phone.says()
    assert len(phone.prompts) == 1 + len(kinds)
    assert " ".join(phone.heard_words()) == f"{GREETING} {phone.settings.apology}"


def test_a_failure_that_took_long_is_not_asked_again() -> None:
    phone = Failing(None, "unreachable", after_s=2.0)
    phone.answers()
    phone.wait(4)
    phone.says()
    assert len(phone.prompts) == 2


def test_an_answer_of_nothing_is_asked_once_more_and_then_excused() -> None:
    phone = answered([])
    phone.caller_speaks(1.0)
    phone.wait(6)
    assert [prompt.again for prompt in phone.prompts] == [False, False, True]
    assert " ".join(phone.heard_words()) == f"{GREETING} {phone.settings.apology}"
    reasons = [c.why["reason"] for c in phone.ordered(Decided) if isinstance(c, Decided) and c.what == "agent failed"]
    assert reasons == [EMPTY, EMPTY]


def test_an_agent_that_says_nothing_in_time_is_excused() -> None:
    phone = Failing(None)
    phone.answers()
    phone.wait(4)
    phone._reply = lambda turn, prompt: None  # type: ignore[method-assign]
    phone.says()
    phone.wait(8)
    assert LATE in [c.why.get("reason") for c in phone.ordered(Decided) if isinstance(c, Decided)]
    assert CancelAgent(2) in phone.ordered(CancelAgent)


@pytest.mark.parametrize("kinds", [("unreachable", "unreachable"), ("timeout",), ("tool_not_on_offer",)])
def test_a_dead_agent_at_the_start_asks_nobody_to_say_that_again(kinds: Sequence[str]) -> None:
    phone = Failing(*kinds)
    phone.answers()
    phone.wait(20)
    assert " ".join(phone.heard_words()) == phone.settings.last_apology
    assert phone.call.end_reason is EndReason.AGENT_FAILED


def test_an_agent_that_comes_back_at_the_start_greets() -> None:
    phone = Failing("unreachable", None)
    phone.answers()
    phone.wait(4)
    assert " ".join(phone.heard_words()) == GREETING
    assert not phone.call.ended


def test_callers_whose_agent_is_dead_can_be_connected_to_somebody() -> None:
    fallback = FallbackSettings(transfer="+15550100", text="One moment, I connect you.")
    phone = Failing("timeout", settings=CallSettings(fallback=fallback))
    phone.answers()
    phone.wait(20)
    assert " ".join(phone.heard_words()) == "One moment, I connect you."
    assert phone.ordered(Redirect) == [Redirect("+15550100")]


def test_a_caller_who_comes_back_from_a_transfer_is_no_new_caller() -> None:
    phone = Phone(lambda prompt: [Say("They are busy, I am afraid.")])
    phone.tell(CallStarted("busy"))
    phone.wait(4)
    assert [(prompt.kind, prompt.text, prompt.guess) for prompt in phone.prompts] == [
        ("transfer_failed", "busy", False)
    ]


def test_so_can_callers_whose_agent_has_failed_too_often() -> None:
    phone = Failing(
        None, "timeout", "timeout", "timeout", settings=CallSettings(fallback=FallbackSettings(transfer="+15550100"))
    )
    phone.answers()
    phone.wait(4)
    for _ in range(3):
        phone.says()
        phone.wait(8)
    assert phone.ordered(Redirect) == [Redirect("+15550100")]


def test_a_fallback_that_cannot_be_dialled_is_refused_at_the_start() -> None:
    with pytest.raises(msgspec.ValidationError, match=r"transfer 'the desk': expected an E\.164 number"):
        msgspec.convert({"fallback": {"transfer": "the desk"}}, CallSettings)


def test_our_apologies_are_not_the_agents_words() -> None:
    phone = Failing(None, "timeout", None)
    phone.answers()
    phone.wait(4)
    phone.says()
    phone.wait(4)
    phone.says()
    assert phone.prompts[-1].history == (
        Spoken("bot", GREETING),
        Spoken("caller", FINISHED),
        Spoken("bot", phone.settings.apology, by_bridge=True),
    )


@pytest.mark.parametrize("answer", ["digits:ten", "digits:²", "digits:", "digits:-1", "", "what", "yes_no:3"])
def test_an_expected_answer_that_nobody_knows_does_no_harm(answer: str) -> None:
    phone = answered([Say("Your number?"), Expect(answer)], recognised="five five five")
    for _ in range(2):
        phone.caller_speaks(1.0)
        phone.wait(6)
    phone.presses("55#")
    phone.wait(6)
    assert phone.prompts[-1].kind == "digits"
    assert len(phone.ordered(AskAgent)) == 4


FOREIGN = "Qwmbl."  # stands for words in letters that the call's voice does not know


class Mute(Phone):
    """A phone whose voice makes no sound of some words, and says so or not."""

    says_so = False

    def _deliver(self, utterance: int) -> None:
        if self.says_so and utterance in self._complete and not self.words_of(utterance):
            self._complete.discard(utterance)
            self.tell(SpeechFailed(utterance, NO_SOUND))
        super()._deliver(utterance)

    def words_of(self, utterance: int) -> list[Word]:
        return [word for word in super().words_of(utterance) if not word.text.startswith(FOREIGN[:-1])]


def mute(*answers: Sequence[Action], says_so: bool) -> Phone:
    """A caller who asks something; the greeting comes first of these answers."""
    left = list(answers)
    phone = Mute(lambda prompt: left.pop(0))
    phone.says_so = says_so
    phone.answers()
    phone.wait(5)
    phone.caller_speaks(1.0)
    phone.wait(6)
    return phone


@pytest.mark.parametrize("says_so", [False, True])
@pytest.mark.parametrize(
    "answer",
    [
        [Say(FOREIGN)],
        [Say(FOREIGN, more=True), Say(FOREIGN)],
        [Say(FOREIGN), Say(FOREIGN)],
        [Say(FOREIGN), Expect("yes_no")],
        [Say("", more=True, voice=f"{SUPPLIED}1"), Say("", voice=f"{SUPPLIED}1")],
    ],
)
def test_an_answer_of_which_no_sound_comes_is_asked_once_more_and_then_excused(
    answer: Sequence[Action], says_so: bool
) -> None:
    greeting = [Say(GREETING)]
    phone = mute(greeting, answer, [Say("Tuesday.")], says_so=says_so)
    assert [prompt.again for prompt in phone.prompts] == [False, False, True]
    assert " ".join(phone.heard_words()) == f"{GREETING} Tuesday."

    phone = mute(greeting, answer, answer, says_so=says_so)
    assert [prompt.again for prompt in phone.prompts] == [False, False, True]
    assert " ".join(phone.heard_words()) == f"{GREETING} {phone.settings.apology}"
    assert FOREIGN not in str(phone.call.transcript()), "what nobody heard is in no history"


@pytest.mark.parametrize("declared", [Expect("digits:4"), ChangeLanguage("en")])
@pytest.mark.parametrize("kinds", [("unreachable", "unreachable"), ("timeout",), ("nothing_said",)])
def test_an_agent_that_fails_having_declared_what_comes_has_said_nothing(
    kinds: Sequence[str], declared: Action
) -> None:
    """As every team does before it asks whoever has the caller."""

    class Declaring(Failing):
        def _reply(self, turn: int, prompt: Prompt) -> None:
            self._tell(AgentActed(turn, declared))
            super()._reply(turn, prompt)

    phone = Declaring(*kinds)
    phone.answers()
    phone.wait(5)
    assert len(phone.prompts) == len(kinds)
    assert " ".join(phone.heard_words()).startswith("I'm sorry, something went wrong on our side.")

    phone = Declaring(None, *kinds)
    phone.answers()
    phone.wait(4)
    phone.says()
    assert len(phone.prompts) == 1 + len(kinds)
    assert " ".join(phone.heard_words()) == f"{GREETING} {phone.settings.apology}"


def test_an_agent_that_declares_what_comes_and_then_nothing_more_is_late() -> None:
    phone = Phone(receptionist)
    phone.answers()
    phone.wait(4)
    phone._reply = lambda turn, prompt: phone._tell(AgentActed(turn, Expect("yes_no")))  # type: ignore[method-assign]
    phone.caller_speaks(1.0)
    phone.wait(14)
    assert LATE in [c.why.get("reason") for c in phone.ordered(Decided) if isinstance(c, Decided)]


def test_an_answer_that_only_declares_what_comes_is_silence_on_purpose() -> None:
    phone = answered([Expect("yes_no")])
    phone.caller_speaks(1.0)
    phone.wait(6)
    assert len(phone.prompts) == 2
    assert " ".join(phone.heard_words()) == GREETING


def test_an_agent_that_asks_for_the_floor_and_fails_before_anybody_has_spoken_is_dead() -> None:
    """A relayed application, whose words come unasked."""
    phone = Phone(lambda prompt: [Expect()])
    phone.answers()
    phone.wait(0.5)
    phone._reply = lambda turn, prompt: phone._tell(AgentFailed(turn, "nothing_said"))  # type: ignore[method-assign]
    phone.tell(AgentWantsFloor())
    phone.wait(12)
    assert [prompt.kind for prompt in phone.prompts] == ["call_started", "floor_given"]
    assert " ".join(phone.heard_words()) == phone.settings.last_apology
    assert phone.hung_up is not None


@pytest.mark.parametrize("says_so", [False, True])
def test_a_greeting_of_which_no_sound_comes_is_no_greeting(says_so: bool) -> None:
    phone = Mute(lambda prompt: [Say(FOREIGN)])
    phone.says_so = says_so
    phone.answers()
    phone.wait(12)
    assert len(phone.prompts) == 2
    assert " ".join(phone.heard_words()) == phone.settings.last_apology
    assert phone.hung_up is not None


@pytest.mark.parametrize(
    "answer", [[Say(FOREIGN), Say("Tuesday.")], [Say("Tuesday."), Say(FOREIGN)], [Say(FOREIGN), Wait(1.0)]]
)
def test_an_answer_of_which_something_comes_is_an_answer(answer: Sequence[Action]) -> None:
    phone = mute([Say(GREETING)], answer, says_so=False)
    assert len(phone.prompts) == 2
    assert phone.call.bot is Bot.IDLE


def test_an_agent_whose_answers_make_no_sound_is_given_up_like_one_that_fails() -> None:
    phone = Mute(lambda prompt: [Say(GREETING if prompt.kind == "call_started" else FOREIGN)])
    phone.answers()
    phone.wait(5)
    for _ in range(phone.settings.failure_limit):
        phone.caller_speaks(1.0)
        phone.wait(9)
    assert phone.settings.last_apology in " ".join(phone.heard_words())
    assert phone.hung_up is not None
