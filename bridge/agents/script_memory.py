"""What a script remembers of one call: where the dialogue is, what its slots hold, and who said that.

A memory can be copied, since an answer may turn out never to have been heard, and written as bytes for another process.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import msgspec

from bridge.agents.script_states import Script, ScriptLine, State
from bridge.errors import BadMessage
from bridge.understanding.results import Understood


@dataclass(slots=True)
class ScriptMemory:
    """Where a scripted dialogue is, and what it knows."""

    state: State | None = None
    asked: State | None = None
    """The last state that waited for the caller."""
    slots: dict[str, str] = field(default_factory=dict)
    fixed: set[str] = field(default_factory=set)
    """Slots whose values the script's author wrote: what says them may be kept as audio."""
    told: set[str] = field(default_factory=set)
    """Slots that hold what the caller said, or was made of it."""
    misses: int = 0
    """Answers in a row that the script did not understand."""
    doubt: Understood | None = None
    """What was understood of the last answer, without certainty."""
    begun: bool = False
    """A request of this state, which changes the world, was begun, and its answer is not known yet."""

    def copy(self) -> ScriptMemory:
        """Return a memory that stays as this one is now."""
        return replace(self, slots=dict(self.slots), fixed=set(self.fixed), told=set(self.told))

    def keep(self, slot: str, value: str) -> None:
        """Remember something that the caller told us."""
        self.slots[slot] = value
        self.fixed.discard(slot)
        self.told.add(slot)

    def learn(self, slot: str, value: str) -> None:
        """Remember something that a service has answered."""
        self.slots[slot] = value
        self.fixed.discard(slot)
        self.told.discard(slot)

    def set(self, slot: str, value: ScriptLine) -> None:
        """Remember something that the script says, with the slots in it filled."""
        fixed, told = self.wrote(value.slots), self.was_told(value.slots)
        self.slots[slot] = value.fill(self.slots)
        (self.fixed.add if fixed else self.fixed.discard)(slot)
        (self.told.add if told else self.told.discard)(slot)

    def wrote(self, slots: Iterable[str]) -> bool:
        """Tell whether the script's author wrote the values of all these slots."""
        return self.fixed.issuperset(slots)

    def was_told(self, slots: Iterable[str]) -> bool:
        """Tell whether the caller had a say in any of these slots."""
        return not self.told.isdisjoint(slots)


class _Kept(msgspec.Struct, frozen=True):
    """A memory as bytes can hold it: states by their names."""

    state: str
    asked: str
    slots: dict[str, str]
    fixed: set[str]
    told: set[str]
    misses: int
    begun: bool = False
    doubt: Understood | None = None


class _Moved(msgspec.Struct, frozen=True):
    """All that a script remembers of one call."""

    now: _Kept
    before: _Kept | None
    turn: int
    leaving: bool


def written(now: ScriptMemory, before: ScriptMemory | None, turn: int, leaving: bool) -> bytes:
    """Write down a dialogue: its memory, that before its last answer, the turn, and whether the call is ending."""
    moved = _Moved(_kept(now), None if before is None else _kept(before), turn, leaving)
    return msgspec.msgpack.encode(moved, order="deterministic")


def read(state: bytes, script: Script) -> tuple[ScriptMemory, ScriptMemory | None, int, bool]:
    """Return what `written` was given. Raises BadMessage for another script's state, and for none at all."""
    try:
        moved = msgspec.msgpack.decode(state, type=_Moved)
    except msgspec.DecodeError as error:
        raise BadMessage(f"not the state of a script: {error}") from None
    before = None if moved.before is None else _read(moved.before, script)
    return _read(moved.now, script), before, moved.turn, moved.leaving


def _kept(memory: ScriptMemory) -> _Kept:
    state, asked = memory.state, memory.asked
    return _Kept(
        state.name if state else "",
        asked.name if asked else "",
        memory.slots,
        memory.fixed,
        memory.told,
        memory.misses,
        memory.begun,
        memory.doubt,
    )


def _read(kept: _Kept, script: Script) -> ScriptMemory:
    for name in (kept.state, kept.asked):
        if name and name not in script.states:
            raise BadMessage(f"a script's state from elsewhere: this script has no state {name!r}")
    states = script.states
    at, asked = states.get(kept.state), states.get(kept.asked)
    return ScriptMemory(at, asked, kept.slots, kept.fixed, kept.told, kept.misses, kept.doubt, kept.begun)
