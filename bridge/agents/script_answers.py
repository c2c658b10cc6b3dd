"""What an answer means in a state of a script: which step follows, and which slots it fills."""

from __future__ import annotations

import msgspec

from bridge.agents.answers import understood_as
from bridge.agents.script_memory import ScriptMemory
from bridge.agents.script_states import State, Step
from bridge.call.actions import Prompt
from bridge.understanding.phrases import normalise
from bridge.understanding.results import PARTS, Understood

_AFTER_INTENTS = ("open", "yes_no", "spelling", "name")
"""Kinds of answers that an intent's words come before."""
_KEYED = ("digits", "phone", "number")
"""Kinds of answers that can be given by keys."""
_SHARE_OF_YES_NO = 0.5
"""How much less certain a yes or a no may be: there are only two, and a lone word is heard badly."""


def step_for_speech(state: State, prompt: Prompt, memory: ScriptMemory) -> Step | None:
    """Find the step that these words ask for, and keep what they tell; None when they fit nothing.

    Words whose value is in doubt lead nowhere yet: the doubt is remembered until it is confirmed, given again, or
    replaced by something else.
    """
    words = normalise(prompt.text)
    before, memory.doubt = memory.doubt, None
    if not words:
        return state.on_speech
    asked = before is not None and state.reads_back(before)
    confirmed = understood_as(prompt, "yes_no", {}) if asked else None
    if before and confirmed and confirmed.value is True:
        return _counts(state, before, memory)
    step = (
        _answered(state, prompt, memory)
        or _wanted(state, words, memory)
        or _decided(state, prompt, memory)
        or _kept(state, prompt, memory)
    )
    doubt: Understood | None = memory.doubt
    if step is None and before and doubt and doubt.value == before.value:
        step = _counts(state, doubt, memory)  # whoever says the same again means it
    if step is not None:
        memory.doubt = None
        return step
    if asked and doubt is None and confirmed is None:
        memory.doubt = before  # neither a yes nor a no, nor another value
    return None if asked or doubt else state.on_speech


def _counts(state: State, found: Understood, memory: ScriptMemory) -> Step | None:
    """Take a value for certain, and find the step that follows it."""
    sure = msgspec.structs.replace(found, confidence=1.0)
    return _decision(state, sure, memory) if found.kind == "yes_no" else _capture(state, sure, memory)


def _understood(state: State, prompt: Prompt, answer: str = "") -> Understood | None:
    """The value of what was said, as an answer of the kind that the state expects."""
    return understood_as(prompt, answer or state.expect, state.choices)


def _answered(state: State, prompt: Prompt, memory: ScriptMemory) -> Step | None:
    """An answer of a form that hardly anything else has: digits, a date, an e-mail address, a choice."""
    kind = state.expect.partition(":")[0]
    if kind in _AFTER_INTENTS:
        return None
    if kind == "digits" and (keys := _understood(state, prompt, "digits")) and keys.text in state.digits:
        return state.digits[keys.text]
    found = _understood(state, prompt)
    return None if found is None else _capture(state, found, memory)


def _wanted(state: State, words: tuple[str, ...], memory: ScriptMemory) -> Step | None:
    """The step of the intent that fits best; the earlier one where two fit equally well."""
    best_score = 0.0
    best: Step | None = None
    captured: dict[str, str] = {}
    for intent, step in state.intents:
        match = intent.match(words)
        if match and match.score > best_score:
            best_score, best, captured = match.score, step, match.captured
    for name, value in captured.items():
        memory.keep(name, value)
    return best


def _decided(state: State, prompt: Prompt, memory: ScriptMemory) -> Step | None:
    """Yes or no, where the state asked for it."""
    if state.on_yes is None and state.on_no is None and state.expect != "yes_no":
        return None
    found = _understood(state, prompt, "yes_no")
    return None if found is None else _decision(state, found, memory)


def _decision(state: State, found: Understood, memory: ScriptMemory) -> Step | None:
    """The step that follows a yes or a no, unless that is in doubt."""
    if found.confidence < _SHARE_OF_YES_NO * state.sure_from:
        memory.doubt = found
        return None
    step = (state.on_yes if found.value else state.on_no) or state.on_answer
    if step and state.capture:
        memory.keep(state.capture, found.text)
    return step


def _kept(state: State, prompt: Prompt, memory: ScriptMemory) -> Step | None:
    """A name or a spelling, or free speech as it is."""
    if state.expect in ("spelling", "name"):
        found = _understood(state, prompt)
        return None if found is None else _capture(state, found, memory)
    if state.expect != "open" or not prompt.text.strip() or state.on_answer is None:
        return None
    if state.capture:
        memory.keep(state.capture, prompt.text.strip())
    return state.on_answer


def _capture(state: State, found: Understood, memory: ScriptMemory) -> Step | None:
    """Keep an answer and its parts (`phone_extension` beside `phone`); the step that follows it, unless in doubt."""
    if state.on_answer is None:
        return None
    if found.confidence < state.sure_from:
        memory.doubt = found
        return None
    if state.capture:
        memory.keep(state.capture, found.text)
        for part in PARTS.get(found.kind, ()):
            memory.keep(f"{state.capture}_{part}", found.parts.get(part, ""))
    return state.on_answer


def step_for_digits(state: State, keys: str, memory: ScriptMemory) -> Step | None:
    """Find the step for keys that were pressed; `#` at the end only says that the caller is done."""
    memory.doubt = None
    if keys in state.digits:
        return state.digits[keys]
    digits = keys.rstrip("#")
    if digits in state.digits:
        return state.digits[digits]
    kind, _, count = state.expect.partition(":")
    if kind in _KEYED and digits.isascii() and digits.isdecimal() and (not count or len(digits) == int(count)):
        return _capture(state, Understood(kind, digits, 1.0), memory)
    return None
