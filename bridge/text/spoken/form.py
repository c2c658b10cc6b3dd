"""Written text -> the words that are spoken, and which written word each of them belongs to. Pure.

Every token of the text (what stands between white space) is looked at with what stands around it; the first rule that
knows it, or it and some tokens after it, says it in words. What no rule knows is said sign by sign. The result has
letters, apostrophes, hyphens and the marks that voices take for pauses, nothing else, so that no voice's own front end
finds anything to rewrite; saying it once more changes nothing.

The time is linear in the text: a rule looks at a bounded number of tokens, and tokens have a bounded length.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from bridge.text import marks
from bridge.text.spoken import codes
from bridge.text.spoken.cursor import CLOSERS, LONGEST_TOKEN, OPENERS, Cursor, Part, Reading, part
from bridge.text.spoken.language import Language
from bridge.text.spoken.numerals import parse, say
from bridge.text.spoken.rules import (
    DIGIT,
    INFLECTED,
    LOOKING_AHEAD,
    NEIGHBOURLESS,
    Continuation,
    Continuations,
    Rules,
    watched,
)

RULES_VERSION = 3
"""Raised when anything is said in other words than before: phrases that were made under other rules are not played."""

_STRIPPED = OPENERS + CLOSERS
_PLAIN = re.compile(r"[^\W\d_]?[^\W\d_A-ZÀ-ÖØ-Þ]*(?:['’\-][^\W\d_]?[^\W\d_A-ZÀ-ÖØ-Þ]+)*")
"""A word that only a table of abbreviations could know."""
_AMOUNT_BEGINS = frozenset("0123456789-+$€£")
_DASHES = frozenset(("-", "--", "---", "–", "—"))
_ATOMS = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?|[^\W\d_½¼¾⅓⅔⅛⅜⅝⅞⅕²³]+(?:['’][^\W\d_]+)*|.", re.DOTALL)
_MARKS = str.maketrans(
    {"’": "'", "‘": "'", "ʼ": "'", "“": '"', "”": '"', "„": '"', "«": '"', "»": '"', "‹": '"', "›": '"', "‚": "'",
     "[": "(", "]": ")", "{": "(", "}": ")", "<": None, ">": None, "。": ".", "！": "!", "？": "?", "，": ",",
     "、": ",", "¿": None, "¡": None}
)  # fmt: skip

Span = tuple[float, float]


class SpokenToken(NamedTuple):
    """Some written text, one token or several that are read together, and its words."""

    written: str
    spoken: str
    """Empty where nothing is said, as of a lone picture."""


class SpokenText(NamedTuple):
    """A text as it is spoken."""

    tokens: tuple[SpokenToken, ...]

    @property
    def text(self) -> str:
        """All the words, with the marks that are pauses."""
        return " ".join(token.spoken for token in self.tokens if token.spoken)

    @property
    def written(self) -> tuple[str, ...]:
        """The written text of each token that is spoken."""
        return tuple(token.written for token in self.tokens if token.spoken)

    @property
    def counts(self) -> tuple[int, ...]:
        """How many words of `text.split()` each of `written` has."""
        return tuple(len(token.spoken.split()) for token in self.tokens if token.spoken)

    def spread(self, spans: Sequence[Span]) -> list[Span]:
        """One span for each token of the written text, from one for each word of `text.split()`.

        Of tokens that are read together the first has all; what is not said has an empty span where it stands.
        """
        written: list[Span] = []
        place, end = 0, spans[0][0] if spans else 0.0
        for token in self.tokens:
            count = len(token.spoken.split())
            start = end
            if count:
                start, end = spans[place][0], spans[place + count - 1][1]
                place += count
            written.append((start, end))
            written += [(end, end)] * (len(token.written.split()) - 1)
        return written


Phonemes = Callable[[str, str], str]
"""How a word with these phonemes, in the IPA, is given to a voice; "" where it cannot say them."""


def spoken_form(
    text: str,
    language: Language,
    before: str = "",
    pronunciations: Mapping[str, str] | None = None,
    phonemes: Phonemes | None = None,
) -> SpokenText:
    """How a text is spoken in a language.

    before          what was said just before it, for the sake of its context
    pronunciations  how words are said that the builder knows better, by the word in lower case
    phonemes        says words whose phonemes the text gives (`bridge.text.marks`); None: they are left out
    """
    told: dict[int, str] = {}
    if not text.isascii():
        told = _told(text, phonemes) if phonemes is not None and marks.BEGIN in text else told
        text = marks.plain(text)
    tokens = _tokens(text)
    past = _tokens(marks.plain(before)[-80:])[-5:] if before else []
    cursor = Cursor(past + tokens, len(past), language)
    plain, row, reader = _Plain(language, pronunciations or {}), _Row(language), _Reader(cursor)
    memory: dict[str, tuple[int, SpokenToken, int]] = {}
    spoken: list[SpokenToken] = []
    everything, end, at = [*cursor.tokens, ""], len(cursor.tokens), cursor.at
    while at < end:
        token = everything[at]
        said = plain[token]
        if told and at - len(past) in told:
            said = SpokenToken(token, told[at - len(past)])
        if said is None:
            cursor.at = at
            said = row.said(token, everything[at + 1], cursor) or reader.known(token)
        if said is not None:
            spoken.append(said)
            at += 1
            continue
        key = cursor.surroundings
        known = memory.get(key)
        if known is None:
            length, said = reader.say()
            memory[key] = length, said, cursor.no_phone_before - at
        else:
            length, said, no_phone = known
            cursor.no_phone_before = max(cursor.no_phone_before, at + no_phone)
        spoken.append(said)
        at += length
    return SpokenText(tuple(spoken))


def _told(text: str, phonemes: Phonemes) -> dict[int, str]:
    """How the tokens are said whose phonemes a text gives, by their place; "" for those that are said with another."""
    told: dict[int, str] = {}
    together: list[int] = []
    for place, token in enumerate(text.split()):
        given = marks.phonemes(token)
        if given is None:
            together = []
        elif not given:
            together.append(place)
        else:
            lead, core, trail, _ = part(marks.plain(token))
            if said := phonemes(core, given):
                told |= dict.fromkeys(together, "") | {place: lead + said + trail}
            together = []
    return told


class _Plain(dict[str, SpokenToken | None]):
    """Tokens that are said as they stand, or as the builder says, whatever stands beside them; None: the others."""

    def __init__(self, language: Language, pronunciations: Mapping[str, str]) -> None:
        self._language, self._pronunciations = language, pronunciations
        self._watched = watched(language)

    def __missing__(self, token: str) -> SpokenToken | None:
        if not self._pronunciations and (token[0].isdecimal() or token[-1].isdecimal()):
            self[token] = None
            return None
        bare = token.strip(_STRIPPED)
        word = bare.lower()
        said: SpokenToken | None = None
        if word in self._pronunciations:
            said = SpokenToken(token, token.replace(bare, self._pronunciations[word], 1))
        elif _plain(bare) and word not in self._watched and not _ending(bare, token, self._language):
            said = SpokenToken(token, token if token.isalpha() else token.translate(_MARKS))
        self[token] = said
        return said


class _Row(dict[str, tuple[SpokenToken, bool] | None]):
    """Short numbers and single signs, which are said in one way among others of their kind; None: anything else.

    With each, whether it is a number.
    """

    def __init__(self, language: Language) -> None:
        self._language = language
        self._parted = " " in language.group_marks
        self[""] = None

    def __missing__(self, token: str) -> tuple[SpokenToken, bool] | None:
        core = token.strip(_STRIPPED)
        number = core.isdecimal() and len(core) <= 3 and (core[0] != "0" or core == "0")
        sign = len(core) <= 1 and not core.isalnum()
        known = None
        if number or sign:
            known = _Reader(Cursor([token], 0, self._language)).say()[1], number
        self[token] = known
        return known

    def said(self, token: str, following: str, cursor: Cursor) -> SpokenToken | None:
        """How a token is said if the one after it is of its kind, so that nothing else can be meant."""
        known, beside = self[token], self[following]
        if known is None or beside is None or known[1] is not beside[1]:
            return None
        if known[1] and (not cursor.counts_on or (self._parted and len(following) >= 3)):
            return None
        return known[0]


class _Reader:
    """Asks the rules about the token at a cursor."""

    def __init__(self, cursor: Cursor) -> None:
        self._cursor = cursor
        self._rules = Rules(cursor.language)
        self._among = Rules(cursor.language, among=True)
        self._named = Rules(cursor.language, named=True)
        self._named_among = Rules(cursor.language, named=True, among=True)
        self._signs: dict[str, str] = {}
        self._alone: dict[str, SpokenToken] = {}
        self._complete: dict[tuple[str, bool], SpokenToken] = {}
        """Of what the next token does not continue, by whether it can be a telephone number."""
        self._continues = Continuations(cursor.language)

    def known(self, token: str) -> SpokenToken | None:
        """How the token at the cursor is said where that depends on nothing else, or at most on the one after it."""
        cursor = self._cursor
        core = cursor.core()
        if cursor.may_be_named or core.isdecimal():
            return None
        if (said := self._alone.get(token)) is not None:
            return said
        rules = self._rules[core]
        if NEIGHBOURLESS.issuperset(rules):
            said = self._alone[token] = self.say()[1]
        elif LOOKING_AHEAD.issuperset(rules):
            goes_on = self._continues[cursor.core(1)]
            phone = codes.telephone in rules and cursor.at >= cursor.no_phone_before
            if goes_on is Continuation.MORE or (phone and (goes_on is Continuation.DIGITS or cursor.may_be_called)):
                return None
            said = self._complete.get((token, phone))
            if said is None:
                said = self._complete[token, phone] = self.say()[1]
        return said

    def say(self) -> tuple[int, SpokenToken]:
        """How many tokens are read together at the cursor, and how."""
        cursor = self._cursor
        first = last = cursor.part()
        reading = self._read(first.core)
        length, words, keep_stop, trail = reading
        if length > 1:
            last = cursor.part(length - 1)
        if trail is None:
            trail = last.trail
        if trail and (not keep_stop or trail.startswith((".,", ".;", ".:", ".?", ".!"))):
            trail = trail.replace(".", "", 1)
        words, lead = words.strip(), first.lead
        if words and first.core and (lead or trail):
            if lead.endswith("<") and first.core[0] in _AMOUNT_BEGINS and ">" not in trail:
                words = f"{cursor.language.symbols['<']} {words}"
            words = (_opening(first, reading) + words + trail).translate(_MARKS)
        elif not words.isascii():
            words = words.translate(_MARKS)
        return length, SpokenToken(cursor.tokens[cursor.at] if length == 1 else cursor.written(length), words)

    def _read(self, core: str) -> Reading:
        c = self._cursor
        if not core:
            if (token := c.tokens[c.at]) in ("<", ">"):
                return Reading(1, c.language.symbols[token])
            return Reading(1, "".join(mark for mark in c.part().trail if mark in ".,;:!?…"), keep_stop=False)
        if core.isdecimal() and c.core(1).isdecimal():
            rules = (self._named_among if c.may_be_named else self._among)[core]
        else:
            rules = (self._named if c.may_be_named else self._rules)[core]
        for rule in rules:
            reading = rule(c)
            if reading is not None:
                if c.language.inflected is not None and rule in INFLECTED:
                    return reading._replace(spoken=c.language.inflected(c.word(-1), reading.spoken))
                return reading
        words = self._signs.get(core)
        if words is None:
            words = self._signs[core] = "—" if core in _DASHES else _sign_by_sign(core, c.language)
        return Reading(1, words)


def _plain(bare: str) -> bool:
    """Whether this is a word that only a table of abbreviations could know."""
    if bare.isascii() and bare.isalpha():
        return bare[1:].islower() or len(bare) == 1
    return bool(bare) and _PLAIN.fullmatch(bare) is not None and (bare.isascii() or not DIGIT.search(bare))


def _opening(first: Part, reading: Reading) -> str:
    """What opens a token, unless the rule has read what closes it: `(555) 123-4567`."""
    read = "(" in first.lead and (")" in first.core or (reading.length > 1 and ")" in first.trail))
    return first.lead.replace("(", "") if read else first.lead


def _tokens(text: str) -> list[str]:
    tokens = text.split()
    if len(text) > LONGEST_TOKEN and max(map(len, tokens), default=0) > LONGEST_TOKEN:
        return [token[i : i + LONGEST_TOKEN] for token in tokens for i in range(0, len(token), LONGEST_TOKEN)]
    return tokens


def _ending(bare: str, token: str, language: Language) -> bool:
    """Whether this is a range of days, or a word with an abbreviated end."""
    days = "-" in bare and bare.partition("-")[0].lower() in language.weekday_abbreviations
    return days or (token[-1] == "." and (len(bare) == 1 or bare.endswith(tuple(language.street_endings))))


def _sign_by_sign(core: str, language: Language) -> str:
    """What no rule knows: words and numbers as they come, signs by their names, the rest not at all."""
    atoms = _ATOMS.findall(core)
    words: list[str] = []
    for place, atom in enumerate(atoms):
        before = atoms[place - 1] if place else ""
        after = atoms[place + 1] if place + 1 < len(atoms) else ""
        if atom[0].isdecimal():
            number = parse(atom, language) if len(atom) <= 3 or not atom.isdecimal() else None
            words.append(say(number, language) if number else codes.spaced_digits(atom, language))
        elif atom[0].isalpha():
            words.append(_letters(atom, language))
        else:
            words.append(_sign(atom, before, after, language))
    return " ".join(filter(None, words)).replace(" ,", ",")


def _letters(atom: str, language: Language) -> str:
    """A word within a token that no rule knows."""
    word = atom.lower()
    if len(atom) == 1:
        return atom
    known = language.titles.get(word) or language.abbreviations.get(word)
    if known:
        return known
    if atom.isupper():
        return word if len(atom) > 4 or word in language.capitals else codes.letters(atom, language)
    return atom


def _sign(sign: str, before: str, after: str, language: Language) -> str:
    """A sign within a token that no rule knows."""
    if sign == ":" and after == "\\":
        return language.address_signs[":"]
    if sign in ".,;:!?…'\"()":
        if sign == "." and before[-1:].isalnum() and after[:1].isalnum():
            new_sentence = before[-1:].islower() and after[:1].isupper()
            return "," if new_sentence else language.address_signs["."]
        return "," if sign in ",;:!?…" and before and after else ""
    if sign in "-–—_":
        if before[-1:].isdecimal() or after[:1].isdecimal():
            return language.address_signs["_" if sign == "_" else "-"]
        return language.address_signs["_"] if sign == "_" and before and after else ""
    return language.symbols.get(sign, "")
