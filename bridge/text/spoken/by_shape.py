"""How all tokens of one shape are said where their digits alone make the difference: one short function for each. Pure.

A rule looks at a token and at what stands beside it, which takes its time. Of a long text's sums, decimals, dates and
telephone numbers nearly all stand by themselves, and those of one shape have their digits in the same places; so what a
rule would find out about each of them is found out once, and of each but its digits are read. What the functions say
is what the rules say (`tests/text/spoken/test_by_shape.py`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from bridge.text.spoken.codes import telephone, whole_telephone
from bridge.text.spoken.dates import date, date_in_figures
from bridge.text.spoken.language import Gender, Language
from bridge.text.spoken.measures import amount, unit_genders
from bridge.text.spoken.numerals import decimals, digits, signed, whole
from bridge.text.spoken.quantities import marked_number
from bridge.text.spoken.rules import Rule
from bridge.text.spoken.sums import plain_sum

Saying = Callable[[str], str | None]
"""The words of a token of one shape, without its marks; None: its digits are such that the rules must be asked."""

_DECIMAL = re.compile(r"([-+−±~≈]?)(\d{1,15})([.,])(\d+)")
_SUM = re.compile(r"([-+−]?)([^\d\s.,+\-−±~]{0,4})([-+−]?)(\d{1,15})(?:([.,])(\d{1,2}))?([^\d\s.,'’/]{0,12})")
_DATE = re.compile(r"\d{1,2}([/.\-])\d{1,2}\1(?:\d{4}|\d{2})")
_FIGURES = re.compile(r"\d+")


def saying(rules: Sequence[Rule], shape: str, language: Language) -> Saying | None:
    """What says each token of a shape that stands by itself, by the rules that may know it there; None: they must."""
    make = _BY_RULE.get(rules[0]) if rules else None
    return make(shape, language) if make is not None else None


def _decimal(shape: str, language: Language) -> Saying | None:
    """What says decimals such as `3.14` and `-0,5`, but nothing that may be thousands."""
    found = _DECIMAL.fullmatch(shape)
    if found is None or (len(found[4]) == 3 and found[3] in language.group_marks):
        return None
    sign, start, mark, point = signed(found[1], language), found.start(2), found.end(2), f" {language.point} "

    def say(core: str) -> str:
        return f"{sign}{whole(core[start:mark], language)}{point}{decimals(core[mark + 1 :], language)}"

    return say


def _sum(shape: str, language: Language) -> Saying | None:
    """What says sums, shares and measures in one token, such as `$45.20`, `-12,50€`, `70%` and `5km`."""
    found = _SUM.fullmatch(shape)
    if found is None or (found[1] and found[3]):
        return None
    sign, before, after, (start, mark) = found[1] or found[3], found[2], found[7], found.span(4)
    end = found.end(6) if found[6] else mark
    if before or after in language.currencies:
        currency = language.currencies.get(before or after)
        if currency is None or (before and after):
            return None
        lead = signed(sign, language)
        return lambda core: lead + plain_sum(core[start:mark], core[mark + 1 : end], currency, language)
    if after == "%":
        return _counting(found, language.percent, language.percent, "", language)
    unit = language.units.get(after)
    if unit is None or after in language.scales or after in language.ordinal_marks:
        return None
    return _counting(found, unit.one, unit.many, unit_genders(language).get(unit.many, ""), language)


def _counting(found: re.Match[str], one: str, many: str, gender: Gender, language: Language) -> Saying:
    """What says so many of a unit, or a decimal number of it."""
    sign, (start, mark), end = signed(found[1] or found[3], language), found.span(4), found.end(6)
    if end < 0:
        return lambda core: (
            f"{sign}{whole(core[start:mark], language, gender)} {one if core[start:mark] == '1' else many}"
        )
    point = f" {language.point} "
    return lambda core: (
        f"{sign}{whole(core[start:mark], language)}{point}{decimals(core[mark + 1 : end], language)} {many}"
    )


def _telephone(shape: str, language: Language) -> Saying | None:
    """What says a whole telephone number in one token, such as `555-123-4567`, group by group."""
    if not whole_telephone(shape) or shape[0] in "+(" or not shape[0].isdecimal():
        return None
    groups = [found.span() for found in _FIGURES.finditer(shape)]
    if len(groups) < 2:
        return None
    pause = language.digit_groups
    return lambda core: pause.join([digits(core[start:end], language) for start, end in groups])


def _date(shape: str, language: Language) -> Saying | None:
    """What says a date in figures with its year, such as `3/14/2024` and `24.12.2024`."""
    found = _DATE.fullmatch(shape)
    if found is None:
        return None
    mark, month_first = found[1], language.month_first and found[1] != "."

    def say(core: str) -> str | None:
        first, second, year = core.split(mark)
        words = date_in_figures(first, second, year, month_first, language)
        return words if words is None or language.inflected is None else language.inflected("", words)

    return say


_BY_RULE: dict[Rule, Callable[[str, Language], Saying | None]] = {
    marked_number: _decimal,
    amount: _sum,
    date: _date,
    telephone: _telephone,
}
