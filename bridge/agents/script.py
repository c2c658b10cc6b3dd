"""A scripted dialogue on one call: which state it is in, what it knows, and what it says next.

Nothing but a service over HTTP is awaited between a prompt and the last action of its answer, so an answer exists in
the same turn of the event loop as the question, and a broken-off reply leaves the script in a whole state.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Mapping
from contextlib import aclosing
from datetime import UTC, datetime

from bridge.agents import script_answers, script_memory
from bridge.agents.answers import said_back
from bridge.agents.base import AgentError, CallInfo, Failure, FixedLine, LikelyLine, Report, no_report
from bridge.agents.rest_of_answer import only_the_rest
from bridge.agents.script_memory import ScriptMemory
from bridge.agents.script_requests import ScriptRequests, ScriptServices
from bridge.agents.script_states import VALUE, HoursCheck, HttpStep, Script, ScriptLine, State, Step, Switch
from bridge.agents.transfers import Origin, TransferRefused
from bridge.call.account import AgentAccount
from bridge.call.actions import Action, ChangeLanguage, Expect, HangUp, Prompt, Say, Transfer, Wait
from bridge.understanding.results import Understood

_LONGEST_SUMMARY = 2000
_LONGEST_CHAIN = 64
"""Steps taken for one prompt; a script that passes its checks never needs as many."""
_MOST_REQUESTS = 16
"""Requests that one answer may lead to."""
Clock = Callable[[], datetime]
"""Gives the time of day, which knows its own time zone."""
_NOT_ANSWERED = 0.1
"""How probable silence is, and words that fit nothing, each; what is left is shared evenly by the state's answers."""


def _now() -> datetime:
    return datetime.now(UTC)


