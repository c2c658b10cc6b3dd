"""Values that the processes of one machine share, in an SQLite file, read and written by a thread of its own."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from bridge.store.base import Changed, Watchers, check

logger = logging.getLogger(__name__)

_T = TypeVar("_T")
_SCHEMA = """
CREATE TABLE IF NOT EXISTS facts
  (key TEXT PRIMARY KEY, value BLOB NOT NULL, expires_at REAL NOT NULL, change INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS facts_by_expiry ON facts (expires_at);
CREATE INDEX IF NOT EXISTS facts_by_change ON facts (change);
CREATE TABLE IF NOT EXISTS changes (number INTEGER NOT NULL);
INSERT INTO changes SELECT 0 WHERE NOT EXISTS (SELECT * FROM changes);
"""
_PUT = """
INSERT INTO facts VALUES (?, ?, ?, (SELECT number FROM changes))
ON CONFLICT (key) DO UPDATE SET value = excluded.value, expires_at = excluded.expires_at, change = excluded.change
"""
_KEEP = """
INSERT INTO facts VALUES (?, ?, ?, 0)
ON CONFLICT (key) DO UPDATE SET value = excluded.value, expires_at = excluded.expires_at, change = 0
"""
_ADD = _PUT + "WHERE facts.expires_at <= ?"
_REPLACE = """
UPDATE facts SET value = ?, expires_at = ?, change = 0 WHERE key = ? AND value = ? AND expires_at > ?
"""
_SWEEP_EVERY = 64
_ROOM_BYTES = 4 << 20
"""Taken on the disk at the start, in the file and in its log: what is kept of some hundred calls."""
_LOG_PAGES = 250
"""After so many the log is put into the file, and begun again where it lies: it grows no larger than its room."""
_TOLD_EVERY_S = 60.0
_LOOK_S = 0.05
"""How often a file is asked for what other processes have put, while somebody watches."""


class SqliteStore:
    """A `bridge.store.base.Store` in a file; an operation that fails is logged and counted, and raises nothing.

    path      the file; it and what SQLite lays beside it are readable by the service's user alone
    capacity  entries at most; the soonest to expire go first
    clock     seconds that all processes agree on
    """

    def __init__(self, path: Path, *, capacity: int = 50_000, clock: Callable[[], float] = time.time) -> None:
        self._path = path
        self._capacity = capacity
        self._clock = clock
        self._thread = ThreadPoolExecutor(1, "store")
        self._database: sqlite3.Connection | None = None
        self._writes = 0
        self._seen = 0
        self._watchers = Watchers()
        self._looking: asyncio.Task[None] | None = None
        self._counts: Counter[str] = Counter()
        self._tell_at = 0.0

    async def start(self) -> None:
        """Open the file. Raises OSError or sqlite3.Error when it cannot be."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._open)

    async def close(self) -> None:
        """Close the file and end its thread."""
        self._watchers.clear()
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)
        await asyncio.get_running_loop().run_in_executor(self._thread, self._shut)
        self._thread.shutdown()

    async def put(self, key: str, value: bytes, ttl_s: float) -> None:
        """Keep `value` under `key` for `ttl_s` seconds, in place of what was there."""
        check(key, value)
        await self._run(lambda database: self._write(database, _PUT, (key, value, self._clock() + ttl_s)), 0)

    async def keep_all(self, values: Mapping[str, bytes], ttl_s: float) -> bool:
        """Keep many values in one go, without telling any watcher; False where that failed."""
        for key, value in values.items():
            check(key, value)
        expires_at = self._clock() + ttl_s
        rows = [(key, value, expires_at) for key, value in values.items()]

        def keep(database: sqlite3.Connection) -> bool:
            self._tidy(database)
            with _transaction(database):
                database.executemany(_KEEP, rows)
            return True

        return await self._run(keep, False)

    async def get(self, key: str) -> bytes | None:
        """Return what is kept under `key`, or None."""
        return await self._run(lambda database: self._read(database, key), None)

    async def take(self, key: str) -> bytes | None:
        """Return what is kept under `key` and forget it."""

        def take(database: sqlite3.Connection) -> bytes | None:
            row = database.execute("DELETE FROM facts WHERE key = ? RETURNING value, expires_at", (key,)).fetchone()
            return bytes(row[0]) if row is not None and row[1] > self._clock() else None

        return await self._run(take, None)

    async def add(self, key: str, value: bytes, ttl_s: float) -> bool:
        """Keep `value` unless the key is taken."""
        check(key, value)
        now = self._clock()
        return await self._run(lambda database: self._write(database, _ADD, (key, value, now + ttl_s, now)), 0) == 1

    async def replace(self, key: str, value: bytes, by: bytes, ttl_s: float) -> bool:
        """Keep `by` in place of `value`, unless something else or nothing is kept."""
        check(key, by)
        now = self._clock()
        row = (by, now + ttl_s, key, value, now)
        return await self._run(lambda database: database.execute(_REPLACE, row).rowcount, 0) == 1

    def watch(self, prefix: str, changed: Changed) -> Callable[[], None]:
        """Tell `changed` of every later put under this prefix, by any process, within about `_LOOK_S`."""
        if self._looking is None:
            self._looking = asyncio.get_running_loop().create_task(self._look())
        return self._watchers.add(prefix, changed)

    def stats(self) -> dict[str, float]:
        """Return how many operations have failed."""
        return {"failed": float(self._counts["failed"])}

    # -- in the store's thread -----------------------------------------------------------------------------------

    def _open(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(self._path, os.O_CREAT | os.O_RDWR, 0o600))
        database = sqlite3.connect(self._path, timeout=2.0, isolation_level=None, check_same_thread=False)
        # What is kept lives for minutes and need not survive a power cut: no waiting for the disk.
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("PRAGMA synchronous=OFF")
        database.execute(f"PRAGMA wal_autocheckpoint={_LOG_PAGES}")
        database.executescript(_SCHEMA)
        _take_room(database)
        self._seen = database.execute("SELECT number FROM changes").fetchone()[0]
        self._database = database

    def _shut(self) -> None:
        if self._database is not None:
            self._database.close()
            self._database = None

    async def _run(self, work: Callable[[sqlite3.Connection], _T], otherwise: _T) -> _T:
        def guarded() -> _T:
            if self._database is None:
                raise sqlite3.ProgrammingError("the store is not open")
            return work(self._database)

        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, guarded)
        except sqlite3.Error as error:
            self._counts["failed"] += 1
            if self._clock() >= self._tell_at:  # it fails several times a second while it does
                self._tell_at = self._clock() + _TOLD_EVERY_S
                logger.error("the store in %s failed: %s", self._path, error)
            return otherwise

    def _write(self, database: sqlite3.Connection, statement: str, values: tuple[object, ...]) -> int:
        self._tidy(database)
        with _transaction(database):
            database.execute("UPDATE changes SET number = number + 1")
            return database.execute(statement, values).rowcount

    def _read(self, database: sqlite3.Connection, key: str) -> bytes | None:
        query = "SELECT value FROM facts WHERE key = ? AND expires_at > ?"
        row = database.execute(query, (key, self._clock())).fetchone()
        return None if row is None else bytes(row[0])

    def _tidy(self, database: sqlite3.Connection) -> None:
        self._writes += 1
        if self._writes % _SWEEP_EVERY != 1:
            return
        database.execute("DELETE FROM facts WHERE expires_at <= ?", (self._clock(),))
        surplus = database.execute("SELECT count(*) FROM facts").fetchone()[0] + _SWEEP_EVERY - self._capacity
        if surplus > 0:
            database.execute(
                "DELETE FROM facts WHERE key IN (SELECT key FROM facts ORDER BY expires_at LIMIT ?)", (surplus,)
            )

    # -- watching ------------------------------------------------------------------------------------------------

    async def _look(self) -> None:
        while True:
            nothing: list[tuple[str, bytes]] = []
            for key, value in await self._run(self._news, nothing):
                self._watchers.tell(key, value)
            await asyncio.sleep(_LOOK_S)

    def _news(self, database: sqlite3.Connection) -> list[tuple[str, bytes]]:
        newest = database.execute("SELECT number FROM changes").fetchone()[0]
        if newest == self._seen:
            return []
        query = "SELECT key, value FROM facts WHERE change > ? AND change <= ? ORDER BY change"
        rows = database.execute(query, (self._seen, newest)).fetchall()
        self._seen = newest
        return [(str(key), bytes(value)) for key, value in rows]


def _take_room(database: sqlite3.Connection) -> None:
    """Have free pages in the file and its log, so that a disk that fills up afterwards refuses no caller's ticket."""
    size, free = (database.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_size", "freelist_count"))
    if size * free >= _ROOM_BYTES:
        return
    with contextlib.suppress(sqlite3.OperationalError), _transaction(database):  # full already, or others are at it
        database.execute("CREATE TABLE room (bytes BLOB)")
        database.execute("INSERT INTO room VALUES (zeroblob(?))", (_ROOM_BYTES + size,))
        database.execute("DROP TABLE room")
    database.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()


@contextlib.contextmanager
def _transaction(database: sqlite3.Connection) -> Iterator[None]:
    """Everything that is written meanwhile, or nothing of it."""
    database.execute("BEGIN IMMEDIATE")
    try:
        yield
        database.execute("COMMIT")
    except BaseException:
        with contextlib.suppress(sqlite3.Error):
            database.execute("ROLLBACK")
        raise
