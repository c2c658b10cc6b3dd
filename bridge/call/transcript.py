"""A call's record as a conversation: who said what and when, what was heard of it, and what was cut.

The machine runs over the recorded events again, so that what counts as heard is what counted on the call.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from bridge.call.actions import Spoken
from bridge.call.events import DigitPressed, Event, HeardOtherwise, Recognised, StreamClosed, VoiceActivity
from bridge.call.machine import Call
from bridge.call.record import moments
from bridge.errors import BadMessage

Speaker = Literal["caller", "bot", "call"]


@dataclass(slots=True)
class TranscriptLine:
    """One turn of a conversation, or something that happened to the call."""

    at: float
    """Seconds since the stream began: when the turn was begun."""
    speaker: Speaker
    """`call` is neither: an ending, a decision."""
    text: str
    """What was recognised of the caller, or that nothing was; what the caller heard of the bot."""
    unheard: str = ""
    """The bot's: what was to be said and was not heard."""
    cut: bool = False
    """The bot's: the caller broke it off."""
    otherwise: str = ""
    """The caller's: what a second recogniser has understood, where that was something else, after its name."""


def transcript(lines: Iterable[str | bytes], *, decisions: bool = False) -> list[TranscriptLine]:
    """Read a record; `decisions` adds what was decided on the way, and why.

    A record that is damaged in the middle is read up to there, and the last line says so. Raises BadMessage for what is
    no record at all.
    """
    call, recorded = moments(lines)
    reader = _Reader(call, decisions)
    try:
        for _, at, event, commands in recorded:
            reader.take(at, event, commands)
    except BadMessage as error:
        reader.finish(f"the record is damaged: {error}")
    else:
        reader.finish("")
    return reader.lines


class _Reader:
    """Follows the machine, and notes each turn when it appears in its transcript."""

    def __init__(self, call: Call, decisions: bool) -> None:
        self.lines: list[TranscriptLine] = []
        self._call = call
        self._decisions = decisions
        self._turns: list[TranscriptLine] = []
        self._at = 0.0
        self._speech_since: float | None = None
        self._keys_since: float | None = None
        self._sent_since: float | None = None
        self._wordless_since: float | None = None
        """When the caller began a turn that has just ended without a word."""
        self._said: list[str] = []
        self._revision = 0
        """Of the newest recognised text."""
        self._revisions: list[int] = []
        """What each turn was made of."""
        self._otherwise: dict[int, str] = {}

    def take(self, at: float, event: Event, commands: Sequence[dict[str, Any]]) -> None:
        """One event, and the commands that were given after it."""
        self._at = at
        if isinstance(event, DigitPressed) and self._keys_since is None:
            self._keys_since = at
        if isinstance(event, Recognised):
            self._revision = event.revision
        elif isinstance(event, HeardOtherwise):
            self._otherwise[event.revision] = f"{event.recogniser}: {event.text or '(nothing)'}"
        self._call.receive(event, at)
        for command in commands:
            match command:
                case {"type": "decided", "what": "turn over", "why": {"recognised": False} as why}:
                    ago_ms = float(why.get("length_ms", 0)) + float(why.get("silence_ms", 0))
                    self._wordless_since = max(at - ago_ms / 1000, 0.0)
        if not isinstance(event, VoiceActivity) or commands:
            self._compare(self._call.conversation())
        for command in commands:
            self._command(command)
        if isinstance(event, StreamClosed):
            self.lines.append(TranscriptLine(at, "call", f"the stream ended: {event.reason}"))

    def finish(self, damage: str) -> None:
        """Take note that the record is over."""
        self._compare(self._call.conversation())
        self._close_bot_turn(cut=False)
        for turn, revision in zip(self._turns, self._revisions, strict=True):
            if turn.speaker == "caller":
                turn.otherwise = self._otherwise.get(revision, "")
        if damage:
            self.lines.append(TranscriptLine(self._at, "call", damage))

    def _command(self, command: dict[str, Any]) -> None:
        match command:
            case {"type": "transcribe", "since": since}:
                self._speech_since = float(since)
            case {"type": "send_audio"} if self._sent_since is None:
                self._sent_since = self._at
            case {"type": "synthesise", "text": text}:
                self._said += str(text).split()
            case {"type": "hang_up", "reason": reason}:
                said = command.get("said", "")
                self.lines.append(
                    TranscriptLine(self._at, "call", f"hung up: {reason}" + (f" ({said})" if said else ""))
                )
            case {"type": "transfer", "target": target}:
                self.lines.append(TranscriptLine(self._at, "call", f"transferred to {target}"))
            case {"type": "decided", "what": what, "why": why}:
                self._decided(str(what), why)

    def _decided(self, what: str, why: Any) -> None:
        if what == "went on":  # the rest is said anew
            turn = self._turns[-1] if self._turns else None
            if turn is not None and turn.speaker == "bot":
                self._said = turn.text.split()
            for turn in self._turns[-2:]:
                turn.unheard = ""
        if self._decisions:
            reasons = ", ".join(f"{key} {_short(value)}" for key, value in why.items()) if isinstance(why, dict) else ""
            self.lines.append(TranscriptLine(self._at, "call", f"{what} ({reasons})" if reasons else what))

    def _compare(self, spoken: Sequence[Spoken]) -> None:
        while len(self._turns) > len(spoken):  # an answer that was begun too soon took the caller's turn back
            self.lines.remove(self._turns.pop())
            self._revisions.pop()
        for index, one in enumerate(spoken):
            if index < len(self._turns):
                turn = self._turns[index]
                if turn.text != one.text:
                    self._revisions[index] = self._revision
                turn.text, turn.cut = one.text, one.interrupted
            else:
                self._begin(one)

    def _begin(self, one: Spoken) -> None:
        if one.speaker == "caller":
            self._close_bot_turn(cut=True)
            starts = [at for at in (self._speech_since, self._keys_since) if at is not None]
            if self._wordless_since is not None:
                starts = [self._wordless_since]
            line = TranscriptLine(min(starts, default=self._at), "caller", one.text)
            self._speech_since = self._keys_since = self._sent_since = self._wordless_since = None
        else:
            line = TranscriptLine(
                self._at if self._sent_since is None else self._sent_since, "bot", one.text, cut=one.interrupted
            )
            self._sent_since = None
        self._turns.append(line)
        self._revisions.append(self._revision)
        self.lines.append(line)
        self.lines.sort(key=lambda line: line.at)

    def _close_bot_turn(self, *, cut: bool) -> None:
        """The turn that is now over was all that will be heard of what was said."""
        if self._turns and self._turns[-1].speaker == "bot":
            turn = self._turns[-1]
            heard = turn.text.split()
            if (turn.cut or not cut) and self._said[: len(heard)] == heard:
                turn.unheard = " ".join(self._said[len(heard) :])
        self._said = []


def _short(value: Any) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
