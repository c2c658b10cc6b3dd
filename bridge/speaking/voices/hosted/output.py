"""One stream's way out: whatever a service sends becomes whole samples of one format, words, and one end."""

from __future__ import annotations

import struct

from bridge.audio.encoder import Encoder, LinearDecoder
from bridge.audio.formats import AudioFormat
from bridge.errors import VoiceError, VoiceLost
from bridge.speaking.voices.base import SpeechListener
from bridge.speaking.voices.hosted.placing import WordPlacer
from bridge.speaking.voices.hosted.wire import TimedText

_UNTIMED_MS = 2000.0
"""Without any word placed by then, nobody waits for them any more."""
_LONGEST_MS, _LONGEST_MS_PER_CHAR = 20_000.0, 400.0
"""More audio than a text can be means that the service does not know its end."""
_HEADER_BYTES = 4096
_MOST_MISSING = 1
"""Words at the end of a text that a service which has closed the connection may have said and not placed."""


class HeaderCutter:
    """Takes a RIFF header off the beginning of a body, if there is one, and what stands behind its samples.

    A header of a body that is still being made has 0 or 0xFFFFFFFF for a length, which means: up to the end.
    """

    def __init__(self) -> None:
        self._head = bytearray()
        self._left: int | None = None
        self._done = False

    def feed(self, data: bytes) -> bytes:
        """The samples in more of the body. Raises ValueError for a header without samples."""
        if self._done:
            return self._samples(data)
        self._head += data
        if not b"RIFF".startswith(bytes(self._head[:4])):
            self._done = True
            return bytes(self._head)
        at = 12
        while len(self._head) >= at + 8:
            name, size = struct.unpack_from("<4sI", self._head, at)
            if name == b"data":
                self._done = True
                self._left = None if size in (0, 0xFFFFFFFF) else size
                return self._samples(bytes(self._head[at + 8 :]))
            at += 8 + size + size % 2
        if max(at, len(self._head)) > _HEADER_BYTES:
            raise ValueError("a WAV header without samples")
        return b""

    def finish(self) -> bytes:
        """What was held because it might have been a header."""
        return b"" if self._done else bytes(self._head)

    def _samples(self, data: bytes) -> bytes:
        if self._left is None:
            return data
        data = data[: self._left]
        self._left -= len(data)
        return data


class _Converter:
    """Audio in pieces of any length from one format to another."""

    def __init__(self, given: AudioFormat, wanted: AudioFormat) -> None:
        self._same = given == wanted
        self._size = given.sample_bytes
        self._rest = b""
        self._linear = LinearDecoder()
        self._encoder = None if self._same else Encoder(given.rate_hz, wanted, 1.0)

    def feed(self, data: bytes) -> bytes:
        if self._encoder is not None:
            return self._encoder.feed(self._linear.feed(data))
        data = self._rest + data
        whole = len(data) - len(data) % self._size
        self._rest = data[whole:]
        return data[:whole]

    def finish(self) -> bytes:
        return b"" if self._encoder is None else self._encoder.finish()


class StreamOutput:
    """Tells a listener what comes of one stream, in the order and form that the contract of providers asks for."""

    def __init__(self, listener: SpeechListener, given: AudioFormat, wanted: AudioFormat, places_words: bool) -> None:
        self._listener: SpeechListener | None = listener
        self._wanted = wanted
        self._header = HeaderCutter()
        self._converter = _Converter(given, wanted)
        self._placer = WordPlacer()
        self._places_words = places_words
        self._untimed = False
        self._chars = 0
        self.audio_ms = 0.0

    @property
    def open(self) -> bool:
        """Whether anybody still listens to it."""
        return self._listener is not None

    def said(self, text: str) -> None:
        """More text was sent to the service."""
        self._chars += len(text)
        self._placer.add(text)

    def audio(self, data: bytes) -> VoiceError | None:
        """Pass more audio on; the error is that it can be no speech any more, and was told."""
        if self._listener is None:
            return None
        try:
            samples = self._header.feed(data)
        except ValueError as error:
            return self.failed(VoiceError(str(error)))
        self._tell(self._converter.feed(samples))
        if self.audio_ms > _LONGEST_MS + self._chars * _LONGEST_MS_PER_CHAR:
            said = f"{self.audio_ms / 1000:.0f} s of audio for {self._chars} characters"
            return self.failed(VoiceError(said, code="endless"))
        return None

    def times(self, timed: tuple[TimedText, ...]) -> None:
        """Pass on which words are placed by this."""
        if self._listener is not None and not self._untimed and (placed := self._placer.place(timed)):
            self._listener.words(placed)

    def done(self) -> None:
        """Tell the listener that all was spoken."""
        if self._listener is None:
            return
        self._tell(self._converter.feed(self._header.finish()))
        self._tell(self._converter.finish())
        if not self._untimed and self._places_words and (rest := self._placer.rest(self.audio_ms)):
            self._listener.words(rest)
        listener, self._listener = self._listener, None
        listener.done()

    def closed(self) -> None:
        """Take a closed connection for the end of the text, unless words were placed and the last of them were not."""
        if self._placer.begun and self._placer.missing > _MOST_MISSING:
            self.failed(VoiceLost("closed the connection in the midst of a text"))
        else:
            self.done()

    def failed(self, error: VoiceError) -> VoiceError:
        """No more will come: place what was probably said, so that nobody says it again."""
        if self._listener is not None:
            if not self._untimed and self._places_words and (said := self._placer.guess(self.audio_ms)):
                self._listener.words(said)
            listener, self._listener = self._listener, None
            listener.failed(error)
        return error

    def cancel(self) -> None:
        """Take note that nobody listens any more."""
        self._listener = None

    def _tell(self, audio: bytes) -> None:
        if not audio or self._listener is None:
            return
        late = self.audio_ms > _UNTIMED_MS and not self._placer.begun
        if not self._untimed and (late or not self._places_words):
            self._untimed = True
            self._listener.no_words()
        self.audio_ms += self._wanted.duration_ms(audio)
        self._listener.audio(audio)
