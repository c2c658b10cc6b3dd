"""What was named only to be ruled out or to set a bound: "not on Monday", "at least four", "after three". Pure.

A bound is no value, and neither is what a caller does not want: what such words are about is passed over, so that the
rest is read alone ("not tomorrow, Monday"), or nothing is left to understand.
"""

from __future__ import annotations

from collections.abc import Sequence

from bridge.understanding.lexicon import Lexicon, Phrases
from bridge.understanding.number_names import names_of_numbers
from bridge.understanding.words import Token, at

_ENDS = frozenset(",;.!?")
_LONGEST_DAY = 4


def wanted(words: Sequence[Token], lexicon: Lexicon) -> list[Token]:
    """The words of a choice, without what follows "I don't want"."""
    return [word for clause in _clauses(words, lexicon) for word in _until(clause, lexicon, lexicon.unwanted)]


def meant(words: Sequence[Token], lexicon: Lexicon, *, bounds: bool = False) -> list[Token]:
    """The words without what follows a denial, or stands before a refusal, up to the clause's end.

    `bounds`: words such as "after" and "by" rule out what follows, too, as they do for days and times.
    """
    kept: list[Token] = []
    for clause in _clauses(words, lexicon):
        plain = [word.text for word in clause]
        if not any(at(plain, place, lexicon.declined) for place in range(len(plain))):
            kept += _until(clause, lexicon, lexicon.denials | lexicon.partly, bounds=bounds)
    return kept


def _until(clause: list[Token], lexicon: Lexicon, denials: Phrases, *, bounds: bool = False) -> list[Token]:
    """A clause up to the first denial in it."""
    plain = [word.text for word in clause]
    for place in range(len(plain)):
        if at(plain, place, denials) or (bounds and _is_bound(plain, place, lexicon)):
            return clause[:place]
    return clause


def _clauses(words: Sequence[Token], lexicon: Lexicon) -> list[list[Token]]:
    """The words up to each comma or stop, and up to each "but" that no denial holds; none is lost."""
    clauses: list[list[Token]] = [[]]
    plain = [word.text for word in words]
    held = 0
    for place, word in enumerate(words):
        held = max(held, place + at(plain, place, lexicon.denials))
        if word.text in lexicon.contrasts and place >= held:
            clauses.append([])
        clauses[-1].append(word)
        ends = word.text in _ENDS and not (place + 1 < len(words) and words[place + 1].joined)
        if ends:
            clauses.append([])
    return clauses


def _is_bound(plain: Sequence[str], place: int, lexicon: Lexicon) -> bool:
    """Whether a bound begins here: "after three", but not "ten after three", "after lunch", "day after tomorrow"."""
    length = at(plain, place, lexicon.bounds)
    if not length or at(plain, place, lexicon.morning | lexicon.afternoon | lexicon.night):
        return False
    for start in range(max(place - _LONGEST_DAY, 0), place + 1):
        if start + at(plain, start, frozenset(lexicon.days)) > place:
            return False
        if start < place < start + at(plain, start, lexicon.past | lexicon.to):
            return False  # German "fünf Minuten vor drei"
    before = plain[place - 1] if place else ""
    counts = before.isdigit() or (before,) in names_of_numbers(lexicon) or before in lexicon.spans
    return not counts and not any(phrase[-1] == before for phrase in lexicon.minutes_named)
