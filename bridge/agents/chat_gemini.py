"""Gemini's own API, `streamGenerateContent`: what is asked, and what is streamed back. No socket, no clock.

https://ai.google.dev/api/generate-content
"""

from __future__ import annotations

from typing import Any

import msgspec

from bridge.agents.base import AgentError, Failure
from bridge.agents.chat_anthropic import as_object
from bridge.agents.chat_calls import LONGEST_ARGUMENTS, MOST_TOOL_CALLS, ToolCall, settled
from bridge.agents.chat_endings import finish_reason, plain_body, reported, reports_error
from bridge.agents.chat_prompts import Message, with_results
from bridge.agents.chat_stream import Usage
from bridge.agents.guard import speakable
from bridge.agents.lines import EventReader, ServerEvent
from bridge.agents.settings import ChatSettings

_UNREADABLE_CALL = ("MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL")
_KNOWN = frozenset({"candidates", "promptFeedback", "usageMetadata"})


def gemini_request(settings: ChatSettings, messages: list[Message], tools: list[dict[str, Any]]) -> dict[str, Any]:
    """The body of a request; the model's name stands in the address."""
    told = [str(message["content"]) for message in messages if message["role"] in ("system", "developer")]
    said = with_results([message for message in messages if message["role"] not in ("system", "developer")])
    request: dict[str, Any] = {"contents": [_content(message) for message in said]}
    if told:
        request["systemInstruction"] = {"parts": [{"text": "\n\n".join(told)}]}
    if tools:
        functions = [tool["function"] for tool in tools]
        declared = [
            {"name": each["name"], "description": each["description"], "parametersJsonSchema": each["parameters"]}
            for each in functions
        ]
        request["tools"] = [{"functionDeclarations": declared}]
    generation = {"temperature": settings.temperature, "maxOutputTokens": settings.max_tokens}
    if used := {name: value for name, value in generation.items() if value is not None}:
        request["generationConfig"] = used
    return request


def _content(message: Message) -> dict[str, Any]:
    if message["role"] == "tool":
        results = message["results"]
        parts: list[dict[str, Any]] = [
            {"functionResponse": {"name": each["name"], "response": {"result": each["content"]}}} for each in results
        ]
        if message["content"]:
            parts.append({"text": message["content"]})
        return {"role": "user", "parts": parts}
    words = [{"text": message["content"]}] if message.get("content") else []
    calls = [_call(call) for call in message.get("tool_calls") or []]
    return {"role": "model" if message["role"] == "assistant" else "user", "parts": words + calls}


def _call(call: dict[str, Any]) -> dict[str, Any]:
    function = call["function"]
    part: dict[str, Any] = {"functionCall": {"name": function["name"], "args": as_object(function["arguments"])}}
    if signature := call.get("thoughtSignature"):
        part["thoughtSignature"] = signature
    return part


class GeminiStream:
    """Reads one answer line by line; the same as `ChatStream` for this API's chunks."""

    def __init__(self) -> None:
        self._events = EventReader()
        self._any_event = False
        self._calls: list[ToolCall] = []
        self.usage = Usage()
        self.finish_reason = ""
        self.done = False
        """Never: this API has no last event, and its chunks after the reason bring the usage."""
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
            words += self._chunks(plain_body(raw), raw.decode("utf-8", "replace"))
        if not self.finish_reason:
            raise AgentError(Failure.BROKEN_STREAM, "the answer ended without a finishReason")
        return words

    def tool_calls(self) -> list[ToolCall]:
        """Return the calls of a whole answer, in order; each came in one piece. Of one that a filter stopped: none."""
        return [] if self.finish_reason == "content_filter" else [settled(call) for call in self._calls]

    def _event(self, event: ServerEvent) -> str:
        self._any_event = True
        if event.name == "error":
            raise reported(event.value, event.data, is_error=True)
        return self._chunks(event.value, event.data)

    def _chunks(self, value: Any, data: str) -> str:
        """A chunk, or several in a list, as without `alt=sse`."""
        if isinstance(value, list):
            return "".join(self._chunk(each, data) for each in value)
        return "" if value in (None, "") else self._chunk(value, data)

    def _chunk(self, value: Any, data: str) -> str:
        if not isinstance(value, dict) or value.get("error") or (not _KNOWN & value.keys() and reports_error(value)):
            raise reported(value, data, is_error=False)
        blocked = value.get("promptFeedback")
        if isinstance(blocked, dict) and blocked.get("blockReason"):
            self.finish_reason = "content_filter"
        self._used(value.get("usageMetadata"))
        words = ""
        candidates = value.get("candidates")
        for candidate in candidates[:1] if isinstance(candidates, list) else [candidates]:
            if not isinstance(candidate, dict):
                continue
            content = candidate.get("content")
            parts = content.get("parts") if isinstance(content, dict) else None
            for part in parts if isinstance(parts, list) else [parts]:
                if isinstance(part, dict):
                    words += self._part(part)
            self._ends(candidate.get("finishReason"))
        return words

    def _ends(self, reason: Any) -> None:
        if isinstance(reason, str) and reason.upper().startswith(_UNREADABLE_CALL):
            raise AgentError(Failure.SERVICE_ERROR, "made a tool call that its own server cannot read")
        meant = finish_reason(reason)
        if meant:
            self.finish_reason = meant if meant in ("length", "content_filter") else "stop"

    def _part(self, part: dict[str, Any]) -> str:
        called = part.get("functionCall")
        if isinstance(called, dict):
            if len(self._calls) >= MOST_TOOL_CALLS:
                raise AgentError(Failure.TOO_MUCH, f"more than {MOST_TOOL_CALLS} tool calls in one answer")
            self.lively = True
            arguments = msgspec.json.encode(called.get("args") or {}).decode()
            if len(arguments) > LONGEST_ARGUMENTS:
                raise AgentError(Failure.TOO_MUCH, f"a tool call of more than {LONGEST_ARGUMENTS} characters")
            call = ToolCall(None, str(called.get("id") or ""), str(called.get("name") or ""), arguments)
            if isinstance(signature := part.get("thoughtSignature"), str):
                call.extra = {"thoughtSignature": signature}
            self._calls.append(call)
            return ""
        text = part.get("text")
        if not isinstance(text, str) or part.get("thought"):
            self.lively = self.lively or (isinstance(text, str) and bool(text.strip()))
            return ""
        self.lively = self.lively or speakable(text)
        return text

    def _used(self, usage: Any) -> None:
        if not isinstance(usage, dict):
            return
        read, *written = (
            value if isinstance(value := usage.get(name), int) else 0
            for name in ("promptTokenCount", "candidatesTokenCount", "thoughtsTokenCount")
        )
        self.usage = Usage(read, sum(written))
