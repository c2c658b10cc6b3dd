"""What is new in an answer that is given a second time, after the first one broke off in its middle."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import aclosing, suppress

import msgspec

from bridge.agents.base import AgentError, Failure
from bridge.agents.outages import ServiceAway
from bridge.call.actions import Action, ChangeLanguage, Expect, HangUp, Prompt, Say, Transfer, Wait, is_supplied

LAST = (HangUp, Transfer)
"""After one of these there is no rest that matters."""


def may_go_on(error: ServiceAway, so_far: Iterable[Action] = ()) -> bool:
    """Whether an answer that broke off like this has a rest, which may be asked for."""
    return error.kind is Failure.BROKEN_STREAM and not any(isinstance(action, LAST) for action in so_far)


class RestOfAnswer:
    """Leaves out of a repeated answer what was given before it broke off; words may be cut into other pieces now."""

    def __init__(self, so_far: Iterable[Action], *, words_alone: bool = False) -> None:
        self._words_alone = words_alone
        """So far is told without the pauses and declarations between the words."""
        self._given: list[str | Action] = []
        """What is still to be repeated: words that follow each other are one text."""
        for action in so_far:
            if _words(action) and self._given and isinstance(self._given[-1], str):
                self._given[-1] += _words(action)
            elif not _is_text(action) or _words(action):
                self._given.append(_words(action) if _is_text(action) else action)

    @property
    def repeats(self) -> bool:
        """Whether what comes next was given before."""
        return bool(self._given)

    def only(self) -> None:
        """What comes now is the rest and nothing but the rest."""
        self._given.clear()

    def new(self, action: Action) -> Action | None:
        """What of this action was not given before. Raises AgentError where the answer has become another one."""
        if not self._given:
            return action
        given = self._given[0]
        if self._words_alone and isinstance(action, Wait | Expect | ChangeLanguage):
            return None if isinstance(action, Wait) else action  # a declaration means the same a second time
        if not isinstance(given, str):
            if _is_text(action) and not _words(action):
                return None
            if action != given:
                raise _another()
            del self._given[0]
            return None
        if not _is_text(action):
            raise _another()
        words = _words(action)
        if given.startswith(words):
            self._given[0] = given[len(words) :]
            if not self._given[0]:
                del self._given[0]
                return _after(action, "")
            return None
        if not words.startswith(given) or len(self._given) > 1:
            raise _another()
        self._given.clear()
        return _after(action, words[len(given) :])


async def only_the_rest(prompt: Prompt, actions: AsyncGenerator[Action, None]) -> AsyncGenerator[Action, None]:
    """The actions of an answer but for the words that the prompt's earlier answer has brought (`Prompt.so_far`).

    One that has become another answer meanwhile is given from where it differs. What was said while something took
    long, and is not this time, makes no other answer of it.
    """
    so_far = prompt.so_far or ()
    rest = RestOfAnswer(so_far, words_alone=True)
    async with aclosing(actions):
        async for action in actions:
            try:
                new = rest.new(action)
            except AgentError:
                rest, new = _found_later(so_far, action)
            if new is not None:
                yield new


def _found_later(so_far: Sequence[Say], action: Action) -> tuple[RestOfAnswer, Action | None]:
    """What is left to be repeated from a later utterance on that this one repeats, and what is new in it, if any is."""
    if isinstance(action, Say) and action.text and not action.more:
        for place in range(1, len(so_far)):
            with suppress(AgentError):
                rest = RestOfAnswer(so_far[place:], words_alone=True)
                return rest, rest.new(action)
    return RestOfAnswer(()), action


def _after(action: Action, rest: str) -> Action | None:
    """The last of the words that were given before, with what is new; without that it may still end an utterance."""
    assert isinstance(action, Say)
    return msgspec.structs.replace(action, text=rest) if rest or not action.more else None


def _is_text(action: Action) -> bool:
    return isinstance(action, Say) and not is_supplied(action.voice)


def _words(action: Action) -> str:
    return action.text if isinstance(action, Say) and not is_supplied(action.voice) else ""


def _another() -> AgentError:
    return AgentError(Failure.BROKEN_STREAM, "broke off, and answered otherwise when it was asked for the rest")


class RestOfWords:
    """Leaves the beginning out of words that are written a second time, piece by piece, if they begin as the first."""

    def __init__(self, so_far: str) -> None:
        self._so_far = so_far
        self._held = ""
        self._decided = not so_far.strip()

    def new(self, piece: str) -> str:
        """What may be said now; a piece that may be a repetition is held back until that is known."""
        if self._decided:
            return piece
        self._held += piece
        begun = self._held.lstrip()
        given = self._so_far.strip()
        if len(begun) < len(given) and given.startswith(begun):
            return ""
        self._decided = True
        rest = begun[len(given) :] if begun.startswith(given) else self._held
        if self._so_far[-1].isspace():
            return rest.lstrip()
        apart = rest is self._held and self._so_far[-1].isalnum() and rest[0].isalnum()
        return f" {rest}" if apart else rest
