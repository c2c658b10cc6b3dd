"""Digits and telephone numbers: said one by one, in pairs, in hundreds, with pauses, detours and corrections. Pure."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import NamedTuple

from bridge.understanding.corrections import amended, segments
from bridge.understanding.counted import clause_of, counts, has_letter
from bridge.understanding.lexicon import Lexicon, Phrases
from bridge.understanding.numbers import LONGEST_DIGITS, Run, lone_digit, runs
from bridge.understanding.results import CERTAIN, FAIR, LIKELY, POOR, Interpretation
from bridge.understanding.words import Token, at, unhyphenated

_FEWEST_OF_PHONE, _MOST_OF_PHONE = 7, 15  # E.164 has 15 at most
_MOST_OF_EXTENSION = 7
_REACH_OF_DENIAL = 4
"""Words between a denial and the number."""


class _Found(NamedTuple):
    """Digits in one stretch of speech."""

    digits: str
    confidence: float
    plus: bool = False


_NONE = _Found("", 0.0)


def read_digits(words: Sequence[Token], lexicon: Lexicon, wanted: int = 0) -> Interpretation | None:
    """A number digit by digit; `wanted` is how many there must be, 0 if any.

    Digits that follow "extension" are the part `extension`.
    """
    main, extension = _split_extension(unhyphenated(words), lexicon)
    found = _corrected(main, lexicon, wanted)
    if not found.digits or len(found.digits) > LONGEST_DIGITS or (wanted and len(found.digits) != wanted):
        return None
    return Interpretation(found.digits, found.confidence, {"extension": extension} if extension else {})


def read_phone(words: Sequence[Token], lexicon: Lexicon) -> Interpretation | None:
    """A telephone number of 7 to 15 digits, `+` before it if that was said, and the part `extension`."""
    main, extension = _split_extension(unhyphenated(words), lexicon)
    if any(word.text in lexicon.other_numbers for word in main):
        main = _without_other_numbers(main, lexicon)
    found = _corrected(main, lexicon, 10 if lexicon.spoken.code == "en-US" else 0)
    if lexicon.spoken.code == "en-US" and not found.plus and len(found.digits) in (8, 9):
        return None  # it is not whole
    if not _FEWEST_OF_PHONE <= len(found.digits) <= _MOST_OF_PHONE:
        return None
    usual = len(found.digits) != 7 and (len(found.digits) == 10 or lexicon.spoken.code != "en-US" or found.plus)
    usual = usual or (len(found.digits) == 11 and found.digits[0] == "1")
    least = LIKELY if len(found.digits) == 7 or lexicon.spoken.code != "en-US" else POOR
    confidence = found.confidence if usual else min(found.confidence, least)
    return Interpretation(
        ("+" if found.plus else "") + found.digits, confidence, {"extension": extension} if extension else {}
    )


def count_digits(words: Sequence[Token], lexicon: Lexicon, wanted: int = 0) -> int:
    """How many digits of the number have been said so far."""
    main, _ = _split_extension(unhyphenated(words), lexicon)
    return len(_corrected(main, lexicon, wanted).digits)


def _without_other_numbers(words: list[Token], lexicon: Lexicon) -> list[Token]:
    """The words without the clauses that tell another number: "my account number is 12345678"."""
    kept: list[Token] = []
    place = 0
    while place < len(words):
        _, end = clause_of(words, place)
        clause = words[place : end + 1]
        plain = {word.text for word in clause}
        if not plain & lexicon.other_numbers or plain & lexicon.telephones:
            kept += clause
        place = end + 1
    return kept


def _split_extension(words: list[Token], lexicon: Lexicon) -> tuple[list[Token], str]:
    """What was said of the number itself, and the digits behind the last "extension"."""
    for place in range(len(words) - 1, 0, -1):
        if words[place].text in lexicon.extension:
            after = _corrected(words[place + 1 :], lexicon, 0).digits
            if 0 < len(after) <= _MOST_OF_EXTENSION and runs(words[:place], lexicon):
                return words[:place], after
    return words, ""


def _corrected(words: list[Token], lexicon: Lexicon, wanted: int) -> _Found:
    """The digits after all changes of mind."""
    found = _NONE
    pieces = segments(words, lexicon)
    for place, (because, said) in enumerate(pieces):
        last = place == len(pieces) - 1
        here = _stretch(said, lexicon, wanted if len(pieces) == 1 else 0, part_wanted=bool(wanted))
        if because and not here.digits and (lone := lone_digit(said, lexicon)):
            here = _Found(lone, FAIR)
        if not here.digits:
            amends = because and any(at([w.text for w in said], place, lexicon.partly) for place in range(len(said)))
            if because == "restart" or (because == "strong" and last) or amends:
                found = _NONE  # taken back, and nothing in its place
            continue
        if found.digits and because:
            digits = amended(found.digits, here.digits, because, wanted if last else 0)
            found = _Found(digits, min(found.confidence, here.confidence, LIKELY), found.plus or here.plus)
        else:
            found = here
    return found


def _stretch(words: Sequence[Token], lexicon: Lexicon, wanted: int, *, part_wanted: bool) -> _Found:
    """The digits in a stretch without a correction: one run, several that belong together, or the one that fits."""
    found = _told(words, lexicon, part_wanted=part_wanted)
    if not found or _are_either(words, found, lexicon):
        return _NONE
    if len({run.digits for run in found}) == 1 and _says_again(words, found, lexicon):
        found = found[:1]
    if len(found) == 1:
        return _of(found, words, lexicon, CERTAIN)
    fitting = [run for run in found if len(run.digits) == wanted]
    together = sum(len(run.digits) for run in found)
    linked = all(_linked(words[a.end : b.start], lexicon) for a, b in itertools.pairwise(found))
    if linked and (
        (found[0].start and words[found[0].start - 1].text in lexicon.plus | {"+"})
        or not wanted
        or together == wanted
        or not fitting
    ):
        return _of(found, words, lexicon, LIKELY)
    if len(fitting) == 1:
        return _of(fitting, words, lexicon, LIKELY)
    if together == wanted:
        return _of(found, words, lexicon, FAIR)
    longest = max(found, key=lambda run: len(run.digits))
    others = max(len(run.digits) for run in found if run is not longest)
    return _of([longest], words, lexicon, FAIR) if len(longest.digits) >= others + 3 else _NONE


def _told(words: Sequence[Token], lexicon: Lexicon, *, part_wanted: bool) -> list[Run]:
    """The runs that may be the answer: not denied, no part of it, and neither counting nor dating something."""
    ruled_out = lexicon.denials if part_wanted else lexicon.denials | lexicon.partly
    told: list[Run] = []
    behind = 0
    for run in runs(words, lexicon, nothing_else=True):
        if told and any(word.text in lexicon.counted for word in words[behind : run.start]):
            return []  # "1234, the last digit is five"
        kept = _undenied(words, run, lexicon, behind, ruled_out)
        behind = run.end
        if kept and has_letter(words, kept.start, kept.end, lexicon):
            return []
        if kept and not counts(words, kept.start, kept.end, kept.digits, lexicon):
            told.append(kept)
    return told


def _are_either(words: Sequence[Token], found: Sequence[Run], lexicon: Lexicon) -> bool:
    """Whether a word such as "or", "between" makes the numbers a choice or a range."""
    begin, end = max(found[0].start - 1, 0), found[-1].end + 1
    inside = {place for run in found for place in range(run.start, run.end)}
    return any(
        words[place].text in lexicon.ranges for place in range(begin, min(end, len(words))) if place not in inside
    )


def _says_again(words: Sequence[Token], found: Sequence[Run], lexicon: Lexicon) -> bool:
    """Whether a number is only said once more: "456, that's 456", "456, I repeat, 456"."""
    between = [word.text for a, b in itertools.pairwise(found) for word in words[a.end : b.start]]
    return len(found[0].digits) > 2 and any(at(between, place, lexicon.repeating) for place in range(len(between)))


def _of(found: Sequence[Run], words: Sequence[Token], lexicon: Lexicon, confidence: float) -> _Found:
    if not all(run.sure for run in found):
        confidence = min(confidence, LIKELY)
    start = found[0].start
    plus = start > 0 and (words[start - 1].text == "+" or words[start - 1].text in lexicon.plus)
    digits = "".join(run.digits for run in found)
    lone = len(digits) == 1 and len(words) > 6
    return _Found(digits, POOR if lone else confidence, plus)


def _undenied(words: Sequence[Token], run: Run, lexicon: Lexicon, behind: int, ruled_out: Phrases) -> Run | None:
    """A run without what it is said not to be: "not five, six", "it isn't the 1234"."""
    begin, _ = clause_of(words, run.start)
    begin = max(begin, behind, run.start - _REACH_OF_DENIAL)
    plain = [word.text for word in words[begin : run.start]]
    if not any(_denies(plain, place, lexicon, ruled_out) for place in range(len(plain))):
        return run
    for index, (a, b) in enumerate(zip(run.groups, run.groups[1:], strict=False)):
        if b.start > a.end:
            return Run(run.groups[index + 1 :])
    return None


def _denies(plain: Sequence[str], place: int, lexicon: Lexicon, ruled_out: Phrases) -> bool:
    """Whether a denial stands here, with nothing after it that ends it: "not that, but"."""
    denied = plain[place] in lexicon.negations or bool(at(plain, place, ruled_out))
    return denied and not any(word in lexicon.contrasts for word in plain[place:])


def _linked(words: Sequence[Token], lexicon: Lexicon) -> bool:
    """Whether what stands between two runs only joins them: "area code 555, and then 1234567"."""
    known = lexicon.links | lexicon.fillers | lexicon.ones
    return len(words) <= 10 and all(word.is_sign or word.text in known for word in words)
