"""A purge in one process reaches the memory and the disk of another, through a real Redis."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from bridge.speaking.phrases.cache import PhraseCache
from bridge.speaking.phrases.purges import Purges
from bridge.speaking.phrases.redis_tier import RedisTier
from bridge.speaking.settings import CacheSettings
from tests.speaking.phrases import key, phrase
from tests.speaking.test_prefetch import until

OpenCache = Callable[..., Awaitable[PhraseCache]]


@pytest.fixture
async def open_cache(redis_url: str) -> AsyncIterator[OpenCache]:
    opened: list[PhraseCache] = []

    async def start(disk: Path | None = None) -> PhraseCache:
        settings = CacheSettings(redis_deadline_ms=500, disk_path=str(disk) if disk else "")
        cache = PhraseCache(settings, redis_url=redis_url)
        opened.append(cache)
        await cache.open()
        return cache

    yield start
    for cache in opened:
        await cache.close()


def resume(purges: Purges) -> None:
    """The connection is back: read on from where it broke."""
    purges._task = asyncio.ensure_future(purges._read())


async def test_what_one_process_purges_all_forget_and_nothing_else(open_cache: OpenCache, tmp_path: Path) -> None:
    one, other = await open_cache(tmp_path / "one"), await open_cache(tmp_path / "other")
    for text in ("good morning", "good evening"):
        one.keep(phrase(text))
    await asyncio.wait(one._writes)
    for text in ("good morning", "good evening"):
        assert await other.fetch(key(text))
    await asyncio.wait(other._writes)
    other.memory.pin("default", key("good morning").digest)
    assert await one.purge(text="Good morning") == {"memory": 1, "disk": 1, "redis": 1}
    await until(lambda: len(other.memory) == 1)
    assert other.now(key("good evening"))
    await until(lambda: other._purges is not None and other._purges.obeyed == 1)
    assert [entry.text for entry in await other.list()] == ["good evening"]
    assert await other.fetch(key("good morning")) is None


async def test_what_was_purged_before_a_process_came_is_none_of_its_business(open_cache: OpenCache) -> None:
    one = await open_cache()
    await one.purge()
    late = await open_cache()
    late.keep(phrase("good morning"))
    await one.purge(text="something else")
    await until(lambda: late._purges is not None and late._purges.obeyed == 1)
    assert late.now(key("good morning"))


async def test_a_process_that_was_cut_off_reads_what_it_missed(open_cache: OpenCache) -> None:
    one, other = await open_cache(), await open_cache()
    for text in ("good morning", "good evening", "good night"):
        other.keep(phrase(text), local=True)
    assert other._purges is not None
    await other._purges.close()
    await one.purge(text="good morning")
    await one.purge(text="good evening")
    resume(other._purges)
    await until(lambda: len(other.memory) == 1)
    assert other.now(key("good night"))


async def test_who_missed_more_than_the_stream_holds_forgets_everything(open_cache: OpenCache) -> None:
    one, other = await open_cache(), await open_cache()
    await one.purge(text="nothing")
    assert other._purges is not None
    await until(lambda: other._purges is not None and other._purges.obeyed == 1)
    other.keep(phrase("good morning"), local=True)
    await other._purges.close()
    for number in range(4):
        await one.purge(text=f"number {number}")
    assert one.redis is not None
    await one.redis.client.xtrim("bridge:purges", maxlen=2, approximate=False)
    resume(other._purges)
    await until(lambda: len(other.memory) == 0)


async def test_an_entry_of_another_version_is_ignored(open_cache: OpenCache) -> None:
    one, other = await open_cache(), await open_cache()
    other.keep(phrase("good morning"), local=True)
    assert one.redis is not None
    await one.redis.client.xadd("bridge:purges", {"purge": "nonsense"})
    await one.redis.client.xadd("bridge:purges", {"purge": one.redis.seal("bridge:purges", b"[of another version]")})
    await one.purge(text="good evening")
    await until(lambda: other._purges is not None and other._purges.obeyed == 1)
    assert other.now(key("good morning"))


async def test_nobody_but_the_service_makes_phrases_go(open_cache: OpenCache) -> None:
    one, other = await open_cache(), await open_cache()
    other.keep(phrase("good morning"), local=True)
    assert one.redis is not None
    assert other.redis is not None
    everything = b"{}"
    another = RedisTier("redis://127.0.0.1:9", secret="of somebody else")
    for forged in (everything, another.seal("bridge:purges", everything), one.redis.seal("bridge:other", everything)):
        await one.redis.client.xadd("bridge:purges", {"purge": forged})
    await one.purge(text="good evening")
    await until(lambda: other._purges is not None and other._purges.obeyed == 1)
    assert other.now(key("good morning"))
    assert other.redis.forged == 3
    await another.close()
