"""The store that the processes of one machine share."""

from __future__ import annotations

import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bridge.errors import ConfigError
from bridge.store.base import Store
from bridge.store.factory import open_tallies
from bridge.store.sqlite import SqliteStore
from tests.store.contract import OpenStore, SharedStoreContract
from tests.store.test_memory import Clock

ROOT = Path(__file__).parents[2]


@pytest.fixture
async def open_store(tmp_path: Path) -> AsyncIterator[OpenStore]:
    opened: list[SqliteStore] = []

    async def start() -> Store:
        store = SqliteStore(tmp_path / "store")
        opened.append(store)
        await store.start()
        return store

    yield start
    for store in opened:
        await store.close()


class TestSqliteStore(SharedStoreContract):
    """The contract, kept in a file."""


async def test_a_fact_expires_and_takes_no_room_afterwards(tmp_path: Path) -> None:
    clock = Clock()
    store = SqliteStore(tmp_path / "store", clock=clock)
    await store.start()
    for number in range(300):
        await store.put(f"call:{number}", b"", 1.0)
    clock.now += 2.0
    assert await store.get("call:299") is None
    assert await store.take("call:299") is None
    assert await store.add("call:299", b"", 1.0)
    for number in range(64):
        await store.put(f"later:{number}", b"", 1.0)
    await store.close()
    with sqlite3.connect(tmp_path / "store") as database:
        assert database.execute("SELECT count(*) FROM facts WHERE key LIKE 'call:%'").fetchone()[0] <= 1


async def test_a_full_file_gives_up_what_expires_soonest(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "store", capacity=500)
    await store.start()
    for number in range(1000):
        await store.put(f"call:{number}", b"", 600.0 + number)
    assert await store.get("call:999") is not None
    assert await store.get("call:0") is None
    await store.close()


async def test_the_file_is_for_the_service_alone(tmp_path: Path, open_store: OpenStore) -> None:
    store = await open_store()
    await store.put("call:CA1", b"state", 60.0)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert set(modes.values()) == {0o600}, modes


async def test_the_event_loop_never_touches_the_disk(open_store: OpenStore, monkeypatch: pytest.MonkeyPatch) -> None:
    store = await open_store()
    assert isinstance(store, SqliteStore)
    threads: set[str] = set()
    monkeypatch.setattr(store, "_read", lambda _database, _key: threads.add(threading.current_thread().name))
    await store.get("call:CA1")
    assert threads
    assert threading.main_thread().name not in threads


_LIMITED = """
import asyncio, resource, sys
from pathlib import Path
from bridge.store.sqlite import SqliteStore

async def main():
    store, folder = SqliteStore(Path(sys.argv[1])), Path(sys.argv[1]).parent
    await store.start()
    await store.put("before", b"x", 60.0)
    largest = max(file.stat().st_size for file in folder.iterdir())
    resource.setrlimit(resource.RLIMIT_FSIZE, (largest, resource.RLIM_INFINITY))
    for number in range(500):
        assert await store.add(f"ticket:{number}", b"", 60.0)
        assert not await store.add(f"ticket:{number}", b"", 60.0)
        await store.put(f"call:{number % 100}", b"x" * 8000, 60.0)
    assert await store.get("call:99") == b"x" * 8000
    assert store.stats()["failed"] == 0
    while store.stats()["failed"] < 20:  # until there is really none left
        number += 1
        await store.put(f"call:{number}", b"x" * 200_000, 60.0)
    assert await store.get("before") == b"x"
    await store.close()

asyncio.run(main())
"""


def test_a_disk_that_fills_up_refuses_no_ticket_and_is_told_once(tmp_path: Path) -> None:
    command = [sys.executable, "-c", _LIMITED, str(tmp_path / "store")]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("failed: ") == 1


async def test_a_file_that_breaks_costs_what_it_held_and_no_call(open_store: OpenStore) -> None:
    store = await open_store()
    assert isinstance(store, SqliteStore)
    assert store._database is not None
    store._database.execute("DROP TABLE facts")
    await store.put("after:CA1", b"hang up", 60.0)
    assert await store.get("after:CA1") is None
    assert await store.take("after:CA1") is None
    assert not await store.add("ticket:n", b"", 60.0), "a ticket that cannot be noted as spent is not good"
    assert store.stats()["failed"] == 4


async def test_a_file_of_counts_beside_redis_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"gateway\.allowances\.file"):
        open_tallies(tmp_path / "counts", "redis://localhost")
