"""What a recogniser is: the caller's audio goes in, texts and opinions come out. Every engine keeps this contract.

    stream = recogniser.start(ExpectedSpeech("en-US", hints=("Okafor",)), listener)
    stream.feed(ulaw, at)                     as audio comes (`live`), or one whole utterance at once
    stream.expect(ExpectedSpeech(...))        the next prompt: other names, another answer, another language
    stream.finalise(1, deadline_s=0.8)        our own end of turn: say what you have
    stream.close()

What a stream tells its listener:

| | |
| --- | --- |
| `PartialText` | the whole text of one segment as it looks now; it may still change, even shrink |
| `FinalText` | the whole text of one segment; a second one for the same segment replaces the first |
| `TurnOpinion` | what the engine thinks of the caller's turn; an opinion with a strength, the call decides |
| `Finalised` | the answer to `finalise`: all audio so far has its final texts. If there is none, no word was found |
| `StreamFailed` | the stream is of no more use; nothing is told after it |

Rules. `start`, `feed`, `expect`, `finalise` and `close` return at once and never raise; before a connection is open a
stream keeps what it is fed, within a bound. The listener is called in the event loop, never from inside one of these
methods, and not at all after `close` or `StreamFailed`. Segments are numbered upwards; their texts joined in that order
are what was said. Times are seconds on the clock of `feed`. A `finalise` replaces an older one that is unanswered,
which then need not be answered. A service may leave a `finalise` unanswered: whoever asked has a deadline.

The kit that any recogniser passes: `tests/listening/recogniser_contract.py`. How to add one:
`bridge/listening/README.md`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, Protocol

import msgspec

from bridge.call.actions import TextAlternative as TextAlternative
from bridge.call.events import TurnOpinion

FailureKind = Literal["auth", "quota", "busy", "rejected", "idle", "lost", "internal"]
"""Why a stream failed: key refused, account exhausted, no room now, our request is at fault, the service fell silent,
the connection broke, the service's own fault."""


class ExpectedSpeech(msgspec.Struct, frozen=True):
    """What the caller is about to say, as far as the agent knows."""

    language: str = "en"
    """A language tag (BCP 47), such as `en-US`."""
    hints: tuple[str, ...] = ()
    """Words that are likely to be said: names, products, choices."""
    answer: str = "open"
    """The kind of answer, see `bridge.call.actions.Expect`."""


class Capabilities(msgspec.Struct, frozen=True, kw_only=True):
    """What an engine can do, and what it needs."""

    live: bool = False
    """True: wants all of the call's audio as it comes, silence included. False: is fed each utterance whole, just
    before `finalise`, and says nothing in between."""
    word_times: bool = False
    turn_ends: bool = False
    """It has opinions about the end of a turn."""
    forced_finals: bool = True
    """It answers `finalise`; without this the newest partial text is taken at the deadline."""
    live_hints: bool = True
    """`expect` takes effect at once; otherwise it needs a new stream."""
    live_language: bool = True
    """Another language takes effect at once, too; otherwise it needs a new stream."""
    longest_session_s: float | None = None
    """A stream that grows older than this is ended by the service."""


class RecognisedWord(msgspec.Struct, frozen=True):
    """One word, when it was said (None: not known), and how sure the engine is of it, 0..1."""

    text: str
    start_at: float | None = None
    end_at: float | None = None
    confidence: float | None = None


class PartialText(msgspec.Struct, frozen=True):
    """One segment so far. `at` is the end of the audio that it speaks of, as far as known."""

    segment: int
    text: str
    at: float
    confidence: float = 1.0
    words: tuple[RecognisedWord, ...] = ()


class FinalText(msgspec.Struct, frozen=True):
    """One segment for good; `text` may be empty. `at` is the end of its audio, as far as known."""

    segment: int
    text: str
    at: float
    confidence: float = 1.0
    words: tuple[RecognisedWord, ...] = ()
    alternatives: tuple[TextAlternative, ...] = ()
    """Other readings, the likeliest first."""
    presumed: bool = False
    """The service said nothing, and its newest text is taken for its answer."""


class Finalised(msgspec.Struct, frozen=True):
    """The `finalise` of this number is answered."""

    number: int
    presumed: bool = False
    """The service said nothing, which is taken for its answer: some do not answer when there was no speech."""


class StreamFailed(msgspec.Struct, frozen=True):
    """The stream is dead. `reason` is for the log and holds nothing the caller said, and no secret."""

    kind: FailureKind
    reason: str


StreamEvent = PartialText | FinalText | TurnOpinion | Finalised | StreamFailed
StreamListener = Callable[[StreamEvent], None]


class RecogniserStream(Protocol):
    """One call's speech to text."""

    def feed(self, ulaw: bytes, at: float) -> None:
        """Take audio of the caller: mu-law at 8 kHz, any length, whose last byte arrived `at`."""
        ...

    def expect(self, expected: ExpectedSpeech) -> None:
        """Take note of what the caller will say from now on."""
        ...

    def finalise(self, number: int, deadline_s: float) -> None:
        """Ask for the final texts of all audio so far; an answer later than the deadline is of no use."""
        ...

    def close(self) -> None:
        """Let go of everything; may be called again."""
        ...


class Recogniser(Protocol):
    """A speech to text engine or service, used by all calls of a process."""

    name: str
    """For logs, metrics and error messages."""
    capabilities: Capabilities

    async def load(self) -> None:
        """Get ready. Raises ConfigError when it cannot work as configured."""
        ...

    def start(self, expected: ExpectedSpeech, listener: StreamListener) -> RecogniserStream:
        """Serve one call; what goes wrong from here on is told to the listener."""
        ...

    async def unload(self) -> None:
        """Give everything back; no stream is open any more."""
        ...
