"""What a prompt's words mean as the answer that was asked for: the one place for scripts, chat models and services."""

from __future__ import annotations

import datetime

from bridge.understanding.calendar_days import Day


def today() -> Day:
    """Return the day that it is, on the machine's own calendar."""
    now = datetime.date.today()
    return Day(now.year, now.month, now.day)
