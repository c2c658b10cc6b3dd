"""Callers who come back from a transfer that nobody answered: to the conversation that they left."""

from __future__ import annotations

import logging

import msgspec

from bridge.agents.base import CallInfo
from bridge.call.state import CallState, decode
from bridge.errors import BadMessage
from bridge.gateway.process import Process
from bridge.telemetry import logs

logger = logging.getLogger(__name__)


async def kept_call(process: Process, info: CallInfo, key: str) -> tuple[CallInfo, CallState | None]:
    """The call that a new stream goes on with, and what was known of it; None for one that begins.

    A caller who comes back when nothing was kept, or what cannot be read, meets an agent that is told so and no more.
    """
    kept = await process.kept_calls.take(key) if info.transfer_failed else None
    if kept is None:
        return info, None
    info = msgspec.structs.replace(info, parameters=kept.parameters)
    try:
        return info, decode(kept.state)
    except BadMessage as error:
        logs.event(logger, "call cannot be gone on with", logging.WARNING, call=info.call_id, why=str(error))
        return info, None
