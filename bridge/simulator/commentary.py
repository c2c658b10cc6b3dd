"""Tells what is said while a call goes on: the caller's steps, and the bot's words once it pauses, in order of time."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from bridge.simulator.caller import AUDIBLE_DB, Caller
from bridge.simulator.result import Happening
from bridge.simulator.sound import Sound, from_ulaw, level_db

PAUSE_MS = 400

_WORDS = {"say": "", "interrupt": "talks over: ", "digits": "presses ", "hang_up": "hangs up "}


class InOrder:
    """Passes happenings on in the order of their times: what was said is known only when it has been understood, and
    what happened meanwhile waits for it."""

    def __init__(self, tell: Callable[[Happening], None]) -> None:
        self._tell = tell
        self._waiting: list[tuple[int, int, Happening]] = []
        self._open: dict[int, int] = {}
        self._count = itertools.count()

    def tell(self, happening: Happening) -> None:
        """Pass this on as soon as nothing earlier can come."""
        heapq.heappush(self._waiting, (happening.at_ms, next(self._count), happening))
        self._flush()

    def expect(self, at_ms: int) -> int:
        """Something that began at this time will be told; returns what to say to `no_longer` when it was."""
        token = next(self._count)
        self._open[token] = at_ms
        return token

    def no_longer(self, token: int) -> None:
        """Wait no longer for this happening: it was told, or never will be."""
        self._open.pop(token, None)
        self._flush()

    def finish(self) -> None:
        """Pass on all that waits."""
        self._open.clear()
        self._flush()

    def _flush(self) -> None:
        first = min(self._open.values(), default=None)
        while self._waiting and (first is None or self._waiting[0][0] <= first):
            self._tell(heapq.heappop(self._waiting)[2])


class Commentary:
    """One call's; `told` gets happenings of the kinds `caller` and `bot`, which are on no record: turns are."""

    def __init__(self, caller: Caller, told: InOrder, recognise: Callable[[Sound], Awaitable[str]]):
        self._caller = caller
        self._out = told
        self._recognise = recognise
        self._told = 0
        self._now_ms = 0
        self._audio = bytearray()
        self._began_ms = self._last_ms = -1
        self._expected = -1

    def frame(self, heard: bytes) -> Coroutine[Any, Any, None] | None:
        """One frame later; returns what is to be awaited in the background when the bot has paused."""
        self._now_ms = self._caller.now_ms
        for did in self._caller.done[self._told :]:
            words = _WORDS.get(did.kind, f"({did.kind}) ") + did.text
            self._out.tell(Happening(at_ms=did.start_ms, kind="caller", text=words))
        self._told = len(self._caller.done)
        if level_db(from_ulaw(heard)) > AUDIBLE_DB:
            self._last_ms = self._now_ms
            if self._began_ms < 0:
                self._began_ms = self._now_ms
                self._expected = self._out.expect(self._began_ms)
        if self._began_ms < 0:
            return None
        self._audio += heard
        return self.rest() if self._now_ms - self._last_ms >= PAUSE_MS else None

    def rest(self) -> Coroutine[Any, Any, None] | None:
        """Tell what was heard and not yet told; to be asked at the end of the call too."""
        if self._began_ms < 0:
            return None
        at_ms, sound, token = self._began_ms, from_ulaw(bytes(self._audio)), self._expected
        self._audio.clear()
        self._began_ms = -1
        return self._understand(at_ms, sound, token)

    async def _understand(self, at_ms: int, sound: Sound, token: int) -> None:
        try:
            words = await self._recognise(sound)
            self._out.tell(Happening(at_ms=at_ms, kind="bot", text=words.strip() or "…"))
        finally:
            self._out.no_longer(token)
