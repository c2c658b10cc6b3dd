"""Who else takes calls: processes that share a store tell each other once a second how many calls could go to them.

A process that is about to stop moves its calls when somebody else is there, and says goodbye to them when not. A full
one takes a few more while others have places free, since a port is not shared out evenly.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from bridge.store.base import Store

BEAT_S = 1.0
_FRESH_S = 3.5
_SERVING = "serving:"
_YES, _NO = b"1", b"0"
"""Whether a process takes calls; behind a yes and a colon stands how many places it has free."""


class Neighbours:
    """The processes that share a store, as one of them sees the others; `start` on a running loop, `close` at the end.

    `places` is asked how many more calls this one could take, None when calls are not for it at all; `changed` is to be
    called when that they are has changed.
    """

    def __init__(
        self, store: Store, process: str, places: Callable[[], int | None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._store = store
        self._process = process
        self._places = places
        self._clock = clock
        self._leaving = False
        self._others: dict[str, tuple[float, int]] = {}
        self._news = asyncio.Event()
        self._beating: asyncio.Task[None] | None = None
        self._unwatch: Callable[[], None] = lambda: None

    def start(self) -> None:
        """Take part from now on."""
        self._unwatch = self._store.watch(_SERVING, self._heard)
        self._beating = asyncio.get_running_loop().create_task(self._beat(), name="neighbours")

    async def close(self) -> None:
        """Tell nobody anything any more."""
        self._unwatch()
        if self._beating is not None:
            self._beating.cancel()
            await asyncio.gather(self._beating, return_exceptions=True)

    @property
    def serving(self) -> int:
        """How many others take calls now."""
        return len(self._fresh())

    @property
    def places(self) -> int:
        """How many more calls all the others together could take, as they said within the last seconds."""
        return sum(places for _, places in self._fresh().values())

    def _fresh(self) -> dict[str, tuple[float, int]]:
        now = self._clock()
        self._others = {name: heard for name, heard in self._others.items() if now - heard[0] < _FRESH_S}
        return self._others

    def leave(self) -> None:
        """Tell the others at once that no more calls are for this process, though it takes those that still come."""
        self._leaving = True
        self.changed()

    def changed(self) -> None:
        """Tell the others at once that this process takes calls now, or no more."""
        self._news.set()

    async def _beat(self) -> None:
        while True:
            self._news.clear()
            places = None if self._leaving else self._places()
            value = _NO if places is None else b"%b:%d" % (_YES, places)
            await self._store.put(f"{_SERVING}{self._process}", value, 2 * _FRESH_S)
            try:
                async with asyncio.timeout(BEAT_S):
                    await self._news.wait()
            except TimeoutError:
                pass

    def _heard(self, key: str, value: bytes) -> None:
        name = key.removeprefix(_SERVING)
        if name == self._process:
            return
        serves, _, places = value.partition(b":")
        if serves == _YES:
            self._others[name] = (self._clock(), int(places) if places.isdigit() else 0)
        else:
            self._others.pop(name, None)
