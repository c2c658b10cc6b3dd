"""An agent that asks a chat model, in any of its dialects (`chat_dialects`), and calls the tools that it asks for.

The history sent is what was heard: words that the caller cut off are not in it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from typing import Any

from bridge.agents.base import AgentError, CallInfo, Failure, FixedLine, LikelyLine, Report, no_report
from bridge.agents.chat_calls import ToolCall, meant
from bridge.agents.chat_memory import ChatMemory
from bridge.agents.chat_model import ChatModel, Contest, ModelAnswer
from bridge.agents.chat_prompts import as_messages, tools_on_offer, wordless
from bridge.agents.chat_tools import AnswerInProgress, Background, ToolRound, exchange_of
from bridge.agents.guard import Guard
from bridge.agents.own_tools import OWN_TOOLS, action_of
from bridge.agents.settings import ChatSettings
from bridge.agents.tools.base import Tool
from bridge.agents.tools.factory import Toolbox
from bridge.agents.transfers import Transfers
from bridge.call.account import AgentAccount
from bridge.call.actions import Action, ChangeLanguage, Expect, HangUp, Prompt, Say, Transfer
from bridge.http import HttpClient
from bridge.text.first_word import FirstWord


class ChatAgent:
    """One call's conversation with the model: the words are in the prompts' history, what tools gave is remembered."""

    def __init__(self, factory: ChatFactory, info: CallInfo) -> None:
        self._factory = factory
        self._settings = factory.settings
        self._info = info
        self._memory = ChatMemory(factory.settings.budget, factory.settings.history_characters)
        self._counts = asyncio.Event()

    def state(self) -> bytes:
        """What tools gave, and what the call has cost; the history comes with every prompt."""
        return self._memory.state()

    def resume(self, state: bytes) -> None:
        """Take what another process remembers of the call. Raises BadMessage for anything else."""
        self._memory.resume(state)

    def account(self) -> AgentAccount:
        """The tools that were used, and what the model has cost."""
        return self._memory.account()

    def likely(self) -> list[LikelyLine]:
        """Return no lines: what a model will say is known from its first words at the earliest."""
        return []

    def confirmed(self, turn: int) -> None:
        """Let tools change the world, as the caller's turn counts."""
        if turn == self._memory.turn:
            self._counts.set()

    async def reply(self, prompt: Prompt) -> AsyncGenerator[Action, None]:
        """Stream the model's answer as it is written, then what its tools ask for. Raises AgentError."""
        if prompt.kind == "call_started" and self._settings.greeting:
            if not prompt.so_far:
                yield Say(self._settings.greeting, cacheable=True)
            return
        async with aclosing(self._factory.guard.answer(self._info, prompt, self._ask)) as actions:
            async for action in actions:
                yield action

    async def _ask(self, prompt: Prompt) -> AsyncGenerator[Action, None]:
        """Ask the model until it calls no more tools, and give the actions that its answers stand for."""
        settings, factory, memory = self._settings, self._factory, self._memory
        memory.begin(prompt)
        self._counts = asyncio.Event()
        if not prompt.guess:
            self._counts.set()
        progress = AnswerInProgress(self._counts)
        note, so_far = "", memory.untold(prompt, factory.fillers)
        progress.said = bool(prompt.so_far)
        for _ in range(settings.tool_rounds + 1):
            tools = factory.toolbox.tools()
            contest, words, word = self._asked(prompt, tools, note, so_far), so_far, FirstWord()
            async with aclosing(self._counted(contest)) as pieces:
                async for piece in pieces:
                    words, progress.said = words + piece, word.feed(piece) or progress.said
                    yield Say(piece, more=True, cacheable=False)
            progress.said = word.finish() or progress.said
            answer = contest.answer
            own, model = factory.own_names, factory.model.client.name
            calls = answer.stream.tool_calls()
            for call in calls:
                call.name = meant(call.name, own | tools.keys())
            wanted = [(call, tools[call.name]) for call in calls if call.name in tools]
            actions = [action_of(call, own, model) for call in calls if call.name not in tools]
            if wanted:
                async for filler in self._call_tools(wanted, words, progress, prompt):
                    yield filler
            for action in actions:
                yield action
            declared = [action for action in actions if isinstance(action, Expect | ChangeLanguage)]
            if len(declared) == len(actions) > 0 and not (word.came or so_far or note):
                note = wordless(declared)
                continue
            if not wanted or any(isinstance(action, HangUp | Transfer) for action in actions):
                self._judge(answer, spoke=word.came or bool(so_far))
                return
            so_far = ""
        raise AgentError(Failure.TOO_MUCH, f"called tools more than {settings.tool_rounds} times in one answer")

    def _asked(self, prompt: Prompt, tools: Mapping[str, Tool], note: str, so_far: str) -> Contest:
        """One request with all that is known. Raises AgentError when the call may cost no more."""
        self._memory.check()
        memory = self._memory
        messages = as_messages(self._settings, self._info, prompt, memory.exchanges, note, memory.told_from)
        return self._factory.contest(messages, tools, self._info, so_far)

    async def _counted(self, contest: Contest) -> AsyncGenerator[str, None]:
        """Give the words of an answer, and count what it costs, however it ends."""
        try:
            async with aclosing(contest.words()) as words:
                async for piece in words:
                    yield piece
        finally:
            for asked in contest.asked:
                self._memory.spent(*asked.tokens)

    async def _call_tools(
        self, wanted: Sequence[tuple[ToolCall, Tool]], words: str, progress: AnswerInProgress, prompt: Prompt
    ) -> AsyncGenerator[Action, None]:
        """Call tools, and remember what they gave; of a round that is broken off, only what has changed the world."""
        if words:
            yield Say("", cacheable=False)  # what was said so far is whole, and need not wait for the tools
        done = ToolRound(self._settings, wanted, words, progress, self._factory.background)
        answered = prompt.kind in ("caller_said", "digits") and bool(prompt.text)
        exchange = exchange_of(done, len(prompt.history) + answered, prompt.turn)
        whole = False
        try:
            async with aclosing(done.run()) as fillers:
                async for filler in fillers:
                    yield filler
            whole = True
        finally:
            exchange.kept = done.begun
            if whole or done.begun:
                self._memory.add(exchange)

    def _judge(self, answer: ModelAnswer, *, spoke: bool) -> None:
        """An answer that somebody else ended. Raises AgentError where it cannot stand as it is."""
        name, reason = answer.model.client.name, answer.stream.finish_reason
        if reason == "content_filter":
            raise AgentError(Failure.FILTERED, f"{name} was stopped by its content filter")
        if reason in ("length", "max_tokens"):
            error = AgentError(Failure.CUT_OFF, f"{name} reached its limit of tokens")
            if not spoke:
                raise error
            self._factory.report(self._info, error)  # what was said stands, as the caller has begun to hear it


