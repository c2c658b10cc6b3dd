"""English text -> phonemes that still know their word, by the front end that comes with the default voice.

The alphabet is misaki's (one character a phoneme, as in Kokoro). Text comes here as it is spoken
(`bridge.text.spoken.form`), so the front end's own rewriting of numbers and abbreviations is left out; it would make
"number" of a "no" that ends a sentence.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Sequence
from dataclasses import dataclass

from hibari.g2p import G2P

from bridge.worker.alignment import Span, align, at

LONGEST = 900
"""Phonemes of one piece. More come only from text that is no language; they are cut off."""
LONGEST_TEXT = 1200
"""Characters of one piece that are read at all: pieces have 260, unless they are one word without end."""
ONSET_S = 0.04
"""A word is audible this much before its first id's turn (default voice, after pauses: 30 to 60 ms)."""
LAST_S = 0.12
"""The last phoneme of a piece lasts no longer, whatever the network says: the rest of it is silence."""
RUNS, RUN = 8, 40
"""The most runs of one kind of character that a word has, such as the four of "AB12-c", and the most characters of a
run. Web addresses have up to 20; what has more is no word."""
_LONG_WORD = re.compile(r"\S{17,}")
_RUN = re.compile(r"[A-Z]+|[^\W\d_A-Z]+|\d+|.", re.DOTALL)
_TOLD = re.compile(r"\[[^\]\s]{1,100}\]\(/[^)\s]{1,100}/\)\W{0,8}")
"""A word with its phonemes, which the front end takes as they are."""
_NAMES = "zero|one|two|three|four|five|six|seven|eight|nine"
_LETTER_A = re.compile(rf"(?<=\b[A-Z] )A\b(?!')|\bA(?= (?:[B-Z]|{_NAMES})\b(?!'))")
"""An A among spelled letters and digits, which the front end would take for the article."""
_NO_WORD = re.compile(r"[^A-Za-z0-9]+")
SILENT = frozenset(' ;:,.!?—…"()“”')
"""Characters of the alphabet that stand for pauses rather than sounds."""


@dataclass(frozen=True, slots=True)
class Reading:
    """How a piece is read."""

    phonemes: str
    words: tuple[Span, ...]
    """For each token of the piece where its sound lies in `phonemes`, pauses excluded."""


class EnglishReader:
    """Front end for one accent. Not thread-safe by itself, so calls are serialised; it is quick."""

    def __init__(self, british: bool = False) -> None:
        self.accent = "british" if british else "american"
        self._g2p = G2P(british=british)
        self._lock = threading.Lock()

    def read(self, text: str, tokens: Sequence[str]) -> Reading:
        """Phonemes of the text, and each token's share of them."""
        with self._lock:
            try:
                normal = _LETTER_A.sub("[A](/ˈA/)", " ".join(_readable(text).replace("’", "'").split()))
                read = self._groups(normal)
            except (IndexError, ValueError, RecursionError):  # numbers that the front end has no names for
                normal = " ".join(_NO_WORD.sub(" ", text[:LONGEST_TEXT]))
                read = self._groups(normal)
            spans = align(tokens, normal.split(), self._weight)
            if len(read) != len(normal.split()):  # a piece of markup swallowed white space
                spans = [(a * len(read) / len(normal.split()), b * len(read) / len(normal.split())) for a, b in spans]
        starts, phonemes = [], ""
        for group in read:
            if group and phonemes:
                phonemes += " "
            starts.append(len(phonemes))
            phonemes += group
        phonemes = phonemes[:LONGEST]
        if all(phoneme in SILENT for phoneme in phonemes):  # letters of another script, and their marks
            return Reading("", tuple((0.0, 0.0) for _ in tokens))
        edges = [min(start, len(phonemes)) for start in starts] + [len(phonemes)]
        return Reading(phonemes, tuple(sound_within(phonemes, edges, span) for span in spans))

    def _groups(self, normal: str) -> list[str]:
        """Phonemes of each white-space separated token; empty where it is not read."""
        if not normal:
            return []
        groups, group = [], ""
        for token in self._g2p.phonemize_tokens(self._g2p.tokenize(normal)):
            group += token.phonemes or ""
            if token.whitespace:
                groups.append(group.strip())
                group = ""
        groups.append(group.strip())
        return groups

    def _weight(self, token: str) -> float:
        try:
            return float(len(self._g2p(_readable(token), normalize_text=False).strip("".join(SILENT))))
        except (IndexError, ValueError, RecursionError):
            return float(len(token))


def _readable(text: str) -> str:
    """As much as is read of a piece, with a word that is none in parts."""
    return _LONG_WORD.sub(_in_parts, text[:LONGEST_TEXT])


def _in_parts(word: re.Match[str]) -> str:
    """A word of many runs in parts of `RUNS` each: the front end's time grows with their square and more."""
    if _TOLD.fullmatch(word.group()):
        return word.group()
    runs = [run[start : start + RUN] for run in _RUN.findall(word.group()) for start in range(0, len(run), RUN)]
    if len(runs) <= RUNS:
        return word.group()
    return " ".join("".join(runs[start : start + RUNS]) for start in range(0, len(runs), RUNS))


def sound_within(phonemes: str, edges: list[int], span: Span) -> Span:
    """Indices of the sounds within a span of tokens; at whole tokens the pauses around them are left out."""
    if len(edges) < 2:
        return 0.0, 0.0
    first, end = float(at(edges, span[0])), float(at(edges, span[1]))
    if first.is_integer() and end.is_integer():
        a, b = int(first), int(end)
        while b > a and phonemes[b - 1] in SILENT:
            b -= 1
        while a < b and phonemes[a] in SILENT:
            a += 1
        return a - _half_space(phonemes, a - 1), b + _half_space(phonemes, b)
    return first, end


def _half_space(phonemes: str, index: int) -> float:
    """Between two words without a mark the space is no pause: half of it belongs to either."""
    inside = 0 < index < len(phonemes) - 1 and phonemes[index] == " "
    return 0.5 if inside and phonemes[index - 1] not in SILENT and phonemes[index + 1] not in SILENT else 0.0


def word_times(
    reading: Reading, places: Sequence[int], edges: Sequence[float], cut_s: float, length_s: float
) -> tuple[Span, ...]:
    """When each token is heard, in seconds of a piece whose first `cut_s` are not sent; never going back.

    `places` gives the network's id for each phoneme and for the end, `edges` the second at which each id begins and
    the end.
    """
    times, earliest = [], 0.0
    spoken = [end for first, end in reading.words if end > first]
    for first, end in reading.words:
        start_s = min(max(at(edges, at(places, first)) - ONSET_S - cut_s, earliest), length_s)
        end_s = min(max(at(edges, at(places, end)) - cut_s, start_s), length_s)
        if spoken and end == spoken[-1]:
            end_s = min(end_s, max(at(edges, at(places, end - 1)) - cut_s + LAST_S, start_s))
        times.append((start_s, end_s))
        earliest = end_s
    return tuple(times)
