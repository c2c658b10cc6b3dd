"""A dialogue script as its author writes it: the YAML file's keys, read with errors that point at the mistake.

A script is a set of states. A state says its lines, declares the answer it expects, and names what
comes next for each thing the caller may do:

    start: greeting
    intents:
      book: [book an appointment, make an appointment]
    states:
      greeting:
        say: Thank you for calling. How can I help you?
        when: {book: phone}
        digits: {"0": operator}
      phone:
        say: Please enter your telephone number.
        expect: digits:10
        capture: phone
        on_answer: {say: "I have {phone:digits}. Goodbye.", hang_up: done}
      operator:
        say: One moment please.
        transfer: "+15550100"
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable
from typing import Any, Literal, get_args

import msgspec
import yaml

from bridge import yaml_text
from bridge.agents.script_hours import HoursSpec
from bridge.agents.script_mistakes import Mistakes
from bridge.call.actions import Interruption
from bridge.variables import Variable


class LineSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A line with its own manners: `say: [{text: ..., interruption: protected}]`, or a pause."""

    text: str = ""
    pause_s: float = 0.0
    interruption: Interruption | None = None
    voice: str | None = None


Lines = str | LineSpec | list[str | LineSpec]
"""One line or several; `{slot}` stands for its value, `{slot:digits}` and `{slot:spelled}` read it out one by one."""


class StepSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What to do next: say something, remember something, and go on, leave the call or ask again."""

    say: Lines = ""
    set: dict[str, str] = {}
    goto: str = ""
    transfer: str = ""
    summary: str = ""
    """What whoever takes the caller over from a transfer is told first; it may name slots."""
    hang_up: str = ""
    """The reason written to the call's record, such as `done`."""
    repeat: bool = False
    """Say this state's lines again."""


Go = str | StepSpec
"""The name of a state, or the longer form."""


class IntentSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Ways to say one thing; see `bridge.understanding.phrases.Intent`."""

    phrases: list[str] = []
    words: list[list[str]] = []
    patterns: list[str] = []
    unless: list[str] = []


class HttpSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A request to a service while the caller waits; `{slot}` stands for its value, in the address and the fields."""

    url: str
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"] = "GET"
    fields: dict[str, str] = {}
    """Sent in the query (GET, DELETE), else as a JSON object."""
    headers: dict[str, str] = {}
    headers_env: dict[str, Variable] = {}
    """Headers whose values are secret: the header's name, and the environment variable with its value."""
    keep: dict[str, str] = {}
    """Slots, and where in the answer their values are: `{day: delivery.day, first: items.0.name}`."""
    changes: bool | None = None
    """Whether it changes the world; left out: every method but GET does. Then it is asked once the turn counts."""
    deadline_s: float = 5.0
    filler: str = "One moment, please."
    """Said when it takes longer than 700 ms."""
    on_status: dict[str, Go] = {}
    """What to do for a status such as 404; `on_failed` for all others that are no success."""


class StateSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One point of the dialogue."""

    say: Lines = ""
    ask: Lines = ""
    """The question in short, said again after a reprompt; the last line of `say` unless given."""
    interruption: Interruption | None = None
    language: str = ""
    """In which the call goes on from here, such as `de`; empty: as before."""
    expect: str = ""
    """One of `bridge.understanding.understand.ANSWERS`; guessed from the other keys unless given."""
    choices: dict[str, list[str]] = {}
    """What may be chosen, with other words for each: `{standard: [normal, the cheap one], express: [fast]}`."""
    hints: list[str] = []
    """Words that are likely in the answer, for the recogniser: names, products."""
    capture: str = ""
    """The slot that keeps the answer."""
    when: dict[str, Go] = {}
    """What to do for each intent."""
    digits: dict[str, Go] = {}
    """What to do for each key or sequence of keys."""
    on_yes: Go = ""
    on_no: Go = ""
    on_answer: Go = ""
    """For a complete answer of the expected kind."""
    on_speech: Go = ""
    """For any speech that nothing else fits, also when there is no recogniser to say what it was."""
    no_input: Lines = ""
    """Reprompts for silence: the first time, the second time, ..."""
    not_understood: Lines = ""
    attempts: int = 0
    """Failures in a row before `give_up`; 0 means the script's own number."""
    sure_from: float | None = None
    read_back: Lines = ""
    give_up: Go = ""
    goto: str = ""
    transfer: str = ""
    summary: str = ""
    """What whoever takes the caller over from a transfer is told first; it may name slots."""
    hang_up: str = ""
    http: HttpSpec | None = None
    """A request, made when the state is reached; then `on_result` or `on_failed`."""
    on_result: Go = ""
    on_failed: Go = ""
    """For no answer in time, and for a status that is no success."""
    hours: str = ""
    """The name of opening hours, looked at when the state is reached; then `open`, `closed` or `holiday`."""
    open: Go = ""
    closed: Go = ""
    holiday: Go = ""
    """What to do on a holiday; `closed` unless given."""
    switch: str = ""
    """A slot, whose value is looked at when the state is reached; then one of `cases`, or `otherwise`."""
    cases: dict[str, Go] = {}
    """What to do for each value, in small or capital letters."""
    otherwise: Go = ""
    on_transfer_failed: Go = ""
    """What to do when a transfer from here is not allowed, or nobody answers it."""


class ScriptSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The whole file. What a state leaves out is taken from here."""

    name: str = ""
    voice: str | None = None
    interruption: Interruption = "interruptible"
    start: str = "start"
    values: dict[str, str] = {}
    """Slots that are known from the beginning, such as the name of the business."""
    parameters: list[str] = []
    """Slots that are filled from the call's own parameters; empty when the call brings none."""
    intents: dict[str, list[str] | IntentSpec] = {}
    anywhere: dict[str, Go] = {}
    """Intents that are understood in every state, after the state's own."""
    anywhere_digits: dict[str, Go] = {}
    no_input: Lines = "Are you still there?"
    not_understood: Lines = "Sorry, I didn't get that."
    attempts: int = 3
    sure_from: float = 0.4
    """Confidence, of recogniser and reading together, from which an answer counts at once; half of it for yes and no.

    One that is less certain is read back, or asked for again, and counts when it is confirmed or given a second time.
    """
    read_back: Lines = ""
    """How a doubtful answer is read back: "I have {value}. Is that right?"; empty: it is asked for again."""
    give_up: Go = ""
    transfer_failed: Lines = "I'm sorry, I could not connect you."
    """Said when a transfer does not come about; then the last question is asked again."""
    on_transfer_failed: Go = ""
    """What to do instead."""
    hours: dict[str, HoursSpec] = {}
    """Opening hours by name; see `script_hours.py`."""
    states: dict[str, StateSpec] = {}


_LINES = frozenset({"say", "ask", "no_input", "not_understood", "transfer_failed"})
"""Keys that hold lines."""


class _Loader(yaml.BaseLoader):
    """Every scalar is text, so that `no`, `012` and `+1555` stay what was written; a key may not come twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen:
                    raise yaml.constructor.ConstructorError(
                        None, None, f"the key {key.value!r} is written twice", key.start_mark
                    )
                seen.add(key.value)
        return super().construct_mapping(node, deep)


Include = Callable[[str], str]
"""Gives the text of a file by the name that a script knows it by. Raises OSError and UnicodeDecodeError."""

_SHARED = ("values", "intents", "anywhere", "anywhere_digits", "hours", "states")
"""Keys whose entries may be spread over included files; everything else stands in the script itself."""
_MOST_INCLUDED = 32
_MOST_MISTAKES = 20
"""In one state, intent or other part of a file."""


def parse(text: str, mistakes: Mistakes, include: Include | None = None) -> ScriptSpec:
    """Read a script's YAML and what it includes. What is wrong is added to `mistakes`; the rest is returned."""
    parts = _read(text, "", mistakes)
    if parts is None:
        return ScriptSpec()
    _included(parts, mistakes, include)
    states = _section(parts, "states", StateSpec, "state", mistakes)
    intents = _section(parts, "intents", list[str] | IntentSpec, "intent", mistakes)
    spec = _convert(parts, ScriptSpec, "", mistakes) or ScriptSpec()
    return msgspec.structs.replace(spec, states=states, intents=intents)


