"""Finished phrases in up to three tiers: memory, disk, Redis. What one tier has, the faster ones learn."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal, TypeVar

from redis.exceptions import RedisError

from bridge.breaker import Breaker
from bridge.speaking.phrases.disk import DiskTier
from bridge.speaking.phrases.memory import MemoryTier
from bridge.speaking.phrases.phrase import CacheEntry, Phrase, PhraseKey, entry, normalise, verified
from bridge.speaking.phrases.purges import Purges, Selection
from bridge.speaking.phrases.redis_tier import RedisTier
from bridge.speaking.settings import CacheSettings

_T = TypeVar("_T")
_MB = 1024 * 1024
_MOST_WRITES = 64
"""Phrases that may wait for the disk."""
Tier = Literal["memory", "disk", "redis"]


class PhraseCache:
    """Look-ups never raise and never wait longer than `disk_deadline_ms` and `redis_deadline_ms`.

    directory     what a relative `disk_path` is relative to
    redis_url     the service's Redis, "" for none
    redis_prefix  what the names of its keys begin with
    secret        the service's, which authenticates what is in Redis
    """

    def __init__(
        self,
        settings: CacheSettings,
        directory: Path = Path(),
        *,
        redis_url: str = "",
        redis_prefix: str = "bridge",
        secret: str = "",
    ) -> None:
        self.settings = settings
        memory = int(settings.memory_mb * _MB)
        self.memory = MemoryTier(memory, int(memory * settings.tenant_share))
        self.disk: DiskTier | None = None
        if settings.disk_path:
            limit = int(settings.disk_mb * _MB)
            self.disk = DiskTier(directory / settings.disk_path, limit, int(limit * settings.tenant_share))
        self.redis: RedisTier | None = None
        if redis_url:
            self.redis = RedisTier(
                redis_url,
                prefix=redis_prefix,
                deadline_s=settings.redis_deadline_ms / 1000,
                keep_s=settings.redis_keep_days * 86_400,
                tenant_limit_bytes=int(settings.redis_mb * _MB),
                secret=secret,
            )
        self._purges = Purges(self.redis, self._obey_purge) if self.redis else None
        self.on_purge: Callable[[Selection], None] | None = None
        """Told of every purge, our own and those of other processes."""
        self._disk_thread = ThreadPoolExecutor(1, "phrase-disk") if self.disk else None
        self._disk_breaker = Breaker()
        self._closed = False
        self._writes: set[asyncio.Task[Any]] = set()
        self.counts: Counter[str] = Counter()
        """`hits_memory`, `hits_disk`, `hits_redis`, `misses`, `stored`, `rejected`."""
        self.saved_audio_ms = 0.0
        self.saved_synthesis_ms = 0.0
        self.saved_chars = 0

    async def open(self) -> None:
        """Open the disk's file and connect to Redis; neither needs to succeed."""
        if self.disk:
            await self._in_disk_thread(self.disk.open)
        if self.redis:
            await self.redis.open()
        if self._purges:
            await self._purges.start()

    async def close(self) -> None:
        """Finish the writes that are under way, close the tiers. Closing again does nothing."""
        if self._closed:
            return
        self._closed = True
        if self._writes:
            await asyncio.wait(self._writes, timeout=2.0)
        if self._purges:
            await self._purges.close()
        if self.redis:
            await self.redis.close()
        if self.disk and self._disk_thread:
            await self._in_disk_thread(self.disk.close)
            self._disk_thread.shutdown()

    @property
    def memory_only(self) -> bool:
        """Whether a miss in memory is a miss."""
        return self.disk is None and self.redis is None

    def tenant(self, name: str) -> str:
        """The tenant that a phrase is kept under."""
        return "" if self.settings.share_between_tenants else name

    def now(self, key: PhraseKey) -> Phrase | None:
        """Look into memory alone; count a hit, but no miss."""
        phrase = self.memory.get(key.tenant, key.digest)
        if phrase is not None:
            self._count_hit("memory", phrase)
        return phrase

    async def fetch(self, key: PhraseKey, *, last: bool = True) -> Phrase | None:
        """Look into disk, then Redis, and take what is found into memory; count a hit, or at the last look a miss."""
        phrase, tier = await self._find(key)
        if phrase is None:
            self.counts["misses"] += last
            return None
        self._count_hit(tier, phrase)
        return phrase

    async def bring(self, key: PhraseKey) -> bool:
        """Have a phrase in memory, from disk or Redis, if it is in any tier; counts as no look-up."""
        if self.memory.peek(key.tenant, key.digest) is not None:
            return True
        return (await self._find(key))[0] is not None

    async def _find(self, key: PhraseKey) -> tuple[Phrase | None, Tier]:
        """Look into disk, then Redis, and take what is found into memory."""
        phrase: Phrase | None = None
        tier: Tier = "disk"
        if self.disk:
            phrase = await self._from_disk(self.disk, key)
        if phrase is None and self.redis:
            tier = "redis"
            phrase = await self.redis.get(key)
            if phrase is not None and self.disk:
                self._write_to_disk(self.disk, phrase)
        if phrase is not None:
            self.memory.put(phrase)
        return phrase, tier

    async def _from_disk(self, disk: DiskTier, key: PhraseKey) -> Phrase | None:
        """Look into the disk within its deadline; one that is late again and again is left alone for a while."""
        now = asyncio.get_running_loop().time
        if not self._disk_breaker.allows(now()):
            self.counts["disk_skipped"] += 1
            return None
        try:
            async with asyncio.timeout(self.settings.disk_deadline_ms / 1000):
                found = await self._in_disk_thread(disk.get, key)
        except TimeoutError:
            self.counts["disk_late"] += 1
            self._disk_breaker.failed(now())
            return None
        except BaseException:
            self._disk_breaker.failed(now())  # cancelled: a trial must not stay open for ever
            raise
        self._disk_breaker.succeeded()
        return found

    def _write_to_disk(self, disk: DiskTier, phrase: Phrase) -> None:
        """Keep a phrase soon, unless the disk is so far behind that look-ups would wait for what it has to write."""
        if len(self._writes) >= _MOST_WRITES:
            self.counts["disk_unwritten"] += 1
            return
        self._write(self._in_disk_thread(disk.put, phrase))

    def keep(self, phrase: Phrase, *, pinned: bool = False, local: bool = False) -> bool:
        """Store a finished phrase in memory now and, unless `local`, in the other tiers soon; only if it verifies."""
        if not verified(phrase):
            self.counts["rejected"] += 1
            return False
        self.counts["stored"] += 1
        self.memory.put(phrase, pinned=pinned)
        if not local:
            if self.disk:
                self._write_to_disk(self.disk, phrase)
            if self.redis:
                self._write(self.redis.put(phrase))
        return True

    async def settle(self) -> dict[Tier, int]:
        """Have all that memory holds in the slower tiers, too; how many phrases each of them does not keep.

        It takes its time: no call waits for it.
        """
        phrases = [held.phrase for held in self.memory]
        if self._writes:
            await asyncio.wait(self._writes)
        missing: dict[Tier, int] = {}
        if self.disk:
            missing["disk"] = await self._in_disk_thread(_settle_on_disk, self.disk, phrases)
        if self.redis:
            missing["redis"] = await _settle_in_redis(self.redis, phrases)
        return missing

    async def engines(self) -> dict[str, str]:
        """Engine versions of the voices as last seen, which let the cache answer while no worker is there."""
        return await self._in_disk_thread(self.disk.engines) if self.disk else {}

    def remember_engines(self, engines: dict[str, str]) -> None:
        """Note the engine versions of the voices for the next start."""
        if self.disk:
            self._write(self._in_disk_thread(self.disk.remember_engines, engines))

    async def list(
        self, *, text: str | None = None, voice: str | None = None, tenant: str | None = None
    ) -> list[CacheEntry]:
        """Entries that match all that is given, most used first: those on disk, else in Redis, else in memory.

        Raises OSError or RedisError if Redis is asked and fails.
        """
        wanted = None if text is None else normalise(text)
        if self.disk:
            disk = self.disk
            return await self._in_disk_thread(lambda: disk.list(text=wanted, voice=voice, tenant=tenant))
        if self.redis:
            return [e async for e in self.redis.list(voice=voice, tenant=tenant) if wanted in (None, e.text)]
        held = (h for h in self.memory if _matches(h.phrase.key, wanted, voice, tenant))
        return sorted((entry(h.phrase, h.phrase.cost, hits=h.hits) for h in held), key=lambda e: -e.hits)

    async def kept(self) -> dict[str, dict[str, float]]:
        """Phrases and bytes in each tier that is in use, and what went wrong there."""
        found: dict[str, dict[str, float]] = {"memory": {"phrases": len(self.memory), "bytes": self.memory.bytes}}
        if self.disk:
            found["disk"] = await self._in_disk_thread(self.disk.stats)
        if self.redis:
            found["redis"] = self.redis.stats()
            with contextlib.suppress(RedisError, OSError):
                sizes = [e.bytes async for e in self.redis.list()]
                found["redis"] |= {"phrases": len(sizes), "bytes": sum(sizes)}
        return found

    async def purge(
        self, *, text: str | None = None, voice: str | None = None, tenant: str | None = None
    ) -> dict[str, int]:
        """Delete what matches all that is given from every tier; return how many went from each.

        Processes that share our Redis follow within moments, in their memory and on their disks; without Redis, other
        running processes keep what they hold in memory until it is evicted or they restart.
        """
        chosen = Selection(None if text is None else normalise(text), voice, tenant)
        gone = await self._purge_here(chosen)
        if self.redis and self._purges:
            with contextlib.suppress(RedisError, OSError):
                gone["redis"] = await self.redis.purge(text=chosen.text, voice=voice, tenant=tenant)
                await self._purges.announce(chosen)  # last, or a process could take from Redis what it has just dropped
        return gone

    async def _purge_here(self, chosen: Selection) -> dict[str, int]:
        """Delete from memory and disk."""
        text, voice, tenant = chosen.text, chosen.voice, chosen.tenant
        doomed = [h.phrase.key for h in self.memory if _matches(h.phrase.key, text, voice, tenant)]
        for key in doomed:
            self.memory.drop(key.tenant, key.digest)
        if self.on_purge is not None:
            self.on_purge(chosen)
        gone = {"memory": len(doomed)}
        if self._writes:
            await asyncio.wait(self._writes, timeout=2.0)
        if self.disk:
            disk = self.disk
            gone["disk"] = await self._in_disk_thread(lambda: disk.purge(text=text, voice=voice, tenant=tenant))
        return gone

    async def _obey_purge(self, chosen: Selection) -> None:
        await self._purge_here(chosen)

    def stats(self) -> dict[str, float]:
        """Hits by tier, misses, and what the hits saved."""
        hits = sum(self.counts[f"hits_{tier}"] for tier in ("memory", "disk", "redis"))
        asked = hits + self.counts["misses"]
        found: dict[str, float] = {
            name: self.counts[name]
            for name in ("hits_memory", "hits_disk", "hits_redis", "misses", "stored", "rejected")
        }
        found |= {
            "hit_rate": hits / asked if asked else 0.0,
            "saved_audio_s": self.saved_audio_ms / 1000,
            "saved_synthesis_ms": self.saved_synthesis_ms,
            "saved_money": self.saved_chars * self.settings.price_per_million_chars / 1e6,
            "memory_phrases": len(self.memory),
            "memory_bytes": self.memory.bytes,
            "memory_evicted": self.memory.evicted,
        }
        if self.disk:
            found |= {
                "disk_failures": self.disk.failures,
                "disk_damaged": self.disk.damaged,
                "disk_evicted": self.disk.evicted,
                "disk_late": self.counts["disk_late"],
                "disk_skipped": self.counts["disk_skipped"],
                "disk_unwritten": self.counts["disk_unwritten"],
            }
        if self.redis:
            found |= {f"redis_{name}": value for name, value in self.redis.stats().items()}
        return found

    def count_joined(self, chars: int, audio_ms: float, synthesis_ms: float) -> None:
        """A call shared a phrase that was being made for another."""
        self.counts["hits_memory"] += 1
        self._count_saving(chars, audio_ms, synthesis_ms)

    def _count_hit(self, tier: Tier, phrase: Phrase) -> None:
        self.counts[f"hits_{tier}"] += 1
        self._count_saving(len(phrase.key.text), phrase.audio_ms, phrase.synthesis_ms)

    def _count_saving(self, chars: int, audio_ms: float, synthesis_ms: float) -> None:
        self.saved_chars += chars
        self.saved_audio_ms += audio_ms
        self.saved_synthesis_ms += synthesis_ms

    def _write(self, operation: Coroutine[Any, Any, object]) -> None:
        task = asyncio.ensure_future(operation)
        self._writes.add(task)
        task.add_done_callback(self._writes.discard)

    async def _in_disk_thread(self, function: Callable[..., _T], *arguments: object) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._disk_thread, function, *arguments)


def _settle_on_disk(disk: DiskTier, phrases: Sequence[Phrase]) -> int:
    for phrase in phrases:
        if not disk.has(phrase.key):
            disk.put(phrase)
    return sum(not disk.has(phrase.key) for phrase in phrases)


async def _settle_in_redis(redis: RedisTier, phrases: Sequence[Phrase]) -> int:
    kept = 0
    with contextlib.suppress(RedisError, OSError):
        for phrase in phrases:
            if not await redis.has(phrase.key):
                await redis.insist(phrase)
    with contextlib.suppress(RedisError, OSError):
        for phrase in phrases:
            kept += await redis.has(phrase.key)
    return len(phrases) - kept


def _matches(key: PhraseKey, text: str | None, voice: str | None, tenant: str | None) -> bool:
    return (
        (text is None or key.text == text)
        and (voice is None or key.voice == voice)
        and (tenant is None or key.tenant == tenant)
    )
