"""The tools of a model that are no tools but actions: hanging up, transfers, expected answers, another language."""

from __future__ import annotations

from collections.abc import Collection

import msgspec

from bridge.agents.base import AgentError, Failure
from bridge.agents.chat_calls import ToolCall
from bridge.call.actions import Action, ChangeLanguage, Expect, HangUp, Transfer
from bridge.understanding.understand import ANSWER

OWN_TOOLS = frozenset({"hang_up", "expect", "transfer", "set_language"})
"""Names of the tools that are actions."""
_SHOWN = 100


class _Arguments(msgspec.Struct):
    """The arguments of all our tools; models like to say `null` for what they leave out."""

    target: str | None = None
    summary: str | None = None
    language: str | None = None
    answer: str | None = None
    digits: int | None = None
    choices: list[str] | None = None
    keys: list[str] | None = None
    reason: str | None = None


def action_of(call: ToolCall, on_offer: Collection[str], model: str) -> Action:
    """Return the action that a tool call of this model stands for. Raises AgentError."""
    if call.name not in on_offer:
        raise AgentError(Failure.TOOL_NOT_ON_OFFER, f"{model} called a tool that is not on offer", call.name[:_SHOWN])
    try:
        arguments = msgspec.json.decode(call.arguments.strip() or "{}", type=_Arguments, strict=False)
    except (msgspec.DecodeError, UnicodeError) as error:
        what = f"{model} called {call.name} with arguments that cannot be read: {error}"
        raise AgentError(Failure.BAD_ACTION, what, call.arguments[:_SHOWN]) from None
    match call.name:
        case "hang_up":
            return HangUp(arguments.reason or "agent")
        case "transfer":
            return Transfer(arguments.target or "", arguments.summary or "")
        case "set_language":
            return ChangeLanguage(arguments.language or "")
        case _:
            return _expect(arguments, call, model)


def _expect(arguments: _Arguments, call: ToolCall, model: str) -> Expect:
    answer = arguments.answer or "open"
    if answer == "digits" and arguments.digits:
        answer = f"digits:{arguments.digits}"
    if not ANSWER.fullmatch(answer):
        raise AgentError(Failure.BAD_ACTION, f"{model} expects what cannot be expected", call.arguments[:_SHOWN])
    choices = dict.fromkeys(arguments.choices or (), ())
    return Expect(answer, tuple(choices), choices=dict(choices), keys=tuple(arguments.keys or ()))
