"""What an agent can do besides answering prompts, as its session uses it. Its mistakes are counted, and end no call."""

from __future__ import annotations

import logging
from collections.abc import Callable

from bridge.agents.base import Agent, CallInfo, Failure, accountable, attentive
from bridge.call.account import AgentAccount
from bridge.call.commands import Command
from bridge.call.events import AgentWantsFloor, Event
from bridge.call.machine import Call
from bridge.telemetry.metrics import Metrics

logger = logging.getLogger(__name__)


class AgentAbilities:
    """The abilities of one call's agent; without them nothing happens."""

    def __init__(self, agent: Agent, info: CallInfo, metrics: Metrics) -> None:
        self._info = info
        self._metrics = metrics
        self._attentive = self._follower = attentive(agent)
        self._accountable = accountable(agent)

    def attend(self, ask: Callable[[AgentWantsFloor], None]) -> None:
        """The call begins, or goes on here."""
        if self._attentive is not None:
            self._attentive.attend(ask)

    def saw(self, event: Event, commands: list[Command], call: Call) -> None:
        """Let the agent see what happened; one that fails at it sees no more."""
        if self._follower is None:
            return
        try:
            self._follower.saw(event, commands, call)
        except Exception:
            self._follower = None
            self._failed("could not follow its call")

    def left(self) -> None:
        """Tell the agent that the call is over here."""
        if self._attentive is not None:
            self._attentive.left()

    def account(self) -> AgentAccount:
        """What the agent has to tell of the call; nothing, where it fails at that."""
        try:
            return AgentAccount() if self._accountable is None else self._accountable.account()
        except Exception:
            self._failed("could not give an account of its call")
            return AgentAccount()

    def _failed(self, what: str) -> None:
        self._metrics.agent_failures.labels(Failure.RAISED).inc()
        logger.exception("agent %s, call=%s", what, self._info.call_id)
