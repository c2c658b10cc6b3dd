"""The agent's side of a call: which answer is being written, and until when we wait for it."""

from __future__ import annotations

import msgspec
from msgspec import UNSET, UnsetType

from bridge.call.actions import Prompt, PromptKind, Say, Spoken, TextAlternative
from bridge.call.commands import AskAgent, CancelAgent, Command, ConfirmAnswer, ExpectSpeech

LATE = "no answer in time"
EMPTY = "neither words nor actions"
"""What the call itself finds wrong with an answer; all else the agent's side has told it."""
_PASSING = frozenset({"unreachable", "http_status", "broken_stream", "service_error", EMPTY})
"""Failures (`bridge.agents.base.Failure`) that may be over in a moment."""
FINAL = frozenset({"session_over", "budget_spent", "refused"})
"""Failures after which nothing more can be had of the agent."""
_QUICK_S = 1.5
"""A failure that came later than this leaves no time to ask again before the silence is felt."""


class Answering:
    """At most one answer at a time; what an older one still says counts for nothing."""

    def __init__(self, deadline_s: float) -> None:
        self._deadline_s = deadline_s
        self.turn = 0
        self.busy = False
        self.due: float | None = None
        """When an agent that has done nothing yet is given up."""
        self.held = False
        """The caller's turn may not be over: nothing of the answer is carried out yet."""
        self.declared = False
        """The answer has said what the caller will say, or in which language, and it may be that this is all of it."""
        self.unconfirmed = False
        """The prompt may still be replaced by a longer one, as little of its answer was heard."""
        self.scores: dict[str, float] | UnsetType = UNSET
        """What detectors make of the caller's voice."""
        self._again = False
        self._prompt = Prompt("call_started")
        self._asked_at = 0.0
        self._repeated = False

    @property
    def empty(self) -> bool:
        """Whether nothing has come of the answer yet that the caller notices."""
        return self.due is not None

    @property
    def at_start(self) -> bool:
        """Whether this is the answer to a stream's beginning, when the caller has said nothing and heard nothing."""
        kind = self._prompt.kind
        return kind in ("call_started", "transfer_failed") or (kind == "floor_given" and not self._prompt.history)

    @property
    def to_keys(self) -> bool:
        """Whether this is the answer to keys, which are pressed on purpose and not taken back by what is said next."""
        return self._prompt.kind == "digits"

    def ask(
        self,
        kind: PromptKind,
        text: str,
        history: tuple[Spoken, ...],
        now: float,
        attempt: int = 0,
        *,
        held: bool = False,
        expected: ExpectSpeech | None = None,
        readings: tuple[TextAlternative, ...] = (),
    ) -> list[Command]:
        """Begin an answer to this prompt; `expected` is what the caller was to say, where the prompt answers it.

        `readings` is all that may have been said, where the recogniser tells.
        """
        self.held = held
        again, self._again = self._again, False
        self._repeated = False
        prompt = Prompt(kind, text, history, attempt, again, kind in ("caller_said", "digits"), readings=readings)
        prompt = msgspec.structs.replace(prompt, scores=self.scores)
        if expected is not None:
            prompt = msgspec.structs.replace(
                prompt, answer=expected.answer, language=expected.language, choices=expected.choices
            )
        return self._put(prompt, now)

    def ask_again(self, reason: str, now: float) -> list[Command]:
        """Put the prompt once more where the answer failed at once, and in a way that may pass; else nothing."""
        if self._repeated or not self.empty or reason not in _PASSING or now - self._asked_at > _QUICK_S:
            return []
        self._repeated = True
        return self._put(msgspec.structs.replace(self._prompt, again=True), now)

    def _put(self, prompt: Prompt, now: float) -> list[Command]:
        self.turn += 1
        self._prompt = prompt = msgspec.structs.replace(prompt, turn=self.turn)
        self.unconfirmed, self._asked_at = prompt.guess, now
        self.busy, self.due, self.declared = True, now + self._deadline_s, False
        return [AskAgent(self.turn, prompt)]

    def confirm(self) -> list[Command]:
        """The prompt counts, whatever comes."""
        if not self.unconfirmed:
            return []
        self.unconfirmed = False
        return [ConfirmAnswer(self.turn)]

    def counts(self, turn: int) -> bool:
        """Whether what this answer says still matters."""
        return self.busy and turn == self.turn

    def acted(self) -> None:
        """Take note that the agent's answer has brought something."""
        self.due = None

    def came_to_nothing(self, now: float) -> None:
        """Take note that not a sound came of the answer: it counts as none."""
        self.due = now

    def done(self) -> None:
        """Take note that the agent's answer is complete."""
        self.busy, self.due = False, None

    def cancel(self, *, taken_back: bool) -> list[Command]:
        """Break the answer off. `taken_back`: it never was an answer, so that the next prompt replaces this one."""
        busy = self.busy
        self.done()
        self.held = self.unconfirmed = False
        self._again = self._again or taken_back
        return [CancelAgent(self.turn)] if busy else []

    @property
    def prompt(self) -> Prompt:
        """The last prompt, without its history; a guess as long as it may be replaced."""
        return msgspec.structs.replace(self._prompt, history=(), guess=self.unconfirmed, so_far=UNSET)

    @property
    def replaces(self) -> bool:
        """Whether the next prompt replaces the last one."""
        return self._again

    def restore(self, turn: int, *, replaces: bool, unconfirmed: bool) -> None:
        """Go on numbering after this prompt."""
        self.turn, self._again, self.unconfirmed = turn, replaces, unconfirmed
        self._repeated = True  # which prompt that was, is not known here

    def put_again(
        self, prompt: Prompt, history: tuple[Spoken, ...], now: float, so_far: tuple[Say, ...] = ()
    ) -> list[Command]:
        """Put a prompt once more under its own number: nobody knows how far it got before the call was moved.

        `so_far` is what had come of its answer by then, of which the rest is wanted.
        """
        self.turn, self._repeated = prompt.turn - 1, False
        prompt = msgspec.structs.replace(prompt, history=history, so_far=so_far or UNSET)
        commands = self._put(prompt, now)
        if so_far:
            self.acted()
        return commands
