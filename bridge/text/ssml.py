"""SSML in what is to be said: `say-as`, `break`, `sub`, `phoneme`, `prosody`; what a voice cannot do is left out. Pure.

Names and values are those of SSML 1.1 (W3C, 2010) and of its note on `say-as` (2005). What is between the tags comes
out as text that the grammar of `bridge.text.spoken` reads in the way that was asked for, in any language.
"""

from __future__ import annotations

import html
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
