"""Samples as the carrier and the ear handle them: mu-law, WAV, levels, stretches of sound.

Own mu-law tables rather than those of `bridge.audio`: a wrong table over there must be audible here. WAV files are no
part of a call, so they are read and written over there.
Sound is float32 in -1..1 at 8 kHz unless a name says otherwise.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.signal import resample_poly

from bridge.audio import wav
from bridge.errors import ConfigError

RATE_HZ = 8000
FRAME_MS = 20
FRAME_SAMPLES = RATE_HZ * FRAME_MS // 1000
SILENCE = 0xFF
"""Mu-law silence (G.711: code 0xFF is positive zero)."""

Sound = NDArray[np.float32]
Samples = NDArray[np.int16]


def _decode_table() -> Samples:
    """The linear value of every mu-law code (ITU-T G.711, table 2, scaled to 16 bits)."""
    codes = np.arange(256)
    inverted = ~codes & 0xFF
    magnitude = ((((inverted & 0x0F) << 3) + 0x84) << ((inverted >> 4) & 7)) - 0x84
    return np.where(inverted & 0x80, -magnitude, magnitude).astype(np.int16)


def _encode_table() -> NDArray[np.uint8]:
    """The nearest mu-law code of every 16-bit value, indexed by the value's bits as unsigned.

    Built from the decode table by nearest neighbour, so both directions rest on one statement of the law.
    """
    values = _DECODED.astype(np.int32)
    order = np.argsort(values, kind="stable")
    levels = values[order]
    borders = (levels[:-1] + levels[1:]) / 2.0
    linear = np.arange(65536).astype(np.uint16).view(np.int16).astype(np.int32)
    table = order[np.searchsorted(borders, linear)].astype(np.uint8)
    table[0] = SILENCE  # zero has two codes; the positive one is silence
    return table


_DECODED = _decode_table()
_DECODED_FLOAT = (_DECODED / 32768.0).astype(np.float32)
_ENCODED = _encode_table()


def from_ulaw(ulaw: bytes | bytearray | memoryview) -> Sound:
    """Decode mu-law bytes to sound."""
    return _DECODED_FLOAT[np.frombuffer(ulaw, np.uint8)]


def to_ulaw(sound: Sound) -> bytes:
    """Encode sound as mu-law, clipping what is too loud."""
    linear = np.clip(np.rint(sound * 32768.0), -32768, 32767).astype(np.int16)
    return bytes(_ENCODED[linear.view(np.uint16)])


def silence(milliseconds: float) -> Sound:
    """Return silence that lasts this long."""
    return np.zeros(round(milliseconds * RATE_HZ / 1000), np.float32)


def level_db(sound: Sound) -> float:
    """RMS level in dBFS, never below -100."""
    if not len(sound):
        return -100.0
    power = float(np.mean(np.square(sound, dtype=np.float64)))
    return max(-100.0, 10.0 * float(np.log10(power + 1e-12)))


def levels_db(sound: Sound, window_ms: int = 10) -> NDArray[np.float64]:
    """RMS level in dBFS of each whole window, never below -100."""
    width = window_ms * RATE_HZ // 1000
    whole = sound[: len(sound) // width * width].reshape(-1, width)
    power = np.mean(np.square(whole, dtype=np.float64), axis=1)
    return np.asarray(np.maximum(-100.0, 10.0 * np.log10(power + 1e-12)), np.float64)


def speech_level_db(sound: Sound) -> float:
    """Level of the loud parts alone (within 20 dB of the 95th percentile), so pauses don't count."""
    levels = levels_db(sound, 20)
    levels = levels[levels > -60.0]
    if not len(levels):
        return -100.0
    loud = levels[levels > np.percentile(levels, 95) - 20.0]
    return float(10.0 * np.log10(np.mean(10.0 ** (loud / 10.0))))


def at_level(sound: Sound, wanted_db: float) -> Sound:
    """Return the sound with its loud parts at this level."""
    gain = 10.0 ** ((wanted_db - speech_level_db(sound)) / 20.0)
    return np.asarray(np.clip(sound * gain, -1.0, 1.0), np.float32)


def resample(sound: Sound, from_hz: int, to_hz: int) -> Sound:
    """Change the rate with a proper low-pass filter."""
    if from_hz == to_hz:
        return sound
    shared = int(np.gcd(from_hz, to_hz))
    return np.asarray(resample_poly(sound, to_hz // shared, from_hz // shared), np.float32)


def stretches(
    sound: Sound, *, threshold_db: float = -45.0, join_ms: int = 300, shortest_ms: int = 40
) -> list[tuple[int, int]]:
    """Where there is sound: (start, end) in milliseconds, pauses up to `join_ms` bridged, blips dropped."""
    window_ms = 10
    active = levels_db(sound, window_ms) > threshold_db
    edges = np.flatnonzero(np.diff(np.concatenate(([0], active.astype(np.int8), [0]))))
    found: list[tuple[int, int]] = []
    for start, end in zip((edges[0::2] * window_ms).tolist(), (edges[1::2] * window_ms).tolist(), strict=True):
        if found and start - found[-1][1] <= join_ms:
            found[-1] = (found[-1][0], end)
        else:
            found.append((start, end))
    return [(start, end) for start, end in found if end - start >= shortest_ms]


def between(sound: Sound, start_ms: float, end_ms: float) -> Sound:
    """The part between two times, cut short where the sound is."""
    return sound[max(0, round(start_ms * RATE_HZ / 1000)) : max(0, round(end_ms * RATE_HZ / 1000))]


def read_wav(path: Path) -> Sound:
    """Read a WAV file of any rate and coding as 8 kHz mono. Raises ConfigError naming the file and what is wrong."""
    sound, rate_hz = read_wav_at_its_rate(path)
    return resample(sound, rate_hz, RATE_HZ)


def read_wav_at_its_rate(path: Path) -> tuple[Sound, int]:
    """Read a WAV file as mono sound and its rate in Hz. Raises ConfigError naming the file and what is wrong."""
    try:
        file = wav.read(path.read_bytes())
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such recording") from None
    except (wav.BadWav, OSError) as error:
        raise ConfigError(f"{path}: {error}") from None
    return file.samples.astype(np.float32).mean(axis=1) / np.float32(32768.0), file.rate_hz


def wav_bytes(*channels: Sound) -> bytes:
    """A 16-bit 8 kHz WAV file of these channels, the shorter ones filled with silence."""
    length = max((len(channel) for channel in channels), default=0)
    frames = np.zeros((length, len(channels)), np.int16)
    for index, channel in enumerate(channels):
        frames[: len(channel), index] = np.clip(np.rint(channel * 32768.0), -32768, 32767)
    return wav.write(frames, RATE_HZ)
