"""Written text -> the words that are spoken, and which written word each of them belongs to. Pure.

Every token of the text (what stands between white space) is looked at with what stands around it; the first rule that
knows it, or it and some tokens after it, says it in words. What no rule knows is said sign by sign. The result has
letters, apostrophes, hyphens and the marks that voices take for pauses, nothing else, so that no voice's own front end
finds anything to rewrite; saying it once more changes nothing.

The time is linear in the text: a rule looks at a bounded number of tokens, and tokens have a bounded length.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from bridge.text import marks
from bridge.text.spoken.codes import telephone
from bridge.text.spoken.cursor import LONGEST_TOKEN, Beside, Cursor, Part, Reading, part
from bridge.text.spoken.dates import days_of_week
from bridge.text.spoken.language import Language
from bridge.text.spoken.lexicon import STRIPPED, Entry, KnownTokens, Shape, SpokenToken, lexicon, with_plain_marks
from bridge.text.spoken.rules import CONTINUED, INFLECTED
from bridge.text.spoken.signs import sign_by_sign

RULES_VERSION = 9
"""Raised when anything is said in other words than before: phrases that were made under other rules are not played."""

LONGEST_CONTEXT = 80
"""Characters of what was said before that a text's reading may depend on."""
_AMOUNT_BEGINS = frozenset("0123456789-+$€£")
_CONTINUED, _DIGITS, _DASH, _ANY = int(CONTINUED), int(Beside.DIGITS), int(Beside.DASH), ~0
_TRIED = 200
"""After so many tokens that stand among others than before, a text does not repeat itself."""
_LONGEST_LIST = 4
"""Ordinals before the last of a list that are looked back at."""
_DASHES = frozenset(("-", "--", "---", "–", "—"))

Span = tuple[float, float]


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
    past = _tokens(marks.plain(before)[-LONGEST_CONTEXT:])[-5:] if before else []
    known = lexicon(language)
    entries = known.entries(past + tokens)
    cursor = Cursor(past + tokens, [entry.part for entry in entries], len(past), language)
    telling = [(place, entry.shape) for place, entry in enumerate(entries) if entry.shape.heard]
    cursor.hear(
        [place for place, shape in telling if shape.naming],
        [place for place, shape in telling if shape.calls],
        [place for place, shape in telling if shape.tells],
    )
    builders = _builders(tokens, pronunciations, len(past)) if pronunciations else {}
    builders |= {place + len(past): SpokenToken(tokens[place], said) for place, said in told.items()}
    return SpokenText(tuple(_Reader(cursor, entries, known).all(builders)))


def _builders(tokens: Sequence[str], pronunciations: Mapping[str, str], start: int) -> dict[int, SpokenToken]:
    """The tokens that are said as the builder says, by their place."""
    told: dict[int, SpokenToken] = {}
    for place, token in enumerate(tokens, start):
        bare = token.strip(STRIPPED)
        if (word := bare.lower()) in pronunciations:
            told[place] = SpokenToken(token, token.replace(bare, pronunciations[word], 1))
    return told


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


