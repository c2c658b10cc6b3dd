"""Dates and times of day, alone and in ranges. Pure."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import NamedTuple

from bridge.text.spoken.codes import letters
from bridge.text.spoken.cursor import Cursor, Reading
from bridge.text.spoken.date_ranges import to_month
from bridge.text.spoken.language import Language

_DATE = re.compile(r"(\d{1,2})([/.\-])(\d{1,2})\2(\d{4}|\d{2})")
_ISO = re.compile(
    r"(\d{4})([-/.])(\d{1,2})\2(\d{1,2})(?:T(\d{2}:\d{2})(?::(?:00(?:\.0+)?|(\d{2})(?:\.\d{1,9})?))?(?:Z|([-+]\d{2}):?(\d{2}))?)?"
)
_DAY_MONTH = re.compile(r"(\d{1,2})([/.-])(\d{1,2})")
_DAY = re.compile(r"(\d{1,2})(?:st|nd|rd|th|er|º|ª|°|e|o)?")
_DAYS = re.compile(r"(\d{1,2})(?:st|nd|rd|th)?[-–—](\d{1,2})(?:st|nd|rd|th)?")
_DAY_OF_MONTH = re.compile(r"\d{1,2}(?!\d)")
_YEAR = re.compile(r"\d{4}")
_SHORT_YEAR = re.compile(r"'\d{2}")
_CLOCK = re.compile(r"(\d{1,2})(?:[:.hHuU](\d{2}))?(?::(\d{2}))?(h|H|[ap]\.?m\.?|[AP]\.?M\.?)?")
_HALF_RANGE = re.compile(r"([aApP]\.?[mM]\.?)[-–—](\d.{0,8})")
_HALVES = {"am": "am", "a.m": "am", "pm": "pm", "p.m": "pm"}
_HALVES_APART = {"a": "am", "p": "pm"}
"""The first letter of those that are written apart: `9:30 a. m.`"""
_NOON = frozenset(("noon", "midnight"))
_AT = frozenset("at by from until till before after around since to".split())
"""English words after which `9 am I` is a time."""
_TO = frozenset("a al au t/m tot bis to through".split())
"""Words between two dates."""
_RANGE = re.compile(r"[-–—]")
_SUM = re.compile(r"\d[\d'’]*\.(?:\d\d|[-–])")
_BETWEEN_DAYS = frozenset("- – — & / + t/m".split())
_SHORT_YEARS_FROM = 50
"""Two digits from here on are a year of the last century."""


class _Clock(NamedTuple):
    hours: int
    minutes: int
    seconds: int | None
    half: str
    sure: bool
    """It can be nothing but a time."""


def date(c: Cursor) -> Reading | None:
    """Read a date in figures, such as `3/14/2024`, `24.12.2024` or `2024-01-05`."""
    language, core = c.language, c.core()
    if iso := _ISO.fullmatch(core):
        words = _date(int(iso[4]), int(iso[3]), int(iso[1]), language)
        if words is not None:
            if iso[5]:
                clock = _clock(f"{iso[5]}:{iso[6]}" if iso[6] else iso[5], language)
                words += f", {_say(clock, language)}" if clock else ""
            return Reading(1, words + _offset(iso[7] or "", iso[8] or "", language))
        return None
    if (found := _DATE.fullmatch(core)) and not (found[2] == "/" and _unit_follows(c, 0)):
        words = date_in_figures(found[1], found[3], found[4], language.month_first and found[2] != ".", language)
        return Reading(1, words) if words is not None else None
    return None


def date_in_figures(first: str, second: str, year: str, month_first: bool, language: Language) -> str | None:
    """A date by its three numbers; None where they are none."""
    day, month = (int(second), int(first)) if month_first else (int(first), int(second))
    return (
        _date(month, day, _full_year(year), language) if month > 12 else _date(day, month, _full_year(year), language)
    )


def date_without_year(c: Cursor) -> Reading | None:
    """Read day and month in figures, such as `on 3/4` or `24.12.`."""
    language, found = c.language, _DAY_MONTH.fullmatch(c.core())
    if found is None:
        return None
    first, second, stop = int(found[1]), int(found[3]), c.part().trail.startswith(".")
    no_day = not language.month_first and second > 12  # "05/28" where the day stands first
    if found[2] == "/" and len(found[3]) == 2 and 1 <= first <= 12 and second > 12 and (no_day or _expires(c)):
        joiner = f" {language.year_joiner} " if language.year_joiner else " "
        return Reading(1, f"{language.months[first - 1]}{joiner}{language.year(2000 + second)}")
    if found[2] == "-":
        if _to_a_date(c):
            return Reading(1, words) if (words := _date(first, second, None, language)) else None
        counts = c.core(1).islower() and c.core(1) not in language.counted_stops and not c.part().trail
        if counts or c.word(-1) not in language.date_words or c.word(1) in language.month_abbreviations:
            return None
        words = _date(first, second, None, language)
        return Reading(1, words) if words else None
    if found[2] == ".":
        if not (language.ordinal_stop and stop):
            return None
        words = _date(first, second, None, language)
        return Reading(1, words, keep_stop=c.ends_sentence(0)) if words else None
    day, month = (second, first) if language.month_first else (first, second)
    if month > 12:
        day, month = month, day
    fraction_like = first < second <= 10 or (first < second and second in (12, 16, 20, 100))
    dated = c.word(-1) in language.date_words or c.word(-1) in days_of_week(language) or _to_a_date(c)
    if fraction_like and not dated:
        return None
    words = _date(day, month, None, language)
    return Reading(1, words) if words else None


def _to_a_date(c: Cursor) -> bool:
    """Whether this is the first of two dates with a word between them: "de 1/5 a 3/6/2026", "1-5 t/m 3-6-2026"."""
    to = c.word(1) in _TO or c.word(1) == c.language.range_to
    return to and (_DAY_MONTH.fullmatch(c.core(2)) or _DATE.fullmatch(c.core(2))) is not None


def _expires(c: Cursor) -> bool:
    """Whether one of the three words before says that something ends: the month and the year of a card."""
    return any(word.rstrip(":") in c.language.expiry_words for word in c.before(3))


def _full_year(text: str) -> int:
    if len(text) == 4:
        return int(text)
    return int(text) + (1900 if int(text) >= _SHORT_YEARS_FROM else 2000)


def _offset(hours: str, minutes: str, language: Language) -> str:
    """How far a clock is from the world's, as it stands after a date: `+02:00`."""
    if not hours or (int(hours) == 0 and minutes == "00"):
        return ""
    sign = language.minus if hours[0] == "-" else language.plus
    said = f", {letters('UTC', language)} {sign} {language.cardinal(int(hours[1:]), '')}"
    return said if minutes == "00" else f"{said} {language.cardinal(int(minutes), '')}"


