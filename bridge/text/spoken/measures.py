"""Money, percent and measures, alone and in ranges. Pure."""

from __future__ import annotations

import functools
import re
from typing import NamedTuple

from bridge.text.spoken.cursor import Cursor, Reading
from bridge.text.spoken.language import Currency, Gender, Language
from bridge.text.spoken.numerals import Number, parse, say
from bridge.text.spoken.sums import money, of_currency, scale_gender

_AMOUNT = re.compile(
    r"([-+−±~]?)([^\d\s.,+\-−±~]{0,4})([-+−]?)([.,]?\d[\d.,'’]{0,40}?)(?:[.,][-–—]{1,2})?((?:[^\d\s.,'’][^\d\s]{0,23})?)"
)
"""Sign, what stands before the digits, sign again, digits with their marks, what stands after them."""
_TWO_AMOUNTS = re.compile(
    r"([-+−±~]?[^\d\s.,+\-−±~]{0,4}[.,]?\d[\d.,'’]{0,40}[^\d\s\-–—]{0,8})[-–—]([^\d\s.,+\-−±~]{0,4}[.,]?\d[\d.,'’]{0,40}[^\d\s]{0,24})"
)
_CENTS = re.compile(r"([^\w\s.,+-])(\d\d)")
_LAST_GROUP = re.compile(r"(\d{3})[.,](\d{2})")
_NUMBER = re.compile(r"[-+−±~]?[.,]?\d[\d.,'’]*")
NOT_APART = frozenset("in pt mo cal x t a".split())
"""Units that are also words, so that they must be glued to their number."""


class _Measure(NamedTuple):
    """A number with what is counted, in words but for the number."""

    number: Number
    currency: Currency | None = None
    scale: str = ""
    unit: str = ""
    per: str = ""
    plus: bool = False


def may_measure(shape: str, language: Language) -> bool:
    """Whether a token of this shape can be an amount: whatever is glued to its digits is known."""
    found = _AMOUNT.fullmatch(shape)
    if found is None:
        return _TWO_AMOUNTS.fullmatch(shape) is not None
    before, glued = found[2], found[5].partition("/")[0]
    return (not before or before in language.currencies) and (
        not glued
        or glued in ("%", "pct", "percent", "+")
        or found[5] in language.units
        or any(glued in table for table in (language.units, language.currencies, language.scales))
        or (glued[:-1] in language.scales and glued[-1] in language.currencies)
        or _TWO_AMOUNTS.fullmatch(shape) is not None
    )


def amount(c: Cursor) -> Reading | None:
    """Money, percent and measures: `-$45.20`, `12,50 €`, `$5 million`, `€5/month`, `70%`, `5 km/h`, `$5-$10`."""
    language, core = c.language, c.core()
    if core.isdecimal() and not c.part().trail and c.core(1) not in ("-", "–", "—"):
        return _counted_things(c, Number("", core, ""))
    if core[-1] == "°" and "°" in language.ordinal_marks and core[:-1].isdecimal() and c.core(1)[1:2].islower():
        return None  # "2° piano"
    if len(core) > 120 or (core[-1].isdecimal() and _NUMBER.fullmatch(core) and not may_count(c.core(1), language)):
        return None
    if ("-" in core or "–" in core or "—" in core) and (two := _TWO_AMOUNTS.fullmatch(core)):
        if two[1].isdecimal() and two[2].isdecimal() and not may_count(c.core(1), language):
            return None
        return _between(c, two[1], two[2], 1)
    if c.core(1) in ("-", "–", "—") and not c.part().trail and c.core(2)[:1]:
        last = _AMOUNT.fullmatch(c.core(2))
        if last is not None and _AMOUNT.fullmatch(core) and (between := _between(c, core, c.core(2), 3)):
            return between
    found = _AMOUNT.fullmatch(core)
    if found is not None and found[5] in ("m", "M") and c.word(1) in language.counted_in_millions and c.joined(0):
        number = parse(core[:-1], language)
        return Reading(1, _say(_Measure(number, scale="M"), language)) if number else None
    if found is not None and (read := _measure(c, found, 0)):
        count, measure = read
        return Reading(count, _say(_described(c, count, measure), language), keep_stop=_ends(c, count))
    return None


