"""What a tool is: a function that a chat model may call while the caller waits."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec

from bridge.errors import BridgeError

NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}", re.ASCII)
"""What all models take for a tool's name."""
_LONGEST_DESCRIPTION = 1000
"""A model reads every tool before each answer: long descriptions cost its first word time."""

Arguments = dict[str, Any]


class ToolFailed(BridgeError):
    """A tool gave no result; the message is for the model, which may say so or try something else."""


@dataclass(frozen=True, slots=True)
class Tool:
    """One function, as a model sees it and as it is called.

    parameters   JSON schema of its arguments, an object
    changes      it changes the world: called once the turn counts, and then to its end; else again and given up at will
    filler       said while it takes long; empty: the agent's own
    call         gives any JSON value, or a text. Raises ToolFailed
    """

    name: str
    description: str
    parameters: Mapping[str, Any]
    call: Callable[[Arguments], Awaitable[Any]]
    changes: bool = True
    filler: str = ""
    deadline_s: float = 5.0

    def offered(self) -> dict[str, Any]:
        """Return the tool in the form of the chat completions API."""
        function = {
            "name": self.name,
            "description": self.description[:_LONGEST_DESCRIPTION],
            "parameters": self.parameters,
        }
        return {"type": "function", "function": function}


class ToolSource(Protocol):
    """Somewhere that tools come from; those of a server may change while it is away."""

    @property
    def tools(self) -> list[Tool]:
        """The tools that can be called now."""
        ...

    async def start(self) -> None:
        """Get ready, as far as that is possible now. Never raises for a server that is away."""
        ...

    async def trouble(self) -> str:
        """Try once to get ready; in words why there are no tools, or nothing where there are."""
        ...

    async def close(self) -> None:
        """Let go of processes and sockets."""
        ...


def as_text(value: Any, longest: int) -> str:
    """A result as a model reads it, cut at so many characters."""
    if isinstance(value, str):
        text = value[: longest + 1]
    else:
        try:
            text = msgspec.json.encode(value, enc_hook=str).decode()
        except (TypeError, ValueError, RecursionError, OverflowError):
            text = str(value)[: longest + 1]
    return text if len(text) <= longest else f"{text[:longest]} [cut off here: the result is longer]"
