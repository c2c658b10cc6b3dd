"""Recognisers in an order of preference, and the health of each, shared by all calls of a process."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

import msgspec

from bridge.breaker import Breaker
from bridge.listening.recognisers.base import FailureKind, Recogniser, StreamFailed

log = logging.getLogger(__name__)

_FAILURES = 3
_OURS: frozenset[FailureKind] = frozenset({"rejected"})
"""Failures of one request that say nothing about the engine's health."""
_HOPELESS: frozenset[FailureKind] = frozenset({"auth", "quota"})
"""Failures that the next call would meet, too."""


class RecogniserCounters(msgspec.Struct):
    """What became of one recogniser's streams since the process started."""

    failed: int = 0
    replaced: int = 0
    """Streams of it whose audio was given to another stream."""
    heard_s: float = 0.0
    """Audio that it was given, which is what services bill."""


class RankedRecogniser:
    """One recogniser, its number among those of the process, and its health."""

    def __init__(self, rank: int, recogniser: Recogniser) -> None:
        self.rank = rank
        self.recogniser = recogniser
        self.breaker = Breaker(_FAILURES, cool_off_s=2.0, longest_s=60.0)
        self.counters = RecogniserCounters()

    @property
    def live(self) -> bool:
        """Whether it follows the audio as it comes."""
        return self.recogniser.capabilities.live

    def failed(self, failure: StreamFailed, now: float) -> None:
        """Take note of a failure, and say so in the log: kinds and reasons hold nothing the caller said."""
        self.counters.failed += 1
        log.warning("recogniser %s failed (%s): %s", self.recogniser.name, failure.kind, failure.reason)
        if failure.kind in _OURS:
            self.breaker.abandoned()
            return
        for _ in range(_FAILURES if failure.kind in _HOPELESS else 1):
            self.breaker.failed(now)

    def stats(self) -> dict[str, float]:
        """Counters by name, for the metrics page."""
        name = f"recogniser_{self.rank}_{self.recogniser.name}"
        return {
            f"{name}_failed": self.counters.failed,
            f"{name}_replaced": self.counters.replaced,
            f"{name}_heard_s": self.counters.heard_s,
            f"{name}_open": not self.breaker.closed,
        }


class RecogniserChain:
    """Chooses which recogniser is to be asked now, by order of preference and health."""

    def __init__(self, ranked: Sequence[RankedRecogniser], clock: Callable[[], float]) -> None:
        self.ranked = tuple(ranked)
        self.clock = clock

    @property
    def live(self) -> bool:
        """Whether any of them follows the audio as it comes."""
        return any(ranked.live for ranked in self.ranked)

    def choose(self, tried: Sequence[RankedRecogniser] = ()) -> RankedRecogniser | None:
        """The first healthy one that was not tried, else the untried one that is soonest worth a trial."""
        now = self.clock()
        left = [ranked for ranked in self.ranked if ranked not in tried]
        for ranked in left:
            if ranked.breaker.allows(now):
                return ranked
        return min(left, key=lambda ranked: ranked.breaker.retry_at() or now, default=None)

    def to_follow(self) -> RankedRecogniser | None:
        """The one that is to follow a call's audio from now on; None when utterances are to be recognised whole."""
        now = self.clock()
        for ranked in self.ranked:
            if ranked.live and ranked.breaker.allows(now):
                return ranked
            if not ranked.live and ranked.breaker.closed:
                return None
        return None
