"""What a service may do in one answer."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncGenerator, Sequence

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.agents.base import AgentError, CallInfo, Failure, LikelyLine
from bridge.agents.guard import Guard, checked_likely, folded, speakable
from bridge.agents.settings import AnswerLimits, TransferSettings
from bridge.agents.transfers import Transfers
from bridge.call.actions import Action, ChangeLanguage, Expect, HangUp, Prompt, Say, Spoken, Transfer, Wait

INFO = CallInfo(call_id="CA1", from_number="+15550142")
PROMPT = Prompt("caller_said", "Connect me.", (Spoken("bot", "How can I help?"),), turn=4)
LIMITS = AnswerLimits(say_characters=20, answer_characters=30, actions=5, wait_ms=3000)


class Service:
    """Answers each prompt by the next of these lists; an error in it is raised."""

    def __init__(self, *answers: Sequence[Action | AgentError]) -> None:
        self.answers = list(answers)
        self.prompts: list[Prompt] = []
        self.reported: list[AgentError] = []
        self.guard = Guard(
            LIMITS,
            Transfers(TransferSettings(targets={"front desk": "+15550100"}, allow=["+1202"])),
            lambda info, error: self.reported.append(error),
        )

    async def ask(self, prompt: Prompt) -> AsyncGenerator[Action, None]:
        self.prompts.append(prompt)
        for each in self.answers.pop(0):
            if isinstance(each, AgentError):
                raise each
            yield each

    async def hears(self) -> tuple[list[Action], AgentError | None]:
        """What may be carried out, and the error that ended it."""
        actions: list[Action] = []
        try:
            async for action in self.guard.answer(INFO, PROMPT, self.ask):
                actions.append(action)
        except AgentError as error:
            return actions, error
        return actions, None


async def one(*answers: list[Action]) -> tuple[list[Action], AgentError | None]:
    return await Service(*answers).hears()


HELLO = Say("Hello.")


@pytest.mark.parametrize(
    ("action", "kind", "names"),
    [
        (Expect("digits:ten"), Failure.BAD_ACTION, "expects what cannot be expected"),
        (Expect("digits:0"), Failure.BAD_ACTION, "digits:N"),
        (Expect("digits:100"), Failure.BAD_ACTION, "expects"),
        (Expect("digits:²"), Failure.BAD_ACTION, "expects"),
        (Expect("digits:٣"), Failure.BAD_ACTION, "expects"),
        (Expect("open\n"), Failure.BAD_ACTION, "expects"),
        (Expect(""), Failure.BAD_ACTION, "expects"),
        (Wait(-1), Failure.BAD_ACTION, "a wait of -1 seconds"),
        (Wait(math.nan), Failure.BAD_ACTION, "a wait of nan seconds"),
        (Wait(math.inf), Failure.BAD_ACTION, "a wait of inf seconds"),
        (Wait(1e308), Failure.TOO_MUCH, "milliseconds of waiting; at most 3000"),
        (Wait(3.1), Failure.TOO_MUCH, "3100 milliseconds of waiting; at most 3000"),
        (Say("x" * 21), Failure.TOO_MUCH, "21 characters in one text; at most 20"),
        (Say("x", voice="y" * 101), Failure.BAD_ACTION, "a voice's name of 101 characters"),
        (Say("x", language="tlh"), Failure.BAD_ACTION, "no language that can be spoken; there are: en-US, en-GB"),
        (ChangeLanguage("tlh" * 99), Failure.BAD_ACTION, "no language that can be spoken"),
        (ChangeLanguage(""), Failure.BAD_ACTION, "no language that can be spoken"),
        (Say("x", voice=""), Failure.BAD_ACTION, "a voice's name of 0 characters"),
    ],
)
async def test_an_action_that_cannot_be_meant_ends_the_answer_and_says_why(
    action: Action, kind: Failure, names: str
) -> None:
    actions, error = await one([HELLO, action, Say("Never said.")])
    assert actions == [HELLO]
    assert error is not None
    assert error.kind is kind
    assert names in str(error)


@pytest.mark.parametrize(
    "actions",
    [
        [Wait(0.001)] * 2000,
        [Wait(1.0)] * 4,
        [Expect("open")] * 6,
        [Say("x" * 11)] * 3,
        [Say("x", more=True)] * 31,
        [HELLO, *[Say("", more=True)] * 31],
    ],
)
async def test_many_small_actions_are_too_much_too(actions: list[Action]) -> None:
    done, error = await one(actions)
    assert len(done) < len(actions)
    assert error is not None
    assert error.kind is Failure.TOO_MUCH


async def test_a_good_answer_passes_as_it_is() -> None:
    actions: list[Action] = [Say("Which day", more=True), Say("?"), Expect("digits:10"), Wait(0.5), HangUp("done")]
    assert await one(actions) == (actions, None)


@pytest.mark.parametrize(
    ("reason", "kept"),
    [
        ("done", "done"),
        ("caller\nERROR forged line", "caller ERROR forged line"),
        ("card 4111 1111", "card #### ####"),
        ("a\x1b[31m\x00b\u2028c", "a [##m b c"),
        ("x" * 1000, "x" * 60),
        (" \n ", "agent"),
    ],
)
async def test_a_reason_to_hang_up_is_one_short_line_without_digits(reason: str, kept: str) -> None:
    assert await one([HangUp(reason)]) == ([HangUp(kept)], None)


@given(st.text())
def test_any_text_folds_into_one_line(text: str) -> None:
    line = folded(text)
    assert len(line) <= 60
    assert line.isprintable()
    assert not any(c.isnumeric() for c in line)


async def test_a_target_is_made_what_is_dialled() -> None:
    assert await one([HELLO, Transfer("Front desk")]) == ([HELLO, Transfer("+15550100")], None)


CALLERS_OWN = {
    "the number they call from": ("+12025550142", (), "Call me back on this number."),
    "said in digits": ("+12025550123", (), "Put me through to 202-555-0123."),
    "said in words": ("+12025550123", (), "It's two oh two five five five zero one two three."),
    "said with its country": ("+12025550123", (), "Plus 1 202 555 0123 please."),
    "said some time ago": ("+12025550123", ("My friend has 202 555 0123.", "Yes."), "Call him."),
    "said in two turns": ("+12025550123", ("202.",), "555 0123."),
    "pressed": ("(202) 555-0123", ("2025550123",), "Yes."),
}


@pytest.mark.parametrize(("target", "before", "text"), CALLERS_OWN.values(), ids=CALLERS_OWN)
@pytest.mark.parametrize("from_caller", [False, True])
async def test_a_number_that_the_caller_named_is_theirs_whichever_agent_repeats_it(
    target: str, before: tuple[str, ...], text: str, from_caller: bool
) -> None:
    service = Service([HELLO, Transfer(target)], [Say("I can't.")])
    rules = TransferSettings(allow=["+1202"], region="US", from_caller=from_caller)
    guard = Guard(LIMITS, Transfers(rules), lambda info, error: service.reported.append(error))
    history = (Spoken("bot", "How can I help?"), *(Spoken("caller", one) for one in before))
    info = CallInfo(call_id="CA1", from_number="+12025550142", to_number="+12025550199")
    prompt = Prompt("caller_said", text, history, turn=4)
    last = [action async for action in guard.answer(info, prompt, service.ask)][-1]
    assert isinstance(last, Transfer) is from_caller
    assert [prompt.text for prompt in service.prompts[1:]] == ([] if from_caller else ["from_caller"])


@pytest.mark.parametrize("text", ["Connect me.", "My order is 555019.", "My number is 202 555 0187."])
async def test_a_number_of_the_agents_own_is_not_the_callers(text: str) -> None:
    service = Service([Transfer("+12025550123")])
    prompt = msgspec.structs.replace(PROMPT, text=text)
    assert [action async for action in service.guard.answer(INFO, prompt, service.ask)] == [Transfer("+12025550123")]


async def test_a_refused_transfer_is_told_to_the_agent_which_goes_on() -> None:
    service = Service([Say("I connect you."), Transfer("+442079460958"), Say("unsaid")], [Say("I can't. Else?")])
    assert await service.hears() == ([Say("I connect you."), Say("I can't. Else?")], None)
    assert service.prompts[1] == Prompt(
        "transfer_refused",
        "not_allowed",
        (Spoken("bot", "How can I help?"), Spoken("caller", "Connect me."), Spoken("bot", "I connect you.")),
        turn=4,
    )
    assert [(error.kind, error.quoted) for error in service.reported] == [(Failure.TRANSFER_REFUSED, "+442079460958")]
    assert "7946" not in str(service.reported[0])


async def test_a_second_refusal_in_one_answer_ends_it() -> None:
    actions, error = await one([HELLO, Transfer("nobody")], [Say("Trying."), Transfer("nobody")])
    assert actions == [HELLO, Say("Trying.")]
    assert error is not None
    assert error.kind is Failure.TRANSFER_REFUSED


@pytest.mark.parametrize(
    "empty", [[], [Say("")], [Say(" \n", more=True)], [Say("...", more=True), Say("!")], [Say("\N{GRINNING FACE}")]]
)
async def test_an_answer_of_nothing_is_asked_for_once_more(empty: list[Action]) -> None:
    service = Service(empty, [HELLO])
    assert await service.hears() == ([HELLO], None)
    assert [prompt.again for prompt in service.prompts] == [False, True]

    actions, error = await one(empty, empty)
    assert actions == []
    assert error is not None
    assert error.kind is Failure.NOTHING_SAID


@pytest.mark.parametrize("action", [Wait(0.5), Expect("open"), HangUp("done")])
async def test_silence_that_is_wanted_is_an_answer(action: Action) -> None:
    assert await one([action]) == ([action], None)


async def test_what_cannot_be_spoken_opens_no_utterance() -> None:
    actions: list[Action] = [Say("...", more=True), Say(" Well", more=True), Say("!!!", more=True)]
    assert await one(actions) == (actions, None)
    assert await one([Say("***"), HELLO, Say("***")]) == ([HELLO], None)


@pytest.mark.parametrize("more", [False, True])
@pytest.mark.parametrize(
    "text", ["\u0661\u0662\u0663 " * 700, ". . . a" * 400, "**a** _b_ " * 300, "x" * 3000, "a" * 501]
)
async def test_a_long_text_is_passed_on_in_portions_between_which_others_have_their_turn(text: str, more: bool) -> None:
    async def ask(_prompt: Prompt) -> AsyncGenerator[Action, None]:
        yield Say(text, more, "protected", "joe", True, language="de")

    turns, loop, over = 0, asyncio.get_running_loop(), False

    def turn() -> None:
        nonlocal turns
        turns += 1
        if not over:
            loop.call_soon(turn)

    turn()
    said: list[Say] = []
    turn_of: list[int] = []
    async for action in Guard(AnswerLimits(), Transfers(), lambda *_: None).answer(INFO, PROMPT, ask):
        assert isinstance(action, Say)
        said.append(action)
        turn_of.append(turns)
    assert "".join(say.text for say in said) == text
    assert max(len(say.text) for say in said) <= 500
    assert len(set(turn_of)) == len(said)
    assert [say.more for say in said] == [True] * (len(said) - 1) + [more]
    assert {(say.interruption, say.voice, say.cacheable, say.language) for say in said} == {
        ("protected", "joe", True, "de")
    }
    over = True


@pytest.mark.parametrize("voice", ["recording:" + "a" * 10, "keys:1"])
async def test_what_is_played_and_not_spoken_is_never_divided(voice: str) -> None:
    say = Say("a" * 600, voice=voice)

    async def ask(_prompt: Prompt) -> AsyncGenerator[Action, None]:
        yield say

    assert [one async for one in Guard(AnswerLimits(), Transfers(), lambda *_: None).answer(INFO, PROMPT, ask)] == [say]


async def test_an_error_after_words_ends_the_answer_as_it_is() -> None:
    broken = AgentError(Failure.BROKEN_STREAM, "broke off")
    assert await Service([HELLO, broken]).hears() == ([HELLO], broken)


async def test_a_broken_off_answer_breaks_off_the_service() -> None:
    closed = asyncio.Event()

    async def endless(prompt: Prompt) -> AsyncGenerator[Action, None]:
        try:
            while True:
                yield HELLO
        finally:
            closed.set()

    actions = Service().guard.answer(INFO, PROMPT, endless)
    assert await anext(actions) == HELLO
    await actions.aclose()
    assert closed.is_set()


@pytest.mark.parametrize(
    ("lines", "kind"),
    [
        ([LikelyLine("x", 0.1)] * 33, Failure.TOO_MUCH),
        ([LikelyLine("x" * 501, 0.1)], Failure.TOO_MUCH),
        ([LikelyLine("x", 1.1)], Failure.BAD_ACTION),
        ([LikelyLine("x", -0.1)], Failure.BAD_ACTION),
        ([LikelyLine("x", math.nan)], Failure.BAD_ACTION),
        ([LikelyLine("x", 0.5, voice="y" * 101)], Failure.BAD_ACTION),
    ],
)
def test_likely_lines_are_few_and_short(lines: list[LikelyLine], kind: Failure) -> None:
    with pytest.raises(AgentError) as refused:
        checked_likely(lines, AnswerLimits())
    assert refused.value.kind is kind


@pytest.mark.parametrize(
    ("text", "expected"), [("a", True), ("7", True), ("你好", True), ("?! ...", False), ("", False)]
)
def test_what_can_be_spoken(text: str, expected: bool) -> None:
    assert speakable(text) is expected
