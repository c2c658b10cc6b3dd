"""The agent of one call at work: it is asked, its actions become events as they come, its memory is kept."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Callable, Coroutine, Iterable
from typing import Any

from bridge.agents.base import Agent, AgentError, CallInfo, Failure, LikelyLine
from bridge.call.actions import Prompt
from bridge.call.commands import AskAgent, CancelAgent, ConfirmAnswer
from bridge.call.events import AgentActed, AgentFailed, AgentFinished
from bridge.errors import BadMessage
from bridge.session.failures import report_agent_error, report_raised
from bridge.session.ports import Deliver
from bridge.telemetry import logs
from bridge.telemetry.metrics import Metrics

logger = logging.getLogger(__name__)

_ACTIONS_AT_ONCE = 8
_ACTIONS_A_TURN = 10_000


class AgentReplies:
    """Runs the agent's replies, each a task; whatever an agent does wrong is counted and ends no call.

    deliver   is told what the agent wants, has finished or has failed at
    expect    is told what the agent will probably say next
    """

    def __init__(
        self,
        agent: Agent,
        info: CallInfo,
        metrics: Metrics,
        *,
        deliver: Deliver,
        expect: Callable[[Iterable[LikelyLine]], None],
    ) -> None:
        self._agent = agent
        self._info = info
        self._metrics = metrics
        self._deliver = deliver
        self._expect = expect
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._closed = False

    def ask(self, command: AskAgent) -> None:
        """Put a prompt to the agent."""
        self._tasks[command.turn] = _start(self._reply(command.turn, command.prompt))

    def confirm(self, command: ConfirmAnswer) -> None:
        """Tell the agent that the caller has heard of its answer."""
        self._agent.confirmed(command.turn)

    def cancel(self, command: CancelAgent) -> None:
        """Let go of the answer to one prompt."""
        task = self._tasks.pop(command.turn, None)
        if task is not None:
            task.cancel()

    def close(self) -> None:
        """Let go of all answers; nothing is delivered afterwards."""
        self._closed = True
        for task in self._tasks.values():
            task.cancel()
        self._tasks.clear()

    def state(self) -> Any:
        """What the agent has to remember if the call goes on elsewhere."""
        return self._agent.state()

    def remind(self, state: Any) -> None:
        """Give the agent its memory back; one that cannot read it begins anew, with what was said as its history."""
        try:
            self._agent.resume(state)
        except Exception as error:
            self._metrics.agent_failures.labels(Failure.RAISED).inc()
            why = str(error) if isinstance(error, BadMessage) else type(error).__name__
            logs.event(logger, "agent does not remember", logging.WARNING, call=self._info.call_id, why=why)

    async def _reply(self, turn: int, prompt: Prompt) -> None:
        """Pass on what the agent wants, as it comes."""
        reply = self._agent.reply(prompt)
        try:
            count = 0
            async for action in reply:
                self._deliver(AgentActed(turn, action))
                count += 1
                if count % _ACTIONS_AT_ONCE == 0:
                    await asyncio.sleep(0)  # an agent that never waits must not hold up the other calls
                if count >= _ACTIONS_A_TURN:
                    raise AgentError(Failure.TOO_MUCH, f"more than {_ACTIONS_A_TURN} actions in one answer")
        except AgentError as error:
            report_agent_error(self._metrics, self._info, error)
            self._deliver(AgentFailed(turn, error.kind.value))
        except Exception as error:
            report_raised(self._metrics, self._info, error)
            self._deliver(AgentFailed(turn, Failure.RAISED.value))
        else:
            self._deliver(AgentFinished(turn))
            # Not now: what the answer has set going goes first.
            asyncio.get_running_loop().call_soon(self._look_ahead)
        finally:
            self._tasks.pop(turn, None)
            await reply.aclose()

    def _look_ahead(self) -> None:
        """Let speech know what the agent will probably say next; a mistake in that ends no call."""
        if self._closed:
            return
        try:
            self._expect(self._agent.likely())
        except Exception as error:
            report_raised(self._metrics, self._info, error, "could not name its next lines")


def _start(work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
    """Run `work` as a task, from Python 3.12 on at once until its first real wait."""
    loop = asyncio.get_running_loop()
    if sys.version_info >= (3, 12):
        return asyncio.Task(work, loop=loop, eager_start=True)
    return loop.create_task(work)
