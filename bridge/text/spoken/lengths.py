"""Feet and inches by their marks: `5'10"`, `12" pizza`, `12' x 10'`. Pure."""

from __future__ import annotations

import re

from bridge.text.spoken.cursor import Cursor, Reading
from bridge.text.spoken.numerals import PRIMES, parse, say, whole
from bridge.text.spoken.quantities import written_fraction

_FEET = re.compile(r"(\d{1,3})['′](?:(\d{1,2})(?:[\"″]|'')?)?")


def feet(c: Cursor) -> Reading | None:
    """Read a height in feet and inches, such as `5'10"` or `6'`."""
    language = c.language
    part = c.part()
    token = (part.core + part.trail).replace("’", "'").replace("”", '"')
    marks = token[len(token.rstrip(".,;:!?)")) :]
    core = token[: len(token) - len(marks)]
    found = _FEET.fullmatch(core) if language.feet_and_inches and "'" in core else None
    if found is None or (found[2] is None and part.lead):
        return None
    foot, inch = language.units["ft"], language.units["inch"]
    words = f"{whole(found[1], language)} {foot.one if found[1] == '1' else foot.many}"
    if found[2] is not None:
        words += f" {whole(found[2], language)} {inch.one if found[2] == '1' else inch.many}"
    return Reading(1, words, trail=marks)


def length(c: Cursor) -> Reading | None:
    """Read feet or inches by their mark, before what has them or across from others: `12" pizza`, `12' x 10'`."""
    language, part = c.language, c.part()
    unit = PRIMES.get(part.trail[:1])
    if unit is None or not language.feet_and_inches or part.lead.strip("("):
        return None
    rest, after = part.trail[1:], c.part(1)
    noun = not rest and not after.lead and after.core.isalpha() and after.core.islower()
    noun = noun and after.core not in language.counted_stops
    across = (not rest and after.word in _BY) or (c.word(-1) in _BY and c.part(-2).trail[:1] in PRIMES)
    if not (noun or across) or _quoted(c, part.trail[0]):
        return None
    number = parse(part.core, language)
    said = say(number, language) if number is not None else (written.spoken if (written := written_fraction(c)) else "")
    if not said:
        return None
    names = language.units[unit]
    one = part.core == "1" or (noun and not across)
    return Reading(1, f"{said} {names.one if one else names.many}", trail=rest)


_BY = frozenset(("x", "×", "by"))


def _quoted(c: Cursor, mark: str) -> bool:
    """Whether such a mark was opened among the tokens before, so that this one closes it."""
    opened = 0
    for offset in range(-6, 0):
        part = c.part(offset)
        opened += part.lead.count(mark) + part.lead.count(_OPENING.get(mark, mark)) * (mark in _OPENING)
        opened = max(0, opened - part.trail.count(mark))
    return opened > 0


_OPENING = {"”": "“", "’": "‘"}
