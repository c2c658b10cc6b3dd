"""A conversation with an agent without a telephone: what a caller does, in words, and what the bot says to it.

    async def test_an_order_is_found() -> None:
        caller = Rehearsal(factory_of(Reception))
        assert "order number" in await caller.rings()
        assert "on its way" in await caller.presses("123456")

Any kind of agent can be rehearsed. No audio is made and nothing is recognised: for that there are simulated calls.
"""

from __future__ import annotations

from bridge.agents.base import AgentFactory, AttentiveAgent, CallInfo
from bridge.agents.dialogue import PhoneAgent
from bridge.agents.python import PythonFactory
from bridge.agents.python_load import AgentClass
from bridge.agents.settings import PythonSettings
from bridge.call.actions import Action, Expect, HangUp, Prompt, PromptKind, Say, Spoken, Transfer

_INFO = CallInfo(call_id="rehearsal", from_number="+12025550142", to_number="+12025550199")


def factory_of(kind: type[PhoneAgent], settings: PythonSettings | None = None) -> PythonFactory:
    """Return a factory of dialogues of this class, with the settings that an agent in Python has by default."""
    place = f"{kind.__module__}:{kind.__name__}"
    settings = settings or PythonSettings(class_=place)
    return PythonFactory(settings, AgentClass(place))


class Rehearsal:
    """One call with an agent; each method returns what the bot then says, which the caller hears to its end."""

    def __init__(self, factory: AgentFactory, info: CallInfo = _INFO) -> None:
        self.agent = factory.open_call(info)
        self.actions: list[Action] = []
        """Everything of the last answer."""
        self.expected = Expect()
        """What the bot expects the caller to say."""
        self.history: list[Spoken] = []
        self._turn = self._silences = 0

    async def rings(self) -> str:
        """The caller is on the line."""
        return await self._asks("call_started")

    async def says(self, text: str) -> str:
        """The caller says this, as it is recognised."""
        return await self._asks("caller_said", text)

    async def presses(self, keys: str) -> str:
        """The caller presses these keys."""
        return await self._asks("digits", keys)

    async def is_silent(self) -> str:
        """The caller says nothing for a while."""
        self._silences += 1
        return await self._asks("no_input", attempt=self._silences)

    async def comes_back(self, why: str) -> str:
        """The caller comes back from a transfer: `busy`, `no_answer`, `declined` or `failed`."""
        return await self._asks("transfer_failed", why)

    @property
    def ended(self) -> HangUp | Transfer | None:
        """How the bot has ended the call, if it has."""
        last = self.actions[-1] if self.actions else None
        return last if isinstance(last, HangUp | Transfer) else None

    def hangs_up(self) -> None:
        """The caller leaves the call."""
        if isinstance(self.agent, AttentiveAgent):
            self.agent.left()

    async def _asks(self, kind: PromptKind, text: str = "", attempt: int = 0) -> str:
        self._turn += 1
        answers = kind in ("caller_said", "digits")
        expected = self.expected if answers else Expect()
        prompt = Prompt(
            kind,
            text,
            tuple(self.history),
            attempt,
            guess=answers,
            turn=self._turn,
            answer=expected.answer,
            language=expected.language or "en-US",
            choices=expected.choices,
        )
        if answers:
            self._silences, self.expected = 0, Expect()
        self.actions = []
        async for action in self.agent.reply(prompt):
            self.actions.append(action)
            if isinstance(action, Expect):
                self.expected = action
            elif isinstance(action, Say):
                self.agent.confirmed(prompt.turn)
        said = "".join(each.text + ("" if each.more else " ") for each in self.actions if isinstance(each, Say)).strip()
        if answers:
            self.agent.confirmed(prompt.turn)
            self.history.append(Spoken("caller", text))
        if said:
            self.history.append(Spoken("bot", said))
        return said
