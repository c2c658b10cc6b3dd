"""One utterance of one call: pieces of speech in a row, delivered as far as the call has asked for."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence

from bridge.audio.formats import FRAME_MS
from bridge.call.actions import KEYS, RECORDING
from bridge.call.events import Event, SpeechArrived, SpeechEnded, SpeechFailed
from bridge.speaking.filler import CallFiller
from bridge.speaking.phrases.beginnings import Foresight
from bridge.speaking.phrases.synthesis import Synthesis
from bridge.speaking.pieces import SpeechPiece, UtteranceContext
from bridge.text.chunker import Chunker, pause_after_ms, says_something, whole
from bridge.text.ssml import Checker

log = logging.getLogger(__name__)

_SYNTHESES_AT_ONCE = 2
"""The piece that plays and the one after it; more would be synthesised for nothing at an interruption."""


class UtteranceStream:
    """Text deltas in, events out through `deliver`: SpeechArrived as far as pulled, then SpeechEnded or SpeechFailed.

    `deliver` may be called from within `add` and `pull`, and may itself call `pull` or `cancel`.
    """

    def __init__(
        self,
        number: int,
        context: UtteranceContext,
        foresight: Foresight,
        over: Callable[[int], None],
        filler: CallFiller | None = None,
    ) -> None:
        self.number = number
        self._context = context
        self._filler = filler
        self._format = context.audio_format
        self._foresight = foresight
        self._over = over
        self._loop = asyncio.get_running_loop()
        self._chunker = Chunker(context.chunking)
        self._tags = Checker()
        self._misled = False
        """Some SSML in it was wrong."""
        self._begun = False
        """Note that some text was added, which may be spoken now."""
        self._pieces: deque[SpeechPiece] = deque()
        self._final = False
        self._voice = context.voice
        self._language = context.language
        self._cacheable = True
        self._pulled = False
        self._allowed = 0
        """How many more bytes may be delivered to the call now."""
        self._delivered = 0
        self._dry_at = 0.0
        """When the caller will have heard all that was delivered."""
        self._last_piece: SpeechPiece | None = None
        self._wake: asyncio.TimerHandle | None = None
        self._late: asyncio.TimerHandle | None = None
        """When the caller, who has heard nothing yet, hears a filler."""
        self._closed = False
        self._pumping = False
        self._pump_again = False

    def add(self, text: str, final: bool, voice: str | None, cacheable: bool, language: str = "") -> None:
        """Add more of the text. A text that must not be kept spoils all that is not yet cut, and all that follows."""
        if self._closed or self._final:
            return
        if voice is not None and voice.startswith((RECORDING, KEYS)):
            self._play(text, voice)
            return
        self._check(text)
        now = self._loop.time()
        if language and language != self._language:
            self._enqueue(self._chunker.finish(now))
            self._language = language
            voice = voice or self._context.voice_in(language, self._context.voice)
        if voice is not None and voice != self._voice:
            self._enqueue(self._chunker.finish(now))
            self._voice = voice
        self._cacheable = self._cacheable and cacheable
        self._final = final
        if final and self._cacheable and not self._begun:
            self._enqueue(whole(text, self._context.chunking))
        else:
            self._enqueue(self._chunker.finish(now, text) if final else self._chunker.feed(text, now))
        self._begun = True
        if not final:
            self._foresight.written(self._chunker.waiting, self._voice)
        self._plan_wake()
        self.pump()

    def _play(self, text: str, voice: str) -> None:
        """Play a recording, which is all of this utterance."""
        self._final = True
        recordings = self._context.recordings
        phrase = None if recordings is None else recordings.phrase(voice, text, self._format)
        if phrase is None:
            self._conclude(SpeechFailed(self.number, f"there is no {voice[:60]!r} among speaking.recordings"))
            return
        piece = SpeechPiece(text, voice, "", False, self.pump)
        piece.source = phrase
        self._pieces.append(piece)
        self.pump()

    def _check(self, text: str) -> None:
        """Count SSML that means nothing, and log the first of it: its words are said without what it asks for."""
        counts = self._context.source.counts
        for mistake in self._tags.feed(text):
            if not self._misled:
                log.warning("utterance %d: SSML: %s", self.number, mistake)
            self._misled = True
            counts["bad_ssml"] += 1

    def pull(self, upto_ms: int, lead_ms: int) -> None:
        """Deliver up to here; the caller has this much still to hear."""
        if self._closed:
            return
        if not self._pulled and self._filler is not None and self._context.source.bridging:
            self._late = self._loop.call_later(self._context.filler_after_s, self._bridge)
        self._pulled = True
        self._allowed = max(self._allowed, upto_ms * self._format.bytes_per_ms)
        self._dry_at = self._loop.time() + lead_ms / 1000
        self.pump()
        for piece in list(self._pieces):
            if isinstance(piece.source, Synthesis):
                piece.source.hurry()

    def cancel(self) -> None:
        """Stop this utterance: nothing more of it is wanted, and nothing more is delivered."""
        if not self._closed:
            self._close()

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
            self._brief_readers()
        finally:
            self._pumping = False

    def _pump_once(self) -> None:
        audio, words = bytearray(), []
        while self._pieces:
            piece = self._pieces[0]
            self._read(piece, audio)
            words += piece.words(self._format)
            if not piece.complete or piece.position < piece.available or piece.pause:
                break
            self._last_piece = self._pieces.popleft()
            self._last_piece.settle(self._context)
            self._start_pieces()
        if audio or words:
            self._context.deliver(SpeechArrived(self.number, bytes(audio), tuple(words)))
            if self._closed:
                return
        if not self._pulled:
            return
        head = self._pieces[0] if self._pieces else None
        if head is None and self._final:
            self._conclude(SpeechEnded(self.number))
        elif head is not None and head.failure is not None and head.position >= head.available:
            self._conclude(SpeechFailed(self.number, head.failure))

    def _read(self, piece: SpeechPiece, audio: bytearray) -> None:
        """Take what there is of this piece and what room there is for it."""
        frame_bytes = self._format.frame_bytes
        room = self._allowed - self._delivered
        if room < frame_bytes:
            return
        if piece.position == 0:
            if self._last_piece is not None and piece.available:
                piece.pause = self._pause(self._last_piece, piece)
                self._last_piece = None
            if piece.pause:
                length = min(len(piece.pause), room - room % frame_bytes)
                audio += self._count(piece.pause[:length])
                piece.pause = piece.pause[length:]
                room -= length
                if piece.pause:
                    return
            piece.starts_at = self._delivered
        audio += self._count(piece.read(room, frame_bytes))

    def _count(self, audio: bytes) -> bytes:
        """Note that so many more bytes of this utterance are being delivered."""
        if audio:
            self._delivered += len(audio)
            self._dry_at = max(self._dry_at, self._loop.time()) + self._format.duration_ms(audio) / 1000
        return audio

    def _pause(self, before: SpeechPiece, after: SpeechPiece) -> bytes:
        """The silence to put between two pieces, less what both bring and what the caller has heard of it already."""
        wanted = float(pause_after_ms(before.text))
        wanted -= before.quiet_ms(self._format, at_end=True) + after.quiet_ms(self._format, at_end=False)
        waited_ms = (self._loop.time() - self._dry_at) * 1000
        frames = round((wanted - max(0.0, waited_ms)) / FRAME_MS)
        return self._format.silence(max(0, frames) * FRAME_MS)

    def _start_pieces(self) -> None:
        """Start as many pieces as the lead needs, whatever there is of text: an interruption would waste the rest."""
        under_way, ahead = 0, 0
        most = self._context.ahead_ms * self._format.bytes_per_ms
        for piece in list(self._pieces):
            if piece.source is None:
                if ahead >= most:
                    return
                piece.reader.upto = piece.position + most - ahead
                piece.start(self._context, pulled=self._pulled)
            ahead += piece.available - piece.position
            if not piece.complete:
                under_way += 1
                if under_way >= _SYNTHESES_AT_ONCE:
                    return

    def _brief_readers(self) -> None:
        """Let those who make the pieces know how urgent they are, and how much of them is wanted."""
        room, ahead = self._allowed - self._delivered, 0
        most = self._context.ahead_ms * self._format.bytes_per_ms
        for place, piece in enumerate(self._pieces):
            reader = piece.reader
            wanted = place == 0 and room >= self._format.frame_bytes
            reader.wanted = reader.position + room if wanted else 0
            reader.upto = max(reader.upto, reader.position + max(room, most - ahead))
            reader.dry_at = self._dry_at + ahead / self._format.bytes_per_ms / 1000
            ahead += piece.available - reader.position
            if isinstance(piece.source, Synthesis):
                piece.source.look_after()

    def _enqueue(self, pieces: Sequence[str]) -> None:
        for text in pieces:
            self._foresight.said(text)
            if says_something(text):
                self._pieces.append(SpeechPiece(text.strip(), self._voice, self._language, self._cacheable, self.pump))

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

    def _bridge(self) -> None:
        """The answer is late: put a filler in front of it."""
        head = self._pieces[0] if self._pieces else None
        if self._delivered or head is None or head.available or self._filler is None:
            return
        filler = self._filler.piece(head.voice, head.language, self._loop.time())
        if filler is not None:
            self._pieces.appendleft(filler)
            self.pump()

    def _conclude(self, event: Event) -> None:
        self._close()
        self._context.deliver(event)

    def _close(self) -> None:
        self._closed = True
        self._foresight.over()
        for timer in (self._wake, self._late):
            if timer is not None:
                timer.cancel()
        for piece in self._pieces:
            piece.stop(self._context)
        self._pieces.clear()
        self._over(self.number)
