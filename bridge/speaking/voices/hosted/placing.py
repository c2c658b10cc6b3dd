"""Our words placed in time, from whatever pieces of them a service places: letters, its own words, or none."""

from __future__ import annotations

from collections.abc import Iterable

from bridge.call.events import Word
from bridge.speaking.voices.hosted.wire import TimedText

_SEARCH = 40
"""Letters by which a service may have skipped ahead."""
_MS_PER_CHAR = 65.0


def _letters(text: str) -> str:
    return "".join(letter for letter in text.casefold() if letter.isalnum())


class WordPlacer:
    """Aligns timed pieces of a text with the words of that text, letter by letter and in order.

    A service may split words, join them, leave marks out or add some. What cannot be found in the text moves nothing.
    """

    def __init__(self) -> None:
        self._words: list[str] = []
        self._ends: list[int] = []
        """For each word the number of letters of the text until its end."""
        self._text = ""
        """All letters."""
        self._at = 0
        """Letters that are placed."""
        self._next = 0
        """The first word that is not placed."""
        self._start_ms: float | None = None
        """Where the word under way begins."""
        self._until_ms = 0.0
        self._told_ms = 0

    @property
    def begun(self) -> bool:
        """Whether any word is placed."""
        return self._next > 0

    @property
    def complete(self) -> bool:
        """Whether every word so far is placed."""
        return self._next == len(self._words)

    @property
    def missing(self) -> int:
        """How many words are not placed."""
        return len(self._words) - self._next

    def add(self, text: str) -> None:
        """Add text that is being said, which ends between two words."""
        for word in text.split():
            self._words.append(word)
            self._text += _letters(word)
            self._ends.append(len(self._text))

    def place(self, timed: Iterable[TimedText]) -> list[Word]:
        """More pieces have their times; return the words that are complete by that."""
        placed: list[Word] = []
        for piece in timed:
            letters = _letters(piece.text)
            if not letters or not self._find(letters):
                continue
            start_ms = max(piece.start_ms, self._until_ms)
            end_ms = max(piece.end_ms, start_ms)
            if self._start_ms is None:
                self._start_ms = start_ms
            upto = min(self._at + len(letters), len(self._text))
            placed += self._complete(upto, start_ms, end_ms)
            self._until_ms = end_ms
        return placed

    def rest(self, until_ms: float) -> list[Word]:
        """All was said by then: the words that nobody placed, at even pace."""
        return self._spread(until_ms, self._until_ms, until_ms)

    def guess(self, until_ms: float) -> list[Word]:
        """The speech broke off there: the words that were probably said whole, beside those that were placed."""
        chars = sum(len(word) + 1 for word in self._words[self._next :])
        return self._spread(until_ms, self._until_ms, self._until_ms + chars * _MS_PER_CHAR)

    def _find(self, letters: str) -> bool:
        """Move to where the piece stands in the text, if that is near."""
        if self._text.startswith(letters, self._at):
            return True
        found = self._text.find(letters, self._at, self._at + _SEARCH + len(letters)) if len(letters) > 2 else -1
        if found >= 0:
            self._at = found
        return found >= 0

    def _complete(self, upto: int, start_ms: float, end_ms: float) -> list[Word]:
        """The words whose last letter stands before `upto`; what lies in one piece shares its time by letters."""
        placed: list[Word] = []
        length = max(1, upto - self._at)
        while self._next < len(self._words) and self._ends[self._next] <= upto:
            share = min(1.0, max(0.0, (self._ends[self._next] - self._at) / length))
            placed.append(self._word(start_ms + share * (end_ms - start_ms)))
        self._at = upto
        if placed and self._next < len(self._words) and upto > self._ends[self._next - 1]:
            self._start_ms = placed[-1].end_ms  # the piece reaches into the next word
        return placed

    def _word(self, end_ms: float) -> Word:
        start = max(self._told_ms, round(self._told_ms if self._start_ms is None else self._start_ms))
        end = max(start, round(end_ms))
        word = Word(self._words[self._next], start, end)
        self._next += 1
        self._told_ms, self._start_ms = end, None
        return word

    def _spread(self, until_ms: float, start_ms: float, end_ms: float) -> list[Word]:
        left = self._words[self._next :]
        chars = sum(len(word) + 1 for word in left)
        placed: list[Word] = []
        at = start_ms
        for word in left:
            at += (len(word) + 1) / chars * max(0.0, end_ms - start_ms)
            if at > until_ms + 0.5:
                break
            placed.append(self._word(at))
        return placed
