"""What is said about a letter of a name instead of spelling it: "Smith with a Y", "Jon without an H". Pure."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import NamedTuple

from bridge.understanding.lexicon import Lexicon
from bridge.understanding.numbers import digit_named, repeats_at
from bridge.understanding.words import Token, at

_MOST_LETTERS = 2
"""More are a spelling: "with a C A T H"."""
_FEWEST_SPELLED, _MOST_SPELLED = 4, 40
_LONGEST_PHRASE = 7
_ACCENTS = {
    "acute": "\u0301", "grave": "\u0300", "diaeresis": "\u0308", "circumflex": "\u0302", "tilde": "\u0303",
}  # fmt: skip


class Accented(NamedTuple):
    """A letter that has an accent."""

    letter: str
    accent: str
    which: int
    """Of those alike: 1 is the first, -1 the last."""


class Remarks(NamedTuple):
    """The letters that a name has, and those that it has not."""

    has: frozenset[str]
    has_not: frozenset[str]
    accented: tuple[Accented, ...] = ()

    def contradict(self, name: str) -> bool:
        """Whether a name as it was written cannot be the one that was meant."""
        letters = name.lower()
        return not all(part in letters for part in self.has) or any(part in letters for part in self.has_not)

    def put_accents(self, name: str) -> str:
        """The name with the accents that it is said to have."""
        for letter, accent, which in self.accented:
            places = [place for place, other in enumerate(name.lower()) if other == letter]
            if accent in _ACCENTS and -len(places) <= which <= len(places) and places:
                place = places[which - (which > 0)]
                marked = unicodedata.normalize("NFC", name[place] + _ACCENTS[accent])
                name = name[:place] + marked + name[place + 1 :]
        return name


def without_remarks(words: Sequence[Token], lexicon: Lexicon) -> tuple[list[Token], Remarks]:
    """The words without such remarks, and what these say."""
    plain = [word.text for word in words]
    kept: list[Token] = []
    found: dict[bool, set[str]] = {True: set(), False: set()}
    accented: list[Accented] = []
    counting = {phrase[0] for phrase in lexicon.letter_with}
    accents = frozenset(lexicon.accented)
    place = 0
    while place < len(words):
        if accent := at(plain, place, accents, _LONGEST_PHRASE):
            behind = place + accent
            which = lexicon.ordinals.get(plain[behind], 0) if behind < len(plain) else 0
            letter = _letter_at(words, behind + bool(which), lexicon)
            if letter is not None:
                named = lexicon.accented[tuple(plain[place:behind])]
                accented.append(Accented(letter[0], named, which or -1))
                place = behind + bool(which) + letter[1]
                continue
        has = at(plain, place, lexicon.letter_with)
        if not has and plain[place] in counting and _count_at(words, place + 1, lexicon)[0]:
            has = 1  # "with two Ls"
        if not has and (again := _told_again(words, place, kept, lexicon)):
            place += again  # "M A L L E T, deux L et un T"
            continue
        led = has or at(plain, place, lexicon.letter_without)
        letters, length = _letters_at(words, place + led, lexicon) if led else ([], 0)
        if 0 < len(letters) <= _MOST_LETTERS:
            found[bool(has)].add("".join(letters))
            place += led + length
            place += at(plain, place, lexicon.letter_places)
        else:
            kept.append(words[place])
            place += 1
    return kept, Remarks(frozenset(found[True]), frozenset(found[False]), tuple(accented))


def _told_again(words: Sequence[Token], place: int, before: Sequence[Token], lexicon: Lexicon) -> int:
    """How many words here only tell how often letters stand in what was spelled before."""
    end = place
    if _count_at(words, place, lexicon)[0] < 2:
        return 0
    spelled = "".join(word.text for word in before[-_MOST_SPELLED:] if word.is_letter)
    while end < len(words):
        start = end + (end > place and words[end].text in lexicon.joiners)
        times, behind = _count_at(words, start, lexicon)
        letter = _letter_at(words, behind, lexicon) if times else None
        if letter is None or letter[0] * times not in spelled or (end == place and times == 1):
            break
        end = behind + letter[1]
    return end - place if len(spelled) >= _FEWEST_SPELLED else 0


def _letters_at(words: Sequence[Token], place: int, lexicon: Lexicon) -> tuple[list[str], int]:
    """The letters that follow each other here, and how many words they are; "two S" are two."""
    letters: list[str] = []
    start = place
    times, behind = _count_at(words, place, lexicon)
    if times and (letter := _letter_at(words, behind, lexicon)):
        return [letter[0]] * times, behind + letter[1] - start
    while not _is_place(words, place, lexicon) and (letter := _letter_at(words, place, lexicon)):
        letters.append(letter[0])
        place += letter[1]
    return letters, place - start


def _is_place(words: Sequence[Token], place: int, lexicon: Lexicon) -> bool:
    return at([word.text for word in words[place : place + 5]], 0, lexicon.letter_places) > 0


def _count_at(words: Sequence[Token], place: int, lexicon: Lexicon) -> tuple[int, int]:
    """How many of the letter behind there are ("two", "double"; 0 where that is not told), and where that begins."""
    times, behind = repeats_at(words, place, lexicon)
    if not times and place < len(words) and (digit := digit_named(words[place], lexicon)) in ("1", "2", "3"):
        times, behind = int(digit), place + 1
    return times, behind


def _letter_at(words: Sequence[Token], place: int, lexicon: Lexicon) -> tuple[str, int] | None:
    """The letter here and how many words it has: "S", "esse", Dutch "lange ij", English "Ss"."""
    for length in (3, 2):
        phrase = tuple(word.text for word in words[place : place + length])
        if len(phrase) == length and phrase in lexicon.letter_phrases:
            return lexicon.letter_phrases[phrase], length
    if place >= len(words):
        return None
    word = words[place]
    several = word.raw[:1].isupper() and (word.text[1:] == "s" or word.text[1:] == "'s")
    letter = word.text[0] if word.is_letter or several else lexicon.letters.get(word.text, "")
    letter = letter or lexicon.plural_letters.get(word.text, "")
    return (letter, 1) if letter else None
