"""One stream: text in, pieces, audio out in the client's format, how much of it may be sent. No socket, no clock."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np

from bridge.audio.encoder import Encoder, Samples
from bridge.audio.formats import FRAME_MS, AudioFormat
from bridge.call.events import Word
from bridge.text.chunker import Chunker, pause_after_ms, says_something
from bridge.text.marks import PacedText, plain, runs
from bridge.text.spoken.form import LONGEST_CONTEXT, SpokenText, spoken_form
from bridge.text.spoken.language import Language
from bridge.text.spoken.languages import language
from bridge.worker.alignment import Span
from bridge.worker.engines.base import Job, Step
from bridge.worker.protocol import FASTEST, SLOWEST
from bridge.worker.scheduler import QueueEntry
from bridge.worker.voices import LoadedVoice

FIRST_MESSAGE_MS = 100
LONGEST_MESSAGE_MS = 400


@dataclass(frozen=True, slots=True)
class StepAudio:
    """The outcome of one step, already in the client's format."""

    data: bytes = b""
    words: tuple[Word, ...] = ()


@dataclass(slots=True, eq=False)
class Stream:
    """The state of one utterance in the worker.

    `advance` runs in the engine's thread while the stream's step is running, all else in the loop's.
    """

    voice: LoadedVoice
    audio_format: AudioFormat
    speed: float
    place: QueueEntry
    encoder: Encoder
    deliver: Callable[[Stream, StepAudio, Exception | None], None] = lambda stream, made, error: None
    """Called in the event loop with the outcome of every step of this stream."""
    reads: Language | None = None
    """In which language what is written is read; None: the voice's own."""
    text: Chunker | None = None
    """Cuts what is written; None: whoever writes has cut already, and every text is a piece."""
    pieces: deque[PacedText] = field(default_factory=deque)
    ended: bool = False
    """No more text will come."""
    complete: bool = False
    """All audio was made."""
    closed: bool = False
    sent_bytes: int = 0
    _job: Job | None = None
    _piece: str | None = None
    _spoken: SpokenText | None = None
    """How the piece in work is said."""
    _before: str = ""
    """The end of what was said before it."""
    _pace: float = 1.0
    """Its speed."""
    _pause_ms: float = 0.0
    _last_word_ms: int = 0
    _unsent: bytearray = field(default_factory=bytearray)
    _messages: int = 0

    # ---- what is written --------------------------------------------------------------------------------------

    def write(self, text: str) -> None:
        """Take more text, of which what is ready to be spoken becomes pieces."""
        self._queue([text] if self.text is None else self.text.feed(text))

    def flush(self) -> None:
        """Have what is written so far spoken, whether it is finished or not."""
        if self.text is not None:
            self._queue(self.text.finish())

    def _queue(self, pieces: Iterable[str]) -> None:
        for piece in pieces:
            for run in runs(piece) if says_something(piece) else ():
                self.pieces.append(run._replace(text=run.text.strip()))

    # ---- what to make -----------------------------------------------------------------------------------------

    @property
    def job(self) -> Job | None:
        """The job of the piece in work, which is begun here if there is a piece."""
        if self._job is None and self.pieces:
            self._piece, percent = self.pieces.popleft()
            self._spoken = spoken_form(
                self._piece,
                self.reads or language(self.voice.language),
                self._before,
                self.voice.pronunciations,
                self.voice.phonemes,
            )
            self._before = f"{self._before} {self._piece}"[-LONGEST_CONTEXT:]
            text = self._spoken.text
            self._pace = min(max(self.speed * percent / 100, SLOWEST), FASTEST)
            self._job = self.voice.engine.begin(text, text.split(), self.voice.own_name, self._pace)
        return self._job

    def cancel(self) -> None:
        """End this stream early: what is being made for it is no longer wanted."""
        self.closed = True
        job = self._job
        if job is not None:
            job.cancel()

    def advance(self, step: Step) -> tuple[Samples, tuple[Word, ...]]:
        """Take the outcome of the job's step: what is to be encoded next, and the words newly placed in time."""
        assert self._job is not None
        assert self._piece is not None
        audio = step.audio
        words: tuple[Word, ...] = ()
        if step.words is not None:
            pause = np.zeros(int(self._pause_ms * self.voice.engine.rate_hz / 1000), np.float32)
            words = self._place_words(step.words, self.encoder.position_ms + self._pause_ms)
            audio = np.concatenate([pause, audio]) if len(pause) else audio
            self._pause_ms = 0.0
        if self._job.kind is None:
            self._pause_ms = pause_after_ms(self._piece) / self._pace
            self._job = self._piece = self._spoken = None
        return audio, words

    def _place_words(self, spans: tuple[Span, ...], origin_ms: float) -> tuple[Word, ...]:
        assert self._piece is not None
        assert self._spoken is not None
        words = []
        for token, (start_s, end_s) in zip(plain(self._piece).split(), self._spoken.spread(spans), strict=True):
            start_ms = max(round(origin_ms + start_s * 1000), self._last_word_ms)
            self._last_word_ms = max(round(origin_ms + end_s * 1000), start_ms)
            words.append(Word(token, start_ms, self._last_word_ms))
        return tuple(words)

    # ---- what to send -----------------------------------------------------------------------------------------

    def add(self, data: bytes) -> None:
        """Queue audio that is to be sent."""
        self._unsent += data

    def finish(self) -> bool:
        """After the last piece give out what the encoder keeps, and fill up the last 20 ms. True once: all was made.

        No word ends after the audio: who counts words by playout would wait for it for ever.
        """
        if self.complete or not self.ended or self.place.running or self.pieces or self._job is not None:
            return False
        self.complete = True
        if self.encoder.fed:
            self._unsent += self.encoder.finish()
            frame = self.audio_format.frame_bytes
            made = self.sent_bytes + len(self._unsent)
            frames = max(-(-made // frame), -(-self._last_word_ms // FRAME_MS))
            short = frames * frame - made
            self._unsent += self.audio_format.silence(-(-short // self.audio_format.bytes_per_ms))[:short]
        return True

    def take(self) -> list[bytes]:
        """The audio of messages that may go out now: whole frames, within the credit, small at first."""
        frame = self.audio_format.frame_bytes
        sendable = len(self._unsent)
        if self.place.upto_ms is not None:
            sendable = min(sendable, max(0, -(-int(self.place.upto_ms) // 20) * frame - self.sent_bytes))
        sendable -= sendable % frame
        messages, start = [], 0
        while start < sendable:
            longest = min(FIRST_MESSAGE_MS << self._messages, LONGEST_MESSAGE_MS) // 20 * frame
            end = min(start + longest, sendable)
            messages.append(bytes(self._unsent[start:end]))
            self.sent_bytes += end - start
            self._messages = min(self._messages + 1, 8)
            start = end
        del self._unsent[:start]
        return messages

    @property
    def all_sent(self) -> bool:
        """Whether all audio of the stream has been sent, so that nothing more will come."""
        return self.complete and not self._unsent

    @property
    def sent_ms(self) -> int:
        """Milliseconds of audio sent so far."""
        return self.sent_bytes // self.audio_format.bytes_per_ms

    def milliseconds(self, data: bytes) -> float:
        """How long so many bytes of this stream's format sound, in milliseconds."""
        return self.audio_format.duration_ms(data)
