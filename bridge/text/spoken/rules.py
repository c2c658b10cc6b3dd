"""Which rules are asked about a token, by its shape alone, so that no rule is asked in vain. Pure.

The shape of a token is the token with its digits alike, so that a few shapes stand for all that a long text has of one
kind; what rules each of them needs is remembered. The order of a table is the order in which its rules are asked.
"""

from __future__ import annotations

import enum
import functools
import re
from collections.abc import Callable
from typing import NamedTuple

from bridge.text.spoken import addresses, codes, dates, measures, names, quantities
from bridge.text.spoken.cursor import Cursor, Reading
from bridge.text.spoken.language import Language

Rule = Callable[[Cursor], Reading | None]

DIGIT, _LETTER = re.compile(r"[\d½¼¾⅓⅔⅛⅜⅝⅞⅕²³]"), re.compile(r"[^\W\d_]")
_DASH = re.compile(r"[-–—]")
_SHAPES_REMEMBERED = 8192
_FIGURES = str.maketrans("123456789", "000000000")
_CASE = str.maketrans(
    "ABEFGHJKNOPQRSTUWYZVLCDMabcdfghijklmnopqrtuvwyz", "AAAAAAAAAAAAAAAAAAAIIIIIaaaaaaaaaaaaaaaaaaaaaaa"
)
"""Capitals of roman numerals look like `I` and others like `A`, but for the `X` of hidden digits."""


class _Asked(NamedTuple):
    """A rule, and what a token needs to have for it to be asked."""

    rule: Rule
    shape: re.Pattern[str]
    lists: Callable[[str, Language], bool] | None = None
    """It only knows words of some tables of the language; given is the word in lower case."""
    fits: Callable[[str, Language], bool] = lambda shape, language: True
    """What else its shape needs to have."""


def _asked(rule: Rule, shape: str = ".+") -> _Asked:
    return _Asked(rule, re.compile(shape, re.DOTALL))


def _listed(rule: Rule, lists: Callable[[str, Language], bool]) -> _Asked:
    return _asked(rule)._replace(lists=lists)


def _is_day(word: str, language: Language) -> bool:
    """Whether a word is a day of the week or a range of such days."""
    return _DASH.split(word)[0].rstrip(".") in language.weekday_abbreviations


def _is_currency(word: str, language: Language) -> bool:
    return word in _currencies(language)


def _is_abbreviation(word: str, language: Language) -> bool:
    known = word in _abbreviations(language) or word in _first_letters(language)
    return known or word.endswith(tuple(language.street_endings))


def _marked(shape: str, language: Language) -> bool:
    return shape.partition("-")[0].endswith((*language.ordinal_marks, "º", "ª"))


_EMAIL = _asked(addresses.email, ".*@.*")
_URL = _asked(addresses.url, r".*[.:].*")
_CODE = _asked(codes.code, codes.CODE.pattern)
_NAMED = _asked(codes.named, codes.CODE.pattern)
_AMOUNT = _asked(measures.amount, r"[^\d]{0,6}[.,]?\d.*")._replace(fits=measures.may_measure)
_CARD = _asked(codes.card, r"(?:[*•·]{2}|[xX]{4}).*|\d{4}[-.]\d{4}.*")
_OPERATOR = _asked(quantities.operator, "[*×xX·÷/+=−–—-]")
_KEYS = _asked(codes.keys, r"[*#\d]+")

