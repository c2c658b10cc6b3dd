"""An agent that is a model which listens and speaks itself, behind any of the wires of this folder.

The caller's turns go in as sound, its speech comes out through the call's own playout, as an utterance whose audio the
agent supplies; so it is interrupted, lowered, gone on with and hung up after as any other. What the caller did not hear
of an answer is taken back at the service, to the millisecond, before the next one is asked for.

    caller's turn -> wire.audio ... turn over -> prompt -> wire.ask -> audio, transcript -> Say(voice="supplied:3")
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bridge.agents.base import AgentError, CallInfo, Failure, LikelyLine
from bridge.agents.chat_calls import ToolCall
from bridge.agents.chat_memory import FAILED
from bridge.agents.chat_prompts import BROKE_OFF, happening, understood_note
from bridge.agents.chat_tools import AnswerInProgress, ToolRound
from bridge.agents.live.account import LiveMemory, memory_of
from bridge.agents.live.answer import LiveAnswer, Voice
from bridge.agents.live.caller_audio import CallerSound
from bridge.agents.live.connections import LiveConnections
from bridge.agents.live.session import LiveSession, agent_error
from bridge.agents.live.wire import LiveEvent, TokensUsed, ToolCalled, ToolResult, ToolsWithdrawn, Trouble
from bridge.agents.own_tools import action_of
from bridge.agents.tools.base import Tool
from bridge.audio.formats import MULAW_8000, AudioFormat
from bridge.call.account import AgentAccount, ToolUse
from bridge.call.actions import Action, ChangeLanguage, HangUp, Prompt, Spoken, Transfer
from bridge.call.commands import AskAgent, Command
from bridge.call.events import AgentWantsFloor, Event
from bridge.call.machine import Call
from bridge.call.supplied import SuppliedSpeech

if TYPE_CHECKING:
    from bridge.agents.live.factory import LiveFactory

_SETTLE_S = 1.0
"""How long an answer that is not wanted any more may take to end before the session is given up."""
_DONE = "done"


@dataclass(slots=True)
class _Owed:
    """A call of a tool whose result is given with the next question: the answer that asked for it is over."""

    id: str
    name: str
    message: dict[str, Any]
    """Holds the result, which may still come."""

    def result(self, text: str = "") -> ToolResult:
        return ToolResult(self.id, self.name, text or str(self.message["content"]))


class LiveAgent:
    """One call's conversation with the model."""

    def __init__(self, factory: LiveFactory, info: CallInfo) -> None:
        self._factory = factory
        self._settings = factory.settings
        self._info = info
        self._memory = LiveMemory()
        self._ears = CallerSound()
        self._voice = Voice(MULAW_8000)
        self._connections = LiveConnections(factory, self._happened, lambda: self._answer is not None)
        self._call: Call | None = None
        self._answer: LiveAnswer | None = None
        self._owed: list[_Owed] = []
        self._withdrawn: set[str] = set()
        self._bridge_turns = 0
        """What the bridge itself has said, as far as the model knows of it."""
        self._counts = asyncio.Event()
        self._waits_to_ask = False
        """A question is put as soon as the caller's turn is surely over."""
        self._turn_over = asyncio.Event()
        self._turn_over.set()

    # -- an agent ------------------------------------------------------------------------------------

    def state(self) -> bytes:
        """What the call has cost and what tools gave; the history comes with every prompt."""
        return self._memory.state()

    def resume(self, state: bytes) -> None:
        """Take what another process remembers of the call. Raises BadMessage for anything else."""
        self._memory = memory_of(state)
        self._connections.begun_elsewhere = True

    def likely(self) -> list[LikelyLine]:
        """Return no lines: nothing of what it says is made here."""
        return []

    def account(self) -> AgentAccount:
        """The tools that were used, and what the model has cost."""
        return AgentAccount(tools=tuple(self._memory.uses), costs=self._memory.costs(self._settings.budget))

    def confirmed(self, turn: int) -> None:
        """Let tools change the world, as the caller's turn counts."""
        if turn == self._memory.turn:
            self._counts.set()

    async def reply(self, prompt: Prompt) -> AsyncGenerator[Action, None]:
        """Stream the model's answer as it is spoken, then what its tools ask for. Raises AgentError."""
        self._memory.turn = prompt.turn
        self._counts = asyncio.Event()
        if not prompt.guess:
            self._counts.set()
        async with aclosing(self._factory.guard.answer(self._info, prompt, self._ask)) as actions:
            async for action in actions:
                yield action

    async def _ask(self, prompt: Prompt) -> AsyncGenerator[Action, None]:
        """Ask the model until it calls no more tools, and give the actions that its answers stand for."""
        settings, factory = self._settings, self._factory
        tools = factory.toolbox.tools()
        session = await self._question(prompt)
        progress = AnswerInProgress(self._counts)
        for _ in range(settings.tool_rounds + 1):
            answer = self._answer = LiveAnswer(session, self._voice, settings)
            try:
                async with aclosing(answer.actions()) as said:
                    async for say in said:
                        progress.said = True
                        yield say
            except AgentError:
                self._connections.give_up(session)  # nobody knows what it is at
                raise
            finally:
                self._answer = None
                if answer.over is None:
                    session.send(session.wire.stop())
                answer.close()
                if answer.over is None or not answer.calls:
                    self._connections.quiet()
            self._judge(answer)
            wanted = [(_tool_call(call), tools[call.name]) for call in answer.calls if call.name in tools]
            own = [call for call in answer.calls if call.name not in tools]
            actions = [action_of(_tool_call(call), factory.own_names, session.wire.name) for call in own]
            results: list[ToolResult] = []
            if wanted:
                async for filler in self._call_tools(wanted, progress, results):
                    yield filler
            last = not answer.calls or any(isinstance(action, HangUp | Transfer) for action in actions)
            if last:
                self._owed += [_Owed(call.id, call.name, {"content": _DONE}) for call in own]
            for action in actions:
                yield action
            if last:
                return
            given = [*results, *(ToolResult(call.id, call.name, _DONE) for call in own)]
            given = [one for one in given if one.id not in self._withdrawn]
            changed = any(isinstance(action, ChangeLanguage) for action in actions)
            go_on = bool(wanted) or changed or not answer.spoke or session.wire.results_need_answer
            session.send(session.wire.results(given, go_on=go_on))
            if not go_on:
                self._connections.quiet()
                return
            self._memory.check(settings.budget)
        raise AgentError(Failure.TOO_MUCH, f"called tools more than {settings.tool_rounds} times in one answer")

    async def _question(self, prompt: Prompt) -> LiveSession:
        """Put the prompt to the model, in a session that knows all that came before. Raises AgentError."""
        await self._certain()
        self._memory.check(self._settings.budget)
        session = await self._connections.ready()
        if not await session.settled(_SETTLE_S):
            self._connections.give_up(session)
            session = await self._connections.ready()
        wire, spoken = session.wire, False
        owed, self._owed = self._owed, []
        if prompt.kind == "transfer_refused" and owed and session.recalled:
            refused = happening(prompt, self._info, self._settings.transfers.targets)
            session.send(wire.results([call.result(refused) for call in owed], go_on=True))
            return session
        self._take_back(session)
        if session.recalled and owed:
            session.send(wire.results([call.result() for call in owed], go_on=False))
        if prompt.so_far:
            session.send(wire.ask(spoken=False, text=self._rest_of(session, prompt), notes=[]))
            return session
        notes = self._notes(session, prompt)
        if prompt.kind == "caller_said":
            spoken = self._hand_in(session, again=prompt.again)
        text = "" if spoken else self._in_words(prompt)
        session.send(wire.ask(spoken=spoken, text=text, notes=notes))
        return session

    async def _certain(self) -> None:
        """Wait until the caller's turn is surely over, where an answer cannot be taken back."""
        self._waits_to_ask = True
        try:
            while not self._factory.speculates and not self._turn_over.is_set():
                await self._turn_over.wait()
        finally:
            self._waits_to_ask = False

    def _in_words(self, prompt: Prompt) -> str:
        if prompt.kind == "call_started" and self._settings.greeting:
            return f"[The caller is on the line. Say exactly this, and no more: {self._settings.greeting}]"
        return happening(prompt, self._info, self._settings.transfers.targets)

    def _rest_of(self, session: LiveSession, prompt: Prompt) -> str:
        """What to ask for the rest of an answer that was begun elsewhere, whose words the model is told of."""
        history = prompt.history
        if prompt.kind in ("caller_said", "digits") and prompt.text:
            history += (Spoken("caller", prompt.text),)
        said = " ".join(say.text.strip() for say in prompt.so_far or ())
        self._recall(session, (*history, Spoken("bot", said)))
        if prompt.kind == "call_started" and self._settings.greeting:
            return f"{BROKE_OFF} [They are the beginning of exactly this, and no more: {self._settings.greeting}]"
        return BROKE_OFF

    def _notes(self, session: LiveSession, prompt: Prompt) -> list[str]:
        """What the model is told besides the question, and has not been told yet."""
        self._recall(session, prompt.history)
        by_bridge = [turn.text for turn in prompt.history if turn.by_bridge]
        new, self._bridge_turns = by_bridge[self._bridge_turns :], len(by_bridge)
        notes = [f"[The telephone system, not you, said to the caller: {text}]" for text in new]
        if prompt.hint:
            notes.append(f"[Your supervisor whispers to you alone: {prompt.hint}]")
        if prompt.kind == "caller_said" and prompt.text and (value := understood_note(prompt).strip()):
            notes.append(value)
        return notes

    def _recall(self, session: LiveSession, history: Sequence[Spoken]) -> None:
        """Tell a new session what was said before it."""
        if session.recalled:
            return
        session.recalled = True
        notes = self._memory.notes() if history else []
        if history or notes:
            session.send(session.wire.recall(history, notes))
        self._bridge_turns = sum(turn.by_bridge for turn in history)

    def _hand_in(self, session: LiveSession, *, again: bool) -> bool:
        """Have the caller's sound at the service. False where there is none."""
        ears = self._ears
        ears.ask(again=again)
        if self._connections.heard_in is not session:  # another session, which has heard nothing of it
            ears.rest()
            sound = bytes(ears.asked)
            if sound:
                session.send(session.wire.listen())
                session.send(session.wire.audio(sound))
        elif rest := ears.rest():
            session.send(session.wire.audio(rest))
        self._connections.heard_in = session
        return bool(ears.asked)

    def _take_back(self, session: LiveSession) -> None:
        """Tell the service what of its last answers was not heard."""
        for spoken in self._voice.settle():
            if spoken.session is not session or self._call is None:
                continue
            heard_ms, text, whole = _heard(self._call, spoken.speech)
            if not whole:
                session.send(session.wire.heard(spoken.item, min(heard_ms, int(spoken.speech.audio_ms)), text))

    def _judge(self, answer: LiveAnswer) -> None:
        """An answer that ended otherwise than it should. Raises AgentError where it cannot stand as it is."""
        name, over = answer.session.wire.name, answer.over
        if over is None:
            return
        if over.trouble is not None:
            raise agent_error(name, over.trouble)
        if over.filtered:
            raise AgentError(Failure.FILTERED, f"{name} was stopped by its content filter")
        if over.cut_off:
            error = AgentError(Failure.CUT_OFF, f"{name} reached its limit of tokens")
            if not answer.spoke:
                raise error
            self._factory.report(self._info, error)

    async def _call_tools(
        self, wanted: Sequence[tuple[ToolCall, Tool]], progress: AnswerInProgress, results: list[ToolResult]
    ) -> AsyncGenerator[Action, None]:
        """Call tools while the caller hears that it takes a moment; what they gave is in `results` afterwards."""
        loop = asyncio.get_running_loop()
        begun_at = loop.time()
        done = ToolRound(self._settings, wanted, "", progress, self._factory.background)
        try:
            async with aclosing(done.run()) as fillers:
                async for filler in fillers:
                    yield filler
        finally:
            seconds = round(loop.time() - begun_at, 3)
            called = zip(wanted, done.messages[1:], strict=True)
            self._owed += [_Owed(call.id, call.name, message) for (call, _), message in called]
            for one in self._owed[-len(wanted) :]:
                results.append(one.result())
            for (call, _), given in zip(wanted, results, strict=True):
                failed = given.text.startswith(FAILED)
                self._memory.used(ToolUse(call.name, call.arguments, given.text, failed, seconds))
        del self._owed[-len(wanted) :]  # they were not broken off: their results are given now

    # -- what the service tells ----------------------------------------------------------------------

    def _happened(self, session: LiveSession, event: LiveEvent) -> None:
        """One event of a session, wanted or not."""
        if isinstance(event, TokensUsed):
            self._memory.spent(event)
            return
        if isinstance(event, Trouble) and event.aside:
            self._factory.report(self._info, agent_error(session.wire.name, event))
            return
        if isinstance(event, ToolsWithdrawn):
            self._withdrawn.update(event.ids)
            self._owed = [call for call in self._owed if call.id not in event.ids]
        answer = self._answer
        if answer is not None and answer.session is session:
            answer.happened(event)

    # -- what happens on the call --------------------------------------------------------------------

    def line(self, audio_format: AudioFormat) -> None:
        """Speak in this format from now on."""
        self._voice = Voice(audio_format)
        self._connections.audio_format = audio_format

    def speech(self, voice: str) -> SuppliedSpeech | None:
        """Return the speech of this name, while the caller may still hear it."""
        return self._voice.speech(voice)

    def hear(self, ulaw: bytes, now: float) -> None:
        """Pass the caller's turn on, as it is spoken."""
        if (sound := self._ears.hear(ulaw, now)) and (session := self._connections.heard_in) is not None:
            session.send(session.wire.audio(sound))

    def attend(self, _ask: Callable[[AgentWantsFloor], None]) -> None:
        """Reach the model while the call begins."""
        self._connections.begun_elsewhere |= "handed_over_by" in self._info.parameters
        self._connections.begin()

    def saw(self, event: Event, commands: list[Command], call: Call) -> None:
        """Follow whose turn it is."""
        self._call = call
        if call.answering.held:
            self._turn_over.clear()
        else:
            self._turn_over.set()
        turn, ears = call.turn, self._ears
        if turn is not None and not ears.listening:
            ears.begin(turn.since)
            self._begin_to_listen(call)
        elif turn is None and ears.listening:
            ears.end()
            if not self._waits_to_ask and not any(isinstance(command, AskAgent) for command in commands):
                self._nothing_said()

    def _begin_to_listen(self, call: Call) -> None:
        """The caller speaks: the session hears it from the first sound on."""
        session = self._connections.current
        if session is None or not session.usable:
            self._connections.heard_in = None
            self._connections.begin()
            return
        self._recall(session, call.transcript())
        session.send(session.wire.listen())
        self._connections.heard_in = session

    def _nothing_said(self) -> None:
        """What was heard asks for nothing: a cough, or the silence behind a question."""
        self._ears.forget()
        session = self._connections.heard_in
        if session is not None:
            session.send(session.wire.forget())

    def left(self) -> None:
        """The call is over: close the sessions."""
        self._connections.close()


def _tool_call(call: ToolCalled) -> ToolCall:
    return ToolCall(None, id=call.id, name=call.name, arguments=call.arguments)


def _heard(call: Call, speech: SuppliedSpeech) -> tuple[int, str, bool]:
    """How much of a speech the caller has heard, in milliseconds and in words, and whether that is all of it."""
    heard_ms, whole = 0.0, False
    for number, from_ms in speech.plays.items():
        if number in call.ledger:
            utterance = call.ledger[number]
            heard_ms = max(heard_ms, from_ms + utterance.heard_ms) if utterance.heard_ms else heard_ms
            whole = whole or (utterance.all_heard and speech.over)
    text = " ".join(word.text for word in speech.words(heard_ms + 1) if word.end_ms <= heard_ms)
    return int(heard_ms), text, whole
