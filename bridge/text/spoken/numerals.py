"""Written numbers: what they are, and their words. Pure."""

from __future__ import annotations

import functools
from typing import NamedTuple

from bridge.text.spoken.language import LONGEST_CARDINAL, Gender, Language

SIGNS = "-+−±~≈"
PRIMES = {'"': "inch", "”": "inch", "″": "inch", "'": "ft", "’": "ft", "′": "ft"}
"""Marks after digits that are feet or inches."""


class Number(NamedTuple):
    """A number as it was written."""

    sign: str
    """One of `SIGNS`, or ""."""
    whole: str
    fraction: str
    """Digits after the decimal mark; "" if there are none."""

    @property
    def is_one(self) -> bool:
        """Whether one thing is counted."""
        return self.whole == "1" and not self.fraction


def parse(text: str, language: Language) -> Number | None:
    """A number from its sign, digits and marks in the language's notation or, where that is unmistakable, another's."""
    sign = text[:1] if text[:1] in SIGNS else ""
    text = text[len(sign) :]
    if text.isdecimal() and text.isascii():
        return Number(sign, text, "")
    if not text or not text[-1].isdecimal() or (not text.isascii() and "’" not in text):
        return None
    if language.decimal_mark not in language.group_marks:
        units, _, rest = text.partition(language.decimal_mark)
        if units.isdecimal() and rest.isdecimal():
            return Number(sign, units, rest)
    marks = [char for char in text if not char.isdecimal()]
    if any(mark not in ".,'’" for mark in marks):
        return None
    parts = _split(text, marks)
    if len(set(marks)) > 2:
        return None
    if len(set(marks)) == 2:
        if marks.count(marks[-1]) > 1 or len(set(marks[:-1])) > 1 or not _grouped(parts[:-1]):
            return None
        return Number(sign, "".join(parts[:-1]), parts[-1])
    mark = marks[0]
    if len(marks) > 1:
        return Number(sign, "".join(parts), "") if _grouped(parts) else None
    if mark in language.group_marks and _grouped(parts):
        return Number(sign, "".join(parts), "")
    if mark not in ".,":
        return Number(sign, "".join(parts), "") if _grouped(parts) else None
    return Number(sign, parts[0] or "0", parts[1])


def _split(text: str, marks: list[str]) -> list[str]:
    parts, start = [], 0
    for mark in marks:
        end = text.index(mark, start)
        parts.append(text[start:end])
        start = end + 1
    return [*parts, text[start:]]


def _grouped(parts: list[str]) -> bool:
    """Whether digits are parted by thousands, or after the last thousand by hundreds as in India: `1,50,000`."""
    if not 1 <= len(parts[0]) <= 3 or parts[0][0] == "0" or len(parts[-1]) != 3:
        return len(parts) == 1 and 1 <= len(parts[0]) <= 3 and parts[0][0] != "0"
    between = {len(part) for part in parts[1:-1]}
    return between <= {3} or (between == {2} and len(parts[0]) <= 2)


@functools.lru_cache(maxsize=16_384)
def digits(text: str, language: Language) -> str:
    """Each digit by its name: `007` -> "zero zero seven"."""
    names = language.digits
    return " ".join([names[int(char)] for char in text if char.isdecimal()])


@functools.lru_cache(maxsize=16_384)
def whole(text: str, language: Language, gender: Gender = "") -> str:
    """A whole number's words; zeros in front are not lost, and what is too long for a number is read by digits."""
    if len(text) > LONGEST_CARDINAL or (len(text) > 1 and text[0] == "0"):
        return digits(text, language)
    return language.cardinal(int(text), gender)


def say(number: Number, language: Language, gender: Gender = "") -> str:
    """A number's words, with sign and decimals."""
    words = signed(number.sign, language) + whole(number.whole, language, "" if number.fraction else gender)
    return f"{words} {language.point} {decimals(number.fraction, language)}" if number.fraction else words


@functools.lru_cache(maxsize=4096)
def decimals(fraction: str, language: Language) -> str:
    """What follows the decimal mark."""
    if language.decimals_as_number and fraction[0] != "0" and len(fraction) <= 2:
        return language.cardinal(int(fraction), "")
    return digits(fraction, language)


def signed(sign: str, language: Language) -> str:
    """A sign's word and a space; "" for none."""
    match sign:
        case "":
            return ""
        case "-" | "−":
            return f"{language.minus} "
        case "+":
            return f"{language.plus} "
        case "±":
            return f"{language.plus_or_minus} "
    return f"{language.symbols['~']} "


def group_digits(text: str, sizes: tuple[int, ...], language: Language) -> str:
    """Digits in groups of these sizes, a short pause between them; what is over makes groups of three and four."""
    groups, start = [], 0
    if sum(sizes) != len(text):
        sizes = _threes(len(text))
    for size in sizes:
        groups.append(digits(text[start : start + size], language))
        start += size
    return language.digit_groups.join(groups)


def _threes(count: int) -> tuple[int, ...]:
    if count <= 4:
        return (count,)
    threes, rest = divmod(count, 3)
    sizes = [3] * threes
    if rest == 1:
        sizes[-1] = 4
    elif rest == 2:
        sizes.append(2)
    return tuple(sizes)
