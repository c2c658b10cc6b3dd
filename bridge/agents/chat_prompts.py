"""What a chat model is told: the conversation as messages, and the tools on offer. No socket, no clock."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import msgspec

from bridge.agents.answers import understood
from bridge.agents.base import CallInfo
from bridge.agents.settings import ChatSettings
from bridge.agents.transfers import Transfers
from bridge.call.actions import ChangeLanguage, Expect, Prompt, Spoken
from bridge.understanding.results import LEAST
from bridge.understanding.understand import KINDS

Message = dict[str, Any]

_BEGINNING = "[The call has begun.]"
_LEFT_OUT = "[The call is long: its beginning is left out here.]"
_SUSPICIOUS = 0.9
"""Of a detector's score: below it a model is told nothing, since people are taken for machines now and then."""
_SOUNDS_SYNTHETIC = (
    "[A detector takes the caller's voice for a machine's. It is often wrong: be as helpful as to anybody, do not "
    "mention it, and be careful with what is to be done or told for none but the person they claim to be.]"
)
_NOTHING_HEARD = "..."
BROKE_OFF = (
    "[The connection broke off after these words of yours, which the caller hears. Write only what comes after them; "
    "repeat none of them.]"
)


class Exchange(msgspec.Struct):
    """Tools that were called in one answer, and what they gave, as messages; where in the history that was."""

    place: int
    """How many turns of the history come before it."""
    turn: int
    messages: list[Message]
    kept: bool = False
    """A tool has changed the world: it stays known, whatever the caller has heard."""

    @property
    def characters(self) -> int:
        """How long it is as it is told."""
        calls = [call["function"] for call in self.messages[0].get("tool_calls") or ()]
        asked = sum(len(call["name"]) + len(call["arguments"]) for call in calls)
        return asked + sum(len(message["content"] or "") for message in self.messages)


def as_messages(
    settings: ChatSettings,
    info: CallInfo,
    prompt: Prompt,
    exchanges: Sequence[Exchange] = (),
    note: str = "",
    told_from: int = 0,
) -> list[Message]:
    """The conversation so far, from a turn of the history on, and what just happened, the way this server takes it.

    All but the last message of one request begin the next one, so that servers need not read them twice.
    """
    messages = [_message(settings.instructions_role, settings.instructions)] if settings.instructions else []
    if told_from:
        messages.append(_message("user", _LEFT_OUT))
        messages += _exchanged(exchanges, 0, told_from - 1)
    turns = [_turn(turn) for turn in prompt.history[told_from:]]
    last = prompt.history[-1] if prompt.history else None
    if prompt.kind != "caller_said" or last is None or last.speaker != "caller" or last.text != prompt.text:
        turns.append(_message("user", happening(prompt, info, settings.transfers.targets)))
    if prompt.hint:
        turns.append(_message("user", f"[Your supervisor whispers to you alone: {prompt.hint}]"))
    if prompt.scores and max(prompt.scores.values()) >= _SUSPICIOUS:
        turns.append(_message("user", _SOUNDS_SYNTHETIC))
    if note:
        turns.append(_message("user", note))
    for place, turn in enumerate(turns, told_from):
        messages += _exchanged(exchanges, place, place)
        messages.append(turn)
    messages += _exchanged(exchanges, told_from + len(turns), sys.maxsize)
    return _strictly(alternating(messages)) if settings.alternating_roles else messages


def wordless(declared: Sequence[Expect | ChangeLanguage]) -> str:
    """What a model is told that has only declared what comes, as if somebody would answer to that."""
    languages = [action.language for action in declared if isinstance(action, ChangeLanguage)]
    if languages:
        return f"[The call goes on in the language {languages[-1]}. Answer in it now.]"
    return "[What the caller will answer is noted. They have not heard a word yet: say now what you want to say.]"


def _exchanged(exchanges: Sequence[Exchange], first: int, last: int) -> list[Message]:
    return [message for each in exchanges if first <= each.place <= last for message in each.messages]


def going_on(words: str) -> list[Message]:
    """What is told besides, so that an answer that broke off after these words is gone on with."""
    return [_message("assistant", words), _message("user", BROKE_OFF)] if words.strip() else []


def _message(role: str, content: str) -> Message:
    return {"role": role, "content": content}


def _turn(turn: Spoken) -> Message:
    if turn.by_bridge:
        return _message("user", f"[The telephone system, not you, said to the caller: {turn.text}]")
    text = f"{turn.text} ... [the caller interrupted here]" if turn.interrupted else turn.text
    return _message("user" if turn.speaker == "caller" else "assistant", text)


def alternating(messages: list[Message]) -> list[Message]:
    """Neighbours of one role joined, and the user before the assistant, as many models' templates insist."""
    joined: list[Message] = []
    for message in messages:
        spoken = [each for each in joined if each["role"] not in ("system", "developer")]
        if not spoken and message["role"] == "assistant":
            joined.append(_message("user", _BEGINNING))
        before = joined[-1] if joined else {"role": ""}
        if message["role"] == before["role"] != "tool" and not before.get("tool_calls"):
            words = [text for text in (before["content"], message["content"]) if text]
            joined[-1] = {**message, "content": "\n\n".join(words)}
        else:
            joined.append(message)
    return joined


