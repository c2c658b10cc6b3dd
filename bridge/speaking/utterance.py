"""One utterance of one call: pieces of speech in a row, delivered as far as the call has asked for."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence

from bridge.audio.formats import FRAME_MS, MULAW_8000
from bridge.call.events import Event, SpeechArrived, SpeechEnded, SpeechFailed, Word
from bridge.speaking.phrases.beginnings import Foresight
from bridge.speaking.phrases.maker import PhraseMaker
from bridge.speaking.phrases.making import Making
from bridge.speaking.phrases.phrase import BYTES_PER_MS, FRAME_BYTES, Phrase, quiet_ms, tokens
from bridge.speaking.phrases.savings import Savings
from bridge.text.chunker import Chunker, pause_after_ms, whole
from bridge.text.settings import ChunkSettings

_MAKINGS_AT_ONCE = 2
"""The piece that plays and the one after it; more would be synthesised for nothing at an interruption."""


class Piece:
    """A piece of text and its speech; the reader of its phrase."""

    def __init__(self, utterance: Utterance, text: str, voice: str | None, cacheable: bool) -> None:
        self._utterance = utterance
        self.text = text
        self.voice = voice
        self.cacheable = cacheable
        self.source: Phrase | Making | None = None
        self.position = 0
        """Bytes delivered."""
        self.pause = b""
        """Silence still to deliver before it."""
        self.starts_at = 0
        """Its first byte's place in the utterance; valid once anything of it was delivered."""
        self._shared = False
        """Somebody else had asked for it before."""
        self._spelled = tokens(text)
        self._words_given = 0

    def start(self, maker: PhraseMaker, tenant: str) -> None:
        """Get it from wherever it can be had."""
        source = maker.obtain(self.text, voice=self.voice, tenant=tenant, cacheable=self.cacheable)
        self.source = source
        if isinstance(source, Making):
            self._shared, source.claimed = source.claimed, True
        if isinstance(source, Making) and not source.over:
            source.attach(self)
            if self.lead_ms > 0:
                source.hurry()

    def settle(self, maker: PhraseMaker, savings: Savings) -> None:
        """It is over: count it, if any of it was delivered."""
        if self.source is not None and self.position:
            made_for_another = savings.heard(self.source, shared=self._shared)
            if made_for_another is not None:
                maker.shared(made_for_another)

    def stop(self, maker: PhraseMaker, savings: Savings) -> None:
        """Nothing more of it is wanted."""
        self.settle(maker, savings)
        source, self.source = self.source, None
        if isinstance(source, Making):
            source.detach(self)
            if source.key is None:
                maker.wasted_ms += (len(source.ulaw) - self.position) / BYTES_PER_MS
            maker.leave(source)

    @property
    def available(self) -> int:
        """Bytes there are of it."""
        return len(self.source.ulaw) if self.source is not None else 0

    @property
    def complete(self) -> bool:
        """Whether `available` is all."""
        return isinstance(self.source, Phrase) or (self.source is not None and self.source.complete)

    @property
    def failure(self) -> str | None:
        """Why there will be no more."""
        return self.source.failure if isinstance(self.source, Making) else None

    @property
    def quiet_start_ms(self) -> int:
        """How long it is quiet before its first sound."""
        if isinstance(self.source, Phrase):
            return self.source.quiet_start_ms
        return quiet_ms(self.source.ulaw, at_end=False) if self.source is not None else 0

    @property
    def quiet_end_ms(self) -> int:
        """How long it is quiet after its last sound."""
        if isinstance(self.source, Phrase):
            return self.source.quiet_end_ms
        return quiet_ms(self.source.ulaw, at_end=True) if self.source is not None else 0

    @property
    def starving(self) -> bool:
        """The call wants audio of this piece that is not there."""
        return self._utterance.wants(self) and self.position >= self.available and not self.complete

    @property
    def lead_ms(self) -> float:
        """How long until the caller has heard all that there is before this piece's next audio."""
        return self._utterance.lead_ms(self)

    def progress(self) -> None:
        """More has come."""
        self._utterance.pump()

    def read(self, limit: int) -> bytes:
        """At most `limit` bytes that were not delivered yet; whole frames."""
        if self.source is None:
            return b""
        limit -= limit % FRAME_BYTES
        data = bytes(self.source.ulaw[self.position : self.position + limit])
        self.position += len(data)
        return data

    def words(self) -> list[Word]:
        """Words of what was delivered that were not given yet, in the utterance's time and its agent's spelling."""
        if self.source is None:
            return []
        placed: Sequence[Word] = self.source.words if isinstance(self.source, Phrase) else self.source.placed
        all_delivered = self.complete and self.position >= self.available
        offset = self.starts_at // BYTES_PER_MS
        given: list[Word] = []
        while self._words_given < len(placed):
            word = placed[self._words_given]
            if word.start_ms * BYTES_PER_MS >= self.position and not all_delivered:
                break
            spelled = self._spelled[self._words_given] if len(self._spelled) > self._words_given else word.text
            given.append(Word(spelled, word.start_ms + offset, word.end_ms + offset))
            self._words_given += 1
        return given


