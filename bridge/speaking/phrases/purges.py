"""Purges reach every process that shares a Redis: each is an entry of a stream there, which all of them read.

A stream and no publication, so that a process which was cut off for a while reads afterwards what it missed. One that
missed more than the stream holds forgets everything, since it cannot know what to keep. An entry stands behind the
service's authentication code: who can write to Redis cannot make phrases go.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import cast

import msgspec
from redis.exceptions import RedisError

from bridge.errors import BadMessage
from bridge.speaking.phrases.redis_tier import RedisTier

_HELD = 1000
_WAIT_MS = 2000
_TRY_AGAIN_S = 1.0
_Entries = list[tuple[bytes, dict[bytes, bytes]]]


class Selection(msgspec.Struct, frozen=True):
    """Selects phrases: those that match all that is given. `text` is normalised."""

    text: str | None = None
    voice: str | None = None
    tenant: str | None = None


_decoder = msgspec.json.Decoder(Selection)


class Purges:
    """Announces purges, and obeys those of other processes through `forget`."""

    def __init__(self, tier: RedisTier, forget: Callable[[Selection], Awaitable[None]]) -> None:
        self._tier = tier
        self._forget = forget
        self._name = f"{tier.prefix}:purges"
        self._last = ""
        """The newest entry obeyed or written; empty until Redis has answered once."""
        self._task: asyncio.Task[None] | None = None
        self.obeyed = 0

    async def start(self) -> None:
        """Read from now on; waits until the stream's end is known, where Redis answers."""
        self._last = await self._tier.guarded(self._newest(), deadline_s=1.0) or ""
        self._task = asyncio.ensure_future(self._read())

    async def close(self) -> None:
        """Stop reading the purges of other processes."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def announce(self, selection: Selection) -> None:
        """Tell all processes. Raises RedisError or OSError."""
        fields = {b"purge": self._tier.seal(self._name, msgspec.json.encode(selection))}
        entry = self._tier.client.xadd(self._name, fields, maxlen=_HELD, approximate=False)  # type: ignore[arg-type]
        await self._tier.patient(entry)

    async def _read(self) -> None:
        while True:
            try:
                if not self._last:
                    # Redis was away at the start. Nothing is forgotten for that: it would take the warm phrases, too.
                    self._last = await self._newest()
                await self._obey_next()
            except (RedisError, OSError):
                await asyncio.sleep(_TRY_AGAIN_S)

    async def _obey_next(self) -> None:
        reading = self._tier.client.xread({self._name: self._last}, count=100, block=_WAIT_MS)
        found = await self._tier.patient(cast(Awaitable[list[tuple[bytes, _Entries]]], reading))
        entries = found[0][1] if found else []
        if len(entries) > 1 and await self._missed_some():
            self._last = await self._newest()
            await self._forget(Selection())
            return
        for number, fields in entries:
            await self._obey(fields)
            self._last = number.decode()

    async def _obey(self, fields: dict[bytes, bytes]) -> None:
        try:
            selection = _decoder.decode(self._tier.opened(self._name, fields.get(b"purge", b"")))
        except (msgspec.DecodeError, BadMessage):
            return  # written by another version, or by nobody of ours
        await self._forget(selection)
        self.obeyed += 1

    async def _newest(self) -> str:
        entries = await self._tier.patient(cast(Awaitable[_Entries], self._tier.client.xrevrange(self._name, count=1)))
        return entries[0][0].decode() if entries else "0-0"

    async def _missed_some(self) -> bool:
        """Whether the entry after ours has been dropped from the stream already."""
        oldest = await self._tier.patient(cast(Awaitable[_Entries], self._tier.client.xrange(self._name, count=1)))
        return self._last != "0-0" and bool(oldest) and _order(oldest[0][0].decode()) > _order(self._last)


def _order(number: str) -> tuple[int, ...]:
    return tuple(map(int, number.split("-")))
