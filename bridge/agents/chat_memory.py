"""What a chat agent remembers of a call besides the words: what tools gave, and what the call has cost."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from bridge.agents.base import AgentError, Failure
from bridge.agents.chat_prompts import Exchange
from bridge.agents.settings import CallBudget
from bridge.call.account import AgentAccount, ToolUse
from bridge.call.actions import Prompt
from bridge.errors import BadMessage

FAILED = "error: "
"""How results begin that are none."""
_MOST_EXCHANGES = 12
_LARGEST = 20 * 1024
"""Bytes that go to another process with the call."""


class _Kept(msgspec.Struct, frozen=True):
    exchanges: list[Exchange] = []
    turn: int = 0
    answers: int = 0
    read: int = 0
    written: int = 0


class ChatMemory:
    """Exchanges with tools by their place in the history, and counters."""

    def __init__(self, budget: CallBudget) -> None:
        self.exchanges: list[Exchange] = []
        self.turn = 0
        self._budget = budget
        self._answers = self._read = self._written = 0

    def begin(self, prompt: Prompt) -> None:
        """Begin with a prompt; one that replaces the last lets go of what tools gave for that."""
        put_before = 0 < prompt.turn == self.turn and prompt.kind != "transfer_refused"
        if prompt.again or put_before:
            self.exchanges = [each for each in self.exchanges if each.turn != self.turn or each.kept]
        self.turn = prompt.turn

    def add(self, exchange: Exchange) -> None:
        """Keep an exchange; the oldest is forgotten when they are too many."""
        self.exchanges = [*self.exchanges[1 - _MOST_EXCHANGES :], exchange]

    def check(self) -> None:
        """Raise AgentError when the call may cost no more."""
        budget = self._budget
        if budget.answers and self._answers >= budget.answers:
            raise AgentError(Failure.BUDGET_SPENT, f"{self._answers} answers in one call; at most {budget.answers}")
        if budget.tokens and self._read + self._written >= budget.tokens:
            used = self._read + self._written
            raise AgentError(Failure.BUDGET_SPENT, f"{used} tokens in one call; at most {budget.tokens}")
        if budget.money and self.cost >= budget.money:
            raise AgentError(Failure.BUDGET_SPENT, f"{self.cost:.4f} spent on one call; at most {budget.money:g}")
        self._answers += 1

    def spent(self, read: int, written: int) -> None:
        """Count the tokens that an answer has cost."""
        self._read += read
        self._written += written

    @property
    def cost(self) -> float:
        """What the call has cost so far, in the currency of the prices."""
        return (self._read * self._budget.price_read + self._written * self._budget.price_written) / 1e6

    def account(self) -> AgentAccount:
        """The tools that were used and are remembered, and what the call has cost."""
        costs = {"answers": float(self._answers), "prompt_tokens": float(self._read)}
        costs |= {"completion_tokens": float(self._written)} | ({"money": self.cost} if self.cost else {})
        return AgentAccount(tools=tuple(self._tool_uses()), costs=costs)

    def _tool_uses(self) -> Iterator[ToolUse]:
        for exchange in self.exchanges:
            results = {each.get("tool_call_id"): str(each["content"]) for each in exchange.messages[1:]}
            for call in exchange.messages[0].get("tool_calls") or ():
                function, result = call["function"], results.get(call["id"], "")
                yield ToolUse(function["name"], function["arguments"], result, result.startswith(FAILED))

    def state(self) -> bytes:
        """Everything for another process; the oldest exchanges are left out where they are too large."""
        exchanges = list(self.exchanges)
        while True:
            kept = _Kept(exchanges, self.turn, self._answers, self._read, self._written)
            written = msgspec.msgpack.encode(kept)
            if len(written) <= _LARGEST or not exchanges:
                return written
            exchanges = exchanges[1:]

    def resume(self, state: bytes) -> None:
        """Go on from there. Raises BadMessage for anything else."""
        try:
            kept = msgspec.msgpack.decode(state, type=_Kept) if state else _Kept()
        except msgspec.DecodeError as error:
            raise BadMessage(f"not the state of a chat agent: {error}") from None
        self.exchanges, self.turn = kept.exchanges, kept.turn
        self._answers, self._read, self._written = kept.answers, kept.read, kept.written
