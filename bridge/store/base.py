"""What outlives a request, a media socket or a process: small values under a key, each with a time to live.

Spent tickets, what is to become of a call whose stream has ended, the states of calls and who holds which call are kept
here. Three stores behave alike, and `tests/store/contract.py` is what alike means:

| store | reaches | lives as long as |
| --- | --- | --- |
| `memory.MemoryStore` | one process | that process |
| `sqlite.SqliteStore` | the processes of one machine | its file |
| `redis.RedisStore` | all machines | Redis; while it is away, one of the two above |

None of them blocks the event loop, and none raises for a store that is away: a call goes on with what its own
process knows. A key is text of at most 200 characters, a value at most `LARGEST_VALUE` bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

LARGEST_VALUE = 1 << 20
"""Bytes of one value; a call's state is a thirtieth of it."""
LONGEST_KEY = 200

Changed = Callable[[str, bytes], None]
"""Told on the event loop: a key, and the value that was put under it."""


class Store(Protocol):
    """Keeps values for a while; every key belongs to one kind of fact, named before its first colon (`ticket:...`)."""

    async def start(self) -> None:
        """Connect, or open what is kept; a store that is away is connected to later."""
        ...

    async def close(self) -> None:
        """Let go of connections, files and threads; nothing is told to watchers afterwards."""
        ...

    async def put(self, key: str, value: bytes, ttl_s: float) -> None:
        """Keep `value` under `key` for `ttl_s` seconds, in place of what was there. Raises ValueError if too large."""
        ...

    async def get(self, key: str) -> bytes | None:
        """Return what is kept under `key`, or None when there is nothing or it has expired."""
        ...

    async def keep_all(self, values: Mapping[str, bytes], ttl_s: float) -> bool:
        """Keep many values in one go, as `put` does, but tell no watcher of them.

        For what changes often and is asked for seldom: it costs a fraction of as many puts. False where not all who
        share the store will find them, as it is away. Raises ValueError if one is too large.
        """
        ...

    async def take(self, key: str) -> bytes | None:
        """Return what is kept under `key` and forget it: of many who take at once, one gets it."""
        ...

    async def add(self, key: str, value: bytes, ttl_s: float) -> bool:
        """Keep `value` unless the key is taken; True for exactly one of many who add at once."""
        ...

    async def replace(self, key: str, value: bytes, by: bytes, ttl_s: float) -> bool:
        """Keep `by` in place of `value`, unless something else or nothing is kept: of many who replace, one does.

        Tells no watcher. Who finds `by` there already may be told that it was theirs, as a late answer cannot be told
        from another's: values of those who must tell have something in them that no other's has.
        """
        ...

    def watch(self, prefix: str, changed: Changed) -> Callable[[], None]:
        """Tell `changed` of every later `put` under a key that begins with `prefix`; returns how to stop that.

        Puts of this process are told too. What happens while a store is away is not told afterwards.
        """
        ...

    def stats(self) -> dict[str, float]:
        """Counters by name, for the metrics page."""
        ...


def check(key: str, value: bytes) -> None:
    """Refuse what no store takes. Raises ValueError."""
    if not key or len(key) > LONGEST_KEY:
        raise ValueError(f"a store's key has 1 to {LONGEST_KEY} characters, not {len(key)}")
    if len(value) > LARGEST_VALUE:
        raise ValueError(f"a store's value has at most {LARGEST_VALUE} bytes, not {len(value)} ({key[:40]})")


class Watchers:
    """Remembers who wants to know of which keys, in one process."""

    def __init__(self) -> None:
        self._watching: list[tuple[str, Changed]] = []

    def __bool__(self) -> bool:
        return bool(self._watching)

    def add(self, prefix: str, changed: Changed) -> Callable[[], None]:
        """Tell `changed` of keys that begin with `prefix`; returns how to stop that."""
        entry = (prefix, changed)
        self._watching.append(entry)

        def stop() -> None:
            if entry in self._watching:
                self._watching.remove(entry)

        return stop

    def tell(self, key: str, value: bytes) -> None:
        """Pass a put on to those who watch its key."""
        for prefix, changed in list(self._watching):
            if key.startswith(prefix):
                changed(key, value)

    def clear(self) -> None:
        """Forget all watchers, so that nobody is told any more."""
        self._watching.clear()
