"""Written text to speakable text, while it is being written, for calls and for raw clients alike. Pure.

What a model writes is often meant for a screen, or for nobody: Markdown, layout, pictures, its thoughts, calls of
tools, control signs, stage directions. The cleaner takes it in deltas and gives back what can be spoken; however the
deltas are cut, the joined outputs equal one call on the whole, because every rule waits until no further character
could change its mind. Each character is looked at a bounded number of times.
"""

from __future__ import annotations

import itertools
import re
import string

from bridge.text import markup, ssml
from bridge.text.asides import Aside, aside_at, call_at, is_direction, may_be_direction, may_call
from bridge.text.flow import CAN_TAKE_A_STOP
from bridge.text.inline import TYPOGRAPHIC, InlineMarks
from bridge.text.unspoken import ObjectScanner, kind_of, unspeakable

_PLAIN = re.compile(
    r"(?:(?:(?:[^\W_\u02bc\u115f\u1160\u3164\uffa0\U0001F000-\U0001FAFF]|[.,;:?'\"%/@)+#^}>])+|\$(?=[\d\s])"
    r"|!(?=[^\[])|=(?=[^=])|\{(?=[^\s\"'])|&(?=[^a-zA-Z#])|\((?=[^a-zA-Z])|<(?=\s|<[^S/]))+"
    r"(?: (?=[^\W_\u02bc]|['\"]|\$\d))?)+"
)
"""A run that no rule touches, whatever follows it, with single spaces."""
_BEYOND = re.compile(r"[^\x00-\x7f\s◁【]+")
"""Signs and letters beyond ASCII of which no rule needs to see what follows."""
_ESCAPABLE = frozenset(string.punctuation)
"""Signs that Markdown lets be written after a back stroke: `\\$5`."""
_BLANK = re.compile(r"[ \t|]+")
_RUNS = frozenset("*_~`-")
_LONGEST_OBJECT = 8192
"""Characters after which JSON is no call of a tool any more, and is read on as text."""


