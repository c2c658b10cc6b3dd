"""The embedded recogniser: Whisper in the engine processes, which it shares with the end-of-turn model."""

from __future__ import annotations

from bridge.listening.engine_pool import EngineFailed, EnginePool
from bridge.listening.recognisers.base import Capabilities, ExpectedSpeech, StreamListener
from bridge.listening.recognisers.utterances import Transcription, TranscriptionFailed, WholeUtterances

_READINGS = 4
_PRECISE = frozenset("digits phone number amount date time name spelling email".split())


def readings_for(answer: str) -> int:
    """How many readings an answer of this kind deserves: one wrong letter spoils a value, and seldom a sentence."""
    return _READINGS if answer.partition(":")[0] in _PRECISE else 1


class EmbeddedRecogniser:
    """Whisper on this machine's processor; takes utterances whole."""

    name = "whisper"
    capabilities = Capabilities()

    def __init__(self, pool: EnginePool) -> None:
        self._pool = pool

    async def load(self) -> None:
        """Nothing: the processes are started by their owner."""

    async def unload(self) -> None:
        """Nothing: the processes are closed by their owner."""

    def start(self, expected: ExpectedSpeech, listener: StreamListener) -> WholeUtterances:
        """Start a stream for one call."""
        return WholeUtterances(self._transcribe, expected, listener)

    async def _transcribe(self, ulaw: bytes, expected: ExpectedSpeech, _deadline_s: float) -> Transcription:
        try:
            found = await self._pool.recognise(
                ulaw,
                language=expected.language,
                hints=expected.hints,
                readings=readings_for(expected.answer),
                answer=expected.answer,
            )
        except EngineFailed as error:
            raise TranscriptionFailed("rejected" if error.refused else "lost", str(error)) from error
        return Transcription(found.text, found.confidence, found.alternatives)
