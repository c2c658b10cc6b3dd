"""Where speakable text may be cut: sentence ends, clause ends, plain gaps, and gaps that must stay whole. Pure.

The abbreviations are those of all languages (`bridge.text.spoken`), since nobody knows in which one a text is written;
Chinese and Japanese full stops end a sentence without a space after them.
"""

from __future__ import annotations

import enum
import re
from typing import NamedTuple

from bridge.text.spoken.languages import CODES, language


class Kind(enum.IntEnum):
    """How good a place a gap is, best last."""

    GLUED = 0
    """Never cut here: `Dr. Patel`, `9:30 a.m.`, groups of digits."""
    WORD = 1
    CLAUSE = 2
    SENTENCE = 3


class Gap(NamedTuple):
    """A place between two tokens of a text, and how good a place it is to cut."""

    at: int
    kind: Kind
    after: str
    """The token before the gap."""
    letters: int
    """Letters and digits before the gap, from the text's beginning."""


_TITLES = frozenset(
    "mr mrs ms mx dr prof st rev hon gen col capt lt sgt maj cmdr sen rep gov pres supt fr sr. mme mlle messrs "
    "vs viz e.g i.e cf approx est dept mt ft".split()
)
"""Abbreviations that always belong to what follows."""
_BEFORE_NUMBERS = frozenset(
    "no nos fig figs sec ext vol ch pp p art ver rm apt ste jan feb mar apr jun jul aug sep sept oct nov dec "
    "tel".split()
)
"""Abbreviations only before a digit; elsewhere words of their own (`No. I can't`)."""
_AMBIGUOUS = frozenset(
    "a.m p.m am pm inc ltd co corp llc jr sr etc ave blvd rd ln hwy pkwy sq bros al min max hr hrs sec mins "
    "ph.d m.d b.a m.a esq u.s u.k u.s.a e.u d.c".split()
)
"""Abbreviations that may end a sentence or not."""
_INITIALS = re.compile(r"(?:[^\W\d_]\.)*[^\W\d_]")
_STARTERS = frozenset(
    "i i'm i'll i've i'd you you're you'll your we we're we'll we've he she it it's they this that that's these those "
    "there there's the please do does did don't would will can can't could should may are is was were if when while "
    "what what's where who why how which thank thanks let let's and but so or then also for at in on by our my his her "
    "their as after before once okay ok yes no sorry sure great now here here's have has had just any anything".split()
)
_CLOSERS = "\"')]}»"
_GAP = re.compile(r" |(?<=[。！？])(?=[^\s。！？」』”)])")
_COMPLETE_ENOUGH = 14
_LONGEST_TOKEN = 200
"""Characters; the longest word in use has 85, an address on the web that is read out perhaps 100."""
_DASHES = frozenset(("-", "--", "—", "–"))
_DASH_SIGNS = frozenset("-—–")


_CODE_WORDS = frozenset().union(*(language(code).code_words | language(code).phone_words for code in CODES))
_LINK_WORDS = frozenset().union(*(language(code).link_words for code in CODES))
_LANGUAGES = [language(code) for code in CODES]
_OTHERS = [known for known in _LANGUAGES if not known.code.startswith("en")]
_FOREIGN_TITLES = frozenset().union(*(known.titles for known in _OTHERS)) - {"s", "st"}
_FOREIGN_BEFORE_NUMBERS = frozenset().union(*(known.before_numbers for known in _OTHERS))
_FOREIGN_SHORT = frozenset(
    word for known in _OTHERS for word in (*known.abbreviations, *known.streets, *known.weekday_abbreviations)
)
_FIRST_PARTS = frozenset(word.partition(".")[0] for known in _LANGUAGES for word in known.abbreviations if "." in word)
_SHORT = _FOREIGN_TITLES | _FOREIGN_BEFORE_NUMBERS | _FOREIGN_SHORT | _FIRST_PARTS
_TWO_PARTS = frozenset(word for known in _LANGUAGES for word in known.abbreviations if word.count(".") == 1)
_SHORT_ENDS = tuple({end for known in _LANGUAGES for end in known.street_endings})
_MONTHS = frozenset().union(*(known.month_abbreviations for known in _LANGUAGES if known.ordinal_stop))
_ALL_MONTHS = frozenset().union(*(known.month_abbreviations for known in _LANGUAGES))
_DAYS = frozenset().union(*(known.weekday_abbreviations for known in _LANGUAGES))
_DAY_RANGE = re.compile(r"\d{1,2}\.[-–]\d{1,2}")
_ROMAN_LETTERS = frozenset("IVXLCDM")
_ROMAN = re.compile(r"[IVX][IVXLCDM]{1,6}e?|[IVX]+e")
_SCALES = frozenset().union(*(known.scales for known in _LANGUAGES if known.elides))
_NEVER_SURE = _TITLES | _BEFORE_NUMBERS | _AMBIGUOUS | _SHORT | _DAYS
"""Words whose stop may shorten them, or be followed by the other end of a range."""
_CURRENCIES = frozenset().union(*(language(code).currencies for code in CODES))
_CURRENCY_BEGINNINGS = frozenset(name[:length] for name in _CURRENCIES for length in range(1, len(name) + 1))


