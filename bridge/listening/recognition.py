"""One call's speech to text, whichever engine does it: asks, waits no longer than is of use, and changes engines.

A `live` engine is fed all the time and asked to settle its texts at each pause. Any other gets the utterance at the
pause, from the memory of the call's audio; of a long turn it gets one piece after the other while the caller goes on.
An engine that fails, or says nothing for too long, is replaced at once by the next one in order, which hears again what
has no final text yet.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable

from bridge.audio.mulaw import RATE_HZ
from bridge.call.events import Event, Recognised, RecogniserFailed, TurnOpinion
from bridge.listening.recognisers.base import (
    ExpectedSpeech,
    Finalised,
    FinalText,
    PartialText,
    RecogniserStream,
    StreamEvent,
    StreamFailed,
)
from bridge.listening.recognisers.chain import RankedRecogniser, RecogniserChain
from bridge.listening.requests import NOTHING_HEARD, LongTurn, RecognitionCounters, RecognitionRequest
from bridge.listening.settings import ListeningSettings
from bridge.listening.sound import AudioMemory, quietest
from bridge.listening.turn_text import HeardText, TurnText, joined

_LONGEST_WAIT_S = 10.0
"""For the last recogniser that is left; most have a deadline of their own."""
_REPLAY_S = 12.0
_CRUMB_S = 0.3
"""What is left of a long turn behind its last piece, when it holds no word."""
_HUNG_S = 1.5
"""A live engine that has said nothing at all for so long a turn has probably stopped working."""
_DOUBT_S = 0.6
"""If nothing at all was said of a turn as long as this, another engine, where there is one, is asked as well."""
_RESTARTS = 8
"""A live engine that is lost this often in one call is used no more in it."""
_ROTATE_S, _ROTATE_NOW_S = 15.0, 3.0
"""Before a session's longest time it is replaced in a silence, or at last in the midst of words."""


