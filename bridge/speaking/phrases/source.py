"""Where every phrase comes from: the cache, a phrase already being made for somebody else, or a provider."""

from __future__ import annotations

import asyncio
import functools
import logging
import math
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence

from bridge.audio.formats import MULAW_8000, AudioFormat
from bridge.errors import VoiceError
from bridge.speaking.phrases.beginnings import Beginnings
from bridge.speaking.phrases.cache import PhraseCache
from bridge.speaking.phrases.deadlines import WaitLimits
from bridge.speaking.phrases.flight import Flight
from bridge.speaking.phrases.phrase import Phrase, PhraseKey, loudness_db, marked_tokens, normalise
from bridge.speaking.phrases.synthesis import PhraseReader, Synthesis
from bridge.speaking.phrases.template import Template, Templates, cut_head, has_slot
from bridge.speaking.settings import SpeakingSettings
from bridge.speaking.voices.base import Priority, SpeechRequest
from bridge.speaking.voices.pool import ProviderPool
from bridge.text.spoken.languages import nearest

log = logging.getLogger(__name__)

Fetch = Callable[[Synthesis], Awaitable[Phrase | None]]


class PhraseSource:
    """At most one synthesis per phrase at a time; only complete, verified phrases are kept."""

    def __init__(self, settings: SpeakingSettings, pool: ProviderPool, cache: PhraseCache) -> None:
        self._settings = settings
        self._pool = pool
        self._cache = cache
        self.flight = Flight(cache.redis, settings.first_audio_ms / 2000) if cache.redis is not None else None
        self._patience = WaitLimits(
            settings.first_audio_ms / 1000,
            settings.stall_ms / 1000,
            settings.give_up_ms / 1000,
            settings.switch_ms / 1000,
        )
        self.templates = Templates()
        self.beginnings = Beginnings()
        cache.on_purge = lambda gone: self.beginnings.purge(text=gone.text, voice=gone.voice, tenant=gone.tenant)
        self.on_hit: Callable[[PhraseKey], None] | None = None
        """Told of every phrase that a call takes from memory or shares while it is being made."""
        self.lighter = False
        """Under pressure: what is not in memory is spoken by the voice that stands in (`speaking.lighter`)."""
        self.bridging = False
        """Under pressure: an answer that is late is bridged by a phrase from memory."""
        self._shared: dict[str, Synthesis] = {}
        self._all: set[Synthesis] = set()
        self.counts: Counter[str] = Counter()
        """`joined`, `made`, `filled` (templates), `bridged` (by a filler), `spliced`, `failed`, `private`."""
        self.wasted_ms = 0.0
        """Audio that was made and that nobody will hear."""

    def key(
        self,
        text: str,
        voice: str | None,
        tenant: str,
        audio_format: AudioFormat = MULAW_8000,
        language: str = "",
    ) -> PhraseKey | None:
        """What a text is kept under as it would be spoken now; None until a provider has told its voices."""
        keys = self._keys(text, voice, tenant, audio_format, language)
        return keys[-1] if keys else None

    def _keys(
        self, text: str, voice: str | None, tenant: str, audio_format: AudioFormat, language: str = ""
    ) -> list[PhraseKey]:
        """Keys of a text on the routes to a voice, best first, down to the first that somebody can go now.

        What a better provider has said before may be played although that provider is away. The last key is that of
        who would be asked now; there is none while no engine is known.
        """
        keys: list[PhraseKey] = []
        normal, tenant = normalise(text), self._cache.tenant(tenant)
        routes = self._pool.routes(voice)
        for route in routes:
            name, engine = self._pool.voice(route), self._pool.engine(route)
            if engine:
                speed, audio_name = self._settings.speed, audio_format.name
                read_in = nearest(language, route.language)
                keys.append(PhraseKey(normal, name, engine, speed, tenant, audio_name, route.provider, read_in))
            if route is routes[-1] or self._pool.choose(route, ()) is not None:
                break
        return keys

    def obtain(
        self,
        text: str,
        *,
        voice: str | None = None,
        language: str = "",
        tenant: str = "default",
        cacheable: bool = True,
        priority: Priority = "live",
        fixed: bool = False,
        audio_format: AudioFormat = MULAW_8000,
    ) -> Phrase | Synthesis:
        """The phrase itself if memory has it, else a phrase on its way that may be attached to.

        A sentence that fills a template is never kept, except a `fixed` one: a line of its own that only begins
        like a template. What must not be kept may still be found: an agent's free text can be a phrase that is known.
        """
        keys: list[PhraseKey] = []
        for one in self._voices(voice, priority):
            voice = one
            keys = self._keys(text, voice, tenant, audio_format, language)
            for known in keys:
                phrase = self._cache.now(known)
                if phrase is not None:
                    self._tell_hit(known, priority)
                    return phrase
        key = keys[-1] if keys else None
        if key is not None:
            shared = self._shared.get(key.digest)
            if shared is not None:
                self.counts["joined"] += 1
                self._tell_hit(key, priority)
                return shared
        template = None if fixed else self.templates.match(text)
        if template is not None:
            return self._fill(template, text, voice, tenant, priority, audio_format, language)
        key = key if cacheable else None
        return self._make(text, voice, key, priority, audio_format, earlier=keys[:-1], language=language)

    def _voices(self, voice: str | None, priority: Priority) -> list[str | None]:
        """In which voices a phrase is looked for, the last of which speaks it if it is in memory in none."""
        stands_in = self._settings.lighter.get(voice or self._settings.voice)
        return [voice] if stands_in is None or not self.lighter or priority != "live" else [voice, stands_in]

    def has(self, key: PhraseKey) -> bool:
        """Whether a phrase is in memory or being made; counts as no use of it."""
        return key.digest in self._shared or self._cache.memory.peek(key.tenant, key.digest) is not None

    def in_memory(
        self, text: str, voice: str | None, tenant: str, audio_format: AudioFormat, language: str
    ) -> Phrase | None:
        """Look for a phrase in memory alone; counts as no use of it."""
        keys = self._keys(text, voice, tenant, audio_format, language)
        found = (self._cache.memory.peek(key.tenant, key.digest) for key in keys)
        return next((phrase for phrase in found if phrase is not None), None)

    async def bring(self, key: PhraseKey) -> bool:
        """Have a phrase in memory if any tier keeps it."""
        return await self._cache.bring(key)

    def _tell_hit(self, key: PhraseKey, priority: Priority) -> None:
        if self.on_hit is not None and priority == "live":
            self.on_hit(key)

    async def hold(
        self,
        text: str,
        *,
        voice: str | None = None,
        tenant: str = "default",
        audio_format: AudioFormat = MULAW_8000,
        language: str = "",
    ) -> None:
        """Have a phrase, or a template's head, in memory for good. Raises VoiceError.

        Of a template that begins with its slot, or nearly so, there is nothing to hold.
        """
        template = next(iter(self.templates.add([text])), None)
        if template is None:
            if has_slot(text):
                return
            key = (
                await self.whole(
                    text,
                    voice=voice,
                    tenant=tenant,
                    priority="prefetch",
                    fixed=True,
                    audio_format=audio_format,
                    language=language,
                )
            ).key
            self._know(key)
        else:
            head = await self._make_head(template, voice, tenant, audio_format, language)
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

    async def _make_head(
        self, template: Template, voice: str | None, tenant: str, audio_format: AudioFormat, language: str
    ) -> PhraseKey | None:
        """A template's first words, in memory; None if the voice does not say where its words are."""
        key = self.key(template.kept_as, voice, tenant, audio_format, language)
        if key is not None and (self._cache.now(key) or await self._cache.fetch(key)):
            return key
        synthesis = self._make(template.carrier, voice, None, "prefetch", audio_format, language=language)
        carrier = await self._wait_for(synthesis, tenant)
        key = self.key(template.kept_as, voice, tenant, audio_format, language)
        if key is None or len(carrier.words) <= len(template.head):
            return None
        audio, words = cut_head(carrier.audio, carrier.words, len(template.head), audio_format)
        self._cache.keep(Phrase(key, audio, words, loudness_db(audio, audio_format), synthesis.taken_ms))
        return key

    def _fill(
        self,
        template: Template,
        text: str,
        voice: str | None,
        tenant: str,
        priority: Priority,
        audio_format: AudioFormat,
        language: str,
    ) -> Synthesis:
        key = self.key(template.kept_as, voice, tenant, audio_format, language)
        head = self._cache.now(key) if key else None
        if head is not None:
            self.counts["filled"] += 1
        return self._make(text, voice, None, priority, audio_format, head=head, language=language)

    def _make(
        self,
        text: str,
        voice: str | None,
        key: PhraseKey | None,
        priority: Priority,
        audio_format: AudioFormat,
        *,
        earlier: Sequence[PhraseKey] = (),
        head: Phrase | None = None,
        language: str = "",
    ) -> Synthesis:
        """Begin to make a phrase; `earlier` keys, of better providers that are away, are looked for first."""
        fetch: Fetch | None = None
        if key is None:
            self.counts["private"] += 1
        elif self._cache.memory_only:
            self._cache.counts["misses"] += 1
        else:
            fetch = functools.partial(self._fetch_from_cache, (*earlier, key))
        routes = self._pool.routes(voice)
        words, speed = " ".join(marked_tokens(text)), self._settings.speed
        request = SpeechRequest(words, "", audio_format, speed, priority, cut=True, language=language)
        synthesis = Synthesis(self._pool, request, routes, key, self._patience, self._finished, fetch, head)
        self._all.add(synthesis)
        if key is not None:
            self._shared[key.digest] = synthesis
        synthesis.start()
        return synthesis

    def shared(self, synthesis: Synthesis) -> None:
        """A call has heard a phrase that was made for another."""
        audio_ms = synthesis.buffer.format.duration_ms(synthesis.buffer.audio)
        self._cache.count_joined(len(synthesis.request.text), audio_ms, synthesis.taken_ms)

    def leave(self, synthesis: Synthesis) -> None:
        """After a reader was detached: a phrase that nobody waits for is finished only if it is short and can be kept.

        Half a second of a worker's time now saves the whole synthesis the next time; a long text said once is
        not worth it.
        """
        if synthesis.readers or synthesis.over:
            return
        finish = synthesis.key is not None and len(synthesis.request.text) <= self._settings.cache.finish_chars
        synthesis.abandon(finish)

    async def whole(
        self,
        text: str,
        *,
        voice: str | None = None,
        tenant: str = "default",
        priority: Priority = "live",
        fixed: bool = False,
        audio_format: AudioFormat = MULAW_8000,
        language: str = "",
    ) -> Phrase:
        """A phrase, waited for; `fixed` as for `obtain`. Raises VoiceError."""
        found = self.obtain(
            text,
            voice=voice,
            language=language,
            tenant=tenant,
            priority=priority,
            fixed=fixed,
            audio_format=audio_format,
        )
        if isinstance(found, Phrase):
            return found
        return await self._wait_for(found, tenant)

    async def _wait_for(self, synthesis: Synthesis, tenant: str) -> Phrase:
        request, buffer = synthesis.request, synthesis.buffer
        key = synthesis.key or PhraseKey(
            normalise(request.text), request.voice, "", request.speed, tenant, request.audio_format.name
        )
        synthesis.claimed = True
        news = asyncio.Event()

        def more() -> None:
            reader.position = synthesis.available  # or nobody would be waiting for the rest of a phrase that has begun
            news.set()

        reader = PhraseReader(more)
        reader.wanted = math.inf
        synthesis.attach(reader)
        try:
            while not synthesis.over:
                news.clear()
                await news.wait()
        finally:
            synthesis.detach(reader)
            self.leave(synthesis)
        if synthesis.failure is not None:
            raise VoiceError(synthesis.failure)
        return Phrase(key, bytes(buffer.audio), tuple(buffer.words), synthesis_ms=synthesis.taken_ms)

    @property
    def busy(self) -> bool:
        """Whether a caller waits for speech now."""
        return any(synthesis.readers and synthesis.request.priority == "live" for synthesis in self._all)

    async def close(self) -> None:
        """Stop every synthesis and every look-up."""
        if self.flight is not None:
            await self.flight.close()
        for synthesis in list(self._all):
            synthesis.abandon(False)

    async def _fetch_from_cache(self, keys: Sequence[PhraseKey], synthesis: Synthesis) -> Phrase | None:
        for key in keys:
            phrase = await self._cache.fetch(key, last=key is keys[-1])
            if phrase is not None:
                return phrase
        if self.flight is not None:
            await self.flight.join(synthesis)
        return None

    def _finished(self, synthesis: Synthesis, phrase: Phrase | None) -> None:
        self._all.discard(synthesis)
        if synthesis.key is not None and self._shared.get(synthesis.key.digest) is synthesis:
            del self._shared[synthesis.key.digest]
        if synthesis.spliced:
            self.counts["spliced"] += 1
        if synthesis.failure is not None and synthesis.failure != "cancelled":
            self.counts["failed"] += 1
        if phrase is not None:
            self.counts["made"] += 1
            self._cache.keep(phrase)
            self._know(phrase.key)
