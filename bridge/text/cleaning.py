"""Written text to speakable text, while it is being written: markdown, emoji and layout are not read aloud. Pure.

What an agent writes is often meant for a screen. The cleaner takes it in deltas and gives back
speakable text; however the deltas are cut, the joined outputs equal one call on the whole, because
every rule waits until no further character could change its mind.
"""

from __future__ import annotations

import re
import unicodedata

_PLAIN = re.compile(r"[a-zA-Z0-9]+")
"""A run that no rule touches, whatever follows it."""
_BULLET = re.compile(r"(?:[-+*•‣◦]|#{1,6}|>+)[ \t]")
_BULLET_BEGUN = re.compile(r"(?:[-+*•‣◦]|#{1,6}|>+)\Z")
_NUMBERED = re.compile(r"\d{1,2}[.)](?=[ \t])")
_NUMBERED_BEGUN = re.compile(r"\d{1,2}[.)]?\Z")
_FENCE = re.compile(r"(?:```|~~~)[^\n]{0,60}\n")
_FENCE_BEGUN = re.compile(r"(?:`{1,2}|~{1,2}|(?:```|~~~)[^\n]{0,60})\Z")
_LINK = re.compile(r"\[([^\]\n]{0,200})\]\([^)\n]{0,300}\)")
_LINK_BEGUN = re.compile(r"\[[^\]\n]{0,200}(?:\](?:\([^)\n]{0,300})?)?\Z")
_TAG = re.compile(r"</?[a-zA-Z][^<>\n]{0,100}>")
_TAG_BEGUN = re.compile(r"</?(?:[a-zA-Z][^<>\n]{0,100})?\Z")
_PARTING_TAGS = ("<br", "<p", "</p", "</li", "</h", "</td")
_ESCAPABLE = frozenset("\\`*_{}[]()#+-.!~>|")
_RUNS = frozenset("*_~`-")
_KEPT_SYMBOLS = frozenset("°©®№℃℉™")
_TYPOGRAPHIC = str.maketrans({"’": "'", "‘": "'", "ʼ": "'", "“": '"', "”": '"', "„": '"'})
_MARKS = frozenset(".!?…:;,。！？")
_CAN_TAKE_A_STOP = frozenset("\"')]%")


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
        or (category == "So" and code >= 0x2100)
        or 0x2190 <= code <= 0x21FF  # arrows
        or 0xFE00 <= code <= 0xFE0F  # variation selectors
        or code == 0x20E3  # the box of a keycap; its digit stays
        or 0x1F000 <= code <= 0x1FAFF
    )


