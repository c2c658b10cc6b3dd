"""One call's numbers, read off its events and commands as they pass: latencies, underruns, lead, failures."""

from __future__ import annotations

from bridge.call.actions import Say
from bridge.call.answering import EMPTY, LATE
from bridge.call.commands import AskAgent, ClearPlayout, Command, Decided, SendAudio, Synthesise
from bridge.call.events import AgentActed, Event, RecogniserFailed, SpeechArrived, SpeechFailed
from bridge.call.machine import Call
from bridge.call.states import Decision
from bridge.telemetry.metrics import Metrics

_FOUND_BY_THE_CALL = {LATE: "timeout", EMPTY: "nothing_said"}
"""Failures of agents that the call itself finds, by the names of `bridge.agents.base.Failure`."""
_ANSWERING = ("caller_said", "floor_given")
"""Prompts whose answer is the one that a caller waits for who has spoken."""
_AWAITED = 64
"""Utterances whose first audio is awaited at once; more would be a leak, not a conversation."""


class CallTally:
    """What one call has come to so far, for whoever looks at it."""

    __slots__ = ("failures", "interruptions", "last_reply_s", "replies", "worst_reply_s")

    def __init__(self) -> None:
        self.replies = 0
        self.last_reply_s = 0.0
        self.worst_reply_s = 0.0
        self.interruptions = 0
        self.failures = 0
        """Of the agent, of speech and of the recogniser."""

    def replied(self, after_s: float) -> None:
        """Note an answer, and how long after the caller's last sound it began."""
        self.replies += 1
        self.last_reply_s = after_s
        self.worst_reply_s = max(self.worst_reply_s, after_s)

    def summary(self, seconds: float, underruns: int) -> dict[str, float]:
        """Return it as numbers by name, for the record's last line."""
        return {
            "seconds": round(seconds, 3),
            "replies": self.replies,
            "worst_reply_ms": round(self.worst_reply_s * 1000),
            "interruptions": self.interruptions,
            "failures": self.failures,
            "underruns": underruns,
        }


_FAILED = frozenset({Decision.AGENT_FAILED, Decision.SPEECH_FAILED, Decision.RECOGNISER_FAILED})


class CallMeter:
    """Watches one call for the metrics. Times are seconds since the call's start."""

    def __init__(self, metrics: Metrics, call: Call) -> None:
        self._metrics = metrics
        self.tally = CallTally()
        self._clock = call.utterances.playout.clock
        self._spoken = False
        self._caller_stopped_at: float | None = None
        self._suspected_at: float | None = None
        self._texts: dict[int, float] = {}
        self._asked: tuple[int, float] | None = None
        """The prompt whose answer has no word yet, and when it was put."""

    def saw(self, event: Event, commands: list[Command], now: float) -> None:
        """Take note of one event and what was ordered because of it."""
        kind = type(event)
        if kind is SpeechArrived:
            self._speech_arrived(event.utterance, now)  # type: ignore[union-attr]
        elif kind is AgentActed:
            self._agent_acted(event, now)  # type: ignore[arg-type]
        elif kind is SpeechFailed:
            self._metrics.speech_failures.inc()
        elif kind is RecogniserFailed:
            self._metrics.recogniser_failures.inc()
        sent = False
        for command in commands:
            if type(command) is SendAudio:
                sent = True
            elif type(command) is Decided:
                self._decided(command, now)
            elif type(command) is ClearPlayout:
                self._cleared(now)
            elif type(command) is Synthesise:
                self._synthesise(command.utterance, now)
            elif type(command) is AskAgent:
                self._asked = command.turn, now
                if command.prompt.kind not in _ANSWERING:
                    self._caller_stopped_at = None
        if sent:
            self._sent(now)

    def _agent_acted(self, event: AgentActed, now: float) -> None:
        if self._asked is not None and event.turn == self._asked[0] and isinstance(event.action, Say):
            self._metrics.agent_first_word.observe(now - self._asked[1])
            self._asked = None

    def _sent(self, now: float) -> None:
        self._metrics.lead.observe(max(self._clock.lead_ms(now), 0.0) / 1000)
        if not self._spoken:
            self._spoken = True
            self._metrics.first_audio.observe(now)
        if self._caller_stopped_at is not None:
            self._metrics.reply_latency.observe(now - self._caller_stopped_at)
            self.tally.replied(now - self._caller_stopped_at)
            self._caller_stopped_at = None

    def _decided(self, decision: Decided, now: float) -> None:
        self._metrics.decisions.labels(decision.what).inc()
        self.tally.interruptions += decision.what is Decision.INTERRUPTED
        self.tally.failures += decision.what in _FAILED
        since = decision.why.get("since")
        match decision.what:
            case Decision.TURN_OVER:
                silence_ms = decision.why.get("silence_ms", 0)
                if isinstance(silence_ms, int | float):
                    self._caller_stopped_at = now - silence_ms / 1000
            case Decision.SUSPECTED if isinstance(since, int | float):
                self._metrics.duck_latency.observe(max(now - since, 0.0))
            case Decision.INTERRUPTED:
                self._caller_stopped_at = None
                self._suspected_at = float(since) if isinstance(since, int | float) else None
            case Decision.AGENT_FAILED if kind := _FOUND_BY_THE_CALL.get(str(decision.why.get("reason"))):
                self._metrics.agent_failures.labels(kind).inc()
            case Decision.UNDERRUN:
                self._metrics.underruns.inc()
            case _:
                pass

    def _cleared(self, now: float) -> None:
        if self._suspected_at is not None:
            self._metrics.stop_latency.observe(max(now - self._suspected_at, 0.0))
            self._suspected_at = None

    def _synthesise(self, utterance: int, now: float) -> None:
        if len(self._texts) >= _AWAITED:
            self._texts.pop(next(iter(self._texts)))
        self._texts.setdefault(utterance, now)

    def _speech_arrived(self, utterance: int, now: float) -> None:
        asked_at = self._texts.pop(utterance, None)
        if asked_at is not None:
            self._metrics.speech_first_audio.observe(now - asked_at)
