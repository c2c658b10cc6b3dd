"""The loudness of what is sent: changed from one message to the next without a click."""

from __future__ import annotations

from bridge.audio.formats import AudioFormat

_RAMP_MS = 10


class Gain:
    """Applies one call's gain to its audio; a change is ramped over the first milliseconds that it concerns."""

    def __init__(self, audio_format: AudioFormat) -> None:
        self.db = 0.0
        """The gain of what is shaped next."""
        self._audio_format = audio_format
        self._sounding_db = 0.0

    def shape(self, audio: bytes) -> bytes:
        """The audio at the gain of the moment."""
        if self.db == self._sounding_db:
            return self._audio_format.scaled(audio, self.db)
        cut = _RAMP_MS * self._audio_format.bytes_per_ms
        head = self._audio_format.ramped(audio[:cut], self._sounding_db, self.db)
        self._sounding_db = self.db
        return head + self._audio_format.scaled(audio[cut:], self.db)
