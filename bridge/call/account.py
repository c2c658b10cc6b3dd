"""What an agent has to tell of its call when that is over. Data only."""

from __future__ import annotations

import msgspec


class ToolUse(msgspec.Struct, frozen=True, omit_defaults=True):
    """One use of a tool by an agent."""

    name: str
    arguments: str = ""
    """JSON as it was written."""
    result: str = ""
    failed: bool = False
    seconds: float | None = None
    """How long it took."""


class AgentAccount(msgspec.Struct, frozen=True, omit_defaults=True):
    """The values that an agent has gathered, the tools it has used, and what it has cost."""

    slots: dict[str, str] = {}
    tools: tuple[ToolUse, ...] = ()
    costs: dict[str, float] = {}
    """Such as `prompt_tokens`, `completion_tokens`, `money`."""
    handoff: str = ""
    """What it hands over to whoever takes the call, or its caller, on."""
