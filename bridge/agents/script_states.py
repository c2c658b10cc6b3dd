"""A script made ready to run: lines with their slots, steps, and states with the script's defaults filled in."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from bridge.agents.base import FixedLine
from bridge.agents.script_hours import OpeningHours, Standing
from bridge.agents.tools.http import Request
from bridge.agents.transfers import Transfers
from bridge.call.actions import Expect, Interruption
from bridge.text.readback import FORMATS, read_back
from bridge.understanding.phrases import Intent
from bridge.understanding.results import Understood

VALUE = "value"
"""The slot that holds a doubtful answer in the line that reads it back."""
_SLOT = re.compile(r"\{(\w+)(?::(\w+))?\}")


def say_digits(digits: str) -> str:
    """Digits as a person reads them back, in groups: `5551234567` -> `5 5 5, 1 2 3, 4 5 6 7`.

    Ten and eleven digits are grouped as North American telephone numbers, others by threes and fours.
    """
    only = [c for c in digits if c.isdigit()]
    sizes = [1, 3, 3, 4] if len(only) == 11 and only[0] == "1" else _groups(len(only))
    groups: list[str] = []
    start = 0
    for size in sizes:
        groups.append(" ".join(only[start : start + size]))
        start += size
    return ", ".join(groups)


def _groups(count: int) -> list[int]:
    """Sizes of groups of three with a last group of up to four."""
    if count <= 4:
        return [count] if count else []
    return [3, *_groups(count - 3)]


READ_OUT = {way: functools.partial(read_back, way=way) for way in FORMATS} | {"digits": say_digits}
"""Ways to read a slot's value out, `{phone:digits}`: those of `bridge.text.readback`."""


def slots_of(text: str) -> list[str]:
    """Names of the slots that a text mentions."""
    return [name for name, _ in _SLOT.findall(text)]


def formats_of(text: str) -> list[str]:
    """Ways of reading out that a text asks for."""
    return [way for _, way in _SLOT.findall(text) if way]


@dataclass(frozen=True, slots=True)
class ScriptLine:
    """One line to say, or a pause of `pause_s` when there is no text."""

    text: str
    pause_s: float = 0.0
    interruption: Interruption = "interruptible"
    voice: str | None = None

    @property
    def slots(self) -> list[str]:
        """Names of the slots in the text."""
        return slots_of(self.text)

    def fill(self, slots: Mapping[str, str]) -> str:
        """The text with each slot's value in place, read out as its format says; unknown slots are left out."""

        def value(found: re.Match[str]) -> str:
            plain = slots.get(found[1], "")
            return READ_OUT.get(found[2] or "", str)(plain)

        return " ".join(_SLOT.sub(value, self.text).split())


@dataclass(frozen=True, slots=True)
class Step:
    """What to do next: say, remember, then one of go on, leave the call, repeat, or stay and wait."""

    say: tuple[ScriptLine, ...] = ()
    set: tuple[tuple[str, str], ...] = ()
    goto: str = ""
    transfer: str = ""
    summary: str = ""
    hang_up: str = ""
    repeat: bool = False


@dataclass(frozen=True, slots=True)
class Switch:
    """What follows from a slot's value."""

    slot: str
    cases: Mapping[str, Step]
    """By the value in small letters."""
    otherwise: Step | None

    def step(self, slots: Mapping[str, str]) -> Step | None:
        """What to do for the value of the moment."""
        return self.cases.get(" ".join(slots.get(self.slot, "").lower().split()), self.otherwise)

    def ways(self) -> Iterator[tuple[str, Step]]:
        """Each step, and what leads to it."""
        yield from ((f"{self.slot} is {value or 'empty'}", step) for value, step in self.cases.items())
        if self.otherwise:
            yield f"{self.slot} is anything else", self.otherwise


@dataclass(frozen=True, slots=True)
class HoursCheck:
    """What follows from the time of day."""

    hours: OpeningHours
    steps: Mapping[Standing, Step]

    def step(self, now: datetime) -> Step | None:
        """What to do at this moment."""
        return self.steps.get(self.hours.at(now))

    def ways(self) -> Iterator[tuple[str, Step]]:
        """Each step, and what leads to it."""
        yield from self.steps.items()


@dataclass(frozen=True, slots=True)
class HttpStep:
    """A request to a service, and what follows from its answer."""

    request: Request
    fields: Mapping[str, str]
    headers_env: Mapping[str, str]
    keep: Mapping[str, str]
    changes: bool
    deadline_s: float
    filler: ScriptLine
    on_result: Step | None
    on_failed: Step | None
    on_status: Mapping[int, Step]

    def ways(self) -> Iterator[tuple[str, Step]]:
        """Each step, and what leads to it."""
        if self.on_result:
            yield "answered", self.on_result
        yield from ((f"status {status}", step) for status, step in self.on_status.items())
        if self.on_failed:
            yield "failed", self.on_failed

    def texts(self) -> tuple[str, ...]:
        """All that slots may stand in."""
        return (self.request.url, *self.fields.values())


