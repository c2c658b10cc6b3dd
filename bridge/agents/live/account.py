"""What a call with a speaking model has cost, against what it may cost, and which tools were used. Pure."""

from __future__ import annotations

import msgspec

from bridge.agents.base import AgentError, Failure
from bridge.agents.live.wire import TokensUsed
from bridge.agents.settings import SpeechBudget
from bridge.call.account import ToolUse
from bridge.errors import BadMessage

_MOST_USES = 100
_MOST_KEPT = 12
"""Uses of tools that another process, or another session, is told of."""


class LiveMemory(msgspec.Struct):
    """What goes to another process with the call; what was said and heard goes there by itself."""

    answers: int = 0
    text_read: int = 0
    audio_read: int = 0
    text_written: int = 0
    audio_written: int = 0
    cached: int = 0
    uses: list[ToolUse] = []
    turn: int = 0

    def check(self, budget: SpeechBudget) -> None:
        """Raise AgentError when the call may cost no more."""
        if budget.answers and self.answers >= budget.answers:
            raise AgentError(Failure.BUDGET_SPENT, f"{self.answers} answers in one call; at most {budget.answers}")
        used = self.text_read + self.audio_read + self.text_written + self.audio_written
        if budget.tokens and used >= budget.tokens:
            raise AgentError(Failure.BUDGET_SPENT, f"{used} tokens in one call; at most {budget.tokens}")
        if budget.money and (cost := self.cost(budget)) >= budget.money:
            raise AgentError(Failure.BUDGET_SPENT, f"{cost:.4f} spent on one call; at most {budget.money:g}")
        self.answers += 1

    def spent(self, used: TokensUsed) -> None:
        """Count what an answer has cost."""
        self.text_read += used.text_read
        self.audio_read += used.audio_read
        self.text_written += used.text_written
        self.audio_written += used.audio_written
        self.cached += used.cached

    def cost(self, budget: SpeechBudget) -> float:
        """What the call has cost so far, in the currency of the prices; what was cached is taken off the text first."""
        text, audio, cached = self.text_read, self.audio_read, self.cached
        price = budget.price_cached_read
        total = self.text_written * budget.price_text_written + self.audio_written * budget.price_audio_written
        if price is not None:
            off_text = min(cached, text)
            text, audio = text - off_text, max(audio - (cached - off_text), 0)
            total += cached * price
        return (total + text * budget.price_text_read + audio * budget.price_audio_read) / 1e6

    def costs(self, budget: SpeechBudget) -> dict[str, float]:
        """Everything that was counted, and the money where there are prices."""
        counted = {
            "answers": self.answers,
            "prompt_tokens": self.text_read + self.audio_read,
            "completion_tokens": self.text_written + self.audio_written,
            "audio_tokens_read": self.audio_read,
            "audio_tokens_written": self.audio_written,
            "cached_tokens": self.cached,
        }
        money = self.cost(budget)
        return {name: float(count) for name, count in counted.items()} | ({"money": money} if money else {})

    def used(self, use: ToolUse) -> None:
        """Remember a use of a tool."""
        self.uses = [*self.uses[1 - _MOST_USES :], use]

    def notes(self) -> list[str]:
        """What a session that did not see them is told of the tools that were used."""
        return [
            f"[Earlier in this call you called the tool {use.name} with {use.arguments or '{}'}: {use.result}]"
            for use in self.uses[-_MOST_KEPT:]
        ]

    def state(self) -> bytes:
        """Everything for another process, the last uses of tools alone."""
        return msgspec.msgpack.encode(msgspec.structs.replace(self, uses=self.uses[-_MOST_KEPT:]))


def memory_of(state: bytes) -> LiveMemory:
    """Return what `state` holds. Raises BadMessage for anything else."""
    try:
        return msgspec.msgpack.decode(state, type=LiveMemory) if state else LiveMemory()
    except msgspec.DecodeError as error:
        raise BadMessage(f"not the state of a speaking agent: {error}") from None
