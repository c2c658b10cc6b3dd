"""One synthesis per phrase across processes: whoever holds the phrase's lock in Redis makes it, the others read along.

The maker renews its lock and appends its audio to a Redis stream while it makes it; followers play from that
stream. A maker that dies stops renewing: a follower who sees neither progress nor lock takes over and makes the rest
himself. Where Redis is away or slow there is no lock, and every process makes its own.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable
from typing import Any, cast

import msgspec

from bridge.call.events import Word
from bridge.errors import VoiceError
from bridge.speaking.making import Making
from bridge.speaking.phrase import BYTES_PER_MS, Phrase
from bridge.speaking.redis_tier import RedisTier

_LOCK_MS = 1500
_RENEW_S = 0.5
_POLL_S = 0.01
_KEEP_AUDIO_MS = 10_000
_LEAVE = """
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0
"""
_words_encoder = msgspec.msgpack.Encoder()
_words_decoder = msgspec.msgpack.Decoder(list[Word])


class Flight:
    """Locks and audio of phrases that are being made, shared through Redis."""

    def __init__(self, tier: RedisTier) -> None:
        self._tier = tier
        self._me = secrets.token_hex(8)
        self._leading: dict[str, _Leader] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.followed = 0
        """Phrases taken from another process while it made them."""
        self.took_over = 0
        """Phrases whose maker in another process went away."""

    async def join(self, making: Making) -> bool:
        """Either lead (True: make it, it will be shared) or follow to its end (False: it is complete, or was given up).

        Returns True as well when a leader vanished, with what he made already in the phrase.
        """
        assert making.key is not None
        digest = making.key.digest
        owner = await self._lock(digest)
        if owner is None or owner == self._me:
            if owner is not None and not making.over:
                leader = self._leading[digest] = _Leader(self, making, digest)
                making.attach(leader)
            return True
        if await self._follow(making, digest, owner):
            self.followed += 1
            return False
        self.took_over += 1
        return True

    async def close(self) -> None:
        """Give up all locks."""
        for leader in list(self._leading.values()):
            leader.leave()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=1.0)

    async def _lock(self, digest: str) -> str | None:
        """Who makes this phrase: ourselves if nobody did; None if Redis does not say."""
        name = self._lock_name(digest)
        client = self._tier.client
        taken = await self._tier.guarded(client.set(name, self._me, nx=True, px=_LOCK_MS, get=True))
        if taken is None:
            # Nobody held it, or Redis failed: only a second look can tell.
            held = await self._tier.guarded(cast(Awaitable[bytes | None], client.get(name)))
            return held.decode() if isinstance(held, bytes) else None
        return taken.decode() if isinstance(taken, bytes) else str(taken)

    async def _follow(self, making: Making, digest: str, owner: str) -> bool:
        """Read along with another process; False if it has gone before the end."""
        last = b"0"
        client, loop = self._tier.client, asyncio.get_running_loop()
        seen_at = loop.time()
        while not making.over:
            operation = client.xrange(self._audio_name(digest, owner), min=b"(" + last if last != b"0" else b"-")
            entries = await self._tier.guarded(operation, deadline_s=0.1)
            if entries is None:
                return False
            for number, fields in entries:
                last, seen_at = number, loop.time()
                if b"failed" in fields:
                    return False
                making.place(_words_decoder.decode(fields.get(b"words", b"\x90")))
                if fields.get(b"ulaw"):
                    making.arrived(fields[b"ulaw"])
                if b"done" in fields:
                    making.conclude_followed()
                    return True
            if not entries and loop.time() - seen_at > _RENEW_S:
                held = await self._tier.guarded(cast(Awaitable[bytes | None], client.get(self._lock_name(digest))))
                if held is None or held.decode() != owner:
                    return False
                seen_at = loop.time()
            await asyncio.sleep(_POLL_S)
        return True

    def share(self, digest: str, fields: dict[str, bytes]) -> None:
        """Append to the phrase's audio, in order."""
        name = self._audio_name(digest, self._me)
        pipe = self._tier.client.pipeline(transaction=False)
        pipe.xadd(name, cast(dict[Any, Any], fields))
        pipe.pexpire(name, _KEEP_AUDIO_MS)
        self._later(self._tier.guarded(pipe.execute(), deadline_s=0.25))

    def renew(self, digest: str) -> None:
        """Say that we are still at it."""
        self._later(self._tier.guarded(self._tier.client.pexpire(self._lock_name(digest), _LOCK_MS), deadline_s=0.25))

    def release(self, digest: str) -> None:
        """Give the lock back."""
        self._leading.pop(digest, None)
        operation = cast(Awaitable[Any], self._tier.client.eval(_LEAVE, 1, self._lock_name(digest), self._me))
        self._later(self._tier.guarded(operation, deadline_s=0.25))

    def _later(self, operation: Awaitable[object]) -> None:
        async def run() -> None:
            await operation

        task = asyncio.ensure_future(run())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _lock_name(self, digest: str) -> str:
        return f"{self._tier.prefix}:making:{digest}"

    def _audio_name(self, digest: str, owner: str) -> str:
        return f"{self._tier.prefix}:audio:{digest}:{owner}"


class _Leader:
    """Reads the phrase that we make, and shares it."""

    def __init__(self, flight: Flight, making: Making, digest: str) -> None:
        self._flight = flight
        self._making = making
        self._digest = digest
        self._words = 0
        self.position = 0
        self.starving = False
        self.lead_ms = 60_000.0
        self._renewal = asyncio.get_running_loop().call_later(_RENEW_S, self._renew)

    def progress(self) -> None:
        """There is more, or it is over."""
