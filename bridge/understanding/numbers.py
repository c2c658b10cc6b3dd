"""Numbers in a row of words: each group of words that is one number, and runs of them. Pure.

"five fifty" is two groups, 5 and 50; "twenty one hundred" is one, 2100; "double five" is one, with the digits 55.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import NamedTuple

from bridge.understanding.lexicon import Lexicon
from bridge.understanding.number_names import names_of_numbers, number_inside
from bridge.understanding.words import Token, at

LONGEST_DIGITS = 40
"""Nobody gives a longer number."""
_LONGEST_NAME = 7
_FEWEST_UNSURE = 3
_MOST_ALIKE = 6
"""Digits that somebody counts instead of saying them: "four zeros"."""
_BETWEEN = frozenset(",.-()/;:+")


class Group(NamedTuple):
    """Words, or written digits, that are one number."""

    digits: str
    value: int
    start: int
    end: int
    sure: bool = True
    """False for "oh", "to", "for" and the like."""
    written: bool = False
    scaled: bool = False
    """It has a hundred, thousand or million."""
    repeated: bool = False


class Run(NamedTuple):
    """Groups with nothing between them but fillers and signs."""

    groups: list[Group]

    @property
    def digits(self) -> str:
        """All digits in a row."""
        return "".join(group.digits for group in self.groups)

    @property
    def start(self) -> int:
        """The place of the run's first word."""
        return self.groups[0].start

    @property
    def end(self) -> int:
        """The place behind the run's last word."""
        return self.groups[-1].end

    @property
    def sure(self) -> bool:
        """Whether every group is a number whatever stands beside it."""
        return all(group.sure for group in self.groups)


def groups(words: Sequence[Token], lexicon: Lexicon, *, nothing_else: bool = False) -> list[Group]:
    """All numbers in these words; what is a number only beside others is kept only there.

    `nothing_else`: in an answer of nothing but such words, three of them or two of them sure, all are digits: "for five
    six", "to ate for".
    """
    found: list[Group] = []
    place = 0
    while place < len(words):
        nothing = at([word.text for word in words[place : place + 3]], 0, lexicon.not_numbers, 3)
        group = None if nothing else _group(words, place, lexicon)
        if group is None:
            place += nothing or 1
        else:
            found.append(group)
            place = group.end
    enough = len(found) >= _FEWEST_UNSURE or sum(group.sure for group in found) > 1
    if nothing_else and enough and _all_numbers(found, words, lexicon):
        return [group for index, group in enumerate(found) if not _introduces(found, index, words, lexicon)]
    return [group for index, group in enumerate(found) if group.sure or _among_digits(found, index, words, lexicon)]


def lone_digit(words: Sequence[Token], lexicon: Lexicon) -> str:
    """The digit that a correction of one word may be: "six, no wait, for"; empty where it is none."""
    plain = [word.text for word in words if not word.is_sign and word.text not in lexicon.fillers]
    return lexicon.unsure_digits.get(plain[0], "") if len(plain) == 1 else ""


def _all_numbers(found: list[Group], words: Sequence[Token], lexicon: Lexicon) -> bool:
    covered = sum(group.end - group.start for group in found)
    return covered == sum(not word.is_sign and word.text not in lexicon.fillers for word in words)


def _among_digits(found: list[Group], index: int, words: Sequence[Token], lexicon: Lexicon) -> bool:
    """Whether a doubtful digit stands beside a certain one; a common word needs them on both sides."""
    text = words[found[index].start].text
    if _introduces(found, index, words, lexicon):
        return False
    if text in lexicon.ones and text != lexicon.spoken.digits[1] and index + 1 < len(found):
        behind = found[index + 1]
        if behind.sure and behind.start == found[index].end and len(behind.digits) == 1:
            return False  # Spanish "un siete" is a seven
    point = words[found[index].end].text if found[index].end < len(words) else ""
    if text in lexicon.ones and point in lexicon.points and index + 1 < len(found):
        return found[index + 1].start == found[index].end + 1  # French "un virgule cinq"
    zero = found[index].digits == "0" or text in lexicon.ones
    if text in lexicon.ones and len(found) == 1 and _all_numbers(found, words, lexicon):
        return True  # "un" is one where nothing else is said
    before = any(
        group.sure and _touch(found[group_index : index + 1], words)
        for group_index, group in list(enumerate(found[:index]))[-3:]
    )
    after = any(
        group.sure and _touch(found[index : index + offset + 2], words)
        for offset, group in enumerate(found[index + 1 : index + 4])
    )
    return (before or after) if zero else (before and after)


