"""Dates: with a month's name, in numbers, as a weekday, or counted from today. Pure: today is given."""

from __future__ import annotations

import re
from collections.abc import Sequence

from bridge.understanding.calendar_days import Day, exists
from bridge.understanding.coming_days import ToldDate, counted_from, ordinal_at, weekday_of_month
from bridge.understanding.corrections import segments
from bridge.understanding.counted import is_year
from bridge.understanding.denials import meant
from bridge.understanding.former import happened
from bridge.understanding.lexicon import Lexicon, Words
from bridge.understanding.number_names import names_of_numbers, names_of_ordinals
from bridge.understanding.numbers import Group, groups
from bridge.understanding.results import CERTAIN, FAIR, LIKELY, Interpretation
from bridge.understanding.words import Token, at, unhyphenated

_WRITTEN = re.compile(r"(?<!\d)(\d{1,4})\s*([/.-])\s*(\d{1,2})\s*\2\s*(\d{2,4})(?!\d)")
_SHORT = re.compile(r"(?<!\d)(\d{1,2})[/](\d{1,2})(?!\d)")
_STOPPED = re.compile(r"(?<![\d.])(\d{1,2})\.\s*(\d{1,2})\.(?!\s*\d)")
"""German "3.5.", whose order is never another."""
_SIGNS = frozenset({",", ".", "'"})


def read_date(words: Sequence[Token], lexicon: Lexicon, today: Day | None = None) -> Interpretation | None:
    """A day as ISO 8601, `2026-03-04`, or `--03-04` where no year was said and today is not known.

    "Tuesday", "tomorrow" and "the fifth" need today. A year that was not said is taken to be the coming one, and the
    part `year` is then `assumed`.
    """
    best: ToldDate | None = None
    year_said = 0
    pieces = segments(unhyphenated(words), lexicon)
    for because, piece in pieces:
        said = meant(piece, lexicon, bounds=True)
        if (
            _is_either(said, lexicon)
            or _is_either(piece, lexicon, lexicon.range_ends)
            or _tells_two(said, lexicon, today)
        ):
            best = None
            continue
        told = _told(said, lexicon, today) or (_day_alone(said, lexicon, best) if best and because else None)
        if told is not None and because and not told.year and best is not None:
            told = told._replace(year=year_said)
        year_said = told.year if told else year_said
        found = told or (counted_from(said, lexicon, today) if today and not happened(said, lexicon) else None)
        if found is not None or because in ("strong", "restart"):
            best = found
    if best is not None and len(pieces) == 1 and _contradicts(best, words, lexicon, today):
        return None  # "Wednesday December 3rd" that is no Wednesday
    return None if best is None else _reading(best, today, past=happened(words, lexicon))


def _is_either(words: list[Token], lexicon: Lexicon, parting: Words = frozenset()) -> bool:
    """Whether days stand on both sides of a word that parts them: "today or tomorrow", German "vom 5. bis 8. Mai"."""
    pieces: list[list[Token]] = [[]]
    for word in words:
        if word.text in (parting or lexicon.ranges):
            pieces.append([])
        pieces[-1].append(word)
    return len(pieces) > 1 and sum(_has_day(piece, lexicon) for piece in pieces) > 1


def _contradicts(date: ToldDate, words: Sequence[Token], lexicon: Lexicon, today: Day | None) -> bool:
    """Whether the one weekday that was named is not that of the date."""
    named = {lexicon.weekdays[word.text] for word in words if word.text in lexicon.weekdays}
    months = lexicon.spoken.month_abbreviations.keys() | lexicon.more_months.keys()
    if len(named) != 1 or today is None or not any(word.text in months for word in words):
        return False
    reading = _reading(date, today, past=False)
    return reading is not None and Day(*map(int, str(reading.value).split("-"))).weekday not in named


