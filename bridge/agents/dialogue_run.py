"""One run of a dialogue in Python: its methods as tasks, what they say as a queue, what they wait for as a journal.

A run that has a journal before it is silent until it gets to where the journal ends.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Protocol, TypeVar

from bridge.agents.dialogue_journal import (
    Begun,
    CallerReaction,
    Entry,
    Journal,
    Raised,
    Result,
    Started,
    Told,
    caller_reaction,
    went_another_way,
)
from bridge.agents.dialogue_work import OutcomeUnknown, TookTooLong, Work
from bridge.call.actions import Action, HangUp, Prompt, Say

E = TypeVar("E", bound=Entry)

logger = logging.getLogger(__name__)

_ROOM = 16
"""How many actions a dialogue may be ahead of whoever carries them out."""
_CLEAN_UP_S = 0.5
"""How long what the caller said waits for a stream to be closed that they broke off."""
_NEXT_FILLER_S = 4.0
"""After words of this answer, before the caller is told that it still takes a moment."""


class Performer(Protocol):
    """The dialogue as it is run: does what follows from a turn of the caller's."""

    handles: bool
    """Whether words that nobody waits for begin something new; else the dialogue goes on undisturbed."""

    def perform(self, turn: CallerReaction) -> Coroutine[Any, Any, None]:
        """Do what follows from this turn, which nobody waits for."""
        ...