class CallRecognition:
    """Turns requests into `Recognised` or `RecogniserFailed`; passes on what live engines say unasked."""

    def __init__(
        self,
        chain: RecogniserChain,
        memory: AudioMemory,
        settings: ListeningSettings,
        counters: RecognitionCounters,
        deliver: Callable[[Event], None],
    ) -> None:
        self.wants_audio = False
        """Whether `feed` need be called."""
        self._chain = chain
        self._memory = memory
        self._settings = settings
        self._counters = counters
        self._deliver = deliver
        self._expected = ExpectedSpeech()
        self._ranked: RankedRecogniser | None = None
        self._stream: RecogniserStream | None = None
        self._streams = 0
        """How many were opened: what an older one still says counts for nothing."""
        self._restarts = 0
        """How often a live stream was opened without being asked for words."""
        self._rotate_at = float("inf")
        self._spoke_at = -1.0
        """When the stream last said anything; negative: it never did."""
        self._request: RecognitionRequest | None = None
        self._asked = 0
        """The number of the `finalise` that is to be answered."""
        self._asked_at = 0.0
        """When that was, on the clock of the caller's audio."""
        self._numbers = 0
        self._found: list[FinalText] = []
        self._piece_end = 0
        """Where the piece ends that is being recognised; 0: what is being recognised is no piece."""
        self._long = LongTurn()
        self._text = TurnText()
        self._deadline: asyncio.TimerHandle | None = None
        self._closed = False
        self.voice_at = -1.0
        """When the caller's voice was last heard, as far as known: who says nothing after it may be at fault."""
        self.heard_s: defaultdict[str, float] = defaultdict(float)
        """Audio that each recogniser was given on this call, by its name; what was given again included."""

    def expect(self, expected: ExpectedSpeech) -> None:
        """What the caller will say from now on, as far as known; the first time, live engines are connected."""
        if self._closed or (expected == self._expected and self._stream is not None):
            return
        before, self._expected = self._expected, expected
        if self._stream is None or self._ranked is None:
            self._follow()
        elif self._ranked.live and self._needs_another(before, expected) and self._text.settled:
            self._rotate()
        else:
            self._stream.expect(expected)

    def _needs_another(self, before: ExpectedSpeech, expected: ExpectedSpeech) -> bool:
        """Whether the stream under way can make no use of what is expected now."""
        assert self._ranked is not None
        can = self._ranked.recogniser.capabilities
        if before.language != expected.language and not can.live_language:
            return True
        return not can.live_hints and (before.hints, before.language) != (expected.hints, expected.language)

    def feed(self, ulaw: bytes, at: float) -> None:
        """The caller's audio as it comes, for an engine that follows it."""
        if self._stream is None:
            return
        if at >= self._rotate_at and (self._text.settled or at >= self._rotate_at + _ROTATE_S - _ROTATE_NOW_S):
            self._rotate()  # which hears this audio, too: it is in the memory already
        else:
            self._count(ulaw)
            self._stream.feed(ulaw, at)

    def _count(self, ulaw: bytes) -> None:
        assert self._ranked is not None
        seconds = len(ulaw) / RATE_HZ
        self.heard_s[self._ranked.recogniser.name] += seconds
        self._ranked.counters.heard_s += seconds

    def request(self, revision: int, since: float, *, so_far: bool) -> None:
        """Recognise what was said since then. `so_far`: the caller still speaks. It replaces an older request."""
        if self._closed:
            return
        self._counters.transcriptions += 1
        self._request = RecognitionRequest(revision, since, so_far, asyncio.get_running_loop().time())
        if self._asked and self._piece_end:
            return  # the piece at work belongs to this turn or harms nobody; the request is next
        self._ask()

    def close(self) -> None:
        """Stop recognising, because the call is over."""
        self._closed = True
        self._request = None
        self._wait(None)
        if self._stream is not None:
            self._stream.close()
        if self._ranked is not None:
            self._ranked.breaker.abandoned()
        self._stream, self.wants_audio = None, False

    # -- streams ---------------------------------------------------------------------------------

    def _open(self, ranked: RankedRecogniser, hears_since: float | None) -> RecogniserStream:
        """A fresh stream, which hears the audio since that moment at once if it follows the audio."""
        self._streams += 1
        number = self._streams
        if self._stream is not None:
            self._stream.close()
        self._ranked = ranked
        self._stream = stream = ranked.recogniser.start(self._expected, lambda event: self._told(number, event))
        self._asked = self._piece_end = 0
        self.wants_audio = ranked.live
        self._spoke_at = -1.0
        now = self._memory.until
        longest_s = ranked.recogniser.capabilities.longest_session_s if ranked.live else None
        self._rotate_at = float("inf") if longest_s is None else now + max(longest_s - _ROTATE_S, longest_s / 2)
        if ranked.live and hears_since is not None:
            audio = self._memory.read(self._memory.position(max(hears_since, now - _REPLAY_S)))
            if audio:
                self._counters.replayed_s += len(audio) / RATE_HZ
                self._count(audio)
                stream.feed(audio, now)
        return stream

    def _follow(self) -> None:
        """Connect a recogniser that follows the audio, if that is what is to be used now."""
        ranked = self._chain.to_follow() if self._restarts < _RESTARTS else None
        if ranked is not None:
            self._restarts += 1
            self._open(ranked, self._text.restart())

    def _rotate(self) -> None:
        """Another session with the same recogniser, which goes on where the old one ends."""
        assert self._ranked is not None
        pending = self._asked
        self._open(self._ranked, self._text.restart())
        if pending and self._request is not None:
            self._ask()

    def _told(self, stream: int, event: StreamEvent) -> None:
        if self._closed or stream != self._streams or self._ranked is None:
            return
        if not (isinstance(event, Finalised | FinalText) and event.presumed):
            self._spoke_at = self._memory.until
        match event:
            case PartialText() | FinalText() if self._ranked.live:
                self._text.take(event)
                self._deliver(self._text.heard())
                if self._request is not None and self._request.so_far:
                    self._ask_live(self._request)
            case FinalText():
                self._found.append(event)
            case TurnOpinion():
                self._deliver(event)
            case Finalised(number) if number == self._asked:
                if self._doubtful(event.presumed):
                    self._ask_another()
                    return
                self._ranked.breaker.succeeded()
                self._finalised()
            case StreamFailed():
                self._lost(event)

    def _lost(self, failure: StreamFailed) -> None:
        """Replace the stream; what it owed is asked of the next one."""
        lost, request = self._ranked, self._request
        assert lost is not None
        lost.failed(failure, self._chain.clock())
        self._drop()
        if request is None:
            self._follow()
            return
        request.tried.append(lost)
        if request.its_words.text:
            self._answer(request.its_words)  # whoever was asked besides knows no better
        else:
            self._ask(failure.reason)

    def _doubtful(self, presumed: bool) -> bool:
        """Whether the silence of an engine that follows the audio may mean that it does not work any more."""
        request = self._request
        if request is None or request.so_far or request.tried or not self.wants_audio:
            return False
        others = self._has_others(request)
        if presumed and others and request.since < self._spoke_at < self.voice_at:
            return True  # it can know nothing of what was said after its last message
        return self._spoke_at <= request.since and self._memory.until - request.since >= (
            _DOUBT_S if others else _HUNG_S
        )

    def _has_others(self, request: RecognitionRequest) -> bool:
        """Whether somebody else can still be asked."""
        return any(ranked is not self._ranked and ranked not in request.tried for ranked in self._chain.ranked)

    def _ask_another(self) -> None:
        """Let somebody else hear the turn: it may have been no speech, so this is no failure yet."""
        assert self._request is not None
        assert self._ranked is not None
        self._request.doubted, self._request.its_words = self._ranked, self._text.since(self._request.since)
        self._request.tried.append(self._ranked)
        self._text.doubt(self._request.since)
        self._drop()
        self._ask()

    def _drop(self) -> None:
        """Hang up on the stream, which is of no more use."""
        if self._stream is not None:
            self._stream.close()
        self._stream, self.wants_audio = None, False
        self._asked = self._piece_end = 0
        self._wait(None)

    def _next(self, request: RecognitionRequest) -> RankedRecogniser | None:
        """Who has not been asked yet; when all were, the first gets a second chance."""
        if len(request.tried) > len(self._chain.ranked):
            return None
        skipped = request.tried
        if not skipped and self._ranked is not None:
            # One that follows the audio and is not connected now would need its time for that: `_follow` sees to it.
            skipped = [ranked for ranked in self._chain.ranked if ranked.live]
        return self._chain.choose(skipped) or self._chain.choose()

    # -- requests --------------------------------------------------------------------------------

    def _ask(self, trouble: str = "no recogniser is configured (listening.recogniser.kind is none)") -> None:
        """See the request through; `trouble` is what is wrong if nobody can."""
        request = self._request
        if request is None:
            return
        if self._ranked is None or self._stream is None or not self._ranked.live:
            ranked = self._next(request)
            if ranked is None:
                self._give_up(request, trouble)
                return
            if self._stream is None or ranked is not self._ranked:
                for tried in request.tried[-1:]:
                    tried.counters.replaced += 1
                self._open(ranked, self._text.restart() if ranked.live else None)
        if self.wants_audio:
            self._ask_live(request)
        else:
            self._ask_utterance(request)

    def _ask_live(self, request: RecognitionRequest) -> None:
        assert self._stream is not None
        if request.so_far:
            heard = self._text.since(request.since)
            if heard.text:
                self._answer(heard)
            else:
                self._wait(self._settings.final_ms / 1000)  # its first words may be on their way
            return
        self._text.asked(self._memory.until)
        patience_s = self._settings.final_ms / 1000
        # A fresh stream has to connect and to hear the turn first.
        self._finalise(max(patience_s, self._settings.pass_over_s) if request.tried else patience_s)

    def _ask_utterance(self, request: RecognitionRequest) -> None:
        assert self._stream is not None
        if self._long.since != request.since:
            self._long = LongTurn(request.since)
        before = self._settings.before_ms * RATE_HZ // 1000
        start = max(self._memory.position(request.since) - before, self._long.until)
        audio = self._memory.read(start)
        self._found.clear()
        if self._long.parts and len(audio) < _CRUMB_S * RATE_HZ:
            self._finalised()
            return
        self._piece_end = 0
        if len(audio) > self._settings.piece_s * RATE_HZ:
            cut = quietest(audio, len(audio) // 2)
            self._piece_end = self._memory.total - len(audio) + cut
            audio = audio[:cut]
        self._count(audio)
        self._stream.feed(audio, self._memory.until)
        others = len(request.tried) + 1 < len(self._chain.ranked)
        self._finalise(self._settings.pass_over_s if others else _LONGEST_WAIT_S)

    def _finalise(self, patience_s: float) -> None:
        assert self._stream is not None
        self._numbers += 1
        self._asked, self._asked_at = self._numbers, self._memory.until
        self._stream.finalise(self._asked, patience_s)
        self._wait(patience_s)

    def _wait(self, seconds: float | None) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        loop = asyncio.get_running_loop()
        self._deadline = None if seconds is None else loop.call_later(seconds, self._overdue)

    def _overdue(self) -> None:
        """The answer would be of no more use: make do with what is there, or ask somebody else."""
        self._deadline = None
        request = self._request
        if self._ranked is None or not (self._asked or (request is not None and request.so_far)):
            return
        if request is None:
            self._asked = 0
            return
        heard = self._text.since(request.since) if self.wants_audio else NOTHING_HEARD
        long = self._memory.until - request.since >= _HUNG_S
        silent = self._spoke_at < 0.0 or (long and self._spoke_at <= request.since)
        deserted = self._spoke_at <= self._asked_at and self._has_others(request)
        if not self.wants_audio or (not heard.text and silent) or deserted:
            self._lost(StreamFailed("idle", f"{self._ranked.recogniser.name} has not answered in time"))
            return
        self._counters.promoted += bool(heard.text)
        self._answer(heard)

    def _finalised(self) -> None:
        """All that was asked for has come."""
        request = self._request
        self._asked = 0
        self._wait(None)
        if self.wants_audio:
            self._text.answered()
            if request is not None:
                self._answer(self._text.since(request.since))
            return
        parts = [HeardText(found.text, found.confidence, found.alternatives) for found in self._found if found.text]
        if self._piece_end:
            self._long.until, self._piece_end = self._piece_end, 0
            self._long.parts += parts
            self._ask()
        elif request is not None:
            self._answer(joined([*self._long.parts, *parts]))

    def _answer(self, heard: HeardText) -> None:
        request, self._request = self._request, None
        assert request is not None
        self._asked = 0
        self._wait(None)
        self._counters.transcription_s += asyncio.get_running_loop().time() - request.began
        if request.doubted is not None:
            self._believe(request.doubted, request.its_words, heard)
            heard = heard if heard.text else request.its_words
        self._deliver(Recognised(request.revision, heard.text, heard.confidence, heard.alternatives))
        if not self.wants_audio and self._chain.live:
            self._follow()  # a better one may be back

    def _believe(self, doubted: RankedRecogniser, had: HeardText, heard: HeardText) -> None:
        """An engine's silence was right if nobody heard a word more: then it goes on."""
        if len(heard.text.split()) > len(had.text.split()):
            what = "it said nothing, or not all, of what another heard"
            doubted.failed(StreamFailed("idle", what), self._chain.clock())
            doubted.counters.replaced += 1
        else:
            doubted.breaker.abandoned()
            self._open(doubted, self._text.restart())

    def _give_up(self, request: RecognitionRequest, reason: str) -> None:
        self._request = None
        self._counters.transcriptions_failed += 1
        self._counters.transcription_s += asyncio.get_running_loop().time() - request.began
        self._deliver(RecogniserFailed(request.revision, reason))
