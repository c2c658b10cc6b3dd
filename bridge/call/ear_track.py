"""Two tracks of a call on one time axis: what the caller said, and what of our audio was in the caller's ear when.

Our side is laid out by the playout clock, which knows from mark echoes when each run of audio began to play
(`bridge.call.clock`); what a clear threw away is not in it. The caller's side is laid out by its samples' number, and
put right when frames were lost or the carrier's clock has drifted. Both are mu-law at 8 kHz; places are samples since
the call's start.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from bridge.audio.mulaw import RATE_HZ, SILENCE
from bridge.call.clock import PlayoutClock

_OFF = RATE_HZ // 100
"""Audio that lies no further than 10 ms from its place is left there: no seam for the clock's small corrections."""
_JUDGED_S = 0.2
"""The caller's lateness is judged over frames that arrive in this time: jitter only delays, so that the least counts.

Frames that were held up come all at once, which is no time at all.
"""
_PER_MS = RATE_HZ // 1000


@dataclass(slots=True)
class _Run:
    """Audio that the carrier plays without a pause."""

    base_ms: float
    """Where it begins on the clock's axis."""
    begins_at: float
    """When its first sample is heard, as far as known."""
    audio: bytearray = field(default_factory=bytearray)
    taken: int = 0
    """Samples that have left `audio`."""
    place: int = -1
    """Where the next sample goes, once the first was placed."""


class EarTrack:
    """Our audio, laid out as the caller hears it. Times are seconds since the call's start."""

    def __init__(self, clock: PlayoutClock) -> None:
        self._clock = clock
        self._runs: deque[_Run] = deque()
        self._taken = 0
        self._current: _Run | None = None

    def sent(self, ulaw: bytes) -> None:
        """Take note of audio that was sent; the clock has been told."""
        base_ms = self._clock.run_begins_ms
        if self._current is None or self._current.base_ms != base_ms:
            self._current = _Run(base_ms, self._clock.heard_by(base_ms))
            self._runs.append(self._current)
        self._current.audio += ulaw

    def settled(self) -> None:
        """Ask the clock again when the current run began: every echo makes that surer."""
        if self._current is not None and self._current.base_ms == self._clock.run_begins_ms:
            self._current.begins_at = self._clock.heard_by(self._current.base_ms)

    def cleared(self, at: float) -> None:
        """Forget what would be heard after this time; `settled` must have been called before the clear was sent."""
        run, self._current = self._current, None
        if run is not None:
            keep = max(round((at - run.begins_at) * RATE_HZ) - run.taken, 0)
            del run.audio[keep:]

    def take(self, until: int) -> bytes:
        """What was heard from where the last call ended up to this place."""
        heard = bytearray([SILENCE]) * max(until - self._taken, 0)
        while self._runs:
            run = self._runs[0]
            self._lay(run, heard, until)
            if run.audio or run is self._current:
                break
            self._runs.popleft()
        self._taken = max(until, self._taken)
        return bytes(heard)

    def _lay(self, run: _Run, heard: bytearray, until: int) -> None:
        """Copy what of a run is heard before `until`."""
        meant = round(self._clock.pace * run.taken + run.begins_at * RATE_HZ)
        if run.place < 0 or abs(meant - run.place) > _OFF:
            run.place = meant
        late = self._taken - run.place
        if late > 0:  # its place has gone by already
            dropped = min(late, len(run.audio))
            del run.audio[:dropped]
            run.taken += dropped
            run.place += dropped
        count = min(until - run.place, len(run.audio))
        if count <= 0:
            return
        start = run.place - self._taken
        heard[start : start + count] = run.audio[:count]
        del run.audio[:count]
        run.taken += count
        run.place += count


class CallerTrack:
    """The caller's audio by its place in time; frames that never came are silence."""

    def __init__(self) -> None:
        self._audio = bytearray()
        self._taken = 0
        self._end: int | None = None
        self._judged_from: float | None = None
        self._least_late = 0

    def heard(self, ulaw: bytes, at: float) -> None:
        """Take a frame that arrived at this time."""
        arrived = round(at * RATE_HZ)
        if self._end is None:
            self._end = max(arrived - len(ulaw), self._taken)
            self._audio += bytes([SILENCE]) * (self._end - self._taken)
        late = arrived - len(ulaw) - self._end
        if self._judged_from is None:
            self._judged_from, self._least_late = at, late
        self._least_late = min(self._least_late, late)
        self._audio += ulaw
        self._end += len(ulaw)
        if at - self._judged_from >= _JUDGED_S:
            self._put_right(self._least_late)
            self._judged_from = None

    def _put_right(self, late: int) -> None:
        """Move what comes from now on by how late, or early, even the earliest frame was."""
        assert self._end is not None
        if late > _OFF:
            self._audio += bytes([SILENCE]) * late
            self._end += late
        elif late < -_OFF:
            dropped = min(-late, len(self._audio))
            del self._audio[len(self._audio) - dropped :]
            self._end -= dropped

    def take(self, until: int) -> bytes:
        """The caller's audio from where the last call ended up to this place."""
        count = max(until - self._taken, 0)
        audio = bytes(self._audio[:count])
        del self._audio[:count]
        missing = count - len(audio)
        if missing:
            audio += bytes([SILENCE]) * missing
            self._end = max(self._end or 0, until)
        self._taken += count
        return audio
