"""Two dates with a dash between them: `5/6-5/9`, `01.05.-03.05.2026`, `3.-5. Mai`, `May 5-June 2`. Pure."""

from __future__ import annotations

import re
from typing import NamedTuple

from bridge.text.spoken.cursor import Cursor, Reading
from bridge.text.spoken.language import Language

_ENDS = re.compile(r"(\d{1,2}[/.].{0,9}?)[-–—](\d{1,2}[/.]?.{0,9})")
_DATE = re.compile(r"(\d{1,2})(?:([/.])(\d{1,2})(?:\2(\d{4}|\d{2}))?)?")
_TO_MONTH = re.compile(r"(\d{1,2})(?:st|nd|rd|th)?[-–—]([^\W\d_]{3,12})")
_DASHES = frozenset("-–—")
_SHORT_YEARS_FROM = 50


class _Day(NamedTuple):
    """One end of a range."""

    day: int
    month: int
    """0: that of the other end."""
    year: int | None


def date_range(c: Cursor) -> Reading | None:
    """Read two dates in figures with a dash between them, in one token or in three."""
    core, language = c.core(), c.language
    if ends := _ENDS.fullmatch(core):
        first, last, count = ends[1], ends[2] + c.part().trail[:1].replace(",", ""), 1
    elif c.core(1) in _DASHES and c.core(2)[:1].isdecimal() and c.part().trail in ("", "."):
        first, last, count = core + c.part().trail, c.core(2) + c.part(2).trail[:1].replace(",", ""), 3
    else:
        return None
    stopped = last.endswith(".")
    month = language.month_abbreviations.get(c.word(count), 0) if stopped and language.ordinal_stop else 0
    begin, end = _day(first, language), _day(last, language)
    if end is not None and month and not end.month and c.core(count)[:1].isupper():
        end, count, stopped = end._replace(month=month), count + 1, False
    if begin is None or end is None or not end.month or (not begin.month and not language.ordinal_stop):
        return None
    begin = begin if begin.month else begin._replace(month=end.month)
    if (begin.month, begin.day) >= (end.month, end.day) and begin.year == end.year:
        return None
    if begin.month == end.month and begin.year is None and language.ordinal_stop:
        words = language.ordinal(begin.day, "m") + "r"
    else:
        words = language.date(begin.day, begin.month, begin.year)
    if language.inflected is not None:
        words = language.inflected(c.word(-1), words)
    second = language.date(end.day, end.month, end.year)
    if language.inflected is not None:
        second = language.inflected(language.range_to, second)
    return Reading(count, f"{words} {language.range_to} {second}", keep_stop=not stopped or c.ends_sentence(count - 1))


def glued_day(c: Cursor) -> Reading | None:
    """`3.Mai`, `3.Mai 2026`, `2.Stock`: an ordinal that is written without a space before its noun."""
    language = c.language
    figures, _, noun = c.core().partition(".")
    month = language.month_abbreviations.get(noun.lower(), 0)
    if not noun[0].isupper() or not 1 <= int(figures) <= 31:
        return None
    if not month:
        return Reading(1, f"{language.ordinal(int(figures), '')} {noun}")
    year = c.core(1)
    if c.part().trail in ("", ".") and len(year) == 4 and year.isdecimal() and 1000 <= int(year) <= 2999:
        return Reading(2, language.date(int(figures), month, int(year)))
    return Reading(1, language.date(int(figures), month, None))


def spaced_date(c: Cursor) -> Reading | None:
    """`1. 5. 2026`, and after a word such as "am" `1. 5.`: a date in figures with spaces."""
    language, day, month = c.language, c.core(), c.core(1)
    if c.part().trail != "." or c.part(1).lead or not month.isdecimal() or len(month) > 2:
        return None
    if not (1 <= int(day) <= 31 and 1 <= int(month) <= 12 and c.part(1).trail[:1] == "."):
        return None
    year = c.core(2)
    if c.part(1).trail == "." and len(year) == 4 and year.isdecimal() and not c.part(2).lead:
        return Reading(3, language.date(int(day), int(month), int(year)))
    if c.word(-1) not in language.date_words or c.core(2)[:1].isdecimal():
        return None
    return Reading(2, language.date(int(day), int(month), None), keep_stop=c.ends_sentence(1))


def to_month(c: Cursor) -> tuple[int, int, int] | None:
    """The day, the month and the day after it in `5-June 2`, at the token after the cursor."""
    found, language = _TO_MONTH.fullmatch(c.core(1)), c.language
    last = c.core(2)
    if found is None or not last[:2].rstrip("stndrh").isdecimal() or not (c.joined(1) or c.part(1).trail == "."):
        return None
    month = language.month_abbreviations.get(found[2].lower(), 0)
    day = int("".join(filter(str.isdecimal, last[:2])))
    return (int(found[1]), month, day) if month and 1 <= int(found[1]) <= 31 and 1 <= day <= 31 else None


def _day(text: str, language: Language) -> _Day | None:
    """One end, if it can be nothing but a date: with stops it needs one at its end, or a year."""
    stopped = text.endswith(".")
    found = _DATE.fullmatch(text.rstrip("."))
    if found is None:
        return None
    if found[2] is None:
        return _Day(int(found[1]), 0, None) if stopped and language.ordinal_stop and 1 <= int(found[1]) <= 31 else None
    if found[2] == "." and found[4] is None and not (stopped and language.ordinal_stop):
        return None
    first, second = int(found[1]), int(found[3])
    day, month = (second, first) if language.month_first and found[2] == "/" else (first, second)
    if month > 12:
        day, month = month, day
    if not (1 <= day <= 31 and 1 <= month <= 12):
        return None
    year = int(found[4]) if found[4] else None
    if year is not None and year < 100:
        year += 1900 if year >= _SHORT_YEARS_FROM else 2000
    return _Day(day, month, year)
