"""What a detector is: three seconds of a caller's speech in, a score out. It runs in a thread of its own."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]

WINDOW_S = 3.0
"""So much speech is judged at once, pauses left out."""


class SpeechDetector(Protocol):
    """Judges speech; the same detector serves all calls, one window after the other."""

    name: str
    """Under which agents and metrics know its scores."""

    def score(self, speech: Samples) -> float:
        """Return 0 (a person) .. 1 (a machine) for a window of `WINDOW_S` seconds at 8 kHz, in -1..1."""
        ...
