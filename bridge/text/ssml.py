"""SSML in what is to be said: `say-as`, `break`, `sub`, `phoneme`, `prosody`; what a voice cannot do is left out. Pure.

Names and values are those of SSML 1.1 (W3C, 2010) and of its note on `say-as` (2005). What is between the tags comes
out as text that the grammar of `bridge.text.spoken` reads in the way that was asked for, in any language.
"""

from __future__ import annotations

import html
import math
import re

# An element of more than some hundred characters is read as if it had no tags.
ELEMENT = re.compile(r"<(say-as|sub|phoneme)((?:\s[^<>\n]{0,200})?)>([^<>]{0,200})</\1\s{0,2}>", re.IGNORECASE)
ELEMENT_BEGUN = re.compile(
    r"<(?:s(?:a(?:y(?:-(?:as?)?)?)?|ub?)?|p(?:h(?:o(?:n(?:e(?:me?)?)?)?)?)?)?\Z"
    r"|<(?:say-as|sub|phoneme)(?:\s[^<>\n]{0,200}(?:>[^<>]{0,200}(?:<(?:/[a-z-]{0,8}\s{0,2})?)?)?)?\Z",
    re.IGNORECASE,
)
_ATTRIBUTE = re.compile(r"([\w:-]{1,40})\s?=\s?(?:\"([^\"<>]{0,200})\"|'([^'<>]{0,200})')")
_SECONDS = re.compile(r"(\d{1,5}(?:\.\d{1,3})?)(ms|s)")
_SPELLED = frozenset(("characters", "spell-out", "verbatim", "letters"))
_DIGITS = frozenset(("digits", "number:digits"))
_PAUSES = {"none": "", "x-weak": "", "weak": ",", "medium": ",", "strong": ".", "x-strong": "."}
_LONG_BREAK_MS = 400.0
_LONGEST_BREAK_MS = 10_000.0
_TAG = re.compile(r"<(say-as|sub|phoneme|break|prosody)(?=[\s/>])((?:\s[^<>\n]{0,200})?)/?>", re.IGNORECASE)
_KINDS = _SPELLED | {
    "digits", "number", "number:digits", "cardinal", "ordinal", "fraction", "unit", "measure", "currency", "money",
    "date", "time", "duration", "telephone", "address", "name",
}  # fmt: skip
_RATES = ("x-slow", "slow", "medium", "fast", "x-fast", "default")
_RATE = re.compile(r"\d{1,3}(?:\.\d{1,3})?%?|[-+]\d{1,3}(?:\.\d{1,3})?%")
_ALPHABETS = ("ipa", "x-sampa")


def attributes(text: str) -> dict[str, str]:
    """The attributes of a tag, names in lower case."""
    return {name.lower(): html.unescape(double or single) for name, double, single in _ATTRIBUTE.findall(text)}


def meant(name: str, written: dict[str, str], content: str) -> str:
    """The text that an element stands for; its content where it asks for nothing that is known."""
    content = html.unescape(content).strip()
    match name.lower():
        case "sub":
            return written.get("alias", "").strip() or content
        case "say-as":
            kind = written.get("interpret-as", "").lower()
            if kind in _SPELLED:
                return ", ".join(char.upper() for char in content if char.isalnum() or char in "@.*#+-_/")
            if kind in _DIGITS:
                return " ".join(char for char in content if char.isdecimal())
            if kind == "telephone":
                return content.replace("(", "").replace(")", "")
    return content


def pause(written: dict[str, str]) -> str:
    """The mark whose pause is the nearest to what a break asks for."""
    time = _SECONDS.fullmatch(written.get("time", "").strip())
    if time is not None:
        length_ms = float(time[1]) * (1000 if time[2] == "s" else 1)
        return "." if length_ms >= _LONG_BREAK_MS else "," if length_ms else ""
    return _PAUSES.get(written.get("strength", "medium").lower(), ",")


def validate(text: str) -> None:
    """Raise ValueError for SSML that means nothing, naming the first wrong value in a text and what may stand there.

    What has no attributes may be a tag of a page (`H<sub>2</sub>O`), and is none of ours.
    """
    for tag in _TAG.finditer(text):
        name, written = tag[1].lower(), attributes(tag[2])
        for attribute, value in written.items():
            expected = _expected(name, attribute, value.strip())
            if expected:
                raise ValueError(f"<{name}> has {attribute}={value!r}, expected {expected}")
        needed = {"say-as": "interpret-as", "sub": "alias", "phoneme": "ph"}.get(name)
        if needed is not None and needed not in written and (tag[2].strip() or name != "sub"):
            raise ValueError(f"<{name}> has no {needed}")


def _expected(name: str, attribute: str, value: str) -> str:
    """What should stand there instead; empty where the value is good or the attribute is none that is looked at."""
    match name, attribute:
        case "say-as", "interpret-as" if value.lower() not in _KINDS:
            return f"one of {', '.join(sorted(_KINDS))}"
        case "break", "strength" if value.lower() not in _PAUSES:
            return f"one of {', '.join(_PAUSES)}"
        case "break", "time":
            time = _SECONDS.fullmatch(value)
            length_ms = float(time[1]) * (1000 if time[2] == "s" else 1) if time is not None else math.inf
            return "" if length_ms <= _LONGEST_BREAK_MS else "a time such as 500ms or 1.5s, at most 10s"
        case "prosody", "rate" if value.lower() not in _RATES and not _RATE.fullmatch(value):
            return f"one of {', '.join(_RATES)}, or a percentage such as 80%"
        case "phoneme", "alphabet" if value.lower() not in _ALPHABETS:
            return f"one of {', '.join(_ALPHABETS)}"
        case ("phoneme", "ph") | ("sub", "alias") if not value:
            return "some text"
    return ""
