"""What an agent can do besides answering prompts, as its session uses it. Its mistakes are counted, and end no call."""

from __future__ import annotations

import logging
from collections.abc import Callable

from bridge.agents.base import Agent, CallInfo, accountable, attentive, talking
from bridge.audio.formats import AudioFormat
from bridge.call.account import AgentAccount
from bridge.call.commands import Command
from bridge.call.events import AgentWantsFloor, Event
from bridge.call.machine import Call
from bridge.session.failures import report_raised
from bridge.session.ports import CallSpeaker
from bridge.telemetry.metrics import Metrics

logger = logging.getLogger(__name__)


class AgentAbilities:
    """The abilities of one call's agent; without them nothing happens."""

    def __init__(self, agent: Agent, info: CallInfo, metrics: Metrics) -> None:
        self._info = info
        self._metrics = metrics
        self._attentive = self._follower = attentive(agent)
        self._accountable = accountable(agent)
        self._talking = talking(agent)
        self.hears = self._talking is not None
        """Whether it is to be told of the caller's audio."""

    def joins(self, voice: CallSpeaker, audio_format: AudioFormat) -> None:
        """Let an agent that speaks itself be heard through the call's voice."""
        if self._talking is not None:
            self._talking.line(audio_format)
            voice.supply(self._talking.speech)

    def hear(self, ulaw: bytes, now: float) -> None:
        """Let the agent hear the caller; one that fails at it hears no more."""
        try:
            if self._talking is not None:
                self._talking.hear(ulaw, now)
        except Exception as error:
            self.hears = False
            self._failed("could not hear its caller", error)

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
        except Exception as error:
            self._follower = None
            self._failed("could not follow its call", error)

    def left(self) -> None:
        """Tell the agent that the call is over here."""
        if self._attentive is not None:
            self._attentive.left()

    def account(self) -> AgentAccount:
        """What the agent has to tell of the call; nothing, where it fails at that."""
        try:
            return AgentAccount() if self._accountable is None else self._accountable.account()
        except Exception as error:
            self._failed("could not give an account of its call", error)
            return AgentAccount()

    def _failed(self, what: str, error: Exception) -> None:
        report_raised(self._metrics, self._info, error, what)