class GapScanner:
    """Finds the gaps of a text that grows at its end, each character looked at once."""

    def __init__(self) -> None:
        self._token_start = 0
        self._sentence_starts = True
        self._letters = 0

    def scan(self, text: str, *, complete: bool) -> list[Gap]:
        """The gaps not given yet, up to the first whose kind depends on text still to come.

        text      what was scanned before, less what `forget` took from its beginning, and more
        complete  no more text will come
        """
        found: list[Gap] = []
        for match in _GAP.finditer(text, self._token_start):
            at, following_start = match.start(), match.end()
            token = text[self._token_start : at]
            if following_start >= len(text):
                break
            if not token:
                self._token_start = following_start
                continue
            space = text.find(" ", following_start, following_start + _LONGEST_TOKEN)
            following = text[following_start : space if space >= 0 else following_start + _LONGEST_TOKEN]
            known = complete or space >= 0 or len(following) >= _COMPLETE_ENOUGH
            kind = _kind(token, following, known, self._sentence_starts)
            if kind is None:
                break
            self._letters += sum(map(str.isalnum, token))
            found.append(Gap(at, kind, token, self._letters))
            self._sentence_starts = kind is Kind.SENTENCE
            self._token_start = following_start
        return found + self._hard_gaps(text)

    def _hard_gaps(self, text: str) -> list[Gap]:
        """Places in a token so long that no language has it: as good as any other, or it could never be said."""
        found = []
        while len(text) - self._token_start > _LONGEST_TOKEN:
            if " " in text[self._token_start : self._token_start + _LONGEST_TOKEN + 1]:
                break
            at = self._token_start + _LONGEST_TOKEN
            token = text[self._token_start : at]
            self._letters += sum(map(str.isalnum, token))
            found.append(Gap(at, Kind.WORD, token, self._letters))
            self._token_start = at
        return found

    def end(self, text: str) -> Gap | None:
        """The text's end as a gap, if white space follows; None if its kind depends on the next token."""
        token = text[self._token_start :]
        kind = None if " " in token else _surely(token)
        if kind is None:
            return None
        return Gap(len(text), kind, token, self._letters + sum(map(str.isalnum, token)))

    def forget(self, length: int) -> None:
        """So many characters at the text's beginning are gone; later gaps are counted from what is left."""
        if length > self._token_start:
            self._sentence_starts = True
        self._token_start = max(0, self._token_start - length)


def _surely(token: str) -> Kind | None:
    """What a gap after this token is, whatever token follows; None if that is not known."""
    if token.endswith(("!", "?", "。", "！", "？")):
        return Kind.SENTENCE
    if token == "#:" or (token.endswith(":") and _names_a_code(token.rstrip(_CLOSERS))):
        return None  # a number's sign, or a key; a code's name
    if token.endswith((";", ":")) or (token.endswith(",") and not _lists_figures(token)):
        return Kind.CLAUSE
    core = token.rstrip(_CLOSERS)
    word = core[:-1].lower().lstrip("\"'([{")
    plain = (
        word.isalpha()
        and len(word) > 1
        and not _ROMAN.fullmatch(core[:-1].lstrip("\"'([{"))
        and word not in _NEVER_SURE
    )
    return Kind.SENTENCE if core.endswith(".") and plain and not word.endswith(_SHORT_ENDS) else None


def _lists_figures(token: str) -> bool:
    """Whether a token before a comma is a number, or an ordinal in "1., 2. und 3. Mai"."""
    return token[:-1].removesuffix(".")[-1:].isdigit()


