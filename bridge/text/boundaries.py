"""Where speakable text may be cut: sentence ends, clause ends, plain gaps, and gaps that must stay whole. Pure.

English rules; other languages fall back on their punctuation, and Chinese and Japanese full stops
end a sentence without a space after them.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterator
from typing import NamedTuple


class Kind(enum.IntEnum):
    """How good a place a gap is, best last."""

    GLUED = 0
    """Never cut here: `Dr. Patel`, `9:30 a.m.`, groups of digits."""
    WORD = 1
    CLAUSE = 2
    SENTENCE = 3


class Boundary(NamedTuple):
    """A place between two characters of a text, and what is lost by cutting there."""

    at: int
    kind: Kind
    after: str
    """The token before the gap."""


_TITLES = frozenset(
    "mr mrs ms mx dr prof st rev hon gen col capt lt sgt maj cmdr sen rep gov pres supt fr sr. mme mlle messrs "
    "vs viz e.g i.e cf approx est dept mt ft".split()
)
"""Abbreviations that always belong to what follows."""
_BEFORE_NUMBERS = frozenset(
    "no nos fig figs sec ext vol ch pp p art ver rm apt ste jan feb mar apr jun jul aug sep sept oct nov dec "
    "tel".split()
)
"""Abbreviations only before a digit; elsewhere words of their own (`No. I can't`)."""
_AMBIGUOUS = frozenset(
    "a.m p.m am pm inc ltd co corp llc jr sr etc ave blvd rd ln hwy pkwy sq bros al min max hr hrs sec mins "
    "ph.d m.d b.a m.a esq u.s u.k u.s.a e.u d.c".split()
)
"""Abbreviations that may end a sentence or not."""
_INITIALS = re.compile(r"(?:[^\W\d_]\.)*[^\W\d_]")
_STARTERS = frozenset(
    "i i'm i'll i've i'd you you're you'll your we we're we'll we've he she it it's they this that that's these those "
    "there there's the please do does did don't would will can can't could should may are is was were if when while "
    "what what's where who why how which thank thanks let let's and but so or then also for at in on by our my his her "
    "their as after before once okay ok yes no sorry sure great now here here's have has had just any anything".split()
)
_CLOSERS = "\"')]}»"
_GAP = re.compile(r" |(?<=[。！？])(?=[^\s。！？」』”)])")
_COMPLETE_ENOUGH = 14
_DASHES = frozenset(("-", "--", "—", "–"))


def boundaries(text: str, complete: bool) -> Iterator[Boundary]:
    """Gaps of a text from left to right, up to the first whose kind depends on text still to come.

    `complete`: no more text will come.
    """
    token_start = 0
    sentence_starts = True
    for gap in _GAP.finditer(text):
        at = gap.start()
        token = text[token_start:at]
        following_start = gap.end()
        if not token or following_start >= len(text):
            token_start = following_start
            continue
        space = text.find(" ", following_start)
        following = text[following_start : space if space >= 0 else len(text)]
        known = complete or space >= 0 or len(following) >= _COMPLETE_ENOUGH
        kind = _kind(token, following, known, sentence_starts)
        if kind is None:
            return
        yield Boundary(at, kind, token)
        sentence_starts = kind is Kind.SENTENCE
        token_start = following_start


def ends_sentence(text: str) -> bool:
    """Whether a text that has paused here can be taken for a finished sentence."""
    token = text.rsplit(" ", 1)[-1].rstrip(_CLOSERS)
    if token.endswith(("!", "?", "…", "。", "！", "？", "...")):
        return True
    if not token.endswith("."):
        return False
    word = token[:-1].lower().lstrip("\"'([{")
    return (word.isalpha() and len(word) > 1 and word not in _TITLES | _BEFORE_NUMBERS | _AMBIGUOUS) or word == "no"


def _kind(token: str, following: str, known: bool, sentence_starts: bool) -> Kind | None:
    core = token.rstrip(_CLOSERS)
    last = core[-1:]
    first = following.lstrip("\"'([{«“")[:1]
    if last in ("。", "！", "？"):
        return Kind.SENTENCE
    if last in ("!", "?"):
        # '"Stop!" he said.'
        return Kind.CLAUSE if core != token and first.islower() else Kind.SENTENCE
    if last == "…" or core.endswith("..."):
        return Kind.CLAUSE if first.islower() else Kind.SENTENCE
    if last == ".":
        return _after_full_stop(core[:-1].lstrip("\"'([{"), following, first, known, sentence_starts)
    if token in _DASHES or last in (";", ":", "—", "–", "、", "，"):
        return Kind.CLAUSE
    if last == ",":
        return Kind.GLUED if core[-2:-1].isdigit() and first.isdigit() else Kind.CLAUSE
    if following in _DASHES:
        return Kind.GLUED
    number = token[-1:].isdigit() or (token[:1].isdigit() and token[-1:] in "%)")
    if number and (first.isdigit() or first.islower() or first in ("(", "-", "%", "+")):
        return Kind.GLUED
    if (token.startswith("(") and token[1:].rstrip(")").isdigit()) or token in ("$", "€", "£", "+", "#", "*"):
        return Kind.GLUED
    return Kind.WORD


def _after_full_stop(word: str, following: str, first: str, known: bool, sentence_starts: bool) -> Kind | None:
    lower = word.lower()
    if lower in _TITLES:
        return Kind.GLUED
    if word.isdigit() and len(word) <= 2 and sentence_starts:
        return Kind.GLUED  # the number of a list item
    if lower in _BEFORE_NUMBERS and first.isdigit():
        return Kind.GLUED
    if lower in _AMBIGUOUS or (lower in _BEFORE_NUMBERS and lower != "no") or _INITIALS.fullmatch(word):
        if first.islower():
            return Kind.WORD
        if not known:
            return None
        bare = following.strip("\"'([{«“").rstrip(",.!?;:").lower()
        if bare in _STARTERS:
            return Kind.SENTENCE
        return Kind.GLUED if len(word) == 1 else Kind.WORD
    return Kind.SENTENCE
