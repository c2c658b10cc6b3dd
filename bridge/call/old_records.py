"""Records of earlier versions in today's words, so that calls of last year still replay.

Version 1 had the reasons for a call's end in free text, an agent's own words among them.
"""

from __future__ import annotations

from typing import Any

from bridge.call.states import EndReason

_KNOWN = frozenset(reason.value for reason in EndReason)
_ENDED_BY_US = frozenset(
    {
        EndReason.NO_INPUT,
        EndReason.LONGEST_CALL,
        EndReason.AGENT_FAILED,
        EndReason.SPEECH_FAILED,
        EndReason.CARRIER_STALLED,
        EndReason.DRAIN,
    }
)
"""The reasons that version 1 itself gave for hanging up."""


def event_of_version_1(event: dict[str, Any]) -> dict[str, Any]:
    """An event's plain data as version 2 has it."""
    if event.get("type") == "stream_closed" and event.get("reason") not in _KNOWN:
        # The one end that had no name of its own: the carrier took nothing more off its socket.
        return {**event, "reason": EndReason.NOT_READING.value}
    return event


def command_of_version_1(command: dict[str, Any]) -> dict[str, Any]:
    """A command's plain data as version 2 has it."""
    if command.get("type") != "hang_up":
        return command
    reason = command.get("reason")
    if reason in _ENDED_BY_US:
        return {**command, "said": ""}
    return {**command, "reason": EndReason.AGENT.value, "said": reason}
