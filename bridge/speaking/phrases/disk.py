"""The second tier: phrases in one SQLite file, bounded in bytes, shared by the processes of a machine.

SQLite's write-ahead log makes a write whole or absent whenever the process dies. Every phrase carries its
own checksum on top (`bridge.speaking.phrases.phrase.pack`), so that a damaged entry is found, counted and dropped;
a damaged file is set aside and begun anew. All methods block: `bridge.speaking.phrases.cache` calls them in a
thread of their own. None of them raises for a bad disk: the tier then holds nothing, and counts.
"""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from bridge.errors import BadMessage
from bridge.speaking.phrases.phrase import FORMAT_VERSION, CacheEntry, Phrase, PhraseKey, pack, unpack

_T = TypeVar("_T")
_BUSY_S = 0.2
_TOUCH_EVERY_S = 60.0
_SCHEMA = """
CREATE TABLE IF NOT EXISTS phrase (
    digest TEXT PRIMARY KEY, tenant TEXT NOT NULL, voice TEXT NOT NULL, engine TEXT NOT NULL, text TEXT NOT NULL,
    bytes INTEGER NOT NULL, audio_ms INTEGER NOT NULL, stored_at REAL NOT NULL, used_at REAL NOT NULL,
    hits INTEGER NOT NULL DEFAULT 0, data BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS phrase_size ON phrase (tenant, bytes);
CREATE INDEX IF NOT EXISTS phrase_worth ON phrase (tenant, hits > 0, used_at);
CREATE TABLE IF NOT EXISTS voice (name TEXT PRIMARY KEY, engine TEXT NOT NULL) WITHOUT ROWID;
"""


