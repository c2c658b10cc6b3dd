"""What each key of the speech API has in use, in all processes of one port together.

Every process writes its own cells alone and reads those of all: no lock, which a process that is killed or stopped
could keep. What a process had in use that died is forgotten when another takes its place. Time is that of
`time.monotonic`, which the processes of a machine share.
"""

from __future__ import annotations

import math
from collections.abc import MutableSequence

_STREAMS, _SOCKETS, _LEVEL, _AT, _CELLS = range(5)
_MINUTE_S = 60.0


def cells_needed(keys: int, processes: int) -> int:
    """How many numbers `KeyUse` needs for so many keys and processes."""
    return keys * processes * _CELLS


class KeyUse:
    """The use of all keys, by their numbers. `cells` are shared by all processes; without them there is but one.

    The rate is a count that fades: of a request there is 1 at once, 0.37 after a minute, and so on. At a steady rate
    it comes to the requests of a minute.
    """

    def __init__(self, keys: int, cells: MutableSequence[float] | None = None, place: int = 0) -> None:
        size = keys * _CELLS
        self._cells = [0.0] * size if cells is None else cells
        self._own = place * size
        self._starts = range(0, len(self._cells), size) if size else range(0)
        for cell in range(size):
            self._cells[self._own + cell] = 0.0

    def streams(self, key: int) -> int:
        """Streams of a key that are being spoken."""
        return self._sum(key, _STREAMS)

    def sockets(self, key: int) -> int:
        """Sockets of a key that are open."""
        return self._sum(key, _SOCKETS)

    def stream(self, key: int, by: int) -> None:
        """One begins (1) or is over (-1) in this process."""
        self._cells[self._own + key * _CELLS + _STREAMS] += by

    def socket(self, key: int, by: int) -> None:
        """One is opened (1) or closed (-1) in this process."""
        self._cells[self._own + key * _CELLS + _SOCKETS] += by

    def requests(self, key: int, now: float) -> float:
        """The requests of a key about now, as they fade."""
        return sum(self._faded(start + key * _CELLS, now) for start in self._starts)

    def request(self, key: int, now: float) -> None:
        """Count a request that this process takes."""
        cell = self._own + key * _CELLS
        self._cells[cell + _LEVEL], self._cells[cell + _AT] = self._faded(cell, now) + 1.0, now

    def _sum(self, key: int, what: int) -> int:
        return round(sum(self._cells[start + key * _CELLS + what] for start in self._starts))

    def _faded(self, cell: int, now: float) -> float:
        return self._cells[cell + _LEVEL] * math.exp(-max(now - self._cells[cell + _AT], 0.0) / _MINUTE_S)


def seconds_until(level: float, wanted: float) -> float:
    """How long a count takes to fade to this."""
    return _MINUTE_S * math.log(level / wanted) if level > wanted > 0.0 else 0.0 if wanted else _MINUTE_S
