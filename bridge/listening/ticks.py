"""The asyncio side of the batch: judge soon after the first ready window, never while idle."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from bridge.call.events import VoiceActivity
from bridge.listening.activity import ActivityBatch, Row, Work

log = logging.getLogger(__name__)


class ActivityTicks:
    """Drives an `ActivityBatch`: small batches in the event loop, larger ones in one thread of its own.

    `on_result(owner, event)` is called in the event loop for every reportable window.
    """

    def __init__(self, batch: ActivityBatch, on_result: Callable[[object, VoiceActivity], None]) -> None:
        self.batch = batch
        self.busy_s = 0.0
        """Wall time spent judging since the start."""
        self.failures = 0
        self._on_result = on_result
        self._tick_s = batch.settings.tick_ms / 1000
        self._loop = asyncio.get_running_loop()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="voice-activity")
        self._scheduled: asyncio.TimerHandle | asyncio.Handle | None = None
        self._under_way = False
        self._closed = False

    def hear(self, row: Row, ulaw: bytes, at: float) -> None:
        """Audio of one call: fifty times a second and call, so nothing here but a copy of the bytes."""
        if self.batch.write(row, ulaw, at) and self._scheduled is None and not self._under_way:
            self._scheduled = self._loop.call_later(self._tick_s, self._tick)

    @property
    def idle(self) -> bool:
        """Nothing to judge: no timer set, no batch under way."""
        return self._scheduled is None and not self._under_way

    def close(self) -> None:
        """Judge nothing more."""
        self._closed = True
        if self._scheduled is not None:
            self._scheduled.cancel()
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _tick(self) -> None:
        self._scheduled = None
        work = self.batch.take()
        if work is None:
            return
        if len(work.rows) <= self.batch.settings.inline_windows:
            self._compute(work)
            self._finish(work)
        else:
            self._under_way = True
            self._thread.submit(self._compute, work).add_done_callback(lambda done: self._computed(done, work))

    def _compute(self, work: Work) -> None:
        started = time.perf_counter()
        try:
            self.batch.compute(work)
        except Exception:
            # The windows count as silence: the calls go on, and the operator sees the failures.
            self.failures += 1
            log.exception("voice activity failed for a batch of %d windows", len(work.rows))
        self.busy_s += time.perf_counter() - started

    def _computed(self, done: Future[None], work: Work) -> None:
        """In the thread, after the last of `compute`."""
        if not self._closed and not done.cancelled():
            self._loop.call_soon_threadsafe(self._finish, work)

    def _finish(self, work: Work) -> None:
        self._under_way = False
        for owner, event in self.batch.finish(work):
            self._on_result(owner, event)
        if self.batch.ready and not self._closed and self._scheduled is None:
            # Windows that came in meanwhile have waited long enough; a lone one waits for company again.
            behind = self.batch.ready > self.batch.settings.inline_windows
            self._scheduled = (
                self._loop.call_soon(self._tick) if behind else self._loop.call_later(self._tick_s, self._tick)
            )
