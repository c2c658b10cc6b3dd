"""What a chat completions server streams, read as tolerantly as the field needs. No socket, no clock.

Hosted models, gateways and local servers each bend the format in their own way; the README of this folder lists
how. What is certain is the end: an answer is whole when it gave a `finish_reason` or `[DONE]`, and not before.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from bridge.agents.base import AgentError, Failure
from bridge.agents.chat_calls import ToolCall, ToolCalls, place_of
from bridge.agents.chat_endings import finish_reason, plain_body, reported, reports_error
from bridge.agents.guard import speakable
from bridge.agents.lines import EventReader, ServerEvent

_THOUGHT = re.compile("reason|think|thought|summary", re.IGNORECASE)
"""In the names of fields, and in the types of parts, that hold what the model thinks and does not say."""
_LABELS = frozenset({"type", "format", "id", "index"})
_TAGS = {"<think>": "</think>", "<thinking>": "</thinking>"}


class Usage(NamedTuple):
    """Tokens that a request has cost, as the server counts them."""

    read: int = 0
    written: int = 0


class ChatStream:
    """Reads one answer line by line: what to speak comes out at once, tool calls when the answer is whole."""

    def __init__(self, tool_names: frozenset[str] = frozenset()) -> None:
        self._events = EventReader()
        self._calls = ToolCalls(tool_names)
        self._inline = InlineThoughts()
        self._any_event = False
        self._any_delta = False
        self._place: int | None = None
        """The index of the choice that we hear."""
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
        if not self.finish_reason and not all(call.arguments for call in self.tool_calls()):
            raise AgentError(Failure.BROKEN_STREAM, "the answer ended before the arguments of a tool call")
        return words

    def tool_calls(self) -> list[ToolCall]:
        """The calls of a whole answer, in order; of one that was cut off, those that may be carried out."""
        return self._calls.settled(self.finish_reason)

    def _event(self, event: ServerEvent) -> str:
        self._any_event = True
        if event.data == "[DONE]" and event.name != "error":
            self.done = True
            return ""
        return self._value(event.value, event.data, is_error=event.name == "error")

    def _plain(self, raw: bytes) -> str:
        """A body without any event: a whole completion from a server that does not stream, an error, or a page."""
        return self._value(plain_body(raw), raw.decode("utf-8", "replace"), is_error=False)

    def _value(self, value: Any, data: str, *, is_error: bool) -> str:
        """One JSON value of the stream."""
        if isinstance(value, list) and value:
            value = value[0]  # Google wraps errors in a list
        if not is_error and value in (None, "", []):
            return ""
        if is_error or not isinstance(value, dict) or reports_error(value):
            raise reported(value, data, is_error=is_error)
        self._used(value)
        words = ""
        for choice in self._ours(value.get("choices")):
            words += self._choice(choice)
            self.finish_reason = finish_reason(choice.get("finish_reason")) or self.finish_reason
        return words

    def _ours(self, choices: Any) -> list[dict[str, Any]]:
        """The choice that we hear; of several answers side by side the one that begins."""
        for choice in _dicts(choices):
            place = place_of(choice.get("index"))
            if self._place is None:
                self._place = place
            if place in (None, self._place):
                return [choice]
        return []

    def _choice(self, choice: dict[str, Any]) -> str:
        """The words of a choice; a whole `message` beside deltas says what they have said (Perplexity)."""
        delta, message, text = choice.get("delta"), choice.get("message"), choice.get("text")
        if isinstance(delta, str):
            delta = {"content": delta}
        if isinstance(delta, dict) and any(delta.get(name) for name in ("content", "tool_calls", "function_call")):
            self._any_delta = True
        words = self._delta(delta) if isinstance(delta, dict) else ""
        if isinstance(message, dict) and not self._any_delta:
            words += self._delta(message)
        elif isinstance(message, dict) and not self._calls.any:
            self._delta({"tool_calls": message.get("tool_calls")})
        elif isinstance(text, str) and not self._any_delta:
            words += self._delta({"content": text})
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
            self.lively = self._calls.add(piece) or self.lively
        if isinstance(function := delta.get("function_call"), dict):  # as before tools
            self.lively = self._calls.add({"index": 0, "function": function}) or self.lively
        written, thought = _content(delta.get("content"))
        words = self._inline.feed(written)
        refusal = delta.get("refusal")
        if isinstance(refusal, str):
            words += refusal
        self.lively = (
            self.lively
            or thought
            or speakable(written)
            or speakable(words)
            or any(_says(each) for name, each in delta.items() if _THOUGHT.search(name))
        )
        return words


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
    """The objects of a list, or the only one without a list; of anything else, none."""
    each_one = value if isinstance(value, list) else [value]
    return [each for each in each_one if isinstance(each, dict)]


def _content(content: Any) -> tuple[str, bool]:
    """The words of a delta's content, and whether it holds thoughts: a text, null, or a list of parts."""
    if isinstance(content, str):
        return content, False
    words, thought = "", False
    for part in [content] if isinstance(content, dict) else content if isinstance(content, list) else []:
        if isinstance(part, str):
            words += part
        elif isinstance(part, dict):
            if part.get("thought") or _THOUGHT.search(str(part.get("type", ""))):
                thought = thought or _says(part)
            else:
                words += _part(part)
    return words, thought


def _part(part: dict[str, Any]) -> str:
    """The words of one part of a content: its text, or what that is wrapped in."""
    for name in ("text", "content", "refusal"):
        text = part.get(name)
        if isinstance(text, dict):
            text = text.get("value")
        if isinstance(text, str):
            return text
    return ""


def _says(value: Any) -> bool:
    """Whether a field holds anything that is written, however deep: a type is not."""
    match value:
        case str():
            return bool(value.strip())
        case int():
            return bool(value)
        case list():
            return any(map(_says, value))
        case dict():
            return any(_says(each) for name, each in value.items() if name not in _LABELS)
        case _:
            return False
