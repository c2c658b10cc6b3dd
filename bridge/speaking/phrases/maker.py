"""Where every phrase comes from: the cache, a phrase already being made for somebody else, or a worker."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable

from bridge.errors import VoiceError
from bridge.speaking.phrases.beginnings import Beginnings
from bridge.speaking.phrases.cache import PhraseCache
from bridge.speaking.phrases.flight import Flight
from bridge.speaking.phrases.making import Making, Patience
from bridge.speaking.phrases.phrase import BYTES_PER_MS, Phrase, PhraseKey, loudness_db, normalise, tokens
from bridge.speaking.phrases.template import Template, Templates, cut_head, has_slot
from bridge.speaking.settings import SpeakingSettings
from bridge.speaking.voices.base import Pool, Priority, Request

log = logging.getLogger(__name__)

Fetch = Callable[[Making], Awaitable[Phrase | None]]


class PhraseMaker:
    """At most one synthesis per phrase at a time; only complete, verified phrases are kept."""

    def __init__(self, settings: SpeakingSettings, pool: Pool, cache: PhraseCache) -> None:
        self._settings = settings
        self._pool = pool
        self._cache = cache
        self.flight = Flight(cache.redis) if cache.redis is not None else None
        self._patience = Patience(settings.first_audio_ms / 1000, settings.stall_ms / 1000, settings.give_up_ms / 1000)
        self.templates = Templates()
        self.beginnings = Beginnings()
        cache.on_purge = lambda gone: self.beginnings.purge(text=gone.text, voice=gone.voice, tenant=gone.tenant)
        self.on_hit: Callable[[PhraseKey], None] | None = None
        """Told of every phrase that a call takes from memory or shares while it is being made."""
        self._shared: dict[str, Making] = {}
        self._all: set[Making] = set()
        self.counts: Counter[str] = Counter()
        """`joined`, `made`, `filled` (templates), `spliced`, `failed`, `private`."""
        self.wasted_ms = 0.0
        """Audio that was made and that nobody will hear."""

    def key(self, text: str, voice: str | None, tenant: str) -> PhraseKey | None:
        """What a text is kept under; None while no worker has ever said what its voices are."""
        name = self._pool.voice(voice or self._settings.voice)
        engine = self._pool.engine(name)
        if not engine:
            return None
        return PhraseKey(normalise(text), name, engine, self._settings.speed, self._cache.tenant(tenant))

    def obtain(
        self,
        text: str,
        *,
        voice: str | None = None,
        tenant: str = "default",
        cacheable: bool = True,
        priority: Priority = "live",
        fixed: bool = False,
    ) -> Phrase | Making:
        """The phrase itself if memory has it, else a phrase on its way that may be attached to.

        A sentence that fills a template is never kept, except a `fixed` one: a line of its own that only begins
        like a template. What must not be kept may still be found: an agent's free text can be a phrase that is known.
        """
        key = self.key(text, voice, tenant)
        if key is not None:
            phrase = self._cache.now(key)
            if phrase is not None:
                self._tell_hit(key, priority)
                return phrase
            shared = self._shared.get(key.digest)
            if shared is not None:
                self.counts["joined"] += 1
                self._tell_hit(key, priority)
                return shared
        template = None if fixed else self.templates.match(text)
        if template is not None:
            return self._fill(template, text, voice, tenant, priority)
        return self._make(text, voice, key if cacheable else None, priority)

    def has(self, key: PhraseKey) -> bool:
        """Whether a phrase is in memory or being made; counts as no use of it."""
        return key.digest in self._shared or self._cache.memory.peek(key.tenant, key.digest) is not None

    async def bring(self, key: PhraseKey) -> bool:
        """Have a phrase in memory if any tier keeps it."""
        return await self._cache.bring(key)

    def _tell_hit(self, key: PhraseKey, priority: Priority) -> None:
        if self.on_hit is not None and priority == "live":
            self.on_hit(key)

    async def hold(self, text: str, *, voice: str | None = None, tenant: str = "default") -> None:
        """Have a phrase, or a template's head, in memory for good. Raises VoiceError.

        Of a template that begins with its slot, or nearly so, there is nothing to hold.
        """
        template = next(iter(self.templates.add([text])), None)
        if template is None:
            if has_slot(text):
                return
            key = (await self.whole(text, voice=voice, tenant=tenant, priority="prefetch", fixed=True)).key
            self._know(key)
        else:
            head = await self._make_head(template, voice, tenant)
            if head is None:
                log.warning("no word times to cut at, so %r is no template", template.text)
                self.templates.discard(template)
                return
            key = head
        self._cache.memory.pin(key.tenant, key.digest)

    def know(self, texts: Iterable[tuple[str, str, str]]) -> None:
        """Phrases that some tier keeps from earlier: tenant, voice, normalised text."""
        for tenant, voice, text in texts:
            self.beginnings.add(tenant, voice, text)

    def _know(self, key: PhraseKey) -> None:
        self.beginnings.add(key.tenant, key.voice, key.text)

    async def _make_head(self, template: Template, voice: str | None, tenant: str) -> PhraseKey | None:
        """A template's first words, in memory; None if the voice does not say where its words are."""
        key = self.key(template.kept_as, voice, tenant)
        if key is not None and (self._cache.now(key) or await self._cache.fetch(key)):
            return key
        making = self._make(template.carrier, voice, None, "prefetch")
        carrier = await self._wait_for(making, tenant)
        key = self.key(template.kept_as, voice, tenant)
        if key is None or len(carrier.words) <= len(template.head):
            return None
        ulaw, words = cut_head(carrier.ulaw, carrier.words, len(template.head))
        self._cache.keep(Phrase(key, ulaw, words, loudness_db(ulaw), making.taken_ms))
        return key

    def _fill(self, template: Template, text: str, voice: str | None, tenant: str, priority: Priority) -> Making:
        key = self.key(template.kept_as, voice, tenant)
        head = self._cache.now(key) if key else None
        if head is not None:
            self.counts["filled"] += 1
        return self._make(text, voice, None, priority, head)

    def _make(
        self, text: str, voice: str | None, key: PhraseKey | None, priority: Priority, head: Phrase | None = None
    ) -> Making:
        fetch: Fetch | None = None
        if key is None:
            self.counts["private"] += 1
        elif self._cache.memory_only:
            self._cache.counts["misses"] += 1
        else:
            fetch = self._fetch_from_cache
        name = key.voice if key else (self._pool.voice(voice or self._settings.voice) or None)
        request = Request(" ".join(tokens(text)), name, self._settings.speed, priority)
        making = Making(self._pool, request, key, self._patience, self._finished, fetch, head)
        self._all.add(making)
        if key is not None:
            self._shared[key.digest] = making
        making.start()
        return making

    def shared(self, making: Making) -> None:
        """A call has heard a phrase that was made for another."""
        self._cache.count_joined(len(making.request.text), len(making.ulaw) / BYTES_PER_MS, making.taken_ms)

    def leave(self, making: Making) -> None:
        """After a reader was detached: a phrase that nobody waits for is finished only if it is short and can be kept.

        Half a second of a worker's time now saves the whole synthesis the next time; a long text said once is
        not worth it.
        """
        if making.readers or making.over:
            return
        finish = making.key is not None and len(making.request.text) <= self._settings.cache.finish_chars
        making.abandon(finish)

    async def whole(
        self,
        text: str,
        *,
        voice: str | None = None,
        tenant: str = "default",
        priority: Priority = "live",
        fixed: bool = False,
    ) -> Phrase:
        """A phrase, waited for; `fixed` as for `obtain`. Raises VoiceError."""
        found = self.obtain(text, voice=voice, tenant=tenant, priority=priority, fixed=fixed)
        if isinstance(found, Phrase):
            return found
        return await self._wait_for(found, tenant)

    async def _wait_for(self, making: Making, tenant: str) -> Phrase:
        text, voice, speed = making.request.text, making.request.voice or "", making.request.speed
        key = making.key or PhraseKey(normalise(text), voice, "", speed, tenant)
        making.claimed = True
        collector = _Collector(making)
        making.attach(collector)
        try:
            await collector.finished
        finally:
            making.detach(collector)
            self.leave(making)
        return Phrase(key, bytes(making.ulaw), tuple(making.placed), synthesis_ms=making.taken_ms)

    @property
    def busy(self) -> bool:
        """Whether a caller waits for speech now."""
        return any(making.readers and making.request.priority == "live" for making in self._all)

    async def close(self) -> None:
        """Stop everything."""
        if self.flight is not None:
            await self.flight.close()
        for making in list(self._all):
            making.abandon(False)

    async def _fetch_from_cache(self, making: Making) -> Phrase | None:
        assert making.key is not None
        phrase = await self._cache.fetch(making.key)
        if phrase is None and self.flight is not None:
            await self.flight.join(making)
        return phrase

    def _finished(self, making: Making, phrase: Phrase | None) -> None:
        self._all.discard(making)
        if making.key is not None and self._shared.get(making.key.digest) is making:
            del self._shared[making.key.digest]
        if making.splices:
            self.counts["spliced"] += 1
        if making.failure is not None and making.failure != "cancelled":
            self.counts["failed"] += 1
        if phrase is not None:
            self.counts["made"] += 1
            self._cache.keep(phrase)
            self._know(phrase.key)


class _Collector:
    """Waits for a phrase to be complete."""

    def __init__(self, making: Making) -> None:
        self._making = making
        self.finished: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.position = 0
        self.lead_ms = 0.0
        self.progress()

    @property
    def starving(self) -> bool:
        """It always wants more."""
        return not self._making.over

    def progress(self) -> None:
        """Resolve the future when the phrase is over."""
        if self.finished.done():
            return
        if self._making.complete:
            self.finished.set_result(None)
        elif self._making.failure is not None:
            self.finished.set_exception(VoiceError(self._making.failure))
