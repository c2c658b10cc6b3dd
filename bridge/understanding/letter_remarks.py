"""What is said about a letter of a name instead of spelling it: "Smith with a Y", "Jon without an H". Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from bridge.understanding.letters import named_letter
from bridge.understanding.lexicon import Lexicon
from bridge.understanding.words import Token, at


class Remarks(NamedTuple):
    """The letters that a name has, and those that it has not."""

    has: frozenset[str]
    has_not: frozenset[str]

    def contradict(self, name: str) -> bool:
        """Whether a name as it was written cannot be the one that was meant."""
        letters = set(name.lower())
        return not self.has <= letters or bool(self.has_not & letters)


def without_remarks(words: Sequence[Token], lexicon: Lexicon) -> tuple[list[Token], Remarks]:
    """The words without such remarks, and what these say."""
    plain = [word.text for word in words]
    kept: list[Token] = []
    found: dict[bool, set[str]] = {True: set(), False: set()}
    place = 0
    while place < len(words):
        has = at(plain, place, lexicon.letter_with)
        length = has or at(plain, place, lexicon.letter_without)
        behind = words[place + length] if length and place + length < len(words) else None
        letter = "" if behind is None else behind.text if behind.is_letter else named_letter(behind.text, lexicon)
        after = words[place + length + 1] if place + length + 1 < len(words) else None
        spelled_on = after is not None and after.is_letter
        if letter and not spelled_on:
            found[bool(has)].add(letter)
            place += length + 1
        else:
            kept.append(words[place])
            place += 1
    return kept, Remarks(frozenset(found[True]), frozenset(found[False]))
