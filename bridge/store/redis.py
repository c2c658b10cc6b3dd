"""Values that all machines share through Redis; while it is away, each process knows what it has put itself.

Layout, under `prefix`: `{prefix}:{key}` holds a value behind its authentication code, and the channel
`{prefix}:puts` carries every put. An authentication code binds key and value to the service's secret, so that
who can write to Redis cannot make a ticket unspent into an outcome, or another call's state into this one's.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import logging
import secrets
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar

import redis.asyncio as redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from bridge.store.base import Changed, Watchers, check
from bridge.store.memory import MemoryStore
from bridge.store.redis_check import redis_trouble

logger = logging.getLogger(__name__)

_T = TypeVar("_T")
_CODE_BYTES = 16
_PURPOSE = b"bridge store 1"
_ORIGIN_BYTES = 8
_REPLACE = (
    "if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end "
    "redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3]) return 1"
)
_TRIAL_S = 1.0
_AGAIN_S = 1.0
"""After a failure Redis is left alone for so long: a call must not wait for it at every step."""


class _Away(Exception):
    """Redis did not answer in time, or refused."""


class RedisStore:
    """A `bridge.store.base.Store` for many machines.

    url         `redis://`, `rediss://` or `unix://`
    secret      the same for all processes of the service; values written under another one are not believed
    deadline_s  the longest that one operation may take
    """

    def __init__(
        self,
        url: str,
        *,
        secret: bytes,
        prefix: str = "bridge",
        deadline_s: float = 0.1,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._key = hmac.digest(secret, _PURPOSE, hashlib.sha256)
        self._url = url
        self._prefix = prefix
        self._deadline_s = deadline_s
        self._clock = clock
        # No `socket_timeout`: the client would send under `asyncio.wait_for`, which before Python 3.12 may swallow a
        # cancellation (cpython#86296), and who waits for a cancelled task then waits for ever. `_ask` has its own.
        self._client = redis.Redis.from_url(
            url,
            socket_connect_timeout=deadline_s,
            socket_timeout=None,
            retry=Retry(NoBackoff(), 0),
            protocol=2,
        )
        self._shared = MemoryStore()
        """What Redis has taken, too: only asked while Redis is away."""
        self._unshared = MemoryStore()
        """What Redis has not taken."""
        self._origin = secrets.token_bytes(_ORIGIN_BYTES)
        """Marks this process's puts on the channel: its own watchers are told at once."""
        self._watchers = Watchers()
        self._listening: asyncio.Task[None] | None = None
        self._away_until = 0.0
        self._counts: Counter[str] = Counter()

    async def start(self) -> None:
        """Connect; Redis may be away, or of no use, which the log then says."""
        trouble = await redis_trouble(self._url, self._prefix, _TRIAL_S)
        if trouble is not None:
            logger.warning("Redis cannot be used as it is: %s", trouble)
        with contextlib.suppress(_Away):
            await self._ask(self._client.ping())

    async def close(self) -> None:
        """Close the connections to Redis."""
        self._watchers.clear()
        if self._listening is not None:
            self._listening.cancel()
            await asyncio.gather(self._listening, return_exceptions=True)
        with contextlib.suppress(RedisError, OSError):
            await self._client.aclose()

    async def put(self, key: str, value: bytes, ttl_s: float) -> None:
        """Keep `value` under `key` for `ttl_s` seconds, in place of what was there."""
        check(key, value)
        name = f"{self._prefix}:{key}"
        sealed = self._seal(key, value)
        try:
            pipeline = self._client.pipeline(transaction=False)
            pipeline.set(name, sealed, px=max(1, round(ttl_s * 1000)))
            pipeline.publish(f"{self._prefix}:puts", self._origin + key.encode() + b"\0" + sealed)
            await self._ask(pipeline.execute())
        except _Away:
            self._unshared.keep(key, value, ttl_s)
        else:
            self._shared.keep(key, value, ttl_s)
            self._unshared.drop(key)
        self._watchers.tell(key, value)

    async def keep_all(self, values: Mapping[str, bytes], ttl_s: float) -> None:
        """Keep many values in one go, without telling any watcher."""
        for key, value in values.items():
            check(key, value)
        try:
            pipeline, milliseconds = self._client.pipeline(transaction=False), max(1, round(ttl_s * 1000))
            for key, value in values.items():
                pipeline.set(f"{self._prefix}:{key}", self._seal(key, value), px=milliseconds)
            await self._ask(pipeline.execute())
        except _Away:
            for key, value in values.items():
                self._unshared.keep(key, value, ttl_s)
        else:
            for key, value in values.items():
                self._shared.keep(key, value, ttl_s)
                self._unshared.drop(key)

    async def get(self, key: str) -> bytes | None:
        """Return what is kept under `key`, or None."""
        try:
            sealed = await self._ask(self._client.get(f"{self._prefix}:{key}"))
        except _Away:
            return await self._unshared.get(key) or await self._shared.get(key)
        found = self._open(key, sealed)
        return found if found is not None else await self._unshared.get(key)

    async def take(self, key: str) -> bytes | None:
        """Return what is kept under `key` and forget it. While Redis is away, each process may take it once."""
        try:
            sealed = await self._ask(self._client.getdel(f"{self._prefix}:{key}"))
        except _Away:
            unshared, shared = await self._unshared.take(key), await self._shared.take(key)
            return unshared if unshared is not None else shared
        self._shared.drop(key)
        found, unshared = self._open(key, sealed), await self._unshared.take(key)
        return found if found is not None else unshared

    async def add(self, key: str, value: bytes, ttl_s: float) -> bool:
        """Keep `value` unless the key is taken. While Redis is away, True for one in each process."""
        check(key, value)
        name, milliseconds = f"{self._prefix}:{key}", max(1, round(ttl_s * 1000))
        try:
            added = await self._ask(self._client.set(name, self._seal(key, value), px=milliseconds, nx=True))
        except _Away:
            known = await self._shared.get(key) is not None
            return not known and await self._unshared.add(key, value, ttl_s)
        if added and await self._unshared.get(key) is not None:
            return False  # this process had added it while Redis was away
        if added:
            self._shared.keep(key, value, ttl_s)
        return bool(added)

    async def replace(self, key: str, value: bytes, by: bytes, ttl_s: float) -> bool:
        """Keep `by` in place of `value`. While Redis is away, of what this process knows."""
        check(key, by)
        name, milliseconds = f"{self._prefix}:{key}", max(1, round(ttl_s * 1000))
        sealed = (self._seal(key, value), self._seal(key, by))
        try:
            done = await self._ask(self._client.eval(_REPLACE, 1, name, *sealed, str(milliseconds)))
        except _Away:
            if await self._unshared.replace(key, value, by, ttl_s):
                return True
            known = await self._unshared.get(key) is None and await self._shared.get(key) == value
            if known:
                self._unshared.keep(key, by, ttl_s)
            return known
        if not done:
            return await self._unshared.replace(key, value, by, ttl_s)
        self._shared.keep(key, by, ttl_s)
        self._unshared.drop(key)
        return True

    def watch(self, prefix: str, changed: Changed) -> Callable[[], None]:
        """Tell `changed` of every later put under this prefix, by any process of the service."""
        if self._listening is None:
            self._listening = asyncio.get_running_loop().create_task(self._listen())
        return self._watchers.add(prefix, changed)

    def stats(self) -> dict[str, float]:
        """Operations that Redis answered and did not, values not believed, and whether it is away now."""
        counted = {name: float(self._counts[name]) for name in ("answered", "failed", "forged")}
        return counted | {"away": float(self._clock() < self._away_until)}

    # -- the connection ------------------------------------------------------------------------------------------

    async def _ask(self, operation: Awaitable[_T]) -> _T:
        """Await an operation of Redis for as long as may be. Raises _Away."""
        if self._clock() < self._away_until:
            if asyncio.iscoroutine(operation):
                operation.close()
            raise _Away
        try:
            async with asyncio.timeout(self._deadline_s):
                answer = await operation
        except (RedisError, OSError, TimeoutError) as error:
            self._counts["failed"] += 1
            self._away_until = self._clock() + _AGAIN_S
            logger.warning("Redis is left alone for %g s: %s", _AGAIN_S, str(error) or type(error).__name__)
            raise _Away from None
        self._counts["answered"] += 1
        return answer

    async def _listen(self) -> None:
        """Hear of puts for as long as somebody watches, over every loss of the connection."""
        while True:
            try:
                async with self._client.pubsub(ignore_subscribe_messages=True) as channel:
                    async with asyncio.timeout(_AGAIN_S):
                        await channel.subscribe(f"{self._prefix}:puts")
                    while True:
                        message = await channel.get_message(timeout=_AGAIN_S)
                        if message is not None:
                            self._heard(message["data"])
            except (RedisError, OSError, TimeoutError):
                await asyncio.sleep(_AGAIN_S)

    def _heard(self, data: bytes) -> None:
        if data.startswith(self._origin):
            return
        name, _, sealed = data[_ORIGIN_BYTES:].partition(b"\0")
        key = name.decode(errors="replace")
        value = self._open(key, sealed)
        if value is not None:
            self._watchers.tell(key, value)

    # -- authentication ------------------------------------------------------------------------------------------

    def _seal(self, key: str, value: bytes) -> bytes:
        return self._code(key, value) + value

    def _open(self, key: str, sealed: object) -> bytes | None:
        if not isinstance(sealed, bytes):
            return None
        code, value = sealed[:_CODE_BYTES], sealed[_CODE_BYTES:]
        if hmac.compare_digest(code, self._code(key, value)):
            return value
        self._counts["forged"] += 1
        logger.warning("a value in Redis was not written by this service: %s", key.partition(":")[0])
        return None

    def _code(self, key: str, value: bytes) -> bytes:
        return hmac.digest(self._key, key.encode() + b"\0" + value, hashlib.sha256)[:_CODE_BYTES]
