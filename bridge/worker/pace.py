"""How hard pressed an engine is: the part of its time that goes into work that could not wait, and its batches."""

from __future__ import annotations

import math
from dataclasses import dataclass

_MEMORY_S = 1.0
"""What lies further back than this hardly counts."""


@dataclass(slots=True)
class Pace:
    """Averages over the last second or so, each step forgotten as time goes by."""

    _pressed: float = 0.0
    _at: float = 0.0
    _steps: float = 0.0
    _jobs: float = 0.0

    def ran(self, took_s: float, jobs: int, *, urgent: bool, now: float) -> None:
        """A step of so many jobs took so long and is done now; `urgent`: somebody would soon have run dry."""
        self._pressed = self.pressed(now) + (1.0 - math.exp(-took_s / _MEMORY_S) if urgent else 0.0)
        self._at = now
        keep = math.exp(-took_s / _MEMORY_S)
        self._steps = self._steps * keep + 1
        self._jobs = self._jobs * keep + jobs

    def pressed(self, now: float) -> float:
        """0..1: the part of the last second in which the engine did what could not wait."""
        return self._pressed * math.exp((self._at - now) / _MEMORY_S)

    @property
    def mean_batch(self) -> float:
        """The mean number of streams in a step."""
        return self._jobs / self._steps if self._steps else 0.0
