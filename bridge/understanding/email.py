"""E-mail addresses, written, said and spelled: "john dot smith at example dot com". Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache

from bridge.understanding.corrections import Segment, segments
from bridge.understanding.letter_remarks import without_remarks
from bridge.understanding.letters import letters
from bridge.understanding.lexicon import Lexicon, Words
from bridge.understanding.number_names import names_of_numbers
from bridge.understanding.numbers import digit_named, groups
from bridge.understanding.results import CERTAIN, FAIR, LIKELY, Interpretation
from bridge.understanding.words import Token, at

_ADDRESS = re.compile(
    r"[a-z0-9](?:[a-z0-9._%+'-]{0,62}[a-z0-9])?@(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,24}"
)
_PROVIDERS = {
    "gmail": "gmail.com", "hotmail": "hotmail.com", "yahoo": "yahoo.com", "outlook": "outlook.com",
    "icloud": "icloud.com", "aol": "aol.com", "gmx": "gmx.net", "protonmail": "protonmail.com",
}  # fmt: skip
_TOP_LEVEL = frozenset(
    "com org net edu gov io co uk de fr es it nl pt br eu info biz me us ca au ch at be in app dev ai tv int "
    "mil".split()
)
_WORDS_OF_LABEL = 4
_LONGEST_LOCAL = 24
"""Words and signs before the at."""


def read_email(words: Sequence[Token], lexicon: Lexicon) -> Interpretation | None:
    """An e-mail address in lower case, whole or not at all."""
    best: Interpretation | None = None
    for segment in _joined(segments(words, lexicon), lexicon):
        found = None if _is_either(segment.words, lexicon) else _address(segment.words, lexicon)
        if found is None and best is not None and segment.because:
            found = _other_half(str(best.value), segment.words, lexicon)
        if found is not None or segment.because in ("strong", "restart"):
            best = found
    return best


def _is_either(words: Sequence[Token], lexicon: Lexicon) -> bool:
    """Whether two addresses are told, and a word such as "or" between them."""
    signs = [place for place in range(len(words)) if _at(words, place, lexicon)]
    return bool(signs) and any(
        word.text in lexicon.ranges and (place < signs[-1] or _dot(words, place + 1, lexicon) > 0)
        for place, word in enumerate(words[signs[0] : -1], signs[0])
    )  # "at example dot org or dot com"


def _joined(pieces: list[Segment], lexicon: Lexicon) -> list[Segment]:
    """The pieces with what belongs to one address together.

    A weak correction inside its first half is none ("no at example dot com"), and one of the other half alone leaves
    the first: "paul at orange, no, at free dot fr".
    """
    joined: list[Segment] = []
    for piece in pieces:
        before = joined[-1].words if joined else []
        ats = [place for place in range(len(before)) if _at(before, place, lexicon)]
        start = next((place for place, word in enumerate(piece.words) if not word.is_sign), 0)
        if joined and piece.because == "weak" and not ats:
            joined[-1] = Segment(joined[-1].because, piece.words)
        elif ats and _at(piece.words, start, lexicon):
            joined.append(piece._replace(words=before[: ats[0]] + piece.words[start:]))
        else:
            joined.append(piece)
    return joined


def _other_half(address: str, words: list[Token], lexicon: Lexicon) -> Interpretation | None:
    """ "... sorry, hotmail dot com": only the domain was wrong."""
    start = next((place for place, word in enumerate(words) if not word.is_sign), 0)
    start += _length_at(words, start, lexicon)
    dot = _dot(words, start, lexicon) if start < len(words) else 0
    domain, _ = _domain(words, start, lexicon)
    if dot and (ending := _ending(words, start + dot, lexicon)):
        domain = f"{address.partition('@')[2].partition('.')[0]}.{ending}"  # "... dot com, sorry, dot org"
    return Interpretation(f"{address.partition('@')[0]}@{domain}", LIKELY) if domain else None


def _ending(words: Sequence[Token], place: int, lexicon: Lexicon) -> str:
    """The end of a domain that begins here: "co dot uk"."""
    labels: list[str] = []
    dot = 1
    while dot and place < len(words) and words[place].text.isalpha():
        labels.append(words[place].text)
        dot = _dot(words, place + 1, lexicon) if place + 1 < len(words) else 0
        place += 1 + dot
    return ".".join(labels) if labels and labels[-1] in _TOP_LEVEL else ""


def _at(words: Sequence[Token], place: int, lexicon: Lexicon) -> bool:
    return _length_at(words, place, lexicon) > 0


def _length_at(words: Sequence[Token], place: int, lexicon: Lexicon) -> int:
    """How many words the "at" here has."""
    if place >= len(words):
        return 0
    return 1 if words[place].text == "@" else at([w.text for w in words[place : place + 4]], 0, lexicon.at)


def _address(words: list[Token], lexicon: Lexicon) -> Interpretation | None:
    """The one address in these words; None where there are two, and what an address is said not to be is none."""
    words, letters_told = without_remarks(_without_remarks(_whole_numbers(words, lexicon), lexicon), lexicon)
    found: list[Interpretation] = []
    for place in range(len(words) - 1, 0, -1):
        one = _address_at(words, place, lexicon)
        if one is not None and not letters_told.contradict(str(one.value).partition("@")[0]):
            found.append(one)
    return found[0] if len({one.value for one in found}) == 1 else None


def _whole_numbers(words: list[Token], lexicon: Lexicon) -> list[Token]:
    """The words without hyphens inside the name of a number: "twenty-two", French "vingt-deux"."""
    names = names_of_numbers(lexicon)
    kept: list[Token] = []
    for place, word in enumerate(words):
        inside = word.text == "-" and word.joined and 0 < place < len(words) - 1 and words[place + 1].joined
        if not (inside and (words[place - 1].text,) in names and (words[place + 1].text,) in names):
            kept.append(word)
    return kept


def _address_at(words: list[Token], place: int, lexicon: Lexicon) -> Interpretation | None:
    length = _length_at(words, place, lexicon)
    domain, confidence = _domain(words, place + length, lexicon) if length else ("", 0.0)
    if not domain or _is_denied(words, place, lexicon):
        return None
    before = place
    while before and words[before - 1].text == ",":
        before -= 1
    local, joined = _local(words[:before], lexicon)
    address = f"{local}@{domain}"
    if (
        local
        and local not in _leading(lexicon)
        and len(address) <= 254
        and _ADDRESS.fullmatch(address)
        and ".." not in local
    ):
        return Interpretation(address, min(confidence, FAIR + 0.1 if joined else CERTAIN))
    return None


def _is_denied(words: Sequence[Token], place: int, lexicon: Lexicon) -> bool:
    """Whether an address is not the one, or no address: "it is not john at", "you can find it at"."""
    begin = place
    while begin and words[begin - 1].text not in ",;!?" and not _at(words, begin - 1, lexicon):
        begin -= 1
    plain = [word.text for word in words[begin:place]]
    ends = [index for index, text in enumerate(plain) if text in lexicon.contrasts]
    plain = plain[ends[-1] + 1 :] if ends else plain
    behind = [word.text for word in words[place : place + 24]]
    if any(at(behind, n, lexicon.declined) for n in range(len(behind))):
        return True  # "... isn't right"
    sentence = bool(plain) and plain[-1] in lexicon.no_locals
    return sentence or any(text in lexicon.negations or at(plain, n, lexicon.denials) for n, text in enumerate(plain))


def _without_remarks(words: Sequence[Token], lexicon: Lexicon) -> list[Token]:
    kept: list[Token] = []
    place = 0
    while place < len(words):
        length = at([word.text for word in words[place : place + 4]], 0, lexicon.remarks)
        if length and not (length == 1 and _is_part(words, place, lexicon)):
            place += length
        else:
            kept.append(words[place])
            place += 1
    return kept


def _is_part(words: Sequence[Token], place: int, lexicon: Lexicon) -> bool:
    """Whether a sign makes a word a part of the address: "uwe punkt klein at"."""
    before = place > 0 and _sign(words, place - 1, lexicon) is not None and words[place - 1].text != ","
    return before or _dot(words, place + 1, lexicon) > 0


def _domain(words: Sequence[Token], place: int, lexicon: Lexicon) -> tuple[str, float]:
    """The domain that begins here, and how far to trust it."""
    labels: list[str] = []
    confidence = CERTAIN
    while place < len(words) and words[place].text == ",":
        place += 1
    while place < len(words) and len(labels) < 6:
        label, place, parts = _label(words, place, lexicon, last=bool(labels))
        if not label:
            break
        if parts > 1:
            confidence = min(confidence, LIKELY)
        labels.append(label)
        dot = _dot(words, place, lexicon)
        if not dot:
            break
        place += dot
    if len(labels) == 1 and labels[0] in _PROVIDERS:
        return _PROVIDERS[labels[0]], FAIR
    if len(labels) < 2 or not labels[-1].isalpha():
        return "", 0.0
    if any(label in lexicon.no_domains for label in labels[:-1]):
        return "", 0.0
    return ".".join(labels), confidence if labels[-1] in _TOP_LEVEL else min(confidence, FAIR)


def _dot(words: Sequence[Token], place: int, lexicon: Lexicon) -> int:
    """How many words and commas the dot here has; a stop at the end of a sentence is none."""
    skipped = 0
    while place + skipped < len(words) and words[place + skipped].text == ",":
        skipped += 1
    if place + skipped + 1 >= len(words):
        return 0
    word = words[place + skipped]
    if word.text == ".":
        return 1 + skipped if words[place + skipped + 1].joined else 0
    for length in (3, 2, 1):
        plain = tuple(w.text for w in words[place + skipped : place + skipped + length])
        if len(plain) == length and lexicon.signs.get(plain) == ".":
            more = place + skipped + length < len(words) and words[place + skipped + length].text == ","
            return skipped + length + more
    return 0


def _label(words: Sequence[Token], place: int, lexicon: Lexicon, *, last: bool) -> tuple[str, int, int]:
    """One part of a domain: its text, where it ends, and of how many words it was put together."""
    start = place
    parts: list[str] = []
    while place < len(words) and len(parts) < (_WORDS_OF_LABEL if not _spelled_here(words, place) else 24):
        if parts and (_dot(words, place, lexicon) or _at(words, place, lexicon)):
            break
        word = words[place]
        dash = _dash(words, place, lexicon)
        if word.text == "," and place > start and place + 1 < len(words) and len(words[place + 1].text) == 1:
            place += 1
            continue
        if dash:
            if not parts:
                break
            parts.append("-")
            place += dash
            continue
        if word.is_sign:
            break
        if last and parts and not (len(parts[-1]) == 1 and len(word.text) == 1):
            break
        text, length = _atom(words, place, lexicon)
        parts.append(text)
        place += length
        if last and len(text) > 1:
            break
    if not last and len(parts) > 1 and parts[0] in _PROVIDERS and not _dot(words, place, lexicon):
        return parts[0], start + 1, 1
    label = "".join(parts).strip("-")
    if not last and not _dot(words, place, lexicon) and parts and parts[0] in _PROVIDERS:
        return parts[0], start + 1, 1
    return label, place, sum(part != "-" for part in parts)


def _dash(words: Sequence[Token], place: int, lexicon: Lexicon) -> int:
    """How many words the hyphen here has."""
    if words[place].text == "-":
        return 1
    plain = [word.text for word in words[place : place + 3]]
    return next((length for length in (3, 2, 1) if lexicon.signs.get(tuple(plain[:length])) == "-"), 0)


def _spelled_here(words: Sequence[Token], place: int) -> bool:
    return len(words[place].text) == 1


# -- what stands before the at


def _local(words: Sequence[Token], lexicon: Lexicon) -> tuple[str, bool]:
    """The address's first half, read backwards from the at, and whether words without a sign between were joined."""
    atoms = _atoms(words[-3 * _LONGEST_LOCAL :], lexicon)
    taken: list[str] = []
    joined = False
    place = len(atoms) - 1
    bound = True  # a sign, or the at, joins what comes next to what was taken
    while place >= 0 and len(taken) < _LONGEST_LOCAL:
        text, kind = atoms[place]
        if kind == "sign":
            taken.append(text)
            bound = True
        elif kind == "stop" and text == "." and taken and place and _is_name(atoms[place - 1], lexicon):
            taken.append(".")  # recognisers write "John. Smith at" for "John dot Smith at"
            joined = bound = True
        elif kind == "comma":
            before = atoms[place - 1] if place else ("", "")
            single = len(taken) > 0 and len(taken[-1]) == 1 and len(before[0]) == 1
            single = single or (bool(taken) and taken[-1].isdigit() and _is_name(before, lexicon))
            if not (single or before[1] in ("sign", "spelled") or (taken and atoms[place + 1][1] == "sign")):
                break
            bound = bound or before[1] == "sign"
        elif kind == "stop" or (not bound and _leads(text, lexicon) and not _is_inside(atoms, place)):
            break
        else:
            joined = joined or not (
                bound or (len(text) == 1 and len(taken[-1]) == 1) or text.isdigit() or taken[-1].isdigit()
            )
            taken.append(text)
            bound = False
        place -= 1
    return "".join(reversed(taken)).strip("._-+"), joined


