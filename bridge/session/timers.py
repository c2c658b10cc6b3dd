"""One timer wheel per process: every call's next wake-up on a common grid, behind a single loop timer."""

from __future__ import annotations

import asyncio
import heapq
import logging
import math
import time
from collections.abc import Callable

logger = logging.getLogger(__name__)

GRID_S = 0.005
"""Wake-ups within one grid step share a turn of the loop. A frame is 20 ms, so a quarter of one is never heard."""
_FIRING = -1


class Timer:
    """One owner's next wake-up; `TimerWheel.set` moves it."""

    __slots__ = ("_slot", "callback")

    def __init__(self, callback: Callable[[], None]) -> None:
        self.callback = callback
        self._slot: int | None = None

    @property
    def waiting(self) -> bool:
        """Whether a wake-up is due some time."""
        return self._slot is not None


class TimerWheel:
    """Fires each timer once, at or at most one grid step after the time that was set for it.

    Times are seconds of `clock` (`time.monotonic` unless a test says otherwise). `on_late` is told how many
    seconds each firing came after its slot, which is how late the event loop runs.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        *,
        clock: Callable[[], float] = time.monotonic,
        on_late: Callable[[float], None] | None = None,
    ) -> None:
        self._loop = loop
        self._clock = clock
        self._on_late = on_late
        self._slots: dict[int, dict[Timer, None]] = {}
        self._order: list[int] = []
        self._armed: asyncio.TimerHandle | None = None
        self._armed_slot = 0

    def set(self, timer: Timer, at: float | None) -> None:
        """Wake `timer` at `at` instead of whenever it was due before; None takes it off the wheel."""
        slot = None if at is None else math.ceil(at / GRID_S)
        before = timer._slot
        if slot == before:
            return
        if before is not None and before != _FIRING:
            self._slots[before].pop(timer, None)
        timer._slot = slot
        if slot is None:
            return
        waiting = self._slots.get(slot)
        if waiting is None:
            self._slots[slot] = {timer: None}
            heapq.heappush(self._order, slot)
            if self._armed is None or slot < self._armed_slot:
                self._arm(slot)
        else:
            waiting[timer] = None

    def fire_due(self) -> None:
        """Wake every timer whose slot has come. The loop calls this; a test with its own clock may, too."""
        now = self._clock()
        due: list[Timer] = []
        # All due timers are taken off first: one that is set anew, even into the past, waits for the next turn.
        while self._order and self._order[0] <= math.floor(now / GRID_S + 1e-6):
            slot = heapq.heappop(self._order)
            timers = self._slots.pop(slot)
            if self._on_late is not None and timers:
                self._on_late(now - slot * GRID_S)
            due.extend(timers)
        for timer in due:
            timer._slot = _FIRING
        for timer in due:
            if timer._slot == _FIRING:  # else a neighbour has just set it anew, or taken it off
                timer._slot = None
                self._wake(timer)
        self._armed = None
        self._drop_empty_slots()
        if self._order:
            self._arm(self._order[0])

    def close(self) -> None:
        """Forget all timers; none of them fires any more."""
        if self._armed is not None:
            self._armed.cancel()
            self._armed = None
        for timers in self._slots.values():
            for timer in timers:
                timer._slot = None
        self._slots.clear()
        self._order.clear()

    def _wake(self, timer: Timer) -> None:
        try:
            timer.callback()
        except Exception:
            # One owner's bug must not cost its neighbours in the slot their wake-up.
            logger.exception("a timer's owner raised")

    def _drop_empty_slots(self) -> None:
        while self._order and not self._slots[self._order[0]]:
            del self._slots[heapq.heappop(self._order)]

    def _arm(self, slot: int) -> None:
        if self._armed is not None:
            self._armed.cancel()
        # libuv counts whole milliseconds and may be up to one early: never ask for less than one.
        delay_s = max(slot * GRID_S - self._clock(), 0.001)
        self._armed = self._loop.call_later(delay_s, self.fire_due)
        self._armed_slot = slot
