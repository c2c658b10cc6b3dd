"""Keys of a telephone: `press 1 or #`, `*67`. Pure."""

from __future__ import annotations

import re

from bridge.text.spoken.cursor import Cursor, Reading

_KEYS = re.compile(r"[*#][*#\d]{1,15}|\d[\d*#]{0,14}[*#][\d*#]{0,14}")


def keys(c: Cursor) -> Reading | None:
    """Read telephone keys, such as `*67`, `#31#`, `press 5#`, or `*` and `#` alone."""
    language, core, part = c.language, c.core(), c.part()
    if core in ("*", "#"):
        if core == "#" and c.core(1)[:1].isdecimal() and (c.joined(0) or part.trail == ":") and not _pressed(c):
            return Reading(1, language.number_sign)
        if core == "#" and part.trail == ":" and c.core(-1).isalpha() and not _pressed(c):
            return Reading(1, language.number_sign)
        before = c.word(-1)
        named = before in language.code_words or before in language.weak_code_words or before in language.phone_words
        if core == "#" and named and before not in language.press_words and not c.part(-1).trail:
            return Reading(1, language.number_sign)  # "your claim # is"
        return Reading(1, language.keys[core])
    if not _KEYS.fullmatch(core) or part.lead[:1] == "[":
        return None
    if core[0] == "#" and core[1:].isdecimal() and not _pressed(c):
        return None
    if core[0] == "*" and core.count("*") > 1 and not _pressed(c) and not core[1].isdecimal():
        return None
    words = [language.keys[char] if char in "*#" else language.digits[int(char)] for char in core]
    return Reading(1, " ".join(words))


def _pressed(c: Cursor) -> bool:
    language, pressed = c.language, c.language.press_words
    joiners = pressed & (language.counted_stops | language.link_words)
    if c.word(-1) in joiners:
        return any(word in pressed and word not in joiners for word in c.before(6))
    return c.word(-1) in pressed
