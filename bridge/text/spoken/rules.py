"""Which rules are asked about a token, by its shape alone, so that no rule is asked in vain. Pure.

The shape of a token is the token with its digits alike, so that a few shapes stand for all that a long text has of one
kind; what rules each of them needs is remembered. The order of a table is the order in which its rules are asked.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import NamedTuple

from bridge.text.spoken import (
    addresses,
    codes,
    compounds,
    date_ranges,
    dates,
    keypad,
    lengths,
    machines,
    measures,
    names,
    parts,
    passwords,
    quantities,
    results,
)
from bridge.text.spoken.cursor import ANYTHING, Beside, Cursor, Part, Reading
from bridge.text.spoken.language import Language
from bridge.text.spoken.numerals import PRIMES

Rule = Callable[[Cursor], Reading | None]

DIGIT, _LETTER = re.compile(r"[\d½¼¾⅓⅔⅛⅜⅝⅞⅕²³]"), re.compile(r"[^\W\d_]")
PLAIN_WORD = re.compile(r"[^\W\d_]?[^\W\d_A-ZÀ-ÖØ-Þ]*(?:['’\-][^\W\d_]?[^\W\d_A-ZÀ-ÖØ-Þ]+)*")
"""A word that only a table of abbreviations could know."""
_DASH = re.compile(r"[-–—]")
FIGURES = str.maketrans("123456789", "000000000")
"""Makes a token its shape."""
_CASE = str.maketrans(
    "ABEFGHJKNOPQRSTUWYZVLCDMabcdfghijklmnopqrtuvwyz", "AAAAAAAAAAAAAAAAAAAIIIIIaaaaaaaaaaaaaaaaaaaaaaa"
)
"""Capitals of roman numerals look like `I` and others like `A`, but for the `X` of hidden digits."""


CONTINUED = Beside.MONTH | Beside.CLOCK | Beside.COUNTED | Beside.DASH
"""What makes one reading of a number and the token after it."""


class _Asked(NamedTuple):
    """A rule, and what a token needs to have for it to be asked."""

    rule: Rule
    shape: re.Pattern[str]
    lists: Callable[[str, Language], bool] | None = None
    """It only knows words of some tables of the language; given is the word in lower case."""
    fits: Callable[[str, Language], bool] = lambda shape, language: True
    """What else its shape needs to have."""
    opened: re.Pattern[str] = re.compile("")
    """How the marks before it begin."""
    closed: re.Pattern[str] = re.compile("")
    """How the marks after it begin."""
    needs: Beside = Beside(0)
    """It knows nothing unless one of these stands beside it; 0: whatever does."""


def _asked(rule: Rule, shape: str = ".+") -> _Asked:
    return _Asked(rule, re.compile(shape, re.DOTALL))


def _listed(rule: Rule, lists: Callable[[str, Language], bool]) -> _Asked:
    return _asked(rule)._replace(lists=lists)


def _is_day(word: str, language: Language) -> bool:
    """Whether a word is a day of the week or a range of such days."""
    return _DASH.split(word)[0].rstrip(".") in dates.days_of_week(language)


def _is_currency(word: str, language: Language) -> bool:
    return word.lstrip("-+−") in _currencies(language)


def _is_abbreviation(word: str, language: Language) -> bool:
    known = word in _abbreviations(language) or word in _first_letters(language)
    return known or word.endswith(tuple(language.street_endings))


def _is_number(shape: str) -> bool:
    """Whether a shape has no letters nor the dashes of a code."""
    return "-" not in shape and not any(map(str.isalpha, shape))


def _many_digits(shape: str, language: Language) -> bool:
    """Whether a shape may be a telephone number, whatever stands beside it."""
    return sum(map(str.isdecimal, shape)) >= 7 or shape[-1:].isalpha()


def _few_digits(shape: str, language: Language) -> bool:
    return not _many_digits(shape, language)


def _is_per_unit(word: str, language: Language) -> bool:
    return word in _per_units(language)


def _marked(shape: str, language: Language) -> bool:
    return re.split("[-/]", shape)[0].endswith((*language.ordinal_marks, "º", "ª"))


_EMAIL = _asked(addresses.email, ".*@.*")
_URL = _asked(addresses.url, r".*[.:].*")._replace(fits=lambda shape, language: _LETTER.search(shape) is not None)
_CODE = _asked(codes.code, codes.CODE.pattern)._replace(fits=lambda shape, language: not _is_number(shape))
_NAMED = _asked(codes.named)._replace(needs=Beside.NAMED)
_PASSWORD = _asked(passwords.password)._replace(needs=Beside.NAMED)
_AMOUNT = _asked(measures.amount, r"[^\d]{0,6}[.,]?\d.*")._replace(fits=measures.may_measure)
_BARE = r"[-+−±~]?[.,]?\d[\d.,'’]*"
"""A number that does not say itself what it measures."""
_CARD = _asked(codes.card, r"(?:[*•·]{2}|[xX]{4}).*|\d{4}[-.]\d{4}.*")
_OPERATOR = _asked(quantities.operator, "[*×xX·÷/+=−–—-]")
_KEYS = _asked(keypad.keys, r"[*#\d]+")

_MORE_DIGITS = Beside.DIGITS | Beside.DASH
_OPEN, _STOPPED, _PRIMED = re.compile("$"), re.compile(r"\."), re.compile(f"[{''.join(PRIMES)}]")
_OPENED, _GOES_ON = re.compile(r"\($"), re.compile(r"\)*$")
_CLOCKED = Beside.CLOCK | Beside.DASH | Beside.TOLD

_INTEGERS = (
    _asked(lengths.length, r"\d{1,3}")._replace(closed=_PRIMED, fits=lambda shape, language: language.feet_and_inches),
    _asked(codes.card, r"\d{4}")._replace(closed=_OPEN, needs=Beside.DIGITS),
    _asked(codes.card, r"\d{15,16}"),
    _PASSWORD,
    _NAMED,
    _asked(dates.day_and_month, r"\d{1,2}")._replace(needs=Beside.MONTH),
    _asked(dates.time, r"\d{1,2}")._replace(needs=Beside.DASH | Beside.CLOCK),
    _asked(codes.telephone, r"\d{1,6}")._replace(closed=_GOES_ON, needs=_MORE_DIGITS),
    _asked(codes.telephone, r"\d{3,6}")._replace(needs=Beside.CALLED),
    _asked(codes.telephone, r"\d{7,}"),
    _asked(quantities.mixed_fraction, r"\d{1,3}")._replace(needs=Beside.FRACTION),
    _asked(measures.amount)._replace(needs=Beside.COUNTED),
    _asked(date_ranges.spaced_date, r"\d{1,2}")._replace(
        closed=re.compile(r"\.$"), fits=lambda shape, language: language.ordinal_stop
    ),
    _asked(quantities.ordinal, r"\d{1,2}")._replace(
        closed=_STOPPED, fits=lambda shape, language: language.ordinal_stop
    ),
    _asked(codes.code),
    _asked(quantities.number),
)
"""For a token of digits alone."""
_NUMERIC = (
    _EMAIL,
    _listed(names.numeric_abbreviation, lambda word, language: word in language.abbreviations),
    _asked(compounds.pace, r"\d{1,2}:\d{2}/[^\W\d_]{1,5}"),
    _asked(date_ranges.glued_day, r"\d{1,2}\.[^\W\d_]{3,}")._replace(
        fits=lambda shape, language: language.ordinal_stop
    ),
    _asked(lengths.length, r"\d{1,3}[.½¼¾]\d*|\d{1,2}/\d{1,2}|[½¼¾⅛⅜⅝⅞]")._replace(
        closed=_PRIMED, fits=lambda shape, language: language.feet_and_inches
    ),
    _asked(dates.numbered_day, r"\d\.?ª")._replace(
        fits=lambda shape, language: "ter" in language.weekday_abbreviations
    ),
    _asked(lengths.feet, r"\d{1,3}['’′].*"),
    _CARD,
    _PASSWORD,
    _NAMED,
    _asked(parts.section, r"\d[\d.]*[A-Za-z]?\(.*"),
    _asked(parts.half, r"\d/\d|½")._replace(closed=_OPEN, fits=lambda shape, language: bool(language.halves)),
    _asked(results.in_brackets)._replace(opened=_OPENED, needs=Beside.TOLD, fits=measures.may_measure),
    _asked(results.score, r"\d{1,3}[-–:]\d{1,3}")._replace(needs=Beside.TOLD),
    _asked(results.grade, r"\d{1,3}/\d{1,3}")._replace(needs=Beside.TOLD | Beside.COUNTED),
    _asked(results.grade, r"\d\d/\d{2,3}")._replace(fits=lambda shape, language: language.feet_and_inches),
    _asked(results.pressure, r"\d{1,3}/\d{1,3}")._replace(needs=Beside.TOLD | Beside.COUNTED),
    _asked(results.pressure, r"\d{3}/\d{2,3}"),
    _asked(parts.rating, r"\d{1,3}[.,]\d{1,2}/\d[\d.,]*"),
    _asked(date_ranges.date_range, r"\d{1,2}[/.].{0,9}?[-–—]\d.*"),
    _asked(date_ranges.date_range, r"\d{1,2}[/.]\d{1,2}(?:[/.]\d{2,4})?")._replace(needs=Beside.DASH),
    _asked(dates.date, r"\d{1,4}([/.\-])\d{1,2}\1\d.*"),
    _asked(dates.date_without_year, r"\d{1,2}/\d{1,2}"),
    _asked(dates.date_without_year, r"\d{1,2}\.\d{1,2}")._replace(closed=_STOPPED),
    _asked(dates.date_without_year, r"\d{1,2}-\d{1,2}")._replace(
        fits=lambda shape, language: language.dates_with_dashes
    ),
    _asked(dates.day_and_month, r"\d{1,2}(?:[-–—a-zº°ª].*)?")._replace(needs=Beside.MONTH),
    _asked(dates.time, r"\d{1,2}\.\d{1,2}")._replace(needs=_CLOCKED),
    _asked(dates.time, r"\d{1,2}[-–—]\d{1,2}")._replace(needs=Beside.CLOCK),
    _asked(dates.time, r"\d{1,2}(?![.–—-]\d{1,2}$)(?:[:.hHuUapAP].*|[-–—].*)?"),
    _asked(codes.telephone, r"\+?\(?\d[\d()./ –-]*(?:[-. ][A-Z][A-Z.-]+)?")._replace(fits=_many_digits),
    _asked(codes.telephone, r"\+?\(?\d[\d()./ –-]*")._replace(closed=_GOES_ON, fits=_few_digits, needs=_MORE_DIGITS),
    _asked(codes.telephone, r"\+?\(?\d[\d()./ –-]*")._replace(fits=_few_digits, needs=Beside.CALLED),
    _asked(quantities.ratio, r"\d[\d.,]*:\d[\d.,]*"),
    _asked(quantities.scientific, r".*\d[eE].*"),
    _asked(machines.machine, r"\d+\.\d+")._replace(needs=Beside.TOLD),
    _asked(machines.machine, r"[vV]\d+\..*|\d+\.\d*[^\d].*|[0-9a-fA-F:]*:[0-9a-fA-F]*:[0-9a-fA-F:]*"),
    _asked(quantities.written_fraction, r".*[/⁄½¼¾⅓⅔⅛⅜⅝⅞⅕].*"),
    _asked(quantities.arithmetic, r"[-+−]?\d[\d.,]*(?:[*×xX·÷+=].*|[/−-].*=.*)"),
    _KEYS,
    _asked(codes.numbered, r"[#№]\d+"),
    _asked(compounds.decade, r"'?\d{1,4}'?[a-z]{1,3}(?:-[^\W\d_].*)?"),
    _asked(compounds.percent_word, r"\d{1,3}%-?ig[a-z]*"),
    _asked(compounds.about, r"\d{1,4}-?ish"),
    _asked(compounds.part_of, r"\d/\d{1,2}-[a-z]+"),
    _asked(results.lumber, r"\d{1,2}[xX×]\d{1,2}s|\d{1,2}s")._replace(
        fits=lambda shape, language: language.feet_and_inches
    ),
    _asked(quantities.duration, r"\d{1,2}(?:h\d{1,2}(?:m.*)?|m(?:\d\d)?)"),
    _asked(measures.amount, _BARE)._replace(fits=measures.may_measure, needs=Beside.COUNTED),
    _asked(measures.amount, rf"(?!{_BARE}$)[^\d]{{0,6}}[.,]?\d.*")._replace(fits=measures.may_measure),
    _asked(quantities.marked_ordinal, r"\d.*[^\d]")._replace(fits=_marked),
    _asked(quantities.period, r"\d+[-–—/]\d+"),
    _asked(names.shortened, r"\d{1,3}-.*\..*"),
    _asked(compounds.compound, r"\d{1,4}(?:st|nd|rd|th)?-[^\W\d_].*"),
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
    _asked(names.numbered, r".*\.\d+|[nN][º°]\d+"),
    _asked(codes.card, r"[xX]{4}.*|[xX]{3}-[xX]{2}-.*|[A-Z]{2}\d{2}[A-Z0-9]*"),
    _PASSWORD,
    _NAMED,
    _asked(machines.machine, r"[vV]\d+\..*|[0-9a-fA-F:]*:[0-9a-fA-F]*:[0-9a-fA-F:]*"),
    _asked(codes.telephone_link, r"tel:\+?[\d().-]{3,24}"),
    _asked(compounds.prefixed, r"[^\d]{3,6}-\d{1,4}s?"),
    _AMOUNT,
    _CODE,
)
"""For one that begins with a letter."""
_IN_BRACKETS = _listed(results.in_brackets, _is_currency)._replace(opened=_OPENED, needs=Beside.TOLD)

_LETTERED = (
    _EMAIL,
    _URL,
    _listed(names.per_unit, _is_per_unit),
    _asked(names.hyphened, "[^-]{2,4}-.+"),
    _listed(dates.month_name, lambda word, language: word in language.month_abbreviations),
    _listed(dates.weekday, _is_day),
    _listed(names.beside_sum, lambda word, language: word.upper() in language.beside_sums),
    _asked(names.shortened, r".+-.*\..*|.*\.-.+"),
    _asked(names.roman, r"[IX]+(?:ea?|['’]s)?"),
    _listed(names.abbreviation, _is_abbreviation),
    _asked(names.initials, r"\w|.*\..*"),
    _IN_BRACKETS,
    _listed(measures.currency_first, _is_currency),
    _OPERATOR,
    _asked(codes.card, "[xX]{4}.*"),
    _asked(codes.lettered, "[AEIX-]{1,12}")._replace(needs=Beside.NAMED),
    _asked(names.acronym, r"[AEIXÀ-ÖØ-Þ]{2,8}(?:'?s)?|[AEIX]{1,3}&[AEIX]{1,3}"),
    _asked(names.joined, ".*/.*"),
    _asked(addresses.handle, "[@#].*"),
)
"""For one without a digit that is no plain word."""
_SIGNS = (
    _IN_BRACKETS,
    _CARD,
    _asked(measures.currency_first)._replace(fits=lambda shape, language: shape.lstrip("-+−") in language.currencies),
    _OPERATOR,
    _KEYS,
)
"""For one without a letter or digit."""
NEIGHBOURLESS = frozenset((
    addresses.email, addresses.url, dates.date, addresses.handle, codes.code, codes.numbered, names.numbered,
    names.numeric_abbreviation, compounds.compound, compounds.percent_word, compounds.pace,
    compounds.about, compounds.part_of, quantities.period, quantities.ratio,
    quantities.scientific, quantities.marked_ordinal,
    quantities.marked_number, parts.rating,
))  # fmt: skip
"""Those that look at nothing but the token."""
LOOKING_AHEAD = NEIGHBOURLESS | {
    measures.amount,
    quantities.written_fraction,
    date_ranges.date_range,
    dates.day_and_month,
    dates.time,
    codes.telephone,
}
"""Those that look at the token and, where it is not of digits alone, at one after it if that continues it; the last
also at words before it that are about telephones."""
LOOKING_BACK = LOOKING_AHEAD | {
    codes.card, keypad.keys, machines.machine, compounds.decade, compounds.prefixed, dates.date_without_year,
    names.numeric_abbreviation, quantities.arithmetic, lengths.feet, results.score, results.grade, results.pressure,
}  # fmt: skip
"""Those that look besides at words of `told_by` before a token that has a digit, if it is not of digits alone."""
INFLECTED = frozenset((
    date_ranges.glued_day, date_ranges.spaced_date, names.roman, dates.date, dates.date_without_year,
    dates.day_and_month, dates.month_name, quantities.ordinal,
    quantities.marked_ordinal,
))  # fmt: skip
"""Those whose words have another ending after some words, in languages that have endings."""
_TABLES = {
    "integer": _INTEGERS,
    "numeric": _NUMERIC,
    "mixed": _MIXED,
    "lettered": _LETTERED,
    "signs": _SIGNS,
}


def rules_for(part: Part, language: Language, beside: int = ANYTHING) -> tuple[Rule, ...]:
    """Which rules may know a token, by the token taken apart and what stands beside it."""
    core = part.core
    if core.isdecimal():
        table, shape = "integer", core.translate(FIGURES)
    elif DIGIT.search(core):
        table, shape = "mixed" if core[0].isalpha() else "numeric", core.translate(FIGURES)
    elif _LETTER.search(core):
        table, shape = "lettered", core.translate(_CASE)
    else:
        table, shape = "signs", core
    word = core.lower()
    return tuple(
        one.rule
        for one in _TABLES[table]
        if (not one.needs or one.needs & beside)
        and (one.lists is None or one.lists(word, language))
        and one.opened.match(part.lead)
        and one.closed.match(part.trail)
        and one.shape.fullmatch(shape)
        and one.fits(shape, language)
    )


def after_digits(core: str, language: Language) -> Beside:
    """What a token may be to a number before it, by the token without its marks."""
    word, found = core.lower(), Beside(0)
    if core[:1].isdecimal():
        found |= Beside.DIGITS
    if dates.names_month(word, language):
        found |= Beside.MONTH
    if dates.marks_time(word, language):
        found |= Beside.CLOCK
    if "€" in core or (not core[:1].isdecimal() and measures.may_count(core, language)):
        found |= Beside.COUNTED
    if core[:1] and (core[0] in "-–—/xX" or word.startswith("ext") or word == language.range_to):
        found |= Beside.DASH
    return found | Beside.FRACTION if "/" in core or "⁄" in core else found


@functools.cache
def told_by(language: Language) -> frozenset[str]:
    """Words in lower case that tell of digits within five tokens after them what they are: `version`, `on`, `press`."""
    return frozenset((
        *language.version_words, *language.date_words, *language.expiry_words, *language.decade_words,
        *language.press_words, *language.year_words, *language.forms, *language.hour_articles, *language.time_words,
        *language.month_abbreviations, *dates.days_of_week(language), language.range_to, *language.score_words,
        *language.grade_words, *language.pressure_words, *language.ledger_words,
    ))  # fmt: skip


@functools.cache
def watched(language: Language) -> frozenset[str]:
    """Plain words in lower case that some rule of a language may want to read."""
    return frozenset((
        *_abbreviations(language), *_currencies(language), *language.weekday_abbreviations,
        *language.month_abbreviations, *_per_units(language), "x", "i", "v", "ier", "ire",
    ))  # fmt: skip


@functools.cache
def _abbreviations(language: Language) -> frozenset[str]:
    """What `names.abbreviation` may know, in lower case."""
    tables = (language.abbreviations, language.titles, language.streets, language.before_numbers)
    return frozenset(word.lower() for table in tables for word in table)


@functools.cache
def _per_units(language: Language) -> frozenset[str]:
    """What `names.per_unit` may know, in lower case."""
    return frozenset(unit.lower() for unit, said in language.per_units.items() if unit != said)


@functools.cache
def _first_letters(language: Language) -> frozenset[str]:
    """With what abbreviations of several letters begin that may be written apart: `e. g.`."""
    return frozenset(word.partition(".")[0] for word in language.abbreviations if "." in word)


@functools.cache
def _currencies(language: Language) -> frozenset[str]:
    return frozenset(word.lower() for word in language.currencies)
