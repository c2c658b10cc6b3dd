"""A faint mark in sound that says whose it is, so that one call's audio in another's ear is found and named.

Each name is a noise of its own, two seconds long and repeated, far below the speech it lies under. The ear looks for it
by correlation of phases, at any delay, in what came out of the other callers' receivers.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from bridge.simulator.result import Fault
from bridge.simulator.sound import RATE_HZ, Sound

PERIOD = 2 * RATE_HZ
LEVEL_DB = -44.0
"""Some 24 dB below speech: a faint hiss."""
CERTAIN = 9.0
"""In standard deviations: chance reaches 5 in an hour of sound, a mark through mu-law under speech 15 and more."""


@lru_cache(maxsize=1024)
def _noise(name: str) -> Sound:
    seed = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big")
    return np.random.default_rng(seed).standard_normal(PERIOD).astype(np.float32)


@lru_cache(maxsize=1024)
def _phases(name: str) -> NDArray[np.complex128]:
    spectrum = np.fft.rfft(_noise(name))
    return np.asarray(np.conj(spectrum / np.maximum(np.abs(spectrum), 1e-9)), np.complex128)


def mark(sound: Sound, name: str, *, at: int = 0, level_db: float = LEVEL_DB) -> Sound:
    """The sound with the mark of `name` under it; `at` is the sound's first sample on the line, so that pieces fit."""
    places = (at + np.arange(len(sound))) % PERIOD
    return np.clip(sound + _noise(name)[places] * np.float32(10.0 ** (level_db / 20.0)), -1.0, 1.0)


def fingerprint(sound: Sound) -> NDArray[np.complex128]:
    """What marks are looked for in: the phases of all periods of a sound, added up."""
    total = np.zeros(PERIOD // 2 + 1, np.complex128)
    for first in range(0, len(sound), PERIOD):
        piece = sound[first : first + PERIOD]
        if len(piece) >= PERIOD // 4 and np.any(piece):
            spectrum = np.fft.rfft(piece, PERIOD)
            total += spectrum / np.maximum(np.abs(spectrum), 1e-9)
    return total


def score(print_: NDArray[np.complex128], name: str) -> float:
    """How surely the mark is in a sound, by its fingerprint, in standard deviations over chance."""
    match = np.fft.irfft(print_ * _phases(name), PERIOD)
    deviation = float(np.std(match))
    return float(np.max(match)) / deviation if deviation > 0.0 else 0.0


def foreign(sound: Sound, own: str, others: Iterable[str]) -> list[Fault]:
    """Other calls' marks in what this call's caller heard."""
    print_ = fingerprint(sound)
    found = []
    for name in others:
        if name != own and (certainty := score(print_, name)) >= CERTAIN:
            text = f"the audio of call {name} is in it ({certainty:.0f} standard deviations over chance)"
            found.append(Fault(at_ms=0, kind="foreign_audio", text=text))
    return found
