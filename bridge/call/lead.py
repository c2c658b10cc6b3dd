"""The lead: how far ahead of the caller's ear we send. Little of it risks underruns, much of it slows barge-in."""

from __future__ import annotations

from bridge.call.settings import PlayoutSettings
from bridge.carriers.base import Pacing

_WIDEN_MS = 60.0
_NARROW_MS = 20.0
_CALM_S = 5.0


class Lead:
    """The lead that is aimed at: widened at once by trouble on the line, narrowed slowly when it is calm."""

    def __init__(self, settings: PlayoutSettings, pacing: Pacing) -> None:
        # Where nothing can be taken back, all that lies at the carrier is heard after an interruption, too.
        calm_ms = settings.lead_ms if pacing.can_clear else settings.uncleared_lead_ms
        most_ms = settings.lead_max_ms if pacing.can_clear else settings.uncleared_lead_max_ms
        bound_ms = most_ms if pacing.lead_max_ms is None else pacing.lead_max_ms
        self._calm_ms = float(min(calm_ms, bound_ms))
        self._most_ms = float(max(min(most_ms, bound_ms), self._calm_ms))
        self._calm_since = 0.0
        self.target_ms = self._calm_ms

    def ran_dry(self, now: float) -> None:
        """The caller heard a gap: a wider lead from now on."""
        self.target_ms = min(self.target_ms + _WIDEN_MS, self._most_ms)
        self._calm_since = now

    def follow(self, jitter_ms: float, now: float) -> None:
        """Fit the lead to how much the marks of the moment jitter."""
        wanted = min(self._calm_ms + 1.5 * jitter_ms, self._most_ms)
        if wanted > self.target_ms:
            self.target_ms, self._calm_since = wanted, now
        elif now - self._calm_since > _CALM_S:
            self.target_ms, self._calm_since = max(wanted, self.target_ms - _NARROW_MS), now
