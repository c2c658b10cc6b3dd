"""When somebody is there: opening hours of a week in a time zone, with holidays and days of their own. Pure.

    hours:
      office:
        time_zone: Europe/Berlin
        week: {mon-fri: "09:00-12:30, 13:30-18:00", sat: "10:00-14:00"}
        holidays: ["01-01", "12-25", "2026-04-03"]
        special: {"2026-12-24": "09:00-12:00"}

A time that ends before it begins ends on the next day. Holidays without a year come back every year.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

Standing = Literal["open", "closed", "holiday"]

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_TIMES = re.compile(r"(\d\d?):(\d\d)\s*-\s*(\d\d?):(\d\d)")
_DAY_MINUTES = 24 * 60


class HoursSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Opening hours as a script's author writes them."""

    time_zone: str
    """As the IANA names it, such as `Europe/Berlin`."""
    week: dict[str, str] = {}
    """Days (`mon`, `mon-fri`, `sat, sun`) and their times; a day that is not named is closed."""
    holidays: list[str] = []
    """Closed days: `2026-12-25`, or `12-25` for every year."""
    special: dict[str, str] = {}
    """Dates with other times than their day of the week, or `closed`; they come before holidays."""


Times = tuple[tuple[int, int], ...]
"""From which minute of the day to which; the second may be on the next day."""


@dataclass(frozen=True, slots=True)
class OpeningHours:
    """When somebody is there, by the clocks of one place."""

    zone: ZoneInfo
    week: tuple[Times, ...]
    """Seven days, Monday first."""
    holidays: frozenset[str]
    special: Mapping[str, Times]

    def at(self, now: datetime) -> Standing:
        """What holds at this moment, which knows its own time zone."""
        here = now.astimezone(self.zone)
        minute, today = here.hour * 60 + here.minute, here.date()
        yesterday = self._times(today - timedelta(days=1))
        if any(start <= minute < end for start, end in self._times(today)):
            return "open"
        if any(start <= minute + _DAY_MINUTES < end for start, end in yesterday):
            return "open"
        return "holiday" if self._is_holiday(today) else "closed"

    def _times(self, day: date) -> Times:
        special = self.special.get(day.isoformat())
        if special is not None:
            return special
        return () if self._is_holiday(day) else self.week[day.weekday()]

    def _is_holiday(self, day: date) -> bool:
        text = day.isoformat()
        return text not in self.special and (text in self.holidays or text[5:] in self.holidays)


def opening_hours(spec: HoursSpec) -> OpeningHours:
    """Make hours ready to be asked. Raises ValueError, which says what was expected where."""
    try:
        zone = ZoneInfo(spec.time_zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"time_zone: {spec.time_zone!r}: expected a name such as Europe/Berlin") from None
    week: list[Times] = [()] * 7
    for days, times in spec.week.items():
        for day in _days(days):
            week[day] = _times(times, f"week, {days}")
    for holiday in spec.holidays:
        _check_date(holiday, "holidays")
    for day_text in spec.special:
        _check_date(day_text, "special", every_year=False)
    special = {day: _times(times, f"special, {day}") for day, times in spec.special.items()}
    return OpeningHours(zone, tuple(week), frozenset(spec.holidays), special)


def _days(text: str) -> Iterator[int]:
    for part in text.lower().split(","):
        first, dash, last = (name.strip()[:3] for name in part.partition("-"))
        if first not in _DAYS or (dash and last not in _DAYS):
            raise ValueError(f"week: {text!r}: expected days such as mon, mon-fri or sat, sun")
        begin, end = _DAYS.index(first), _DAYS.index(last if dash else first)
        yield from (day % 7 for day in range(begin, end + 1 if end >= begin else end + 8))


def _times(text: str, where: str) -> Times:
    if text.strip().lower() in ("", "closed"):
        return ()
    found = []
    for part in text.split(","):
        read = _TIMES.fullmatch(part.strip())
        hours = [int(number) for number in read.groups()] if read else [99]
        start, end = hours[0] * 60 + hours[1] if read else 0, hours[2] * 60 + hours[3] if read else 0
        if not read or start >= _DAY_MINUTES or end > _DAY_MINUTES or max(hours[1], hours[3]) > 59 or start == end:
            raise ValueError(f"{where}: {text!r}: expected times such as 09:00-12:30, 13:30-18:00, or closed")
        found.append((start, end if end > start else end + _DAY_MINUTES))
    return tuple(found)


def _check_date(text: str, where: str, *, every_year: bool = True) -> None:
    try:
        whole = text if len(text) == 10 or not every_year else f"2024-{text}"  # a leap year has every day
        if len(whole) != 10:
            raise ValueError
        date.fromisoformat(whole)
    except ValueError:
        expected = "2026-12-25, or 12-25 for every year" if every_year else "2026-12-24"
        raise ValueError(f"{where}: {text!r}: expected a date such as {expected}") from None
