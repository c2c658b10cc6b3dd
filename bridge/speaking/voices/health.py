"""The health of speech providers: who fails is left alone and tried again, who is busy is passed over.

`Health` is arithmetic with the time passed in; `MonitoredProvider` keeps it up to date around any provider.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence

from bridge.breaker import Breaker
from bridge.call.events import Word
from bridge.errors import VoiceError
from bridge.speaking.voices.base import SpeechListener, SpeechProvider, SpeechRequest, SpeechStream

log = logging.getLogger(__name__)

_PROBE_TEXT = "Okay."
_PROBE_S = 2.0
_PROBE_AGAIN_S = (1.0, 2.0, 4.0, 8.0)
"""Between probes of a provider that answers, but too slowly."""
_FIRST_AUDIO_TARGET_S = 0.5
"""A provider whose first audio takes this long has no headroom left."""
_SMOOTHING = 0.2
_HALF_LIFE_S = 3.0
"""What was measured so long ago counts half: without new streams nothing would ever say that all is well again."""
_LOW_HEADROOM = 0.5
_DEFAULT_BUSY_S = 0.25
_NOT_ITS_FAULT = frozenset(("busy", "rejected", "idle"))
"""Failures that say nothing about whether the next stream would fare better."""
_HOPELESS = frozenset(("auth", "quota"))
"""Failures that the next stream would share: leave the provider alone at once."""


class Health:
    """What is known about one provider. Times are seconds on any monotonic clock. Pure."""

    def __init__(self) -> None:
        self.breaker = Breaker()
        self._busy_until = 0.0
        self._first_audio_s = 0.0
        self._measured_at = 0.0

    def first_audio_s(self, now: float) -> float:
        """The smoothed time to first audio; the longer ago it was measured, the less it counts."""
        return self._first_audio_s * float(0.5 ** (max(0.0, now - self._measured_at) / _HALF_LIFE_S))

    def busy(self, now: float) -> bool:
        """Whether it said lately that it is full."""
        return now < self._busy_until

    def headroom(self, now: float, waiting_s: Collection[float]) -> float:
        """By how much first audio comes sooner than half a second, 0..1, streams that still wait for it included."""
        if not self.breaker.closed or self.busy(now):
            return 0.0
        late_s = max([self.first_audio_s(now), *waiting_s])
        return min(1.0, max(0.0, 1.0 - late_s / _FIRST_AUDIO_TARGET_S))

    def heard(self, taken_s: float, now: float) -> None:
        """Note that a stream's first audio has come after `taken_s` seconds."""
        before = self.first_audio_s(now)
        self._first_audio_s = before + (taken_s - before) * _SMOOTHING
        self._measured_at = now

    def probed(self, taken_s: float, now: float) -> None:
        """Take a probe's time for what was measured before, which was the reason to send it."""
        self._first_audio_s, self._measured_at = min(taken_s, self.first_audio_s(now)), now

    def failed(self, error: VoiceError, now: float) -> bool:
        """Note that a stream has failed. Returns True when that opened the breaker."""
        if error.kind == "busy":
            self._busy_until = now + (error.retry_after_s or _DEFAULT_BUSY_S)
        if error.kind in _NOT_ITS_FAULT:
            return False
        was_closed = self.breaker.closed
        self.breaker.failed(now)
        while error.kind in _HOPELESS and self.breaker.closed:
            self.breaker.failed(now)
        return was_closed and not self.breaker.closed


