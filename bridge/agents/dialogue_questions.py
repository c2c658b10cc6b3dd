"""Questions with an answer of a known kind: asked again, read back, and given up in the end."""

from __future__ import annotations

import datetime
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal, NamedTuple

from bridge.agents.answers import said_back, today
from bridge.agents.dialogue_journal import CallerReaction
from bridge.call.actions import Expect
from bridge.errors import BridgeError
from bridge.understanding.results import LIKELY, Hypothesis, Understood
from bridge.understanding.understand import understand

Confirm = Literal["always", "if_unsure", "never"]
"""Whether an answer is read back, and the caller asked whether it is right."""


class AnswerNotGiven(BridgeError):
    """The caller has not answered a question, though it was asked as often as it may be."""


@dataclass(frozen=True, slots=True)
class QuestionTexts:
    """What a dialogue says besides its own lines, in its own language."""

    silent: str = "Are you still there?"
    not_understood: str = "Sorry, I didn't get that."
    read_back: str = "I have {value}. Is that right?"
    not_right: str = "All right, once more."
    gave_up: str = "I'm sorry, I could not understand you. Goodbye."
    moment: str = "One moment, please."
    transfer_failed: str = "I'm sorry, I could not reach anybody."
    language: str = "en-US"
    """Of values that are read back, and of answers."""


class Manner(NamedTuple):
    """How a question is asked."""

    confirm: Confirm = "if_unsure"
    attempts: int = 3
    """How often, silence and misunderstandings together."""
    read_back: str = ""
    """With `{value}` in it; empty: as the texts have it."""
    hints: tuple[str, ...] = ()
    """Words that are likely in the answer, for the recogniser."""


ORDINARY = Manner()


