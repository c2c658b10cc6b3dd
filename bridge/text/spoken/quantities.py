"""Money, percent, measures, ordinals, fractions, ranges, arithmetic, and numbers by themselves. Pure."""

from __future__ import annotations

import re
from typing import NamedTuple

from bridge.text.spoken.cursor import Cursor, Reading
from bridge.text.spoken.language import Currency, Gender, Language
from bridge.text.spoken.numerals import Number, digits, parse, say, signed, whole

_AMOUNT = re.compile(r"([-+−±~]?)([^\d\s.,+\-−±~]{0,4})([-+−]?)([.,]?\d[\d.,'’]{0,40})([^\d\s]{0,24})")
"""Sign, what stands before the digits, sign again, digits with their marks, what stands after them."""
_TWO_AMOUNTS = re.compile(
    r"([-+−±~]?[^\d\s.,+\-−±~]{0,4}[.,]?\d[\d.,'’]{0,40}[^\d\s\-–—]{0,8})[-–—]([^\d\s.,+\-−±~]{0,4}[.,]?\d[\d.,'’]{0,40}[^\d\s]{0,24})"
)
_FRACTION = re.compile(r"([-+−]?)(\d{1,3})[/⁄](\d{1,2})")
_VULGAR = {
    "½": (1, 2),
    "¼": (1, 4),
    "¾": (3, 4),
    "⅓": (1, 3),
    "⅔": (2, 3),
    "⅛": (1, 8),
    "⅜": (3, 8),
    "⅝": (5, 8),
    "⅞": (7, 8),
    "⅕": (1, 5),
}
_WITH_VULGAR = re.compile(r"([-+−]?)(\d{0,9})([½¼¾⅓⅔⅛⅜⅝⅞⅕])")
_FEET = re.compile(r"(\d{1,3})['′](?:(\d{1,2})(?:[\"″]|'')?)?")
_CHAIN = re.compile(r"[-+−]?\d[\d.,]{0,20}(?:[*×xX·÷/+=−-]\d[\d.,]{0,20}){1,20}=?\??")
_LINKS = re.compile(r"(\d[\d.,]{0,20})|([*×xX·÷/+=−-])")
_RATIO = re.compile(r"(\d{1,4}(?:[.,]\d{1,3})?):(\d{1,4}(?:[.,]\d{1,3})?)")
_SCIENTIFIC = re.compile(r"([-+−]?\d{1,15}(?:[.,]\d{1,15})?)[eE]([-+−]\d{1,3})")
_DECADE = re.compile(r"'?(\d{1,3}0)'?s")
_NOT_APART = frozenset("in pt mo cal x t a".split())
"""Units that are also words, so that they must be glued to their number."""
_LAST_GROUP = re.compile(r"(\d{3}),(\d{1,3})")
_PERIOD = re.compile(r"(\d{4})[-–—/](\d{4}|\d{2})")


class _Measure(NamedTuple):
    """A number with what is counted, in words but for the number."""

    number: Number
    currency: Currency | None = None
    scale: str = ""
    unit: str = ""
    per: str = ""
    plus: bool = False


def amount(c: Cursor) -> Reading | None:
    """Money, percent and measures: `-$45.20`, `12,50 €`, `$5 million`, `€5/month`, `70%`, `5 km/h`, `$5-$10`."""
    language, core = c.language, c.core()
    if (core.isdecimal() and not c.core(1)) or len(core) > 120:
        return None
    if two := _TWO_AMOUNTS.fullmatch(core):
        return _between(c, two[1], two[2], 1)
    if c.core(1) in ("-", "–", "—") and not c.part().trail and c.core(2)[:1]:
        last = _AMOUNT.fullmatch(c.core(2))
        if last is not None and _AMOUNT.fullmatch(core) and (between := _between(c, core, c.core(2), 3)):
            return between
    found = _AMOUNT.fullmatch(core)
    if found is not None and (read := _measure(c, found, 0)):
        count, measure = read
        shortened = c.core(count - 1) in language.scales and count > 1
        return Reading(count, _say(measure, language), keep_stop=not shortened or not c.core(count))
    return None


