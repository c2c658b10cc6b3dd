"""What the worker asks of a speech engine:

turn one piece of text after the other into samples, in steps that can be batched.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from bridge.worker.alignment import Span

Samples = NDArray[np.float32]
"""Mono, -1..1."""

NO_SAMPLES: Samples = np.zeros(0, np.float32)


@dataclass(slots=True)
class Step:
    """What one step of one job gave."""

    audio: Samples = field(default_factory=lambda: NO_SAMPLES)
    """More samples at the engine's rate, at the voice's own level; may be none."""
    words: tuple[Span, ...] | None = None
    """Seconds from the piece's first sample, one span for each token; given once, not later than the first audio."""


class Job(ABC):
    """One piece on its way through an engine. The engine's own state lives in a subclass.

    `kind` names the next step, and only jobs of one kind are batched; None when the piece is finished.
    """

    kind: Hashable | None

    @property
    @abstractmethod
    def cost_s(self) -> float:
        """Expected time of all steps that are left."""


class Engine(ABC):
    """Runs in one thread. Voices of one engine may share a batch."""

    name: str
    rate_hz: int
    """Of all audio that `run` returns."""
    batch: int = 1
    """The most jobs that one step takes."""

    @abstractmethod
    def model(self, voice: str) -> str:
        """Name and version of everything that this voice's sound depends on."""

    @abstractmethod
    def gain_db(self, voice: str) -> float:
        """Gain that brings this voice's active speech to about -20 dBFS."""

    @abstractmethod
    def cost_s(self, text: str) -> float:
        """Expected time to speak this text alone, measured by `warm`."""

    @abstractmethod
    def begin(self, text: str, tokens: Sequence[str], voice: str, speed: float) -> Job:
        """Accept a piece; quick. Its samples begin and end close to its first and last audible ones.

        The same text, voice and speed always give the same samples.
        """

    @abstractmethod
    def run(self, jobs: Sequence[Job]) -> list[Step]:
        """One step for each of these jobs of one kind. If it raises, none of them has moved on."""

    @abstractmethod
    def warm(self) -> None:
        """Do everything that would make the first real request slow, and measure."""


def trim(audio: Samples, rate_hz: int, keep_head_ms: float = 15.0, keep_tail_ms: float = 40.0) -> tuple[int, int]:
    """The part of a piece that is worth sending: from its first to its last audible sample, with a little around.

    Audible is what comes within 45 dB of the loudest 5 ms. Returns first and end index; (0, 0) for silence.
    """
    hop = rate_hz // 200
    windows = audio[: len(audio) // hop * hop].reshape(-1, hop)
    energy = np.einsum("ij,ij->i", windows, windows)
    loudest = float(energy.max(initial=0.0))
    if loudest <= 1e-9 * hop:
        return 0, 0
    audible = np.flatnonzero(energy > loudest * 10**-4.5)
    first = int(audible[0]) * hop - int(keep_head_ms * rate_hz / 1000)
    end = (int(audible[-1]) + 1) * hop + int(keep_tail_ms * rate_hz / 1000)
    return max(first, 0), min(end, len(audio))


def fade(audio: Samples, rate_hz: int, milliseconds: float = 5.0) -> Samples:
    """A copy whose two ends rise from and fall to zero, so that pieces join without a click."""
    count = min(int(rate_hz * milliseconds / 1000), len(audio) // 2)
    faded = audio.copy()
    if count:
        ramp = np.linspace(0.0, 1.0, count, endpoint=False, dtype=np.float32)
        faded[:count] *= ramp
        faded[-count:] *= ramp[::-1]
    return faded
