"""Lines that a call will probably say next, made while the workers have nothing better to do.

Ranked by likelihood times the latency that a hit saves. One at a time (`prefetch_streams`), in the worker's
lowest class, and none is begun while a caller waits for speech.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence

import msgspec

from bridge.errors import VoiceError
from bridge.speaking.maker import PhraseMaker
from bridge.speaking.phrase import PhraseKey

_LEAST_LIKELIHOOD = 0.05
_REMEMBERED = 4096
_MS_PER_CHAR = 0.5
"""Synthesis time of the default voice on a CPU; replaced by what is measured."""
_SMOOTHING = 0.1
_LOOK_AGAIN_S = 0.1


class Likely(msgspec.Struct, frozen=True):
    """A line that may be said next, and how probable that is, 0..1."""

    text: str
    likelihood: float
    voice: str | None = None


class Prefetcher:
    """Makes likely lines ahead; offers of one owner replace that owner's earlier ones.

    headroom  0..1 of the workers; nothing is begun below half
    """

    def __init__(
        self, maker: PhraseMaker, headroom: Callable[[], float], pieces: Callable[[str], Sequence[str]], streams: int
    ) -> None:
        self._maker = maker
        self._headroom = headroom
        self._pieces = pieces
        self._streams = streams
        self._offers: dict[object, list[tuple[Likely, str]]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._again: asyncio.TimerHandle | None = None
        self._unused: OrderedDict[str, float] = OrderedDict()
        """Digest -> milliseconds of audio of what was made ahead and not said yet."""
        self._ms_per_char = _MS_PER_CHAR
        self._under_way: set[str] = set()
        self.made = 0
        self.used = 0
        self.wasted_ms = 0.0
        maker.on_hit = self._hit

    def offer(self, owner: object, lines: Iterable[Likely], tenant: str) -> None:
        """What this owner (a call) will probably say next, in place of all that it offered before."""
        self._offers[owner] = [(line, tenant) for line in lines if line.likelihood >= _LEAST_LIKELIHOOD]
        self._next()

    def withdraw(self, owner: object) -> None:
        """The owner is gone; what is being made is finished, the rest forgotten."""
        self._offers.pop(owner, None)

    async def close(self) -> None:
        """Stop."""
        self._offers.clear()
        if self._again is not None:
            self._again.cancel()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def stats(self) -> dict[str, float]:
        """Lines made ahead, how many of them were said, and the audio of those that were not, so far."""
        unused_ms = sum(self._unused.values()) + self.wasted_ms
        return {"made": self.made, "used": self.used, "unused_ms": unused_ms, "waiting": self._waiting()}

    def _waiting(self) -> int:
        return sum(map(len, self._offers.values()))

    def _next(self) -> None:
        if self._again is not None:
            self._again.cancel()
            self._again = None
        while len(self._tasks) < self._streams and self._waiting():
            if self._maker.busy or self._headroom() < 0.5:
                self._again = asyncio.get_running_loop().call_later(_LOOK_AGAIN_S, self._next)
                return
            line, tenant = self._best()
            task = asyncio.ensure_future(self._make(line, tenant))
            self._tasks.add(task)
            task.add_done_callback(self._done)

    def _best(self) -> tuple[Likely, str]:
        """The offer with the highest likelihood times latency saved, taken from its list."""
        owner, index = max(
            ((owner, index) for owner, lines in self._offers.items() for index in range(len(lines))),
            key=lambda place: self._worth(self._offers[place[0]][place[1]][0]),
        )
        best = self._offers[owner].pop(index)
        if not self._offers[owner]:
            del self._offers[owner]
        return best

    def _worth(self, line: Likely) -> float:
        """Expected milliseconds of waiting that having this line saves: the synthesis of its first piece."""
        pieces = self._pieces(line.text)
        return line.likelihood * (len(pieces[0]) * self._ms_per_char if pieces else 0.0)

    async def _make(self, line: Likely, tenant: str) -> None:
        for piece in self._pieces(line.text):
            key = self._maker.key(piece, line.voice, tenant)
            if key is None or self._maker.has(key) or self._maker.templates.match(piece):
                continue
            self._under_way.add(key.digest)
            try:
                phrase = await self._maker.whole(piece, voice=line.voice, tenant=tenant, priority="prefetch")
            except VoiceError:
                return  # a line made ahead is a favour, not a duty
            finally:
                said = key.digest not in self._under_way
                self._under_way.discard(key.digest)
            self.made += 1
            per_char = phrase.synthesis_ms / max(1, len(piece))
            self._ms_per_char += (per_char - self._ms_per_char) * _SMOOTHING
            if not said:
                self._remember(key, phrase.audio_ms)

    def _remember(self, key: PhraseKey, audio_ms: float) -> None:
        self._unused[key.digest] = audio_ms
        if len(self._unused) > _REMEMBERED:
            _, wasted_ms = self._unused.popitem(last=False)
            self.wasted_ms += wasted_ms

    def _hit(self, key: PhraseKey) -> None:
        """A call says this phrase now."""
        if self._unused.pop(key.digest, None) is not None:
            self.used += 1
        elif key.digest in self._under_way:
            self._under_way.discard(key.digest)
            self.used += 1

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            self._next()
