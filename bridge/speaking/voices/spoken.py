"""Plain words for providers that would read figures and abbreviations in their own way, and times for what was written.

Our own workers say written text themselves, since they know their voices' pronunciations; every other provider is
wrapped in a `SpokenProvider`. Whatever speaks, its listener gets words as the agent has written them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence

import msgspec

from bridge.call.events import Word
from bridge.errors import VoiceError
from bridge.speaking.voices.base import SpeechListener, SpeechProvider, SpeechRequest, SpeechStream
from bridge.text.chunker import Chunker, says_something, unhurried
from bridge.text.spoken.form import LONGEST_CONTEXT, spoken_form
from bridge.text.spoken.language import Language
from bridge.text.spoken.languages import language
from bridge.text.spoken.lexicon import SpokenToken

DEFAULT_LANGUAGE = "en-US"
"""Of a voice that declares none."""


class WrittenWords:
    """Times of spoken words in, times of written words out, in order: several may be said for one, one for several."""

    def __init__(self) -> None:
        self._said: deque[SpokenToken] = deque()
        self._spans: list[tuple[int, int]] = []
        self._end_ms = 0

    def add(self, tokens: Sequence[SpokenToken]) -> None:
        """Add text that is being said after all that was added before."""
        self._said.extend(tokens)

    def place(self, words: Sequence[Word]) -> list[Word]:
        """More spoken words have their times: the written words that are complete by that."""
        self._spans += [(word.start_ms, word.end_ms) for word in words]
        placed: list[Word] = []
        while self._said and self._spans:
            count = len(self._said[0].spoken.split())
            if count > len(self._spans):
                break
            placed += self._written(self._said.popleft(), self._spans[:count])
            del self._spans[:count]
        return placed

    def rest(self) -> list[Word]:
        """All was said: what is left of the written words, where the last spoken one ended."""
        placed: list[Word] = []
        while self._said:
            placed += self._written(self._said.popleft(), self._spans)
            self._spans = []
        return placed

    def _written(self, token: SpokenToken, spans: Sequence[tuple[int, int]]) -> list[Word]:
        start_ms = spans[0][0] if spans else self._end_ms
        self._end_ms = spans[-1][1] if spans else self._end_ms
        first, *others = token.written.split()
        end_ms = self._end_ms
        return [Word(first, start_ms, end_ms), *(Word(other, end_ms, end_ms) for other in others)]


class SpokenProvider:
    """A provider that is given plain words (`bridge.text.spoken`), in the language of each request."""

    def __init__(self, provider: SpeechProvider) -> None:
        self.provider = provider

    @property
    def name(self) -> str:
        """What logs and counters call it."""
        return self.provider.name

    @property
    def keeps_phrases(self) -> bool:
        """Whether finished phrases of the provider may be kept."""
        return bool(getattr(self.provider, "keeps_phrases", True))

    @property
    def usable(self) -> bool:
        """Whether a stream could be opened now."""
        return self.provider.usable

    @property
    def default_voice(self) -> str:
        """The voice that speaks where none is named."""
        return self.provider.default_voice

    @property
    def voices(self) -> Mapping[str, str]:
        """The voices that are known, each with the version of its engine."""
        return self.provider.voices

    async def start(self, changed: Callable[[], None]) -> None:
        """Begin to connect to the provider."""
        await self.provider.start(changed)

    async def close(self) -> None:
        """End all streams and the connection to the provider."""
        await self.provider.close()

    def stats(self) -> dict[str, float]:
        """Return the counters of the provider."""
        return self.provider.stats()

    def open(self, request: SpeechRequest, listener: SpeechListener) -> SpeechStream:
        """Begin a stream. Raises VoiceError when nothing will come of it."""
        try:
            reads = language(request.language or DEFAULT_LANGUAGE)
        except KeyError as error:
            raise VoiceError(str(error.args[0]), "rejected") from None
        return _SpokenStream(self.provider, request, listener, reads)


class _SpokenStream:
    """One stream, and its provider's listener."""

    def __init__(
        self, provider: SpeechProvider, request: SpeechRequest, listener: SpeechListener, reads: Language
    ) -> None:
        self._listener, self._reads = listener, reads
        self._written = WrittenWords()
        self._timed = True
        self._before = ""
        self._chunker = Chunker(unhurried("sentence"))
        text = ""
        if request.text:
            pieces = [request.text] if request.cut else self._chunker.finish(0.0, request.text)
            text = " ".join(self._say(piece) for piece in pieces if says_something(piece))
            if not text:
                raise VoiceError("the text has nothing that can be said", "rejected")
        self._stream = provider.open(msgspec.structs.replace(request, text=text, cut=True), self)

    def _say(self, piece: str) -> str:
        said = spoken_form(piece, self._reads, self._before)
        self._before = f"{self._before} {piece}"[-LONGEST_CONTEXT:]
        self._written.add(said.tokens)
        return said.text

    def _pass(self, pieces: Sequence[str]) -> None:
        for piece in pieces:
            if says_something(piece):
                self._stream.text(self._say(piece) + " ")

    def text(self, delta: str) -> None:
        """Add text; what is whole of it goes on."""
        self._pass(self._chunker.feed(delta))

    def flush(self) -> None:
        """Have all text so far spoken."""
        self._pass(self._chunker.finish())
        self._stream.flush()

    def end(self) -> None:
        """Say that there is no more text."""
        self._pass(self._chunker.finish())
        self._stream.end()

    def playout(self, lead_ms: float, upto_ms: int | None = None) -> None:
        """Report how much the listener still has to hear."""
        self._stream.playout(lead_ms, upto_ms)

    def cancel(self) -> None:
        """Stop the provider's stream at once."""
        self._stream.cancel()

    def audio(self, data: bytes) -> None:
        """Pass on audio that has come."""
        self._listener.audio(data)

    def words(self, words: Sequence[Word]) -> None:
        """More spoken words are placed in time."""
        if placed := self._written.place(words):
            self._listener.words(placed)

    def no_words(self) -> None:
        """Pass on that no words will be placed in time."""
        self._timed = False
        self._listener.no_words()

    def done(self) -> None:
        """Pass on that all of the text was spoken."""
        if self._timed and (rest := self._written.rest()):
            self._listener.words(rest)
        self._listener.done()

    def failed(self, error: VoiceError) -> None:
        """No more audio will come."""
        self._listener.failed(error)