def _strictly(messages: list[Message]) -> list[Message]:
    """With a word of the assistant's where the caller went on after a tool's result, as Mistral's servers insist."""
    filled: list[Message] = []
    for message in messages:
        if message["role"] == "user" and filled and filled[-1]["role"] == "tool":
            filled.append(_message("assistant", _NOTHING_HEARD))
        filled.append(message)
    return filled


def with_results(messages: list[Message]) -> list[Message]:
    """Results of tools that were called together as one message (`results`), with what the user says next."""
    grouped: list[Message] = []
    for message in alternating(messages):
        before = grouped[-1] if grouped else {}
        if message["role"] == "tool":
            if before.get("role") != "tool":
                grouped.append({"role": "tool", "results": [], "content": ""})
            grouped[-1]["results"].append(message)
        elif message["role"] == "user" and before.get("role") == "tool":
            before["content"] = message["content"]
        else:
            grouped.append(message)
    return grouped


def happening(prompt: Prompt, info: CallInfo, targets: dict[str, str]) -> str:
    """What just happened, in words that a model understands."""
    match prompt.kind:
        case "call_started":
            return f"[The caller{f' from {info.from_number}' if info.from_number else ''} is on the line. Greet them.]"
        case "handed_over":
            by, told = info.parameters.get("handed_over_by", ""), _handed_over(info)
            return (
                f"[Your colleague{f' {by}' if by else ''} hands the caller over to you.{told} The caller has heard the "
                "conversation above. Say in a few words who you are and go on.]"
            )
        case "overheard":
            return (
                "[You overhear this call as the supervisor; the caller does not hear you. Whisper one short hint to "
                "your colleague, or answer: nothing.]"
            )
        case "digits":
            return f"[The caller pressed these keys: {prompt.text}]{understood_note(prompt)}"
        case "no_input":
            return f"[The caller has been silent, time {max(1, prompt.attempt)} in a row. Ask again, briefly.]"
        case "transfer_refused":
            names = f" You may transfer to: {', '.join(targets)}." if targets else ""
            return (
                f"[The transfer is not possible ({_words(prompt.text)}); the caller is still with you.{names} "
                "Say so in a few words and go on.]"
            )
        case "transfer_failed":
            return (
                f"[The transfer did not succeed ({_words(prompt.text)}); the caller is back with you. "
                "Say so in a few words and go on.]"
            )
        case _:
            if not prompt.text:
                return "[The caller spoke, but the words are not known.]"
            return f"{prompt.text}{understood_note(prompt)}"


def _handed_over(info: CallInfo) -> str:
    """What a colleague leaves to a model: its summary, and what it has gathered."""
    told = {name: value for name, value in info.parameters.items() if value and name != "handed_over_by"}
    summary = told.pop("summary", "")
    known = "; ".join(f"{name}: {value}" for name, value in told.items())
    return (f" They say: {summary}" if summary else "") + (f" Known so far: {known}." if known else "")


def understood_note(prompt: Prompt) -> str:
    """What the telephone system made of an answer whose kind was declared."""
    if prompt.answer == "open":
        return ""
    kind = prompt.answer.partition(":")[0]
    found = understood(prompt)
    if found is None:
        return f" [Not understood as {_words(kind)}.]"
    parts = "".join(f", {name} {value}" for name, value in found.parts.items() if value)
    doubt = "; this is not certain, have it confirmed" if found.confidence < LEAST else ""
    return f" [Understood as {_words(kind)}: {found.text}{parts}{doubt}.]"


def _words(label: str) -> str:
    return label.replace("_", " ") or "no reason given"


def tools_on_offer(transfers: Transfers, languages: tuple[str, ...] = ()) -> list[dict[str, Any]]:
    """The tools, in the API's own form."""
    reason = {"reason": {"type": "string", "description": "A word or two for the call's record."}}
    answer = {
        "answer": {"type": "string", "enum": ["open", *KINDS]},
        "digits": {"type": "integer", "description": "How many digits, if that is known.", "minimum": 1},
        "choices": {
            "type": "array",
            "items": {"type": "string"},
            "description": "What can be chosen.",
        },
        "keys": {"type": "array", "items": {"type": "string"}, "description": "Keys you offered, such as 1 and 2."},
    }
    tools = [
        _tool("hang_up", "End the call after your words were heard. Say goodbye in the same answer.", reason, []),
        _tool("expect", "Declare what kind of answer the caller will give to your question.", answer, ["answer"]),
    ]
    if languages:
        code = {"language": {"type": "string", "enum": list(languages)}}
        description = "Go on in another language. Call it alone, before any word in that language."
        tools.append(_tool("set_language", description, code, ["language"]))
    if transfers.names or transfers.open:
        target: dict[str, Any] = {"type": "string"}
        if transfers.open:
            named = f", or one of: {', '.join(transfers.names)}" if transfers.names else ""
            target["description"] = f"A telephone number with its country code, such as +15550100{named}."
        else:
            target["enum"] = list(transfers.names)
        description = "Connect the caller to somebody after your words were heard."
        summary = {"type": "string", "description": "What they should know before they speak with the caller."}
        tools.append(_tool("transfer", description, {"target": target, "summary": summary}, ["target"]))
    return tools


def _tool(name: str, description: str, properties: dict[str, Any], required: list[str]) -> dict[str, Any]:
    parameters = {"type": "object", "properties": properties, "required": required}
    return {"type": "function", "function": {"name": name, "description": description, "parameters": parameters}}
