"""Times of day: "half past nine", "quarter to three", "seven oh five in the evening", "18:30". Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from bridge.understanding.corrections import segments
from bridge.understanding.lexicon import Lexicon
from bridge.understanding.numbers import Group, groups
from bridge.understanding.results import CERTAIN, FAIR, LIKELY, Interpretation
from bridge.understanding.words import Token, at, unhyphenated

_MOST_WORDS_AROUND = 6
"""A lone number in a longer sentence need not be an hour."""


class _Clock(NamedTuple):
    hour: int
    minute: int
    confidence: float
    of_day: bool = False
    """The hour is one of 24."""


def read_time(words: Sequence[Token], lexicon: Lexicon) -> Interpretation | None:
    """A time of day as `14:30`, with the part `half_of_day`: `am`, `pm`, or `unknown` where 2:30 may be either."""
    best: tuple[_Clock, str] | None = None
    for because, said in segments(unhyphenated(words), lexicon):
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
    if half == "pm" and hour < 12:
        hour += 12
    elif half == "am" and hour == 12:
        hour = 0
    return Interpretation(f"{hour:02}:{minute:02}", clock.confidence, {"half_of_day": half})


def _half_of_day(words: Sequence[Token], lexicon: Lexicon) -> str:
    plain = [word.text for word in words if not word.is_sign]
    for place in range(len(plain)):
        if at(plain, place, lexicon.afternoon):
            return "pm"
        if at(plain, place, lexicon.morning):
            return "am"
    return ""


def _clock(words: list[Token], lexicon: Lexicon, half: str) -> _Clock | None:
    plain = [word.text for word in words]
    for place in range(len(plain)):
        for length in (3, 2, 1):
            named = lexicon.clock.get(tuple(plain[place : place + length]))
            if named:
                return _Clock(*named, CERTAIN, of_day=True)
    found = groups(words, lexicon)
    return _around_the_hour(words, found, lexicon) or _hours_and_minutes(words, found, lexicon, half)


def _around_the_hour(words: list[Token], found: list[Group], lexicon: Lexicon) -> _Clock | None:
    """ "half past nine", "ten to six", "halb zehn"."""
    plain = [word.text for word in words]
    by_start = {group.start: group for group in found}
    for place in range(len(plain)):
        for phrases, later in ((lexicon.past, True), (lexicon.to, False)):
            length = at(plain, place, phrases)
            hour = by_start.get(place + length) if length else None
            minutes = _minutes_before(plain, place, found, lexicon)
            if hour and minutes and 1 <= hour.value <= 24 and len(hour.digits) <= 2:
                of_day = hour.value > 12
                at_hour = hour.value if later else (hour.value - 1 or 12)
                return _Clock(at_hour, minutes if later else 60 - minutes, CERTAIN, of_day)
        length = at(plain, place, lexicon.before_half)
        hour = by_start.get(place + length) if length else None
        if hour and 1 <= hour.value <= 12:
            return _Clock(hour.value - 1 or 12, 30, CERTAIN)
    return None


def _minutes_before(plain: list[str], place: int, found: list[Group], lexicon: Lexicon) -> int:
    before = plain[place - 1] if place else ""
    if before in lexicon.half:
        return 30
    if before in lexicon.quarter:
        return 15
    group = next((group for group in found if group.end == place), None)
    return group.value if group and 0 < group.value < 60 else 0


def _hours_and_minutes(words: list[Token], found: list[Group], lexicon: Lexicon, half: str) -> _Clock | None:
    if not found:
        return None
    parts = [found[0]]
    for group in found[1:]:
        between = [word.text for word in words[parts[-1].end : group.start]]
        if len(parts) < 3 and all(text in ".:-,h" or text in lexicon.joiners or text in lexicon.after_hour
                                  for text in between):  # fmt: skip
            parts.append(group)
        else:
            return None  # more than one number: which one is the time?
    digits = [group.digits for group in parts]
    end = parts[-1].end
    named = any(word.text in lexicon.after_hour for word in words[end : end + 1])
    sure = CERTAIN if half or named else LIKELY
    if digits[0] == "0" and len(parts) == 2 and parts[1].scaled and parts[1].value % 100 == 0:
        return _Clock(parts[1].value // 100, 0, CERTAIN, of_day=True)  # "oh eight hundred"
    if digits[0] == "0" and len(parts) >= 2 and len(digits[1]) == 1:
        digits = ["0" + digits[1], *digits[2:]]
    hour = int(digits[0]) if len(digits[0]) <= 4 else -1
    of_day = digits[0].startswith("0") or (named and hour > 12)
    if len(digits) == 1:
        if parts[0].scaled and hour % 100 == 0 and hour <= 2400:
            return _Clock(hour // 100, 0, LIKELY, of_day=True)  # "eighteen hundred"
        if len(digits[0]) in (3, 4):
            return _Clock(hour // 100, hour % 100, sure, digits[0].startswith("0")) if hour % 100 < 60 else None
        others = sum(not word.is_sign for word in words) - (parts[0].end - parts[0].start)
        lone = not (half or named) and others > _MOST_WORDS_AROUND
        return None if lone or hour > 24 else _Clock(hour, 0, sure if half or named else FAIR, of_day)
    minutes = "".join(digits[1:])
    if len(minutes) != 2 or hour > 24:
        return None
    return _Clock(hour, int(minutes), sure, of_day)
