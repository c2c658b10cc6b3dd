"""Ordinals, fractions, ratios, periods, arithmetic, and numbers by themselves. Pure."""

from __future__ import annotations

import re

from bridge.text.spoken.cursor import Cursor, Reading
from bridge.text.spoken.language import Gender, Language
from bridge.text.spoken.measures import measured, unit_genders
from bridge.text.spoken.numerals import PRIMES, Number, digits, parse, say, signed, whole

_FRACTION = re.compile(r"([-+−]?)(\d{1,3})[/⁄](\d{1,2})(?:rds|ths|rd|th)?")
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
_CHAIN = re.compile(r"[-+−]?\d[\d.,]{0,20}(?:[*×xX·÷/+=−-]\d[\d.,]{0,20}){1,20}=?\??")
_LINKS = re.compile(r"(\d[\d.,]{0,20})|([*×xX·÷/+=−-])")
_RATIO = re.compile(r"(\d{1,4}(?:[.,]\d{1,3})?):(\d{1,4}(?:[.,]\d{1,3})?)")
_SCIENTIFIC = re.compile(
    r"([-+−]?\d{1,15}(?:[.,]\d{1,15})?)[eE]([-+−]\d{1,3}|(?<=[.,]\d\d[eE])\d{1,3}|(?<=[.,]\d[eE])\d{1,3})"
)
_DURATION = re.compile(r"(\d{1,2})h(\d{1,2})(?:m(?:in)?)?")
_HEIGHT = re.compile(r"([12])m(\d\d)")
_HOURS = re.compile(r"\d{1,2}h(?:rs?)?")
_LAST_GROUP = re.compile(r"(\d{3}),(\d{1,3})")
_QUARTER = re.compile(r"q[1-4]|h[12]")
_PERIOD = re.compile(r"(\d{4})[-–—/](\d{4}|\d{2})")


def ordinal(c: Cursor) -> Reading | None:
    """Read digits with a stop before a word as an ordinal where that is how it is written: German `3.`."""
    language, core = c.language, c.core()
    if not language.ordinal_stop or not int(core):
        return None
    if c.part().trail == ".," and c.core(1).isdecimal() and c.part(1).trail[:1] == ".":
        return Reading(1, language.ordinal(int(core), ""), trail=",")  # "am 1., 2. und 3. Mai"
    if c.part().trail != "." or not c.core(1).isalpha():
        return None
    return Reading(1, language.ordinal(int(core), ""), keep_stop=False)


def marked_ordinal(c: Cursor) -> Reading | None:
    """Read digits with the letters of an ordinal, such as `1st`, `22nd`, `3º` or `1st-3rd`."""
    language, core = c.language, c.core()
    for mark, joiner in (("-", language.range_to), ("/", language.symbols["/"])):
        ends = [marked(end, language) for end in core.split(mark)] if core.count(mark) == 1 else []
        if ends and all(ends):
            return Reading(1, f" {joiner} ".join(end for end in ends if end))
    words = marked(core, language)
    return Reading(1, words) if words else None


def marked(core: str, language: Language) -> str | None:
    """An ordinal by the letters after its digits."""
    for mark in (*language.ordinal_marks, "º", "ª"):
        figures = core[: -len(mark)].removesuffix("." if language.decimal_mark == "," or mark in ("º", "ª") else "")
        if "," in figures and language.decimal_mark == "." and (read := parse(figures, language)):
            figures = figures if read.fraction else read.whole
        if core.endswith(mark) and figures.isdecimal() and len(figures) <= 4:
            number = int(figures)
            if mark == "er" and number and (words := language.ordinal(number, "m")).endswith("ero"):
                return words[:-1]  # Spanish "tercer día"
            gender: Gender = "f" if mark in ("ª", "re", "a", "ère") else "m" if mark in ("º", "er", "o") else ""
            return language.ordinal(number, gender) if number else None
    return None


def written_fraction(c: Cursor) -> Reading | None:
    """Read a fraction in one token, such as `3/4` or `2½`."""
    language, core = c.language, c.core()
    if found := _WITH_VULGAR.fullmatch(core):
        top, bottom = _VULGAR[found[3]]
        part = language.fraction(top, bottom)
        if not found[2]:
            return _with_unit(c, 1, signed(found[1], language) + part)
        both = f"{whole(found[2], language)} {language.half_after_whole} {_article(part, language)}"
        return _with_unit(c, 1, signed(found[1], language) + _mixed(found[2], top, bottom, both, language))
    found = _FRACTION.fullmatch(core)
    if found is None:
        return None
    top, bottom = int(found[2]), int(found[3])
    if top and 2 <= bottom <= 20 and (top < bottom or bottom <= 10) and not found[2].startswith("0"):
        return _with_unit(c, 1, signed(found[1], language) + language.fraction(top, bottom))
    return None


