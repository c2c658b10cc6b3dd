"""What a language must tell so that answers in it can be read: words and phrases, as sets and tables. Pure.

Names of numbers and months are those of `bridge.text.spoken`, which says them: what we can say we understand.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache

from bridge.text.spoken.language import Language

Phrases = frozenset[tuple[str, ...]]


def phrases(*lines: str) -> Phrases:
    """Split lines at their commas into phrases, each a tuple of its words."""
    return frozenset(tuple(phrase.split()) for line in lines for phrase in line.split(",") if phrase.strip())


def table(*lines: str) -> dict[str, str]:
    """`a: alpha alfa, b: bravo` as a table from each word to what stands before the colon."""
    found: dict[str, str] = {}
    for line in lines:
        for entry in line.split(","):
            value, _, words = entry.partition(":")
            found |= {word: value.strip() for word in words.split()}
    return found


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Lexicon:
    """Words and phrases of one language, in lower case."""

    spoken: Language
    """How the language is spoken."""

    # ---- agreement
    yes: Phrases
    no: Phrases
    weak_yes: Phrases = frozenset()
    """Agreement when nothing else is said: "good", "I think so"."""
    neither: Phrases = frozenset()
    """What decides nothing although a word of it would."""
    negations: frozenset[str] = frozenset()
    """Words that turn an agreement round: "not right"."""
    misheard: Mapping[str, str] = field(default_factory=dict)
    """What recognisers write for a lone yes or no, to `yes` and `no`."""

    # ---- corrections and fillers
    fillers: frozenset[str]
    """Words that mean nothing: "um", "well"."""
    corrections: Phrases
    """What follows replaces what came before: "no wait"."""
    weak_corrections: Phrases = frozenset()
    """The same between two values: "sorry"."""
    restarts: Phrases = frozenset()
    """Nothing that came before counts: "scratch that"."""

    # ---- numbers
    largest_name: int = 99
    """Numbers up to this have names in the table; larger ones are made of `hundred` and `thousand`."""
    more_digits: Mapping[str, str] = field(default_factory=dict)
    """Other words for digits."""
    unsure_digits: Mapping[str, str] = field(default_factory=dict)
    """Words that are digits beside digits: "oh", "to"."""
    hundred: frozenset[str] = frozenset()
    thousand: frozenset[str] = frozenset()
    million: frozenset[str] = frozenset()
    joiners: frozenset[str] = frozenset()
    """Words inside a number: "and"."""
    repeats: Mapping[str, int] = field(default_factory=dict)
    """"double" and its like."""
    points: frozenset[str] = frozenset()
    """The decimal mark, said."""
    minus: frozenset[str] = frozenset()
    plus: frozenset[str] = frozenset({"plus"})
    not_numbers: Phrases = frozenset()
    """Phrases in which the word for one, or another number, counts nothing: "that one", "one moment"."""
    halves: Mapping[tuple[str, ...], float] = field(default_factory=dict)
    """Fractions after a whole number: "and a half"."""
    amounts: Mapping[tuple[str, ...], int] = field(default_factory=dict)
    """Other words for numbers: "a dozen"."""
    links: frozenset[str] = frozenset()
    """Words that may stand between the parts of one number: "area", "code", "then"."""
    extension: frozenset[str] = frozenset({"extension", "ext", "x"})
    money: Mapping[str, str] = field(default_factory=dict)
    """Words for currencies, to ISO codes; those for hundredths, to `cent`."""

    # ---- letters
    letters: Mapping[str, str]
    """Names of letters that are no other words, spelling alphabets among them."""
    unsure_letters: Mapping[str, str] = field(default_factory=dict)
    """Words that are letters among letters: "see", "are", "you"."""
    letter_phrases: Mapping[tuple[str, ...], str] = field(default_factory=dict)
    """Letters of several words: "double u"."""
    as_in: Phrases
    """Between a letter and a word that begins with it: "as in"."""
    signs: Mapping[tuple[str, ...], str]
    """Signs in addresses and names, said: "dot", "underscore"."""
    passed_over: frozenset[str] = frozenset()
    """Words in a spelling that say nothing: "capital", "letter"."""
    at: Phrases = frozenset({("at",), ("at", "sign")})

    # ---- dates and times
    weekdays: Mapping[str, int] = field(default_factory=dict)
    """Monday is 0."""
    days: Mapping[tuple[str, ...], int] = field(default_factory=dict)
    """"tomorrow" and the like, to days from today."""
    next_words: frozenset[str] = frozenset()
    """"next", before a weekday: not the coming one but a week later, if today's week still holds one."""
    spans: Mapping[str, int] = field(default_factory=dict)
    """"days" and "weeks", to days."""
    span_before: Phrases = frozenset()
    """"in", before so many days or weeks."""
    span_after: Phrases = frozenset()
    """"from now", after them."""
    clock: Mapping[tuple[str, ...], tuple[int, int]] = field(default_factory=dict)
    """"noon" and the like."""
    before_half: Phrases = frozenset()
    """What makes a half hour count down to the hour: "halb" in German."""
    past: Phrases = frozenset()
    """Between minutes and hour: "past"."""
    to: Phrases = frozenset()
    quarter: frozenset[str] = frozenset()
    half: frozenset[str] = frozenset()
    after_hour: frozenset[str] = frozenset()
    """"o'clock"."""
    morning: Phrases = frozenset()
    afternoon: Phrases = frozenset()
    """Words that make an hour one after noon: "p m", "in the evening"."""

    # ---- names
    name_leads: Phrases = frozenset()
    """What stands before a name: "my name is"."""
    name_parts: Phrases = frozenset()
    """"first name", "last name"."""
    no_names: frozenset[str] = frozenset()
    """Words that no name holds, so that a sentence is not taken for one."""
    ordinals: Mapping[tuple[str, ...], int] = field(default_factory=dict)
    """"first", "second" ... of a choice, "last" as -1."""
    numbered: frozenset[str] = frozenset()
    """"number", "option", before the place of a choice."""


@cache
def names_of_numbers(lexicon: Lexicon) -> dict[tuple[str, ...], int]:
    """The words of each small number, and of years, to its value."""
    names: dict[tuple[str, ...], int] = {}
    years = [*range(1900, 2100)] if lexicon.largest_name > 99 else []
    for number in [*range(lexicon.largest_name, -1, -1), *years]:
        said = {lexicon.spoken.cardinal(number, gender) for gender in ("", "m", "f", "n")}
        said |= {lexicon.spoken.year(number)} if number > 999 else set()
        names |= {tuple(re.findall(r"[^\W\d_]+", words.lower())): number for words in said}
    return names


@cache
def names_of_ordinals(lexicon: Lexicon) -> dict[tuple[str, ...], int]:
    """The words of the days of a month to their numbers."""
    names: dict[tuple[str, ...], int] = {}
    for number in range(31, 0, -1):
        said = {lexicon.spoken.ordinal(number, gender) for gender in ("", "m", "f")} | {lexicon.spoken.day(number)}
        for words in said:
            parts = tuple(re.findall(r"[^\W\d_]+", words.lower()))
            names[parts] = number
            if lexicon.spoken.code.startswith("de"):
                names[(*parts[:-1], parts[-1].rstrip("r") + "n")] = names[(*parts[:-1], parts[-1].rstrip("rn"))] = (
                    number
                )
    return names
