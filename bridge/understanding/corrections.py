"""Callers who change their mind: "six, no wait, four", "scratch that". Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

from bridge.understanding.lexicon import Lexicon, Phrases
from bridge.understanding.words import Token, at

Strength = Literal["", "weak", "strong", "restart"]


class Segment(NamedTuple):
    """Words up to the next change of mind."""

    because: Strength
    """What stands before it; nothing before the first."""
    words: list[Token]


def segments(words: Sequence[Token], lexicon: Lexicon, *, but: Phrases = frozenset()) -> list[Segment]:
    """The words, cut at every change of mind; at least one. Weak ones among `but` are none ("no" may be the
    answer), nor is one at the beginning, where nothing was said yet that could be corrected.
    """
    cut: list[Segment] = [Segment("", [])]
    place = 0
    while place < len(words):
        strength, length = _marker(words, place, lexicon)
        plain = tuple(word.text for word in words[place : place + length] if not word.is_sign)
        begins = len(cut) == 1 and not any(not word.is_sign for word in cut[0].words)
        if length and not (strength == "weak" and (begins or plain in but)):
            cut.append(Segment(strength, []))
            place += length
        else:
            cut[-1].words.append(words[place])
            place += 1
    return cut


def _marker(words: Sequence[Token], place: int, lexicon: Lexicon) -> tuple[Strength, int]:
    """The change of mind that begins here, and how many words and signs it has."""
    if words[place].is_sign:
        return "", 0
    plain: list[str] = []
    ends: list[int] = []
    for offset, word in enumerate(words[place : place + 12]):
        if not word.is_sign:
            plain.append(word.text)
            ends.append(offset + 1)
    kinds: tuple[tuple[Strength, frozenset[tuple[str, ...]]], ...] = (
        ("restart", lexicon.restarts),
        ("strong", lexicon.corrections),
        ("weak", lexicon.weak_corrections),
    )
    if at(plain, 0, lexicon.not_numbers):
        return "", 0  # "no one"
    for strength, phrases in kinds:
        length = at(plain, 0, phrases)
        if length:
            return strength, ends[length - 1]
    return "", 0


def amended(before: str, after: str, because: Strength, wanted: int = 0) -> str:
    """A row of digits after a correction: what the caller says anew replaces the same digits, or as many.

    `wanted` is how many there are to be; 0 where that is not known.
    """
    if not before or because == "restart":
        return after
    rest = len(before)
    at_place, alike = _alignment(before, after)
    tail = before[: max(rest - len(after), 0)] + after
    aligned = before[:at_place] + after
    ways = [aligned] if alike > 1 else []
    ways += [after, tail] if len(after) >= rest else [tail, aligned, after]
    return next((way for way in ways if len(way) == wanted), ways[0])


def _alignment(before: str, after: str) -> tuple[int, int]:
    """Where in `before` the beginning of `after` was said already, and how many digits are alike there."""
    best = (0, 0)
    for place in range(len(before)):
        alike = 0
        while place + alike < len(before) and alike < len(after) and before[place + alike] == after[alike]:
            alike += 1
        if alike >= best[1]:
            best = (place, alike)
    return best
