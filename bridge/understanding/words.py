"""A recogniser's text as words and signs, of bounded number. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import NamedTuple

LONGEST_TEXT = 1000
"""Characters looked at: nobody says more in answer to a question."""
_PIECE = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)*|\d+|\S")


class Token(NamedTuple):
    """A word, a row of digits, or one sign."""

    text: str
    """In lower case; digits are 0-9 whatever the script."""
    raw: str
    joined: bool
    """Nothing stands between it and the one before."""

    @property
    def is_sign(self) -> bool:
        """Whether it is punctuation, not letters or digits."""
        return not self.text[0].isalnum()

    @property
    def is_letter(self) -> bool:
        """Whether it is a single letter."""
        return len(self.text) == 1 and self.text.isalpha()

    @property
    def is_digits(self) -> bool:
        """Whether it is written in digits."""
        return self.text[0].isdigit()


def split(text: str) -> list[Token]:
    """The words and signs of a text."""
    plain = unicodedata.normalize("NFKC", text[:LONGEST_TEXT])[:LONGEST_TEXT].replace("’", "'").replace("`", "'")
    words = []
    end = -1
    for found in _PIECE.finditer(plain):
        raw = found.group()
        low = "".join(str(unicodedata.digit(c)) for c in raw) if raw.isdigit() else raw.lower()
        words.append(Token(low, raw, found.start() == end))
        end = found.end()
    return words


def unhyphenated(words: Sequence[Token]) -> list[Token]:
    """Take out the hyphens that join letters or words: `twenty-one` and `S-M-I-T-H` as they are said."""
    kept = []
    for place, word in enumerate(words):
        inside = word.text == "-" and word.joined and 0 < place < len(words) - 1 and words[place + 1].joined
        if not (inside and words[place - 1].text[0].isalpha() and words[place + 1].text[0].isalpha()):
            kept.append(word)
    return kept


def spoken(words: Sequence[Token]) -> list[str]:
    """The words alone, without signs."""
    return [word.text for word in words if not word.is_sign]


def at(words: Sequence[str], place: int, phrases: frozenset[tuple[str, ...]], longest: int = 5) -> int:
    """How many words the longest of these phrases has that begins at `place`; 0 for none."""
    for length in range(min(longest, len(words) - place), 0, -1):
        if tuple(words[place : place + length]) in phrases:
            return length
    return 0
