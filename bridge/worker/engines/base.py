"""What the worker asks of a speech engine: to turn pieces of text into samples, in steps that can be batched."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from bridge.audio.encoder import Encoder, Samples
from bridge.audio.formats import AudioFormat
from bridge.worker.alignment import Span

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

    def cancel(self) -> None:  # noqa: B027  (most have nothing to stop)
        """Nobody wants the rest. Called from another thread than `Engine.run`, perhaps during it."""


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

    def language(self, voice: str) -> str:
        """Return the language that a voice says itself to speak, a tag such as `de`; "" if it says nothing."""
        return ""

    def accent(self, voice: str) -> str:
        """Return the accent for which a voice takes phonemes in its text (`misaki.in_text`); "" if it takes none."""
        return ""

    @abstractmethod
    def gain_db(self, voice: str) -> float:
        """Gain that brings this voice's active speech to about -20 dBFS."""

    def acquire(self) -> bool:
        """A stream is about to use this engine, until `release`; False: there is no memory for it now."""
        return True

    def release(self) -> None:  # noqa: B027  (most are always there)
        """Take note that one stream less needs this engine."""

    def close(self) -> None:  # noqa: B027  (most hold nothing but memory)
        """No more will be asked: give back threads and sockets."""

    def memory_bytes(self) -> int:
        """What this engine is known to take; 0: not known."""
        return 0

    def embeddings(self) -> Mapping[str, Samples]:
        """What makes a voice itself, small and dear (styles, cloned speakers): kept when the engine is unloaded."""
        return {}

    def encoder(self, audio_format: AudioFormat, gain: float) -> Encoder:
        """What turns a stream's samples into this format, amplified by this factor."""
        return Encoder(self.rate_hz, audio_format, gain)

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


class SilenceGate:
    """Passes on the sound of one piece without the silence around it, fading at its ends so that pieces join.

    Silence is what stays below -60 dBFS for a hop; it is kept back until there is sound again, so chunks do not matter
    as long as they are whole hops. Until a voice speaks nothing is heard, and 310 ms of nothing is what the default
    voice begins with.
    """

    floor = 10**-6.0
    head_s, tail_s, fade_s = 0.005, 0.04, 0.005
    """Kept of the silence before and after; and how long the ends rise and fall."""

    def __init__(self, rate_hz: int, hop: int) -> None:
        self.cut = 0
        """Samples that were dropped at the beginning; known when there is sound."""
        self._rate_hz, self._hop = rate_hz, hop
        self._begun = False
        self._held = NO_SAMPLES

    def feed(self, audio: Samples, last: bool) -> Samples:
        """What to send after hearing some more of the piece; `last` ends it."""
        audio = np.concatenate([self._held, audio])
        hops = audio[: len(audio) // self._hop * self._hop].reshape(-1, self._hop)
        loud = np.flatnonzero(np.einsum("ij,ij->i", hops, hops) > self.floor * self._hop)
        first, end = 0, (int(loud[-1]) + 1) * self._hop if len(loud) else 0
        begins = not self._begun and len(loud) > 0
        if begins:
            self._begun = True
            self.cut = first = max(int(loud[0]) * self._hop - int(self.head_s * self._rate_hz), 0)
        self._held = audio[end:]
        if last and self._begun:
            end = min(end + int(self.tail_s * self._rate_hz), len(audio))
        return self._fade(audio[first:end], begins, last)

    def _fade(self, audio: Samples, head: bool, tail: bool) -> Samples:
        count = min(int(self._rate_hz * self.fade_s), len(audio) // 2)
        audio = audio.copy()
        ramp = np.linspace(0.0, 1.0, count, endpoint=False, dtype=np.float32)
        if head:
            audio[:count] *= ramp
        if tail and count:
            audio[-count:] *= ramp[::-1]
        return audio
