"""Spelled words. Nothing is made of words that were not spelled. Pure."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from bridge.understanding.corrections import Strength, segments
from bridge.understanding.letter_remarks import without_remarks
from bridge.understanding.letters import Spelled, named_letter, spellings
from bridge.understanding.lexicon import Lexicon
from bridge.understanding.results import CERTAIN, FAIR, LIKELY, Interpretation
from bridge.understanding.words import Token, at, spoken, unhyphenated

_FEWEST_LETTERS_OF_NAME = 2
_LONGEST_LETTER = 4
"""Letters of a word that may be a letter's name as somebody has heard it."""


def read_spelling(words: Sequence[Token], lexicon: Lexicon) -> Interpretation | None:
    """A spelled word in lower case, digits and signs in it allowed; several words with a space between.

    A single word that was said and not spelled is taken for a spelling that the recogniser has put together.
    """
    words, remarks = without_remarks(unhyphenated(words), lexicon)
    value = spell(words, lexicon)
    if value is not None:
        spelled = remarks.put_accents(str(value.value))
        return None if remarks.contradict(spelled) else value._replace(value=spelled)
    plain = [word for word in words if not word.is_sign and word.text not in lexicon.fillers]
    lone = plain[0].text if len(plain) == 1 else _code(plain)
    refused = (
        remarks.contradict(lone)
        or bool(named_letter(lone, lexicon))
        or lone in lexicon.no_names
        or len(lone) < _FEWEST_LETTERS_OF_NAME
        or (lone,) in lexicon.yes | lexicon.no
    )
    if refused or not lone.isalnum() or any(lone == word for phrase in lexicon.weak_yes for word in phrase):
        return None
    return Interpretation(lone, FAIR, {"spelled": "no"})


def _code(words: Sequence[Token]) -> str:
    """Letters in capitals and digits that the recogniser has put together: "AB 12 34"; empty for anything else."""
    parts = [word.text for word in words if word.is_digits or word.raw.isupper()]
    whole = len(parts) == len(words) and any(word.is_digits for word in words)
    return "".join(parts) if whole and not all(word.is_digits for word in words) else ""


def spell(words: list[Token], lexicon: Lexicon) -> Interpretation | None:
    """What was spelled in these words, after all changes of mind; None where nothing was."""
    text, confidence = "", CERTAIN
    for because, said in segments(words, lexicon):
        rows = [row for row in spellings(said, lexicon) if not _denied(row, said, lexicon)]
        if any(_lost_its_beginning(row, said, lexicon) or _is_broken_off(row, said, lexicon) for row in rows):
            rows = []
        here, sure = _chosen(rows, said, lexicon)
        if not here and because and text:
            here, sure = _single_letter(said, lexicon), LIKELY
        if here:
            text, confidence = _amended(text, here, because), min(sure, LIKELY if because and text else CERTAIN)
        elif because in ("strong", "restart"):
            text = ""
    return Interpretation(text, confidence) if text else None


def _single_letter(words: Sequence[Token], lexicon: Lexicon) -> str:
    """The letter, or the letters put together in capitals, that a correction is."""
    capitals = [word for word in words if not word.is_sign]
    if len(capitals) == 1 and capitals[0].text.isalpha() and capitals[0].raw.isupper():
        return capitals[0].text
    plain = spoken(words)
    return plain[0] if len(plain) == 1 and len(plain[0]) == 1 else named_letter(plain[0], lexicon) if plain else ""


