"""Which millisecond of our audio is in the caller's ear: a clock fitted from mark echoes.

All audio sent in a call is laid on one axis, in milliseconds since the call's start, cleared audio
included. The carrier plays the axis at its own clock's pace in *runs*: a run begins when audio reaches an
empty buffer and ends when the buffer runs dry or is cleared. Within a run, position p plays at
`anchor + (p - base) * pace`. A mark echo at time t says that p was played at `t - back`, where `back` is
the way back, half the round trip. Network jitter only ever delays an echo, so the earliest of the
last few echoes is the best witness of the anchor; several late ones in a row mean that playout itself has
slipped. The pace is one number for the call (`drift`).
"""

from __future__ import annotations

from collections import deque

from bridge.call.drift import Drift

_FIRST_GUESS_ROUND_TRIP_S = 0.04
_SLIP_S = 0.015
_WITNESSES = 6
_SLIP_WITNESSES = 3
_FASTEST, _EARLY_MS = 0.002, 20.0
"""No carrier's clock is faster than this against ours; and the frames in which it plays."""


class PlayoutClock:
    """Maps time to the position on the axis that the caller hears. Times in seconds, positions in ms."""

    def __init__(self) -> None:
        self.sent_ms = 0.0
        self.acked_ms = 0.0
        """Everything before this was surely played, or cleared."""
        self.marks_work = False
        """Whether this carrier has echoed any mark in this call."""
        self.last_echo_at: float | None = None
        self.round_trip_s = _FIRST_GUESS_ROUND_TRIP_S
        """Time from us to the carrier and back: the least of the last measurements."""
        self.way_s = _FIRST_GUESS_ROUND_TRIP_S / 2
        self.drift = Drift()
        self.jitter_ms = 0.0
        """Spread of the last witnesses against the earliest."""
        self.error_ms = 0.0
        """How far `ear_ms` may be off: a floor, the asymmetry the round trip leaves open, and lack of witnesses."""
        self._round_trips: deque[float] = deque(maxlen=16)
        self._anchor_s = 0.0
        """When the run's base plays."""
        self._base_ms = 0.0
        self._ms_per_s = 1000.0
        """Audio that the carrier plays in one of our seconds."""
        self._run_sent_at = 0.0
        self._fresh_run = False
        self._witnesses: deque[tuple[float, float]] = deque(maxlen=_WITNESSES)
        """The last echoes of this run: when, and of what position."""
        self._fit()

    @property
    def run_begins_ms(self) -> float:
        """Where on the axis the present run of audio begins."""
        return self._base_ms

    @property
    def pace(self) -> float:
        """How long a second of audio takes at the carrier, in our seconds."""
        return 1000.0 / self._ms_per_s

    def unsure(self, now: float) -> bool:
        """True while an echo is overdue by more than a second, or none was ever seen."""
        if not self.marks_work or self.last_echo_at is None:
            return True
        return self.acked_ms + 1000 < self.ear_ms(now) and now - self.last_echo_at > 1.0

    def ear_ms(self, at: float) -> float:
        """The axis position that plays at time `at`."""
        played_ms = self._base_ms
        if at > self._anchor_s:
            played_ms += (at - self._anchor_s) * self._ms_per_s
        if played_ms > self.sent_ms:
            return self.sent_ms
        return played_ms if played_ms > self.acked_ms else self.acked_ms

    def surely_played_ms(self, at: float) -> float:
        """The axis position that was surely played by the time `at`: after a while, all that was sent."""
        earlier = at - self.error_ms / 1000
        if earlier > self._anchor_s:
            return self.ear_ms(earlier)
        return max(self.acked_ms, self.ear_ms(at) - self.error_ms)

    def lead_ms(self, now: float) -> float:
        """Audio that will still be unplayed at the carrier when something sent now arrives there."""
        return self.sent_ms - self.ear_ms(now + self.way_s)

    def heard_by(self, position_ms: float) -> float:
        """When the position plays, as far as known now."""
        return self._anchor_s + (position_ms - self._base_ms) / self._ms_per_s

    def send(self, ms: float, now: float) -> bool:
        """Note that audio was sent. True when it found the carrier's buffer empty, so that a run begins."""
        begins = self.lead_ms(now) <= 0
        if begins:
            self._base_ms, self._run_sent_at, self._fresh_run = self.sent_ms, now, True
            self._new_run()
        self.sent_ms += ms
        return begins

    def too_early(self, position_ms: float, now: float) -> bool:
        """Whether an echo comes before its position can have been played, at the pace of any sound clock.

        Such an echo says nothing, and its carrier's marks are not to be waited for.
        """
        elapsed_ms = (now - self._run_sent_at) * 1000
        early = position_ms - self._base_ms > elapsed_ms * (1 + _FASTEST) + _EARLY_MS
        if early:
            self.marks_work = False
        return early

    def echo(self, position_ms: float, sent_at: float, now: float) -> None:
        """A mark that stood at this position was played and echoed. `sent_at`: when the mark was sent."""
        self.marks_work, self.last_echo_at = True, now
        if position_ms <= self._base_ms:
            # Nothing of this run lay before it. With the buffer empty a mark comes back at once.
            if position_ms == self._base_ms and self.acked_ms >= position_ms:
                self._round_trips.append(now - sent_at)
                self._fit()
            self.acked_ms = max(self.acked_ms, position_ms)
            return
        self.acked_ms = max(self.acked_ms, position_ms)
        played_s = (position_ms - self._base_ms) / 1000
        if self._fresh_run:
            self._fresh_run = False
            self._round_trips.append(max(now - self._run_sent_at - played_s, 0.0))
        self.drift.echoed(played_s, now - played_s)
        self._witnesses.append((now, position_ms))
        if self._slipped():
            for _ in range(len(self._witnesses) - _SLIP_WITNESSES):
                self._witnesses.popleft()
            self.drift.new_run()
        self._fit()

    def clear(self, now: float, takes_effect_at: float) -> float:
        """Note that the carrier forgets at that time what it has not played; the position that it has reached by then.

        That time lies a way ahead where a clear was sent, and a way back where the carrier told of one of its own.
        """
        heard = self.ear_ms(takes_effect_at)
        self._base_ms = self.acked_ms = self.sent_ms
        self._run_sent_at = now
        self._fresh_run = False
        self._new_run()
        return heard

    def clear_echo(self, cleared_at: float, now: float) -> None:
        """A mark of before the clear came back: the first one at the latest by then tells the round trip."""
        self.marks_work, self.last_echo_at = True, now
        if 0 <= now - cleared_at < self.round_trip_s * 4 + 0.2:
            self._round_trips.append(now - cleared_at)
            self._fit()

    def _new_run(self) -> None:
        self._witnesses.clear()
        self.drift.new_run()
        self._fit()

    def _anchors(self) -> list[float]:
        """When the base's echo would have come, by each witness."""
        return [at - (position_ms - self._base_ms) / self._ms_per_s for at, position_ms in self._witnesses]

    def _slipped(self) -> bool:
        anchors = self._anchors()
        return len(anchors) > _SLIP_WITNESSES and min(anchors[-_SLIP_WITNESSES:]) > min(anchors) + _SLIP_S

    def _fit(self) -> None:
        """Work out the anchor anew: from the earliest witness, or from what was sent while there is none."""
        asymmetry_ms = 40.0
        if self._round_trips:
            self.round_trip_s = min(self._round_trips)
            self.way_s = self.round_trip_s / 2
            asymmetry_ms = (max(self._round_trips) - self.round_trip_s) * 250
        self._ms_per_s = 1000.0 / (1.0 + self.drift.rate)
        if self._witnesses:
            anchors = self._anchors()
            earliest = min(anchors)
            self._anchor_s = earliest - self.way_s
            self.jitter_ms = (max(anchors) - earliest) * 1000
        else:
            self._anchor_s = self._run_sent_at + self.way_s
            self.jitter_ms = 0.0
        self.error_ms = min((10.0 if self._witnesses else 20.0) + asymmetry_ms, 150.0)
