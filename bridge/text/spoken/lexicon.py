"""What a token is whatever stands beside it, remembered from text to text. Pure.

The shape of a token, its digits alike, decides where it opens and closes, which rules may know it and what it can be to
a number before it; a few shapes stand for all numbers of a kind, so that a token that was never seen costs little.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import NamedTuple

from bridge.text.spoken.by_shape import Saying, saying
from bridge.text.spoken.codes import CODE, is_no_code, lettered, named, telephone, whole_telephone
from bridge.text.spoken.cursor import ANYTHING, CLOSERS, OPENERS, Beside, Part, part
from bridge.text.spoken.dates import day_and_month, days_of_week
from bridge.text.spoken.language import Language
from bridge.text.spoken.measures import NOT_APART, amount
from bridge.text.spoken.names import acronym
from bridge.text.spoken.passwords import SECRETS, password
from bridge.text.spoken.rules import (
    DIGIT,
    FIGURES,
    INFLECTED,
    LOOKING_AHEAD,
    LOOKING_BACK,
    NEIGHBOURLESS,
    PLAIN_WORD,
    Rule,
    after_digits,
    rules_for,
    told_by,
    watched,
)

TOKENS_REMEMBERED = 16_384
"""Tokens of a language, and shapes of them, that are remembered at a time."""
_ALL = int(ANYTHING)
_PHONED = int(Beside.DIGITS | Beside.CALLED)
_UNTOLD = int(ANYTHING & ~Beside.NAMED)
STRIPPED = OPENERS + CLOSERS
CLOSING = frozenset(",;!?")
"""Marks across which nothing is read together."""
_MARKS = str.maketrans(
    {"’": "'", "‘": "'", "ʼ": "'", "“": '"', "”": '"', "„": '"', "«": '"', "»": '"', "‹": '"', "›": '"', "‚": "'",
     "[": "(", "]": ")", "{": "(", "}": ")", "<": None, ">": None, "。": ".", "！": "!", "？": "?", "，": ",",
     "、": ",", "¿": None, "¡": None}
)  # fmt: skip


class SpokenToken(NamedTuple):
    """Some written text, one token or several that are read together, and its words."""

    written: str
    spoken: str
    """Empty where nothing is said, as of a lone picture."""


def with_plain_marks(words: str) -> str:
    """Words with the quotation marks, brackets and stops that voices know."""
    return words.translate(_MARKS)


class Shape:
    """What all tokens have in common that differ in their digits alone."""

    __slots__ = (
        "_core", "_language", "_part", "_rules", "_sums", "after", "article", "begins", "calls", "capitals", "certain",
        "closed", "code", "counted", "digits", "ends", "exact", "figures", "goes_on", "heard", "inflected",
        "knowable", "lead", "listed", "looking_ahead", "looking_back", "loud", "names", "naming", "neighbourless",
        "parted", "phone", "plain", "row", "saying", "simple", "tells", "trail", "whole_phone", "width",
    )  # fmt: skip

    def __init__(self, token: str, language: Language) -> None:
        self._part = part(token)
        lead, core, trail, word = self._part
        self.lead, self.trail = lead, trail
        self.begins, self.ends = len(lead), len(token) - len(trail)
        self.figures = DIGIT.search(token) is not None
        self.exact = self.figures and word in _with_digits(language)
        """The digits of the shape are those of a word in some table, so that a token must be looked at itself."""
        self.after = int(after_digits(core, language))
        self.digits = digits = core.isdecimal()
        number = digits and len(core) <= 3
        self.width = len(core)
        self.row = 1 if number else 2 if len(core) <= 1 and not core.isalnum() else 0
        """Short numbers (1) and single signs (2) are said in one way among others of their kind."""
        self.goes_on = self.row == 1 and not trail.strip(")")
        """Digits after it may belong to it."""
        self._core, self._language = core, language
        self._rules: dict[int, tuple[Rule, ...]] = {}
        self.simple = not lead and len(trail) <= 1 and trail in ".,;:!?"
        """Nothing opens it, and one mark at most that every voice knows closes it."""
        rules = self.rules(_UNTOLD if not digits else 0)
        self.inflected = language.inflected is not None and not INFLECTED.isdisjoint(set(rules) - {day_and_month})
        """The word before it changes its ending."""
        self.neighbourless = not digits and NEIGHBOURLESS.issuperset(rules)
        self.listed = digits and trail in (".", ".,")
        """It may be one of a list of ordinals."""
        shortened = trail[:1] == "." and amount in rules and not core[-1:].isdecimal()  # "5 Std. 30"
        self.looking_ahead = not digits and not shortened and LOOKING_AHEAD.issuperset(rules)
        self.closed = not CLOSING.isdisjoint(trail)
        """A mark parts it from what follows."""
        stop = trail[:1] == "."
        by_itself = digits and self.closed and len(core) != 5 and not (stop and language.ordinal_stop)
        self.looking_back = by_itself or (
            self.figures and not digits and not core[0].isalpha() and not stop and LOOKING_BACK.issuperset(rules)
        )
        """Nothing that stands beside it matters but for what `told_by` has before it, and what continues it."""
        self.phone = telephone in self.rules(_UNTOLD) and (not digits or len(core) >= 3)
        self.whole_phone = self.phone and whole_telephone(core)
        self.counted = (
            not self.figures
            and bool(self.after)
            and self.after | Beside.COUNTED | Beside.CLOCK == Beside.COUNTED | Beside.CLOCK
            and not stop
            and core not in NOT_APART
            and "." not in core
            and word not in ("a", "p")
            and (word != "am" or self.closed)
            and core not in _begun(language)
        )
        """What is counted or measured, and nothing else, where nothing that goes on follows it."""
        self.capitals = not self.figures and acronym in rules and {acronym, lettered}.issuperset(rules)
        self.loud = (1 if core.isupper() else 2) if len(core) >= 2 and core.isalpha() else 0
        """Capitals (1) or another word (2) to the capitals beside it."""
        code = self.figures and not digits and CODE.fullmatch(core) and not is_no_code(core)
        asked = self.rules(_ALL) if code else ()
        self.code = named in asked and NEIGHBOURLESS.issuperset(set(asked[: asked.index(named)]) - {password})
        """After a word that names codes it is nothing else, whatever follows it."""
        self.parted = core[-1:].isdecimal() and len(core.lstrip("-+−")) <= 6 and _begins_with_currency(core, language)
        """A sum whose thousands may be parted from it by a space."""
        self.plain = _is_plain(token, language)
        self.knowable = bool(
            self.row or self.neighbourless or self.looking_ahead or self.looking_back or self.capitals or self.code
        )
        """Something is remembered of it."""
        stays = self.simple and (not stop or core[-1:].isdecimal())
        self.saying = saying(self.rules(0), core, language) if stays and not digits and self.knowable else None
        """Says such a token that stands by itself, without asking any rule."""
        self.certain = self.saying is not None and self.rules(_PHONED)[0] is self.rules(0)[0] is not telephone
        """It does so whatever digits follow."""
        self._sums: dict[str, Saying | None] = {}
        self.article = word in language.articles
        self.naming = self.calls = self.tells = self.names = False
        if not self.figures:
            self._tell_of_others(word)
        self.heard = self.naming or self.calls or self.tells
        """It says something of tokens after it."""

    def _tell_of_others(self, word: str) -> None:
        """Find out what this word says of the tokens that follow it: codes, telephone numbers, or something else."""
        language, bare = self._language, word.rstrip(":#").removesuffix("'s")
        self.naming, self.calls = bare in _naming(language), bare in language.phone_words
        self.tells = word.rstrip(":") in told_by(language)
        self.names = bare in language.code_words and bare not in SECRETS and self.trail in ("", ":")

    def saying_of(self, counted: Shape) -> Saying | None:
        """What says such a number with its currency after it; None: the rules must."""
        sign = counted._core
        if sign not in self._sums:
            simple = self.simple and counted.simple and not self.digits and not self.trail
            amounts = simple and sign in self._language.currencies and self.rules(int(Beside.COUNTED))[:1] == (amount,)
            self._sums[sign] = saying((amount,), f"{self._core}{sign}", self._language) if amounts else None
        return self._sums[sign]

    def rules(self, beside: int) -> tuple[Rule, ...]:
        """Which rules may know such a token, by what stands beside it."""
        rules = self._rules.get(beside)
        if rules is None:
            rules = rules_for(self._part, self._language, beside) if self._core else ()
            self._rules[beside] = rules
        return rules


class Entry:
    """A token taken apart, and how it is said where that is known."""

    __slots__ = (
        "alone", "among", "called", "certain", "code", "counting", "listed", "loud", "part", "said", "shape", "written",
        "zeros",
    )  # fmt: skip

    def __init__(self, token: str, shape: Shape) -> None:
        self.written, self.shape = token, shape
        core = token[shape.begins : shape.ends]
        self.part = Part(shape.lead, core, shape.trail, core.lower())
        self.said = SpokenToken(token, token if token.isalpha() else with_plain_marks(token)) if shape.plain else None
        """How it is said whatever stands beside it."""
        self.zeros = shape.row == 1 and core[0] == "0" and shape.width > 1
        """It begins with zeros, so that it is no quantity."""
        self.among: SpokenToken | None = None
        """How it is said among others of its kind."""
        words = shape.saying(core) if shape.saying is not None else None
        self.alone = SpokenToken(token, words + shape.trail) if words else None
        """How it is said where the token after it does not continue it."""
        self.certain = shape.certain and self.alone is not None
        """It is so whatever digits follow it."""
        self.called: SpokenToken | None = None
        """The same where it can be no telephone number."""
        self.listed: SpokenToken | None = None
        """How it is said among ordinals."""
        self.code: SpokenToken | None = None
        """How it is said just after a word that names codes."""
        self.loud: SpokenToken | None = None
        """How capitals are said among others."""
        self.counting: dict[str, SpokenToken] = {}
        """How it is said with what it counts, by that as it is written."""


class KnownTokens(dict[str, Entry]):
    """The tokens of one language that were met."""

    def __init__(self, language: Language) -> None:
        self.language = language
        self._shapes: dict[str, Shape] = {}

    def __missing__(self, token: str) -> Entry:
        key = token.translate(FIGURES)
        shape = self._shapes.get(key)
        if shape is None:
            shape = self._shape(key)
        entry = self[token] = Entry(token, Shape(token, self.language) if shape.exact else shape)
        return entry

    def entries(self, tokens: Iterable[str]) -> list[Entry]:
        """What is known of some tokens."""
        if len(self) > TOKENS_REMEMBERED:
            self.clear()
        return list(map(self.__getitem__, tokens))

    def _shape(self, key: str) -> Shape:
        if len(self._shapes) > TOKENS_REMEMBERED:
            self._shapes.clear()
        shape = self._shapes[key] = Shape(key, self.language)
        return shape


@functools.cache
def lexicon(language: Language) -> KnownTokens:
    """All that is remembered of a language's tokens."""
    return KnownTokens(language)


