"""How fast a text is to be spoken, by its `prosody` elements. Pure."""

from __future__ import annotations

from bridge.text import marks, ssml

_MOST_NESTED = 16
"""Elements within each other whose rates count."""


class Rates:
    """The rates of the `prosody` elements that are open, in percent."""

    def __init__(self) -> None:
        self._open: list[float] = []
        """The innermost is last."""
        self._given = marks.NORMAL
        """That of what was given out last."""

    def begin(self, rate: str) -> None:
        """Another element begins, with this rate."""
        if len(self._open) < _MOST_NESTED:
            around = self._open[-1] if self._open else float(marks.NORMAL)
            self._open.append(ssml.rate_percent(rate, around))

    def end(self) -> None:
        """The innermost element that is open ends."""
        self._open[-1:] = []

    def change(self) -> str:
        """The mark of another rate than before, at the beginning of a word; empty where it stays."""
        rate = round(self._open[-1]) if self._open else marks.NORMAL
        if rate == self._given:
            return ""
        self._given = rate
        return marks.rate(rate)