def _tells_two(words: list[Token], lexicon: Lexicon, today: Day | None) -> bool:
    """Whether two days of named months are told: "March fourth was the old one, I'd like March tenth"."""
    names = lexicon.spoken.month_abbreviations.keys() | lexicon.more_months.keys()
    months = [place for place, word in enumerate(words) if word.text in names]
    if len(months) != 2:
        return False
    middle = next((place for place in range(months[0], months[1]) if words[place].text in ",;."), months[1] - 1)
    first, second = (_named_month(half, lexicon, today) for half in (words[:middle], words[middle:]))
    return first is not None and second is not None and first[1:3] != second[1:3]


def _has_day(words: list[Token], lexicon: Lexicon) -> bool:
    plain = [word.text for word in words if not word.is_sign]
    days = frozenset(lexicon.days) | frozenset(lexicon.feasts)
    return (
        any(word in lexicon.weekdays or at(plain, place, days) for place, word in enumerate(plain))
        or bool(_numbers_and_ordinals(words, lexicon))
        or any(ordinal_at(words, place, lexicon) for place in range(len(words)))
    )


def _reading(date: ToldDate, today: Day | None, *, past: bool) -> Interpretation | None:
    year, month, day, confidence = date
    if year:
        return Interpretation(Day(year, month, day).iso, confidence) if exists(year, month, day) else None
    if not exists(2000, month, day):  # a leap year
        return None
    if today is None:
        return Interpretation(f"--{month:02}-{day:02}", min(confidence, LIKELY))
    if past:  # "it was the fourth of March"
        last = next(
            (y for y in range(today.year, today.year - 9, -1) if exists(y, month, day) and Day(y, month, day) < today),
            0,
        )
        return Interpretation(Day(last, month, day).iso, min(confidence, FAIR), {"year": "assumed"}) if last else None
    years = (year for year in range(today.year, today.year + 9) if exists(year, month, day))
    coming = next((year for year in years if Day(year, month, day) >= today), today.year)
    return Interpretation(Day(coming, month, day).iso, min(confidence, LIKELY), {"year": "assumed"})


def _told(words: list[Token], lexicon: Lexicon, today: Day | None) -> ToldDate | None:
    return (
        weekday_of_month(words, lexicon, today)
        or _named_month(words, lexicon, today)
        or _written(words, lexicon, today)
        or _feast(words, lexicon)
        or _spoken_numbers(words, lexicon, today)
    )


def _feast(words: list[Token], lexicon: Lexicon) -> ToldDate | None:
    """Read a day that has a name, such as "Christmas Day"; None for other words."""
    plain = [word.text for word in words if not word.is_sign]
    for place in range(len(plain)):
        for length in (5, 4, 3, 2, 1):
            date = lexicon.feasts.get(tuple(plain[place : place + length]))
            if date and place and plain[place - 1] in lexicon.offsets:
                return None  # "two days before Christmas"
            if date:
                month, _, day = date.partition("-")
                return ToldDate(0, int(month), int(day), LIKELY)
    return None


def _day_alone(words: list[Token], lexicon: Lexicon, before: ToldDate | None) -> ToldDate | None:
    """ "March third, no, fourth", "... no, nineteen eighty one"."""
    if any(word.text in lexicon.weekdays for word in words):
        return None  # Portuguese "quarta" is Wednesday, and the fourth
    year, sure = _year_of(groups(words, lexicon), None)
    if before is not None and year and sure:
        return before._replace(year=year, confidence=LIKELY)
    plain = [word.text for word in words if not word.is_sign and word.text not in lexicon.date_links]
    months = {**lexicon.spoken.month_abbreviations, **lexicon.more_months}
    if before is not None and len(plain) == 1 and plain[0] in months:
        return before._replace(month=months[plain[0]], confidence=LIKELY)  # "the first of May, no, June"
    day = _day_at(words, 0, lexicon) if 0 < sum(not word.is_sign for word in words) <= 4 else None
    return None if before is None or day is None else before._replace(day=day[0], confidence=LIKELY)


# -- with the month's name