def ends_sentence(text: str) -> bool:
    """Whether a text that has paused here can be taken for a finished sentence."""
    token = text.rsplit(" ", 1)[-1].rstrip(_CLOSERS)
    if token.endswith(("!", "?", "…", "。", "！", "？", "...")):
        return True
    if not token.endswith("."):
        return False
    word = token[:-1].lower().lstrip("\"'([{")
    return (word.isalpha() and len(word) > 1 and word not in _TITLES | _BEFORE_NUMBERS | _AMBIGUOUS) or word == "no"


def _kind(token: str, following: str, known: bool, sentence_starts: bool) -> Kind | None:
    """What the gap between two tokens is.

    known  the following token is whole; if it is not, None wherever more of it could say something else
    """
    core = token.rstrip(_CLOSERS)
    last = core[-1:]
    first = following.lstrip("\"'([{«“")[:1]
    if last in ("。", "！", "？"):
        return Kind.SENTENCE
    if not known and (not first or _DASH_SIGNS.issuperset(following)):
        return None
    if last in ("!", "?"):
        # What follows a quotation in small letters belongs to its sentence: '"Stop!" said the caller.'
        return Kind.CLAUSE if core != token and first.islower() else Kind.SENTENCE
    if last == "…" or core.endswith("..."):
        return Kind.CLAUSE if first.islower() else Kind.SENTENCE
    if last == ".":
        return _after_full_stop(core[:-1].lstrip("\"'([{"), following, first, known, sentence_starts)
    if following[:1].isdigit() and (token in _DASHES or (last == ":" and _names_a_code(core))):
        return Kind.GLUED
    if core == "#:":
        return Kind.GLUED  # "Policy #: HO-3"
    if token in _DASHES and not known:
        return None
    if token in _DASHES and (following in _CURRENCIES or following.rstrip(".,").lower() in _DAYS):
        return Kind.GLUED  # "€ 10 - € 20", "Mon. - Fri."
    if token in _DASHES or last in (";", ":", "—", "–", "、", "，"):
        return Kind.CLAUSE
    if last == ",":
        return Kind.GLUED if _lists_figures(core) and first.isdigit() else Kind.CLAUSE
    if following in _DASHES:
        return Kind.GLUED
    number = token[-1:].isdigit() or (token[:1].isdigit() and token[-1:] in "%)")
    if number and (first.isdigit() or first.islower() or first in ("(", "-", "%", "+", "°", "€", "$", "£", "¥")):
        return Kind.GLUED
    if (token.startswith("(") and token[1:].rstrip(")").isdigit()) or token in ("$", "€", "£", "+", "#", "*", "x"):
        return Kind.GLUED
    if token in ("de", "of", "del") and _maybe_month(following, known):
        return Kind.GLUED if known else None
    if not known and not _has_figures(token, following) and _may_be_read_together(token, following):
        return None
    return Kind.GLUED if _read_together(token, following) else Kind.WORD


def _maybe_month(following: str, known: bool) -> bool:
    """Whether a word is a month, or what is there of it could become one."""
    word = following.rstrip(".,;:!?").lower()
    return word in _ALL_MONTHS or (not known and any(month.startswith(word) for month in _ALL_MONTHS))


def _names_a_code(core: str) -> bool:
    return core.rstrip(":").lower() in _CODE_WORDS


def _may_be_read_together(token: str, following: str) -> bool:
    """Whether more of a token could make it one of those that are read together with the one before it."""
    bare = following.rstrip(".,;:!?")
    capitals = not any(map(str.islower, following))  # "AB" may become "AB12"
    roman = _ROMAN_LETTERS.issuperset(bare.removesuffix("e"))
    # "p" is pence, or the beginning of a word; "d" the beginning of "dollars"
    return capitals or roman or bare in _CURRENCY_BEGINNINGS or token.lower().lstrip("\"'([{") in _CODE_WORDS


def _has_figures(token: str, following: str) -> bool:
    """Whether a token has digits before any small letter, or after a word for codes anywhere."""
    beginning = following[:_COMPLETE_ENOUGH]
    if token.lower().lstrip("\"'([{") in _CODE_WORDS:
        return any(map(str.isdigit, beginning))
    return _begins_with_figures(beginning)


def _begins_with_figures(beginning: str) -> bool:
    """Whether a digit stands before any small letter: what stands before such a token may say what it is."""
    decided = next((char for char in beginning if char.isdigit() or char.islower()), "")
    return decided.isdigit()


