"""Days counted from today: "tomorrow", "in two weeks", "a week on Tuesday", "the fifth". Pure: today is given."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from bridge.understanding.calendar_days import Day, days_in
from bridge.understanding.lexicon import Lexicon
from bridge.understanding.number_names import names_of_numbers, names_of_ordinals
from bridge.understanding.numbers import groups
from bridge.understanding.results import CERTAIN, FAIR, LIKELY
from bridge.understanding.words import Token, at

_LONGEST_ORDINAL = 3


class ToldDate(NamedTuple):
    """What was said of a date; 0 for what was not."""

    year: int
    month: int
    day: int
    confidence: float


def counted_from(words: list[Token], lexicon: Lexicon, today: Day | None) -> ToldDate | None:
    """The day that is so many days from today, a coming weekday or day of a month."""
    assert today is not None
    plain = [word.text for word in words if not word.is_sign]
    if any(word in lexicon.not_ahead for word in plain):
        return None  # "a week ago", "last Monday"
    if not any(word in lexicon.weekdays for word in plain):
        for place in range(len(plain)):
            for length in (5, 4, 3, 2, 1):
                days = lexicon.days.get(tuple(plain[place : place + length]))
                if days is not None:
                    if place and plain[place - 1] in lexicon.negations:
                        break  # "not today, tomorrow"
                    more = _span_beside(plain[:place], plain[place + length :], lexicon)
                    if not more and place and plain[place - 1] in lexicon.offsets:
                        return None  # "a month from today"
                    return _exactly(today.plus(days + more), LIKELY if more else CERTAIN)
    found = _span(words, lexicon, today) or _weekday(plain, lexicon, today)
    if numbered := _weekday_and_day(words, lexicon, today):
        return numbered
    ordinal = next((day for place in range(len(words)) if (day := ordinal_at(words, place, lexicon))), 0)
    if found and ordinal and not set(plain) & lexicon.spans.keys() and not _is_named_day(words, ordinal, lexicon):
        if found.day == ordinal:
            return found
        named = _day_of_month(words, lexicon, today)  # "Saturday the fifth", "Friday the thirteenth" that is no Friday
        weekdays = {lexicon.weekdays[word] for word in plain if word in lexicon.weekdays}
        same = named is not None and {Day(named.year, named.month, named.day).weekday} == weekdays
        return named if same else None
    return found or _day_of_month(words, lexicon, today)


def _is_named_day(words: Sequence[Token], ordinal: int, lexicon: Lexicon) -> bool:
    """Whether the ordinal is a weekday's name, as Portuguese "quarta" is."""
    return all(
        word.text in lexicon.weekdays
        for place, word in enumerate(words)
        if ordinal_at(words, place, lexicon) == ordinal
    )


def _exactly(day: Day, confidence: float) -> ToldDate:
    return ToldDate(*day, confidence)


def _span_beside(before: Sequence[str], after: Sequence[str], lexicon: Lexicon) -> int:
    """How many days later is meant: "two weeks from today", "a fortnight tomorrow", "today week"."""
    if after and after[0] in lexicon.week_behind:
        return 7
    for end in (len(before) - 1, len(before) - 2):
        unit = lexicon.spans.get(before[end]) if end > 0 else None
        if unit is None:
            continue
        found = groups([Token(word, word, joined=False) for word in before[:end]], lexicon)
        if found and found[-1].end == end and 0 < found[-1].value <= 400:
            return found[-1].value * unit
        if before[end - 1] in lexicon.articles | lexicon.ones:
            return unit
    return 0


def _span(words: list[Token], lexicon: Lexicon, today: Day) -> ToldDate | None:
    """ "in three days", "two weeks from now"."""
    plain = [word.text for word in words]
    for group in groups(words, lexicon):
        unit = lexicon.spans.get(plain[group.end]) if group.end < len(plain) else None
        if unit is None or not 0 < group.value <= 400:
            continue
        before = any(at(plain, place, lexicon.span_before) == group.start - place for place in range(group.start))
        if before or at(plain, group.end + 1, lexicon.span_after):
            return _exactly(today.plus(group.value * unit), CERTAIN)
    return None


