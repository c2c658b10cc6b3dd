"""Agents in Python: a class whose methods say what happens on a call, from top to bottom.

    class Reception(PhoneAgent):
        async def call_started(self, call: Conversation) -> None:
            await call.say("Thank you for calling.")
            number = await call.ask_digits("What is your order number?", count=6)
            order = await call.look_up(find_order, number)
            await call.say(f"It is {order['state']}. Goodbye.")
            await call.hang_up()

What a caller was thought to have said may turn out to be half of it, and a call may move to another process. Then the
dialogue is run again from its beginning, silently and with the same answers, to where it was. So whatever touches the
world goes through `look_up` or `carry_out`, and what a method keeps, it keeps in `self`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any, ClassVar, TypeVar, overload

from bridge.agents.base import CallInfo
from bridge.agents.dialogue_journal import CallerReaction
from bridge.agents.dialogue_questions import AnswerNotGiven, Questions, QuestionTexts
from bridge.agents.dialogue_run import DialogueRun
from bridge.agents.dialogue_work import OutcomeUnknown, TookTooLong, Work
from bridge.call.actions import (
    RECORDING,
    ChangeLanguage,
    Expect,
    HangUp,
    Interruption,
    Say,
    Spoken,
    Transfer,
    Wait,
)

__all__ = [
    "AnswerNotGiven",
    "CallInfo",
    "CallerReaction",
    "Conversation",
    "OutcomeUnknown",
    "PhoneAgent",
    "QuestionTexts",
    "TookTooLong",
]

T = TypeVar("T")

AsyncFunction = Callable[..., Coroutine[Any, Any, T]]


class Conversation(Questions):
    """One call as a dialogue sees it: what to say, what to ask, what to look up."""

    def __init__(self, info: CallInfo, run: DialogueRun, texts: QuestionTexts, deadline_s: float) -> None:
        super().__init__(texts)
        self.info = info
        """Who calls, which number was dialled, and what came with the call."""
        self._run = run
        self._deadline_s = deadline_s

    @property
    def history(self) -> tuple[Spoken, ...]:
        """What was said and really heard, both ways, before the caller's last turn."""
        return self._run.prompt.history

    @property
    def hint(self) -> str:
        """What a supervisor of the team whispered before the caller's last turn; empty: nothing."""
        return self._run.prompt.hint or ""

    async def say(
        self,
        text: str,
        *,
        more: bool = False,
        interruption: Interruption = "interruptible",
        voice: str | None = None,
        cacheable: bool | None = None,
    ) -> None:
        """Say this, after what was said before; it returns before the caller has heard it.

        more       the next `say` goes on in the same sentence
        cacheable  whether the audio may be kept for other calls; None: if the line stands in the agent's own code
        """
        keep = text in self._run.written if cacheable is None else cacheable
        await self._run.put(Say(text, more, interruption, voice, keep))

    async def tell(
        self, words: AsyncIterator[str], *, interruption: Interruption = "interruptible", voice: str | None = None
    ) -> bool:
        """Say words as they are written, by a model for instance. A caller who talks over them closes the stream.

        Returns whether all were said; else the next `listen` or `ask` gets what the caller said instead.
        """
        return await self._run.tell(words, lambda text, more: Say(text, more, interruption, voice, cacheable=False))

    async def change_language(self, language: str) -> None:
        """Go on in another language, such as `de`: its voice, its figures, our own sentences, what is recognised."""
        await self._run.put(ChangeLanguage(language))

    def note(self, name: str, value: object) -> None:
        """Keep something that is to be known of the call when it is over: the webhook after the call has it."""
        self._run.notes[name] = str(value)

    async def play(self, name: str, words: str = "", *, interruption: Interruption = "interruptible") -> None:
        """Play a recording of `speaking.recordings`; `words` are what is said in it, for the history."""
        await self._run.put(Say(words or name, False, interruption, f"{RECORDING}{name}", cacheable=False))

    async def wait(self, seconds: float) -> None:
        """Be silent this long before what comes next."""
        await self._run.put(Wait(seconds))

    async def listen(self, expect: Expect | None = None) -> CallerReaction:
        """Wait for what the caller says, presses, or does not say in time."""
        return await self._run.listen(*([] if expect is None else [expect]))

    async def transfer(self, target: str, summary: str = "") -> str:
        """Connect the caller to somebody, once they have heard everything.

        `target` is a colleague of the team, or a name or number that `transfers` of the settings allow; `summary` is
        for whoever takes the call. Returns only when that did not succeed,
        with the reason: `busy`, `no_answer`, `declined`, `failed`, or why it is refused.
        """
        return (await self._run.listen(Transfer(target, summary))).text

    async def hang_up(self, reason: str = "done") -> CallerReaction:
        """End the call, once the caller has heard everything.

        Returns only when the caller speaks into the goodbye and so holds the line, with what they said.
        """
        return await self._run.listen(HangUp(reason))

    @overload
    async def look_up(
        self,
        function: AsyncFunction[T],
        *arguments: Any,
        filler: str = "",
        deadline_s: float | None = None,
        **named: Any,
    ) -> T: ...
    @overload
    async def look_up(
        self,
        function: Callable[..., T],
        *arguments: Any,
        filler: str = "",
        deadline_s: float | None = None,
        **named: Any,
    ) -> T: ...
    async def look_up(
        self,
        function: Callable[..., Any],
        *arguments: Any,
        filler: str = "",
        deadline_s: float | None = None,
        **named: Any,
    ) -> Any:
        """Call a function, async or not, that changes nothing: it may be called again, or given up half-way.

        filler      said when it takes long and this answer has no words yet; empty: `texts.moment`
        deadline_s  when it is given up, and TookTooLong raised
        """
        return await self._run.look_up(Work(function, arguments, named), filler, self._deadline(deadline_s))

    @overload
    async def carry_out(
        self,
        function: AsyncFunction[T],
        *arguments: Any,
        filler: str = "",
        deadline_s: float | None = None,
        **named: Any,
    ) -> T: ...
    @overload
    async def carry_out(
        self,
        function: Callable[..., T],
        *arguments: Any,
        filler: str = "",
        deadline_s: float | None = None,
        **named: Any,
    ) -> T: ...
    async def carry_out(
        self,
        function: Callable[..., Any],
        *arguments: Any,
        filler: str = "",
        deadline_s: float | None = None,
        **named: Any,
    ) -> Any:
        """Call a function, async or not, that changes something: it is called once, and always to its end.

        It waits until the caller's turn counts, which is when they have heard a second of this answer; so `filler` is
        said at once if the answer has no words yet. Raises TookTooLong, and OutcomeUnknown where the call has moved to
        another process meanwhile.
        """
        return await self._run.carry_out(Work(function, arguments, named), filler, self._deadline(deadline_s))

    def _deadline(self, deadline_s: float | None) -> float:
        return self._deadline_s if deadline_s is None else deadline_s