class Questions(ABC):
    """Asks a caller for values. Every `ask_...` raises AnswerNotGiven in the end."""

    def __init__(self, texts: QuestionTexts) -> None:
        self.texts = texts

    @abstractmethod
    async def say(self, text: str) -> None:
        """Say this to the caller."""

    @abstractmethod
    async def listen(self, expect: Expect | None = None) -> CallerReaction:
        """Wait for what the caller does."""

    async def ask_open(self, question: str, manner: Manner = ORDINARY) -> str:
        """Ask for anything that the caller may say, as it was recognised."""
        return str((await self._ask("open", question, manner)).value)

    async def ask_yes_no(self, question: str, manner: Manner = ORDINARY) -> bool:
        """Ask a question that has yes or no for an answer."""
        return bool((await self._ask("yes_no", question, manner._replace(confirm="never"))).value)

    async def ask_digits(self, question: str, manner: Manner = ORDINARY, *, count: int | None = None) -> str:
        """Ask for digits, said or pressed; `count` of them where that is known."""
        return str((await self._ask(f"digits:{count}" if count else "digits", question, manner)).value)

    async def ask_phone(self, question: str, manner: Manner = ORDINARY) -> str:
        """Ask for a telephone number."""
        return str((await self._ask("phone", question, manner)).value)

    async def ask_number(self, question: str, manner: Manner = ORDINARY) -> Decimal:
        """Ask how many or how much of something."""
        return Decimal(str((await self._ask("number", question, manner)).value))

    async def ask_amount(self, question: str, manner: Manner = ORDINARY) -> Decimal:
        """Ask for a sum of money; `ask` gives its currency, too."""
        return Decimal(str((await self._ask("amount", question, manner)).value))

    async def ask_date(self, question: str, manner: Manner = ORDINARY) -> datetime.date:
        """Ask for a day of the calendar."""
        return datetime.date.fromisoformat(str((await self._ask("date", question, manner)).value))

    async def ask_time(self, question: str, manner: Manner = ORDINARY) -> datetime.time:
        """Ask for a time of the day."""
        return datetime.time.fromisoformat(str((await self._ask("time", question, manner)).value))

    async def ask_name(self, question: str, manner: Manner = ORDINARY) -> str:
        """Ask for a person's name, spelled or not."""
        return str((await self._ask("name", question, manner)).value)

    async def ask_spelling(self, question: str, manner: Manner = ORDINARY) -> str:
        """Ask for letters and digits one by one, such as a booking code."""
        return str((await self._ask("spelling", question, manner)).value)

    async def ask_email(self, question: str, manner: Manner = ORDINARY) -> str:
        """Ask for an e-mail address."""
        return str((await self._ask("email", question, manner)).value)

    async def ask_choice(
        self,
        question: str,
        choices: Mapping[str, Sequence[str]] | Sequence[str],
        manner: Manner = ORDINARY,
        *,
        keys: Mapping[str, str] | None = None,
    ) -> str:
        """Ask for one of several things, each with other words for it; `keys` choose, too: `{"1": "sales"}`."""
        words = choices if isinstance(choices, Mapping) else dict.fromkeys(choices, ())
        chosen = {name: tuple(others) for name, others in words.items()}
        return str((await self._ask("choice", question, manner, chosen, keys or {})).value)

    async def ask(self, answer: str, question: str, manner: Manner = ORDINARY) -> Understood:
        """Ask for an answer of any kind (`bridge.understanding`), with all that belongs to its value."""
        return await self._ask(answer, question, manner)

    async def _ask(
        self,
        answer: str,
        question: str,
        manner: Manner,
        choices: Mapping[str, tuple[str, ...]] | None = None,
        keys: Mapping[str, str] | None = None,
    ) -> Understood:
        asked = _Question(answer, dict(choices or {}), dict(keys or {}), manner, self.texts.language)
        before = ""
        for _ in range(max(manner.attempts, 1)):
            await self.say(f"{before} {question}".strip())
            turn = await self.listen(asked.expectation)
            found = asked.value(turn)
            if found is None:
                before = self.texts.silent if turn.silent else self.texts.not_understood
                continue
            confirmed = await self._confirmed(found, asked)
            if confirmed is not None:
                return confirmed
            before = self.texts.not_right
        raise AnswerNotGiven(f"no answer of kind {answer} after {manner.attempts} attempts")

    async def _confirmed(self, found: Understood, asked: _Question) -> Understood | None:
        """The value as the caller confirms or corrects it; None: it was wrong."""
        sure = found.confidence >= LIKELY or asked.manner.confirm == "never"
        for _ in range(max(asked.manner.attempts, 1)):
            if sure and asked.manner.confirm != "always":
                return found
            text = asked.manner.read_back or self.texts.read_back
            await self.say(text.replace("{value}", said_back(found, asked.language)))
            turn = await self.listen(Expect("yes_no"))
            if turn.understood is not None and turn.understood.value is True:
                return found
            corrected = asked.corrected(turn)
            if corrected is not None and corrected.value != found.value:
                found, sure = corrected, False
            elif turn.understood is not None:
                return None
        return None


class _Question(NamedTuple):
    answer: str
    choices: dict[str, tuple[str, ...]]
    keys: dict[str, str]
    manner: Manner
    language: str

    @property
    def kind(self) -> str:
        return self.answer.partition(":")[0]

    @property
    def expectation(self) -> Expect:
        hints = (*self.manner.hints, *self.choices)
        return Expect(self.answer, hints, self.language, choices=self.choices, keys=tuple(self.keys))

    def value(self, turn: CallerReaction) -> Understood | None:
        if turn.kind == "digits" and turn.text.rstrip("#") in self.keys:
            return Understood("choice", self.keys[turn.text.rstrip("#")], 1.0)
        if self.answer == "open":
            said = turn.kind in ("caller_said", "digits") and turn.text.strip()
            return Understood("open", said, 1.0) if said else None
        return turn.understood

    def corrected(self, turn: CallerReaction) -> Understood | None:
        """Another value in what was said instead of yes or no: "no, the fifth"."""
        if turn.kind not in ("caller_said", "digits") or self.kind in ("open", "yes_no", "name"):
            return None
        said = [Hypothesis(turn.text)]
        return understand(said, self.answer, self.language, choices=self.choices, today=today())