def _chosen(rows: list[Spelled], words: Sequence[Token], lexicon: Lexicon) -> tuple[str, float]:
    """The spelled word; several where they are parts of a name, the longest where they are not."""
    if not rows:
        return "", 0.0
    if len(rows) > 1 and len({row.text for row in rows}) == 1:
        rows = rows[:1]  # "S M I T H, I repeat, S M I T H"
    if len(rows) > 1:
        between = [words[a.end : b.start] for a, b in itertools.pairwise(rows)]
        if any(word.text in lexicon.ranges for each in between for word in each):
            return "", 0.0  # "S M I T H or S M Y T H"
        if all(
            _names_a_part(each, lexicon) or _is_said(each, row) for each, row in zip(between, rows[1:], strict=True)
        ):
            return " ".join(row.text for row in rows), LIKELY
        if any(
            len(spoken(each)) == 1 and not _names_a_part(each, lexicon) and not _is_known(each, lexicon)
            for each in between
        ):
            return "", 0.0  # one word between letters was a letter that nobody understood
    longest = max(rows, key=lambda row: len(row.text))
    letters_of = sum(c.isalpha() for c in longest.text)
    sure = CERTAIN if 2 * longest.sure >= letters_of else LIKELY if longest.sure else FAIR
    return longest.text, sure if len(rows) == 1 else min(sure, FAIR)


def _denied(row: Spelled, words: Sequence[Token], lexicon: Lexicon) -> bool:
    """Whether a row is what the word is not: "not S M I T H", "it isn't S M I T H"."""
    before = [word.text for word in words[max(row.start - 2, 0) : row.start]]
    ruled_out = lexicon.denials | lexicon.partly
    return any(word in lexicon.negations or at(before, place, ruled_out) for place, word in enumerate(before))


def _lost_its_beginning(row: Spelled, words: Sequence[Token], lexicon: Lexicon) -> bool:
    """Whether a word that nobody knows stands before words of an alphabet: it was one, too ("tangle oscar mike")."""
    if not row.start or len(words[row.start].text) == 1 or words[row.start].text not in lexicon.alphabet:
        return False
    before = words[row.start - 1]
    known = before.is_sign or before.text in lexicon.no_names | lexicon.beside | lexicon.fillers | lexicon.passed_over
    return not known and not alike(before.text, row.text)


def _is_broken_off(row: Spelled, words: Sequence[Token], lexicon: Lexicon) -> bool:
    """Whether a word that nobody knows stands between a row and one last letter: it was a letter, too."""
    behind = [word for word in words[row.end : row.end + 6] if not word.is_sign]
    if (
        len(words) > row.end + 6
        or len(behind) != 2
        or not behind[0].text.isalpha()
        or len(behind[0].text) > _LONGEST_LETTER
    ):
        return False
    known = lexicon.no_names | lexicon.beside | lexicon.fillers | lexicon.passed_over | lexicon.closing
    return behind[0].text not in known and (behind[1].is_letter or bool(named_letter(behind[1].text, lexicon)))


def _is_said(words: Sequence[Token], row: Spelled) -> bool:
    """Whether the last word before a row is the one that it spells: "John, J O H N, Smith, S M I T H"."""
    plain = spoken(words)
    return bool(plain) and alike(plain[-1], row.text)


def alike(word: str, spelled: str) -> bool:
    """Whether this is the word that was spelled, as a recogniser wrote it."""
    word, spelled = word.lower(), spelled.lower()
    return word[0] == spelled[0] and abs(len(word) - len(spelled)) <= 2 and len(set(word) ^ set(spelled)) <= 3


def _is_known(words: Sequence[Token], lexicon: Lexicon) -> bool:
    known = lexicon.no_names | lexicon.beside | lexicon.negations | lexicon.closing
    return all(text in known for text in spoken(words))


def _names_a_part(words: Sequence[Token], lexicon: Lexicon) -> bool:
    plain = spoken(words)
    return any(at(plain, place, lexicon.name_parts) for place in range(len(plain))) or bool(set(plain) & lexicon.spaces)


def _amended(before: str, after: str, because: Strength) -> str:
    """A spelling after a correction: begun anew, or gone on with from the last letter, which was wrong."""
    if not before or because in ("", "restart") or after[0] == before[0]:
        return after
    if 2 * sum(a == b for a, b in zip(before, after, strict=False)) >= len(before) > 2:
        return after  # "C A T H Y, no, K A T H Y"
    if before[-2:] == 2 * after[0]:
        return before[:-2] + after  # "S M I double T, no, single T, H"
    return before[:-1] + after
