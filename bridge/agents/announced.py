"""An announcement before any agent's first words, such as that the call is recorded."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import msgspec
from msgspec import UNSET

from bridge.agents.base import Agent, AgentFactory, CallInfo, FixedLine, LikelyLine
from bridge.call.actions import Action, Prompt, Say


class AnnouncedAgents:
    """Agents of another factory whose calls all begin with the same words, which nobody can talk away."""

    def __init__(self, agents: AgentFactory, announcement: str) -> None:
        self._agents = agents
        self._announcement = announcement

    def open_call(self, info: CallInfo) -> Agent:
        """Return the other factory's agent for this call, behind the announcement."""
        return _AnnouncedAgent(self._agents.open_call(info), self._announcement)

    def phrases(self) -> list[FixedLine]:
        """Return the announcement and the other factory's lines."""
        return [FixedLine(self._announcement), *self._agents.phrases()]

    async def close(self) -> None:
        """Close the factory of the agents that speak behind the announcement."""
        await self._agents.close()


class _AnnouncedAgent:
    def __init__(self, agent: Agent, announcement: str) -> None:
        self.inner = agent
        self._announcement = announcement
        self.confirmed = agent.confirmed
        self.state = agent.state
        self.resume = agent.resume

    async def reply(self, prompt: Prompt) -> AsyncGenerator[Action, None]:
        announces = prompt.kind == "call_started"
        if announces and prompt.so_far:
            announces = False
            prompt = msgspec.structs.replace(prompt, so_far=prompt.so_far[1:] or UNSET)
        reply = self.inner.reply(prompt)
        try:
            if announces:
                yield Say(self._announcement, interruption="protected", cacheable=True)
            async for action in reply:
                yield action
        finally:
            await reply.aclose()

    def likely(self) -> list[LikelyLine]:
        return self.inner.likely()
