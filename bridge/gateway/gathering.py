"""Reading many sockets together: a busy loop looks at them about once a millisecond, not at each frame that arrives.

With hundreds of calls every frame would wake the loop by itself, ten thousand times a second, and each time it polls,
reads one socket and finds nothing else to do. Resting a moment between two rounds lets frames of many calls be found
together, as network cards do with their interrupts; at 200 calls that is a tenth of all CPU. What needs several rounds,
such as a call's first audio, pays for each: 2 ms between rounds would cost the greeting its 5 ms. A loop that is late
anyway does not rest.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

_LOOK_AGAIN_S = 0.5


class Gathering:
    """Rests the running loop between its rounds while there are at least `from_calls` calls.

    calls     how many there are now
    every_s   from the end of one rest to the end of the next, if the loop's own work leaves that much
    """

    def __init__(
        self,
        calls: Callable[[], int],
        every_s: float,
        *,
        from_calls: int = 20,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._calls, self._every_s, self._from_calls = calls, every_s, from_calls
        self._clock, self._sleep = clock, sleep
        self._loop = asyncio.get_running_loop()
        self._next: asyncio.Handle | None = None
        self._due_at = 0.0

    def start(self) -> None:
        """Begin; nothing happens when `every_s` is 0."""
        if self._every_s > 0:
            self._turn()

    def stop(self) -> None:
        """Never rest again."""
        if self._next is not None:
            self._next.cancel()
            self._next = None

    def _turn(self) -> None:
        if self._calls() < self._from_calls:
            self._next = self._loop.call_later(_LOOK_AGAIN_S, self._turn)
            return
        rest_s = self._due_at - self._clock()
        if rest_s > 0:
            self._sleep(min(rest_s, self._every_s))
        self._due_at = self._clock() + self._every_s
        self._next = self._loop.call_soon(self._turn)
