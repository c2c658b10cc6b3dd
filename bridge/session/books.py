"""The books that are kept of one call: record, numbers, report. They see every event, and change nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from bridge.call.account import AgentAccount
from bridge.call.commands import Command
from bridge.call.events import Event
from bridge.call.machine import Call
from bridge.call.states import EndReason
from bridge.session.taps import CallTap
from bridge.telemetry.after_call.reporter import CallReporter
from bridge.telemetry.meter import CallMeter, CallTally
from bridge.telemetry.metrics import Metrics
from bridge.telemetry.recorder import CallRecord


@dataclass(frozen=True, slots=True)
class CallFollowers:
    """Who follows a call from its beginning, each where somebody wants it."""

    record: CallRecord | None = None
    reporter: CallReporter | None = None
    taps: tuple[CallTap, ...] = ()


NO_FOLLOWERS = CallFollowers()


class CallBooks:
    """The books of one call. Times are seconds since its start."""

    def __init__(
        self, call: Call, metrics: Metrics, followers: CallFollowers, spent: Mapping[str, float] | None = None
    ) -> None:
        self._call = call
        self._metrics = metrics
        self._record = followers.record
        self._reporter = followers.reporter
        self._meter = CallMeter(metrics, call)
        self._spent = spent or {}
        """On its earlier streams."""

    @property
    def tally(self) -> CallTally:
        """What the call has come to so far."""
        return self._meter.tally

    def saw(self, event: Event, commands: list[Command], now: float) -> None:
        """Take note of one event and what was ordered because of it."""
        if self._record is not None:
            self._record.add(now, event, commands)
        self._meter.saw(event, commands, now)
        if self._reporter is not None:
            self._reporter.saw(event, commands, self._call, now)

    def costs(self, savings: Mapping[str, float], heard: Mapping[str, float]) -> dict[str, float]:
        """Return what was spent on hearing and speaking, on earlier streams, too, and what the cache has saved."""
        said = {name: n for name, n in savings.items() if name.startswith(("chars_", "cost_"))}
        costs = Counter({"speech_saved_money": savings.get("saved_money", 0.0)})
        for amounts in (self._spent, said, heard):
            costs.update(amounts)
        return dict(costs)

    def close(
        self,
        now: float,
        why: EndReason,
        said: str,
        *,
        savings: Mapping[str, float],
        heard: Mapping[str, float],
        account: Callable[[], AgentAccount],
    ) -> None:
        """The call is over: write the sums, and what the agent has to tell if there is a report."""
        if savings.get("phrases"):
            self._metrics.phrase_hit_rate.observe(savings["hit_rate"])
            self._metrics.saved_synthesis.inc(savings["saved_synthesis_s"])
            self._metrics.saved_money.inc(savings["saved_money"])
        if self._record is not None:
            sums = self._meter.tally.summary(now, self._call.utterances.playout.underruns)
            summary = {"phrases": dict(savings), "call": sums}
            self._record.close({**summary, "listening": dict(heard)} if heard else summary)
        if self._reporter is not None and why is not EndReason.MOVED:  # it will be reported where it ends
            self._reporter.ended(self._call, why, said, account(), self.costs(savings, heard), now)
