"""The supervisor of a team on one call: it hears of each exchange, may whisper a hint, and can harm nobody.

It is asked beside the call, never waited for, about one exchange at a time; what it says is a hint, and nothing else of
it counts. It is asked no more once it has used what it may, or has failed several times in a row.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing

from bridge.agents.base import AgentError, AgentFactory, CallInfo, Failure, Report, accountable, attentive
from bridge.agents.guard import speakable
from bridge.agents.settings import SupervisorLimits
from bridge.call.actions import Prompt, Say, Spoken

_LONGEST_HINT = 500
_LONGEST_S = 15.0
"""What a supervisor has to say after this time is not waited for."""
_MOST_ACTIONS = 500
_NO_HINT = frozenset({"", "nothing", "none", "no hint", "ok"})


class Supervisor:
    """Asks one member of a team about a call, and keeps its hint until somebody takes it."""

    def __init__(
        self, name: str, factory: AgentFactory, info: CallInfo, limits: SupervisorLimits, report: Report
    ) -> None:
        self._name = name
        self._factory = factory
        self._info = info
        self._limits = limits
        self._report = report
        self._asking: asyncio.Task[None] | None = None
        self._answers = 0
        self._failures = 0
        self._hint = ""
        self.costs: dict[str, float] = {}
        """What it has cost, as in an account."""

    def take_hint(self) -> str:
        """Return what it whispers, once; empty when there is nothing."""
        hint, self._hint = self._hint, ""
        return hint

    def overhears(self, prompt: Prompt) -> None:
        """Let it hear of an exchange that is over; one who is still thinking, or has had its share, misses it."""
        busy = self._asking is not None and not self._asking.done()
        if busy or self._spent or prompt.kind not in ("caller_said", "digits", "handed_over"):
            return
        history = prompt.history
        if prompt.text and prompt.kind != "handed_over":
            history += (Spoken("caller", prompt.text),)
        self._answers += 1
        overheard = Prompt("overheard", "", history, turn=prompt.turn)
        self._asking = asyncio.get_running_loop().create_task(self._asked(overheard))

    def left(self) -> None:
        """The call is over, or goes on elsewhere."""
        if self._asking is not None:
            self._asking.cancel()

    @property
    def _spent(self) -> bool:
        limits = self._limits
        return (
            0 < limits.answers <= self._answers
            or 0 < limits.money <= self.costs.get("money", 0.0)
            or 0 < limits.failures <= self._failures
        )

    async def _asked(self, prompt: Prompt) -> None:
        """Take what it says as a hint for the next prompt."""
        error: AgentError | None = None
        try:
            async with asyncio.timeout(_LONGEST_S):
                hint = await self._words(prompt)
        except TimeoutError:
            error = AgentError(Failure.TIMEOUT, f"the supervisor {self._name} took too long")
        except AgentError as raised:
            error = raised
        except Exception as raised:
            error = AgentError(Failure.RAISED, f"the supervisor {self._name} raised {type(raised).__name__}")
        if error is None:
            self._failures = 0
            if speakable(hint) and hint.casefold().strip(" .!") not in _NO_HINT:
                self._hint = hint
        elif error.kind is not Failure.NOTHING_SAID:
            self._failures += 1
            self._report(self._info, error)

    async def _words(self, prompt: Prompt) -> str:
        """What it says, up to a hint's length: whatever it says on is not listened to."""
        agent = self._factory.open_call(self._info)
        words = ""
        try:
            async with aclosing(agent.reply(prompt)) as actions:
                count = 0
                async for action in actions:
                    count += 1
                    if isinstance(action, Say):
                        words += action.text[:_LONGEST_HINT]
                    if len(words) >= _LONGEST_HINT or count >= _MOST_ACTIONS:
                        break
        finally:
            told = accountable(agent)
            for name, cost in (told.account().costs if told is not None else {}).items():
                self.costs[name] = self.costs.get(name, 0.0) + cost
            follower = attentive(agent)
            if follower is not None:
                follower.left()
        return " ".join(words.split())[:_LONGEST_HINT]