def currency_first(c: Cursor) -> Reading | None:
    """`USD 5`, `€ 12,50`, `Rs. 500`."""
    language = c.language
    currency = language.currencies.get(c.core())
    found = _AMOUNT.fullmatch(c.core(1)) if currency is not None and c.part().trail in ("", ".") else None
    if found is None or found[2]:
        return None
    number = parse(found[1] + found[3] + found[4], language)
    done = _after(c, _Measure(number, currency), found[5], 1) if number is not None else None
    return Reading(done[0], _say(done[1], language)) if done is not None else None


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
    done = _after(c, _Measure(number, currency), found[5], offset)
    if done is None or done[1] == _Measure(number):
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
            named = language.per_units.get(per)
            if named is None:
                return None
            return count, measure._replace(per=named)
    while count < offset + 4 and (c.joined(count - 1) or _goes_on(c, count - 1)):
        following = c.core(count)
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
    if word in language.currencies and measure.currency is None and not measure.unit:
        return measure._replace(currency=language.currencies[word])
    if word in language.units and not measure.unit and measure.currency is None:
        if apart and (word in _NOT_APART or (len(word) == 1 and word.isupper())):
            return None
        unit = language.units[word]
        return measure._replace(unit=unit.one if measure.number.is_one and not measure.scale else unit.many)
    return None


def _scaled(number: Number, letter: str) -> bool:
    """Whether a letter after digits makes it thousands or millions: `5k`, `10K`, `1.5M`, but not `4K`."""
    return letter == "k" or (letter in "KM" and bool(number.fraction)) or (letter == "K" and len(number.whole) > 1)


def _say(measure: _Measure, language: Language) -> str:
    number = measure.number
    if measure.currency is not None:
        words = _money(number, measure.currency, measure.scale, language)
    else:
        gender = _gender(measure, language)
        words = say(number, language, gender)
        if measure.scale:
            words += " " + language.scales[measure.scale][0 if number.is_one else 1]
        if measure.unit:
            words += " " + measure.unit
    if measure.plus:
        words += f" {language.plus}"
    return f"{words} {language.per} {measure.per}" if measure.per else words


def _gender(measure: _Measure, language: Language) -> Gender:
    for unit in language.units.values() if measure.unit else ():
        if measure.unit in (unit.one, unit.many):
            return unit.gender
    return ""


def _money(number: Number, currency: Currency, scale: str, language: Language) -> str:
    sign = signed(number.sign, language)
    if scale:
        words = say(number._replace(sign=""), language)
        scaled = language.scales[scale][0 if number.is_one else 1]
        joiner = (
            f" {language.scale_joins_noun} "
            if language.scale_joins_noun and scaled not in language.plain_scales
            else " "
        )
        return f"{sign}{words} {scaled}{joiner}{currency.many}"
    if number.fraction and (not currency.cent or len(number.fraction) > 2):
        return f"{say(number, language)} {currency.many}"
    cents = int(number.fraction.ljust(2, "0")) if number.fraction else 0
    units = int(number.whole) if len(number.whole) <= 15 else -1
    parts = []
    if units or not cents:
        joiner = (
            f" {language.scale_joins_noun} "
            if language.scale_joins_noun and units >= 10**6 and not units % 10**6
            else " "
        )
        name = currency.one if units == 1 else currency.many
        parts.append(f"{_counted(number.whole, units, language, currency.gender)}{joiner}{name}")
    if cents:
        name = currency.cent if cents == 1 else currency.cents
        parts.append(f"{language.cardinal(cents, currency.cent_gender)} {name}")
    return sign + language.and_cents.join(parts)


def _counted(text: str, value: int, language: Language, gender: Gender) -> str:
    return digits(text, language) if value < 0 else language.cardinal(value, gender)


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