def _introduces(found: list[Group], index: int, words: Sequence[Token], lexicon: Lexicon) -> bool:
    """Whether an article that is the number one as well stands before one last digit: "and then a seven"."""
    article = found[index]
    if index + 1 == len(found) or words[article.start].text not in lexicon.ones or not index:
        return False
    digit, before = found[index + 1], words[article.start - 1]
    alone = digit.start == article.end and len(digit.digits) == 1
    alone = alone and (digit.sure or words[digit.start].text == words[article.start].text)
    last = index + 2 == len(found) or not _touch(found[index + 1 : index + 3], words)
    return alone and last and not before.is_sign and found[index - 1].end < article.start


def _touch(groups_: list[Group], words: Sequence[Token]) -> bool:
    pairs = itertools.pairwise(groups_)
    return all(all(word.text in _BETWEEN for word in words[a.end : b.start]) for a, b in pairs)


def _name(words: Sequence[Token], place: int, lexicon: Lexicon) -> tuple[int, int] | None:
    """A number by its name, and where it ends."""
    names = names_of_numbers(lexicon)
    for length in range(min(_LONGEST_NAME, len(words) - place), 0, -1):
        value = names.get(tuple(word.text for word in words[place : place + length]))
        if value is not None:
            return value, place + length
    value = number_inside(words[place].text, lexicon)
    return None if value is None else (value, place + 1)


def digit_named(word: Token, lexicon: Lexicon) -> str:
    """The digit that a word names; empty for another word."""
    value = names_of_numbers(lexicon).get((word.text,), 10)
    return str(value) if value < 10 else ""


def _small(words: Sequence[Token], place: int, lexicon: Lexicon) -> tuple[int, int] | None:
    """A number below a hundred, or up to `largest_name`, in words."""
    if place >= len(words):
        return None
    return _name(words, place, lexicon)


def _group(words: Sequence[Token], place: int, lexicon: Lexicon) -> Group | None:
    word = words[place]
    times, behind = repeats_at(words, place, lexicon)
    if times and behind < len(words) and (again := _repeated(words, place, behind, times, lexicon)):
        return again
    if word.is_digits:
        return _written(words, place, lexicon)
    small = _small(words, place, lexicon)
    if small is None and word.text in lexicon.articles | lexicon.ones and place + 1 < len(words):
        after = words[place + 1].text
        if after in lexicon.hundred | lexicon.thousand | lexicon.million:
            return _scaled(words, place, 1, place + 1, lexicon)
    if small is None:
        if lexicon.largest_name > 99 and word.text in lexicon.thousand:
            return _scaled(words, place, 1, place, lexicon)
        unsure = "1" if word.text in lexicon.ones else lexicon.unsure_digits.get(word.text)
        return Group(unsure, int(unsure), place, place + 1, sure=False) if unsure else None
    value, end = small
    if 2 <= value <= _MOST_ALIKE and end < len(words) and (digit := lexicon.plural_digits.get(words[end].text)):
        return Group(digit * value, int(digit * value), place, end + 1, repeated=True)
    return _scaled(words, place, value, end, lexicon)


def repeats_at(words: Sequence[Token], place: int, lexicon: Lexicon) -> tuple[int, int]:
    """How often the "double" here wants what follows (0: it is none), and where that begins."""
    plain = [word.text for word in words[place : place + 3]]
    for length in (2, 1):
        times = lexicon.repeats.get(tuple(plain[:length]))
        if times and len(plain) >= length:
            end = place + length
            return times, end + (end < len(words) and words[end].text in lexicon.repeated)
    return 0, place


def _repeated(words: Sequence[Token], place: int, at_digit: int, times: int, lexicon: Lexicon) -> Group | None:
    word = words[at_digit]
    digit = digit_named(word, lexicon) or (word.text if word.is_digits and len(word.text) == 1 else "")
    digit = digit or ("1" if word.text in lexicon.ones else "")
    digit = digit or ("0" if lexicon.unsure_digits.get(word.text) == "0" else "")
    if not digit:
        return None
    return Group(digit * times, int(digit * times), place, at_digit + 1, repeated=True)


