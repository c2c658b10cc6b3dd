"""What hosted voices and recognisers have been sent, and its price, as counters: a label for each in the settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from prometheus_client import Counter

from bridge.telemetry.metrics import Metrics

Usage = Mapping[str, tuple[float, float]]
"""By the vendor's name in the settings: how much, and what it cost, since the process started."""


class VendorCosts:
    """Carries totals over into counters."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._carried: dict[tuple[str, str], tuple[float, float]] = {}

    def update(self, speaking: Usage, listening: Usage) -> None:
        """Take note of how far the totals have grown."""
        self._carry("speaking", speaking, self._metrics.vendor_characters)
        self._carry("listening", listening, self._metrics.vendor_audio)

    def _carry(self, what: Literal["speaking", "listening"], usage: Usage, amounts: Counter) -> None:
        for vendor, (amount, cost) in usage.items():
            before = self._carried.get((what, vendor), (0.0, 0.0))
            self._carried[what, vendor] = (amount, cost)
            amounts.labels(vendor).inc(max(0.0, amount - before[0]))
            self._metrics.vendor_cost.labels(vendor, what).inc(max(0.0, cost - before[1]))
