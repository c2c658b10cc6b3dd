"""Times of day: "half past nine", "quarter to three", "seven oh five in the evening", "18:30". Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, TypeVar

from bridge.understanding.corrections import segments
from bridge.understanding.counted import counts, is_other, is_year, says_nothing
from bridge.understanding.denials import meant
from bridge.understanding.lexicon import Lexicon, Phrase, Phrases
from bridge.understanding.numbers import Group, groups
from bridge.understanding.results import CERTAIN, FAIR, LIKELY, Interpretation
from bridge.understanding.words import Token, at, unhyphenated

_MOST_WORDS_AROUND = 6
"""A lone number in a longer sentence need not be an hour."""
_NEVER_AT_NIGHT = 5
"""Earlier hours are before dawn "at night", later ones in the evening."""
_FIRST_OF_EVENING = 4
_FIRST_OF_NO_AFTERNOON = 10
_AM = frozenset({("am",), ("a", "m")})
_PM = frozenset({("pm",), ("p", "m")})


_T = TypeVar("_T")


class _Clock(NamedTuple):
    hour: int
    minute: int
    confidence: float
    of_day: bool = False
    """The hour is one of 24."""


def read_time(words: Sequence[Token], lexicon: Lexicon) -> Interpretation | None:
    """A time of day as `14:30`, with the part `half_of_day`: `am`, `pm`, or `unknown` where 2:30 may be either."""
    best: tuple[_Clock, str] | None = None
    for because, piece in segments(unhyphenated(words), lexicon):
        said = meant(piece, lexicon, bounds=True)
        half = _half_of_day(said, lexicon)
        clock = _clock(said, lexicon, half)
        if clock is not None:
            best = (clock, half or (best[1] if best else ""))
        elif best is not None and half and because:
            best = (best[0], half)  # "at nine, no, in the evening"
        elif because in ("strong", "restart"):
            best = None
    return None if best is None else _reading(*best)


def _reading(clock: _Clock, half: str) -> Interpretation | None:
    hour, minute = clock.hour, clock.minute
    if hour == 24 and minute == 0:
        hour = 0
    if not (0 <= hour < 24 and 0 <= minute < 60):
        return None
    if clock.of_day or hour > 12 or hour == 0:
        return Interpretation(f"{hour:02}:{minute:02}", clock.confidence, {"half_of_day": "am" if hour < 12 else "pm"})
    if not half:
        return Interpretation(f"{hour:02}:{minute:02}", min(clock.confidence, LIKELY), {"half_of_day": "unknown"})
    if half == "night" and hour == _NEVER_AT_NIGHT:
        return None  # nobody knows if it is before dawn
    if half == "evening" and (hour == 12 or hour < _FIRST_OF_EVENING):
        return None
    if half == "afternoon" and _FIRST_OF_NO_AFTERNOON <= hour < 12:
        return None
    if half in ("night", "evening"):
        half = "am" if hour == 12 or hour < _NEVER_AT_NIGHT else "pm"
    if half == "morning" and hour == 12:
        return None
    half = {"afternoon": "pm", "morning": "am"}.get(half, half)
    if half == "pm" and hour < 12:
        hour += 12
    elif half == "am" and hour == 12:
        hour = 0
    return Interpretation(f"{hour:02}:{minute:02}", clock.confidence, {"half_of_day": half})


def _half_of_day(words: Sequence[Token], lexicon: Lexicon) -> str:
    plain = [word.text for word in words if not word.is_sign]
    parted = next((place for place, text in enumerate(plain) if text in lexicon.ranges), 0)
    if any(at(plain, place, _halves(lexicon)) for place in range(parted)) and any(
        at(plain, place, _halves(lexicon)) for place in range(parted, len(plain))
    ):
        return ""  # "seven a.m. or p.m."
    for place in range(len(plain)):
        if at(plain, place, lexicon.night):
            return "night"
        if at(plain, place, lexicon.evening):
            return "evening"
        if length := at(plain, place, lexicon.afternoon):
            return "pm" if tuple(plain[place : place + length]) in _PM else "afternoon"
        if length := at(plain, place, lexicon.morning):
            return "am" if tuple(plain[place : place + length]) in _AM else "morning"
    return ""


def _clock(words: list[Token], lexicon: Lexicon, half: str) -> _Clock | None:
    words = _without_noon(words, lexicon)
    found = [group for group in _numbers(words, lexicon) if not _is_other(words, group, lexicon)]
    if led := _led_by_clock(words, found, lexicon):
        words, found = words[led:], _numbers(words[led:], lexicon)
    if len(found) > 1 and any(word.text in lexicon.ranges for word in words[found[0].end : found[-1].start]):
        return None  # "two or half past two"
    if _are_two(words, found, lexicon) or _is_long(words, found, lexicon):
        return None
    return (
        _around_the_hour(words, found, lexicon)
        or _named(words, found, lexicon)
        or _hours_and_minutes(words, found, lexicon, half)
    )


def _is_other(words: list[Token], group: Group, lexicon: Lexicon) -> bool:
    """Whether a number counts people or is a day of a month: "seven for four people", "May 5th at three"."""
    plain = [word.text for word in words]
    if _ends_before(plain, group.start, lexicon.told_by):
        return True  # "my number is 4"
    return is_other(words, group.start, group.end, lexicon) and not at(plain, group.end, lexicon.past | lexicon.to)


def _led_by_clock(words: list[Token], found: list[Group], lexicon: Lexicon) -> int:
    """Where the one hour is that "at" stands before, if other numbers lead to it: "a table for two at seven"."""
    plain = [word.text for word in words]
    led = [group.start for group in found if _ends_before(plain, group.start, lexicon.clock_leads)]
    return led[0] if len(led) == 1 and led[0] > found[0].start else 0


def _ends_before(plain: Sequence[str], place: int, phrases: Phrases) -> bool:
    return any(at(plain[:place], start, phrases) == place - start for start in range(max(place - 3, 0), place))


def _are_two(words: Sequence[Token], found: list[Group], lexicon: Lexicon) -> bool:
    """Whether a dash joins a time that has a name to another: "noon-1pm"."""
    plain = [word.text for word in words]
    starts = {group.start for group in found}
    for place in range(len(plain)):
        named = _table_at(plain, place, lexicon.clock)
        end = place + named[1] if named else 0
        if named and end + 1 in starts and plain[end] in "-–":
            return True
    return False


def _is_long(words: Sequence[Token], found: list[Group], lexicon: Lexicon) -> bool:
    """Whether the one number is how long something takes: "two hours", "in ten minutes", French "dans deux heures"."""
    if len(found) != 1 or found[0].scaled or len(found[0].digits) > 2:
        return False
    plain = [word.text for word in words]
    start, end = found[0].start, found[0].end
    after = plain[end] if end < len(plain) else ""
    ahead = any(
        at(plain, place, lexicon.span_before | lexicon.ago_before) == start - place
        for place in range(max(start - 3, 0), start)
    )
    over = plain[end + 1] in lexicon.not_ahead if end + 1 < len(plain) else False
    lasts = after in lexicon.durations or ((ahead or over) and after in lexicon.after_hour)
    return lasts and not at(plain, end, lexicon.past | lexicon.to)


def _without_noon(words: list[Token], lexicon: Lexicon) -> list[Token]:
    """Without phrases for a half of the day in which there is a word for noon: "de l'après-midi"."""
    plain = [word.text for word in words]
    kept: list[Token] = []
    place = 0
    while place < len(words):
        length = at(plain, place, _halves(lexicon))
        if length > 1 and any((text,) in lexicon.clock for text in plain[place : place + length]):
            place += length
        else:
            kept.append(words[place])
            place += 1
    return kept


def _numbers(words: Sequence[Token], lexicon: Lexicon) -> list[Group]:
    """All numbers, and one o'clock where its word is an article, too: "la una", "une heure", "uma da tarde"."""
    found = groups(words, lexicon)
    taken = {place for group in found for place in range(group.start, group.end)}
    plain = [word.text for word in words]
    for place, text in enumerate(plain):
        if (
            (text in lexicon.ones or (text,) in lexicon.one_hour)
            and place not in taken
            and _is_one(plain, place, lexicon)
        ):
            found.append(Group("1", 1, place, place + 1))
    return sorted(found, key=lambda group: group.start)


