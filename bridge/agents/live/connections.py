"""The sessions of one call with a speaking model: the one in use, its successor, and when they change places.

A session is opened while the call begins, opened anew when it is lost, and replaced before its service ends it. A new
session is told the conversation so far when it is first used, so that it holds what was heard until then.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from bridge.agents.base import AgentError
from bridge.agents.live.session import LiveSession
from bridge.agents.live.wire import Leaving, LiveEvent, Trouble
from bridge.audio.formats import MULAW_8000, AudioFormat

if TYPE_CHECKING:
    from bridge.agents.live.factory import LiveFactory

_RETRY_S = 5.0
"""Before a successor is tried for again."""


class LiveConnections:
    """Opens sessions, and knows which of them is in use. `happened` hears of their events."""

    def __init__(
        self, factory: LiveFactory, happened: Callable[[LiveSession, LiveEvent], None], busy: Callable[[], bool]
    ) -> None:
        self.audio_format: AudioFormat = MULAW_8000
        self.begun_elsewhere = False
        """There is a conversation already that a session has to be told of."""
        self.current: LiveSession | None = None
        self.heard_in: LiveSession | None = None
        """The session that hears the caller's turn, or has heard it."""
        self._factory = factory
        self._told = happened
        self._busy = busy
        self._opening: asyncio.Task[LiveSession] | None = None
        self._successor: tuple[LiveSession, str] | None = None
        """The next session, and what of the last it goes on from."""
        self._replacing: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False

    def begin(self) -> None:
        """Open a session in the background, unless there is one."""
        usable = self.current is not None and self.current.usable
        if not usable and not self._closed and self._opening is None:
            self._opening = asyncio.get_running_loop().create_task(self._open())
            self._opening.add_done_callback(_noticed)

    async def ready(self) -> LiveSession:
        """Return a session that can be asked. Raises AgentError when none can be had."""
        if self.current is not None and self.current.usable:
            return self.current
        self.begin()
        opening = self._opening
        assert opening is not None
        try:
            session = await asyncio.shield(opening)
        finally:
            if opening.done() and self._opening is opening:
                self._opening = None
        if not session.usable:
            return await self.ready()
        return session

    def give_up(self, session: LiveSession) -> None:
        """Have nothing more to do with a session whose state is not known."""
        session.close()
        self._forget(session)

    def quiet(self) -> None:
        """No answer is under way: a session that waits for its turn takes over."""
        if self._successor is None or self._busy() or self._closed:
            return
        (session, goes_on_from), self._successor = self._successor, None
        old = self.current
        if not session.usable:
            self.replace()
            return
        if old is not None and goes_on_from and old.wire.resumption != goes_on_from:
            session.close()  # more was said since: it would not know of that
            self.replace()
            return
        session.recalled = bool(goes_on_from)
        self._use(session)
        if old is not None:
            if self.heard_in is old:
                self.heard_in = None
            old.close()

    def replace(self) -> None:
        """Open a successor of the session in use, which takes over as soon as no answer is under way."""
        if self._closed or self._successor is not None or (self._replacing and not self._replacing.done()):
            return
        self._replacing = asyncio.get_running_loop().create_task(self._replace())

    def close(self) -> None:
        """Close all sessions; the call is over."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        for task in (self._opening, self._replacing):
            if task is not None:
                task.cancel()
        for session in (self.current, self._successor[0] if self._successor else None):
            if session is not None:
                session.close()
        self.current = self.heard_in = None

    async def _open(self) -> LiveSession:
        session = await self._connected("")
        if self._closed:
            session.close()
        self._use(session)
        return session

    async def _connected(self, goes_on_from: str) -> LiveSession:
        wire = self._factory.wire(self.audio_format, history=self.begun_elsewhere, goes_on_from=goes_on_from)
        self.begun_elsewhere = True
        return await self._factory.connect(wire, self._happened)

    async def _replace(self) -> None:
        old = self.current
        goes_on_from = "" if old is None else old.wire.resumption
        try:
            try:
                session = await self._connected(goes_on_from)
            except AgentError:
                if not goes_on_from:
                    raise
                goes_on_from = ""
                session = await self._connected("")
        except AgentError as error:
            self._factory.log(error)
            self._later(_RETRY_S)
            return
        self._successor = session, goes_on_from
        self._replacing = None
        self.quiet()

    def _use(self, session: LiveSession) -> None:
        self.current = session
        self._later(self._factory.session_s)

    def _later(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if not self._closed:
            self._timer = asyncio.get_running_loop().call_later(seconds, self.replace)

    def _happened(self, session: LiveSession, event: LiveEvent) -> None:
        if isinstance(event, Leaving) and session is self.current:
            self.replace()
        self._told(session, event)
        if isinstance(event, Trouble) and session.lost is not None and session is self.current:
            self._forget(session)
            self.begin()

    def _forget(self, session: LiveSession) -> None:
        if self.current is session:
            self.current = None
        if self.heard_in is session:
            self.heard_in = None


def _noticed(opening: asyncio.Task[LiveSession]) -> None:
    """A failure to open is told when a session is asked for."""
    if not opening.cancelled():
        opening.exception()