class ChatFactory:
    """Opens one conversation per call over shared connections, with shared tools."""

    def __init__(
        self,
        settings: ChatSettings,
        key: str = "",
        *,
        http: HttpClient | None = None,
        secret_headers: Mapping[str, str] | None = None,
        report: Report = no_report,
        second: ChatModel | None = None,
        toolbox: Toolbox | None = None,
    ) -> None:
        self.settings = settings
        self.report = report
        http = http or HttpClient(connect_deadline_s=settings.connect_deadline_s)
        self.model = ChatModel(settings, key, http, secret_headers)
        self._models = [self.model] if second is None else [self.model, second]
        self.guard = Guard(settings.limits, Transfers(settings.transfers), report)
        self._own_tools = tools_on_offer(self.guard.transfers, settings.languages) if settings.tools else []
        self.own_names = frozenset(str(tool["function"]["name"]) for tool in self._own_tools)
        self.toolbox = toolbox or Toolbox([], OWN_TOOLS)
        self.background = Background()

    def contest(
        self, messages: list[dict[str, Any]], tools: Mapping[str, Tool], info: CallInfo, so_far: str = ""
    ) -> Contest:
        """One request, of whichever model answers it; `so_far` was said of the answer already."""
        late = self.settings.second.late_ms / 1000 if self.settings.second else 0.0
        offered = [*self._own_tools, *(tool.offered() for tool in tools.values())]
        return Contest(self._models, late, messages, offered, lambda error: self.report(info, error), so_far)

    @property
    def fillers(self) -> list[str]:
        """What is said while tools are at work."""
        return [self.settings.filler, *(tool.filler for tool in self.toolbox.tools().values())]

    @property
    def headers(self) -> dict[str, str]:
        """The headers of each request to the first model."""
        return self.model.headers

    async def prepare(self) -> None:
        """Find the tools, and open a connection to each model's server."""
        await self.toolbox.start()
        for model in self._models:
            model.warm()

    def open_call(self, info: CallInfo) -> ChatAgent:
        """Start a conversation; no question is put yet."""
        return ChatAgent(self, info)

    def phrases(self) -> list[FixedLine]:
        """The fixed greeting, if there is one, and what is said while tools are at work."""
        lines = [self.settings.greeting, *(self.fillers if self.settings.functions else [])]
        return [FixedLine(text) for text in dict.fromkeys(lines) if text]

    async def close(self) -> None:
        """Let tools end that were begun, and close the connections to models and servers of tools."""
        if self.background.tasks:
            await asyncio.wait(self.background.tasks)
        await self.toolbox.close()
        for model in self._models:
            await model.close()