def mixed_fraction(c: Cursor) -> Reading | None:
    """Read a whole number with the fraction after it, such as `1 1/2`."""
    language = c.language
    percent = "%" if c.core(1)[-1:] == "%" else ""
    found = _FRACTION.fullmatch(c.core(1).removesuffix("%")) if "/" in c.core(1) or "⁄" in c.core(1) else None
    if found is None or found[1] or not c.joined(0) or not 1 <= int(found[2]) < int(found[3]) <= 16:
        return None
    part = _article(language.fraction(int(found[2]), int(found[3])), language)
    both = f"{whole(c.core(), language)} {language.half_after_whole} {part}"
    words = _mixed(c.core(), int(found[2]), int(found[3]), both, language)
    return Reading(2, f"{words} {language.percent}") if percent else _with_unit(c, 2, words)


def _mixed(figures: str, top: int, bottom: int, words: str, language: Language) -> str:
    """A whole with its fraction: German says "zweieinhalb"."""
    if (top, bottom) == (1, 2) and language.half_suffix:
        return language.cardinal(int(figures), "m").removesuffix("s") + language.half_suffix
    return words


def _with_unit(c: Cursor, count: int, words: str) -> Reading:
    """A fraction or a rectangle with the unit after it: `2 1/2 lbs`, `40x30 cm`."""
    unit = c.language.units.get(c.core(count))
    if unit is None or not c.joined(count - 1) or c.core(count) in ("in", "a", "x", "t", "mo", "cal"):
        return Reading(count, words)
    return Reading(
        count + 1,
        f"{words} {unit.one if words in (c.language.fraction(1, 2), c.language.fraction(1, 4)) else unit.many}",
        keep_stop=not c.part(count).trail.startswith(".") or c.ends_sentence(count),
    )


def _article(part: str, language: Language) -> str:
    """English says "two and a half"."""
    return part.replace("one ", "a ", 1) if language.code.startswith("en") and part.startswith("one ") else part


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


def duration(c: Cursor) -> Reading | None:
    """Read hours with minutes, such as `2h30m`, or the minutes of `2h 30m`."""
    found, language = _DURATION.fullmatch(c.core()), c.language
    if c.core()[-1] == "m" and c.core()[:-1].isdecimal() and _HOURS.fullmatch(c.core(-1)) and c.joined(-1):
        number, unit = c.core()[:-1], language.units["min"]
        return Reading(1, f"{whole(number, language, unit.gender)} {unit.one if number == '1' else unit.many}")
    if height := _HEIGHT.fullmatch(c.core()):
        metre = language.units["m"]
        words_ = f"{whole(height[1], language, metre.gender)} {metre.one if height[1] == '1' else metre.many}"
        return Reading(1, f"{words_} {language.cardinal(int(height[2]), '')}")
    if found is None:
        return None
    words = []
    for number, name in ((found[1], "h"), (found[2], "min")):
        unit = language.units[name]
        words.append(
            f"{whole(number.lstrip('0') or '0', language, unit.gender)} {unit.one if int(number) == 1 else unit.many}"
        )
    return Reading(1, " ".join(words))


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


def _a_range(first: str, last: str) -> bool:
    """Whether two runs of digits are the ends of a range rather than parts of a number that is no quantity."""
    if (first[0] == "0" and first != "0") or last[0] == "0" or len(last) > 4 or len(first) > 4:
        return False
    small = len(first) <= 2 and len(last) <= 2
    return small or (int(first) < int(last) and len(last) - len(first) <= 1 and len(last) <= 3)


def arithmetic(c: Cursor) -> Reading | None:
    """Read a sum, such as `3*4`, `2+2=4`, `10/2=5` or `4x6`."""
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
    said = " ".join(word for word in words if word)
    return Reading(1, said) if sum_ else _with_unit(c, 1, said)


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
    if sign in "-–—" and ((_dated(c, -1) and _dated(c, 1)) or _measured(c) or _clocked(c)):
        return Reading(1, language.range_to)
    if sign in "xX×" and c.core(1)[:1].isdecimal() and (_measured(c) or c.part(-1).trail in PRIMES):
        return Reading(1, language.by)
    beside = c.core(-1)[-1:].isdecimal() and c.part(1).core.lstrip("$€£-+(")[:1].isdecimal() and c.joined(-1)
    if not beside:
        return None
    sum_ = any(c.core(offset) == "=" for offset in (-2, 0, 2, 4, 6))
    if sign in "-–—" and c.core(1)[-1:] in ("º", "ª") and c.core(-1)[-1:] not in ("º", "ª"):
        return None  # "1000 - 5º andar"
    if sign in "-–—" and not sum_:
        return Reading(1, language.range_to)
    return Reading(1, _operator("-" if sign in "–—" else sign, sum_, language))


