"""What every store must do; a store's own tests derive from this and say how one is opened."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from bridge.store.base import LARGEST_VALUE, Store
from bridge.store.tallies import Tallies, Use

OpenStore = Callable[[], Awaitable[Store]]
"""Opens one more view of the same store, as another process of the service would."""


class StoreContract:
    """A service keeps facts about its calls; `open_store` comes from the deriving class or its module."""

    async def test_a_fact_is_there_for_everybody_who_asks_again(self, open_store: OpenStore) -> None:
        store = await open_store()
        await store.put("after:CA1", b"hang up", 10.0)
        assert await store.get("after:CA1") == b"hang up"
        assert await store.get("after:CA1") == b"hang up", "a webhook that is retried gets the same answer"
        assert await store.get("after:CA2") is None

    async def test_the_latest_fact_wins(self, open_store: OpenStore) -> None:
        store = await open_store()
        await store.put("after:CA1", b"hang up", 10.0)
        await store.put("after:CA1", b"transfer", 10.0)
        assert await store.get("after:CA1") == b"transfer"

    async def test_a_ticket_is_spent_once(self, open_store: OpenStore) -> None:
        store = await open_store()
        spent = await asyncio.gather(*(store.add("ticket:n", b"", 60.0) for _ in range(20)))
        assert sorted(spent) == [False] * 19 + [True]
        assert await store.add("ticket:m", b"", 60.0)

    async def test_a_call_is_taken_over_by_one(self, open_store: OpenStore) -> None:
        store = await open_store()
        await store.put("call:CA1", b"state", 60.0)
        taken = await asyncio.gather(*(store.take("call:CA1") for _ in range(20)))
        assert sorted(value for value in taken if value is not None) == [b"state"]
        assert await store.get("call:CA1") is None
        assert await store.take("call:CA1") is None

    async def test_what_was_taken_can_be_put_again(self, open_store: OpenStore) -> None:
        store = await open_store()
        await store.put("call:CA1", b"one", 60.0)
        assert await store.take("call:CA1") == b"one"
        await store.put("call:CA1", b"two", 60.0)
        assert await store.get("call:CA1") == b"two"

    async def test_of_many_who_replace_a_value_one_does(self, open_store: OpenStore) -> None:
        store = await open_store()
        assert not await store.replace("call:CA1", b"", b"mine", 60.0), "nothing is no value"
        await store.put("call:CA1", b"old\0", 60.0)
        assert not await store.replace("call:CA1", b"older", b"mine", 60.0)
        done = await asyncio.gather(*(store.replace("call:CA1", b"old\0", b"%d" % n, 60.0) for n in range(20)))
        assert done.count(True) == 1
        assert await store.get("call:CA1") == b"%d" % done.index(True)
        assert not await store.add("call:CA1", b"new", 60.0), "it is still kept"
        with pytest.raises(ValueError, match="at most 1048576 bytes"):
            await store.replace("call:CA1", b"1", b"x" * (LARGEST_VALUE + 1), 60.0)

    async def test_what_replaces_a_value_has_a_time_of_its_own(self, open_store: OpenStore) -> None:
        store = await open_store()
        await store.put("call:CA1", b"old", 60.0)
        assert await store.replace("call:CA1", b"old", b"new", 0.001)
        async with asyncio.timeout(60):
            while await store.get("call:CA1") is not None:
                await asyncio.sleep(0.002)

    async def test_what_many_callers_use_at_once_is_all_counted(self, open_store: OpenStore) -> None:
        tallies = Tallies(await open_store())
        one = Use(1, 2, 0.25)
        await asyncio.gather(*(tallies.change("each", 7, "15005550006", one.plus, 60.0) for _ in range(30)))
        assert await used(tallies, "15005550006") == Use(30, 60, 7.5)
        assert await used(tallies, "15005550007") == Use()

    async def test_values_are_bytes_of_every_kind(self, open_store: OpenStore) -> None:
        store = await open_store()
        for value in (b"", b"\0\xff" * 1000, "Grüße".encode(), b"x" * LARGEST_VALUE):
            await store.put("call:CA1", value, 60.0)
            assert await store.get("call:CA1") == value

    async def test_what_no_store_takes_is_named(self, open_store: OpenStore) -> None:
        store = await open_store()
        with pytest.raises(ValueError, match="at most 1048576 bytes, not 1048577"):
            await store.put("call:CA1", b"x" * (LARGEST_VALUE + 1), 60.0)
        with pytest.raises(ValueError, match="1 to 200 characters"):
            await store.add("x" * 201, b"", 60.0)

    async def test_watchers_hear_of_their_keys_until_they_stop(self, open_store: OpenStore) -> None:
        store = await open_store()
        heard: list[tuple[str, bytes]] = []
        stop = store.watch("call:", lambda key, value: heard.append((key, value)))
        await store.put("call:CA1", b"one", 60.0)
        await store.put("after:CA1", b"hang up", 60.0)
        await until(lambda: len(heard) == 1)
        stop()
        await store.put("call:CA1", b"two", 60.0)
        assert heard == [("call:CA1", b"one")]

    async def test_many_facts_are_kept_in_one_go_and_no_watcher_is_woken(self, open_store: OpenStore) -> None:
        store = await open_store()
        heard: list[str] = []
        store.watch("call:", lambda key, _: heard.append(key))
        await store.put("call:CA1", b"one", 60.0)
        await until(lambda: heard == ["call:CA1"])
        await store.keep_all({f"call:CA{number}": b"state %d" % number for number in range(50)}, 60.0)
        await store.put("call:last", b"", 60.0)
        await until(lambda: "call:last" in heard)
        assert heard == ["call:CA1", "call:last"]
        assert await store.get("call:CA1") == b"state 1"
        assert await store.take("call:CA49") == b"state 49"
        assert await store.get("call:CA49") is None
        await store.keep_all({}, 60.0)

    async def test_one_value_that_is_too_large_is_named_among_many(self, open_store: OpenStore) -> None:
        store = await open_store()
        with pytest.raises(ValueError, match="at most 1048576 bytes"):
            await store.keep_all({"call:CA1": b"", "call:CA2": b"x" * (LARGEST_VALUE + 1)}, 60.0)


class SharedStoreContract(StoreContract):
    """A store that several processes open at once."""

    async def test_what_one_puts_another_finds(self, open_store: OpenStore) -> None:
        one, other = await open_store(), await open_store()
        await one.put("after:CA1", b"hang up", 60.0)
        assert await other.get("after:CA1") == b"hang up"
        assert await other.take("after:CA1") == b"hang up"
        assert await one.get("after:CA1") is None

    async def test_of_several_processes_that_replace_a_value_one_does(self, open_store: OpenStore) -> None:
        stores = [await open_store() for _ in range(3)]
        await stores[0].put("call:CA1", b"old", 60.0)
        done = await asyncio.gather(*(one.replace("call:CA1", b"old", b"%d" % n, 60.0) for n, one in enumerate(stores)))
        assert done.count(True) == 1
        for store in stores:
            assert await store.get("call:CA1") == b"%d" % done.index(True)

    async def test_what_several_processes_count_at_once_is_all_counted(self, open_store: OpenStore) -> None:
        all_tallies = [Tallies(await open_store()) for _ in range(3)]
        counting = (one.change("each", 7, "15005550006", Use(1).plus, 60.0) for one in all_tallies for _ in range(20))
        await asyncio.gather(*counting)
        for tallies in all_tallies:
            assert await used(tallies, "15005550006") == Use(60)
            assert not tallies.contended

    async def test_a_ticket_that_one_has_spent_is_spent_for_all(self, open_store: OpenStore) -> None:
        stores = [await open_store() for _ in range(3)]
        spent = await asyncio.gather(*(store.add("ticket:n", b"", 60.0) for store in stores for _ in range(5)))
        assert sum(spent) == 1

    async def test_watchers_hear_of_what_another_puts(self, open_store: OpenStore) -> None:
        one, other = await open_store(), await open_store()
        heard: list[tuple[str, bytes]] = []
        other.watch("call:", lambda key, value: heard.append((key, value)))
        for number in range(200):  # the watch may need a moment to reach the others
            await one.put("call:CA1", b"%d" % number, 60.0)
            await asyncio.sleep(0)
            if heard:
                break
        await until(lambda: bool(heard))
        assert heard[0][0] == "call:CA1"


async def used(tallies: Tallies, who: str, limit: str = "each", window: int = 7) -> Use:
    """What somebody has used."""
    seen: list[Use] = []

    def look(use: Use) -> None:
        seen.append(use)

    await tallies.change(limit, window, who, look, 60.0)
    return seen[-1]


async def until(condition: Callable[[], bool]) -> None:
    """Let other tasks and processes go on until something is so; fails after ten seconds."""
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.002)
