"""What comes at once is not done at once: a few pieces in each turn of the loop, so that calls have theirs in between.

Hundreds of connections can be opened, and say something, at the same moment. Each costs the loop little, but all of
them one after the other would hold it for longer than a caller's sound lasts.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

MOST_PER_TURN = 4
"""A request costs 0.3 ms to refuse, the dearest one about 3 ms."""
PER_S = 1000.0
"""So many may be done after turns that were long themselves: a busy loop is no reason to leave new callers waiting."""


class Turns:
    """Does work in the order in which it comes, `MOST_PER_TURN` pieces in one turn of the running loop, or `PER_S`."""

    def __init__(self) -> None:
        self._waiting: deque[Callable[[], None]] = deque()
        self._left = MOST_PER_TURN
        self._next: asyncio.Handle | None = None
        self._since = 0.0

    def do(self, work: Callable[[], None]) -> None:
        """Do this now, or in one of the next turns where enough is done in this one."""
        if self._next is None:
            self._soon()
        if self._waiting or not self._left:
            self._waiting.append(work)
        else:
            self._left -= 1
            work()

    def _soon(self) -> None:
        loop = asyncio.get_running_loop()
        self._since, self._next = loop.time(), loop.call_soon(self._turn)

    def _turn(self) -> None:
        passed_s = asyncio.get_running_loop().time() - self._since
        self._left, self._next = max(MOST_PER_TURN, int(passed_s * PER_S)), None
        if self._waiting:
            self._soon()
        while self._waiting and self._left:
            self._left -= 1
            self._waiting.popleft()()
