"""G.711 at 8 kHz: mu-law and A-law to linear samples and back, and gain without leaving mu-law.

Bit-exact with CPython's `audioop`, which works on 14 bits (ITU-T G.711, tables 2a and 2b).
"""

from __future__ import annotations

import functools
import math
import warnings

import numpy as np
from numpy.typing import NDArray

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # gone from 3.13 on, where audioop-lts brings it back
    import audioop

RATE_HZ = 8000
FRAME_MS = 20
FRAME_BYTES = 160
BYTES_PER_MS = 8
SILENCE = 0xFF
"""Mu-law of zero. 0x7F is negative zero, 0x00 full scale."""
ALAW_SILENCE = 0xD5

_ALL_CODES = bytes(range(256))
DECODE: NDArray[np.int16] = np.frombuffer(audioop.ulaw2lin(_ALL_CODES, 2), dtype="<i2").astype(np.int16)
"""Linear sample of each mu-law byte."""
DECODE_FLOAT: NDArray[np.float32] = (DECODE / 32768.0).astype(np.float32)
"""The same in -1..1."""
_ALL_SAMPLES = np.arange(-32768, 32768, dtype="<i2")
ENCODE: NDArray[np.uint8] = np.roll(
    np.frombuffer(audioop.lin2ulaw(_ALL_SAMPLES.tobytes(), 2), dtype=np.uint8), 32768
).copy()
"""Mu-law byte of each 16-bit sample, indexed by the sample viewed as unsigned."""


def encode(samples: NDArray[np.int16]) -> bytes:
    """Encode linear samples as mu-law bytes."""
    return audioop.lin2ulaw(np.ascontiguousarray(samples, dtype="<i2").tobytes(), 2)


def decode(ulaw: bytes) -> NDArray[np.int16]:
    """Decode mu-law bytes to linear samples."""
    return np.frombuffer(audioop.ulaw2lin(ulaw, 2), dtype="<i2").astype(np.int16, copy=False)


def encode_float(samples: NDArray[np.floating]) -> bytes:
    """Mu-law of samples in -1..1; what lies outside is clipped, and what is no number is silence, not a bang."""
    return encode((np.clip(np.nan_to_num(samples), -1.0, 1.0) * 32767.0).round().astype(np.int16))


def decode_float(ulaw: bytes) -> NDArray[np.float32]:
    """Samples in -1..1 of mu-law."""
    return decode_float_rows(np.frombuffer(ulaw, dtype=np.uint8))


def decode_float_rows(ulaw: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Samples in -1..1 of many streams at once, shape [streams, samples]."""
    return DECODE_FLOAT.take(ulaw)


def encode_rows(samples: NDArray[np.int16]) -> NDArray[np.uint8]:
    """Mu-law of many streams at once, shape [streams, samples]: a table look-up without a call per stream."""
    return ENCODE[samples.view(np.uint16)]


def decode_rows(ulaw: NDArray[np.uint8]) -> NDArray[np.int16]:
    """Linear samples of many streams at once, shape [streams, samples]."""
    return DECODE[ulaw]


def encode_alaw(samples: NDArray[np.int16]) -> bytes:
    """Encode linear samples as A-law bytes."""
    return audioop.lin2alaw(np.ascontiguousarray(samples, dtype="<i2").tobytes(), 2)


def decode_alaw(alaw: bytes) -> NDArray[np.int16]:
    """Decode A-law bytes to linear samples."""
    return np.frombuffer(audioop.alaw2lin(alaw, 2), dtype="<i2").astype(np.int16, copy=False)


@functools.lru_cache(maxsize=64)
def gain_table(gain_db: float) -> bytes:
    """A table for `bytes.translate` that changes the level of mu-law by this many dB."""
    return encode_float(DECODE_FLOAT.astype(np.float64) * 10 ** (gain_db / 20))


def ramp(ulaw: bytes, from_db: float, to_db: float) -> bytes:
    """Fade evenly in amplitude from one gain to another over the length of the audio: no step, no click."""
    gains = np.linspace(10 ** (from_db / 20), 10 ** (to_db / 20), len(ulaw))
    return encode_float(decode_float(ulaw) * gains)


def level_dbfs(ulaw: bytes) -> float:
    """RMS level in dB of full scale; -100 for silence."""
    if not ulaw:
        return -100.0
    rms = float(np.sqrt(np.mean(np.square(decode_float(ulaw), dtype=np.float64))))
    return max(20 * math.log10(rms), -100.0) if rms > 0 else -100.0
