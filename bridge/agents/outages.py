"""A service that is away for a moment, as when it is started anew: who waits for it, and for how long.

An outage belongs to the service and not to a call: once it has lasted as long as one caller is made to wait, the
others hear at once that nobody answers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

from bridge.agents.base import AgentError, Failure

AWAY = frozenset({502, 503, 504})
"""What a proxy answers in place of a service that is not there, and a service that is not there yet."""
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.1, 0.5
_OF_OLD_S = 30.0
"""A failure so long ago says nothing of the service now: nobody has asked it since."""


class ServiceAway(AgentError):
    """Nobody is there, or whoever was there has gone in the middle: in a moment there may be somebody again."""


def away(status: int) -> bool:
    """Whether an HTTP status says that the service is not there, and not that it will not answer."""
    return status in AWAY


def refused_with(status: int, message: str, quoted: str = "") -> AgentError:
    """The error that another status than 200 stands for."""
    return (ServiceAway if away(status) else AgentError)(Failure.HTTP_STATUS, message, quoted)


class Outage:
    """How long one service has been away; all calls of a process share what is known of it."""

    def __init__(self, longest_s: float, clock: Callable[[], float] | None = None) -> None:
        self.longest_s = longest_s
        self._clock = clock or (lambda: asyncio.get_running_loop().time())
        self._began_at: float | None = None
        self._failed_at = 0.0

    @property
    def known(self) -> bool:
        """Whether the service was away when it was last asked."""
        return self._began_at is not None

    def over(self) -> None:
        """Take note that the service answers."""
        self._began_at = None

    def waits_s(self) -> Iterator[float]:
        """How long to wait before each further attempt, from the first failure of one prompt on."""
        began_at = self._clock()
        until = began_at + self.longest_s
        if self._old(began_at):
            return
        wait_s = _FIRST_WAIT_S
        while self._failed() + wait_s <= until:
            yield wait_s
            wait_s = min(2 * wait_s, _LONGEST_WAIT_S)

    def _old(self, now: float) -> bool:
        """Whether the service has been away for so long already that no caller waits for it."""
        if self._began_at is None or now - self._failed_at > _OF_OLD_S:
            self._began_at = now
        self._failed_at = now
        return now - self._began_at >= self.longest_s

    def _failed(self) -> float:
        self._failed_at = self._clock()
        return self._failed_at
