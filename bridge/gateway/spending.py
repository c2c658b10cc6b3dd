"""Keeps callers, accounts and prefixes to their allowances, in a store that all processes share.

A call counts before it is answered: itself and its first minute. Each further minute counts as it begins, by the
process that has the call, and ends no call that is there. A transfer counts before anybody is rung, and its minutes
when the carrier tells that it is over. While the store is away, each process goes by what it knows.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections import Counter
from collections.abc import Callable, Mapping

import msgspec

from bridge.gateway.allowances import AllowanceSettings, CallAllowance, Party, Way, counted, minute_price, plain_number
from bridge.store.base import Store
from bridge.store.tallies import Tallies, Use
from bridge.telemetry import logs
from bridge.telemetry.metrics import Metrics

logger = logging.getLogger(__name__)

_TOLD_AGAIN_S = 60.0
"""A carrier that has had no answer asks again within this time, of any process."""
_LONGEST_TRANSFER_S = 14_400.0
"""Carriers end them then, unless they are told otherwise."""
_MARGIN_S = 60.0
"""Clocks of machines differ: a window's counts are kept this much longer than it."""


class SeenAllowance(msgspec.Struct, frozen=True):
    """How an allowance stands, as far as one process has seen it."""

    name: str
    of: str
    per: str
    share: float
    """0 (nothing used) .. 1 (used up), of whoever has used most in this hour or day."""
    refused: int
    """Calls and transfers that this process has refused because of it."""


class _Transfer(msgspec.Struct, frozen=True):
    """A transfer that counts, from when somebody is rung."""

    party: Party
    since: float


class _Here(msgspec.Struct):
    """A call that is in this process, and how many of its minutes have counted."""

    caller: Party
    minutes: int = 0


class Spending:
    """What calls use, and whether there may be more of them. `store` keeps counts, `shared` which calls have counted.

    `clock` is seconds since 1970, which all machines agree on.
    """

    def __init__(
        self,
        settings: AllowanceSettings,
        store: Store,
        shared: Store,
        metrics: Metrics,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._settings = settings
        self._tallies = Tallies(store)
        self._shared = shared
        self._metrics = metrics
        self._clock = clock
        self._here: dict[str, _Here] = {}
        self._counting: set[asyncio.Task[str]] = set()
        self._shares: dict[str, tuple[int, float]] = {}
        """The most that anybody has used of each allowance, and in which window."""
        self._refused: Counter[str] = Counter()

    async def admit(self, key: str, number: str, account: str) -> str:
        """Count a call that rings; the name of the allowance that has no more for it, else empty."""
        if not self._settings.limits:
            return ""
        marker = f"counted:{key}"
        if not await self._shared.add(marker, b"", _TOLD_AGAIN_S):
            return ""
        refusal = await self._spend("in", _caller(number, account), first=True)
        if refusal:
            await self._shared.take(marker)  # who is refused and asks again is asked about again
        return refusal

    async def forward(self, key: str, number: str, account: str, target: str) -> str:
        """Count a transfer to `target`; the name of the allowance that has no more for it, else empty."""
        if not self._settings.limits:
            return ""
        party = Party(plain_number(number), account, plain_number(target))
        refusal = await self._spend("out", party, first=True)
        if not refusal:
            kept = msgspec.msgpack.encode(_Transfer(party, self._clock()))
            await self._shared.put(f"forwarded:{key}", kept, _LONGEST_TRANSFER_S)
        return refusal

    async def forwarded(self, key: str) -> None:
        """A transfer is over: its minutes count, but for the first one that has."""
        if not self._settings.limits:
            return
        kept = await self._shared.take(f"forwarded:{key}")
        try:
            transfer = None if kept is None else msgspec.msgpack.decode(kept, type=_Transfer)
        except msgspec.DecodeError:  # by a process of another version
            return
        if transfer is not None:
            more = math.ceil((self._clock() - transfer.since) / 60) - 1
            await self._spend("out", transfer.party, minutes=more)
            await self._spend("in", _caller(transfer.party.number, transfer.party.account), minutes=more)

    def begins(self, key: str, number: str, account: str) -> None:
        """The stream of a call is here, and its minutes count here from now on."""
        if self._settings.limits:
            self._here[key] = _Here(_caller(number, account))

    def meter(self, seconds: Mapping[str, float]) -> None:
        """Count the minutes that have begun: how long each call that is here has lasted."""
        if not self._settings.limits:
            return
        self._here = {key: call for key, call in self._here.items() if key in seconds}
        for key, call in self._here.items():
            begun = int(seconds[key] // 60) + 1
            if call.minutes and begun > call.minutes:  # the first ones have counted when it rang, or elsewhere
                counting = self._spend("in", call.caller, minutes=begun - call.minutes)
                task = asyncio.get_running_loop().create_task(counting, name="minutes")
                self._counting.add(task)
                task.add_done_callback(self._counting.discard)
            call.minutes = begun
        self._show()

    def seen(self) -> list[SeenAllowance]:
        """How each allowance stands at this moment."""
        found = []
        for limit in self._settings.limits:
            window, share = self._shares.get(limit.name, (0, 0.0))
            current = window == int(self._clock() // limit.window_s)
            share = round(share, 3) if current else 0.0
            found.append(SeenAllowance(limit.name, limit.of, limit.per, share, self._refused[limit.name]))
        return found

    async def close(self) -> None:
        """Let the minutes be counted that have begun."""
        await asyncio.gather(*self._counting, return_exceptions=True)

    async def _spend(self, way: Way, party: Party, *, first: bool = False, minutes: int = 1) -> str:
        """Count minutes, and a call with the `first`, which alone may be refused: then nothing of it has counted."""
        if minutes < 1:
            return ""
        prices = self._settings.prices_in if way == "in" else self._settings.prices_out
        more = Use(int(first), minutes, minutes * minute_price(prices, party.far))
        now, counted_for = self._clock(), list(counted(self._settings, way, party))
        for place, (limit, who) in enumerate(counted_for):
            what = await self._count(limit, who, more, now, may_refuse=first)
            if what:
                for other, its in counted_for[:place]:
                    await self._count(other, its, more, now, may_refuse=False, times=-1)
                self._refused[limit.name] += 1
                self._metrics.allowances_refused.labels(limit.name, what, way).inc()
                logs.event(logger, "allowance used up", logging.WARNING, allowance=limit.name, what=what, way=way)
                return limit.name
        return ""

    async def _count(
        self, limit: CallAllowance, who: str, more: Use, now: float, *, may_refuse: bool, times: int = 1
    ) -> str:
        """Count for one allowance; which of its limits keeps that from happening, else empty."""
        window, what, share = int(now // limit.window_s), "", 0.0

        def change(used: Use) -> Use | None:
            nonlocal what, share
            what = limit.spent(used, more) if may_refuse else ""
            after = used if what else used.plus(more, times)
            share = limit.share(after)
            return None if what else after

        left_s = (window + 1) * limit.window_s - now
        await self._tallies.change(limit.name, window, who, change, left_s + _MARGIN_S)
        seen, most = self._shares.get(limit.name, (window, 0.0))
        if times > 0:
            self._shares[limit.name] = (window, max(share, most if seen == window else 0.0))
        return what

    def _show(self) -> None:
        for limit in self.seen():
            self._metrics.allowance_used.labels(limit.name, limit.of).set(limit.share)
        self._metrics.allowances_contended.set(self._tallies.contended)


def _caller(number: str, account: str) -> Party:
    plain = plain_number(number)
    return Party(plain, account, plain)
