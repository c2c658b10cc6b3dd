"""How a failure of an agent is counted and logged."""

from __future__ import annotations

import logging

from bridge.agents.base import AgentError, CallInfo
from bridge.agents.guard import folded
from bridge.telemetry import logs
from bridge.telemetry.metrics import Metrics

logger = logging.getLogger(__name__)


def report_agent_error(metrics: Metrics, info: CallInfo, error: AgentError) -> None:
    """Count and log what went wrong with an agent, by its kind; only words that somebody wrote or said are private."""
    metrics.agent_failures.labels(error.kind).inc()
    logs.event(
        logger,
        "agent failed",
        logging.WARNING,
        call=info.call_id,
        kind=error.kind,
        why=str(error),
        quoted=logs.private(f'"{folded(error.quoted, 200)}"'),
    )
