"""What an agent is: something that answers a prompt with a stream of actions.

An agent belongs to one call and may remember what it likes about it; a factory belongs to the
process and opens one agent per call.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterator
from enum import StrEnum
from typing import NamedTuple, Protocol, runtime_checkable

import msgspec

from bridge.audio.formats import AudioFormat
from bridge.call.account import AgentAccount
from bridge.call.actions import Action, Prompt
from bridge.call.commands import Command
from bridge.call.events import AgentWantsFloor, Event
from bridge.call.machine import Call
from bridge.call.supplied import SuppliedSpeech
from bridge.errors import BridgeError


class Failure(StrEnum):
    """What went wrong with an agent: a label of metrics and logs, so the kinds are few and fixed."""

    UNREACHABLE = "unreachable"
    """No connection, or the connection broke before the answer began."""
    TIMEOUT = "timeout"
    """No word in time, however much else came."""
    HTTP_STATUS = "http_status"
    """Another status than 200."""
    BROKEN_STREAM = "broken_stream"
    """The answer ended in the middle."""
    UNREADABLE_EVENT = "unreadable_event"
    """Something that is not of the agent's dialect."""
    SERVICE_ERROR = "service_error"
    """The service itself reported an error inside its answer."""
    TOOL_NOT_ON_OFFER = "tool_not_on_offer"
    BAD_ACTION = "bad_action"
    """An action, or a tool's arguments, that cannot be carried out."""
    TOO_MUCH = "too_much"
    """More words, actions, silence or bytes than an answer may have."""
    NOTHING_SAID = "nothing_said"
    """Neither a word that can be spoken nor an action, twice."""
    CUT_OFF = "cut_off"
    """The model reached its limit of tokens."""
    REFUSED = "refused"
    """The service will have none of it until somebody acts: its key, its account, or what is asked of it."""
    SESSION_OVER = "session_over"
    """The service has left the call for good."""
    BUDGET_SPENT = "budget_spent"
    """The call has used all the answers, tokens or money that it may."""
    FILTERED = "filtered"
    """The provider's content filter stopped the model."""
    TRANSFER_REFUSED = "transfer_refused"
    RAISED = "raised"
    """The agent's own code raised something else."""


class AgentError(BridgeError):
    """The agent cannot answer, or not to the end: which kind of failure it is, and what was wrong.

    The message holds nothing that anybody said; `quoted`, words of the agent or its service, is private.
    """

    def __init__(self, kind: Failure, message: str, quoted: str = "") -> None:
        super().__init__(message)
        self.kind = kind
        self.quoted = quoted


class CallInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What is known about a call before anybody has spoken."""

    call_id: str
    from_number: str = ""
    to_number: str = ""
    parameters: dict[str, str] = {}
    """What the webhook or the dialling application passed along with the call."""
    transfer_failed: str = ""
    """Why the transfer failed from which the caller comes back: `busy`, `no_answer`, `declined` or `failed`."""


Report = Callable[[CallInfo, AgentError], None]
"""Told of what went wrong without ending an answer, such as a transfer that was refused."""


def no_report(_info: CallInfo, _error: AgentError) -> None:
    """Drop a report about an agent that nobody wants to read."""


class FixedLine(NamedTuple):
    """A line that is said word for word, and in which voice; with slots, `Your code is {digits}.`, it is a template."""

    text: str
    voice: str | None = None
    """None: the default."""
    language: str = ""
    """Empty: the voice's own."""


class LikelyLine(msgspec.Struct, frozen=True):
    """A line that may be said next, and how probable that is, 0..1."""

    text: str
    likelihood: float
    voice: str | None = None
    language: str = ""
    """Empty: that of the call."""


class Agent(Protocol):
    """The agent of one call: it answers prompts with actions."""

    def reply(self, prompt: Prompt) -> AsyncGenerator[Action, None]:
        """Answer a prompt, action by action. Closing the generator (`aclose`) breaks the answer off.

        Raises AgentError when no answer, or no more of it, can be had.
        """
        ...

    def confirmed(self, turn: int) -> None:
        """The prompt with this `turn`, which was put as a guess, counts. Never blocks."""
        ...

    def state(self) -> bytes:
        """What this agent remembers of its call, for another process: a few kilobytes at most. Never blocks."""
        ...

    def resume(self, state: bytes) -> None:
        """Go on from what `state` gave elsewhere, before the first prompt. Raises BadMessage where that cannot be read.

        The first prompt may be one that was put before, with its `turn`. Whatever came of it then was not heard, but
        for the words in `so_far`: of that answer only the rest is wanted.
        """
        ...

    def likely(self) -> list[LikelyLine]:
        """Lines that the answer to the next prompt may hold, asked for after each answer. Never blocks."""
        ...


@runtime_checkable
class AttentiveAgent(Protocol):
    """What an agent offers that follows its call as it happens, and speaks without being asked."""

    def attend(self, ask: Callable[[AgentWantsFloor], None]) -> None:
        """The call begins, or goes on here; `ask` asks for the floor, at any time, on the event loop. Never blocks."""
        ...

    def saw(self, event: Event, commands: list[Command], call: Call) -> None:
        """Take note of one event and what was ordered because of it, before that is carried out. Never blocks."""
        ...

    def left(self) -> None:
        """Let go of what is held for the call, which is over or goes on elsewhere. Never blocks."""
        ...


@runtime_checkable
class AccountableAgent(Protocol):
    """What an agent offers that can tell what it has gathered, used and cost."""

    def account(self) -> AgentAccount:
        """Tell it, as of now. Never blocks."""
        ...


@runtime_checkable
class TalkingAgent(Protocol):
    """What an agent offers that listens with its own ears and speaks with its own voice."""

    def line(self, audio_format: AudioFormat) -> None:
        """Take note of the format that its speech is to have; told before the call begins. Never blocks."""
        ...

    def hear(self, ulaw: bytes, now: float) -> None:
        """Take a frame of the caller's audio, mu-law at 8 kHz, which came at this time of the call. Never blocks."""
        ...

    def speech(self, voice: str) -> SuppliedSpeech | None:
        """Return the speech that this voice of a `Say` stands for, while it is kept. Never blocks."""
        ...


def attentive(agent: Agent) -> AttentiveAgent | None:
    """Return the agent, or the one that it stands before (`inner`), if that follows its call."""
    return next((one for one in _inside(agent) if isinstance(one, AttentiveAgent)), None)


def accountable(agent: Agent) -> AccountableAgent | None:
    """Return the agent, or the one that it stands before (`inner`), if that can give an account."""
    return next((one for one in _inside(agent) if isinstance(one, AccountableAgent)), None)


def talking(agent: Agent) -> TalkingAgent | None:
    """Return the agent, or the one that it stands before (`inner`), if that listens and speaks itself."""
    return next((one for one in _inside(agent) if isinstance(one, TalkingAgent)), None)


def _inside(agent: object | None) -> Iterator[object]:
    while agent is not None:
        yield agent
        agent = getattr(agent, "inner", None)


@runtime_checkable
class PreparedFactory(Protocol):
    """What a factory offers that has something to open before the first call."""

    async def prepare(self) -> None:
        """Open what the first call needs, as far as that is there; what is away is looked for later."""
        ...


class AgentFactory(Protocol):
    """Opens an agent for each call."""

    def open_call(self, info: CallInfo) -> Agent:
        """Return a new agent for this call. Never blocks."""
        ...

    def phrases(self) -> list[FixedLine]:
        """Lines that any call's agent may say word for word: the warm-up list of the phrase cache."""
        ...

    async def close(self) -> None:
        """Let go of sockets; no call is open any more."""
        ...
