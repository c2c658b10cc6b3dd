"""A piece of an utterance: some text, and its speech from wherever it can be had."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from bridge.audio.formats import AudioFormat
from bridge.call.events import Event, Word
from bridge.speaking.phrases.phrase import Phrase, quiet_ms, tokens
from bridge.speaking.phrases.savings import Savings
from bridge.speaking.phrases.source import PhraseSource
from bridge.speaking.phrases.synthesis import PhraseReader, Synthesis
from bridge.speaking.recordings import Recordings
from bridge.text.settings import ChunkSettings


class UtteranceContext(msgspec.Struct, frozen=True):
    """What all utterances of one call share."""

    source: PhraseSource
    chunking: ChunkSettings
    tenant: str
    audio_format: AudioFormat
    ahead_ms: float
    filler_after_s: float
    """How long an answer may be late under pressure before a filler is heard."""
    savings: Savings
    deliver: Callable[[Event], None]
    voice: str | None = None
    """Speaks where no voice is named; None: the default of the service."""
    recordings: Recordings | None = None
    """What is played instead of spoken where a voice names it."""
    language: str = ""
    """In which texts are written that name no language; empty: that of the voice."""
    voice_in: Callable[[str, str | None], str | None] = lambda language, voice: voice
    """Who speaks a language where no voice is named."""


class SpeechPiece:
    """A piece of text and its speech."""

    def __init__(
        self, text: str, voice: str | None, language: str, cacheable: bool, progress: Callable[[], None]
    ) -> None:
        self.text = text
        self.voice = voice
        self.language = language
        self.cacheable = cacheable
        self.source: Phrase | Synthesis | None = None
        self.reader = PhraseReader(progress, upto=0)
        self.pause = b""
        """Silence still to be delivered before this piece."""
        self.starts_at = 0
        """Its first byte's place in the utterance; valid once anything of it was delivered."""
        self._shared = False
        """Whether somebody else had asked for this phrase before."""
        self._spelled = tokens(text)
        self._words_given = 0

    def start(self, context: UtteranceContext, *, pulled: bool) -> None:
        """Get it from wherever it can be had. Before anything was pulled nobody knows yet how urgent it is."""
        source = context.source.obtain(
            self.text,
            voice=self.voice,
            language=self.language,
            tenant=context.tenant,
            cacheable=self.cacheable,
            audio_format=context.audio_format,
        )
        self.source = source
        if isinstance(source, Synthesis):
            self._shared, source.claimed = source.claimed, True
            if not source.over:
                source.attach(self.reader)
                if pulled:
                    source.hurry()

    def settle(self, context: UtteranceContext) -> None:
        """Count this piece, which is over, if any of it was delivered."""
        if self.source is not None and self.position:
            made_for_another = context.savings.heard(self.source, shared=self._shared)
            if made_for_another is not None:
                context.source.shared(made_for_another)

    def stop(self, context: UtteranceContext) -> None:
        """Let go of this piece, of which nothing more is wanted."""
        self.settle(context)
        source, self.source = self.source, None
        if isinstance(source, Synthesis):
            source.detach(self.reader)
            if source.key is None:
                context.source.wasted_ms += context.audio_format.duration_ms(source.buffer.audio[self.position :])
            context.source.leave(source)

    @property
    def position(self) -> int:
        """How many bytes of this piece were delivered."""
        return self.reader.position

    @property
    def audio(self) -> bytes | bytearray:
        """The audio of this piece that there is so far."""
        if isinstance(self.source, Phrase):
            return self.source.audio
        return self.source.buffer.audio if self.source is not None else b""

    @property
    def available(self) -> int:
        """How many bytes of this piece can be played already."""
        if isinstance(self.source, Phrase):
            return len(self.source.audio)
        return self.source.available if self.source is not None else 0

    @property
    def complete(self) -> bool:
        """Whether the bytes that are `available` are all of this piece."""
        return isinstance(self.source, Phrase) or (self.source is not None and self.source.complete)

    @property
    def failure(self) -> str | None:
        """Why there will be no more audio of this piece; None while more may come."""
        return self.source.failure if isinstance(self.source, Synthesis) else None

    def quiet_ms(self, audio_format: AudioFormat, *, at_end: bool) -> int:
        """How long it is quiet before its first sound, or after its last."""
        if isinstance(self.source, Phrase):
            return self.source.quiet_end_ms if at_end else self.source.quiet_start_ms
        return quiet_ms(self.audio, audio_format, at_end=at_end)

    def read(self, limit: int, frame_bytes: int) -> bytes:
        """At most `limit` bytes that were not delivered yet; whole frames."""
        end = min(self.available, self.position + limit - limit % frame_bytes)
        data = bytes(self.audio[self.position : end])
        self.reader.position += len(data)
        return data

    def words(self, audio_format: AudioFormat) -> list[Word]:
        """Words of what was delivered that were not given yet, in the utterance's time and its agent's spelling."""
        if self.source is None:
            return []
        placed: Sequence[Word] = self.source.words if isinstance(self.source, Phrase) else self.source.buffer.words
        all_delivered = self.complete and self.position >= self.available
        offset, per_ms = self.starts_at // audio_format.bytes_per_ms, audio_format.bytes_per_ms
        given: list[Word] = []
        while self._words_given < len(placed):
            word = placed[self._words_given]
            if word.start_ms * per_ms >= self.position and not all_delivered:
                break
            spelled = self._spelled[self._words_given] if len(self._spelled) > self._words_given else word.text
            given.append(Word(spelled, word.start_ms + offset, word.end_ms + offset))
            self._words_given += 1
        return given
