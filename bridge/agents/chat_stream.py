"""What a chat completions server streams, read as tolerantly as the field needs. No socket, no clock.

Hosted models, gateways and local servers each bend the format in their own way; the README of this folder lists
how. What is certain is the end: an answer is whole when it gave a `finish_reason` or `[DONE]`, and not before.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import msgspec

from bridge.agents.base import AgentError, Failure
from bridge.agents.lines import EventReader, ServerEvent, readable

_THOUGHTS = ("reasoning_content", "reasoning", "reasoning_details", "thinking", "thinking_blocks")
_THOUGHT_PARTS = frozenset({"reasoning", "thinking", "redacted_thinking"})
_TAGS = {"<think>": "</think>", "<thinking>": "</thinking>"}
MOST_TOOL_CALLS = 16
LONGEST_ARGUMENTS = 16 * 1024
_SHOWN = 200


class Usage(NamedTuple):
    """Tokens that a request has cost, as the server counts them."""

    read: int = 0
    written: int = 0


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
        known, value = readable(self.arguments.encode())
        return known and isinstance(value, dict)


class ChatStream:
    """Reads one answer line by line: what to speak comes out at once, tool calls when the answer is whole."""

    def __init__(self, tool_names: frozenset[str] = frozenset()) -> None:
        self._events = EventReader()
        self._calls = ToolCalls(tool_names)
        self._inline = InlineThoughts()
        self._any_event = False
        self.usage = Usage()
        self.finish_reason = ""
        self.done = False
        """`[DONE]` came: there is nothing more to read."""
        self.lively = False
        """The last line held words, thoughts or a piece of a tool call: the model is at work."""

    def line(self, line: bytes) -> str:
        """The words that this line adds. Raises AgentError for what reports, or is, an error."""
        self.lively = False
        event = self._events.line(line)
        return "" if event is None else self._event(event)

    def close(self) -> str:
        """The words that were held back until the end of the stream. Raises AgentError for a broken answer."""
        event = self._events.close()
        words = "" if event is None else self._event(event)
        if not self._any_event:
            words += self._plain(self._events.strange)
        words += self._inline.close()
        if not self.done and not self.finish_reason:
            raise AgentError(Failure.BROKEN_STREAM, "the answer ended without a finish_reason and without [DONE]")
        return words

    def tool_calls(self) -> list[ToolCall]:
        """The calls of a whole answer, in order; of one that reached its limit of tokens, those that are whole."""
        calls = self._calls.calls
        return [call for call in calls if call.whole] if self.finish_reason in ("length", "max_tokens") else calls

    def _event(self, event: ServerEvent) -> str:
        self._any_event = True
        if event.data == "[DONE]":
            self.done = True
            return ""
        return self._value(event.value, event.data, is_error=event.name == "error")

    def _plain(self, raw: bytes) -> str:
        """A body without any event: a whole completion from a server that does not stream, an error, or a page."""
        known, value = readable(raw)
        if not known:
            what = "an answer that is no event stream" if raw else "an answer without a single event"
            raise AgentError(
                Failure.UNREADABLE_EVENT if raw else Failure.BROKEN_STREAM, what, _shown(raw.decode("utf-8", "replace"))
            )
        return self._value(value, raw.decode("utf-8", "replace"), is_error=False)

    def _value(self, value: Any, data: str, *, is_error: bool) -> str:
        """One JSON value of the stream."""
        if isinstance(value, list) and value:
            value = value[0]  # Google wraps errors in a list
        if is_error or not isinstance(value, dict) or _reports_error(value):
            if value is None and not is_error:
                return ""
            raise _reported(value, data, is_error=is_error)
        self._used(value)
        words = ""
        for choice in _dicts(value.get("choices"))[:1]:
            reason = choice.get("finish_reason")
            if isinstance(reason, str) and reason:
                self.finish_reason = reason
            for delta in (choice.get("delta"), choice.get("message")):
                if isinstance(delta, dict):
                    words += self._delta(delta)
        if self.finish_reason == "error":
            raise AgentError(Failure.SERVICE_ERROR, "the answer ended with finish_reason error", _shown(data))
        return words

    def _used(self, value: dict[str, Any]) -> None:
        """Usage comes in a chunk of its own, in each chunk, or (Groq) in one of the server's own."""
        groq = value.get("x_groq")
        for usage in (value.get("usage"), groq.get("usage") if isinstance(groq, dict) else None):
            if isinstance(usage, dict):
                read, written = usage.get("prompt_tokens"), usage.get("completion_tokens")
                if isinstance(read, int) and isinstance(written, int):
                    self.usage = Usage(read, written)

    def _delta(self, delta: dict[str, Any]) -> str:
        for piece in _dicts(delta.get("tool_calls")):
            self.lively = True
            self._calls.add(piece)
        if isinstance(function := delta.get("function_call"), dict):  # as before tools
            self.lively = True
            self._calls.add({"index": 0, "function": function})
        written, thought = _content(delta.get("content"))
        words = self._inline.feed(written)
        refusal = delta.get("refusal")
        if isinstance(refusal, str):
            words += refusal
        self.lively = (
            self.lively
            or bool(written.strip() or words.strip() or thought)
            or any(delta.get(name) for name in _THOUGHTS)
        )
        return words


