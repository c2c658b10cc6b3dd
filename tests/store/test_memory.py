"""The store of one process."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.store.base import Store
from bridge.store.memory import MemoryStore
from tests.store.contract import OpenStore, StoreContract


class Clock:
    """A clock that goes when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def open_store() -> OpenStore:
    async def start() -> Store:
        return MemoryStore()

    return start


class TestMemoryStore(StoreContract):
    """The contract, kept in memory."""


async def test_a_fact_expires() -> None:
    clock = Clock()
    store = MemoryStore(clock=clock)
    await store.put("after:CA1", b"hang up", 10.0)
    assert await store.add("ticket:n", b"", 60.0)
    clock.now += 10.0
    assert await store.get("after:CA1") is None
    assert not await store.add("ticket:n", b"", 60.0)
    clock.now += 51.0
    assert await store.add("ticket:n", b"", 60.0)


async def test_a_full_store_gives_up_what_expires_soonest() -> None:
    store = MemoryStore(capacity=500, clock=Clock())
    for number in range(2000):
        await store.put(f"call:{number}", b"", 600.0 + number)
    assert store.stats()["entries"] == 500
    assert await store.get("call:1999") is not None
    assert await store.get("call:0") is None


async def test_large_values_are_bounded_by_their_bytes() -> None:
    store = MemoryStore(capacity_mib=4, clock=Clock())
    for number in range(20):
        await store.put(f"call:{number}", b"x" * (1 << 20), 600.0 + number)
    assert store.stats()["bytes"] <= 4 << 20
    assert await store.get("call:19") is not None


@given(
    st.lists(
        st.tuples(st.sampled_from(["put", "add", "take", "time"]), st.integers(0, 5), st.integers(1, 20)), max_size=200
    )
)
async def test_any_history_leaves_what_a_plain_dictionary_would(steps: list[tuple[str, int, int]]) -> None:
    clock = Clock()
    store = MemoryStore(clock=clock)
    expected: dict[str, tuple[bytes, float]] = {}
    for what, which, number in steps:
        key, value = f"key:{which}", b"%d" % number
        expected = {name: kept for name, kept in expected.items() if kept[1] > clock.now}
        match what:
            case "put":
                await store.put(key, value, number)
                expected[key] = (value, clock.now + number)
            case "add":
                assert await store.add(key, value, number) == (key not in expected)
                expected.setdefault(key, (value, clock.now + number))
            case "take":
                assert await store.take(key) == expected.pop(key, (None, 0.0))[0]
            case "time":
                clock.now += number
    for which in range(6):
        kept = expected.get(f"key:{which}")
        assert await store.get(f"key:{which}") == (kept[0] if kept and kept[1] > clock.now else None)
    assert len(store._expiries) <= 2 * len(store._entries) + 1001
