"""Characters that nobody is to hear, and objects of JSON that a model wrote into its text. Pure."""

from __future__ import annotations

import functools
import re
import unicodedata

_KEPT_SYMBOLS = frozenset("°©®№℃℉™")
_BLANK_LETTERS = frozenset("\u115f\u1160\u3164\uffa0")
"""Letters to Unicode, and nothing to the eye: they fill the place of a missing part of a Korean syllable."""
_BRACES = re.compile(r"[{}\[\]\"\\]")


def unspeakable(char: str) -> bool:
    """Whether this character is a picture, a joiner or a control code rather than text."""
    code = ord(char)
    if code < 128:
        return code < 32 or code == 127
    if char in _KEPT_SYMBOLS:
        return False
    category = unicodedata.category(char)
    return (
        category in ("Cc", "Cf", "Co", "Cs", "Cn")
        or char in _BLANK_LETTERS
        or (category == "So" and code >= 0x2100)
        or 0x2190 <= code <= 0x21FF  # arrows
        or 0xFE00 <= code <= 0xFE0F  # variation selectors
        or code == 0x20E3  # the box of a keycap; its digit stays
        or 0x1F000 <= code <= 0x1FAFF
    )


@functools.lru_cache(maxsize=4096)
def kind_of(char: str) -> str:
    """Whether a sign is `said`, is a `picture` between words, or is `nothing` that anybody hears."""
    if not unspeakable(char):
        return "said"
    return "picture" if unicodedata.category(char) == "So" else "nothing"


class ObjectScanner:
    """How deep within braces and strings a text is."""

    def __init__(self) -> None:
        self.depth = self.length = 0
        self.quoted = False

    def end(self, text: str, start: int) -> int | None:
        """Where the outermost brace closes, or None; remembers how far it has looked."""
        at = start
        while found := _BRACES.search(text, at):
            sign, at = found.group(), found.end()
            if sign == "\\":
                at += 1
            elif sign == '"':
                self.quoted = not self.quoted
            elif not self.quoted:
                self.depth += 1 if sign in "{[" else -1
                if self.depth == 0:
                    return at
        self.length += len(text) - start
        return None
