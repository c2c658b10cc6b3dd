"""What SSML asks of a voice beyond words, carried within speakable text: how fast, and the phonemes of a word. Pure.

The marks are characters of Unicode's private use area, which `bridge.text.cleaning` takes out of all that is written,
so that nobody can write them. A rate stands before the first word that it holds for, and holds until the next; pieces
(`bridge.text.chunker`) begin with theirs. Phonemes stand at the end of the last of their words, and an empty pair at
the end of each of the others, so that a text has as many tokens with its marks as without.

    "Please \\ue150hold on, Nguyen\\ue000wɪn\\ue001."       slowly from "hold" on
"""

from __future__ import annotations

import re
from typing import NamedTuple

BEGIN, END = "\ue000", "\ue001"
"""Around phonemes, in the IPA."""
_RATES = 0xE100
_SLOWEST, _FASTEST = 20, 400
"""Percent."""
NORMAL = 100
_LONGEST = 80
"""Characters of phonemes, and of a word that has some."""
_RATE = re.compile("[\ue114-\ue290]")
_PHONEMES = re.compile(f"{BEGIN}([^{END}]*){END}")
_ANY = re.compile(f"{BEGIN}[^{END}]*{END}|[\ue000-\uf8ff]")


def with_phonemes(words: str, ipa: str) -> str:
    """Mark words with their phonemes; unchanged where either is too long to be a name, or the mark would break."""
    tokens, ipa = words.split(), "".join(ipa.split())
    if not tokens or not ipa or len(ipa) > _LONGEST or max(map(len, tokens)) > _LONGEST or _ANY.search(ipa):
        return words
    return " ".join([*(f"{token}{BEGIN}{END}" for token in tokens[:-1]), f"{tokens[-1]}{BEGIN}{ipa}{END}"])


def rate(percent: float) -> str:
    """The mark of a rate; what is beyond a fifth and four times the normal one is not to be understood."""
    return chr(_RATES + round(min(max(percent, _SLOWEST), _FASTEST)))


def percent_of(mark: str) -> int:
    """The rate that a mark stands for."""
    return ord(mark) - _RATES


def plain(text: str) -> str:
    """Take all marks out of a text."""
    return text if text.isascii() else _ANY.sub("", text)


def rate_after(text: str, before: int = NORMAL) -> int:
    """The rate that holds after a text, before which another held."""
    found = None if text.isascii() else _RATE.findall(text)
    return percent_of(found[-1]) if found else before


def at_rate(text: str, percent: int) -> str:
    """The text with its rate at its beginning, unless it has one there or is at the normal one."""
    bare = text.lstrip(" ")
    if percent == NORMAL or _RATE.match(bare):
        return text
    return text[: len(text) - len(bare)] + rate(percent) + bare


class PacedText(NamedTuple):
    """A text that is said at one rate."""

    text: str
    """Without marks of rates."""
    percent: int


def runs(text: str) -> list[PacedText]:
    """The parts of a text that are said at one rate each; those without a word are left out."""
    if text.isascii():
        return [PacedText(text, NORMAL)]
    found, percent, start = [], NORMAL, 0
    for mark in _RATE.finditer(text):
        found.append(PacedText(text[start : mark.start()], percent))
        percent, start = percent_of(mark.group()), mark.end()
    found.append(PacedText(text[start:], percent))
    return [run for run in found if run.text.strip()]


def from_token(text: str, index: int) -> str:
    """The text from one of its tokens on, at its rate."""
    tokens = text.split()
    return at_rate(" ".join(tokens[index:]), rate_after(" ".join(tokens[:index])))


def phonemes(token: str) -> str | None:
    """The phonemes that a token is marked with; "" for one that is said with a later one; None for one without."""
    found = _PHONEMES.search(token)
    return found[1] if found else None
