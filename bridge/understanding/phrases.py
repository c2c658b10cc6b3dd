"""What did the caller mean? Phrases, word sets and patterns against the text of a recogniser.

Recognisers differ in case, punctuation, contractions and number words, and mishear letters; both
sides are brought to one form, and words of some length may differ by a letter.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

LONGEST_TEXT = 1000
"""Characters looked at: nobody says more in one turn, and patterns must not run for ever."""

_WHOLE = {
    "can't": "can not", "cannot": "can not", "cant": "can not", "won't": "will not", "wont": "will not",
    "shan't": "shall not", "ain't": "is not", "dont": "do not", "didnt": "did not", "doesnt": "does not",
    "isnt": "is not", "wasnt": "was not", "im": "i am", "ive": "i have", "whats": "what is", "thats": "that is",
    "let's": "let us", "lets": "let us", "gonna": "going to", "wanna": "want to", "gotta": "got to",
}  # fmt: skip
_IS = frozenset({"it", "that", "what", "where", "who", "there", "here", "he", "she", "how", "when"})
_ENDINGS = {"n't": " not", "'d": " would", "'ll": " will", "'ve": " have", "'re": " are", "'m": " am"}
_SPOKEN_NUMBERS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen"
)
_NUMBERS = {
    word: str(number) for number, word in enumerate([*_SPOKEN_NUMBERS.split(), "seventeen", "eighteen", "nineteen"])
} | {"nought": "0"}
_NEGATION_REACH = 4
"""Words after a `not` that it may belong to: "I do not want to cancel"."""


@lru_cache(maxsize=4096)
def normalise(text: str) -> tuple[str, ...]:
    """The words of a text in one form: lower case, no punctuation, contractions opened, number words as digits."""
    plain = unicodedata.normalize("NFKC", text[:LONGEST_TEXT]).lower().replace("’", "'")
    plain = re.sub(r"\b(\w)\.(?=\w\b)", r"\1", plain)  # "a.m." is one word
    plain = re.sub(r"\be-mail", "email", plain)
    words: list[str] = []
    for word in re.findall(r"[^\W_]+(?:'[^\W_]+)*", plain):
        words += _open(word)
    return tuple(_NUMBERS.get(word, word) for word in words)


def opened(text: str) -> str:
    """A text in lower case with its contractions opened: "it isn't" -> "it is not"; punctuation stays."""
    plain = unicodedata.normalize("NFKC", text[:LONGEST_TEXT]).lower().replace("’", "'")
    return re.sub(r"[^\W_]+(?:'[^\W_]+)*", lambda word: " ".join(_open(word.group())), plain)


def _open(word: str) -> list[str]:
    """The words that a contraction stands for."""
    if word in _WHOLE:
        return _WHOLE[word].split()
    for ending, rest in _ENDINGS.items():
        if word.endswith(ending) and len(word) > len(ending):
            return (word[: -len(ending)] + rest).split()
    if word.endswith("'s"):
        return [word[:-2], "is"] if word[:-2] in _IS else [word[:-2]]
    return [word.replace("'", "")]


def _stem(word: str) -> str:
    """A word without the endings that rarely change what a caller wants."""
    for ending in ("ing", "es", "ed", "en", "s"):
        if word.endswith(ending) and len(word) - len(ending) >= 4:
            return word[: -len(ending)]
    return word


@lru_cache(maxsize=65536)
def likeness(said: str, wanted: str) -> float:
    """1 for the same word, 0.8 for one that a recogniser may well have written instead, else 0."""
    if said == wanted:
        return 1.0
    if said.isdigit() or wanted.isdigit():
        return 0.0
    if _stem(said) == _stem(wanted):
        return 0.8
    shortest = min(len(said), len(wanted))
    if shortest < 5 or said[0] != wanted[0]:
        return 0.0
    return 0.8 if _distance(said, wanted) <= (2 if shortest >= 9 else 1) else 0.0


def _distance(a: str, b: str) -> int:
    """Letters to insert, delete, change or swap with their neighbour to make `b` of `a` (optimal string alignment)."""
    before: list[int] = []
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        before, last, row = row, before, [i]
        for j, y in enumerate(b, 1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (x != y))
            if i > 1 and j > 1 and x == b[j - 2] and a[i - 2] == y:
                cost = min(cost, last[j - 2] + 1)
            row.append(cost)
    return row[-1]


@dataclass(frozen=True, slots=True)
class Match:
    """How well an intent fits (more and closer words score higher), and what its patterns captured."""

    score: float
    captured: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Intent:
    """Something a caller may want, by the ways they may say it.

    `phrases` are words in order with at most two others between; `word_sets` are words in any order;
    `patterns` are regular expressions over the normalised text, whose named groups are captured;
    `unless` are phrases that rule it out.
    """

    phrases: tuple[tuple[str, ...], ...] = ()
    word_sets: tuple[tuple[str, ...], ...] = ()
    patterns: tuple[re.Pattern[str], ...] = ()
    unless: tuple[tuple[str, ...], ...] = ()

    def match(self, words: Sequence[str]) -> Match | None:
        """The best fit of this intent to normalised words, or None."""
        if any(_phrase_score(words, phrase) for phrase in self.unless):
            return None
        best = max((_phrase_score(words, phrase) for phrase in self.phrases), default=0.0)
        best = max(best, max((_set_score(words, wanted) for wanted in self.word_sets), default=0.0))
        captured: dict[str, str] = {}
        joined = " ".join(words)
        for pattern in self.patterns:
            found = pattern.search(joined)
            if found and not _negated(words, joined[: found.start()].count(" ")):
                score = len(found.group().split()) + 0.05
                captured |= {name: value for name, value in found.groupdict().items() if value}
                best = max(best, score)
        return Match(best, captured) if best > 0 else None


def _phrase_score(words: Sequence[str], phrase: Sequence[str]) -> float:
    """The best score of a phrase anywhere in the words; 0 where it does not occur or is negated."""
    best = 0.0
    for start in range(len(words)):
        score = _score_from(words, start, phrase)
        if score > best and ("not" in phrase or not _negated(words, start)):
            best = score
    return best


def _score_from(words: Sequence[str], start: int, phrase: Sequence[str]) -> float:
    """Score of a phrase whose first word is at `start`, every later one at most three places further on."""
    place = start
    total = likeness(words[place], phrase[0])
    if not total:
        return 0.0
    for wanted in phrase[1:]:
        for gap in range(3):
            near = place + 1 + gap
            if "not" in words[place + 1 : near] and "not" not in phrase:
                return 0.0  # "my power is not out"
            alike = likeness(words[near], wanted) if near < len(words) else 0.0
            if alike:
                total += alike - 0.1 * gap
                place = near
                break
        else:
            return 0.0
    return total


def _set_score(words: Sequence[str], wanted: Sequence[str]) -> float:
    """0.9 for each word of the set when all of them occur, so that the same words in order win."""
    total = 0.0
    for want in wanted:
        alike = max(
            (likeness(word, want) for place, word in enumerate(words) if not _negated(words, place)), default=0.0
        )
        if not alike:
            return 0.0
        total += 0.9 * alike
    return total


def _negated(words: Sequence[str], place: int) -> bool:
    return "not" in words[max(0, place - _NEGATION_REACH) : place]
