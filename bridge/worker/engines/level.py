"""How loud a voice is: the gain that brings it to the level of all others."""

from __future__ import annotations

import math

import numpy as np

from bridge.audio.encoder import Samples

SAMPLE = "Thank you for calling. I have an opening on Tuesday at half past three, shall I book it for you?"
LEVEL_DBFS = -20.0
HIGHEST_PEAK_DBFS = -4.0
"""Of the sample sentence: others may be louder."""


def gain_of(audio: Samples, rate_hz: int) -> float:
    """dB from the level of active speech to -20 dBFS, but never so much that peaks would have to be limited."""
    hop = rate_hz // 50
    energy = np.square(audio[: len(audio) // hop * hop].reshape(-1, hop)).mean(axis=1)
    peak = float(np.abs(audio).max(initial=0.0))
    if peak <= 0:
        return 0.0
    active = float(energy[energy > energy.max() * 10**-3.5].mean())
    return min(LEVEL_DBFS - 10 * math.log10(active), HIGHEST_PEAK_DBFS - 20 * math.log10(peak))
