"""The rest of what a relayed application was saying when it was killed, or the process that had the call."""

from __future__ import annotations

from collections.abc import Callable

from bridge.agents.base import AgentError, Failure
from bridge.agents.relay_unsaid import CycleLost, Unsaid
from bridge.agents.rest_of_answer import RestOfWords
from bridge.call.actions import Prompt
from bridge.carriers.conversation_relay import AppText, RelaySession

REST_S = 4.0
"""An application that was lost in the middle of its words and told the same again begins to answer within this time."""


class RestOfCycle:
    """Tells an application's repetition from the rest of its words, and what another process has said of them."""

    def __init__(self, session: RelaySession) -> None:
        self._session = session
        self._repeated = RestOfWords("")
        self.due = False
        """The application was told the same once more, and has not gone on yet."""
        self.turn = 0
        """The prompt that is answered."""
        self.begun = ""
        """The application's words that were said in that answer."""

    def resume(self, turn: int, begun: str) -> None:
        """Know which prompt was answered in another process, and with which words."""
        self.turn, self.begun = turn, begun

    def lost_to_move(self, prompt: Prompt, greeting: str) -> str:
        """What was passed on as said in another process, and is in nobody's hands; from now on this prompt is answered.

        The end of a text may be half a word, of which the call says nothing before it is whole.
        """
        before, self.turn = 0 < prompt.turn == self.turn, prompt.turn
        begun, self.begun = self.begun, ""
        said = "".join(say.text for say in prompt.so_far or ()).removeprefix(greeting)
        return begun[len(said) :] if before and begun.startswith(said) else ""

    def lost(self, put: Callable[[Unsaid], None]) -> None:
        """The application is lost: told the same once more, it may say from the beginning what it was saying."""
        session = self._session
        if session.cycle_open:
            self.ask(put)
        elif self.due:  # lost once more before it has gone on
            self._repeated = RestOfWords(session.said)

    def ask(self, put: Callable[[Unsaid], None]) -> None:
        """Take note that words have broken off, in a row in which the rest has its place."""
        asked = bool(self._session.unanswered)
        self._repeated = RestOfWords(self._session.said if asked else "")
        put(CycleLost(asked))

    def new(self, token: str) -> str:
        """What of a token is no repetition."""
        return self._repeated.new(token)

    def said(self, text: AppText) -> None:
        """Take note of words that are said now."""
        self.begun += text.token
        self.due = self.due and not text.token

    def given_up(self, name: str) -> AgentError:
        """The rest has not come: what comes now is something else."""
        self._repeated, self.due = RestOfWords(""), False
        return AgentError(Failure.BROKEN_STREAM, f"{name} broke off in the middle of its words")