class Cleaner(InlineMarks):
    """Deltas of written text in, speakable text out.

    Whitespace becomes single spaces. A line that ends a paragraph, a heading or a list item gets a full
    stop if it has no mark of its own, so that a list is not read in one breath.
    """

    def _step(self, final: bool) -> bool:
        """Apply one rule at the head of the held text. False: more text is needed to decide."""
        if self._until is not None or self._object is not None:
            return self._pass_over(final)
        if self._swallowed:
            while self._at < len(self._held) and self._held[self._at] == self._swallowed:
                self._at += 1
            if self._at < len(self._held):
                self._swallowed = ""
            return True
        if self._jump is not None and self._at >= self._jump[0]:
            self._at, self._jump = max(self._at, self._jump[1]), None
            return True
        if self._line_start:
            decided = self._line_head(final)
            if decided is not None:
                return decided
        plain = _PLAIN.match(self._held, self._at, self._jump[0] if self._jump else len(self._held))
        if plain:
            return self._plain(plain.end(), final)
        return self._sign(self._held[self._at], final)

    def _plain(self, end: int, final: bool) -> bool:
        """Text that no rule is about, but for a call of a tool within its line: "One moment. get_weather(x=1)"."""
        held, at = self._held, self._at
        start = end
        if self._jump is None and (
            (end == len(held) and not final) or held[end : end + 1] in ("_", "(", "{", "=") or " to=f" in held
        ):
            start = may_call(held, at, end, self._last)
        if start > at and start < end:
            end = start - 1
        elif start == at and self._apart:
            call = call_at(held, at, final=final)
            if isinstance(call, Aside):
                self._pass_call(call)
            if call is not None:
                return call is not False
        self._give(self._take(end - at))
        return True

    def _pass_call(self, call: Aside) -> None:
        self._at, self._space = call.end, True
        self._closes = call.closes

    def _sign(self, char: str, final: bool) -> bool:
        """A character that a rule may be about."""
        if char == "\n":
            self._at += 1
            self._line_start, self._item_begins = True, False
            self._newlines += 1
        elif char.isspace() or char == "|":
            blank = _BLANK.match(self._held, self._at, self._jump[0] if self._jump else len(self._held))
            self._at = blank.end() if blank is not None else self._at + 1
            self._space = True
            self._picture = False
        elif char in "*_([" and (direction := self._direction(char, final)) is not None:
            return direction
        elif char in _RUNS:
            return self._run_of_signs(char, final)
        elif char in "<◁":
            return self._angle(final)
        elif char in "{[" and markup.OBJECT.match(self._held, self._at):
            self._object = ObjectScanner()
        elif char in "{[" and not final and markup.OBJECT_BEGUN.match(self._held, self._at):
            return False
        elif char in "\\![&【":
            return self._opening(char, final)
        elif char == "$":
            return self._formula(final)
        elif char == "=" and (marked := self._highlight(final)) is not None:
            return marked
        elif beyond := _BEYOND.match(self._held, self._at, self._jump[0] if self._jump else len(self._held)):
            self._signs_beyond(self._take(beyond.end() - self._at))
        elif unspeakable(char):
            self._at += 1
        else:
            self._give(self._take(1))
        return True

    def _signs_beyond(self, run: str) -> None:
        """Letters and signs, and pictures: those between words part them; joiners, selectors and the like vanish."""
        for kind, signs in itertools.groupby(run, kind_of):
            if kind == "said":
                self._give("".join(signs).translate(TYPOGRAPHIC))
            elif kind == "picture":
                self._space = self._picture = True

    def _pass_over(self, final: bool) -> bool:
        """Text that is nobody's to hear: a thought, a comment, a call of a tool."""
        held = self._held
        if self._object is not None:
            end = self._object.end(held, self._at)
            self._at = len(held) if end is None else end
            if end is not None or self._object.length > _LONGEST_OBJECT:
                self._object = None
                self._swallowed, self._closes = ")" if self._closes else "", False
            return True
        assert self._until is not None
        found = self._until.search(held, self._at)
        if found is None:
            self._at = len(held) if final else max(self._at, len(held) - markup.LONGEST_CLOSER)
            return False
        self._at, self._until, self._space = found.end(), None, True
        return True

    def _line_head(self, final: bool) -> bool | None:
        """Take a code fence, a bullet, a list number, a heading or quotation sign; None: the line has none."""
        held, at = self._held, self._at
        aside = aside_at(held, at, first=not self._last, steps=self._steps, final=final)
        if aside is False:
            return False
        if isinstance(aside, Aside):
            self._pass_call(aside)
            self._steps = aside.steps
            self._until = markup.LINE_END if aside.rest_of_line else None
            self._line_start = False
            return True
        if fence := markup.FENCE.match(held, at):
            self._at = fence.end()
            self._newlines += 1
            return True
        numbered = markup.NUMBERED.match(held, at)
        bullet = None if numbered else markup.BULLET.match(held, at)
        begun = (
            markup.FENCE_BEGUN.match(held, at)
            or markup.NUMBERED_BEGUN.match(held, at)
            or markup.BULLET_BEGUN.match(held, at)
        )
        if begun and not final:
            return False
        if (numbered or bullet) and held[at] != ">":
            self._item_begins = True
            if self._newlines:
                self._newlines = 2  # the line before a heading or an item is over, whatever its end looks like
        if numbered:
            self._give(self._take(numbered.end() - at))
            return True
        if bullet:
            self._at = bullet.end()
            return True
        return None

    def _direction(self, char: str, final: bool) -> bool | None:
        """`*smiles*`, `(laughs softly)`, `[pause]`: told to an actor. None: it is something else."""
        if char in "*_" and not self._apart:
            return None
        held, at = self._held, self._at
        if held[at + 1 : at + 2] and not held[at + 1].isalpha():
            return None
        found = markup.DIRECTION.match(held, at)
        if found and is_direction(found.group()[1:-1]) and found[2] == {"(": ")", "[": "]"}.get(char, char):
            self._at = found.end()
            self._space = self._picture = True
            return True
        begun = None if final else markup.DIRECTION_BEGUN.match(held, at)
        if begun is None:
            return None
        return False if may_be_direction(begun[1], whole=bool(begun[2])) else None

    def _opening(self, char: str, final: bool) -> bool:
        """An escape, a picture, a link, a mark of a source, an entity; or else the character itself."""
        held, at = self._held, self._at
        if char in "\\!" and at + 1 == len(held) and not final:
            return False
        if char == "\\" and held[at + 1 : at + 2] == "n":
            if at + 2 == len(held) and not final:
                return False
            if not held[at + 2 : at + 3].islower():  # a line end that was escaped twice
                self._at += 2
                self._line_start, self._item_begins = True, False
                self._newlines += 1
                return True
        if char == "\\" and (handled := self._command(final)) is not None:
            return handled
        if char == "\\" and held[at + 1 : at + 2] in _ESCAPABLE:
            self._give(self._take(2)[1])
            return True
        if char == "!" and held[at + 1 : at + 2] == "[":
            self._at += 1
            return True
        if char == "&":
            return self._entity(final)
        if char in "[【" and (handled := self._bracket(final)) is not None:
            return handled
        self._give(self._take(1))
        return True

    def _bracket(self, final: bool) -> bool | None:
        """A link, a mark of a source or a control sign; None: a bracket like any other."""
        held, at = self._held, self._at
        closes = held[at] != "[" or held.find("]", at, at + markup.LONGEST_BRACKET) > 0
        if not closes and (final or len(held) - at > markup.LONGEST_BRACKET):
            return None
        if thought := markup.BRACKETED_THOUGHT.match(held, at):
            return self._bracketed_thought(thought, final)
        if not final and markup.NESTED_LINK_BEGUN.match(held, at):
            return False
        if link := markup.NESTED_LINK.match(held, at) or markup.LINK.match(held, at):
            self._at += 1
            self._jump = link.end(1), link.end()
            return True
        waits = markup.LINK_BEGUN.match(held, at) or markup.CITATION_BEGUN.match(held, at)
        if waits and not final:
            return False
        if control := markup.CONTROL.match(held, at):
            self._at, self._space = control.end(), True
            if control.group() == "[TOOL_CALLS]":
                self._until = markup.TOKEN_CALL_END
            elif control.group() == "[THINK]":
                self._until = re.compile(r"\[/THINK\]")
            return True
        if markup.CITATIONS_BEGUN.match(held, at) and not final:
            return False
        if citations := markup.CITATIONS.match(held, at):
            self._at = citations.end()
            return True
        citation = markup.CITATION.match(held, at)
        if citation and (
            held[at] == "【"
            or not citation.group()[1].isdigit()
            or not self._apart
            or self._last in ".!?,;"
            or held[citation.end() :][:1] == "["
        ):
            self._at = citation.end()
            return True
        return None

    def _bracketed_thought(self, opener: re.Match[str], final: bool) -> bool:
        """`[thinking] ... [/thinking]`: a thought if it is closed before long, or else a mark that is not said."""
        closer = re.compile(rf"\[/{opener[1]}\]", re.IGNORECASE).search(
            self._held, opener.end(), opener.end() + markup.LONGEST_THOUGHT
        )
        if closer is None and not final and len(self._held) - opener.end() < markup.LONGEST_THOUGHT:
            return False
        self._at, self._space = (closer or opener).end(), True
        return True

    def _angle(self, final: bool) -> bool:
        """A comment, a control sign, a thought, a call, an address in angle brackets, a tag; or "less than"."""
        held, at = self._held, self._at
        if held.startswith("<!--", at):
            self._at, self._until = at + 4, markup.COMMENT_END
            return True
        if not final and any(begun.match(held, at) for begun in (ssml.ELEMENT_BEGUN, *markup.ANGLE_BEGUN)):
            return False
        if channel := markup.CHANNEL.match(held, at):
            self._at = at if channel[1] else channel.end()
            self._until = markup.CHANNEL_END if channel[1] else None
            return True
        if token := markup.TOKEN.match(held, at):
            self._at, self._space = token.end(), True
            if token[1] and markup.TOKEN_CALL.search(token[1]):
                self._until = markup.TOKEN_CALL_END
            elif token[1] and markup.TOKEN_THOUGHT.fullmatch(token[1]):
                self._until = markup.TOKEN_THOUGHT_END
            return True
        if control := markup.CONTROL.match(held, at):
            self._at, self._space = control.end(), True
            return True
        if address := markup.ADDRESS.match(held, at):
            self._at = at + 1
            self._jump = address.end(1), address.end()
            return True
        if element := ssml.ELEMENT.match(held, at):
            self._at = element.end()
            if said := ssml.meant(element[1], ssml.attributes(element[2]), element[3]):
                self._give(" ".join(said.split()).translate(TYPOGRAPHIC))
            return True
        if tag := markup.TAG.match(held, at) or markup.POINTED.match(held, at):
            self._tag(tag)
            return True
        self._give(self._take(1))
        return True

    def _pause(self, mark: str) -> None:
        """A break, by the mark that makes one, unless there is a mark already."""
        if mark and (self._last.isalnum() or self._last in CAN_TAKE_A_STOP):
            self._out.append(mark)
            self._last = mark
        self._space = True

    def _tag(self, tag: re.Match[str]) -> None:
        name = tag[2].lower().rpartition(":")[2]
        self._at = tag.end()
        if name == "break":
            self._pause(ssml.pause(ssml.attributes(tag[3])))
        if name == "prosody" and tag[1]:
            self._rates.end()
        elif name == "prosody" and not tag[4]:
            self._rates.begin(ssml.attributes(tag[3]).get("rate", ""))
        unspoken = markup.is_unspoken(name)
        if unspoken and not tag[1] and not tag[4]:
            self._until = markup.closer(tag[2])
        self._space = self._space or unspoken or name in markup.PARTING


def clean(text: str) -> str:
    """Speakable text of a whole written text."""
    cleaner = Cleaner()
    return cleaner.feed(text) + cleaner.finish()