def _described(c: Cursor, count: int, measure: _Measure) -> _Measure:
    """A measure in the singular where it describes the noun after it: "a five-dollar bill", "a ten kilometer run"."""
    language, noun = c.language, c.core(count)
    if not (noun.islower() and noun.isalpha() and c.joined(count - 1)) or measure.per or measure.plus:
        return measure
    named = c.word(-1) in language.articles and noun not in language.counted_stops and noun not in _NO_NOUNS
    if not named and (measure.currency is None or noun not in language.described):
        return measure
    currency, unit = measure.currency, _singular(language).get(measure.unit, measure.unit)
    if currency is not None:
        currency = currency._replace(many=currency.one, cents=currency.cent)
    return measure._replace(currency=currency, unit=unit)


_NO_NOUNS = frozenset("more less each per extra off apart".split())


@functools.cache
def _singular(language: Language) -> dict[str, str]:
    """The names of one of a unit by those of many."""
    return {unit.many: unit.one for unit in language.units.values()}


def _counted_things(c: Cursor, number: Number) -> Reading | None:
    """Digits with what they count after them: `5 km`, `3 million dollars`."""
    bare, language = _Measure(number), c.language
    if c.core(1) == "in" and c.word(-1) in ("ft", "feet", "foot") and language.feet_and_inches and c.joined(0):
        unit = language.units["in"]
        return Reading(2, f"{say(number, language)} {unit.one if number.is_one else unit.many}")
    done = _after(c, bare, "", 0)
    if done is None or done[1] is bare:
        return None
    count, measure = done
    return Reading(count, _say(_described(c, count, measure), c.language), _ends(c, count))


def measured(c: Cursor, number: Number, count: int) -> Reading:
    """So many of what stands after a number of several tokens, if it counts anything: `1 234,56 €/mois`."""
    done = _after(c, _Measure(number), "", count - 1) or (count, _Measure(number))
    return Reading(done[0], _say(done[1], c.language), done[0] == count or _ends(c, done[0]))


def _ends(c: Cursor, count: int) -> bool:
    """Whether the stop after a measure ends a sentence: not that of `5 Mio.`, nor that of `1 Std. 30 Min.`"""
    if c.core(count)[:1].islower() and not c.part(count).lead and not c.core(count - 1)[-1:].isdecimal():
        return False
    if count < 2 or not c.core(count):
        return True
    last, language = c.core(count - 1), c.language
    goes_on = last in language.units and c.core(count).isdecimal() and c.core(count + 1) in language.units
    return last not in language.scales and not goes_on


def may_count(word: str, language: Language) -> bool:
    """Whether a word after a number, which does not say what it measures itself, may do so."""
    return bool(word) and (
        word in _after_numbers(language)
        or "/" in word
        or (word[-1] in language.currencies and word[:-1] in language.scales)
    )


@functools.cache
def _after_numbers(language: Language) -> frozenset[str]:
    """What makes a number before it a measure, and the dashes of a range."""
    return frozenset((
        *language.units, *language.currencies, *language.scales, *language.counted_in_millions, *language.described,
        *language.grade_nouns, "sq", "%", "pct", "percent", "-", "–", "—",
    ))  # fmt: skip


