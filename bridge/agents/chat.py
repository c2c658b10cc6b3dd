"""An agent that asks a chat model, by the OpenAI chat completions API with streaming.

https://platform.openai.com/docs/api-reference/chat/streaming; what servers make of it is read by `chat_stream`.

The history sent is what was heard: words that the caller cut off are not in it.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any

import msgspec

from bridge.agents.base import AgentError, CallInfo, Failure, FixedLine, LikelyLine, Report, no_report
from bridge.agents.chat_prompts import as_messages, tools_on_offer
from bridge.agents.chat_stream import ChatStream, ToolCall
from bridge.agents.guard import Guard
from bridge.agents.settings import ChatSettings
from bridge.agents.streaming import AnswerTimeouts, LineClient, finish
from bridge.agents.transfers import Transfers
from bridge.call.actions import Action, Expect, HangUp, Prompt, Say, Transfer
from bridge.http import HttpClient
from bridge.understanding.understand import ANSWER

_SHOWN = 100


class _Arguments(msgspec.Struct):
    """The arguments of all our tools; models like to say `null` for what they leave out."""

    target: str | None = None
    summary: str | None = None
    answer: str | None = None
    digits: int | None = None
    choices: list[str] | None = None
    keys: list[str] | None = None
    reason: str | None = None


class ChatAgent:
    """One call's conversation with the model; all memory is in the prompts' history."""

    def __init__(self, factory: ChatFactory, info: CallInfo) -> None:
        self._factory = factory
        self._settings = factory.settings
        self._info = info

    def state(self) -> bytes:
        """Return nothing, since the history comes with every prompt."""
        return b""

    def resume(self, state: bytes) -> None:
        """Take the state of this kind of agent, which is empty: what was heard is in each prompt."""

    def likely(self) -> list[LikelyLine]:
        """Return no lines: what a model will say is known from its first words at the earliest."""
        return []

    def confirmed(self, turn: int) -> None:
        """Change nothing for a guess that was right: what tools ask for is carried out only when the turn counts."""

    async def reply(self, prompt: Prompt) -> AsyncGenerator[Action, None]:
        """Stream the model's answer as it is written, then what its tools ask for. Raises AgentError."""
        if prompt.kind == "call_started" and self._settings.greeting:
            yield Say(self._settings.greeting)
            return
        async with aclosing(self._factory.guard.answer(self._info, prompt, self._ask)) as actions:
            async for action in actions:
                yield action

    async def _ask(self, prompt: Prompt) -> AsyncGenerator[Action, None]:
        """One request, and the actions that its answer stands for."""
        settings, factory = self._settings, self._factory
        patience = AnswerTimeouts(settings.first_token_deadline_s, settings.token_deadline_s, settings.limits.answer_s)
        stream = ChatStream(factory.tool_names)
        spoke = False
        lines = factory.client.post(
            f"{settings.url.rstrip('/')}/chat/completions",
            msgspec.json.encode(self._request(prompt)),
            factory.headers,
            patience,
            settings.query,
        )
        async with aclosing(lines):
            try:
                async for line in lines:
                    words = stream.line(line)
                    if stream.lively:
                        patience.lively()
                    if words:
                        spoke = True
                        yield Say(words, more=True, cacheable=False)
                    if stream.done:
                        break
                if words := stream.close():
                    spoke = True
                    yield Say(words, more=True, cacheable=False)
                if stream.done:
                    await finish(lines)
            except AgentError as error:
                raise factory.named(error) from None
        for call in stream.tool_calls():
            yield self._action(call)
        self._judge(stream.finish_reason, spoke=spoke)

    def _judge(self, reason: str, *, spoke: bool) -> None:
        """An answer that somebody else ended. Raises AgentError where it cannot stand as it is."""
        name = self._factory.client.name
        if reason == "content_filter":
            raise AgentError(Failure.FILTERED, f"{name} was stopped by its content filter")
        if reason in ("length", "max_tokens"):
            error = AgentError(Failure.CUT_OFF, f"{name} reached its limit of tokens")
            if not spoke:
                raise error
            self._factory.report(self._info, error)  # what was said stands, as the caller has begun to hear it

    def _request(self, prompt: Prompt) -> dict[str, Any]:
        settings = self._settings
        request: dict[str, Any] = {
            "model": settings.model,
            "stream": True,
            "messages": as_messages(settings, self._info, prompt),
        }
        if settings.tools:
            request["tools"] = self._factory.tools
        if settings.temperature is not None:
            request["temperature"] = settings.temperature
        if settings.max_tokens is not None:
            request[settings.max_tokens_field] = settings.max_tokens
        request |= settings.extra_body
        return {name: value for name, value in request.items() if value is not None}

    def _action(self, call: ToolCall) -> Action:
        """The action that a tool call stands for. Raises AgentError."""
        name = self._factory.client.name
        if call.name not in self._factory.tool_names:
            raise AgentError(
                Failure.TOOL_NOT_ON_OFFER, f"{name} called a tool that is not on offer", call.name[:_SHOWN]
            )
        try:
            arguments = msgspec.json.decode(call.arguments.strip() or "{}", type=_Arguments, strict=False)
        except (msgspec.DecodeError, UnicodeError) as error:
            what = f"{name} called {call.name} with arguments that cannot be read: {error}"
            raise AgentError(Failure.BAD_ACTION, what, call.arguments[:_SHOWN]) from None
        match call.name:
            case "hang_up":
                return HangUp(arguments.reason or "agent")
            case "transfer":
                return Transfer(arguments.target or "", arguments.summary or "")
            case _:
                return self._expect(arguments, call)

    def _expect(self, arguments: _Arguments, call: ToolCall) -> Expect:
        answer = arguments.answer or "open"
        if answer == "digits" and arguments.digits:
            answer = f"digits:{arguments.digits}"
        if not ANSWER.fullmatch(answer):
            what = f"{self._factory.client.name} expects what cannot be expected"
            raise AgentError(Failure.BAD_ACTION, what, call.arguments[:_SHOWN])
        choices = dict.fromkeys(arguments.choices or (), ())
        return Expect(answer, tuple(choices), choices=dict(choices), keys=tuple(arguments.keys or ()))


