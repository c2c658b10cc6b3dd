"""What is said, and what saying it costs: texts at random, and engines that are stopwatches."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bridge.bench.sentences import LINES
from bridge.speaking.voices.base import Priority
from bridge.text.chunker import Chunker, pause_after_ms, unhurried

SPOKEN_CHARACTERS_PER_S, WRITTEN_CHARACTERS_PER_S = 15.0, 80.0
CANCELLED, SPECULATED, LISTENED, LISTENED_AFTER_S = 0.1, 0.05, 0.5, 0.3


@dataclass(frozen=True, slots=True)
class EngineModel:
    """What a step takes: something, however small it is, and more for every stream in it."""

    name: str
    batch: int
    step_s: float
    plan_s: float
    """Of each stream in a step that plans a piece, before its first sound; 0: there is no such step."""
    sound_s: float
    """Of each second of sound."""
    chunks_s: tuple[float, ...]
    """Sound that a piece's first, second and every later step makes."""

    def step_cost_s(self, sounds_s: Sequence[float]) -> float:
        """A step that makes so much for each of its streams; 0: it plans."""
        return self.step_s + sum(map(self.row_s, sounds_s))

    def row_s(self, sound_s: float) -> float:
        """What one stream adds to a step."""
        return sound_s * self.sound_s if sound_s else self.plan_s

    def second_s(self, piece_s: float) -> float:
        """What a second of sound costs in full batches, in pieces of this length."""
        steps, left_s = float(self.plan_s > 0), piece_s
        for chunk_s in self.chunks_s[:-1]:
            steps, left_s = steps + (left_s > 0), left_s - chunk_s
        steps += math.ceil(max(left_s, 0.0) / self.chunks_s[-1])
        return (steps * self.step_s / self.batch + self.plan_s) / piece_s + self.sound_s


ENGINES = (
    EngineModel("GPU-like", batch=64, step_s=0.002, plan_s=0.0002, sound_s=0.0007, chunks_s=(0.2, 0.2, 0.8)),
    EngineModel("CPU-like, one core", batch=1, step_s=0.004, plan_s=0.0, sound_s=0.007, chunks_s=(60.0,)),
)
"""The first has the shape of the torch engines: a piece is planned, then made in chunks, small ones first. The second
makes a piece in one step, in about the 0.8 % of its length that the default voice takes on a core (`speech.md`)."""


# ---- the texts --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Text:
    """What one stream has to say."""

    opens_at: float
    priority: Priority
    pieces: tuple[tuple[float, float], ...]
    """When each piece is written, from the opening on, and how long it sounds, in seconds."""
    cancelled_after_s: float | None = None
    listened_after_s: float | None = None


def texts(streams: int, ends_s: float, seed: int) -> Iterator[Text]:
    """Everything that is asked for, in order, so that so many are spoken at once; without prefetch."""
    chance = random.Random(seed)
    every_s = sum(_sounds_s(random_pieces(chance)) for _ in range(4000)) / 4000 / streams
    now = 0.0
    while (now := now + chance.expovariate(1 / every_s)) < ends_s:
        pieces, speculated, listened, cancelled = (
            random_pieces(chance),
            chance.random(),
            chance.random(),
            chance.random(),
        )
        cancelled_after_s = chance.uniform(0, _sounds_s(pieces)) if cancelled < CANCELLED else None
        if speculated >= SPECULATED:
            yield Text(now, "live", pieces, cancelled_after_s)
        else:
            yield Text(now, "speculation", pieces, None, LISTENED_AFTER_S if listened < LISTENED else None)


def random_pieces(chance: random.Random) -> tuple[tuple[float, float], ...]:
    """One to four lines, rather one, as the worker cuts them, by a speaker who hurries or does not."""
    lines = chance.choices(LINES, k=chance.choices((1, 2, 3, 4), (4, 3, 2, 1))[0])
    rate = SPOKEN_CHARACTERS_PER_S * chance.lognormvariate(0.0, 0.1)
    pieces, written = [], 0
    for piece in Chunker(unhurried("clause")).finish(0.0, " ".join(lines)):
        written += len(piece)
        pieces.append((written / WRITTEN_CHARACTERS_PER_S, len(piece) / rate + pause_after_ms(piece) / 1000))
    return tuple(pieces)


def _sounds_s(pieces: tuple[tuple[float, float], ...]) -> float:
    return sum(sound_s for _, sound_s in pieces)


def second_s(engine: EngineModel) -> float:
    """What a second of the texts costs this engine in full batches; its inverse is the most streams it can serve."""
    chance = random.Random(0)
    sounds_s = [sound_s for _ in range(500) for _, sound_s in random_pieces(chance)]
    return sum(engine.second_s(sound_s) * sound_s for sound_s in sounds_s) / sum(sounds_s)
