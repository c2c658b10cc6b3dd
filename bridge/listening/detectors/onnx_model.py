"""A detector from a file: an ONNX model of `[1, samples]` at 8 kHz, in -1..1, whose first number is the score."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from bridge.errors import ConfigError
from bridge.listening.activity import onnx_session
from bridge.listening.detectors.base import WINDOW_S, Samples


class OnnxDetector:
    """Somebody's model. Raises ConfigError for a file that is none, or that gives no score."""

    def __init__(self, path: Path, name: str = "synthetic") -> None:
        self.name = name
        try:
            self._session = onnx_session(path, threads=1)
            self._input = self._session.get_inputs()[0].name
            self.score(np.zeros(round(WINDOW_S * 8000), np.float32))
        except Exception as error:  # onnxruntime's have no ancestor of their own
            raise ConfigError(f"{path}: cannot be used as a detector: {str(error)[:300]}") from None

    def score(self, speech: Samples) -> float:
        """Return the model's first number, which is 0 (a person) .. 1 (a machine). Raises ValueError for another."""
        found = float(np.ravel(self._session.run(None, {self._input: speech[None, :]})[0])[0])
        if not 0.0 <= found <= 1.0:
            raise ValueError(f"a detector gave {found:g}, expected 0 to 1")
        return found
