"""Letters in a row of words: "S M I double T", "B as in boy", "kilo oscar whiskey", "see oh double u". Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from bridge.understanding.lexicon import Lexicon
from bridge.understanding.numbers import digit_named, repeats_at
from bridge.understanding.words import Token, at

_LONGEST_CAPITALS = 15
_FEWEST_UNSURE = 4
"""A spelling of nothing but words that sound like letters needs so many, and nothing else said beside them."""


class Letter(NamedTuple):
    """One letter, digit or sign (or several: "double t") of a spelling."""

    text: str
    start: int
    end: int
    sure: bool
    """False for a word that is a letter only among letters."""


def letters(words: Sequence[Token], lexicon: Lexicon, *, digits: bool = True) -> list[Letter]:
    """All that may be a letter, a digit or a sign, whatever stands around it."""
    found = []
    place = 0
    shouted = all(word.raw.isupper() for word in words if word.text[0].isalpha())
    singles = sum(word.is_letter for word in words)
    while place < len(words):
        if nothing := at([word.text for word in words[place : place + 3]], 0, lexicon.not_letters, 3):
            place += nothing
            continue
        glued = singles > 1 and len(words[place].text) == 2  # Dutch "K UI P E R S"
        letter = _letter(words, place, lexicon, digits=digits, shouted=shouted and not glued)
        if letter is None:
            place += 1
        else:
            found.append(letter)
            place = letter.end
    return found


def _letter(words: Sequence[Token], place: int, lexicon: Lexicon, *, digits: bool, shouted: bool) -> Letter | None:
    word = words[place]
    plain = [w.text for w in words[place : place + 3]]
    if _joins(words, place, lexicon) or _is_article(words, place, lexicon):
        return None
    times, behind = repeats_at(words, place, lexicon)
    if not times and (times := _times(words, place, lexicon)):
        behind = place + 1
    phrase, length = _phrase(plain, lexicon)
    if times and behind < len(words) and not phrase and not repeats_at(words, behind, lexicon)[0]:
        inner = _letter(words, behind, lexicon, digits=digits, shouted=shouted)
        if inner and len(inner.text) == 1 and inner.text.isalnum():
            return Letter(inner.text * times, place, inner.end, sure=True)
    if phrase:
        return Letter(phrase, place, place + length, sure=True)
    number = digit_named(word, lexicon)
    plural = lexicon.plural_letters.get(plain[1], "") if number in ("2", "3") and len(plain) > 1 else ""
    if plural:
        return Letter(plural * int(number), place, place + 2, sure=True)
    explained = _explained(words, place, lexicon)
    if explained:
        return explained
    for length in (3, 2, 1):
        sign = lexicon.signs.get(tuple(plain[:length]))
        if sign:
            return Letter(sign, place, place + length, sure=False)
    if word.text == "'" or (word.text == "-" and not word.joined):
        return Letter(word.text, place, place + 1, sure=False)
    if word.is_letter:
        return Letter(word.text, place, place + 1, sure=word.text not in lexicon.unsure_letters)
    if name := named_letter(word.text, lexicon):
        return Letter(name, place, place + 1, sure=True)
    if word.text in lexicon.unsure_letters and not (place == 0 and "'" in word.text):
        return Letter(lexicon.unsure_letters[word.text], place, place + 1, sure=False)
    if digits:
        digit = word.text if word.is_digits else digit_named(word, lexicon)
        after = words[place + 1] if place + 1 < len(words) else None
        if word.text == lexicon.spoken.digits[1] and after is not None and digit_named(after, lexicon):
            digit = "1"  # French "A B tiret un deux"
        if digit:
            return Letter(digit, place, place + 1, sure=False)
    if word.raw.isupper() and word.text.isalpha() and 1 < len(word.raw) <= _LONGEST_CAPITALS and not shouted:
        return Letter(word.text, place, place + 1, sure=True)
    return None


def _joins(words: Sequence[Token], place: int, lexicon: Lexicon) -> bool:
    """Whether a word that may be a letter joins two that are written in capitals: Spanish "A y B"."""
    if words[place].text not in lexicon.joiners or words[place].raw.isupper():
        return False
    near = [words[beside] for beside in (place - 1, place + 1) if 0 <= beside < len(words)]
    return len(near) == 2 and all(word.is_letter and word.raw.isupper() for word in near)


def _is_article(words: Sequence[Token], place: int, lexicon: Lexicon) -> bool:
    """Whether a small letter stands before a letter that is written in capitals: "a B"."""
    after = words[place + 1] if place + 1 < len(words) else None
    small = words[place].text in lexicon.articles | lexicon.copulas | lexicon.lead_verbs and words[place].raw.islower()
    return small and after is not None and after.is_letter and after.raw.isupper()


def _times(words: Sequence[Token], place: int, lexicon: Lexicon) -> int:
    """ "two t's" is a double t, and so is "deux t"."""
    after = words[place + 1] if place + 1 < len(words) else None
    if after is not None and after.is_letter and words[place].text in lexicon.letter_repeats:
        return lexicon.letter_repeats[words[place].text]
    if after is None or not after.text.endswith("'s") or len(after.text) != 3:
        return 0
    return 2 if words[place].text in (lexicon.spoken.digits[2], "2") else 0


def named_letter(word: str, lexicon: Lexicon) -> str:
    """The letter that a word names whatever stands beside it: its own name, or a word of an alphabet."""
    return lexicon.letters.get(word) or lexicon.alphabet.get(word, "")


def _phrase(plain: list[str], lexicon: Lexicon) -> tuple[str, int]:
    """The letter whose name of several words begins here, and how many they are."""
    for length in (3, 2):
        letter = lexicon.letter_phrases.get(tuple(plain[:length]))
        if letter:
            return letter, length
    return "", 0


def _explained(words: Sequence[Token], place: int, lexicon: Lexicon) -> Letter | None:
    """ "B as in boy": the word is heard better than the letter, and decides."""
    word = words[place]
    letter = (
        word.text if word.is_letter else named_letter(word.text, lexicon) or lexicon.unsure_letters.get(word.text, "")
    )
    if not letter:
        return None
    start = place + 1
    while start < len(words) and words[start].text in (",", "-", "."):
        start += 1
    plain = [w.text for w in words[start : start + 5]]
    length = at(plain, 0, lexicon.as_in)
    after = words[start + length] if length and start + length < len(words) else None
    if after is None or not after.text[0].isalpha():
        return None
    if after.text[0] != letter and after.text in lexicon.determiners | lexicon.articles:
        return None  # "W H I T E as in the color"
    if not letter.isascii() and letter in after.text:
        return Letter(letter, place, start + length + 1, sure=True)  # "Ñ de España"
    certain = length > 1 or after.text[0] == letter
    if not certain or (len(after.text) < 3 and not named_letter(after.text, lexicon)):
        return None
    return Letter(after.text[0], place, start + length + 1, sure=True)


class Spelled(NamedTuple):
    """A row of letters without a foreign word between them."""

    letters: list[Letter]

    @property
    def text(self) -> str:
        """The word that the letters spell."""
        return "".join(letter.text for letter in self.letters).strip(".-_'+/")

    @property
    def start(self) -> int:
        """The first word of it."""
        return self.letters[0].start

    @property
    def end(self) -> int:
        """The place behind the last letter's words."""
        return self.letters[-1].end

    @property
    def sure(self) -> int:
        """How many letters are letters whatever stands beside them."""
        return sum(len(letter.text) if letter.sure else 0 for letter in self.letters)


