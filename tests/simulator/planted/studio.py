"""The service's own voice, without its process: the worker's engine and stream, spoken to in place.

A worker is a process on a socket, and virtual time reaches neither. Everything that shapes the sound is the worker's
own: its pieces of text, its engine, its encoder. What was said once is kept, since the engine says it the same again.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence

import msgspec

from bridge.audio.formats import MULAW_8000, AudioFormat
from bridge.call.events import Word
from bridge.speaking.voices.base import SpeechListener, SpeechRequest
from bridge.worker.scheduler import QueueEntry
from bridge.worker.settings import WorkerSettings
from bridge.worker.streams import Stream
from bridge.worker.voices import load_voices

Later = Callable[[float, Callable[[], None]], object]

FIRST_AUDIO_S = 0.04
MESSAGE_S = 0.05
MESSAGE_MS = 200


class Take(msgspec.Struct, frozen=True):
    """A text as it was spoken: audio of one format, words in milliseconds from its start."""

    audio: bytes
    bytes_per_ms: int
    words: tuple[Word, ...]


class Studio:
    """Speaks whole texts with the worker's default voice. Loading takes about a second."""

    def __init__(self) -> None:
        settings = WorkerSettings()
        self.voice_name, self.voice = next(iter(load_voices(settings).items()))
        self.voice.engine.warm()
        self._takes: dict[tuple[str, AudioFormat], Take] = {}

    def speak(self, text: str, audio_format: AudioFormat = MULAW_8000) -> Take:
        """The take of this text, made now or before."""
        wanted = text, audio_format
        if wanted not in self._takes:
            self._takes[wanted] = self._record(text, audio_format)
        return self._takes[wanted]

    @contextlib.contextmanager
    def anew(self) -> Iterator[None]:
        """Inside, nothing said before is used again: something was changed in the making of sound."""
        kept, self._takes = self._takes, {}
        try:
            yield
        finally:
            self._takes = kept

    def _record(self, text: str, audio_format: AudioFormat) -> Take:
        engine = self.voice.engine
        encoder = engine.encoder(audio_format, self.voice.gain)
        stream = Stream(self.voice, audio_format, 1.0, QueueEntry("studio"), encoder)
        stream.write(text)
        stream.ended = True
        words: list[Word] = []
        while (job := stream.job) is not None:
            audio, placed = stream.advance(engine.run([job])[0])
            words += placed
            stream.add(encoder.feed(audio))
        stream.finish()
        return Take(b"".join(stream.take()), audio_format.bytes_per_ms, tuple(words))


class StudioVoice:
    """One service's connection to the studio (`bridge.speaking.voices.base.SpeechProvider`)."""

    name = "studio"

    def __init__(self, studio: Studio, later: Later) -> None:
        self.default_voice = studio.voice_name
        self.voices = {studio.voice_name: studio.voice.engine.model(studio.voice.own_name)}
        self.usable = False
        self._studio = studio
        self._later = later

    async def start(self, changed: Callable[[], None]) -> None:
        """Ready at once."""
        self.usable = True
        changed()

    async def close(self) -> None:
        """Nothing to let go of."""
        self.usable = False

    def open(self, request: SpeechRequest, listener: SpeechListener) -> StudioStream:
        """Speak a text, several times faster than it is heard."""
        stream = StudioStream(self._studio.speak(request.text, request.audio_format), listener, self._later)
        self._later(FIRST_AUDIO_S, stream.deliver)
        return stream

    def stats(self) -> dict[str, float]:
        """Nothing is counted."""
        return {}


class StudioStream:
    """A take on its way to its listener, in messages."""

    def __init__(self, take: Take, listener: SpeechListener, later: Later) -> None:
        self._take = take
        self._listener: SpeechListener | None = listener
        self._later = later
        self._sent = 0

    def deliver(self) -> None:
        """The next message, and the words that begin in it."""
        if self._listener is None:
            return
        take = self._take
        until = self._sent + MESSAGE_MS * take.bytes_per_ms
        more = until < len(take.audio)
        words = self._words(self._sent // take.bytes_per_ms, until // take.bytes_per_ms if more else None)
        if words:
            self._listener.words(words)
        self._listener.audio(take.audio[self._sent : until])
        self._sent = until
        if more:
            self._later(MESSAGE_S, self.deliver)
        else:
            self._later(0.0, self._done)

    def _done(self) -> None:
        if self._listener is not None:
            self._listener.done()

    def _words(self, start_ms: int, end_ms: int | None) -> Sequence[Word]:
        return [
            word
            for word in self._take.words
            if start_ms <= word.start_ms and (end_ms is None or word.start_ms < end_ms)
        ]

    def text(self, delta: str) -> None:
        """The text was whole."""

    def flush(self) -> None:
        """The text was whole."""

    def end(self) -> None:
        """The text was whole."""

    def playout(self, lead_ms: float, upto_ms: int | None = None) -> None:
        """Nothing to hurry."""

    def cancel(self) -> None:
        """The listener hears nothing more."""
        self._listener = None