class DialogueRun:
    """Runs a dialogue from the beginning, through its journal, and on.

    journal           what was given before; what is given from now on is added
    moment            said when something takes long and no filler is named
    filler_after_s    when that is
    written           lines that stand in the agent's code, whose audio may be kept
    """

    def __init__(
        self,
        performer: Performer,
        journal: Journal,
        *,
        moment: str,
        filler_after_s: float,
        written: frozenset[str] = frozenset(),
    ) -> None:
        self.journal = journal
        self.prompt = Prompt("call_started")
        """The last prompt: its history is what was said and heard before."""
        self.notes: dict[str, str] = {}
        """What the dialogue wants to be known of the call when it is over."""
        self._performer = performer
        self._moment = moment
        self._filler_after_s = filler_after_s
        self.written = written | {moment}
        self._in_answer = False
        self._number = 0
        self._quiet = bool(journal.entries)
        self._actions: deque[Action] = deque()
        self._changed = asyncio.Event()
        self._room = asyncio.Event()
        self._method: asyncio.Task[None] | None = None
        self._waiting: tuple[int, asyncio.Future[CallerReaction]] | None = None
        self._telling: asyncio.Task[None] | None = None
        self._failure: BaseException | None = None
        self._next: CallerReaction | None = None
        """What begins a method as soon as the one before has ended."""
        self._said = False
        """Whether the answer of the moment has words."""
        self._counts = asyncio.Event()
        self._asked = asyncio.Event()
        """Set when another prompt has come."""
        self._breaking = False
        """A stream of words was broken off, and the dialogue has not come to its next request."""
        self._closed = False

    def begin(self) -> None:
        """Run through the journal, if there is one."""
        if self._quiet:
            self._go_on()

    # -- from the call's side ----------------------------------------------------------------------

    async def caught_up(self) -> None:
        """Wait until the run is where the journal ends, and behind a stream of words that was broken off."""
        while self._quiet and self._failure is None:
            await self._change()
        with suppress(TimeoutError):
            async with asyncio.timeout(_CLEAN_UP_S):
                while self._breaking and self._waiting is None and self._method is not None:
                    await self._change()
        self._breaking = False

    def deliver(self, prompt: Prompt, *, busy_at: int = 0) -> None:
        """Hand over what happened to whoever waits for it.

        A dialogue that is busy, and has no method for words, goes on as if nothing had been said; `busy_at` is where
        it was when this prompt, or the one that it replaces, was put the first time.
        """
        self._takes(prompt)
        turn = caller_reaction(prompt)
        if busy_at:
            self.journal.busy_at = busy_at
        elif self._waiting is not None:
            number, future = self._waiting
            self._actions.clear()  # of an answer that was broken off
            self._waiting = None
            self.journal.record(number, turn)
            future.set_result(turn)
        elif self._method is None:
            self._begin(turn)
        elif self._performer.handles:
            self._method.cancel()
            self._next = turn
        else:
            self.journal.busy_at = self._number

    def goes_on(self, prompt: Prompt) -> None:
        """Finish the answer to this prompt, within which the journal ends: what is said behind its end is unsaid."""
        self._in_answer = True
        self._takes(prompt)

    def _takes(self, prompt: Prompt) -> None:
        self.prompt, self._said = prompt, bool(prompt.so_far)
        self._asked.set()
        self._asked = asyncio.Event()
        self._counts = asyncio.Event()
        if not prompt.guess:
            self._counts.set()

    def confirmed(self, turn: int) -> None:
        """Take note that the prompt counts."""
        if turn == self.prompt.turn:
            self._counts.set()

    async def next_action(self) -> Action | None:
        """What is to be done next; None when the dialogue waits for the caller, or is over."""
        while not self._actions:
            if self._failure is not None:
                failure, self._failure = self._failure, None
                raise failure
            if self._waiting is not None or self._method is None:
                return None
            await self._change()
        self._room.set()
        return self._actions.popleft()

    def broken_off(self) -> None:
        """The caller talks over the answer: what is unsaid of it is dropped, and a stream of words is closed."""
        self._actions.clear()
        self._room.set()
        if self._telling is not None:
            self._telling.cancel()
            self._breaking = True
        elif self._performer.handles and self._method is not None and self._waiting is None:
            self._method.cancel()

    def close(self) -> None:
        """End the run; what cannot be taken back is carried to its end."""
        self._closed = True
        for task in (self._method, self._telling):
            if task is not None:
                task.cancel()

    # -- from the dialogue's side ------------------------------------------------------------------

    async def put(self, action: Action) -> None:
        """Have something done, as soon as there is room for it."""
        if self._quiet:
            return
        while len(self._actions) >= _ROOM:
            self._room.clear()
            await self._room.wait()
        if isinstance(action, Say) and action.text.strip():
            self._said = True
        self._actions.append(action)
        self._changed.set()

    async def listen(self, *actions: Action) -> CallerReaction:
        """Do the last things of this answer, then wait for what the caller does."""
        number, entry = self._request(CallerReaction, "listen")
        if isinstance(entry, CallerReaction):
            return entry
        if self._waiting is not None:
            raise RuntimeError("a dialogue can wait for the caller in one place at a time")
        for action in actions:
            await self.put(action)
        future: asyncio.Future[CallerReaction] = asyncio.get_running_loop().create_future()
        self._waiting = number, future
        self._changed.set()
        try:
            return await future
        finally:
            if self._waiting is not None and self._waiting[1] is future:
                self._waiting = None

    async def tell(self, words: AsyncIterator[str], say: Callable[[str, bool], Say]) -> bool:
        """Say words as they come; True when all were said, False when the caller broke them off."""
        number, entry = self._request(Told, "tell")
        if isinstance(entry, Told):
            return entry.whole
        self._telling = asyncio.ensure_future(self._tell(words, say))
        try:
            await asyncio.wait({self._telling})
            whole = not self._telling.cancelled()
            if whole:
                self._telling.result()
                await self.put(say("", False))
        finally:
            self._telling.cancel()
            self._telling = None
        self._keep(number, Told(whole))
        return whole

    async def _tell(self, words: AsyncIterator[str], say: Callable[[str, bool], Say]) -> None:
        try:
            async for piece in words:
                if piece:
                    await self.put(say(piece, True))
        finally:
            if isinstance(words, AsyncGenerator):
                await words.aclose()

    async def look_up(self, work: Work, filler: str, deadline_s: float) -> Any:
        """Call a function that may be called again, and given up."""
        number, entry = self._request(Result, work.name)
        if entry is not None:
            return _given(entry, work.name)
        with self._filling(filler):
            return await self._done(number, work, deadline_s)

    async def carry_out(self, work: Work, filler: str, deadline_s: float) -> Any:
        """Call a function that must be called once: when the turn counts, and then to its end."""
        number, entry = self._request((Started, Result), work.name)
        if isinstance(entry, Result | Raised):
            return _given(entry, work.name)
        task = self.journal.running.get(number)
        if task is None and entry is not None:
            raise OutcomeUnknown(f"{work.name} was begun in another process, and what came of it is not known")
        self._live()
        if task is None:
            if not self._counts.is_set() and not self._said:
                await self._say(filler or self._moment)
            await self._counts.wait()
            self.journal.record(number, Started(work.name))
            task = asyncio.ensure_future(self._done(number, work, deadline_s, once=True))
            self.journal.running[number] = task
            task.add_done_callback(lambda done: self._carried_out(number, work.name, done))
        with self._filling(filler):
            return await asyncio.shield(task)

    def _carried_out(self, number: int, name: str, task: asyncio.Task[Any]) -> None:
        self.journal.running.pop(number, None)
        error = None if task.cancelled() else task.exception()
        if error is not None and self._closed:
            logger.error("%s failed after its call: %r", name, error, exc_info=error)

    async def _done(self, number: int, work: Work, deadline_s: float, *, once: bool = False) -> Any:
        """Call a function, and keep what comes of it."""
        try:
            async with asyncio.timeout(deadline_s) as deadline:
                value = await work.call()
        except Exception as error:
            if isinstance(error, TimeoutError) and deadline.expired():
                self._keep(number, Result(work.name, late=True, once=once), once=once)
                raise TookTooLong(f"{work.name} had no result in time") from None
            self._keep(number, Raised(work.name, error, once), once=once)
            raise
        self._keep(number, Result(work.name, value, once=once), once=once)
        return value

    def _keep(self, number: int, entry: Entry | Raised, *, once: bool = False) -> None:
        """Write an entry into the journal, which others go on with once this run is closed."""
        if once or not self._closed:
            self.journal.record(number, entry)

    async def _say(self, filler: str) -> None:
        await self.put(Say(filler, cacheable=filler in self.written))

    @contextmanager
    def _filling(self, filler: str) -> Iterator[None]:
        """While something takes long, and the answer has no words yet, the caller hears that we are at it."""

        async def fill() -> None:
            while True:
                asked, said = self._asked, self._said
                with suppress(TimeoutError):
                    async with asyncio.timeout(_NEXT_FILLER_S if said else self._filler_after_s):
                        await asked.wait()
                if asked is self._asked and said == self._said:
                    await self._say(filler or self._moment)
                    return

        filling = asyncio.ensure_future(fill())
        try:
            yield
        finally:
            filling.cancel()

    # -- methods, one after the other --------------------------------------------------------------

    def _request(self, kind: type[E] | tuple[type[E], ...], what: str) -> tuple[int, Entry | Raised | None]:
        """The number of a request, and what it was given before. Raises CancelledError where it was cut off then."""
        entry = self.journal.entries.get(self._number + 1)
        if isinstance(entry, Begun):
            raise asyncio.CancelledError
        self._number += 1
        kinds = kind if isinstance(kind, tuple) else (kind,)
        if entry is None:
            if self._quiet and self.journal.begun_after(self._number):
                raise asyncio.CancelledError
            if kinds != (Started, Result):
                self._live()
            return self._number, None
        if self._number == self.journal.busy_at or (self._in_answer and self.journal.ends_with(self._number)):
            self._live()
        named = entry.name if isinstance(entry, Raised | Result | Started) else what
        if named != what or not (isinstance(entry, kinds) or (isinstance(entry, Raised) and Result in kinds)):
            raise went_another_way(what)
        return self._number, entry

    def _live(self) -> None:
        if self._quiet:
            self._quiet = False
            self._changed.set()

    def _begin(self, turn: CallerReaction) -> None:
        self._number += 1
        self.journal.record(self._number, Begun(turn))
        self._perform(turn)

    def _perform(self, turn: CallerReaction) -> None:
        self._method = asyncio.ensure_future(self._performer.perform(turn))
        self._method.add_done_callback(self._ended)

    def _ended(self, method: asyncio.Future[None]) -> None:
        self._method, self._waiting = None, None
        error = None if method.cancelled() else method.exception()
        if self._closed:
            return
        if error is not None:
            self._failure, self._quiet = error, False
        elif self._next is not None:
            turn, self._next = self._next, None
            self._begin(turn)
        elif self._quiet:
            self._go_on()
        elif not method.cancelled() and not self._performer.handles:
            self._actions.append(HangUp("done"))
        self._changed.set()

    def _go_on(self) -> None:
        """Run the next method that the journal names; without one the run is where the journal ends."""
        later = [number for number, entry in self.journal.entries.items() if isinstance(entry, Begun)]
        number = min((each for each in later if each > self._number), default=None)
        if number is None:
            self._live()
            return
        self._number = number
        begun = self.journal.entries[number]
        assert isinstance(begun, Begun)
        self._perform(begun.turn)

    async def _change(self) -> None:
        self._changed.clear()
        await self._changed.wait()


def _given(entry: Entry | Raised, name: str) -> Any:
    """What a function gave before, or the error that it raised."""
    if isinstance(entry, Raised):
        raise entry.error
    assert isinstance(entry, Result)
    if entry.late:
        raise TookTooLong(f"{name} had no result in time")
    return entry.value
