"""Calls a model's tools while the caller waits: at once, side by side, each with its deadline, with a filler."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from bridge.agents.chat_calls import ToolCall
from bridge.agents.chat_memory import FAILED
from bridge.agents.chat_prompts import Exchange, Message
from bridge.agents.settings import ChatSettings, LiveSettings
from bridge.agents.tools.base import Tool, ToolFailed, as_text
from bridge.call.actions import Action, Say

logger = logging.getLogger(__name__)

_GIVEN_UP = "given up: the caller went on speaking"
_STILL_RUNNING = "begun, and not finished when the caller went on speaking"
_MOMENT = "One moment, please."
_NEXT_FILLER_S = 4.0
"""After words of this answer, before the caller is told that it still takes a moment."""


@dataclass(slots=True)
class AnswerInProgress:
    """What tools need to know of the answer that they are called in."""

    counts: asyncio.Event
    """Set once the caller's turn counts: when they have heard a second of the answer, or all of a shorter one."""
    said: bool = False


@dataclass(slots=True)
class Background:
    """What was begun and must be finished, whatever becomes of its call."""

    tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def run(self, work: Any) -> asyncio.Task[None]:
        """Begin something; it is held until it has ended."""
        task: asyncio.Task[None] = asyncio.ensure_future(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return task


class ToolRound:
    """The tools that one answer calls together."""

    def __init__(
        self,
        settings: ChatSettings | LiveSettings,
        calls: Sequence[tuple[ToolCall, Tool]],
        words: str,
        answer: AnswerInProgress,
        background: Background,
    ) -> None:
        self._settings = settings
        self._calls = calls
        self._answer = answer
        self._background = background
        asked = [_asked(call) for call, _ in calls]
        self._results: list[Message] = [
            {"role": "tool", "tool_call_id": each["id"], "name": tool.name, "content": _GIVEN_UP}
            for each, (_, tool) in zip(asked, calls, strict=True)
        ]
        self.messages: list[Message] = [{"role": "assistant", "content": words or None, "tool_calls": asked}]
        self.messages += self._results
        self.begun = False
        """A tool that changes the world was called."""

    async def run(self) -> AsyncGenerator[Action, None]:
        """Call all tools, and say what fills the time until the last has ended."""
        await_turn = any(tool.changes for _, tool in self._calls) and not self._answer.counts.is_set()
        filler = next((tool.filler for _, tool in self._calls if tool.filler), self._settings.filler)
        if await_turn and not self._answer.said:
            self._answer.said = True
            yield Say(filler or _MOMENT, cacheable=True)  # the turn counts when this was heard
        tasks = [asyncio.ensure_future(self._call(place)) for place in range(len(self._calls))]
        try:
            patience_s = _NEXT_FILLER_S if self._answer.said else self._settings.filler_after_ms / 1000
            _, late = await asyncio.wait(tasks, timeout=patience_s)
            if late and filler:
                self._answer.said = True
                yield Say(filler, cacheable=True)
            if late:
                await asyncio.wait(tasks)
        finally:
            for task in tasks:
                task.cancel()

    async def _call(self, place: int) -> None:
        """Call one tool; what changes the world waits until the turn counts, and is then carried to its end."""
        _, tool = self._calls[place]
        if not tool.changes:
            await self._done(place)
            return
        await self._answer.counts.wait()
        self.begun = True
        self._results[place]["content"] = _STILL_RUNNING
        await asyncio.shield(self._background.run(self._done(place)))

    async def _done(self, place: int) -> None:
        call, tool = self._calls[place]
        result = await self._result(call, tool)
        self._results[place]["content"] = as_text(result, self._settings.result_characters)

    async def _result(self, call: ToolCall, tool: Tool) -> Any:
        try:
            arguments = msgspec.json.decode(call.arguments.strip() or "{}")
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            return f"{FAILED}the arguments are not JSON"
        if not isinstance(arguments, dict):
            return f"{FAILED}the arguments are no object"
        deadline = asyncio.timeout(tool.deadline_s)
        try:
            async with deadline:
                return await tool.call(arguments)
        except ToolFailed as error:
            return f"{FAILED}{error}"
        except Exception as error:
            if isinstance(error, TimeoutError) and deadline.expired():
                return f"{FAILED}there was no result in time"
            logger.exception("the tool %s failed", tool.name)
            return f"{FAILED}it failed"


def exchange_of(done: ToolRound, place: int, turn: int) -> Exchange:
    """What is remembered of a round; results that come later are put in where they belong."""
    return Exchange(place, turn, done.messages, done.begun)


def _asked(call: ToolCall) -> dict[str, Any]:
    """A tool call as the model gets it back with its result."""
    function = {"name": call.name, "arguments": call.arguments.strip() if call.whole else "{}"}
    return {"id": call.id or f"call_{secrets.token_hex(4)}", "type": "function", "function": function, **call.extra}