def ordinal(c: Cursor) -> Reading | None:
    """`1st`, `22nd`, `3º`, and in German `3.` before a word."""
    language, core = c.language, c.core()
    trail = c.part().trail
    if (
        language.ordinal_stop
        and core.isdecimal()
        and len(core) <= 2
        and trail == "."
        and c.core(1).isalpha()
        and int(core)
    ):
        return Reading(1, language.ordinal(int(core), ""), keep_stop=False)
    first, dash, last = core.partition("-")
    if dash and (ends := [_marked(end, language) for end in (first, last)]) and all(ends):
        return Reading(1, f" {language.range_to} ".join(end for end in ends if end))
    words = _marked(core, language)
    return Reading(1, words) if words else None


def _marked(core: str, language: Language) -> str | None:
    """An ordinal by the letters after its digits."""
    for mark in language.ordinal_marks:
        figures = core[: -len(mark)].removesuffix("." if mark in ("º", "ª") else "")
        if core.endswith(mark) and figures.isdecimal() and len(figures) <= 4:
            number = int(figures)
            gender: Gender = "f" if mark in ("ª", "re", "a", "ère") else "m" if mark in ("º", "er", "o") else ""
            return language.ordinal(number, gender) if number else None
    return None


def fraction(c: Cursor) -> Reading | None:
    """`3/4`, `1 1/2`, `2½`."""
    language, core = c.language, c.core()
    if found := _WITH_VULGAR.fullmatch(core):
        top, bottom = _VULGAR[found[3]]
        part = language.fraction(top, bottom)
        if not found[2]:
            return Reading(1, signed(found[1], language) + part)
        both = f"{whole(found[2], language)} {language.half_after_whole} {_article(part, language)}"
        return Reading(1, signed(found[1], language) + both)
    if found := _FRACTION.fullmatch(core):
        top, bottom = int(found[2]), int(found[3])
        if top and 2 <= bottom <= 20 and (top < bottom or bottom <= 10) and not found[2].startswith("0"):
            return Reading(1, signed(found[1], language) + language.fraction(top, bottom))
        return None
    if core.isdecimal() and len(core) <= 3 and c.joined(0) and (found := _FRACTION.fullmatch(c.core(1))):
        top, bottom = int(found[2]), int(found[3])
        if not found[1] and 1 <= top < bottom <= 16:
            part = _article(language.fraction(top, bottom), language)
            return Reading(2, f"{whole(core, language)} {language.half_after_whole} {part}")
    return None


def _article(part: str, language: Language) -> str:
    """English says "two and a half"."""
    return part.replace("one ", "a ", 1) if language.code.startswith("en") and part.startswith("one ") else part


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


def ratio(c: Cursor) -> Reading | None:
    """Read a ratio such as `3:1` or `16:9`."""
    found = _RATIO.fullmatch(c.core())
    if found is None:
        return None
    language = c.language
    first, second = parse(found[1], language), parse(found[2], language)
    if first is None or second is None:
        return None
    return Reading(1, f"{say(first, language)} {language.ratio_to} {say(second, language)}")


def scientific(c: Cursor) -> Reading | None:
    """`1e-3`, `6.02E+23`; without a sign it may be a code."""
    language = c.language
    found = _SCIENTIFIC.fullmatch(c.core())
    number = parse(found[1], language) if found is not None else None
    power = parse(found[2].removeprefix("+"), language) if found is not None else None
    if number is None or power is None:
        return None
    ten = f"{language.times} {language.cardinal(10, '')} {language.symbols['^']}"
    return Reading(1, f"{say(number, language)} {ten} {say(power, language)}")


def decade(c: Cursor) -> Reading | None:
    """Read a decade such as `1990s` or `the '80s`."""
    language = c.language
    found = _DECADE.fullmatch(c.core())
    if found is None or language.decade is None or len(found[1]) not in (2, 4):
        return None
    if len(found[1]) == 2 and "'" not in c.part().lead.replace("’", "'") and c.word(-1) not in language.decade_words:
        return None
    return Reading(1, language.decade(int(found[1])))


