"""Audio formats of a telephone line: a codec and a rate, and what follows from them. One channel throughout.

A format's name is what speech workers, carriers and phrase keys call it: `mulaw_8000`, `pcm_16000`.
"""

from __future__ import annotations

from functools import cached_property
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from bridge.audio import mulaw

Codec = Literal["mulaw", "pcm"]
"""G.711 mu-law, or linear16: signed 16-bit little-endian PCM."""
FRAME_MS = 20


class AudioFormat(msgspec.Struct, frozen=True, dict=True):
    """One codec at one rate, mono: converts between bytes and milliseconds and changes levels without transcoding."""

    codec: Codec
    rate_hz: int

    @property
    def name(self) -> str:
        """The format as `codec_rate`, for wires and cache keys."""
        return f"{self.codec}_{self.rate_hz}"

    @cached_property
    def sample_bytes(self) -> int:
        """The number of bytes in one sample."""
        return 1 if self.codec == "mulaw" else 2

    @cached_property
    def bytes_per_ms(self) -> int:
        """Bytes of one millisecond; every rate here is a whole number of samples a millisecond."""
        return self.rate_hz // 1000 * self.sample_bytes

    @cached_property
    def frame_bytes(self) -> int:
        """Bytes of a frame of 20 ms."""
        return self.bytes_per_ms * FRAME_MS

    def silence(self, length_ms: int) -> bytes:
        """Return silence that lasts this many milliseconds."""
        return (b"\xff" if self.codec == "mulaw" else b"\0") * (length_ms * self.bytes_per_ms)

    def duration_ms(self, audio: bytes | bytearray) -> float:
        """How long these bytes sound."""
        return len(audio) / self.bytes_per_ms

    def scaled(self, audio: bytes, gain_db: float) -> bytes:
        """Return the audio this much louder or softer; linear samples are clipped, mu-law goes through a table."""
        if gain_db == 0.0:
            return audio
        if self.codec == "mulaw":
            return audio.translate(mulaw.gain_table(gain_db))
        return _clipped(np.frombuffer(audio, dtype="<i2") * np.float32(10 ** (gain_db / 20)))

    def ramped(self, audio: bytes, from_db: float, to_db: float) -> bytes:
        """Return the audio while its gain moves evenly in amplitude from one level to another: no step, no click."""
        if self.codec == "mulaw":
            return mulaw.ramp(audio, from_db, to_db)
        samples = np.frombuffer(audio, dtype="<i2")
        return _clipped(samples * np.linspace(10 ** (from_db / 20), 10 ** (to_db / 20), len(samples)))


MULAW_8000 = AudioFormat("mulaw", 8000)
FORMATS: dict[str, AudioFormat] = {
    audio_format.name: audio_format
    for audio_format in (
        MULAW_8000,
        AudioFormat("pcm", 8000),
        AudioFormat("pcm", 16000),
        AudioFormat("pcm", 24000),
    )
}
"""Every format that carriers and speech providers may agree on, by name."""


def _clipped(samples: NDArray[np.floating]) -> bytes:
    linear: bytes = np.clip(np.rint(samples), -32768, 32767).astype("<i2").tobytes()
    return linear
