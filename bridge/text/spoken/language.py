"""What a language must tell so that written text can be spoken in it: words, marks, orders and a few functions. Pure.

One file per language fills in a `Language`; the rules that read texts are shared (`bridge.text.spoken.form`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

Gender = Literal["", "m", "f", "n"]
"""How a number agrees with what it counts; "" is the form of counting itself (German `eins`, not `ein`)."""

LONGEST_CARDINAL = 15
"""Digits of the longest number that is read as one; a longer one is read digit by digit."""


class Currency(NamedTuple):
    """Names of a currency: one and many of its unit, one and many of a hundredth of it ("" where there is none)."""

    one: str
    many: str
    cent: str = ""
    cents: str = ""
    gender: Gender = ""
    cent_gender: Gender = ""


class Unit(NamedTuple):
    """Names of a unit of measure."""

    one: str
    many: str
    gender: Gender = ""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Language:
    """Words and habits of one language as spoken in one country."""

    code: str
    """BCP 47, as `en-US`."""

    # ---- numbers
    cardinal: Callable[[int, Gender], str]
    """A number from 0 to 10**15 - 1 in words, agreeing with what it counts."""
    ordinal: Callable[[int, Gender], str]
    """"first", "second" ... of 1 to 9,999."""
    year: Callable[[int], str]
    """A year of four digits as it is said in a date."""
    digits: tuple[str, ...]
    """The ten digits, one by one."""
    decimal_mark: str
    group_marks: str
    """Characters that part thousands, in texts of this language."""
    point: str
    """The decimal mark, said."""
    fraction: Callable[[int, int], str]
    """A numerator and a denominator from 2 to 99: "three quarters"."""
    half_after_whole: str
    """What joins a whole and a fraction: "two and a half" needs "and"."""
    ordinal_marks: tuple[str, ...]
    """What makes digits an ordinal when it follows them: `st`, `º`."""
    scales: Mapping[str, tuple[str, str]]
    """Words and letters for thousands and more after a number, with one and many: `M` is ("million", "million")."""
    scale_joins_noun: str = ""
    """What stands between a million and what is counted (Spanish "de")."""
    decimals_as_number: bool = False
    """Two decimals are read as one number: "douze virgule cinquante"."""
    ordinal_stop: bool = False
    """Digits with a stop before a word are an ordinal: `3. Mai`."""
    halves: Mapping[Gender, str] = field(default_factory=dict)
    """What stands before a noun that there is half of, with its space or hyphen, by the noun's gender."""
    half_suffix: str = ""
    """What makes a whole one with a half: German `einhalb`."""
    elides: bool = False
    """A joiner loses its vowel before another: "millions d'euros"."""
    postcode_letters: bool = False
    """Four digits before two capitals are a postcode: `1017 GA`."""
    time_words: frozenset[str] = frozenset()
    """Lower-case words after which `9.30` is a time."""
    year_joiner: str = ""
    """Between a month and its year: Spanish "de"."""
    often: frozenset[str] = frozenset()
    """Lower-case words before which `3 x` is how often something is done: `daily`."""
    expiry_words: frozenset[str] = frozenset()
    """Lower-case words after which `09/27` is a month of a year."""
    inflected: Callable[[str, str], str] | None = None
    """The word before a date or an ordinal, and its words: the words with the ending that they have there."""
    list_joiners: frozenset[str] = frozenset()
    """Lower-case words between the last two of a list: "und"."""
    noun_gender: Callable[[str], Gender] | None = None
    """The probable gender of a noun that a number counts, by its ending; "" where it is no noun."""
    capital_nouns: bool = False
    """Every noun has a capital, so that one may follow what counts it."""
    street_endings: Mapping[str, str] = field(default_factory=dict)
    """Abbreviated ends of words, without the stop: `Hauptstr.` in German."""
    decade: Callable[[int], str] | None = None
    """`1990s`, where the language writes decades so."""
    decade_mark: str = "s"
    """What follows the digits of a decade."""
    plain_scales: frozenset[str] = frozenset()
    """Scale words without that ("cinco mil euros")."""
    feet_and_inches: bool = False
    """`5'10"` is a length."""
    digit_groups: str = ", "
    """What parts the groups of a telephone number: a short pause."""

    # ---- signs
    minus: str
    plus: str
    percent: str
    plus_or_minus: str
    times: str
    divided_by: str
    by: str
    """Between the sides of a rectangle: `4x6`."""
    equals: str
    range_to: str
    """Between the ends of a range: "to"."""
    ratio_to: str
    """Between the parts of a ratio: "to"."""
    per: str
    per_each: Mapping[str, str] = field(default_factory=dict)
    """How "per" and a unit are said together where that is not one after the other: Italian "all'ora"."""
    out_of: str
    """Between a grade and the best there is: `4.5/5`."""
    symbols: Mapping[str, str]
    """Other single characters that are said: `&`, `@`, `°` ..."""
    address_signs: Mapping[str, str]
    """`.`, `-`, `_`, `/`, `@`, `+`, `:` and the like within e-mail addresses and URLs."""
    keys: Mapping[str, str]
    """`*` and `#` of a telephone's keypad."""
    number_sign: str
    """`#` before digits: "number"."""
    hashtag: str
    """Before what follows a `#`."""

    # ---- money and measures
    currencies: Mapping[str, Currency]
    """By sign and by ISO code."""
    home: str = "€"
    """The sign or code of the country's own currency."""
    and_cents: str
    """Between units and hundredths, with spaces: " and "."""
    units: Mapping[str, Unit]
    """By their written form after a number."""
    per_units: Mapping[str, str]
    """What follows `/` or "per", by its written form: `h`, `month`."""

    # ---- dates and times
    months: tuple[str, ...]
    month_abbreviations: Mapping[str, int]
    """Lower-case names and abbreviations of months without a stop, to 1..12."""
    weekday_abbreviations: Mapping[str, str]
    """Lower case, without a stop, to the day's name."""
    month_first: bool
    """`3/4/2024` is March 4th."""
    date: Callable[[int, int, int | None], str]
    """Day, month, and year if there is one, in words."""
    day: Callable[[int], str]
    """The day of a month beside the month's name."""
    day_month_joiner: str = " "
    """Between the day and the month's name where the day stands first in the text: "1 de enero"."""
    clock: Callable[[int, int, int | None, str], str]
    """Hours, minutes, seconds if given, and "am", "pm" or ""."""
    hours_by_letter: bool = False
    """`14h` is a time."""
    hour_marks: str = ""
    """Letters that may stand between hours and minutes: `14h30` in French."""
    clock_words: frozenset[str] = frozenset()
    """What may follow a time and is in `clock`'s words already (German `Uhr`)."""

    # ---- words
    letters: Mapping[str, str] = field(default_factory=dict)
    """Letters whose name must be written out, upper case; others are read as they stand."""
    letter_upper: str = "capital"
    """Before a capital letter of what is to be typed as it stands."""
    abbreviations: Mapping[str, str]
    """Lower case without the stop; said whatever stands beside it."""
    needs_stop: frozenset[str] = frozenset()
    """Those of them that are words without their stop."""
    never_last: frozenset[str] = frozenset()
    """Those of them that end no sentence: `e.g.`"""
    titles: Mapping[str, str]
    """Lower case without the stop; said before a name."""
    always_titles: frozenset[str] = frozenset()
    """Those of them that are nothing else: `Mr`."""
    before_numbers: dict[str, str]
    """Lower case without the stop; said only before a number: `no.` is "number" there and a word elsewhere."""
    streets: dict[str, str] = field(default_factory=dict)
    """Lower case without the stop; said after a street's name."""
    spoken_acronyms: frozenset[str] = frozenset()
    """Capitals that are read as a word."""
    capitals: frozenset[str] = frozenset()
    """Short words that somebody writes in capitals for emphasis, lower case."""
    roman_after: frozenset[str] = frozenset()
    """Lower-case words after which a roman numeral is a cardinal: `chapter IV`."""
    roman_names: frozenset[str] = frozenset()
    """Lower-case names after which a roman numeral is an ordinal: `Henry VIII`."""
    roman_ordinal: str = ""
    """What stands before that ordinal: "the"."""
    roman_ordinals_to: int = 9999
    """The largest of those ordinals; beyond it such names have a cardinal (Spanish `Juan XXIII`)."""
    roman_centuries: frozenset[str] = frozenset()
    """Lower-case words beside which a roman numeral is an ordinal: `XXe siècle`."""
    roman_ordinal_first: bool = False
    """Those words stand after the numeral."""

    # ---- what numbers mean
    endings: frozenset[str] = frozenset()
    """Two words, lower case, after which digits are the last ones of a longer number: `ending in 4242`."""
    code_words: frozenset[str]
    """Lower-case words after which digits are read one by one: `code`, `PIN`, `room`."""
    weak_code_words: frozenset[str] = frozenset()
    """The same, if the number has four digits or more, or letters: `number`, `order`."""
    phone_words: frozenset[str]
    """Lower-case words beside which digits are a telephone number."""
    link_words: frozenset[str]
    """What may stand between such a word and its digits: `is`, `number`, `:`."""
    phone_links: frozenset[str]
    """What may stand besides between a word for telephones and the number: `me`, `at`."""
    decade_words: frozenset[str] = frozenset()
    """Lower-case words before `80s`."""
    year_words: frozenset[str]
    """Lower-case words after which four digits are a year: `in`, `since`."""
    counted_stops: frozenset[str] = frozenset()
    """Lower-case words that are not what a number before them counts: `is`, `or`, `and`."""
    hour_articles: frozenset[str] = frozenset()
    """Lower-case articles before an hour, which is feminine: Spanish "a la 1"."""
    dates_with_dashes: bool = False
    """`3-5` after a word such as "on" is a day of a month."""
    counted_in_millions: frozenset[str] = frozenset()
    """Lower-case words before which `2m` is two million of them."""
    articles: frozenset[str] = frozenset()
    """Lower-case words after which a measure describes the noun after it, in the singular: "a five dollar bill"."""
    described: frozenset[str] = frozenset()
    """Nouns that a sum before them describes without such a word: `the $5 bill`, `$20 bills`."""
    forms: frozenset[str] = frozenset()
    """Lower-case words before four digits that are read two by two: `Form 1040`."""
    scale_gender: Gender = "m"
    """That of a million."""
    hyphened: Mapping[str, str] = field(default_factory=dict)
    """What stands shortened before a hyphen and a name, lower case: French `St-Michel`."""
    score_words: frozenset[str] = frozenset()
    """Lower-case words before the result of a game: `won`."""
    score_to: str = ""
    """Between the points of the two."""
    grade_words: frozenset[str] = frozenset()
    """Lower-case words before a grade: `rated`."""
    grade_nouns: frozenset[str] = frozenset()
    """Lower-case words after one: `stars`."""
    pressure_words: frozenset[str] = frozenset()
    """Lower-case words before a blood pressure."""
    over: str
    """Between its two numbers."""
    ledger_words: frozenset[str] = frozenset()
    """Lower-case words for what may be below zero, before a sum in brackets: `balance`."""
    beside_sums: Mapping[str, str] = field(default_factory=dict)
    """Capitals that adverts write after a sum, a floor's number or each other: German `KM`."""
    version_words: frozenset[str]
    """Lower-case words after which `3.11` is a version."""
    ending_in: str
    """Before the last digits of a card whose others are hidden: `**** 4242`."""
    press_words: frozenset[str]
    """Lower-case words before keys of a telephone: `press`."""
    date_words: frozenset[str]
    """Lower-case words before `3/4` that make it a date: `on`."""
    extension: str
    """Before the digits of an extension."""
    area_groups: tuple[int, ...] = (3, 3, 4)
    """How a national number of as many digits is grouped when it is written in one run."""
    zero_begins_phone: bool = True
    """National numbers begin with a zero (not in North America)."""
    top_level_words: frozenset[str] = frozenset(
        ("com", "org", "net", "info", "biz", "gov", "dev", "shop", "app", "online")
    )
    """Ends of domain names that are read as words; others are spelled."""
