"""From one audio format to another while a call runs: the line speaks the carrier's, listening and speech their own."""

from __future__ import annotations

import numpy as np

from bridge.audio import mulaw
from bridge.audio.formats import AudioFormat
from bridge.audio.resample import Resampler


class Transcoder:
    """A stream of audio in another format: any number of bytes in, whole samples out, without a seam.

    An odd byte at the end of linear samples is kept for the next piece.
    """

    def __init__(self, source: AudioFormat, target: AudioFormat) -> None:
        self._source, self._target = source, target
        self._resampler = Resampler(source.rate_hz, target.rate_hz)
        self._rest = b""

    def feed(self, audio: bytes) -> bytes:
        """The audio that this piece completes; resampling holds back 4 ms."""
        if self._source.codec == "mulaw":
            samples = mulaw.decode_float(audio)
        else:
            audio = self._rest + audio
            whole = len(audio) & ~1
            self._rest = audio[whole:]
            samples = np.frombuffer(audio[:whole], dtype="<i2") * np.float32(1 / 32768)
        samples = self._resampler.feed(samples)
        if self._target.codec == "mulaw":
            return mulaw.encode_float(samples)
        return (np.clip(samples, -1.0, 1.0) * 32767.0).round().astype("<i2").tobytes()


def transcoder(source: AudioFormat, target: AudioFormat) -> Transcoder | None:
    """A transcoder between two formats; None where they are the same and nothing is to be done."""
    return None if source == target else Transcoder(source, target)
