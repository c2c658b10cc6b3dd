"""Counts of callers, bounded: whoever invents numbers neither fills a store nor makes it forget who has used much."""

from __future__ import annotations

import pytest

from bridge.store import tallies
from bridge.store.memory import MemoryStore
from bridge.store.tallies import Tallies, Use
from tests.store.contract import used


async def test_a_flood_of_invented_numbers_takes_bounded_room_and_pushes_out_its_own_kind(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tallies, "BUCKETS", 4)
    monkeypatch.setattr(tallies, "MOST_IN_A_BUCKET", 8)
    store = MemoryStore()
    counts = Tallies(store)
    for _ in range(5):
        await counts.change("each", 7, "15005550006", Use(1, 1).plus, 60.0)
    for number in range(1500):
        await counts.change("each", 7, str(number), Use(1, 1).plus, 60.0)
    assert store.stats()["entries"] == 4
    assert store.stats()["bytes"] < 4 * (200 + 8 * 40)
    assert await used(counts, "15005550006") == Use(5, 5)
    assert await used(counts, "1499") == Use(1, 1), "the newest is counted, too"


async def test_a_window_has_its_own_counts() -> None:
    counts = Tallies(MemoryStore())
    await counts.change("each", 7, "1", Use(1).plus, 60.0)
    assert await used(counts, "1", window=8) == Use()
    assert await used(counts, "1", limit="others") == Use()


async def test_a_value_that_cannot_be_read_is_begun_again() -> None:
    store = MemoryStore()
    counts = Tallies(store)
    await counts.change("each", 7, "1", Use(1).plus, 60.0)
    (key,) = store._entries
    await store.put(key, b"\xc1", 60.0)
    await counts.change("each", 7, "1", Use(1).plus, 60.0)
    assert await used(counts, "1") == Use(1)


async def test_a_store_that_takes_nothing_is_given_up_and_counted() -> None:
    class Full(MemoryStore):
        async def add(self, key: str, value: bytes, ttl_s: float) -> bool:
            return False

    counts = Tallies(Full())
    await counts.change("each", 7, "1", Use(1).plus, 60.0)
    assert counts.contended == 1