class _Arrival:
    """What is delivered at once."""

    def __init__(self) -> None:
        self.ulaw = bytearray()
        self.words: list[Word] = []

    def event(self, utterance: int) -> SpeechArrived:
        return SpeechArrived(utterance, bytes(self.ulaw), tuple(self.words))


class Utterance:
    """Text deltas in, events out through `deliver`: SpeechArrived as far as pulled, then SpeechEnded or SpeechFailed.

    `deliver` may be called from within `add` and `pull`, and may itself call `pull` or `cancel`.
    """

    def __init__(
        self,
        number: int,
        maker: PhraseMaker,
        settings: ChunkSettings,
        tenant: str,
        deliver: Callable[[Event], None],
        over: Callable[[int], None],
        foresight: Foresight,
        savings: Savings,
    ) -> None:
        self.number = number
        self._savings = savings
        self._foresight = foresight
        self._maker = maker
        self._tenant = tenant
        self._deliver = deliver
        self._over = over
        self._loop = asyncio.get_running_loop()
        self._chunking = settings
        self._chunker = Chunker(settings)
        self._begun = False
        """Some text was added."""
        self._pieces: deque[Piece] = deque()
        self._final = False
        self._voice: str | None = None
        self._cacheable = True
        self._pulled = False
        self._allowed = 0
        """Bytes that may be delivered."""
        self._delivered = 0
        self._dry_at = 0.0
        """When the caller will have heard all that was delivered."""
        self._last_piece: Piece | None = None
        self._wake: asyncio.TimerHandle | None = None
        self._closed = False
        self._pumping = False
        self._pump_again = False

    def add(self, text: str, final: bool, voice: str | None, cacheable: bool) -> None:
        """More text. A text that must not be kept spoils all that is not yet cut, and all that follows."""
        if self._closed or self._final:
            return
        now = self._loop.time()
        if voice is not None and voice != self._voice:
            self._enqueue(self._chunker.finish(now))
            self._voice = voice
        self._cacheable = self._cacheable and cacheable
        self._final = final
        if final and self._cacheable and not self._begun:
            self._enqueue(whole(text, self._chunking))
        else:
            self._enqueue(self._chunker.finish(now, text) if final else self._chunker.feed(text, now))
        self._begun = True
        if not final:
            self._foresight.written(self._chunker.waiting, self._voice)
        self._plan_wake()
        self.pump()

    def pull(self, upto_ms: int, lead_ms: int) -> None:
        """Deliver up to here; the caller has this much still to hear."""
        if self._closed:
            return
        self._pulled = True
        self._allowed = max(self._allowed, upto_ms * BYTES_PER_MS)
        self._dry_at = self._loop.time() + lead_ms / 1000
        self.pump()
        for piece in list(self._pieces):
            if isinstance(piece.source, Making):
                piece.source.hurry()

    def cancel(self) -> None:
        """Nothing more of it is wanted, and nothing more will be delivered."""
        if self._closed:
            return
        self._close()

    def wants(self, piece: Piece) -> bool:
        """Whether this piece is the one to be heard next, and the call has room for it."""
        return bool(self._pieces) and self._pieces[0] is piece and self._allowed - self._delivered >= FRAME_BYTES

    def lead_ms(self, piece: Piece) -> float:
        """Audio between the caller's ear and this piece's next missing byte."""
        lead_ms = max(0.0, self._dry_at - self._loop.time()) * 1000
        for earlier in self._pieces:
            lead_ms += (earlier.available - earlier.position) / BYTES_PER_MS
            if earlier is piece:
                break
        return lead_ms

    def pump(self) -> None:
        """Start what can be started, deliver what can be delivered."""
        if self._pumping:
            self._pump_again = True
            return
        self._pumping = True
        try:
            self._pump_again = True
            while self._pump_again and not self._closed:
                self._pump_again = False
                self._start_pieces()
                self._pump_once()
        finally:
            self._pumping = False

    def _pump_once(self) -> None:
        arrival = _Arrival()
        while self._pieces:
            piece = self._pieces[0]
            self._read(piece, arrival)
            if not piece.complete or piece.position < piece.available or piece.pause:
                break
            arrival.words += piece.words()
            self._last_piece = self._pieces.popleft()
            self._last_piece.settle(self._maker, self._savings)
            self._start_pieces()
        if arrival.ulaw or arrival.words:
            self._deliver(arrival.event(self.number))
            if self._closed:
                return
        if not self._pulled:
            return
        head = self._pieces[0] if self._pieces else None
        if head is None and self._final:
            self._conclude(SpeechEnded(self.number))
        elif head is not None and head.failure is not None and head.position >= head.available:
            self._conclude(SpeechFailed(self.number, head.failure))

    def _read(self, piece: Piece, arrival: _Arrival) -> None:
        """Take what there is of this piece and what room there is for it."""
        room = self._allowed - self._delivered
        if room < FRAME_BYTES:
            return
        if piece.position == 0:
            if self._last_piece is not None and piece.available:
                piece.pause = self._pause(self._last_piece, piece)
                self._last_piece = None
            if piece.pause:
                length = min(len(piece.pause), room - room % FRAME_BYTES)
                arrival.ulaw += self._count(piece.pause[:length])
                piece.pause = piece.pause[length:]
                room -= length
                if piece.pause:
                    return
            piece.starts_at = self._delivered
        taken = piece.read(room)
        if taken:
            arrival.ulaw += self._count(taken)
        arrival.words += piece.words()

    def _count(self, ulaw: bytes) -> bytes:
        """This much more is being delivered."""
        self._delivered += len(ulaw)
        self._dry_at = max(self._dry_at, self._loop.time()) + len(ulaw) / BYTES_PER_MS / 1000
        return ulaw

    def _pause(self, before: Piece, after: Piece) -> bytes:
        """The silence to put between two pieces, less what both bring and what the caller has heard of it already."""
        wanted = float(pause_after_ms(before.text))
        wanted -= before.quiet_end_ms + after.quiet_start_ms
        waited_ms = (self._loop.time() - self._dry_at) * 1000
        frames = round((wanted - max(0.0, waited_ms)) / FRAME_MS)
        return MULAW_8000.silence(max(0, frames) * FRAME_MS)

    def _start_pieces(self) -> None:
        under_way = 0
        for piece in list(self._pieces):
            if piece.source is None:
                piece.start(self._maker, self._tenant)
            if not piece.complete:
                under_way += 1
                if under_way >= _MAKINGS_AT_ONCE:
                    return

    def _enqueue(self, pieces: Sequence[str]) -> None:
        for text in pieces:
            self._foresight.said(text)
            if any(map(str.isalnum, text)):
                self._pieces.append(Piece(self, text.strip(), self._voice, self._cacheable))

    def _plan_wake(self) -> None:
        if self._wake is not None:
            self._wake.cancel()
            self._wake = None
        if self._chunker.wake_at is not None and not self._closed:
            self._wake = self._loop.call_at(self._chunker.wake_at, self._woken)

    def _woken(self) -> None:
        self._wake = None
        self._enqueue(self._chunker.wake(self._loop.time()))
        self._plan_wake()
        self.pump()

    def _conclude(self, event: Event) -> None:
        self._close()
        self._deliver(event)

    def _close(self) -> None:
        self._closed = True
        self._foresight.over()
        if self._wake is not None:
            self._wake.cancel()
        for piece in self._pieces:
            piece.stop(self._maker, self._savings)
        self._pieces.clear()
        self._over(self.number)
