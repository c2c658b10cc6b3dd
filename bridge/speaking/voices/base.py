"""The interface behind which speech is made, by a worker of ours or by a hosted voice, and the choice among them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Literal, Protocol

import msgspec

from bridge.call.events import Word
from bridge.errors import VoiceError

Priority = Literal["live", "speculation", "prefetch"]


class Request(msgspec.Struct, frozen=True):
    """A text to be spoken as a whole. No voice: the maker's default."""

    text: str
    voice: str | None = None
    speed: float = 1.0
    priority: Priority = "live"
    audio_format: str = "mulaw_8000"
    """Any of `bridge.worker.protocol.SAMPLE_RATES`; calls use no other than this one."""


class Listener(Protocol):
    """Who is told about a stream: `audio` and `words` many times, then `done` or `failed`; nothing after a cancel."""

    def audio(self, ulaw: bytes) -> None:
        """More mu-law at 8 kHz (or what else was requested), whole 20 ms frames, in order."""

    def words(self, words: Sequence[Word]) -> None:
        """Words placed in time, in milliseconds from the stream's start, before the audio they are heard in."""

    def done(self) -> None:
        """That was all."""

    def failed(self, error: VoiceError) -> None:
        """Nothing more will come."""


class SpeechStream(Protocol):
    """A text that is being spoken."""

    def playout(self, lead_ms: float) -> None:
        """Tell the maker how much the caller still has to hear: its deadline."""

    def cancel(self) -> None:
        """Stop; the listener hears nothing more."""

    def give_up(self) -> None:
        """Cancel because nothing came in time, which counts against the maker."""


class TextStream(SpeechStream, Protocol):
    """A text that is spoken while it is being written."""

    def text(self, delta: str) -> None:
        """Add text; it may be cut anywhere."""

    def flush(self) -> None:
        """Have all text so far spoken without waiting for the end of its sentence."""

    def end(self) -> None:
        """There is no more text."""

    def playout(self, lead_ms: float, upto_ms: int | None = None) -> None:
        """The same as for any stream; `upto_ms` allows audio up to that place, and no further, from now on."""


class Voices(Protocol):
    """Somebody who makes speech."""

    @property
    def name(self) -> str:
        """For logs and counters."""

    @property
    def usable(self) -> bool:
        """Connected and not known to be failing."""

    @property
    def load(self) -> float:
        """Work under way; the least loaded is chosen."""

    @property
    def headroom(self) -> float:
        """0 (full) .. 1 (idle)."""

    @property
    def default_voice(self) -> str:
        """Its name, "" while unknown."""

    @property
    def engines(self) -> Mapping[str, str]:
        """Voices by name, each with its engine's version."""

    async def start(self, changed: Callable[[], None]) -> None:
        """Begin to connect; `changed` is called whenever `usable` or `engines` may have changed."""

    async def close(self) -> None:
        """End all streams and disconnect."""

    def open(self, request: Request, listener: Listener) -> SpeechStream:
        """Start speaking. Raises VoiceError when not usable."""

    def stats(self) -> dict[str, float]:
        """Counters."""


class Pool:
    """All makers of speech, and which of them takes the next stream."""

    def __init__(self, makers: Sequence[Voices]) -> None:
        self.makers = list(makers)
        self._waiting: dict[object, Callable[[], None]] = {}
        self._on_engines: Callable[[dict[str, str]], None] | None = None
        self._engines: dict[str, str] = {}
        self._default_voice = ""

    async def start(
        self, remembered: Mapping[str, str], on_engines: Callable[[dict[str, str]], None] | None = None
    ) -> None:
        """Connect all.

        remembered  engine versions that count until a maker says otherwise; under "" the default voice's name
        """
        self._engines = {name: engine for name, engine in remembered.items() if name}
        self._default_voice = remembered.get("", "")
        self._on_engines = on_engines
        for maker in self.makers:
            await maker.start(self._changed)

    async def close(self) -> None:
        """Disconnect all."""
        self._waiting.clear()
        for maker in self.makers:
            await maker.close()

    def choose(self, voice: str | None, excluded: Collection[Voices]) -> Voices | None:
        """The least loaded usable maker that has the voice and is not excluded."""
        able = [m for m in self.makers if m not in excluded and _has(m, voice)]
        return min(able, key=lambda maker: maker.load, default=None)

    def has(self, voice: str | None) -> bool:
        """Whether anybody can speak with this voice now."""
        return any(_has(maker, voice) for maker in self.makers)

    @property
    def usable(self) -> bool:
        """Whether anybody can speak now."""
        return any(maker.usable for maker in self.makers)

    @property
    def headroom(self) -> float:
        """The best maker's headroom, 0 without any."""
        return max((maker.headroom for maker in self.makers if maker.usable), default=0.0)

    def voice(self, name: str | None) -> str:
        """The voice's own name: an empty one means the default; "" while no maker was ever seen."""
        return name or self._default_voice

    def engine(self, voice: str) -> str:
        """The engine version that speaks for this voice; "" while unknown."""
        return self._engines.get(voice, "")

    def wait(self, who: object, changed: Callable[[], None]) -> None:
        """Call `changed` whenever another maker may have become usable."""
        self._waiting[who] = changed

    def leave(self, who: object) -> None:
        """Wait no longer."""
        self._waiting.pop(who, None)

    def _changed(self) -> None:
        known = dict(self._engines)
        for maker in self.makers:
            known.update(maker.engines)
            if maker.default_voice:
                self._default_voice = maker.default_voice
        if known != self._engines:
            self._engines = known
            if self._on_engines:
                self._on_engines(known | {"": self._default_voice})
        for changed in list(self._waiting.values()):
            changed()


def _has(maker: Voices, voice: str | None) -> bool:
    return maker.usable and (voice is None or voice in maker.engines)
