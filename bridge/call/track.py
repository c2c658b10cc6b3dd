"""The audio of one utterance on its way to the caller, and its places on the playout clock's axis."""

from __future__ import annotations

from dataclasses import dataclass, field

from bridge.audio.formats import AudioFormat

_KEEP_BEHIND_MS = 2000
"""Heard audio kept for going back to the start of a word."""


@dataclass(slots=True)
class Track:
    """The audio of one utterance on its way; offsets are milliseconds from its start."""

    utterance: int
    audio_format: AudioFormat
    audio: bytearray = field(default_factory=bytearray)
    arrived_ms: float = 0.0
    """Length of the audio that has arrived."""
    dropped_ms: float = 0.0
    """Audio before this offset is no longer kept."""
    sent_ms: float = 0.0
    heard_ms: float = 0.0
    pulled_ms: float = 0.0
    complete: bool = False
    end_marked: bool = False

    def add(self, audio: bytes) -> None:
        """More of it has arrived."""
        self.audio += audio
        self.arrived_ms += len(audio) / self.audio_format.bytes_per_ms

    @property
    def waiting_ms(self) -> float:
        """Audio that has arrived and is not sent."""
        return self.arrived_ms - self.sent_ms

    @property
    def all_sent(self) -> bool:
        """Whether nothing is left to send, now or later."""
        return self.complete and self.waiting_ms <= 0

    def cut(self, start_ms: float, length_ms: float) -> bytes:
        """A piece of the kept audio."""
        bytes_per_ms = self.audio_format.bytes_per_ms
        start = int((start_ms - self.dropped_ms) * bytes_per_ms)
        return bytes(self.audio[start : start + int(length_ms * bytes_per_ms)])

    def forget(self) -> None:
        """Drop audio that nobody will go back to."""
        spare = int(self.heard_ms - _KEEP_BEHIND_MS - self.dropped_ms)
        if spare > _KEEP_BEHIND_MS:
            del self.audio[: spare * self.audio_format.bytes_per_ms]
            self.dropped_ms += spare


@dataclass(slots=True)
class Span:
    """Sent audio on the clock's axis."""

    start_ms: float
    end_ms: float
    track: Track
    offset_ms: float


@dataclass(slots=True)
class SentMark:
    """A mark on its way: its place on the clock's axis, and in the audio."""

    position_ms: float
    sent_at: float
    track: Track | None
    """What was sent last before it, and up to where."""
    offset_ms: float
