"""Numbers that are part of a word: `10-year`, `1990s`, `mid-1990s`, `18-to-25`. Pure."""

from __future__ import annotations

import re

from bridge.text.spoken.cursor import Cursor, Reading
from bridge.text.spoken.measures import each
from bridge.text.spoken.numerals import whole
from bridge.text.spoken.quantities import marked

_DECADE = re.compile(r"'?(\d{1,3}0)('?[a-z]{1,2})")
_BETWEEN = re.compile(r"(\d{1,3})-([a-z]{2,4})-(\d{1,3})")
_ORDINAL_FIRST = re.compile(r"(\d{1,3}(?:st|nd|rd|th))-([a-z]{3,20})")
_TENS = re.compile(r"(\d{1,4})(er[ns]?)(?:-([^\W\d_].*))?")
_PERCENT = re.compile(r"(\d{1,3})\s?%-?(ig[a-z]{0,2})")
_PACE = re.compile(r"(\d{1,2}):([0-5]\d)/([^\W\d_]{1,5})")
_ISH = re.compile(r"(\d{1,4})-?ish")
_PART = re.compile(r"(\d)/(\d{1,2})-([a-z]{2,20})")
_PREFIXES = frozenset("mid pre post sub top early late over under".split())


def decade(c: Cursor) -> Reading | None:
    """Read a decade such as `1990s` or `the '80s`."""
    language = c.language
    if language.decade_mark == "er":
        return _german_tens(c)
    found = _DECADE.fullmatch(c.core())
    if found is None or language.decade is None or found[2].lstrip("'") != language.decade_mark:
        return None
    if len(found[1]) not in (2, 4):
        return None
    sure = "'" in c.part().lead.replace("’", "'") or "'" in found[2]
    if len(found[1]) == 2 and not sure and c.word(-1) not in language.decade_words:
        return None
    return Reading(1, language.decade(int(found[1])))


def _german_tens(c: Cursor) -> Reading | None:
    """Read tens with a German ending, such as `80er`, `90ern`, `1980ern` or `10er-Karte`."""
    found, language = _TENS.fullmatch(c.core()), c.language
    if found is None or language.decade is None or found[1][0] == "0":
        return None
    words = language.decade(int(found[1])) + found[2][2:]
    return Reading(1, f"{words}-{found[3]}" if found[3] and found[3].replace("-", "").isalpha() else words)


def percent_word(c: Cursor) -> Reading | None:
    """`20%ige`, `100%ig`: percent that has a German ending."""
    found, language = _PERCENT.fullmatch(c.core()), c.language
    if found is None or language.decade_mark != "er":
        return None
    words = whole(found[1], language).removeprefix("ein" if found[1] == "100" else "")
    return Reading(1, f"{words}{language.percent.lower()}{found[2]}")


def pace(c: Cursor) -> Reading | None:
    """`5:30/km`: minutes and seconds for each of a unit."""
    found, language = _PACE.fullmatch(c.core()), c.language
    unit = language.per_units.get(found[3]) if found is not None else None
    if found is None or unit is None:
        return None
    minute = language.units["min"]
    minutes = f"{whole(str(int(found[1])), language, minute.gender)} {minute.one if found[1] == '1' else minute.many}"
    seconds = f" {language.cardinal(int(found[2]), '')}" if found[2] != "00" else ""
    return Reading(1, f"{minutes}{seconds} {each(unit, language)}")


def about(c: Cursor) -> Reading | None:
    """Read a number with `ish`, such as `7ish`, as about so many."""
    found = _ISH.fullmatch(c.core())
    return Reading(1, f"{whole(found[1], c.language)} ish") if found is not None else None


def part_of(c: Cursor) -> Reading | None:
    """`3/4-inch`, `1/2-price`: a fraction that is part of a word."""
    found, language = _PART.fullmatch(c.core()), c.language
    if found is None or not 1 <= int(found[1]) < int(found[2]) <= 64 or not language.feet_and_inches:
        return None
    return Reading(1, f"{language.fraction(int(found[1]), int(found[2]))} {found[3]}")


def compound(c: Cursor) -> Reading | None:
    """`10-year`, `2-bedroom`, `5-star`: a number that is part of a word."""
    head, dash, tail = c.core().partition("-")
    if (between := _BETWEEN.fullmatch(c.core())) is not None:
        numbers = [whole(figures, c.language) for figures in (between[1], between[3])]
        return Reading(1, f"{numbers[0]} {between[2]} {numbers[1]}")
    if (first := _ORDINAL_FIRST.fullmatch(c.core())) and (words := marked(first[1], c.language)):
        return Reading(1, f"{words} {first[2]}")
    if not dash or not head.isdecimal() or len(head) > 4 or not tail.replace("-", "").isalpha() or len(tail) < 2:
        return None
    unit = c.language.units.get(tail)
    return (
        Reading(1, f"{whole(head, c.language)} {unit.one if unit else tail.replace('-', ' ')}")
        if tail.islower() or (len(tail) > 3 and tail.istitle())
        else None
    )


def prefixed(c: Cursor) -> Reading | None:
    """`mid-1990s`, `post-2000`, `top-10`: a number after a short word that English joins to it."""
    language = c.language
    head, _, tail = c.core().partition("-")
    if head.lower() not in _PREFIXES or not language.feet_and_inches:
        return None
    figures = tail.removesuffix("s")
    if figures != tail:
        if language.decade is None or figures[-1] != "0" or len(figures) not in (2, 4):
            return None
        return Reading(1, f"{head} {language.decade(int(figures))}")
    year = len(figures) == 4 and 1100 <= int(figures) <= 2099
    return Reading(1, f"{head} {language.year(int(figures)) if year else whole(figures, language)}")
