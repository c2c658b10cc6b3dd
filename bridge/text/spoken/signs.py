"""Tokens that no rule knows: words and numbers as they come, signs by their names. Pure."""

from __future__ import annotations

import re

from bridge.text.spoken import codes
from bridge.text.spoken.language import Language
from bridge.text.spoken.numerals import parse, say

_ATOMS = re.compile(
    r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|(?<![\d.,])\d+,\d+(?![\d.,])|\d+(?:\.\d+)?|[^\W\d_½¼¾⅓⅔⅛⅜⅝⅞⅕²³]+(?:['’][^\W\d_]+)*|.",
    re.DOTALL,
)


def sign_by_sign(core: str, language: Language) -> str:
    """What no rule knows: words and numbers as they come, signs by their names, the rest not at all."""
    atoms = _ATOMS.findall(core)
    words: list[str] = []
    currency = ""
    for place, atom in enumerate(atoms):
        before = atoms[place - 1] if place else ""
        after = atoms[place + 1] if place + 1 < len(atoms) else ""
        if atom[0].isdecimal():
            number = parse(atom, language) if len(atom) <= 3 or not atom.isdecimal() else None
            words += [say(number, language) if number else codes.spaced_digits(atom, language), currency]
            currency = ""
        elif atom[0].isalpha():
            words.append(_letters(atom, language))
        elif atom in language.currencies and after[:1].isdecimal() and not before[-1:].isdecimal():
            currency = language.currencies[atom].many  # `$20-bill`
        else:
            words.append(_sign(atom, before, after, language))
    return " ".join(filter(None, words)).replace(" ,", ",")


def _letters(atom: str, language: Language) -> str:
    """A word within a token that no rule knows."""
    word = atom.lower()
    if len(atom) == 1:
        return atom
    known = language.titles.get(word) or language.abbreviations.get(word)
    if known:
        return known
    if atom.isupper():
        return word if len(atom) > 4 or word in language.capitals else codes.letters(atom, language)
    return atom


def _sign(sign: str, before: str, after: str, language: Language) -> str:
    """A sign within a token that no rule knows."""
    if sign == ":" and after == "\\":
        return language.address_signs[":"]
    if sign in ".,;:!?…'\"()":
        if sign == "." and before[-1:].isalnum() and after[:1].isalnum():
            new_sentence = before[-1:].islower() and after[:1].isupper()
            return "," if new_sentence else language.address_signs["."]
        return "," if sign in ",;:!?…" and before and after else ""
    if sign in "-–—_":
        if before[-1:].isdecimal() or after[:1].isdecimal():
            return language.address_signs["_" if sign == "_" else "-"]
        return language.address_signs["_"] if sign == "_" and before and after else ""
    said = language.symbols.get(sign)
    if said is None and sign in language.currencies:
        return language.currencies[sign].many
    return said or ""
