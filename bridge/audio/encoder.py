"""Encode samples at any rate as audio in a line's format: level, rate, codec; for engines and hosted voices alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import numpy as np
from numpy.typing import NDArray

from bridge.audio.formats import AudioFormat
from bridge.audio.mulaw import encode as encode_mulaw
from bridge.audio.resample import Resampler

Samples = NDArray[np.float32]
BLOCK = 4800
"""Samples that are resampled at a time: the resampler's scratch space then stays within the processor's cache."""
KNEE = 0.9
"""Samples beyond this are bent rather than clipped."""


class LinearDecoder:
    """linear16 in pieces of any size -> samples between -1 and 1 for an `Encoder`; half a sample waits for the rest."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> Samples:
        """The samples that are complete now."""
        data = self._rest + data
        whole = len(data) - len(data) % 2
        self._rest = data[whole:]
        return (np.frombuffer(data[:whole], "<i2") / np.float32(32768)).astype(np.float32)


class Encoder:
    """Samples at one rate -> audio in the format of a line, for one stream, the same however it is fed."""

    def __init__(self, rate_hz: int, audio_format: AudioFormat, gain: float) -> None:
        self.rate_hz = rate_hz
        self.fed = 0
        """Samples taken so far, at the rate they came in."""
        self._format = audio_format
        self._gain = np.float32(gain)
        self._resampler = Resampler(rate_hz, audio_format.rate_hz)

    def another(self, audio_format: AudioFormat, gain: float) -> Encoder:
        """Return a fresh encoder for another stream of the same engine."""
        return Encoder(self.rate_hz, audio_format, gain)

    @property
    def position_ms(self) -> float:
        """Where the next sample lies in the stream."""
        return self.fed / self.rate_hz * 1000

    def feed(self, audio: Samples) -> bytes:
        """Encode some samples; with resampling the last few milliseconds come with the next call."""
        self.fed += len(audio)
        blocks = (audio[start : start + BLOCK] for start in range(0, len(audio), BLOCK))
        return b"".join([self._pack(self._resampler.feed(block)) for block in blocks])

    @classmethod
    def feed_all(cls, encoders: Sequence[Self], audio: Sequence[Samples]) -> list[bytes]:
        """Encode the next samples of many streams, each as by `feed`."""
        return [encoder.feed(samples) for encoder, samples in zip(encoders, audio, strict=True)]

    def finish(self) -> bytes:
        """End the stream, and return the audio that was kept back."""
        return self._pack(self._resampler.flush())

    def _pack(self, audio: Samples) -> bytes:
        samples = (limit(audio * self._gain) * 32767.0).round().astype("<i2")
        return encode_mulaw(samples) if self._format.codec == "mulaw" else samples.tobytes()


def limit(audio: Samples) -> Samples:
    """Bend what exceeds the knee so that nothing reaches 1; below it nothing changes.

    Sample by sample, so chunks do not matter.
    """
    magnitude = np.abs(audio)
    if float(magnitude.max(initial=0.0)) <= KNEE:
        return audio
    bent = KNEE + (1 - KNEE) * np.tanh((magnitude - KNEE) / (1 - KNEE))
    return np.where(magnitude > KNEE, np.copysign(bent, audio), audio).astype(np.float32)
