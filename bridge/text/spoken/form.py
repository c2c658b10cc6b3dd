"""Written text -> the words that are spoken, and which written word each of them belongs to. Pure.

Every token of the text (what stands between white space) is looked at with what stands around it; the first rule that
knows it, or it and some tokens after it, says it in words. What no rule knows is said sign by sign. The result has
letters, apostrophes, hyphens and the marks that voices take for pauses, nothing else, so that no voice's own front end
finds anything to rewrite; saying it once more changes nothing.

The time is linear in the text: a rule looks at a bounded number of tokens, and tokens have a bounded length.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from bridge.text.spoken import addresses, codes, dates, measures, names, quantities
from bridge.text.spoken.cursor import CLOSERS, LONGEST_TOKEN, OPENERS, Cursor, Part, Reading
from bridge.text.spoken.language import Language
from bridge.text.spoken.numerals import parse, say, whole

RULES_VERSION = 2
"""Raised when anything is said in other words than before: phrases that were made under other rules are not played."""

_STRIPPED = OPENERS + CLOSERS
_PLAIN = re.compile(r"[^\W\d_]?[^\W\d_A-ZÀ-ÖØ-Þ]*(?:['’\-][^\W\d_]?[^\W\d_A-ZÀ-ÖØ-Þ]+)*")
"""A word that only a table of abbreviations could know."""
_DIGIT, _LETTER = re.compile(r"[\d½¼¾⅓⅔⅛⅜⅝⅞⅕²³]"), re.compile(r"[^\W\d_]")
_AMOUNT_BEGINS = frozenset("0123456789-+$€£")
_DASHES = frozenset(("-", "--", "---", "–", "—"))
_ATOMS = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?|[^\W\d_½¼¾⅓⅔⅛⅜⅝⅞⅕²³]+(?:['’][^\W\d_]+)*|.", re.DOTALL)
_MARKS = str.maketrans(
    {"’": "'", "‘": "'", "ʼ": "'", "“": '"', "”": '"', "„": '"', "«": '"', "»": '"', "‹": '"', "›": '"', "‚": "'",
     "[": "(", "]": ")", "{": "(", "}": ")", "<": None, ">": None, "。": ".", "！": "!", "？": "?", "，": ",",
     "、": ",", "¿": None, "¡": None}
)  # fmt: skip

Span = tuple[float, float]
Rule = Callable[[Cursor], Reading | None]

_INTEGERS: tuple[Rule, ...] = (
    codes.card, codes.named, dates.day_and_month, dates.time, codes.telephone, quantities.fraction, measures.amount,
    quantities.ordinal, codes.code, quantities.number,
)  # fmt: skip
"""For a token of digits alone, in the order in which they are asked."""
_AMONG_INTEGERS: tuple[Rule, ...] = (codes.card, codes.named, codes.telephone, codes.code, quantities.number)
"""For one that another such token follows: the others read what begins with a letter or a sign, or has one."""


class _Asked(NamedTuple):
    """A rule, and what a token needs to have for it to be asked."""

    rule: Rule
    signs: frozenset[str] | None = None
    """One of these; None: nothing."""
    begins: frozenset[str] | None = None
    """One of these as its first character."""


def _asked(rule: Rule, signs: str = "", begins: str = "") -> _Asked:
    return _Asked(rule, frozenset(signs) or None, frozenset(begins) or None)


_FIGURES = "0123456789"
_NUMERIC: tuple[_Asked, ...] = (
    _asked(addresses.email, "@"),
    _asked(names.numeric_abbreviation),
    _asked(quantities.feet, "'’′"),
    _asked(codes.card, "-.*•·xX"),
    _asked(codes.named),
    _asked(dates.date, "/.-", _FIGURES),
    _asked(dates.day_and_month, begins=_FIGURES),
    _asked(dates.time, begins=_FIGURES),
    _asked(codes.telephone, begins=_FIGURES + "+("),
    _asked(quantities.ratio, ":", _FIGURES),
    _asked(quantities.scientific, "eE"),
    _asked(codes.machine, ".", _FIGURES + "vV"),
    _asked(quantities.fraction, "/⁄½¼¾⅓⅔⅛⅜⅝⅞⅕"),
    _asked(quantities.arithmetic, "*×xX·÷/+=−-"),
    _asked(codes.keys, "*#"),
    _asked(codes.numbered, "#№"),
    _asked(quantities.decade, "s"),
    _asked(measures.amount),
    _asked(quantities.ordinal),
    _asked(quantities.period, "-–—/", _FIGURES),
    _asked(quantities.compound, "-", _FIGURES),
    _asked(codes.code),
    _asked(quantities.number),
    _asked(addresses.url, ".:"),
    _asked(addresses.handle, "@#"),
)
"""For one that has a digit and does not begin with a letter."""
_MIXED: tuple[_Asked, ...] = (
    _asked(addresses.email, "@"),
    _asked(addresses.url, ".:"),
    _asked(names.numeric_abbreviation),
    _asked(names.numbered, "."),
    _asked(codes.card),
    _asked(codes.named),
    _asked(codes.machine, "."),
    _asked(measures.amount),
    _asked(codes.code),
)
"""For one that begins with a letter."""
_LETTERED: tuple[_Asked, ...] = (
    _asked(addresses.email, "@"),
    _asked(addresses.url, ".:"),
    _asked(dates.month_name),
    _asked(dates.weekday),
    _asked(names.roman, begins="IVXLCDM"),
    _asked(names.abbreviation),
    _asked(names.initials),
    _asked(measures.currency_first),
    _asked(quantities.operator, "*×xX·÷/+=−-–—"),
    _asked(codes.card, "xX*•·"),
    _asked(names.acronym),
    _asked(names.joined, "/"),
    _asked(addresses.handle, "@#"),
)
"""For one without a digit that is no plain word."""
_SIGNS: tuple[_Asked, ...] = (
    _asked(codes.card, "*•·"),
    _asked(measures.currency_first),
    _asked(quantities.operator, "*×xX·÷/+=−-–—"),
    _asked(codes.keys, "*#"),
)
"""For one without a letter or digit."""


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


def spoken_form(
    text: str, language: Language, before: str = "", pronunciations: Mapping[str, str] | None = None
) -> SpokenText:
    """How a text is spoken in a language.

    before          what was said just before it, for the sake of its context
    pronunciations  how words are said that the builder knows better, by the word in lower case
    """
    tokens = _tokens(text)
    past = _tokens(before[-80:])[-5:] if before else []
    cursor = Cursor(past + tokens, len(past), language)
    plain = _Plain(language, pronunciations or {})
    rules, counts = _Rules(), _Counts(language)
    memory: dict[str, tuple[int, SpokenToken, int]] = {}
    spoken: list[SpokenToken] = []
    everything, end, at = cursor.tokens, len(cursor.tokens), cursor.at
    while at < end:
        said = plain[everything[at]]
        if said is not None:
            spoken.append(said)
            at += 1
            continue
        cursor.at = at
        count = counts[everything[at]]
        if count is not None and cursor.counts_on and at + 1 < end and counts[everything[at + 1]] is not None:
            spoken.append(count)
            at += 1
            continue
        key = cursor.surroundings
        known = memory.get(key)
        if known is None:
            length, said = _say(cursor, rules)
            memory[key] = length, said, cursor.no_phone_before - at
        else:
            length, said, no_phone = known
            cursor.no_phone_before = max(cursor.no_phone_before, at + no_phone)
        spoken.append(said)
        at += length
    return SpokenText(tuple(spoken))


class _Plain(dict[str, SpokenToken | None]):
    """Tokens that are said as they stand, or as the builder says, whatever stands beside them; None: the others."""

    def __init__(self, language: Language, pronunciations: Mapping[str, str]) -> None:
        self._language, self._pronunciations = language, pronunciations
        self._watched = _watched(language)

    def __missing__(self, token: str) -> SpokenToken | None:
        bare = token.strip(_STRIPPED)
        word = bare.lower()
        said: SpokenToken | None = None
        if word in self._pronunciations:
            said = SpokenToken(token, token.replace(bare, self._pronunciations[word], 1))
        elif _plain(bare) and word not in self._watched and not _ending(bare, token, self._language):
            said = SpokenToken(token, token if token.isalpha() else token.translate(_MARKS))
        self[token] = said
        return said


class _Counts(dict[str, SpokenToken | None]):
    """Short numbers as they are said among others that make no telephone number and no code; None: anything else."""

    def __init__(self, language: Language) -> None:
        self._language = language
        self._bound = language.inflected is not None or " " in language.group_marks

    def __missing__(self, token: str) -> SpokenToken | None:
        short = len(token) <= 3 and token.isdecimal() and (token[0] != "0" or token == "0")
        said = SpokenToken(token, whole(token, self._language)) if short and not self._bound else None
        self[token] = said
        return said


def _say(cursor: Cursor, rules: _Rules) -> tuple[int, SpokenToken]:
    """How many tokens are read together at the cursor, and how."""
    reading = _read(cursor, rules)
    first, last = cursor.part(0), cursor.part(reading.length - 1)
    trail = last.trail if reading.trail is None else reading.trail
    if not reading.keep_stop or trail.startswith((".,", ".;", ".:", ".?", ".!")):
        trail = trail.replace(".", "", 1)
    words = reading.spoken.strip()
    if words and first.lead.endswith("<") and first.core[:1] in _AMOUNT_BEGINS and ">" not in trail:
        words = f"{cursor.language.symbols['<']} {words}"
    if words and first.core:
        words = (_opening(first, reading) + words + trail).translate(_MARKS)
    written = cursor.tokens[cursor.at] if reading.length == 1 else cursor.written(reading.length)
    return reading.length, SpokenToken(written, words)


def _plain(bare: str) -> bool:
    """Whether this is a word that only a table of abbreviations could know."""
    if bare.isascii() and bare.isalpha():
        return bare[1:].islower() or len(bare) == 1
    return bool(bare) and _PLAIN.fullmatch(bare) is not None and (bare.isascii() or not _DIGIT.search(bare))


def _opening(first: Part, reading: Reading) -> str:
    """What opens a token, unless the rule has read what closes it: `(555) 123-4567`."""
    read = "(" in first.lead and (")" in first.core or (reading.length > 1 and ")" in first.trail))
    return first.lead.replace("(", "") if read else first.lead


def _tokens(text: str) -> list[str]:
    tokens = text.split()
    if len(text) > LONGEST_TOKEN and max(map(len, tokens), default=0) > LONGEST_TOKEN:
        return [token[i : i + LONGEST_TOKEN] for token in tokens for i in range(0, len(token), LONGEST_TOKEN)]
    return tokens


@functools.cache
def _watched(language: Language) -> frozenset[str]:
    """Plain words, lower case, that some rule may want to read."""
    tables = (
        language.abbreviations, language.titles, language.streets, language.before_numbers, language.currencies,
        language.weekday_abbreviations, language.month_abbreviations,
    )  # fmt: skip
    return frozenset(word.lower() for table in tables for word in table) | {"x", "i", "v"}


def _ending(bare: str, token: str, language: Language) -> bool:
    """Whether this is a range of days, or a word with an abbreviated end."""
    days = "-" in bare and bare.partition("-")[0].lower() in language.weekday_abbreviations
    return days or (token[-1] == "." and (len(bare) == 1 or bare.endswith(tuple(language.street_endings))))


class _Rules(dict[str, tuple[Rule, ...]]):
    """Which rules may know a token, whatever stands beside it, by the token without its marks."""

    def __missing__(self, core: str) -> tuple[Rule, ...]:
        if core.isdecimal():
            rules = _INTEGERS
        else:
            if _DIGIT.search(core):
                table = _MIXED if core[0].isalpha() else _NUMERIC
            else:
                table = _LETTERED if _LETTER.search(core) else _SIGNS
            rules = tuple(
                rule
                for rule, signs, begins in table
                if (signs is None or not signs.isdisjoint(core))
                and (begins is None or core[0] in begins or (core[0].isdecimal() and "0" in begins))
            )
        self[core] = rules
        return rules


def _read(c: Cursor, rules_of: _Rules) -> Reading:
    core = c.core()
    if not core:
        if (token := c.tokens[c.at]) in ("<", ">"):
            return Reading(1, c.language.symbols[token])
        return Reading(1, "".join(mark for mark in c.part().trail if mark in ".,;:!?…"), keep_stop=False)
    rules = rules_of[core]
    if rules is _INTEGERS and c.core(1).isdecimal():
        rules = _AMONG_INTEGERS
    for rule in rules:
        reading = rule(c)
        if reading is not None:
            if c.language.inflected is not None:
                return reading._replace(spoken=c.language.inflected(c.word(-1), reading.spoken))
            return reading
    return Reading(1, "—" if core in _DASHES else _sign_by_sign(core, c.language))


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
