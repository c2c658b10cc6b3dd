"""A caller and a scripted agent, without a telephone: what each side says, line by line."""

from __future__ import annotations

from bridge.agents.base import CallInfo
from bridge.agents.script import ScriptAgent
from bridge.agents.script_states import Script
from bridge.call.actions import Action, Expect, HangUp, Prompt, Say, Spoken, TextAlternative, Transfer


class Conversation:
    """One call with a script; every method returns what the bot then says, as one text."""

    def __init__(self, script: Script, **parameters: str) -> None:
        info = CallInfo(call_id="CA1", from_number="+15550142", to_number="+15550199", parameters=parameters)
        self.agent = ScriptAgent(script, info)
        self.actions: list[Action] = []
        self.history: list[Spoken] = []
        self.silences = 0
        self.unheard = False

    def starts(self) -> str:
        return self._asks(Prompt("call_started"))

    def says(self, text: str, *others: str, heard: bool = True, sure: float = 0.8) -> str:
        """The caller speaks; `heard` is false when nothing of the bot's answer reaches their ear.

        The call then takes their turn back, and presents the whole of it again with what they say next. `others` is
        what the recogniser may have heard instead, `sure` how sure it is of the first.
        """
        again, self.unheard = self.unheard, not heard
        told = others or sure != 0.8
        readings = tuple(TextAlternative(one, sure - 0.2 * place) for place, one in enumerate((text, *others)) if told)
        prompt = Prompt("caller_said", text, history=tuple(self.history), again=again, readings=readings)
        answer = self._asks(prompt, heard=heard)
        if not heard:
            self.history.pop()
        self.silences = 0
        return answer

    def presses(self, keys: str) -> str:
        return self._asks(Prompt("digits", keys, history=tuple(self.history)))

    def is_silent(self) -> str:
        self.silences += 1
        return self._asks(Prompt("no_input", history=tuple(self.history), attempt=self.silences))

    def _asks(self, prompt: Prompt, *, heard: bool = True) -> str:
        self.actions = self.agent.answer(prompt)
        words = " ".join(action.text.strip() for action in self.actions if isinstance(action, Say))
        if prompt.kind in ("caller_said", "digits"):
            self.history.append(Spoken("caller", prompt.text))
        if words and heard:
            self.history.append(Spoken("bot", words))
        return words

    @property
    def expected(self) -> str:
        return [action.answer for action in self.actions if isinstance(action, Expect)][-1]

    @property
    def ended(self) -> HangUp | Transfer | None:
        last = self.actions[-1]
        return last if isinstance(last, HangUp | Transfer) else None
