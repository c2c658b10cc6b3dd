"""The agent's side of a call: which answer is being written, and until when we wait for it."""

from __future__ import annotations

from typing import Literal

from bridge.call.actions import Prompt, Spoken
from bridge.call.commands import AskAgent, CancelAgent, Command

PromptKind = Literal["call_started", "caller_said", "digits", "no_input"]


class Answering:
    """At most one answer at a time; what an older one still says counts for nothing."""

    def __init__(self, deadline_s: float) -> None:
        self._deadline_s = deadline_s
        self.turn = 0
        self.busy = False
        self.due: float | None = None
        """When an agent that has done nothing yet is given up."""
        self._again = False

    def ask(
        self, kind: PromptKind, text: str, history: tuple[Spoken, ...], now: float, attempt: int = 0
    ) -> list[Command]:
        """Begin an answer."""
        self.turn += 1
        self.busy, self.due = True, now + self._deadline_s
        again, self._again = self._again, False
        return [AskAgent(self.turn, Prompt(kind, text, history, attempt, again))]

    def counts(self, turn: int) -> bool:
        """Whether what this answer says still matters."""
        return self.busy and turn == self.turn

    def acted(self) -> None:
        """Something came of it."""
        self.due = None

    def done(self) -> None:
        """The answer is complete."""
        self.busy, self.due = False, None

    def cancel(self, *, unheard: bool) -> list[Command]:
        """Break the answer off. `unheard`: nothing of it was heard, so that the next prompt replaces this one."""
        busy = self.busy
        self.done()
        self._again = self._again or unheard
        return [CancelAgent(self.turn)] if busy else []
