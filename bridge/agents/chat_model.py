"""One answer of a chat model: asked of one server, or of two where the first fails or is late."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing, suppress
from typing import Any

import msgspec

from bridge.agents.base import AgentError, Failure
from bridge.agents.chat_dialects import ModelStream, address, key_header, request_body, stream_of
from bridge.agents.chat_prompts import Message, going_on
from bridge.agents.outages import ServiceAway
from bridge.agents.rest_of_answer import RestOfWords, may_go_on
from bridge.agents.settings import ChatSettings
from bridge.agents.streaming import AnswerTimeouts, LineClient, finish
from bridge.http import HttpClient

_TRY_ANOTHER = frozenset(
    {
        Failure.UNREACHABLE,
        Failure.TIMEOUT,
        Failure.HTTP_STATUS,
        Failure.BROKEN_STREAM,
        Failure.UNREADABLE_EVENT,
        Failure.SERVICE_ERROR,
    }
)
"""What may be wrong with one server and right with another."""


_AFTER_THE_END_S = 1.0
"""What follows the reason why an answer ended, such as its costs, is waited for so long."""


class ModelAnswer:
    """One request and what comes back: `words` first, then all else is known."""

    def __init__(self, model: ChatModel, messages: list[Message], tools: list[dict[str, Any]]) -> None:
        names = frozenset(str(tool["function"]["name"]) for tool in tools)
        self.stream: ModelStream = stream_of(model.settings, names)
        self.model = model
        self.body = msgspec.json.encode(request_body(model.settings, messages, tools))
        self.written = 0
        """Characters of words so far."""

    async def words(self) -> AsyncGenerator[str, None]:
        """Stream the words as they are written. Raises AgentError; closing it closes the connection."""
        settings, stream = self.model.settings, self.stream
        patience = AnswerTimeouts(settings.first_token_deadline_s, settings.token_deadline_s, settings.limits.answer_s)
        url, query = address(settings)
        lines = self.model.client.post(url, self.body, self.model.headers, patience, query)
        async with aclosing(lines):
            try:
                async for line in self._until_its_end(lines, patience):
                    words = self._read(line)
                    if stream.lively:
                        patience.lively()
                    if words:
                        self.written += len(words)
                        yield words
                    if stream.done:
                        break
                if words := self._read(None):
                    self.written += len(words)
                    yield words
                if stream.done:
                    await finish(lines)
            except AgentError as error:
                raise self.model.named(error) from None

    async def _until_its_end(
        self, lines: AsyncGenerator[bytes, None], patience: AnswerTimeouts
    ) -> AsyncGenerator[bytes, None]:
        """The lines; once it is known why the answer ended, it is whole, however long its connection is kept open."""
        try:
            async for line in lines:
                yield line
                if self.stream.finish_reason:
                    patience.at_most(_AFTER_THE_END_S)
        except AgentError as error:
            if not self.stream.finish_reason or error.kind not in (Failure.TIMEOUT, Failure.BROKEN_STREAM):
                raise

    def _read(self, line: bytes | None) -> str:
        """The words of a line, or of the end; behind the reason for the end, what cannot be read spoils nothing."""
        try:
            return self.stream.close() if line is None else self.stream.line(line)
        except AgentError as error:
            if not self.stream.finish_reason or error.kind is not Failure.UNREADABLE_EVENT:
                raise
            return ""

    @property
    def tokens(self) -> tuple[int, int]:
        """What was read and written, as the server counts it, else estimated."""
        usage = self.stream.usage
        if usage.read or usage.written:
            return usage.read, usage.written
        arguments = sum(len(call.arguments) for call in self.stream.tool_calls())
        return len(self.body) // 4, (self.written + arguments) // 4


class ChatModel:
    """One model on one server, with the connections to it."""

    def __init__(
        self, settings: ChatSettings, key: str, http: HttpClient, secret_headers: Mapping[str, str] | None = None
    ) -> None:
        self.settings = settings
        self._http = http
        self._warming: asyncio.Task[None] | None = None
        retry_s = settings.retry_s if settings.second is None else 0.0  # the second model need not wait for the first
        self.client = LineClient(f"the chat model at {settings.url}", http, settings.limits, retry_s=retry_s)
        self.headers = {"Content-Type": "application/json", "Accept": "text/event-stream", **settings.headers}
        self.headers.update(secret_headers or {})
        self.headers.update(key_header(settings, key))

    def named(self, error: AgentError) -> AgentError:
        """Return an error of the same kind whose message says which server it is about."""
        said = str(error)
        if said.startswith(self.client.name):
            return error
        return AgentError(error.kind, f"{self.client.name}: {said}", error.quoted)

    def warm(self) -> None:
        """Open a connection in the background, so that the first question needs none; nothing comes of a failure."""
        if self._warming is None or self._warming.done():
            self._warming = asyncio.get_running_loop().create_task(self._warm())

    async def _warm(self) -> None:
        with suppress(Exception):
            async with asyncio.timeout(self.settings.connect_deadline_s):
                url, _ = address(self.settings)
                (await self._http.request("HEAD", url, allow_redirects=False)).release()

    async def close(self) -> None:
        """Close the connections to the model's server."""
        if self._warming is not None:
            self._warming.cancel()
            await asyncio.wait({self._warming})
        await self.client.close()


