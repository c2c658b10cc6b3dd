"""Agent's text deltas to pieces worth synthesising: the first one early, the others at sentence ends. Pure.

Time is passed in (seconds on any monotonic clock). Joined, the pieces are the cleaned text, however
the deltas were cut; a piece never breaks a token. The one exception to both halves of that sentence's
timing: a writer who pauses for `settle_ms` right after a sentence's end is taken to have ended it, and
if he then goes on without a space, that token is in two pieces.
"""

from __future__ import annotations

import functools

from bridge.text.boundaries import Boundary, Kind, boundaries, ends_sentence
from bridge.text.cleaning import Cleaner
from bridge.text.settings import ChunkSettings

_MS_PER_CHAR = 65.0
"""How long a character takes to say, for guessing when the listener will run dry."""
_HURRY_MS = 300.0
_LAST_MOMENT_MS = 150.0
_FEWEST_WORDS = 4
_WEAK_ENDS = frozenset(
    "a an the of to in on at by for with from and or but if is are was were be your my our his her their this that "
    "you i we it as so than not will would can could do does did have has had".split()
)
"""Words that a piece should not end with when it has to be cut between words."""


class Chunker:
    """One utterance's text in deltas, pieces out; the pieces keep the space before them, so "".join() is the whole."""

    def __init__(self, settings: ChunkSettings) -> None:
        self._settings = settings
        self._cleaner = Cleaner()
        self._text = ""
        """Speakable text that is in no piece yet."""
        self._first = True
        self._started: float | None = None
        """When the text that waits for the first piece began to arrive."""
        self._fed = 0.0
        self._dry_at = 0.0
        """When the pieces so far will have been spoken, by guess."""
        self.wake_at: float | None = None
        """When `wake` may have something to cut although nothing new was fed."""

    def feed(self, delta: str, now: float) -> list[str]:
        """Take more text; return the pieces that are ready."""
        if delta:
            self._fed = now
        self._text += self._cleaner.feed(delta)
        if self._text and self._started is None:
            self._started = now
        return self._cut(now)

    @property
    def waiting(self) -> str:
        """Text that is in no piece yet."""
        return self._text

    def wake(self, now: float) -> list[str]:
        """Time has passed; return the pieces that patience has made ready."""
        return self._cut(now)

    def flush(self, now: float) -> list[str]:
        """What comes next belongs elsewhere: return what waits as a piece of its own."""
        return [self._take(len(self._text), now)] if self._text else []

    def finish(self, now: float, delta: str = "") -> list[str]:
        """Take the last text, if any; return all remaining pieces."""
        self._text += self._cleaner.feed(delta) + self._cleaner.finish()
        pieces = self._cut(now, complete=True)
        if self._text:
            pieces.append(self._take(len(self._text), now))
        self.wake_at = None
        return pieces

    def _take(self, at: int, now: float) -> str:
        piece, self._text = self._text[:at], self._text[at:]
        self._first = False
        self._dry_at = max(self._dry_at, now) + len(piece) * _MS_PER_CHAR / 1000
        return piece

    def _cut(self, now: float, complete: bool = False) -> list[str]:
        pieces: list[str] = []
        self.wake_at = None
        while self._text:
            offset = len(self._text) - len(self._text.lstrip())
            gaps = [Boundary(b.at + offset, b.kind, b.after) for b in boundaries(self._text[offset:], complete)]
            at = self._best(gaps, now, complete)
            if at is None:
                break
            pieces.append(self._take(at, now))
            self.wake_at = None
        return pieces

    def _best(self, gaps: list[Boundary], now: float, complete: bool) -> int | None:
        """Where the next piece ends, or None; sets `wake_at`."""
        settings = self._settings
        match settings.strategy:
            case "word":
                at = next((g.at for g in gaps if g.kind > Kind.GLUED), None)
            case "fixed":
                least = settings.fixed_chars + len(self._text) - len(self._text.lstrip())
                at = next((g.at for g in gaps if g.kind > Kind.GLUED and g.at >= least), None)
            case _:
                at = self._sentence(gaps)
        if at is not None or complete:
            return at
        if settings.strategy == "clause":
            at = self._early(gaps, now)
        return at if at is not None else self._settled(now)

    def _sentence(self, gaps: list[Boundary]) -> int | None:
        """The first sentence that is long enough to stand alone; a clause of one that is too long."""
        settings = self._settings
        for gap in gaps:
            if gap.kind is Kind.SENTENCE and self._long_enough(gap.at):
                if gap.at <= settings.longest_chars:
                    return gap.at
                break
        if len(self._text) <= settings.longest_chars:
            return None
        inside = [g for g in gaps if g.at <= settings.longest_chars and self._long_enough(g.at)]
        clauses = [g for g in inside if g.kind >= Kind.CLAUSE]
        return clauses[-1].at if clauses else self._between_words(inside)

    def _between_words(self, gaps: list[Boundary]) -> int | None:
        words = [g for g in gaps if g.kind is Kind.WORD]
        strong = [g for g in words if g.after.lower() not in _WEAK_ENDS]
        return (strong or words)[-1].at if words else None

    def _early(self, gaps: list[Boundary], now: float) -> int | None:
        """Do not let the listener wait, or run dry, for the sake of a whole sentence."""
        if self._started is None:
            return None
        settings = self._settings
        if self._first:
            clause_at = self._started + settings.clause_after_ms / 1000
            words_at = self._started + settings.words_after_ms / 1000
        else:
            clause_at = self._dry_at - _HURRY_MS / 1000
            words_at = self._dry_at - _LAST_MOMENT_MS / 1000
        usable = [g for g in gaps if self._long_enough(g.at)]
        clauses = [g for g in usable if g.kind >= Kind.CLAUSE]
        if clauses:
            if now >= clause_at:
                return clauses[-1].at
            self._wake_by(clause_at)
        enough = [g for g in usable if self._text.count(" ", 1, g.at) + 1 >= _FEWEST_WORDS]
        at = self._between_words(enough)
        if at is not None:
            if now >= words_at:
                return at
            self._wake_by(words_at)
        return None

    def _settled(self, now: float) -> int | None:
        """The writer has paused after what looks like a sentence's end."""
        if not self._text.strip() or not ends_sentence(self._text):
            return None
        settled_at = self._fed + self._settings.settle_ms / 1000
        if now >= settled_at:
            return len(self._text)
        self._wake_by(settled_at)
        return None

    def _wake_by(self, at: float) -> None:
        self.wake_at = at if self.wake_at is None else min(self.wake_at, at)

    def _long_enough(self, at: int) -> bool:
        return sum(map(str.isalnum, self._text[:at])) >= self._settings.shortest_chars


@functools.lru_cache(maxsize=2048)
def whole(text: str, settings: ChunkSettings) -> tuple[str, ...]:
    """The pieces of a text that is known from its start, ready to synthesise; remembered, since fixed lines recur.

    The cuts depend on the text alone, so warm-up and calls agree on them. A text that must not be kept goes
    through `Chunker.finish`, which remembers nothing.
    """
    return tuple(stripped for piece in Chunker(settings).finish(0.0, text) if (stripped := piece.strip()))
