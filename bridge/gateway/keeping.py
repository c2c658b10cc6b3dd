"""The states of a process's calls, written to the store as the calls go: what is left of them when it is gone.

A call is written again when something that matters has changed, not with every frame, and all that have changed in one
go; nothing waits for it. A key that was pressed is written at once: nobody could tell later that it was. Beside them
the process leaves the time at which it was last alive (`alive:PROCESS`), so that whoever goes on with its calls can
tell how much was heard after a state was written: both times are of one clock.

| a call | what is in the store |
| --- | --- |
| goes on | its state of a moment ago, and whose it is |
| has lost its stream, or is moved | its state at that moment, nobody's |
| has ended in any other way | nothing |

A process that was stopped for a while, with its machine or alone, may find its calls in the hands of others. So after
a pause it looks whose they are before it writes anything, and lets go of them.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

import msgspec

from bridge.session.ports import KeptCall
from bridge.store.base import LARGEST_VALUE, Store
from bridge.store.kept_calls import KeptCalls
from bridge.system.process_name import own_name

logger = logging.getLogger(__name__)

BEAT_S = 0.1
APART_S = 0.5
"""Between two states of one call, on the whole: what changes on and on is written twice a second."""
_AT_ONCE = 3.0
"""So many may follow on each other: when speech begins, much changes at once."""
_PAUSE_S = 0.5
"""Who was silent for longer may be taken for dead."""
_AGAIN_S = 5.0
"""A call in which nothing changes is written again: what was written may have been lost, as while Redis was away."""


class KeptSession(Protocol):
    """The session of a call, as far as it is kept."""

    def kept(self) -> KeptCall | None:
        """Write the call down as it will be if its stream ends now; None where that cannot be done."""
        ...


class _Entry:
    __slots__ = ("account_id", "changed", "credit", "paused", "pressed", "session", "written_at")

    def __init__(self, session: KeptSession, account_id: str) -> None:
        self.session = session
        self.account_id = account_id
        self.changed = True
        self.pressed = False
        self.paused = False
        self.credit = _AT_ONCE
        self.written_at = float("-inf")


class CallKeeper:
    """Keeps the calls of one process. All methods belong to the event loop; only coroutines wait.

    ttl_s   how long a state is good for without being written again
    clock   seconds since 1970, told to nobody but together with another time of the same process
    """

    def __init__(
        self, store: Store, kept_calls: KeptCalls, *, ttl_s: float, clock: Callable[[], float] = time.time
    ) -> None:
        self.process = own_name()
        """This process's name among those that share the store."""
        self.taken: Callable[[str], None] = lambda _key: None
        """Told of a call with which another process goes on, as this one was taken for dead."""
        self.written = 0
        """States written so far."""
        self._store = store
        self._kept_calls = kept_calls
        self._ttl_s = ttl_s
        self._clock = clock
        self._calls: dict[str, _Entry] = {}
        self._beat_at = float("inf")
        self._timer: asyncio.TimerHandle | None = None
        self._writing: asyncio.Task[None] | None = None
        self._usual_place = True
        """Whether what was written last went to where all who share the store find it."""
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def now(self) -> float:
        """The time by which states are written."""
        return self._clock()

    def follow(self, key: str, session: KeptSession, account_id: str, *, returning: bool = False) -> None:
        """Write this call down from now on; one that is `returning` at once."""
        self._calls[key] = _Entry(session, account_id)
        if self._timer is None or returning:
            self._beat_after(
                0.0 if returning else BEAT_S
            )  # one that came back is in nobody's hands until it is written

    def changed(self, key: str) -> None:
        """Something that matters has changed in this call."""
        entry = self._calls.get(key)
        if entry is not None:
            entry.changed = True

    def pressed(self, key: str) -> None:
        """The caller has pressed a key: that is not to be lost, whatever happens in the next moment."""
        entry = self._calls.get(key)
        if entry is not None:
            entry.changed = entry.pressed = True
            self._beat_after(0.0)

    def lost(self, key: str) -> None:
        """The call's stream has ended, or is about to: write it down as it is, for whoever goes on with it."""
        entry = self._calls.get(key)
        if entry is not None and not entry.paused:
            entry.paused = True
            kept = self._written_down(entry)
            if kept is not None:
                self._start(self._keep_alone(key, msgspec.structs.replace(kept, process="", written_at=0.0)))

    def found(self, key: str) -> None:
        """The carrier has replaced the stream that was lost by another one, here."""
        entry = self._calls.get(key)
        if entry is not None:
            entry.paused, entry.changed = False, True

    def leave(self, key: str, *, keep: bool = False) -> None:
        """The call is over here. `keep` what is in the store: others go on with it; else it is forgotten."""
        entry = self._calls.pop(key, None)
        if entry is not None and not keep and not entry.paused:
            self._start(self._forget(key))

    async def settled(self) -> None:
        """Wait until everything that was to be written so far is."""
        while waiting := [task for task in (*self._tasks, self._writing) if task is not None and not task.done()]:
            await asyncio.wait(waiting)

    async def close(self) -> None:
        """Write what is on its way, and no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._calls.clear()
        await self.settled()

    # -- as the calls go -----------------------------------------------------------------------------------------

    def _beat_after(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(seconds, self.beat)

    def beat(self) -> None:
        self._timer = None
        if not self._calls:
            self._beat_at = float("inf")
            return
        self._beat_after(BEAT_S)
        now = self._clock()
        paused, self._beat_at = now - self._beat_at > _PAUSE_S, now
        if self._writing is not None and not self._writing.done():
            return  # a slow store gets fewer states, not a queue of them
        due = self._let_go_of_what_others_have() if paused else self._write_down(now)
        self._writing = asyncio.get_running_loop().create_task(due)
        self._writing.add_done_callback(self._next)

    def _next(self, _written: asyncio.Task[None]) -> None:
        """Keys that were pressed meanwhile wait for no beat."""
        if self._timer is not None and any(entry.pressed for entry in self._calls.values()):
            self._beat_after(0.0)

    async def _write_down(self, now: float) -> None:
        """Write what is due. Each call has a turn of the loop of its own: all of them at once would hold it."""
        values = {f"alive:{self.process}": msgspec.msgpack.encode(now)}
        for key in [key for key, entry in self._calls.items() if self._is_due(entry, now)]:
            await asyncio.sleep(0)
            entry = self._calls.get(key)
            if entry is None or entry.paused:
                continue  # it has gone meanwhile, and waits for us with its own last word
            kept = self._written_down(entry)
            if kept is None:
                self.leave(key)  # an agent that cannot tell its state: better none than an old one
            else:
                values[KeptCalls.key(key)] = self._kept_calls.encode(kept)
        await self._write(values)

    def _is_due(self, entry: _Entry, now: float) -> bool:
        if entry.paused:
            return False
        if entry.pressed:
            return True
        age_s = now - entry.written_at
        if not entry.changed:
            return age_s >= min(_AGAIN_S, self._ttl_s / 2)
        return entry.credit + age_s / APART_S >= 1.0

    def _written_down(self, entry: _Entry) -> KeptCall | None:
        now = self._clock()
        kept = entry.session.kept()
        entry.credit = max(min(entry.credit + (now - entry.written_at) / APART_S, _AT_ONCE) - 1.0, 0.0)
        entry.changed, entry.pressed, entry.written_at = False, False, now
        if kept is None:
            return None
        self.written += 1
        return msgspec.structs.replace(
            kept,
            account_id=entry.account_id,
            process=self.process,
            written_at=now,
        )

    async def _write(self, values: dict[str, bytes]) -> None:
        try:
            taken = await self._store.keep_all(values, self._ttl_s)
        except ValueError as error:  # one of them is too large; the others are worth a try of their own
            logger.warning("a call cannot be kept: %s", error)
            small = {key: value for key, value in values.items() if len(value) <= LARGEST_VALUE}
            taken = await self._store.keep_all(small, self._ttl_s)
        if taken is not self._usual_place:  # the store is away, or back: what it had before is not where others look
            self._usual_place = taken
            for entry in self._calls.values():
                entry.changed, entry.credit = True, _AT_ONCE

    # -- one call ------------------------------------------------------------------------------------------------

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _keep_alone(self, key: str, kept: KeptCall) -> None:
        await self._after_the_others()
        if await self._is_ours(key):
            await self._kept_calls.keep(key, kept)

    async def _forget(self, key: str) -> None:
        await self._after_the_others()
        if key not in self._calls and await self._is_ours(key):
            await self._kept_calls.forget(key)

    async def _is_ours(self, key: str) -> bool:
        kept = await self._kept_calls.ask(key)
        return kept is None or kept.process in ("", self.process)

    async def _let_go_of_what_others_have(self) -> None:
        for key in list(self._calls):
            if not await self._is_ours(key) and self._calls.pop(key, None) is not None:
                self.taken(key)

    async def _after_the_others(self) -> None:
        """What was written before must not come after: a store may have several connections."""
        if self._writing is not None and not self._writing.done():
            await asyncio.wait([self._writing])