class Cleaner:
    """Deltas of written text in, speakable text out.

    Whitespace becomes single spaces. A line that ends a paragraph, a heading or a list item gets a full
    stop if it has no mark of its own, so that a list is not read in one breath.
    """

    def __init__(self) -> None:
        self._held = ""
        """Text that is not decided yet, because a rule may still apply to it."""
        self._out: list[str] = []
        self._last = ""
        """The last character given out; "" before the first."""
        self._space = False
        """A space is due before the next character."""
        self._newlines = 0
        """Line ends since the last character given out."""
        self._line_start = True
        self._item_begins = False
        self._item = False
        """The line that was given out last is a heading or a list item, so its end is a sentence's end."""

    @property
    def parted(self) -> bool:
        """Whether white space has come since the last character given out, and nothing else waits to be decided."""
        return not self._held and (self._space or self._newlines > 0)

    def feed(self, text: str) -> str:
        """Take more text; return what can be spoken for certain."""
        self._held += text
        return self._run(final=False)

    def finish(self) -> str:
        """No more text will come; return the rest."""
        return self._run(final=True)

    def _run(self, final: bool) -> str:
        while self._held and self._step(final):
            pass
        out, self._out = "".join(self._out), []
        return out

    def _take(self, length: int) -> str:
        taken, self._held = self._held[:length], self._held[length:]
        return taken

    def _give(self, text: str) -> None:
        """Give text out, after the space or the stop that is due before it."""
        if self._newlines and self._last:
            sentence_over = self._newlines > 1 or self._item
            if sentence_over and (self._last.isalnum() or self._last in _CAN_TAKE_A_STOP):
                self._out.append(".")
            self._space = True
        if self._space and self._last:
            self._out.append(" ")
        if self._line_start:
            self._item, self._item_begins = self._item_begins, False
        self._space, self._newlines, self._line_start = False, 0, False
        self._last = text[-1]
        self._out.append(text)

    def _step(self, final: bool) -> bool:
        """Apply one rule at the head of the held text. False: more text is needed to decide."""
        if self._line_start:
            decided = self._line_head(final)
            if decided is not None:
                return decided
        plain = _PLAIN.match(self._held)
        if plain:
            self._give(self._take(plain.end()))
            return True
        char = self._held[0]
        if char == "\n":
            self._take(1)
            self._line_start, self._item_begins = True, False
            self._newlines += 1
        elif char.isspace() or char == "|":
            self._take(1)
            self._space = True
        elif unspeakable(char):
            # A picture between words parts them; joiners, selectors and the like are simply not there.
            self._take(1)
            self._space = self._space or unicodedata.category(char) == "So"
        elif char in _RUNS:
            return self._run_of_signs(char, final)
        elif char in "\\![<":
            return self._opening(char, final)
        else:
            self._give(self._take(1).translate(_TYPOGRAPHIC))
        return True

    def _line_head(self, final: bool) -> bool | None:
        """Take a code fence, a bullet, a list number, a heading or quotation sign; None: the line has none."""
        held = self._held
        if fence := _FENCE.match(held):
            self._take(fence.end())
            self._newlines += 1
            return True
        numbered = _NUMBERED.match(held)
        bullet = None if numbered else _BULLET.match(held)
        if (numbered or bullet) and held[0] != ">":
            self._item_begins = True
            if self._newlines:
                self._newlines = 2  # the line before a heading or an item is over, whatever its end looks like
        if numbered:
            self._give(self._take(numbered.end()))
            return True
        if bullet:
            self._take(bullet.end())
            return True
        begun = _FENCE_BEGUN.match(held) or _NUMBERED_BEGUN.match(held) or _BULLET_BEGUN.match(held)
        return False if begun and not final else None

    def _run_of_signs(self, char: str, final: bool) -> bool:
        """Emphasis, code ticks, strike-through, rules: signs that come in runs."""
        held = self._held
        length = len(held) - len(held.lstrip(char))
        if length == len(held) and not final:
            return False
        following = held[length : length + 1]
        joined_before = bool(self._last) and not self._space and not self._newlines
        joined_after = bool(following) and not following.isspace()
        self._take(length)
        spoken = False
        match char:
            case "-":
                spoken = length < 3
                self._space = self._space or not spoken
            case "~":
                spoken = length == 1
            case "_":
                inside = joined_before and self._last.isalnum()
                spoken = inside and joined_after and following.isalnum()
            case "*" if length == 1 and not joined_before:
                # "press *", "dial *67" and "3 * 4" mean the sign; next to a letter it is emphasis.
                spoken = not joined_after or following in ".,;!?" or following.isdigit()
        if spoken:
            self._give(char * length)
        return True

    def _opening(self, char: str, final: bool) -> bool:
        """An escape, a picture, a link or a tag; or else the character itself."""
        held = self._held
        if char in "\\!" and len(held) == 1 and not final:
            return False
        if char == "\\" and held[1:2] in _ESCAPABLE:
            self._give(self._take(2)[1])
            return True
        if char == "!" and held[1:2] == "[":
            self._take(1)
            return True
        if link := _LINK.match(held) if char == "[" else None:
            self._held = link[1] + held[link.end() :]
            return True
        if tag := _TAG.match(held) if char == "<" else None:
            self._take(tag.end())
            self._space = self._space or tag.group().lower().startswith(_PARTING_TAGS)
            return True
        if not final and ((char == "[" and _LINK_BEGUN.match(held)) or (char == "<" and _TAG_BEGUN.match(held))):
            return False
        self._give(self._take(1))
        return True


def clean(text: str) -> str:
    """Speakable text of a whole written text."""
    cleaner = Cleaner()
    return cleaner.feed(text) + cleaner.finish()
