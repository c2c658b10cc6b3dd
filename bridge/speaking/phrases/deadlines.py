"""How long a phrase is waited for: deadlines that run only while somebody waits for audio that is not there. Pure."""

from __future__ import annotations

import math
from typing import Literal

import msgspec


class WaitLimits(msgspec.Struct, frozen=True):
    """The longest waits, in seconds."""

    first_audio_s: float
    """For the first audio of a stream."""
    stall_s: float
    """For more audio of a stream that has begun."""
    give_up_s: float
    """For any audio, whoever is asked."""
    switch_s: float = math.inf
    """For audio of a stream that another could take over: no longer than this, whatever stands above."""


Verdict = Literal["wait", "late", "give up"]


class Deadlines:
    """Tells when a stream is late and when a phrase is lost. Times are seconds on any monotonic clock."""

    def __init__(self, patience: WaitLimits, now: float) -> None:
        self._patience = patience
        self._most_s = math.inf
        self._waiting_since: float | None = None
        self._quiet_since = now
        self._stream: Literal["none", "opened", "begun"] = "none"

    def opened(self, now: float, *, replaceable: bool = False) -> None:
        """Take note that another stream was asked for the phrase, and whether somebody else could take over."""
        self._quiet_since, self._stream = now, "opened"
        self._most_s = self._patience.switch_s if replaceable else math.inf

    def closed(self) -> None:
        """There is no stream now."""
        self._stream = "none"

    def heard(self, now: float) -> None:
        """Take note that audio has come."""
        self._quiet_since, self._waiting_since = now, None
        if self._stream == "opened":
            self._stream = "begun"

    def waits(self, waiting: bool, now: float) -> None:
        """Whether somebody waits for audio that is not there."""
        if not waiting:
            self._waiting_since = None
        elif self._waiting_since is None:
            self._waiting_since = now

    def due(self) -> float | None:
        """When `verdict` is to be asked; None while nobody waits."""
        if self._waiting_since is None:
            return None
        give_up = self._waiting_since + self._patience.give_up_s
        if self._stream == "none":
            return give_up
        longest_s = self._patience.stall_s if self._stream == "begun" else self._patience.first_audio_s
        return min(give_up, max(self._waiting_since, self._quiet_since) + min(longest_s, self._most_s))

    def verdict(self, now: float) -> Verdict:
        """What is to be done now: `late` concerns the stream alone, `give up` the phrase."""
        due = self.due()
        if due is None or self._waiting_since is None or now + 1e-3 < due:
            return "wait"
        return "give up" if now + 1e-3 >= self._waiting_since + self._patience.give_up_s else "late"
