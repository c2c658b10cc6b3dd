"""Short notations for the tables of a language. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from bridge.text.spoken.language import Currency, Gender, Unit

_GENDERS: dict[str, Gender] = {"-": "", "m": "m", "f": "f", "n": "n"}


def pairs(table: str) -> dict[str, str]:
    """`& und | @ at`: what is written and what is said for it, parted by the first space."""
    found: dict[str, str] = {}
    for entry in table.split(" | "):
        written, _, said = entry.strip().partition(" ")
        found[written] = said.strip()
    return found


def units(table: str) -> dict[str, Unit]:
    """Lines of `km|kms one many gender`, with underscores for spaces and `-` for a unit without gender."""
    found: dict[str, Unit] = {}
    for line in table.strip().split("\n"):
        written, one, many, gender = line.split()
        for form in written.split("|"):
            found[form] = Unit(one.replace("_", " "), many.replace("_", " "), _GENDERS[gender])
    return found


def currencies(table: str) -> dict[str, Currency]:
    """Lines of `€|EUR one many cent cents gender cent-gender`; `-` for what a currency does not have."""
    found: dict[str, Currency] = {}
    for line in table.strip().split("\n"):
        written, one, many, cent, cents, gender, cent_gender = line.split()
        names = [name.replace("_", " ") if name != "-" else "" for name in (one, many, cent, cents)]
        currency = Currency(names[0], names[1], names[2], names[3], _GENDERS[gender], _GENDERS[cent_gender])
        found |= dict.fromkeys(written.split("|"), currency)
    return found


def scales(table: str) -> dict[str, tuple[str, str]]:
    """Read a table of scales from lines of `M|mio one many`."""
    found: dict[str, tuple[str, str]] = {}
    for line in table.strip().split("\n"):
        written, one, many = line.split()
        found |= dict.fromkeys(written.split("|"), (one, many))
    return found


def months(names: str, abbreviations: str) -> tuple[tuple[str, ...], Mapping[str, int]]:
    """The twelve names, and their number by name and abbreviation, the latter `jan feb|febr ...` in order."""
    known = tuple(names.split())
    numbers = {name.lower(): number for number, name in enumerate(known, 1)}
    for number, forms in enumerate(abbreviations.split(), 1):
        numbers |= dict.fromkeys(forms.split("|"), number)
    return known, numbers


def words_of(text: str) -> frozenset[str]:
    """Split a table's text into a set of phrases, which are parted by strokes."""
    return frozenset(phrase.strip() for phrase in text.split("|"))


def words(text: str) -> frozenset[str]:
    """Split a table's text into a set of words."""
    return frozenset(text.split())
