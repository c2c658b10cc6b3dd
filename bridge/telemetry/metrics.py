"""Prometheus metrics, in the names a telephone person uses. Labels never hold numbers, words or call ids.

With several processes on one port, set PROMETHEUS_MULTIPROC_DIR before this module is imported: any of
them then answers GET /metrics for all.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest, values
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

logger = logging.getLogger(__name__)

LATENCY_S = (0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0)
LAG_S = (0.001, 0.002, 0.005, 0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28)
DURATION_S = (1, 3, 10, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200)
SHARE = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
LEAD_S = (0.0, 0.02, 0.04, 0.08, 0.12, 0.16, 0.2, 0.3, 0.4, 0.6, 1.0)
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


_SHARED_KINDS = ("counter", "histogram", "gauge_livesum", "gauge_livemax")
"""Files of each process, by the kinds of metrics there are below."""
_ROOM_BYTES = 1 << 19


def _shared() -> bool:
    return bool(os.environ.get("PROMETHEUS_MULTIPROC_DIR"))


def _take_room() -> None:
    """Have room on the disk for the figures that this process shares, before they are mapped into memory.

    Where the disk is full when a mapped page is first written, the system ends the process (SIGBUS, mmap(2)). Without
    room a process keeps its figures to itself: the page shows those of the others.
    """
    folder = Path(os.environ["PROMETHEUS_MULTIPROC_DIR"])
    files = [folder / f"{kind}_{os.getpid()}.db" for kind in _SHARED_KINDS]
    try:
        for path in files:
            if not path.exists():
                path.write_bytes(bytes(_ROOM_BYTES))
    except OSError as error:
        logger.error("no room for this process's metrics in %s: %s: /metrics lacks them", folder, error.strerror)
        values.ValueClass = values.MutexValue
        for path in files:  # nobody could read half of one
            path.unlink(missing_ok=True)


class Metrics:
    """Every number the service keeps about itself; one object a process, in a registry of its own."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        if _shared():
            _take_room()
        self._calls()
        self._audio()
        self._refusals()
        self._process()

    def _calls(self) -> None:
        self.calls = Gauge("bridge_calls", "Calls in progress", registry=self._registry, multiprocess_mode="livesum")
        self.calls_started = Counter("bridge_calls_started", "Media streams accepted", registry=self._registry)
        self.calls_resumed = Counter(
            "bridge_calls_resumed", "Calls that another process began, gone on with here", registry=self._registry
        )
        self.calls_ended = Counter(
            "bridge_calls_ended", "Calls over, by who or what ended them", ["why"], registry=self._registry
        )
        self.call_seconds = Histogram(
            "bridge_call_seconds", "Length of calls", buckets=DURATION_S, registry=self._registry
        )
        self.frames_in = Counter("bridge_frames_in", "Media messages from carriers", registry=self._registry)
        self.call_failures = Counter(
            "bridge_call_failures", "Calls ended by a bug of ours", ["where"], registry=self._registry
        )
        self.agent_failures = Counter(
            "bridge_agent_failures", "What went wrong with agents, by kind", ["kind"], registry=self._registry
        )
        self.agent_first_word = Histogram(
            "bridge_agent_first_word_seconds",
            "A prompt to the first word of the agent's answer",
            buckets=LATENCY_S,
            registry=self._registry,
        )
        self.speech_failures = Counter(
            "bridge_speech_failures", "Utterances that speech synthesis did not finish", registry=self._registry
        )
        self.recogniser_failures = Counter(
            "bridge_recogniser_failures", "Turns that speech to text did not answer", registry=self._registry
        )
        self.after_call_reports = Counter(
            "bridge_after_call_reports",
            "Attempts to deliver a report of a call: delivered, refused, failed; lost: given up",
            ["what"],
            registry=self._registry,
        )
        self.after_call_waiting = Gauge(
            "bridge_after_call_waiting",
            "Reports of calls that wait to be delivered",
            registry=self._registry,
            multiprocess_mode="livemax",
        )
        self.decisions = Counter(
            "bridge_decisions", "Decisions of the call machine, by kind", ["what"], registry=self._registry
        )

    def _audio(self) -> None:
        self.first_audio = Histogram(
            "bridge_first_audio_seconds",
            "Stream start to the first audio sent",
            buckets=LATENCY_S,
            registry=self._registry,
        )
        self.reply_latency = Histogram(
            "bridge_reply_latency_seconds",
            "The caller's last sound to the first sound of the answer",
            buckets=LATENCY_S,
            registry=self._registry,
        )
        self.speech_first_audio = Histogram(
            "bridge_speech_first_audio_seconds",
            "Text handed to speech synthesis to its first audio (TTFA)",
            buckets=LATENCY_S,
            registry=self._registry,
        )
        self.duck_latency = Histogram(
            "bridge_duck_latency_seconds",
            "The caller's first sound over the bot to the bot's voice lowered",
            buckets=LATENCY_S,
            registry=self._registry,
        )
        self.stop_latency = Histogram(
            "bridge_stop_latency_seconds",
            "The caller's first sound over the bot to the bot's playout cleared",
            buckets=LATENCY_S,
            registry=self._registry,
        )
        self.phrase_hit_rate = Histogram(
            "bridge_call_phrase_hit_rate",
            "Share of a call's phrases that were not made for it, over calls",
            buckets=SHARE,
            registry=self._registry,
        )
        self.saved_synthesis = Counter(
            "bridge_saved_synthesis_seconds", "Synthesis that the cache spared calls", registry=self._registry
        )
        self.saved_money = Counter(
            "bridge_saved_money", "What a hosted voice would have cost for it", registry=self._registry
        )
        self.underruns = Counter(
            "bridge_underruns", "Gaps heard inside an utterance: the lead reached zero", registry=self._registry
        )
        self.lead = Histogram(
            "bridge_lead_seconds", "Sent but not yet heard, at each refill", buckets=LEAD_S, registry=self._registry
        )

        self.vendor_characters = Counter(
            "bridge_vendor_characters", "Characters sent to hosted voices", ["vendor"], registry=self._registry
        )
        self.vendor_audio = Counter(
            "bridge_vendor_audio_seconds", "Audio given to hosted recognisers", ["vendor"], registry=self._registry
        )
        self.vendor_cost = Counter(
            "bridge_vendor_cost",
            "What hosted voices and recognisers have cost, by the configured prices",
            ["vendor", "what"],
            registry=self._registry,
        )

    def _refusals(self) -> None:
        self.refused = Counter(
            "bridge_calls_refused", "Calls turned away at the webhook or at start", ["why"], registry=self._registry
        )
        self.allowances_refused = Counter(
            "bridge_allowances_refused",
            "Calls and transfers refused because an allowance was used up, by which, of what, and which way",
            ["allowance", "what", "way"],
            registry=self._registry,
        )
        self.allowance_used = Gauge(
            "bridge_allowance_used_ratio",
            "The most that one caller, account or prefix has used of an allowance in its window, as far as seen here",
            ["allowance", "of"],
            registry=self._registry,
            multiprocess_mode="livemax",
        )
        self.allowances_contended = Gauge(
            "bridge_allowances_not_counted",
            "Changes of an allowance that were given up since other processes changed it too fast",
            registry=self._registry,
            multiprocess_mode="livesum",
        )
        self.signature_failures = Counter(
            "bridge_signature_failures",
            "Requests whose signature was missing or wrong",
            ["route", "why"],
            registry=self._registry,
        )
        self.protocol_errors = Counter(
            "bridge_protocol_errors",
            "What a media socket did against the protocol",
            ["carrier", "kind"],
            registry=self._registry,
        )
        self.connections_refused = Counter(
            "bridge_connections_refused", "Connections closed before their time", ["why"], registry=self._registry
        )
        self.webhooks = Counter(
            "bridge_webhooks", "Webhooks answered, by route and answer", ["route", "answer"], registry=self._registry
        )
        self.callbacks = Counter(
            "bridge_status_callbacks",
            "Status callbacks, duplicates left out",
            ["route", "status"],
            registry=self._registry,
        )
        self.speech_requests = Counter(
            "bridge_speech_api_requests",
            "Streams asked for through the speech API, by how they ended",
            ["answer"],
            registry=self._registry,
        )
        self.rest_requests = Counter(
            "bridge_rest_requests",
            "Requests to carriers, by what for and how they ended",
            ["what", "result"],
            registry=self._registry,
        )

    def _process(self) -> None:
        self.loop_lag = Histogram(
            "bridge_loop_lag_seconds", "How late the event loop runs", buckets=LAG_S, registry=self._registry
        )
        self.tasks = Gauge(
            "bridge_tasks", "Tasks on the event loop", registry=self._registry, multiprocess_mode="livesum"
        )
        self.timer_lateness = Histogram(
            "bridge_timer_lateness_seconds", "How late calls are woken", buckets=LAG_S, registry=self._registry
        )
        self.ready = Gauge(
            "bridge_ready", "1 while new calls are admitted", registry=self._registry, multiprocess_mode="livesum"
        )
        self.use = Gauge(
            "bridge_use_ratio",
            "0: idle; 1: a new call would be refused. Of calls, lateness, listening and speech the fullest",
            registry=self._registry,
            multiprocess_mode="livemax",
        )
        self.pressure_rung = Gauge(
            "bridge_pressure_rung",
            "Given up under pressure. 0: nothing, 1: speculation, 2: prefetch, 3: the better voice, 4: silence before "
            "a late answer, 5: new calls",
            registry=self._registry,
            multiprocess_mode="livemax",
        )
        self.pressure_climbs = Counter(
            "bridge_pressure_climbs", "How often a rung of that ladder was reached", ["rung"], registry=self._registry
        )
        self.connections = Gauge(
            "bridge_connections", "Connections to the port", registry=self._registry, multiprocess_mode="livesum"
        )
        self.voice_scores = Histogram(
            "bridge_voice_score",
            "What the detector makes of callers' voices after each window: 0 (a person) .. 1 (a machine)",
            buckets=(0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0),
            registry=self._registry,
        )
        self.detector_losses = Counter(
            "bridge_detector_lost_windows",
            "Windows of callers' speech that no detector judged: it was busy, or failed",
            ["why"],
            registry=self._registry,
        )
        self.recording_losses = Counter(
            "bridge_recording_lost_seconds",
            "Seconds of calls that are silent in their recordings because the disk was full or too slow",
            registry=self._registry,
        )
        self.fork_failures = Counter(
            "bridge_fork_failures",
            "Sockets to servers that hear calls: unreachable, broke off",
            ["why"],
            registry=self._registry,
        )
        self.fork_losses = Counter(
            "bridge_fork_lost_seconds",
            "Seconds of calls that such a server was not told because it was away or too slow",
            registry=self._registry,
        )
        self.record_losses = Counter(
            "bridge_record_losses",
            "Events that no call record holds because writing fell behind",
            registry=self._registry,
        )

        self.rooms = Gauge(
            "bridge_rooms",
            "Counters and gauges that listening and speech keep of themselves",
            ["what"],
            registry=self._registry,
            multiprocess_mode="livesum",
        )

    def page(self) -> bytes:
        """The text that Prometheus scrapes; of all processes when they share a directory."""
        if not _shared():
            return generate_latest(self._registry)
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return generate_latest(registry)


def process_ended(process_id: int) -> None:
    """Take a process that is gone out of the shared gauges."""
    if _shared():
        mark_process_dead(process_id)  # type: ignore[no-untyped-call]