def _date(day: int, month: int, year: int | None, language: Language) -> str | None:
    if not (1 <= month <= 12 and 1 <= day <= 31):
        return None
    return language.date(day, month, year)


def month_name(c: Cursor) -> Reading | None:
    """Read a date that begins with its month: `Jan. 5`, `January 5th, 2024`, `Sept. 2024`, `Dec 24-26`, `Mar.`."""
    language, word, part = c.language, c.word(), c.part()
    month = language.month_abbreviations.get(word)
    if month is None or (part.core.islower() and language.months[month - 1][0].isupper() and part.trail != "."):
        return None
    if part.core.isupper() and len(part.core) < len(language.months[month - 1]) and not c.core(1)[:1].isdigit():
        return None  # "4.25% APR"
    named = language.weekday_abbreviations
    listed = c.word(1) in language.counted_stops and c.word(2) in named
    if word in named and not language.month_first and (listed or _DAY_OF_MONTH.match(c.core(1))):
        return None  # Spanish "mar. 3/04" is a Tuesday
    name = language.months[month - 1]
    day = _DAY.fullmatch(c.core(1)) if part.trail in ("", ".") and language.month_first else None
    if day is not None and 1 <= int(day[1]) <= 31 and not _unit_follows(c, 1):
        count, words = 2, f"{name} {language.day(int(day[1]))}"
        if c.part(1).trail in ("", ",") and _YEAR.fullmatch(c.core(2)) and 1000 <= int(c.core(2)) <= 2999:
            count, words = 3, f"{words}, {language.year(int(c.core(2)))}"
        return Reading(count, words)
    day = _DAY.fullmatch(c.core(1)) if part.trail in ("", ".") and language.feet_and_inches else None
    if day is not None and 1 <= int(day[1]) <= 31 and not _unit_follows(c, 1) and c.word(-1) not in language.scales:
        year = c.core(2) if c.part(1).trail in ("", ",") and _YEAR.fullmatch(c.core(2)) else ""
        known = int(year) if year and 1000 <= int(year) <= 2999 else None
        return Reading(3 if known else 2, language.date(int(day[1]), month, known))
    english = part.trail in ("", ".") and language.feet_and_inches
    days = _DAYS.fullmatch(c.core(1)) if english else None
    if days is not None and 1 <= int(days[1]) < int(days[2]) <= 31:
        return Reading(2, f"{name} {language.day(int(days[1]))} {language.range_to} {language.day(int(days[2]))}")
    if english and (ends := to_month(c)):
        last = f"{language.months[ends[1] - 1]} {language.day(ends[2])}"
        return Reading(3, f"{name} {language.day(ends[0])} {language.range_to} {last}")
    if part.trail in ("", ".", ",") and _YEAR.fullmatch(c.core(1)) and 1000 <= int(c.core(1)) <= 2999:
        return Reading(2, f"{name} {language.year(int(c.core(1)))}")
    if word != name.lower() and part.trail.startswith(".") and len(word) > 2:
        return Reading(1, name, keep_stop=c.ends_sentence(0))
    return None


