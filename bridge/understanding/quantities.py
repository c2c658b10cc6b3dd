"""Numbers and sums of money as people say them: "two and a half", "forty euros and twenty cents". Pure."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import NamedTuple

from bridge.understanding.corrections import segments
from bridge.understanding.counted import is_other, is_year, leads_to_year, says_nothing_behind
from bridge.understanding.denials import meant
from bridge.understanding.lexicon import Lexicon
from bridge.understanding.number_names import names_of_numbers
from bridge.understanding.numbers import Group, groups, lone_digit
from bridge.understanding.results import CERTAIN, FAIR, LIKELY, Interpretation
from bridge.understanding.shares import dozen_and_more, shares, whole_of_share, whole_or_not, with_more, written_share
from bridge.understanding.words import Token, at, unhyphenated

_LARGEST = 10**12
_UNCLEAR = 0.3
"""Less than is ever understood."""
_DOLLARS = {"r": "BRL", "us": "USD", "c": "CAD", "ca": "CAD", "a": "AUD", "au": "AUD", "mx": "MXN", "nz": "NZD"}
"""Letters before a dollar sign that tell which one it is."""
_SYMBOLS = {"$": "USD", "€": "EUR", "£": "GBP"}


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
        reading = None if _is_difference(piece, lexicon) else _one_number(said, lexicon)
        if because and reading is None and (lone := lone_digit(said, lexicon)):
            reading = Interpretation(int(lone), FAIR)
        if reading is not None or because in ("strong", "restart"):
            best = reading
    return best


def _is_difference(words: Sequence[Token], lexicon: Lexicon) -> bool:
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
    if (whole_answer := lexicon.amounts.get(plain)) is not None:
        return Interpretation(whole_or_not(whole_answer), LIKELY)
    whole = dozen_and_more(words, lexicon) or written_share(words)
    if whole is not None:
        return Interpretation(whole, LIKELY)
    words = whole_of_share(words, lexicon)
    found = quantities(words, lexicon)
    if any(_is_span(one) or _is_of_a_year(words, one, lexicon) for one in found):
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
                return with_more(number, plain[place + length :], lexicon)
    return None


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


def _is_span(quantity: Quantity) -> bool:
    """Whether it is "ten to twenty", whose middle is no digit."""
    return len(quantity.groups) > 2 and any(not group.sure and group.value for group in quantity.groups[1:-1])


def _is_percentage(quantity: Quantity, words: Sequence[Token], lexicon: Lexicon) -> bool:
    plain = [word.text for word in words]
    return bool(at(plain, quantity.end, lexicon.percent))


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


# -- money


class _Sum(NamedTuple):
    hundredths: int
    currency: str
    confidence: float


def read_amount(words: Sequence[Token], lexicon: Lexicon) -> Interpretation | None:
    """One sum of money: `45.20`, whole sums without decimals; the part `currency` (ISO 4217) where it was named."""
    best: _Sum | None = None
    for because, piece in segments(unhyphenated(words), lexicon):
        said = meant(piece, lexicon)
        found = None if _is_difference(piece, lexicon) else _one_sum(said, lexicon)
        if found is not None and best is not None and not found.currency:
            found = found._replace(currency=best.currency)
        if found is not None or because in ("strong", "restart"):
            best = found
    if best is None:
        return None
    whole, cents = divmod(best.hundredths, 100)
    value = f"{whole}.{cents:02}" if cents else str(whole)
    return Interpretation(value, best.confidence, {"currency": best.currency} if best.currency else {})


def _one_sum(words: list[Token], lexicon: Lexicon) -> _Sum | None:
    for place, word in enumerate(words[1:], start=1):
        share = shares(lexicon).get((words[place - 2].text,)) if place > 1 else None
        if share and word.text in lexicon.money and words[place - 1].text in lexicon.articles:
            return _Sum(round(share * 100), lexicon.money[word.text], LIKELY)  # "half a dollar"
        parts = lexicon.amounts.get((words[place - 1].text,), 0)
        if parts > 1 and parts % 1 and (unit := lexicon.money.get(word.text, "cent")) and not unit.startswith("cent"):
            return _Sum(round(parts * 100), unit, LIKELY)  # German "anderthalb Euro"
    words = whole_of_share(_one_coin(words, lexicon), lexicon)
    found = quantities(words, lexicon)
    if any(_is_span(one) or _is_percentage(one, words, lexicon) for one in found):
        return None
    if not found or len(found) > 2 or any(quantity.hundredths < 0 for quantity in found):
        return None
    first = found[0]
    unit, behind = _unit(words, first, lexicon)
    plain = [word.text for word in words]
    if len(found) == 2:
        return _units_and_cents(words, found, unit, behind, lexicon)
    coin, _, currency = unit.partition(" ")
    if coin.startswith("cent"):
        return _Sum(first.hundredths // 100 * int(coin.partition("*")[2] or 1), currency, LIKELY)
    if len(first.groups) == 2 and not first.decimal and _may_be_cents(first, unit):
        return None
    if unit or first.decimal:
        share = next(
            (lexicon.halves[half] for n in (3, 2) if (half := tuple(plain[behind : behind + n])) in lexicon.halves), 0
        )
        return _Sum(first.hundredths + round(share * 100) if unit else first.hundredths, unit, first.confidence)
    return None if _counts_else(words, first, lexicon) else _as_price(first)


def _is_of_a_year(words: Sequence[Token], quantity: Quantity, lexicon: Lexicon) -> bool:
    return is_year(quantity.groups[0].digits) and leads_to_year(words, quantity.start, lexicon)


def _counts_else(words: list[Token], quantity: Quantity, lexicon: Lexicon) -> bool:
    """Whether a number without a currency counts or dates something: "two bills", "in 2019", "on the 5th"."""
    start, end = quantity.start, quantity.end
    return (
        _is_of_a_year(words, quantity, lexicon)
        or is_other(words, start, end, lexicon)
        or not says_nothing_behind(words, end, lexicon)
    )


def _one_coin(words: list[Token], lexicon: Lexicon) -> list[Token]:
    """ "a buck fifty" as "one buck fifty"."""
    one, ones = Token("1", "1", joined=False), lexicon.articles | lexicon.ones
    inside = {place for group in groups(words, lexicon) for place in range(group.start, group.end)}
    return [
        one
        if place not in inside
        and word.text in ones
        and place + 1 < len(words)
        and words[place + 1].text in lexicon.money
        else word
        for place, word in enumerate(words)
    ]


def _unit(words: Sequence[Token], quantity: Quantity, lexicon: Lexicon) -> tuple[str, int]:
    """The currency at a number, and where its name ends."""
    before = words[quantity.start - 1].text if quantity.start else ""
    if before in _SYMBOLS:
        country = words[quantity.start - 2].text if quantity.start > 1 and words[quantity.start - 1].joined else ""
        return _DOLLARS.get(country, "USD") if before == "$" else _SYMBOLS[before], quantity.end
    after = words[quantity.end].text if quantity.end < len(words) else ""
    if after in _SYMBOLS:
        return _SYMBOLS[after], quantity.end + 1
    if after in lexicon.money:
        return lexicon.money[after], quantity.end + 1
    unit = lexicon.money.get(before, "")
    return "" if unit.startswith("cent") else unit, quantity.end


def _units_and_cents(
    words: Sequence[Token], found: list[Quantity], unit: str, behind: int, lexicon: Lexicon
) -> _Sum | None:
    first, second = found
    joining = lexicon.joiners | lexicon.and_cents
    between = [w.text for w in words[behind : second.start] if not w.is_sign and w.text not in joining]
    if unit and second.decimal and second.hundredths < 100 and _unit(words, second, lexicon)[0] == unit:
        return _Sum(first.hundredths + second.hundredths, unit, LIKELY)  # "$250 and $0.05"
    joined = [w.text for w in words[behind : second.start]]
    if not unit and len(joined) == 1 and joined[0] in lexicon.and_cents - lexicon.joiners and len(second.groups) == 1:
        return _Sum(first.hundredths + second.hundredths // 100, "", FAIR) if second.hundredths < 10000 else None
    if not unit or unit.startswith("cent") or between or not 0 <= second.hundredths < 10000 or second.decimal:
        return None
    cent, _ = _unit(words, second, lexicon)
    named = second.end < len(words) and lexicon.money.get(words[second.end].text, "").startswith("cent")
    if not named and cent and cent != unit:
        return None
    return _Sum(first.hundredths + second.hundredths // 100, unit, CERTAIN if named else LIKELY)


def _may_be_cents(quantity: Quantity, unit: str) -> bool:
    """Whether nobody knows if the second of two numbers is cents: "four fifty dollars", "89 90"."""
    first, second = quantity.groups
    short = len(first.digits) <= 2 and len(second.digits) == 2
    return short and (first.written if not unit else not first.written and len(first.digits) == 1)


def _as_price(quantity: Quantity) -> _Sum:
    """A bare number: "five fifty" is 5.50, "one oh five" 1.05, "five hundred" 500."""
    digits = [group.digits for group in quantity.groups]
    if len(digits) == 2 and len(digits[1]) == 2 and len(digits[0]) <= 2 and not quantity.groups[0].written:
        return _Sum(int(digits[0]) * 100 + int(digits[1]), "", FAIR)
    if len(digits) == 3 and digits[1] == "0" and len(digits[0]) <= 2 and len(digits[2]) == 1:
        return _Sum(int(digits[0]) * 100 + int(digits[2]), "", FAIR)
    return _Sum(quantity.hundredths, "", min(quantity.confidence, LIKELY))
