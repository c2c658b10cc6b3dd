"""Lines that a call will probably say next, made while the workers have nothing better to do.

Ranked by likelihood times the latency that a hit saves. One at a time (`prefetch_streams`), in the worker's
lowest class, and none is begun while a caller waits for speech.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, Protocol

import msgspec

from bridge.audio.formats import MULAW_8000, AudioFormat
from bridge.errors import VoiceError
from bridge.speaking.phrases.phrase import PhraseKey
from bridge.speaking.phrases.source import PhraseSource

_LEAST_LIKELIHOOD = 0.05
_REMEMBERED = 4096
_MS_PER_CHAR = 0.5
"""Synthesis time of the default voice on a CPU; replaced by what is measured."""
_SMOOTHING = 0.1
_LOOK_AGAIN_S = 0.1


class ExpectedLine(Protocol):
    """A line that may be said next."""

    @property
    def text(self) -> str:
        """What is said, word for word."""

    @property
    def likelihood(self) -> float:
        """How probable that is, 0..1."""

    @property
    def language(self) -> str:
        """The language in which it is read; empty: the voice's own."""
        ...

    @property
    def voice(self) -> str | None:
        """The voice of the line; None stands for the default voice."""


class ExpectedPhrase(NamedTuple):
    """A phrase that may be said next; by default one of which the first words are written."""

    text: str
    likelihood: float = 0.9
    voice: str | None = None
    language: str = ""
    """Empty: the voice's own."""


class _Offer(NamedTuple):
    """A line, for whom, and in which format."""

    line: ExpectedLine
    tenant: str
    audio_format: AudioFormat


