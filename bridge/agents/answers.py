"""What a prompt's words mean as the answer that was asked for: the one place for scripts, chat models and services."""

from __future__ import annotations

import datetime

from bridge.call.actions import Prompt
from bridge.understanding.calendar_days import Day
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
    return understand([Hypothesis(prompt.text)], prompt.answer, prompt.language, choices=prompt.choices, today=today())