_Running = dict["asyncio.Task[str]", tuple[ModelAnswer, AsyncGenerator[str, None]]]


async def _close(running: _Running) -> None:
    for task, (_, losing) in running.items():
        task.cancel()
        await asyncio.wait({task})
        with suppress(AgentError):
            await losing.aclose()
    running.clear()


class Contest:
    """An answer of the first of two models that has a word, a tool call, or an end; without a second, of the only one.

    `failed` is told of a model whose failure nobody hears of, as the other one answered. `so_far` are words of this
    very answer that were said already.
    """

    def __init__(
        self,
        models: list[ChatModel],
        late_s: float,
        messages: list[Message],
        tools: list[dict[str, Any]],
        failed: Callable[[AgentError], None],
        so_far: str = "",
    ) -> None:
        self._models = models
        self._messages = messages
        self._tools = tools
        self._so_far = so_far
        self._answers = self._ask(so_far)
        self._late_s = late_s
        self._failed = failed
        self.asked: list[ModelAnswer] = []
        """Those that were asked, and so cost something."""
        self.answer = self._answers[0]
        """Whose words these are."""

    def _ask(self, so_far: str = "") -> list[ModelAnswer]:
        """The requests, not yet sent, for an answer or for what comes after these words of one."""
        return [ModelAnswer(model, [*self._messages, *going_on(so_far)], self._tools) for model in self._models]

    async def words(self) -> AsyncGenerator[str, None]:
        """Stream the winner's words, and once their rest where they break off.

        Raises AgentError when nobody has any, or the winner not to the end.
        """
        so_far = self._so_far
        try:
            async with aclosing(self._rest(so_far)) as pieces:
                async for piece in pieces:
                    so_far += piece
                    yield piece
            return
        except ServiceAway as error:
            if not (self.answer.model.settings.retry_s and may_go_on(error)):
                raise
            self._failed(error)
        self._answers = self._ask(so_far)
        async with aclosing(self._rest(so_far)) as pieces:
            async for piece in pieces:
                yield piece

    async def _rest(self, so_far: str) -> AsyncGenerator[str, None]:
        """What is new in the winner's words after these."""
        rest = RestOfWords(so_far)
        async with aclosing(self._words()) as pieces:
            async for piece in pieces:
                if new := rest.new(piece):
                    yield new

    async def _words(self) -> AsyncGenerator[str, None]:
        running: _Running = {}
        try:
            first, stream = await self._first(running)
        finally:
            await _close(running)  # at once: what nobody hears still costs
        if stream is None:
            return
        async with aclosing(stream):
            yield first
            async for words in stream:
                yield words

    async def _first(self, running: _Running) -> tuple[str, AsyncGenerator[str, None] | None]:
        """The first word, and where the others come from; None for an answer without words."""
        waiting = list(self._answers)
        while True:
            if waiting and (not running or len(waiting) < len(self._answers)):
                answer = waiting.pop(0)
                self.asked.append(answer)
                stream = answer.words()
                running[asyncio.ensure_future(anext(stream))] = answer, stream
            hedged = self._late_s if waiting and self._late_s else None
            done, _ = await asyncio.wait(running, timeout=hedged, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                answer, stream = running.pop(task)
                try:
                    first = task.result()
                except StopAsyncIteration:
                    self.answer = answer
                    return "", None
                except AgentError as error:
                    if error.kind not in _TRY_ANOTHER or not (waiting or running):
                        raise
                    self._failed(error)
                    continue
                self.answer = answer
                return first, stream