def _written(words: Sequence[Token], place: int, lexicon: Lexicon) -> Group:
    digits, end = words[place].text, place + 1
    while _is_thousands(words, end, digits, lexicon.spoken.group_marks):
        digits, end = digits + words[end + 1].text, end + 2
    if (
        len(digits) <= 3
        and end < len(words)
        and words[end].text in lexicon.hundred | lexicon.thousand | lexicon.million
    ):
        scaled = _scaled(words, place, int(digits), end, lexicon)
        return scaled._replace(written=True)
    return Group(digits, int(digits[:LONGEST_DIGITS]), place, end, written=True)


def _is_thousands(words: Sequence[Token], place: int, digits: str, marks: str) -> bool:
    """Whether a mark and three digits follow: `1,200`, or `1.200` in most languages."""
    if place + 1 >= len(words) or words[place].text not in marks:
        return False
    if not (words[place].joined and words[place + 1].joined):
        return False
    return words[place + 1].is_digits and len(words[place + 1].text) == 3 and (len(digits) <= 3 or len(digits) % 3 == 0)


def _scaled(words: Sequence[Token], place: int, value: int, end: int, lexicon: Lexicon) -> Group:
    """A number with the hundreds and thousands that follow it."""
    plain = value
    total, scaled = 0, False
    if value >= 1000 and value % 1000 == 0:  # one word with the thousand in it: "zweitausend fünfhundert"
        rest = _rest(words, end, lexicon)
        if rest is not None:
            total, scaled, (value, end) = value, True, rest
    while end < len(words):
        text = words[end].text
        if text in lexicon.hundred and 0 < value < 100:
            value, end, scaled = value * 100, end + 1, True
            value, end = _and_small(words, end, value, 99, lexicon)
        elif text in lexicon.thousand and 0 < value < 1000 and total % 10**6 == 0:
            total, value, end, scaled = total + value * 1000, 0, end + 1, True
            rest = _rest(words, end, lexicon)
            if rest is None:
                break
            value, end = rest
        elif text in lexicon.million and 0 < value < 1000 and not total:
            total, value, end, scaled = value * 10**6, 0, end + 1, True
            rest = _rest(words, end, lexicon)
            if rest is None:
                break
            value, end = rest
        else:
            break
    number = total + value if scaled else plain
    return Group(str(number), number, place, end, scaled=scaled)


def _and_small(words: Sequence[Token], end: int, value: int, most: int, lexicon: Lexicon) -> tuple[int, int]:
    """A number with the small one that belongs to it: "five hundred (and) twelve", not "eight hundred, five five"."""
    rest = _rest(words, end, lexicon)
    return (value + rest[0], rest[1]) if rest and 0 < rest[0] <= most else (value, end)


def _rest(words: Sequence[Token], end: int, lexicon: Lexicon) -> tuple[int, int] | None:
    joined = end < len(words) and words[end].text in lexicon.joiners
    start = end + joined
    small = _small(words, start, lexicon)
    if start < len(words) and words[start].is_digits and len(words[start].text) <= 2 and not words[start].joined:
        small = int(words[start].text), start + 1  # "1 thousand 2 hundred"
    if small is None and start < len(words) and words[start].text in lexicon.ones:
        small = 1, start + 1  # "mille un"
    if small is None or small[0] == 0:
        return None
    value, after = small
    if value < 10 and not joined and after < len(words) and _goes_on(words[after], lexicon):
        return None  # digits are being told one by one
    return value, after


def _goes_on(word: Token, lexicon: Lexicon) -> bool:
    return bool(digit_named(word, lexicon)) or word.is_digits or lexicon.unsure_digits.get(word.text) == "0"


def runs(words: Sequence[Token], lexicon: Lexicon, *, nothing_else: bool = False) -> list[Run]:
    """The numbers in these words, those together that nothing but fillers and signs part."""
    found: list[Run] = []
    for group in groups(words, lexicon, nothing_else=nothing_else):
        if found and _nothing_between(words[found[-1].end : group.start], lexicon):
            found[-1].groups.append(group)
        else:
            found.append(Run([group]))
    return found


def _nothing_between(words: Sequence[Token], lexicon: Lexicon) -> bool:
    return all(word.text in _BETWEEN or word.text in lexicon.fillers for word in words)
