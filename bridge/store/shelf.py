"""Small facts that outlive a request: spent tickets, and what is to happen when a media stream has ended.

Kept in SQLite: in memory for one process, in a file for several on one port, because the carrier's next
request may reach any of them. Every fact expires, and there are never more than `capacity`.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable

_SCHEMA = """
CREATE TABLE IF NOT EXISTS facts (key TEXT PRIMARY KEY, value BLOB NOT NULL, expires_at REAL NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS facts_by_expiry ON facts (expires_at);
"""
_SWEEP_EVERY = 64


class Shelf:
    """Keyed facts with an expiry. The methods are asynchronous because a shelf may be on another machine."""

    def __init__(
        self, path: str = ":memory:", *, capacity: int = 20_000, clock: Callable[[], float] = time.time
    ) -> None:
        self._capacity = capacity
        self._clock = clock
        self._writes = 0
        self._database = sqlite3.connect(path, timeout=2.0, isolation_level=None, check_same_thread=False)
        if path != ":memory:":
            # Facts live for a minute and need not survive a power cut: no waiting for the disk.
            self._database.execute("PRAGMA journal_mode=WAL")
            self._database.execute("PRAGMA synchronous=OFF")
        self._database.executescript(_SCHEMA)

    async def put(self, key: str, value: bytes, ttl_s: float) -> None:
        """Keep `value` for `ttl_s` seconds, in place of what was there."""
        self._tidy()
        self._database.execute("INSERT OR REPLACE INTO facts VALUES (?, ?, ?)", (key, value, self._clock() + ttl_s))

    async def get(self, key: str) -> bytes | None:
        """What was put under `key`, or None when there is nothing or it has expired."""
        row = self._database.execute(
            "SELECT value FROM facts WHERE key = ? AND expires_at > ?", (key, self._clock())
        ).fetchone()
        return None if row is None else bytes(row[0])

    async def add(self, key: str, ttl_s: float) -> bool:
        """Note `key` unless it is noted already; true for exactly one caller within `ttl_s` seconds."""
        self._tidy()
        now = self._clock()
        added = self._database.execute(
            "INSERT INTO facts VALUES (?, x'', ?) ON CONFLICT (key) DO UPDATE SET expires_at = excluded.expires_at "
            "WHERE facts.expires_at <= ?",
            (key, now + ttl_s, now),
        )
        return added.rowcount == 1

    async def count(self) -> int:
        """How many facts have not expired."""
        row = self._database.execute("SELECT count(*) FROM facts WHERE expires_at > ?", (self._clock(),)).fetchone()
        return int(row[0])

    def close(self) -> None:
        """Let go of the file."""
        self._database.close()

    def _tidy(self) -> None:
        self._writes += 1
        if self._writes % _SWEEP_EVERY != 1:
            return
        self._database.execute("DELETE FROM facts WHERE expires_at <= ?", (self._clock(),))
        surplus = self._database.execute("SELECT count(*) FROM facts").fetchone()[0] + _SWEEP_EVERY - self._capacity
        if surplus > 0:
            # The soonest to expire go first: they are the closest to worthless.
            self._database.execute(
                "DELETE FROM facts WHERE key IN (SELECT key FROM facts ORDER BY expires_at LIMIT ?)", (surplus,)
            )
