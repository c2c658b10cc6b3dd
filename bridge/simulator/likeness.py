"""Was a recording heard as it is? Recognition forgives what ears do not: a lost syllable, a piece said twice, a splice.

The recording is looked for block by block. A block's sound is found at some place or not at all; what lies between the
places where its blocks were found tells what is missing, what was put in, and what came in another order. Where a
block was found, what is left when the recording is taken away tells whether it was torn in between.
"""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray
from scipy.signal import fftconvolve

from bridge.simulator.sound import RATE_HZ, Sound, level_db

BLOCK_MS = 100
_BLOCK = BLOCK_MS * RATE_HZ // 1000
_ALIKE = 0.97
"""A block whose place is certain. Mu-law over mu-law leaves 0.999, a hole of 5 ms 0.95."""
_TEAR = 20
"""Samples over which a difference is averaged."""
_TORN_DB = -12.0
"""A block is spoilt when somewhere in it the difference comes this near to its level. A voice lowered by 18 dB stays
below -18 when it is coded anew; a resampler that begins anew every 20 ms reaches -7, a hole of 2 ms +4."""
_LOUD_DB = -38.0
"""Softer blocks hold too little to be told apart."""
_SAME_PLACE_MS = 0.5


def differences(heard: Sound, recording: Sound, *, factor: int = 1) -> str:
    """What became of `recording` in what was heard, level apart: in words, "" when it was heard whole and untouched.

    `factor` is how many samples of the line there were for each that was heard: a delay on the line is then a whole
    number of those, which no ear objects to.
    """
    told = ""
    for phase in range(factor):
        told = _differences(heard, _later(recording, phase / factor) if phase else recording)
        if not told:
            return ""
    return told


def _later(sound: Sound, samples: float) -> Sound:
    """The same sound a part of a sample later."""
    spectrum = np.fft.rfft(np.concatenate([sound, np.zeros(64, np.float32)]))
    turn = np.exp(-2j * np.pi * np.arange(len(spectrum)) * samples / (len(sound) + 64))
    return np.asarray(np.fft.irfft(spectrum * turn, len(sound) + 64)[: len(sound)], np.float32)


def _differences(heard: Sound, recording: Sound) -> str:
    blocks = [start for start in _starts(recording) if level_db(recording[start : start + _BLOCK]) > _LOUD_DB]
    if not blocks or len(heard) < _BLOCK:
        return "not heard" if blocks else ""
    found: list[tuple[int, int]] = []
    spoilt: list[int] = []
    for start in blocks:
        block = recording[start : start + _BLOCK]
        shift = found[-1][1] - found[-1][0] if found else 0
        place, likeness = _find(heard, block, start + shift)
        if likeness >= _ALIKE:
            found.append((start, place))
        if likeness < _ALIKE or _difference_db(heard[place : place + _BLOCK], block) > _TORN_DB:
            spoilt.append(start)
    if not found:
        return "not heard"
    told = _shifts(found)
    if spoilt:
        first_ms = spoilt[0] * 1000 // RATE_HZ
        told.append(
            f"{len(spoilt)} of {len(blocks)} stretches of {BLOCK_MS} ms spoilt or missing, first at {first_ms} ms"
        )
    return "; ".join(told)


def _starts(recording: Sound) -> list[int]:
    """Where blocks begin; the last one ends with the recording, so that no tail is left out."""
    last = len(recording) - _BLOCK
    return [] if last < 0 else [*range(0, last, _BLOCK), last]


def _find(heard: Sound, block: Sound, likely: int) -> tuple[int, float]:
    """The sample at which a block is heard, at `likely` if it is there, and how like itself it sounds, level apart."""
    if 0 <= likely <= len(heard) - len(block):
        likeness = _likeness(heard[likely : likely + len(block)], block)
        if likeness[0] >= _ALIKE:
            return likely, float(likeness[0])
    everywhere = _likeness(heard, block)
    best = int(np.argmax(everywhere))
    return best, float(everywhere[best])


def _likeness(heard: Sound, block: Sound) -> NDArray[np.float64]:
    """The normalised cross-correlation at every place, 1 for the same."""
    power = np.concatenate(([0.0], np.cumsum(np.square(heard, dtype=np.float64))))
    energy = np.maximum(power[len(block) :] - power[: -len(block)], 1e-3)  # silence is like nothing
    match = fftconvolve(heard, block[::-1], mode="valid")
    return np.asarray(match / np.sqrt(energy * float(np.sum(np.square(block, dtype=np.float64)))))


def _difference_db(heard: Sound, block: Sound) -> float:
    power = float(np.mean(np.square(block, dtype=np.float64)))
    gain = float(np.mean(heard * block)) / power
    left = np.square(heard - np.float32(gain) * block, dtype=np.float64).reshape(-1, _TEAR).mean(axis=1)
    return float(10.0 * np.log10((left.max() + 1e-12) / (gain * gain * power + 1e-12)))


def _shifts(found: list[tuple[int, int]]) -> list[str]:
    """Where neighbouring blocks were heard further apart, or closer together, than they lie in the recording."""
    told = []
    for (start, place), (next_start, next_place) in itertools.pairwise(found):
        shift_ms = ((next_place - place) - (next_start - start)) * 1000.0 / RATE_HZ
        if abs(shift_ms) > _SAME_PLACE_MS:
            what = "put in" if shift_ms > 0 else "left out"
            told.append(f"{abs(shift_ms):.0f} ms {what} after {start * 1000 // RATE_HZ} ms")
    return told
