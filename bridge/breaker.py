"""A circuit breaker: whoever failed several times in a row is left alone, then tried once. Pure, time passed in."""

from __future__ import annotations


class Breaker:
    """Closed (use it), open (leave it alone), half open (one trial decides).

    failures      in a row that open it
    cool_off_s    how long it stays open the first time; doubled after each failed trial, up to `longest_s`
    """

    def __init__(self, failures: int = 3, cool_off_s: float = 1.0, longest_s: float = 30.0) -> None:
        self._limit = failures
        self._cool_off_s = cool_off_s
        self._longest_s = longest_s
        self._failures = 0
        self._wait_s = cool_off_s
        self._open_until: float | None = None
        self._trial = False
        self.opened = 0
        """How many times it opened."""

    @property
    def closed(self) -> bool:
        """Whether the service is in use because its last uses went well."""
        return self._open_until is None

    def allows(self, now: float) -> bool:
        """Whether to use it now; True while open means that this use is the trial, and must be reported."""
        if self._open_until is None:
            return True
        if now < self._open_until or self._trial:
            return False
        self._trial = True
        return True

    def retry_at(self) -> float | None:
        """When the next trial is due; None while closed."""
        return self._open_until

    def succeeded(self) -> None:
        """Take note that a use went well."""
        self._failures, self._trial, self._open_until = 0, False, None
        self._wait_s = self._cool_off_s

    def abandoned(self) -> None:
        """A use came to no result: if it was the trial, another may be made."""
        self._trial = False

    def failed(self, now: float) -> None:
        """Take note that a use went wrong."""
        self._failures += 1
        if self._trial:
            self._wait_s = min(self._wait_s * 2, self._longest_s)
        elif self._failures < self._limit or self._open_until is not None:
            return
        self._trial = False
        self._open_until = now + self._wait_s
        self.opened += 1
