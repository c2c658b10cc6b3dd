"""Values read back to the person who gave them: `{mail:email}`, `{x:spelled}`, `{when:date}`. Pure.

What a format cannot make sense of is said as any other text would be.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from bridge.text.spoken.addresses import email_words
from bridge.text.spoken.codes import letters, spaced_digits, telephone_words
from bridge.text.spoken.form import spoken_form
from bridge.text.spoken.language import Language
from bridge.text.spoken.languages import language

LONGEST_VALUE = 200
"""Characters of a value that are read back."""
_GROUP = 4
_SPELLED = re.compile(r"\d|[^\W\d_]|[^\w\s]|_")
_EXTENSION = re.compile(r"([\d+(][^a-zA-Z]{2,40}?)[ ,;]{0,3}(?:x|ext|extension)\.?[ :]{0,2}(\d{1,6})", re.IGNORECASE)
_PLAIN_AMOUNT = re.compile(r"[-+]?\d[\d.,]*")


def phone(value: str, spoken: Language) -> str:
    """A telephone number in groups with pauses, however it was written."""
    number, more = value, ""
    if found := _EXTENSION.fullmatch(value.strip()):
        number = found[1]
        more = f"{spoken.digit_groups}{spoken.extension} {spaced_digits(found[2], spoken)}"
    digits = re.sub(r"[^\d+]", "", number)
    return telephone_words(number, spoken) + more if 3 <= len(digits) <= 24 else _plain(value, spoken)


def email(value: str, spoken: Language) -> str:
    """An e-mail address with "at" and "dot", its words as words."""
    return email_words(value.strip(), spoken) or _plain(value, spoken)


def code(value: str, spoken: Language) -> str:
    """Letters and digits one by one, in groups of four, signs by their names."""
    names = _names(value, spoken)
    return ", ".join(" ".join(names[start : start + _GROUP]) for start in range(0, len(names), _GROUP))


def spelled(value: str, spoken: Language) -> str:
    """Every letter, digit and sign by its name, with a pause after each; the end of an address is one word."""
    head, dot, end = value.strip().rpartition(".")
    if dot and end.lower() in spoken.top_level_words:
        return ", ".join([*_names(head, spoken), f"{spoken.address_signs['.']} {end.lower()}"])
    return ", ".join(_names(value, spoken))


def digits(value: str, spoken: Language) -> str:
    """The digits of a value one by one, in groups."""
    return spaced_digits(re.sub(r"\D", "", value), spoken) if re.search(r"\d", value) else _plain(value, spoken)


def date(value: str, spoken: Language) -> str:
    """A date with its month's name: `2026-03-04` -> "March fourth, twenty twenty-six"."""
    return _plain(value, spoken)


def amount(value: str, spoken: Language) -> str:
    """A sum of money, or a number where no currency is named: `$45.2` -> "forty-five dollars and twenty cents"."""
    value = value.strip()
    return _plain(value, spoken) if not _PLAIN_AMOUNT.fullmatch(value) else _plain(value.lstrip("+"), spoken)


def _names(value: str, spoken: Language) -> list[str]:
    names = []
    for sign in _SPELLED.findall(value[:LONGEST_VALUE]):
        if sign.isdecimal():
            names.append(spoken.digits[int(sign)])
        elif sign.isalpha():
            names.append(letters(sign, spoken))
        elif name := spoken.address_signs.get(sign) or spoken.symbols.get(sign):
            names.append(name)
    return names


def _plain(value: str, spoken: Language) -> str:
    return spoken_form(value[:LONGEST_VALUE], spoken).text


FORMATS: Mapping[str, Callable[[str, Language], str]] = {
    "phone": phone,
    "email": email,
    "code": code,
    "date": date,
    "amount": amount,
    "spelled": spelled,
    "digits": digits,
}
"""By their name in a script: `{x:phone}`."""


def read_back(value: str, way: str, code_of_language: str = "en-US") -> str:
    """A value's words in one of `FORMATS`. Raises KeyError for another format or a language that is not known."""
    return FORMATS[way](value[:LONGEST_VALUE], language(code_of_language))
