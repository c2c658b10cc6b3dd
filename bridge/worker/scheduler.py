"""Who is synthesised next: the stream whose caller runs dry first. No engine, no socket; time is passed in, in seconds.

Every stream has a `QueueEntry`. Live streams are served by deadline: for first audio that is when its text could be
spoken plus a target, for a refill when the caller's buffer runs dry less a margin. Speculation, then prefetch, take
what is left. The most urgent stream's next step is run together with the same kind of step of as many others as the
engine takes in one batch.
"""

from __future__ import annotations

import heapq
from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field
from itertools import count
from operator import attrgetter

from bridge.speaking.voices.base import Priority
from bridge.worker.pace import Pace
from bridge.worker.settings import SchedulerSettings

_FULL_BATCH = 0.75
_SOON_DRY_S = 0.4
"""Less lead than a bridge that is served in time keeps."""
_ASK_AGAIN_S = 0.5
_WRITES_WITHIN_S = 2.0
"""Whoever opens a stream sends its first text within this time, or is not reckoned with."""
_FORGETS = 0.1
_RANK: dict[Priority, int] = {"live": 0, "speculation": 1, "tenant": 2, "prefetch": 3}
_TENANTS_SHARE = 0.5
"""Of all streams, those of other programs: the rest is kept free for callers."""


@dataclass(slots=True, eq=False)
class QueueEntry:
    """One stream's place in the queue."""

    name: Hashable
    priority: Priority = "live"
    kind: Hashable | None = None
    """What step comes next; only equal ones share a batch. None: nothing to do."""
    opened_at: float = 0.0
    cost_s: float = 0.0
    """Expected time of the piece that is waiting here."""
    asked_at: float = 0.0
    """When the work that comes next became possible."""
    made_ms: float = 0.0
    """Audio made so far."""
    dry_at: float | None = None
    """When the caller will have heard all that was made; None before the first audio."""
    reported: bool = False
    """The client reports playout, so `dry_at` is more than a guess."""
    upto_ms: float | None = None
    """Credit; None: no such limit."""
    held: bool = False
    """The client's socket is full."""
    running: bool = False
    due_at: float = 0.0
    nap_until: float | None = None

    @property
    def order(self) -> tuple[int, float]:
        """Live work first, then the earliest deadline."""
        return _RANK[self.priority], self.due_at


