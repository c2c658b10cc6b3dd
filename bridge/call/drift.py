"""How much slower than our clock the carrier's runs: the slope of its mark echoes over a whole call.

A mark at position p (seconds of audio) that is echoed at time t gives t - p = offset + rate * p + delay, where the
network's delay is never negative. So the earliest echo of each stretch of audio is the witness, one line is laid
through the witnesses by least squares, and every run of audio, which begins when it begins, has an offset of its own:
only distances within a run count. A ridge holds the rate at zero until the witnesses outweigh their jitter: crystals
are off by some 100 millionths, and a network's jitter pretends to far more in a short run.
"""

from __future__ import annotations

_STRETCH_S = 2.0
_RIDGE_S2 = 150.0
"""As (jitter of a witness / usual drift)^2: 3 ms and 250 millionths."""
_WORST_RATE = 0.005
"""A clock is never that far off: what looks like it is a buffer that grows."""


class Drift:
    """The rate of one call's carrier against our clock; 0.0002 means that its second takes 0.2 ms too long."""

    def __init__(self) -> None:
        self.rate = 0.0
        self._past_xx = 0.0
        self._past_xy = 0.0
        self._begin_run()

    def _begin_run(self) -> None:
        self._count = 0
        self._mean_x = self._mean_y = 0.0
        self._xx = self._xy = 0.0
        self._stretch_ends_at = _STRETCH_S
        self._earliest: tuple[float, float] | None = None

    def new_run(self) -> None:
        """What is echoed from now on has another offset; what was learnt of the rate stays."""
        if self._earliest is not None:
            self._take(*self._earliest)
        self._past_xx += self._xx
        self._past_xy += self._xy
        self._begin_run()

    def echoed(self, played_s: float, late_s: float) -> None:
        """An echo at `played_s` seconds into the run, whose time less that position is `late_s`."""
        if self._earliest is not None and played_s >= self._stretch_ends_at:
            self._take(*self._earliest)
            self._earliest = None
            self._stretch_ends_at = played_s + _STRETCH_S
        if self._earliest is None or late_s < self._earliest[1]:
            self._earliest = (played_s, late_s)

    def _take(self, x: float, y: float) -> None:
        """One witness more for the line (running sums about the mean: Welford 1962)."""
        self._count += 1
        away_x = x - self._mean_x
        self._mean_x += away_x / self._count
        self._mean_y += (y - self._mean_y) / self._count
        self._xx += away_x * (x - self._mean_x)
        self._xy += away_x * (y - self._mean_y)
        rate = (self._past_xy + self._xy) / (self._past_xx + self._xx + _RIDGE_S2)
        self.rate = min(max(rate, -_WORST_RATE), _WORST_RATE)
