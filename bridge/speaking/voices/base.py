"""What a speech provider is: somebody who turns text into audio, be it a worker of ours or a hosted voice.

    stream = provider.open(SpeechRequest("I have an opening.", voice="heart"), listener)
    stream.playout(180, 3000)          how much the caller still has to hear, how far audio is wanted
    stream.cancel()

The contract, which `tests/speaking/provider_contract.py` holds any provider to:

- A stream is not a socket. `open` may buffer, connect late, or send one request for each sentence; it never waits. It
  raises VoiceError where it knows at once that nothing will come; whatever is learned later is told to the listener.
- The listener is told, on the event loop and never from within `open`: audio in whole samples of the one format that
  was asked for, in order; words in milliseconds from the stream's first sample, each before or with its audio, or once
  that none will come; and at the end exactly one of `done` and `failed`. `done` means that all of the text was spoken;
  a connection that ends without saying so is a failure.
- `cancel` returns at once and is final: nothing more is told, however much the far end still sends. Cancelling again,
  or when the stream is over, does nothing.
- Streams are independent: what one is sent, or how it fails, changes nothing for the others.

Health (who is to be left alone, who is busy, how soon audio comes) is not the provider's concern but that of
`bridge.speaking.voices.health`, around every provider.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal, Protocol

import msgspec

from bridge.audio.formats import MULAW_8000, AudioFormat
from bridge.call.events import Word
from bridge.errors import VoiceError

Priority = Literal["live", "speculation", "tenant", "prefetch"]
"""A caller listens; a caller may soon; a program of the speech API listens; nobody does. Each is served when nothing of
those before it is to be done."""


class SpeechRequest(msgspec.Struct, frozen=True):
    """What is to be spoken, and how. An empty text is one that is still to be written, by the stream's `text`."""

    text: str = ""
    voice: str = ""
    """The provider's own name for it; empty: its default."""
    audio_format: AudioFormat = MULAW_8000
    speed: float = 1.0
    priority: Priority = "live"
    cut: bool = False
    """The text is one piece of speakable text (`bridge.text.chunker`), which needs no more cleaning and cutting."""
    language: str = ""
    """In which figures and abbreviations are read, such as `de-DE`; empty: the voice's own."""


class SpeechListener(Protocol):
    """Whoever is told about a stream: `audio` and `words` any number of times, then `done` or `failed` once."""

    def audio(self, data: bytes) -> None:
        """More audio: whole samples of the format that was asked for, in order."""

    def words(self, words: Sequence[Word]) -> None:
        """Words placed in time, in milliseconds from the stream's first sample; not later than their audio."""

    def no_words(self) -> None:
        """No more words will be placed in time, so that nobody waits for them."""

    def done(self) -> None:
        """All of the text was spoken, and all audio has come."""

    def failed(self, error: VoiceError) -> None:
        """No more audio will come, though not all of the text was spoken; `error.kind` says why."""


class SpeechStream(Protocol):
    """A text that is being spoken."""

    def text(self, delta: str) -> None:
        """Add text; it may be cut anywhere."""

    def flush(self) -> None:
        """Have all text so far spoken without waiting for the end of its sentence: a hint, which may do nothing."""

    def end(self) -> None:
        """Say that there is no more text. A request with a text has ended already."""

    def playout(self, lead_ms: float, upto_ms: int | None = None) -> None:
        """Report how much the caller still has to hear, and up to which place of the stream audio is wanted.

        Both are hints that save work: a provider may send more, and who never reports gets everything.
        """

    def cancel(self) -> None:
        """Stop at once and for good: the listener is told nothing more."""


class SpeechProvider(Protocol):
    """Somebody who turns text into speech: our worker, or a hosted voice."""

    @property
    def name(self) -> str:
        """What logs and counters call it."""

    @property
    def usable(self) -> bool:
        """Whether a stream could be opened now, as far as is known."""

    @property
    def default_voice(self) -> str:
        """The voice that speaks where none is named; empty while unknown."""

    @property
    def voices(self) -> Mapping[str, str]:
        """The voices that are known, each with the version of its engine: other versions sound different."""

    async def start(self, changed: Callable[[], None]) -> None:
        """Begin to connect and return at once; `changed` is called when `usable` or `voices` may have changed."""

    async def close(self) -> None:
        """Fail all streams as `lost` and let go of everything."""

    def open(self, request: SpeechRequest, listener: SpeechListener) -> SpeechStream:
        """Begin a stream. Raises VoiceError when it is known at once that nothing will come of it."""

    def stats(self) -> dict[str, float]:
        """Counters of its own, for the metrics page."""
