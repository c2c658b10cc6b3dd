"""Several agents on one call, one at a time: who has the caller, who takes over, and who listens.

An agent hands over by a transfer to the name of a colleague, as it would to a person. The colleague is asked at once,
in the same answer, so that its first words are being made while the last ones of the other are still heard. Everybody
sees the whole history, with who said what.

    transfer "billing" -> a new agent `billing` -> prompt `handed_over` (summary) -> its words, in its own voice
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing

import msgspec
from msgspec import UNSET

from bridge.agents.base import (
    Agent,
    AgentError,
    AgentFactory,
    CallInfo,
    Failure,
    FixedLine,
    LikelyLine,
    PreparedFactory,
    Report,
    TalkingAgent,
    accountable,
    attentive,
    no_report,
    talking,
)
from bridge.agents.settings import COLLEAGUE, TeamMember, TeamSettings
from bridge.agents.team_supervisor import Supervisor
from bridge.audio.formats import AudioFormat
from bridge.call.account import AgentAccount, ToolUse
from bridge.call.actions import Action, Expect, Prompt, Say, Spoken, Transfer
from bridge.call.commands import Command
from bridge.call.events import AgentWantsFloor, Event
from bridge.call.machine import Call
from bridge.call.supplied import SuppliedSpeech
from bridge.errors import BadMessage

_MOST_HANDOVERS = 3
"""In one answer; more is a ping-pong that the caller would never hear the end of."""
_MOST_USES = 500
"""Uses of tools that are remembered of agents who have left."""


class _Kept(msgspec.Struct, frozen=True):
    """What another process must know of a team."""

    at_work: str
    parameters: dict[str, str]
    agent: bytes
    turn: int


class _Seat(msgspec.Struct):
    """The agent at work, and who it is."""

    name: str
    agent: Agent
    parameters: dict[str, str]


class TeamAgent:
    """One call's team: the agent at work, and the supervisor if there is one."""

    def __init__(self, factory: TeamFactory, info: CallInfo) -> None:
        self._factory = factory
        self._info = info
        self._ask: Callable[[AgentWantsFloor], None] = _nobody
        self._line: AudioFormat | None = None
        self._spoke_before: TalkingAgent | None = None
        """Who spoke itself and has left: the caller may still hear of that."""
        self._seat = self._seated(factory.settings.first, {})
        self._before: _Seat | None = None
        """Who was at work before a handover that is not certain yet, since the caller may go on speaking."""
        self._account = AgentAccount()
        """What those have told who are not at work any more."""
        self._waiting: Transfer | None = None
        """A handover in the middle of a sentence: the floor is asked for."""
        self._turn = 0
        self._held = False
        settings = factory.settings
        self._supervisor: Supervisor | None = None
        if name := settings.supervisor:
            limits = settings.supervisor_limits
            self._supervisor = Supervisor(name, factory.members[name], info, limits, factory.report)

    # -- an agent ------------------------------------------------------------------------------------

    @property
    def at_work(self) -> str:
        """The name of the agent who has the caller."""
        return self._seat.name

    def state(self) -> bytes:
        """Who is at work, what was handed over, and what that agent remembers."""
        seat = self._seat
        return msgspec.msgpack.encode(_Kept(seat.name, seat.parameters, seat.agent.state(), self._turn))

    def resume(self, state: bytes) -> None:
        """Go on with the same agent. Raises BadMessage for what is no team's state, or names nobody here."""
        try:
            kept = msgspec.msgpack.decode(state, type=_Kept)
        except msgspec.DecodeError as error:
            raise BadMessage(f"not the state of a team: {error}") from None
        if kept.at_work not in self._factory.members:
            raise BadMessage(f"the state of a team with {kept.at_work!r} at work, who is not in this one")
        self._seat, self._turn = self._seated(kept.at_work, kept.parameters), kept.turn
        self._seat.agent.resume(kept.agent)

    def likely(self) -> list[LikelyLine]:
        """What the agent at work may say next, in its own voice."""
        voice = self._member.voice or None
        return [LikelyLine(one.text, one.likelihood, one.voice or voice) for one in self._seat.agent.likely()]

    def confirmed(self, turn: int) -> None:
        """Tell whoever was asked, and let go of those who have handed over."""
        before, self._before = self._before, None
        if before is not None:
            before.agent.confirmed(turn)
            self._part_with(before)
        self._seat.agent.confirmed(turn)

    async def reply(self, prompt: Prompt) -> AsyncGenerator[Action, None]:
        """Have the agent at work answer, and whoever it hands over to. Raises AgentError, and what they raise."""
        self._return_if_replaced(prompt)
        self._turn = prompt.turn
        waiting, self._waiting = self._waiting, None
        if waiting is not None and prompt.kind == "floor_given":
            prompt = self._hands_over(waiting, prompt, [])
        elif prompt.so_far:
            prompt = self._rest_of(prompt, prompt.so_far)
        elif self._supervisor is not None and (hint := self._supervisor.take_hint()):
            prompt = msgspec.structs.replace(prompt, hint=hint)
        said = [Spoken("bot", say.text.strip(), by=self.at_work) for say in prompt.so_far or ()]
        for _ in range(_MOST_HANDOVERS + 1):
            if prompt.kind in ("call_started", "handed_over", "transfer_failed") and not prompt.so_far:
                yield self._marked(Expect())
            handover = None
            async with aclosing(self._seat.agent.reply(prompt)) as actions:
                async for action in actions:
                    if isinstance(action, Transfer) and action.target.startswith(COLLEAGUE):
                        handover = action
                        break
                    if isinstance(action, Say):
                        said.append(Spoken("bot", action.text.strip(), by=self.at_work))
                    yield self._marked(action)
            if handover is None:
                if self._supervisor is not None:
                    self._supervisor.overhears(prompt)
                return
            if handover.at_once and not self._held:
                self._waiting = handover
                self._ask(AgentWantsFloor(cut=True))
                return
            prompt = self._hands_over(handover, prompt, said)
        raise AgentError(Failure.TOO_MUCH, f"more than {_MOST_HANDOVERS} handovers in one answer")

    # -- handing over --------------------------------------------------------------------------------

    @property
    def _member(self) -> TeamMember:
        return self._factory.settings.members[self._seat.name]

    def _seated(self, name: str, parameters: dict[str, str]) -> _Seat:
        info = msgspec.structs.replace(self._info, parameters={**self._info.parameters, **parameters})
        seat = _Seat(name, self._factory.members[name].open_call(info), parameters)
        talker = talking(seat.agent)
        if talker is not None and self._line is not None:
            talker.line(self._line)
        follower = attentive(seat.agent)
        if follower is not None:
            follower.attend(lambda wants: self._ask(wants) if self._seat is seat else None)
        return seat

    def _hands_over(self, handover: Transfer, prompt: Prompt, said: list[Spoken]) -> Prompt:
        """Seat the colleague, and say what it is asked."""
        left, name = self._seat, handover.target.removeprefix(COLLEAGUE)
        gathered = accountable(left.agent)
        slots = {} if gathered is None else gathered.account().slots
        told = {**slots, **handover.values, "handed_over_by": left.name, "summary": handover.summary}
        self._seat = self._seated(name, told)
        if self._before is None and prompt.guess:
            self._before = left
        else:
            self._part_with(left)
        return self._handed_over(prompt, said)

    def _handed_over(self, prompt: Prompt, said: list[Spoken]) -> Prompt:
        """What the agent at work is asked, to whom the caller was handed over."""
        history = prompt.history
        if prompt.kind in ("caller_said", "digits") and prompt.text:
            history += (Spoken("caller", prompt.text),)
        history += tuple(one for one in said if one.text)
        summary = self._seat.parameters.get("summary", "")
        return Prompt("handed_over", summary, history, guess=prompt.guess, turn=prompt.turn)

    def _rest_of(self, prompt: Prompt, so_far: tuple[Say, ...]) -> Prompt:
        """What to ask for the rest of an answer that was begun elsewhere: the agent at work knows its own words."""
        ours = tuple(
            msgspec.structs.replace(say, voice=None if say.voice == self._member.voice else say.voice, by=UNSET)
            for say in so_far
            if say.by == self.at_work
        )
        said = [Spoken("bot", say.text.strip(), by=say.by) for say in so_far if say.by != self.at_work]
        if said:  # a colleague's, who has handed over since
            prompt = self._handed_over(prompt, said)
        return msgspec.structs.replace(prompt, so_far=ours or UNSET)

    def _return_if_replaced(self, prompt: Prompt) -> None:
        """The caller goes on speaking, and nothing of the handover was heard: it has not been."""
        before, self._before = self._before, None
        if before is None:
            return
        if prompt.again:
            self._part_with(self._seat, account=False)
            self._seat = before
        else:
            self._part_with(before)

    def _part_with(self, seat: _Seat, *, account: bool = True) -> None:
        """An agent has done its part of the call."""
        self._spoke_before = talking(seat.agent) or self._spoke_before
        told = accountable(seat.agent)
        if account and told is not None:
            self._account = _together(self._account, told.account())
        follower = attentive(seat.agent)
        if follower is not None:
            follower.left()

    def _marked(self, action: Action) -> Action:
        """The action as this member's: in its voice, with its words for the recogniser."""
        member = self._member
        if isinstance(action, Say):
            return msgspec.structs.replace(action, voice=action.voice or member.voice or None, by=self._seat.name)
        if isinstance(action, Expect):
            hints = (*action.hints, *member.hints)
            return msgspec.structs.replace(action, hints=hints, language=action.language or member.language)
        return action

    # -- what happens on the call --------------------------------------------------------------------

    def line(self, audio_format: AudioFormat) -> None:
        """Let whoever speaks itself know of the line's format."""
        self._line = audio_format
        if (talker := talking(self._seat.agent)) is not None:
            talker.line(audio_format)

    def hear(self, ulaw: bytes, now: float) -> None:
        """Let the agent at work hear the caller, if it has ears of its own."""
        if (talker := talking(self._seat.agent)) is not None:
            talker.hear(ulaw, now)

    def speech(self, voice: str) -> SuppliedSpeech | None:
        """Return what somebody of the team has said itself, under this name."""
        talkers = (talking(self._seat.agent), self._spoke_before)
        return next((found for one in talkers if one is not None and (found := one.speech(voice))), None)

    def attend(self, ask: Callable[[AgentWantsFloor], None]) -> None:
        """The call is here; the agent at work may ask for the floor."""
        self._ask = ask

    def saw(self, event: Event, commands: list[Command], call: Call) -> None:
        """Let the agent at work see what happens."""
        self._held = call.answering.held
        follower = attentive(self._seat.agent)
        if follower is not None:
            follower.saw(event, commands, call)

    def left(self) -> None:
        """The call is over, for all of them."""
        self._ask = _nobody
        if self._supervisor is not None:
            self._supervisor.left()
        for seat in (self._before, self._seat):
            if seat is not None and (follower := attentive(seat.agent)) is not None:
                follower.left()

    def account(self) -> AgentAccount:
        """Tell what all of them have gathered, used and cost together."""
        told = accountable(self._seat.agent)
        account = self._account if told is None else _together(self._account, told.account())
        return account if self._supervisor is None else _together(account, AgentAccount(costs=self._supervisor.costs))