def _named_month(words: list[Token], lexicon: Lexicon, today: Day | None) -> ToldDate | None:
    names = {**lexicon.spoken.month_abbreviations, **lexicon.more_months}
    full = {name.lower() for name in lexicon.spoken.months} | lexicon.more_months.keys()
    for place, word in enumerate(words):
        month = names.get(word.text)
        if not month or (word.raw.islower() and word.text not in full):
            continue  # "mar" and "set" are other words, too
        before = _day_before(words, place, lexicon)
        start = place + 1
        day = before
        if not day:
            found = _day_at(words, _skip(words, start, lexicon), lexicon)
            if found is None:
                continue
            day, start = found
        if not before and _is_only_year(words[_skip(words, place + 1, lexicon) :], lexicon):
            return None
        year, sure = _year_at(words, _skip(words, start, lexicon), lexicon, today)
        if not year and place and words[place - 1].is_digits and is_year(words[place - 1].text):
            year = int(words[place - 1].text)  # "1980 March 3"
        if year and not exists(year, month, day):
            return None
        return ToldDate(year, month, day, CERTAIN if sure else FAIR)
    return None


def _is_only_year(words: Sequence[Token], lexicon: Lexicon) -> bool:
    """Whether all that follows a month is a year in two halves: "March nineteen seventy"."""
    found = groups(words, lexicon)
    whole = len(found) == 2 and found[0].start == 0 and found[0].end == found[1].start
    return whole and all(len(group.digits) == 2 and not group.written for group in found) and _year_of(found, None)[1]


def _skip(words: Sequence[Token], place: int, lexicon: Lexicon) -> int:
    while place < len(words) and _inside(words[place], lexicon):
        place += 1
    return place


def _inside(word: Token, lexicon: Lexicon) -> bool:
    """Whether a word may stand between the parts of a date."""
    return word.text in _SIGNS or word.text in lexicon.date_links or word.text in lexicon.day_endings


def _day_at(words: Sequence[Token], place: int, lexicon: Lexicon) -> tuple[int, int] | None:
    """The day of a month that begins here, and where it ends."""
    ordinals = names_of_ordinals(lexicon)
    if place < len(words) and words[place].text in _SIGNS | lexicon.date_links:
        place = _skip(words, place, lexicon)
    for length in range(min(4, len(words) - place), 0, -1):
        number = ordinals.get(tuple(word.text for word in words[place : place + length]))
        if number:
            return number, place + length
    group = next((group for group in groups(words[place : place + 6], lexicon) if group.start == 0), None)
    if group and 1 <= group.value <= 31 and len(group.digits) <= 2 and group.sure:
        end = place + group.end
        return group.value, end + (end < len(words) and words[end].text in lexicon.day_endings)
    return None


def _day_before(words: Sequence[Token], place: int, lexicon: Lexicon) -> int:
    end = place
    while end > 0 and _inside(words[end - 1], lexicon):
        end -= 1
    for start in range(max(end - 4, 0), end):
        found = _day_at(words[start:end], 0, lexicon) if not _inside(words[start], lexicon) else None
        if found and found[1] == end - start:
            return found[0]
    return 0


def _year_at(words: Sequence[Token], place: int, lexicon: Lexicon, today: Day | None) -> tuple[int, bool]:
    """The year that begins here (0 for none), and whether it is whole."""
    here = groups(words[place : place + 8], lexicon)
    parts = [group for index, group in enumerate(here) if group.start == (here[index - 1].end if index else 0)]
    return _year_of(parts, today)


def _year_of(parts: Sequence[Group], today: Day | None) -> tuple[int, bool]:
    digits = [group.digits for group in parts]
    if not digits:
        return 0, True
    if len(digits[0]) == 4 and 1800 <= int(digits[0]) <= 2199:
        return int(digits[0]), True
    joined = "".join(digits)
    if len(joined) == 4 and 1800 <= int(joined) <= 2199:
        return int(joined), True
    if len(joined) == 2 and (len(digits) == 1 or all(len(d) == 1 for d in digits)):
        return _century(int(joined), today), False
    return 0, True