def names_month(word: str, language: Language) -> bool:
    """Whether a word in lower case is a month, or may stand between a day and its month."""
    return word in language.month_abbreviations or word in ("of", "de")


def day_and_month(c: Cursor) -> Reading | None:
    """Read a date that begins with its day: `5 Jan 2024`, `5th of May`, `3. Mai`, `1er janvier`, `24-26 December`."""
    language, core = c.language, c.core()
    if len(core) > 9 or not names_month(c.word(1), language):
        return None
    day, days = _DAY.fullmatch(core), _DAYS.fullmatch(core)
    if (day is None and days is None) or c.part().trail not in ("", "."):
        return None
    offset = 1
    joiner = c.word(1) in ("of", "de")
    offset += joiner
    word, part = c.word(offset), c.part(offset)
    month = language.month_abbreviations.get(word)
    if month is None or (part.core.islower() and language.months[month - 1][0].isupper()):
        return None
    name = language.months[month - 1]
    count, year = offset + 1, None
    after = count + (c.word(count) in ("de", "del"))
    if part.trail in ("", ".", ",") and _YEAR.fullmatch(c.core(after)) and 1000 <= int(c.core(after)) <= 2999:
        count, year = after + 1, int(c.core(after))
    stop = True
    if year is None and part.trail.startswith(".") and word != name.lower():
        stop = c.ends_sentence(offset)
    if days is not None:
        if not 1 <= int(days[1]) < int(days[2]) <= 31:
            return None
        ends = f"{language.day(int(days[1]))} {language.range_to} {language.day(int(days[2]))}"
        words = f"{ends}{language.day_month_joiner}{name}"
        return Reading(count, words if year is None else f"{words}, {language.year(year)}", stop)
    assert day is not None
    words_ = _date(int(day[1]), month, year, language)
    if words_ is None:
        return None
    if c.word(-1) == "the":
        if joiner and language.month_first:
            words_ = f"{language.day(int(day[1]))} of {name}" + (f", {language.year(year)}" if year else "")
        words_ = words_.removeprefix("the ")
    return Reading(count, words_, stop)


@functools.cache
def days_of_week(language: Language) -> dict[str, str]:
    """The names of days by their abbreviations and by themselves, in lower case."""
    return {name.lower(): name for name in language.weekday_abbreviations.values()} | dict(
        language.weekday_abbreviations
    )


def numbered_day(c: Cursor) -> Reading | None:
    """`3ª feira`: the Portuguese name of a day whose ordinal is another than that of counting."""
    third = c.core() in ("3ª", "3.ª") and c.word(1) in ("feira", "feiras") and not c.part().trail
    return Reading(1, "terça") if third else None


