"""Names of people: said, introduced, spelled. A sentence is no name. Pure."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from bridge.understanding.corrections import segments
from bridge.understanding.letter_remarks import without_remarks
from bridge.understanding.letters import spellings
from bridge.understanding.lexicon import Lexicon
from bridge.understanding.results import CERTAIN, FAIR, LIKELY, Interpretation
from bridge.understanding.spelling import alike, spell
from bridge.understanding.words import Token, at, spoken, unhyphenated

_MOST_WORDS = 4
_FEWEST_SPELLED = 3
"""Fewer letters are a remark about a name ("Schmidt, with D T"), or two names that are words of an alphabet, too."""
_SMALL = frozenset("de da do das dos los las del della di van von der den la le du el al bin ben y ter ten zu".split())
"""Parts of names that stay small."""


def read_name(words: Sequence[Token], lexicon: Lexicon) -> Interpretation | None:
    """A name with capitals: "john smith" -> `John Smith`. What was spelled decides about what was said.

    The part `spelled` says that it was.
    """
    words, remarks = without_remarks(_contrasted(words, lexicon), lexicon)
    reading = _told(words, lexicon)
    if reading is None or remarks.contradict(str(reading.value)):
        return None
    return reading._replace(value=remarks.put_accents(str(reading.value)))


def _contrasted(words: Sequence[Token], lexicon: Lexicon) -> Sequence[Token]:
    """What follows the "but" of "not Maier but Mayer"; all words where nothing is told so."""
    but = next((place for place, word in enumerate(words) if word.text in lexicon.contrasts), 0)
    denied = any(word.text in lexicon.negations for word in words[:but])
    return words[but + 1 :] if denied and but + 1 < len(words) else words


def _told(words: Sequence[Token], lexicon: Lexicon) -> Interpretation | None:
    plain = unhyphenated(words)
    said = _said(words, lexicon)
    spelled = spell(plain, lexicon)
    if spelled is None or len(str(spelled.value)) < _FEWEST_SPELLED:
        return None if said is None else Interpretation(_capitals(" ".join(said[0])), said[1])
    written = str(spelled.value)
    if any(not (c.isalpha() or c in " '-.") for c in written):
        return None if said is None else Interpretation(_capitals(" ".join(said[0])), said[1])
    first = [word for word in said[0] if not alike(word, written)] if said else []
    kept = first if said and len(said[0]) > 1 and len(first) < len(said[0]) and " " not in written else []
    other = _other_part(plain, written, said[0], lexicon) if said and " " not in written else ""
    if other:
        return Interpretation(_capitals(other), LIKELY, {"spelled": "yes"})
    return Interpretation(_capitals(" ".join([*kept, written])), spelled.confidence, {"spelled": "yes"})


def _other_part(words: list[Token], written: str, said: list[str], lexicon: Lexicon) -> str:
    """The whole name where one part of it was said and the other spelled: "first name John, last name S M Y T H E"."""
    row = next((row for row in spellings(words, lexicon) if row.text == written), None)
    if row is None or len(said) > 1 or alike(said[0], written):
        return ""
    before = spoken(words[: row.start])[-4:]
    if any(at(before, place, lexicon.surnames) for place in range(len(before))):
        return f"{said[0]} {written}"
    named = any(at(before, place, lexicon.name_parts) for place in range(len(before)))
    return f"{written} {said[0]}" if named else ""


def _said(words: Sequence[Token], lexicon: Lexicon) -> tuple[list[str], float] | None:
    best: tuple[list[str], float] | None = None
    for because, segment in segments(words, lexicon):
        found = _in_segment(segment, lexicon)
        if found is not None or because in ("strong", "restart"):
            best = found
    return best


def _in_segment(words: list[Token], lexicon: Lexicon) -> tuple[list[str], float] | None:
    rows = [row for row in spellings(unhyphenated(words), lexicon) if len(row.text) >= _FEWEST_SPELLED]
    stop = len(words)
    if rows:
        stop = _first_of(unhyphenated(words)[rows[0].start], words)
    pieces = _pieces(words[:stop])
    parts: list[str] = []
    led: list[str] = []
    introduced = False
    turned = _tells_surname_first([word for piece in pieces for word in piece], lexicon)
    for piece in pieces:
        told_behind = _before_tail(piece, lexicon)
        for part in [] if told_behind else _parts(piece, lexicon):
            led += _name(part, lexicon)
        after = told_behind or _after_lead(piece, lexicon)
        if after is not None and (name := _name(after, lexicon)):
            led = [*name, *led] if turned and led else [*led, *name]
            introduced = introduced or not _weakly_led(piece[: len(piece) - len(after)], lexicon)
    for piece in pieces:
        if any(word.text in lexicon.joiners - _SMALL for word in piece[1:-1]):
            continue  # "Tom and Jerry"
        said = [word for n, word in enumerate(piece) if word.text not in lexicon.fillers or _is_capital(piece, n)]
        plain = _alone(said, lexicon)
        name = _name(plain, lexicon)
        if len(name) == len(parts) == 1 and not led and name[0].lower() != parts[0].lower():
            return None  # "Smith, John": which is the last name?
        more = not parts or (len(name) > len(parts) and name[-len(parts) :] == parts) or name[: len(parts)] == parts
        if name and more and len(name) + 2 * sum(part.count("-") for part in name) == len(plain):
            parts = name  # "Smith", and then "John Smith"
    if led and parts[-len(led) :] == led:
        led = parts  # "the name is Bond, James Bond"
    if led:
        return led, CERTAIN if introduced else LIKELY
    if not parts:
        return None
    greeted = len(pieces) <= 2
    return (parts, LIKELY if len(parts) > 1 or words[0].raw[:1].isupper() else FAIR) if greeted else None


def _alone(words: list[Token], lexicon: Lexicon) -> list[Token]:
    """The words without "here", "speaking" at their end, and without what the name is said not to be."""
    end = next((place for place, word in enumerate(words) if place and word.text in lexicon.negations), len(words))
    while end > 1 and words[end - 1].text in lexicon.closing:
        end -= 1
    return words[:end]


def _weakly_led(before: Sequence[Token], lexicon: Lexicon) -> bool:
    """Whether nothing but "under" stands before a name: a booking is found "under Smith", and much else is said so."""
    return before[-1].text in lexicon.weak_leads and (len(before) < 2 or before[-2].text not in lexicon.lead_verbs)


def _first_of(word: Token, words: Sequence[Token]) -> int:
    return next((place for place, other in enumerate(words) if other is word), len(words))


def _pieces(words: Sequence[Token]) -> list[list[Token]]:
    """The words between commas and stops; a stop behind an initial parts nothing."""
    pieces: list[list[Token]] = [[]]
    for place, word in enumerate(words):
        if word.is_sign and word.text not in "-'":
            initial = word.text == "." and place > 0 and _is_abbreviated(words[place - 1].text)
            if not initial:
                pieces.append([])
        else:
            pieces[-1].append(word)
    return [piece for piece in pieces if piece]


def _is_abbreviated(word: str) -> bool:
    """Whether a stop behind this word may belong to it: an initial, or a title without a vowel such as "Mrs"."""
    return len(word) <= 2 or (len(word) <= 4 and word.isalpha() and not set(word) & set("aeiouyäöüáéíóú"))


def _parts(words: list[Token], lexicon: Lexicon) -> list[list[Token]]:
    """All but the last of what follows "first name", "last name" in one piece: `_after_lead` has that."""
    plain = [word.text for word in words]
    lengths = [at(plain, place, lexicon.name_parts) for place in range(len(plain))]
    starts = [place for place, length in enumerate(lengths) if length]
    first = [_bare(words[: starts[0]], lexicon)] if starts else []
    parts = [_bare(words[a + lengths[a] : b], lexicon) for a, b in itertools.pairwise(starts)]
    return [part for part in (*first, *parts) if part]


def _bare(words: list[Token], lexicon: Lexicon) -> list[Token]:
    """The words without the verb before and the "and my" behind: "my first name is Jane and my last name is Doe"."""
    begin, end = 0, len(words)
    while begin < end and words[begin].text in lexicon.lead_verbs | lexicon.copulas | lexicon.fillers:
        begin += 1
    while end > begin and words[end - 1].text in lexicon.joiners | lexicon.determiners | lexicon.fillers:
        end -= 1
    return words[begin:end]


def _tells_surname_first(words: list[Token], lexicon: Lexicon) -> bool:
    """Whether the first part of a name that is told is the one that is written last."""
    plain = [word.text for word in words]
    first = next((place for place in range(len(plain)) if at(plain, place, lexicon.name_parts)), None)
    known = lexicon.determiners | lexicon.articles | lexicon.no_names | lexicon.fillers | lexicon.closing
    if first and any(text not in known and "'" not in text for text in plain[:first]):
        return not at(plain, first, lexicon.surnames)  # "Simon, first name Paul"
    return first is not None and bool(at(plain, first, lexicon.surnames))


def _after_lead(words: list[Token], lexicon: Lexicon) -> list[Token] | None:
    """What follows the last "my name is" in a piece that a name follows, or else the last one."""
    plain = [word.text for word in words]
    after, place = None, 0
    while place < len(plain):
        length = at(plain, place, lexicon.name_leads)
        if length and _is_of_another(words, place, length, lexicon):
            return None if after is None else after
        if (
            length
            and place + length < len(plain)
            and (after is None or _name(_without_fillers(words[place + length :], lexicon), lexicon))
        ):
            after = _without_fillers(words[place + length :], lexicon)
        place += length or 1
    return after


def _before_tail(words: list[Token], lexicon: Lexicon) -> list[Token] | None:
    """What stands before "is my name" at the end of a piece; None where that does not end it."""
    plain = [word.text for word in words]
    start = next((n for n in range(1, len(plain)) if at(plain, n, lexicon.name_tails) == len(plain) - n), 0)
    begin = max((n + 1 for n in range(start) if plain[n] in lexicon.no_names - _SMALL), default=0)
    return _without_fillers(words[begin:start], lexicon) if begin < start else None


def _without_fillers(words: list[Token], lexicon: Lexicon) -> list[Token]:
    """The words from the first that says something: "it's uh Maria"."""
    begin = next((place for place, word in enumerate(words) if word.text not in lexicon.fillers), 0)
    return words[begin:]


def _is_of_another(words: Sequence[Token], place: int, length: int, lexicon: Lexicon) -> bool:
    """Whether a lead is about somebody else: "I'm calling for"."""
    before = words[place - 1].text if place else ""
    if before in lexicon.negations:
        return True  # Spanish "mi nombre no es"
    weak = length == 1 and words[place].text in lexicon.weak_leads and bool(before)
    return weak and before not in lexicon.lead_verbs | lexicon.fillers | lexicon.beside


def _name(words: Sequence[Token], lexicon: Lexicon) -> list[str]:
    """The name at the beginning of these words; empty where they are a sentence."""
    name: list[str] = []
    place = 0
    while place < len(words):
        text = words[place].text
        if text == "-" and name and place + 1 < len(words):
            name[-1] += "-" + words[place + 1].raw
            place += 2
            continue
        if name and place + 1 < len(words) and lexicon.signs.get((text,)) == "-" and not words[place + 1].is_sign:
            name[-1] += "-" + words[place + 1].raw  # "Smith hyphen Jones"
            place += 2
            continue
        if not text[0].isalpha() or (text in lexicon.fillers and not _is_capital(words, place)):
            break
        if text.endswith("'s") and place + 1 < len(words) and not words[place + 1].is_sign:
            return []  # "John's wife"
        if text in lexicon.weekdays and len(words) == 1:
            return []
        short, mark, _ = text.partition("'")
        if mark and len(short) > 1 and short in lexicon.no_names:
            break  # "that's"
        begins = bool(name) or _is_written_as_name(words)
        if text in lexicon.no_names and not (begins and _joins(words, place, lexicon)):
            break
        if at(spoken(words[place : place + 12]), 0, lexicon.name_leads):
            break
        name.append(words[place].raw)
        place += 1
    rest = [word for word in words[place:] if not word.is_sign]
    ends_with_sentence = bool(rest) and rest[0].text not in lexicon.fillers | lexicon.closing | lexicon.negations
    large = sum(part.lower() not in _SMALL for part in name)
    if not name or large > _MOST_WORDS or ends_with_sentence or len("".join(name)) == 1:
        return []
    if len(name) > 2 and len({part.lower() for part in name}) < len(name):
        return []  # "Jackson like Michael Jackson"
    return name


def _is_capital(words: Sequence[Token], place: int) -> bool:
    """Whether a word inside a name is written as a part of it, whatever it means else: "Ana Catalina Bueno"."""
    return place > 0 and all(word.raw[:1].isupper() for word in words[place - 1 : place + 1])


def _is_written_as_name(words: Sequence[Token]) -> bool:
    """Whether all but the small parts of a name are written with capitals: "van Dijk"."""
    large = [word for word in words if word.text not in _SMALL]
    return len(words) <= _MOST_WORDS and all(word.raw[:1].isupper() for word in large)


def _joins(words: Sequence[Token], place: int, lexicon: Lexicon) -> bool:
    """Whether the small word here stands inside a name: "Jan de Vries", "María de la Cruz"."""
    end = place
    while end < len(words) and words[end].text in _SMALL:
        end += 1
    return place < end < len(words) and words[end].text[0].isalpha() and words[end].text not in lexicon.no_names


def _capitals(name: str) -> str:
    return " ".join(
        word if word in _SMALL and place else "-".join(_capital(part) for part in word.split("-"))
        for place, word in enumerate(name.split())
    )


def _capital(word: str) -> str:
    if not word or (word[0].isupper() and not word.isupper()):
        return word
    head, mark, tail = word.partition("'")
    if mark and len(head) == 1:
        return head.upper() + mark + tail[:1].upper() + tail[1:].lower()
    return word[:1].upper() + word[1:].lower()
