"""What a prompt's words mean as the answer that was asked for: the one place for scripts, chat models and services."""

from __future__ import annotations

import datetime

import msgspec

from bridge.call.actions import Prompt
from bridge.understanding.calendar_days import Day
from bridge.understanding.choice import Choices
from bridge.understanding.results import Hypothesis, Understood
from bridge.understanding.understand import understand


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
