"""Speech to text as an interface, and the recogniser that is none.

A `Recogniser` serves a whole process and starts one `RecogniserStream` for each call. Engines that follow the audio as
it comes take it from `feed` and may report partial texts; engines that work on whole utterances get those with
`recognise`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec

from bridge.errors import BridgeError


class RecogniserError(BridgeError):
    """The recogniser's: no text for this utterance; the call goes on."""


class Text(msgspec.Struct, frozen=True):
    """What the caller said, as far as the engine can tell. Empty: no speech in it."""

    text: str
    confidence: float = 1.0
    """0..1."""
    final: bool = True


class RecogniserStream(Protocol):
    """One call's speech to text."""

    wants_audio: bool
    """Whether `feed` does anything; if not, it need not be called."""

    def feed(self, ulaw: bytes) -> None:
        """Caller audio as it arrives, mu-law at 8 kHz. Must not block."""
        ...

    async def recognise(self, ulaw: bytes, *, answer: str = "open") -> Text:
        """The text of one utterance, given whole. Raises RecogniserError.

        `answer` is the kind of answer expected (see `bridge.call.actions.Expect`).
        """
        ...

    def close(self) -> None:
        """The call is over."""
        ...


class Recogniser(Protocol):
    """A speech to text engine."""

    async def load(self) -> None:
        """Get ready. Raises ConfigError when the engine cannot work as configured."""
        ...

    def start(self, *, language: str, hints: Sequence[str], on_partial: Callable[[Text], None]) -> RecogniserStream:
        """Serve one call. `hints` are words that this call is likely to hold: names, products."""
        ...

    async def unload(self) -> None:
        """Give everything back."""
        ...


class NoRecogniser:
    """No speech to text: calls by keypad and voice activity only."""

    wants_audio = False

    async def load(self) -> None:
        """Nothing to get ready."""

    async def unload(self) -> None:
        """Nothing to give back."""

    def start(self, *, language: str, hints: Sequence[str], on_partial: Callable[[Text], None]) -> NoRecogniser:
        """The same nothing for every call."""
        return self

    def feed(self, ulaw: bytes) -> None:
        """Ignored."""

    async def recognise(self, ulaw: bytes, *, answer: str = "open") -> Text:
        """Always RecogniserError."""
        raise RecogniserError("no recogniser is configured (listening.recogniser.engine is none)")

    def close(self) -> None:
        """Nothing to end."""
