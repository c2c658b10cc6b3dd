"""The bot's voice for all calls of a process: `SpeechService` once, `CallSpeech` per call.

The session gives it the commands of `bridge.call.commands` and gets the events of `bridge.call.events` back:
audio only as far as the call has pulled, words with their times in the utterance, and nothing after a cancel.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import msgspec

from bridge.audio.formats import MULAW_8000, AudioFormat
from bridge.call.commands import PullSpeech, Synthesise
from bridge.call.events import Event, SpeechArrived, SpeechEnded, SpeechFailed, Word
from bridge.errors import VoiceError
from bridge.http import HttpClient, OpenClient
from bridge.speaking.call_speech import CallSpeech
from bridge.speaking.hosted_settings import HostedVoiceSettings
from bridge.speaking.phrases.cache import PhraseCache
from bridge.speaking.phrases.phrase import WORKER, Phrase, PhraseKey, loudness_db, normalise
from bridge.speaking.phrases.prefetch import Prefetcher
from bridge.speaking.phrases.savings import Savings
from bridge.speaking.phrases.source import PhraseSource
from bridge.speaking.pieces import UtteranceContext
from bridge.speaking.providers import build_pool
from bridge.speaking.recordings import Recordings
from bridge.speaking.settings import SpeakingSettings
from bridge.speaking.voices.base import SpeechListener, SpeechProvider, SpeechRequest, SpeechStream
from bridge.speaking.voices.local_worker import LocalWorker
from bridge.text import chunker
from bridge.text.spoken.languages import nearest
from bridge.worker.settings import WorkerSettings

log = logging.getLogger(__name__)

_CONNECT_S = 5.0
_EVERYTHING_MS = 3_600_000
_KNOWN = 8000
"""Phrases of the disk that are recognised by their first words."""

Progress = Callable[[int, int, str], None]
"""Phrases done, phrases in all, the phrase just done."""


class SpeechService:
    """Text to speech for every call of a process: chunking, phrase cache, workers.

    directory  where the configuration file lies, which the cache's `disk_path` is relative to
    redis_url  the service's Redis, where phrases are shared; `redis_prefix` begins its keys
    secret     of the service, which authenticates what is in Redis
    worker     settings of the local worker, which is started when `settings` name no other
    providers  take the place of those that the settings name so; `worker` is the one of `workers`
    formats    of the service's lines: fixed phrases are made in each of them
    open_client  reaches hosted voices and workers elsewhere, as the service's settings say
    connect_s  how long `start` waits for the first provider
    environ    holds the secrets that `settings` name
    """

    def __init__(
        self,
        settings: SpeakingSettings,
        *,
        directory: Path = Path(),
        redis_url: str = "",
        redis_prefix: str = "bridge",
        secret: str = "",
        worker: WorkerSettings | None = None,
        providers: Mapping[str, SpeechProvider] | None = None,
        formats: Sequence[AudioFormat] = (MULAW_8000,),
        connect_s: float = _CONNECT_S,
        environ: Mapping[str, str] = os.environ,
        open_client: OpenClient = HttpClient,
    ) -> None:
        self.settings = settings
        self.open_client = open_client
        self._recordings = Recordings(settings.recordings, directory)
        self._connect_s = connect_s
        self.cache = PhraseCache(
            settings.cache, directory, redis_url=redis_url, redis_prefix=redis_prefix, secret=secret
        )
        self._formats = tuple(formats)
        self._prices = {
            name: one.price_per_million_chars
            for name, one in settings.providers.items()
            if isinstance(one, HostedVoiceSettings)
        }
        self._local: LocalWorker | None = None
        if WORKER not in (providers or {}) and not settings.workers:
            self._local = LocalWorker(worker)
            settings = msgspec.structs.replace(settings, workers=(self._local.address,))
        self._pool = build_pool(settings, providers or {}, environ, open_client)
        self._source = PhraseSource(settings, self._pool, self.cache)
        self._prefetcher = Prefetcher(
            self._source,
            self.headroom,
            lambda text: chunker.whole(text, settings.chunking),
            settings.prefetch_streams,
        )
        self._warm: dict[tuple[str, str | None, str, str], None] = {}
        """Phrases to hold ready: text, voice, tenant, language; made again when a worker brings a new engine."""
        self._rewarming: asyncio.Task[None] | None = None
        self._calls: set[CallSpeech] = set()

    async def start(self) -> None:
        """Open the cache, start the local worker if no other is configured, and connect.

        Raises VoiceError if the local worker does not come up. Configured workers may be away: they are
        waited for a few seconds only, and what the cache holds can be said without them.
        """
        await self.cache.open()
        if self.cache.disk:
            self._source.know((e.tenant, e.voice, e.text) for e in reversed((await self.cache.list())[:_KNOWN]))
        if self._local:
            await self._local.start(self.settings.start_s)
        usable = asyncio.Event()
        self._pool.wait(self, lambda: usable.set() if self._pool.usable else None)
        await self._pool.start(await self.cache.engines(), self._engines_changed)
        try:
            async with asyncio.timeout(self._connect_s):
                await usable.wait()
        except TimeoutError:
            log.error("no speech provider answers: %s", ", ".join(provider.name for provider in self._pool.providers))
        finally:
            self._pool.leave(self)

    async def close(self) -> None:
        """End all calls' speech, disconnect, stop the local worker, close the cache."""
        if self._rewarming:
            self._rewarming.cancel()
            await asyncio.gather(self._rewarming, return_exceptions=True)
        for call in list(self._calls):
            call.close()
        await self._prefetcher.close()
        await self._source.close()
        await self._pool.close()
        if self._local:
            await self._local.close()
        await self.cache.close()

    @property
    def ready(self) -> bool:
        """Whether something that is in no cache can be said now."""
        return self._pool.usable

    @property
    def worker_address(self) -> str | None:
        """Where the local worker can be reached by others too; None if workers are configured."""
        return self._local.address if self._local else None

    def open_call(
        self,
        deliver: Callable[[Event], None],
        *,
        tenant: str = "default",
        audio_format: AudioFormat = MULAW_8000,
        voice: str | None = None,
        language: str = "",
        filler: str = "",
    ) -> CallSpeech:
        """The voice of one call in its line's format; `voice` speaks where none is named.

        `filler` is what bridges an answer that is late under pressure, in the same language.

        `language` is that of texts which name none; empty: the voice's own.

        `deliver` gets SpeechArrived, SpeechEnded and SpeechFailed, on the event loop.
        """
        context = UtteranceContext(
            self._source,
            self.settings.chunking,
            tenant,
            audio_format,
            self.settings.ahead_ms,
            self.settings.filler_after_ms / 1000,
            Savings(self.settings.cache.price_per_million_chars, self._prices),
            deliver,
            voice or (self._voice_in(language, None) if language else None),
            self._recordings,
            language,
            self._voice_in,
        )
        call = CallSpeech(context, self._prefetcher, self._calls.discard, filler)
        self._calls.add(call)
        return call

    def _voice_in(self, language: str, voice: str | None) -> str | None:
        """Who speaks a language in place of this voice: the voice itself if it is declared for it, or one that is."""
        wanted = language.replace("_", "-").lower()

        def speaks(name: str, *, country: bool) -> bool:
            declared = (route.language.lower() for route in self.settings.voices.get(name, ())[:1])
            return any(one == wanted if country else one and _same(one, wanted) for one in declared)

        names = [voice or self.settings.voice, *self.settings.voices]
        found = [name for country in (True, False) for name in names if speaks(name, country=country)]
        own = [name for name in found if name == names[0]]
        return next(iter(own or found), voice)

    async def warm(
        self,
        phrases: Iterable[str],
        *,
        voice: str | None = None,
        tenant: str = "default",
        language: str = "",
        progress: Progress | None = None,
    ) -> None:
        """Have these phrases in memory, never to be evicted, so that they play even without a worker.

        They are read in `language`; empty: the voice's own.

        A phrase with slots (`"Your code is {digits}."`) becomes a template, of which the words before the first
        slot are held. Raises VoiceError if a phrase can neither be found nor made.
        """
        texts = list(dict.fromkeys(phrases))
        for done, text in enumerate(texts, 1):
            self._warm[text, voice, tenant, language] = None
            await self._hold(text, voice, tenant, language)
            if progress:
                progress(done, len(texts), text)

    async def synthesise_whole(
        self, text: str, voice: str | None = None, *, audio_format: AudioFormat = MULAW_8000
    ) -> Phrase:
        """A whole text as one phrase, as a call would hear it. Raises VoiceError."""
        audio, words = bytearray(), list[Word]()
        over: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def deliver(event: Event) -> None:
            match event:
                case SpeechArrived():
                    audio.extend(event.audio)
                    words.extend(event.words)
                case SpeechEnded():
                    over.set_result(None)
                case SpeechFailed():
                    over.set_exception(VoiceError(event.reason))

        call = self.open_call(deliver, audio_format=audio_format)
        try:
            call.synthesise(Synthesise(1, text, True, voice))
            call.pull(PullSpeech(1, _EVERYTHING_MS, 0))
            await over
        finally:
            call.close()
        key = self._source.key(text, voice, "default", audio_format)
        key = key or PhraseKey(normalise(text), voice or "", "", format=audio_format.name)
        return Phrase(key, bytes(audio), tuple(words), loudness_db(bytes(audio), audio_format))

    @property
    def voices(self) -> dict[str, str]:
        """Names of voices that streams can have now, each with its engine's version; the default one first."""
        return self._pool.voices

    def open_stream(self, request: SpeechRequest, listener: SpeechListener) -> SpeechStream:
        """Speak in any format, past the cache, a text that may still be growing: end it with `end`.

        The voice is one of `voices`. Raises VoiceError when nobody can take it; the listener is told of later failures.
        """
        for route in self._pool.routes(request.voice):
            provider = self._pool.choose(route, ())
            if provider is not None:
                return provider.open(
                    msgspec.structs.replace(
                        request, voice=route.voice, language=nearest(request.language, route.language)
                    ),
                    listener,
                )
        raise VoiceError("no speech provider is there that can take this stream", "lost")

    def relieve(self, *, prefetch: bool, lighter: bool, fillers: bool = False) -> None:
        """Under pressure: make nothing ahead without `prefetch`; with `lighter` say new things in cheaper voices.

        With `fillers` an answer that is late is bridged by a phrase from memory.
        """
        self._source.bridging = fillers
        self._prefetcher.paused = not prefetch
        self._source.lighter = lighter

    def headroom(self) -> float:
        """0 (no new call should be taken for speech's sake) .. 1 (idle)."""
        return self._pool.headroom

    def usage(self) -> dict[str, tuple[float, float]]:
        """Characters that each hosted voice was sent, and their price, since the process started."""
        found: dict[str, tuple[float, float]] = {}
        for name, providers in self._pool.groups.items():
            for its in (provider.provider.stats() for provider in providers):
                if "cost" in its:
                    found[name] = (its.get("characters", 0.0), its["cost"])
        return found

    def stats(self) -> dict[str, float]:
        """Counters of the cache, of the phrases made and of each worker (`worker0_...`)."""
        found: dict[str, float] = {f"cache_{name}": value for name, value in self.cache.stats().items()}
        found |= {f"phrases_{name}": self._source.counts[name] for name in ("made", "joined", "filled", "private")}
        found |= {f"phrases_{name}": self._source.counts[name] for name in ("spliced", "failed", "bridged")}
        found |= {f"prefetch_{name}": value for name, value in self._prefetcher.stats().items()}
        found |= {"bad_ssml": self._source.counts["bad_ssml"]}
        found |= {"waste_ms": self._source.wasted_ms, "headroom": self.headroom(), "calls": len(self._calls)}
        if self._source.flight:
            found |= {f"flight_{name}": value for name, value in self._source.flight.stats().items()}
        if self._local:
            found["worker_restarts"] = self._local.restarts
        for group, providers in self._pool.groups.items():
            for number, provider in enumerate(providers):
                found |= {f"{group}{number}_{name}": value for name, value in provider.stats().items()}
        return found

    async def _hold(self, text: str, voice: str | None, tenant: str, language: str) -> None:
        voice = voice or (self._voice_in(language, None) if language else None)
        for piece in chunker.whole(text, self.settings.chunking):
            for audio_format in self._formats:
                await self._source.hold(piece, voice=voice, tenant=tenant, audio_format=audio_format, language=language)

    def _engines_changed(self, engines: dict[str, str]) -> None:
        self.cache.remember_engines(engines)
        if self._warm and (self._rewarming is None or self._rewarming.done()):
            self._rewarming = asyncio.ensure_future(self._rewarm())

    async def _rewarm(self) -> None:
        """A worker came with another engine version, under which the warm phrases are not kept yet."""
        for text, voice, tenant, language in list(self._warm):
            try:
                await self._hold(text, voice, tenant, language)
            except VoiceError as error:
                log.warning("a warm phrase could not be made again: %s", error)


def _same(one: str, other: str) -> bool:
    """Whether two tags are of one language, whatever the country."""
    return one.partition("-")[0] == other.partition("-")[0]
