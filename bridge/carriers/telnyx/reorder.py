"""Putting the caller's audio back in order: Telnyx numbers its messages, but does not promise their order."""

from __future__ import annotations

WINDOW = 3
"""So many later messages are kept back for one that is missing; 60 ms of 20 ms each."""


class Reorder:
    """Takes numbered pieces as they come and gives out what is in order by now.

    A piece that has not come when `WINDOW` later ones have is given up; should it come after all, it is dropped, since
    sound that was heard without it cannot be heard again.
    """

    def __init__(self) -> None:
        self.late = 0
        """Pieces that came too late, or twice, and were dropped."""
        self._next = -1
        self._kept: dict[int, bytes] = {}

    def put(self, number: int, piece: bytes) -> bytes:
        """One piece; what can be heard now, joined. -1 is a piece without a number, which is never kept back."""
        if number == self._next or number < 0 or self._next < 0:
            if number < 0:
                return piece
            self._next = number + 1
            return piece + self._follow() if self._kept else piece
        if number < self._next:
            if self._next - number > 2 * WINDOW:
                return self._begin_anew(number, piece)
            self.late += 1
            return b""
        if number - self._next > 2 * WINDOW:
            return self._begin_anew(number, piece)
        self._kept.setdefault(number, piece)
        if len(self._kept) < WINDOW:
            return b""
        self._next = min(self._kept)
        return self._follow()

    def _follow(self) -> bytes:
        """The kept pieces that come next."""
        pieces = []
        while self._next in self._kept:
            pieces.append(self._kept.pop(self._next))
            self._next += 1
        return b"".join(pieces)

    def _begin_anew(self, number: int, piece: bytes) -> bytes:
        """A number far away: much was lost, or the counting has begun again. Whatever was kept comes first."""
        kept = b"".join(self._kept[one] for one in sorted(self._kept))
        self._kept.clear()
        self._next = number + 1
        return kept + piece
