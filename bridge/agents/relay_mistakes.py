"""Messages of an application that cannot be understood: it is told, and one that never mends has failed."""

from __future__ import annotations

from collections.abc import Callable

from bridge.agents.base import AgentError

_MOST_REPORTED = 50
"""Mistakes of one call's application, so that a flood of them fills no log."""
_MOST_IN_A_ROW = 20
"""With nothing from the caller between them: an application that answers each error by another mistake would do so
for ever."""


class ApplicationMistakes:
    """Counts the mistakes of one call's application: `report` is told of them, and `tell` of the words for it.

    `give_up` is called instead of `tell` when it gets nothing right any more.
    """

    def __init__(
        self, report: Callable[[AgentError], None], tell: Callable[[str], None], give_up: Callable[[str], None]
    ) -> None:
        self._report, self._tell, self._give_up = report, tell, give_up
        self._reported = self._in_a_row = 0

    def begin_anew(self) -> None:
        """Count from here: the caller has spoken or pressed a key."""
        self._in_a_row = 0

    def made(self, error: AgentError) -> None:
        """Take one mistake into account, and pass it on."""
        self._reported += 1
        if self._reported <= _MOST_REPORTED:
            self._report(error)
        self._in_a_row += 1
        if self._in_a_row > _MOST_IN_A_ROW:
            self._give_up("answers every error with another mistake")
        else:
            self._tell(str(error))