def spellings(words: Sequence[Token], lexicon: Lexicon) -> list[Spelled]:
    """The rows of letters that spell something: several letters, and some of them beyond doubt."""
    rows: list[list[Letter]] = []
    for letter in letters(words, lexicon):
        if rows and _near(words[rows[-1][-1].end : letter.start], lexicon):
            rows[-1].append(letter)
        else:
            rows.append([letter])
    trimmed = (_trimmed(row, words, lexicon) for row in rows)
    return [Spelled(row) for row in trimmed if row and _spells(row, words, lexicon)]


def _near(words: Sequence[Token], lexicon: Lexicon) -> bool:
    return all(word.text in ",.-;:" or word.text in lexicon.passed_over | lexicon.joiners for word in words)


def _trimmed(row: list[Letter], words: Sequence[Token], lexicon: Lexicon) -> list[Letter]:
    """Without the words at both ends that sound like letters but belong to the sentence: "it's a K", "W, I think"."""
    row = list(row)
    while row and _belongs_to_sentence(row, words, lexicon.fillers, at_end=True):
        row.pop()
    while row and _belongs_to_sentence(row, words, lexicon.fillers, at_end=False):
        row.pop(0)
    return row


def _belongs_to_sentence(row: list[Letter], words: Sequence[Token], fillers: frozenset[str], *, at_end: bool) -> bool:
    letter = row[-1] if at_end else row[0]
    if letter.sure:
        return False
    if words[letter.start].text in fillers:
        return True
    whole_word = len(words[letter.start].text) > 1
    neighbour = letter.end if at_end else letter.start - 1
    beside = words[neighbour] if 0 <= neighbour < len(words) else None
    parted = beside is None or beside.is_sign
    if at_end:
        first = letter.start
        stop_before = first > 0 and words[first - 1].text in ",.;"
        lone = words[letter.start].text in ("i", "a") and stop_before
        return not parted and (whole_word or lone)
    following = letter.end < len(words) and words[letter.end].is_sign
    return not parted and whole_word and not following


def _spells(row: list[Letter], words: Sequence[Token], lexicon: Lexicon) -> bool:
    text = "".join(letter.text for letter in row)
    alphabetic = sum(c.isalpha() for c in text)
    if len(text) < 2 or not alphabetic:
        return False
    if len(row) == 1 and len(text) == 2 and row[0].end - row[0].start > 1:
        return False  # "double S"
    if len(row) == 2 and digit_named(words[row[0].start], lexicon):
        return False  # "one L"
    sure = sum(len(letter.text) for letter in row if letter.sure)
    singles = sum(len(letter.text) for letter in row if letter.sure or words[letter.start].is_letter)
    if sure and 2 * singles >= alphabetic - 1:
        return True
    if singles >= 2 and singles == alphabetic:
        return len(text) > 2 or len(row) == len([w for w in words if not w.is_sign])
    alone = sum(letter.end - letter.start for letter in row) == sum(not word.is_sign for word in words)
    return alone and len(text) >= _FEWEST_UNSURE
