"""Values of one process, in its memory, bounded in number and bytes."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from heapq import heapify, heappop, heappush

from bridge.store.base import Changed, Watchers, check

_OVERHEAD = 200
"""Bytes that an entry takes besides its value, about."""


@dataclass(slots=True)
class _Entry:
    value: bytes
    expires_at: float


class MemoryStore:
    """A `bridge.store.base.Store` of one process; when it is full, the soonest to expire go first.

    capacity      entries at most
    capacity_mib  memory at most
    clock         seconds; only differences count
    """

    def __init__(
        self, *, capacity: int = 50_000, capacity_mib: float = 64.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._capacity = capacity
        self._capacity_bytes = int(capacity_mib * (1 << 20))
        self._clock = clock
        self._entries: dict[str, _Entry] = {}
        self._expiries: list[tuple[float, str]] = []
        """A heap; an entry that was replaced or taken leaves its old line in it until that is due or swept."""
        self._bytes = 0
        self._watchers = Watchers()

    async def start(self) -> None:
        """Do nothing, since there is nothing to connect to."""

    async def close(self) -> None:
        """Forget all values and all watchers."""
        self._watchers.clear()
        self._entries.clear()
        self._expiries.clear()
        self._bytes = 0

    async def put(self, key: str, value: bytes, ttl_s: float) -> None:
        """Keep `value` under `key` for `ttl_s` seconds, in place of what was there."""
        self.keep(key, value, ttl_s)
        self._watchers.tell(key, value)

    async def keep_all(self, values: Mapping[str, bytes], ttl_s: float) -> bool:
        """Keep many values in one go, without telling any watcher."""
        for key, value in values.items():
            self.keep(key, value, ttl_s)
        return True

    async def get(self, key: str) -> bytes | None:
        """Return what is kept under `key`, or None."""
        entry = self._alive(key)
        return None if entry is None else entry.value

    async def take(self, key: str) -> bytes | None:
        """Return what is kept under `key` and forget it."""
        entry = self._alive(key)
        self.drop(key)
        return None if entry is None else entry.value

    async def add(self, key: str, value: bytes, ttl_s: float) -> bool:
        """Keep `value` unless the key is taken."""
        if self._alive(key) is not None:
            return False
        await self.put(key, value, ttl_s)
        return True

    async def replace(self, key: str, value: bytes, by: bytes, ttl_s: float) -> bool:
        """Keep `by` in place of `value`, unless something else or nothing is kept."""
        check(key, by)
        entry = self._alive(key)
        if entry is None or entry.value != value:
            return False
        self.keep(key, by, ttl_s)
        return True

    def watch(self, prefix: str, changed: Changed) -> Callable[[], None]:
        """Tell `changed` of every later put under this prefix."""
        return self._watchers.add(prefix, changed)

    def stats(self) -> dict[str, float]:
        """Return how many entries and bytes the store holds."""
        return {"entries": float(len(self._entries)), "bytes": float(self._bytes)}

    def keep(self, key: str, value: bytes, ttl_s: float) -> None:
        """Keep a value as `put` does, without telling any watcher."""
        check(key, value)
        self.drop(key)
        expires_at = self._clock() + ttl_s
        self._entries[key] = _Entry(value, expires_at)
        self._bytes += len(value) + _OVERHEAD
        heappush(self._expiries, (expires_at, key))
        self._tidy()

    def drop(self, key: str) -> None:
        """Forget a key and its value."""
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._bytes -= len(entry.value) + _OVERHEAD

    def _alive(self, key: str) -> _Entry | None:
        entry = self._entries.get(key)
        if entry is None or entry.expires_at > self._clock():
            return entry
        self.drop(key)
        return None

    def _tidy(self) -> None:
        """Drop what has expired, then what is too much, the soonest to expire first."""
        now = self._clock()
        while self._expiries and (self._expiries[0][0] <= now or self._overfull):
            expires_at, key = heappop(self._expiries)
            entry = self._entries.get(key)
            if entry is not None and entry.expires_at == expires_at:
                self.drop(key)
        if len(self._expiries) > 2 * len(self._entries) + 1000:
            self._expiries = [(entry.expires_at, key) for key, entry in self._entries.items()]
            heapify(self._expiries)

    @property
    def _overfull(self) -> bool:
        return len(self._entries) > self._capacity or self._bytes > self._capacity_bytes
