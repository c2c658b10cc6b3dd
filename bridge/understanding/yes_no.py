"""Yes or no, however it is put; what is neither stays undecided. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from bridge.understanding.corrections import segments
from bridge.understanding.lexicon import Lexicon
from bridge.understanding.results import CERTAIN, FAIR, LIKELY, POOR, Interpretation
from bridge.understanding.words import Token, at, spoken

_NEGATION_REACH = 3
_LONGEST = 12
"""In more words than these, agreement in passing is no answer."""
_LONGEST_LEAD = 5
_DRAWN_OUT = re.compile(r"(.)\1+")
"""A sound that is held: "nooo"."""


class _Sign(NamedTuple):
    """One word or phrase that agrees or declines."""

    yes: bool
    weak: bool
    place: int
    length: int


def read_yes_no(words: Sequence[Token], lexicon: Lexicon) -> Interpretation | None:
    """True for yes, False for no. None for "I don't know", for both, and for what is no answer."""
    best: Interpretation | None = None
    for because, said in segments(words, lexicon, but=lexicon.no | lexicon.yes | lexicon.weak_yes):
        if because and best is None and not _signs(said, lexicon):
            return _decide(list(words), lexicon)  # what would correct is the answer itself
        found = _decide(said, lexicon)
        if because and not spoken(said):
            found = _last_word(words, lexicon)
        if found is not None or because in ("strong", "restart"):
            best = found
    return best


def _last_word(words: Sequence[Token], lexicon: Lexicon) -> Interpretation | None:
    """The answer in the last word of a correction that nothing follows: "yes, sorry, no"."""
    last = tuple(spoken(words)[-1:])
    if last in lexicon.no or last in lexicon.yes:
        return Interpretation(last in lexicon.yes, FAIR)
    return None


def _decide(words: list[Token], lexicon: Lexicon) -> Interpretation | None:
    plain = [word.text for word in words if not word.is_sign]
    if len(plain) == 1 and plain[0] in lexicon.misheard:
        return Interpretation(lexicon.misheard[plain[0]] == "yes", POOR)
    if len(plain) == 1 and (drawn := (_DRAWN_OUT.sub(r"\1", plain[0]),)) in lexicon.yes | lexicon.no:
        return Interpretation(drawn in lexicon.yes, FAIR)
    signs = _signs(words, lexicon)
    if not signs:
        return None
    strong = [sign for sign in signs if not sign.weak]
    first = strong[0] if strong else signs[0]
    if not strong:
        covered = sum(sign.length for sign in signs)
        rest = [word for word in plain if word not in lexicon.fillers]
        if len(rest) > covered + 3:
            return None  # "okay, so what I wanted to ask ..."
        return Interpretation(first.yes, LIKELY if len(rest) <= covered else FAIR)
    if first.place > _LONGEST_LEAD and len(plain) > _LONGEST:
        return None
    others = [sign for sign in strong[1:] if sign.yes != first.yes]
    if others:
        last = strong[-1]
        closes = last.place + last.length == len(plain) and (last.length == 1 or plain[-1] in lexicon.negations)
        if first.yes and not last.yes and closes and plain[first.place + first.length - 1] in lexicon.auxiliaries:
            return Interpretation(False, LIKELY)  # "I'm afraid not", "I would say no"
        if len(plain) <= 3:
            return Interpretation(last.yes, FAIR)  # "yeah, no"
        return Interpretation(first.yes, POOR)
    contradicted = any(sign.yes != first.yes and sign.place > first.place for sign in signs if sign.weak) and first.yes
    return Interpretation(first.yes, FAIR if contradicted else CERTAIN if len(plain) <= _LONGEST else LIKELY)


def _signs(words: Sequence[Token], lexicon: Lexicon) -> list[_Sign]:
    """All that agrees or declines, in order; the longest phrase at each place decides."""
    plain = [word.text for word in words if not word.is_sign]
    found: list[_Sign] = []
    undecided = {place + offset for place in range(len(plain)) for offset in range(at(plain, place, lexicon.neither))}
    place = 0
    while place < len(plain):
        lengths = {
            (True, False): at(plain, place, lexicon.yes),
            (False, False): at(plain, place, lexicon.no),
            (True, True): at(plain, place, lexicon.weak_yes),
        }
        (yes, weak), length = max(lengths.items(), key=lambda entry: entry[1])
        unsure_of_it = length > 1 and place - 1 in undecided  # "I am not sure that is right"
        if length and not unsure_of_it and undecided.isdisjoint(range(place, place + length)):
            before = set(range(max(0, place - _NEGATION_REACH), place)) - undecided
            if yes and any(plain[near] in lexicon.negations for near in before):
                found = [sign for sign in found if sign.yes or sign.place + sign.length <= place - _NEGATION_REACH]
                found.append(_Sign(False, False, place, length))
            else:
                found.append(_Sign(yes, weak, place, length))
        place += length or 1
    return [] if undecided and all(sign.weak for sign in found) else found
