"""Parts of a whole and dozens: "half a million", "a dozen and a half", "3 1/2". Pure."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from bridge.understanding.lexicon import Lexicon, Phrase
from bridge.understanding.words import Token, at


def dozen_and_more(words: Sequence[Token], lexicon: Lexicon) -> float | None:
    """ "A dozen and a half", German "anderthalb Dutzend"; None for anything else."""
    plain = [word.text for word in words]
    for place in range(len(plain)):
        for length in (3, 2, 1):
            number = lexicon.amounts.get(tuple(plain[place : place + length]))
            after = plain[place + length :]
            if number and number % 12 == 0 and any(tuple(after[:n]) in lexicon.halves for n in (3, 2)):
                return with_more(number, after, lexicon)
            joined = place and plain[place - 1] in lexicon.joiners  # "two and a half dozen"
            if number and number % 1 and not joined and set(after[:1]) & lexicon.dozens:
                return whole_or_not(number * 12)
    return None


def written_share(words: Sequence[Token]) -> float | None:
    """ "3 1/2" as recognisers write it; None for anything else."""
    digits = [place for place, word in enumerate(words) if word.is_digits]
    if len(digits) not in (2, 3) or words[digits[-1] - 1].text != "/" or digits[-1] - digits[-2] != 2:
        return None
    over, under = int(words[digits[-2]].text[:3]), int(words[digits[-1]].text[:3])
    whole = int(words[digits[0]].text[:9]) if len(digits) == 3 else 0
    return whole_or_not(round(whole + over / under, 6)) if 0 < over < under <= 16 else None


def with_more(number: float, after: list[str], lexicon: Lexicon) -> float | None:
    """ "a dozen" with what follows: "and a half" is of the dozen; "a couple of dozen" is nobody knows how many."""
    if any(at(after, 0, phrases) for phrases in (lexicon.compared, frozenset((word,) for word in lexicon.dozens))):
        return None
    share = next((lexicon.halves[found] for n in (3, 2) if (found := tuple(after[:n])) in lexicon.halves), 0.0)
    if share or set(after[:2]) & lexicon.dozens:
        return whole_or_not(number * (1 + share)) if number % 12 == 0 < number and share else None
    return whole_or_not(number)


def whole_or_not(number: float) -> float:
    """A number as a whole one if it is one."""
    return int(number) if number == int(number) else number


def whole_of_share(words: list[Token], lexicon: Lexicon) -> list[Token]:
    """ "A quarter million" as "a quarter a million": the whole alone is no number."""
    ones = sorted(lexicon.articles or lexicon.ones)
    longest = max(map(len, shares(lexicon)), default=0)
    kept: list[Token] = []
    for place, word in enumerate(words):
        if word.text in lexicon.million | lexicon.thousand and ones:
            end = place - (place > 0 and words[place - 1].text in lexicon.date_links)
            plain = tuple(one.text for one in words[max(end - longest, 0) : end])
            joined = any(
                one.text in lexicon.joiners for one in words[max(end - 4, 0) : end]
            )  # "one and a half million"
            if not joined and any(plain[-length:] in shares(lexicon) for length in range(1, len(plain) + 1)):
                kept.append(Token(ones[0], ones[0], joined=False))
        kept.append(word)
    return kept


@cache
def shares(lexicon: Lexicon) -> dict[Phrase, float]:
    """Parts of a whole by their names, with an article and without."""
    named = {phrase: value for phrase, value in lexicon.amounts.items() if 0 < value < 1}
    bare = {phrase[1:]: value for phrase, value in named.items() if phrase[0] in lexicon.articles | lexicon.ones}
    return {phrase: value for phrase, value in {**bare, **named}.items() if phrase}
