"""What a process gives up, thing after thing, when it has more to do than it can: a state machine without a clock.

It climbs as far as the pressure says at once, and comes down one rung at a time, each after a rest below that rung.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Annotated

import msgspec

Share = Annotated[float, msgspec.Meta(gt=0, le=1)]


class Rung(IntEnum):
    """How far a process has gone; each rung keeps what those below it give up."""

    CALM = 0
    NO_SPECULATION = 1
    """No answer is begun before a caller's turn is over: half of what that costs is thrown away."""
    NO_PREFETCH = 2
    """Nothing is made ahead of its use."""
    LIGHTER_VOICE = 3
    """What the cache does not hold is spoken by the voice of `speaking.lighter` that stands in, where there is one."""
    FILLERS = 4
    """An answer that is late is bridged by `call.filler`, from the cache, so that the workers get time."""
    BUSY = 5
    """Admission refuses new calls, for as long as there is no room; those that are here are served."""

    @property
    def label(self) -> str:
        """The name of this rung as metrics and pages show it."""
        return self.name.lower().replace("_", " ")


class PressureSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """When a process gives up what. Pressure is 0 (idle) .. 1 (late, or no room in listening or speech)."""

    no_speculation: Share = 0.8
    no_prefetch: Share = 0.85
    lighter_voice: Share = 0.9
    fillers: Share = 0.95
    slack: Annotated[float, msgspec.Meta(ge=0, lt=1)] = 0.1
    """A rung is left once pressure has been this far below it ..."""
    rest_s: Annotated[float, msgspec.Meta(gt=0)] = 5.0
    """... for so long."""

    def __post_init__(self) -> None:
        if not self.no_speculation <= self.no_prefetch <= self.lighter_voice <= self.fillers:
            raise ValueError(
                "no_speculation, no_prefetch, lighter_voice and fillers: expected each to be at least the one before"
            )

    @property
    def thresholds(self) -> tuple[float, ...]:
        """The pressure at which each rung above `CALM` is reached."""
        return (self.no_speculation, self.no_prefetch, self.lighter_voice, self.fillers, 1.0)


class Ladder:
    """Where a process stands, by the pressure that it is told of."""

    def __init__(self, settings: PressureSettings) -> None:
        self._settings = settings
        self._rested_from: float | None = None
        """Since when pressure has been low enough to come down a rung."""
        self.rung = Rung.CALM

    def note(self, pressure: float, now: float) -> Rung:
        """Take the pressure of this moment into account, in seconds of any monotonic clock; the rung from now on."""
        reached = Rung(sum(pressure >= threshold for threshold in self._settings.thresholds))
        if reached >= self.rung:
            self.rung, self._rested_from = reached, None
        elif not self._rests(pressure):
            self._rested_from = None
        elif self._rested_from is None:
            self._rested_from = now if self._rests(pressure) else None
        elif now - self._rested_from >= self._settings.rest_s:
            self.rung = Rung(self.rung - 1)
            self._rested_from = now if self._rests(pressure) else None
        return self.rung

    def _rests(self, pressure: float) -> bool:
        """Whether pressure is low enough for the rung below this one."""
        return self.rung > Rung.CALM and pressure <= self._settings.thresholds[self.rung - 1] - self._settings.slack


def relief(rung: Rung) -> dict[str, bool]:
    """What speech gives up and does instead on a rung of the ladder: arguments of `SpeechService.relieve`."""
    return {
        "prefetch": rung < Rung.NO_PREFETCH,
        "lighter": rung >= Rung.LIGHTER_VOICE,
        "fillers": rung >= Rung.FILLERS,
    }