def currency_first(c: Cursor) -> Reading | None:
    """Read an amount after its currency, such as `USD 5`, `€ 12,50` or `Rs. 500`."""
    language, core = c.language, c.core()
    sign = core[0] if core[0] in "-+−" else ""
    currency = language.currencies.get(core[len(sign) :])
    found = (
        _AMOUNT.fullmatch(c.core(1)) if currency is not None and c.part().trail in ("", "."[: len(core) < 4]) else None
    )
    both = _both_ends(c) if currency is not None and not c.part().trail else None
    if both is not None:
        return both
    if found is None or found[2] or (sign and (found[1] or found[3])):
        return None
    number = parse((sign or found[1] + found[3]) + found[4], language)
    if number is None:
        return None
    number, count = _spaced(c, number, found[5], 1)
    done = _after(c, _Measure(number, currency), found[5] if count == 1 else "", count)
    return Reading(done[0], _say(done[1], language)) if done is not None else None


def _both_ends(c: Cursor) -> Reading | None:
    """`€ 10-20`, `€ 10 - 20` and `€ 10 - € 20`, with a space after the currency."""
    sign, first, dash = c.core(), c.core(1), c.core(2)
    if two := _TWO_AMOUNTS.fullmatch(first):
        return _between(c, sign + two[1], two[2], 2) if two[1][:1].isdecimal() else None
    if dash not in ("-", "–", "—") or not c.joined(1) or not first[:1].isdecimal() or len(first) > 20:
        return None
    if c.core(3) == sign and c.core(4)[:1].isdecimal():
        return _between(c, sign + first, sign + c.core(4), 5)
    return _between(c, sign + first, c.core(3), 4) if c.core(3)[:1].isdecimal() else None


def _spaced(c: Cursor, number: Number, glued: str, offset: int) -> tuple[Number, int]:
    """A sum whose thousands are parted by spaces after its currency, and where it ends: `€ 1 234,50`."""
    if glued or number.fraction or len(number.whole) > 3 or not c.joined(offset) or number.whole[0] == "0":
        return number, offset
    found, last = number.whole, offset
    while last < offset + 3 and len(c.core(last + 1)) == 3 and c.core(last + 1).isdecimal() and c.joined(last):
        found, last = found + c.core(last + 1), last + 1
    if c.joined(last) and (cents := _LAST_GROUP.fullmatch(c.core(last + 1))):
        return number._replace(whole=found + cents[1], fraction=cents[2]), last + 1
    return (number._replace(whole=found), last) if " " in c.language.group_marks else (number, offset)


def _measure(c: Cursor, found: re.Match[str], offset: int) -> tuple[int, _Measure] | None:
    """What the token at an offset measures, with the tokens after it that belong to it; None: nothing but a number."""
    language = c.language
    number = parse((found[1] or found[3]) + found[4], language)
    if number is None:
        return None
    before = found[2]
    currency = language.currencies.get(before) if before else None
    if before and currency is None:
        return None
    if currency is not None:
        number, last = _spaced(c, number, found[5], offset)
        found_after, offset = (found[5], offset) if last == offset else ("", last)
    else:
        found_after = found[5]
    bare = _Measure(number, currency)
    done = _after(c, bare, found_after, offset)
    if done is None or (currency is None and done[1] is bare):
        return None
    count, measure = done
    if measure.currency is not None and len(number.fraction) == 3 and "€" in c.core(offset) + c.core(offset + 1):
        # `€1.200`: whoever writes three digits after a stop writes thousands as the continent does.
        measure = measure._replace(number=number._replace(whole=number.whole + number.fraction, fraction=""))
    return count, measure


