"""The words of a sum of money. Pure."""

from __future__ import annotations

import functools

from bridge.text.spoken.language import LONGEST_CARDINAL, Currency, Gender, Language
from bridge.text.spoken.numerals import Number, digits, say, signed


def scale_gender(number: Number, language: Language) -> Gender:
    """How one million is counted: "eine Million", "un millón"."""
    return language.scale_gender if number.is_one else ""


def money(number: Number, currency: Currency, scale: str, language: Language) -> str:
    """A sum in units and hundredths, or with a scale: "two million dollars"."""
    sign = signed(number.sign, language)
    if scale:
        words = say(number._replace(sign=""), language, scale_gender(number, language))
        scaled = language.scales[scale][0 if number.is_one else 1]
        joiner = (
            _joined(currency.many, language)
            if language.scale_joins_noun and scaled not in language.plain_scales
            else " "
        )
        return f"{sign}{words} {scaled}{joiner}{currency.many}"
    return sign + plain_sum(number.whole, number.fraction, currency, language)


def plain_sum(whole: str, fraction: str, currency: Currency, language: Language) -> str:
    """A sum without sign or scale, by the digits before and after its decimal mark."""
    if fraction and (not currency.cent or len(fraction) > 2):
        return f"{say(Number('', whole, fraction), language)} {currency.many}"
    cents = _hundredths(fraction, currency, language) if fraction else ""
    if not cents:
        return _units(whole, currency, language)
    if not whole.strip("0") and not _could_be_others(currency, language):
        return cents
    return f"{_units(whole, currency, language)}{language.and_cents}{cents}"


@functools.lru_cache(maxsize=16_384)
def _units(whole: str, currency: Currency, language: Language) -> str:
    """So many of a currency's unit."""
    units = int(whole) if len(whole) <= LONGEST_CARDINAL else -1
    million = bool(language.scale_joins_noun) and units >= 10**6 and not units % 10**6
    joiner = _joined(currency.many, language) if million else " "
    counted = digits(whole, language) if units < 0 else language.cardinal(units, currency.gender)
    return f"{counted}{joiner}{currency.one if units == 1 else currency.many}"


@functools.lru_cache(maxsize=1024)
def _hundredths(fraction: str, currency: Currency, language: Language) -> str:
    """The hundredths that one or two digits after the decimal mark are; empty for none."""
    cents = int(fraction.ljust(2, "0"))
    name = currency.cent if cents == 1 else currency.cents
    return f"{language.cardinal(cents, currency.cent_gender)} {name}" if cents else ""


def _could_be_others(currency: Currency, language: Language) -> bool:
    """Whether hundredths by themselves would be taken for those of the country's own currency: `€0.92` in America."""
    if currency == language.currencies.get(language.home):
        return False
    return any(other.cents == currency.cents and other != currency for other in language.currencies.values())


def _joined(noun: str, language: Language) -> str:
    """What joins a million to its noun: "millones de euros", "millions d'euros"."""
    elided = language.elides and noun[0] in "aeiouéhy"
    return f" {language.scale_joins_noun[0]}'" if elided else f" {language.scale_joins_noun} "


def of_currency(scale: str, after: str, language: Language) -> Currency | None:
    """The currency in `d'euros` after a scale's letter."""
    elided = scale in language.scales and after[:1] == language.scale_joins_noun[:1] and after[1:2] in ("'", "’")
    return language.currencies.get(after[2:]) if elided else None
