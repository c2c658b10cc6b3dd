"""The first tier: phrases in this process's memory, bounded in bytes, rubbish evicted first. No I/O.

Each tenant has two queues, as in a segmented LRU: what was stored and never asked for again waits in
`probation`, what was hit moves to `kept`. Eviction takes the oldest of probation first, so that a
stream of texts said only once cannot push out the greeting.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator

import msgspec

from bridge.speaking.phrases.phrase import Phrase

_KEPT_SHARE = 0.8
"""Of a tenant's bytes; the oldest kept phrase beyond it goes back on probation."""


class CachedPhrase(msgspec.Struct):
    """A phrase in memory and how it has done."""

    phrase: Phrase
    hits: int = 0
    pinned: bool = False


class _TenantPhrases:
    """The phrases of one tenant, new ones and those asked for again."""

    def __init__(self) -> None:
        self.probation: OrderedDict[str, CachedPhrase] = OrderedDict()
        self.kept: OrderedDict[str, CachedPhrase] = OrderedDict()
        self.bytes = 0
        self.kept_bytes = 0

    def oldest(self) -> str | None:
        """What to evict next; None if all that is left is pinned."""
        for queue in (self.probation, self.kept):
            for digest, held in queue.items():
                if not held.pinned:
                    return digest
        return None


class MemoryTier:
    """Phrases in this process's memory, by their keys' digests.

    limit_bytes         of all tenants together
    tenant_limit_bytes  of one tenant; a tenant over it evicts its own phrases, never another's
    """

    def __init__(self, limit_bytes: int, tenant_limit_bytes: int) -> None:
        self._limit = limit_bytes
        self._tenant_limit = min(tenant_limit_bytes, limit_bytes)
        self._shelves: dict[str, _TenantPhrases] = {}
        self.bytes = 0
        self.evicted = 0
        self.refused = 0
        """Phrases too large to be kept at all."""

    def __len__(self) -> int:
        return sum(len(s.probation) + len(s.kept) for s in self._shelves.values())

    def __iter__(self) -> Iterator[CachedPhrase]:
        for shelf in self._shelves.values():
            yield from shelf.kept.values()
            yield from shelf.probation.values()

    def get(self, tenant: str, digest: str) -> Phrase | None:
        """Look up a phrase and count the hit."""
        shelf = self._shelves.get(tenant)
        if shelf is None:
            return None
        held = shelf.kept.get(digest)
        if held is not None:
            shelf.kept.move_to_end(digest)
            held.hits += 1
            return held.phrase
        held = shelf.probation.pop(digest, None)
        if held is None:
            return None
        held.hits += 1
        shelf.kept[digest] = held
        shelf.kept_bytes += held.phrase.cost
        self._demote(shelf)
        return held.phrase

    def peek(self, tenant: str, digest: str) -> Phrase | None:
        """Look up a phrase without counting it as used."""
        shelf = self._shelves.get(tenant)
        held = shelf and (shelf.kept.get(digest) or shelf.probation.get(digest))
        return held.phrase if held else None

    def put(self, phrase: Phrase, *, pinned: bool = False) -> bool:
        """Keep a phrase; pinned ones are never evicted. False if it is too large."""
        tenant, digest = phrase.key.tenant, phrase.key.digest
        if phrase.cost > self._tenant_limit // 2:
            self.refused += 1
            return False
        pinned = self.drop(tenant, digest) or pinned
        shelf = self._shelves.setdefault(tenant, _TenantPhrases())
        shelf.probation[digest] = CachedPhrase(phrase, pinned=pinned)
        shelf.bytes += phrase.cost
        self.bytes += phrase.cost
        while shelf.bytes > self._tenant_limit and self._evict(tenant, shelf):
            pass
        while self.bytes > self._limit and self._evict(*max(self._shelves.items(), key=lambda item: item[1].bytes)):
            pass
        return True

    def pin(self, tenant: str, digest: str) -> bool:
        """Never evict this phrase. False if it is not here."""
        shelf = self._shelves.get(tenant)
        held = shelf and (shelf.kept.get(digest) or shelf.probation.get(digest))
        if not held:
            return False
        held.pinned = True
        return True

    def drop(self, tenant: str, digest: str) -> bool:
        """Forget a phrase, pinned or not; return whether it was pinned."""
        shelf = self._shelves.get(tenant)
        if shelf is None:
            return False
        held = shelf.kept.pop(digest, None)
        if held is not None:
            shelf.kept_bytes -= held.phrase.cost
        else:
            held = shelf.probation.pop(digest, None)
        if held is None:
            return False
        shelf.bytes -= held.phrase.cost
        self.bytes -= held.phrase.cost
        if not shelf.kept and not shelf.probation:
            del self._shelves[tenant]
        return held.pinned

    def _demote(self, shelf: _TenantPhrases) -> None:
        while shelf.kept_bytes > self._tenant_limit * _KEPT_SHARE and len(shelf.kept) > 1:
            digest, held = shelf.kept.popitem(last=False)
            shelf.kept_bytes -= held.phrase.cost
            shelf.probation[digest] = held

    def _evict(self, tenant: str, shelf: _TenantPhrases) -> bool:
        digest = shelf.oldest()
        if digest is None:
            return False
        self.drop(tenant, digest)
        self.evicted += 1
        return True
