"""SSML in what is to be said: `say-as`, `break`, `sub`, `phoneme`, `prosody rate`. Pure.

Names and values are those of SSML 1.1 (W3C, 2010) and of its note on `say-as` (2005). What is between the tags comes
out as text that the grammar of `bridge.text.spoken` reads in the way that was asked for, in any language: an ordinal as
`5º`, a date as `2024-04-03`. Phonemes and rates come out as `bridge.text.marks`, which a voice that cannot leaves out.
"""

from __future__ import annotations

import html
import math
import re

from bridge.text import marks
from bridge.text.phonemes import ALPHABETS, ipa

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
_RATES = {"x-slow": 60, "slow": 80, "medium": 100, "fast": 120, "x-fast": 150, "default": 100}
"""Percent: SSML leaves it to the voice what they are."""
_RATE = re.compile(r"\d{1,3}(?:\.\d{1,3})?%?|[-+]\d{1,3}(?:\.\d{1,3})?%")
_DATE = re.compile(r"(\d{1,4})[/.-](\d{1,2})[/.-](\d{1,4})")
_LONGEST_TAG = 300


def attributes(text: str) -> dict[str, str]:
    """The attributes of a tag, names in lower case."""
    return {name.lower(): html.unescape(double or single) for name, double, single in _ATTRIBUTE.findall(text)}


def meant(name: str, written: dict[str, str], content: str) -> str:
    """The text that an element stands for; its content where it asks for nothing that is known."""
    content = marks.plain(html.unescape(content)).strip()
    match name.lower():
        case "sub":
            return marks.plain(written.get("alias", "")).strip() or content
        case "phoneme":
            try:
                return marks.with_phonemes(content, ipa(written.get("ph", ""), written.get("alphabet", "ipa")))
            except ValueError:
                return content
        case "say-as":
            return _said_as(written.get("interpret-as", "").lower(), written.get("format", "").lower(), content)
    return content


def _said_as(kind: str, order: str, content: str) -> str:
    if kind in _SPELLED:
        return ", ".join(char.upper() for char in content if char.isalnum() or char in "@.*#+-_/")
    if kind in _DIGITS:
        return " ".join(char for char in content if char.isdecimal())
    if kind == "telephone":
        return _telephone(content)
    if kind in ("cardinal", "number") and content.isdecimal() and len(content) > 3 and content[0] != "0":
        head = len(content) % 3 or 3
        return "'".join([content[:head], *(content[at : at + 3] for at in range(head, len(content), 3))])
    if kind == "ordinal" and content.isdecimal():
        return f"{content}º"
    if kind == "date" and (figures := _DATE.fullmatch(content)) and sorted(order) == ["d", "m", "y"]:
        value = dict(zip(order, figures.groups(), strict=True))
        if len(value["y"]) == 4:
            return f"{value['y']}-{int(value['m']):02d}-{int(value['d']):02d}"
    return content


def _telephone(content: str) -> str:
    """The digits one by one, with a pause between the groups that they are written in."""
    groups = re.findall(r"\d+", content)
    if not groups or not re.fullmatch(r"\+?[\d\s().,/–-]+", content):
        return content
    if len(groups) == 1 and len(groups[0]) == 10:
        groups = [groups[0][:3], groups[0][3:6], groups[0][6:]]
    return ("+" if content[0] == "+" else "") + ", ".join(" ".join(group) for group in groups)


def rate_percent(value: str, around: float) -> float:
    """How fast a `prosody rate` asks for, in percent of the voice's own pace, within text of another rate."""
    value = value.strip().lower()
    if value in _RATES:
        return float(_RATES[value]) if value == "default" else around * _RATES[value] / 100
    if not _RATE.fullmatch(value):
        return around
    number = float(value.rstrip("%"))
    if value[0] in "+-":
        return around * (100 + number) / 100
    return around * number / 100 if value.endswith("%") else around * number


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
        if wrong := _mistake(tag[1].lower(), attributes(tag[2]), bare=not tag[2].strip()):
            raise ValueError(wrong)


class Checker:
    """Validates SSML in text that comes in deltas, cut anywhere."""

    def __init__(self) -> None:
        self._begun = ""
        """From the last angle bracket on, which may begin a tag."""

    def feed(self, delta: str) -> list[str]:
        """Take more text; return what is wrong in the tags that it completes, each named as by `validate`."""
        text = self._begun + delta
        at = text.rfind("<") if "<" in text else len(text)
        open_at = at if ">" not in text[at:] and len(text) - at <= _LONGEST_TAG else len(text)
        self._begun = text[open_at:]
        found = []
        for tag in _TAG.finditer(text, 0, open_at) if open_at else ():
            if wrong := _mistake(tag[1].lower(), attributes(tag[2]), bare=not tag[2].strip()):
                found.append(wrong)
        return found


def _mistake(name: str, written: dict[str, str], *, bare: bool) -> str:
    """What is wrong with a tag; empty where nothing is."""
    for attribute, value in written.items():
        if expected := _expected(name, attribute, value.strip()):
            return f"<{name}> has {attribute}={value!r}, expected {expected}"
    needed = {"say-as": "interpret-as", "sub": "alias", "phoneme": "ph"}.get(name)
    if needed is not None and needed not in written and not (bare and name == "sub"):
        return f"<{name}> has no {needed}"
    if name == "phoneme" and written.get("alphabet", "ipa").lower() in ALPHABETS:
        try:
            ipa(written["ph"], written.get("alphabet", "ipa"))
        except ValueError as error:
            return f"<phoneme> has a ph that is no phonemes: {error}"
    return ""


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
        case "phoneme", "alphabet" if value.lower() not in ALPHABETS:
            return f"one of {', '.join(ALPHABETS)}"
        case ("phoneme", "ph") | ("sub", "alias") if not value:
            return "some text"
    return ""
