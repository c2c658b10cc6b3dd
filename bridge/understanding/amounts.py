"""Sums of money as people say them: "forty euros and twenty cents", "a buck fifty", "five fifty". Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from bridge.understanding.corrections import segments
from bridge.understanding.counted import clause_of, is_other, says_nothing_behind
from bridge.understanding.denials import meant
from bridge.understanding.lexicon import Lexicon
from bridge.understanding.numbers import groups
from bridge.understanding.quantities import Quantity, is_difference, is_hour, is_of_a_year, is_span, led_by, quantities
from bridge.understanding.results import CERTAIN, FAIR, LIKELY, Interpretation
from bridge.understanding.shares import shares, whole_of_share
from bridge.understanding.words import Token, at, unhyphenated

_ROW = 4
"""Digits that are no sum where a row of them may be told."""
_DOLLARS = {"r": "BRL", "us": "USD", "c": "CAD", "ca": "CAD", "a": "AUD", "au": "AUD", "mx": "MXN", "nz": "NZD"}
"""Letters before a dollar sign that tell which one it is."""
_SYMBOLS = {"$": "USD", "€": "EUR", "£": "GBP"}


class _Sum(NamedTuple):
    hundredths: int
    currency: str
    confidence: float


def read_amount(words: Sequence[Token], lexicon: Lexicon) -> Interpretation | None:
    """One sum of money: `45.20`, whole sums without decimals; the part `currency` (ISO 4217) where it was named."""
    best: _Sum | None = None
    for because, piece in segments(unhyphenated(words), lexicon):
        said = meant(piece, lexicon)
        found = None if is_difference(piece, lexicon) else _one_sum(said, lexicon)
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
        if (many := _many_before(words, place, lexicon)) and (coin := lexicon.money.get(word.text, "")):
            return _Sum(many * 100, coin, LIKELY) if not coin.startswith("cent") else None
        parts = lexicon.amounts.get((words[place - 1].text,), 0)
        if parts > 1 and parts % 1 and (unit := lexicon.money.get(word.text, "cent")) and not unit.startswith("cent"):
            return _Sum(round(parts * 100), unit, LIKELY)  # German "anderthalb Euro"
    words = whole_of_share(_one_coin(words, lexicon), lexicon)
    found = quantities(words, lexicon)
    if any(is_span(one) or _is_percentage(one, words, lexicon) for one in found):
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


def _many_before(words: Sequence[Token], place: int, lexicon: Lexicon) -> int:
    """How many coins a word for so many tells: "a dozen dollars", French "une centaine d'euros"; 0 for none."""
    end = place - (place > 1 and words[place - 1].text in lexicon.date_links)
    plain = [word.text for word in words[max(end - 3, 0) : end]]
    found = (lexicon.amounts.get(tuple(plain[-length:]), 0) for length in (3, 2) if length <= len(plain))
    return next((int(number) for number in found if number > 1 and not number % 1), 0)


def _counts_else(words: list[Token], quantity: Quantity, lexicon: Lexicon) -> bool:
    """Whether a number without a currency counts or dates something: "two bills", "in 2019", "on the 5th"."""
    start, end = quantity.start, quantity.end
    return (
        is_of_a_year(words, quantity, lexicon)
        or is_hour(words, quantity, lexicon)
        or (quantity.hundredths <= 3100 and led_by([word.text for word in words], start, lexicon.day_leads))
        or _is_of_an_account(words, quantity, lexicon)
        or (start > 0 and (words[start - 1].text,) in lexicon.span_before)  # "split it in three"
        or is_other(words, start, end, lexicon)
        or not says_nothing_behind(words, end, lexicon)
    )


def _is_of_an_account(words: Sequence[Token], quantity: Quantity, lexicon: Lexicon) -> bool:
    """Whether a long row of digits is told as an account's, a card's, a place's: "my zip code is 90210"."""
    begin, _ = clause_of(words, quantity.start)
    named = any(word.text in lexicon.other_numbers for word in words[begin : quantity.start])
    return named and sum(len(group.digits) for group in quantity.groups) >= _ROW


def _one_coin(words: list[Token], lexicon: Lexicon) -> list[Token]:
    """ "a buck fifty" as "one buck fifty"."""
    one, ones = Token("1", "1", joined=False), lexicon.articles | lexicon.ones
    inside = {place for group in groups(words, lexicon) for place in range(group.start, group.end)}
    plain = tuple(word.text for word in words[1:4])
    if words and words[0].text in lexicon.money and any(plain[:length] in lexicon.halves for length in (2, 3)):
        return [one, *words]  # Spanish "euro y medio"
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
    end = quantity.end
    if end + 1 < len(words) and words[end].text in lexicon.date_links and words[end + 1].text in lexicon.money:
        end += 1  # Italian "un milione di euro"
    after = words[end].text if end < len(words) else ""
    if after in _SYMBOLS:
        return _SYMBOLS[after], end + 1
    if after in lexicon.money:
        return lexicon.money[after], end + 1
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
    cent, _ = _unit(words, second, lexicon)
    if not unit and not between and cent.startswith("cent") and not cent.partition(" ")[0].partition("*")[2]:
        unit = cent.partition(" ")[2]  # "forty two and sixteen cents"
        short = not first.decimal and not second.decimal and 0 <= second.hundredths < 10000
        return _Sum(first.hundredths + second.hundredths // 100, unit, LIKELY) if short else None
    if not unit or unit.startswith("cent") or between or not 0 <= second.hundredths < 10000 or second.decimal:
        return None
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
    first = quantity.groups[0]
    hundreds = first.scaled and len(first.digits) == 3 and not first.digits.endswith("00")
    if len(digits) == 2 and len(digits[1]) == 2 and (len(digits[0]) <= 2 or hundreds) and not first.written:
        return _Sum(int(digits[0]) * 100 + int(digits[1]), "", FAIR)
    if len(digits) == 3 and digits[1] == "0" and len(digits[0]) <= 2 and len(digits[2]) == 1:
        return _Sum(int(digits[0]) * 100 + int(digits[2]), "", FAIR)
    return _Sum(quantity.hundredths, "", min(quantity.confidence, LIKELY))


def _is_percentage(quantity: Quantity, words: Sequence[Token], lexicon: Lexicon) -> bool:
    plain = [word.text for word in words]
    return bool(at(plain, quantity.end, lexicon.percent))
