"""Many listeners, the worker's own scheduler, and an engine that is a stopwatch, in virtual time.

Texts are written at 80 characters a second, cut into pieces by the worker's own rule, and heard in real time from 60 ms
after their first sound, with credit for 800 ms beyond what was heard, as a bridge gives it.
"""

from __future__ import annotations

import heapq
import math
import random
import time
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from typing import Any, Literal, ParamSpec, TypeVar

import numpy as np

from bridge.speaking.voices.base import Priority
from bridge.worker.scheduler import QueueEntry, Scheduler
from bridge.worker.settings import SchedulerSettings
from tests.bench.scheduler_load import EngineModel, Text, random_pieces, second_s, texts

P = ParamSpec("P")
T = TypeVar("T")
Order = Literal["deadline", "no prefetch", "first come", "round robin"]
ORDERS: tuple[Order, ...] = ("deadline", "no prefetch", "first come", "round robin")

PLAYS_AFTER_S, REPORT_S, CREDIT_MS = 0.06, 0.2, 800
PREFETCH_STREAMS = 20
WARM_UP_S = 20.0
"""Until about as many speak as are to; nothing before counts."""
_IN_TIME_S = SchedulerSettings().first_audio_ms / 1000
_LIVE = 0
_RANK: dict[Priority, int] = {"live": _LIVE, "speculation": 1, "prefetch": 2}


# ---- other orders -----------------------------------------------------------------------------------------------


class FirstCome(QueueEntry):
    """Whoever opened first."""

    @property
    def order(self) -> tuple[int, float]:
        """The class, then the number."""
        return _RANK[self.priority], float(str(self.name))


class RoundRobin(QueueEntry):
    """Whoever has waited longest since its last step."""

    turn = 0.0

    @property
    def order(self) -> tuple[int, float]:
        """The class, then the last turn."""
        return _RANK[self.priority], self.turn


class Ordered(Scheduler):
    """The worker's queue with places of another order."""

    places_are: type[QueueEntry] = QueueEntry

    def join(self, name: Hashable, priority: Priority, now: float) -> QueueEntry:
        """As the worker's own."""
        place = self._places[name] = self.places_are(name, priority, opened_at=now)
        return place


# ---- the simulation ---------------------------------------------------------------------------------------------


@dataclass(slots=True, eq=False)
class Listener:
    """One stream: what is still to be made of its text, and how much of it was heard."""

    text: Text
    place: QueueEntry
    written: int = 0
    begun: int = 0
    left_s: float = 0.0
    """Of the piece that is being made."""
    planned: bool = False
    chunk: int = 0
    made_s: float = 0.0
    asked_at: float | None = None
    """When its first piece was written."""
    first_at: float | None = None
    over_at: float | None = None
    dry_at: float = 0.0
    wanted_at: float = 0.0
    """When the piece in work could have been begun."""
    gaps_s: list[float] = field(default_factory=list)
    behind_s: float = 0.0
    """What work that could have waited has delayed its first sound."""

    def begin(self, engine: EngineModel) -> bool:
        """Whether there is something to make, if need be the next piece."""
        if self.left_s <= 0 and self.begun < self.written:
            self.left_s, self.planned, self.chunk = self.text.pieces[self.begun][1], not engine.plan_s, 0
            self.wanted_at = self.text.opens_at + self.text.pieces[self.begun][0]
            self.begun += 1
        return self.left_s > 0

    def next_s(self, engine: EngineModel) -> float:
        """Sound that the next step makes."""
        return min(engine.chunks_s[min(self.chunk, len(engine.chunks_s) - 1)], self.left_s) if self.planned else 0.0

    def kind(self, engine: EngineModel) -> str | None:
        """Of the next step."""
        if self.left_s <= 0:
            return None
        return f"wave {min(self.chunk, len(engine.chunks_s) - 1)}" if self.planned else "plan"

    def advance(self, sound_s: float, now: float, since: float) -> None:
        """A step is done. Silence before `since` does not count."""
        if not self.planned:
            self.planned = True
            return
        self.chunk += 1
        self.left_s = self.left_s - sound_s if self.left_s - sound_s > 1e-9 else 0.0
        if self.first_at is None:
            self.first_at, self.dry_at = now, now + PLAYS_AFTER_S
        elif now > self.dry_at:
            self.gap(now, since)
            self.dry_at = now
        self.dry_at += sound_s
        self.made_s += sound_s

    def gap(self, now: float, since: float) -> None:
        """It had nothing to play, though there had been something to make for as long as first audio may take."""
        if self.wanted_at + _IN_TIME_S <= self.dry_at and now > max(self.dry_at, since):
            self.gaps_s.append(now - max(self.dry_at, since))

    @property
    def all_made(self) -> bool:
        return self.left_s <= 0 and self.begun == len(self.text.pieces)


