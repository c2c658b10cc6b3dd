"""An agent that is a class in Python (`bridge.agents.dialogue`): it puts prompts, and takes answers back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from bridge.agents.base import AgentError, CallInfo, Failure, FixedLine, LikelyLine, Report, no_report
from bridge.agents.dialogue import Conversation, PhoneAgent
from bridge.agents.dialogue_journal import CallerReaction, Journal
from bridge.agents.dialogue_questions import AnswerNotGiven
from bridge.agents.dialogue_run import DialogueRun
from bridge.agents.guard import Guard
from bridge.agents.python_load import AgentClass
from bridge.agents.rest_of_answer import only_the_rest
from bridge.agents.settings import PythonSettings
from bridge.agents.transfers import Transfers
from bridge.call.account import AgentAccount
from bridge.call.actions import Action, Prompt
from bridge.call.commands import Command
from bridge.call.events import AgentWantsFloor, Event
from bridge.call.machine import Call


class _Performer:
    """One object of the agent's class, and which of its methods does what."""

    def __init__(self, kind: type[PhoneAgent]) -> None:
        self.agent = kind()
        self.handles = kind.caller_said is not PhoneAgent.caller_said
        self.call: Conversation
        self._begun = False

    async def perform(self, turn: CallerReaction) -> None:
        try:
            await self._method(turn)
        except AnswerNotGiven:
            await self.agent.gave_up(self.call)

    async def _method(self, turn: CallerReaction) -> None:
        agent, call = self.agent, self.call
        begun, self._begun = self._begun, True
        match turn.kind:
            case "transfer_failed" | "transfer_refused":
                await agent.transfer_failed(call, turn.text)
                if not begun and not self.handles:
                    await agent.call_started(call)
            case "handed_over":
                await agent.handed_over(call, turn.text)
            case "caller_said" if self.handles:
                await agent.caller_said(call, turn.text)
            case "digits" if self.handles:
                await agent.keys_pressed(call, turn.text)
            case "no_input" if self.handles:
                await agent.caller_silent(call, turn.attempt)
            case _ if not begun:
                await agent.call_started(call)


class PythonAgent:
    """One call's dialogue: its journal, and the run of the moment."""

    def __init__(self, factory: PythonFactory, kind: type[PhoneAgent], info: CallInfo) -> None:
        self._factory = factory
        self._kind = kind
        self._info = info
        self._journal = Journal()
        self._run: DialogueRun | None = None

    def state(self) -> bytes:
        """What the dialogue was given so far, or why it can only begin anew elsewhere."""
        return self._journal.written()

    def resume(self, state: bytes) -> None:
        """Go on where a dialogue was. Raises BadMessage for what is none, and for one that cannot be moved."""
        self._journal = Journal.read(state)

    def account(self) -> AgentAccount:
        """What the dialogue has noted, and the functions that it called."""
        return AgentAccount(slots=dict(self._run.notes) if self._run else {}, tools=tuple(self._journal.uses()))

    def likely(self) -> list[LikelyLine]:
        """Return no lines: what a dialogue says next, only its code knows."""
        return []

    def confirmed(self, turn: int) -> None:
        """Let the dialogue do what cannot be taken back."""
        if self._run is not None:
            self._run.confirmed(turn)

    def attend(self, ask: Callable[[AgentWantsFloor], None]) -> None:
        """Begin to follow the call; a dialogue speaks only when it is asked."""

    def saw(self, event: Event, commands: list[Command], call: Call) -> None:
        """Take no note of single events: a dialogue is told of turns."""

    def left(self) -> None:
        """End the dialogue of a call that is over; what cannot be taken back is carried to its end."""
        if self._run is not None:
            self._run.close()

    async def reply(self, prompt: Prompt) -> AsyncGenerator[Action, None]:
        """Tell the dialogue what happened, and pass on what it does. Raises AgentError, and what its code raises."""
        answer = self._factory.guard.answer(self._info, prompt, self._ask)
        async with aclosing(only_the_rest(prompt, answer)) as actions:
            async for action in actions:
                yield action

    async def _ask(self, prompt: Prompt) -> AsyncGenerator[Action, None]:
        run, answered = await self._told(prompt), False
        try:
            while (action := await self._next(run)) is not None:
                yield action
            answered = True
        except AgentError:
            raise
        except Exception:
            self._again()  # the caller hears an apology, and may answer the same question once more
            raise
        finally:
            if not answered:
                run.broken_off()

    async def _told(self, prompt: Prompt) -> DialogueRun:
        """The run that knows of this prompt."""
        put_before = 0 < prompt.turn == self._journal.turn
        replaces = prompt.again and prompt.kind != "digits"  # who knows a menu presses the next key at once
        new, busy_at = True, 0
        if (put_before or replaces) and prompt.kind != "transfer_refused":
            new, busy_at = self._again(), self._journal.busy_at
        if self._run is None:
            self._run = self._begun()
        run = self._run
        if not new:
            run.goes_on(prompt)
        await run.caught_up()
        if new:
            self._journal.mark(prompt.turn)
            run.deliver(prompt, busy_at=busy_at)
        return run

    def _again(self) -> bool:
        """Take back what came of the last prompt; False where that cannot be."""
        if self._run is not None:
            self._run.close()
            self._run = None
        return self._journal.rewind()

    def _begun(self) -> DialogueRun:
        performer, settings = _Performer(self._kind), self._factory.settings
        texts = self._kind.texts
        run = DialogueRun(
            performer,
            self._journal,
            moment=texts.moment,
            filler_after_s=settings.filler_after_ms / 1000,
            written=self._factory.loaded.lines,
        )
        performer.call = Conversation(self._info, run, texts, settings.deadline_s)
        run.begin()
        return run

    async def _next(self, run: DialogueRun) -> Action | None:
        try:
            async with asyncio.timeout(self._factory.settings.limits.answer_s) as patience:
                return await run.next_action()
        except TimeoutError:
            if not patience.expired():
                raise
            raise AgentError(Failure.TIMEOUT, "the dialogue said and asked nothing for too long") from None


class PythonFactory:
    """Opens a dialogue for each call; its class is loaded anew when its files change, where that is set."""

    def __init__(self, settings: PythonSettings, loaded: AgentClass, report: Report = no_report) -> None:
        self.settings = settings
        self.loaded = loaded
        self.guard = Guard(settings.limits, Transfers(settings.transfers), report)

    def open_call(self, info: CallInfo) -> PythonAgent:
        """Begin a dialogue; its code runs when the call has started."""
        if self.settings.reload:
            self.loaded.refresh()
        return PythonAgent(self, self.loaded.kind, info)

    def phrases(self) -> list[FixedLine]:
        """The lines that the class names, and what is said in its name."""
        texts = self.loaded.kind.texts
        said = (texts.silent, texts.not_understood, texts.not_right, texts.gave_up, texts.moment)
        return [FixedLine(text) for text in dict.fromkeys((*self.loaded.kind.phrases, *said)) if text]

    async def close(self) -> None:
        """Close without effect: what a class opens is its own."""
