"""The bot's voice for all calls of a process: `Speech` once, `CallSpeech` per call.

The session gives it the commands of `bridge.call.commands` and gets the events of `bridge.call.events` back:
audio only as far as the call has pulled, words with their times in the utterance, and nothing after a cancel.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import msgspec

from bridge.call.commands import PullSpeech, Synthesise
from bridge.call.events import Event, SpeechArrived, SpeechEnded, SpeechFailed, Word
from bridge.errors import VoiceError
from bridge.speaking.phrases.beginnings import Foresight
from bridge.speaking.phrases.cache import PhraseCache
from bridge.speaking.phrases.maker import PhraseMaker
from bridge.speaking.phrases.phrase import Phrase, PhraseKey, loudness_db, normalise
from bridge.speaking.phrases.prefetch import Likely, Prefetcher
from bridge.speaking.phrases.savings import Savings
from bridge.speaking.settings import SpeakingSettings
from bridge.speaking.utterance import Utterance
from bridge.speaking.voices.base import Listener, Pool, Request, TextStream, Voices
from bridge.speaking.voices.local_worker import LocalWorker
from bridge.speaking.voices.worker_link import WorkerLink
from bridge.text import chunker
from bridge.worker.settings import WorkerSettings

log = logging.getLogger(__name__)

_CONNECT_S = 5.0
_EVERYTHING_MS = 3_600_000
_UNHURRIED_MS = 2000
_KNOWN = 8000
"""Phrases of the disk that are recognised by their first words."""

Progress = Callable[[int, int, str], None]
"""Phrases done, phrases in all, the phrase just done."""


class Speech:
    """Text to speech for every call of a process: chunking, phrase cache, workers.

    directory  where the configuration file lies, which the cache's `disk_path` is relative to
    redis_url  the service's Redis, where phrases are shared; `redis_prefix` begins its keys
    worker     settings of the local worker, which is started when `settings` name no other
    voices     makers of speech to use instead of those that the settings name
    connect_s  how long `start` waits for the first of them
    """

    def __init__(
        self,
        settings: SpeakingSettings,
        *,
        directory: Path = Path(),
        redis_url: str = "",
        redis_prefix: str = "bridge",
        worker: WorkerSettings | None = None,
        voices: Sequence[Voices] | None = None,
        connect_s: float = _CONNECT_S,
    ) -> None:
        self.settings = settings
        self._connect_s = connect_s
        self.cache = PhraseCache(settings.cache, directory, redis_url=redis_url, redis_prefix=redis_prefix)
        self._local: LocalWorker | None = None
        if voices is None and not settings.workers:
            local = msgspec.structs.replace(worker or WorkerSettings(), token=settings.worker_token)
            self._local = LocalWorker(local)
        if voices is None:
            addresses = (self._local.address,) if self._local else settings.workers
            voices = [WorkerLink(a, token=settings.worker_token, sockets=settings.worker_sockets) for a in addresses]
        self._pool = Pool(voices)
        self._maker = PhraseMaker(settings, self._pool, self.cache)
        self._prefetcher = Prefetcher(
            self._maker,
            self.headroom,
            lambda text: chunker.whole(text, settings.chunking),
            settings.prefetch_streams,
        )
        self._warm: dict[tuple[str, str | None, str], None] = {}
        """Phrases to hold ready: text, voice, tenant; made again when a worker brings a new engine version."""
        self._rewarming: asyncio.Task[None] | None = None
        self._calls: set[CallSpeech] = set()

    async def start(self) -> None:
        """Open the cache, start the local worker if no other is configured, and connect.

        Raises VoiceError if the local worker does not come up. Configured workers may be away: they are
        waited for a few seconds only, and what the cache holds can be said without them.
        """
        await self.cache.open()
        if self.cache.disk:
            self._maker.know((e.tenant, e.voice, e.text) for e in reversed((await self.cache.list())[:_KNOWN]))
        if self._local:
            await self._local.start(self.settings.start_s)
        usable = asyncio.Event()
        self._pool.wait(self, lambda: usable.set() if self._pool.usable else None)
        await self._pool.start(await self.cache.engines(), self._engines_changed)
        try:
            async with asyncio.timeout(self._connect_s):
                await usable.wait()
        except TimeoutError:
            log.error("no speech worker answers: %s", ", ".join(maker.name for maker in self._pool.makers))
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
        await self._maker.close()
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

    def open_call(self, deliver: Callable[[Event], None], *, tenant: str = "default") -> CallSpeech:
        """The voice of one call; `deliver` gets SpeechArrived, SpeechEnded and SpeechFailed, on the event loop."""
        call = CallSpeech(self, self._maker, self._prefetcher, deliver, tenant, self._calls.discard)
        self._calls.add(call)
        return call

    async def warm(
        self,
        phrases: Iterable[str],
        *,
        voice: str | None = None,
        tenant: str = "default",
        progress: Progress | None = None,
    ) -> None:
        """Have these phrases in memory, never to be evicted, so that they play even without a worker.

        A phrase with slots (`"Your code is {digits}."`) becomes a template, of which the words before the first
        slot are held. Raises VoiceError if a phrase can neither be found nor made.
        """
        texts = list(dict.fromkeys(phrases))
        for done, text in enumerate(texts, 1):
            self._warm[text, voice, tenant] = None
            await self._hold(text, voice, tenant)
            if progress:
                progress(done, len(texts), text)

    async def synthesise_whole(self, text: str, voice: str | None = None) -> Phrase:
        """A whole text as one phrase, as a call would hear it. Raises VoiceError."""
        collected = _Whole()
        call = self.open_call(collected.deliver)
        try:
            call.synthesise(Synthesise(1, text, True, voice))
            call.pull(PullSpeech(1, _EVERYTHING_MS, 0))
            await collected.over
        finally:
            call.close()
        ulaw = b"".join(collected.ulaw)
        key = self._maker.key(text, voice, "default") or PhraseKey(normalise(text), voice or "", "")
        return Phrase(key, ulaw, tuple(collected.words), loudness_db(ulaw))

    @property
    def voices(self) -> dict[str, str]:
        """Voices that streams can have now, each with its engine's version; the default one first."""
        found = {name: engine for link in self._links() for name, engine in link.engines.items()}
        default = self._pool.voice(None)
        return ({default: found[default]} if default in found else {}) | found

    def open_stream(self, request: Request, listener: Listener) -> TextStream:
        """Speak in any of the workers' formats, past the cache, a text that may still be growing: end it with `end`.

        Raises VoiceError when no worker can take it; later failures are told to the listener.
        """
        links = self._links()
        maker = self._pool.choose(request.voice, [maker for maker in self._pool.makers if maker not in links])
        if not isinstance(maker, WorkerLink):
            raise VoiceError("no speech worker is connected that can take this stream")
        return maker.open_stream(request, listener)

    def _links(self) -> list[WorkerLink]:
        return [maker for maker in self._pool.makers if isinstance(maker, WorkerLink) and maker.usable]

    def headroom(self) -> float:
        """0 (no new call should be taken for speech's sake) .. 1 (idle)."""
        return self._pool.headroom

    def stats(self) -> dict[str, float]:
        """Counters of the cache, of the phrases made and of each worker (`worker0_...`)."""
        found: dict[str, float] = {f"cache_{name}": value for name, value in self.cache.stats().items()}
        found |= {f"phrases_{name}": self._maker.counts[name] for name in ("made", "joined", "filled", "private")}
        found |= {f"phrases_{name}": self._maker.counts[name] for name in ("spliced", "failed")}
        found |= {f"prefetch_{name}": value for name, value in self._prefetcher.stats().items()}
        found |= {"waste_ms": self._maker.wasted_ms, "headroom": self.headroom(), "calls": len(self._calls)}
        if self._maker.flight:
            found |= {f"flight_{name}": value for name, value in self._maker.flight.stats().items()}
        if self._local:
            found["worker_restarts"] = self._local.restarts
        for number, maker in enumerate(self._pool.makers):
            found |= {f"worker{number}_{name}": value for name, value in maker.stats().items()}
        return found

    async def _hold(self, text: str, voice: str | None, tenant: str) -> None:
        for piece in chunker.whole(text, self.settings.chunking):
            await self._maker.hold(piece, voice=voice, tenant=tenant)

    def _engines_changed(self, engines: dict[str, str]) -> None:
        self.cache.remember_engines(engines)
        if self._warm and (self._rewarming is None or self._rewarming.done()):
            self._rewarming = asyncio.ensure_future(self._rewarm())

    async def _rewarm(self) -> None:
        """A worker came with another engine version, under which the warm phrases are not kept yet."""
        for text, voice, tenant in list(self._warm):
            try:
                await self._hold(text, voice, tenant)
            except VoiceError as error:
                log.warning("a warm phrase could not be made again: %s", error)


