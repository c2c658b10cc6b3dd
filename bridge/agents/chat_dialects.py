"""The dialects of chat models: where requests go, what they hold, and who reads the answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from bridge.agents.chat_anthropic import VERSION, AnthropicStream, anthropic_request
from bridge.agents.chat_calls import ToolCall
from bridge.agents.chat_gemini import GeminiStream, gemini_request
from bridge.agents.chat_prompts import Message
from bridge.agents.chat_stream import ChatStream, Usage
from bridge.agents.settings import ChatSettings


class ModelStream(Protocol):
    """One answer as it comes, line by line."""

    usage: Usage
    finish_reason: str
    done: bool
    lively: bool

    def line(self, line: bytes) -> str:
        """Return the words that this line adds."""
        ...

    def close(self) -> str:
        """Return the words that were held back until the end."""
        ...

    def tool_calls(self) -> list[ToolCall]:
        """Return the calls of the answer, which is whole."""
        ...


def address(settings: ChatSettings) -> tuple[str, dict[str, str]]:
    """Where a request is posted to, and the query."""
    base = settings.url.rstrip("/")
    match settings.dialect:
        case "anthropic":
            return f"{base}/messages", settings.query
        case "gemini":
            return f"{base}/models/{settings.model}:streamGenerateContent", {"alt": "sse", **settings.query}
        case _:
            return f"{base}/chat/completions", settings.query


def key_header(settings: ChatSettings, key: str) -> Mapping[str, str]:
    """The header that carries the key: the dialect's own where settings name none."""
    named = settings.key_header
    if named.lower() == "authorization" and settings.dialect != "openai":
        named = {"anthropic": "x-api-key", "gemini": "x-goog-api-key"}[settings.dialect]
    own = {"anthropic-version": VERSION} if settings.dialect == "anthropic" else {}
    if not key:
        return own
    return {**own, named: f"Bearer {key}" if named.lower() == "authorization" else key}


def request_body(settings: ChatSettings, messages: list[Message], tools: list[dict[str, Any]]) -> dict[str, Any]:
    """What is asked; `extra_body` adds fields, and takes those out that it has as null."""
    match settings.dialect:
        case "anthropic":
            request = anthropic_request(settings, messages, tools)
        case "gemini":
            request = gemini_request(settings, messages, tools)
        case _:
            request = _openai_request(settings, messages, tools)
    request |= settings.extra_body
    return {name: value for name, value in request.items() if value is not None}


def _openai_request(settings: ChatSettings, messages: list[Message], tools: list[dict[str, Any]]) -> dict[str, Any]:
    named = [{key: value for key, value in message.items() if key != "name"} for message in messages]
    request: dict[str, Any] = {"model": settings.model, "stream": True, "messages": named}
    if tools:
        request["tools"] = tools
    if settings.temperature is not None:
        request["temperature"] = settings.temperature
    if settings.max_tokens is not None:
        request[settings.max_tokens_field] = settings.max_tokens
    if settings.budget.tokens or settings.budget.money:
        request["stream_options"] = {"include_usage": True}
    return request


def stream_of(settings: ChatSettings, tool_names: frozenset[str]) -> ModelStream:
    """Return who reads the answer."""
    match settings.dialect:
        case "anthropic":
            return AnthropicStream()
        case "gemini":
            return GeminiStream()
        case _:
            return ChatStream(tool_names)
