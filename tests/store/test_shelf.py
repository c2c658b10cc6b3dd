"""The shelf keeps facts until they expire, hands each once-only fact out once, and never overflows."""

from __future__ import annotations

from pathlib import Path

from bridge.store.shelf import Shelf


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


async def test_a_fact_is_there_until_it_expires() -> None:
    clock = Clock()
    shelf = Shelf(clock=clock)
    await shelf.put("call", b"hang up", 10.0)
    assert await shelf.get("call") == b"hang up"
    assert await shelf.get("call") == b"hang up"  # a retried webhook gets the same answer
    clock.now += 10.0
    assert await shelf.get("call") is None


async def test_the_latest_fact_wins() -> None:
    shelf = Shelf()
    await shelf.put("call", b"hang up", 10.0)
    await shelf.put("call", b"transfer", 10.0)
    assert await shelf.get("call") == b"transfer"


async def test_a_nonce_is_spent_once_until_it_has_expired() -> None:
    clock = Clock()
    shelf = Shelf(clock=clock)
    assert await shelf.add("nonce", 60.0)
    assert not await shelf.add("nonce", 60.0)
    clock.now += 61.0
    assert await shelf.add("nonce", 60.0)
    assert not await shelf.add("nonce", 60.0)


async def test_the_shelf_never_holds_more_than_its_capacity() -> None:
    clock = Clock()
    shelf = Shelf(capacity=500, clock=clock)
    for n in range(2000):
        clock.now += 0.01
        await shelf.put(f"call {n}", b"", 600.0)
    assert await shelf.count() <= 500
    assert await shelf.get("call 1999") is not None
    assert await shelf.get("call 0") is None


async def test_expired_facts_take_no_room() -> None:
    clock = Clock()
    shelf = Shelf(clock=clock)
    for n in range(300):
        await shelf.put(f"call {n}", b"", 1.0)
    clock.now += 2.0
    for n in range(64):
        await shelf.put(f"later {n}", b"", 1.0)
    rows = shelf._database.execute("SELECT count(*) FROM facts").fetchone()[0]
    assert rows == 64


async def test_two_processes_share_a_shelf_in_a_file(tmp_path: Path) -> None:
    path = str(tmp_path / "shelf.sqlite")
    one, other = Shelf(path), Shelf(path)
    assert await one.add("nonce", 60.0)
    assert not await other.add("nonce", 60.0)
    await other.put("call", b"hang up", 60.0)
    assert await one.get("call") == b"hang up"
    one.close()
    other.close()