_INTEGERS = (
    _asked(codes.card, r"\d{4}|\d{15,16}"),
    _NAMED,
    _asked(dates.day_and_month, r"\d{1,2}"),
    _asked(dates.time, r"\d{1,2}"),
    _asked(codes.telephone),
    _asked(quantities.mixed_fraction, r"\d{1,3}"),
    _asked(measures.amount),
    _asked(quantities.ordinal, r"\d{1,2}"),
    _asked(codes.code),
    _asked(quantities.number),
)
"""For a token of digits alone."""
_AMONG_INTEGERS = tuple(
    one for one in _INTEGERS if one.rule in (codes.card, codes.named, codes.telephone, codes.code, quantities.number)
)
"""For one that another such token follows: the others read what has a letter or a sign."""
_NUMERIC = (
    _EMAIL,
    _listed(names.numeric_abbreviation, lambda word, language: word in language.abbreviations),
    _asked(quantities.feet, r"\d{1,3}['’′].*"),
    _CARD,
    _NAMED,
    _asked(dates.date, r"\d{1,4}([/.\-])\d{1,2}\1\d.*"),
    _asked(dates.date_without_year, r"\d{1,2}[/.]\d{1,2}"),
    _asked(dates.day_and_month, r"\d{1,2}(?:[-–—a-zº°ª].*)?"),
    _asked(dates.time, r"\d{1,2}(?:[:.hHapAP].*|[-–—].*)?"),
    _asked(codes.telephone, r"\+?\(?\d[\d()./ –-]*(?:[-. ][A-Z][A-Z.-]+)?"),
    _asked(quantities.ratio, r"\d[\d.,]*:\d[\d.,]*"),
    _asked(quantities.scientific, r".*\d[eE].*"),
    _asked(codes.machine, r"[vV]?\d+\..*|[0-9a-fA-F:]*:[0-9a-fA-F:]*"),
    _asked(quantities.written_fraction, r".*[/⁄½¼¾⅓⅔⅛⅜⅝⅞⅕].*"),
    _asked(quantities.arithmetic, r"[-+−]?\d[\d.,]*(?:[*×xX·÷+=].*|[/−-].*=.*)"),
    _KEYS,
    _asked(codes.numbered, r"[#№]\d+"),
    _asked(quantities.decade, r"'?\d{1,4}'?[a-z]{1,2}"),
    _asked(quantities.duration, r"\d{1,2}h\d{1,2}m.*"),
    _AMOUNT,
    _asked(quantities.marked_ordinal, r"\d.*[^\d]")._replace(fits=_marked),
    _asked(quantities.period, r"\d+[-–—/]\d+"),
    _asked(quantities.compound, r"\d{1,4}(?:st|nd|rd|th)?-[^\W\d_].*"),
    _CODE,
    _asked(quantities.marked_number, r"[-+−±~≈]?[\d.,'’]+"),
    _URL,
    _asked(addresses.handle, "[@#].*"),
)
"""For one that has a digit and does not begin with a letter."""
_MIXED = (
    _EMAIL,
    _URL,
    _listed(names.numeric_abbreviation, lambda word, language: word in language.abbreviations),
    _asked(names.numbered, r".*\.\d+"),
    _asked(codes.card, r"[xX]{4}.*|[A-Z]{2}\d{2}[A-Z0-9]*"),
    _NAMED,
    _asked(codes.machine, r"[vV]\d+\..*|[0-9a-fA-F:]*:[0-9a-fA-F:]*"),
    _asked(codes.telephone_link, r"tel:\+?[\d().-]{3,24}"),
    _AMOUNT,
    _CODE,
)
"""For one that begins with a letter."""
_LETTERED = (
    _EMAIL,
    _URL,
    _listed(dates.month_name, lambda word, language: word in language.month_abbreviations),
    _listed(dates.weekday, _is_day),
    _asked(names.roman, "[IX]+e?"),
    _listed(names.abbreviation, _is_abbreviation),
    _asked(names.initials, r"\w|.*\..*"),
    _listed(measures.currency_first, _is_currency),
    _OPERATOR,
    _asked(codes.card, "[xX]{4}.*"),
    _asked(names.acronym, r"[AEIXÀ-ÖØ-Þ]{2,8}(?:'?s)?|[AEIX]{1,3}&[AEIX]{1,3}"),
    _asked(names.joined, ".*/.*"),
    _asked(addresses.handle, "[@#].*"),
)
"""For one without a digit that is no plain word."""
_SIGNS = (
    _CARD,
    _asked(measures.currency_first)._replace(fits=lambda shape, language: shape in language.currencies),
    _OPERATOR,
    _KEYS,
)
"""For one without a letter or digit."""
NEIGHBOURLESS = frozenset((
    addresses.email, addresses.url, dates.date, addresses.handle, codes.code, codes.numbered, names.numbered,
    names.numeric_abbreviation, names.joined, quantities.compound, quantities.period, quantities.ratio,
    quantities.scientific, quantities.written_fraction, quantities.marked_ordinal,
    quantities.marked_number,
))  # fmt: skip
"""Those that look at nothing but the token."""
LOOKING_AHEAD = NEIGHBOURLESS | {measures.amount, dates.day_and_month, dates.time, codes.telephone}
"""Those that look at the token and, where it is not of digits alone, at one after it if that continues it; the last
also at words before it that are about telephones."""
INFLECTED = frozenset((
    dates.date, dates.date_without_year, dates.day_and_month, dates.month_name, quantities.ordinal,
    quantities.marked_ordinal,
))  # fmt: skip
"""Those whose words have another ending after some words, in languages that have endings."""
_TABLES = {
    "integer": _INTEGERS,
    "among": _AMONG_INTEGERS,
    "numeric": _NUMERIC,
    "mixed": _MIXED,
    "lettered": _LETTERED,
    "signs": _SIGNS,
}