def _begins_with_currency(core: str, language: Language) -> bool:
    return core.strip("-+−0123456789") in language.currencies


def _is_plain(token: str, language: Language) -> bool:
    """Whether a token is said as it stands, whatever stands beside it: a word that no rule of the language knows."""
    if not token or token[0].isdecimal() or token[-1].isdecimal():
        return False
    bare = token.strip(STRIPPED)
    if not _is_word(bare) or bare.lower() in watched(language):
        return False
    days = "-" in bare and bare.partition("-")[0].lower() in days_of_week(language)
    shortened = token[-1] == "." and (len(bare) == 1 or bare.lower().endswith(tuple(language.street_endings)))
    return not days and not shortened and bare.partition("-")[0].lower() not in language.hyphened


def _is_word(bare: str) -> bool:
    """Whether this is a word that only a table of abbreviations could know."""
    if bare.isascii() and bare.isalpha():
        return bare[1:].islower() or len(bare) == 1
    return bool(bare) and PLAIN_WORD.fullmatch(bare) is not None and (bare.isascii() or not DIGIT.search(bare))


@functools.cache
def _naming(language: Language) -> frozenset[str]:
    """Words after which codes may follow."""
    return language.code_words | language.weak_code_words | {two.split()[0] for two in language.endings}


@functools.cache
def _begun(language: Language) -> frozenset[str]:
    """Signs of currencies to which a country after them belongs: `$ CA`."""
    return frozenset(
        sign
        for sign in language.currencies
        for name in language.currencies
        if name[len(sign) :].isalpha() and name.startswith(sign) and not sign.isalpha()
    )


@functools.cache
def _with_digits(language: Language) -> frozenset[str]:
    """The shapes of what the tables of a language know that has digits: `24/7`, `m2`."""
    tables = (
        language.abbreviations, language.units, language.currencies, language.scales, language.before_numbers,
        language.titles, language.streets, language.per_units, language.symbols, language.capitals,
        language.month_abbreviations, language.weekday_abbreviations, language.clock_words, language.code_words,
    )  # fmt: skip
    return frozenset(word.lower().translate(FIGURES) for table in tables for word in table if DIGIT.search(word))
