"""Abbreviations, titles, streets, initials, acronyms and roman numerals. Pure."""

from __future__ import annotations

import re

from bridge.text.spoken.codes import letters
from bridge.text.spoken.cursor import Cursor, Part, Reading
from bridge.text.spoken.language import Language
from bridge.text.spoken.measures import each
from bridge.text.spoken.numerals import whole

_DOTTED = re.compile(r"(?:[^\W\d_]\.)+[^\W\d_]")
_ROMAN = re.compile(r"(?=[IVXLC])M{0,3}(?:CM|CD|D?C{0,3})(?:XC|XL|L?X{0,3})(?:IX|IV|V?I{0,3})")
DIGIT = re.compile(r"\d")
_VALUES = {"I": 1, "V": 5, "X": 10, "L": 50, "C": 100, "D": 500, "M": 1000}
_CAPITALS = re.compile(r"([A-ZÀ-ÖØ-Þ]{2,8})('?s)?")
_ORDINAL_STREET = re.compile(r"\d{1,3}(?:st|nd|rd|th)")
_AND = re.compile(r"([A-Z]{1,3})&([A-Z]{1,3})")
_PLATE = re.compile(r"[A-Z]{1,3}")
_SHORTENED = re.compile(r"(?:\d{1,3}|[^\W\d_]+\.?)(?:-[^\W\d_]+\.?)+")
_VOWELS = re.compile(r"[AEIOUYÄÖÜÁÉÍÓÚÀÈÂÊÎÔÛÃÕ]")


def abbreviation(c: Cursor) -> Reading | None:
    """`No. 5`, `Dr. Smith`, `12 Main St.`, `approx.`, each by what stands beside it."""
    part, following, language = c.part(), c.part(1), c.language
    word, stopped = part.word, part.trail[:1] == "."
    if stopped and following.trail[:1] == "." and (letters_ := f"{word}.{following.word}") in language.abbreviations:
        ends = letters_ not in language.never_last and c.ends_sentence(1)
        return _words(c, language.abbreviations[letters_], keep_stop=ends)._replace(length=2)
    known = word in language.before_numbers and part.trail in ("", ".", ":")
    if stopped and word == "no" and c.core(1) in ("is", "was") and c.core(-1).isalpha() and not c.part(-1).trail:
        return _words(c, language.before_numbers.get(word, part.core), keep_stop=False)  # "the policy no. is"
    if word in ("fl", "flr") and _ORDINAL_STREET.fullmatch(c.core(-1)) and word in language.before_numbers:
        return Reading(1, language.before_numbers[word], keep_stop=not stopped or c.ends_sentence(0))
    if word in _NUMBERS and known and c.word(-1) in language.code_words and _PLATE.fullmatch(following.core):
        return _words(c, language.before_numbers[word], keep_stop=False)  # "flight no. AA 12"
    known = known and not (part.core.isupper() and len(word) > 2 and not stopped)  # "CAP 00184"
    after = following.core.lstrip("#(+")
    if known and (after[:1].isdecimal() or (word in _NUMBERS and after.isupper() and DIGIT.search(after))):
        known = stopped or len(word) > 2 or word[-1] in "º°" or (word in _NUMBERS and _numbers(c))
        if known and not (word in ("sec", "no") and c.core(-1)[:1].isdecimal()):
            return _words(c, language.before_numbers[word], keep_stop=False)
    capital = part.core[:1].isupper()
    street = word in language.streets and capital and _after_a_street(c, stopped)
    title = word in language.titles
    named = title and (
        following.core[:1].isupper()
        and (following.core[1:2].islower() or (len(word) > 1 and _is_initial(following)))
        and part.trail in ("", ".")
        and not following.lead
    )
    named = named and (
        len(word) > 1 or len(c.core(-1)) != 1 or c.core(-1).islower()
    )  # "A M. Saint" goes on with letters
    if street and not (named and not c.core(-2)[:1].isdecimal() and _title_fits(c)):
        lettered = word in language.before_numbers and len(following.core) == 1  # "Bldg. C"
        goes_on = len(word) == 1 or lettered or following.core.lower() in language.streets | language.before_numbers
        return Reading(1, language.streets[word], keep_stop=not stopped or (c.ends_sentence(0) and not goes_on))
    if (
        title
        and capital
        and (stopped or word in language.always_titles or word == "st")
        and (named or (following.word in _AND_WORDS and c.word(2) in language.titles))
    ):
        return _words(c, language.titles[word], keep_stop=False)
    if stopped and word in language.always_titles:
        return _words(c, language.titles[word], keep_stop=not following.core)
    if capital and stopped and word in language.streets and len(word) > 1:
        lettered = word in language.before_numbers and len(following.core) == 1
        return Reading(1, language.streets[word], keep_stop=c.ends_sentence(0) and not lettered)
    if word in language.abbreviations and (stopped or "." in word or word not in language.needs_stop):
        last = word not in language.never_last and c.ends_sentence(0) and following.word not in language.streets
        return _words(c, language.abbreviations[word], keep_stop=not stopped or last)
    if stopped and language.street_endings and (end := _shortened_end(word, language)):
        ending = language.street_endings[end]
        said = part.core[: -len(end)] + (ending.capitalize() if part.core[-len(end)].isupper() else ending)
        return Reading(1, said, keep_stop=end not in _NUMBERS and c.ends_sentence(0))
    return None


