"""What a caller hears while a worker that has too much to do is late with an answer: a short phrase from memory."""

from __future__ import annotations

from bridge.audio.formats import AudioFormat
from bridge.call.events import Word
from bridge.speaking.phrases.phrase import Phrase
from bridge.speaking.phrases.source import PhraseSource
from bridge.speaking.pieces import SpeechPiece

_AGAIN_S = 15.0
"""Who hears it at every answer hears nothing else any more."""


class CallFiller:
    """The filler of one call; `text` is empty where there is none."""

    def __init__(self, source: PhraseSource, text: str, language: str, tenant: str, audio_format: AudioFormat) -> None:
        self._source = source
        self._text = text
        self._language = language
        self._tenant = tenant
        self._format = audio_format
        self._last_at: float | None = None

    def piece(self, voice: str | None, language: str, now: float) -> FillerPiece | None:
        """The filler in the voice of an answer that is late; None where memory has none, or it was heard just now."""
        if not self._text or not self._source.bridging or language != self._language:
            return None
        if self._last_at is not None and now - self._last_at < _AGAIN_S:
            return None
        phrase = self._source.in_memory(self._text, voice, self._tenant, self._format, language)
        if phrase is None:
            return None
        self._last_at = now
        self._source.counts["bridged"] += 1
        return FillerPiece(self._text, phrase)


class FillerPiece(SpeechPiece):
    """A filler ahead of the first piece of an answer. Its words are not the agent's, and stand in no history."""

    def __init__(self, text: str, phrase: Phrase) -> None:
        super().__init__(text, None, "", True, lambda: None)
        self.source = phrase

    def words(self, audio_format: AudioFormat) -> list[Word]:
        """Return none: the answer's own words are placed behind this sound."""
        return []
