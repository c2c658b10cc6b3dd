"""What a benchmark of speech has measured, ready to be kept as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import msgspec
import numpy as np

from bridge.simulator.result import percentile

LATE_MS, OWN_CPU = 10.0, 0.85
"""A run in which our own clock was later than this (99th percentile), or this process busier, says nothing."""
OTHERS_CPU = 0.05
"""More than this on the worker's core is worth a remark."""
MOST_KEPT = 500
_FEWEST_ROUNDS, _DRAWS = 5, 4000

Verdict = Literal["met", "missed", "undecided", "not measured"]
"""Undecided: the bound lies within what chance alone can do."""


class Level(msgspec.Struct, kw_only=True):
    """So many streams at once, for some time. Times in milliseconds, one value for each case."""

    streams: int
    seconds: float = 0.0
    mean_streams: float = 0.0
    """How many waited or listened, on average."""
    utterances: int = 0
    finished: int = 0
    refused: int = 0
    """Turned away as busy."""
    failed: int = 0
    """Ended by any other error, or not at all."""
    ttfa_ms: list[float] = []
    """Text sent -> first audible sample received, what is silent before it in the sound included."""
    jitter_ms: list[float] = []
    """Credit given -> the audio that it allows, for all messages but a stream's first."""
    cancel_ms: list[float] = []
    """Cancel sent -> the last that came of the stream, be it sound or the answer."""
    sound_after_cancel: int = 0
    """Streams of which sound came after the answer to the cancel."""
    gaps_ms: list[float] = []
    """Underruns: for how long a listener had nothing to play."""
    late_ms: list[float] = []
    """Our own clock: how late each of its ticks was."""
    own_cpu: float = 0.0
    """Of one core, by this process."""
    worker_cpu: float | None = None
    """Of one core, by the worker's process."""
    others_cpu: float | None = None
    """Of one core, by others on the cores that were to be the worker's alone."""
    audio_s: float = 0.0
    """Sound that the worker made."""
    rtf: float | None = None
    """The engine's time over the sound it made."""
    mean_batch: float | None = None
    floor_share: float | None = None
    """Of the engine's time, what it could not have been quicker than."""
    gpu_percent: float | None = None
    void: list[str] = []
    """Why nothing here may be believed."""

    @property
    def underruns(self) -> int:
        """How often a listener had nothing to play."""
        return len(self.gaps_ms)

    @property
    def remarks(self) -> list[str]:
        """What a reader should know."""
        if self.void:
            return ["not measured: " + "; ".join(self.void)]
        others = self.others_cpu or 0.0
        return [f"other programs took {others:.0%} of the worker's core"] if others > OTHERS_CPU else []

    def p(self, what: str, share: float) -> float | None:
        """A percentile of one of the lists; None without values."""
        return percentile(getattr(self, what), share)

    @property
    def sound(self) -> bool:
        """Everything asked for was spoken without a gap."""
        return not (self.void or self.underruns or self.refused or self.failed) and bool(self.finished)


class Sockets(msgspec.Struct, kw_only=True):
    """One stream at a time. Milliseconds from the text (a cold socket: its opening) to the first audible sample.

    Warm and cold speak the same short line; long is a text of more than 500 characters that begins with it.
    """

    warm_ms: list[float]
    """Values of the same round stand at the same place."""
    cold_ms: list[float]
    long_ms: list[float]
    long_chars: int
    rtf: float | None = None


class Strategy(msgspec.Struct, kw_only=True):
    """One way of cutting text into pieces, and how its joins sound."""

    name: str
    pieces: int
    ttfa_ms: list[float]
    """From a text that is all there."""
    writing_ms: list[float]
    """What an agent takes to write the first piece of each text (computed, not measured)."""
    audio_s: float
    word_errors: float
    """Share of words that a recogniser got wrong."""
    click_db: float | None
    """The sharpest edge at any join against the sharpest 0.1 % of the speech itself."""
    ordinary_click_db: float | None
    """The same at the other word boundaries, where consonants are the edges: a join that is no sharper has no click."""
    step_db: float | None
    """Median change of the speech's level over a join."""
    ordinary_step_db: float | None
    """The same over other word boundaries."""


