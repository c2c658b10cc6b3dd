"""What a language must tell so that answers in it can be read: words, phrases and tables. Pure.

One YAML file per language in `languages/` fills in a `Lexicon`; the rules that read answers are shared. Names of
numbers and months are those of `bridge.text.spoken`, which says them: what we can say we understand.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from bridge.text.spoken.language import Language

Words = frozenset[str]
Phrase = tuple[str, ...]
Phrases = frozenset[Phrase]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Lexicon:
    """Words and phrases of one language, in lower case."""

    spoken: Language
    """How the language is spoken."""

    # ---- agreement, with contractions opened: "it is", "do not"
    yes: Phrases = frozenset()
    no: Phrases = frozenset()
    weak_yes: Phrases = frozenset()
    """Agreement when nothing else is said: "good", "okay"."""
    neither: Phrases = frozenset()
    """What decides nothing although a word of it would."""
    reported: Phrases = frozenset()
    """What somebody else said, or was only thought, follows: "she said", "I thought"."""
    determiners: Words = frozenset()
    """Words that begin what is spoken of: "my power is not out" denies something else than what was asked."""
    auxiliaries: Words = frozenset()
    """Verbs that agree only when nothing follows that declines: "I am", but "I am afraid not"."""
    describing: Words = frozenset()
    """Those of them after which any other word tells something else: "it is complicated"."""
    obliging: Words = frozenset()
    """Verbs after one of `auxiliaries` that make it no answer: "I would need to ask"."""
    negations: Words = frozenset()
    """Words that turn an agreement round: "not right"."""
    misheard: Mapping[str, str] = field(default_factory=dict)
    """What recognisers write for a lone yes or no, to `yes` and `no`."""

    # ---- corrections and fillers
    fillers: Words = frozenset()
    """Words that mean nothing: "um", "well"."""
    hesitations: Words = frozenset()
    """Those of them that are no words at all, wherever they stand: "um"."""
    corrections: Phrases = frozenset()
    """What follows replaces what came before: "no wait"."""
    weak_corrections: Phrases = frozenset()
    """The same between two values: "sorry"."""
    copulas: Words = frozenset()
    """Verbs that a word which also corrects denies: Spanish `no es`."""
    restarts: Phrases = frozenset()
    """Nothing that came before counts: "scratch that"."""

    # ---- what is ruled out
    denials: Phrases = frozenset()
    """What follows is not meant, or only a bound: "can't", "at least"."""
    unwanted: Phrases = frozenset()
    """Those of them that rule out a choice: "don't want"."""
    declined: Phrases = frozenset()
    """What stands before is not meant, or only a bound: "is no good", "or later"."""
    bounds: Phrases = frozenset()
    """What makes a day or a time that follows a bound: "after", "every"."""
    contrasts: Words = frozenset()
    """Where a denial ends: "but"."""
    partly: Phrases = frozenset()
    """What follows is a part of the value, unless that part was asked for: "starts with", "ending in"."""
    settled: Phrases = frozenset()
    """What makes a thing that may be chosen one that nobody wants any more: "is over", "is fixed"."""

    # ---- what was so once
    former: Phrases = frozenset()
    """What their clause tells is no longer so: "used to be", "my old"."""
    former_behind: Phrases = frozenset()
    """The same of what stands before: "that's my old"."""
    past_verbs: Phrases = frozenset()
    """Verbs that tell of then: "was". Alone they say nothing, but beside one of `past_times`, or before a "now"."""
    happenings: Phrases = frozenset()
    """Verbs that tell what happened and want nothing: "was", "hung up"."""
    intending: Words = frozenset()
    """After one of them, what is wanted still: "was thinking Monday"."""
    past_times: Phrases = frozenset()
    """"last year", "until yesterday"."""
    present: Words = frozenset()
    """What is so now begins here: "now", "new"."""
    conditions: Words = frozenset()
    """What makes a yes one that depends: "if", "except"."""

    # ---- what stands beside a value
    beside: Words = frozenset()
    """Words around a value that say nothing of their own: "it", "is", "my", "think", "thanks"."""
    counted: Words = frozenset()
    """Words after a number that is no answer then: "digits", "times"."""
    repeating: Phrases = frozenset()
    """What stands before a number that is said once more: "I repeat"."""
    year_leads: Words = frozenset()
    """Words before a year that is no number then: "in", "since", "born"."""
    told_by: Phrases = frozenset()
    """Right before a number that is told, whatever else is said: "number is"."""
    telephones: Words = frozenset()
    """What makes a number a telephone's in spite of `other_numbers`: "my phone on the account"."""
    other_numbers: Words = frozenset()
    """Numbers that are no telephone's: "account", "order"."""
    hour_leads: Words = frozenset()
    """Words that may stand beside a lone hour: "at", "around"."""

    # ---- numbers
    largest_name: int = 99
    """Numbers up to this have names in the table; larger ones are made of `hundred` and `thousand`. -1: no names."""
    spelled_also: Mapping[str, str] = field(default_factory=dict)
    """Parts of names that are said or written in other ways, too: `zwo`, to the `zwei` that stands in names."""
    more_numbers: Mapping[Phrase, int] = field(default_factory=dict)
    """Other names of small numbers; tens combine with ones: `septante`."""
    ones_first: bool = False
    """"three and twenty" is 23."""
    inside: Words = frozenset()
    """Words for a thousand that stand inside a longer word: `zweitausendvier`."""
    ones: Words = frozenset()
    """Articles that are the number one as well: `un`. They count alone and beside other digits."""
    more_digits: Mapping[str, str] = field(default_factory=dict)
    """Other words for digits."""
    unsure_digits: Mapping[str, str] = field(default_factory=dict)
    """Words that are digits beside digits: "oh", "to"."""
    hundred: Words = frozenset()
    thousand: Words = frozenset()
    million: Words = frozenset()
    joiners: Words = frozenset()
    """Words inside a number: "and"."""
    articles: Words = frozenset()
    """Before "hundred", and before a coin: "a", "an"."""
    repeats: Mapping[Phrase, int] = field(default_factory=dict)
    """"double" and its like."""
    repeated: Words = frozenset()
    """What may stand between that and the digit: `zweimal die Null`."""
    plural_digits: Mapping[str, str] = field(default_factory=dict)
    """Digits in the plural, after how many of them there are: "three fives"."""
    points: Words = frozenset()
    """The decimal mark, said."""
    minus: Words = frozenset()
    plus: Words = frozenset({"plus"})
    not_numbers: Phrases = frozenset()
    """Phrases in which the word for one, or another number, counts nothing: "that one", "one moment"."""
    halves: Mapping[Phrase, float] = field(default_factory=dict)
    """Fractions after a whole number: "and a half"."""
    amounts: Mapping[Phrase, float] = field(default_factory=dict)
    """Other words for numbers: "a dozen"."""
    dozens: Words = frozenset()
    """What makes twelve of each one before it: "three dozen"."""
    compared: Phrases = frozenset()
    """What makes a number before it a difference: "two more", "ten less"."""
    roughly: Phrases = frozenset()
    """What says that a value is not exact, with words in it that would else mean something: "more or less"."""
    links: Words = frozenset()
    """Words that may stand between the parts of one number: "area", "code", "then"."""
    extension: Words = frozenset()
    money: Mapping[str, str] = field(default_factory=dict)
    """Words for currencies, to ISO codes; those for hundredths, to `cent`, or to `cent GBP` where they tell it."""
    percent: Phrases = frozenset({("%",), ("percent",)})
    """What makes a number a share, not a sum."""
    and_cents: Words = frozenset()
    """Between units and hundredths: Spanish `con`, which does without the unit: `doce con cincuenta`."""

    # ---- letters
    letters: Mapping[str, str] = field(default_factory=dict)
    """Names of letters that are no other words."""
    alphabet: Mapping[str, str] = field(default_factory=dict)
    """Words of spelling alphabets: `alpha`, `bravo`; among letters they are letters whatever else they mean."""
    unsure_letters: Mapping[str, str] = field(default_factory=dict)
    """Words that are letters among letters: "see", "are", "you"."""
    letter_repeats: Mapping[str, int] = field(default_factory=dict)
    """Numbers before a letter that is doubled: French `deux N`."""
    plural_letters: Mapping[str, str] = field(default_factory=dict)
    """Letters in the plural, after how many of them there are: Portuguese `dois esses`."""
    letter_phrases: Mapping[Phrase, str] = field(default_factory=dict)
    """Letters of several words: "double u"."""
    as_in: Phrases = frozenset()
    """Between a letter and a word that begins with it: "as in"."""
    signs: Mapping[Phrase, str] = field(default_factory=dict)
    """Signs in addresses and names, said: "dot", "underscore"."""
    spaces: Words = frozenset()
    """Between two words that are spelled: "space"."""
    passed_over: Words = frozenset()
    """Words in a spelling that say nothing: "capital", "letter"."""

    # ---- dates and times
    weekdays: Mapping[str, int] = field(default_factory=dict)
    """Monday is 0."""
    days: Mapping[Phrase, int] = field(default_factory=dict)
    """"tomorrow" and the like, to days from today."""
    feasts: Mapping[Phrase, str] = field(default_factory=dict)
    """Days with a name, to month and day: "christmas day" to `12-25`."""
    more_months: Mapping[str, int] = field(default_factory=dict)
    """Other names of months: Austrian `jänner`."""
    next_words: Words = frozenset()
    """"next", beside a weekday: not the coming one but a week later, if today's week still holds one."""
    week_after: Phrases = frozenset()
    """Before a weekday: "a week from"."""
    week_behind: Words = frozenset()
    """After it: "tuesday week"."""
    day_endings: Words = frozenset()
    """What makes digits a day of the month: `st`."""
    date_links: Words = frozenset()
    """Words inside a date: "the", "of"."""
    spans: Mapping[str, int] = field(default_factory=dict)
    """"days" and "weeks", to days."""
    offsets: Words = frozenset()
    """Words before a day that is not meant itself: "a month from today"."""
    not_ahead: Words = frozenset()
    """Words of days that are over: "a week ago"."""
    span_before: Phrases = frozenset()
    """"in", before so many days or weeks."""
    ago_before: Phrases = frozenset()
    """Before a span that is over: French `il y a`."""
    day_leads: Phrases = frozenset()
    """Before a number that is a day of the month: Spanish `el día`."""
    span_after: Phrases = frozenset()
    """"from now", after them."""
    clock: Mapping[Phrase, tuple[int, int]] = field(default_factory=dict)
    """"noon" and the like."""
    past: Phrases = frozenset()
    """Between minutes and hour: "past"."""
    to: Phrases = frozenset()
    minutes_named: Mapping[Phrase, int] = field(default_factory=dict)
    """Minutes before "past" and "to": "quarter"."""
    hour_begins: Mapping[Phrase, int] = field(default_factory=dict)
    """Right before an hour, to minutes from it: `halb` is -30, "half" 30."""
    hour_ends: Mapping[Phrase, int] = field(default_factory=dict)
    """Right after an hour: `et demie` is 30, `moins le quart` -15."""
    one_hour: Phrases = frozenset()
    """One o'clock, where its word is an article as well: `la una`."""
    hour_less: Phrases = frozenset()
    """After an hour and before the minutes that it lacks: `moins`."""
    after_hour: Words = frozenset()
    """"o'clock"."""
    durations: Words = frozenset()
    """After a number that is no hour then: "minutes"."""
    hour_and: Words = frozenset()
    """Between hour and minutes: Spanish `y`."""
    unfinished_minutes: Words = frozenset()
    """After minutes whose hour was not said: "to"."""
    ranges: Words = frozenset()
    """Words that make two numbers a range or a choice: "between", "or"."""
    range_ends: Words = frozenset()
    """Before the last day of several: German `bis`."""
    morning: Phrases = frozenset()
    afternoon: Phrases = frozenset()
    """Words that make an hour one after noon: "p m", "in the evening"."""
    evening: Phrases = frozenset()
    """Those of them that no hour before five belongs to."""
    clock_leads: Phrases = frozenset()
    """Right before an hour where another number stands, too: "for two at seven"."""
    night: Phrases = frozenset()
    """The same from evening to morning: "twelve at night" is midnight, "three at night" before dawn."""

    # ---- names and choices
    name_leads: Phrases = frozenset()
    """What stands before a name: "my name is"."""
    name_tails: Phrases = frozenset()
    """What stands behind one: "is my last name"."""
    weak_leads: Words = frozenset()
    """Those of them that much else is said after: "under"."""
    lead_verbs: Words = frozenset()
    """What makes such a one sure: "it's under"."""
    name_parts: Phrases = frozenset()
    """"first name", "last name"."""
    surnames: Phrases = frozenset()
    """Those of them that are told last when a name is written: "last name"."""
    not_letters: Phrases = frozenset()
    """Phrases whose words are no letters: "I said", "you see"."""
    letter_with: Phrases = frozenset()
    """Before a letter that a name has: "with a Y"."""
    letter_without: Phrases = frozenset()
    """Before one that it has not."""
    letter_places: Phrases = frozenset()
    """Behind such a letter: "at the end"."""
    accented: Mapping[Phrase, str] = field(default_factory=dict)
    """Before a letter of a name that has an accent, to which one: `acute`, `grave`, ..., `unknown`."""
    no_names: Words = frozenset()
    """Words that no name holds, so that a sentence is not taken for one."""
    closing: Words = frozenset()
    """What may follow a name: "speaking"."""
    ordinals: Mapping[str, int] = field(default_factory=dict)
    """"first", "second" ... of a choice, "last" as -1."""
    questions: Words = frozenset()
    """What asks for a choice again instead of making one: "what was the second?"."""
    numbered: Words = frozenset()
    """"number", "option", before the place of a choice."""

    # ---- addresses
    at: Phrases = frozenset({("at",), ("at", "sign")})
    before_address: Words = frozenset()
    """Words that lead to an address and are part of one only where a dot or another sign joins them to it."""
    no_locals: Words = frozenset()
    """Words before the at that make a sentence of it: "look at", "my name at"."""
    no_domains: Words = frozenset()
    """Words that are no domain: "the", "my"."""
    remarks: Phrases = frozenset()
    """What is said about an address and is no part of it: "all one word"."""
