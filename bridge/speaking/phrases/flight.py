"""One synthesis per phrase across processes: whoever holds the phrase's lock in Redis makes it, the others read along.

The leader renews its lock and appends its audio to a Redis stream while it makes it; followers play from that
stream. A leader that dies stops renewing: a follower that sees neither progress nor lock makes the rest itself, and so
does one whose leader holds the lock but brings nothing for too long. Where Redis is away or slow there is no lock, and
every process makes its own. After a success the lock is left to expire, so that nobody starts again before the finished
phrase is in Redis.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable
from typing import cast

import msgspec

from bridge.call.events import Word
from bridge.errors import BadMessage
from bridge.speaking.phrases.redis_tier import RedisTier
from bridge.speaking.phrases.synthesis import Synthesis

_LOCK_MS = 500
"""How long the followers of a leader who died may wait in vain."""
_RENEW_S = 0.15
_POLL_S = 0.01
_WRITE_S = 0.25
_KEEP_AUDIO_MS = 10_000
_RELEASE = """
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0
"""
_Entries = list[tuple[bytes, dict[bytes, bytes]]]
_encode = msgspec.msgpack.encode
_pieces = msgspec.msgpack.Decoder(tuple[list[Word], bytes, bool])
"""One entry: words, audio, and whether that was the end."""


class Flight:
    """Locks and audio of phrases that are being made, shared through Redis.

    patience_s  how long a leader that brings nothing is followed
    """

    def __init__(self, tier: RedisTier, patience_s: float = 0.6) -> None:
        self._tier = tier
        self._patience_s = patience_s
        self._me = secrets.token_hex(8)
        self._leading: set[asyncio.Task[None]] = set()
        self.led = 0
        self.followed = 0
        """Phrases taken from another process while it made them."""
        self.took_over = 0
        """Phrases whose leader went away before their end."""

    async def join(self, synthesis: Synthesis) -> None:
        """Follow whoever makes this phrase to its end, or become who makes it.

        Afterwards the phrase is either over, or ours to make, from wherever a vanished leader left it.
        """
        assert synthesis.key is not None
        if not self._tier.available:
            return
        digest = synthesis.key.digest
        leader = await self._leader(digest)
        if leader is not None and leader != self._me:
            if await self._follow(synthesis, digest, leader):
                self.followed += 1
                return
            self.took_over += 1
            leader = await self._leader(digest)
        if leader == self._me and not synthesis.over:
            self.led += 1
            task = asyncio.ensure_future(self._lead(synthesis, digest))
            self._leading.add(task)
            task.add_done_callback(self._leading.discard)

    async def close(self) -> None:
        """Stop sharing; followers elsewhere take over."""
        for task in self._leading:
            task.cancel()
        await asyncio.gather(*self._leading, return_exceptions=True)

    def stats(self) -> dict[str, float]:
        """Phrases led, followed, and taken over."""
        return {"led": self.led, "followed": self.followed, "took_over": self.took_over}

    async def _leader(self, digest: str) -> str | None:
        """Who makes this phrase, ourselves if nobody did until now; None if Redis does not say."""
        name, client = self._lock(digest), self._tier.client
        if await self._tier.guarded(client.set(name, self._me, nx=True, px=_LOCK_MS)):
            return self._me
        if not self._tier.available:
            return None
        held = await self._tier.guarded(cast(Awaitable[bytes | None], client.get(name)))
        return held.decode() if held else None

    async def _lead(self, synthesis: Synthesis, digest: str) -> None:
        """Append what is made to the phrase's stream, in order, until it is over."""
        name, client, news = self._audio(digest, self._me), self._tier.client, asyncio.Event()
        synthesis.watch(news.set)
        shared_bytes = shared_words = pieces = 0
        try:
            while True:
                over, failed = synthesis.over, synthesis.failure is not None
                buffer = synthesis.buffer
                words, audio = buffer.words[shared_words:], bytes(buffer.audio[shared_bytes:])
                shared_words, shared_bytes = len(buffer.words), len(buffer.audio)
                # A phrase that another worker had to finish is cut back to a word's start: no use to a follower.
                if failed or synthesis.spliced:
                    break
                if audio or words or over:
                    piece = self._tier.seal(f"{name}:{pieces}", _encode((words, audio, over)))
                    pieces += 1
                    pipe = client.pipeline(transaction=False)
                    pipe.xadd(name, {"piece": piece})
                    pipe.pexpire(name, _KEEP_AUDIO_MS)
                    pipe.pexpire(self._lock(digest), _LOCK_MS)
                    await self._tier.guarded(pipe.execute(), deadline_s=_WRITE_S)
                if over:
                    return
                try:
                    async with asyncio.timeout(_RENEW_S):
                        await news.wait()
                except TimeoutError:
                    await self._tier.guarded(client.pexpire(self._lock(digest), _LOCK_MS), deadline_s=_WRITE_S)
                news.clear()
        except asyncio.CancelledError:
            await self._release(digest)
            raise
        await self._release(digest)

    async def _release(self, digest: str) -> None:
        operation = self._tier.client.eval(_RELEASE, 1, self._lock(digest), self._me)
        await self._tier.guarded(operation, deadline_s=_WRITE_S)

    async def _follow(self, synthesis: Synthesis, digest: str, leader: str) -> bool:
        """Read along with another process; False if it has gone before the end."""
        client, loop = self._tier.client, asyncio.get_running_loop()
        last, seen_at, pieces = "-", loop.time(), 0
        while not synthesis.over:
            name = self._audio(digest, leader)
            operation = cast(Awaitable[_Entries], client.xrange(name, min=last))
            entries = await self._tier.guarded(operation)
            if entries is None:
                return False
            for number, fields in entries:
                last, seen_at = f"({number.decode()}", loop.time()
                try:
                    piece = self._tier.opened(f"{name}:{pieces}", fields[b"piece"])
                    words, audio, over = _pieces.decode(piece)
                    pieces += 1
                    if len(audio) % synthesis.buffer.format.sample_bytes:
                        raise BadMessage(
                            f"audio of a phrase that is being made: {len(audio)} bytes are no whole samples"
                        )
                except (KeyError, msgspec.DecodeError, BadMessage):
                    self._tier.damaged += 1  # written by another version, or by somebody else
                    return False
                synthesis.followed(audio, words)
                if over:
                    synthesis.followed_to_end()
                    return True
            if not entries:
                if loop.time() - seen_at > self._patience_s:
                    return False  # alive perhaps, but of no use: a caller waits
                if loop.time() - seen_at > 0.1:
                    held = await self._tier.guarded(cast(Awaitable[bytes | None], client.get(self._lock(digest))))
                    if held is None or held.decode() != leader:
                        return False
                await asyncio.sleep(_POLL_S)
        return True

    def _lock(self, digest: str) -> str:
        return f"{self._tier.prefix}:making:{digest}"

    def _audio(self, digest: str, leader: str) -> str:
        return f"{self._tier.prefix}:audio:{digest}:{leader}"
