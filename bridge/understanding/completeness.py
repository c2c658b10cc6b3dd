"""Is there more of an answer to come? What the words say of it, without the sound of the voice. Pure."""

from __future__ import annotations

from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple

from bridge.understanding.corrections import segments
from bridge.understanding.digits import count_digits
from bridge.understanding.languages.all import lexicon
from bridge.understanding.lexicon import Lexicon
from bridge.understanding.phrases import opened
from bridge.understanding.results import CERTAIN, Hypothesis
from bridge.understanding.understand import understand
from bridge.understanding.words import Token, split, spoken

SPOKEN_WITH_PAUSES = ("digits", "phone", "spelling", "email")
"""Kinds that are said in pieces, with long pauses between."""
_NATIONAL_NUMBER = {"en-US": (10, 11)}
"""How many digits a whole telephone number has, without and with its first 1, where that is the same everywhere."""


class Stage(StrEnum):
    """How much of an answer has been said."""

    NOTHING = "nothing"
    """No answer of this kind, or one whose words do not tell whether it is whole: judge it like any other speech."""
    PART = "part"
    """More must follow."""
    OPEN = "open"
    """It may be whole, and may go on: a number of any length."""
    WHOLE = "whole"
    """Nothing is missing."""


class Progress(NamedTuple):
    """How much of an answer has been said, and how that is known."""

    stage: Stage
    because: str = ""


@lru_cache(maxsize=512)
def progress(text: str, answer: str, language: str = "en-US") -> Progress:
    """How much has been said of an `answer` (see `bridge.understanding.understand.ANSWER`) in these words."""
    words = lexicon(language)
    kind, _, count = answer.partition(":")
    said = split(text)
    if not spoken(said):
        return Progress(Stage.NOTHING)
    if kind not in ("yes_no", "open") and _takes_back(said, words):
        return Progress(Stage.PART, "a correction begins")
    match kind:
        case "digits":
            return _digits(said, words, int(count) if count.isdecimal() else 0)
        case "phone":
            return _phone(said, words)
        case "spelling" | "email" if _refuses(text, words):
            return Progress(Stage.NOTHING)
        case "spelling":
            return Progress(Stage.OPEN, "spelling")
        case "email":
            return _email(text, said, language)
        case "yes_no" if understand([Hypothesis(text)], kind, language):
            return Progress(Stage.WHOLE, "a yes or no")
        case "date" | "time":
            found = understand([Hypothesis(text)], kind, language)
            return Progress(Stage.WHOLE, f"a whole {kind}") if found and found.confidence >= CERTAIN else _UNKNOWN
    return _UNKNOWN


_UNKNOWN = Progress(Stage.NOTHING)


@lru_cache(maxsize=512)
def digits_said(text: str, language: str = "en-US") -> int:
    """How many digits of a number have been said in these words, those taken back not counted."""
    return count_digits(split(text), lexicon(language))


def _takes_back(said: list[Token], words: Lexicon) -> bool:
    """Whether the last words take back what came before: "one two three, no wait"."""
    last = segments(said, words)[-1]
    return bool(last.because) and not spoken(last.words) and len(spoken(said)) > 1


def _refuses(text: str, words: Lexicon) -> bool:
    """Whether somebody says that they do not want to: there is no answer to wait for."""
    return any(word in words.negations for word in spoken(split(opened(text))))


def _digits(said: list[Token], words: Lexicon, wanted: int) -> Progress:
    got = count_digits(said, words, wanted)
    if not got:
        return _UNKNOWN
    if not wanted:
        return Progress(Stage.OPEN, f"{got} digits")
    return Progress(Stage.WHOLE if got == wanted else Stage.PART, f"{got} of {wanted} digits")


def _phone(said: list[Token], words: Lexicon) -> Progress:
    got = count_digits(said, words)
    if not got:
        return _UNKNOWN
    whole = got in _NATIONAL_NUMBER.get(words.spoken.code, ())
    return Progress(Stage.WHOLE if whole else Stage.OPEN, f"{got} digits")


def _email(text: str, said: list[Token], language: str) -> Progress:
    """An address is whole when its last label was said: "at gmail" may go on with "dot com", "dot co" with "dot uk"."""
    found = understand([Hypothesis(text)], "email", language)
    end = found.text.rpartition(".")[2] if found else ""
    if end and end != "co" and end in spoken(said):
        return Progress(Stage.WHOLE, "a whole address")
    return Progress(Stage.PART, "part of an address")