class DeviceFloor(msgspec.Struct, kw_only=True):
    """What a second of speech takes, and the most that the device was seen to do (`bridge.worker.engines.roofline`)."""

    device: str
    precision: str
    operations: float
    activation_bytes: float
    weight_bytes: float
    """Of a stream that is served alone; a batch reads them once."""
    operations_per_s: float
    bytes_per_s: float


class Goal(msgspec.Struct, kw_only=True):
    """A bound that the run should keep, what was measured, and the verdict."""

    name: str
    source: str
    bound: str
    measured: str
    verdict: Verdict


class Report(msgspec.Struct, kw_only=True):
    """Everything that one run of the benchmark measured."""

    machine: str
    at: str
    version: str
    """Of this package."""
    command: str
    worker: str
    models: dict[str, str]
    seed: int
    levels: list[Level] = []
    sockets: Sockets | None = None
    strategies: list[Strategy] = []
    searched: list[Level] = []
    cores: int | None = None
    """That the worker could use; None: it is not ours."""
    gpu: str | None = None
    """On which the voice is computed."""
    floor: DeviceFloor | None = None
    """Of voices that are computed in torch, by a worker of our own."""
    notes: list[str] = []
    goals: list[Goal] = []


def edge(levels: Sequence[Level]) -> tuple[int, int | None]:
    """The fewest streams that did not go well, and below them the most that did: 0 if none, None if all went well."""
    known = [level for level in levels if not level.void]
    bad = min((level.streams for level in known if not level.sound), default=None)
    return max((one.streams for one in known if one.sound and (bad is None or one.streams < bad)), default=0), bad


def doubts(level: Level) -> list[str]:
    """Why a level says nothing about the worker: it was ourselves who were too slow."""
    found = []
    late_ms = level.p("late_ms", 0.99) or 0.0
    if late_ms > LATE_MS:
        found.append(f"our own clock was {late_ms:.0f} ms late (99th percentile, at most {LATE_MS:.0f})")
    if level.own_cpu > OWN_CPU:
        found.append(f"the listeners took {level.own_cpu:.0%} of a core (at most {OWN_CPU:.0%})")
    return found


def saving(before_ms: Sequence[float], after_ms: Sequence[float]) -> tuple[float, float, float] | None:
    """By which share the median became smaller, with the bounds of its 95 % confidence interval.

    The lists are paired: values of the same round stand at the same place. Rounds are drawn again and again
    (bootstrap), so that nothing need be assumed about how times are distributed. None for fewer than five rounds.
    """
    pairs = np.array([before_ms, after_ms], np.float64)
    rounds = pairs.shape[1]
    if rounds < _FEWEST_ROUNDS:
        return None
    drawn = np.random.default_rng(1).integers(0, rounds, (_DRAWS, rounds))
    before, after = np.median(pairs[:, drawn], axis=2)
    low, high = np.quantile(1 - after / before, (0.025, 0.975))
    before, after = np.median(pairs, axis=1)
    return float(1 - after / before), float(low), float(high)


def milliseconds(value: float | None) -> str:
    """Write a time in milliseconds as the tables show it."""
    return "–" if value is None else f"{value:.1f}" if value < 100 else f"{value:.0f}"


def thinned(values: list[float]) -> list[float]:
    """Thin a distribution to at most `MOST_KEPT` values: quantiles, from the least to the largest."""
    return np.quantile(values, np.linspace(0, 1, MOST_KEPT)).tolist() if len(values) > MOST_KEPT else values


def document(report: Report) -> bytes:
    """Everything as JSON; long lists are thinned, their percentiles are of all values."""
    plain = msgspec.to_builtins(report)
    for level, measured in zip([*plain["levels"], *plain["searched"]], [*report.levels, *report.searched], strict=True):
        level["percentiles"] = {
            name: {f"p{100 * share:.0f}": measured.p(name, share) for share in (0.5, 0.95, 0.99)}
            for name in ("ttfa_ms", "jitter_ms", "cancel_ms", "late_ms")
        }
        for name in ("ttfa_ms", "jitter_ms", "late_ms"):
            level[name] = thinned(level[name])
    return msgspec.json.format(msgspec.json.encode(_rounded(plain)), indent=0) + b"\n"


def _rounded(value: Any) -> Any:
    match value:
        case float():
            return round(value, 2 if abs(value) > 1 else 4)
        case list():
            return [_rounded(one) for one in value]
        case dict():
            return {key: _rounded(one) for key, one in value.items()}
    return value
