"""Whoever follows a call without taking part: recorders, live pages, detectors. None of them can harm it.

A tap is told of both tracks of the call on one time axis (`bridge.call.ear_track`), a fifth of a second at a time and
`BEHIND_S` after the caller heard it, and of every event with the commands that it caused. A tap that raises is let go
of, counted and logged; the call does not notice. A tap that is slow must look after itself: nothing here waits.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Protocol

from bridge.audio.mulaw import RATE_HZ
from bridge.call.clock import PlayoutClock
from bridge.call.commands import Command
from bridge.call.ear_track import CallerTrack, EarTrack
from bridge.call.events import Event

logger = logging.getLogger(__name__)

BEHIND_S = 0.6
"""By then mark echoes have said when audio was really played, and late frames have come."""
_BLOCK = RATE_HZ // 5


class CallTap(Protocol):
    """Follows one call. All methods are called on the event loop and must not wait."""

    def sound(self, place: int, caller: bytes, ours: bytes) -> None:
        """Both tracks from `place`, in samples since the call's start: mu-law at 8 kHz, of the same length."""
        ...

    def moment(self, at: float, event: Event, commands: Sequence[Command]) -> None:
        """Something happened `at` seconds into the call, and this was ordered because of it."""
        ...

    def ended(self) -> None:
        """The call is over, and everything was told."""
        ...


class Taps:
    """The taps of one call. While there are none, it costs a look at a list."""

    def __init__(self, clock: PlayoutClock, failed: Callable[[], None], taps: Sequence[CallTap] = ()) -> None:
        self._clock = clock
        self._failed = failed
        self._taps: list[CallTap] = []
        self._caller = CallerTrack()
        self._ours = EarTrack(clock)
        self._place = 0
        for tap in taps:
            self.add(tap, 0.0)

    def __bool__(self) -> bool:
        return bool(self._taps)

    def add(self, tap: CallTap, now: float) -> None:
        """Let this tap follow the call from now on."""
        if not self._taps:
            self._caller, self._ours = CallerTrack(), EarTrack(self._clock)
            self._place = max(round(now * RATE_HZ), 0)
            self._caller.take(self._place)
            self._ours.take(self._place)
        self._taps.append(tap)

    def remove(self, tap: CallTap) -> None:
        """Let go of a tap; it is told nothing more."""
        if tap in self._taps:
            self._taps.remove(tap)

    def heard(self, ulaw: bytes, now: float) -> None:
        """A frame of the caller's has come."""
        self._caller.heard(ulaw, now - self._clock.way_s)  # when it was said, as ours is when it is heard
        if round((now - BEHIND_S) * RATE_HZ) - self._place >= _BLOCK:
            self._tell_sound(now - BEHIND_S)

    def sent(self, ulaw: bytes) -> None:
        """Audio was sent to the caller."""
        self._ours.sent(ulaw)

    def cleared(self, now: float) -> None:
        """The carrier was told to forget what it has not played."""
        self._ours.cleared(now + self._clock.way_s)

    def moment(self, at: float, event: Event, commands: Sequence[Command]) -> None:
        """Something happened; told before the commands are carried out."""
        self._each(lambda tap: tap.moment(at, event, commands))

    def settled(self) -> None:
        """Learn what the playout clock has learnt; told before the machine hears of an event."""
        self._ours.settled()

    def end(self, now: float) -> None:
        """Tell the rest: the call is over. What the carrier still had to play was not heard."""
        self._ours.cleared(now)
        self._tell_sound(now)
        self._each(lambda tap: tap.ended())
        self._taps.clear()

    def _tell_sound(self, until: float) -> None:
        place, upto = self._place, round(until * RATE_HZ)
        if upto <= place:
            return
        caller, ours = self._caller.take(upto), self._ours.take(upto)
        self._place = upto
        self._each(lambda tap: tap.sound(place, caller, ours))

    def _each(self, tell: Callable[[CallTap], None]) -> None:
        for tap in list(self._taps):
            try:
                tell(tap)
            except Exception:
                self.remove(tap)
                self._failed()
                logger.exception("a tap failed and follows its call no more")