class CallSpeech:
    """Carries out one call's speech commands. `deliver` may be called from within any of these methods."""

    def __init__(
        self,
        speech: Speech,
        maker: PhraseMaker,
        prefetcher: Prefetcher,
        deliver: Callable[[Event], None],
        tenant: str,
        closed: Callable[[CallSpeech], None],
    ) -> None:
        self._chunking = speech.settings.chunking
        self._savings = Savings(speech.settings.cache.price_per_million_chars)
        self._maker = maker
        self._prefetcher = prefetcher
        self._deliver = deliver
        self._tenant = tenant
        self._on_closed = closed
        self._closed = False
        self._utterances: dict[int, Utterance] = {}
        self._newest = 0

    def synthesise(self, command: Synthesise) -> None:
        """Add text to an utterance, the first of which begins it. Text for one that is over is ignored."""
        utterance = self._utterances.get(command.utterance)
        if utterance is None:
            if self._closed or command.utterance <= self._newest:
                return
            self._newest = command.utterance
            foresight = Foresight(self._foresee, self._prefetcher.came_out)
            utterance = Utterance(
                command.utterance,
                self._maker,
                self._chunking,
                self._tenant,
                self._deliver,
                self._forget,
                foresight,
                self._savings,
            )
            self._utterances[command.utterance] = utterance
        utterance.add(command.text, command.final, command.voice, command.cacheable)

    def pull(self, command: PullSpeech) -> None:
        """Deliver audio up to `upto_ms`; pulls for an utterance that is over are ignored."""
        utterance = self._utterances.get(command.utterance)
        if utterance is not None:
            utterance.pull(command.upto_ms, command.lead_ms)

    def cancel(self, utterance: int) -> None:
        """Nothing more of this utterance is wanted; nothing of it will be delivered after this."""
        self._newest = max(self._newest, utterance)
        under_way = self._utterances.get(utterance)
        if under_way is not None:
            under_way.cancel()

    def expect(self, lines: Iterable[Likely]) -> None:
        """What the call will probably say next, in place of all that was expected before: made ahead in idle time."""
        if not self._closed:
            self._prefetcher.offer(self, lines, self._tenant)

    def savings(self) -> dict[str, float]:
        """What the cache has done for this call so far: see `bridge.speaking.phrases.savings.Savings.report`."""
        return self._savings.report()

    def close(self) -> None:
        """The call is over."""
        self._closed = True
        self._prefetcher.withdraw(self)
        for utterance in list(self._utterances.values()):
            utterance.cancel()
        self._on_closed(self)

    def _foresee(self, begun: str, voice: str | None) -> PhraseKey | None:
        return self._prefetcher.foresee(begun, voice, self._tenant)

    def _forget(self, number: int) -> None:
        self._utterances.pop(number, None)


class _Whole:
    """Collects an utterance."""

    def __init__(self) -> None:
        self.ulaw: list[bytes] = []
        self.words: list[Word] = []
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def deliver(self, event: Event) -> None:
        match event:
            case SpeechArrived():
                self.ulaw.append(event.audio)
                self.words += event.words
            case SpeechEnded():
                self.over.set_result(None)
            case SpeechFailed():
                self.over.set_exception(VoiceError(event.reason))
