"""May another call come in? Counts calls, measures how late this process runs, and shuts the door on a drain."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from typing import Literal

from bridge.telemetry.metrics import Metrics

BEAT_S = 0.05
_BEATS = 60
_ENOUGH_BEATS = 20
"""Fewer say nothing: one hiccup among three is no lateness."""
_RESERVED_S = 15.0
"""A call that was admitted but has brought no media stream by now went elsewhere, or gave up."""

Verdict = Literal["admitted", "starting", "draining", "full", "late", "no headroom"]


class LoopLag:
    """How late the event loop runs: a timer every 50 ms, and the 90th percentile of its last 3 s."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic, metrics: Metrics | None = None) -> None:
        self._clock = clock
        self._metrics = metrics
        self._lags_s: deque[float] = deque(maxlen=_BEATS)
        self._due: float | None = None
        self._timer: asyncio.TimerHandle | None = None

    @property
    def p90_ms(self) -> float:
        """What nine of ten wake-ups stayed below, in milliseconds; 0 in the first second."""
        if len(self._lags_s) < _ENOUGH_BEATS:
            return 0.0
        return sorted(self._lags_s)[int((len(self._lags_s) - 1) * 0.9)] * 1000

    def start(self) -> None:
        """Begin to measure on the running loop."""
        self._due = self._clock() + BEAT_S
        self._timer = asyncio.get_running_loop().call_later(BEAT_S, self._beat)

    def stop(self) -> None:
        """Stop measuring."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def note(self, lag_s: float) -> None:
        """Take one measurement into account."""
        self._lags_s.append(max(lag_s, 0.0))
        if self._metrics is not None:
            self._metrics.loop_lag.observe(max(lag_s, 0.0))

    def _beat(self) -> None:
        assert self._due is not None
        self.note(self._clock() - self._due)
        self.start()


class Admission:
    """The door of one process.

    A call is counted from the webhook that admits it (a reservation, which lapses when no stream comes) to
    the end of its media stream. `headroom` is 0 when listening or speech could not serve one more.
    """

    def __init__(
        self,
        *,
        max_calls: int,
        max_loop_lag_ms: float,
        lag: LoopLag,
        headroom: Callable[[], float] = lambda: 1.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._max_calls = max_calls
        self._max_loop_lag_ms = max_loop_lag_ms
        self._lag = lag
        self._headroom = headroom
        self._clock = clock
        self._reserved: dict[str, float] = {}
        self._running: set[str] = set()
        self.started = False
        """Set once everything is warm; before that nobody is admitted."""
        self.draining = False

    @property
    def calls(self) -> int:
        """Calls in progress."""
        return len(self._running)

    @property
    def ready(self) -> bool:
        """Whether a load balancer should send new calls here."""
        return self.started and not self.draining

    def ask(self, call: str) -> Verdict:
        """Admit this call, or say why not. A repeated webhook gets the place it already has."""
        if not self.started:
            return "starting"
        if self.draining:
            return "draining"
        self._lapse()
        if call not in self._reserved and call not in self._running:
            if len(self._running) + len(self._reserved) >= self._max_calls:
                return "full"
            if self._lag.p90_ms > self._max_loop_lag_ms:
                return "late"
            if self._headroom() <= 0.0:
                return "no headroom"
        if call not in self._running:
            self._reserved[call] = self._clock() + _RESERVED_S
        return "admitted"

    def begin(self, call: str) -> bool:
        """The call's media stream has started. False when there is no room: its webhook was another process's."""
        self._reserved.pop(call, None)
        if len(self._running) >= self._max_calls:
            return False
        self._running.add(call)
        return True

    def end(self, call: str) -> None:
        """The call is over."""
        self._running.discard(call)
        self._reserved.pop(call, None)

    def _lapse(self) -> None:
        now = self._clock()
        for call in [call for call, until in self._reserved.items() if until <= now]:
            del self._reserved[call]
