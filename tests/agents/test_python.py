"""Dialogues in Python: asked, interrupted, taken back, moved, and broken."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.agents.base import AgentError, CallInfo, Failure
from bridge.agents.python import PythonAgent, PythonFactory
from bridge.agents.python_load import AgentClass
from bridge.agents.settings import PythonSettings, TransferSettings
from bridge.call.actions import Action, Expect, HangUp, Prompt, Say, Spoken, Transfer
from bridge.errors import BadMessage, ConfigError
from bridge.simulator.virtual import VirtualLoop
from bridge.understanding.understand import KINDS
from tests.agents.dialogues import Broken, ByChance, World
from tests.agents.doubles import VirtualTime

INFO = CallInfo(call_id="CA1", from_number="+15550142")


@pytest.fixture(autouse=True)
def _a_new_world() -> None:
    World.reset()
    Broken.failures, ByChance.runs = 1, 0


class PhoneLine:
    """A caller at a dialogue; what the bot says is one text, and `expected` what it asks for."""

    def __init__(self, name: str, **settings: Any) -> None:
        settings = {"transfers": TransferSettings(targets={"front desk": "+12025550100"})} | settings
        place = f"tests.agents.dialogues:{name}"
        self.factory = PythonFactory(PythonSettings(class_=place, **settings), AgentClass(place))
        self.agent: PythonAgent = self.factory.open_call(INFO)
        self.actions: list[Action] = []
        self.expected = Expect()
        self.history: list[Spoken] = []
        self.turn = 0
        self.unheard = False

    async def starts(self) -> str:
        return await self.asks(Prompt("call_started", turn=self.next()))

    async def says(self, text: str, *, heard: bool = True, kind: Any = "caller_said") -> str:
        """The caller speaks; `heard` is false when nothing of the answer reaches them before they go on."""
        prompt = self.prompt(text, kind)
        said = await self.asks(prompt)
        if heard:
            self.heard(prompt, said)
        self.unheard = not heard
        return said

    def prompt(self, text: str, kind: Any = "caller_said") -> Prompt:
        answer, choices = self.expected.answer, self.expected.choices
        again, self.unheard = self.unheard, False
        guess = kind in ("caller_said", "digits")
        history = tuple(self.history)
        return Prompt(kind, text, history, 1, again, guess, self.next(), answer, "en-US", choices)

    def heard(self, prompt: Prompt, said: str) -> None:
        self.agent.confirmed(prompt.turn)
        self.history += [Spoken("caller", prompt.text), *([Spoken("bot", said)] if said else [])]

    async def is_silent(self) -> str:
        return await self.says("", kind="no_input")

    async def asks(self, prompt: Prompt) -> str:
        self.actions = []
        async with asyncio.timeout(600 if isinstance(asyncio.get_running_loop(), VirtualLoop) else 10):
            async for action in self.agent.reply(prompt):
                self.take(action)
        return self.said

    def take(self, action: Action) -> None:
        self.actions.append(action)
        if isinstance(action, Expect):
            self.expected = action

    async def interrupted(self, prompt: Prompt, after: int) -> str:
        """The caller talks over the answer once so many actions of it were carried out."""
        self.actions = []
        reply = self.agent.reply(prompt)
        for _ in range(after):
            self.take(await anext(reply))
        pending = asyncio.ensure_future(anext(reply))
        await asyncio.sleep(0.05)
        pending.cancel()
        await asyncio.gather(pending, return_exceptions=True)
        await reply.aclose()
        return self.said

    def moves(self) -> None:
        """The call goes on in another process."""
        state = self.agent.state()
        self.agent.left()
        self.agent = self.factory.open_call(INFO)
        self.agent.resume(state)

    def next(self) -> int:
        self.turn += 1
        return self.turn

    @property
    def said(self) -> str:
        return "".join(each.text + ("" if each.more else " ") for each in self.actions if isinstance(each, Say)).strip()


async def test_a_dialogue_reads_from_top_to_bottom() -> None:
    line = PhoneLine("Reception")
    assert await line.starts() == "Riverside Dental. What is your order number?"
    assert line.expected.answer == "digits:6"
    assert await line.says("one two three four five six") == "Your order is on its way. Shall I book a visit?"
    assert line.expected.answer == "yes_no"
    assert await line.says("yes please") == "For which day?"
    assert (await line.says("the fourth of March 2027")).startswith("I have ")
    prompt = line.prompt("yes")
    reply = line.agent.reply(prompt)
    assert await anext(reply) == Say("I am booking it.", cacheable=True)
    assert World.booked == []  # nobody has heard a word of the answer
    line.agent.confirmed(prompt.turn)
    rest = [action async for action in reply]
    assert rest == [Say("You have visit number 1.", cacheable=False), Transfer("+12025550100")]
    assert World.booked == ["2027-03-04"]
    assert await line.asks(Prompt("transfer_failed", "busy", turn=line.next())) == "The desk is busy. Goodbye."
    assert line.actions[-1] == HangUp("booked")


async def test_what_a_dialogue_did_is_known_after_the_call() -> None:
    line = PhoneLine("Reception")
    await line.starts()
    await line.says("123456", kind="digits")
    account = line.agent.account()
    assert account.slots == {"order": "123456"}
    assert [(use.name, use.result, use.failed) for use in account.tools] == [("find_order", "on its way", False)]


async def test_a_question_is_asked_again_for_silence_and_nonsense_and_then_given_up() -> None:
    line = PhoneLine("Reception")
    await line.starts()
    assert await line.is_silent() == "Are you still there? What is your order number?"
    assert await line.says("my dog is ill") == "Sorry, I didn't get that. What is your order number?"
    assert await line.says("blue") == "I'm sorry, I could not understand you. Goodbye."
    assert line.actions[-1] == HangUp("no answer")


async def test_the_caller_corrects_what_is_read_back() -> None:
    line = PhoneLine("Reception")
    await line.starts()
    await line.says("123456", kind="digits")
    await line.says("yes")
    assert "2027-03-04" in await line.says("March fourth 2027") or "March" in line.said
    assert "2027-03-05" in await line.says("no, March fifth 2027") or "fifth" in line.said
    await line.says("no")
    assert line.said == "All right, once more. For which day?"


async def test_keys_choose_and_words_for_a_choice_count() -> None:
    line = PhoneLine("Careful")
    assert await line.starts() == "Red or green?"
    assert (line.expected.choices, line.expected.keys) == ({"red": ("crimson",), "green": ()}, ("1",))
    assert await line.says("1", kind="digits") == "You like red."
    line = PhoneLine("Careful")
    await line.starts()
    assert await line.says("crimson") == "You like red."
    line = PhoneLine("Careful")
    await line.starts()
    await line.says("what")
    assert await line.says("what") == "You like no colour."
    assert line.actions[-1] == HangUp("done")


async def test_an_answer_to_half_a_sentence_is_taken_back() -> None:
    line = PhoneLine("Reception")
    await line.starts()
    await line.says("123456", kind="digits")
    assert await line.says("no", heard=False) == ""
    assert line.actions[-1] == HangUp("nothing to book")
    assert await line.says("no wait, yes") == "For which day?"
    assert World.looked_up == ["123456"]  # what was known before is not looked up again


async def test_nothing_is_booked_for_a_guess_that_was_wrong() -> None:
    line = PhoneLine("Reception")
    await line.starts()
    for words in ("one two three four five six", "yes", "March fourth 2027"):
        await line.says(words)
    line.unheard = False
    await line.interrupted(line.prompt("yes"), after=1)
    line.unheard = True
    assert "fifth" in await line.says("no, March fifth 2027") or "03-05" in line.said
    assert World.booked == []


def test_what_was_begun_is_carried_to_its_end_and_once(virtual_time: VirtualTime) -> None:
    async def call() -> None:
        line = PhoneLine("Reception")
        await line.starts()
        for words in ("one two three four five six", "yes", "March fourth 2027"):
            await line.says(words)
        World.takes_s = 2.0
        prompt = line.prompt("yes")
        reply = line.agent.reply(prompt)
        await anext(reply)
        line.agent.confirmed(prompt.turn)
        pending = asyncio.ensure_future(anext(reply))
        await asyncio.sleep(0.5)
        pending.cancel()  # the caller talks over "I am booking it."
        await asyncio.gather(pending, return_exceptions=True)
        await reply.aclose()
        assert await line.says("hello?", heard=False) == "I am booking it. You have visit number 1."
        # That was not heard, so it is said again.
        assert await line.says("hello, are you there?") == "You have visit number 1."
        line.agent.left()

    virtual_time(call)
    assert World.booked == ["2027-03-04"]


def test_a_booking_outlives_its_call(virtual_time: VirtualTime) -> None:
    async def call() -> None:
        line = PhoneLine("Reception")
        await line.starts()
        for words in ("one two three four five six", "yes", "March fourth 2027"):
            await line.says(words)
        World.takes_s = 2.0
        prompt = line.prompt("yes")
        reply = line.agent.reply(prompt)
        await anext(reply)
        line.agent.confirmed(prompt.turn)
        await asyncio.sleep(0.5)
        await reply.aclose()
        line.agent.left()
        await asyncio.sleep(3.0)

    virtual_time(call)
    assert World.booked == ["2027-03-04"]


def test_a_filler_is_said_when_it_takes_long_and_not_before(virtual_time: VirtualTime) -> None:
    async def call() -> list[str]:
        said = []
        for takes_s in (0.6, 0.8):
            World.takes_s = takes_s
            line = PhoneLine("Reception")
            await line.starts()
            said.append(await line.says("123456", kind="digits"))
            line.agent.left()
        return said

    assert virtual_time(call) == [
        "Your order is on its way. Shall I book a visit?",
        "Let me look that up. Your order is on its way. Shall I book a visit?",
    ]


def test_what_takes_too_long_is_given_up(virtual_time: VirtualTime) -> None:
    async def call() -> str:
        World.takes_s = 3.0
        line = PhoneLine("Careful")
        await line.starts()
        return await line.says("green")

    assert virtual_time(call) == "One moment, please. That takes too long. You like green."
    assert World.closed == ["123456"]


def test_a_stream_of_words_is_closed_when_the_caller_talks_over_it(virtual_time: VirtualTime) -> None:
    async def call() -> None:
        line = PhoneLine("Chatty")
        await line.starts()
        assert await line.says("a") == "You said a and more. That was all."
        World.takes_s = 60.0
        assert await line.interrupted(line.prompt("b"), after=1) == "You said b"
        assert World.closed == ["a", "b"]
        World.takes_s = 0.0
        assert await line.says("stop") == "You said stop and more. That was all."
        line.agent.left()

    virtual_time(call)


def test_without_a_method_for_words_the_dialogue_goes_on_undisturbed(virtual_time: VirtualTime) -> None:
    async def call() -> None:
        World.takes_s = 2.0
        line = PhoneLine("Oncoming")
        assert await line.interrupted(Prompt("call_started", turn=line.next()), after=1) == "I am looking."
        assert await line.says("hello?") == "One moment, please. It is on its way."
        line.agent.left()

    virtual_time(call)
    assert (World.looked_up, World.closed) == (["123456"], [])


def test_with_a_method_for_words_they_break_off_what_is_at_work(virtual_time: VirtualTime) -> None:
    async def call() -> None:
        World.takes_s = 60.0
        line = PhoneLine("Handlers")
        assert await line.starts() == "Speak."
        prompt = line.prompt("order")
        assert await line.interrupted(prompt, after=1) == "Looking."
        line.heard(prompt, "Looking.")
        assert World.closed == ["123456"]
        assert await line.says("hello") == "So far: order, hello."
        assert await line.says("42", kind="digits") == "Keys 42."
        line.moves()
        assert await line.says("bye") == "So far: order, hello, bye."
        line.agent.left()

    virtual_time(call)
    assert World.looked_up == ["123456"]


async def test_a_dialogue_that_is_handed_a_call_knows_why() -> None:
    line = PhoneLine("Handlers")
    assert await line.asks(Prompt("handed_over", "a broken order", turn=line.next())) == "I know: a broken order."
    line = PhoneLine("Reception")
    assert (await line.asks(Prompt("handed_over", "", turn=line.next()))).startswith("Riverside Dental.")


@pytest.mark.parametrize(
    "target", ["+19005550000", "back office", "0049 30 123456", "sip:anna@example.com", "+1202555010"]
)
async def test_a_dialogue_is_told_of_a_target_that_is_not_allowed_and_goes_on(target: str) -> None:
    line = PhoneLine("Dials")
    await line.starts()
    assert (await line.says(target)).startswith("They are ")
    assert [type(action) for action in line.actions] == [Say, HangUp]
    line = PhoneLine("Dials")
    await line.starts()
    await line.says("front desk")
    assert line.actions[-1] == Transfer("+12025550100")


async def test_a_recording_is_played_with_its_words_for_the_history() -> None:
    line = PhoneLine("Recorded")
    await line.starts()
    assert line.actions[0] == Say(
        "This call is recorded.", interruption="protected", voice="recording:notice", cacheable=False
    )


async def test_an_error_is_raised_with_its_traceback_and_the_same_answer_may_be_given_again() -> None:
    line = PhoneLine("Broken")
    await line.starts()
    with pytest.raises(RuntimeError, match="no such table: 3") as raised:
        await line.says("tea")
    assert "in call_started" in "".join(str(entry) for entry in raised.traceback)
    assert await line.says("tea") == "Thank you for tea."


@pytest.mark.parametrize(
    ("name", "kind"), [("Endless", Failure.TOO_MUCH), ("Silent", Failure.TIMEOUT), ("WrongTypes", None)]
)
def test_a_hostile_dialogue_harms_its_own_call(name: str, kind: Failure | None, virtual_time: VirtualTime) -> None:
    async def call() -> BaseException:
        line = PhoneLine(name)
        with pytest.raises(Exception) as raised:
            await line.starts()
        line.agent.left()
        await asyncio.sleep(0)
        assert len(asyncio.all_tasks()) == 1
        return raised.value

    error = virtual_time(call)
    assert error.kind is kind if isinstance(error, AgentError) else kind is None


async def test_a_dialogue_that_goes_another_way_is_found_out() -> None:
    line = PhoneLine("ByChance")
    await line.starts()
    await line.says("one")
    await line.says("two", heard=False)
    with pytest.raises(AgentError, match="the dialogue went another way when it was run again, at find_order"):
        await line.says("two and a half")


SAID = ["one two three four five six", "654321", "yes", "no", "March fourth 2027", "nonsense", ""]


@given(
    words=st.lists(st.sampled_from(SAID), max_size=7),
    moves=st.sets(st.integers(0, 7)),
    unheard=st.sets(st.integers(0, 7)),
)
def test_a_dialogue_that_is_moved_and_taken_back_anywhere_says_what_it_would_have_said(
    words: list[str], moves: set[int], unheard: set[int]
) -> None:
    async def call() -> None:
        World.reset()
        stays, moved = PhoneLine("Reception"), PhoneLine("Reception")
        assert await moved.starts() == await stays.starts()
        for place, text in enumerate(words):
            kind = "caller_said" if text else "no_input"
            if place in unheard and kind == "caller_said":
                await moved.says("wait, I", heard=False)
            if place in moves:
                moved.moves()
            answers = []
            for line in (moved, stays):
                prompt = line.prompt(text, kind)
                line.agent.confirmed(prompt.turn)
                asked = asyncio.ensure_future(line.asks(prompt))
                while not asked.done():
                    await asyncio.sleep(0)
                    line.agent.confirmed(prompt.turn)
                answers.append((await asked).replace("number 2", "number 1"))
            assert answers[0] == answers[1]
            assert moved.expected == stays.expected
            if isinstance(stays.actions[-1], HangUp | Transfer):
                break
        moved.agent.left()
        stays.agent.left()

    asyncio.run(call())


async def test_what_cannot_be_written_down_says_so() -> None:
    line = PhoneLine("Reception")
    await line.starts()
    await line.says("999999", kind="no_input")
    with pytest.raises(KeyError):
        await line.says("999999", kind="digits")
    line.moves()  # the error is forgotten: the question is still open
    assert "on its way" in await line.says("123456", kind="digits")
    for junk in (b"", b"junk", b"\x80" * 9):
        with pytest.raises(BadMessage, match=r"not the state of a dialogue in Python|the dialogue begins anew"):
            line.factory.open_call(INFO).resume(junk)


async def test_every_kind_of_answer_has_a_question() -> None:
    from bridge.agents.dialogue_questions import Questions

    assert [kind for kind in KINDS if not hasattr(Questions, f"ask_{kind}")] == []


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("Reception", "expected a module and a class in it, such as my_agents:Reception"),
        ("no_such_module:Reception", "there is no module 'no_such_module'"),
        ("tests.agents.dialogues:Nobody", "dialogues.py has no Nobody"),
        ("tests.agents.dialogues:World", "expected a class that inherits from"),
        ("tests.agents.dialogues:NoStart", r"expected a method call_started\(self, call\)"),
        ("broken_agent:A", "SyntaxError while loading"),
        ("needy_agent:A", "No module named 'no_such_package'"),
    ],
)
def test_a_class_that_cannot_be_used_is_named(name: str, what: str, tmp_path: Path) -> None:
    (tmp_path / "broken_agent.py").write_text("class A(:\n")
    (tmp_path / "needy_agent.py").write_text("import no_such_package\n")
    with pytest.raises(ConfigError, match=f"agent.class: '{name}': .*{what}"):
        AgentClass(name, tmp_path)


GREETER = """
from bridge.agents.dialogue import Conversation, PhoneAgent

class Greeter(PhoneAgent):
    async def call_started(self, call: Conversation) -> None:
        await call.say("{words}")
        await call.listen()
"""


async def test_a_class_is_loaded_again_when_its_file_has_changed(tmp_path: Path, caplog: Any) -> None:
    file = tmp_path / "changing_agent.py"
    file.write_text(GREETER.format(words="One."))
    settings = PythonSettings(class_="changing_agent:Greeter", reload=True)
    factory = PythonFactory(settings, AgentClass(settings.class_, tmp_path))

    async def greeting() -> list[Action]:
        agent = factory.open_call(INFO)
        actions = [action async for action in agent.reply(Prompt("call_started", turn=1))]
        agent.left()
        return actions

    assert await greeting() == [Say("One.", cacheable=True)]
    file.write_text(GREETER.format(words="One, two."))
    assert await greeting() == [Say("One, two.", cacheable=True)]
    file.write_text("class Greeter(:")
    assert await greeting() == [Say("One, two.", cacheable=True)]
    assert "the agent is not loaded again: agent.class" in caplog.text
    file.write_text(GREETER.format(words="One, two, three."))
    assert await greeting() == [Say("One, two, three.", cacheable=True)]
