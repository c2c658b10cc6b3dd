"""Callers' voices judged while they speak (`bridge.listening.detectors`): a tap whose score is a hint to the agent.

A call's speech is gathered, without pauses and without what is heard while we speak, which may be our own voice on its
way back. Each window is judged in one thread for all calls; where that has too much to do, windows are let go of and
counted. A detector that raises costs its window.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from bridge.audio import mulaw
from bridge.call.commands import Command
from bridge.call.events import CallerScored, Event
from bridge.listening.detectors.base import WINDOW_S, SpeechDetector
from bridge.listening.detectors.onnx_model import OnnxDetector
from bridge.listening.detectors.spectral import SpectralDetector
from bridge.listening.settings import DetectorSettings, OnnxDetectorSettings, SpectralDetectorSettings
from bridge.telemetry.metrics import Metrics

logger = logging.getLogger(__name__)

_BLOCK = mulaw.RATE_HZ // 50
_SPOKEN_DB = -42.0
"""Of a block of 20 ms; softer ones are the line, or a pause."""
_WINDOW = round(WINDOW_S * mulaw.RATE_HZ)
_MOST_WAITING = 8
_SURE = 0.98
"""No score counts for more: one window must not outweigh all others."""

Tell = Callable[[Event], None]


def spoken_blocks(ulaw: bytes) -> Iterator[bytes]:
    """Yield each 20 ms of a track in which somebody speaks."""
    for at in range(0, len(ulaw) - _BLOCK + 1, _BLOCK):
        block = ulaw[at : at + _BLOCK]
        if _level_db(block) > _SPOKEN_DB:
            yield block


def _level_db(ulaw: bytes) -> float:
    return 10 * math.log10(float(np.mean(np.square(mulaw.decode_float(ulaw)))) + 1e-12)


class VoiceDetection:
    """A detector for all calls of a process. Raises nothing once it is made."""

    def __init__(self, detector: SpeechDetector, metrics: Metrics) -> None:
        self._detector = detector
        self._metrics = metrics
        self._thread = ThreadPoolExecutor(1, "detector")
        self._waiting = 0

    def open_call(self, tell: Tell) -> VoiceTap:
        """Follow a call, and tell it how its caller's voice sounds."""
        return VoiceTap(self, tell)

    def judge(self, window: bytes, told: Callable[[float], None]) -> None:
        """Have a window judged, unless too many wait; `told` is called with its score on the event loop."""
        if self._waiting >= _MOST_WAITING:
            self._metrics.detector_losses.labels("busy").inc()
            return
        self._waiting += 1
        loop = asyncio.get_running_loop()
        judging = loop.run_in_executor(self._thread, self._detector.score, mulaw.decode_float(window))
        judging.add_done_callback(lambda done: self._judged(done, told))

    def _judged(self, done: asyncio.Future[float], told: Callable[[float], None]) -> None:
        self._waiting -= 1
        if done.cancelled():
            return
        error = done.exception()
        if error is not None:
            self._metrics.detector_losses.labels("failed").inc()
            logger.error("a detector of voices failed: %s", error)
            return
        told(done.result())

    def scored(self, score: float) -> CallerScored:
        """Count a call's score so far, and put it as the event that its machine is told."""
        self._metrics.voice_scores.observe(score)
        return CallerScored(self._detector.name, round(score, 3))

    async def close(self) -> None:
        """Let go of the thread; what is being judged is waited for, what waits is not."""
        await asyncio.to_thread(self._thread.shutdown, wait=True, cancel_futures=True)


class VoiceTap:
    """One call's speech on its way to the detector. Its score is the mean of the evidence of its windows."""

    def __init__(self, detection: VoiceDetection, tell: Tell) -> None:
        self._detection = detection
        self._tell = tell
        self._speech = bytearray()
        self._evidence = 0.0
        self._windows = 0
        self._over = False

    def sound(self, place: int, caller: bytes, ours: bytes) -> None:
        """Gather what the caller says while we are silent."""
        for at in range(0, len(caller) - _BLOCK + 1, _BLOCK):
            if _level_db(ours[at : at + _BLOCK]) < _SPOKEN_DB:
                self._speech += b"".join(spoken_blocks(caller[at : at + _BLOCK]))
        if len(self._speech) >= _WINDOW:
            window, self._speech = bytes(self._speech[:_WINDOW]), self._speech[_WINDOW:]
            self._detection.judge(window, self._judged)

    def moment(self, at: float, event: Event, commands: Sequence[Command]) -> None:
        """What happens in a call says nothing about voices."""

    def ended(self) -> None:
        """Nothing more comes, and nobody is to be told any more."""
        self._over = True
        self._speech.clear()

    def _judged(self, score: float) -> None:
        if self._over:
            return
        sure = min(max(score, 1 - _SURE), _SURE)
        self._windows += 1
        self._evidence += (math.log(sure / (1 - sure)) - self._evidence) / self._windows
        self._tell(self._detection.scored(1 / (1 + math.exp(-self._evidence))))


def open_detection(settings: DetectorSettings, directory: Path, metrics: Metrics) -> VoiceDetection | None:
    """Make the detector that the settings want, if any. Raises ConfigError for a model that cannot be used."""
    match settings:
        case SpectralDetectorSettings():
            return VoiceDetection(SpectralDetector(), metrics)
        case OnnxDetectorSettings():
            return VoiceDetection(OnnxDetector(directory / settings.model, settings.name), metrics)
    return None
