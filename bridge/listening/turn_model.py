"""Smart Turn v3.2 (BSD-2, `models/`): does the caller's tone say that they have finished?

Blocking: it runs in `engine_process`.

Input `input_features` float32 [1, 80, 800]: the Whisper log-mel of the last 8 s at 16 kHz, shorter audio with zeros
before it, the waveform normalised to zero mean and unit variance. Output: the probability that the turn is over.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from bridge.listening.activity import onnx_session
from bridge.listening.log_mel import RATE_HZ, log_mel
from bridge.listening.sound import Floats, samples_16k

SMART_TURN = Path(__file__).with_name("models") / "smart_turn_v3_2.onnx"
_SAMPLES = 8 * RATE_HZ


def features(samples: Floats) -> Floats:
    """Samples at 16 kHz to what the model sees, [80, 800]."""
    last = samples[-_SAMPLES:]
    padded = np.pad(last, (_SAMPLES - len(last), 0))
    return log_mel((padded - padded.mean()) / np.sqrt(padded.var() + 1e-7))


class TurnModel:
    """The end-of-turn model, loaded and ready to judge."""

    def __init__(self, threads: int = 1, path: Path = SMART_TURN) -> None:
        self._session = onnx_session(path, threads=threads)

    def judge(self, ulaw: bytes) -> float:
        """Probability that the caller has finished, from their last seconds up to the pause."""
        if not ulaw:
            return 0.0
        [[[probability]]] = self._session.run(None, {"input_features": features(samples_16k(ulaw))[None]})
        return float(probability)
