"""One phrase that is being made: fetched or synthesised once, read by every call that waits for it.

When the maker fails, another goes on at the first word that is not there yet, and when a voice loses the text, another
voice does; a phrase made in parts is played, but not kept. When the call that asked first goes away, the others notice
nothing.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

import msgspec

from bridge.call.events import Word
from bridge.errors import VoiceAstray, VoiceBusy, VoiceError
from bridge.speaking.phrases.attempt import Attempt, JoiningAttempt
from bridge.speaking.phrases.phrase import BYTES_PER_MS, Phrase, PhraseKey, loudness_db
from bridge.speaking.voices.base import Pool, Request, SpeechStream, Voices

log = logging.getLogger(__name__)

_UNHURRIED_MS = 1500.0
"""The lead reported for a phrase that nobody waits for any more."""
_BUSY_PAUSE_S = 0.05
_TRIES = 2
"""How often one maker may fail with one phrase; the text itself may be what breaks it."""


class Patience(msgspec.Struct, frozen=True):
    """Deadlines in seconds, counted only while somebody waits for audio that is not there."""

    first_audio_s: float
    stall_s: float
    give_up_s: float


class Reader(Protocol):
    """Somebody who plays a phrase while it is being made."""

    @property
    def position(self) -> int:
        """Bytes of it already delivered."""

    @property
    def starving(self) -> bool:
        """Wants audio that is not there."""

    @property
    def lead_ms(self) -> float:
        """How long until the caller has heard all that is there."""

    def progress(self) -> None:
        """There is more, or it is complete, or it has failed."""


class Making:
    """A phrase on its way.

    fetch     looks into the slower tiers first, if there are any
    finished  is called once, with the phrase if it is complete and of one piece, else None
    head      its first words from the cache, to be played while the rest is made (`bridge.speaking.phrases.template`)
    """

    def __init__(
        self,
        pool: Pool,
        request: Request,
        key: PhraseKey | None,
        patience: Patience,
        finished: Callable[[Making, Phrase | None], None],
        fetch: Callable[[Making], Awaitable[Phrase | None]] | None = None,
        head: Phrase | None = None,
    ) -> None:
        self.request = request
        self.key = key
        self.ulaw = bytearray(head.ulaw if head else b"")
        self.placed: list[Word] = list(head.words) if head else []
        self.complete = False
        self.failure: str | None = None
        self.found: Phrase | None = None
        """It was in another tier."""
        self.claimed = False
        """Somebody has asked for it."""
        self.splices = 0
        """How often another maker or another voice had to go on with it."""
        self._pool = pool
        self._patience = patience
        self._finished = finished
        self._fetch = fetch
        self._head = head
        self._readers: list[Reader] = []
        self._watchers: list[Callable[[], None]] = []
        self._stream: SpeechStream | None = None
        self._maker: Voices | None = None
        self._attempt: Attempt | None = None
        self._excluded: set[Voices] = set()
        self._failures: Counter[Voices] = Counter()
        self._astray: set[str] = set()
        """Voices that lost this text."""
        self._task: asyncio.Task[None] | None = None
        self._loop = asyncio.get_running_loop()
        self._opened_at = self._loop.time()
        self._starving_since: float | None = None
        self._quiet_since = self._opened_at
        self._watch: asyncio.TimerHandle | None = None
        self._retry: asyncio.TimerHandle | None = None
        self._last_error = "no worker is connected"

    @property
    def over(self) -> bool:
        """Complete or failed."""
        return self.complete or self.failure is not None

    @property
    def taken_ms(self) -> float:
        """How long ago it was begun."""
        return (self._loop.time() - self._opened_at) * 1000

    @property
    def readers(self) -> int:
        """How many calls wait for it."""
        return len(self._readers)

    def start(self) -> None:
        """Begin; nothing is reported to readers before this returns, unless all makers fail at once."""
        if self._fetch is not None:
            self._task = asyncio.ensure_future(self._fetch_then_make(self._fetch))
        else:
            self.synthesise()

    def attach(self, reader: Reader) -> None:
        """Read along, from the beginning."""
        self._readers.append(reader)

    def detach(self, reader: Reader) -> None:
        """Read no longer; the last one to leave decides nothing: see `abandon`."""
        if reader in self._readers:
            self._readers.remove(reader)
        self._look_after()

    def watch(self, progress: Callable[[], None]) -> None:
        """Call this whenever readers are told something, without counting as one."""
        self._watchers.append(progress)

    def abandon(self, finish: bool) -> None:
        """Nobody reads it any more: finish it without haste, or stop."""
        if self.over:
            return
        if finish:
            if self._stream is not None:
                self._stream.playout(_UNHURRIED_MS)
            return
        self._end("cancelled")

    def hurry(self) -> None:
        """A reader wants more, or has reported playout: pass it on as the worker's deadline."""
        if self.over:
            return
        if self._stream is not None and self._readers:
            self._stream.playout(min(reader.lead_ms for reader in self._readers))
        self._look_after()

    def followed_to_end(self) -> None:
        """Another process has made all of it, and it has arrived here."""
        self._conclude(self._phrase())

    def complete_with(self, phrase: Phrase) -> None:
        """It was found in another tier, or made by another process."""
        self.found = phrase
        self.placed, self.ulaw = list(phrase.words), bytearray(phrase.ulaw)
        self._conclude(None)

    def place(self, words: Sequence[Word]) -> None:
        """More of its words have their times."""
        self.placed.extend(words)

    def arrived(self, ulaw: bytes) -> None:
        """More of its audio has come, in order."""
        self.ulaw += ulaw
        self._quiet_since = self._loop.time()
        self._starving_since = None
        self._tell()
        self._look_after()

    # ---- making it --------------------------------------------------------------------------------------------

    async def _fetch_then_make(self, fetch: Callable[[Making], Awaitable[Phrase | None]]) -> None:
        phrase = await fetch(self)
        if self.over:
            return
        if phrase is not None:
            self.complete_with(phrase)
        else:
            self.synthesise()

    def synthesise(self) -> None:
        """Open a stream for what is still missing, or wait for somebody who can take it."""
        self._pool.leave(self)
        if self.over:
            return
        text, at = self._missing() if self._head is None else (self.request.text, len(self.ulaw))
        if not text:
            self._conclude(None)
            return
        maker = self._pool.choose(self.request.voice, self._excluded)
        if maker is None:
            self._wait_for_maker()
            return
        self._quiet_since = self._loop.time()
        self._maker = maker
        if self._head is not None:
            self._attempt, self._head = JoiningAttempt(self, self._head), None
        else:
            self._splice(at)
            self._attempt = Attempt(self, len(self.ulaw))
        try:
            self._stream = maker.open(msgspec.structs.replace(self.request, text=text), self._attempt)
        except VoiceError as error:
            self.attempt_failed(error)
            return
        self._look_after()

    def _missing(self) -> tuple[str, int]:
        """The text that no audio has come for, and the byte from which it belongs."""
        if not self.ulaw:
            return self.request.text, 0
        spelled = self.request.text.split()
        delivered = max((reader.position for reader in self._readers), default=0)
        for index, word in enumerate(self.placed):
            if word.end_ms * BYTES_PER_MS > len(self.ulaw):
                # A word that the caller is already hearing is said again from its start, as a person would.
                at = max(delivered, word.start_ms * BYTES_PER_MS)
                return " ".join(spelled[index:]), min(at, len(self.ulaw))
        return " ".join(spelled[len(self.placed) :]), len(self.ulaw)

    def _splice(self, at: int) -> None:
        """Forget what an earlier attempt left beyond this place; its words come before their audio."""
        at -= at % 160
        self.splices += len(self.ulaw) > 0
        del self.ulaw[at:]
        self.placed = [word for word in self.placed if word.end_ms * BYTES_PER_MS <= at]

    def _wait_for_maker(self) -> None:
        # Whoever failed before may be the only one there is: after a pause he is asked again.
        self._excluded = {maker for maker, failures in self._failures.items() if failures >= _TRIES}
        if self._excluded.issuperset(self._pool.makers):
            self._end(self._last_error)
            return
        if self._pool.usable and not self._pool.has(self.request.voice):
            self._last_error = f"no connected worker has the voice {self.request.voice!r}"
        self._pool.wait(self, self.synthesise)
        if self._retry is None and self._pool.usable:
            self._retry = self._loop.call_later(_BUSY_PAUSE_S, self._try_again)
        self._look_after()

    def _try_again(self) -> None:
        self._retry = None
        if self._stream is None:
            self.synthesise()

    def attempt_done(self) -> None:
        """The stream has ended well."""
        self._stream = self._attempt = None
        if not self.ulaw:
            self._last_error = "the worker made no audio"
            self._end(self._last_error)
            return
        self._conclude(self._phrase())

    def attempt_failed(self, error: VoiceError) -> None:
        """The stream has failed: try another maker."""
        self._last_error = str(error)
        self._stream = self._attempt = None
        if self._maker is not None and not (isinstance(error, VoiceAstray) and self._change_voice(self._maker)):
            self._excluded.add(self._maker)
            if not isinstance(error, VoiceBusy):
                self._failures[self._maker] += 1
        if not self._readers:
            self._end(self._last_error)
            return
        self.synthesise()

    def _change_voice(self, maker: Voices) -> bool:
        """Go on with the maker's default voice, or its first other one; False when all have been tried."""
        lost = self.request.voice or maker.default_voice
        self._astray.add(lost)
        others = [voice for voice in (maker.default_voice, *maker.engines) if voice not in self._astray]
        if not others:
            return False
        log.warning("voice %s lost the text (%s): %s goes on", lost, self._last_error, others[0])
        self.request = msgspec.structs.replace(self.request, voice=others[0])
        self.splices += not self.ulaw  # else it is counted where the parts meet
        return True

    def _phrase(self) -> Phrase | None:
        if self.key is None or self.splices:
            return None
        if self._maker is not None and self._maker.engines.get(self.key.voice) != self.key.engine:
            return None  # workers are being replaced, and this one is not the version that the key says
        ulaw = bytes(self.ulaw)
        return Phrase(self.key, ulaw, tuple(self.placed), loudness_db(ulaw), self.taken_ms)

    # ---- the end ----------------------------------------------------------------------------------------------

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
        self._stream = self._attempt = None
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

    # ---- patience ---------------------------------------------------------------------------------------------

    def _look_after(self) -> None:
        """Keep a timer running while, and only while, somebody waits for audio that is not there."""
        if self.over:
            return
        if not any(reader.starving for reader in self._readers):
            self._starving_since = None
            if self._watch is not None:
                self._watch.cancel()
                self._watch = None
            return
        if self._starving_since is None:
            self._starving_since = self._loop.time()
        if self._watch is None:
            self._watch = self._loop.call_at(self._due(), self._patience_over)

    def _due(self) -> float:
        """When the first of the deadlines is over."""
        assert self._starving_since is not None
        give_up = self._starving_since + self._patience.give_up_s
        if self._stream is None:
            return give_up
        begun = self._attempt is not None and len(self.ulaw) > self._attempt.begins_at
        patience_s = self._patience.stall_s if begun else self._patience.first_audio_s
        return min(give_up, max(self._starving_since, self._quiet_since) + patience_s)

    def _patience_over(self) -> None:
        self._watch = None
        if self._starving_since is None or self.over:
            return
        now = self._loop.time()
        if now + 1e-3 < self._due():
            self._look_after()
        elif now + 1e-3 >= self._starving_since + self._patience.give_up_s:
            if self._stream is not None:
                self._stream.give_up()
            self._end(f"no audio for {self._patience.give_up_s:.1f} s: {self._last_error}")
        elif self._stream is not None:
            stream, self._stream = self._stream, None
            stream.give_up()
            self.attempt_failed(VoiceError("no audio came in time"))