def _century(year: int, today: Day | None) -> int:
    """A year of two digits: up to ten years ahead, else in the past."""
    this_year = today.year % 100 if today else 30
    return 2000 + year if year <= this_year + 10 else 1900 + year


# -- in numbers


def _written(words: Sequence[Token], lexicon: Lexicon, today: Day | None) -> ToldDate | None:
    text = "".join(("" if word.joined else " ") + word.text for word in words)
    found = _WRITTEN.search(text)
    if found:
        a, b, c = (int(found[1]), int(found[3]), int(found[4]))
        if len(found[1]) == 4:
            return ToldDate(a, b, c, CERTAIN) if exists(a, b, c) else None
        year = c if len(found[4]) == 4 else _century(c, today)
        return _ordered(a, b, year, lexicon, found[2])
    short = _SHORT.search(text) or (_STOPPED.search(text) if lexicon.spoken.ordinal_stop else None)
    return _ordered(int(short[1]), int(short[2]), 0, lexicon, "/" if short.re is _SHORT else ".") if short else None


def _ordered(a: int, b: int, year: int, lexicon: Lexicon, mark: str = "/") -> ToldDate | None:
    """Two numbers in the country's order, or in the only one that makes a date."""
    month_first = lexicon.spoken.month_first and mark != "."
    month, day = (a, b) if month_first else (b, a)
    if exists(year or 2000, month, day):
        return ToldDate(year, month, day, CERTAIN if day > 12 or day == month else LIKELY)
    return ToldDate(year, day, month, LIKELY) if exists(year or 2000, day, month) else None


def _spoken_numbers(words: list[Token], lexicon: Lexicon, today: Day | None) -> ToldDate | None:
    """ "five three nineteen eighty", "oh five oh three two thousand one"."""
    found = _numbers_and_ordinals(words, lexicon)
    if not 1 <= len(found) <= 8:
        return None
    digits = "".join(group.digits for group in found)
    if len(digits) == 8:
        return _ordered(int(digits[:2]), int(digits[2:4]), int(digits[4:]), lexicon)
    parts: list[int] = []
    place = 0
    while place < len(found) and len(parts) < 2:
        zero = found[place].digits == "0" and place + 1 < len(found)
        group = found[place + zero]
        if len(group.digits) > 2:
            return None
        parts.append(group.value)
        place += 1 + zero
    if len(found) == place == 2 and all(_is_ordinal(words, group, lexicon) for group in found):
        both = _ordered(parts[0], parts[1], 0, lexicon)  # German "am dritten fünften"
        return None if both is None else both._replace(confidence=LIKELY)
    year, sure = _year_of(found[place:], today)
    if len(parts) < 2 or not year or _year_of(found, today)[0]:
        return None
    between = {word.text for word in words[found[0].end : found[place - 1].start]} & lexicon.date_links
    day_of_month = bool(between & lexicon.year_leads)  # "the 4th of the 3rd"
    ordered = _ordered(parts[0], parts[1], year, lexicon, "." if day_of_month else "/")
    return None if ordered is None else ordered._replace(confidence=min(ordered.confidence, LIKELY if sure else FAIR))


def _is_ordinal(words: Sequence[Token], group: Group, lexicon: Lexicon) -> bool:
    """Whether a number is an ordinal where days and months are both told by them."""
    word = (words[group.start].text,)
    return lexicon.spoken.ordinal_stop and word in names_of_ordinals(lexicon) and word not in names_of_numbers(lexicon)


def _numbers_and_ordinals(words: Sequence[Token], lexicon: Lexicon) -> list[Group]:
    """All numbers, ordinals among them: "dritter fünfter neunzehnhundertachtzig"."""
    ordinals = names_of_ordinals(lexicon)
    found = groups(words, lexicon)
    taken = {place for group in found for place in range(group.start, group.end)}
    for place, word in enumerate(words):
        number = ordinals.get((word.text,))
        if number and place not in taken:
            found.append(Group(str(number), number, place, place + 1))
    return sorted(found, key=lambda group: group.start)