class ChatFactory:
    """Opens one conversation per call over shared connections."""

    def __init__(
        self,
        settings: ChatSettings,
        key: str = "",
        *,
        http: HttpClient | None = None,
        secret_headers: Mapping[str, str] | None = None,
        report: Report = no_report,
    ) -> None:
        self.settings = settings
        self.report = report
        self.client = LineClient(
            f"the chat model at {settings.url}",
            http or HttpClient(connect_deadline_s=settings.connect_deadline_s),
            settings.limits,
        )
        self.guard = Guard(settings.limits, Transfers(settings.transfers), report)
        self.tools = tools_on_offer(self.guard.transfers)
        self.tool_names = frozenset(str(tool["function"]["name"]) for tool in self.tools if settings.tools)
        self.headers = {"Content-Type": "application/json", "Accept": "text/event-stream", **settings.headers}
        self.headers.update(secret_headers or {})
        if key:
            bearer = settings.key_header.lower() == "authorization"
            self.headers[settings.key_header] = f"Bearer {key}" if bearer else key

    def named(self, error: AgentError) -> AgentError:
        """Return an error of the same kind whose message says which server it is about."""
        said = str(error)
        if said.startswith(self.client.name):
            return error
        return AgentError(error.kind, f"{self.client.name}: {said}", error.quoted)

    def open_call(self, info: CallInfo) -> ChatAgent:
        """Start a conversation; nothing is sent yet."""
        return ChatAgent(self, info)

    def phrases(self) -> list[FixedLine]:
        """The fixed greeting, if there is one."""
        return [FixedLine(self.settings.greeting)] if self.settings.greeting else []

    async def close(self) -> None:
        """Close the connections to the model's server."""
        await self.client.close()
