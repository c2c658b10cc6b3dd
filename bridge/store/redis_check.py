"""Whether a Redis does all that the service asks of it, and if not, what it is: a replica, a cluster, full, forbidden.

Tried on keys of their own, which are removed again.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

import redis.asyncio as redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from bridge.http import why_unreachable

_TRIAL_S = 30
_TWO_KEYS = "redis.call('SET', KEYS[1], '1', 'EX', 30) return redis.call('DEL', KEYS[1], KEYS[2])"


class RedisTrouble(NamedTuple):
    """What a Redis does not do for us, and what to do about it."""

    found: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.found}: {self.remedy}"


_RIGHTS = "ACL SETUSER NAME ~bridge:* &bridge:* +@read +@write +@scripting +@pubsub +@connection"
_ONE_PLACE = "name a Redis that is none: the keys of a call must be in one place"
_TROUBLES = (
    ("no permissions", "its user may not do all that is needed", _RIGHTS),
    ("read only replica", "it is a replica that is read-only", "name the primary"),
    ("used memory >", "it is full, and gives nothing up", "give it more maxmemory, or maxmemory-policy allkeys-lru"),
    ("enough good replicas", "it has too few replicas to be written to", "start them, or lower min-replicas-to-write"),
    ("misconf", "it cannot save to its disk, and takes no writes", "make room on its disk"),
    ("same slot", "it is a cluster", _ONE_PLACE),
    ("hash slot", "it is a cluster", _ONE_PLACE),
    ("cluster", "it is a cluster", _ONE_PLACE),
    ("moved", "it is a cluster", _ONE_PLACE),
    ("invalid username-password", "it does not know this user and password", "correct redis://USER:PASSWORD@HOST"),
    ("authentication required", "it wants a password", "put it into the address: redis://USER:PASSWORD@HOST"),
    ("loading", "it still loads its data", "wait"),
    ("unknown command 'set'", "it is a sentinel, or no Redis", "name the primary itself"),
    (
        "unknown command",
        "it is too old, or lacks a command",
        "take Redis 6.2 or later, or Valkey, and rename no command",
    ),
    ("without any password configured", "it has no password", "leave the password out of the address"),
    ("db index", "it has no database of that number", "correct the number behind HOST:PORT/"),
    ("certificate", "its certificate is not trusted", "rediss://HOST:PORT?ssl_ca_certs=FILE names who vouches for it"),
    ("protocol error", "what answers there is no Redis", "correct the address"),
    ("timeout", "it does not answer in time", "look at its load, the way there, and whether it speaks TLS (rediss://)"),
)
"""By words of Redis's messages, in small letters."""


async def redis_trouble(url: str, prefix: str = "bridge", deadline_s: float = 3.0) -> RedisTrouble | None:
    """Try everything that the service does with Redis; None when all of it works."""
    client = redis.Redis.from_url(  # no `socket_timeout`: see `bridge.store.redis`
        url, protocol=2, socket_timeout=None, socket_connect_timeout=deadline_s, retry=Retry(NoBackoff(), 0)
    )
    name = f"{prefix}:check:{secrets.token_hex(8)}"
    try:
        for command, trial in _trials(client, name).items():
            try:
                async with asyncio.timeout(deadline_s):
                    await trial()
            except (RedisError, OSError, TimeoutError) as error:
                return _trouble(command, error)
    finally:
        await client.aclose()
    return None


def _trials(client: redis.Redis, name: str) -> dict[str, Callable[[], Awaitable[Any]]]:
    return {
        "PING": lambda: client.ping(),
        "SET": lambda: client.set(name, b"1", ex=_TRIAL_S),
        "GET": lambda: client.get(name),
        "EXPIRE": lambda: client.expire(name, _TRIAL_S),
        "GETDEL": lambda: client.getdel(name),
        "EVAL": lambda: client.eval(_TWO_KEYS, 2, name, f"{name}:other"),
        "ZADD": lambda: client.zadd(name, {"one": 1.0}),
        "XADD": lambda: client.xadd(f"{name}:stream", {"one": "1"}),
        "XRANGE": lambda: client.xrange(f"{name}:stream", count=1),
        "XREAD": lambda: client.xread({f"{name}:stream": "0-0"}, count=1),
        "DEL": lambda: client.delete(name, f"{name}:stream"),
        "PUBLISH": lambda: client.publish(name, b"1"),
        "SCAN": lambda: client.scan(0, match=name, count=1),
        "SUBSCRIBE": lambda: _subscribe(client, name),
    }


async def _subscribe(client: redis.Redis, channel: str) -> None:
    async with client.pubsub() as listening:
        await listening.subscribe(channel)
        await listening.get_message(timeout=1.0)


def _trouble(command: str, error: Exception) -> RedisTrouble:
    theirs = str(error) or "timeout"
    why = error.__cause__ or error.__context__
    words = why_unreachable(why) if isinstance(why, OSError) else theirs
    for part, found, remedy in _TROUBLES:
        if part in theirs.lower():
            return RedisTrouble(
                found if isinstance(error, redis.ConnectionError) else f"{found} ({command}: {words})", remedy
            )
    if "closed by server" in theirs:
        words = "it closed the connection without an answer"
    return RedisTrouble(f"{command}: {words}", "start it, or correct the address")