def weekday(c: Cursor) -> Reading | None:
    """Read days of the week, such as `Mon.`, `Mon-Fri`, `Tue 5 May` or `Sat & Sun`."""
    language, core, part = c.language, c.core(), c.part()
    days = language.weekday_abbreviations
    ends = _RANGE.split(core)
    small = next(iter(days.values()))[0].islower()
    named = days_of_week(language)
    if len(ends) == 2 and all(end.lower().rstrip(".") in named for end in ends) and (small or core[0].isupper()):
        first, last = (named[end.lower().rstrip(".")] for end in ends)
        return Reading(1, f"{first} {language.range_to} {last}", keep_stop=c.ends_sentence(0))
    name = days.get(core.lower())
    if name is None or (core.islower() and name[0].isupper()):
        return None
    if core.lower() in language.titles and c.core(1).istitle() and c.word(1) not in language.month_abbreviations:
        return None  # "Fr. Maier"
    if core in language.currencies and _SUM.fullmatch(c.core(1)) and not names_month(c.word(2), language):
        return None  # Swiss "Fr. 12.50"
    joined = [
        c.word(2 * step) for step in (-1, 1) if c.core(step) in _BETWEEN_DAYS or c.word(step) in language.counted_stops
    ]
    beside = {c.word(1), c.word(-1), *joined} & days.keys()
    dated = c.core(1)[:1].isdigit() or c.word(1) in language.month_abbreviations
    if part.trail.startswith(".") or beside or dated:
        goes_on = c.core(1) in ("-", "–", "—")
        return Reading(1, name, keep_stop=not part.trail.startswith(".") or (c.ends_sentence(0) and not goes_on))
    return None


def time(c: Cursor) -> Reading | None:
    """Read a time or two, such as `9:30`, `9 a.m.`, `14h30`, `9:00-17:00` or `9-11 am`."""
    language, core = c.language, c.core()
    if core.endswith("-ish") and (about := _clock(core[:-4], language)) is not None and about.sure:
        return Reading(1, f"{_say(about, language)} ish")
    if core[-1:] == "h" and core[:-1].isdecimal() and language.hour_marks and c.word(-1) in language.time_words:
        core = f"{core[:-1]}:00"  # "um 18h"
    if core.isdecimal() and c.core(1) in language.units and c.core(1) not in language.clock_words - {"h", "hrs"}:
        return None  # "2 h" is as long
    if core.isdecimal() and not (len(core) <= 2 and (c.core(1) in "-–—" or marks_time(c.word(1), language))):
        return None
    ends = [core] if core[-1] != "." and not _RANGE.search(core) else _ends(core)
    if len(ends) == 2 and ends[0][0].isdigit() and ends[1][0].isdigit():
        hours_alone = ends[0].isdecimal() and ends[1].isdecimal()
        counted = hours_alone and (c.word(1) in ("hrs", "h", "hs") or not marks_time(c.word(1), language))
        return None if counted else _range(c, ends[0], ends[1], 1)
    if len(ends) == 2 and ends[1].lower() in _NOON and (first := _clock(ends[0], language)) is not None:
        return Reading(1, f"{_say(first, language)} {language.range_to} {ends[1].lower()}")
    if len(ends) != 1 or len(core) > len(ends[0]) + 1:
        return None
    first = _clock(core, language)
    if first is None:
        return None
    if (halves := _HALF_RANGE.fullmatch(c.core(1))) and c.joined(0):
        both = _range(c, core + halves[1], halves[2], 2)
        if both is not None:
            return both
    if c.core(1) in ("-", "–", "—") and c.core(2)[:1].isdigit() and not c.part(0).trail:
        both = _range(c, core, c.core(2), 3)
        if both is not None:
            return both
    if not first.sure and "." in core and language.time_words and _at_a_time(c):
        first = first._replace(sure=True)
    return _with_half(c, first, 1, lambda clock: _say(clock, language))


def _at_a_time(c: Cursor) -> bool:
    """Whether `9.30` stands where a time does: after a word such as "from", or before the other end of its range."""
    language = c.language
    if c.word(-1) in language.time_words:
        return True
    if c.word(-1) == language.range_to and "." in c.core(-2) and _CLOCK.fullmatch(c.core(-2)):
        return True
    last = c.core(2).replace("–", "-")
    return c.word(1) in (language.range_to, "-", "–") and _CLOCK.fullmatch(last) is not None and "." in last


def _ends(core: str) -> list[str]:
    """What stands on both sides of a dash."""
    return [end for part in _RANGE.split(core) if (end := part.rstrip("."))]


