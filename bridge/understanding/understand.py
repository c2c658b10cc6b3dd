"""Turn what was recognised into a value of the kind that was asked for, or into "not understood". Pure.

One kind's rules are one module; each reads a text on its own, in time linear in its length, which is bounded. Here
they are put to every hypothesis of the recogniser.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from bridge.understanding.amounts import read_amount
from bridge.understanding.calendar_days import Day
from bridge.understanding.choice import Choices, read_choice
from bridge.understanding.dates import read_date
from bridge.understanding.digits import read_digits, read_phone
from bridge.understanding.email import read_email
from bridge.understanding.former import current
from bridge.understanding.languages.all import lexicon
from bridge.understanding.lexicon import Lexicon
from bridge.understanding.names import read_name
from bridge.understanding.number_names import is_broken, names_of_numbers
from bridge.understanding.phrases import opened
from bridge.understanding.quantities import read_number
from bridge.understanding.results import LEAST, Hypothesis, Interpretation, Understood
from bridge.understanding.spelling import read_spelling
from bridge.understanding.times import read_time
from bridge.understanding.words import Token, at, split, spoken
from bridge.understanding.yes_no import read_yes_no

KINDS = (
    "yes_no", "digits", "phone", "number", "amount", "date", "time", "name", "spelling", "email", "choice",
)  # fmt: skip
"""Kinds of answers that have a value."""
ANSWER = re.compile(rf"open|{'|'.join(KINDS)}|digits:[1-9]\d?", re.ASCII)
"""Answers that may be expected: one of `KINDS`, `digits:N` with 1 to 99, or `open`, which has no value."""
ANSWERS = f"open, {', '.join(KINDS)} or digits:N"
MOST_HYPOTHESES = 8
_IN_NUMBERS = frozenset({"digits", "phone", "number", "amount", "date", "time"})
"""Kinds whose values are told in numbers."""
_PAUSES = frozenset(",.;")
_FAR_LESS = 0.1
"""A hypothesis that is so much less likely than the likeliest was hardly said: a value in it is a guess."""
_DOUBT = 0.6
"""What a rival that is as likely leaves of the certainty is the rest of this: too little for a yes beside a no."""


def understand(
    heard: Sequence[Hypothesis],
    answer: str,
    language: str = "en-US",
    *,
    choices: Choices | None = None,
    today: Day | None = None,
) -> Understood | None:
    """The value of an `answer` (see `ANSWER`) in the likeliest hypothesis that has one; None: not understood.

    Hypotheses that differ about the value take certainty from each other. A recogniser that is unsure of its words
    makes the result less trustworthy, but no reading of these words a guess.
    """
    kind, _, count = answer.partition(":")
    if kind not in KINDS:
        return None
    words = lexicon(language)
    wanted = int(count) if count.isdecimal() and count.isascii() else 0
    found: list[tuple[Interpretation, float]] = []
    likeliest = max((confidence for _, confidence in heard), default=0.0)
    for text, confidence in heard[:MOST_HYPOTHESES]:
        if confidence < _FAR_LESS * likeliest:
            continue  # it was hardly said
        reading = _read(text, kind, words, wanted, choices or {}, today)
        if reading is not None:
            found.append((reading, max(0.0, min(1.0, confidence)) * reading.confidence))
    return _agreed(kind, found)


def _without_hesitation(words: list[Token], lexicon: Lexicon) -> list[Token]:
    """The words without an "um" at either end; "uh huh" stays."""
    begin, end = 0, len(words)
    while begin < end and words[begin].text in lexicon.hesitations and not _answers(words[begin:end], lexicon):
        begin += 1
        while begin < end and words[begin].text in _PAUSES:
            begin += 1
    while (last := _last_word(words, begin, end)) > begin and words[last - 1].text in lexicon.hesitations:
        if _answers(words[max(last - 2, begin) : last], lexicon):
            break
        end = last - 1
        while end > begin and words[end - 1].text == ",":
            end -= 1
    return words[begin:end]


def _last_word(words: Sequence[Token], begin: int, end: int) -> int:
    """The place behind the last word, without the signs after it."""
    while end > begin and words[end - 1].text in _PAUSES:
        end -= 1
    return end


def _answers(words: Sequence[Token], lexicon: Lexicon) -> bool:
    return at([word.text for word in words[:6]], 0, lexicon.yes | lexicon.no | lexicon.weak_yes) > 1


def _is_taken_back(words: Sequence[Token], lexicon: Lexicon) -> bool:
    """Whether a no is the last word, and more was said before: "the red one, um, no"."""
    plain = [word for word in spoken(words) if word not in lexicon.fillers]
    return len(plain) > 1 and (plain[-1],) in lexicon.no and (plain[-1],) in lexicon.weak_corrections


def _without_roughly(words: list[Token], lexicon: Lexicon) -> list[Token]:
    """The words without "more or less", in which no "less" is meant."""
    plain = [word.text for word in words]
    kept: list[Token] = []
    place = 0
    while place < len(words):
        length = at(plain, place, lexicon.roughly)
        kept += [] if length else [words[place]]
        place += length or 1
    return kept


def _unelided(words: list[Token], lexicon: Lexicon) -> list[Token]:
    """The words, numbers and feasts without the article that is written together with them: Italian "l'otto marzo"."""
    names, feasts = names_of_numbers(lexicon), {word for feast in lexicon.feasts for word in feast}
    parted = [(word, word.text.rpartition("'")[2]) for word in words]
    return [
        word._replace(text=rest) if word.text not in feasts and ((rest,) in names or rest in feasts) else word
        for word, rest in parted
    ]


def _agreed(kind: str, found: list[tuple[Interpretation, float]]) -> Understood | None:
    """The best of what the hypotheses say."""
    if not found:
        return None
    best, confidence = max(found, key=lambda entry: entry[1])
    rival = max((score for reading, score in found if reading.value != best.value), default=0.0)
    certainty = 1 - _DOUBT * rival / confidence if rival else 1.0
    if best.confidence * certainty < LEAST:
        return None
    return Understood(kind, best.value, round(confidence * certainty, 3), dict(best.parts))


def _read(
    text: str, kind: str, words: Lexicon, wanted: int, choices: Choices, today: Day | None
) -> Interpretation | None:
    said = current(_without_hesitation(split(text), words), words, kind)
    if kind not in ("yes_no", "email") and _is_taken_back(said, words):
        return None
    if kind in _IN_NUMBERS:
        said = _unelided(_without_roughly(said, words), words)
        if any(is_broken(word.text, words) for word in said):
            return None
    match kind:
        case "yes_no":
            plain = "".join(word.raw if word.joined else f" {word.raw}" for word in said)
            return read_yes_no(split(opened(plain)), words)
        case "digits":
            return read_digits(said, words, wanted)
        case "phone":
            return read_phone(said, words)
        case "number":
            return read_number(said, words)
        case "amount":
            return read_amount(said, words)
        case "date":
            return read_date(said, words, today)
        case "time":
            return read_time(said, words)
        case "name":
            return read_name(said, words)
        case "spelling":
            return read_spelling(said, words)
        case "email":
            return read_email(said, words)
        case _:
            return read_choice(said, words, choices)
