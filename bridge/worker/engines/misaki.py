"""Phonemes in the IPA -> the default voice's alphabet (misaki's, as in Kokoro), American and British.

misaki writes diphthongs and affricates as one character (`A` is eɪ, `ʧ` is tʃ); American vowels have no length mark.
"""

from __future__ import annotations

import re

_COMMON = {
    "t͡ʃ": "ʧ", "d͡ʒ": "ʤ", "tʃ": "ʧ", "dʒ": "ʤ", "aɪ": "I", "aʊ": "W", "eɪ": "A", "ɔɪ": "Y", "ɝː": "ɜɹ", "ɝ": "ɜɹ",
    "ɚ": "əɹ", "r": "ɹ", "g": "ɡ", "ɫ": "l", "ɹ̩": "əɹ", "n̩": "ᵊn", "l̩": "ᵊl", "ʍ": "w", "ʉ": "u", "ɐ": "ʌ",
}  # fmt: skip
_AMERICAN = _COMMON | {"oʊ": "O", "əʊ": "O", "ɾ": "T", "ː": "", "ɒ": "ɑ", "e": "ɛ", "a": "æ"}
_BRITISH = _COMMON | {"əʊ": "Q", "oʊ": "Q", "ɾ": "t", "e": "ɛ"}
_UNSAID = re.compile(r"[.‿|‖͜͡\s]")
_ALPHABET = frozenset("AIOQSTWYᵊabcdefhijklmnopqrstuvwxyzɑɐɒæβɔɕçɖðʤəɚɛɜɡɥɨɪɯŋɲøθœɹɾʁʃʈʧʊʋʌɣɤχʎʒʔˈˌːʰʲᵻ̃")


def _substitution(table: dict[str, str]) -> tuple[re.Pattern[str], dict[str, str]]:
    signs = sorted(table, key=len, reverse=True)
    return re.compile("|".join(map(re.escape, signs))), table


_TABLES = {"american": _substitution(_AMERICAN), "british": _substitution(_BRITISH)}
ACCENTS = tuple(_TABLES)


def from_ipa(ipa: str, accent: str) -> str:
    """The phonemes in misaki's alphabet; "" where there is one that it does not have."""
    pattern, table = _TABLES[accent]
    found = pattern.sub(lambda sign: table[sign.group()], _UNSAID.sub("", ipa))
    return found if found and _ALPHABET.issuperset(found) else ""


def in_text(word: str, ipa: str, accent: str) -> str:
    """A word with its phonemes as the front end takes it within a text; "" where it cannot say them."""
    phonemes = from_ipa(ipa, accent)
    return f"[{word}](/{phonemes}/)" if phonemes and word and not set(word) & set("[]()") else ""
