"""Text as it is written -> pieces to synthesise. Cut at sentence ends, however the deltas were cut."""

from __future__ import annotations

import re
from dataclasses import dataclass

import msgspec

LONGEST_PIECE = 260
"""Characters after which a piece is cut at a clause, or else between words, although its sentence goes on."""

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
    head = text[:LONGEST_PIECE]
    clauses = [match.end() for match in _CLAUSE_END.finditer(head)]
    if clauses and clauses[-1] > LONGEST_PIECE // 4:
        return clauses[-1]
    spaces = [match.start() for match in re.finditer(r"\s", head)]
    if spaces:
        return spaces[-1]
    after = re.search(r"\s", text)
    return after.start() if after else None


class SentenceBuffer(msgspec.Struct):
    """Collects deltas and gives out pieces as soon as they are complete."""

    text: str = ""

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
        while (cut := self._cut()) is not None:
            piece, self.text = _piece(self.text[:cut]), self.text[cut:]
            if piece.text:
                pieces.append(piece)
        return pieces

    def _cut(self) -> int | None:
        """Depends only on the text's beginning, so pieces do not depend on how it arrived."""
        self.text = self.text.lstrip()
        head = self.text[: LONGEST_PIECE + 1]
        end = _sentence_end(head)
        if end is None and len(head) > LONGEST_PIECE:
            return _early_cut(self.text)
        return end