class MonitoredStream:
    """A stream on its way through its provider's health; both the provider's listener and its user's stream."""

    def __init__(self, monitor: MonitoredProvider, listener: SpeechListener) -> None:
        self._monitor = monitor
        self._listener: SpeechListener | None = listener
        self._stream: SpeechStream | None = None
        self._text_ended = False
        self.callers = True
        """A caller waits for it: how long others wait says nothing about whether one more call can be served."""
        self.asked_at: float | None = None
        """When there was text that must be spoken at once: it is not late before that."""
        self.begun = False
        """Whether some audio of this stream has come."""

    def open(self, provider: SpeechProvider, request: SpeechRequest, now: float) -> None:
        """Open the stream at its provider. Raises VoiceError."""
        self.callers = request.priority == "live"
        self._stream = provider.open(request, self)
        if request.text:
            self.asked_at = now

    # ---- the user's side ----------------------------------------------------------------------------------------

    def text(self, delta: str) -> None:
        """Add text; it may be cut anywhere."""
        if self._stream is not None:
            self._stream.text(delta)

    def flush(self) -> None:
        """Have all text so far spoken."""
        self._ask()
        if self._stream is not None:
            self._stream.flush()

    def end(self) -> None:
        """Say that there is no more text."""
        self._ask()
        if self._stream is not None:
            self._stream.end()

    def _ask(self) -> None:
        if self.asked_at is None and not self.begun:
            self.asked_at = self._monitor.time()

    def playout(self, lead_ms: float, upto_ms: int | None = None) -> None:
        """Report how much the caller still has to hear, and how far audio is wanted."""
        if self._stream is not None:
            self._stream.playout(lead_ms, upto_ms)

    def cancel(self) -> None:
        """Stop at once and for good."""
        stream, self._stream, self._listener = self._stream, None, None
        if stream is not None:
            stream.cancel()
            self._monitor.over(self)

    def give_up(self) -> None:
        """Cancel because nothing came in time, which counts against the provider."""
        if self._stream is not None:
            self.cancel()
            self._monitor.failed(VoiceError("no audio came in time", code="late"))

    # ---- the provider's side ------------------------------------------------------------------------------------

    def audio(self, data: bytes) -> None:
        """Pass more audio on to the stream's user."""
        if self._listener is not None:
            if not self.begun:
                self.begun = True
                self._monitor.heard(self)
            self._listener.audio(data)

    def words(self, words: Sequence[Word]) -> None:
        """Pass on words newly placed in time."""
        if self._listener is not None:
            self._listener.words(words)

    def no_words(self) -> None:
        """Note that no more words of this stream will be placed in time."""
        if self._listener is not None:
            self._listener.no_words()

    def done(self) -> None:
        """Note that all of this stream's text was spoken."""
        listener, self._listener, self._stream = self._listener, None, None
        if listener is not None:
            self._monitor.over(self)
            self._monitor.succeeded()
            listener.done()

    def failed(self, error: VoiceError) -> None:
        """Note that this stream has failed: no more audio of it will come."""
        listener, self._listener, self._stream = self._listener, None, None
        if listener is not None:
            self._monitor.over(self)
            self._monitor.failed(error)
            listener.failed(error)


