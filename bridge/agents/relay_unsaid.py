"""What a relayed application has written and nobody has said yet, in its order and bounded.

Words, recordings, keys and the end of the session wait in one row, since they are to happen in the order in which they
were written. Once too many characters wait, the application is not read any further.
"""

from __future__ import annotations

import asyncio
from collections import deque

import msgspec

from bridge.agents.streaming import AnswerTimeouts, within
from bridge.call.actions import Interruption
from bridge.carriers.conversation_relay import AppEnd, AppMessage, AppPlay, AppText, Interruptible
from bridge.text.first_word import FirstWord

MOST_WAITING = 20_000
"""Characters of unsaid text; the application is not read further until there is room."""
_MESSAGE_COST = 50
"""What a message costs besides its text."""


INTERRUPTIONS: dict[Interruptible | bool, Interruption] = {
    "any": "interruptible",
    True: "interruptible",
    "none": "protected",
    False: "protected",
    "dtmf": "digits_only",
    "speech": "speech_only",
}
"""What may break off words of the application's, as it says and as a call does."""


class ApplicationLost(msgspec.Struct, frozen=True, tag="application_lost"):
    """The application is gone, for this reason."""

    why: str


class CycleLost(msgspec.Struct, frozen=True, tag="cycle_lost"):
    """The application was lost in the middle of what it said, and is there again: it is asked once more, if it can be.

    `asked`: it was told something that it may answer once more, and the rest is in that answer.
    """

    asked: bool = False


Unsaid = AppMessage | ApplicationLost | CycleLost
"""All that waits for its turn."""


class UnsaidMessages:
    """One call's row of messages that wait to be said or done, and whether the cycle they belong to is over."""

    def __init__(self) -> None:
        self._waiting: deque[Unsaid] = deque()
        self._news = asyncio.Event()
        """Set when something waits."""
        self._room = asyncio.Event()
        """Set while the application may be read."""
        self._room.set()
        self.size = 0
        """Characters that wait, and what each message costs besides."""
        self.in_cycle = False
        """Text was said whose cycle is not over."""

    def __bool__(self) -> bool:
        return bool(self._waiting)

    @property
    def first(self) -> Unsaid:
        """The message whose turn it is; there must be one."""
        return self._waiting[0]

    @property
    def all(self) -> tuple[Unsaid, ...]:
        """Everything that waits, in its order."""
        return tuple(self._waiting)

    @property
    def ends(self) -> bool:
        """Whether the session is over once all of it was said."""
        return any(isinstance(message, AppEnd | ApplicationLost) for message in self._waiting)

    def put(self, message: Unsaid) -> None:
        """Add what the application has just written."""
        self._waiting.append(message)
        self.size += _size(message)
        if self.size > MOST_WAITING:
            self._room.clear()
        self._news.set()

    def put_first(self, message: Unsaid) -> None:
        """Put back what nobody has said after all."""
        self._waiting.appendleft(message)
        self.size += _size(message)
        self._news.set()

    def forget_first(self) -> None:
        """Take the first message out of the row, since it is being said."""
        self.size -= _size(self._waiting.popleft())
        if self.size <= MOST_WAITING:
            self._room.set()
        if not self._waiting:
            self._news.clear()

    def drop_words(self) -> bool:
        """Drop all words and recordings, and the cycle they are part of; True when there was something to drop."""
        unsaid = list(self._waiting)
        kept = [message for message in unsaid if not isinstance(message, AppText | AppPlay | CycleLost)]
        dropped = self.in_cycle or len(kept) < len(unsaid)
        for _ in unsaid:
            self.forget_first()
        for message in kept:
            self.put(message)
        self.in_cycle = False
        return dropped

    async def following(self, patience: AnswerTimeouts) -> Unsaid | None:
        """What waits; None when nothing does, and no cycle is open or its next word is too long in coming."""
        if not self._waiting and self.in_cycle:
            try:
                await within(patience, self._news.wait())
            except TimeoutError:
                self.in_cycle = False
        return self._waiting[0] if self._waiting else None

    async def room(self) -> None:
        """Wait until the application may be read further."""
        await self._room.wait()

    def give_up(self) -> None:
        """Let whoever waits for room go on: nobody will say anything any more."""
        self._room.set()


class ApplicationWords:
    """What an application has written since it was last told something: with a word in it that a voice says, or not."""

    def __init__(self) -> None:
        self.spoken = False
        """A word was said, or something was done."""
        self._word = FirstWord()
        self._any = self._open = False

    def add(self, message: Unsaid) -> None:
        """Take in what is being said or done."""
        if not isinstance(message, AppText):
            self.spoken = True
            return
        self._any = self._any or bool(message.token.strip())
        self._open = not message.last
        self.spoken = self.spoken or self._word.feed(message.token)
        if message.last:
            self.spoken = self._word.finish() or self.spoken
            self._word = FirstWord()

    @property
    def in_vain(self) -> bool:
        """Whether text came, is whole, and the caller hears none of it."""
        return self._any and not (self.spoken or self._open)


def preempts(message: Unsaid) -> bool:
    """Tell whether a message cuts short what is being said."""
    return isinstance(message, AppText | AppPlay) and message.preempts


def _size(message: Unsaid) -> int:
    return _MESSAGE_COST + (len(message.token) if isinstance(message, AppText) else 0)
