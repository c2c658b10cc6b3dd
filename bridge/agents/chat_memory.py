"""What a chat agent remembers of a call besides the words: what tools gave, and what the call has cost."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

import msgspec

from bridge.agents.base import AgentError, Failure
from bridge.agents.chat_prompts import Exchange
from bridge.agents.settings import CallBudget
from bridge.call.account import AgentAccount, ToolUse
from bridge.call.actions import Prompt
from bridge.errors import BadMessage

FAILED = "error: "
"""How results begin that are none."""
_MOST_USES = 200
"""Uses of tools that are told after the call, though the model is not told of them any more."""
_LARGEST = 20 * 1024
"""Bytes that go to another process with the call."""


class _Kept(msgspec.Struct, frozen=True):
    exchanges: list[Exchange] = []
    turn: int = 0
    answers: int = 0
    read: int = 0
    written: int = 0
    told_from: int = 0


class ChatMemory:
    """Exchanges with tools by their place in the history, from where on that is told, and counters.

    history_characters  the most that is told of the conversation, and of what tools gave in it; 0: all
    """

    def __init__(self, budget: CallBudget, history_characters: int = 0) -> None:
        self.exchanges: list[Exchange] = []
        self.turn = 0
        self.told_from = 0
        """How many turns of the history are not told any more."""
        self._most = history_characters
        self._uses: list[ToolUse] = []
        self._budget = budget
        self._answers = self._read = self._written = 0

    def begin(self, prompt: Prompt) -> None:
        """Begin with a prompt; one that replaces the last lets go of what tools gave for that.

        Where the conversation has become too long, half of it is left out at once: until that happens again, the
        beginning of requests stays as it is, and with it what servers keep of them.
        """
        put_before = 0 < prompt.turn == self.turn and prompt.kind != "transfer_refused"
        if (prompt.again or put_before) and not prompt.so_far:
            self.exchanges = [each for each in self.exchanges if each.turn != self.turn or each.kept]
        self.turn = prompt.turn
        if self._most and self._told(prompt) > self._most:
            while self.told_from < len(prompt.history) and self._told(prompt) > self._most // 2:
                self.told_from += 1
            told = [each for each in self.exchanges if each.kept or each.place >= self.told_from]
            self._uses += _tool_uses(each for each in self.exchanges if each not in told)
            self.exchanges, self._uses = told, self._uses[-_MOST_USES:]

    def _told(self, prompt: Prompt) -> int:
        """How many characters are told of the conversation; what has changed the world is told in any case."""
        turns = sum(len(turn.text) for turn in prompt.history[self.told_from :])
        return turns + sum(each.characters for each in self.exchanges if each.place >= self.told_from)

    def untold(self, prompt: Prompt, fillers: Collection[str] = ()) -> str:
        """The words that an answer has brought before its call was moved, but for those that an exchange holds."""
        words = "".join(say.text for say in prompt.so_far or () if say.text not in fillers)
        for exchange in self.exchanges:
            if exchange.turn == prompt.turn:
                words = words.removeprefix(exchange.messages[0]["content"] or "")
        return words

    def add(self, exchange: Exchange) -> None:
        """Keep an exchange for the rest of the call, or as long as the history goes back to it."""
        self.exchanges.append(exchange)

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
        return AgentAccount(tools=(*self._uses, *_tool_uses(self.exchanges)), costs=costs)

    def state(self) -> bytes:
        """Everything for another process; where that is too large, the oldest exchanges that only read are left out."""
        exchanges = list(self.exchanges)
        while True:
            kept = _Kept(exchanges, self.turn, self._answers, self._read, self._written, self.told_from)
            written = msgspec.msgpack.encode(kept)
            if len(written) <= _LARGEST or not exchanges:
                return written
            exchanges.remove(next((each for each in exchanges if not each.kept), exchanges[0]))

    def resume(self, state: bytes) -> None:
        """Go on from there. Raises BadMessage for anything else."""
        try:
            kept = msgspec.msgpack.decode(state, type=_Kept) if state else _Kept()
        except msgspec.DecodeError as error:
            raise BadMessage(f"not the state of a chat agent: {error}") from None
        self.exchanges, self.turn, self.told_from = kept.exchanges, kept.turn, kept.told_from
        self._answers, self._read, self._written = kept.answers, kept.read, kept.written


def _tool_uses(exchanges: Iterable[Exchange]) -> Iterator[ToolUse]:
    for exchange in exchanges:
        results = {each.get("tool_call_id"): str(each["content"]) for each in exchange.messages[1:]}
        for call in exchange.messages[0].get("tool_calls") or ():
            function, result = call["function"], results.get(call["id"], "")
            yield ToolUse(function["name"], function["arguments"], result, result.startswith(FAILED))
