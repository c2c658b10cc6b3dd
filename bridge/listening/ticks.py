"""The asyncio side of the batch: judge soon after the first ready window, never while idle.

All of it runs in the event loop, a millisecond at a time. A thread would gain nothing, since a process has one core,
and cost most when it matters: on a contended core it waits for the interpreter's lock after each step of the work, and
its results came up to a second late while the loop had time to spare.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Callable

from bridge.call.events import VoiceActivity
from bridge.listening.activity import ActivityBatch, ActivityRow

log = logging.getLogger(__name__)

_REMEMBERED_S = 1.0
_WAIT_A_CALL_S = 0.00012
"""A model call costs as much as three or four windows: it may wait until so many more are ready, and no longer."""


class Lateness:
    """How late something is, on average of the last second or so; it is forgotten where nothing more is told."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._noted_at = clock()
        self._average_ms = 0.0

    @property
    def average_ms(self) -> float:
        """The average until now, as if nothing had been late since it was last told."""
        return self._average_ms * self._left(self._clock())

    def note(self, late_ms: float) -> None:
        """Something is so late now, and has been since the last time."""
        now = self._clock()
        left = self._left(now)
        self._average_ms = self._average_ms * left + late_ms * (1 - left)
        self._noted_at = now

    def _left(self, now: float) -> float:
        return math.exp((self._noted_at - now) / _REMEMBERED_S)


class ActivityTicks:
    """Drives an `ActivityBatch`. `on_result(owner, event)` is called for every reportable window."""

    def __init__(self, batch: ActivityBatch, on_result: Callable[[object, VoiceActivity], None]) -> None:
        self.batch = batch
        self.busy_s = 0.0
        """Time spent judging since the start."""
        self.lateness = Lateness(time.monotonic)
        self.failures = 0
        self.failed_calls = 0
        """Results that a call failed to take."""
        self._on_result = on_result
        self._longest_s = batch.settings.tick_ms / 1000
        self._loop = asyncio.get_running_loop()
        self._scheduled: asyncio.TimerHandle | asyncio.Handle | None = None
        self._closed = False

    def hear(self, row: ActivityRow, ulaw: bytes, at: float) -> None:
        """Audio of one call: fifty times a second and call, so nothing here but a copy of the bytes."""
        if self.batch.write(row, ulaw, at) and self._scheduled is None and not self._closed:
            wait_s = min(self._longest_s, _WAIT_A_CALL_S * self.batch.calls)
            self._scheduled = self._loop.call_later(wait_s, self._tick)

    @property
    def idle(self) -> bool:
        """Nothing to judge: no timer is set."""
        return self._scheduled is None

    def close(self) -> None:
        """Stop judging: no further window is looked at."""
        self._closed = True
        if self._scheduled is not None:
            self._scheduled.cancel()
            self._scheduled = None

    def _tick(self) -> None:
        started = time.perf_counter()
        self.lateness.note(self.batch.late_ms)
        try:
            results = self.batch.run()
        except Exception:
            # The windows count as silence: the calls go on, and the operator sees the failures.
            self.failures += 1
            results = []
            log.exception("voice activity failed for a batch of windows")
        self.busy_s += time.perf_counter() - started
        for owner, event in results:
            try:
                self._on_result(owner, event)
            except Exception:
                # One call's own trouble: the others of this tick, and all ticks after it, go on.
                self.failed_calls += 1
                log.exception("a call could not take what was judged of its caller")
        # What still waits has waited long enough; but whatever else is due in the loop goes first.
        self._scheduled = self._loop.call_soon(self._tick) if self.batch.ready and not self._closed else None