def _read(text: str, file: str, mistakes: Mistakes) -> dict[str, Any] | None:
    """One file's mapping; None, with the mistake noted, where there is none."""
    try:
        node = yaml_text.compose(text, _Loader)  # a BaseLoader makes nothing but text, lists and mappings
        raw = yaml_text.construct(node, _Loader)
    except yaml.YAMLError as error:
        mistakes.unreadable(file, *yaml_text.problem(error))
        return None
    mistakes.lines.read(node, file)
    if not isinstance(raw, dict):
        expected = "expected a mapping with `start`, `intents` and `states`"
        mistakes.note(f"include {file!r}" if file else "the file", raw, expected)
        return None
    return dict(raw)


def _included(parts: dict[str, Any], mistakes: Mistakes, include: Include | None) -> None:
    """Put in what the files of `include` hold, and those that they include; no entry may come twice."""
    waiting, seen = _names(parts.pop("include", []), mistakes), set[str]()
    for file in waiting:  # grows
        if file in seen:
            continue
        seen.add(file)
        if include is None or len(seen) > _MOST_INCLUDED:
            mistakes.note("include", file, f"expected at most {_MOST_INCLUDED} files, beside a script that is a file")
            return
        try:
            text = include(file)
        except (OSError, UnicodeDecodeError) as error:
            mistakes.note("include", file, f"cannot be read: {getattr(error, 'strerror', None) or error}")
            continue
        theirs = _read(text, file, mistakes)
        if theirs is None:
            continue
        waiting += _names(theirs.pop("include", []), mistakes)
        _merge(parts, theirs, file, mistakes)


def _names(raw: Any, mistakes: Mistakes) -> list[str]:
    names = [raw] if isinstance(raw, str) else raw
    if isinstance(names, list) and all(isinstance(name, str) for name in names):
        return [name for name in names if name]
    mistakes.note("include", raw, "expected a list of files")
    return []


def _merge(parts: dict[str, Any], theirs: dict[str, Any], file: str, mistakes: Mistakes) -> None:
    where = f"include {file!r}"
    for key, entries in theirs.items():
        ours = parts.setdefault(key, {}) if key in _SHARED else None
        if ours is None:
            mistakes.append(f"{where}: {key!r}: expected only {', '.join(_SHARED)} and include in an included file")
        elif not isinstance(entries, dict) or not isinstance(ours, dict):
            mistakes.note(f"{where}, {key}", entries, "expected a mapping")
        else:
            for name in entries.keys() & ours.keys():
                mistakes.append(f"{where}, {key}: {name!r}: is there already")
            parts[key] = {**entries, **ours}


def _section(parts: dict[str, Any], key: str, kind: Any, noun: str, mistakes: Mistakes) -> dict[str, Any]:
    """Read a mapping entry by entry, so that one bad entry names itself and spoils no other."""
    raw = parts.pop(key, {})
    if not isinstance(raw, dict):
        mistakes.note(key, raw, f"expected a mapping from the name of each {noun} to what it is")
        return {}
    # Whoever leads to a state or intent of mistakes makes none, nor does an intent of which mistakes left nothing.
    stands_in = StateSpec() if kind is StateSpec else IntentSpec(phrases=[noun])
    read = {}
    for name, entry in raw.items():
        known = len(mistakes)
        spec = _convert(entry, kind, f"{noun} {name!r}", mistakes)
        spoilt = len(mistakes) > known and spec in (IntentSpec(), [])
        read[str(name)] = stands_in if spec is None or spoilt else spec
    return read


