"""Yes or no, however it is put; what is neither stays undecided. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from bridge.understanding.corrections import segments
from bridge.understanding.lexicon import Lexicon, Phrases
from bridge.understanding.results import CERTAIN, FAIR, LIKELY, POOR, Interpretation
from bridge.understanding.words import Token, at, spoken

_NEGATION_REACH = 3
_LONGEST = 12
"""In more words than these, agreement in passing is no answer."""
_LONGEST_LEAD = 5
_LONGEST_PHRASE = 6
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
    answers = lexicon.no | lexicon.yes | lexicon.weak_yes
    for because, said in segments(words, lexicon, but=answers, never=_answering(lexicon)):
        if because and best is None and not _signs(said, lexicon):
            return _decide(list(words), lexicon)  # what would correct is the answer itself
        found = _decide(said, lexicon)
        if because and not spoken(said):
            found = _last_word(words, lexicon)
        if found is not None or because in ("strong", "restart"):
            best = found
    return best


def _answering(lexicon: Lexicon) -> Phrases:
    """Corrections that are answers themselves: "no, it's okay"."""
    return frozenset(
        phrase for phrase in lexicon.corrections if phrase[:1] in lexicon.no and phrase[-1] in lexicon.auxiliaries
    )


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
    if not signs or _depends(plain, signs, lexicon):
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
        goes_on = not first.yes and last.yes and last.place + last.length == len(plain) and last.length > 1
        if goes_on and not any((word,) in lexicon.weak_yes for word in plain[last.place :]):
            return None  # "no no, that's fine, go ahead"
        return None if _both(first, others, plain, lexicon) else Interpretation(first.yes, POOR)
    contradicted = any(sign.yes != first.yes and sign.place > first.place for sign in signs if sign.weak) and first.yes
    return Interpretation(first.yes, FAIR if contradicted else CERTAIN if len(plain) <= _LONGEST else LIKELY)


def _is_double(plain: list[str], place: int, lexicon: Lexicon) -> bool:
    """Whether a denial is denied by the word before it, which is no answer itself as Spanish "no" is."""
    before = plain[place - 1] if place else ""
    turned = before in lexicon.negations and (before,) not in lexicon.weak_corrections
    return turned and plain[place] not in lexicon.negations and (plain[place],) not in lexicon.weak_corrections


def _is_begun(plain: list[str], place: int, lexicon: Lexicon) -> bool:
    """Whether the verb before this place only begins a sentence, which a denial or another verb goes on with."""
    if plain[place - 1] not in lexicon.auxiliaries or place == len(plain):
        return False
    if plain[place] in lexicon.negations | lexicon.auxiliaries | lexicon.obliging:
        return True
    known = lexicon.determiners | lexicon.fillers | lexicon.closing | lexicon.beside | lexicon.contrasts
    return plain[place - 1] in lexicon.describing and plain[place] not in known | {word[0] for word in lexicon.yes}


def _is_bare(plain: list[str], sign: _Sign, lexicon: Lexicon) -> bool:
    """Whether a "not" alone denies what follows: of a subject, nobody knows if it was asked: "my power is not out"."""
    return sign.length == 1 and plain[sign.place] in lexicon.negations and sign.place + 1 < len(plain)


def _is_reported(plain: list[str], sign: _Sign, lexicon: Lexicon) -> bool:
    """Whether a word of it begins "not saying" and the like, which hold more than it."""
    end = sign.place + sign.length
    lengths = ((place, at(plain, place, lexicon.reported)) for place in range(sign.place, end))
    return any(length and place + length > end for place, length in lengths)


def _depends(plain: list[str], signs: Sequence[_Sign], lexicon: Lexicon) -> bool:
    """Whether a yes is one only if something else is so: "yes, unless it costs extra"."""
    covered = {place for sign in signs for place in range(sign.place, sign.place + sign.length)}
    on = any(word in lexicon.conditions and place not in covered for place, word in enumerate(plain))
    return on and signs[0].yes


def _is_attribute(plain: list[str], place: int, lexicon: Lexicon) -> bool:
    """Whether a word belongs to the thing that follows: "the wrong person", "my right arm"."""
    return 0 < place < len(plain) - 1 and plain[place - 1] in lexicon.determiners


def _is_within_longer(plain: list[str], place: int, length: int, lexicon: Lexicon) -> bool:
    """Whether a longer phrase of the other kind begins inside the one that begins here."""
    behind = range(place + 1, place + length)
    return any(at(plain, other, lexicon.yes | lexicon.no, _LONGEST_PHRASE) > length for other in behind)


def _both(first: _Sign, others: Sequence[_Sign], plain: list[str], lexicon: Lexicon) -> bool:
    """Whether a yes is taken back by a no that stands after "but", or in a sentence of its own."""
    return first.yes or any(word in lexicon.contrasts for word in plain[first.place : others[0].place])


def _undecided(plain: list[str], lexicon: Lexicon) -> set[int]:
    """The places of what decides nothing, but where it is part of a longer answer: Spanish "cómo no"."""
    answers = lexicon.yes | lexicon.no
    held = [range(place, place + at(plain, place, answers, _LONGEST_PHRASE)) for place in range(len(plain))]
    found: set[int] = set()
    for place in range(len(plain)):
        phrase = set(range(place, place + at(plain, place, lexicon.neither)))
        near = held[max(place - _LONGEST_PHRASE, 0) : place + 1]
        if phrase and not any(phrase < set(answer) for answer in near):
            found |= phrase
    return found


def _signs(words: Sequence[Token], lexicon: Lexicon) -> list[_Sign]:
    """All that agrees or declines, in order; the longest phrase at each place decides."""
    plain = [word.text for word in words if not word.is_sign]
    found: list[_Sign] = []
    undecided = _undecided(plain, lexicon)
    place = 0
    while place < len(plain):
        lengths = {
            (True, False): at(plain, place, lexicon.yes, _LONGEST_PHRASE),
            (False, False): at(plain, place, lexicon.no, _LONGEST_PHRASE),
            (True, True): at(plain, place, lexicon.weak_yes, _LONGEST_PHRASE),
        }
        (yes, weak), length = max(lengths.items(), key=lambda entry: entry[1])
        if _is_within_longer(plain, place, length, lexicon):
            place += 1  # "I do not" of "I do not have a problem with that"
            continue
        if length == 1 and _is_attribute(plain, place, lexicon):
            place += 1
            continue
        unsure_of_it = length > 1 and place - 1 in undecided  # "I am not sure that is right"
        if length and not unsure_of_it and undecided.isdisjoint(range(place, place + length)):
            before = set(range(max(0, place - _NEGATION_REACH), place)) - undecided
            if yes and length > 1 and _is_begun(plain, place + length, lexicon):
                pass  # "I can" of "I can not", "I would" of "I would have to ask"
            elif not yes and _is_double(plain, place, lexicon):
                found = [sign for sign in found if sign.place + sign.length < place]
                found.append(_Sign(True, False, place, length))  # "it isn't incorrect"
            elif yes and any(plain[near] in lexicon.negations for near in before):
                found = [sign for sign in found if sign.yes or sign.place + sign.length <= place - _NEGATION_REACH]
                found.append(_Sign(False, False, place, length))
            else:
                found.append(_Sign(yes, weak, place, length))
        place += length or 1
    subject = next((place for place, word in enumerate(plain) if word in lexicon.determiners), len(plain))
    reported = next((place for place in range(len(plain)) if at(plain, place, lexicon.reported)), len(plain))
    found = [sign for sign in found if not (sign.place > subject and _is_bare(plain, sign, lexicon))]
    found = [sign for sign in found if sign.place <= reported and not _is_reported(plain, sign, lexicon)]
    return [] if undecided and all(sign.weak for sign in found) else found