_LISTS = {name: [one for one in table if one.lists] for name, table in _TABLES.items()}


class Rules(dict[str, tuple[Rule, ...]]):
    """Which rules may know a token, whatever stands beside it, by the token without its marks.

    named   a word before it says that it names something
    among   it is digits, and so is the token after it
    """

    def __init__(self, language: Language, *, named: bool = False, among: bool = False) -> None:
        self._language, self._named, self._among = language, named, among

    def __missing__(self, core: str) -> tuple[Rule, ...]:
        if core.isdecimal():
            table, shape = "among" if self._among else "integer", core.translate(_FIGURES)
        elif DIGIT.search(core):
            table, shape = "mixed" if core[0].isalpha() else "numeric", core.translate(_FIGURES)
        elif _LETTER.search(core):
            table, shape = "lettered", core.translate(_CASE)
        else:
            table, shape = "signs", core
        word, language = core.lower(), self._language
        unlisted = tuple(one.rule for one in _LISTS[table] if one.lists and not one.lists(word, language))
        rules = self[core] = _rules(table, shape, unlisted, self._named, language)
        return rules


@functools.lru_cache(_SHAPES_REMEMBERED)
def _rules(table: str, shape: str, unlisted: tuple[Rule, ...], named: bool, language: Language) -> tuple[Rule, ...]:
    """The rules of a table that may know tokens of a shape."""
    return tuple(
        one.rule
        for one in _TABLES[table]
        if one.shape.fullmatch(shape)
        and one.rule not in unlisted
        and (named or one.rule is not codes.named)
        and one.fits(shape, language)
    )


class Continuation(enum.Enum):
    """What a token may be to a number before it."""

    NOTHING = enum.auto()
    DIGITS = enum.auto()
    """More digits of a telephone number."""
    MORE = enum.auto()
    """Its unit, its month, the other end of a range and the like."""


class Continuations(dict[str, Continuation]):
    """What tokens may be to a number before them, by the token without its marks."""

    def __init__(self, language: Language) -> None:
        self._language = language

    def __missing__(self, core: str) -> Continuation:
        word, language = core.lower(), self._language
        more = core[:1] in ("-", "–", "—", "/", "x", "X") or "€" in core or measures.may_count(core, language)
        if more or dates.marks_time(word, language) or dates.names_month(word, language):
            continues = Continuation.MORE
        else:
            continues = Continuation.DIGITS if core[:1].isdecimal() else Continuation.NOTHING
        self[core] = continues
        return continues


@functools.cache
def watched(language: Language) -> frozenset[str]:
    """Plain words in lower case that some rule of a language may want to read."""
    return frozenset((
        *_abbreviations(language), *_currencies(language), *language.weekday_abbreviations,
        *language.month_abbreviations, "x", "i", "v",
    ))  # fmt: skip


@functools.cache
def _abbreviations(language: Language) -> frozenset[str]:
    """What `names.abbreviation` may know, in lower case."""
    tables = (language.abbreviations, language.titles, language.streets, language.before_numbers)
    return frozenset(word.lower() for table in tables for word in table)


@functools.cache
def _first_letters(language: Language) -> frozenset[str]:
    """With what abbreviations of several letters begin that may be written apart: `e. g.`."""
    return frozenset(word.partition(".")[0] for word in language.abbreviations if "." in word)


@functools.cache
def _currencies(language: Language) -> frozenset[str]:
    return frozenset(word.lower() for word in language.currencies)
