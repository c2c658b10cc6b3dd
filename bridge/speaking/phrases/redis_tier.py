"""The third tier: phrases shared by all processes and machines through Redis; without it all is slower, nothing broken.

Every operation has a deadline of a few milliseconds and goes through a circuit breaker, so that a Redis that
is down or slow costs a call at most one deadline now and then. Layout, all keys under `prefix`:

    {prefix}:phrase:{tenant}:{voice}:{digest}   the bytes of `phrase.pack`, expiring when unused for `keep_s`
    {prefix}:worth:{tenant}                     sorted set: key -> when it was used last (and up to a week for hits)
    {prefix}:size:{tenant}                      hash: key -> bytes; field `total` their sum
    {prefix}:making:{digest}                    who makes this phrase now (`bridge.speaking.phrases.flight`)
    {prefix}:audio:{digest}:{owner}             stream: its audio while it is being made
    {prefix}:purges                             stream: what was purged (`bridge.speaking.phrases.purges`)

Tenant and voice are percent-encoded in key names. Phrases and audio stand behind an authentication code that binds them
to their key and to the service's secret: who can write to Redis cannot put words into a caller's ear.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeVar, cast
from urllib.parse import quote

import redis.asyncio as redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from bridge.breaker import Breaker
from bridge.errors import BadMessage
from bridge.speaking.phrases.phrase import CacheEntry, Phrase, PhraseKey, entry, pack, unpack

logger = logging.getLogger(__name__)

_T = TypeVar("_T")
_CODE_BYTES = 16
_PURPOSE = b"bridge phrases 1"
_Scanned = tuple[int, list[bytes]]
_DAY_S = 86_400.0
_PATIENCE_S = 5.0

_PUT = """
local key, worth, size = KEYS[1], KEYS[2], KEYS[3]
local data, now, keep, limit = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
redis.call('SET', key, data, 'EX', keep)
local before = tonumber(redis.call('HGET', size, key) or '0')
redis.call('HSET', size, key, #data)
local total = redis.call('HINCRBY', size, 'total', #data - before)
redis.call('ZADD', worth, now, key)
local evicted = 0
while total > limit do
  local worst = redis.call('ZPOPMIN', worth)
  if #worst == 0 then break end
  local taken = tonumber(redis.call('HGET', size, worst[1]) or '0')
  redis.call('HDEL', size, worst[1])
  if redis.call('DEL', worst[1]) == 1 then evicted = evicted + 1 end
  total = redis.call('HINCRBY', size, 'total', -taken)
end
return evicted
"""

_DROP = """
local taken = tonumber(redis.call('HGET', KEYS[3], KEYS[1]) or '0')
redis.call('HDEL', KEYS[3], KEYS[1])
redis.call('HINCRBY', KEYS[3], 'total', -taken)
redis.call('ZREM', KEYS[2], KEYS[1])
return redis.call('DEL', KEYS[1])
"""


class RedisTier:
    """Phrases in Redis, shared by all processes that use it.

    deadline_s          the longest any lookup may take
    tenant_limit_bytes  of one tenant's phrases; the least used go first
    secret              the service's; what was written under another one is not believed
    """

    def __init__(
        self,
        url: str,
        *,
        prefix: str = "bridge",
        deadline_s: float = 0.005,
        write_deadline_s: float = 0.25,
        keep_s: float = 30 * _DAY_S,
        tenant_limit_bytes: int = 256 * 1024 * 1024,
        clock: Callable[[], float] = time.time,
        secret: str = "",
    ) -> None:
        self._key = hmac.digest(secret.encode(), _PURPOSE, hashlib.sha256)
        # No `socket_timeout`: the client would send under `asyncio.wait_for`, which before Python 3.12 may swallow a
        # cancellation (cpython#86296), and with it our deadlines. `guarded` and `patient` have their own.
        self._client = redis.Redis.from_url(
            url, retry=Retry(NoBackoff(), 0), socket_connect_timeout=1.0, socket_timeout=None, max_connections=32
        )
        self.prefix = prefix
        self._deadline_s = deadline_s
        self._write_deadline_s = write_deadline_s
        self._keep_s = keep_s
        self._tenant_limit = tenant_limit_bytes
        self._clock = clock
        self._breaker = Breaker(failures=3, cool_off_s=1.0)
        self._answered = False
        self._background: set[asyncio.Task[object]] = set()
        self.failures = 0
        self.late = 0
        """Operations that ran into their deadline."""
        self.damaged = 0
        self.forged = 0
        """Values without the service's authentication code."""
        self.skipped = 0
        """Operations not tried, because Redis has just failed."""
        self.evicted = 0

    async def open(self) -> bool:
        """Connect ahead of the first call; False if Redis is not there (it is tried again later)."""
        return bool(await self.guarded(self._client.ping(), deadline_s=1.0))

    async def close(self) -> None:
        """Let running writes end, then disconnect."""
        for task in self._background:
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)
        await self._client.aclose()

    @property
    def available(self) -> bool:
        """Whether Redis answered the latest requests."""
        return self._answered and self._breaker.closed

    @property
    def client(self) -> redis.Redis:
        """The Redis client for `bridge.speaking.phrases.flight` and `purges`, whose every use must go through
        `guarded` or `patient`."""
        return self._client

    async def guarded(self, operation: Awaitable[_T], *, deadline_s: float | None = None) -> _T | None:
        """Await a Redis operation under deadline and breaker; None if it failed, was late or was not tried."""
        loop_time = asyncio.get_running_loop().time
        if not self._breaker.allows(loop_time()):
            self.skipped += 1
            if asyncio.iscoroutine(operation):
                operation.close()
            return None
        try:
            async with asyncio.timeout(self._deadline_s if deadline_s is None else deadline_s):
                result = await operation
        except TimeoutError:
            self.late += 1
        except (RedisError, OSError) as error:
            self.failures += 1
            if self._answered or self.failures == 1:
                logger.warning("Redis does not do what phrases need: %s", str(error) or type(error).__name__)
        except BaseException:
            self._breaker.failed(loop_time())  # cancelled: a trial must not stay open for ever
            raise
        else:
            self._breaker.succeeded()
            self._answered = True
            return result
        self._answered = False
        self._breaker.failed(loop_time())
        return None

    async def patient(self, operation: Awaitable[_T]) -> _T:
        """Await a Redis operation that no call waits for. Raises RedisError or OSError, after seconds at the latest."""
        async with asyncio.timeout(_PATIENCE_S):
            return await operation

    async def get(self, key: PhraseKey) -> Phrase | None:
        """Look up a phrase, within the deadline."""
        name = self._name(key)
        data = await self.guarded(cast(Awaitable[bytes | None], self._client.get(name)))
        if data is None:
            return None
        try:
            phrase = unpack(self.opened(name, data))
        except BadMessage:
            phrase = None
        if phrase is None or phrase.key != key:
            self.damaged += 1
            self._in_background(self._drop(name, key.tenant))
            return None
        self._in_background(self._touch(name, key.tenant))
        return phrase

    async def put(self, phrase: Phrase) -> bool:
        """Keep a phrase; evict this tenant's least used ones beyond its limit."""
        storing = self._stored(phrase)
        evicted = None if storing is None else await self.guarded(storing, deadline_s=self._write_deadline_s)
        self.evicted += evicted or 0
        return evicted is not None

    async def insist(self, phrase: Phrase) -> None:
        """Keep a phrase, whatever Redis has failed to do before. Raises OSError or RedisError: it is no call's path."""
        storing = self._stored(phrase)
        if storing is not None:
            self.evicted += await self.patient(storing)

    async def has(self, key: PhraseKey) -> bool:
        """Whether a phrase is kept. Raises OSError or RedisError: it is no call's path."""
        return bool(await self.patient(self._client.exists(self._name(key))))

    def _stored(self, phrase: Phrase) -> Awaitable[int] | None:
        """Store it and say how many others went; None for one that is too large."""
        data = self.seal(self._name(phrase.key), pack(phrase))
        if len(data) > self._tenant_limit // 2:
            return None
        tenant = phrase.key.tenant
        keys = (self._name(phrase.key), self._worth(tenant), self._size(tenant))
        arguments = (data, self._clock(), int(self._keep_s), self._tenant_limit)
        return self._client.eval(_PUT, 3, *keys, *arguments)

    async def list(self, *, voice: str | None = None, tenant: str | None = None) -> AsyncIterator[CacheEntry]:
        """Entries that match all that is given. Raises OSError or RedisError: it is no call's path."""
        async for name, phrase, size in self._scan(voice, tenant):
            del name
            yield entry(phrase, size)

    async def purge(self, *, text: str | None = None, voice: str | None = None, tenant: str | None = None) -> int:
        """Delete the entries that match all that is given; return how many. Raises OSError or RedisError."""
        doomed = [(n, p.key) async for n, p, _ in self._scan(voice, tenant) if text is None or p.key.text == text]
        return sum([await self.patient(self._drop(name, key.tenant)) for name, key in doomed])

    async def _scan(self, voice: str | None, tenant: str | None) -> AsyncIterator[tuple[str, Phrase, int]]:
        pattern = ":".join((_escape(self.prefix), "phrase", _pattern(tenant), _pattern(voice), "*"))
        cursor = -1
        while cursor:
            found = cast(Awaitable[_Scanned], self._client.scan(max(0, cursor), match=pattern, count=500))
            cursor, names = await self.patient(found)
            for name in names:
                data = await self.patient(cast(Awaitable[bytes | None], self._client.get(name)))
                if data is not None:
                    try:
                        yield name.decode(), unpack(self.opened(name.decode(), data)), len(data)
                    except BadMessage:
                        self.damaged += 1

    def stats(self) -> dict[str, float]:
        """What went wrong, and whether Redis is in use."""
        return {
            "available": float(self.available),
            "failures": self.failures,
            "late": self.late,
            "skipped": self.skipped,
            "damaged": self.damaged,
            "forged": self.forged,
            "evicted": self.evicted,
        }

    def seal(self, name: str, value: bytes) -> bytes:
        """The value with the code that makes it ours, under this name alone."""
        return self._code(name, value) + value

    def opened(self, name: str, sealed: bytes) -> bytes:
        """The value that `seal` was given. Raises BadMessage, and counts, what this service has not written."""
        code, value = sealed[:_CODE_BYTES], sealed[_CODE_BYTES:]
        if not hmac.compare_digest(code, self._code(name, value)):
            self.forged += 1
            if self.forged == 1:
                logger.warning("a phrase in Redis was not written by this service, or under another secret: not used")
            raise BadMessage("not written by this service")
        return value

    def _code(self, name: str, value: bytes) -> bytes:
        return hmac.digest(self._key, name.encode() + b"\0" + value, hashlib.sha256)[:_CODE_BYTES]

    def _name(self, key: PhraseKey) -> str:
        return f"{self.prefix}:phrase:{quote(key.tenant, safe='')}:{quote(key.voice, safe='')}:{key.digest}"

    def _worth(self, tenant: str) -> str:
        return f"{self.prefix}:worth:{quote(tenant, safe='')}"

    def _size(self, tenant: str) -> str:
        return f"{self.prefix}:size:{quote(tenant, safe='')}"

    async def _drop(self, name: str, tenant: str) -> int:
        operation = self._client.eval(_DROP, 3, name, self._worth(tenant), self._size(tenant))
        return int(await operation)

    async def _touch(self, name: str, tenant: str) -> None:
        """A use is worth a day of recency, so that phrases used often outlive those used once."""
        now, worth = self._clock(), self._worth(tenant)
        score = await self._client.zscore(worth, name)
        if score is not None:
            later = min(max(score, now) + _DAY_S, now + 7 * _DAY_S)
            await self._client.zadd(worth, {name: later}, xx=True)
        await self._client.expire(name, int(self._keep_s))

    def _in_background(self, operation: Awaitable[object]) -> None:
        task: asyncio.Task[object] = asyncio.ensure_future(self.guarded(operation, deadline_s=self._write_deadline_s))
        self._background.add(task)
        task.add_done_callback(self._background.discard)


def _escape(text: str) -> str:
    """Text as a literal in a Redis pattern."""
    return "".join(f"\\{char}" if char in "*?[]\\" else char for char in text)


def _pattern(value: str | None) -> str:
    return "*" if value is None else _escape(quote(value, safe=""))