def _weekday(plain: Sequence[str], lexicon: Lexicon, today: Day) -> ToldDate | None:
    named = {lexicon.weekdays[word] for word in plain if word in lexicon.weekdays}
    if len(named) != 1:
        return None
    place = next(index for index, word in enumerate(plain) if word in lexicon.weekdays)
    if place and plain[place - 1] in lexicon.negations:
        return None
    ahead = (named.pop() - today.weekday - 1) % 7 + 1
    before = plain[place - 1] if place else ""
    after = plain[place + 1] if place + 1 < len(plain) else ""
    if before in lexicon.next_words or after in lexicon.next_words:
        same_week = today.weekday + ahead < 7
        return _exactly(today.plus(ahead + 7 * same_week), FAIR)
    ahead_of_it = any(
        at(plain, start, lexicon.week_after) == place - start for start in range(max(place - 4, 0), place)
    )
    behind = (lexicon.days.get(tuple(plain[place + 1 : place + 1 + length]), 0) for length in (4, 3, 2))
    later = next((days for days in behind if days in (7, 14)), 0)  # French "lundi en quinze"
    if ahead_of_it or later or after in lexicon.week_behind:
        return _exactly(today.plus(ahead + (later or 7)), LIKELY)
    if before in lexicon.offsets and (more := _span_beside(plain[:place], plain[place + 1 :], lexicon)):
        back = (before,) in lexicon.to  # "two days before Monday"
        return _exactly(today.plus(ahead - more if back else ahead + more), LIKELY)
    return _exactly(today.plus(ahead), LIKELY)


def _weekday_and_day(words: list[Token], lexicon: Lexicon, today: Day) -> ToldDate | None:
    """ "Saturday 5", where the next fifth is a Saturday."""
    starts = {group.start: group for group in groups(words, lexicon)}
    plain = [word.text for word in words]
    for place, word in enumerate(words):
        led = at(plain, place + 1, lexicon.day_leads)
        day = starts.get(place + 1 + led) if word.text in lexicon.weekdays else None
        named = None if day is None or day.scaled else _next(day.value, today)
        if named and Day(named.year, named.month, named.day).weekday == lexicon.weekdays[word.text]:
            return named
    return None


def weekday_of_month(words: Sequence[Token], lexicon: Lexicon, today: Day | None) -> ToldDate | None:
    """ "the first Monday in December", "last Friday of January", in the coming one of these months."""
    plain = [word.text for word in words if not word.is_sign]
    months = {**lexicon.spoken.month_abbreviations, **lexicon.more_months}
    for place, word in enumerate(plain):
        which = lexicon.ordinals.get(plain[place - 1], 0) if place and word in lexicon.weekdays else 0
        behind = next((name for name in plain[place + 1 : place + 4] if name not in lexicon.date_links), "")
        if not which or today is None or behind not in months:
            continue
        year, month = today.year + (months[behind] < today.month), months[behind]
        days = [Day(year, month, day) for day in range(1, days_in(year, month) + 1)]
        fitting = [day for day in days if day.weekday == lexicon.weekdays[word]]
        if which <= len(fitting):
            return _exactly(fitting[which - 1 if which > 0 else -1], LIKELY)
    return None


def _day_of_month(words: Sequence[Token], lexicon: Lexicon, today: Day) -> ToldDate | None:
    """ "the fifth": the next one there is."""
    found: list[int] = []
    place = 0
    while place < len(words):
        ordinal = ordinal_at(words, place, lexicon)
        found += [ordinal] if ordinal else []
        place += _LONGEST_ORDINAL if ordinal else 1
    found = found or _day_led(words, lexicon)
    return _next(found[0], today) if len(set(found)) == 1 else None  # none, or "the 5th and the 6th"


def _day_led(words: Sequence[Token], lexicon: Lexicon) -> list[int]:
    """Days of the month told by bare numbers, as in Spanish: "el tres", "el día tres"."""
    plain = [word.text for word in words]
    days = []
    for group in groups(words, lexicon):
        led = any(
            at(plain[: group.start], place, lexicon.day_leads) == group.start - place for place in range(group.start)
        )
        ends = group.end == len(words) or words[group.end].is_sign or words[group.end].text in lexicon.closing
        days += [group.value] if led and ends and 1 <= group.value <= 31 else []
    return days


def _next(day: int, today: Day) -> ToldDate | None:
    """The next day of that number."""
    year, month = today.year, today.month
    for _ in range(12):
        if 1 <= day <= days_in(year, month) and Day(year, month, day) >= today:
            return ToldDate(year, month, day, FAIR)
        year, month = (year + 1, 1) if month == 12 else (year, month + 1)
    return None


def ordinal_at(words: Sequence[Token], place: int, lexicon: Lexicon) -> int:
    """The day's ordinal that begins here; a bare number is none."""
    ordinals = names_of_ordinals(lexicon)
    for length in (3, 2, 1):
        parts = tuple(word.text for word in words[place : place + length])
        if len(parts) == length and parts in ordinals and parts not in names_of_numbers(lexicon):
            return ordinals[parts]
    ending = words[place + 1].text if place + 1 < len(words) else ""
    written = words[place].is_digits and len(words[place].text) <= 2 and ending in lexicon.day_endings
    return int(words[place].text) if written and 1 <= int(words[place].text) <= 31 else 0
