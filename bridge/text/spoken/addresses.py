"""E-mail addresses, URLs, handles and hashtags as people say them. Pure."""

from __future__ import annotations

import re

from bridge.text.spoken.codes import letters, spelled
from bridge.text.spoken.cursor import Cursor, Reading
from bridge.text.spoken.language import Language
from bridge.text.spoken.numerals import digits

_EMAIL = re.compile(r"(?:mailto:)?([\w.!#$%&'*+/=?^`{|}~-]{1,64})@([\w-]{1,63}(?:\.[\w-]{1,63}){0,8})")
_URL = re.compile(r"(?:(https?|ftp|sips?|wss?)://)?([\w-]{1,63}(?:\.[\w-]{1,63}){0,8})(:\d{1,5})?((?:[/?#]\S*)?)")
_NUMBER = re.compile(r"(?=[A-Z-]*\d)[A-Z0-9]{1,20}(?:[-./][A-Z0-9]{1,20}){0,6}")
"""What `#` says to be a number although it has letters: `#A-1234`."""
_WORDS = re.compile(r"\d+|[A-ZÀ-ÖØ-Þ]+(?![a-zß-öø-ÿ])|[A-ZÀ-ÖØ-Þ]?[a-zß-öø-ÿ]+|[^\W\d_]+|.")
_VOWELS = re.compile(r"[aeiouyäöüáéíóúàèâêîôûãõ]", re.IGNORECASE)
_DOMAINS = frozenset(
    "com org net edu gov info biz io ai app dev co uk us de fr es it nl pt br eu ca au at ch be mx ar cl pe ie nz in "
    "jp cn ru se no dk fi pl cz me tv ly gg shop online store site tech cloud example test local xyz int mil "
    "museum".split()
)
"""Ends of names that are taken for domains without `http` or `www` in front."""
LONGEST_PATH = 30
"""Characters of a URL's path that are said; of a longer one only the site is."""


def email(c: Cursor) -> Reading | None:
    """`john.smith@example.com` -> "john dot smith at example dot com"."""
    words = email_words(c.core(), c.language) if "@" in c.core() else ""
    return Reading(1, words) if words else None


def email_words(text: str, language: Language) -> str:
    """The words of an e-mail address; empty if it is none."""
    found = _EMAIL.fullmatch(text)
    if found is None:
        return ""
    return f"{_name(found[1], language)} {language.address_signs['@']} {_domain(found[2], language)}"


def url(c: Cursor) -> Reading | None:
    """`https://www.example.com/menu` -> "example dot com slash menu"."""
    core = c.core()
    found = _URL.fullmatch(core) if "." in core or "://" in core else None
    if found is None:
        return None
    scheme, host, port, path = found[1], found[2], found[3], found[4]
    labels = host.lower().split(".")
    if scheme is None and not (labels[0] == "www" and len(labels) > 1):
        ends = labels[-1] in _DOMAINS and len(labels) > 1 and len(labels[-2]) > 1
        if not ends or (host[0].isupper() and host.split(".")[1][0].isupper()) or labels[0].isdecimal():
            return None
    language = c.language
    words = _domain(host[4:] if labels[0] == "www" and len(labels) > 1 else host, language)
    if port:
        words += f" {language.address_signs[':']} {digits(port, language)}"
    path = re.split(r"[?#]", path, maxsplit=1)[0].rstrip("/")
    if path and len(path) <= LONGEST_PATH:
        words += f" {_name(path, language)}"
    return Reading(1, words)


def handle(c: Cursor) -> Reading | None:
    """Read a handle, such as `@alice_b`, `#OpenDay` or `user@host`."""
    core, language = c.core(), c.language
    if len(core) < 2 or core[0] not in "@#" or core[1:].isdecimal():
        return None
    if core[0] == "#" and _NUMBER.fullmatch(core[1:]):
        return Reading(1, f"{language.number_sign} {spelled(core[1:], language)}")
    if not re.fullmatch(r"\w[\w.-]{0,63}", core[1:]):
        return None
    sign = language.address_signs["@"] if core[0] == "@" else language.hashtag
    return Reading(1, f"{sign} {_name(core[1:], language)}")


def _name(text: str, language: Language) -> str:
    """Words as words, digits one by one, signs by their names."""
    words: list[str] = []
    for piece in _WORDS.findall(text):
        if piece.isdecimal():
            words.append(digits(piece, language))
        elif piece.isalpha():
            words.append(_word(piece, language))
        elif piece in language.address_signs:
            words.append(language.address_signs[piece])
        elif piece in language.symbols:
            words.append(language.symbols[piece])
    return " ".join(word for word in words if word)


def _word(text: str, language: Language) -> str:
    """A word, or its letters where it cannot be pronounced."""
    if (len(text) <= 4 and not _VOWELS.search(text)) or len(text) == 1:
        return letters(text, language)
    return text.lower()


def _domain(text: str, language: Language) -> str:
    *names, end = text.split(".")
    last = end.lower() if end.lower() in language.top_level_words or len(end) > 3 else _name(end.upper(), language)
    if len(end) <= 3 and end.lower() not in language.top_level_words and end.isalpha():
        last = letters(end, language)
    words = [*(_name(name, language) for name in names), last if end.isalpha() else _name(end, language)]
    return f" {language.address_signs['.']} ".join(words)
