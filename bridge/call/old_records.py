"""Records of earlier versions in today's words, so that calls of last year still replay.

Version 1 had the reasons for a call's end in free text, an agent's own words among them, and knew one carrier: mu-law
at 8 kHz, marks that tell nothing but that they came back, and the length of a message among the settings.
"""

from __future__ import annotations

from typing import Any

from bridge.call.settings import EndpointSettings
from bridge.call.states import EndReason

_NEW_COMMANDS = frozenset({"confirm_answer", "expect_speech"})
_TRANSCRIBE = frozenset({"type", "revision", "since"})
_AS_BEFORE = {"not_understood": "", "answer_ends_with_question": False, "shutdown": ""}
_ENDPOINT_AS_BEFORE = {"words_every_s": 1e9, "doubtful_probability": 1.0}
_FLOOR_AS_BEFORE = {"words_ms": 0}
_TURNS_AS_BEFORE = {"voice_probability": 0.9, "voice_ms": 190, "second_thoughts_ms": 0}
"""Settings that switch off what version 1 did not do."""
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


def with_later_settings(header: dict[str, Any]) -> dict[str, Any]:
    """A first line's plain data in which settings that came later say what was done before there were any.

    Without a recogniser the short silence ended a turn, the tone of a lone word was believed like that of a sentence,
    more of it had to be a voice before we asked again, and an answer counted from its first word on.
    """
    settings = header.get("settings")
    if not isinstance(settings, dict) or not isinstance(settings.get("endpoint", {}), dict):
        return header
    endpoint = settings.get("endpoint", {})
    now = EndpointSettings()
    before = {"unheard_ms": endpoint.get("short_ms", now.short_ms), "lone_ms": endpoint.get("long_ms", now.long_ms)}
    endpoint = {**before, **_TURNS_AS_BEFORE, **endpoint}
    return {**header, "settings": {**settings, "endpoint": endpoint}}


def header_of_version_1(header: dict[str, Any]) -> dict[str, Any]:
    """A first line's plain data as version 2 has it."""
    settings = header.get("settings")
    if not isinstance(settings, dict) or not isinstance(settings.get("playout"), dict):
        return header
    playout = {**settings["playout"]}
    endpoint = {**_ENDPOINT_AS_BEFORE, **settings.get("endpoint", {})}
    floor = {**_FLOOR_AS_BEFORE, **settings.get("floor", {})}
    settings = {**_AS_BEFORE, **settings, "endpoint": endpoint, "floor": floor}
    message_ms = playout.pop("message_ms", 80)
    return {**header, "settings": {**settings, "playout": playout}, "pacing": {"message_ms": message_ms}}


def event_of_version_1(event: dict[str, Any]) -> dict[str, Any]:
    """An event's plain data as version 2 has it."""
    event = _audio_renamed(event)
    if event.get("type") == "stream_closed" and event.get("reason") not in _KNOWN:
        # The one end that had no name of its own: the carrier took nothing more off its socket.
        return {**event, "reason": EndReason.NOT_READING.value}
    return event


def command_of_version_1(command: dict[str, Any]) -> dict[str, Any]:
    """A command's plain data as version 2 has it."""
    command = _as_far(_audio_renamed(command))
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
    if command.get("type") == "transcribe":
        return {name: value for name, value in command.items() if name in _TRANSCRIBE}
    if command.get("type") != "ask_agent":
        return command
    prompt = {name: value for name, value in command["prompt"].items() if name in _PROMPT}
    prompt["history"] = [
        {name: value for name, value in spoken.items() if name in _SPOKEN} for spoken in prompt["history"]
    ]
    return {**command, "prompt": prompt}


def _audio_renamed(plain: dict[str, Any]) -> dict[str, Any]:
    return {"audio" if name == "ulaw" else name: value for name, value in plain.items()}
