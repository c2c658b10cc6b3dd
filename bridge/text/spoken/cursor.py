"""A text in tokens with a place in it: what every rule looks at, to both sides. Pure."""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from bridge.text.spoken.language import Language

OPENERS = "([{\"'“‘«‹„‚¿¡<"
CLOSERS = ".,;:!?…)]}\"'”’»›>。！？，、"
LONGEST_TOKEN = 200
"""Characters of a token that the rules look at; a longer one is cut into tokens of this length."""


_ELIDED = re.compile(r"(?:[ld]|[nds]ell|all|dall|sull|qu)['’](?=\d)", re.IGNORECASE)
"""What has lost its vowel before a number: Italian `l'8 maggio`."""


class Part(NamedTuple):
    """A token taken apart: what opens it, what it is, what closes it."""

    lead: str
    core: str
    trail: str
    word: str
    """What it is, in lower case."""


class Beside(enum.IntFlag):
    """What stands beside a token: what the token after it may be to a number, and what words before tell of it."""

    DIGITS = enum.auto()
    """More digits of a telephone number."""
    MONTH = enum.auto()
    CLOCK = enum.auto()
    """It makes the number an hour."""
    COUNTED = enum.auto()
    """What is counted or measured."""
    DASH = enum.auto()
    """The dash or the stroke before the other end of a range, or the sign before another factor."""
    FRACTION = enum.auto()
    NAMED = enum.auto()
    """One of five words before says that codes follow."""
    TOLD = enum.auto()
    """One of five words before is of `told_by`."""
    CALLED = enum.auto()
    """One of seven words before says that a telephone number follows."""


ANYTHING = ~Beside(0)


_NOTHING = Part("", "", "", "")
_NAMED, _TOLD, _CALLED = int(Beside.NAMED), int(Beside.TOLD), int(Beside.CALLED)
_BEYOND = 12
"""How far rules look at most."""
_MARGIN = [_NOTHING] * (2 * _BEYOND)
"""Stands behind the tokens, and so also before them for who counts from the end."""
_BACK = 8
"""How far of that to the left."""


def part(token: str) -> Part:
    """Take a token apart into what opens it, what it is and what closes it."""
    if token.isalnum():
        return Part("", token, "", token.lower())
    rest = token.lstrip(OPENERS)
    if ("'" in rest or "’" in rest) and (elided := _ELIDED.match(rest)):
        rest = rest[elided.end() :]
    core = rest.rstrip(CLOSERS)
    return Part(token[: len(token) - len(rest)], core, rest[len(core) :], core.lower())


class Reading(NamedTuple):
    """What a rule makes of the tokens at the cursor."""

    length: int
    """Tokens it read."""
    spoken: str
    """Their words, without what opens the first and closes the last of them."""
    keep_stop: bool = True
    """The full stop after the last token ends a sentence; else it belongs to an abbreviation and is not a pause."""
    trail: str | None = None
    """What is left of the marks after the last token, where the rule has read some of them."""


def _shape(tokens: Sequence[str]) -> str:
    """A character for each token, the same for the same, and a margin."""
    marks = {token: chr(number) for number, token in enumerate(dict.fromkeys(tokens), 1)}
    return "\0" * _BEYOND + "".join(map(marks.__getitem__, tokens)) + "\0" * _BEYOND


class Cursor:
    """Tokens of a text, and the one that is to be read next."""

    __slots__ = ("_calls", "_parts", "_shape", "_told", "at", "language", "named", "no_phone_before", "tokens")

    def __init__(self, tokens: list[str], parts: Sequence[Part], at: int, language: Language) -> None:
        self.tokens, self.at, self.language = tokens, at, language
        self._parts = [*parts, *_MARGIN]
        self._shape = ""
        self.no_phone_before = 0
        """Digits up to here were found to be no telephone number."""
        self.named = bytearray()
        """For each token whether one of the five words before it says that codes follow."""
        self._calls = self._told = bytearray()

    def hear(self, naming: Iterable[int], calling: Iterable[int], telling: Iterable[int]) -> None:
        """Take the places of words after which codes and telephone numbers follow, and of those that tell of digits."""
        self.named, self._calls, self._told = self._after(naming), self._after(calling, 7), self._after(telling)

    def _after(self, places: Iterable[int], within: int = 5) -> bytearray:
        """For each token whether one of these places is among so many before it."""
        after = bytearray(len(self.tokens) + _BEYOND)
        for place in places:
            after[place + 1 : place + 1 + within] = b"\1" * within
        return after

    @property
    def surroundings(self) -> str:
        """All that the reading at the cursor can depend on, as a key: equal within a text where tokens around are."""
        if not self._shape:
            self._shape = _shape(self.tokens)
        at = self.at + _BEYOND
        seen, known = self._shape[at - _BACK : at + _BEYOND], self.no_phone_before - self.at
        return seen if known <= 0 else seen + chr(min(_BEYOND, known))

    @property
    def may_be_named(self) -> bool:
        """Whether one of the five words before says that codes follow."""
        return self.named[self.at] == 1

    @property
    def may_be_called(self) -> bool:
        """Whether one of the seven words before says that a telephone number follows."""
        return self._calls[self.at] == 1

    @property
    def may_be_told(self) -> bool:
        """Whether one of the five words before says what digits are."""
        return self._told[self.at] == 1

    @property
    def told_of(self) -> int:
        """What words before tell of the token, as flags of `Beside`."""
        at = self.at
        return (self.named[at] and _NAMED) | (self._told[at] and _TOLD) | (self._calls[at] and _CALLED)

    def written(self, length: int) -> str:
        """So many tokens from the cursor, as they are written."""
        return " ".join(self.tokens[self.at : self.at + length])

    def part(self, offset: int = 0) -> Part:
        """The token so far from the cursor, at most twelve, taken apart; empty beyond the ends of the text."""
        return self._parts[self.at + offset]

    def core(self, offset: int = 0) -> str:
        """The token so far from the cursor without quotation marks, brackets and closing marks."""
        return self._parts[self.at + offset].core

    def word(self, offset: int = 0) -> str:
        """The token's core in lower case."""
        return self._parts[self.at + offset].word

    def ahead(self, count: int) -> list[Part]:
        """So many tokens from the cursor on, at most twelve, taken apart."""
        return self._parts[self.at : self.at + count]

    def joined(self, offset: int) -> bool:
        """Whether nothing stands between this token and the one after it."""
        return not self.part(offset).trail and not self.part(offset + 1).lead

    def before(self, count: int) -> Iterator[str]:
        """Up to so many words before the cursor within its sentence, the nearest first, lower case."""
        for offset in range(-1, -count - 1, -1):
            part = self.part(offset)
            if not part.core and not part.trail:
                break
            if part.trail[:1] and part.trail[0] in "!?;。" and part.core:
                break
            if part.trail[:1] == "." and not self._abbreviated(part.word):
                break
            yield part.word or part.trail

    def _abbreviated(self, word: str) -> bool:
        language = self.language
        known = word in language.before_numbers or word in language.abbreviations
        return known or word in language.month_abbreviations or word.endswith(tuple(language.street_endings))

    def ends_sentence(self, offset: int) -> bool:
        """Whether the stop after this token is a sentence's end: the last token, or a capital follows."""
        after = self.part(offset + 1)
        if not after.core and after.trail[:1] in (":", ";", ","):
            return False
        first = (after.core or after.lead)[:1]
        return not first or not (first.islower() or first.isdigit())