def _after(c: Cursor, measure: _Measure, glued: str, offset: int) -> tuple[int, _Measure] | None:
    """Take what is glued to the digits and the tokens after them: scale, currency, unit, percent, "per"."""
    language, count = c.language, offset + 1
    if glued:
        head, slash, per = glued.partition("/")
        whole_unit = glued in language.units or glued in ("%", "+")
        if slash and not whole_unit:
            glued = head
        taken = _take(measure, glued, language) if glued else measure
        if taken is None:
            return None
        measure = taken
        if slash and not whole_unit:
            named = language.per_units.get(per) or language.per_units.get(per.lower())
            named = named or (per if len(per) >= 3 and per.isalpha() else None) or _twice(per, language)
            if named is None:
                return None
            return count, measure._replace(per=named)
    if measure.currency is None and not measure.number.fraction and (cents := _CENTS.fullmatch(c.core(count))):
        currency = language.currencies.get(cents[1]) if c.joined(count - 1) else None
        if currency is not None:  # "12 €50"
            return count + 1, measure._replace(number=measure.number._replace(fraction=cents[2]), currency=currency)
    while count < offset + 4 and (c.joined(count - 1) or _goes_on(c, count - 1)):
        following = c.core(count)
        if not may_count(following, language):
            break
        if following == "x" and c.core(count + 1) in language.often and c.joined(count):
            return (count + 1, often) if (often := _take(measure, "x", language)) else None  # "3 x täglich"
        if language.elides and (millions := of_currency(following, c.core(count + 1), language)) and c.joined(count):
            return count + 2, measure._replace(scale=following, currency=millions)  # "5 M d'euros"
        if following == "/" and c.core(count + 1) in language.per_units and c.joined(count):
            return count + 2, measure._replace(per=language.per_units[c.core(count + 1)])
        if f"{following}{c.core(count + 1)}" in language.currencies and c.joined(count):
            following, count = f"{following}{c.core(count + 1)}", count + 1  # "$ CA"
        if following == "sq" and c.core(count + 1) == "ft" and c.part(count).trail == ".":
            unit = _take(measure, "sqft", language)
            return (count + 2, unit) if unit is not None else None  # "1,200 sq. ft."
        if following == "sq" and f"sq{c.core(count + 1)}" in language.units and c.joined(count):
            following, count = f"sq{c.core(count + 1)}", count + 1
        taken = _take(measure, following, language, apart=True)
        if taken is None:
            head, slash, per = following.partition("/")
            if (
                slash
                and per in language.per_units
                and (not head or head in language.currencies or head in language.units)
            ):
                counted = _take(measure, head, language, apart=True) if head else measure
                if counted is not None:
                    return count + 1, counted._replace(per=language.per_units[per])
            break
        measure, count = taken, count + 1
    return count, measure


def _twice(per: str, language: Language) -> str | None:
    """`user/month` after a sum and a stroke."""
    first, stroke, second = per.partition("/")
    if not stroke or first not in language.per_units or second not in language.per_units:
        return None
    return f"{language.per_units[first]} {each(language.per_units[second], language)}"


def _goes_on(c: Cursor, offset: int) -> bool:
    """Whether the stop after a token only shortens it: `10 Mio. Euro`."""
    after = c.core(offset + 1)
    shortened = c.core(offset) in c.language.scales and c.part(offset).trail == "." and not c.part(offset + 1).lead
    return shortened and (after in c.language.currencies or after in c.language.units)


def _take(measure: _Measure, word: str, language: Language, apart: bool = False) -> _Measure | None:
    """The measure with one more thing that was written after its number; None: it does not belong to it."""
    if word in ("%", "pct", "percent") and not measure.unit and not measure.currency:
        return measure._replace(unit=language.percent)
    if word == "+" and not apart:
        return measure._replace(plus=True)
    scales = len(word) > 1 or (not apart and (measure.currency is not None or _scaled(measure.number, word)))
    if word in language.scales and scales and not measure.scale and not measure.unit:
        return measure._replace(scale=word)
    if word[:-1] in language.scales and word[-1] in language.currencies and measure == _Measure(measure.number):
        return measure._replace(currency=language.currencies[word[-1]], scale=word[:-1])  # "M€"
    if apart and measure.currency is not None and word.isalpha() and _same(word, measure.currency, language):
        return measure  # "$5 USD"
    if apart and measure.currency is not None and word in language.currencies and word.isupper() and len(word) == 3:
        return measure._replace(currency=language.currencies[word])  # "$5 CAD"
    if word in language.currencies and measure.currency is None and not measure.unit:
        return measure._replace(currency=language.currencies[word])
    if word in language.units and not measure.unit and measure.currency is None:
        if not apart and word == "st" and _is_first(measure.number):
            return None  # "1st"
        if apart and (word in NOT_APART or (len(word) == 1 and word.isupper())):
            return None
        unit = language.units[word]
        return measure._replace(unit=unit.one if measure.number.is_one and not measure.scale else unit.many)
    return None


