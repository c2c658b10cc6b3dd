"""One stream:

text in, pieces, audio out in the client's format, and how much of it may be sent. No socket, no clock.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from bridge.audio.mulaw import encode as encode_mulaw
from bridge.audio.resample import Resampler
from bridge.call.events import Word
from bridge.worker.engines.base import Job, Samples, Step
from bridge.worker.protocol import SAMPLE_RATES, Audio, frame_bytes, sample_bytes
from bridge.worker.scheduler import Place
from bridge.worker.text import Piece, PieceBuffer
from bridge.worker.voices import Voice

FIRST_MESSAGE_MS = 100
LONGEST_MESSAGE_MS = 400
BLOCK = 4800
"""Samples that are resampled at a time: the resampler's scratch space then stays within the processor's cache."""
KNEE = 0.9
"""Samples beyond this are bent rather than clipped."""


class Encoder:
    """Samples at the engine's rate -> bytes in the client's format, for one stream, the same however it is fed."""

    def __init__(self, rate_hz: int, audio_format: str, gain: float) -> None:
        self.rate_hz = rate_hz
        self.fed = 0
        """Samples taken so far, at the engine's rate."""
        self._format = audio_format
        self._gain = np.float32(gain)
        self._resampler = Resampler(rate_hz, SAMPLE_RATES[audio_format])

    @property
    def position_ms(self) -> float:
        """Where the next sample lies in the stream."""
        return self.fed / self.rate_hz * 1000

    def silence(self, milliseconds: float) -> bytes:
        """Encode a pause."""
        return self.feed(np.zeros(int(milliseconds * self.rate_hz / 1000), np.float32))

    def feed(self, audio: Samples) -> bytes:
        """Encode some samples; with resampling the last few milliseconds come with the next call."""
        self.fed += len(audio)
        blocks = (audio[start : start + BLOCK] for start in range(0, len(audio), BLOCK))
        return b"".join([self._pack(self._resampler.feed(block)) for block in blocks])

    def finish(self) -> bytes:
        """What was kept back."""
        return self._pack(self._resampler.flush())

    def _pack(self, audio: Samples) -> bytes:
        samples = (limit(audio * self._gain) * 32767.0).round().astype("<i2")
        return encode_mulaw(samples) if self._format.startswith("mulaw") else samples.tobytes()


def limit(audio: Samples) -> Samples:
    """Bend what exceeds the knee so that nothing reaches 1; below it nothing changes.

    Sample by sample, so chunks do not matter.
    """
    magnitude = np.abs(audio)
    if float(magnitude.max(initial=0.0)) <= KNEE:
        return audio
    bent = KNEE + (1 - KNEE) * np.tanh((magnitude - KNEE) / (1 - KNEE))
    return np.where(magnitude > KNEE, np.copysign(bent, audio), audio).astype(np.float32)


@dataclass(frozen=True, slots=True)
class Made:
    """The outcome of one step, already in the client's format."""

    data: bytes = b""
    words: tuple[Word, ...] = ()


@dataclass(slots=True, eq=False)
class Stream:
    """State of one utterance.

    `advance` runs in the engine's thread while the stream's step is running, all else in the loop's.
    """

    number: int
    voice: Voice
    audio_format: str
    speed: float
    place: Place
    encoder: Encoder
    deliver: Callable[[Stream, Made, Exception | None], None]
    """Called in the loop with the outcome of every step."""
    text: PieceBuffer = field(default_factory=PieceBuffer)
    characters: int = 0
    pieces: deque[Piece] = field(default_factory=deque)
    ended: bool = False
    """No more text will come."""
    complete: bool = False
    """All audio was made."""
    closed: bool = False
    sent_bytes: int = 0
    _job: Job | None = None
    _piece: Piece | None = None
    _pause_ms: float = 0.0
    _unsent: bytearray = field(default_factory=bytearray)
    _messages: int = 0

    # ---- what to make -----------------------------------------------------------------------------------------

    @property
    def job(self) -> Job | None:
        """The piece in work, begun here if there is one."""
        if self._job is None and self.pieces:
            self._piece = self.pieces.popleft()
            self._job = self.voice.engine.begin(self._piece.text, self._piece.tokens, self.voice.own_name, self.speed)
        return self._job

    def advance(self, step: Step) -> Made:
        """Take the outcome of the job's step."""
        assert self._job is not None
        assert self._piece is not None
        data = b""
        words: tuple[Word, ...] = ()
        if step.words is not None:
            data = self.encoder.silence(self._pause_ms)
            words = self._place_words(step)
        if len(step.audio):
            data += self.encoder.feed(step.audio)
        if self._job.kind is None:
            self._pause_ms = self._piece.pause_ms / self.speed
            self._job = self._piece = None
        return Made(data, words)

    def _place_words(self, step: Step) -> tuple[Word, ...]:
        assert self._piece is not None
        assert step.words is not None
        origin_ms = self.encoder.position_ms
        return tuple(
            Word(token, round(origin_ms + start_s * 1000), round(origin_ms + end_s * 1000))
            for token, (start_s, end_s) in zip(self._piece.tokens, step.words, strict=True)
        )

    # ---- what to send -----------------------------------------------------------------------------------------

    def add(self, data: bytes) -> None:
        """Audio to be sent."""
        self._unsent += data

    def finish(self) -> bool:
        """After the last piece:

        give out what the encoder keeps, fill up the last 20 ms. True once, when all was made.
        """
        if self.complete or not self.ended or self.place.running or self.pieces or self._job is not None:
            return False
        self.complete = True
        if self.encoder.fed:
            self._unsent += self.encoder.finish()
            frame = frame_bytes(self.audio_format)
            silence = b"\xff" if self.audio_format.startswith("mulaw") else b"\x00"
            self._unsent += silence * (-(self.sent_bytes + len(self._unsent)) % frame)
        return True

    def take(self) -> list[Audio]:
        """Messages that may go out now: whole frames, within the credit, small at first."""
        frame = frame_bytes(self.audio_format)
        sendable = len(self._unsent)
        if self.place.upto_ms is not None:
            sendable = min(sendable, max(0, -(-int(self.place.upto_ms) // 20) * frame - self.sent_bytes))
        sendable -= sendable % frame
        messages, start = [], 0
        while start < sendable:
            longest = min(FIRST_MESSAGE_MS << self._messages, LONGEST_MESSAGE_MS) // 20 * frame
            end = min(start + longest, sendable)
            messages.append(
                Audio(self.number, self.sent_bytes // sample_bytes(self.audio_format), bytes(self._unsent[start:end]))
            )
            self.sent_bytes += end - start
            self._messages = min(self._messages + 1, 8)
            start = end
        del self._unsent[:start]
        return messages

    @property
    def all_sent(self) -> bool:
        """Nothing more will be sent."""
        return self.complete and not self._unsent

    @property
    def sent_ms(self) -> int:
        """Audio sent so far."""
        return self.sent_bytes // frame_bytes(self.audio_format) * 20

    def milliseconds(self, data: bytes) -> float:
        """Duration of bytes in this stream's format."""
        return len(data) / frame_bytes(self.audio_format) * 20
