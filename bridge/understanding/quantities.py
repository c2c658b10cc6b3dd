"""Numbers as people say them: "two and a half", "twenty one hundred". Pure."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import NamedTuple

from bridge.understanding.corrections import segments
from bridge.understanding.counted import has_letter, is_year, leads_to_year
from bridge.understanding.denials import meant
from bridge.understanding.lexicon import Lexicon, Phrases, Words
from bridge.understanding.number_names import names_of_numbers
from bridge.understanding.numbers import Group, groups, lone_digit
from bridge.understanding.results import CERTAIN, FAIR, LIKELY, Interpretation
from bridge.understanding.shares import dozen_and_more, shares, whole_of_share, whole_or_not, with_more, written_share
from bridge.understanding.words import Token, at, unhyphenated

_LARGEST = 10**12
_UNCLEAR = 0.3
"""Less than is ever understood."""


class Quantity(NamedTuple):
    """One number, in hundredths, so that money is exact."""

    hundredths: int
    start: int
    end: int
    confidence: float
    groups: tuple[Group, ...]
    decimal: bool = False


def read_number(words: Sequence[Token], lexicon: Lexicon) -> Interpretation | None:
    """One number, whole or with decimals. None when there is none, or more than one."""
    best: Interpretation | None = None
    for because, piece in segments(unhyphenated(words), lexicon):
        said = meant(piece, lexicon)
        reading = None if is_difference(piece, lexicon) else _one_number(said, lexicon)
        if because and reading is None and (lone := lone_digit(said, lexicon)):
            reading = Interpretation(int(lone), FAIR)
        if reading is not None or because in ("strong", "restart"):
            best = reading
    return best


def is_difference(words: Sequence[Token], lexicon: Lexicon) -> bool:
    """Whether a number tells how much more or less something is: "two more than last time", "ten dollars less"."""
    plain = [word.text for word in words]
    ends = {one.end for one in quantities(words, lexicon)}
    amounts = frozenset(lexicon.amounts)
    ends |= {place + length for place in range(len(plain)) if (length := at(plain, place, amounts))}
    for place in range(1, len(plain)):
        before = place - (plain[place - 1] in lexicon.money)
        named = (plain[before - 1],) in names_of_numbers(lexicon)
        if at(plain, place, lexicon.compared) and (before in ends or named):
            return True
    return False


def _one_number(words: list[Token], lexicon: Lexicon) -> Interpretation | None:
    plain = tuple(word.text for word in words if not word.is_sign and word.text not in lexicon.fillers)
    said = tuple(word.text for word in words if not word.is_sign)
    if (whole_answer := lexicon.amounts.get(said, lexicon.amounts.get(plain))) is not None:
        return Interpretation(whole_or_not(whole_answer), LIKELY)
    whole = dozen_and_more(words, lexicon) or written_share(words)
    if whole is not None:
        return Interpretation(whole, LIKELY)
    words = whole_of_share(words, lexicon)
    found = [one for one in quantities(words, lexicon) if not is_hour(words, one, lexicon)]
    if any(_is_added(words, one, lexicon) or has_letter(words, one.start, one.end, lexicon) for one in found):
        return None
    if any(is_span(one) or is_of_a_year(words, one, lexicon) for one in found):
        return None
    if not found:
        counted = _counted(words, lexicon)
        return None if counted is None else Interpretation(counted, FAIR)
    if len(found) > 1:
        if not all(len(group.digits) == 1 for quantity in found for group in quantity.groups) or any(
            not word.is_sign for a, b in itertools.pairwise(found) for word in words[a.end : b.start]
        ):
            return None
        return Interpretation(int("".join(g.digits for quantity in found for g in quantity.groups)[:12]), FAIR)
    only = found[0]
    whole, rest = divmod(abs(only.hundredths), 100)
    sign = -1 if only.hundredths < 0 else 1
    return Interpretation(sign * (whole + rest / 100) if rest else sign * whole, only.confidence)


def _counted(words: Sequence[Token], lexicon: Lexicon) -> float | None:
    plain = [word.text for word in words if not word.is_sign]
    for place in range(len(plain)):
        for length in (4, 3, 2, 1):
            if (number := lexicon.amounts.get(tuple(plain[place : place + length]))) is not None:
                behind = plain[place + length] if place + length < len(plain) else ""
                times = next((n for n, each in _scales(lexicon) if behind in each), 0)
                if times:
                    return whole_or_not(number * times)  # "a couple hundred"
                return with_more(number, plain[place + length :], lexicon)
    return None


def _scales(lexicon: Lexicon) -> tuple[tuple[int, Words], ...]:
    return (100, lexicon.hundred), (1000, lexicon.thousand), (10**6, lexicon.million)


def quantities(words: Sequence[Token], lexicon: Lexicon) -> list[Quantity]:
    """All numbers in these words, whole and decimal; those denied ("not five") are left out."""
    found: list[Quantity] = []
    chunks = _chunks(groups(words, lexicon), words)
    place = 0
    while place < len(chunks):
        quantity = _below_one(_whole(chunks[place], words, lexicon), words, lexicon)
        place += 1
        if place < len(chunks) and _is_point(words, quantity.end, chunks[place][0], lexicon):
            quantity = _with_decimals(quantity, chunks[place], words, lexicon)
            place += 1
        quantity = _with_fraction(quantity, words, lexicon)
        while place < len(chunks) and chunks[place][0].start < quantity.end:
            place += 1  # "one and three quarters" has no number three
        if (share := _share_of(quantity, words, lexicon)) is not None:
            quantity = share
            found = [other for other in found if other.end <= share.start]
        denied = quantity.start > 0 and words[quantity.start - 1].text in lexicon.negations
        if not denied and abs(quantity.hundredths) < _LARGEST * 100:
            found.append(quantity)
    return found


def _below_one(quantity: Quantity, words: Sequence[Token], lexicon: Lexicon) -> Quantity:
    """A number behind a point that no number stands before: "point five"."""
    bare = quantity.start == 1 and words[0].text in lexicon.points and not quantity.groups[0].scaled
    if not bare:
        return quantity
    decimals = ("".join(group.digits for group in quantity.groups) + "0")[:2]
    return quantity._replace(
        hundredths=int(decimals), start=0, confidence=min(quantity.confidence, LIKELY), decimal=True
    )


def _chunks(found: list[Group], words: Sequence[Token]) -> list[list[Group]]:
    """Groups that follow each other with nothing between."""
    chunks: list[list[Group]] = []
    for group in found:
        if chunks and all(word.text == "-" for word in words[chunks[-1][-1].end : group.start]):
            chunks[-1].append(group)
        else:
            chunks.append([group])
    return chunks


def _whole(chunk: list[Group], words: Sequence[Token], lexicon: Lexicon) -> Quantity:
    value, confidence = chunk[0].value, CERTAIN
    if len(chunk) > 1:
        value = int("".join(group.digits for group in chunk)[:12])
        confidence = LIKELY if len(chunk) == 2 or all(len(group.digits) == 1 for group in chunk) else FAIR
    if not all(group.sure for group in chunk):
        confidence = min(confidence, LIKELY)
    if len(chunk) > 1 and chunk[0].scaled and chunk[0].value % 100 == 0 and not chunk[1].sure:
        confidence = _UNCLEAR  # "two hundred oh five"
    start = chunk[0].start
    negative = start > 0 and words[start - 1].text in lexicon.minus
    negative = negative or (start > 0 and words[start - 1].text == "-" and words[start].joined)
    return Quantity(-value * 100 if negative else value * 100, start, chunk[-1].end, confidence, tuple(chunk))


def _is_point(words: Sequence[Token], place: int, after: Group, lexicon: Lexicon) -> bool:
    if after.start != place + 1:
        return False
    mark = words[place]
    if mark.text in lexicon.points:
        return True
    return mark.text == lexicon.spoken.decimal_mark and mark.joined and words[after.start].joined


def _with_decimals(quantity: Quantity, chunk: list[Group], words: Sequence[Token], lexicon: Lexicon) -> Quantity:
    last = chunk[-1]
    scale = words[last.end - 1].text if last.scaled else ""
    if scale in lexicon.thousand | lexicon.million:  # "two point five million": the million counts for all of it
        times = 1000 if scale in lexicon.thousand else 10**6
        plain = str(last.value // times)
        chunk = [*chunk[:-1], last._replace(digits=plain, value=int(plain), end=last.end - 1)]
    decimals = ("".join(group.digits for group in chunk) + "0")[:2]
    hundredths = abs(quantity.hundredths) + int(decimals)
    signed = -hundredths if quantity.hundredths < 0 else hundredths
    return quantity._replace(hundredths=signed, end=chunk[-1].end, decimal=True)


def _with_fraction(quantity: Quantity, words: Sequence[Token], lexicon: Lexicon) -> Quantity:
    """The number with "and a half", and with a thousand or million that follows decimals: "2.5 million"."""
    plain = [word.text for word in words[quantity.end : quantity.end + 4]]
    for length in (3, 2):
        share = lexicon.halves.get(tuple(plain[:length]))
        if share is not None:
            of = _whole_of(quantity, words, lexicon)
            hundredths, end = quantity.hundredths + round(share * of), quantity.end + length
            confidence = quantity.confidence if of else _UNCLEAR
            quantity = quantity._replace(hundredths=hundredths, end=end, confidence=confidence)
            break
    scale = words[quantity.end].text if quantity.end < len(words) else ""
    if scale in lexicon.dozens:
        return quantity._replace(hundredths=quantity.hundredths * 12, end=quantity.end + 1)
    if quantity.hundredths % 100 and scale in lexicon.thousand | lexicon.million:
        times = 1000 if scale in lexicon.thousand else 10**6
        quantity = quantity._replace(hundredths=quantity.hundredths * times, end=quantity.end + 1)
    return quantity


def _whole_of(quantity: Quantity, words: Sequence[Token], lexicon: Lexicon) -> int:
    """What "and a half" is half of, in hundredths: one, or "a million and a half"; 0 where nobody can tell."""
    if words[quantity.end - 1].text in lexicon.million:
        return 10**8
    return 0 if words[quantity.end - 1].text in lexicon.hundred | lexicon.thousand else 100


def is_span(quantity: Quantity) -> bool:
    """Whether it is "ten to twenty", whose middle is no digit."""
    return len(quantity.groups) > 2 and any(not group.sure and group.value for group in quantity.groups[1:-1])


def _share_of(quantity: Quantity, words: Sequence[Token], lexicon: Lexicon) -> Quantity | None:
    """ "half a million", "three quarters of a thousand": a share of the thousand or million that stands alone."""
    only = quantity.groups[0]
    if len(quantity.groups) > 1 or only.written or words[only.end - 1].text not in lexicon.thousand | lexicon.million:
        return None
    if quantity.hundredths not in (10**5, 10**8):
        return None
    end = quantity.start
    while end and (words[end - 1].text in lexicon.articles | lexicon.ones or words[end - 1].text in lexicon.date_links):
        end -= 1
    plain = [word.text for word in words[:end]]
    for length in (3, 2, 1):
        share = shares(lexicon).get(tuple(plain[-length:])) if length <= len(plain) else None
        if share is not None:
            hundredths = round(quantity.hundredths * share)
            return quantity._replace(hundredths=hundredths, start=end - length, confidence=LIKELY)
    return None


def is_of_a_year(words: Sequence[Token], quantity: Quantity, lexicon: Lexicon) -> bool:
    """Whether a number is a year that "in" or "since" stands before."""
    return is_year(quantity.groups[0].digits) and leads_to_year(words, quantity.start, lexicon)


def is_hour(words: Sequence[Token], quantity: Quantity, lexicon: Lexicon) -> bool:
    """Whether a number is an hour, or how far off something is: "at seven", "5 pm", "in two days", "two hours ago"."""
    plain = [word.text for word in words]
    start, end = quantity.start, quantity.end
    unit = plain[end] if end < len(plain) else ""
    if unit in lexicon.day_endings and words[end].joined:
        return True  # "on the 5th"
    lasts = unit in lexicon.spans or unit in lexicon.durations
    if (lasts or unit in lexicon.after_hour) and end + 1 < len(plain) and plain[end + 1] in lexicon.not_ahead:
        return True
    if lasts:
        return led_by(plain, start, lexicon.span_before | lexicon.ago_before)
    if unit in lexicon.after_hour and led_by(plain, start, lexicon.ago_before):
        return True
    if at(plain, end, lexicon.morning | lexicon.afternoon | lexicon.night):
        return True
    days = frozenset(lead for lead in lexicon.day_leads if len(lead) > 1)
    return led_by(plain, start, lexicon.clock_leads | days)


def led_by(plain: Sequence[str], start: int, phrases: Phrases) -> bool:
    """Whether one of these phrases stands right before a place."""
    return any(at(plain[:start], place, phrases) == start - place for place in range(max(start - 3, 0), start))


def _is_added(words: Sequence[Token], quantity: Quantity, lexicon: Lexicon) -> bool:
    """Whether a number only adds to what has none: "my wife, me and three kids"."""
    before = words[quantity.start - 2] if quantity.start > 1 else None
    joined = before is not None and words[quantity.start - 1].text in lexicon.joiners
    return joined and before is not None and before.text[0].isalpha() and before.text not in lexicon.fillers
