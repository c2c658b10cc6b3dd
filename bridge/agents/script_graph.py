"""A script as a graph: who can get where by what. `script_drawing.py` draws it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from bridge.agents.script_check import reachable
from bridge.agents.script_states import Script, State, Step
from bridge.understanding.phrases import Intent

EndKind = Literal["hang up", "transfer"]


@dataclass(frozen=True, slots=True)
class Way:
    """One way through a script: from a state, by what happens, to a state or an end of the call."""

    source: str
    target: str
    by: str
    end: EndKind | None = None
    """None: `target` is a state."""


def ways(script: Script) -> list[Way]:
    """Every way from every state, in the order of the file."""
    return [way for state in script.states.values() for way in _ways_from(state)]


def without_end(script: Script) -> list[str]:
    """Names of reachable states from which no way leads to the end of the call, whatever the caller does."""
    leads: dict[str, set[str]] = {name: set() for name in script.states}
    ends = set()
    for way in ways(script):
        if way.end is not None:
            ends.add(way.source)
        elif way.target in leads:
            leads[way.source].add(way.target)
    while True:
        more = {name for name, targets in leads.items() if name not in ends and targets & ends}
        if not more:
            found = reachable(script)
            return [name for name in script.states if name not in ends and name in found]
        ends |= more


def _ways_from(state: State) -> Iterator[Way]:
    for intent, step in state.intents:
        yield from _way(state, step, f"says {_wording(intent)}")
    for keys, step in state.digits.items():
        yield from _way(state, step, f"presses {keys}")
    for by, step in state.checked():
        yield from _way(state, step, by)
    named: tuple[tuple[str, Step | None], ...] = (
        ("yes", state.on_yes),
        ("no", state.on_no),
        (state.expect if state.expect != "open" else "answers", state.on_answer),
        ("anything else", state.on_speech),
        ("gives up", state.give_up),
        ("", state.onward),
        ("transfer failed", state.on_transfer_failed if any(step.transfer for step in state.steps()) else None),
    )
    for by, named_step in named:
        if named_step is not None:
            yield from _way(state, named_step, by)


def _wording(intent: Intent) -> str:
    """The first of the ways in which a caller may say it."""
    for words in (*intent.phrases, *intent.word_sets):
        return " ".join(words)
    return next((pattern.pattern for pattern in intent.patterns), "...")


def _way(state: State, step: Step, by: str) -> Iterator[Way]:
    if step.goto:
        yield Way(state.name, step.goto, by)
    elif step.transfer:
        yield Way(state.name, step.transfer, by, "transfer")
    elif step.hang_up:
        yield Way(state.name, step.hang_up, by, "hang up")
    else:
        yield Way(state.name, state.name, by)