class ToolCalls:
    """Joins the pieces of tool calls: by id, else by index, else by what makes sense."""

    def __init__(self, names: frozenset[str]) -> None:
        self._names = names
        self.calls: list[ToolCall] = []

    def add(self, piece: dict[str, Any]) -> None:
        """One piece. Raises AgentError when they are too many or too long."""
        function = piece.get("function")
        function = function if isinstance(function, dict) else {}
        name = function.get("name")
        name = name if isinstance(name, str) else ""
        arguments = _arguments(function.get("arguments"))
        index = piece.get("index")
        index = index if isinstance(index, int) else None
        call_id = piece.get("id")
        call_id = call_id if isinstance(call_id, str) else ""
        call = self._find(index, call_id, name, arguments)
        call.name = _grown(call.name, name)
        call.arguments = _grown_arguments(call.arguments, arguments)
        call.id = call.id or call_id
        if isinstance(extra := piece.get("extra_content"), dict):
            call.extra = {"extra_content": extra}
        if len(call.arguments) > LONGEST_ARGUMENTS or len(call.name) > _SHOWN:
            raise AgentError(Failure.TOO_MUCH, f"a tool call of more than {LONGEST_ARGUMENTS} characters")

    def _find(self, index: int | None, call_id: str, name: str, arguments: str) -> ToolCall:
        """The call that a piece belongs to, begun if there is none yet."""
        if call_id:
            for call in self.calls:
                if call.id == call_id and (index is None or call.index in (None, index)):
                    return call
        at = [call for call in self.calls if index is None or call.index == index]
        if at and not self._begins(at[-1], call_id, name, arguments):
            return at[-1]
        if len(self.calls) >= MOST_TOOL_CALLS:
            raise AgentError(Failure.TOO_MUCH, f"more than {MOST_TOOL_CALLS} tool calls in one answer")
        self.calls.append(ToolCall(index, call_id))
        return self.calls[-1]

    def _begins(self, last: ToolCall, call_id: str, name: str, arguments: str) -> bool:
        """Whether a piece at the place of `last` begins another call: servers repeat indices, and leave out ids."""
        if call_id and last.id:
            return True  # ids were compared before: this one is new
        if not name or (arguments and arguments.startswith(last.arguments or " ")):
            return False  # a further piece, or all of it again with more
        return last.whole or (name != last.name and {name, last.name} <= self._names)


class InlineThoughts:
    """Takes `<think>...</think>` out of a text, wherever its deltas are cut."""

    def __init__(self) -> None:
        self._held = ""
        self._until = ""

    def feed(self, text: str) -> str:
        """What is no thought, as far as known; what may begin a tag is held back."""
        self._held += text
        words = ""
        while self._held:
            if self._until:
                _, found, rest = self._held.partition(self._until)
                if not found:
                    self._held = self._held[-len(self._until) + 1 :]
                    return words
                self._held, self._until = rest, ""
                continue
            at = self._held.find("<")
            if at < 0:
                words, self._held = words + self._held, ""
                break
            words, self._held = words + self._held[:at], self._held[at:]
            tag = next((tag for tag in _TAGS if self._held.startswith(tag)), None)
            if tag:
                self._held, self._until = self._held[len(tag) :], _TAGS[tag]
            elif any(tag.startswith(self._held) for tag in _TAGS):
                return words
            else:
                words, self._held = words + "<", self._held[1:]
        return words

    def close(self) -> str:
        """What was held back and is no thought."""
        held, self._held = self._held, ""
        return "" if self._until else held


def _dicts(value: Any) -> list[dict[str, Any]]:
    """The objects of a list; of anything else, none."""
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _content(content: Any) -> tuple[str, bool]:
    """The words of a delta's content, and whether it holds thoughts: a text, null, or a list of parts."""
    if isinstance(content, str):
        return content, False
    words, thought = "", False
    for part in [content] if isinstance(content, dict) else content if isinstance(content, list) else []:
        if isinstance(part, str):
            words += part
        elif isinstance(part, dict):
            text = part.get("text")
            if part.get("type") in _THOUGHT_PARTS:
                thought = True
            elif isinstance(text, str):
                words += text
    return words, thought


def _arguments(value: Any) -> str:
    """A piece of arguments as text; some servers send the object itself."""
    if isinstance(value, str):
        return value
    return "" if value is None else msgspec.json.encode(value).decode()


def _grown(name: str, piece: str) -> str:
    """A name with a piece added; some servers repeat the name in each piece."""
    if not piece or piece == name:
        return name
    return piece if piece.startswith(name) else name + piece


def _grown_arguments(arguments: str, piece: str) -> str:
    """Arguments with a piece added; some servers send all so far each time, which no piece of ours begins with."""
    return piece if arguments and piece.startswith(arguments) else arguments + piece


def _reports_error(value: dict[str, Any]) -> bool:
    """Whether an object is an error, in one of the shapes that servers have for it."""
    if value.get("error") or value.get("object") == "error" or value.get("type") == "error":
        return True
    return "choices" not in value and any(value.get(name) for name in ("message", "detail", "errors"))


def _reported(value: Any, data: str, *, is_error: bool) -> AgentError:
    if isinstance(value, dict) or is_error:
        return AgentError(Failure.SERVICE_ERROR, f"reported an error{_code(value)}", _shown(data))
    return AgentError(Failure.UNREADABLE_EVENT, "an event that is no object", _shown(data))


def _code(value: Any) -> str:
    """The error's code in brackets, where it is short enough to be one."""
    for place in _error_objects(value):
        for name in ("code", "type", "status"):
            code = place.get(name)
            if isinstance(code, int | str) and 0 < len(str(code)) <= 40 and code != "error" and str(code).isascii():
                return f" ({str(code) if str(code).replace('_', '').isalnum() else 'odd code'})"
    return ""


def _error_objects(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        if isinstance(inner := value.get("error"), dict):
            yield inner
        yield value


def _shown(text: str) -> str:
    return " ".join(text[:_SHOWN].split())