def _convert(raw: Any, kind: Any, where: str, mistakes: Mistakes) -> Any:
    """Turn raw YAML into a structure; every mistake is noted, and what is wrong is taken out of `raw` to find the next.

    None where nothing is left that fits.
    """
    if raw == "" and kind is StateSpec:
        raw = {}
    told: set[str] = set()
    for _ in range(_MOST_MISTAKES):
        try:
            return msgspec.convert(raw, kind, strict=False)
        except msgspec.ValidationError as error:
            message, _, path = str(error).partition(" - at `")
            steps = re.findall(r"\w+|\.\.\.", path)
            unknown = re.search(r"unknown field `(.*)`", message)
            key = unknown[1] if unknown else ""
            place = ", ".join(part for part in (where, _place(steps)) if part) or "the file"
            if unknown:
                known = _keys_at(kind, steps)
                near = difflib.get_close_matches(key, known, n=1)
                hint = f"did you mean {near[0]!r}?" if near else f"known keys are {', '.join(sorted(known))}"
                mistakes.append(f"{place}: unknown key {key!r}; {hint}")
            else:
                if place not in told:  # else what stands in for it does not fit either
                    found = _value_at(raw, steps, "")
                    instead = yaml_text.remedy(found, message.split(", got ")[0])
                    mistakes.note(place, found, _expected(message, steps) + (f": {instead}" if instead else ""))
                steps = steps[:-1] if place in told else steps
                told.add(place)
            if not _take_out(raw, steps, key):
                return None
    return None


def _expected(message: str, steps: list[str]) -> str:
    """What msgspec says of a value, as the script's author knows it."""
    wanted, _, _ = message.partition(", got ")
    if wanted.startswith("Expected "):
        return f"expected {yaml_text.in_words(wanted.removeprefix('Expected '))}"
    if wanted.startswith("Object missing required field"):
        return f"expected `{wanted.split('`')[1]}` in it"
    if wanted.startswith("Invalid enum value") and steps:
        structs: tuple[type[msgspec.Struct], ...] = (LineSpec, StateSpec, ScriptSpec, HttpSpec)
        fields = [field for one in structs for field in msgspec.structs.fields(one) if field.name == steps[-1]]
        choices = [choice for kind in (fields[0].type, *get_args(fields[0].type)) for choice in get_args(kind)]
        return f"expected one of {', '.join(str(one) for one in dict.fromkeys(choices) if isinstance(one, str))}"
    return wanted[0].lower() + wanted[1:]


def _take_out(raw: Any, steps: list[str], key: str) -> bool:
    """Remove a key, or without one the value at this place; whether it was found."""
    if not key:
        if not steps or steps[-1] == "...":
            return False
        *steps, key = steps
    holder = _value_at(raw, steps, key)
    if isinstance(holder, dict) and key in holder:
        del holder[key]
        return True
    if isinstance(holder, list) and key.isdigit() and int(key) < len(holder) and holder[int(key)] != "":
        holder[int(key)] = ""  # the numbers of the other lines stay as they are written
        return True
    return False


def _place(steps: list[str]) -> str:
    """A path for people: `say, line 2, interruption`."""
    return ", ".join(f"line {int(step) + 1}" if step.isdigit() else step for step in steps if step != "...")


def _value_at(raw: Any, steps: list[str], key: str) -> Any:
    """The raw value that a path leads to, as far as it can be followed.

    Where the path does not say which entry of a mapping it means (`...`), the first one holding `key` is taken.
    """
    for step in steps:
        if isinstance(raw, list) and step.isdigit():
            raw = raw[int(step)]
        elif isinstance(raw, dict) and step in raw:
            raw = raw[step]
        elif isinstance(raw, dict) and step == "..." and key:
            raw = next((entry for entry in raw.values() if isinstance(entry, dict) and key in entry), raw)
    return raw


def _keys_at(kind: Any, steps: list[str]) -> set[str]:
    """Keys that a mapping at this place may have."""
    if not steps:
        kind = kind if isinstance(kind, type) else IntentSpec
    else:
        kind = LineSpec if steps[-1].isdigit() or steps[-1] in _LINES else StepSpec
    return {field.name for field in msgspec.structs.fields(kind)}
