"""Callers who change their mind: "six, no wait, four", "scratch that". Pure."""

from __future__ import annotations

import itertools
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


def segments(
    words: Sequence[Token], lexicon: Lexicon, *, but: Phrases = frozenset(), never: Phrases = frozenset()
) -> list[Segment]:
    """The words, cut at every change of mind; at least one. Weak ones among `but` are none ("no" may be the
    answer), nor is one at the beginning, where nothing was said yet that could be corrected, nor any among `never`.
    """
    cut: list[Segment] = [Segment("", [])]
    place = 0
    while place < len(words):
        if nothing := _nothing_at(words, place, lexicon):
            cut[-1].words.extend(words[place : place + nothing])
            place += nothing
            continue
        strength, length = _marker(words, place, lexicon)
        plain = tuple(word.text for word in words[place : place + length] if not word.is_sign)
        begins = len(cut) == 1 and not any(not word.is_sign for word in cut[0].words)
        denies = begins and bool(plain) and plain[-1] in lexicon.negations  # "no, not the red one"
        if strength == "strong" and _is_denied(words, place, lexicon):
            length = 0  # "that is not wrong"
        if strength == "weak" and (_denies(words, place, lexicon) or _declines(words, place, lexicon)):
            length = 0  # Spanish "mi nombre no es", "el lunes no puedo"
        whole = length == len(plain) and length > 1  # no comma parts "no" and "es"
        if begins and whole and plain[0] in lexicon.negations and plain[-1] in lexicon.copulas:
            length = 0  # Spanish "no es el lunes"
        if length and not denies and plain not in never and not (strength == "weak" and (begins or plain in but)):
            cut.append(Segment(strength, []))
            place += length
        else:
            cut[-1].words.append(words[place])
            place += 1
    return cut


def _nothing_at(words: Sequence[Token], place: int, lexicon: Lexicon) -> int:
    """How many words here say nothing, such as German "einen Moment", in which no "Moment" corrects."""
    if words[place].text not in lexicon.articles | lexicon.ones:
        return 0
    return at([word.text for word in words[place : place + 4]], 0, lexicon.not_numbers)


def _is_denied(words: Sequence[Token], place: int, lexicon: Lexicon) -> bool:
    return place > 0 and words[place - 1].text in lexicon.negations and words[place].text not in lexicon.negations


def _denies(words: Sequence[Token], place: int, lexicon: Lexicon) -> bool:
    """Whether a word that may correct only denies the verb behind it."""
    if words[place].text not in lexicon.negations or not place or words[place - 1].is_sign:
        return False
    return place + 1 < len(words) and words[place + 1].text in lexicon.copulas


def _declines(words: Sequence[Token], place: int, lexicon: Lexicon) -> bool:
    """Whether a word that may correct begins a refusal of what stands before it."""
    return bool(at([word.text for word in words[place : place + 5]], 0, lexicon.declined))


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
    together = next((count for count, end in enumerate(ends) if end > count + 1), len(ends))
    if at(plain[:together], 0, lexicon.not_numbers):
        return "", 0  # "no one", but not "no, one"
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
    places, alike = _alignments(before, after)
    tail = before[: max(rest - len(after), 0)] + after
    aligned = [before[:place] + after for place in places]
    ways = aligned if alike > 1 else []
    if len(after) == rest and after[0] == before[0]:
        ways.insert(0, after)  # "five five six, no, five six six"
    ways += [after, tail] if len(after) >= rest else [tail, *aligned, after]
    if because == "strong":
        ways.append(before + after)  # "one two three, hold on, four five six"
    return next((way for way in ways if len(way) == wanted), ways[0])


def _alignments(before: str, after: str) -> tuple[list[int], int]:
    """Where in `before` the beginning of `after` was said already, the likeliest first, and how many digits are alike.

    Where several are, what leaves the number as long as it was is meant, else the last.
    """
    found = {place: _alike(before[place:], after) for place in range(len(before))}
    most = max(found.values(), default=0)
    places = [place for place, alike in found.items() if alike == most]
    return sorted(places, key=lambda place: (place + len(after) == len(before), place), reverse=True), most


def _alike(one: str, other: str) -> int:
    """How many characters two texts begin alike with."""
    return sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))