def per_unit(c: Cursor) -> Reading | None:
    """`per min.`, `pro Std`: a unit that is shortened after "per"."""
    language, core = c.language, c.core()
    if c.word(-1) != language.per or c.part(-1).trail:
        return None
    unit = language.per_units.get(core) or language.per_units.get(c.word())
    if unit is None or unit == core:
        return None
    return Reading(1, unit, keep_stop=not c.part().trail.startswith(".") or not c.core(1)[:1].islower())


def hyphened(c: Cursor) -> Reading | None:
    """`St-Michel`, `Ste-Catherine`: what is shortened before a hyphen and a name."""
    head, _, name = c.core().partition("-")
    words = c.language.hyphened.get(head.lower())
    if words is None or not head[0].isupper() or not name[:1].isupper() or not name[1:2].islower():
        return None
    return Reading(1, f"{words}-{name}")


def shortened(c: Cursor) -> Reading | None:
    """Read words with hyphens of which some are shortened, such as German `3-Zi.-Whg.`."""
    language, core = c.language, c.core()
    if "." not in core or not _SHORTENED.fullmatch(core):
        return None
    words = []
    for piece in core.split("-"):
        word = piece.rstrip(".").lower()
        known = language.before_numbers.get(word) or language.abbreviations.get(word)
        words.append(whole(piece, language) if piece.isdecimal() else known or piece.rstrip("."))
        if not known and piece.endswith("."):
            return None
    return Reading(1, "-".join(words), keep_stop=c.ends_sentence(0))


def beside_sum(c: Cursor) -> Reading | None:
    """Read capitals that adverts write after a sum, a floor's number or one another: German `1.200 € KM + NK`."""
    language, before = c.language, c.core(-1)
    words = language.beside_sums.get(c.core())
    if words is None or c.part(-1).trail.strip(".,"):
        return None
    joined = c.core(-2) if before in _JOINERS else before
    beside = joined in language.currencies or joined in language.beside_sums or joined[-1:].isdecimal()
    return Reading(1, words) if beside or c.word(-1) in _WITH else None


_JOINERS = frozenset("+ / & und u".split())
_WITH = frozenset("zzgl inkl exkl plus zuzüglich inklusive im vom".split())


def _is_initial(following: Part) -> bool:
    """`Lt. Col. J. Smith`, `Sr. VP`."""
    one = len(following.core) == 1 and following.trail == "."
    return one or (2 <= len(following.core) <= 3 and following.core.isupper() and following.core.isalpha())


_AND_WORDS = frozenset("& and und et y e en".split())
"""Between two titles: `M. et Mme Martin`."""
_NUMBERS = frozenset(("no", "nr", "n", "nº", "n°"))
"""Abbreviations of "number"."""


def _numbers(c: Cursor) -> bool:
    """Whether "no" without a stop means a number: where it is no word, or after what has one."""
    language = c.language
    return c.word() not in language.capitals or c.word(-1) in language.code_words | language.weak_code_words


def _shortened_end(word: str, language: Language) -> str:
    """The abbreviated end of a longer word: `hauptstr`."""
    return next((end for end in language.street_endings if word.endswith(end) and word != end), "")


def numeric_abbreviation(c: Cursor) -> Reading | None:
    """`24/7`, `COVID-19`: abbreviations that have digits."""
    words = c.language.abbreviations.get(c.word())
    if words is None:
        return None
    return Reading(1, words, trail=c.part().trail.replace(")", "", 1) if "(" in c.core() else None)


def _words(c: Cursor, words: str, keep_stop: bool) -> Reading:
    """With the capital that the text has."""
    if c.core()[:1].isupper() and words[:1].islower():
        words = words[0].upper() + words[1:]
    return Reading(1, words, keep_stop)


