"""So much at once, so much in the long run: a token bucket. Time is passed in, in seconds."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Allowance:
    """A token bucket, which is full at the start."""

    per_s: float
    burst: float
    asked_at: float
    left: float = -1.0

    def __post_init__(self) -> None:
        self.left = self.burst

    def take(self, amount: float, now: float) -> float:
        """Take this much and return 0, or nothing, and return the seconds until there would be enough.

        More than a whole burst is never there; the answer is then the time until the bucket is full.
        """
        self.left = min(self.left + max(now - self.asked_at, 0.0) * self.per_s, self.burst)
        self.asked_at = max(now, self.asked_at)
        if amount <= self.left:
            self.left -= amount
            return 0.0
        return max(min(amount, self.burst) - self.left, 1e-3 * self.per_s) / self.per_s
