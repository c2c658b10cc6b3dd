"""Calls that have left their media stream, and whose carrier has yet to be told what comes next.

A process that is about to stop keeps its port for them: without an answer to the carrier's webhook after the stream the
caller would hear nothing, or the carrier's own error message, instead of the end that was meant for them. The same goes
for those who are being transferred, as long as nobody has answered: they may be back in a moment.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

RINGS_S = 35.0
"""By then a transfer was answered, or its failure was reported: carriers let a party ring for 30 s."""


class Departures:
    """Who is still owed an answer: each for at most `patience_s` after leaving, or `RINGS_S` while a transfer rings."""

    def __init__(self, patience_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._patience_s = patience_s
        self._clock = clock
        self._until: dict[str, float] = {}
        self._ringing: dict[str, float] = {}
        self._change = asyncio.Event()

    def leaves(self, key: str) -> None:
        """We have ended this call's stream, or are about to."""
        self._until = self._still(self._until)
        self._until[key] = self._clock() + self._patience_s

    def told(self, key: str) -> None:
        """The carrier knows what comes next for this call."""
        self._until.pop(key, None)
        self._change.set()

    def rings(self, key: str, longest_s: float = RINGS_S) -> None:
        """The carrier rings somebody for this call, and asks us what to do when they do not answer."""
        self._ringing = self._still(self._ringing)
        self._ringing[key] = self._clock() + longest_s

    def rang(self, key: str) -> None:
        """The carrier has told us how that ended, or has said that the call is over."""
        self._ringing.pop(key, None)

    @property
    def ringing(self) -> int:
        """How many calls may come back from a transfer that nobody has answered yet."""
        self._ringing = self._still(self._ringing)
        return len(self._ringing)

    def _still(self, times: dict[str, float]) -> dict[str, float]:
        now = self._clock()
        return {call: until for call, until in times.items() if until > now}

    @property
    def waiting_s(self) -> float:
        """How long the last of those who wait may still take; 0 when nobody waits."""
        return max((until - self._clock() for until in self._until.values()), default=0.0)

    async def all_told(self) -> bool:
        """Wait until nobody waits any more; False when somebody was waited for in vain."""
        while self._until:
            waiting_s = self.waiting_s
            if waiting_s <= 0.0:
                return False
            self._change.clear()
            try:
                async with asyncio.timeout(waiting_s):
                    await self._change.wait()
            except TimeoutError:
                pass
        return True