class _Reader:
    """Reads a text's tokens: asks the rules about those that are not known by themselves."""

    def __init__(self, cursor: Cursor, entries: Sequence[Entry], lexicon: KnownTokens) -> None:
        self._cursor, self._lexicon = cursor, lexicon
        self._entries = [*entries, lexicon[""], lexicon[""]]
        self._signs: dict[str, str] = {}
        self._telephone: tuple[int, Reading] | None = None
        """A telephone number that was found at a place, where no other rule comes before it."""
        self._parted = " " in lexicon.language.group_marks

    def all(self, told: Mapping[int, SpokenToken]) -> list[SpokenToken]:
        """Every token from the cursor on.

        told  how those are said that the builder knows better, by their place
        """
        cursor, entries = self._cursor, self._entries
        memory: dict[str, tuple[int, SpokenToken, int]] = {}
        spoken: list[SpokenToken] = []
        at, end, misses = cursor.at, len(cursor.tokens), 0
        while at < end:
            entry = entries[at]
            said = entry.said
            if told and at in told:
                said = told[at]
            if said is None:
                if entry.shape.row == 1 and entries[at - 1].shape.goes_on and (row := self._row(at, told)):
                    spoken += row
                    at += len(row)
                    continue
                cursor.at = at
                following = entries[at + 1]
                if following.shape.counted and (said := self._counting(entry, following, entries[at + 2])):
                    spoken.append(said)
                    at += 2
                    continue
                if entry.shape.knowable:
                    said = self.known(entry, following)
            if said is not None:
                spoken.append(said)
                at += 1
                continue
            key = cursor.surroundings if misses < _TRIED else ""
            known = memory.get(key) if key else None
            if known is not None:
                length, said, no_phone = known
                cursor.no_phone_before = max(cursor.no_phone_before, at + no_phone)
                misses = 0
            else:
                length, said = self.say()
                if key:
                    memory[key] = length, said, cursor.no_phone_before - at
                    misses += 1
            spoken.append(said)
            at += length
        return spoken

    def known(self, entry: Entry, following: Entry) -> SpokenToken | None:
        """How the token at the cursor is said where that depends on little of what stands beside it."""
        shape, cursor = entry.shape, self._cursor
        if shape.row == 2 and following.shape.row == 2:
            return self._among(entry)
        if cursor.may_be_named:
            return self._code(entry) if shape.code and self._entries[cursor.at - 1].shape.names else None
        before = self._entries[cursor.at - 1].shape
        if before.article:
            return None
        if shape.inflected and (not before.figures or before.listed):
            return self._listed(entry, following) if shape.listed and before.listed else None
        if shape.neighbourless:
            return self._alone(entry)
        if shape.capitals:
            return self._capitals(entry)
        if not shape.looking_ahead and (not shape.looking_back or cursor.may_be_told):
            return None
        goes_on = following.shape.after & (_DASH if shape.closed else _ANY)
        if goes_on & _CONTINUED or (shape.parted and goes_on & _DIGITS):
            return None
        if not shape.phone or entry.certain:
            return self._alone(entry)
        if cursor.at < cursor.no_phone_before:
            return self._called(entry)
        if shape.whole_phone or not (goes_on & _DIGITS or cursor.may_be_called):
            return self._alone(entry)
        asked = shape.rules(following.shape.after)
        first = not cursor.may_be_called and asked and asked[0] is telephone
        return self._called(entry) if first and self._is_no_telephone() else None

    def _alone(self, entry: Entry) -> SpokenToken:
        if entry.alone is None:
            entry.alone = self.say()[1]
        return entry.alone

    def _called(self, entry: Entry) -> SpokenToken:
        if entry.called is None:
            entry.called = self.say()[1]
        return entry.called

    def _listed(self, entry: Entry, following: Entry) -> SpokenToken | None:
        """How an ordinal is said in the middle of a list of them: the word before the list is out of sight."""
        at = self._cursor.at
        around = self._entries[at - _LONGEST_LIST - 1 : at] if at > _LONGEST_LIST else ()
        goes_on = entry.shape.trail == ".," and following.shape.digits and following.shape.trail[:1] == "."
        if not goes_on or not around or False in [one.shape.listed for one in around]:
            return None
        if entry.listed is None:
            entry.listed = self.say()[1]
        return entry.listed

    def _code(self, entry: Entry) -> SpokenToken:
        if entry.code is None:
            entry.code = self.say()[1]
        return entry.code

    def _capitals(self, entry: Entry) -> SpokenToken:
        """How capitals are said, by whether the words around are capitals too."""
        entries, at = self._entries, self._cursor.at
        around = [entries[place].shape.loud for place in (at + 1, at - 1, at + 2, at - 2)]
        if 2 in around or around.count(1) < 2:
            return self._alone(entry)
        if entry.loud is None:
            entry.loud = self.say()[1]
        return entry.loud

    def _counting(self, entry: Entry, following: Entry, beyond: Entry) -> SpokenToken | None:
        """How digits are said with what they count, where nothing else is read together with them."""
        shape, cursor = entry.shape, self._cursor
        if shape.trail or beyond.shape.after & ~_DIGITS or cursor.may_be_named or cursor.may_be_told:
            return None
        if self._entries[cursor.at - 1].shape.article:
            return None
        if not (shape.digits or shape.looking_ahead or shape.looking_back):
            return None
        if shape.phone and cursor.at >= cursor.no_phone_before and cursor.may_be_called:
            return None
        said = entry.counting.get(following.written)
        if said is None and (saying := shape.saying_of(following.shape)) and (sum_ := saying(entry.part.core)):
            said = SpokenToken(f"{entry.written} {following.written}", sum_ + following.shape.trail)
            entry.counting[following.written] = said
        if said is None:
            before = cursor.no_phone_before
            length, words = self.say()
            if length == 2:
                said = entry.counting[following.written] = words
            else:
                cursor.no_phone_before = before
        return said

    def _row(self, start: int, told: Mapping[int, SpokenToken]) -> list[SpokenToken]:
        """Short numbers from a place on, each among others, that are neither digits of a longer one nor of a code."""
        entries, cursor, named = self._entries, self._cursor, self._cursor.named
        row: list[SpokenToken] = []
        for place in range(start, len(entries) - 2):
            entry, after = entries[place], entries[place + 1]
            if entry.shape.row != 1 or after.shape.row != 1 or entry.zeros or after.zeros or named[place]:
                break
            if place in told or (self._parted and after.shape.width >= 3):
                break
            if place >= cursor.no_phone_before:
                cursor.at = place
                if cursor.may_be_called or not self._is_no_telephone():
                    break
            row.append(entry.among or self._among(entry))
            if not entry.shape.goes_on:
                break
        return row

    def _is_no_telephone(self) -> bool:
        """Whether digits at the cursor with those after them are no telephone number: then none of these begins one."""
        cursor = self._cursor
        before = cursor.no_phone_before
        if (reading := telephone(cursor)) is None:
            return True
        self._telephone = cursor.at, reading
        cursor.no_phone_before = before
        return False

    def _among(self, entry: Entry) -> SpokenToken:
        """How a short number or a single sign is said if the token after it is one, so that nothing else is meant."""
        if entry.among is None:
            cursor = Cursor([entry.written], [entry.part], 0, self._cursor.language)
            cursor.hear((), (), ())
            entry.among = _Reader(cursor, [entry], self._lexicon).say()[1]
        return entry.among

    def say(self) -> tuple[int, SpokenToken]:
        """How many tokens are read together at the cursor, and how."""
        cursor = self._cursor
        at = cursor.at
        entry = self._entries[at]
        shape, core = entry.shape, entry.part.core
        reading = self._read(shape, core, self._entries[at + 1].shape.after) if core else self._marks(entry)
        length, words, keep_stop, trail = reading
        if length == 1 and keep_stop and trail is None and shape.simple and words.isascii():
            return 1, SpokenToken(entry.written, words + shape.trail if words else "")
        if trail is None:
            trail = self._entries[at + length - 1].shape.trail
        if trail and (not keep_stop or trail.startswith((".,", ".;", ".:", ".?", ".!"))):
            trail = trail.replace(".", "", 1)
        if length == 1 and core and shape.simple and words.isascii() and words[:1] != " ":
            return 1, SpokenToken(entry.written, words + trail if words else "")
        words, lead = words.strip(), shape.lead
        if words and core and (lead or trail):
            if lead.endswith("<") and core[0] in _AMOUNT_BEGINS and ">" not in trail:
                words = f"{cursor.language.symbols['<']} {words}"
            words = with_plain_marks(_opening(entry.part, reading) + words + trail)
        elif not words.isascii():
            words = with_plain_marks(words)
        return length, SpokenToken(entry.written if length == 1 else cursor.written(length), words)

    def _read(self, shape: Shape, core: str, following: int) -> Reading:
        c = self._cursor
        if self._telephone is not None and self._telephone[0] == c.at:
            return self._telephone[1]
        for rule in shape.rules(following | c.told_of):
            reading: Reading | None = rule(c)
            if reading is not None:
                if c.language.inflected is not None and rule in INFLECTED:
                    return reading._replace(spoken=c.language.inflected(_governing(c), reading.spoken))
                return reading
        words = self._signs.get(core)
        if words is None:
            words = self._signs[core] = "—" if core in _DASHES else sign_by_sign(core, c.language)
        return Reading(1, words)

    def _marks(self, entry: Entry) -> Reading:
        """What a token of marks alone is."""
        if (token := entry.written) in ("<", ">"):
            return Reading(1, self._cursor.language.symbols[token])
        return Reading(1, "".join(mark for mark in entry.part.trail if mark in ".,;:!?…"), keep_stop=False)


