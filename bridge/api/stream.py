"""One text of the speech API while it is spoken: what the worker makes on one side, what the client takes on the other.

A worker's socket carries everybody's streams, so a client that reads slowly must not stop it. Instead the worker is
told to make no more of this text until the client has caught up; memory stays bounded by a few seconds of sound.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from bridge.audio.formats import AudioFormat
from bridge.call.events import Word
from bridge.errors import VoiceError
from bridge.speaking.voices.base import SpeechStream

FULL_MS, LOW_MS = 10_000, 5_000
"""Sound that waits for the client: where the worker is stopped, and where it goes on."""

Piece = bytes | Sequence[Word]


class SpeechResponse:
    """Collects a stream's audio and words; `next` gives them out in order."""

    def __init__(self, audio_format: AudioFormat) -> None:
        self.error: VoiceError | None = None
        """Why it broke off."""
        self._bytes_per_ms = audio_format.bytes_per_ms
        self._pieces: asyncio.Queue[Piece | VoiceError | None] = asyncio.Queue()
        self._stream: SpeechStream | None = None
        self._made_bytes = self._taken_bytes = 0
        self._upto_ms = 0
        """Credit given to the worker; 0: it runs free."""

    def begin(self, stream: SpeechStream) -> None:
        """Remember the stream that will deliver audio and words to this response."""
        self._stream = stream

    @property
    def audio_ms(self) -> int:
        """Milliseconds of audio made so far."""
        return round(self._made_bytes / self._bytes_per_ms)

    @property
    def waiting_ms(self) -> float:
        """Audio that the client has not taken yet."""
        return (self._made_bytes - self._taken_bytes) / self._bytes_per_ms

    def cancel(self) -> None:
        """Stop the synthesis, whose remaining audio nobody wants."""
        if self._stream is not None:
            self._stream.cancel()
            self._stream = None

    # ---- the client's side -------------------------------------------------------------------------------------

    async def next(self) -> Piece | None:
        """The next piece; None when that was all. Raises VoiceError where the sound breaks off."""
        piece = await self._pieces.get()
        if isinstance(piece, VoiceError):
            self.error = piece
            raise piece
        return piece

    def taken(self, size: int) -> None:
        """The client has taken so many bytes."""
        self._taken_bytes += size
        if self._upto_ms and self.audio_ms >= self._upto_ms and self.waiting_ms <= LOW_MS:
            self._allow(self.audio_ms + FULL_MS - LOW_MS)

    def _allow(self, upto_ms: int) -> None:
        self._upto_ms = upto_ms
        if self._stream is not None:
            self._stream.playout(self.waiting_ms, upto_ms)

    # ---- the worker's side -------------------------------------------------------------------------------------

    def audio(self, data: bytes) -> None:
        """More samples, in whatever format was asked for."""
        self._made_bytes += len(data)
        self._pieces.put_nowait(data)
        if not self._upto_ms and self.waiting_ms >= FULL_MS:
            self._allow(self.audio_ms)

    def words(self, words: Sequence[Word]) -> None:
        """Take words newly placed in time from the provider."""
        self._pieces.put_nowait(words)

    def no_words(self) -> None:
        """Nobody waits for words here."""

    def done(self) -> None:
        """Take note that all audio has arrived."""
        self._pieces.put_nowait(None)

    def failed(self, error: VoiceError) -> None:
        """Take note that no more audio will come, and why."""
        self._pieces.put_nowait(error)
