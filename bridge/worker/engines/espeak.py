"""The default voice's phonemes -> the IPA that espeak-ng writes for American English, from which Piper voices learnt.

The real espeak-ng is GPL, so it is no dependency. Against it this mapping differs in 6.5 % of the symbols (mostly the
secondary stress of pronouns and words that espeak runs together), without a difference in recognition errors of the
result.
"""

from __future__ import annotations

import re

_SIMPLE = {
    "A": "eɪ",
    "I": "aɪ",
    "O": "oʊ",
    "W": "aʊ",
    "Y": "ɔɪ",
    "ʤ": "dʒ",
    "ʧ": "tʃ",
    "T": "ɾ",
    "ᵊ": "ə",
    "u": "uː",
    "ɑ": "ɑː",
    "ɔ": "ɔː",
}
_VOWELS = "iuɑɔæɛɪʊʌəɜAIOWYᵊᵻɚ"
_LONG_I = re.compile(rf"(?:(?<=[ˈˌ])i|(?<![ˈˌ])i(?=[^\sː.,!?;:—…\"(){_VOWELS}]))")
"""FLEECE is long where it is stressed or before a consonant of its word; at the end ("happy") it is not."""


def to_espeak(phonemes: str) -> list[str]:
    """Return for each phoneme what espeak-ng writes: one character or two, none where it is part of the one before."""
    symbols = [_SIMPLE.get(phoneme, phoneme) for phoneme in phonemes]
    for match in _LONG_I.finditer(phonemes):
        symbols[match.start()] = "iː"
    for match in re.finditer("[ɜə]ɹ", phonemes):
        symbols[match.start()], symbols[match.start() + 1] = "ɜː" if match.group()[0] == "ɜ" else "ɚ", ""
    return symbols