def _governing(c: Cursor) -> str:
    """The word that an ordinal depends on: the one before it, or before the first of a list: "am 1., 2. und 3. Mai"."""
    offset, joiners = -1, c.language.list_joiners
    if c.part(offset).trail[-1:] == "," and c.word(offset) in days_of_week(c.language):
        offset -= 1  # "am Mo., 4. März"
    for _ in range(_LONGEST_LIST):
        at = offset - (c.word(offset) in joiners)
        listed = c.part(at)
        if not listed.core.isdecimal() or listed.trail not in (".", ".,"):
            break
        offset = at - 1
    return c.word(offset)


def _opening(first: Part, reading: Reading) -> str:
    """What opens a token, unless the rule has read what closes it: `(555) 123-4567`."""
    told = reading.trail is not None and ")" not in reading.trail and (")" in first.trail or reading.length > 1)
    read = "(" in first.lead and (")" in first.core or told or (reading.length > 1 and ")" in first.trail))
    return first.lead.replace("(", "") if read else first.lead


def _tokens(text: str) -> list[str]:
    tokens = text.split()
    if len(text) > LONGEST_TOKEN and max(map(len, tokens), default=0) > LONGEST_TOKEN:
        return [token[i : i + LONGEST_TOKEN] for token in tokens for i in range(0, len(token), LONGEST_TOKEN)]
    return tokens
