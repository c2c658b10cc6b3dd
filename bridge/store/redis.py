"""Values that all machines share through Redis; while it is away, the processes of a machine share another store.

A process that holds only its own memory for that knows, while Redis is away, what it has put itself.

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
from collections.abc import Awaitable, Callable, Iterable, Mapping
from types import TracebackType
from typing import TypeVar

import redis.asyncio as redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from bridge.store.base import Changed, Store, Watchers, check
from bridge.store.memory import MemoryStore
from bridge.store.redis_check import redis_trouble

logger = logging.getLogger(__name__)

_T = TypeVar("_T")
_CODE_BYTES = 16
_PURPOSE = b"bridge store 1"
_ORIGIN_BYTES = 8
_REPLACE = (
    "local kept = redis.call('GET', KEYS[1]) "
    "if kept == ARGV[2] then return 1 end "  # by this very question, when it was asked before and the answer was late
    "if kept ~= ARGV[1] then return 0 end "
    "redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3]) return 1"
)
_TRIAL_S = 1.0
_AGAIN_S = 1.0
"""After a failure Redis is left alone for so long: a call must not wait for it at every step."""
_SLOW_S = 0.1
"""The same after an answer that came too late, doubled each time: it may just have been a busy moment."""
_UNHURRIED_S = 1.0
"""What nobody waits for has so long."""
_LOOKS = 4
_TRIES = 3
"""What Redis alone may know is asked for again when it was late."""
_LATE_AT_MOST = 4
"""In a row; then Redis is away."""
_MANY = 10_000


class _Away(Exception):
    """Redis did not answer in time, or refused."""


class _Patience:
    """Raises TimeoutError in what is done within it after so many seconds in which this process could have looked.

    They are counted in parts: a loop that was held for longer has used up one part, and then looks for an answer.
    """

    def __init__(self, seconds: float) -> None:
        self._part_s = seconds / _LOOKS
        self._left = _LOOKS
        self._loop = asyncio.get_running_loop()
        self._timeout = asyncio.timeout(None)
        self._timer: asyncio.TimerHandle | None = None

    async def __aenter__(self) -> None:
        await self._timeout.__aenter__()
        self._timer = self._loop.call_later(self._part_s, self._pass)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._timer is not None:
            self._timer.cancel()
        await self._timeout.__aexit__(kind, error, traceback)

    def _pass(self) -> None:
        self._left -= 1
        if self._left:
            self._timer = self._loop.call_later(self._part_s, self._pass)
        else:
            self._timeout.reschedule(self._loop.time())


class RedisStore:
    """A `bridge.store.base.Store` for many machines.

    url         `redis://`, `rediss://` or `unix://`
    secret      the same for all processes of the service; values written under another one are not believed
    meanwhile   what the processes of this machine share, for while Redis is away; without it each has its own memory
    deadline_s  the longest that one operation may take for which a call waits
    """

    def __init__(
        self,
        url: str,
        *,
        secret: bytes,
        meanwhile: Store | None = None,
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
        # cancellation (cpython#86296), and who waits for a cancelled task then waits for ever. `_ask` has its own,
        # which unlike the client's knows a loop that was held from a server that is late.
        self._client = redis.Redis.from_url(
            url,
            socket_connect_timeout=None,
            socket_timeout=None,
            retry=Retry(NoBackoff(), 0),
            protocol=2,
        )
        self._shared = MemoryStore()
        """What Redis has taken, too: only asked while Redis is away."""
        self._meanwhile: Store = meanwhile or MemoryStore()
        """What Redis has not taken."""
        self._strays: dict[str, float] = {}
        """The keys of what this process has put there, and until when it is good."""
        self._origin = secrets.token_bytes(_ORIGIN_BYTES)
        """Marks this process's puts on the channel: its own watchers are told at once."""
        self._watchers = Watchers()
        self._listening: asyncio.Task[None] | None = None
        self._away_until = 0.0
        self._late_in_a_row = 0
        self._counts: Counter[str] = Counter()

    async def start(self) -> None:
        """Connect; Redis may be away, or of no use, which the log then says."""
        await self._meanwhile.start()
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
        await self._meanwhile.close()

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
            self._stray((key,), ttl_s)
            await self._meanwhile.put(key, value, ttl_s)
            return
        self._shared.keep(key, value, ttl_s)
        await self._no_stray(key)
        self._watchers.tell(key, value)

    async def keep_all(self, values: Mapping[str, bytes], ttl_s: float) -> bool:
        """Keep many values in one go, without telling any watcher; False where Redis has not taken them."""
        for key, value in values.items():
            check(key, value)
        try:
            pipeline, milliseconds = self._client.pipeline(transaction=False), max(1, round(ttl_s * 1000))
            for key, value in values.items():
                pipeline.set(f"{self._prefix}:{key}", self._seal(key, value), px=milliseconds)
            await self._ask(pipeline.execute(), max(self._deadline_s, _UNHURRIED_S))
        except _Away:
            self._stray(values, ttl_s)
            await self._meanwhile.keep_all(values, ttl_s)
            return False
        for key, value in values.items():
            self._shared.keep(key, value, ttl_s)
            await self._no_stray(key)
        return True

    async def get(self, key: str) -> bytes | None:
        """Return what is kept under `key`, or None."""
        try:
            sealed = await self._insist(lambda: self._client.get(f"{self._prefix}:{key}"))
        except _Away:
            kept = await self._meanwhile.get(key)
            return kept if kept is not None else await self._shared.get(key)
        found = self._open(key, sealed)
        return found if found is not None else await self._meanwhile.get(key)

    async def take(self, key: str) -> bytes | None:
        """Return what is kept under `key` and forget it. While Redis is away, each process may take it once."""
        try:
            sealed = await self._ask(self._client.getdel(f"{self._prefix}:{key}"))
        except _Away:
            unshared, shared = await self._meanwhile.take(key), await self._shared.take(key)
            return unshared if unshared is not None else shared
        self._shared.drop(key)
        found, unshared = self._open(key, sealed), await self._meanwhile.take(key)
        return found if found is not None else unshared

    async def add(self, key: str, value: bytes, ttl_s: float) -> bool:
        """Keep `value` unless the key is taken. While Redis is away, True for one in each process."""
        check(key, value)
        name, milliseconds = f"{self._prefix}:{key}", max(1, round(ttl_s * 1000))
        try:
            added = await self._ask(self._client.set(name, self._seal(key, value), px=milliseconds, nx=True))
        except _Away:
            if await self._shared.get(key) is not None:
                return False
            self._stray((key,), ttl_s)
            return await self._meanwhile.add(key, value, ttl_s)
        if added and await self._meanwhile.get(key) is not None:
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
            done = await self._insist(lambda: self._client.eval(_REPLACE, 1, name, *sealed, str(milliseconds)))
        except _Away:
            if await self._meanwhile.replace(key, value, by, ttl_s):
                return True
            if await self._shared.get(key) != value:
                return False
            self._stray((key,), ttl_s)
            return await self._meanwhile.add(key, by, ttl_s)
        if not done:
            return await self._meanwhile.replace(key, value, by, ttl_s)
        self._shared.keep(key, by, ttl_s)
        await self._no_stray(key)
        return True

    def watch(self, prefix: str, changed: Changed) -> Callable[[], None]:
        """Tell `changed` of every later put under this prefix, by any process of the service."""
        if self._listening is None:
            self._listening = asyncio.get_running_loop().create_task(self._listen())
        stops = (self._watchers.add(prefix, changed), self._meanwhile.watch(prefix, changed))

        def stop() -> None:
            for each in stops:
                each()

        return stop

    def stats(self) -> dict[str, float]:
        """Operations that Redis answered and did not, values not believed, and whether it is away now."""
        counted = {name: float(self._counts[name]) for name in ("answered", "failed", "forged")}
        return counted | {"away": float(self._clock() < self._away_until)}

    # -- what Redis has not taken --------------------------------------------------------------------------------

    def _stray(self, keys: Iterable[str], ttl_s: float) -> None:
        """Take note of what is put where Redis does not know it."""
        now = self._clock()
        if len(self._strays) > _MANY:
            self._strays = {key: until for key, until in self._strays.items() if until > now}
        self._strays.update(dict.fromkeys(keys, now + ttl_s))

    async def _no_stray(self, key: str) -> None:
        """Redis has taken another value since."""
        if self._strays and self._strays.pop(key, None) is not None:
            await self._meanwhile.take(key)

    # -- the connection ------------------------------------------------------------------------------------------

    async def _ask(self, operation: Awaitable[_T], deadline_s: float = 0.0) -> _T:
        """Await an operation of Redis for as long as may be. Raises _Away."""
        if self._clock() < self._away_until:
            if asyncio.iscoroutine(operation):
                operation.close()
            raise _Away
        try:
            async with _Patience(deadline_s or self._deadline_s):
                answer = await operation
        except (RedisError, OSError, TimeoutError) as error:
            self._counts["failed"] += 1
            self._leave_alone(error)
            raise _Away from None
        self._counts["answered"] += 1
        self._late_in_a_row = 0
        return answer

    async def _insist(self, ask: Callable[[], Awaitable[_T]]) -> _T:
        """Ask what Redis alone may know, again after a moment if it was late just now. Raises _Away."""
        for _ in range(_TRIES - 1):
            try:
                return await self._ask(ask())
            except _Away:
                if not 0 < self._late_in_a_row <= _LATE_AT_MOST:
                    raise
                await asyncio.sleep(max(self._away_until - self._clock(), 0.0))
        return await self._ask(ask())

    def _leave_alone(self, error: Exception) -> None:
        """Ask Redis nothing for a while."""
        if self._clock() < self._away_until:
            return  # one of many that were asked at the same time
        seconds = _AGAIN_S
        if isinstance(error, TimeoutError):
            seconds = min(_SLOW_S * 2**self._late_in_a_row, _AGAIN_S)
            self._late_in_a_row += 1
        else:
            self._late_in_a_row = 0
        self._away_until = self._clock() + seconds
        logger.warning("Redis is left alone for %g s: %s", seconds, str(error) or type(error).__name__)

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