def marks_time(word: str, language: Language) -> bool:
    """Whether a word in lower case says that digits before it are hours."""
    return (
        word in _HALVES
        or word in _HALVES_APART
        or word in language.clock_words
        or (word[:1] in ("a", "p") and _HALF_RANGE.fullmatch(word) is not None)
    )


def _range(c: Cursor, start: str, end: str, count: int) -> Reading | None:
    language = c.language
    first, last = _clock(start, language), _clock(end, language)
    if first is None or last is None:
        return None
    dotted = "." in start and "." in end and bool(language.time_words) and len(start) >= 4 and len(end) >= 4
    sure = first.sure or last.sure or dotted

    def words(clock: _Clock) -> str:
        if clock.half and not first.half and first.minutes == 0:
            return f"{language.cardinal(first.hours, '')} {language.range_to} {_say(clock, language)}"
        return f"{_say(first, language)} {language.range_to} {_say(clock, language)}"

    reading = _with_half(c, last._replace(sure=last.sure or dotted), count, words)
    return reading if sure or (reading is not None and reading.length > count) else None


def _with_half(c: Cursor, clock: _Clock, count: int, words: Callable[[_Clock], str]) -> Reading | None:
    """The clock with an `a.m.` or `Uhr` that follows; None if it is no time without one."""
    language, follows = c.language, c.part(count)
    joined = not c.part(count - 1).trail and not follows.lead
    half = _HALVES.get(follows.core.lower()) if joined and not clock.half else None
    if joined and not clock.half and follows.trail == "." and c.word(count + 1) == "m":
        half = _HALVES_APART.get(follows.word)
        if half is not None and 1 <= clock.hours <= 12:
            stop = not c.part(count + 1).trail.startswith(".") or c.ends_sentence(count + 1)
            return Reading(count + 2, words(clock._replace(half=half, sure=True)), keep_stop=stop)
    verb = follows.core == "am" and not follows.trail and c.word(count + 1) in ("i", "not")
    if half == "am" and verb and c.word(-1) not in _AT:
        half = None
    if half is not None and 1 <= clock.hours <= 12:
        dotted = "." in follows.core and follows.trail.startswith(".")
        stop = not dotted or (c.ends_sentence(count) and c.core(count + 1) not in ("-", "–", "—"))
        return Reading(count + 1, words(clock._replace(half=half, sure=True)), keep_stop=stop)
    if joined and follows.core.lower() in language.clock_words:
        return Reading(count + 1, words(clock._replace(sure=True)))
    if clock.half and c.part(count - 1).trail.startswith(".") and "." in c.core(count - 1):
        return Reading(count, words(clock), keep_stop=c.ends_sentence(count - 1))
    return Reading(count, words(clock)) if clock.sure else None


def _clock(text: str, language: Language) -> _Clock | None:
    found = _CLOCK.fullmatch(text)
    if found is None:
        return None
    hours, minutes, seconds = int(found[1]), int(found[2] or 0), found[3]
    if found[4] is None and text[-3:-2] == ":" and hours <= 24 and minutes <= 59 and seconds is None:
        return _Clock(hours, minutes, None, "", True)
    half = (found[4] or "").replace(".", "").lower()
    mark = text[len(found[1]) : len(found[1]) + 1]
    if minutes > 59 or int(seconds or 0) > 59 or hours > 24 or (half in ("am", "pm") and not 1 <= hours <= 12):
        return None
    lettered = mark.lower() in ("h", "u")
    if lettered and (mark.lower() not in language.hour_marks or not (found[2] or language.hours_by_letter)):
        return None
    if half == "h" and not language.hours_by_letter and not (found[2] and mark in (":", ".")):
        return None
    hour_letter = half == "h" or lettered
    if half == "h":
        half = ""
    sure = bool(half) or hour_letter or mark == ":"
    return _Clock(hours, minutes, int(seconds) if seconds else None, half, sure)


def _say(clock: _Clock, language: Language) -> str:
    return language.clock(clock.hours, clock.minutes, clock.seconds, clock.half)


def _unit_follows(c: Cursor, offset: int) -> bool:
    return c.core(offset + 1) in c.language.units and not c.part(offset).trail and len(c.core(offset + 1)) > 1
