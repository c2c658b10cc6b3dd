"""Where a text is cut never depends on how much of the next word had come when it was decided."""

from __future__ import annotations

import functools
from collections.abc import Iterator

import pytest

from bridge.text.boundaries import _COMPLETE_ENOUGH, GapScanner, Kind, _kind, _surely
from bridge.text.spoken.languages import CODES, language

EVERY = 41
"""Of the words that could be taken for others, one of so many is tried; all (`EVERY = 1`) take two minutes."""

TOKENS = (
    'Hello I a code PIN PIN: room: "code is de of del 5 12, 3. 3.-5. 12% (12) 12) $ € + # * / - — – x XIV XIV. '
    "XXe Hr. Dr. Fr. No. no. Nr. nr. p. P. e. z. u. a. p. a.m. U.S. J. Str. Hauptstr. Abs. ca. max. Jan. Mon. Mo. Sat. "
    'approx. ext. etc. Inc. 1.5. 1., sq. M Md x # #: said!" done. done." wait... wait… well, 1,200, so: (see Mme Tel.:'
).split()


@functools.cache
def _words() -> list[str]:
    """Every word of the tables of all languages, with capitals and figures as they may follow."""
    found: set[str] = set()
    for known in map(language, CODES):
        tables = (
            known.currencies, known.units, known.scales, known.per_units, known.month_abbreviations, known.link_words,
            known.weekday_abbreviations, known.abbreviations, known.titles, known.streets, known.before_numbers,
            known.code_words, known.weak_code_words, known.phone_words, known.counted_stops, known.street_endings,
        )  # fmt: skip
        found |= {word for table in tables for word in table} | set(known.months)
    found |= {word.capitalize() for word in found} | {word.upper() for word in found}
    found |= {f"{word}{mark}" for word in sorted(found)[::7] for mark in (".", ",", "12", "-12")}
    return sorted(found | {"m.", "m", "No.", "The", "the", "I'm", "covid19", "Mp3", "B."})


SIGNS = (
    'AB12 AB A1 SN12 12 5. 3/4 - -- -5 — –5 / /x +49 +x #1 #x *67 $5 (555) (AB1) "12 "May "the Xe Xenon IV IVA 😀 É1'
).split()
"""Those that are tried always."""


def _before(words: list[str]) -> Iterator[tuple[str, str]]:
    for word in words:
        for length in range(1, min(len(word), _COMPLETE_ENOUGH)):
            yield word[:length], word


@pytest.mark.parametrize("token", TOKENS)
def test_a_gap_is_decided_as_the_whole_word_after_it_decides(token: str) -> None:
    words = _words()
    for starts in (True, False):
        for part, whole in _before([*words[len(token) % EVERY :: EVERY], *SIGNS]):
            early = _kind(token, part, False, starts)
            assert early is None or early is _kind(token, whole, True, starts), (token, part, whole)


@pytest.mark.parametrize("mark", [".", ",", ":", "!", '."', ""])
def test_what_is_sure_at_the_texts_end_stays_so_whatever_follows(mark: str) -> None:
    for token in [*(f"{word}{mark}" for word in _words()[:: EVERY // 4 + 1]), *TOKENS]:
        if (surely := _surely(token)) is not None:
            for following in [*_words()[len(token) :: 10 * EVERY], *SIGNS]:
                for starts in (True, False):
                    assert surely is _kind(token, following, True, starts), (token, following)


def test_plain_words_wait_for_no_more_than_the_next_words_second_letter() -> None:
    """The first piece must not come later for the sake of words that could be something else."""
    for token in ("Hello", "Hello,", "done.", "said!", "well;"):
        for following in ("yo", "Th", "th", "An", "so", "We"):
            assert _kind(token, following, False, False) is not None, (token, following)
    assert GapScanner().scan("Hello, Th", complete=False)[0].kind is Kind.CLAUSE