def _after_a_street(c: Cursor, stopped: bool) -> bool:
    """Whether what stands before can be a street's name: a capital word or an ordinal that is no sentence's first."""
    name, before = c.core(-1), c.part(-1)
    single = len(c.core()) == 1 or (len(c.core()) == 2 and c.core().isupper())
    if single and stopped and (_ORDINAL_STREET.fullmatch(c.core(1)) or c.word(2) in c.language.streets):
        return c.core(1)[:1].isdecimal() or c.core(1)[1:2].islower()  # "on N. Main St."
    if before.trail.strip(",") or not name:
        return False
    if single:
        directed = name.isdecimal() or (len(name) > 1 and name.lower() in c.language.streets)
        return directed and (c.core(1)[:1].isupper() or _ORDINAL_STREET.fullmatch(c.core(1)) is not None)
    if _ORDINAL_STREET.fullmatch(name):
        return True
    if not name[:1].isupper() or not name[1:2].islower():
        return False
    first_of_sentence = not c.core(-2) or c.part(-2).trail[:1] in (".", "!", "?")
    return stopped or not first_of_sentence or not c.core(1)[:1].isupper()


def _title_fits(c: Cursor) -> bool:
    """`... to Saint Mary` rather than a street: no capital word before that could be its name."""
    return not c.core(-1)[:1].isupper() or "," in c.part(-1).trail


def roman(c: Cursor) -> Reading | None:
    """Read a Roman numeral after a name, such as `Chapter IV`, `Henry VIII` or `Luis XIV`."""
    core, language = c.core(), c.language
    if core in ("Ier", "Ire") and language.roman_ordinal_first:
        return Reading(1, language.ordinal(1, "m" if core == "Ier" else "f"))
    if language.roman_ordinal_first and core[-1:] == "e" and _ROMAN.fullmatch(core[:-1]):
        words = language.ordinal(_value(core[:-1]), "m")
        if c.core(1) == "s" and c.part(1).trail[:1] == "." and not c.part().trail:
            return Reading(2, f"{words} {min(language.roman_centuries)}", keep_stop=c.ends_sentence(1))  # "XIXe s."
        return Reading(1, words)
    owner = core[-2:] if core[-2:] in ("'s", "’s") else ""
    if owner:
        core = core[:-2]
        if c.word(-1) not in language.roman_names:
            return None
    if not _ROMAN.fullmatch(core):
        return None
    before = c.word(-1)
    if len(core) == 1 and core not in "IVX":
        return None
    value = _value(core)
    if before in language.roman_after or (
        c.word(1) in language.roman_after - {"war"}
        and not c.part().trail
        and len(core) > 1
        and not language.roman_ordinal_first
    ):
        return Reading(1, language.cardinal(value, ""))
    if before in language.roman_centuries or (c.word(1) in language.roman_centuries and language.roman_ordinal_first):
        return Reading(1, language.ordinal(value, "m"))
    if (before in language.roman_names and c.core(-1)[:1].isupper() and core != "I") or (
        core == "I" and before in language.roman_names and c.core(-1)[:1].isupper() and not c.core(1)[:1].islower()
    ):
        named = _ordinal_of_a_name(c, value)
        return named._replace(spoken=named.spoken + owner)
    if (
        language.ordinal_stop
        and c.part().trail.startswith(".")
        and c.core(-1)[1:2].islower()
        and c.core(1)[:1].islower()
    ):
        return _ordinal_of_a_name(c, value)
    if language.ordinal_stop and c.part().trail == "." and len(core) > 1 and c.core(1)[1:2].islower():
        return Reading(1, language.ordinal(value, ""), keep_stop=False)
    if core == "IV" and language.feet_and_inches and not c.core(-1)[:1].isupper():
        return Reading(1, letters(core, language))  # "IV drip"
    if len(core) > 1 and not set(core) - set("IVX"):
        return Reading(1, language.cardinal(value, ""))
    return None


def _value(numeral: str) -> int:
    return sum(
        -_VALUES[char] if _VALUES[char] < _VALUES.get(numeral[i + 1 : i + 2], 0) else _VALUES[char]
        for i, char in enumerate(numeral)
    )


