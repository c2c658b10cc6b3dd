"""Opens conversations with a speaking model, one per call, with shared tools and a breaker for the service."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Any

from bridge.agents.base import AgentError, CallInfo, Failure, FixedLine, Report, no_report
from bridge.agents.chat_prompts import tools_on_offer
from bridge.agents.chat_tools import Background
from bridge.agents.guard import Guard
from bridge.agents.live.agent import LiveAgent
from bridge.agents.live.gemini import GeminiWire
from bridge.agents.live.realtime import RealtimeWire
from bridge.agents.live.session import LiveSession
from bridge.agents.live.wire import LiveEvent, LiveWire
from bridge.agents.own_tools import OWN_TOOLS
from bridge.agents.settings import GeminiLiveSettings, RealtimeAgentSettings
from bridge.agents.tools.factory import Toolbox
from bridge.agents.transfers import Transfers
from bridge.audio.formats import AudioFormat
from bridge.breaker import Breaker
from bridge.http import HttpClient

logger = logging.getLogger(__name__)


class LiveFactory:
    """Opens one conversation per call."""

    def __init__(
        self,
        settings: RealtimeAgentSettings | GeminiLiveSettings,
        key: str = "",
        *,
        http: HttpClient | None = None,
        secret_headers: Mapping[str, str] | None = None,
        report: Report = no_report,
        toolbox: Toolbox | None = None,
    ) -> None:
        self.settings = settings
        self.report = report
        self.guard = Guard(settings.limits, Transfers(settings.transfers), report)
        self.toolbox = toolbox or Toolbox([], OWN_TOOLS)
        self.background = Background()
        self.session_s = settings.session_s
        self.speculates = isinstance(settings, RealtimeAgentSettings)
        self._own_tools = tools_on_offer(self.guard.transfers, settings.languages) if settings.tools else []
        self.own_names = frozenset(str(tool["function"]["name"]) for tool in self._own_tools)
        self._key = key
        self._headers = dict(secret_headers or {})
        self._http = http or HttpClient(connect_deadline_s=settings.connect_deadline_s)
        self._breaker = Breaker()
        self._sessions: set[LiveSession] = set()

    def wire(self, audio_format: AudioFormat, *, history: bool, goes_on_from: str) -> LiveWire:
        """Return the protocol for a new connection; `history`: there is a conversation that it will be told of."""
        tools: list[Mapping[str, Any]] = [*self._own_tools]
        tools += [tool.offered() for tool in self.toolbox.tools().values()]
        if isinstance(self.settings, GeminiLiveSettings):
            own = self.settings, self._key, self._headers, tools
            return GeminiWire(*own, history=history, goes_on_from=goes_on_from)
        return RealtimeWire(self.settings, self._key, self._headers, tools, audio_format)

    async def connect(self, wire: LiveWire, happened: Callable[[LiveSession, LiveEvent], None]) -> LiveSession:
        """Open a session. Raises AgentError; at once, while the service is known to be away."""
        now = asyncio.get_running_loop().time()
        if not self._breaker.allows(now):
            raise AgentError(Failure.UNREACHABLE, f"{wire.name}: lost: it was away lately, and is left alone")
        session = LiveSession(wire, self._http, happened)
        try:
            await session.open(self.settings.connect_deadline_s)
        except AgentError as error:
            if error.kind is Failure.REFUSED:
                self._breaker.succeeded()
            else:
                self._breaker.failed(asyncio.get_running_loop().time())
            raise
        except BaseException:
            self._breaker.abandoned()
            raise
        self._breaker.succeeded()
        self._sessions = {one for one in self._sessions if one.usable} | {session}
        return session

    def log(self, error: AgentError) -> None:
        """Note what went wrong without harm to an answer."""
        logger.warning("%s", error)

    async def prepare(self) -> None:
        """Find the tools of all sources."""
        await self.toolbox.start()

    def open_call(self, info: CallInfo) -> LiveAgent:
        """Start a conversation; the model is reached when the call begins."""
        return LiveAgent(self, info)

    def phrases(self) -> list[FixedLine]:
        """What is said in the call's own voice while tools are at work."""
        fillers = [self.settings.filler, *(tool.filler for tool in self.toolbox.tools().values())]
        return [FixedLine(text) for text in dict.fromkeys(fillers) if text] if self.settings.functions else []

    async def close(self) -> None:
        """Let tools end that were begun, and close all sessions."""
        if self.background.tasks:
            await asyncio.wait(self.background.tasks)
        await self.toolbox.close()
        for session in self._sessions:
            session.close()
        await self._http.close()
