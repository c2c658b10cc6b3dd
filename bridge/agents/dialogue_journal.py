"""What a dialogue in Python was given: enough to run it again to where it was, in this process or in another.

A coroutine cannot be copied or written down. But one that asks for everything it needs can be run a second time and
given the same again; so an answer that nobody heard is taken back, and so a call moves to another process.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec

from bridge.agents.answers import understood
from bridge.agents.base import AgentError, Failure
from bridge.agents.tools.base import as_text
from bridge.call.account import ToolUse
from bridge.call.actions import Prompt, PromptKind
from bridge.errors import BadMessage
from bridge.understanding.results import Understood

_LONGEST_RESULT = 500
_LARGEST = 24 * 1024
"""Bytes of a journal that goes to another process with its call."""


class CallerReaction(msgspec.Struct, frozen=True, tag="turn"):
    """What happened on the other side: what was said, pressed or not said, and what that means."""

    kind: PromptKind
    text: str = ""
    """The words or keys; why a transfer did not succeed."""
    attempt: int = 0
    """How many times in a row the caller has stayed silent."""
    understood: Understood | None = None
    """The value, where one was asked for and given."""
    bot_said: str = ""
    """What the caller has really heard of our words before."""
    interrupted: bool = False
    """Whether the caller broke these words off."""

    @property
    def silent(self) -> bool:
        """Whether the caller said nothing, and pressed nothing."""
        return self.kind == "no_input"


class Begun(msgspec.Struct, frozen=True, tag="begun"):
    """A method of the dialogue was begun because of this."""

    turn: CallerReaction


class Started(msgspec.Struct, frozen=True, tag="started"):
    """Something that cannot be taken back was begun; without a result nobody knows what came of it."""

    name: str


class Result(msgspec.Struct, frozen=True, tag="result"):
    """What a function gave, or why it gave nothing."""

    name: str
    value: Any = None
    late: bool = False
    once: bool = False
    """Whether it must not be called again, whatever the caller has heard."""


class Told(msgspec.Struct, frozen=True, tag="told"):
    """A stream of words was spoken, to its end or not."""

    whole: bool


Entry = CallerReaction | Begun | Started | Result | Told


class Raised(NamedTuple):
    """An error of a function, which is known in this process alone."""

    name: str
    error: BaseException
    once: bool


class _Written(msgspec.Struct, frozen=True):
    entries: list[tuple[int, Entry]] = []
    mark: int = 0
    turn: int = 0
    busy_at: int = 0
    why_not: str = ""
    """Why there is nothing to go on with."""


def caller_reaction(prompt: Prompt) -> CallerReaction:
    """What a dialogue is told of a prompt."""
    last = next((spoken for spoken in reversed(prompt.history) if spoken.speaker == "bot"), None)
    return CallerReaction(
        prompt.kind,
        prompt.text,
        prompt.attempt,
        understood(prompt),
        last.text if last else "",
        last.interrupted if last else False,
    )


class Journal:
    """Everything that a dialogue was given, by the number of the request, in the order in which it came."""

    def __init__(self) -> None:
        self.entries: dict[int, Entry | Raised] = {}
        self.running: dict[int, asyncio.Task[Any]] = {}
        """What cannot be taken back, and goes on whatever becomes of the run that began it."""
        self._mark = 0
        self.turn = 0
        """The prompt that was put last."""
        self.busy_at = 0
        """The request that the dialogue was waiting for when that prompt came, which changed nothing; else 0."""

    def record(self, number: int, entry: Entry | Raised) -> None:
        """Keep what the request of this number was given."""
        self.entries[number] = entry  # a result has the place of what was begun

    def mark(self, turn: int) -> None:
        """Remember that all from now on comes of this prompt."""
        self._mark, self.turn, self.busy_at = len(self.entries), turn, 0

    def rewind(self) -> bool:
        """Forget what came of the last prompt; False, and nothing is forgotten, if that cannot be taken back."""
        since = list(self.entries)[self._mark :]
        if any(_once(self.entries[number]) for number in since):
            return False
        for number in since:
            del self.entries[number]
        return True

    def begun_after(self, number: int) -> bool:
        """Whether a method was begun after the request of this number."""
        return any(isinstance(entry, Begun) and each > number for each, entry in self.entries.items())

    def ends_with(self, number: int) -> bool:
        """Whether nothing was given after the request of this number."""
        return number == max(self.entries, default=0)

    def uses(self) -> Iterator[ToolUse]:
        """The functions that were called, and what they gave."""
        for entry in self.entries.values():
            if isinstance(entry, Result):
                result = "" if entry.late else as_text(entry.value, _LONGEST_RESULT)
                yield ToolUse(entry.name, result=result, failed=entry.late)
            elif isinstance(entry, Started | Raised):
                yield ToolUse(entry.name, failed=True)

    def written(self) -> bytes:
        """Write the journal down for another process, or the reason why it cannot go on there."""
        entries: list[tuple[int, Entry]] = []
        for number, entry in self.entries.items():
            name = entry.name if isinstance(entry, Raised | Result) else ""
            if isinstance(entry, Raised) or (isinstance(entry, Result) and not _plain(entry.value)):
                return _given_up(f"what {name} gave cannot be written down")
            entries.append((number, entry))
        written = msgspec.msgpack.encode(_Written(entries, self._mark, self.turn, self.busy_at))
        return written if len(written) <= _LARGEST else _given_up(f"a dialogue of {len(written)} bytes is too long")

    @classmethod
    def read(cls, state: bytes) -> Journal:
        """Read what `written` gave. Raises BadMessage for anything else, and where there is a reason instead."""
        try:
            written = msgspec.msgpack.decode(state, type=_Written)
        except msgspec.DecodeError as error:
            raise BadMessage(f"not the state of a dialogue in Python: {error}") from None
        if written.why_not:
            raise BadMessage(f"the dialogue begins anew: {written.why_not}")
        journal = cls()
        journal.entries = dict(written.entries)
        journal._mark, journal.turn, journal.busy_at = written.mark, written.turn, written.busy_at
        return journal


def _once(entry: Entry | Raised) -> bool:
    return isinstance(entry, Started) or (isinstance(entry, Result | Raised) and entry.once)


def _given_up(why: str) -> bytes:
    return msgspec.msgpack.encode(_Written(why_not=why))


def _plain(value: Any) -> bool:
    """Whether a value is the same after it was written and read."""
    try:
        again = msgspec.msgpack.decode(msgspec.msgpack.encode(value))
    except (TypeError, ValueError, OverflowError, RecursionError, msgspec.MsgspecError):
        return False
    return bool(type(again) is type(value) and again == value)


def went_another_way(what: str) -> AgentError:
    """A dialogue asks for other things than when it was run before."""
    return AgentError(
        Failure.RAISED,
        f"the dialogue went another way when it was run again, at {what}: what depends on time, chance or the world "
        "belongs into look_up or carry_out",
    )
