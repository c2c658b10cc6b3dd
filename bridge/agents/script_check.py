"""What can be wrong with a script as a whole: ways that lead nowhere, for ever round, or to an unfilled slot."""

from __future__ import annotations

import difflib
from collections.abc import Iterator

from bridge.agents.script_states import HttpStep, Script, ScriptLine, State, Step, Switch, slots_of
from bridge.understanding.results import PARTS

_CALL_SLOTS = frozenset({"from_number", "to_number"})
"""Slots that every call fills by itself."""


def find_mistakes(script: Script) -> list[str]:
    """Reasons not to run this script."""
    return [*_unknown_states(script), *_dead_ends(script), *_endless(script), *_unknown_slots(script)]


def find_oddities(script: Script) -> list[str]:
    """What can run but is hardly meant: states that no way leads to, empty slots, answers nobody confirms."""
    return [*_unreachable(script), *_unset_slots(script), *_not_read_back(script)]


def reachable(script: Script) -> set[str]:
    """Names of the states that some way leads to."""
    seen: set[str] = set()
    open_ends = [script.start]
    while open_ends:
        name = open_ends.pop()
        if name not in seen and name in script.states:
            seen.add(name)
            open_ends += [step.goto for step in script.states[name].steps() if step.goto]
    return seen


def _unknown_states(script: Script) -> Iterator[str]:
    if script.states and script.start not in script.states:
        yield f"start: {script.start!r}: {_no_such_state(script, script.start)}"
    for state in script.states.values():
        targets = {step.goto: None for step in state.steps() if step.goto and step.goto not in script.states}
        for target in targets:
            yield f"state {state.name!r}: goes to {target!r}: {_no_such_state(script, target)}"


def _no_such_state(script: Script, name: str) -> str:
    near = difflib.get_close_matches(name, script.states, n=1)
    return (
        f"there is no such state; did you mean {near[0]!r}?"
        if near
        else (f"there is no such state; the states are {', '.join(script.states)}")
    )


def _dead_ends(script: Script) -> Iterator[str]:
    for state in script.states.values():
        own = [step for step in state.steps() if step is not state.give_up and step is not state.on_transfer_failed]
        if not own:
            yield (
                f"state {state.name!r}: nothing leads on from here; "
                "expected when, digits, on_yes, on_no, on_answer, on_speech, goto, http, hours, switch, transfer "
                "or hang_up"
            )
        if not state.say and state.waits:
            yield f"state {state.name!r}: say: nothing: a state that waits for the caller must say something first"
        if state.capture and not state.on_answer:
            yield f"state {state.name!r}: capture: {state.capture!r}: expected on_answer, which says where to go then"


def _endless(script: Script) -> Iterator[str]:
    """Rings of states that never wait for the caller, whatever is looked up on the way."""
    told: set[str] = set()
    for first in sorted(script.states):
        ring = _ring(script, first)
        if ring and not told & set(ring):
            told |= set(ring)
            yield f"state {first!r}: goto {' -> '.join([*ring, first])} never waits for the caller"


def _ring(script: Script, first: str) -> list[str]:
    """The states from this one back to itself without the caller; the shortest way."""
    ways: dict[str, list[str]] = {first: [first]}
    queue = [first]
    for name in queue:
        state = script.states.get(name)
        if state is None:
            continue
        steps = [step for _, step in state.checked()] + ([state.onward] if state.onward else [])
        for target in (step.goto for step in steps if step.goto):
            if target == first:
                return ways[name]
            if target not in ways:
                ways[target] = [*ways[name], target]
                queue.append(target)
    return []


def _said_in(state: State) -> Iterator[ScriptLine]:
    yield from (*state.say, *state.ask, *state.no_input, *state.not_understood)
    for step in state.steps():
        yield from step.say


def _fills(state: State, step: Step) -> set[str]:
    """Slots that are filled by taking this step."""
    filled = {name for name, _ in step.set}
    if isinstance(state.check, HttpStep) and step is state.check.on_result:
        filled |= state.check.keep.keys()
    if state.capture and any(step is answer for answer in (state.on_answer, state.on_yes, state.on_no)):
        filled.add(state.capture)
        filled |= {f"{state.capture}_{part}" for part in PARTS.get(state.expect.partition(":")[0], ())}
    for intent, then in state.intents:
        if then is step:
            filled |= {name for pattern in intent.patterns for name in pattern.groupindex}
    return filled


def _given(script: Script) -> set[str]:
    return set(script.values) | script.parameters | _CALL_SLOTS


def _unknown_slots(script: Script) -> Iterator[str]:
    filled = _given(script)
    for state in script.states.values():
        for step in state.steps():
            filled |= _fills(state, step)
    for state in script.states.values():
        said = [line.text for line in _said_in(state)]
        said += [line.text for line in state.transfer_failed]
        said += [text for step in state.steps() for text in (step.transfer, step.summary) if text]
        said += [value for step in state.steps() for _, value in step.set]
        said += state.check.texts() if isinstance(state.check, HttpStep) else ()
        said += [f"{{{state.check.slot}}}"] if isinstance(state.check, Switch) else ()
        unknown = {name: text for text in said for name in slots_of(text) if name not in filled}
        for name, text in unknown.items():
            near = difflib.get_close_matches(name, filled, n=1)
            hint = f"did you mean {near[0]!r}?" if near else "expected a slot of values, parameters, set or capture"
            yield f"state {state.name!r}: {text!r}: nothing fills the slot {name!r}; {hint}"


def _unreachable(script: Script) -> Iterator[str]:
    found = reachable(script)
    for name in script.states:
        if name not in found:
            yield f"state {name!r}: no way leads here"


def _unset_slots(script: Script) -> Iterator[str]:
    """Slots spoken in a state that some way reaches before they are filled."""
    known = _filled_on_every_way(script)
    for name, filled in known.items():
        state = script.states[name]
        lines = dict.fromkeys((*state.say, *state.ask, *state.no_input, *state.not_understood))
        for line in lines:
            for slot in line.slots:
                if slot not in filled:
                    yield f"state {name!r}: {line.text!r}: {slot!r} may still be empty here"


_MISHEARD = ("phone", "email", "name", "spelling", "date", "time", "amount")
"""Kinds of answers that a recogniser gets wrong so often that callers want to hear what was understood."""


def _not_read_back(script: Script) -> Iterator[str]:
    """Answers that are kept, and that no line ever says back to the caller."""
    said = {slot for state in script.states.values() for line in _said_in(state) for slot in line.slots}
    for name, state in script.states.items():
        if state.capture and state.capture not in said and state.expect.partition(":")[0] in _MISHEARD:
            yield f"state {name!r}: capture: {state.capture!r}: no line says it back, so that nobody can correct it"


def _filled_on_every_way(script: Script) -> dict[str, set[str]]:
    """For each reachable state the slots that are filled whichever way led there."""
    known: dict[str, set[str]] = {script.start: _given(script)}
    changed = [script.start]
    while changed:
        state = script.states[changed.pop()]
        for step in state.steps():
            if not step.goto:
                continue
            after = known[state.name] | _fills(state, step)
            before = known.get(step.goto)
            if before is None or not before <= after:
                known[step.goto] = after if before is None else before & after
                changed.append(step.goto)
    return known
