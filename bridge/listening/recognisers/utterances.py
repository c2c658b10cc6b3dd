"""The stream of any engine that takes an utterance whole: gathers what it is fed, asks once, tells what came of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import msgspec

from bridge.errors import BridgeError
from bridge.listening.recognisers.base import (
    ExpectedSpeech,
    FailureKind,
    Finalised,
    FinalText,
    StreamEvent,
    StreamFailed,
    StreamListener,
    TextAlternative,
)

_LONGEST_UTTERANCE_BYTES = 60 * 8000


class Transcription(msgspec.Struct, frozen=True):
    """The text of one utterance, empty when no word was found, and how sure the engine is, 0..1."""

    text: str
    confidence: float = 1.0
    alternatives: tuple[TextAlternative, ...] = ()


class TranscriptionFailed(BridgeError):
    """No text for this utterance. `kind` says whose fault that is."""

    def __init__(self, kind: FailureKind, reason: str) -> None:
        super().__init__(reason)
        self.kind: FailureKind = kind


Transcriber = Callable[[bytes, ExpectedSpeech, float], Awaitable[Transcription]]
"""Mu-law audio, what is expected, and a deadline in seconds. Raises TranscriptionFailed."""


class WholeUtterances:
    """One call's utterances, one after the other."""

    def __init__(self, transcribe: Transcriber, expected: ExpectedSpeech, listener: StreamListener) -> None:
        self._transcribe = transcribe
        self._expected = expected
        self._listener = listener
        self._audio = bytearray()
        self._at = 0.0
        self._segment = 0
        self._work: asyncio.Task[None] | None = None
        self._over = False

    def feed(self, ulaw: bytes, at: float) -> None:
        """Add to the utterance; of more than a minute its last minute is kept."""
        if self._over:
            return
        self._audio += ulaw
        self._at = at
        del self._audio[:-_LONGEST_UTTERANCE_BYTES]

    def expect(self, expected: ExpectedSpeech) -> None:
        """Take effect with the next `finalise`."""
        self._expected = expected

    def finalise(self, number: int, deadline_s: float) -> None:
        """Recognise what was fed; an utterance still at work is given up."""
        if self._over:
            return
        if self._work is not None:
            self._work.cancel()
        utterance = bytes(self._audio)
        self._audio.clear()
        self._work = asyncio.get_running_loop().create_task(self._recognise(utterance, self._at, number, deadline_s))

    def close(self) -> None:
        """Give up whatever is at work."""
        self._over = True
        self._audio.clear()
        if self._work is not None:
            self._work.cancel()

    async def _recognise(self, ulaw: bytes, at: float, number: int, deadline_s: float) -> None:
        try:
            async with asyncio.timeout(deadline_s):
                found = await self._transcribe(ulaw, self._expected, deadline_s)
        except TimeoutError:
            self._fail(StreamFailed("idle", f"no answer within {deadline_s:g} s"))
        except TranscriptionFailed as error:
            self._fail(StreamFailed(error.kind, str(error)))
        else:
            segment, self._segment = self._segment, self._segment + 1
            if found.text:
                self._tell(FinalText(segment, found.text, at, found.confidence, alternatives=found.alternatives))
            self._tell(Finalised(number))

    def _fail(self, failure: StreamFailed) -> None:
        self._tell(failure)
        self._over = True

    def _tell(self, event: StreamEvent) -> None:
        if not self._over:
            self._listener(event)
