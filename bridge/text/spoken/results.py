"""What two numbers are after a word that tells it: a score, a grade, a blood pressure; and sums in brackets. Pure."""

from __future__ import annotations

import re

from bridge.text.spoken.cursor import Cursor, Reading
from bridge.text.spoken.language import Language
from bridge.text.spoken.measures import amount, currency_first

_SCORE = re.compile(r"(\d{1,3})[-–:](\d{1,3})")
_PAIR = re.compile(r"(\d{1,3})/(\d{1,3})")
_LUMBER = re.compile(r"(?:(\d{1,2})[xX×])?(\d{1,2})s")
_BEST = frozenset((5, 6, 10, 20, 30, 100))
"""What grades are given out of."""
_SIGHT = frozenset((15, 20, 25, 30, 40, 50, 60, 70, 80, 100, 200, 400))
"""At how many feet others read what one with these eyes reads at twenty."""
_HIGH, _LOW = range(100, 261), range(40, 141)
"""Pressures of blood, in millimetres of mercury, that need no word to tell them."""


def score(c: Cursor) -> Reading | None:
    """Read the result of a game after a word that tells it: "won 112-108", "lost 1-3"."""
    found, language = _SCORE.fullmatch(c.core()), c.language
    if found is None or not _told(c, language.score_words):
        return None
    if ":" in c.core() and c.word(-1) not in language.score_words:
        return None  # "they won at 21:15"
    ours, theirs = (language.cardinal(int(points), "") for points in found.groups())
    return Reading(1, f"{ours} {language.score_to} {theirs}".replace("  ", " "))


def pressure(c: Cursor) -> Reading | None:
    """Read a blood pressure, such as `120/80`: "one twenty over eighty"."""
    found, language = _PAIR.fullmatch(c.core()), c.language
    if found is None:
        return None
    high, low = int(found[1]), int(found[2])
    unit = language.units["mmHg"] if c.core(1) == "mmHg" and c.joined(0) else None
    plain = high in _HIGH and low in _LOW and high > low
    if not plain and (low >= high or not (unit or _told(c, language.pressure_words))):
        return None
    words = f"{_short(high, language)} {language.over} {_short(low, language)}"
    return Reading(1, words) if unit is None else Reading(2, f"{words} {unit.many}")


def _short(number: int, language: Language) -> str:
    """As it is said of pressures: English leaves out the word for hundreds."""
    hundreds, rest = divmod(number, 100)
    if not language.feet_and_inches or not hundreds or not rest:
        return language.cardinal(number, "")
    return f"{language.cardinal(hundreds, '')} {'oh ' if rest < 10 else ''}{language.cardinal(rest, '')}"


def grade(c: Cursor) -> Reading | None:
    """Read points and the most there are: "rated 8/10", "4/5 stars", "Note 15/20"; and eyesight, `20/40`."""
    found, language = _PAIR.fullmatch(c.core()), c.language
    if found is None:
        return None
    points, best = int(found[1]), int(found[2])
    if language.feet_and_inches and points == 20 and best in _SIGHT:
        return Reading(1, f"{language.cardinal(points, '')} {language.cardinal(best, '')}")
    graded = _told(c, language.grade_words) or (c.word(1) in language.grade_nouns and c.joined(0))
    if not graded or points > best or best not in _BEST:
        return None
    return Reading(1, f"{language.cardinal(points, '')} {language.out_of} {language.cardinal(best, '')}")


def in_brackets(c: Cursor) -> Reading | None:
    """Read a sum in brackets where accounts write what is below zero: "Net income: ($1,200)"."""
    language, part, before = c.language, c.part(), c.part(-1)
    if part.lead != "(" or not _told(c, language.ledger_words):
        return None
    if before.trail[-1:] != ":" and before.word not in language.link_words:
        return None  # "the net fee ($5)"
    read = amount(c) if any(map(str.isdecimal, part.core)) else currency_first(c)
    if read is None:
        return None
    last = c.part(read.length - 1)
    if not last.trail.startswith(")"):
        return None
    return read._replace(spoken=f"{language.minus} {read.spoken}", trail=last.trail[1:])


def lumber(c: Cursor) -> Reading | None:
    """Read boards by their sides, such as `2x4s` and `2 x 4s`."""
    found, language = _LUMBER.fullmatch(c.core()), c.language
    if found is None or not language.feet_and_inches:
        return None
    if found[1] is None and not (c.word(-1) in ("x", "×") and c.core(-2).isdecimal()):
        return None
    side = language.cardinal(int(found[2]), "")
    many = f"{side[:-1]}ies" if side.endswith("y") else f"{side}{'es' if side.endswith('x') else 's'}"
    return Reading(1, many if found[1] is None else f"{language.cardinal(int(found[1]), '')} {language.by} {many}")


def _told(c: Cursor, words: frozenset[str]) -> bool:
    """Whether one of the five words before is one of these."""
    return any(word.rstrip(":,") in words for word in c.before(5))
