"""What happened in a call that went wrong: what its carrier saw, what the service logged of it, and what was killed.

All times are seconds since the benchmark began.
"""

from __future__ import annotations

import calendar
import re
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from bridge.simulator.sound import RATE_HZ
from tests.processes.outliving import Account

_LINE = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\.(\d{3})Z (.*)")
_NEAR_S = 3.0
"""So long before and after a seam, what the service says of no call in particular is part of the story."""


class Log:
    """What a service said, by the time at which it did."""

    def __init__(self, text: str) -> None:
        self._lines: list[tuple[float, str]] = []
        for line in text.splitlines():
            if (found := _LINE.fullmatch(line)) is not None:
                whole, thousandths, rest = found.groups()
                at = calendar.timegm(time.strptime(whole, "%Y-%m-%dT%H:%M:%S")) + int(thousandths) / 1000
                self._lines.append((at, rest))
            elif self._lines:
                at, before = self._lines[-1]
                self._lines[-1] = (at, f"{before}\n    {line}")

    def of(self, call: str, seams: Sequence[float]) -> Iterator[tuple[float, str]]:
        """The lines that name this call, and those that name none and are near one of its seams."""
        for at, line in self._lines:
            names_none = "call=" not in line and "remote=" not in line
            if call in line or (names_none and any(abs(at - seam) < _NEAR_S for seam in seams)):
                yield at, line


def story(account: Account, log: Log, killed: Iterable[dict[str, Any]], began: float) -> str:
    """One call from its beginning to its end, a line for each thing that happened."""
    facts = account.facts
    assert facts is not None
    zero = account.zero_at
    told = [(zero + one.at_ms / 1000, f"carrier  {one.kind}: {one.text}") for one in facts.happenings]
    ends = [zero + one.opened_at + len(one.heard) / RATE_HZ for one in facts.streams]
    told += [(at, f"carrier  the last sound of stream {number}") for number, at in enumerate(ends, 1)]
    told += [(zero + one.start_ms / 1000, f"ear      {one.word} ({one.share:.0%})") for one in account.heard]
    told += [(at, "caller   presses a key") for at in account.keys_at]
    told += [(began + one["at_s"], f"bench    {one['what']} is killed") for one in killed]
    told += [(at, f"service  {line}") for at, line in log.of(account.call, ends)]
    first, last = account.dialled_at - 1.0, zero + facts.duration_s + 3.0
    lines = [f"{at - began:8.3f}  {what}" for at, what in sorted(told) if first <= at <= last]
    return "\n".join([f"{account.carrier} {account.call}: {account}", *lines])