def _ordinal_of_a_name(c: Cursor, value: int) -> Reading:
    """`Henry VIII`, and in German with the stop of an ordinal: `Ludwig XIV.`."""
    language = c.language
    if value > language.roman_ordinals_to:
        return Reading(1, language.cardinal(value, ""))
    stop = not language.ordinal_stop or not c.part().trail.startswith(".") or c.ends_sentence(0)
    article = "" if c.word(-1) == language.roman_ordinal else language.roman_ordinal  # "Karl der V."
    return Reading(1, f"{article} {language.ordinal(value, '')}".strip(), keep_stop=stop)


def initials(c: Cursor) -> Reading | None:
    """Read letters with stops, such as `U.S.`, `p.m.` or `J. R. Smith`."""
    part = c.part()
    core, language = part.core, c.language
    if len(core) > 1:
        if len(core) > 16 or not _DOTTED.fullmatch(core):
            return None
        dotted = part.trail.startswith(".")
        return Reading(1, letters(core.replace(".", ""), language), keep_stop=not dotted or c.ends_sentence(0))
    if part.trail != "." or not core.isupper():
        return None
    after = c.part(1)
    if not after.core[:1].isupper():
        return None
    before = c.part(-1)
    if len(before.core) == 1 and not before.trail:
        return None  # letters that were spelled already
    name = after.core[1:2].islower() or (len(after.core) == 1 and after.trail == ".")
    name = name and after.word not in language.counted_stops  # "Plan E. The end"
    if name and (core not in "IA" or before.core[:1].isupper()):
        return Reading(1, language.letters.get(core, core), False)
    return None


def acronym(c: Cursor) -> Reading | None:
    """`FBI`, `VIPs`, `R&D`; capitals for emphasis stay a word."""
    core, language = c.core(), c.language
    if "&" in core and (both := _AND.fullmatch(core)):
        return Reading(1, f"{letters(both[1], language)} {language.symbols['&']} {letters(both[2], language)}")
    found = _CAPITALS.fullmatch(core)
    if found is None:
        return None
    word, plural = found[1], found[2] or ""
    if word in language.spoken_acronyms:
        return Reading(1, core)
    if word.lower() in language.capitals or _shouted(c):
        return Reading(1, core.lower() if len(word) > 1 else core)
    if not _VOWELS.search(word) or len(word) <= 4:
        return Reading(1, letters(word, language) + plural.replace("s", "'s" if plural == "s" else "s", 1))
    return None


def _is_acronym(word: str, language: Language) -> bool:
    """Whether capitals are read one by one."""
    short = 2 <= len(word) <= 4 and word not in language.spoken_acronyms
    return short and _CAPITALS.fullmatch(word) is not None and word.lower() not in language.capitals


def _shouted(c: Cursor) -> bool:
    """Whether the words around are capitals too, so that it is all emphasis."""
    around = [core for core in (c.core(1), c.core(-1), c.core(2), c.core(-2)) if len(core) >= 2 and core.isalpha()]
    return len(around) >= 2 and "".join(around).isupper()


def numbered(c: Cursor) -> Reading | None:
    """`No.5`, `p.12`, `n°5`: an abbreviation with the number glued to it."""
    language = c.language
    head, stop, tail = c.core().partition("." if "." in c.core() else c.core()[1:2])
    if stop in "º°" and stop:
        head += stop
    if not stop or not tail.isdecimal() or head.lower() not in language.before_numbers:
        return None
    return Reading(1, f"{language.before_numbers[head.lower()]} {whole(tail, language)}")


def joined(c: Cursor) -> Reading | None:
    """`and/or`, `yes/no`: two words with a stroke."""
    language = c.language
    if words := language.abbreviations.get(c.word()):
        return Reading(1, words)
    head, stroke, tail = c.core().partition("/")
    if c.core(-1).isdecimal() and c.joined(-1) and tail in language.per_units and head.rstrip(".").isalpha():
        unit = language.units.get(head.rstrip("."))
        counted = unit.many if unit is not None else head
        return Reading(1, f"{counted} {each(language.per_units[tail], language)}")  # "7 Tage/Woche"
    if stroke and head.isalpha() and tail.isalpha():
        days = language.weekday_abbreviations
        if head.lower() in days and tail.lower() in days and head[:1].isupper() == tail[:1].isupper():
            return Reading(1, f"{days[head.lower()]} {language.symbols['&']} {days[tail.lower()]}")
        if len(head) == 1 and len(tail) == 1:
            return Reading(1, f"{letters(head, language)} {language.symbols['/']} {letters(tail, language)}")
        said = [letters(word, language) if _is_acronym(word, language) else word for word in (head, tail)]
        return Reading(1, f"{said[0]} {language.symbols['/']} {said[1]}")
    return None
