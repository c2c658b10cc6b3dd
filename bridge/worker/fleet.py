"""Speech workers that come and go: which of them are there, and how many are wanted. Pure; time is passed in, in
seconds.

A worker that serves a fleet says again and again that it is there; one that has not said so for `LEASE_S` is gone. What
it says besides, its streams and its headroom, decides how large the fleet should be.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

LEASE_S = 5.0
FOUND_S = 5.0
"""Bridges, which look every two seconds, have found and reached a worker so long after its name is told."""
ANNOUNCE_S = 1.0
"""A worker says this often that it is there."""


class WorkerLoad(NamedTuple):
    """What one worker has to do."""

    streams: float
    headroom: float
    """0 (one more caller would be refused) .. 1 (idle)."""


def workers_wanted(loads: Sequence[WorkerLoad], streams_per_worker: float, most_used: float) -> int:
    """How many workers a fleet with this load needs: no more streams and no more use on each than this, on average.

    `most_used` is between 0 and 1, the use that leaves room for those who come while another worker starts.
    """
    streams = sum(load.streams for load in loads) / streams_per_worker
    used = sum(1.0 - min(max(load.headroom, 0.0), 1.0) for load in loads) / most_used
    return max(1, math.ceil(max(streams, used) - 1e-9))


@dataclass(slots=True)
class Leases:
    """The addresses of those who have said lately that they are there.

    `complete_at` is when everybody who was there before must have said so again: whoever keeps these leases may be new.
    """

    started_at: float
    _until: dict[str, float] = field(default_factory=dict)

    @property
    def complete_at(self) -> float:
        """Return from when on an address that is not here belongs to nobody."""
        return self.started_at + LEASE_S

    def renew(self, address: str, now: float) -> None:
        """Note that a worker at this address takes new streams."""
        self._until[address] = now + LEASE_S

    def withdraw(self, address: str) -> None:
        """Note that a worker takes no new streams any more."""
        self._until.pop(address, None)

    def addresses(self, now: float) -> list[str]:
        """The addresses of all workers that take new streams, in a fixed order."""
        self._until = {address: until for address, until in self._until.items() if until > now}
        return sorted(self._until)