class DiskTier:
    """Phrases in the file `phrases.sqlite` of a folder.

    limit_bytes         of all audio; tenant_limit_bytes of one tenant's
    clock               seconds since 1970, comparable between processes
    """

    def __init__(
        self, folder: Path, limit_bytes: int, tenant_limit_bytes: int, clock: Callable[[], float] = time.time
    ) -> None:
        self._path = folder / "phrases.sqlite"
        self._limit = limit_bytes
        self._tenant_limit = min(tenant_limit_bytes, limit_bytes)
        self._clock = clock
        self._db: sqlite3.Connection | None = None
        self._touched: dict[str, float] = {}
        self.failures = 0
        """Operations that the disk or the file refused."""
        self.damaged = 0
        """Entries or files found damaged or foreign."""
        self.evicted = 0

    def open(self) -> None:
        """Open or make the file; a damaged one is set aside as `phrases.damaged`."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
        except OSError:
            self.failures += 1
            return
        for attempt in range(2):
            try:
                db = sqlite3.connect(self._path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)
                version = db.execute("PRAGMA user_version").fetchone()[0]
                db.execute("PRAGMA journal_mode = WAL")
                db.execute("PRAGMA synchronous = NORMAL")
                if version not in (0, FORMAT_VERSION):
                    self.damaged += 1
                    db.execute("DROP TABLE IF EXISTS phrase")
                    db.execute("DROP TABLE IF EXISTS voice")
                db.executescript(_SCHEMA)
                db.execute(f"PRAGMA user_version = {FORMAT_VERSION}")
                self._db = db
                return
            except sqlite3.OperationalError:
                self.failures += 1
                return
            except sqlite3.DatabaseError:
                self.damaged += 1
                if attempt == 0:
                    self._set_aside()

    def close(self) -> None:
        """Close the file, if it is open."""
        if self._db is not None:
            with contextlib.suppress(sqlite3.Error):
                self._db.close()
            self._db = None

    def get(self, key: PhraseKey) -> Phrase | None:
        """Look up a phrase; a damaged one is dropped and counted."""

        def look_up(db: sqlite3.Connection) -> Phrase | None:
            row = db.execute("SELECT data FROM phrase WHERE digest = ?", (key.digest,)).fetchone()
            if row is None:
                return None
            try:
                phrase = unpack(row[0])
            except BadMessage:
                phrase = None
            if phrase is None or phrase.key != key:
                self.damaged += 1
                db.execute("DELETE FROM phrase WHERE digest = ?", (key.digest,))
                return None
            self._touch(db, key.digest)
            return phrase

        return self._guarded(look_up, None)

    def put(self, phrase: Phrase) -> bool:
        """Keep a phrase; evict what is least worth keeping beyond the limits."""
        key, data, now = phrase.key, pack(phrase), self._clock()
        if len(data) > self._tenant_limit // 2:
            return False
        names = (key.digest, key.tenant, key.voice, key.engine, key.text)

        def store(db: sqlite3.Connection) -> bool:
            db.execute(
                "INSERT INTO phrase VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 0, ?) ON CONFLICT (digest) DO UPDATE "
                "SET bytes = excluded.bytes, audio_ms = excluded.audio_ms, stored_at = excluded.stored_at, "
                "data = excluded.data",
                (*names, len(data), phrase.audio_ms, now, now, data),
            )
            self._shrink(db, self._tenant_limit, "WHERE tenant = ?", (key.tenant,))
            self._shrink(db, self._limit, "", ())
            return True

        return self._guarded(store, False)

    def has(self, key: PhraseKey) -> bool:
        """Whether a phrase is kept."""
        query = "SELECT COUNT(*) FROM phrase WHERE digest = ?"
        return self._guarded(lambda db: bool(db.execute(query, (key.digest,)).fetchone()[0]), False)

    def list(self, *, text: str | None = None, voice: str | None = None, tenant: str | None = None) -> list[CacheEntry]:
        """Entries that match all that is given, most used first; `text` is normalised and matched whole."""
        where, values = _where(text, voice, tenant)
        columns = "digest, tenant, voice, engine, text, bytes, audio_ms, used_at, hits"
        query = f"SELECT {columns} FROM phrase {where} ORDER BY hits DESC, used_at DESC"
        return self._guarded(lambda db: [CacheEntry(*row) for row in db.execute(query, values)], [])

    def purge(self, *, text: str | None = None, voice: str | None = None, tenant: str | None = None) -> int:
        """Delete the entries that match all that is given; return how many."""
        where, values = _where(text, voice, tenant)
        return self._guarded(lambda db: db.execute(f"DELETE FROM phrase {where}", values).rowcount, 0)

    def stats(self) -> dict[str, float]:
        """Phrases and bytes in the file, and what went wrong."""
        query = "SELECT COUNT(*), COALESCE(SUM(bytes), 0) FROM phrase"
        phrases, size = self._guarded(lambda db: db.execute(query).fetchone(), (0, 0))
        return {
            "phrases": phrases,
            "bytes": size,
            "failures": self.failures,
            "damaged": self.damaged,
            "evicted": self.evicted,
        }

    def remember_engines(self, engines: dict[str, str]) -> None:
        """Note which engine version spoke for each voice last, for a start without any worker."""
        statement = "INSERT OR REPLACE INTO voice VALUES (?, ?)"
        self._guarded(lambda db: db.executemany(statement, engines.items()).rowcount, 0)

    def engines(self) -> dict[str, str]:
        """Return the engines that `remember_engines` noted."""
        return self._guarded(lambda db: dict(db.execute("SELECT name, engine FROM voice").fetchall()), {})

    def _touch(self, db: sqlite3.Connection, digest: str) -> None:
        """Count the use; at most once a minute per phrase, since memory answers the hot ones anyway."""
        now = self._clock()
        if now - self._touched.get(digest, -_TOUCH_EVERY_S) < _TOUCH_EVERY_S:
            return
        if len(self._touched) > 10_000:
            self._touched.clear()
        self._touched[digest] = now
        db.execute("UPDATE phrase SET hits = hits + 1, used_at = ? WHERE digest = ?", (now, digest))

    def _shrink(self, db: sqlite3.Connection, limit: int, where: str, values: tuple[str, ...]) -> None:
        size = db.execute(f"SELECT COALESCE(SUM(bytes), 0) FROM phrase {where}", values).fetchone()[0]
        if size <= limit:
            return
        # What was never asked for again goes first, oldest first; then the least recently used.
        doomed: list[tuple[str]] = []
        worst = f"SELECT digest, bytes FROM phrase {where} ORDER BY hits > 0, used_at"
        for digest, taken in db.execute(worst, values):
            doomed.append((digest,))
            size -= taken
            if size <= limit:
                break
        db.executemany("DELETE FROM phrase WHERE digest = ?", doomed)
        self.evicted += len(doomed)

    def _set_aside(self) -> None:
        with contextlib.suppress(OSError):
            self._path.replace(self._path.with_suffix(".damaged"))
        for suffix in ("-wal", "-shm"):
            with contextlib.suppress(OSError):
                self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)

    def _guarded(self, operation: Callable[[sqlite3.Connection], _T], otherwise: _T) -> _T:
        """Do it in the open file; whatever SQLite complains about is counted, and a damaged file replaced."""
        if self._db is None:
            return otherwise
        try:
            return operation(self._db)
        except sqlite3.OperationalError:
            self.failures += 1  # locked, full, gone, read-only
        except sqlite3.DatabaseError:
            self.damaged += 1
            self.close()
            self._set_aside()
            self.open()
        return otherwise


def _where(text: str | None, voice: str | None, tenant: str | None) -> tuple[str, tuple[str, ...]]:
    asked = {"text": text, "voice": voice, "tenant": tenant}
    given = [(name, value) for name, value in asked.items() if value is not None]
    if not given:
        return "", ()
    return "WHERE " + " AND ".join(f"{name} = ?" for name, _ in given), tuple(value for _, value in given)
