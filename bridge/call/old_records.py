"""Records of earlier versions in today's words, so that calls of last year still replay.

Version 1 had the reasons for a call's end in free text, an agent's own words among them.
"""

from __future__ import annotations

from typing import Any

from bridge.call.states import EndReason

_NEW_COMMANDS = frozenset({"confirm_answer"})
_PROMPT = frozenset({"kind", "text", "history", "attempt", "again"})
_SPOKEN = frozenset({"speaker", "text", "interrupted"})
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


def as_far_as_version_1(commands: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Today's commands without what version 1 could not say, to be compared with what it recorded."""
    return [_as_far(command) for command in commands if command["type"] not in _NEW_COMMANDS]


def _as_far(command: dict[str, Any]) -> dict[str, Any]:
    if command["type"] != "ask_agent":
        return command
    prompt = {name: value for name, value in command["prompt"].items() if name in _PROMPT}
    prompt["history"] = [
        {name: value for name, value in spoken.items() if name in _SPOKEN} for spoken in prompt["history"]
    ]
    return {**command, "prompt": prompt}
