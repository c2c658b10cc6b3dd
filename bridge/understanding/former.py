"""What was so once and is no longer: "my old number was", "it used to be", "it was right until last week". Pure.

Such values are passed over; where nothing else is told, nothing is understood.
"""

from __future__ import annotations

from collections.abc import Sequence

from bridge.understanding.lexicon import Lexicon
from bridge.understanding.words import Token, at

_ENDS = frozenset(",;.!?")


def current(words: Sequence[Token], lexicon: Lexicon, kind: str) -> list[Token]:
    """The words without the clauses that tell what was so once."""
    kept = _behind(list(words), lexicon)
    parts = clauses(kept, lexicon)
    over = [_is_over(parts, index, lexicon, kind) for index in range(len(parts))]
    if not any(over):
        return kept
    for index in range(1, len(parts)):  # "my old number was five five five, one two three"
        over[index] = over[index] or (over[index - 1] and not _begins_anew(parts[index], lexicon))
    return [word for clause, gone in zip(parts, over, strict=True) if not gone for word in clause]


def _behind(words: list[Token], lexicon: Lexicon) -> list[Token]:
    """The words after the last "that's my old one", which is about what came before it."""
    if not lexicon.former_behind:
        return words
    plain = [word.text for word in words]
    for place in range(len(plain) - 1, 0, -1):
        length = at(plain, place, lexicon.former_behind)
        if length:
            return words[place + length :]
    return words


def clauses(words: list[Token], lexicon: Lexicon) -> list[list[Token]]:
    """The words up to each comma or stop, "but" and "now"; none is lost."""
    found: list[list[Token]] = [[]]
    for place, word in enumerate(words):
        if word.text in lexicon.contrasts | lexicon.present and found[-1]:
            found.append([])
        found[-1].append(word)
        if word.text in _ENDS and not (place + 1 < len(words) and words[place + 1].joined):
            found.append([])
    return [clause for clause in found if clause]


def _is_over(parts: list[list[Token]], index: int, lexicon: Lexicon, kind: str) -> bool:
    plain = [word.text for word in parts[index] if not word.is_sign]
    if any(at(plain, place, lexicon.former) for place in range(len(plain))):
        return True
    if not any(at(plain, place, lexicon.past_verbs | lexicon.happenings) for place in range(len(plain))):
        return False
    if kind != "date" and any(at(plain, place, lexicon.past_times) for place in range(len(plain))):
        return True
    return any(word.text in lexicon.present for clause in parts[index + 1 :] for word in clause)


def happened(words: Sequence[Token], lexicon: Lexicon) -> bool:
    """Whether a verb tells what happened, and wants nothing: "hung up", "was there", but not "was thinking"."""
    plain = [word.text for word in words]
    for place in range(len(plain)):
        length = at(plain, place, lexicon.happenings)
        if length and not any(word in lexicon.intending for word in plain[place + length : place + length + 2]):
            return True
    return False


def _begins_anew(clause: list[Token], lexicon: Lexicon) -> bool:
    """Whether a clause begins something else, instead of going on with the numbers or letters of the one before."""
    return any(word.text in lexicon.contrasts | lexicon.present | lexicon.beside for word in clause)