def _read_together(token: str, following: str) -> bool:
    """Whether what is said for one of two tokens depends on the other: `PIN is 0042`, `12 May`, `5 USD`."""
    if _ROMAN.fullmatch(following.rstrip(".,;:!?")) or _ROMAN.fullmatch(token):
        return True  # "Ludwig XIV.", "XXe siècle"
    if _has_figures(token, following) or following[:1] in "*#+":
        return True  # the word before a number says what it is
    word = token.lower().lstrip("\"'([{")
    if word in _CODE_WORDS:
        return following.lower() in _LINK_WORDS or (following.isupper() and len(following) <= 4)
    if following.rstrip(".,;:!?") in _CURRENCIES or "/" in (token, following):
        return True
    if following[:2] == "d'" and token in _SCALES:
        return True  # "5 M d'euros"
    return token[-1:].isdigit() and following[:1].isalpha()


def _starts(following: str) -> bool:
    """Whether a word is one that a sentence is likely to begin with."""
    return following.strip("\"'([{«“").rstrip(",.!?;:").lower() in _STARTERS


def _needs_the_whole(lower: str, word: str, following: str, first: str) -> bool:
    """Whether it is the whole token after a full stop that says what the stop is."""
    if lower in _TITLES:
        return False
    if lower in _FIRST_PARTS or (word.isdigit() and len(word) <= 2) or _DAY_RANGE.fullmatch(word):
        return True
    numbered = lower in _BEFORE_NUMBERS or lower in _FOREIGN_BEFORE_NUMBERS
    capital = first.isupper() and (numbered or lower in _FOREIGN_TITLES)
    return lower in ("no", "nr", "a", "p") or capital


def _after_full_stop(word: str, following: str, first: str, known: bool, sentence_starts: bool) -> Kind | None:
    lower = word.lower()
    if not known and _needs_the_whole(lower, word, following, first):
        return None
    if lower in _TITLES or (lower in _FOREIGN_TITLES and first.isupper() and known and not _starts(following)):
        return Kind.GLUED
    if f"{lower}.{following.rstrip('.,;:!?').lower()}" in _TWO_PARTS:
        return Kind.GLUED
    number = word.isdigit() and len(word) <= 2
    if following in _DASHES and (word[-1:].isdigit() or lower in _DAYS):
        return Kind.GLUED  # "1.5. - 3.5.", "Mo. - Fr."
    if f"{lower}.{following.rstrip('.,;:!?').lower()}" in ("a.m", "p.m"):
        return Kind.GLUED
    named = lower in _BEFORE_NUMBERS or lower in _FOREIGN_BEFORE_NUMBERS
    if named and following[:1].isupper() and _begins_with_figures(following[:_COMPLETE_ENOUGH]):
        return Kind.GLUED  # "serial no. SN12"
    if named and following.isupper() and following.isalpha() and 2 <= len(following) <= 3:
        return Kind.GLUED  # "flight no. AA 12"
    if (number and first.isupper() and not _starts(following)) or (
        _DAY_RANGE.fullmatch(word) and following.rstrip(".,;:!?").lower() in _MONTHS
    ):
        return Kind.GLUED  # German "die 2. Frage"
    short = lower in _FOREIGN_SHORT or lower in _FOREIGN_BEFORE_NUMBERS or lower.endswith(_SHORT_ENDS)
    if first.isdigit() and (lower in _FOREIGN_BEFORE_NUMBERS or lower.endswith(_SHORT_ENDS)):
        return Kind.GLUED
    if lower == "sq" and first.islower():
        return Kind.GLUED  # "sq. ft."
    if first.islower() and (short or lower in _FOREIGN_TITLES):
        return Kind.WORD
    if word.isdigit() and len(word) <= 2 and (first.islower() or following.rstrip(".,;:!?").lower() in _MONTHS):
        return Kind.GLUED  # "am 3. Mai"
    if _ROMAN.fullmatch(word) and first.islower():
        return Kind.GLUED
    if word.isdigit() and len(word) <= 2 and sentence_starts:
        return Kind.GLUED  # the number of a list item
    if lower in _BEFORE_NUMBERS and first.isdigit():
        return Kind.GLUED
    if lower in _AMBIGUOUS or (lower in _BEFORE_NUMBERS and lower != "no") or _INITIALS.fullmatch(word):
        if first.islower():
            return Kind.WORD
        if not known:
            return None
        if _starts(following):
            return Kind.SENTENCE
        return Kind.GLUED if len(word) == 1 else Kind.WORD
    return Kind.SENTENCE
