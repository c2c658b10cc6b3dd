"""Convert audio between formats while a call runs: the line speaks the carrier's, listening and speech their own."""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

from bridge.audio import mulaw
from bridge.audio.formats import AudioFormat
from bridge.audio.resample import Resampler

Samples = NDArray[np.float32]

_TAPS_PER_STEP = 48
_KAISER_BETA = 5.65
_CUTOFF = 0.94
"""-6 dB point as a part of the lower Nyquist frequency: 3.76 kHz of 8 kHz."""


class Transcoder:
    """A stream of audio in another format: any number of bytes in, whole samples out, without a seam.

    An odd byte at the end of linear samples is kept for the next piece.
    """

    def __init__(self, source: AudioFormat, target: AudioFormat) -> None:
        self._source, self._target = source, target
        self._rest = b""
        self._resampler: Resampler | _Decimator | None = None
        if source.rate_hz != target.rate_hz:
            step, odd = divmod(source.rate_hz, target.rate_hz)
            self._resampler = Resampler(source.rate_hz, target.rate_hz) if odd or not step else _Decimator(step)

    def feed(self, audio: bytes) -> bytes:
        """The audio that this piece completes; resampling holds back a few milliseconds."""
        if self._source.codec == "pcm":
            audio = self._rest + audio if self._rest else audio
            whole = len(audio) & ~1
            self._rest, audio = audio[whole:], audio[:whole]
        if self._resampler is None:
            if self._target.codec == self._source.codec:
                return audio
            if self._target.codec == "mulaw":
                return mulaw.encode(np.frombuffer(audio, dtype="<i2"))
            return mulaw.decode(audio).astype("<i2", copy=False).tobytes()
        linear = mulaw.decode(audio) if self._source.codec == "mulaw" else np.frombuffer(audio, dtype="<i2")
        # In whole steps of 16 bits, not in -1..1: nothing is to be scaled back then.
        made = self._resampler.feed(linear.astype(np.float32))
        samples = made.clip(-32768.0, 32767.0).round().astype("<i2")
        return mulaw.encode(samples) if self._target.codec == "mulaw" else samples.tobytes()


class _Decimator:
    """Every n-th sample behind a low-pass filter, flat to 3.4 kHz of 8 kHz, aliases of higher sounds below -55 dB.

    A third of the cost of a filter for any ratio, and paid for every frame of such a call.
    """

    def __init__(self, step: int) -> None:
        self._step = step
        self._kernel = _kernel(step)
        self._held: Samples = np.zeros(len(self._kernel) - 1, dtype=np.float32)

    def feed(self, samples: Samples) -> Samples:
        """The samples, shape [n], that this input completes."""
        signal = np.concatenate((self._held, samples))
        count = (len(signal) - len(self._kernel)) // self._step + 1
        if count <= 0:
            self._held = signal
            return np.zeros(0, dtype=np.float32)
        used = count * self._step
        made = np.convolve(signal[: used + len(self._kernel) - self._step], self._kernel, "valid")[:: self._step]
        self._held = signal[used:]
        return made


@functools.lru_cache(maxsize=8)
def _kernel(step: int) -> Samples:
    """A windowed sinc of linear phase for one of `step` samples."""
    taps = _TAPS_PER_STEP * step + 1
    place = np.arange(taps) - taps // 2
    response = np.sinc(place * _CUTOFF / step) * np.kaiser(taps, _KAISER_BETA)
    return np.asarray(response / response.sum(), dtype=np.float32)


def transcoder(source: AudioFormat, target: AudioFormat) -> Transcoder | None:
    """A transcoder between two formats; None where they are the same and nothing is to be done."""
    return None if source == target else Transcoder(source, target)