def _is_one(plain: list[str], place: int, lexicon: Lexicon) -> bool:
    joining = lexicon.after_hour | lexicon.hour_and
    if place + 1 < len(plain) and plain[place + 1] in joining:
        return True
    if place > 1 and plain[place - 1] in joining:
        return True  # "dix heures un"
    if any(at(plain, start, lexicon.past | lexicon.to) == place - start for start in range(max(place - 3, 0), place)):
        return True
    behind = (plain[start : place + 1] for start in range(max(place - 2, 0), place + 1))
    if any(tuple(words) in lexicon.one_hour for words in behind):
        return True
    ends = _table_at(plain, place + 1, lexicon.hour_ends) or at(plain, place + 1, _halves(lexicon))
    return bool(ends)


def _halves(lexicon: Lexicon) -> Phrases:
    return lexicon.morning | lexicon.afternoon | lexicon.night


def _table_at(plain: Sequence[str], place: int, table: Mapping[Phrase, _T]) -> tuple[_T, int] | None:
    """What the longest phrase of a table that begins here stands for, and its length."""
    for length in range(min(4, len(plain) - place), 0, -1):
        found = table.get(tuple(plain[place : place + length]))
        if found is not None:
            return found, length
    return None


def _named(words: Sequence[Token], found: list[Group], lexicon: Lexicon) -> _Clock | None:
    """Read a time that has a name, such as "noon" or "midnight"; None for other words."""
    plain = [word.text for word in words]
    if found and any(text in lexicon.ranges for text in plain):
        return None  # "noon or one"
    for place in range(len(plain)):
        named = _table_at(plain, place, lexicon.clock)
        if named:
            (hour, minute), length = named
            end = place + length
            end += end + 1 < len(plain) and plain[end] in lexicon.hour_and
            after = next((group for group in found if group.start == end), None)
            if after is not None and not minute and len(after.digits) <= 2 and after.value < 60:
                return _Clock(hour, after.value, LIKELY, of_day=True)  # "noon thirty"
            return _Clock(hour, minute, CERTAIN if not found else FAIR, of_day=True)
    return None


