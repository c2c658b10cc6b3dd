"""Text of any language that espeak-ng knows -> its phonemes in the IPA, for voices that learnt from them.

espeak-ng is under the GPL, so it is no dependency: who wants such a voice installs it (`pip install
'bridge[phonemes]'`), and only then is it loaded. It is asked clause by clause, so that the marks stay, which voices
take for pauses.
"""

from __future__ import annotations

import ctypes
import functools
import re
import threading
import unicodedata
from collections.abc import Sequence
from itertools import accumulate

from bridge.errors import ConfigError
from bridge.worker.alignment import align
from bridge.worker.engines.english import LONGEST, LONGEST_TEXT, Reading, sound_within

EXTRA = "pip install 'bridge[phonemes]'"
_SYNCHRONOUS, _DO_NOT_EXIT, _UTF8 = 2, 0x8000, 1
_IPA = 0x02
_TIED = _IPA | 0x80 | ord("^") << 8
"""With `^` between the signs of one phoneme, as in `t^ʃ`."""
_MISAKI = {
    "a^ɪ": "I", "a^ʊ": "W", "d^z": "ʣ", "d^ʒ": "ʤ", "e^ɪ": "A", "o^ʊ": "O", "ə^ʊ": "Q", "s^s": "S", "t^s": "ʦ",
    "t^ʃ": "ʧ", "ɔ^ɪ": "Y", "^": "", "-": "",
}  # fmt: skip
"""What misaki 0.9.4 (MIT), from which Kokoro's voices learnt, makes of espeak-ng's phonemes: one sign for each."""
_MISAKI_SIGN = re.compile("|".join(map(re.escape, _MISAKI)))
_CLAUSE = re.compile(r"([^.,;:!?…—()\"“”]*)([.,;:!?…—()\"“”\s]*)")
_FOREIGN = re.compile(r"\([a-z-]{2,8}\)")
"""Where espeak-ng turns to another language for a word, and back."""


class _Espeak:
    """The library, which is one for the whole process and knows one voice at a time."""

    def __init__(self) -> None:
        try:
            import espeakng_loader
        except ModuleNotFoundError as error:
            raise ConfigError(f"the phonemes of other languages than English need espeak-ng: {EXTRA}") from error
        self._lock, self._voice = threading.Lock(), ""
        self._library = ctypes.CDLL(espeakng_loader.get_library_path())
        self._library.espeak_TextToPhonemes.restype = ctypes.c_char_p
        self._library.espeak_TextToPhonemes.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_int]
        data = str(espeakng_loader.get_data_path()).encode()
        if self._library.espeak_Initialize(_SYNCHRONOUS, 0, data, _DO_NOT_EXIT) < 0:
            raise ConfigError("espeak-ng found none of its data")

    def phonemes(self, text: str, voice: str, mode: int) -> str:
        """The phonemes of a clause, its words parted by spaces. Raises ConfigError for no voice of espeak-ng."""
        with self._lock:
            if voice != self._voice:
                names = (voice, voice.partition("-")[0])  # `fr-fr` is called `fr`
                if not any(self._library.espeak_SetVoiceByName(name.encode()) == 0 for name in names):
                    raise ConfigError(f"espeak-ng has no voice {voice!r}")
                self._voice = voice
            buffer = ctypes.create_string_buffer(text.encode())
            rest, said = ctypes.c_char_p(ctypes.addressof(buffer)), []
            while rest.value is not None:
                part = self._library.espeak_TextToPhonemes(ctypes.byref(rest), _UTF8, mode)
                said.append((part or b"").decode())
        return " ".join(_FOREIGN.sub("", " ".join(said)).split())


@functools.cache
def _espeak() -> _Espeak:
    return _Espeak()


forget = _espeak.cache_clear
"""Look for the library anew, where it was missing."""


class PhonemeReader:
    """Front end for one of espeak-ng's voices, such as `de` or `pt-br`. Raises ConfigError where it is missing.

    misaki  in the alphabet that Kokoro's voices learnt from, rather than in the one of Piper's
    """

    accent = ""

    def __init__(self, voice: str, *, misaki: bool = False) -> None:
        self._voice, self._misaki = voice, misaki
        self._said("a")

    def read(self, text: str, tokens: Sequence[str]) -> Reading:
        """Phonemes of the text, and each token's share of them."""
        words, edges, phonemes = [], [0], ""
        for clause, marks in _CLAUSE.findall(text[:LONGEST_TEXT].replace("’", "'")):
            own = clause.split()
            said = self._said(" ".join(own)) if own else ""
            if phonemes and said and phonemes[-1] != " ":
                phonemes += " "
            words += own
            edges += [len(phonemes) + end for end in self._ends(own, said)]
            phonemes += said + "".join(marks.split()) + (" " if marks and marks[-1].isspace() else "")
        phonemes = phonemes.rstrip()[:LONGEST]
        edges = [min(edge, len(phonemes)) for edge in edges]
        spans = align(tokens, words, lambda token: float(len(self._said(token))))
        return Reading(phonemes, tuple(sound_within(phonemes, edges, span) for span in spans))

    def _said(self, text: str) -> str:
        if self._misaki:
            tied = _espeak().phonemes(text, self._voice, _TIED)
            return _MISAKI_SIGN.sub(lambda sign: _MISAKI[sign.group()], tied)
        return unicodedata.normalize("NFD", _espeak().phonemes(text, self._voice, _IPA))

    def _ends(self, words: Sequence[str], said: str) -> list[int]:
        """Where each word of a clause ends in its phonemes; words that are run together share by their lengths."""
        groups = said.split(" ") if said else []
        if len(groups) == len(words):
            return [end - 1 for end in accumulate(len(group) + 1 for group in groups)]
        weights = list(accumulate(max(len(self._said(word)), 1) for word in words))
        return [round(weight / weights[-1] * len(said)) for weight in weights]