class PhoneAgent:
    """What a dialogue in Python inherits from: one object for each call, made without arguments.

    `call_started` alone may hold the whole dialogue. With `caller_said`, words that nobody waits for go there, and
    break off the method that is at work; without it the dialogue goes on, and ends the call when `call_started` ends.
    """

    texts: ClassVar[QuestionTexts] = QuestionTexts()
    """What is said when the caller is silent, not understood, and so on."""
    phrases: ClassVar[tuple[str, ...]] = ()
    """Lines that any call may hear, made ready before the first one."""

    async def call_started(self, call: Conversation) -> None:
        """The caller is on the line."""
        raise NotImplementedError(f"{type(self).__name__} has no call_started")

    async def handed_over(self, call: Conversation, summary: str) -> None:
        """A colleague of the team leaves the caller to this agent, and says why."""
        await self.call_started(call)

    async def caller_said(self, call: Conversation, text: str) -> None:
        """The caller said something that nobody waits for."""

    async def keys_pressed(self, call: Conversation, keys: str) -> None:
        """The caller pressed keys that nobody waits for."""
        await self.caller_said(call, keys)

    async def caller_silent(self, call: Conversation, attempt: int) -> None:
        """The caller has said nothing, this many times in a row, and nobody waits for an answer."""
        await call.say(call.texts.silent)

    async def transfer_failed(self, call: Conversation, why: str) -> None:
        """The caller is back from a transfer that did not succeed, and the dialogue that asked for it is gone."""
        await call.say(call.texts.transfer_failed)

    async def gave_up(self, call: Conversation) -> None:
        """The caller has not answered a question, and no method has caught AnswerNotGiven."""
        await call.say(call.texts.gave_up)
        await call.hang_up("no answer")
