"""Written text in deltas to pieces worth synthesising: the first one early, the others at sentence ends. Pure.

The only place where text is cleaned and cut: the bridge cuts what agents write, a speech worker what raw clients send.
Time is passed in (seconds on any monotonic clock) and only ever makes a piece come earlier. Without hurry the pieces
depend on the text alone, however the deltas were cut. Joined, they are the cleaned text, and a piece never breaks a
token, with two exceptions: a token of more than 200 characters, and a writer who pauses for `settle_ms` right after a
sentence's end and then goes on without a space. Work is linear in the text.
"""

from __future__ import annotations

import functools
import math

from bridge.text import marks
from bridge.text.boundaries import Gap, GapScanner, Kind, ends_sentence
from bridge.text.cleaning import Cleaner
from bridge.text.settings import Chunking, ChunkSettings

PAUSES_MS = {".": 320, "!": 320, "?": 320, "…": 340, ";": 220, ":": 220, "—": 180, "–": 180, ",": 150}
"""Silence between two pieces of speech, by the mark that ends the first."""

_MS_PER_CHAR = 65.0
"""How long a character takes to say, for guessing when the listener will run dry."""
_HURRY_MS = 300.0
_LAST_MOMENT_MS = 150.0
_FEWEST_WORDS = 4
_CLEANED_AT_ONCE = 512
"""Characters; the cleaner copies what it has not decided yet, so that large deltas are fed in parts."""
_SURELY_DECIDED = 16
"""So many characters behind a gap, its kind no longer depends on what follows."""
_SPOKEN_SIGNS = frozenset("*#%&@+=$€£¥¢°")
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
        self._scanner = GapScanner()
        self._text = ""
        """Speakable text that is in no piece yet, and during a cut some that is."""
        self._start = 0
        """Where in it the next piece begins."""
        self._gaps: list[Gap] = []
        self._letters = 0
        """Letters and digits of all pieces so far."""
        self._first = True
        self._rate = marks.NORMAL
        """How fast the text after the last piece is to be said, in percent."""
        self._started: float | None = None
        """When the text that waits for the first piece began to arrive."""
        self._fed = 0.0
        self._dry_at = 0.0
        """When the pieces so far will have been spoken, by guess."""
        self.wake_at: float | None = None
        """When `wake` may have something to cut although nothing new was fed."""

    def feed(self, delta: str, now: float = 0.0) -> list[str]:
        """Take more text; return the pieces that are ready."""
        if delta:
            self._fed = now
        self._clean(delta)
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

    def finish(self, now: float = 0.0, delta: str = "") -> list[str]:
        """Take the last text, or the last before something else comes; return all remaining pieces."""
        self._clean(delta)
        self._text += self._cleaner.finish()
        pieces = self._cut(now, complete=True)
        self.wake_at = None
        return pieces

    def _clean(self, delta: str) -> None:
        for start in range(0, len(delta), _CLEANED_AT_ONCE):
            self._text += self._cleaner.feed(delta[start : start + _CLEANED_AT_ONCE])

    def _cut(self, now: float, complete: bool = False) -> list[str]:
        pieces: list[str] = []
        self.wake_at = None
        self._gaps += self._scanner.scan(self._text, complete=complete)
        end = None if complete or not self._cleaner.parted else self._scanner.end(self._text)
        used = 0
        while self._start < len(self._text):
            at = self._best(used, end, now, complete)
            if at is None:
                break
            pieces.append(self._with_rate(self._text[self._start : at]))
            self._start, self._first, self.wake_at = at, False, None
            self._dry_at = max(self._dry_at, now) + len(pieces[-1]) * _MS_PER_CHAR / 1000
            while used < len(self._gaps) and self._gaps[used].at <= at:
                self._letters = self._gaps[used].letters
                used += 1
        self._forget(used)
        return pieces

    def _with_rate(self, piece: str) -> str:
        """The piece with the rate that was asked for in one before it."""
        marked = marks.at_rate(piece, self._rate)
        self._rate = marks.rate_after(piece, self._rate)
        return marked

    def _forget(self, used: int) -> None:
        """Let go of the text that is in pieces, and of its gaps."""
        gone, self._start = self._start, 0
        if gone:
            self._text = self._text[gone:]
            self._scanner.forget(gone)
            self._gaps = [gap._replace(at=gap.at - gone) for gap in self._gaps[used:]]

    def _best(self, used: int, end: Gap | None, now: float, complete: bool) -> int | None:
        """Where the next piece ends, or None; sets `wake_at`."""
        settings = self._settings
        first_char = self._start + (self._text[self._start] == " ")
        longest_at = first_char + settings.longest_chars
        last = used
        while last < len(self._gaps) and self._gaps[last].at <= longest_at:
            last += 1
        gaps = self._gaps[used:last]
        if end is not None and last == len(self._gaps) and self._start < end.at <= longest_at:
            gaps.append(end)
        usable = [gap for gap in gaps if gap.letters - self._letters >= settings.shortest_chars]
        match settings.strategy:
            case "word":
                at = next((gap.at for gap in gaps if gap.kind > Kind.GLUED), None)
            case "fixed":
                least = first_char + settings.fixed_chars
                at = next((gap.at for gap in gaps if gap.kind > Kind.GLUED and gap.at >= least), None)
            case strategy:
                at = self._whole_sentence(usable, strategy, first_char, complete)
        if at is not None:
            return at
        rest = len(self._text) - first_char
        if rest > settings.longest_chars + (0 if complete else _SURELY_DECIDED):
            return _somewhere(usable or gaps, first_char + settings.longest_chars)
        if complete:
            return len(self._text)
        if settings.strategy == "clause":
            at = self._early(usable, now)
        return at if at is not None else self._settled(now)

    def _whole_sentence(self, usable: list[Gap], strategy: Chunking, first_char: int, complete: bool) -> int | None:
        """The end of the first sentence that can stand alone, or for the first piece of all, of a good clause."""
        sentence = next((gap.at for gap in usable if gap.kind is Kind.SENTENCE), None)
        if strategy != "clause" or not self._first:
            return sentence
        least = first_char + self._settings.first_clause_chars
        clause = next((gap.at for gap in usable if gap.kind is Kind.CLAUSE and gap.at >= least), None)
        if clause is None or (sentence is not None and sentence < clause):
            return sentence
        rest_chars = self._settings.first_clause_rest_chars
        if sentence is not None:
            return clause if sentence - clause >= rest_chars else sentence
        follows = len(self._text) - clause
        return clause if follows >= rest_chars + (0 if complete or not rest_chars else _SURELY_DECIDED) else None

    def _early(self, usable: list[Gap], now: float) -> int | None:
        """Do not let the listener wait, or run dry, for the sake of a whole sentence."""
        settings = self._settings
        if self._started is None or math.isinf(settings.clause_after_ms):
            return None
        if self._first:
            clause_at = self._started + settings.clause_after_ms / 1000
            words_at = self._started + settings.words_after_ms / 1000
        else:
            clause_at = self._dry_at - _HURRY_MS / 1000
            words_at = self._dry_at - _LAST_MOMENT_MS / 1000
        clauses = [gap for gap in usable if gap.kind >= Kind.CLAUSE]
        if clauses:
            if now >= clause_at:
                return clauses[-1].at
            self._wake_by(clause_at)
        enough = [gap for gap in usable if self._text.count(" ", self._start + 1, gap.at) + 1 >= _FEWEST_WORDS]
        at = _between_words(enough)
        if at is not None:
            if now >= words_at:
                return at
            self._wake_by(words_at)
        return None

    def _settled(self, now: float) -> int | None:
        """The writer has paused after what looks like a sentence's end."""
        rest = self._text[self._start :]
        if not rest.strip() or not ends_sentence(rest):
            return None
        settled_at = self._fed + self._settings.settle_ms / 1000
        if now >= settled_at:
            return len(self._text)
        self._wake_by(settled_at)
        return None

    def _wake_by(self, at: float) -> None:
        if math.isfinite(at):
            self.wake_at = at if self.wake_at is None else min(self.wake_at, at)


