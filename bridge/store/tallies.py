"""Counts of what many callers have used, kept in a store together: bounded however many callers there are.

The counts of one limit in one window lie in `BUCKETS` values. A bucket holds `MOST_IN_A_BUCKET` callers at most; then
the one that has used least gives way, so that a flood of invented numbers pushes out its own kind, and not those who
have used much. A caller stands there as a digest. Every change is a compare-and-set of a value that is like no other
process's: of those that count at once none is lost, even where both come to the same numbers.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
import secrets
from collections.abc import Callable

import msgspec

from bridge.store.base import Store

BUCKETS = 512
MOST_IN_A_BUCKET = 64
_TRIES = 40
"""Another process has changed the bucket in between: so often it is read again, each time after a longer moment."""
_MOMENT_S = 0.0005
_LONGEST_MOMENT_S = 0.05


class Use(msgspec.Struct, frozen=True, array_like=True):
    """What one caller, account or prefix has used, or is about to."""

    calls: int = 0
    minutes: int = 0
    money: float = 0.0

    def plus(self, more: Use, times: int = 1) -> Use:
        """Both together, the second so many times, never below nothing."""
        return Use(
            max(self.calls + times * more.calls, 0),
            max(self.minutes + times * more.minutes, 0),
            max(round(self.money + times * more.money, 6), 0.0),
        )


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(tuple[bytes, dict[str, Use]])

Change = Callable[[Use], Use | None]
"""What becomes of a count; None leaves it as it is."""


class Tallies:
    """Changes counts in a store. `contended` counts the changes that were given up since others changed too fast."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._turns = [asyncio.Lock() for _ in range(64)]
        """The changes of this process wait for each other, instead of for the store to tell them apart."""
        self.contended = 0

    async def change(self, limit: str, window: int, who: str, change: Change, ttl_s: float) -> None:
        """Change what `who` has used of a limit in a window, kept for `ttl_s` from now."""
        digest = hashlib.blake2b(who.encode(), digest_size=8)
        key = f"tally:{limit}:{window}:{int.from_bytes(digest.digest()) % BUCKETS}"
        async with self._turns[hash(key) % len(self._turns)]:
            for attempt in range(_TRIES):
                if attempt:  # of any length, or the same two would meet again
                    await asyncio.sleep(random.random() * min(_MOMENT_S * 2**attempt, _LONGEST_MOMENT_S))
                kept = await self._store.get(key)
                counts = _read(kept)
                changed = change(counts.get(digest.hexdigest(), Use()))
                if changed is None:
                    return
                counts[digest.hexdigest()] = changed
                if len(counts) > MOST_IN_A_BUCKET:
                    del counts[_least(counts, digest.hexdigest())]
                value = _encoder.encode((secrets.token_bytes(8), counts))
                if kept is None and await self._store.add(key, value, ttl_s):
                    return
                if kept is not None and await self._store.replace(key, kept, value, ttl_s):
                    return
            self.contended += 1


def _read(value: bytes | None) -> dict[str, Use]:
    try:
        return {} if value is None else _decoder.decode(value)[1]
    except msgspec.DecodeError:  # by a process of another version
        return {}


def _least(counts: dict[str, Use], newest: str) -> str:
    """Whoever has used least, but not the one that has just been counted."""
    others = (who for who in counts if who != newest)
    return min(others, key=lambda who: (counts[who].calls + counts[who].minutes, counts[who].money))