@dataclass(frozen=True, slots=True)
class State:
    """One point of the dialogue, with the script's defaults filled in."""

    name: str
    say: tuple[ScriptLine, ...]
    ask: tuple[ScriptLine, ...]
    expect: str
    hints: tuple[str, ...]
    choices: Mapping[str, tuple[str, ...]]
    capture: str
    intents: tuple[tuple[Intent, Step], ...]
    digits: Mapping[str, Step]
    on_yes: Step | None
    on_no: Step | None
    on_answer: Step | None
    on_speech: Step | None
    no_input: tuple[ScriptLine, ...]
    not_understood: tuple[ScriptLine, ...]
    attempts: int
    sure_from: float
    """An answer that is less certain is read back, in these words, or asked for again."""
    read_back: tuple[ScriptLine, ...]
    give_up: Step | None
    onward: Step | None
    """What follows at once, without waiting for the caller."""
    transfer_failed: tuple[ScriptLine, ...] = ()
    on_transfer_failed: Step | None = None
    language: str = ""
    check: HoursCheck | Switch | HttpStep | None = None
    """What is looked at when the state is reached, instead of waiting for the caller."""

    @property
    def waits(self) -> bool:
        """Whether the caller is asked here."""
        return self.onward is None and self.check is None

    def checked(self) -> list[tuple[str, Step]]:
        """What may follow from what is looked at here."""
        return list(self.check.ways()) if self.check else []

    def expectation(self) -> Expect:
        """What the caller is about to answer, for the call."""
        return Expect(self.expect, self.hints, choices=dict(self.choices), keys=tuple(self.digits))

    def reads_back(self, doubt: Understood) -> bool:
        """Whether a doubtful answer is read back here; else it is asked for again."""
        return bool(self.read_back) and doubt.kind != "yes_no"

    def steps(self) -> Iterator[Step]:
        """Every step that can be taken from here."""
        yield from self.answers()
        yield from (step for _, step in self.checked())
        yield from (step for step in (self.give_up, self.onward, self.on_transfer_failed) if step)

    def answers(self) -> Iterator[Step]:
        """Every step that something the caller says or presses can lead to."""
        yield from (step for _, step in self.intents)
        yield from self.digits.values()
        yield from (step for step in (self.on_yes, self.on_no, self.on_answer, self.on_speech) if step)


@dataclass(frozen=True, slots=True)
class Script:
    """A dialogue that can run; `values` are the slots known from the beginning."""

    name: str
    start: str
    states: Mapping[str, State]
    values: Mapping[str, str]
    parameters: frozenset[str]
    warnings: tuple[str, ...] = ()
    transfers: Transfers = field(default_factory=Transfers)

    @property
    def size(self) -> str:
        """How much there is of it, in words."""
        states, lines = len(self.states), len(self.phrases())
        return f"{states} state{'s' * (states != 1)}, {lines} fixed line{'s' * (lines != 1)}"

    def phrases(self) -> list[FixedLine]:
        """Every line that is the same on each call, then those with slots, without repeats, in the order of the file.

        A line with slots is a template of speech: known values are filled in, `{phone:digits}` stays as `{digits}`.
        Where only the script itself fills the slots, its few versions are fixed lines in their turn, and no template.
        """
        fixed: dict[FixedLine, None] = {}
        templates: dict[FixedLine, None] = {}
        own = self._own_slots()
        for line in self._lines():
            unknown = {name for name in line.slots if name not in self.values}
            if not unknown:
                fixed[FixedLine(line.fill(self.values), line.voice)] = None
            elif not unknown <= own:
                templates[FixedLine(_as_template(line.text, self.values), line.voice)] = None
        return [*fixed, *templates]

    def _lines(self) -> Iterator[ScriptLine]:
        """Go through every line that may be said."""
        for state in self.states.values():
            said = [*state.say, *state.ask, *state.no_input, *state.not_understood]
            said += state.transfer_failed if any(step.transfer for step in state.steps()) else ()
            said += [line for step in state.steps() for line in step.say]
            said += [state.check.filler] if isinstance(state.check, HttpStep) else ()
            yield from (line for line in said if line.text)

    def _own_slots(self) -> set[str]:
        """Slots that never hold a caller's word: set by the script, out of what is its own."""
        texts: dict[str, list[str]] = {}
        foreign = {"from_number", "to_number", *self.parameters}
        for state in self.states.values():
            foreign.add(state.capture)
            foreign.update(state.check.keep if isinstance(state.check, HttpStep) else ())
            for intent, _ in state.intents:
                foreign.update(name for pattern in intent.patterns for name in pattern.groupindex)
            for step in state.steps():
                for name, text in step.set:
                    texts.setdefault(name, []).append(text)
        own = set(texts) - foreign
        while True:
            known = own | set(self.values)
            spoilt = {name for name in own if any(not known.issuperset(slots_of(text)) for text in texts[name])}
            if not spoilt:
                return own
            own -= spoilt


def _as_template(text: str, values: Mapping[str, str]) -> str:
    """A line with slots as a template: known values in place, and ways of reading out as the slot's name."""

    def slot(found: re.Match[str]) -> str:
        name, way = found[1], found[2]
        if name in values:
            return READ_OUT.get(way or "", str)(values[name])
        return f"{{{way or name}}}"

    return " ".join(_SLOT.sub(slot, text).split())
