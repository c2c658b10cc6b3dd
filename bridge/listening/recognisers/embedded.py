"""The embedded recogniser: whole utterances, handed to an engine process."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from bridge.listening.engines import EngineFailed, Engines
from bridge.listening.recognisers.base import RecogniserError, Text


class EmbeddedRecogniser:
    """Whisper in the engine processes, which are shared with the end-of-turn model and started by their owner."""

    def __init__(self, engines: Engines) -> None:
        self._engines = engines

    async def load(self) -> None:
        """The engines are loaded by their owner."""

    async def unload(self) -> None:
        """The engines are closed by their owner."""

    def start(self, *, language: str, hints: Sequence[str], on_partial: Callable[[Text], None]) -> EmbeddedStream:
        """Serve one call; there are no partial texts."""
        return EmbeddedStream(self._engines, language, tuple(hints))


class EmbeddedStream:
    """One call's utterances."""

    wants_audio = False

    def __init__(self, engines: Engines, language: str, hints: tuple[str, ...]) -> None:
        self._engines = engines
        self._language = language
        self._hints = hints

    def feed(self, ulaw: bytes) -> None:
        """Ignored: utterances come whole."""

    async def recognise(self, ulaw: bytes, *, answer: str = "open") -> Text:
        """Ask an engine process. Raises RecogniserError."""
        try:
            found = await self._engines.recognise(ulaw, language=self._language, hints=self._hints)
        except EngineFailed as error:
            raise RecogniserError(str(error)) from error
        return Text(found.text, found.confidence)

    def close(self) -> None:
        """Nothing is held for a call."""
