"""How a failure of an agent is counted and logged."""

from __future__ import annotations

import logging
import traceback

from bridge.agents.base import AgentError, CallInfo, Failure
from bridge.agents.guard import folded
from bridge.telemetry import logs
from bridge.telemetry.metrics import Metrics

logger = logging.getLogger(__name__)


def report_raised(metrics: Metrics, info: CallInfo, error: Exception, what: str = "cannot answer") -> None:
    """Count and log what an agent's own code has raised: what it is and where is told, what it says is private."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f", {frames[-1].filename}:{frames[-1].lineno} in {frames[-1].name}" if frames else ""
    why = f"its code {what}: {type(error).__name__}{where}"
    report_agent_error(metrics, info, AgentError(Failure.RAISED, why, str(error)))
    logs.raised(logger, f"the agent raised here, call={info.call_id}", error)


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
