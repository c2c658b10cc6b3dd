"""An agent that asks a chat model, by the OpenAI chat completions API with streaming.

https://platform.openai.com/docs/api-reference/chat/streaming: server-sent events, each `data:` line a
JSON chunk with `choices[0].delta`; tool calls arrive in pieces by index; `data: [DONE]` ends it. Local
servers (vLLM, llama.cpp, Ollama, LM Studio) speak the same.

The history sent is what was heard: words that the caller cut off are not in it.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from typing import Any

import msgspec

from bridge.agents.base import AgentError, CallInfo, FixedLine, Likely
from bridge.agents.settings import ChatSettings
from bridge.agents.streaming import LineClient
from bridge.call.actions import Action, Expect, HangUp, Prompt, Say, Transfer

_ANSWERS = ("open", "yes_no", "digits", "spelling", "email")


class _Function(msgspec.Struct):
    name: str | None = None
    arguments: str | None = None


class _ToolCall(msgspec.Struct):
    index: int = 0
    function: _Function | None = None


class _Delta(msgspec.Struct):
    content: str | None = None
    tool_calls: list[_ToolCall] | None = None


class _Choice(msgspec.Struct):
    delta: _Delta = msgspec.field(default_factory=_Delta)


class _Chunk(msgspec.Struct):
    choices: list[_Choice] = []
    error: Any = None


_chunks = msgspec.json.Decoder(_Chunk)


class _Arguments(msgspec.Struct):
    target: str = ""
    answer: str = "open"
    digits: int | None = None
    reason: str = ""


_arguments = msgspec.json.Decoder(_Arguments, strict=False)


class ChatAgent:
    """One call's conversation with the model; all memory is in the prompts' history."""

    def __init__(self, settings: ChatSettings, key: str, client: LineClient, info: CallInfo) -> None:
        self._settings = settings
        self._client = client
        self._info = info
        self._headers = {"Content-Type": "application/json", "Accept": "text/event-stream"}
        if key:
            self._headers["Authorization"] = f"Bearer {key}"

    def likely(self) -> list[Likely]:
        """None: what a model will say is known from its first words at the earliest."""
        return []

    async def reply(self, prompt: Prompt) -> AsyncGenerator[Action, None]:
        """Stream the model's answer as it is written, then what its tools ask for. Raises AgentError."""
        if prompt.kind == "call_started" and self._settings.greeting:
            yield Say(self._settings.greeting)
            return
        calls: dict[int, tuple[str, str]] = {}
        spoke = False
        lines = self._client.post(
            f"{self._settings.url.rstrip('/')}/chat/completions",
            msgspec.json.encode(self._request(prompt)),
            self._headers,
            self._settings.first_token_deadline_s,
            self._settings.token_deadline_s,
        )
        async with aclosing(lines):
            async for line in lines:
                if line == b"data: [DONE]":
                    break
                for delta in _deltas(line):
                    _gather(calls, delta.tool_calls or ())
                    if delta.content:
                        spoke = True
                        yield Say(delta.content, more=True, cacheable=False)
        for name, arguments in calls.values():
            yield self._action(name, arguments)
        if not spoke and not calls:
            raise AgentError("the chat model said nothing")

    def _request(self, prompt: Prompt) -> dict[str, Any]:
        request: dict[str, Any] = {
            "model": self._settings.model,
            "stream": True,
            "messages": list(self._messages(prompt)),
            "tools": _tools(list(self._settings.transfer_targets)),
        }
        if self._settings.temperature is not None:
            request["temperature"] = self._settings.temperature
        if self._settings.max_tokens is not None:
            request["max_tokens"] = self._settings.max_tokens
        return request

    def _messages(self, prompt: Prompt) -> Iterator[dict[str, str]]:
        yield {"role": "system", "content": self._settings.instructions}
        for turn in prompt.history:
            text = f"{turn.text} ... [the caller interrupted here]" if turn.interrupted else turn.text
            yield {"role": "user" if turn.speaker == "caller" else "assistant", "content": text}
        last = prompt.history[-1] if prompt.history else None
        if prompt.kind == "caller_said" and last and last.speaker == "caller" and last.text == prompt.text:
            return
        yield {"role": "user", "content": _as_message(prompt, self._info)}

    def _action(self, name: str, raw: str) -> Action:
        """The action that a tool call stands for."""
        try:
            arguments = _arguments.decode(raw or "{}")
        except msgspec.DecodeError as error:
            raise AgentError(f"the chat model called {name!r} with {raw[:100]!r}: {error}") from None
        match name:
            case "hang_up":
                return HangUp(arguments.reason or "agent")
            case "transfer" if arguments.target in self._settings.transfer_targets:
                return Transfer(self._settings.transfer_targets[arguments.target])
            case "expect" if arguments.answer in _ANSWERS:
                counted = arguments.answer == "digits" and arguments.digits
                return Expect(f"digits:{arguments.digits}" if counted else arguments.answer)
        raise AgentError(f"the chat model called {name!r} with {raw[:100]!r}, which is not on offer")


