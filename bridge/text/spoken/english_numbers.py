"""Number words, dates and times in American and British English. Pure."""

from __future__ import annotations

import functools

from bridge.text.spoken.language import Gender

SMALL = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
).split()
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
_SCALES = ("", "thousand", "million", "billion", "trillion")
_ORDINALS = {
    "one": "first", "two": "second", "three": "third", "five": "fifth", "eight": "eighth", "nine": "ninth",
    "twelve": "twelfth",
}  # fmt: skip
MONTHS = ("January February March April May June July August September October November December").split()


def _under_thousand(number: int, british: bool) -> str:
    hundreds, rest = divmod(number, 100)
    words = f"{SMALL[hundreds]} hundred" if hundreds else ""
    if not rest:
        return words
    tens, ones = divmod(rest, 10)
    small = SMALL[rest] if rest < 20 else _TENS[tens - 2] + (f"-{SMALL[ones]}" if ones else "")
    return f"{words}{' and' if british else ''} {small}" if words else small


@functools.lru_cache(maxsize=16_384)
def _cardinal(number: int, british: bool) -> str:
    if number < 1000:
        return _under_thousand(number, british) or "zero"
    parts, scale, rest = [], 0, number
    while rest:
        rest, group = divmod(rest, 1000)
        if group:
            joined = "and " if british and scale == 0 and group < 100 else ""
            parts.append(joined + f"{_under_thousand(group, british)} {_SCALES[scale]}".rstrip())
        scale += 1
    return " ".join(reversed(parts))


def american(number: int, gender: Gender = "") -> str:
    """Say a whole number as Americans do."""
    return _cardinal(number, False)


def british(number: int, gender: Gender = "") -> str:
    """A whole number, with "and" before tens."""
    return _cardinal(number, True)


@functools.lru_cache(maxsize=16_384)
def _ordinal_of(cardinal: str) -> str:
    head, cut, last = cardinal.rpartition("-" if "-" in cardinal.rsplit(" ", 1)[-1] else " ")
    if last in _ORDINALS:
        last = _ORDINALS[last]
    elif last.endswith("y"):
        last = last[:-1] + "ieth"
    else:
        last += "th"
    return head + cut + last


def american_ordinal(number: int, gender: Gender = "") -> str:
    """Say an ordinal number: `22` is "twenty-second"."""
    return _ordinal_of(_cardinal(number, False))


def british_ordinal(number: int, gender: Gender = "") -> str:
    """`122` -> "one hundred and twenty-second"."""
    return _ordinal_of(_cardinal(number, True))


@functools.lru_cache(maxsize=16_384)
def spoken_year(number: int, british: bool = False) -> str:
    """Say a year as a year: `1984` is "nineteen eighty-four"."""
    century, rest = divmod(number, 100)
    if number % 1000 < 10 or number < 1000 or number > 9999:
        return _cardinal(number, british)
    if not rest:
        return f"{_cardinal(century, british)} hundred"
    return f"{_cardinal(century, british)} {'oh ' if rest < 10 else ''}{_cardinal(rest, british)}"


def fraction(numerator: int, denominator: int) -> str:
    """Say a fraction as Americans do: `3`, `4` is "three quarters"."""
    one = numerator == 1
    match denominator:
        case 2:
            part = "half" if one else "halves"
        case 4:
            part = "quarter" if one else "quarters"
        case _:
            part = american_ordinal(denominator) + ("" if one else "s")
    return f"{american(numerator)} {part}"


def decade(number: int) -> str:
    """Say a decade by its first year: `1990` is "nineteen nineties"."""
    words = spoken_year(number) if number > 999 else american(number)
    head, cut, last = words.rpartition(" ")
    return f"{head}{cut}{last[:-1]}ies" if last.endswith("y") else f"{words}s"


def clock(hours: int, minutes: int, seconds: int | None, half: str) -> str:
    """A time of day, with the half of the day if one is given."""
    if half:
        words = american(hours)
        if minutes:
            words += f" {'oh ' if minutes < 10 else ''}{american(minutes)}"
    elif minutes == 0 and seconds is None:
        words = (
            "midnight"
            if hours in (0, 24)
            else f"{american(hours)} {'hundred' if hours > 12 else chr(111) + chr(39) + 'clock'}"
        )
    else:
        words = f"{american(hours)} {'oh ' if minutes < 10 else ''}{american(minutes)}"
    if seconds is not None:
        words += f" and {american(seconds)} second{'' if seconds == 1 else 's'}"
    return f"{words} {half[0].upper()} M" if half else words


def american_date(day: int, month: int, year: int | None) -> str:
    """Month, day, and year if there is one."""
    words = f"{MONTHS[month - 1]} {american_ordinal(day)}"
    return words if year is None else f"{words}, {spoken_year(year)}"


def british_date(day: int, month: int, year: int | None) -> str:
    """Day, month, and year if there is one."""
    words = f"the {british_ordinal(day)} of {MONTHS[month - 1]}"
    return words if year is None else f"{words}, {spoken_year(year, True)}"
