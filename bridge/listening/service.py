"""The caller's side of every call of a process: one `ListeningService`, and a `CallListening` for each call.

Audio comes in by `hear`, what we send by `sent`; voice activity, recognised words and opinions about the end of a turn
go out by the call's `deliver`, always in the event loop. Times are the call's own seconds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence

import msgspec

from bridge.audio.mulaw import RATE_HZ
from bridge.call.commands import ExpectSpeech, Transcribe
from bridge.call.events import Event, Recognised, TurnJudged, VoiceActivity
from bridge.http import HttpClient, OpenClient
from bridge.listening.activity import WINDOW_S, ActivityBatch, SileroModel, VoiceModel
from bridge.listening.echo_guard import GuardedEchoGate
from bridge.listening.engine_pool import EngineFailed
from bridge.listening.engine_pools import EnginePools
from bridge.listening.recognisers.base import ExpectedSpeech
from bridge.listening.recognisers.chain import RecogniserChain
from bridge.listening.recognisers.embedded import EmbeddedRecogniser
from bridge.listening.recognisers.factory import CallRecognisers, order_of
from bridge.listening.recognition import CallRecognition
from bridge.listening.requests import RecognitionCounters
from bridge.listening.second import SecondCounters, SecondEar
from bridge.listening.settings import ListeningSettings, NoRecogniserSettings, RecogniserSettings, SmartTurnSettings
from bridge.listening.sound import AudioMemory
from bridge.listening.taps import AudioTap, TappedAudio
from bridge.listening.ticks import ActivityTicks

_ECHO_PROBABILITY = 0.3
"""Only windows that might be speech are worth comparing with what we sent."""
_FULL_QUEUE = 4
"""Transcriptions waiting per process at which there is no headroom left."""
_TOO_LATE_MS = 150.0
"""Voice activity so late leaves no headroom: everybody who talks over the bot would be heard as much later."""
_ECHO_MEMORY_S = 2.0
_JUDGED_S = 8.0
"""The end-of-turn model looks at no more than this."""


class ListeningCounters(msgspec.Struct):
    """Counters of this process, summed over all calls."""

    calls: int = 0
    echoes: int = 0
    """Speech-like windows that were mostly our own voice."""
    echo_failures: int = 0
    """Calls that lost their echo gate to a fault of it."""


class ListeningService:
    """Voice activity, speech to text and end of turn for all calls of a process.

    `recognisers` are those that calls may be opened with; by default that of the settings alone.
    """

    def __init__(
        self,
        settings: ListeningSettings,
        *,
        clock: Callable[[], float],
        model: VoiceModel | None = None,
        open_client: OpenClient = HttpClient,
        recognisers: Sequence[RecogniserSettings] | None = None,
        seconds: Sequence[RecogniserSettings] | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self.settings = settings
        self._wanted = tuple(dict.fromkeys((settings.recogniser,) if recognisers is None else recognisers))
        wanted = (settings.second_recogniser,) if seconds is None else seconds
        self._seconds = [one for one in dict.fromkeys(wanted) if not isinstance(one, NoRecogniserSettings)]
        self.second = SecondCounters()
        self.counters = ListeningCounters()
        self.on_call: list[Callable[[CallListening], None]] = []
        """Called with each new call's ear: the place to add taps."""
        self._clock = clock
        self._model = model
        self._ticks: ActivityTicks | None = None
        self.recognition = RecognitionCounters()
        self.recognisers = CallRecognisers(clock, open_client, environ)
        self._engines = EnginePools()
        self._load = _Load(clock)

    @property
    def judges(self) -> bool:
        """Whether an end-of-turn model is asked."""
        return isinstance(self.settings.turn, SmartTurnSettings)

    async def start(self) -> None:
        """Load and warm all models, start the engine processes. Raises ConfigError."""
        model = self._model or SileroModel()
        batch = ActivityBatch(model, self.settings.activity)
        _warm(batch)
        self._ticks = ActivityTicks(batch, _deliver_activity)
        orders = [order_of(first, self.settings.fallback_recognisers) for first in self._wanted]
        turn = self.settings.turn if isinstance(self.settings.turn, SmartTurnSettings) else None
        built = [*orders, *((one,) for one in self._seconds)]
        await self._engines.start(built, turn, processes=self.settings.processes, spare=self.settings.spare_engine)
        await self.recognisers.load(orders, self._engines.of, self._seconds)

    async def close(self) -> None:
        """Stop judging, end the engine processes."""
        if self._ticks is not None:
            self._ticks.close()
        await self.recognisers.unload()
        await self._engines.close()

    def open_call(
        self,
        deliver: Callable[[Event], None],
        *,
        started_at: float,
        recogniser: RecogniserSettings | None = None,
        second: RecogniserSettings | None = None,
    ) -> CallListening:
        """Begin to listen to a call whose time 0 is `started_at` on the process's clock.

        `recogniser` is one of those that the service was made with, and so is `second`, which listens along; None:
        that of its settings.
        """
        if self._ticks is None:
            raise RuntimeError("listening has not been started")
        chain = self.recognisers.chain(recogniser or self.settings.recogniser)
        along = self.recognisers.second(second or self.settings.second_recogniser)
        ear = CallListening(self, self._ticks, chain, deliver, started_at, along)
        self.counters.calls += 1
        for welcome in self.on_call:
            welcome(ear)
        return ear

    async def judge(self, ulaw: bytes) -> float | None:
        """The end-of-turn model's probability; None without a model, or without an answer."""
        if not self.judges:
            return None
        try:
            return await self._engines.judge(ulaw)
        except EngineFailed:
            return None

    def stats(self) -> dict[str, float]:
        """Counters and gauges by name, for the metrics page."""
        counted = {**msgspec.structs.asdict(self.counters), **msgspec.structs.asdict(self.recognition)}
        found: dict[str, float] = {f"listening_{name}": value for name, value in counted.items()}
        if self._seconds:
            found |= {f"second_{name}": value for name, value in msgspec.structs.asdict(self.second).items()}
        found.update(self.recognisers.stats())
        if self._ticks is not None:
            for name, value in msgspec.structs.asdict(self._ticks.batch.counters).items():
                found[f"activity_{name}"] = value
            found["activity_busy_s"] = self._ticks.busy_s
            found["activity_late_ms"] = self._ticks.lateness.average_ms
            found["activity_failures"] = self._ticks.failures
            found["activity_failed_calls"] = self._ticks.failed_calls
            found["activity_waiting"] = self._ticks.batch.ready
        found.update(self._engines.stats())
        return found

    def usage(self) -> dict[str, tuple[float, float]]:
        """Seconds that each recogniser elsewhere was given, and their price, since the process started."""
        return self._priced(self.recognisers.heard_s())

    def _priced(self, heard_s: Mapping[str, float]) -> dict[str, tuple[float, float]]:
        prices = self.settings.prices_per_minute
        return {
            name: (s, s / 60 * prices.get(name, 0.0)) for name, s in heard_s.items() if name != EmbeddedRecogniser.name
        }

    def costs(self, heard_s: Mapping[str, float]) -> dict[str, float]:
        """What one call has cost, in the words of its record: `seconds_NAME`, `cost_NAME` where there is a price."""
        found: dict[str, float] = {}
        for name, (seconds, price) in self._priced(heard_s).items():
            found[f"seconds_{name}"] = round(seconds, 2)
            if price:
                found[f"cost_{name}"] = price
        return found

    def headroom(self) -> float:
        """0..1: how much more there is room for, by the scarcest of voice activity, its punctuality and recognisers."""
        used = self._engines.crowding / _FULL_QUEUE
        if self._ticks is not None:
            busy = self._load.share(self._ticks.busy_s)
            used = max(used, busy, self._ticks.lateness.average_ms / _TOO_LATE_MS)
        return max(0.0, 1.0 - used)


