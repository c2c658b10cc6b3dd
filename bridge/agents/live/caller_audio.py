"""The caller's audio for a model that listens itself: of all that comes, the turns alone, each from its first sound."""

from __future__ import annotations

from collections import deque

_BEFORE_S = 15.0
"""How long what was said is kept before anybody knows that it was said to us."""
_LONGEST_TURN = 60 * 8000
"""Bytes of a turn that are kept to say it to another session."""
_MESSAGE = 800
"""Bytes that are sent at once: 100 ms."""


class CallerSound:
    """Mu-law at 8 kHz, frame by frame. Times are seconds on the call's clock."""

    def __init__(self) -> None:
        self._frames: deque[tuple[float, bytes]] = deque()
        self._taken_until = -1.0
        """When the last frame came that belongs to a turn."""
        self._listening = False
        self._unsent = bytearray()
        self.turn = bytearray()
        """The turn under way, so far as it was not asked about."""
        self.asked = bytearray()
        """What was asked about and may be asked about again: nothing of the answer was heard."""

    @property
    def listening(self) -> bool:
        """Whether the caller has a turn."""
        return self._listening

    def hear(self, ulaw: bytes, now: float) -> bytes:
        """Take a frame; return what is to be sent now, which is nothing outside of a turn."""
        if not self._listening:
            self._frames.append((now, ulaw))
            while self._frames[0][0] < now - _BEFORE_S:
                self._frames.popleft()
            return b""
        self._take(ulaw, now)
        return self.rest() if len(self._unsent) >= _MESSAGE else b""

    def begin(self, since: float) -> None:
        """Begin a turn, whose first sound came at this time; what belonged to another turn is not said again."""
        self._listening = True
        for at, ulaw in self._frames:
            if at >= since and at > self._taken_until:
                self._take(ulaw, at)
        self._frames.clear()

    def rest(self) -> bytes:
        """What of the turn is still to be sent."""
        rest = bytes(self._unsent)
        self._unsent.clear()
        return rest

    def end(self) -> None:
        """The turn is over; what comes from now on is none, until another begins."""
        self._listening = False

    def forget(self) -> None:
        """What was heard since the last question was nothing."""
        self._unsent.clear()
        self.turn.clear()

    def ask(self, *, again: bool) -> None:
        """The turn so far is asked about; `again`: together with what was asked about before."""
        if not again:
            self.asked.clear()
        self.asked += self.turn
        self.turn.clear()
        del self.asked[:-_LONGEST_TURN]

    def _take(self, ulaw: bytes, at: float) -> None:
        self._taken_until = at
        self._unsent += ulaw
        self.turn += ulaw
        del self.turn[:-_LONGEST_TURN]