class TeamFactory:
    """Opens the first agent of a team for each call, and its colleagues when it hands over."""

    def __init__(self, settings: TeamSettings, members: Mapping[str, AgentFactory], report: Report = no_report) -> None:
        self.settings = settings
        self.members = members
        self.report = report

    def open_call(self, info: CallInfo) -> TeamAgent:
        """Open the agent who rings first."""
        return TeamAgent(self, info)

    def phrases(self) -> list[FixedLine]:
        """The lines of all members, each in its own voice."""
        return [
            FixedLine(line.text, line.voice or self.settings.members[name].voice or None)
            for name, factory in self.members.items()
            if name != self.settings.supervisor
            for line in factory.phrases()
        ]

    async def prepare(self) -> None:
        """Open what the first calls of all members need."""
        for factory in self.members.values():
            if isinstance(factory, PreparedFactory):
                await factory.prepare()

    async def close(self) -> None:
        """Close the factories of all members."""
        for factory in self.members.values():
            await factory.close()


def _together(first: AgentAccount, second: AgentAccount) -> AgentAccount:
    tools: tuple[ToolUse, ...] = (*first.tools, *second.tools)[-_MOST_USES:]
    costs = {name: first.costs.get(name, 0.0) + second.costs.get(name, 0.0) for name in {**first.costs, **second.costs}}
    return AgentAccount({**first.slots, **second.slots}, tools, costs, second.handoff or first.handoff)


def _nobody(_event: AgentWantsFloor) -> None:
    """Stands in for whoever gives the floor, before a call begins and after it has ended."""
