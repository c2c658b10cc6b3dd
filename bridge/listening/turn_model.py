"""Does the sound of the caller's voice say that they have finished? Blocking: it runs in `engine_process`.

Two witnesses are weighed: Smart Turn v3.2 (BSD-2, `models/`), which hears the whole, and what `prosody` measures of the
end. Over a telephone neither is worth much alone; together they are. `tests/bench/turn_training.py` finds the weights.

Smart Turn's input is `input_features` float32 [1, 80, 800]: the Whisper log-mel of the last 8 s at 16 kHz, shorter
audio with zeros before it, the waveform normalised to zero mean and unit variance. Its output is the probability that
the turn is over.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import NamedTuple

import numpy as np

from bridge.listening.activity import onnx_session
from bridge.listening.log_mel import RATE_HZ, log_mel
from bridge.listening.prosody import Prosody, prosody
from bridge.listening.sound import Floats, samples_16k

SMART_TURN = Path(__file__).with_name("models") / "smart_turn_v3_2.onnx"
_SAMPLES = 8 * RATE_HZ
_TONE_LIMIT = 0.003
"""Smart Turn is never surer than this, whatever it says."""


class SoundWeights(NamedTuple):
    """How much each witness counts, in log-odds."""

    bias: float
    tone: float
    density: float
    final_pitch: float
    final_sound: float


WEIGHTS = SoundWeights(bias=-7.74, tone=0.26, density=8.15, final_pitch=-0.26, final_sound=0.28)


def log_odds(probability: float, limit: float = _TONE_LIMIT) -> float:
    """Give the log-odds of a probability that is kept this far from 0 and 1."""
    kept = min(max(probability, limit), 1.0 - limit)
    return math.log(kept / (1.0 - kept))


def weigh(tone: float, heard: Prosody, weights: SoundWeights = WEIGHTS) -> float:
    """The probability that the caller has finished, by Smart Turn's probability (`tone`) and by what was measured."""
    odds = weights.bias + weights.tone * log_odds(tone) + weights.density * heard.density
    odds += weights.final_pitch * heard.final_pitch + weights.final_sound * heard.final_sound
    return 1.0 / (1.0 + math.exp(-odds))


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
        return weigh(self.tone(ulaw), prosody(ulaw)) if ulaw else 0.0

    def tone(self, ulaw: bytes) -> float:
        """Give the probability of Smart Turn alone, from the same seconds."""
        if not ulaw:
            return 0.0
        [[[probability]]] = self._session.run(None, {"input_features": features(samples_16k(ulaw))[None]})
        return float(probability)
