"""Parts of things: half an hour, four of five stars, paragraph (c) of a section. Pure."""

from __future__ import annotations

import re

from bridge.text.spoken.codes import letters
from bridge.text.spoken.cursor import Cursor, Reading
from bridge.text.spoken.measures import unit_genders
from bridge.text.spoken.numerals import parse, say, whole

_SECTION = re.compile(r"(\d{1,5}(?:\.\d{1,4}){0,3})([A-Za-z]?)((?:\([A-Za-z0-9]{1,5}\)){0,5})\(([A-Za-z0-9]{1,5})\)?")
_OPENED = re.compile(r"\(([A-Za-z0-9]+)\)")
_RATING = re.compile(r"(\d{1,3}[.,]\d{1,2})/(\d{1,3}(?:[.,]\d)?)")
_SECTION_SIGNS = frozenset(("§", "§§", "art", "abs"))


def section(c: Cursor) -> Reading | None:
    """Read the parts of a section of a law or a contract, such as `230(c)(1)` or `501(c)(3)`, with pauses."""
    language, part = c.language, c.part()
    found = _SECTION.fullmatch(part.core)
    if found is None or part.lead or not (part.core.endswith(")") or part.trail.startswith(")")):
        return None
    inner = [*_OPENED.findall(found[3]), found[4]]
    told = c.word(-1) in language.roman_after or c.word(-1) in _SECTION_SIGNS
    if not told and all(map(str.isdecimal, inner)):
        return None  # "1(800)", "0049(0)30"
    point = f" {language.address_signs['.']} "
    words = point.join(whole(figures, language) for figures in found[1].split("."))
    if found[2]:
        words += f" {letters(found[2], language)}"
    said = [whole(one, language) if one.isdecimal() else letters(one, language) for one in inner]
    return Reading(1, ", ".join([words, *said]), trail=part.trail.replace(")", "", 1) if part.core[-1] != ")" else None)


def rating(c: Cursor) -> Reading | None:
    """Read a grade with decimals and the best there is, such as `4.5/5`."""
    found, language = _RATING.fullmatch(c.core()), c.language
    first, last = (parse(found[1], language), parse(found[2], language)) if found is not None else (None, None)
    if first is None or last is None:
        return None
    return Reading(1, f"{say(first, language)} {language.out_of} {say(last, language)}")


def half(c: Cursor) -> Reading | None:
    """Read half of something in languages that have a word for it before its noun: French `1/2 heure`."""
    language, noun = c.language, c.core(1)
    if (
        not language.halves
        or c.core() not in ("1/2", "½")
        or not (noun.islower() or language.capital_nouns)
        or not c.joined(0)
    ):
        return None
    unit = language.units.get(noun)
    known = unit is not None or noun in language.per_units.values()
    if not known and (not noun.isalpha() or len(noun) < 3 or noun in language.counted_stops):
        return None
    name = unit.one if unit is not None else noun
    gender = unit_genders(language).get(name, "")
    if not gender and language.noun_gender is not None:
        gender = language.noun_gender(noun)
    before = language.halves.get(gender)
    return Reading(2, before + name) if before else None