def _is_inside(atoms: Sequence[tuple[str, str]], place: int) -> bool:
    """Whether this goes on with what a sign joins to it ("martin punt de wit"), or with letters that are spelled."""
    if place and atoms[place - 1][1] == "sign":
        return True
    single = [len(text) == 1 and text.isalpha() for text, _ in atoms[max(place - 1, 0) : place + 2]]
    return sum(single) > 1 and len(atoms[place][0]) == 1


def _is_name(atom: tuple[str, str], lexicon: Lexicon) -> bool:
    """Whether a word may be part of an address, not of the sentence that leads to it."""
    return atom[1] == "word" and atom[0].isalpha() and len(atom[0]) > 1 and not _leads(atom[0], lexicon)


def _leads(text: str, lexicon: Lexicon) -> bool:
    return text in lexicon.before_address or text in _leading(lexicon)


@cache
def _leading(lexicon: Lexicon) -> Words:
    """Contractions that lead to an address, as they would stand in one: "its"."""
    return frozenset(word.replace("'", "") for word in lexicon.before_address if "'" in word)


def _atoms(words: Sequence[Token], lexicon: Lexicon) -> list[tuple[str, str]]:
    """Words, letters, numbers and signs in the order said, each with its kind."""
    atoms: list[tuple[str, str]] = []
    place = 0
    while place < len(words):
        word = words[place]
        sign = _sign(words, place, lexicon)
        if sign:
            atoms.append((sign[0], "sign"))
            place += sign[1]
        elif _at(words, place, lexicon):
            atoms.append((word.text, "stop"))
            place += 1
        elif word.is_sign:
            stop = word.text in ".:;?!" and not (place + 1 < len(words) and words[place + 1].joined)
            atoms.append((word.text, "stop" if stop or word.text not in ",-'" else "comma"))
            place += 1
        else:
            text, length = _atom(words, place, lexicon)
            atoms.append((text, "spelled" if length > 1 and len(text) == 1 else "word"))
            place += length
    return atoms