# -- minutes from an hour


class _Hour(NamedTuple):
    """An hour, and the minutes from it that a word right before it makes: "halb drei"."""

    minutes: int
    """Of the day, or of half of it."""
    of_day: bool
    begun: int
    end: int
    """The place behind its words."""

    def shifted(self, minutes: int) -> _Clock:
        """So many minutes from it: "ten to one" is before one, in an hour that nobody calls zero."""
        total = (self.minutes + self.begun + minutes) % (24 * 60 if self.of_day else 12 * 60)
        return _Clock(total // 60 if self.of_day else total // 60 or 12, total % 60, CERTAIN, self.of_day)


def _around_the_hour(words: list[Token], found: list[Group], lexicon: Lexicon) -> _Clock | None:
    """ "half past nine", "ten to six", "fünf vor halb zehn", "trois heures et demie", "las cuatro menos diez"."""
    plain = [word.text for word in words]
    by_start = {group.start: group for group in found}
    for place in range(len(plain)):
        for phrases, direction in ((lexicon.past, 1), (lexicon.to, -1)):
            length = at(plain, place, phrases)
            minutes = _minutes_before(plain, place, found, lexicon) if length else 0
            hour = _hour_at(plain, place + length, by_start, lexicon) if minutes else None
            if hour:
                return hour.shifted(direction * minutes)
    for place in range(len(plain)):
        hour = _hour_at(plain, place, by_start, lexicon)
        if hour is None:
            continue
        if hour.begun:
            return hour.shifted(0)
        end = hour.end + (hour.end < len(plain) and plain[hour.end] in lexicon.after_hour)
        ends = _table_at(plain, end, lexicon.hour_ends)
        if ends:
            return hour.shifted(ends[0])
        less = at(plain, end, lexicon.hour_less)
        lacking = by_start.get(end + less) if less else None
        if lacking and 0 < lacking.value < 60:
            return hour.shifted(-lacking.value)
    return None


def _hour_at(plain: list[str], place: int, by_start: dict[int, Group], lexicon: Lexicon) -> _Hour | None:
    named = _table_at(plain, place, lexicon.clock)
    if named:
        (hour, minute), length = named
        return _Hour(hour * 60 + minute, True, 0, place + length)
    minutes, length = _table_at(plain, place, lexicon.hour_begins) or (0, 0)
    group = by_start.get(place + length)
    if group is None or not 1 <= group.value <= 24 or len(group.digits) > 2 or group.repeated:
        return None
    of_day = group.value > 12
    return _Hour((group.value if of_day else group.value % 12) * 60, of_day, minutes, group.end)


def _minutes_before(plain: list[str], place: int, found: list[Group], lexicon: Lexicon) -> int:
    for length in (3, 2, 1):
        minutes = lexicon.minutes_named.get(tuple(plain[place - length : place])) if place >= length else None
        if minutes:
            return minutes
    group = next((group for group in found if group.end == place), None)
    if group is None or not 0 < group.value < 60:
        return 0
    span = (plain[place],) in lexicon.to and group.value % 5 and group.value < 10 and len(plain) > place + 1
    return 0 if span else group.value  # "nine to five" is from nine, "ten to five" before it


# -- hours and minutes


def _hours_and_minutes(words: list[Token], found: list[Group], lexicon: Lexicon, half: str) -> _Clock | None:
    if not found or (len(found) > 1 and any(word.text in lexicon.ranges for word in words)):
        return None
    if any(not group.sure and group.value for group in found[1:-1]):
        return None  # "nine to five"
    parts = [found[0]]
    for group in found[1:]:
        between = [word.text for word in words[parts[-1].end : group.start]]
        if len(parts) == 3 or not all(text in ".:-,h" or _joins(text, lexicon) for text in between):
            return None  # more than one number: which one is the time?
        parts.append(group)
    return _told(words, parts, lexicon, half)


def _joins(text: str, lexicon: Lexicon) -> bool:
    return text in lexicon.hour_and or text in lexicon.after_hour


def _told(words: list[Token], parts: list[Group], lexicon: Lexicon, half: str) -> _Clock | None:
    digits = [group.digits for group in parts]
    end = parts[-1].end
    if end < len(words) and words[end].text in lexicon.minus | lexicon.unfinished_minutes:
        return None
    named = any(word.text in lexicon.after_hour for word in words[parts[0].end : parts[0].end + 1])
    named = named or any(word.text in lexicon.after_hour for word in words[end : end + 1])
    sure = CERTAIN if half or named else LIKELY
    military = len(parts) == 2 and (parts[1].scaled or len(parts[1].digits) == 3)
    if digits[0] == "0" and military and parts[1].value % 100 == 0:
        return _Clock(parts[1].value // 100, 0, CERTAIN, of_day=True)  # "oh eight hundred"
    joined = any(_joins(word.text, lexicon) for word in words[parts[0].end : parts[-1].start])
    if joined and len(parts) == 2 and len(digits[1]) == 1:
        digits[1] = "0" + digits[1]  # "drei Uhr fünf"
    elif digits[0] == "0" and len(digits) > 1 and len(digits[1]) == 1 and "".join(digits[:2]) != "00":
        digits = ["0" + digits[1], *digits[2:]]
    hour = int(digits[0]) if len(digits[0]) <= 4 else -1
    of_day = digits[0].startswith("0") or (named and hour > 12)
    if len(digits) == 1:
        only = parts[0]._replace(digits=digits[0], end=end)
        return _one_number(words, only, sure, lexicon, certain=bool(half or named), of_day=of_day)
    minutes = "".join(digits[1:])
    if len(minutes) != 2 or hour > 24:
        return None
    return _Clock(hour, int(minutes), sure, of_day)


def _one_number(
    words: Sequence[Token], group: Group, sure: float, lexicon: Lexicon, *, certain: bool, of_day: bool
) -> _Clock | None:
    """Read a time that is one number: "nine", "1430", "eighteen hundred"."""
    hour = int(group.digits) if len(group.digits) <= 4 else -1
    if group.scaled and hour % 100 == 0 and hour <= 2400:
        return _Clock(hour // 100, 0, LIKELY, of_day=True)
    if is_year(group.digits) and counts(words, group.start, group.end, group.digits, lexicon):
        return None  # "in 2019"
    if len(group.digits) in (3, 4):
        return _Clock(hour // 100, hour % 100, sure, group.digits.startswith("0")) if hour % 100 < 60 else None
    around = lexicon.hour_leads | lexicon.weekdays.keys() | {word for phrase in lexicon.days for word in phrase}
    if not certain and not says_nothing(words, group.start, group.end, lexicon, around):
        return None  # "I have two appointments"
    others = sum(not word.is_sign for word in words) - (group.end - group.start)
    if hour < 0 or hour > 24 or (not certain and others > _MOST_WORDS_AROUND):
        return None
    return _Clock(hour, 0, sure if certain else FAIR, of_day)