def period(c: Cursor) -> Reading | None:
    """Read a period or a range, such as `2019-2021`, `2019/20` or `5-10`."""
    language, core = c.language, c.core()
    if found := _PERIOD.fullmatch(core):
        first, last = int(found[1]), int(found[2])
        full = last if len(found[2]) == 4 else first // 100 * 100 + last
        if 1000 <= first < full <= 2199 and found[2][0] != "0" and full - first < 400:
            second = language.year(full) if len(found[2]) == 4 else language.cardinal(last, "")
            return Reading(1, f"{language.year(first)} {language.range_to} {second}")
        return None
    for dash in "-–—":
        first_, cut, last_ = core.partition(dash)
        if cut and first_.isdecimal() and last_.isdecimal() and _a_range(first_, last_):
            return Reading(1, f"{whole(first_, language)} {language.range_to} {whole(last_, language)}")
    return None


def compound(c: Cursor) -> Reading | None:
    """`10-year`, `2-bedroom`, `5-star`: a number that is part of a word."""
    head, dash, tail = c.core().partition("-")
    if not dash or not head.isdecimal() or len(head) > 4 or not tail.replace("-", "").isalpha() or len(tail) < 2:
        return None
    unit = c.language.units.get(tail)
    return (
        Reading(1, f"{whole(head, c.language)} {unit.one if unit else tail.replace('-', ' ')}")
        if tail.islower() or (len(tail) > 3 and tail.istitle())
        else None
    )


def _a_range(first: str, last: str) -> bool:
    """Whether two runs of digits are the ends of a range rather than parts of a number that is no quantity."""
    if (first[0] == "0" and first != "0") or last[0] == "0" or len(last) > 4 or len(first) > 4:
        return False
    small = len(first) <= 2 and len(last) <= 2
    return small or (int(first) < int(last) and len(last) - len(first) <= 1 and len(last) <= 3)


def arithmetic(c: Cursor) -> Reading | None:
    """`3*4`, `2+2=4`, `10/2=5`, `4x6`."""
    core, language = c.core(), c.language
    if not _CHAIN.fullmatch(core) or ("*" in core and c.word(-1) in language.press_words):
        return None
    signs = [sign for _, sign in _LINKS.findall(core.lstrip("-+−")) if sign]
    sum_ = "=" in signs
    if not sum_ and not all(sign in "*×xX·÷+" for sign in signs):
        return None
    words = [signed(core[0], language).strip()] if core[0] in "-+−" else []
    for number, sign in _LINKS.findall(core[1:] if core[0] in "-+−" else core):
        if number:
            read = parse(number.rstrip(".,"), language)
            words.append(say(read, language) if read else digits(number, language))
        else:
            words.append(_operator(sign, sum_, language))
    return Reading(1, " ".join(word for word in words if word))


def _operator(sign: str, sum_: bool, language: Language) -> str:
    match sign:
        case "+":
            return language.plus
        case "=":
            return language.equals
        case "-" | "−":
            return language.minus
        case "/" | "÷":
            return language.divided_by
        case "x" | "X" if not sum_:
            return language.by
    return language.times


def operator(c: Cursor) -> Reading | None:
    """A sign between two numbers that stand apart from it: `3 * 4`, `5 - 3 = 2`, `9 - 5`."""
    sign, language = c.core(), c.language
    if len(sign) != 1 or sign not in "*×xX·÷/+=−-–—":
        return None
    if sign in "-–—" and ((_dated(c, -1) and _dated(c, 1)) or _measured(c)):
        return Reading(1, language.range_to)
    beside = c.core(-1)[-1:].isdecimal() and c.part(1).core.lstrip("$€£-+(")[:1].isdecimal() and c.joined(-1)
    if not beside:
        return None
    sum_ = any(c.core(offset) == "=" for offset in (-2, 0, 2, 4, 6))
    if sign in "-–—" and not sum_:
        return Reading(1, language.range_to)
    return Reading(1, _operator("-" if sign in "–—" else sign, sum_, language))


def _measured(c: Cursor) -> bool:
    """Whether a dash stands between two measures: `10 % - 15 %`, `5 € - 7 €`."""
    language, unit = c.language, c.core(-1)
    known = unit == "%" or unit in language.units or unit in language.currencies
    return known and c.core(-2)[-1:].isdecimal() and c.core(1)[:1].isdecimal() and c.joined(-1) and c.joined(-2)


