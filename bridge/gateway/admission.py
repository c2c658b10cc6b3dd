"""May another call come in? Counts calls, measures how late this process runs, and shuts the door on a drain."""

from __future__ import annotations

import asyncio
import time
from collections import Counter, deque
from collections.abc import Callable
from typing import Literal

from bridge.gateway.ladder import Ladder, PressureSettings, Rung
from bridge.telemetry.metrics import Metrics

BEAT_S = 0.05
_BEATS = 60
_BEATS_A_SECOND = 20
_ENOUGH_BEATS = 20
"""Fewer say nothing: one hiccup among three is no lateness."""
_FOR_OTHERS = 5
"""One place of so many is kept for other accounts than the one that has all others."""
_MORE_THAN_ITS_SHARE = 5
"""A full process takes one call more for each so many, while others have places free."""
RESERVED_S = 15.0
"""A call that was admitted but has brought no media stream by now went elsewhere, or gave up."""

Verdict = Literal["admitted", "starting", "draining", "full", "late", "no headroom", "number", "account"]


class LoopLag:
    """How late the event loop runs: a timer every 50 ms, and the 90th percentile of its last 3 s."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic, metrics: Metrics | None = None) -> None:
        self._clock = clock
        self._metrics = metrics
        self._lags_s: deque[float] = deque(maxlen=_BEATS)
        self._due: float | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._beats = 0
        self.each_second: Callable[[], None] = lambda: None
        """Called once a second while this measures."""

    @property
    def p90_ms(self) -> float:
        """What nine of ten wake-ups stayed below, in milliseconds; 0 in the first second."""
        if len(self._lags_s) < _ENOUGH_BEATS:
            return 0.0
        return sorted(self._lags_s)[int((len(self._lags_s) - 1) * 0.9)] * 1000

    def start(self) -> None:
        """Begin to measure on the running loop."""
        self._due = self._clock() + BEAT_S
        self._timer = asyncio.get_running_loop().call_later(BEAT_S, self._beat)

    def stop(self) -> None:
        """Stop measuring the loop's lag."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def note(self, lag_s: float) -> None:
        """Take one measurement into account."""
        self._lags_s.append(max(lag_s, 0.0))
        if self._metrics is not None:
            self._metrics.loop_lag.observe(max(lag_s, 0.0))

    def _beat(self) -> None:
        assert self._due is not None
        self.note(self._clock() - self._due)
        self._beats += 1
        if self._beats % _BEATS_A_SECOND == 0:
            self.each_second()
        self.start()


