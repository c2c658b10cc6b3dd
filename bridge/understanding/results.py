"""What was recognised, and what was understood of it. Data only."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

Value = bool | int | float | str

CERTAIN, LIKELY, FAIR, POOR = 0.95, 0.8, 0.6, 0.45
"""How far a reading is to be trusted: nothing else fits; an unusual way to say it; something was guessed at or passed
over; a stretch."""
LEAST = 0.4
"""A reading that is trusted less is not understood."""


PARTS: dict[str, tuple[str, ...]] = {
    "digits": ("extension",), "phone": ("extension",), "amount": ("currency",), "time": ("half_of_day",),
    "date": ("year",), "name": ("spelled",), "spelling": ("spelled",),
}  # fmt: skip
"""What may belong to a value of a kind."""


class Hypothesis(NamedTuple):
    """One thing that a recogniser may have heard, and how sure it is of it, 0..1."""

    text: str
    confidence: float = 1.0


class Interpretation(NamedTuple):
    """What one kind makes of one text, if the text is right."""

    value: Value
    confidence: float
    parts: dict[str, str] = {}  # noqa: RUF012  (never changed)


class Understood(msgspec.Struct, frozen=True):
    """A value that the caller gave, and how far it is to be trusted."""

    kind: str
    """The kind of answer: `yes_no`, `digits`, `phone`, `number`, `amount`, `date`, `time`, `name`, `spelling`, `email`
    or `choice`."""
    value: Value
    """`yes_no`: a truth value; `number`: a number; else a text: `2026-03-04`, `14:30`, `45.20`, `+15551234567`."""
    confidence: float
    """0..1, of recogniser and reading together."""
    parts: dict[str, str] = {}
    """What belongs to it and is no part of the value: `extension`, `currency`, `half_of_day`, `spelled`."""

    @property
    def text(self) -> str:
        """The value as text; `yes` or `no` for a truth value."""
        if isinstance(self.value, bool):
            return "yes" if self.value else "no"
        return str(self.value)