def _dated(c: Cursor, offset: int) -> bool:
    """Whether a day of the week or a date stands there, so that a dash beside it means "to"."""
    language, word, beside = c.language, c.word(offset), c.word(offset - 1 if offset < 0 else offset + 1)
    capital = c.core(offset)[:1].isupper() or not language.months[0][0].isupper()
    if not capital and not word[:1].isdecimal():
        return False
    if word in language.weekday_abbreviations or c.core(offset) in language.weekday_abbreviations.values():
        return True
    if word in language.month_abbreviations:
        return offset < 0 or beside[:1].isdecimal() or capital
    return word[:1].isdecimal() and beside in language.month_abbreviations


def number(c: Cursor) -> Reading | None:
    """A number by itself, by what stands around it: a year, a house, a quantity."""
    language, core = c.language, c.core()
    read = parse(core, language)
    if read is None:
        return None
    if read.fraction or read.sign or not core.isdecimal():
        return Reading(1, say(read, language))
    spaced = _spaced_groups(c)
    if spaced is not None:
        return spaced
    if len(core) == 4 and _is_year(c, core):
        return Reading(1, language.year(int(core)))
    state = len(core) == 5 and len(c.core(-1)) == 2 and c.core(-1).isupper()  # "DC 20500"
    if len(core) >= 5 and core[0] != "0" and (state or not _counts(c, core)):
        return None
    return Reading(1, whole(core, language, _counted_gender(c)))


def _counted_gender(c: Cursor) -> Gender:
    """That of the noun after a number, as far as it can be told: of units for certain, of others by their endings."""
    language, after = c.language, c.core(1)
    if not after.isalpha() or c.part().trail:
        return ""
    for unit in language.units.values():
        if after in (unit.one, unit.many):
            return unit.gender
    if after.lower() in language.counted_stops:
        return ""
    return language.noun_gender(after) if language.noun_gender is not None else ""


def _spaced_groups(c: Cursor) -> Reading | None:
    """`1 234 567` where thousands are parted by a space."""
    language = c.language
    if " " not in language.group_marks or len(c.core()) > 3 or c.core()[0] == "0":
        return None
    count, text = 1, c.core()
    while count < 5 and len(c.core(count)) == 3 and c.core(count).isdecimal() and c.joined(count - 1):
        text, count = text + c.core(count), count + 1
    rest = ""
    if (last := _LAST_GROUP.fullmatch(c.core(count))) and c.joined(count - 1):
        text, rest, count = text + last[1], last[2], count + 1
    if count == 1:
        return None
    mark = c.core(count)
    if mark in language.currencies and c.joined(count - 1):
        currency = language.currencies[mark]
        return Reading(count + 1, _money(Number("", text, rest), currency, "", language))
    return Reading(count, say(Number("", text, rest), language))


def _is_year(c: Cursor, core: str) -> bool:
    value, before, after = int(core), c.word(-1), c.core(1)
    if not 1100 <= value <= 2099 or (core[2:] == "00" and value % 1000 == 0):
        return False
    if before in c.language.year_words or before in c.language.month_abbreviations:
        return True
    noun = after[:1].islower() or (c.language.capital_nouns and after[:1].isupper())
    counts = noun and after.lower() not in c.language.counted_stops and not c.part().trail
    street = after[:1].isupper() and not c.part().trail and c.language.code.startswith("en")
    return street or (value >= 1900 and not counts)


def _counts(c: Cursor, core: str) -> bool:
    """Whether a long run of digits without marks is a quantity: it is round, or a noun follows it."""
    language, after = c.language, c.core(1)
    lower = after.islower() or (language.capital_nouns and after[:1].isupper())
    noun = after.isalpha() and lower and after.lower() not in language.counted_stops and not c.part().trail
    round_ = core.endswith("00" if len(core) == 5 else "000") and len(core) <= 9
    return (noun and len(core) <= 9) or round_