def _is_first(number: Number) -> bool:
    """Whether `st` after a number makes it an ordinal: after 1 and 21, not after 11 and 12."""
    return bool(number.fraction) or (number.whole[-1] == "1" and number.whole[-2:] != "11")


def _same(word: str, currency: Currency, language: Language) -> bool:
    """Whether a word names a sum's currency once more: `$5 USD`."""
    named = language.currencies.get(word)
    return (
        named is not None
        and (named == currency or word == "USD" or word.islower())
        and named.one.endswith(currency.one)
    )


def _scaled(number: Number, letter: str) -> bool:
    """Whether a letter after digits makes it thousands or millions: `5k`, `10K`, `1.5M`, but not `4K`."""
    return letter == "k" or (letter in "KM" and bool(number.fraction)) or (letter == "K" and len(number.whole) > 1)


def _say(measure: _Measure, language: Language) -> str:
    number = measure.number
    if measure.currency is not None:
        words = money(number, measure.currency, measure.scale, language)
    else:
        gender = _gender(measure, language) if not measure.scale else scale_gender(number, language)
        words = say(number, language, gender)
        if measure.scale:
            words += " " + language.scales[measure.scale][0 if number.is_one else 1]
        if measure.unit:
            words += " " + measure.unit
    if measure.plus:
        words += f" {language.plus}"
    return f"{words} {each(measure.per, language)}" if measure.per else words


def each(unit: str, language: Language) -> str:
    """Say that a sum is for each of a unit, such as "per month" or "all'ora"."""
    return language.per_each.get(unit) or f"{language.per} {unit}"


def _gender(measure: _Measure, language: Language) -> Gender:
    return unit_genders(language).get(measure.unit, "")


@functools.cache
def unit_genders(language: Language) -> dict[str, Gender]:
    """The genders of units by their names."""
    genders: dict[str, Gender] = {}
    for unit in language.units.values():
        genders.setdefault(unit.one, unit.gender)
        genders.setdefault(unit.many, unit.gender)
    return genders


def _between(c: Cursor, start: str, end: str, count: int) -> Reading | None:
    """Two measures with a dash between them; what only the second names holds for both."""
    language = c.language
    first, last = _AMOUNT.fullmatch(start), _AMOUNT.fullmatch(end)
    if first is None or last is None:
        return None
    low = parse(first[1] + first[3] + first[4], language)
    read = _measure(c, last, count - 1)
    if low is None or (first[2] and first[2] not in language.currencies):
        return None
    currency = language.currencies.get(first[2]) if first[2] else None
    if read is None:
        number = parse(last[1] + last[3] + last[4], language)
        if number is None or currency is None or last[5]:
            return None
        read = count, _Measure(number)
    end_count, high = read
    if currency is not None and high.currency is None:
        if high.unit:
            return None
        high = high._replace(currency=currency)
    small = _Measure(low, currency)
    if first[5]:
        taken = _take(small, first[5], language)
        if taken is None:
            return None
        small = taken
    same = small.currency in (None, high.currency) and (not small.unit or small.unit == high.unit) and not small.scale
    if (same and not (low.fraction or low.sign)) or (small.currency is None and not small.unit and not small.scale):
        first_words = say(low, language, high.currency.gender if high.currency else "")
    else:
        first_words = _say(small, language)
    return Reading(end_count, f"{first_words} {language.range_to} {_say(high, language)}")