class CallLimits:
    """How many calls one calling number, and one of a carrier's accounts, has in this process.

    Where `per_account` is not set, an account may have all of the `places` while it is the only one that calls, and
    leaves a fifth of them to the others once another has.
    """

    def __init__(self, per_number: int = 1 << 30, per_account: int | None = None, places: int = 1 << 30) -> None:
        self._per_number = per_number
        self._per_account = per_account
        self._places = places
        self._accounts: set[str] = set()
        """The first two that have called."""
        self._counts: Counter[tuple[int, str]] = Counter()
        self._of: dict[str, list[tuple[int, str]]] = {}

    def over(self, number: str, account: str) -> Literal["number", "account"] | None:
        """Return which of the two, number or account, has as many calls as it may; None when neither."""
        if number and self._counts[0, number] >= self._per_number:
            return "number"
        return "account" if account and self._counts[1, account] >= self._most_of(account) else None

    def _most_of(self, account: str) -> int:
        if self._per_account is not None:
            return self._per_account
        shares = bool(self._accounts - {account})
        return max(1, self._places - max(1, self._places // _FOR_OTHERS)) if shares else self._places

    def add(self, call: str, number: str, account: str) -> None:
        """A call was admitted; one that was before counts once."""
        if account and len(self._accounts) < 2:
            self._accounts.add(account)
        if call not in self._of:
            self._of[call] = [(kind, who) for kind, who in enumerate((number, account)) if who]
            self._counts.update(self._of[call])

    def drop(self, call: str) -> None:
        """Take a call that is over off the counts."""
        for who in self._of.pop(call, ()):
            self._counts[who] -= 1
            if not self._counts[who]:
                del self._counts[who]


class Admission:
    """Decides whether another call may come into this process.

    A call is counted from the webhook that admits it (a reservation, which lapses when no stream comes) to
    the end of its media stream. `headroom` is 0 when listening or speech could not serve one more.

    Where processes share a port, `elsewhere` says how many places the others have free. Webhooks and streams do not
    fall on them evenly, so a full process takes up to a fifth more as long as another has a place for each.
    """

    def __init__(
        self,
        *,
        max_calls: int,
        max_loop_lag_ms: float,
        lag: LoopLag,
        headroom: Callable[[], float] = lambda: 1.0,
        elsewhere: Callable[[], int] = lambda: 0,
        clock: Callable[[], float] = time.monotonic,
        limits: CallLimits | None = None,
        pressure: PressureSettings | None = None,
    ) -> None:
        self._limits = limits or CallLimits()
        self._ladder = Ladder(pressure or PressureSettings())
        self._max_calls = max_calls
        self._max_loop_lag_ms = max_loop_lag_ms
        self._lag = lag
        self._headroom = headroom
        self._elsewhere = elsewhere
        self._more_calls = max_calls // _MORE_THAN_ITS_SHARE
        self._clock = clock
        self._reserved: dict[str, float] = {}
        self._running: set[str] = set()
        self._opened = asyncio.Event()
        self.draining = False
        """Nobody is admitted any more but calls that began before: they come back from a transfer, or a lost stream."""
        self.ending = False
        """Not even those: the calls that are left are asked to end."""

    @property
    def expected(self) -> int:
        """How many calls have been admitted and have not brought their media stream yet."""
        self._lapse()
        return len(self._reserved)

    @property
    def calls(self) -> int:
        """The number of calls in progress."""
        return len(self._running)

    @property
    def use(self) -> float:
        """0 (idle) .. 1 (a new call would be refused): what decides how many processes there should be."""
        calls = (len(self._running) + len(self._reserved)) / self._max_calls
        return min(1.0, max(calls, self.pressure))

    @property
    def pressure(self) -> float:
        """0 (idle) .. 1 (late, or no room in listening or speech), however many calls there are."""
        return max(self._lag.p90_ms / self._max_loop_lag_ms, 1.0 - self._headroom())

    @property
    def rung(self) -> Rung:
        """How much this process has given up under pressure."""
        return self._ladder.rung

    def feel(self) -> Rung:
        """Look at the pressure of this moment, once a second; what is given up from now on."""
        return self._ladder.note(self.pressure, self._clock())

    @property
    def ready(self) -> bool:
        """Whether a load balancer should send new calls here: not while they would be refused."""
        return self.refusing is None

    @property
    def places(self) -> int | None:
        """How many more calls are this process's share; None while it is not up, or leaves."""
        if not self.started or self.draining:
            return None
        return 0 if self.refusing else max(0, self._max_calls - len(self._running) - len(self._reserved))

    @property
    def refusing(self) -> Verdict | None:
        """Why any new call would be refused now; None while it would not."""
        if not self.started:
            return "starting"
        if self.draining:
            return "draining"
        self._lapse()
        if len(self._running) + len(self._reserved) >= self._max_calls + min(self._more_calls, self._elsewhere()):
            return "full"
        if self._lag.p90_ms > self._max_loop_lag_ms:
            return "late"
        return "no headroom" if self._headroom() <= 0.0 else None

    @property
    def started(self) -> bool:
        """Whether everything is warm; before that nobody is admitted."""
        return self._opened.is_set()

    @started.setter
    def started(self, started: bool) -> None:
        (self._opened.set if started else self._opened.clear)()

    async def opened(self, patience_s: float) -> bool:
        """Wait until everything is warm; False when that takes longer."""
        try:
            async with asyncio.timeout(patience_s):
                return await self._opened.wait()
        except TimeoutError:
            return False

    def ask(self, call: str, *, number: str = "", account: str = "", returning: bool = False) -> Verdict:
        """Admit this call, or say why not. A repeated webhook gets the place it already has.

        `number` is who calls, empty where that is withheld. A call that is `returning` was admitted when it began:
        no count and no lateness turns it away now.
        """
        self._lapse()
        if returning:
            if not self.started or self.ending:
                return "starting" if not self.started else "draining"
        elif call not in self._reserved and call not in self._running:
            refusal = self.refusing or self._limits.over(number, account)
            if refusal is not None:
                return refusal
        elif self.ending:
            return "draining"
        if call not in self._running:
            self._reserved[call] = self._clock() + RESERVED_S
            self._limits.add(call, number, account)
        return "admitted"

    def begin(self, call: str, *, returning: bool = False) -> bool:
        """The call's media stream has started. False when there is no room: its webhook was another process's."""
        self._reserved.pop(call, None)
        if len(self._running) >= self._max_calls + self._more_calls and not returning:
            self._limits.drop(call)
            return False
        self._running.add(call)
        return True

    def came_elsewhere(self, call: str) -> None:
        """The media stream of a call has started in some process: in this one no place is kept for it any more."""
        if call in self._reserved:
            self.end(call)

    def end(self, call: str) -> None:
        """Give back the place of a call that is over."""
        self._running.discard(call)
        self._reserved.pop(call, None)
        self._limits.drop(call)

    def _lapse(self) -> None:
        now = self._clock()
        for call in [call for call, until in self._reserved.items() if until <= now]:
            del self._reserved[call]
            self._limits.drop(call)
