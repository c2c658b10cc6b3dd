"""Anthropic's messages API: what is asked, and what is streamed back. No socket, no clock.

https://platform.claude.com/docs/en/api/messages-streaming
"""

from __future__ import annotations

from typing import Any

import msgspec

from bridge.agents.base import AgentError, Failure
from bridge.agents.chat_calls import (
    LONGEST_ARGUMENTS,
    MOST_TOOL_CALLS,
    ToolCall,
    grown_arguments,
    place_of,
    settled,
)
from bridge.agents.chat_endings import finish_reason, plain_body, reported, reports_error
from bridge.agents.chat_prompts import Message, with_results
from bridge.agents.chat_stream import Usage
from bridge.agents.guard import speakable
from bridge.agents.lines import EventReader, ServerEvent
from bridge.agents.settings import ChatSettings

VERSION = "2023-06-01"
"""Of the API, sent as `anthropic-version`."""
_KINDS = frozenset(
    """message message_start content_block_start content_block_delta content_block_stop message_delta message_stop
    ping""".split()
)
_MOST_TOKENS = 1024
"""The API insists on a limit."""


def anthropic_request(settings: ChatSettings, messages: list[Message], tools: list[dict[str, Any]]) -> dict[str, Any]:
    """The body of a request; what never changes stands first, marked as worth keeping by the server."""
    told = [str(message["content"]) for message in messages if message["role"] in ("system", "developer")]
    said = with_results([message for message in messages if message["role"] not in ("system", "developer")])
    request: dict[str, Any] = {
        "model": settings.model,
        "max_tokens": settings.max_tokens or _MOST_TOKENS,
        "stream": True,
        "messages": [_message(message) for message in said],
    }
    if told:
        kept = {"type": "ephemeral"}
        request["system"] = [{"type": "text", "text": "\n\n".join(told), "cache_control": kept}]
    if tools:
        functions = [tool["function"] for tool in tools]
        request["tools"] = [
            {"name": each["name"], "description": each["description"], "input_schema": each["parameters"]}
            for each in functions
        ]
    if settings.temperature is not None:
        request["temperature"] = settings.temperature
    return request


def _message(message: Message) -> dict[str, Any]:
    if message["role"] == "tool":
        results = message["results"]
        blocks = [
            {"type": "tool_result", "tool_use_id": each["tool_call_id"], "content": each["content"]} for each in results
        ]
        if message["content"]:
            blocks.append({"type": "text", "text": message["content"]})
        return {"role": "user", "content": blocks}
    if not message.get("tool_calls"):
        return {"role": message["role"], "content": message["content"]}
    words = [{"type": "text", "text": message["content"]}] if message.get("content") else []
    return {"role": "assistant", "content": words + [_use(call) for call in message["tool_calls"]]}


def _use(call: dict[str, Any]) -> dict[str, Any]:
    function = call["function"]
    return {"type": "tool_use", "id": call["id"], "name": function["name"], "input": as_object(function["arguments"])}


def as_object(arguments: str) -> dict[str, Any]:
    """Arguments as an object; what is none becomes an empty one."""
    try:
        value = msgspec.json.decode(arguments or "{}")
    except msgspec.DecodeError:
        return {}
    return value if isinstance(value, dict) else {}


