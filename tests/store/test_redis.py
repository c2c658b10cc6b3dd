"""The store that all machines share, with a real Redis."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
import redis.asyncio

from bridge.store.base import Store
from bridge.store.redis import RedisStore
from bridge.store.sqlite import SqliteStore
from tests.store.contract import OpenStore, SharedStoreContract, until
from tests.store.test_memory import Clock

NOWHERE = "unix:///nowhere/redis.sock"


@pytest.fixture
async def open_store(redis_url: str) -> AsyncIterator[OpenStore]:
    opened: list[RedisStore] = []

    async def start() -> Store:
        store = RedisStore(redis_url, secret=b"secret", deadline_s=5.0)
        opened.append(store)
        await store.start()
        return store

    yield start
    for store in opened:
        await store.close()


@pytest.fixture
async def client(redis_url: str) -> AsyncIterator[redis.asyncio.Redis]:
    client = redis.asyncio.Redis.from_url(redis_url)
    yield client
    await client.aclose()


class TestRedisStore(SharedStoreContract):
    """The contract, kept in Redis."""


async def test_redis_forgets_when_the_time_is_over(open_store: OpenStore, client: redis.asyncio.Redis) -> None:
    store = await open_store()
    await store.put("after:CA1", b"hang up", 60.0)
    await store.add("ticket:n", b"", 30.0)
    assert 50_000 < await client.pttl("bridge:after:CA1") <= 60_000
    assert 20_000 < await client.pttl("bridge:ticket:n") <= 30_000


@pytest.mark.parametrize("forged", [b"", b"hang up", b"\0" * 16 + b"hang up"])
async def test_what_somebody_else_wrote_is_not_believed(
    open_store: OpenStore, client: redis.asyncio.Redis, forged: bytes
) -> None:
    store = await open_store()
    await client.set("bridge:after:CA1", forged)
    assert await store.get("after:CA1") is None
    assert await store.take("after:CA1") is None
    assert store.stats()["forged"] == 2


async def test_a_value_counts_only_under_its_own_key(open_store: OpenStore, client: redis.asyncio.Redis) -> None:
    store = await open_store()
    await store.put("after:CA1", b"transfer", 60.0)
    sealed = await client.get("bridge:after:CA1")
    assert sealed is not None
    await client.set("bridge:after:CA2", sealed)
    assert await store.get("after:CA2") is None


async def test_another_services_secret_opens_nothing(open_store: OpenStore, redis_url: str) -> None:
    store = await open_store()
    await store.put("call:CA1", b"state", 60.0)
    stranger = RedisStore(redis_url, secret=b"another", deadline_s=5.0)
    assert await stranger.get("call:CA1") is None
    await stranger.close()


async def test_without_redis_a_process_knows_what_it_has_put() -> None:
    store = RedisStore(NOWHERE, secret=b"secret")
    await store.start()
    heard: list[str] = []
    store.watch("after:", lambda key, _value: heard.append(key))
    await store.put("after:CA1", b"hang up", 60.0)
    assert await store.get("after:CA1") == b"hang up"
    assert await store.add("ticket:n", b"", 60.0)
    assert not await store.add("ticket:n", b"", 60.0)
    assert await store.take("after:CA1") == b"hang up"
    assert await store.take("after:CA1") is None
    assert heard == ["after:CA1"]
    assert store.stats()["away"] == 1
    await store.close()


class TestRedisThatIsAway(SharedStoreContract):
    """The contract, kept by the processes of one machine in a file while there is no Redis."""

    @pytest.fixture
    async def open_store(self, tmp_path: Path) -> AsyncIterator[OpenStore]:
        opened: list[RedisStore] = []

        async def start() -> Store:
            store = RedisStore(NOWHERE, secret=b"secret", meanwhile=SqliteStore(tmp_path / "store"))
            opened.append(store)
            await store.start()
            return store

        yield start
        for store in opened:
            await store.close()


async def test_whoever_keeps_many_is_told_whether_redis_has_taken_them(redis_url: str) -> None:
    clock = Clock()
    store = RedisStore(redis_url, secret=b"secret", deadline_s=5.0, clock=clock)
    assert await store.keep_all({"call:CA1": b"one"}, 60.0)
    store._away_until = clock.now + 1.0
    assert not await store.keep_all({"call:CA1": b"two"}, 60.0)
    assert await store.get("call:CA1") == b"two"
    clock.now += 2.0
    assert await store.keep_all({"call:CA1": b"three"}, 60.0)
    store._away_until = clock.now + 1.0
    assert await store.get("call:CA1") == b"three", "not what was kept while it was away before"
    await store.close()


async def test_an_answer_that_waits_for_a_loop_that_was_held_is_not_late(redis_url: str) -> None:
    store = RedisStore(redis_url, secret=b"secret", deadline_s=0.4)
    await store.put("call:CA1", b"state", 60.0)
    asking = asyncio.create_task(store.get("call:CA1"))
    await asyncio.sleep(0)  # the question is on its way
    time.sleep(0.5)  # and other calls hold the loop
    assert await asking == b"state"
    assert store.stats()["failed"] == 0
    await store.close()


async def test_redis_that_is_late_once_is_asked_again_soon_and_ever_later_while_it_is(redis_url: str) -> None:
    clock = Clock()
    async with _slow_redis(redis_url) as (address, may_answer):
        may_answer.clear()
        store = RedisStore(address, secret=b"secret", deadline_s=0.02, clock=clock)
        alone: list[float] = []
        for number in range(6):
            assert await store.add(f"ticket:{number}", b"", 60.0)
            assert not await store.add(f"ticket:{number}", b"", 60.0)
            alone.append(store._away_until - clock.now)
            clock.now = store._away_until
        assert alone == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.0, 1.0])
        await store.close()


@pytest.mark.parametrize("operation", ["get", "replace"])
async def test_what_redis_alone_may_know_is_asked_for_again_when_it_was_late(redis_url: str, operation: str) -> None:
    async with _slow_redis(redis_url) as (address, may_answer):
        store = RedisStore(address, secret=b"secret", deadline_s=0.1)
        other = RedisStore(redis_url, secret=b"secret", deadline_s=5.0)
        await store.put("call:CA1", b"older", 60.0)
        await other.put("call:CA1", b"state", 60.0)
        may_answer.clear()
        asking = asyncio.create_task(
            store.get("call:CA1") if operation == "get" else store.replace("call:CA1", b"state", b"mine", 60.0)
        )
        await until(lambda: store.stats()["failed"] == 1)
        may_answer.set()
        assert await asking == (b"state" if operation == "get" else True)
        assert await other.get("call:CA1") == (b"state" if operation == "get" else b"mine")
        await store.close()
        await other.close()


@asynccontextmanager
async def _slow_redis(redis_url: str) -> AsyncIterator[tuple[str, asyncio.Event]]:
    """The way to a Redis, which is passed only while that is allowed; every question reaches it all the same."""
    may_answer, serving = asyncio.Event(), set[asyncio.Task[None]]()
    may_answer.set()

    async def serve(asked: asyncio.StreamReader, to_store: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        serving.add(task)
        answers, to_redis = await asyncio.open_unix_connection(redis_url.removeprefix("unix://"))

        async def there() -> None:
            while data := await asked.read(65536):
                to_redis.write(data)

        async def back() -> None:
            while data := await answers.read(65536):
                await may_answer.wait()
                to_store.write(data)

        with suppress(ConnectionError, asyncio.CancelledError):
            await asyncio.gather(there(), back())

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}", may_answer
        for task in serving:
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)


async def test_redis_that_goes_away_and_comes_back(redis_url: str) -> None:
    clock = Clock()
    store = RedisStore(redis_url, secret=b"secret", deadline_s=5.0, clock=clock)
    await store.put("after:CA1", b"hang up", 60.0)
    assert await store.add("ticket:n", b"", 60.0)
    await store.put("call:CA1", b"old", 60.0)
    store._away_until = clock.now + 1.0
    assert await store.get("after:CA1") == b"hang up", "known from before"
    assert not await store.add("ticket:n", b"", 60.0), "spent before Redis went"
    assert await store.replace("call:CA1", b"old", b"new", 60.0), "known from before"
    assert not await store.replace("call:CA1", b"old", b"newer", 60.0)
    await store.put("after:CA2", b"transfer", 60.0)
    assert await store.add("ticket:m", b"", 60.0)
    clock.now += 2.0
    assert await store.get("after:CA2") == b"transfer", "put while Redis was away"
    assert not await store.add("ticket:m", b"", 60.0), "spent while Redis was away"
    other = RedisStore(redis_url, secret=b"secret", deadline_s=5.0)
    assert await other.get("after:CA1") == b"hang up"
    await other.close()
    await store.close()


async def test_a_task_that_is_cancelled_ends_whatever_redis_is_doing_for_it(redis_url: str) -> None:
    store = RedisStore(redis_url, secret=b"secret", deadline_s=30.0)

    async def beats() -> None:
        while True:
            await store.put("serving:1", b"yes", 60.0)

    for turns in range(30):  # more turns of the loop than one `put` takes
        beating = asyncio.create_task(beats())
        for _ in range(turns):
            await asyncio.sleep(0)
        beating.cancel()
        done, _ = await asyncio.wait([beating], timeout=30.0)
        assert done, f"cancelled after {turns} turns of the loop, it goes on and on"
    await store.close()


async def test_a_store_that_hears_of_others_closes_at_any_moment(redis_url: str) -> None:
    for turns in range(30):
        store = RedisStore(redis_url, secret=b"secret", deadline_s=30.0)
        store.watch("after:", lambda _key, _value: None)
        for _ in range(turns):
            await asyncio.sleep(0)
        closing = asyncio.create_task(store.close())
        done, _ = await asyncio.wait([closing], timeout=30.0)
        assert done, f"closed after {turns} turns of the loop, it still listens"


async def test_redis_that_is_away_is_asked_once_a_second_and_no_more() -> None:
    clock = Clock()
    store = RedisStore(NOWHERE, secret=b"secret", clock=clock)
    for _ in range(50):
        await store.get("call:CA1")
    assert store.stats()["failed"] == 1
    clock.now += 1.5
    await store.get("call:CA1")
    assert store.stats()["failed"] == 2
    await store.close()
