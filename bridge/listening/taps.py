"""Copies of both directions of a call: for a recorder, a live transcript, a second recogniser under test.

A tap is bounded: when its reader is too slow it loses its own oldest audio, and the call notices nothing.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Literal

import msgspec

Direction = Literal["caller", "bot"]


class TappedAudio(msgspec.Struct, frozen=True, gc=False):
    """One piece of audio as it passed: mu-law at 8 kHz, and the call's time."""

    direction: Direction
    ulaw: bytes
    at: float


class AudioTap:
    """A reader's end: `async for piece in tap` until the call is over."""

    def __init__(self, limit: int = 500) -> None:
        self.lost = 0
        """Pieces that were overwritten before they were read."""
        self._pieces: deque[TappedAudio] = deque()
        self._limit = limit
        self._closed = False
        self._reader: asyncio.Future[None] | None = None

    def put(self, piece: TappedAudio) -> None:
        """Add a piece; called on the path of a frame, never waits."""
        if self._closed:
            return
        if len(self._pieces) >= self._limit:
            self._pieces.popleft()
            self.lost += 1
        self._pieces.append(piece)
        self._wake()

    def close(self) -> None:
        """Nothing more will come; what is queued can still be read."""
        self._closed = True
        self._wake()

    def _wake(self) -> None:
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)

    def __aiter__(self) -> AudioTap:
        return self

    async def __anext__(self) -> TappedAudio:
        while not self._pieces:
            if self._closed:
                raise StopAsyncIteration
            self._reader = asyncio.get_running_loop().create_future()
            await self._reader
        return self._pieces.popleft()