def _between_words(gaps: list[Gap]) -> int | None:
    words = [gap for gap in gaps if gap.kind is Kind.WORD]
    strong = [gap for gap in words if gap.after.lower() not in _WEAK_ENDS]
    return (strong or words)[-1].at if words else None


def _somewhere(gaps: list[Gap], at_most: int) -> int:
    """Where a sentence that is too long is cut: at its last clause, between words, else where it should stay whole."""
    clauses = [gap for gap in gaps if gap.kind >= Kind.CLAUSE]
    if clauses:
        return clauses[-1].at
    at = _between_words(gaps)
    if at is not None:
        return at
    return gaps[-1].at if gaps else at_most


def says_something(piece: str) -> bool:
    """Whether a piece has anything to be said, and is not only marks or pictures."""
    return any(char.isalnum() or char in _SPOKEN_SIGNS for char in piece)


def unhurried(strategy: Chunking) -> ChunkSettings:
    """Settings under which pieces depend on the text alone, for writers whose pauses are not known."""
    never = math.inf
    if strategy != "clause":
        return ChunkSettings(strategy=strategy, settle_ms=never, shortest_chars=1)
    return ChunkSettings(
        clause_after_ms=never, words_after_ms=never, settle_ms=never, shortest_chars=1, first_clause_rest_chars=0
    )


def pause_after_ms(text: str) -> int:
    """The pause that belongs after a piece when more follows, by the mark that ends it."""
    return PAUSES_MS.get(text.rstrip("\"'”’)]}» ")[-1:], 0)


@functools.lru_cache(maxsize=2048)
def whole(text: str, settings: ChunkSettings) -> tuple[str, ...]:
    """The pieces of a text that is known from its start, ready to synthesise; remembered, since fixed lines recur.

    The cuts depend on the text alone, so warm-up and calls agree on them. A text that must not be kept goes
    through `Chunker.finish`, which remembers nothing.
    """
    return tuple(piece.strip() for piece in Chunker(settings).finish(0.0, text) if says_something(piece))
