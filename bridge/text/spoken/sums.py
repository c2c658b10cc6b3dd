"""The words of a sum of money. Pure."""

from __future__ import annotations

from bridge.text.spoken.language import Currency, Gender, Language
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
    if number.fraction and (not currency.cent or len(number.fraction) > 2):
        return f"{say(number, language)} {currency.many}"
    cents = int(number.fraction.ljust(2, "0")) if number.fraction else 0
    units = int(number.whole) if len(number.whole) <= 15 else -1
    parts = []
    if units or not cents or _could_be_others(currency, language):
        joiner = (
            _joined(currency.many, language)
            if language.scale_joins_noun and units >= 10**6 and not units % 10**6
            else " "
        )
        name = currency.one if units == 1 else currency.many
        parts.append(f"{_counted(number.whole, units, language, currency.gender)}{joiner}{name}")
    if cents:
        name = currency.cent if cents == 1 else currency.cents
        parts.append(f"{language.cardinal(cents, currency.cent_gender)} {name}")
    return sign + language.and_cents.join(parts)


def _could_be_others(currency: Currency, language: Language) -> bool:
    """Whether hundredths by themselves would be taken for those of the country's own currency: `€0.92` in America."""
    if currency == language.currencies.get(language.home):
        return False
    return any(other.cents == currency.cents and other != currency for other in language.currencies.values())


def _joined(noun: str, language: Language) -> str:
    """What joins a million to its noun: "millones de euros", "millions d'euros"."""
    elided = language.elides and noun[0] in "aeiouéhy"
    return f" {language.scale_joins_noun[0]}'" if elided else f" {language.scale_joins_noun} "


def _counted(text: str, value: int, language: Language, gender: Gender) -> str:
    return digits(text, language) if value < 0 else language.cardinal(value, gender)


def of_currency(scale: str, after: str, language: Language) -> Currency | None:
    """The currency in `d'euros` after a scale's letter."""
    elided = scale in language.scales and after[:1] == language.scale_joins_noun[:1] and after[1:2] in ("'", "’")
    return language.currencies.get(after[2:]) if elided else None
