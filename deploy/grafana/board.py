"""The Grafana board, as code: `python deploy/grafana/board.py` writes `bridge.json` beside it.

Import the JSON in Grafana (Dashboards, New, Import) and choose a Prometheus data source that has the rules of
`deploy/prometheus/rules.yaml`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

BOARD = Path(__file__).with_name("bridge.json")
_WIDTH, _HEIGHT = 8, 7
_COLUMNS = 24 // _WIDTH


def quantiles(metric: str) -> list[tuple[str, str]]:
    """The median and the 95th percentile of a histogram."""
    return [
        (f"histogram_quantile({share}, sum by (le) (rate({metric}_bucket[$__rate_interval])))", name)
        for share, name in ((0.5, "p50"), (0.95, "p95"))
    ]


def rates(metric: str, label: str) -> list[tuple[str, str]]:
    """A counter's rate by one of its labels."""
    return [(f"sum by ({label}) (rate({metric}_total[$__rate_interval]))", f"{{{{{label}}}}}")]


PANELS: list[tuple[str, str, str, list[tuple[str, str]]]] = [
    ("Calls in progress", "short", "By process.", [("bridge_calls", "{{instance}}")]),
    (
        "Calls begun and refused",
        "cps",
        "A second. What is refused, and why.",
        [
            ("sum(rate(bridge_calls_started_total[$__rate_interval]))", "begun"),
            ("sum by (why) (rate(bridge_calls_refused_total[$__rate_interval]))", "refused: {{why}}"),
        ],
    ),
    ("How calls end", "cps", "A second, by who or what ended them.", rates("bridge_calls_ended", "why")),
    (
        "Reply latency",
        "s",
        "From the caller's last sound to the first sound of the answer.",
        quantiles("bridge_reply_latency_seconds"),
    ),
    ("First audio of a call", "s", "From the stream's start.", quantiles("bridge_first_audio_seconds")),
    (
        "First audio of an utterance",
        "s",
        "From text to sound, what the cache says included.",
        quantiles("bridge_speech_first_audio_seconds"),
    ),
    (
        "Caller over the bot",
        "s",
        "From the caller's first sound to our voice lowered, and to silence.",
        [
            *((expression, f"lowered {name}") for expression, name in quantiles("bridge_duck_latency_seconds")),
            *((expression, f"silent {name}") for expression, name in quantiles("bridge_stop_latency_seconds")),
        ],
    ),
    ("Lead", "s", "Audio at the carrier that is not heard yet.", quantiles("bridge_lead_seconds")),
    (
        "Gaps",
        "percentunit",
        "Of utterances. One in a thousand is meant at most.",
        [("bridge:underruns_per_utterance:ratio", "utterances with a gap")],
    ),
    ("Decisions", "cps", "Of the call machine, a second.", rates("bridge_decisions", "what")),
    (
        "Failures",
        "cps",
        "Of agents, speech and recognisers, a second.",
        [
            ("sum by (kind) (rate(bridge_agent_failures_total[$__rate_interval]))", "agent: {{kind}}"),
            ("sum(rate(bridge_speech_failures_total[$__rate_interval]))", "speech"),
            ("sum(rate(bridge_recogniser_failures_total[$__rate_interval]))", "recogniser"),
            ("sum by (where) (rate(bridge_call_failures_total[$__rate_interval]))", "bug: {{where}}"),
        ],
    ),
    (
        "Lateness of the process",
        "s",
        "Of the event loop and of calls' timers (p95). 20 ms are meant at most.",
        [
            ("histogram_quantile(0.95, sum by (le) (rate(bridge_loop_lag_seconds_bucket[$__rate_interval])))", "loop"),
            (
                "histogram_quantile(0.95, sum by (le) (rate(bridge_timer_lateness_seconds_bucket[$__rate_interval])))",
                "timers",
            ),
        ],
    ),
    (
        "Phrases from memory",
        "percentunit",
        "Of each call's pieces of speech.",
        [
            (
                "sum(rate(bridge_call_phrase_hit_rate_sum[$__rate_interval]))"
                " / sum(rate(bridge_call_phrase_hit_rate_count[$__rate_interval]))",
                "from memory",
            )
        ],
    ),
    (
        "At the door",
        "cps",
        "Requests that are not a carrier's, broken protocol, connections closed before their time.",
        [
            ("sum by (why) (rate(bridge_signature_failures_total[$__rate_interval]))", "signature: {{why}}"),
            ("sum by (kind) (rate(bridge_protocol_errors_total[$__rate_interval]))", "protocol: {{kind}}"),
            ("sum by (why) (rate(bridge_connections_refused_total[$__rate_interval]))", "connection: {{why}}"),
        ],
    ),
    ("Ready", "short", "1 while a process takes new calls.", [("bridge_ready", "{{instance}}")]),
]
"""Title, unit, what it shows, and its lines: expression and legend."""


def board() -> dict[str, Any]:
    """The board as Grafana imports it (schema version 39, Grafana 10.4 and later)."""
    return {
        "title": "bridge",
        "uid": "bridge-calls",
        "schemaVersion": 39,
        "version": 1,
        "editable": True,
        "refresh": "10s",
        "time": {"from": "now-1h", "to": "now"},
        "tags": ["bridge"],
        "templating": {
            "list": [{"name": "source", "label": "Prometheus", "type": "datasource", "query": "prometheus"}],
        },
        "panels": [_panel(number, *panel) for number, panel in enumerate(PANELS)],
    }


def _panel(number: int, title: str, unit: str, shows: str, lines: list[tuple[str, str]]) -> dict[str, Any]:
    row, column = divmod(number, _COLUMNS)
    source = {"type": "prometheus", "uid": "${source}"}
    return {
        "id": number + 1,
        "type": "timeseries",
        "title": title,
        "description": shows,
        "datasource": source,
        "gridPos": {"x": column * _WIDTH, "y": row * _HEIGHT, "w": _WIDTH, "h": _HEIGHT},
        "fieldConfig": {"defaults": {"unit": unit, "min": 0}, "overrides": []},
        "options": {"tooltip": {"mode": "multi"}, "legend": {"displayMode": "list", "placement": "bottom"}},
        "targets": [
            {"refId": chr(65 + index), "datasource": source, "expr": expression, "legendFormat": legend}
            for index, (expression, legend) in enumerate(lines)
        ],
    }


if __name__ == "__main__":
    BOARD.write_text(json.dumps(board(), indent=1) + "\n")