@dataclass(slots=True)
class Totals:
    """Within the time that counts."""

    batches: list[int] = field(default_factory=list)
    live_s: float = 0.0
    """Engine's time for steps with a live stream, but for what others added to them."""
    later_s: float = 0.0
    """Engine's time for what could have waited."""
    prefetched_s: float = 0.0
    """Sound."""
    cancelled_s: float = 0.0
    """Engine's time for streams that were over when their step came back."""
    refused: int = 0
    queue_s: float = 0.0
    choices_s: list[float] = field(default_factory=list)


class Simulation:
    """Virtual time, the engine, and whoever listens."""

    def __init__(
        self,
        order: Order,
        engine: EngineModel,
        asked: Sequence[Text],
        ends_s: float,
        seed: int,
        settings: SchedulerSettings = SchedulerSettings(),  # noqa: B008  (frozen)
    ) -> None:
        self.queue = Ordered(settings, engine.batch)
        if order in ("first come", "round robin"):
            self.queue.places_are = FirstCome if order == "first come" else RoundRobin
        self.now = 0.0
        self.totals = Totals()
        self.listeners: list[Listener] = []
        self._engine = engine
        self._ends_s = ends_s
        self._chance = random.Random(seed + 1)
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = count()
        self._open: dict[QueueEntry, Listener] = {}
        self._waiting: set[Listener] = set()
        """Live, with a piece to make and no sound yet."""
        self._step_ends: float | None = None
        self._step_live = False
        self._second_s = second_s(engine)
        for text in asked:
            self._at(text.opens_at, partial(self._arrive, text))
        for _ in range(PREFETCH_STREAMS if order != "no prefetch" else 0):
            self._prefetch()

    def run(self) -> None:
        """Until the end; whoever is waiting then counts as having waited until then."""
        while True:
            wakes = self.queue.wake_at() if self._step_ends is None else None
            happens_at = self._events[0][0] if self._events else math.inf
            now = min(happens_at, math.inf if wakes is None else max(wakes, self.now))
            if now >= self._ends_s:
                break
            self.now = now
            if now == happens_at:
                heapq.heappop(self._events)[2]()
            if self._step_ends is None:
                self._begin_step()
        self.now = self._ends_s
        for listener in self._open.values():
            if listener.first_at is not None and listener.left_s > 0:
                listener.gap(self.now, WARM_UP_S)

    def _at(self, when: float, happens: Callable[[], None]) -> None:
        heapq.heappush(self._events, (when, next(self._numbers), happens))

    @property
    def _counts(self) -> bool:
        return self.now >= WARM_UP_S

    def _timed(self, call: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
        """One call of the queue. Processor time, so that other programs do not count."""
        began = time.thread_time()
        result = call(*arguments, **named)
        if self._counts:
            self.totals.queue_s += time.thread_time() - began
        return result

    # ---- the engine ---------------------------------------------------------------------------------------------

    def _begin_step(self) -> None:
        before = self.totals.queue_s
        batch = self._timed(self.queue.next_batch, self.now)
        if not batch:
            return
        listeners = [self._open[place] for place in batch]
        sounds_s = [listener.next_s(self._engine) for listener in listeners]
        takes_s = self._engine.step_cost_s(sounds_s)
        later_s = sum(
            self._engine.row_s(sound_s)
            for place, sound_s in zip(batch, sounds_s, strict=True)
            if _RANK[place.priority] != _LIVE
        )
        self._step_live = any(_RANK[place.priority] == _LIVE for place in batch)
        for waiting in self._waiting:
            waiting.behind_s += later_s
        for place in batch:
            if isinstance(place, RoundRobin):
                place.turn = float(next(self._numbers))
        if self._counts:
            self.totals.choices_s.append(self.totals.queue_s - before)
            self.totals.batches.append(len(batch))
            self.totals.later_s += later_s if self._step_live else takes_s
            self.totals.live_s += takes_s - later_s if self._step_live else 0.0
        self._step_ends = self.now + takes_s
        self._at(self._step_ends, partial(self._finish_step, batch, listeners, sounds_s, takes_s))

    def _finish_step(
        self, batch: list[QueueEntry], listeners: list[Listener], sounds_s: list[float], took_s: float
    ) -> None:
        self._step_ends = None
        self._timed(self.queue.keep_pace, batch, took_s, self.now)
        for place, listener, sound_s in zip(batch, listeners, sounds_s, strict=True):
            if listener.over_at is not None:
                self.totals.cancelled_s += self._engine.row_s(sound_s) * self._counts
                continue
            first = listener.first_at is None and listener.planned
            listener.advance(sound_s, self.now, WARM_UP_S)
            listener.begin(self._engine)
            kind, cost_s = listener.kind(self._engine), listener.left_s * self._second_s
            self._timed(self.queue.ran, place, kind, cost_s, sound_s * 1000, self.now)
            if first:
                self._waiting.discard(listener)
                if place.priority == "live":
                    self._at(listener.dry_at - sound_s + REPORT_S, partial(self._report, listener))
            if listener.text.priority == "prefetch" and self._counts:
                self.totals.prefetched_s += sound_s
            if listener.all_made:
                self._leave(listener)

    # ---- listeners ----------------------------------------------------------------------------------------------

    def _arrive(self, text: Text) -> None:
        if self._timed(self.queue.retry_after_s, self.now) is not None:
            self.totals.refused += self._counts
            return
        listener = self._join(text)
        if text.priority == "live":
            self._timed(self.queue.report, listener.place, 0.0, CREDIT_MS, self.now)
        if text.cancelled_after_s is not None:
            self._at(self.now + text.cancelled_after_s, partial(self._leave, listener))
        if text.listened_after_s is not None:
            self._at(self.now + text.listened_after_s, partial(self._listen, listener))

    def _prefetch(self) -> None:
        self._join(Text(self.now, "prefetch", tuple((0.0, sound_s) for _, sound_s in random_pieces(self._chance))))

    def _join(self, text: Text) -> Listener:
        place = self._timed(self.queue.join, next(self._numbers), text.priority, self.now)
        listener = self._open[place] = Listener(text, place)
        self.listeners.append(listener)
        for written_after_s, _ in text.pieces:
            self._at(self.now + written_after_s, partial(self._write, listener))
        return listener

    def _write(self, listener: Listener) -> None:
        """One more piece is there; a stream that has nothing else to do begins with it."""
        if listener.over_at is not None:
            return
        listener.written += 1
        if listener.asked_at is None:
            listener.asked_at = self.now
            if listener.text.priority == "live":
                self._waiting.add(listener)
                if self._step_ends is not None and not self._step_live:
                    listener.behind_s = self._step_ends - self.now
        if listener.left_s <= 0 and listener.begin(self._engine):
            cost_s = listener.left_s * self._second_s
            self._timed(self.queue.ask, listener.place, listener.kind(self._engine), cost_s, self.now)

    def _listen(self, listener: Listener) -> None:
        """What was made on speculation is played from now on."""
        if listener.over_at is not None:
            return
        if listener.first_at is None:  # reports follow its first sound
            self._timed(self.queue.report, listener.place, 0.0, CREDIT_MS, self.now)
        else:
            listener.dry_at = self.now + PLAYS_AFTER_S + listener.made_s
            self._report(listener)

    def _report(self, listener: Listener) -> None:
        """What is still to be heard, and credit for more."""
        if listener.over_at is not None:
            return
        lead_s = max(listener.dry_at - self.now, 0.0)
        heard_ms = max(0.0, listener.made_s - lead_s) * 1000 + 1e-6
        upto_ms = heard_ms // (REPORT_S * 1000) * REPORT_S * 1000 + CREDIT_MS
        self._timed(self.queue.report, listener.place, lead_s * 1000, upto_ms, self.now)
        self._at(self.now + REPORT_S, partial(self._report, listener))

    def _leave(self, listener: Listener) -> None:
        if listener.over_at is not None:
            return
        listener.over_at = self.now
        if listener.first_at is not None and listener.left_s > 0:
            listener.gap(self.now, WARM_UP_S)
        self._timed(self.queue.leave, listener.place)
        self._waiting.discard(listener)
        del self._open[listener.place]
        if listener.text.priority == "prefetch":
            self._prefetch()

    # ---- what came of it ----------------------------------------------------------------------------------------

    def result(self) -> dict[str, Any]:
        """Of those who asked, or had a gap, in the time that counts."""
        totals, lasted_s = self.totals, self._ends_s - WARM_UP_S
        live = [one for one in self.listeners if one.text.priority == "live"]
        live = [one for one in live if one.over_at is None or one.over_at >= WARM_UP_S]
        asked = [one for one in live if one.asked_at is not None and one.asked_at >= WARM_UP_S]
        firsts_ms = [((one.first_at or one.over_at or self._ends_s) - (one.asked_at or 0.0)) * 1000 for one in asked]
        gaps_s = [gap for one in live for gap in one.gaps_s]
        return {
            "live_streams": len(live),
            "refused": totals.refused,
            "ttfa_ms": percentiles(firsts_ms, 50, 95, 99),
            "streams_with_a_gap": sum(bool(one.gaps_s) for one in live),
            "gap_s": round(sum(gaps_s), 2),
            "longest_gap_ms": round(max(gaps_s, default=0.0) * 1000, 1),
            "mean_batch": round(float(np.mean(totals.batches)), 1),
            "engine_live": round(totals.live_s / lasted_s, 3),
            "engine_later": round(totals.later_s / lasted_s, 3),
            "engine_cancelled": round(totals.cancelled_s / lasted_s, 5),
            "prefetched_s_per_s": round(totals.prefetched_s / lasted_s, 1),
            "first_audio_behind_later_work_ms": {
                "share": round(sum(one.behind_s > 0 for one in asked) / max(len(asked), 1), 3),
                **percentiles([one.behind_s * 1000 for one in asked], 50, 95, 100),
            },
            "steps": len(totals.batches),
            "scheduler_us_per_step": round(totals.queue_s / len(totals.batches) * 1e6, 1),
            "scheduler_core_share": round(totals.queue_s / lasted_s, 3),
            "choice_us": percentiles([choice_s * 1e6 for choice_s in totals.choices_s], 50, 99),
        }


def percentiles(values: Sequence[float], *shares: int) -> dict[str, float]:
    """By name, `p95`; none of nothing."""
    return {f"p{share}": round(float(np.percentile(values, share)), 1) for share in shares} if values else {}


def simulate(
    order: Order,
    engine: EngineModel,
    streams: int,
    seconds: float,
    seed: int,
    settings: SchedulerSettings = SchedulerSettings(),  # noqa: B008
) -> dict[str, Any]:
    """One row."""
    ends_s = WARM_UP_S + seconds
    simulation = Simulation(order, engine, list(texts(streams, ends_s, seed)), ends_s, seed, settings)
    simulation.run()
    return {"engine": engine.name, "streams": streams, "order": order, **simulation.result()}
