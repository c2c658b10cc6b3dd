"""Phrases that are to outlast the process are in every tier, or are counted as missing there."""

from __future__ import annotations

from pathlib import Path

import pytest
import redis

from bridge.speaking.phrases.cache import PhraseCache
from bridge.speaking.settings import CacheSettings
from tests.speaking.phrases import phrase as phrase_of


async def test_what_one_tier_has_lost_it_is_given_again(tmp_path: Path, redis_url: str) -> None:
    phrases = [phrase_of(f"Phrase {number}.") for number in range(100)]  # more than may wait for the disk
    cache = PhraseCache(CacheSettings(disk_path="phrases"), tmp_path, redis_url=redis_url, redis_prefix="settle")
    await cache.open()
    for phrase in phrases:
        cache.keep(phrase)
    assert await cache.settle() == {"disk": 0, "redis": 0}
    assert cache.redis is not None
    assert cache.disk is not None
    with redis.Redis.from_url(redis_url) as client:
        client.delete(*client.scan_iter("settle:phrase:*"))
    cache.disk.purge()
    assert await cache.settle() == {"disk": 0, "redis": 0}
    assert {found.text async for found in cache.redis.list()} == {phrase.key.text for phrase in phrases}
    assert [cache.disk.get(phrase.key) for phrase in phrases] == phrases
    await cache.close()


@pytest.mark.parametrize("room", [0.0, 0.02])
async def test_what_has_no_room_is_counted(room: float, tmp_path: Path, redis_url: str) -> None:
    phrases = [phrase_of(f"Phrase {number}.") for number in range(20)]
    settings = CacheSettings(disk_path="phrases", disk_mb=room, redis_mb=room, tenant_share=1.0)
    cache = PhraseCache(settings, tmp_path, redis_url=redis_url, redis_prefix=f"room{room}")
    await cache.open()
    for phrase in phrases:
        cache.keep(phrase)
    missing = await cache.settle()
    assert cache.redis is not None
    assert cache.disk is not None
    assert missing == {
        "disk": sum(not cache.disk.has(phrase.key) for phrase in phrases),
        "redis": sum([not await cache.redis.has(phrase.key) for phrase in phrases]),
    }
    assert all((count == 20) if not room else (0 < count < 20) for count in missing.values())
    await cache.close()


async def test_what_is_away_keeps_nothing(tmp_path: Path) -> None:
    (tmp_path / "phrases").touch()  # no folder
    cache = PhraseCache(CacheSettings(disk_path="phrases"), tmp_path, redis_url=f"unix://{tmp_path}/nowhere")
    await cache.open()
    cache.keep(phrase_of("Hello."))
    assert await cache.settle() == {"disk": 1, "redis": 1}
    await cache.close()