def _sign(words: Sequence[Token], place: int, lexicon: Lexicon) -> tuple[str, int] | None:
    word = words[place]
    following = words[place + 1] if place + 1 < len(words) else None
    if word.text in "._-+%":
        letters_around = (
            word.text in "-."
            and place > 0
            and len(words[place - 1].text) == 1
            and following is not None
            and len(following.text) == 1
        )
        if letters_around and word.joined:
            return ("", 1)
        return (word.text, 1) if word.joined and (following is None or following.joined) else None
    for length in (3, 2, 1):
        plain = tuple(w.text for w in words[place : place + length])
        if len(plain) == length and plain in lexicon.signs:
            return lexicon.signs[plain], length
    return None


def _atom(words: Sequence[Token], place: int, lexicon: Lexicon) -> tuple[str, int]:
    """What the word here stands for in an address, and how many words that takes: "double o", "B as in boy","
    ""forty two"."""
    word = words[place]
    spelled = letters(words[place : place + 8], lexicon, digits=False)
    first = spelled[0] if spelled and spelled[0].start == 0 else None
    if first and first.end > 1 and first.sure:
        last = place + first.end - 1
        zeros = set(first.text) == {"o"} and words[last].text == "oh" and _beside_digit(words, last, lexicon)
        return ("0" * len(first.text) if zeros else first.text), first.end
    number = next((g for g in groups(words[place : place + 8], lexicon) if g.start == 0 and g.sure), None)
    if number:
        return number.digits, number.end
    if word.text in lexicon.ones and word.text == lexicon.spoken.digits[1] and _beside_digit(words, place, lexicon):
        return "1", 1
    if word.text == "oh" and _beside_digit(words, place, lexicon):
        return "0", 1
    beside_letter = any(
        len(words[near].text) == 1 and words[near].text.isalpha()
        for near in (place - 1, place + 1)
        if 0 <= near < len(words)
    )
    if first and first.end == 1 and beside_letter and len(word.text) > 1:
        return first.text, 1
    return word.text.replace("'", ""), 1


def _beside_digit(words: Sequence[Token], place: int, lexicon: Lexicon) -> bool:
    near = [words[p] for p in (place - 1, place + 1) if 0 <= p < len(words)]
    return any(bool(word.is_digits or digit_named(word, lexicon)) for word in near)