class AnthropicStream:
    """Reads one answer line by line; the same as `ChatStream` for this API's events."""

    def __init__(self) -> None:
        self._events = EventReader()
        self._any_event = False
        self._calls: list[ToolCall] = []
        self._open: dict[int | None, ToolCall] = {}
        """The last call at each place; servers that imitate this API leave places out, or use one twice."""
        self.usage = Usage()
        self.finish_reason = ""
        self.done = False
        self.lively = False

    def line(self, line: bytes) -> str:
        """Return the words that this line adds. Raises AgentError for what reports, or is, an error."""
        self.lively = False
        event = self._events.line(line)
        return "" if event is None else self._event(event)

    def close(self) -> str:
        """Return the words that were held back, which are none. Raises AgentError for a broken answer."""
        event = self._events.close()
        words = "" if event is None else self._event(event)
        if not self._any_event:
            raw = self._events.strange
            words += self._value(plain_body(raw), raw.decode("utf-8", "replace"), "")
        if not self.done and not self.finish_reason:
            raise AgentError(Failure.BROKEN_STREAM, "the answer ended without a stop_reason")
        return words

    def tool_calls(self) -> list[ToolCall]:
        """Return the calls in order; of an answer that was cut off, those that may be carried out."""
        calls = [settled(call) for call in self._calls]
        if self.finish_reason == "content_filter":
            return []
        return [call for call in calls if call.whole] if self.finish_reason == "length" else calls

    def _event(self, event: ServerEvent) -> str:
        self._any_event = True
        if event.name == "error":
            raise reported(event.value, event.data, is_error=True)
        return "" if event.value in (None, "", []) else self._value(event.value, event.data, event.name)

    def _value(self, value: Any, data: str, name: str) -> str:
        kind = str(value.get("type") or name) if isinstance(value, dict) else ""
        if not isinstance(value, dict) or value.get("error") or (kind not in _KINDS and reports_error(value)):
            raise reported(value, data, is_error=False)
        index = place_of(value.get("index"))
        match kind:
            case "message":
                return self._whole(value)
            case "message_start":
                self._used(_part(value, "message").get("usage"))
            case "content_block_start":
                return self._begins(index, _part(value, "content_block"))
            case "content_block_delta":
                return self._delta(index, _part(value, "delta"))
            case "message_delta":
                self._used(value.get("usage"))
                self._ends(_part(value, "delta").get("stop_reason"))
            case "message_stop":
                self.done = True
        return ""

    def _whole(self, message: dict[str, Any]) -> str:
        """A whole message from a server that does not stream."""
        blocks = message.get("content")
        words = "".join(self._begins(None, block) for block in blocks if isinstance(block, dict)) if blocks else ""
        self._used(message.get("usage"))
        self._ends(message.get("stop_reason"))
        return words

    def _ends(self, reason: Any) -> None:
        self.finish_reason = finish_reason(reason) or self.finish_reason

    def _begins(self, index: int | None, block: dict[str, Any]) -> str:
        match block.get("type"):
            case "tool_use":
                self.lively = True
                self._call(index, block)
            case "text":
                return self._words(block.get("text"))
            case "thinking" | "redacted_thinking":
                self.lively = True
        return ""

    def _call(self, index: int | None, block: dict[str, Any]) -> None:
        if len(self._calls) >= MOST_TOOL_CALLS:
            raise AgentError(Failure.TOO_MUCH, f"more than {MOST_TOOL_CALLS} tool calls in one answer")
        given = block.get("input")
        arguments = msgspec.json.encode(given).decode() if given else ""
        self._check(arguments)
        call = ToolCall(index, str(block.get("id") or ""), str(block.get("name") or ""), arguments)
        self._calls.append(call)
        self._open[index] = call

    def _delta(self, index: int | None, delta: dict[str, Any]) -> str:
        match delta.get("type"):
            case "text_delta":
                return self._words(delta.get("text"))
            case "input_json_delta":
                piece = str(delta.get("partial_json") or "")
                self.lively = bool(piece.strip())
                call = self._open.get(index, self._calls[-1] if self._calls else None)
                if call is not None:
                    call.arguments = grown_arguments(call.arguments, piece)
                    self._check(call.arguments)
            case "thinking_delta":
                self.lively = bool(str(delta.get("thinking") or "").strip())
            case "signature_delta":
                self.lively = True
        return ""

    def _check(self, arguments: str) -> None:
        if len(arguments) > LONGEST_ARGUMENTS:
            raise AgentError(Failure.TOO_MUCH, f"a tool call of more than {LONGEST_ARGUMENTS} characters")

    def _words(self, text: Any) -> str:
        words = text if isinstance(text, str) else ""
        self.lively = self.lively or speakable(words)
        return words

    def _used(self, usage: Any) -> None:
        if not isinstance(usage, dict):
            return
        names = ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
        read = sum(value for name in names if isinstance(value := usage.get(name), int))
        written = usage.get("output_tokens")
        self.usage = Usage(max(read, self.usage.read), written if isinstance(written, int) else self.usage.written)


def _part(value: dict[str, Any], name: str) -> dict[str, Any]:
    part = value.get(name)
    return part if isinstance(part, dict) else {}
