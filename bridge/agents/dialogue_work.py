"""A function that a dialogue or a model has called while the caller waits, and what may become of it."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bridge.errors import BridgeError


class TookTooLong(BridgeError):
    """A function of a dialogue had no result when its deadline passed."""


class OutcomeUnknown(BridgeError):
    """Something that cannot be taken back was begun in another process, and nobody knows what came of it."""


@dataclass(frozen=True, slots=True)
class Work:
    """A function to be called, and its name."""

    function: Callable[..., Any]
    arguments: tuple[Any, ...]
    named: dict[str, Any]

    @property
    def name(self) -> str:
        """What this function is called in errors and journals."""
        return str(getattr(self.function, "__name__", None) or type(self.function).__name__)

    async def call(self) -> Any:
        """Call the function; one that is not async is called in a thread."""
        function = self.function
        if inspect.iscoroutinefunction(function):
            given = function(*self.arguments, **self.named)
        else:
            given = await asyncio.to_thread(function, *self.arguments, **self.named)
        return await given if inspect.isawaitable(given) else given
