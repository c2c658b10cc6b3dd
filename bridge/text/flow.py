"""Text on its way through the cleaner: what is held until it is decided, and what was given out. Pure."""

from __future__ import annotations

import copy
import re

from bridge.text.rates import Rates
from bridge.text.unspoken import ObjectScanner

CAN_TAKE_A_STOP = frozenset("\"')]%")
_CLOSING_MARKS = frozenset(".,;:!?")


class TextFlow:
    """Deltas in, pieces out, with the spaces and stops that are due between them; the rules are the subclass's."""

    def __init__(self) -> None:
        self._held = ""
        """Text that is not decided yet, because a rule may still apply to it, from `_at` on."""
        self._at = 0
        self._jump: tuple[int, int] | None = None
        """Where in it the words of a link end, and where the text goes on."""
        self._until: re.Pattern[str] | None = None
        """What ends the text that is nobody's to hear."""
        self._object: ObjectScanner | None = None
        self._closes = False
        """A bracket is due after the object, and not said: that of a call."""
        self._swallowed = ""
        """The sign of a run that is too long to mean anything."""
        self._out: list[str] = []
        self._last = ""
        """The last character given out; "" before the first."""
        self._space = self._picture = False
        """A space is due before the next character; there was a picture, which needs none before a mark."""
        self._newlines = 0
        """Line ends since the last character given out."""
        self._line_start = True
        self._item_begins = False
        self._steps = False
        """The line before was a step of an agent's loop."""
        self._rates = Rates()
        self._item = False
        """The line that was given out last is a heading or a list item, so its end is a sentence's end."""

    @property
    def parted(self) -> bool:
        """Whether white space has come since the last character given out, and nothing else waits to be decided."""
        return self._at >= len(self._held) and (self._space or self._newlines > 0)

    def feed(self, text: str) -> str:
        """Take more text; return what can be spoken for certain."""
        if self._at:
            if self._jump is not None:
                self._jump = self._jump[0] - self._at, self._jump[1] - self._at
            self._held, self._at = self._held[self._at :], 0
        self._held += text
        return self._run(final=False)

    def finish(self) -> str:
        """No more text will come; return the rest."""
        return self._run(final=True)

    def would_finish(self) -> str:
        """Return what `finish` would return now, while more text may still come."""
        return copy.deepcopy(self).finish()

    def _run(self, final: bool) -> str:
        while self._at < len(self._held) and self._step(final):
            pass
        out, self._out = "".join(self._out), []
        return out

    def _take(self, length: int) -> str:
        taken = self._held[self._at : self._at + length]
        self._at += length
        return taken

    def _give(self, text: str) -> None:
        """Give text out, after the space or the stop that is due before it."""
        if self._newlines and self._last:
            sentence_over = self._newlines > 1 or self._item
            if sentence_over and (self._last.isalnum() or self._last in CAN_TAKE_A_STOP):
                self._out.append(".")
            self._space, self._picture = True, False
        if self._space and self._last and not (self._picture and text[0] in _CLOSING_MARKS):
            self._out.append(" ")
        if (self._space or not self._last) and (mark := self._rates.change()):
            self._out.append(mark)
        if self._line_start:
            self._item, self._item_begins = self._item_begins, False
        self._space = self._picture = self._line_start = False
        self._newlines = 0
        self._steps = False
        self._last = text[-1]
        self._out.append(text)

    def _step(self, final: bool) -> bool:
        """Apply one rule at the head of the held text. False: more text is needed to decide."""
        raise NotImplementedError
