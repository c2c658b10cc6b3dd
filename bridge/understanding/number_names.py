"""Names of numbers and of days, by all the words for them that a language has. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import cache

from bridge.understanding.languages.all import UNDERSTOOD, lexicon
from bridge.understanding.lexicon import Lexicon, Phrase, Words

_YEARS = range(1900, 2100)
_FEWEST_BROKEN, _MOST_BROKEN = 7, 40
"""Letters of a word that may be numbers run together."""


@cache
def names_of_numbers(lexicon: Lexicon) -> dict[Phrase, int]:
    """The words of each small number, and of years, to its value."""
    if lexicon.largest_name < 0:
        return {}
    names: dict[Phrase, int] = {}
    spoken, thousands = lexicon.spoken, lexicon.thousand | lexicon.inside
    for number in [*range(lexicon.largest_name, -1, -1), *(_YEARS if lexicon.largest_name > 99 else ())]:
        said = {spoken.cardinal(number, gender) for gender in ("", "m", "f", "n")}
        said |= {spoken.year(number)} if number > 999 else set()
        ways = _ways(said, lexicon)
        if number > 999:  # those with a thousand are made of it
            ways = {way for way in ways if not any(thousand in word for word in way for thousand in thousands)}
        names |= dict.fromkeys(ways, number)
    names |= {(digit,): number for number, digit in enumerate(spoken.digits)}
    names |= {(word,): int(digit) for word, digit in lexicon.more_digits.items()}
    names |= _more(lexicon, names)
    return {words: number for words, number in names.items() if words not in _articles(lexicon)}


def _ways(said: Iterable[str], lexicon: Lexicon) -> set[Phrase]:
    """All ways to say or write these words."""
    ways = {words.lower() for words in said}
    for other, usual in lexicon.spelled_also.items():
        ways |= {way.replace(usual, other) for way in ways}
    ways |= {_unaccented(way) for way in ways}
    return {tuple(re.findall(r"[^\W\d_]+", way)) for way in ways}


def _unaccented(text: str) -> str:
    return "".join(c for c in unicodedata.normalize("NFD", text) if not unicodedata.combining(c))


def _more(lexicon: Lexicon, names: dict[Phrase, int]) -> dict[Phrase, int]:
    """The language's other names, their tens with ones behind them, and ones before tens: "drei und zwanzig"."""
    more = dict(lexicon.more_numbers)
    ones = [(words, number) for words, number in names.items() if 0 < number < 10 and len(words) == 1]
    between: list[Phrase] = [(), *((joiner,) for joiner in lexicon.joiners)]
    tens = [(words, number) for words, number in names.items() if 20 <= number < 100 and number % 10 == 0]
    in_one_word = lexicon.spoken.cardinal(33, "").isalpha() and not lexicon.ones_first
    for ten, number in lexicon.more_numbers.items():
        if 20 <= number < 100 and number % 10 == 0:
            more |= {(*ten, *joiner, *one): number + value for one, value in ones for joiner in between}
    if in_one_word:  # "venti tre"
        more |= {(*ten, *one): number + value for ten, number in tens for one, value in ones}
    if lexicon.ones_first:
        ones += [((word,), 1) for word in lexicon.ones]
        more |= {
            (*one, joiner, *ten): number + value
            for one, value in ones
            for ten, number in tens
            for joiner in lexicon.joiners
        }
    return more


def _articles(lexicon: Lexicon) -> set[Phrase]:
    return {(word,) for word in lexicon.ones}


def read_languages() -> None:
    """Have every language's words and names of numbers at hand, so that no call waits for them (30 to 80 ms each)."""
    for code in UNDERSTOOD:
        names_of_numbers(lexicon(code))
        names_of_ordinals(lexicon(code))


def number_inside(word: str, lexicon: Lexicon) -> int | None:
    """The value of one word with a thousand in it: `zweitausendvier`; None where it is no number."""
    for thousand in lexicon.inside:
        head, found, tail = word.partition(thousand)
        if found and len(word) <= 80:
            if not tail and (share := lexicon.amounts.get((head,), 0)) > 1 and share % 1:
                return round(share * 1000)  # German "zweieinhalbtausend"
            times = 1 if not head else _below_thousand(head, lexicon)
            rest = 0 if not tail else _below_thousand(tail, lexicon)
            if times and rest is not None:
                return times * 1000 + rest
    if not lexicon.ones_first:
        return None
    year = _year_inside(word, lexicon)
    return _hundreds_inside(word, lexicon) if year is None else year


def _year_inside(word: str, lexicon: Lexicon) -> int | None:
    """Read a year without its hundred: Dutch "negentienvijfenzeventig" is 1975."""
    names = names_of_numbers(lexicon)
    for (head, *more), century in names.items():
        if century in (19, 20) and not more and word.startswith(head):
            rest = names.get((word[len(head) :],), 0)
            if 10 <= rest <= 99:
                return century * 100 + rest
    return None


def is_broken(word: str, lexicon: Lexicon) -> bool:
    """Whether a word begins and ends as numbers do and is none: what was said is not known then, "zevenzeventig"."""
    names = _single_names(lexicon)
    if not _FEWEST_BROKEN <= len(word) <= _MOST_BROKEN or (word,) in names_of_numbers(lexicon):
        return False
    begins = next((end for end in range(3, len(word) - 2) if word[:end] in names), 0)
    ends = bool(begins) and any(word[start:] in names for start in range(begins, len(word) - 2))
    return ends and number_inside(word, lexicon) is None


@cache
def _single_names(lexicon: Lexicon) -> Words:
    return frozenset(name[0] for name in names_of_numbers(lexicon) if len(name) == 1 and len(name[0]) > 2)


def _hundreds_inside(word: str, lexicon: Lexicon) -> int | None:
    """Read hundreds inside a word: "fünfzehnhundert" is 1500."""
    for hundred in lexicon.hundred:
        head, found, tail = word.partition(hundred)
        times = _below_thousand(head, lexicon) if found and head else None
        rest = 0 if not tail else _below_thousand(tail, lexicon)
        if times and 10 < times < 100 and rest is not None and rest < 100:
            return times * 100 + rest
    return None


def _below_thousand(word: str, lexicon: Lexicon) -> int | None:
    if word in lexicon.ones:
        return 1
    names = names_of_numbers(lexicon)
    value = names.get((word,))
    for joiner in lexicon.joiners:
        value = names.get((word.removeprefix(joiner),)) if value is None else value
    return value if value is not None and value < 1000 else None


@cache
def names_of_ordinals(lexicon: Lexicon) -> dict[Phrase, int]:
    """The words of the days of a month to their numbers."""
    if lexicon.largest_name < 0:
        return {}
    names: dict[Phrase, int] = {}
    spoken = lexicon.spoken
    for number in range(31, 0, -1):
        said = {spoken.ordinal(number, gender) for gender in ("", "m", "f")} | {spoken.day(number)}
        if spoken.ordinal_stop and spoken.day(number).endswith("er"):  # "erster", "der erste", "am ersten"
            said |= {spoken.day(number)[:-1] + "n", spoken.day(number)[:-1]}
        names |= dict.fromkeys(_ways(said, lexicon), number)
    return {words: number for words, number in names.items() if words not in _articles(lexicon)}