class Prefetcher:
    """Makes likely lines ahead; offers of one owner replace that owner's earlier ones.

    headroom  0..1 of the workers; nothing is begun below half
    """

    def __init__(
        self, source: PhraseSource, headroom: Callable[[], float], pieces: Callable[[str], Sequence[str]], streams: int
    ) -> None:
        self._source = source
        self._headroom = headroom
        self._pieces = pieces
        self._streams = streams
        self._offers: dict[object, list[_Offer]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.paused = False
        """Nothing is begun: there is no idle time."""
        self._again: asyncio.TimerHandle | None = None
        self._unused: OrderedDict[str, float] = OrderedDict()
        """Digest -> milliseconds of audio of what was made ahead and not said yet."""
        self._ms_per_char = _MS_PER_CHAR
        self._under_way: set[str] = set()
        self.made = 0
        self.used = 0
        self.wasted_ms = 0.0
        self._begun: dict[str, None] = {}
        """Digests of phrases recognised by their first words, and not in memory then."""
        self._bringing: set[asyncio.Task[None]] = set()
        self.foreseen = 0
        self.foreseen_used = 0
        self.foreseen_wasted = 0
        """Guesses that were fetched or made for nothing."""
        source.on_hit = self._hit

    def offer(
        self, owner: object, lines: Iterable[ExpectedLine], tenant: str, audio_format: AudioFormat = MULAW_8000
    ) -> None:
        """What this owner (a call) will probably say next, in place of all that it offered before."""
        wanted = [
            offer
            for line in lines
            if line.likelihood >= _LEAST_LIKELIHOOD and self._lacks(offer := _Offer(line, tenant, audio_format))
        ]
        if wanted:
            self._offers[owner] = wanted
            self._next()
        else:
            self._offers.pop(owner, None)

    def foresee(
        self,
        begun: str,
        voice: str | None,
        tenant: str,
        audio_format: AudioFormat = MULAW_8000,
        language: str = "",
    ) -> PhraseKey | None:
        """The one known phrase that a text begins like, from now on being prepared; None if there is none."""
        key = self._source.key(begun, voice, tenant, audio_format, language)
        text = self._source.beginnings.match(key.tenant, key.voice, begun) if key else None
        if key is None or text is None:
            return None
        key = msgspec.structs.replace(key, text=text)
        self.foreseen += 1
        if not self._source.has(key):
            self._begun[key.digest] = None
            task = asyncio.ensure_future(
                self._bring(key, _Offer(ExpectedPhrase(text, voice=voice, language=language), tenant, audio_format))
            )
            self._bringing.add(task)
            task.add_done_callback(self._bringing.discard)
        return key

    def came_out(self, key: PhraseKey, right: bool) -> None:
        """What became of a guess."""
        if right:
            self.foreseen_used += 1
        elif key.digest in self._begun:
            self.foreseen_wasted += 1
        self._begun.pop(key.digest, None)
        self._offers.pop(key.digest, None)

    async def _bring(self, key: PhraseKey, offer: _Offer) -> None:
        """Have a phrase in memory: from a slower tier at once, else from a worker if one is idle."""
        if await self._source.bring(key) or key.digest not in self._begun:
            return
        self._offers[key.digest] = [offer]
        self._next()

    def withdraw(self, owner: object) -> None:
        """The owner is gone; what is being made is finished, the rest forgotten."""
        self._offers.pop(owner, None)

    async def close(self) -> None:
        """Stop making lines ahead of their use."""
        self._offers.clear()
        if self._again is not None:
            self._again.cancel()
        running = [*self._tasks, *self._bringing]
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    def stats(self) -> dict[str, float]:
        """Lines made ahead, how many of them were said, and the audio of those that were not, so far."""
        unused_ms = sum(self._unused.values()) + self.wasted_ms
        return {
            "made": self.made,
            "used": self.used,
            "unused_ms": unused_ms,
            "waiting": self._waiting(),
            "foreseen": self.foreseen,
            "foreseen_used": self.foreseen_used,
            "foreseen_wasted": self.foreseen_wasted,
        }

    def _waiting(self) -> int:
        return sum(map(len, self._offers.values()))

    def _next(self) -> None:
        if self._again is not None:
            self._again.cancel()
            self._again = None
        while len(self._tasks) < self._streams and self._waiting():
            if self.paused or self._source.busy or self._headroom() < 0.5:
                self._again = asyncio.get_running_loop().call_later(_LOOK_AGAIN_S, self._next)
                return
            task = asyncio.ensure_future(self._make(self._best()))
            self._tasks.add(task)
            task.add_done_callback(self._done)

    def _best(self) -> _Offer:
        """The offer with the highest likelihood times latency saved, taken from its list."""
        owner, index = max(
            ((owner, index) for owner, lines in self._offers.items() for index in range(len(lines))),
            key=lambda place: self._worth(self._offers[place[0]][place[1]].line),
        )
        best = self._offers[owner].pop(index)
        if not self._offers[owner]:
            del self._offers[owner]
        return best

    def _worth(self, line: ExpectedLine) -> float:
        """Expected milliseconds of waiting that having this line saves: the synthesis of its first piece."""
        pieces = self._pieces(line.text)
        return line.likelihood * (len(pieces[0]) * self._ms_per_char if pieces else 0.0)

    def _lacks(self, offer: _Offer) -> bool:
        return any(self._missing(piece, offer) for piece in self._pieces(offer.line.text))

    def _missing(self, piece: str, offer: _Offer) -> PhraseKey | None:
        """Of a piece that should be made: its key."""
        line = offer.line
        key = self._source.key(piece, line.voice, offer.tenant, offer.audio_format, line.language)
        return None if key is None or self._source.has(key) or self._source.templates.match(piece) else key

    async def _make(self, offer: _Offer) -> None:
        voice, tenant, audio_format = offer.line.voice, offer.tenant, offer.audio_format
        for piece in self._pieces(offer.line.text):
            key = self._missing(piece, offer)
            if key is None:
                continue
            self._under_way.add(key.digest)
            try:
                phrase = await self._source.whole(
                    piece,
                    voice=voice,
                    tenant=tenant,
                    priority="prefetch",
                    audio_format=audio_format,
                    language=offer.line.language,
                )
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
