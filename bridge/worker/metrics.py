"""A worker's numbers for Prometheus: how much it does, and how much more it could."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_COUNTERS = {
    "steps": ("bridge_worker_steps", "Steps of the engine"),
    "failures": ("bridge_worker_step_failures", "Steps that failed"),
    "runaways": ("bridge_worker_runaways", "Streams given up because the engine had lost their text"),
    "out_of_memory": ("bridge_worker_out_of_memory", "Streams given up for want of memory"),
    "busy_s": ("bridge_worker_busy_seconds", "Time that the engine has worked"),
    "audio_s": ("bridge_worker_audio_seconds", "Speech that the engine has made"),
}


def page(
    ready: bool,
    sockets: int,
    streams: int,
    headroom: float,
    counts: Mapping[str, int],
    engines: Mapping[str, Mapping[str, Any]],
) -> bytes:
    """Write the page that Prometheus reads; `engines` are the counts of each engine by its name."""
    registry = CollectorRegistry()
    registry.register(_Page(list(_families(ready, sockets, streams, headroom, counts, engines))))
    return generate_latest(registry)


class _Page:
    def __init__(self, families: list[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families


def _families(
    ready: bool,
    sockets: int,
    streams: int,
    headroom: float,
    counts: Mapping[str, int],
    engines: Mapping[str, Mapping[str, Any]],
) -> Iterable[Metric]:
    yield GaugeMetricFamily("bridge_worker_ready", "1 while new streams are taken", ready)
    yield GaugeMetricFamily("bridge_worker_sockets", "Connections of bridges", sockets)
    yield GaugeMetricFamily("bridge_worker_streams", "Utterances under way", streams)
    yield GaugeMetricFamily("bridge_worker_use_ratio", "0: idle; 1: one more caller would be refused", 1.0 - headroom)
    ended = CounterMetricFamily("bridge_worker_events", "What happened to streams and sockets", labels=["what"])
    for what, times in sorted(counts.items()):
        ended.add_metric([what], times)
    yield ended
    for key, (name, text) in _COUNTERS.items():
        family = CounterMetricFamily(name, text, labels=["engine"])
        for engine, numbers in engines.items():
            family.add_metric([engine], numbers[key])
        yield family