class CallListening:
    """The listening of one call: voice activity, recognition and end of turn."""

    def __init__(
        self,
        listening: ListeningService,
        ticks: ActivityTicks,
        chain: RecogniserChain,
        deliver: Callable[[Event], None],
        started_at: float,
        along: RecogniserChain | None = None,
    ) -> None:
        settings = listening.settings
        self.started_at = started_at
        self._listening = listening
        self._ticks = ticks
        self._deliver = deliver
        self._row = ticks.batch.open(self)
        # Without an engine that looks back, the echo gate alone does.
        looks_back = bool(chain.ranked) or listening.judges or along is not None
        self._memory = AudioMemory(settings.memory_s if looks_back else _ECHO_MEMORY_S)
        self.recognition = CallRecognition(chain, self._memory, settings, listening.recognition, self._tell)
        self._second: SecondEar | None = None
        if along is not None:
            self._second = SecondEar(along, self._memory, settings, listening.second, self._tell)
        self._echo = GuardedEchoGate(settings.echo, self._echo_failed)
        self._echo_bytes = settings.echo.window_ms * RATE_HZ // 1000
        self._taps: list[AudioTap] = []
        self._judging: asyncio.Task[None] | None = None
        self._closed = False

    def hear(self, ulaw: bytes, now: float) -> None:
        """Audio from the caller: mu-law, any length, whose last byte arrived now. Fifty times a second."""
        if self._closed:
            return
        self._memory.write(ulaw, now)
        self._ticks.hear(self._row, ulaw, now)
        if self.recognition.wants_audio:
            self.recognition.feed(ulaw, now)
        if self._second is not None:
            self._second.feed(ulaw, now)
        for tap in self._taps:
            tap.put(TappedAudio("caller", ulaw, now))

    def sent(self, ulaw: bytes, now: float) -> None:
        """Audio given to the carrier now, or to be played at that time: what an echo would be made of."""
        if self._closed:
            return
        self._echo.sent(ulaw, now)
        for tap in self._taps:
            tap.put(TappedAudio("bot", ulaw, now))

    def cleared(self, now: float) -> None:
        """The carrier dropped what it had not played yet."""
        self._echo.cleared(now)

    def tap(self, limit: int = 500) -> AudioTap:
        """A copy of both directions from now on, at most `limit` pieces behind."""
        tap = AudioTap(limit)
        self._taps.append(tap)
        return tap

    def expect(self, command: ExpectSpeech) -> None:
        """Tell the recogniser what the caller will say; the first time, one that follows the audio is connected."""
        expected = ExpectedSpeech(command.language, command.hints, command.answer)
        self.recognition.expect(expected)
        if self._second is not None:
            self._second.expect(expected)

    def transcribe(self, command: Transcribe) -> None:
        """Recognise and judge the caller's audio since `command.since`; work on older revisions is dropped."""
        if self._closed:
            return
        if self._judging is not None:
            self._judging.cancel()
        start = self._memory.position(command.since) - self._listening.settings.before_ms * RATE_HZ // 1000
        ulaw = self._memory.read(max(start, self._memory.total - round(_JUDGED_S * RATE_HZ)))
        if not command.so_far:
            self._judging = asyncio.create_task(self._judge(command.revision, ulaw))
        self.recognition.request(command.revision, command.since, so_far=command.so_far)
        if self._second is not None and not command.so_far:
            self._second.request(command.revision, command.since)

    def costs(self) -> dict[str, float]:
        """What recognisers elsewhere were given on this call, and its price."""
        heard = dict(self.recognition.heard_s)
        for name, seconds in ({} if self._second is None else self._second.heard_s).items():
            heard[name] = heard.get(name, 0.0) + seconds
        return self._listening.costs(heard)

    def close(self) -> None:
        """The call is over: nothing is delivered any more."""
        if self._closed:
            return
        self._closed = True
        self._ticks.batch.release(self._row)
        self.recognition.close()
        if self._second is not None:
            self._second.close()
        if self._judging is not None:
            self._judging.cancel()
        for tap in self._taps:
            tap.close()

    def take_activity(self, event: VoiceActivity) -> None:
        """A window was judged; speech-like ones are compared with what we sent."""
        if self._closed:
            return
        if event.probability >= _ECHO_PROBABILITY:
            echo = self._echo.judge(lambda: self._audio_before(event.at), event.at, event.noise_db)
            if echo > 0.0:
                event = msgspec.structs.replace(event, echo=echo)
                self._listening.counters.echoes += echo >= 0.5
            if event.probability >= 0.5 > echo:
                self.recognition.voice_at = event.at
        self._deliver(event)

    def _audio_before(self, at: float) -> bytes:
        """As much of the caller's audio as the echo gate compares."""
        end = self._memory.position(at)
        return self._memory.read(end - self._echo_bytes, end)

    def _echo_failed(self) -> None:
        self._listening.counters.echo_failures += 1

    def _tell(self, event: Event) -> None:
        if self._closed:
            return
        self._deliver(event)
        if self._second is not None and isinstance(event, Recognised):
            self._second.first_said(event)

    async def _judge(self, revision: int, ulaw: bytes) -> None:
        probability = await self._listening.judge(ulaw)
        if probability is not None:
            self._tell(TurnJudged(revision, probability))


class _Load:
    """Turns a running total of busy seconds into the share of the last second or so."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._since = clock()
        self._busy_s = 0.0
        self._share = 0.0

    def share(self, busy_s: float) -> float:
        """0..1, renewed at most once a second."""
        now = self._clock()
        if now - self._since >= 1.0:
            self._share = min(1.0, (busy_s - self._busy_s) / (now - self._since))
            self._since, self._busy_s = now, busy_s
        return self._share


def _deliver_activity(owner: object, event: VoiceActivity) -> None:
    if isinstance(owner, CallListening):
        owner.take_activity(event)


def _warm(batch: ActivityBatch) -> None:
    """The first runs of a model allocate; let no caller wait for that."""
    rows = [batch.open() for _ in range(4)]
    for step in range(4):
        for row in rows[: step + 1]:
            batch.write(row, b"\xff" * round(WINDOW_S * RATE_HZ), 0.0)
        batch.run()
    for row in rows:
        batch.release(row)
