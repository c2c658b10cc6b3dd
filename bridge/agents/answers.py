"""What a prompt's words mean as the answer that was asked for: the one place for scripts, chat models and services."""

from __future__ import annotations

import datetime

import msgspec

from bridge.call.actions import Prompt
from bridge.text.readback import FORMATS, read_back
from bridge.understanding.calendar_days import Day
from bridge.understanding.choice import Choices
from bridge.understanding.results import Hypothesis, Understood
from bridge.understanding.understand import understand

_WAYS = {"spelling": "spelled", "name": "", "time": "", "number": "", "choice": ""}
"""How values are read back whose kind is no format of that name."""


def said_back(found: Understood, language: str) -> str:
    """A value in the words in which it is read back to the caller."""
    way = _WAYS.get(found.kind, found.kind)
    try:
        return read_back(found.text, way, language or "en-US") if way in FORMATS else found.text
    except KeyError:  # a language that is recognised and that we have no words of
        return found.text


def today() -> Day:
    """Return the day that it is, on the machine's own calendar."""
    now = datetime.date.today()
    return Day(now.year, now.month, now.day)


def understood(prompt: Prompt) -> Understood | None:
    """The value of what the caller said, of the kind that was declared (`Prompt.answer`); None: not understood."""
    if prompt.kind not in ("caller_said", "digits"):
        return None
    return understood_as(prompt, prompt.answer, prompt.choices)


def understood_as(prompt: Prompt, answer: str, choices: Choices) -> Understood | None:
    """The value of what the caller said as an answer of another kind; every reading of the recogniser is tried."""
    readings = [Hypothesis(*msgspec.structs.astuple(reading)) for reading in prompt.readings]
    return understand(readings or [Hypothesis(prompt.text)], answer, prompt.language, choices=choices, today=today())
