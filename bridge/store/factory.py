"""Build the store that the settings ask for."""

from __future__ import annotations

from pathlib import Path

from bridge.errors import ConfigError
from bridge.store.base import Store
from bridge.store.memory import MemoryStore
from bridge.store.settings import StoreSettings
from bridge.store.sqlite import SqliteStore


def open_store(settings: StoreSettings, *, secret: str, redis_url: str = "", shared_file: Path | None = None) -> Store:
    """Redis where one is configured, else the file that the processes of one port share, else this process's memory."""
    here = MemoryStore() if shared_file is None else SqliteStore(shared_file)
    if redis_url:
        from bridge.store.redis import RedisStore  # loads the client library, which nobody else needs

        return RedisStore(
            redis_url,
            secret=secret.encode(),
            meanwhile=here,
            prefix=settings.redis_prefix,
            deadline_s=settings.redis_deadline_ms / 1000,
        )
    return here


def open_tallies(file: Path, redis_url: str) -> Store:
    """Where allowances are counted in a file that outlives a restart. Raises ConfigError where all count in Redis."""
    if redis_url:
        raise ConfigError("gateway.allowances.file: all machines count in Redis; remove it, or the address of Redis")
    return SqliteStore(file)
