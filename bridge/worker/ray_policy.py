"""How many workers a fleet on Ray Serve has: its autoscaling policy, which Ray's controller asks a few times a second.

Ray carries the class to its controller by value, so that it leans on nothing but `bridge.worker.fleet`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bridge.worker.fleet import WorkerLoad, workers_wanted


class FleetPolicy:
    """Ask for as many workers as streams and headroom want (`bridge.worker.fleet.workers_wanted`)."""

    def __init__(self, streams_per_worker: float, most_used: float) -> None:
        self._streams_per_worker = streams_per_worker
        self._most_used = most_used

    def __call__(self, context: Any) -> tuple[int, dict[str, Any]]:
        """Say how many are wanted, given what Ray knows (`ray.serve.config.AutoscalingContext`)."""
        metrics: Mapping[str, Mapping[Any, float]] = context.aggregated_metrics or {}
        streams, headroom = metrics.get("streams", {}), metrics.get("headroom", {})
        loads = [WorkerLoad(streams[one], headroom.get(one, 1.0)) for one in streams]
        if not loads:  # nobody has reported yet
            return int(context.target_num_replicas), {}
        return workers_wanted(loads, self._streams_per_worker, self._most_used), {}
