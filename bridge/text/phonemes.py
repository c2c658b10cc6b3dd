"""Phonemes as builders write them, in the IPA or in X-SAMPA, to the IPA without what no voice makes use of. Pure.

X-SAMPA is J. C. Wells' notation of the IPA in ASCII (University College London, 1995); its symbols for the sounds of
the languages that are spoken here are known.
"""

from __future__ import annotations

import re

_SAMPA = dict(
    pair.split()
    for pair in (
        "A ɑ|{ æ|6 ɐ|Q ɒ|V ʌ|@ ə|@` ɚ|3 ɜ|3` ɝ|E ɛ|I ɪ|U ʊ|O ɔ|Y ʏ|2 ø|9 œ|& ɶ|1 ɨ|} ʉ|M ɯ|7 ɤ|8 ɵ|"
        "a a|e e|i i|o o|u u|y y|b b|c c|d d|f f|g ɡ|h h|j j|k k|l l|m m|n n|p p|q q|r r|s s|t t|v v|w w|x x|z z|"
        "B β|C ç|D ð|F ɱ|G ɣ|H ɥ|J ɲ|K ɬ|L ʎ|N ŋ|R ʁ|S ʃ|T θ|W ʍ|X χ|Z ʒ|? ʔ|4 ɾ|5 ɫ|P ʋ|"
        "R\\ ʀ|r\\ ɹ|r\\` ɻ|v\\ ʋ|s\\ ɕ|z\\ ʑ|x\\ ɧ|j\\ ʝ|h\\ ɦ|t` ʈ|d` ɖ|n` ɳ|s` ʂ|z` ʐ|l` ɭ|"
        "\" ˈ|% ˌ|: ː|:\\ ˑ|~ \u0303|_~ \u0303|= \u0329|_= \u0329|_h ʰ|_w ʷ|_j ʲ|' ʲ|. .|- .|_ \u0361"
    ).split("|")
)
_SIGNS = re.compile("|".join(re.escape(sign) for sign in sorted(_SAMPA, key=len, reverse=True)) + r"|\s|(?P<wrong>.)")
_IPA = re.compile(r"[a-zæçðøœħŋɐ-ʯʰ-˿̀-ͯβθχᵊᵻ.‿|‖'’,:\s]{1,200}")
ALPHABETS = ("ipa", "x-sampa")


def ipa(written: str, alphabet: str = "ipa") -> str:
    """The IPA of some phonemes. Raises ValueError that says what is no phoneme."""
    if alphabet.lower() == "x-sampa":
        for sign in _SIGNS.finditer(written):
            if sign["wrong"]:
                raise ValueError(f"{sign['wrong']!r} is no sign of X-SAMPA")
        written = _SIGNS.sub(lambda sign: _SAMPA.get(sign.group(), ""), written)
    if not _IPA.fullmatch(written):
        wrong = next((char for char in written if not _IPA.fullmatch(char)), "")
        raise ValueError(f"{wrong!r} is no sign of the IPA" if wrong else "there are none")
    return written.replace("'", "ˈ").replace("’", "ˈ").replace(",", "ˌ").replace(":", "ː")