class MonitoredProvider:
    """Any provider, with what is known of its health."""

    def __init__(self, provider: SpeechProvider) -> None:
        self.provider = provider
        self.name = provider.name
        self.keeps_phrases = bool(getattr(provider, "keeps_phrases", True))
        """Whether its finished phrases may be kept: a vendor's terms may forbid it."""
        self.health = Health()
        self.counts: Counter[str] = Counter()
        self._changed: Callable[[], None] = lambda: None
        self._streams: set[MonitoredStream] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._probe: _Probe | None = None
        self._slow_probes = 0

    @property
    def usable(self) -> bool:
        """Whether streams are welcome: it is there, and not left alone."""
        return self.health.breaker.closed and self.provider.usable

    @property
    def load(self) -> float:
        """Streams under way, for choosing the least loaded; who was just busy comes after all others."""
        return len(self._streams) + (1e6 if self.health.busy(self.time()) else 0.0)

    @property
    def idle(self) -> bool:
        """Whether no stream is under way here."""
        return not self._streams

    @property
    def headroom(self) -> float:
        """0 (no new call should be taken for its sake) .. 1 (idle)."""
        if not self.usable:
            return 0.0
        now = self.time()
        waiting_s = [now - s.asked_at for s in self._streams if s.callers and s.asked_at is not None and not s.begun]
        return self.health.headroom(now, waiting_s)

    @property
    def default_voice(self) -> str:
        """The voice that speaks where none is named."""
        return self.provider.default_voice

    @property
    def voices(self) -> Mapping[str, str]:
        """The voices that are known, each with its engine's version."""
        return self.provider.voices

    def speaks(self, voice: str) -> bool:
        """Whether it can speak with this voice now; an empty one is its default."""
        return self.usable and (not voice or voice in self.provider.voices)

    async def start(self, changed: Callable[[], None]) -> None:
        """Begin to connect to the provider."""
        self._changed = changed
        await self.provider.start(changed)

    async def close(self) -> None:
        """End all streams and the connection to the provider."""
        if self._timer is not None:
            self._timer.cancel()
        if self._probe is not None:
            self._probe.cancel()
        await self.provider.close()

    def open(self, request: SpeechRequest, listener: SpeechListener) -> MonitoredStream:
        """Begin a stream. Raises VoiceError, which counts as any other failure."""
        stream = MonitoredStream(self, listener)
        self.counts["streams"] += 1
        try:
            stream.open(self.provider, request, self.time())
        except VoiceError as error:
            self.failed(error)
            raise
        self._streams.add(stream)
        return stream

    def stats(self) -> dict[str, float]:
        """Counters, and the smoothed time to first audio."""
        return {
            **self.provider.stats(),
            **self.counts,
            "usable": float(self.usable),
            "under_way": len(self._streams),
            "breaker_opened": self.health.breaker.opened,
            "first_audio_ms": self.health.first_audio_s(self.time()) * 1000,
        }

    def time(self) -> float:
        """Seconds on the event loop's clock."""
        return asyncio.get_running_loop().time()

    # ---- what streams report ------------------------------------------------------------------------------------

    def heard(self, stream: MonitoredStream) -> None:
        """First audio of a stream has come."""
        if stream.callers and stream.asked_at is not None:
            self.health.heard(self.time() - stream.asked_at, self.time())
            if self.headroom < _LOW_HEADROOM:
                self._plan_probe()

    def succeeded(self) -> None:
        """A stream was spoken to its end."""
        self.health.breaker.succeeded()

    def failed(self, error: VoiceError) -> None:
        """A stream has failed, or could not be opened."""
        self.counts[f"failed_{error.code or error.kind}"] += 1
        if self.health.failed(error, self.time()):
            log.warning("speech provider %s fails (%s): leaving it alone", self.name, error)
            self._plan_probe()
            self._changed()

    def over(self, stream: MonitoredStream) -> None:
        """A stream has ended, in whatever way."""
        self._streams.discard(stream)

    # ---- probing ------------------------------------------------------------------------------------------------

    def _plan_probe(self) -> None:
        if self._timer is not None or self._probe is not None:
            return
        retry_at = self.health.breaker.retry_at()
        if retry_at is None:
            retry_at = self.time() + _PROBE_AGAIN_S[min(self._slow_probes, len(_PROBE_AGAIN_S) - 1)]
        self._timer = asyncio.get_running_loop().call_at(retry_at, self._try)

    def _try(self) -> None:
        self._timer = None
        closed = self.health.breaker.closed
        if closed and self.headroom >= _LOW_HEADROOM:
            self._slow_probes = 0
            return
        if not self.provider.usable:
            # The next connection is as good a sign as any; ask again a little later.
            self._timer = asyncio.get_running_loop().call_later(0.2, self._try)
        elif closed or self.health.breaker.allows(self.time()):
            self._probe = _Probe(self)
            self._probe.start()

    def probed(self, taken_s: float | None, error: VoiceError | None) -> None:
        """A probe has ended: with first audio after so long, or without any."""
        self._probe = None
        breaker = self.health.breaker
        if taken_s is not None:
            self.health.probed(taken_s, self.time())
        if not breaker.closed:
            if taken_s is not None or (error is not None and error.kind == "busy"):
                breaker.succeeded()
                log.info("speech provider %s is well again", self.name)
            else:
                breaker.failed(self.time())
                self._plan_probe()
        elif self.headroom < _LOW_HEADROOM:
            self._slow_probes += 1
            self._plan_probe()
        else:
            self._slow_probes = 0
        self._changed()


class _Probe:
    """A short text spoken for nobody, to see whether a provider is well again."""

    def __init__(self, monitor: MonitoredProvider) -> None:
        self._monitor = monitor
        self._began = monitor.time()
        self._taken_s: float | None = None
        self._deadline = asyncio.get_running_loop().call_later(_PROBE_S, self._late)
        self._stream: SpeechStream | None = None

    def start(self) -> None:
        """Begin the trial: have a short text spoken."""
        try:
            self._stream = self._monitor.provider.open(SpeechRequest(_PROBE_TEXT, cut=True), self)
        except VoiceError as error:
            self.failed(error)

    def cancel(self) -> None:
        """Break the trial off, because the service is closing."""
        self._deadline.cancel()
        if self._stream is not None:
            self._stream.cancel()

    def audio(self, data: bytes) -> None:
        """Note that the trial has brought audio, as was hoped."""
        if self._taken_s is None:
            self._taken_s = self._monitor.time() - self._began

    def words(self, words: Sequence[Word]) -> None:
        """Take no notice: a trial needs audio alone."""

    def no_words(self) -> None:
        """Take no notice: a trial needs audio alone."""

    def done(self) -> None:
        """Note that the trial is over, all of its text spoken."""
        self._deadline.cancel()
        self._monitor.probed(self._taken_s, None)

    def failed(self, error: VoiceError) -> None:
        """Note that the trial has failed, which is said to the provider's health."""
        self._deadline.cancel()
        self._monitor.probed(None, error)

    def _late(self) -> None:
        if self._stream is not None:
            self._stream.cancel()
        self._monitor.probed(self._taken_s, None)