class ScriptAgent:
    """Runs a script on one call."""

    def __init__(
        self,
        script: Script,
        info: CallInfo,
        report: Report = no_report,
        services: ScriptServices | None = None,
        clock: Clock = _now,
    ) -> None:
        self._script = script
        self._requests = ScriptRequests(services)
        self._clock = clock
        self._info = info
        self._report = report
        self._refusals: list[TransferRefused] = []
        """Of the answer that is being made."""
        self._before: ScriptMemory | None = None
        """What is got back when an answer turns out never to have been heard."""
        self._turn = 0
        """The prompt that was answered last."""
        self._leaving = False
        """The last answer ends the call."""
        self._now = ScriptMemory(
            slots={
                **dict.fromkeys(script.parameters, ""),
                **script.values,
                **{name: value for name, value in info.parameters.items() if name in script.parameters},
                "from_number": info.from_number,
                "to_number": info.to_number,
            },
            fixed=set(script.values) - (script.parameters & set(info.parameters)),
            told={"from_number"},
        )

    @property
    def state_name(self) -> str:
        """Name of the state the dialogue is in; empty before the call has started."""
        return self._now.state.name if self._now.state else ""

    def account(self) -> AgentAccount:
        """Tell the slots, and the requests that were made."""
        return AgentAccount(slots=dict(self._now.slots), tools=tuple(self._requests.uses))

    @property
    def slots(self) -> dict[str, str]:
        """What the dialogue knows, by the names that the script gives it."""
        return self._now.slots

    def state(self) -> bytes:
        """Where the dialogue is, what it knows, and what it knew before its last answer."""
        return script_memory.written(self._now, self._before, self._turn, self._leaving)

    def resume(self, state: bytes) -> None:
        """Go on from there. Raises BadMessage for another script's state, and for none at all."""
        self._now, self._before, self._turn, self._leaving = script_memory.read(state, self._script)

    def likely(self) -> list[LikelyLine]:
        """What is said one step from here, if it may be kept: after each answer that the state knows, or without one.

        Found by taking each step for a trial, so that the texts are exactly those that the call will get.
        """
        state, before = self._now.state, self._now.copy()
        if state is None or self._leaving:
            return []
        answers = list(state.answers())
        trials = [(step, (1 - 2 * _NOT_ANSWERED) / len(answers)) for step in answers]
        chances: dict[tuple[str, str | None], float] = {}
        for step, chance in trials:
            if step is state.on_answer and state.capture:
                self._now.fixed.discard(state.capture)
            _count(chances, self._take(step), chance)
            self._now = before.copy()
        for lines, attempt in ((state.no_input, 1), (state.not_understood, self._now.misses + 1)):
            _count(chances, self._reprompt(Prompt("no_input"), lines, attempt), _NOT_ANSWERED)
            self._now = before.copy()
        self._refusals.clear()
        return [LikelyLine(text, min(chance, 1.0), voice) for (text, voice), chance in chances.items()]

    def confirmed(self, turn: int) -> None:
        """Let a request change the world; all else of a wrong guess is taken back by the prompt after it."""
        if turn == self._turn:
            self._requests.counts.set()

    async def reply(self, prompt: Prompt) -> AsyncGenerator[Action, None]:
        """Answer a prompt; all actions are there at once, but for what services have to say."""
        async with aclosing(only_the_rest(prompt, self._reply(prompt))) as actions:
            async for action in actions:
                yield action

    async def _reply(self, prompt: Prompt) -> AsyncGenerator[Action, None]:
        requests = self._requests
        requests.counts = asyncio.Event()
        if not prompt.guess:
            requests.counts.set()
        actions, said = self.answer(prompt), bool(prompt.so_far)
        for _ in range(_MOST_REQUESTS):
            for action in actions:
                said = said or isinstance(action, Say)
                yield action
            check = self._now.state.check if self._now.state and not self._leaving else None
            if not isinstance(check, HttpStep):
                return
            async with aclosing(requests.followed(self._now, check, said=said)) as lines:
                async for line in lines:
                    said = True
                    for filler in self._say([line]):
                        yield filler
            if self._now.begun:
                self._before = None  # what has changed the world is not taken back
            step = requests.step(self._now, check)
            actions = self._noted(list(self._take(step)) if step else [])
        raise AgentError(Failure.TOO_MUCH, f"made more than {_MOST_REQUESTS} requests in one answer")

    def answer(self, prompt: Prompt) -> list[Action]:
        """All actions that answer a prompt at once: never none, but in a state that asks a service."""
        self._refusals.clear()
        return self._noted(self._answer(prompt))

    def _noted(self, actions: list[Action]) -> list[Action]:
        """The same actions; whom they would have dialled, and must not, is told."""
        for refused in self._refusals:
            self._report(self._info, AgentError(Failure.TRANSFER_REFUSED, str(refused), refused.target))
        self._refusals.clear()
        self._leaving = bool(actions) and isinstance(actions[-1], HangUp | Transfer)
        return actions

    def _answer(self, prompt: Prompt) -> list[Action]:
        put_before = 0 < prompt.turn == self._turn
        self._turn = prompt.turn
        if put_before and prompt.so_far and self._now.state and isinstance(self._now.state.check, HttpStep):
            return []  # all that was said before it is known
        # People who know a menu press the next key before they hear anything: that replaces nothing.
        if self._before and not self._now.begun and (put_before or (prompt.again and prompt.kind != "digits")):
            self._now = self._before.copy()
        if self._now.state is None or prompt.kind == "call_started":
            self._before = None
            # A caller who comes back from a transfer may meet a new agent, which begins with what happened.
            returned = (
                self._script.states[self._script.start].transfer_failed if prompt.kind == "transfer_failed" else ()
            )
            return [*self._say(returned), *self._take(Step(goto=self._script.start))]
        self._before = None if self._now.begun else self._now.copy()
        if isinstance(self._now.state.check, HttpStep):
            return []  # broken off while a service was asked: it is asked again
        match prompt.kind:
            case "caller_said":
                step = script_answers.step_for_speech(self._now.state, prompt, self._now)
            case "digits":
                step = script_answers.step_for_digits(self._now.state, prompt.text, self._now)
            case "transfer_refused" | "transfer_failed":
                return list(self._transfer_failed(self._now.state))
            case _:
                return list(self._reprompt(prompt, self._now.state.no_input, max(1, prompt.attempt)))
        if step is None:
            return list(self._not_sure(prompt, self._now.state))
        self._now.misses = 0
        return list(self._take(step))

    def _not_sure(self, prompt: Prompt, state: State) -> Iterator[Action]:
        """Read back what was understood without certainty, which is no failure yet, or ask again."""
        doubt, before = self._now.doubt, self._before.doubt if self._before else None
        if doubt and doubt != before and state.reads_back(doubt):
            return self._read_back(state, doubt, prompt.language)
        self._now.misses += 1
        return self._reprompt(prompt, state.not_understood, self._now.misses)

    def _read_back(
        self, state: State, doubt: Understood, language: str, before: tuple[ScriptLine, ...] = ()
    ) -> Iterator[Action]:
        yield Expect("yes_no")
        yield from self._say((*before, *state.read_back), {VALUE: said_back(doubt, language)})

    def _reprompt(self, prompt: Prompt, lines: tuple[ScriptLine, ...], attempt: int) -> Iterator[Action]:
        """Ask again, in the words for this attempt, or give up."""
        state, doubt = self._now.state, self._now.doubt
        if state is None:
            return
        leave = state.onward or (state.give_up if attempt >= state.attempts else None)
        if leave:
            self._now.misses = 0
            yield from self._take(leave)
            return
        said = lines[min(attempt, len(lines)) - 1 :][:1]
        if doubt and state.reads_back(doubt):
            yield from self._read_back(state, doubt, prompt.language, said)
            return
        yield state.expectation()
        yield from self._say((*said, *state.ask))

    def _take(self, step: Step) -> Iterator[Action]:
        """Take a step and all that follow from it without the caller."""
        for _ in range(_LONGEST_CHAIN):
            yield from self._say(step.say)
            for name, value in step.set:
                self._now.set(name, ScriptLine(value))
            if step.transfer:
                try:
                    target = self._transfer_target(ScriptLine(step.transfer))
                except TransferRefused as refused:
                    self._refusals.append(refused)
                    yield from self._transfer_failed(self._now.state)
                else:
                    yield Transfer(target, ScriptLine(step.summary).fill(self._now.slots)[:_LONGEST_SUMMARY])
                return
            if step.hang_up:
                yield HangUp(step.hang_up)
                return
            self._now.doubt = None
            state = self._script.states[step.goto] if step.goto else self._now.state
            if state is None:
                return
            if not step.goto and not step.repeat:
                yield state.expectation()
                return
            self._now.state = state
            if state.language:
                yield ChangeLanguage(state.language)
            if state.waits:
                self._now.asked = state
                yield state.expectation()
            yield from self._say(state.say)
            following = state.onward or self._looked_up(state)
            if following is None:
                return
            step = following

    def _looked_up(self, state: State) -> Step | None:
        """What follows from the time, or from a slot's value; None: the caller, or a service, has the next word."""
        match state.check:
            case HoursCheck():
                return state.check.step(self._clock())
            case Switch():
                return state.check.step(self._now.slots)
            case _:
                return None

    def _transfer_failed(self, state: State | None) -> Iterator[Action]:
        """Go on with a caller whom nobody can be found for; a second refusal in one answer ends the call."""
        leave = state.on_transfer_failed if state else None
        if leave and len(self._refusals) < 2:
            yield from self._take(leave)
            return
        if state:
            yield from self._say(state.transfer_failed)
        if self._now.asked is None or len(self._refusals) > 1:
            yield HangUp("transfer failed")
            return
        self._now.state = self._now.asked
        yield self._now.asked.expectation()
        yield from self._say(self._now.asked.ask)

    def _transfer_target(self, line: ScriptLine) -> str:
        """Whom to dial. Raises TransferRefused."""
        slots = set(line.slots)
        origin = Origin.OPERATOR if self._now.wrote(slots) else Origin.AGENT
        return self._script.transfers.dialled(
            line.fill(self._now.slots), Origin.CALLER if self._now.was_told(slots) else origin
        )

    def _say(self, lines: Iterable[ScriptLine], told: Mapping[str, str] | None = None) -> Iterator[Action]:
        """Say lines; neighbours with the same manners are one utterance. `told` are slots of this moment alone."""
        spoken = [(line, line.fill({**self._now.slots, **(told or {})})) for line in lines]
        spoken = [(line, text) for line, text in spoken if text or line.pause_s]
        for place, (line, text) in enumerate(spoken):
            if line.pause_s:
                yield Wait(line.pause_s)
                continue
            cacheable = self._now.wrote(line.slots) and not set(line.slots) & set(told or ())
            following = spoken[place + 1][0] if place + 1 < len(spoken) else None
            more = following is not None and self._joins(line, following, cacheable)
            text = f"{text} " if more else text  # what follows is put right behind it
            yield Say(text, more=more, interruption=line.interruption, voice=line.voice, cacheable=cacheable)

    def _joins(self, line: ScriptLine, following: ScriptLine, cacheable: bool) -> bool:
        if following.pause_s or self._now.wrote(following.slots) != cacheable:
            return False
        return (line.interruption, line.voice) == (following.interruption, following.voice)


def _count(chances: dict[tuple[str, str | None], float], actions: Iterable[Action], chance: float) -> None:
    """Add a chance to each utterance among these actions that may be kept, whole as the call will hear it."""
    text = ""
    for action in actions:
        if isinstance(action, Say) and action.cacheable:
            text += action.text
            if not action.more:
                chances[text, action.voice] = chances.get((text, action.voice), 0.0) + chance
                text = ""


class ScriptFactory:
    """Opens one dialogue per call on the same script."""

    def __init__(
        self,
        script: Script,
        report: Report = no_report,
        services: ScriptServices | None = None,
        clock: Clock = _now,
    ) -> None:
        self.script = script
        self._report = report
        self._services = services
        self._clock = clock

    def open_call(self, info: CallInfo) -> ScriptAgent:
        """Start the script for a call."""
        return ScriptAgent(self.script, info, self._report, self._services, self._clock)

    def phrases(self) -> list[FixedLine]:
        """List the script's fixed lines, which can be synthesised before any call."""
        return self.script.phrases()

    async def close(self) -> None:
        """Close the connections to the services that the script asks."""
        if self._services is not None:
            await self._services.close()
