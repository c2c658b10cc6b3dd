"""What an agent is: something that answers a prompt with a stream of actions.

An agent belongs to one call and may remember what it likes about it; a factory belongs to the
process and opens one agent per call.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import NamedTuple, Protocol

import msgspec

from bridge.call.actions import Action, Prompt
from bridge.errors import BridgeError


class AgentError(BridgeError):
    """The agent cannot answer: its service is unreachable, too slow, or talks nonsense."""


class CallInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What is known about a call before anybody has spoken."""

    call_id: str
    from_number: str = ""
    to_number: str = ""
    parameters: dict[str, str] = {}
    """What the webhook or the dialling application passed along with the call."""


class FixedLine(NamedTuple):
    """A line that is said word for word, and in which voice; with slots, `Your code is {digits}.`, it is a template."""

    text: str
    voice: str | None = None
    """None: the default."""


class Likely(msgspec.Struct, frozen=True):
    """A line that may be said next, and how probable that is, 0..1."""

    text: str
    likelihood: float
    voice: str | None = None


class Agent(Protocol):
    """One call's agent."""

    def reply(self, prompt: Prompt) -> AsyncGenerator[Action, None]:
        """Answer a prompt, action by action. Closing the generator (`aclose`) breaks the answer off.

        Raises AgentError when no answer, or no more of it, can be had.
        """
        ...

    def likely(self) -> list[Likely]:
        """Lines that the answer to the next prompt may hold, asked for after each answer. Never blocks."""
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
