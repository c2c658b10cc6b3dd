"""Calls of tools as chat models stream them: pieces joined, and told apart where servers bend the format."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

import msgspec

from bridge.agents.base import AgentError, Failure
from bridge.agents.lines import readable

MOST_TOOL_CALLS = 16
LONGEST_ARGUMENTS = 16 * 1024
_LONGEST_NAME = 200
_NOTHING = ("", "null", '""')
"""What servers send as arguments where there are none."""
_PLACEHOLDERS = (*_NOTHING, "{}", "[]")
"""What servers send as arguments before the arguments."""


@dataclass(slots=True)
class ToolCall:
    """One call of a tool, as far as it has come."""

    index: int | None
    id: str
    name: str = ""
    arguments: str = ""
    extra: dict[str, Any] = field(default_factory=dict)
    """What the server wants back with this call, such as Gemini's `extra_content`."""

    @property
    def whole(self) -> bool:
        """Whether the arguments are a complete JSON object."""
        return _is_object(self.arguments)


class ToolCalls:
    """Joins the pieces of tool calls: by id, else by index, else by what makes sense."""

    def __init__(self, names: frozenset[str]) -> None:
        self._names = names
        self._calls: list[ToolCall] = []

    @property
    def any(self) -> bool:
        """Whether there is a call."""
        return bool(self._calls)

    def add(self, piece: dict[str, Any]) -> bool:
        """One piece; whether it brought anything. Raises AgentError when they are too many or too long."""
        function = piece.get("function", piece)  # some have no object around name and arguments
        function = function if isinstance(function, dict) else {}
        name = _text(function.get("name"))
        arguments = _arguments(function.get("arguments"))
        call_id = _text(piece.get("id"))
        call = self._find(place_of(piece.get("index")), call_id, name, arguments)
        call.name = _grown(call.name, name)
        call.arguments = grown_arguments(call.arguments, arguments)
        call.id = call.id or call_id
        if isinstance(extra := piece.get("extra_content"), dict):
            call.extra = {"extra_content": extra}
        if len(call.arguments) > LONGEST_ARGUMENTS or len(call.name) > _LONGEST_NAME:
            raise AgentError(Failure.TOO_MUCH, f"a tool call of more than {LONGEST_ARGUMENTS} characters")
        return bool(name or arguments.strip())

    def settled(self, finish_reason: str) -> list[ToolCall]:
        """The calls of an answer that ended so: none that a filter stopped, whole ones where tokens ran out."""
        calls = [settled(call) for call in self._calls if call.name or call.arguments.strip()]
        if finish_reason == "content_filter":
            return []
        return [call for call in calls if call.whole] if finish_reason in ("length", "max_tokens") else calls

    def _find(self, index: int | None, call_id: str, name: str, arguments: str) -> ToolCall:
        """The call that a piece belongs to, begun if there is none yet."""
        if call_id:
            for call in self._calls:
                if call.id == call_id and (index is None or call.index in (None, index)):
                    if not self._is_another(call, name):
                        return call
                    call_id = ""  # the same id for another tool: of no use
                    break
        at = [call for call in self._calls if index is None or call.index == index]
        if at and not self._begins(at[-1], call_id, name, arguments):
            return at[-1]
        if len(self._calls) >= MOST_TOOL_CALLS:
            raise AgentError(Failure.TOO_MUCH, f"more than {MOST_TOOL_CALLS} tool calls in one answer")
        self._calls.append(ToolCall(index, call_id))
        return self._calls[-1]

    def _is_another(self, call: ToolCall, name: str) -> bool:
        return call.whole and bool(name) and name != call.name and {name, call.name} <= self._names

    def _begins(self, last: ToolCall, call_id: str, name: str, arguments: str) -> bool:
        """Whether a piece at the place of `last` begins another call: servers repeat indices, and leave out ids.

        Some give each piece an id of its own: what goes on with arguments that are not whole begins nothing.
        """
        if call_id and last.id:  # ids were compared before: this one is new
            if not name:
                return last.whole
            return name != last.name or last.whole or not _goes_on(last.arguments, arguments)
        if not name or (arguments and arguments.startswith(last.arguments or " ")):
            return False  # a further piece, or all of it again with more
        if name == last.name and _has_more(arguments, last.arguments):
            return False
        return last.whole or (name != last.name and {name, last.name} <= self._names)


