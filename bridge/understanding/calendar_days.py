"""Days of the calendar as arithmetic: no clock is asked. Pure."""

from __future__ import annotations

from typing import NamedTuple


class Day(NamedTuple):
    """A day of the Gregorian calendar."""

    year: int
    month: int
    day: int

    @property
    def iso(self) -> str:
        """The day in the form of ISO 8601, such as `2026-03-04`."""
        return f"{self.year:04}-{self.month:02}-{self.day:02}"

    @property
    def number(self) -> int:
        """Days since 1970-01-01 (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", days_from_civil)."""
        year = self.year - (self.month <= 2)
        era, of_era = divmod(year, 400)
        of_year = (153 * (self.month + (-3 if self.month > 2 else 9)) + 2) // 5 + self.day - 1
        return era * 146097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719468

    @property
    def weekday(self) -> int:
        """The day of the week; Monday is 0."""
        return (self.number + 3) % 7

    def plus(self, days: int) -> Day:
        """So many days later (civil_from_days, same source)."""
        era, of_era = divmod(self.number + days + 719468, 146097)
        years = (of_era - of_era // 1460 + of_era // 36524 - of_era // 146096) // 365
        of_year = of_era - (365 * years + years // 4 - years // 100)
        shifted = (5 * of_year + 2) // 153
        month = shifted + (3 if shifted < 10 else -9)
        return Day(years + era * 400 + (month <= 2), month, of_year - (153 * shifted + 2) // 5 + 1)


def days_in(year: int, month: int) -> int:
    """How many days a month has."""
    if month == 2:
        return 29 if year % 4 == 0 and (year % 100 != 0 or year % 400 == 0) else 28
    return 30 if month in (4, 6, 9, 11) else 31


def exists(year: int, month: int, day: int) -> bool:
    """Whether there is such a day."""
    return 1800 <= year <= 2199 and 1 <= month <= 12 and 1 <= day <= days_in(year, month)