@dataclass(slots=True)
class Scheduler:
    """The queue of one engine; `batch` is the most streams that one step of it takes."""

    settings: SchedulerSettings
    batch: int = 1
    pace: Pace = field(default_factory=Pace)
    _piece_s: float = 0.0
    """What a piece costs, on average over the last ones."""
    _places: dict[Hashable, QueueEntry] = field(default_factory=dict)
    _ready: dict[Hashable, QueueEntry] = field(default_factory=dict)
    _asleep: list[tuple[float, int, QueueEntry]] = field(default_factory=list)
    _naps: Iterator[int] = field(default_factory=count)

    def __len__(self) -> int:
        return len(self._places)

    # ---- the loop's two questions -----------------------------------------------------------------------------

    def next_batch(self, now: float) -> list[QueueEntry]:
        """The streams whose steps are to run now, together; each must come back through `ran` or `leave`."""
        self._wake(now)
        first = min(self._ready.values(), key=attrgetter("order"), default=None)
        if first is None:
            return []
        batch = [first]
        if self.batch > 1:
            alike = (place for place in self._ready.values() if place.kind == first.kind)
            batch = heapq.nsmallest(self.batch, alike, key=attrgetter("order"))
        for place in batch:
            place.running = True
            self._file(place, now)
        return batch

    def wake_at(self) -> float | None:
        """When a waiting stream will want to be synthesised, if nothing is told before."""
        return self._asleep[0][0] if self._asleep else None

    # ---- what happens to a stream -----------------------------------------------------------------------------

    def backlog_s(self, now: float) -> float:
        """Expected time of the live work that a new stream would have to wait for.

        Those who have opened and are still writing count, too: else many who come at once are all taken.
        """
        soon = now + (self.settings.first_audio_ms + self.settings.backlog_ms) / 1000
        asked_s = sum(one.cost_s for one in self._ready.values() if one.priority == "live" and one.due_at <= soon)
        return asked_s + self._piece_s * sum(self._writes(place, now) for place in self._places.values())

    def _writes(self, place: QueueEntry, now: float) -> bool:
        """Whether its first text is about to come."""
        silent = place.kind is None and not place.running and not place.made_ms
        return silent and place.priority == "live" and now - place.opened_at < _WRITES_WITHIN_S

    def retry_after_s(self, now: float, priority: Priority = "live") -> float | None:
        """None if one more stream of this priority can be served, else when to ask again."""
        if priority == "tenant":
            tenants = sum(place.priority == "tenant" for place in self._places.values())
            if tenants >= max(1.0, _TENANTS_SHARE * self.settings.max_streams):
                return _ASK_AGAIN_S
        late_s = self.backlog_s(now) - self.settings.backlog_ms / 1000
        if late_s > 0:
            return late_s + 0.05
        if self._is_pressed(now):
            return _ASK_AGAIN_S
        return 1.0 if len(self._places) >= self.settings.max_streams else None

    def headroom(self, now: float) -> float:
        """0 (one more caller would be refused) .. 1 (nothing to do)."""
        settings, pace = self.settings, self.pace
        backlog = self.backlog_s(now) * 1000 / settings.backlog_ms
        full = min(pace.mean_batch / (_FULL_BATCH * self.batch), 1.0)
        live = any(place.priority == "live" for place in self._places.values())
        pressed = full * min(pace.pressed(now) / settings.pressed, 1.0) if live else 0.0
        return max(0.0, 1.0 - max(backlog, pressed, len(self._places) / settings.max_streams))

    def _is_pressed(self, now: float) -> bool:
        """Whether leads are melting: with one more listener some would run dry, though the queue may still be short.

        With room in its batches an engine takes more streams at the same cost, so only full ones count. And somebody
        must be listening: one caller whose texts follow on each other keeps an engine busy, too, and harms nobody.
        """
        pace = self.pace
        pressed = pace.mean_batch >= _FULL_BATCH * self.batch and pace.pressed(now) > self.settings.pressed
        return pressed and any(place.priority == "live" for place in self._places.values())

    def keep_pace(self, batch: list[QueueEntry], took_s: float, now: float) -> None:
        """A batch took so long. Call it before its places come back through `ran`."""
        began = now - took_s
        urgent = any(
            place.priority == "live" and (place.dry_at is None or place.dry_at - began < _SOON_DRY_S) for place in batch
        )
        self.pace.ran(took_s, len(batch), urgent=urgent, now=now)

    def join(self, name: Hashable, priority: Priority, now: float) -> QueueEntry:
        """Give a stream that has opened its place in the queue."""
        place = self._places[name] = QueueEntry(name, priority, opened_at=now)
        return place

    def ask(self, place: QueueEntry, kind: Hashable, cost_s: float, now: float) -> None:
        """There is work for this stream: a step of this kind, then more of the same piece, `cost_s` of it."""
        if place.kind is None:
            place.asked_at = now
            self._piece_s += _FORGETS * (cost_s - self._piece_s)
        place.kind, place.cost_s = kind, cost_s
        self._file(place, now)

    def ran(self, place: QueueEntry, kind: Hashable | None, cost_s: float, audio_ms: float, now: float) -> None:
        """A step came back with this much audio; a step of this kind is next, `cost_s` of its piece is left."""
        place.running = False
        place.kind, place.cost_s = kind, cost_s
        if audio_ms:
            place.made_ms += audio_ms
            place.dry_at = max(place.dry_at or now, now) + audio_ms / 1000
        self._file(place, now)

    def report(self, place: QueueEntry, lead_ms: float, upto_ms: float | None, now: float) -> None:
        """The client said how much its caller still has to hear, and how far audio may be sent.

        Somebody listens: it is live, unless it is no caller who does.
        """
        place.reported = True
        if place.priority != "tenant":
            place.priority = "live"
        if place.made_ms:
            place.dry_at = now + lead_ms / 1000
        if upto_ms is not None:
            place.upto_ms = max(upto_ms, place.upto_ms or 0.0)
        self._file(place, now)

    def hold(self, place: QueueEntry, held: bool, now: float) -> None:
        """The stream's socket is full, or free again."""
        place.held = held
        self._file(place, now)

    def leave(self, place: QueueEntry) -> None:
        """The stream is over, for whatever reason; its place is free at once."""
        place.kind = None
        self._ready.pop(place.name, None)
        if self._places.get(place.name) is place:
            del self._places[place.name]

    # ---- filing -----------------------------------------------------------------------------------------------

    def _file(self, place: QueueEntry, now: float) -> None:
        """Put the place where it belongs: ready, asleep until its lead has shrunk, or neither."""
        self._ready.pop(place.name, None)
        if place.running or place.held or place.kind is None or self._places.get(place.name) is not place:
            return
        settings = self.settings
        if place.upto_ms is not None and place.made_ms >= place.upto_ms + settings.credit_ahead_ms and place.made_ms:
            return
        if place.dry_at is None:
            place.due_at = place.asked_at + settings.first_audio_ms / 1000
        else:
            place.due_at = place.dry_at - settings.margin_ms / 1000
            if place.dry_at < place.asked_at:  # it ran dry for want of text, not of us: as at the start
                place.due_at = place.asked_at + settings.first_audio_ms / 1000
            if place.reported and place.dry_at - settings.ahead_ms / 1000 > now:
                self._nap(place, place.dry_at - settings.ahead_ms / 1000)
                return
        self._ready[place.name] = place

    def _nap(self, place: QueueEntry, until: float) -> None:
        """Have a look at this place again then.

        Looking too early is harmless, so only an earlier time is a new entry.
        """
        if place.nap_until is None or until < place.nap_until:
            place.nap_until = until
            heapq.heappush(self._asleep, (until, next(self._naps), place))

    def _wake(self, now: float) -> None:
        while self._asleep and self._asleep[0][0] <= now:
            until, _, place = heapq.heappop(self._asleep)
            if until == place.nap_until:
                place.nap_until = None
                self._file(place, now)

    def places(self) -> Iterator[QueueEntry]:
        """Every stream, in order of arrival."""
        return iter(self._places.values())