_APART = re.compile(r"<\||[.:/\s\"'`]")


def meant(name: str, known: Collection[str]) -> str:
    """The tool that is called by a name which servers have left signs of the model's own format in.

    `functions.hang_up`, `default_api:hang_up`, `hang_up:0`, `hang_up<|channel|>commentary`
    """
    if name in known:
        return name
    found = [part for part in _APART.split(name) if part in known]
    return found[0] if len(found) == 1 else name


def settled(call: ToolCall) -> ToolCall:
    """The call with its arguments as one JSON object, where they mean one: wrapped twice, with halves of characters."""
    text = call.arguments.strip()
    try:
        msgspec.json.decode(text, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        _, value = readable(text.encode("utf-8", "surrogatepass"))
        if isinstance(value, str):
            _, value = readable(value.encode())
        if isinstance(value, dict):
            text = msgspec.json.encode(value).decode()
        elif text in _NOTHING or value == []:  # as PHP writes an empty object
            text = ""
    call.arguments = text
    return call


def grown_arguments(arguments: str, piece: str) -> str:
    """Arguments with a piece added; some servers send all so far each time, or something in place of nothing."""
    if not arguments.strip() or piece.startswith(arguments):
        return piece if arguments.strip() or piece.strip() else arguments + piece
    if piece.lstrip().startswith("{"):
        if arguments.strip() in _PLACEHOLDERS:
            return piece
        if arguments.rstrip().endswith("}") and _is_object(piece) and _is_object(arguments):
            return piece
    return arguments + piece


def _goes_on(arguments: str, piece: str) -> bool:
    """Whether a piece goes on with arguments that have begun: it does not begin with a brace, or has them all again."""
    begun = arguments.strip()
    return bool(begun and piece.strip()) and (piece.startswith(arguments) or not piece.lstrip().startswith("{"))


def _has_more(piece: str, arguments: str) -> bool:
    """Whether a piece is an object that holds all of another one, and something besides."""
    (_, whole), (_, part) = readable(piece.encode("utf-8", "replace")), readable(arguments.encode("utf-8", "replace"))
    return isinstance(part, dict) and whole != part and _holds(whole, part)


def _holds(whole: Any, part: Any) -> bool:
    """Whether a value is another one that has grown: a text goes on, a list and an object have more, null has begun."""
    match part:
        case None:
            return True
        case str():
            return isinstance(whole, str) and whole.startswith(part)
        case dict():
            return isinstance(whole, dict) and all(key in whole and _holds(whole[key], part[key]) for key in part)
        case list():
            return isinstance(whole, list) and len(whole) >= len(part) and all(map(_holds, whole, part))
        case _:
            return type(whole) is type(part) and bool(whole == part)


def _is_object(text: str) -> bool:
    known, value = readable(text.encode("utf-8", "surrogatepass"))
    return known and isinstance(value, dict)


def place_of(value: Any) -> int | None:
    """A place, also where it is written as a text; None for what is none."""
    if isinstance(value, str) and value.isdecimal() and len(value) < 4:
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _text(value: Any) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value if isinstance(value, str) else ""


def _arguments(value: Any) -> str:
    """A piece of arguments as text; some servers send the object itself."""
    if isinstance(value, str):
        return value
    return "" if value is None or value == [] else msgspec.json.encode(value).decode()


def _grown(name: str, piece: str) -> str:
    """A name with a piece added; some servers repeat the name in each piece."""
    if not piece or piece == name:
        return name
    return piece if piece.startswith(name) else name + piece
