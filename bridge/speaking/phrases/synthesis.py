"""One phrase that is being made: fetched or synthesised once, read by every call that waits for it.

What has come lies in a `PhraseBuffer`, whom to ask next says `Failover`, how long to wait `Deadlines`; here they are
tied to streams and timers. When a provider fails, another goes on at the first word that is not there yet; a phrase
made in parts is played, but not kept. When the call that asked first goes away, the others notice nothing.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence

import msgspec

from bridge.call.events import NO_SOUND, Word
from bridge.errors import VoiceError
from bridge.speaking.phrases.buffer import PhraseBuffer
from bridge.speaking.phrases.deadlines import Deadlines, WaitLimits
from bridge.speaking.phrases.failover import Failover
from bridge.speaking.phrases.phrase import Phrase, PhraseKey, loudness_db
from bridge.speaking.voices.base import SpeechRequest
from bridge.speaking.voices.health import MonitoredProvider, MonitoredStream
from bridge.speaking.voices.pool import ProviderPool, Route
from bridge.text.spoken.languages import nearest

log = logging.getLogger(__name__)

_UNHURRIED_MS = 1500.0
"""The lead reported for a phrase that nobody waits for any more."""
_BUSY_PAUSE_S = 0.05
_NO_LIMIT_MS = 3_600_000


class PhraseReader:
    """Somebody's place in a phrase. Whoever plays it keeps `position`, `wanted`, `upto` and `dry_at` up to date.

    progress  called when there is more, or it is complete, or it has failed
    """

    def __init__(self, progress: Callable[[], None], *, upto: float = math.inf) -> None:
        self.progress = progress
        self.position = 0
        """Bytes taken so far."""
        self.wanted: float = 0
        """Bytes up to which audio is wanted now."""
        self.upto = upto
        """Bytes up to which audio should be made, wanted or not."""
        self.dry_at = 0.0
        """When the listener will have heard all that was taken, and all that comes before this phrase."""


class Synthesis:
    """A phrase on its way.

    request   text, speed, priority and format; the voice is its route's
    key       what it is kept under; None: it is not kept
    finished  called once, with the phrase if it is complete and of one piece, else None
    fetch     looks into the slower tiers first, if there are any
    head      its first words from the cache, to be played while the rest is made (`bridge.speaking.phrases.template`)
    """

    def __init__(
        self,
        pool: ProviderPool,
        request: SpeechRequest,
        routes: Sequence[Route],
        key: PhraseKey | None,
        patience: WaitLimits,
        finished: Callable[[Synthesis, Phrase | None], None],
        fetch: Callable[[Synthesis], Awaitable[Phrase | None]] | None = None,
        head: Phrase | None = None,
    ) -> None:
        self.request = request
        self.key = key
        self.buffer = PhraseBuffer(request.text, request.audio_format, head)
        self.complete = False
        self.failure: str | None = None
        self.found: Phrase | None = None
        """It was in another tier."""
        self.claimed = False
        """Somebody has asked for it."""
        self.billed: Counter[str] = Counter()
        """Characters that were given to each provider, those that were given again included."""
        self._pool = pool
        self._patience = patience
        self._finished = finished
        self._fetch = fetch
        self._failover = Failover(pool, routes)
        self._loop = asyncio.get_running_loop()
        self._opened_at = self._loop.time()
        self._deadlines = Deadlines(patience, self._opened_at)
        self._readers: list[PhraseReader] = []
        self._watchers: list[Callable[[], None]] = []
        self._stream: MonitoredStream | None = None
        self._asked: tuple[MonitoredProvider, Route] | None = None
        self._task: asyncio.Task[None] | None = None
        self._watch: asyncio.TimerHandle | None = None
        self._retry: asyncio.TimerHandle | None = None

    @property
    def over(self) -> bool:
        """Whether it is complete or has failed."""
        return self.complete or self.failure is not None

    @property
    def available(self) -> int:
        """Bytes that can be played."""
        return len(self.buffer.audio) if self.complete else self.buffer.frames

    @property
    def spliced(self) -> bool:
        """Whether one provider had to go on where another had stopped."""
        return self.buffer.parts > 1

    @property
    def taken_ms(self) -> float:
        """How long ago it was begun."""
        return (self._loop.time() - self._opened_at) * 1000

    @property
    def readers(self) -> int:
        """How many wait for it."""
        return len(self._readers)

    def start(self) -> None:
        """Begin; readers are told nothing before this returns, unless all providers fail at once."""
        if self._fetch is not None:
            self._task = asyncio.ensure_future(self._fetch_then_make(self._fetch))
        else:
            self._synthesise()

    def attach(self, reader: PhraseReader) -> None:
        """Read along, from the beginning."""
        self._readers.append(reader)
        self.look_after()

    def detach(self, reader: PhraseReader) -> None:
        """Read no longer; the last one to leave decides nothing: see `abandon`."""
        if reader in self._readers:
            self._readers.remove(reader)
        self.look_after()

    def watch(self, progress: Callable[[], None]) -> None:
        """Call this whenever readers are told something, without counting as one."""
        self._watchers.append(progress)

    def abandon(self, finish: bool) -> None:
        """Nobody reads it any more: finish it without haste, or stop."""
        if self.over:
            return
        if finish:
            if self._stream is not None:
                self._stream.playout(_UNHURRIED_MS, _NO_LIMIT_MS)
            return
        self._end("cancelled")

    def hurry(self) -> None:
        """A reader wants more, or its listener has heard some: pass it on as the provider's deadline and credit."""
        if self.over:
            return
        if self._stream is not None and self._readers:
            now, made = self._loop.time(), len(self.buffer.audio)
            per_ms = self.buffer.format.bytes_per_ms
            leads = [max(0.0, r.dry_at - now) * 1000 + (made - r.position) / per_ms for r in self._readers]
            upto = max(reader.upto for reader in self._readers) - self.buffer.part_at
            self._stream.playout(min(leads), _NO_LIMIT_MS if upto == math.inf else max(0, int(upto / per_ms)))
        self.look_after()

    # ---- from another tier, or another process ------------------------------------------------------------------

    async def _fetch_then_make(self, fetch: Callable[[Synthesis], Awaitable[Phrase | None]]) -> None:
        phrase = await fetch(self)
        if self.over:
            return
        if phrase is not None:
            self.found = phrase
            self.buffer.words, self.buffer.audio = list(phrase.words), bytearray(phrase.audio)
            self._conclude(None)
        else:
            self._synthesise()

    def followed(self, audio: bytes, words: Sequence[Word]) -> None:
        """Another process makes it, and this much more has come from there."""
        self.words(words)
        if audio:
            self.audio(audio)

    def followed_to_end(self) -> None:
        """Another process has made all of it, and it has arrived here."""
        if not self.over:
            self._conclude(self._phrase(self.key))

    # ---- from a provider ----------------------------------------------------------------------------------------

    def audio(self, data: bytes) -> None:
        """More of its audio has come."""
        self.buffer.add(data)
        self._deadlines.heard(self._loop.time())
        self._tell()
        self.look_after()

    def words(self, words: Sequence[Word]) -> None:
        """More of its words have their times."""
        self.buffer.place(words)

    def no_words(self) -> None:
        """Nobody will say when its words are heard."""
        self.buffer.untimed()

    def done(self) -> None:
        """The stream has ended well."""
        asked, self._stream = self._asked, None
        if not self.buffer.finish():
            made = "its words cannot be joined" if self.buffer.audio else NO_SOUND
            if self.buffer.audio:
                self.failed(VoiceError(made))
            else:
                self._end(made)
            return
        self._conclude(self._phrase(self._key_of(asked)))

    def failed(self, error: VoiceError) -> None:
        """The stream has failed: ask another provider."""
        self._stream = None
        self._deadlines.closed()
        if self._asked is not None:
            self._failover.failed(*self._asked, error)
        if not self._readers:
            self._end(str(error))
            return
        self._synthesise()

    def _synthesise(self) -> None:
        """Open a stream for what is still missing, or wait for somebody who can take it."""
        self._pool.leave(self)
        if self.over:
            return
        text, at = self.buffer.missing(max((reader.position for reader in self._readers), default=0))
        if not text:
            self._conclude(None)
            return
        self._asked = self._failover.next()
        if self._asked is None:
            self._wait_for_provider()
            return
        provider, route = self._asked
        self.buffer.begin(at)
        self._deadlines.opened(self._loop.time(), replaceable=self._failover.replaceable(route))
        read_in = nearest(self.request.language, route.language)
        request = msgspec.structs.replace(self.request, text=text, voice=route.voice, language=read_in)
        self.billed[route.provider] += len(text)
        try:
            self._stream = provider.open(request, self)
        except VoiceError as error:
            self.failed(error)
            return
        self.look_after()

    def _wait_for_provider(self) -> None:
        if not self._failover.pause():
            self._end(str(self._failover.last_error))
            return
        self._deadlines.closed()
        self._pool.wait(self, self._try_again)
        if self._retry is None and self._pool.usable:
            self._retry = self._loop.call_later(_BUSY_PAUSE_S, self._try_again)
        self.look_after()

    def _try_again(self) -> None:
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None
        if self._stream is None:
            self._synthesise()

    def _key_of(self, asked: tuple[MonitoredProvider, Route] | None) -> PhraseKey | None:
        """What a phrase is kept under that this provider has made on this route."""
        if self.key is None or asked is None:
            return None
        provider, route = asked
        voice = route.voice or provider.default_voice
        engine = provider.voices.get(voice)
        if engine is None or not provider.keeps_phrases:
            return None
        # While workers are being replaced, this one may not be of the version that was looked for.
        return msgspec.structs.replace(
            self.key,
            provider=route.provider,
            voice=voice,
            engine=engine,
            language=nearest(self.request.language, route.language),
        )

    def _phrase(self, key: PhraseKey | None) -> Phrase | None:
        if key is None or self.spliced:
            return None
        audio = bytes(self.buffer.audio)
        level_db = loudness_db(audio, self.buffer.format)
        return Phrase(key, audio, tuple(self.buffer.words), level_db, self.taken_ms)

    # ---- the end ------------------------------------------------------------------------------------------------

    def _conclude(self, phrase: Phrase | None) -> None:
        self.complete = True
        self._close()
        self._finished(self, phrase)
        self._tell()

    def _end(self, reason: str) -> None:
        self.failure = reason
        if self._stream is not None:
            self._stream.cancel()
        self._close()
        self._finished(self, None)
        self._tell()

    def _close(self) -> None:
        self._stream = None
        self._pool.leave(self)
        for timer in (self._watch, self._retry):
            if timer is not None:
                timer.cancel()
        self._watch = self._retry = None
        if self._task is not None and self._task is not asyncio.current_task():
            self._task.cancel()

    def _tell(self) -> None:
        for watcher in self._watchers:
            watcher()
        for reader in list(self._readers):
            reader.progress()

    # ---- patience -----------------------------------------------------------------------------------------------

    def look_after(self) -> None:
        """Keep a timer running while, and only while, somebody waits for audio that is not there."""
        if self.over:
            return
        there = self.available
        waiting = any(reader.position >= there and reader.wanted > there for reader in self._readers)
        self._deadlines.waits(waiting, self._loop.time())
        due = self._deadlines.due()
        if due is None:
            if self._watch is not None:
                self._watch.cancel()
                self._watch = None
        elif self._watch is None:
            self._watch = self._loop.call_at(due, self._patience_over)

    def _patience_over(self) -> None:
        self._watch = None
        verdict = "wait" if self.over else self._deadlines.verdict(self._loop.time())
        stream = self._stream
        if verdict == "wait":
            self.look_after()
        elif verdict == "give up":
            if stream is not None:
                self._stream = None
                stream.give_up()
            self._end(f"no audio for {self._patience.give_up_s:.1f} s: {self._failover.last_error}")
        elif stream is not None:
            self._stream = None
            stream.give_up()
            self.failed(VoiceError("no audio came in time", code="late"))