class ChatFactory:
    """Opens one conversation per call over a shared HTTP session."""

    def __init__(self, settings: ChatSettings, key: str = "") -> None:
        self._settings = settings
        self._key = key
        self._client = LineClient(f"the chat model at {settings.url}", settings.connect_deadline_s)

    def open_call(self, info: CallInfo) -> ChatAgent:
        """Start a conversation; nothing is sent yet."""
        return ChatAgent(self._settings, self._key, self._client, info)

    def phrases(self) -> list[FixedLine]:
        """The fixed greeting, if there is one."""
        return [FixedLine(self._settings.greeting)] if self._settings.greeting else []

    async def close(self) -> None:
        """Close the HTTP session."""
        await self._client.close()


def _deltas(line: bytes) -> Iterator[_Delta]:
    """What one line of the event stream adds; comments and other fields add nothing."""
    if not line.startswith(b"data:"):
        return
    try:
        chunk = _chunks.decode(line[5:])
    except msgspec.DecodeError as error:
        raise AgentError(f"the chat model sent {line[:100]!r}: {error}") from None
    if chunk.error:
        raise AgentError(f"the chat model reported {str(chunk.error)[:200]}")
    for choice in chunk.choices[:1]:
        yield choice.delta


def _gather(calls: dict[int, tuple[str, str]], pieces: list[_ToolCall] | tuple[()]) -> None:
    """Join the pieces of tool calls: the name comes once, the arguments in parts."""
    for piece in pieces:
        if piece.function:
            name, arguments = calls.get(piece.index, ("", ""))
            calls[piece.index] = (name or piece.function.name or "", arguments + (piece.function.arguments or ""))


def _as_message(prompt: Prompt, info: CallInfo) -> str:
    """What just happened, in words that a model understands."""
    match prompt.kind:
        case "call_started":
            return f"[The caller{f' from {info.from_number}' if info.from_number else ''} is on the line. Greet him.]"
        case "digits":
            return f"[The caller pressed these keys: {prompt.text}]"
        case "no_input":
            return f"[The caller has been silent, time {max(1, prompt.attempt)} in a row. Ask again, briefly.]"
        case _:
            return prompt.text or "[The caller spoke, but his words are not known.]"


def _tools(targets: list[str]) -> list[dict[str, Any]]:
    """The tools on offer, in the API's own form."""
    reason = {"reason": {"type": "string", "description": "A word or two for the call's record."}}
    answer = {
        "answer": {"type": "string", "enum": list(_ANSWERS)},
        "digits": {"type": "integer", "description": "How many digits, if that is known.", "minimum": 1},
    }
    tools = [
        _tool("hang_up", "End the call after your words were heard. Say goodbye in the same answer.", reason, []),
        _tool("expect", "Declare what kind of answer the caller will give to your question.", answer, ["answer"]),
    ]
    if targets:
        where = {"target": {"type": "string", "enum": targets}}
        tools.append(
            _tool("transfer", "Connect the caller to somebody after your words were heard.", where, ["target"])
        )
    return tools


def _tool(name: str, description: str, properties: dict[str, Any], required: list[str]) -> dict[str, Any]:
    parameters = {"type": "object", "properties": properties, "required": required}
    return {"type": "function", "function": {"name": name, "description": description, "parameters": parameters}}
