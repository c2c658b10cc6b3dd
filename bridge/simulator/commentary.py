"""Tells what is said while a call goes on: the caller's steps, and the bot's words once he pauses."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from bridge.simulator.caller import AUDIBLE_DB, Caller
from bridge.simulator.result import Happening
from bridge.simulator.sound import FRAME_MS, Sound, from_ulaw, level_db

PAUSE_MS = 400

_WORDS = {"say": "", "interrupt": "talks over: ", "digits": "presses ", "hang_up": "hangs up "}


class Commentary:
    """One call's; `tell` gets happenings of the kinds `caller` and `bot`, which are on no record: turns are."""

    def __init__(self, caller: Caller, tell: Callable[[Happening], None], recognise: Callable[[Sound], Awaitable[str]]):
        self._caller = caller
        self._tell = tell
        self._recognise = recognise
        self._told = 0
        self._now_ms = 0
        self._audio = bytearray()
        self._began_ms = self._last_ms = -1

    def frame(self, heard: bytes) -> Coroutine[Any, Any, None] | None:
        """One frame later; returns what is to be awaited in the background when the bot has paused."""
        self._now_ms += FRAME_MS
        for did in self._caller.done[self._told :]:
            words = _WORDS.get(did.kind, f"({did.kind}) ") + did.text
            self._tell(Happening(at_ms=did.start_ms, kind="caller", text=words))
        self._told = len(self._caller.done)
        if level_db(from_ulaw(heard)) > AUDIBLE_DB:
            self._last_ms = self._now_ms
            if self._began_ms < 0:
                self._began_ms = self._now_ms
        if self._began_ms < 0:
            return None
        self._audio += heard
        return self.rest() if self._now_ms - self._last_ms >= PAUSE_MS else None

    def rest(self) -> Coroutine[Any, Any, None] | None:
        """Tell what was heard and not yet told; to be asked at the end of the call too."""
        if self._began_ms < 0:
            return None
        at_ms, sound = self._began_ms, from_ulaw(bytes(self._audio))
        self._audio.clear()
        self._began_ms = -1
        return self._understand(at_ms, sound)

    async def _understand(self, at_ms: int, sound: Sound) -> None:
        words = await self._recognise(sound)
        self._tell(Happening(at_ms=at_ms, kind="bot", text=words.strip() or "…"))
