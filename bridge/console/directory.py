"""Calls of all processes and machines: each tells the store of its own while somebody looks, and obeys through it.

| key | value | who puts it |
| --- | --- | --- |
| `console-watch:PROCESS` | nothing | a process at whose page somebody looks, every few seconds |
| `console-calls:PROCESS` | its calls | every process, once a second while somebody looks anywhere |
| `console-order:PROCESS` | a `CallOrder` | a process whose page was used, for the one that has the call |
| `console-feed:CALL` | a `FeedBlock` | the process that has the call, five times a second while it is followed |

While nobody looks it costs nothing. A store that is away leaves a page with the calls of its own process.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import secrets
import time
from collections.abc import Callable, Iterator

import msgspec

from bridge.console.live import CallOrder, FeedBlock, LiveCall, LiveCalls, LiveSessions
from bridge.store.base import LARGEST_VALUE, Store

BEAT_S = 1.0
_FRESH_S = 5.0
_WATCHED_S = 10.0
_FEED_TTL_S = 2.0
_ASKED_AGAIN = 4
"""Beats after which a process is told again that its call is followed."""
_MOST_CALLS = 1000
"""Of one process in one message, so that it fits into a value."""

_calls = msgspec.json.Decoder(list[LiveCall])
_order = msgspec.json.Decoder(CallOrder)
_block = msgspec.json.Decoder(FeedBlock)

Deliver = Callable[[bytes], None]
"""Takes one encoded `FeedBlock`."""


class CallDirectory:
    """The calls of all processes that share a store; `start` on a running loop, `close` at the end."""

    def __init__(self, sockets: LiveSessions, store: Store, clock: Callable[[], float] = time.monotonic) -> None:
        self.process = secrets.token_hex(6)
        self._store = store
        self._clock = clock
        self._live = LiveCalls(sockets, self.process, self._publish, clock)
        self._others: dict[str, tuple[float, list[LiveCall]]] = {}
        self._looked_at = -_WATCHED_S
        self._lookers = 0
        self._followers: list[tuple[CallOrder, Deliver]] = []
        self._unwatch: list[Callable[[], None]] = []
        self._putting: set[asyncio.Task[None]] = set()
        self._beating: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Take part: watch the store, and tell of our own calls while somebody looks."""
        watch = self._store.watch
        self._unwatch = [
            watch("console-watch:", self._looked),
            watch("console-calls:", self._told_of_calls),
            watch(f"console-order:{self.process}", self._ordered),
            watch("console-feed:", self._fed),
        ]
        self._beating = asyncio.create_task(self._beat(), name="console")

    async def close(self) -> None:
        """Stop telling of our calls, and forget what others tell of theirs."""
        for stop in self._unwatch:
            stop()
        if self._beating is not None:
            self._beating.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._beating
        for task in list(self._putting):
            task.cancel()

    @contextlib.contextmanager
    def looking(self) -> Iterator[None]:
        """Somebody looks at the list of calls meanwhile."""
        self._lookers += 1
        self._put(f"console-watch:{self.process}", b"", _FRESH_S)
        try:
            yield
        finally:
            self._lookers -= 1

    def calls(self) -> list[LiveCall]:
        """Every call in progress, the longest first."""
        now = self._clock()
        self._others = {name: told for name, told in self._others.items() if now - told[0] < _FRESH_S}
        found = self._live.snapshot() + [call for _, calls in self._others.values() for call in calls]
        return sorted(found, key=lambda call: -call.seconds)

    def order(self, wanted: CallOrder) -> bool:
        """Have this done by the process that has the call; False when no call of this name is known."""
        if self._live.carry_out(wanted):
            return True
        owner = next((call.process for call in self.calls() if call.key == wanted.key), "")
        if owner and owner != self.process:
            self._put(f"console-order:{owner}", msgspec.json.encode(wanted), _FRESH_S)
            return True
        return False

    @contextlib.contextmanager
    def following(self, wanted: CallOrder, deliver: Deliver) -> Iterator[None]:
        """Deliver meanwhile what becomes of the call in `wanted`, an order to follow it."""
        follower = (wanted, deliver)
        self._followers.append(follower)
        self.order(wanted)
        try:
            yield
        finally:
            self._followers.remove(follower)

    # ---- what the store tells --------------------------------------------------------------------------------

    def _looked(self, _key: str, _value: bytes) -> None:
        if self._clock() - self._looked_at > _FRESH_S:
            self._tell_of_calls()  # whoever has just come need not wait for the next beat
        self._looked_at = self._clock()

    def _told_of_calls(self, key: str, value: bytes) -> None:
        process = key.partition(":")[2]
        if process != self.process:
            with contextlib.suppress(msgspec.MsgspecError):
                self._others[process] = (self._clock(), _calls.decode(value))

    def _ordered(self, _key: str, value: bytes) -> None:
        with contextlib.suppress(msgspec.MsgspecError):
            self._live.carry_out(_order.decode(value))

    def _fed(self, key: str, value: bytes) -> None:
        call = key.partition(":")[2]
        for wanted, deliver in list(self._followers):
            if wanted.key == call:
                deliver(value)

    # ---- what we tell it -------------------------------------------------------------------------------------

    async def _beat(self) -> None:
        for number in itertools.count():
            await asyncio.sleep(BEAT_S)
            self._live.beat()
            if number % _ASKED_AGAIN == 0:
                for wanted, _ in self._followers:
                    self.order(wanted)
            if self._lookers:
                self._put(f"console-watch:{self.process}", b"", _FRESH_S)
            if self._clock() - self._looked_at < _WATCHED_S:
                self._tell_of_calls()

    def _tell_of_calls(self) -> None:
        calls = self._live.snapshot()[:_MOST_CALLS]
        value = msgspec.json.encode(calls)
        while len(value) > LARGEST_VALUE:
            calls = calls[: len(calls) // 2]
            value = msgspec.json.encode(calls)
        self._put(f"console-calls:{self.process}", value, _FRESH_S)

    def _publish(self, key: str, block: bytes) -> None:
        self._put(f"console-feed:{key}", block, _FEED_TTL_S)

    def _put(self, key: str, value: bytes, ttl_s: float) -> None:
        if len(self._putting) < 1000:  # a store that hangs is not waited for
            task = asyncio.get_running_loop().create_task(self._store.put(key, value, ttl_s))
            self._putting.add(task)
            task.add_done_callback(self._putting.discard)


def decode_block(value: bytes) -> FeedBlock:
    """Read what `following` delivers. Raises msgspec.MsgspecError."""
    return _block.decode(value)
