"""Marks within a line: emphasis, rules, formulas, entities, numbers of which stars hide a part. Pure."""

from __future__ import annotations

import html

from bridge.text import formulas, markup
from bridge.text.flow import TextFlow
from bridge.text.unspoken import unspeakable

TYPOGRAPHIC = str.maketrans({"’": "'", "‘": "'", "ʼ": "'", "“": '"', "”": '"', "„": '"'})
_LONGEST_RUN = 32


class InlineMarks(TextFlow):
    """The rules about signs that stand within a line."""

    @property
    def _apart(self) -> bool:
        """Whether what comes next does not touch what was said last."""
        return not self._last or self._space or self._newlines > 0

    def _highlight(self, final: bool) -> bool | None:
        """`==so==` is emphasis, "5 == 5" is none."""
        if signs := markup.EQUALS.match(self._held, self._at):
            self._give(self._take(signs.end() - self._at))
            return True
        if self._apart and self._jump is None and (found := markup.HIGHLIGHT.match(self._held, self._at)):
            if found.end() == len(self._held) and not final:
                return False
            self._jump = found.end(1), found.end()
            self._at += 2
            return True
        if not final and markup.HIGHLIGHT_BEGUN.match(self._held, self._at):
            return False
        return None

    def _formula(self, final: bool) -> bool:
        """`$x^2$` is said without its signs; "$5", and what is no formula, with them."""
        found = None if self._jump else formulas.FORMULA.match(self._held, self._at)
        if found and (final or found.end() < len(self._held)):
            self._at = found.start(2)
            self._jump = found.end(2), found.end()
        elif not final and formulas.FORMULA_BEGUN.match(self._held, self._at):
            return False
        else:
            self._give(self._take(1))
        return True

    def _run_of_signs(self, char: str, final: bool) -> bool:
        """Emphasis, code ticks, strike-through, rules: signs that come in runs."""
        held, end = self._held, self._at
        while end < len(held) and held[end] == char:
            end += 1
        if end == len(held) and not final and end - self._at < _LONGEST_RUN:
            return False
        length = end - self._at
        if length >= _LONGEST_RUN:
            self._at, self._swallowed = end, char
            self._space = self._space or char == "-"
            return True
        following = held[end : end + 1]
        if char == "*" and length == 1 and self._apart and following.isdigit():
            if emphasis := markup.EMPHASIS.match(held, self._at):
                self._jump = self._jump or (emphasis.end() - 1, emphasis.end())
                self._at = end
                return True
            if not final and markup.EMPHASIS_BEGUN.match(held, self._at):
                return False
        if char == "*" and length > 1 and self._apart and (hidden := self._hidden(final)) is not None:
            return hidden
        self._at = end
        spoken = markup.is_said(char, length, before="" if self._apart else self._last, following=following)
        self._space = self._space or (char == "-" and not spoken)
        if spoken:
            self._give(char * length)
        return True

    def _command(self, final: bool) -> bool | None:
        """A command of a formula, by what it says; None: it is none."""
        if not final and formulas.COMMAND_BEGUN.match(self._held, self._at):
            return False
        found = formulas.command_at(self._held, self._at)
        if found is None:
            return None
        said, self._at = found
        if said:
            self._give(said)
        return True

    def _entity(self, final: bool) -> bool:
        held, at = self._held, self._at
        if entity := markup.ENTITY.match(held, at):
            meant = html.unescape(entity.group())
            self._at = entity.end()
            if meant.isspace():
                self._space = True
            elif not unspeakable(meant[0]):
                self._give(meant.translate(TYPOGRAPHIC))
            return True
        if markup.ENTITY_BEGUN.match(held, at) and not final:
            return False
        self._give(self._take(1))
        return True

    def _hidden(self, final: bool) -> bool | None:
        """A number of which stars hide all but the end, `***-**-6789`; None where there is none."""
        found = markup.HIDDEN.match(self._held, self._at)
        if not final and (found.end() == len(self._held) if found else markup.HIDDEN_BEGUN.match(self._held, self._at)):
            return False
        if found is None:
            return None
        self._give(self._take(found.end() - self._at))
        return True
