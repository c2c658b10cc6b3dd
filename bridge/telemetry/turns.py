"""The turns of a call and what each of them was spent on, read off its events and commands as they pass. Pure.

A turn begins with what is to be answered (the caller's last sound, a key, the call's start) and has its answer when the
first sound of that is sent. Its stages may overlap, begin before it (speculation) and go on after its answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from bridge.call.actions import Say
from bridge.call.commands import (
    AskAgent,
    CancelAgent,
    CancelSynthesis,
    Command,
    Decided,
    SendAudio,
    Synthesise,
    Transcribe,
)
from bridge.call.events import (
    AgentActed,
    AgentFailed,
    AgentFinished,
    Event,
    Recognised,
    RecogniserFailed,
    SpeechArrived,
    SpeechFailed,
)
from bridge.call.states import Decision

_ANSWERING = ("caller_said", "floor_given")
"""Prompts whose turn begins with the caller's last sound."""
_MOST_STAGES = 64
"""Of one turn; more would be a leak, not a turn."""


@dataclass(slots=True)
class TurnStage:
    """One thing that was done for a turn: seconds since the call's start, and why it failed if it did."""

    name: str
    began_at: float
    ended_at: float | None = None
    first_at: float | None = None
    """When the first of it came, such as an agent's first words."""
    failed: str = ""


@dataclass(slots=True)
class Turn:
    """One turn of a call. Times are seconds since the call's start."""

    kind: str
    """Of the prompt that the agent was asked with."""
    began_at: float
    guesses: int = 0
    """Answers that were begun and taken back before this one."""
    answered_at: float | None = None
    interrupted: bool = False
    stages: list[TurnStage] = field(default_factory=list)

    @property
    def ended_at(self) -> float:
        """The end of the last of what was done for it."""
        ends = [stage.ended_at for stage in self.stages if stage.ended_at is not None]
        return max([self.began_at, *ends, *([] if self.answered_at is None else [self.answered_at])])


class TurnWatch:
    """Follows one call. `saw` returns the turns that are over, which is when the next one begins, or the call ends."""

    def __init__(self) -> None:
        self._turn: Turn | None = None
        self._asked = 0
        self._open: dict[tuple[str, int], TurnStage] = {}
        self._before: list[TurnStage] = []
        """What was recognised for a turn that has not begun."""
        self._utterances: set[int] = set()
        self._stopped_at: float | None = None
        self._guesses = 0

    def saw(self, at: float, event: Event, commands: Sequence[Command]) -> list[Turn]:
        """Take note of one event and what was ordered because of it."""
        match event:
            case Recognised(revision):
                self._end("recognise", revision, at)
            case RecogniserFailed(revision):
                self._end("recognise", revision, at, "failed")
            case AgentActed(turn, action):
                stage = self._open.get(("agent", turn))
                if stage is not None and stage.first_at is None and isinstance(action, Say):
                    stage.first_at = at
            case AgentFinished(turn):
                self._end("agent", turn, at)
            case AgentFailed(turn):
                self._end("agent", turn, at, "failed")
            case SpeechArrived(utterance):
                self._end("speak", utterance, at)
            case SpeechFailed(utterance):
                self._end("speak", utterance, at, "failed")
        over: list[Turn] = []
        for command in commands:
            self._ordered(command, at, over)
        return over

    def ended(self, at: float) -> list[Turn]:
        """The call is over: what is still open ends with it."""
        for kind, number in list(self._open):
            self._end(kind, number, at, "call over")
        over = [] if self._turn is None else [self._turn]
        self._turn = None
        return over

    def _ordered(self, command: Command, at: float, over: list[Turn]) -> None:
        match command:
            case Transcribe(revision, _, so_far) if not so_far:
                self._begin("recognise", revision, at, self._before)
            case AskAgent(turn, prompt):
                self._begin_turn(turn, prompt.kind, at, over)
            case CancelAgent(turn):
                self._end("agent", turn, at, "taken back")
            case Synthesise(utterance):
                if self._turn is not None and utterance not in self._utterances:
                    self._utterances.add(utterance)
                    self._begin("speak", utterance, at, self._turn.stages)
            case CancelSynthesis(utterance):
                self._end("speak", utterance, at, "taken back")
            case SendAudio(utterance) if utterance in self._utterances:
                self._answered(at)
            case Decided(Decision.TURN_OVER, why):
                silence_ms = why.get("silence_ms", 0)
                self._stopped_at = at - silence_ms / 1000 if isinstance(silence_ms, int | float) else at
            case Decided(Decision.INTERRUPTED) if self._turn is not None:
                self._turn.interrupted = True

    def _begin_turn(self, number: int, kind: str, at: float, over: list[Turn]) -> None:
        """A prompt is put: the turn before is over, unless it was a guess that nobody heard of."""
        before = self._turn
        if before is not None and before.answered_at is None and before.kind in _ANSWERING and kind in _ANSWERING:
            self._guesses = before.guesses + 1
            self._before = [*before.stages, *self._before][-_MOST_STAGES:]
        elif before is not None:
            over.append(before)
        self._turn = Turn(kind, at, self._guesses, stages=self._before)
        self._before, self._guesses = [], 0
        self._utterances.clear()
        self._begin("agent", number, at, self._turn.stages)

    def _answered(self, at: float) -> None:
        turn = self._turn
        if turn is None or turn.answered_at is not None:
            return
        turn.answered_at = at
        if turn.kind in _ANSWERING and self._stopped_at is not None:
            turn.began_at = self._stopped_at
        self._stopped_at = None

    def _begin(self, kind: str, number: int, at: float, stages: list[TurnStage]) -> None:
        if len(stages) < _MOST_STAGES and len(self._open) < _MOST_STAGES:
            stage = self._open[kind, number] = TurnStage(kind, at)
            stages.append(stage)

    def _end(self, kind: str, number: int, at: float, failed: str = "") -> None:
        stage = self._open.pop((kind, number), None)
        if stage is not None:
            stage.ended_at, stage.failed = at, failed
