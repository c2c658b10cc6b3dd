"""What a number counts or dates when it is no answer itself: "two accounts", "in 2019", "at five o'clock". Pure."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from bridge.understanding.lexicon import Lexicon, Words
from bridge.understanding.number_names import names_of_numbers
from bridge.understanding.words import Token, at

_SHORT = 3
_SYMBOLS = frozenset("$€£%°")
_PARTS = frozenset(",;.!?")


def counts(words: Sequence[Token], start: int, end: int, digits: str, lexicon: Lexicon) -> bool:
    """Whether the number at these places counts, measures or dates something else.

    A number of three digits at most, or a year's, is believed only beside words that say nothing: it stands in many
    sentences that are no answer.
    """
    before = words[start - 1].text if start else ""
    after = words[end].text if end < len(words) else ""
    if before in _SYMBOLS or after in _SYMBOLS or after in _units(lexicon) or _is_ordinal(words, end, lexicon):
        return True
    if at([word.text for word in words[end : end + 4]], 0, lexicon.morning | lexicon.afternoon | lexicon.night):
        return True
    if len(digits) <= 4 and (before in _months(lexicon) or after in _months(lexicon)):
        return True
    plain = [word.text for word in words[max(start - 2, 0) : start]]
    told_by = lexicon.told_by | lexicon.partly
    if any(at(plain, place, told_by) == len(plain) - place for place in range(len(plain))):
        return False  # "my room number is 42"
    if is_year(digits) and leads_to_year(words, start, lexicon):
        return True
    if is_year(digits):
        return not says_nothing(words, start, end, lexicon, lexicon.counted)
    return len(digits) <= _SHORT and not says_nothing(words, start, end, lexicon)


def is_other(words: Sequence[Token], start: int, end: int, lexicon: Lexicon) -> bool:
    """Whether a number counts what follows it, or is the day of a month that stands beside it."""
    before = words[start - 1].text if start else ""
    after = words[end].text if end < len(words) else ""
    months = _months(lexicon)
    if before in lexicon.numbered - lexicon.hour_leads:
        return True
    if after == "." and end + 1 < len(words) and words[end + 1].text in months:
        return True  # German "5. Mai"
    return after in lexicon.counted or _is_ordinal(words, end, lexicon) or after in months or before in months


def has_letter(words: Sequence[Token], start: int, end: int, lexicon: Lexicon) -> bool:
    """Whether a letter in capitals belongs to a number, which then is none: "A 1 2 3", "unit 4 B"."""
    beside = [words[place] for place in (start - 1, end) if 0 <= place < len(words)]
    others = lexicon.joiners | lexicon.ranges | {"i"}
    return any(word.is_letter and word.raw.isupper() and word.text not in others for word in beside)


def _is_ordinal(words: Sequence[Token], end: int, lexicon: Lexicon) -> bool:
    """Whether what follows makes digits an ordinal: "5th"."""
    return end < len(words) and words[end].joined and words[end].text in lexicon.day_endings


def is_year(digits: str) -> bool:
    """Whether these digits may be a year that people speak of."""
    return len(digits) == 4 and "1900" <= digits <= "2099"


def leads_to_year(words: Sequence[Token], start: int, lexicon: Lexicon) -> bool:
    """Whether "in" or "since" stands before a year, or "born" in its clause."""
    begin, _ = clause_of(words, start)
    near = [word.text for word in words[max(begin, start - 2) : start]]
    return any(word in lexicon.year_leads for word in near)


def clause_of(words: Sequence[Token], place: int) -> tuple[int, int]:
    """Where the clause of a place begins and ends: commas and stops part clauses, but none between digits."""
    begin, end = place, place
    while begin and words[begin - 1].text not in _PARTS:
        begin -= 1
    while end < len(words) and words[end].text not in _PARTS:
        end += 1
    return begin, end


def says_nothing(words: Sequence[Token], start: int, end: int, lexicon: Lexicon, more: Words = frozenset()) -> bool:
    """Whether the words around a number in its clause only lead to it or follow it: "I think it's 42, thanks"."""
    if not lexicon.beside:
        return True
    begin, _ = clause_of(words, start)
    _, stop = clause_of(words, end)
    around = [*words[begin:start], *words[end:stop]]
    harmless = _harmless(lexicon) | more
    return all(word.is_sign or word.is_digits or word.text in harmless for word in around)


def says_nothing_behind(words: Sequence[Token], end: int, lexicon: Lexicon) -> bool:
    """Whether no word follows a number that it would count."""
    if not lexicon.beside or end >= len(words) or words[end].is_sign:
        return True
    days = {word for phrase in lexicon.days for word in phrase}
    return words[end].text in _harmless(lexicon) | lexicon.articles | lexicon.ones | days


@cache
def _harmless(lexicon: Lexicon) -> Words:
    numbers = {phrase[0] for phrase in names_of_numbers(lexicon) if len(phrase) == 1}
    corrections = {word for phrase in lexicon.corrections | lexicon.weak_corrections for word in phrase}
    repeats = {word for phrase in lexicon.repeats for word in phrase}
    links = lexicon.links - lexicon.counted
    words = lexicon.beside | links | lexicon.fillers | lexicon.extension | lexicon.joiners | lexicon.points
    words |= lexicon.ones | lexicon.unsure_digits.keys() | lexicon.plural_digits.keys() | lexicon.closing
    return frozenset(words | numbers | corrections | repeats | lexicon.plus | lexicon.negations)


@cache
def _units(lexicon: Lexicon) -> Words:
    percent = {phrase[0] for phrase in lexicon.percent}
    spans = lexicon.spans.keys() | lexicon.durations | lexicon.after_hour
    return frozenset(lexicon.money.keys() | spans | percent | lexicon.counted)


@cache
def _months(lexicon: Lexicon) -> Words:
    return frozenset({name.lower() for name in lexicon.spoken.months} | lexicon.more_months.keys())
