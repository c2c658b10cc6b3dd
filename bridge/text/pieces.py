"""Text as it is written -> pieces to synthesise, the same pieces however the deltas were cut."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

import msgspec

LONGEST_PIECE = 260
"""Characters after which a piece is cut at a clause, or else between words, although its sentence goes on."""

SHORTEST_CLAUSE = 24
"""Characters that a first clause must have: shorter ones leave no time to make the next."""
FIXED_PIECE = 60

Chunking = Literal["sentence", "clause", "fixed", "word"]
"""Where pieces end: at sentences; the same, but the first piece of a stream at a clause; after so many characters; at
every word. Shorter pieces are heard earlier, longer ones sound better."""

_SENTENCE_END = re.compile(r"""[.!?…]+["'”’)\]]*(?=\s)|\n""")
_CLAUSE_END = re.compile(r"""[,;:—–]["'”’)\]]*(?=\s)""")
_ABBREVIATIONS = frozenset(
    (
        "mr mrs ms dr prof st sr jr rev hon gen col sgt capt lt gov sen rep vs etc approx nos ave blvd rd hwy apt dept"
        " ext tel fig inc ltd co corp jan feb apr aug sep sept oct nov dec"
    ).split()
)
_DOTTED = re.compile(r"(?:[A-Za-z]\.)*[A-Za-z]")
"""What stands before the last dot of an initial or of letters with dots: "J.", "a.m.", "U.S."."""

PAUSES_MS = {".": 320, "!": 320, "?": 320, "…": 340, ";": 220, ":": 220, "—": 180, "–": 180, ",": 150}
"""Silence between two pieces, by the mark that ends the first."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Some words to be spoken in one breath."""

    text: str
    pause_ms: int
    """Silence to keep before whatever follows."""

    @property
    def tokens(self) -> list[str]:
        """The words as the client will see them again."""
        return self.text.split()


def _piece(text: str) -> Piece:
    text = text.strip()
    last = text.rstrip("\"'”’)]")[-1:]
    return Piece(text, PAUSES_MS.get(last, 0))


def _is_abbreviation(text: str, dot: int) -> bool:
    """Whether the dot at this index belongs to its word rather than to the sentence."""
    start = dot
    while start and not text[start - 1].isspace():
        start -= 1
    word = text[start:dot].lstrip("\"'“‘([")
    return word.lower() in _ABBREVIATIONS or _DOTTED.fullmatch(word) is not None


def _sentence_end(text: str) -> int | None:
    """Where the first complete sentence of the text ends, if one does."""
    for match in _SENTENCE_END.finditer(text):
        if (
            not match.group().startswith(".")
            or match.group().startswith("..")
            or not _is_abbreviation(text, match.start())
        ):
            return match.end()
    return None


def _early_cut(text: str) -> int | None:
    """Where a text that is too long is best cut: after the last clause, else between the last words that fit."""
    clauses = [match.end() for match in _CLAUSE_END.finditer(text[:LONGEST_PIECE])]
    if clauses and clauses[-1] > LONGEST_PIECE // 4:
        return clauses[-1]
    return _last_space(text, LONGEST_PIECE - 1)


def _first_clause(text: str) -> int | None:
    """Where a clause ends that is long enough to be spoken by itself."""
    return next((match.end() for match in _CLAUSE_END.finditer(text) if match.end() >= SHORTEST_CLAUSE), None)


def _last_space(text: str, longest: int) -> int | None:
    """Where the last word ends that still fits, once there is more than that; never within the first word."""
    if len(text) <= longest:
        return None
    spaces = [match.start() for match in re.finditer(r"\s", text[: longest + 1])]
    after = re.search(r"\s", text)
    return spaces[-1] if spaces else after.start() if after else None


class PieceBuffer(msgspec.Struct):
    """Collects deltas and gives out pieces as soon as they are complete."""

    strategy: Chunking = "clause"
    text: str = ""
    begun: bool = False
    """The first piece of the stream is out."""

    def feed(self, delta: str) -> list[Piece]:
        """More text; returns the pieces that it completed."""
        self.text += delta
        return self._pieces()

    def flush(self) -> list[Piece]:
        """The text so far is all there is for now; returns the rest of it as pieces, leaving none."""
        self.text += "\n"
        pieces = self._pieces()
        self.text = ""
        return pieces

    def _pieces(self) -> list[Piece]:
        pieces = []
        self.text = self.text.lstrip()
        while (cut := self._cut()) is not None:
            pieces.append(_piece(self.text[:cut]))
            self.text = self.text[cut:].lstrip()
            self.begun = True
        return pieces

    def _cut(self) -> int | None:
        """The first place where a rule cuts. Depends only on the text's beginning, so not on how it arrived."""
        head = self.text[: LONGEST_PIECE + 1]
        cuts = [_sentence_end(head)]
        match self.strategy:
            case "clause" if not self.begun:
                cuts.append(_first_clause(head))
            case "fixed":
                cuts.append(_last_space(self.text, FIXED_PIECE))
            case "word":
                cuts.append(_last_space(self.text, 0))
        found = [cut for cut in cuts if cut is not None]
        if not found and len(head) > LONGEST_PIECE:
            return _early_cut(self.text)
        return min(found, default=None)