def _clocked(c: Cursor) -> bool:
    """Whether a dash stands between two times of which the first has its half: `9:00 AM - 5:30 PM`."""
    half, before = c.part(-1), c.core(-2)
    known = half.core.lower() in ("am", "pm") or (half.core.lower() in ("a.m", "p.m") and half.trail == ".")
    return known and before[:1].isdecimal() and c.joined(-2) and c.core(1)[:1].isdecimal()


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


def marked_number(c: Cursor) -> Reading | None:
    """Read a number with a sign, decimals or parted thousands, such as `-5`, `3.14` or `1,200`."""
    core, language = c.core(), c.language
    if c.may_be_named and core[0] == "-" and core[1:].isdecimal() and c.word(-1) in language.code_words:
        return Reading(1, digits(core, language))  # "Durchwahl -12"
    read = parse(core, language)
    return Reading(1, say(read, language)) if read is not None else None


def number(c: Cursor) -> Reading | None:
    """Digits by themselves, by what stands around them: a year, a house, a quantity."""
    language, core = c.language, c.core()
    spaced = _spaced_groups(c)
    if spaced is not None:
        return spaced
    if len(core) == 4 and _is_year(c, core):
        return Reading(1, language.year(int(core)))
    if language.postcode_letters and len(core) == 4 and len(c.core(1)) == 2 and c.core(1).isupper() and c.joined(0):
        return Reading(1, digits(core, language))
    state = len(core) == 5 and len(c.core(-1)) == 2 and c.core(-1).isupper()  # "DC 20500"
    town = language.capital_nouns and len(core) == 5 and c.part(-1).trail == "," and core[-2:] != "00"
    state = state or (town and c.core(1)[:1].isupper())  # "Hauptstr. 5, 10115 Berlin"
    if len(core) >= 5 and core[0] != "0" and (state or not _counts(c, core)):
        return None
    return Reading(1, whole(core, language, _counted_gender(c)))


def _counted_gender(c: Cursor) -> Gender:
    """That of the noun after a number, as far as it can be told: of units for certain, of others by their endings."""
    language, after = c.language, c.core(1)
    if c.word(-1) in language.hour_articles and (not after.isalpha() or after in language.counted_stops):
        return "f"
    if not after.isalpha() or c.part().trail:
        return ""
    if language.capital_nouns and after.islower() and after not in language.counted_stops and c.joined(1):
        after = _described(after, c.core(2))
    if (gender := unit_genders(language).get(after)) is not None:
        return gender
    if after.lower() in language.counted_stops:
        return ""
    return language.noun_gender(after) if language.noun_gender is not None else ""


def _described(adjective: str, noun: str) -> str:
    """What agrees with a number in German: the noun behind an adjective, "eine neue Nachricht", "ein neuer Brief"."""
    if not noun[:1].isupper() or not adjective.endswith(("e", "er", "es")):
        return adjective
    return noun if adjective.endswith("e") else "Brief" if adjective.endswith("er") else "Ende"


def _spaced_groups(c: Cursor) -> Reading | None:
    """`1 234 567` where thousands are parted by a space."""
    language = c.language
    if len(c.core()) > 3 or c.core()[0] == "0":
        return None
    count, text = 1, c.core()
    while count < 5 and len(c.core(count)) == 3 and c.core(count).isdecimal() and c.joined(count - 1):
        text, count = text + c.core(count), count + 1
    if " " not in language.group_marks and (count == 1 or c.core(count - 1) != "000"):
        return None  # whoever parts thousands in another way may yet write "10 000"
    rest = ""
    if (last := _LAST_GROUP.fullmatch(c.core(count))) and c.joined(count - 1):
        text, rest, count = text + last[1], last[2], count + 1
    if count == 1:
        return None
    town = c.core(2)[:1].isupper() and c.core(2)[1:2].islower() and c.joined(1) and not language.capital_nouns
    town = town and c.word(2) not in language.currencies
    if count == 2 and len(text) == 5 and not rest and town:  # "75 008 Paris"
        return Reading(2, language.digit_groups.join(digits(c.core(place), language) for place in range(2)))
    return measured(c, Number("", text, rest), count)


def _is_year(c: Cursor, core: str) -> bool:
    value, before, after = int(core), c.word(-1), c.core(1)
    if before in ("in", "since", "from") and 1010 <= value < 1100 and after.lower() in c.language.counted_stops | {""}:
        return True
    if before in c.language.forms or (_QUARTER.fullmatch(before) and 1900 <= value <= 2099):
        return True
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
