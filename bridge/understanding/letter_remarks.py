"""What is said about a letter of a name instead of spelling it: "Smith with a Y", "Jon without an H". Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from bridge.understanding.letters import named_letter
from bridge.understanding.lexicon import Lexicon
from bridge.understanding.words import Token, at

_MOST_LETTERS = 2
"""More are a spelling: "with a C A T H"."""


class Remarks(NamedTuple):
    """The letters that a name has, and those that it has not."""

    has: frozenset[str]
    has_not: frozenset[str]

    def contradict(self, name: str) -> bool:
        """Whether a name as it was written cannot be the one that was meant."""
        letters = name.lower()
        return not all(part in letters for part in self.has) or any(part in letters for part in self.has_not)


def without_remarks(words: Sequence[Token], lexicon: Lexicon) -> tuple[list[Token], Remarks]:
    """The words without such remarks, and what these say."""
    plain = [word.text for word in words]
    kept: list[Token] = []
    found: dict[bool, set[str]] = {True: set(), False: set()}
    place = 0
    while place < len(words):
        has = at(plain, place, lexicon.letter_with)
        length = has or at(plain, place, lexicon.letter_without)
        letters = _letters_at(words, place + length, lexicon) if length else []
        if 0 < len(letters) <= _MOST_LETTERS:
            found[bool(has)].add("".join(letters))
            place += length + len(letters)
        else:
            kept.append(words[place])
            place += 1
    return kept, Remarks(frozenset(found[True]), frozenset(found[False]))


def _letters_at(words: Sequence[Token], place: int, lexicon: Lexicon) -> list[str]:
    """The letters that follow each other here."""
    letters: list[str] = []
    while place < len(words):
        word = words[place]
        letter = word.text if word.is_letter else named_letter(word.text, lexicon)
        if not letter:
            break
        letters.append(letter)
        place += 1
    return letters
