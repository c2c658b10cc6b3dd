"""Dialogues in Python that tests hold: a receptionist, and some that misbehave."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, ClassVar

from bridge.agents.dialogue import AnswerNotGiven, Conversation, PhoneAgent, TookTooLong
from bridge.agents.dialogue_questions import Manner

ORDERS = {"123456": "on its way", "654321": "waiting for you"}


class World:
    """What the dialogues touch: everything that was looked up and booked, and how long that takes."""

    looked_up: ClassVar[list[str]] = []
    booked: ClassVar[list[str]] = []
    closed: ClassVar[list[str]] = []
    takes_s: ClassVar[float] = 0.0

    @classmethod
    def reset(cls) -> None:
        cls.looked_up, cls.booked, cls.closed, cls.takes_s = [], [], [], 0.0


async def find_order(number: str) -> str:
    World.looked_up.append(number)
    try:
        await asyncio.sleep(World.takes_s)
    except asyncio.CancelledError:
        World.closed.append(number)
        raise
    return ORDERS[number]


async def book(day: str) -> int:
    await asyncio.sleep(World.takes_s)
    World.booked.append(day)
    return len(World.booked)


class Reception(PhoneAgent):
    """Looks up an order, books an appointment, says goodbye."""

    async def call_started(self, call: Conversation) -> None:
        await call.say("Riverside Dental.")
        number = await call.ask_digits("What is your order number?", count=6)
        call.note("order", number)
        order = await call.look_up(find_order, number, filler="Let me look that up.")
        await call.say(f"Your order is {order}.")
        if not await call.ask_yes_no("Shall I book a visit?"):
            await call.hang_up("nothing to book")
        day = await call.ask_date("For which day?", Manner(confirm="always"))
        visit = await call.carry_out(book, day.isoformat(), filler="I am booking it.")
        await call.say(f"You have visit number {visit}.")
        why = await call.transfer("front desk")
        await call.say(f"The desk is {why}. Goodbye.")
        await call.hang_up("booked")


class Dials(PhoneAgent):
    """Transfers to whatever the caller's first words are."""

    async def call_started(self, call: Conversation) -> None:
        await call.say("Whom shall I ring?")
        why = await call.transfer((await call.listen()).text)
        await call.say(f"They are {why}.")
        await call.hang_up("not reached")


class Chatty(PhoneAgent):
    """Answers anything with a stream of words, as a model would."""

    async def call_started(self, call: Conversation) -> None:
        await call.say("Hello.")
        while True:
            turn = await call.listen()
            whole = await call.tell(self.words(turn.text))
            if whole:
                await call.say("That was all.")

    async def words(self, text: str) -> AsyncIterator[str]:
        try:
            yield f"You said {text} "
            await asyncio.sleep(World.takes_s)
            yield "and more."
        finally:
            World.closed.append(text)


class Handlers(PhoneAgent):
    """Has a method for each thing that happens, and counts."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    async def call_started(self, call: Conversation) -> None:
        await call.say("Speak.")

    async def handed_over(self, call: Conversation, summary: str) -> None:
        await call.say(f"I know: {summary}.")

    async def caller_said(self, call: Conversation, text: str) -> None:
        self.heard.append(text)
        if text == "order":
            await call.say("Looking.")
            await call.say(await call.look_up(find_order, "123456"))
        await call.say(f"So far: {', '.join(self.heard)}.")

    async def keys_pressed(self, call: Conversation, keys: str) -> None:
        await call.say(f"Keys {keys}.")


class Oncoming(PhoneAgent):
    """Goes on with what it does when the caller talks over it."""

    async def call_started(self, call: Conversation) -> None:
        await call.say("I am looking.")
        order = await call.look_up(find_order, "123456")
        await call.say(f"It is {order}.")
        await call.listen()


class Careful(PhoneAgent):
    """Knows what to do when there is no answer."""

    async def call_started(self, call: Conversation) -> None:
        try:
            colour = await call.ask_choice(
                "Red or green?", {"red": ["crimson"], "green": []}, Manner(attempts=2), keys={"1": "red"}
            )
        except AnswerNotGiven:
            colour = "no colour"
        try:
            await call.look_up(find_order, "123456", deadline_s=1.0)
        except TookTooLong:
            await call.say("That takes too long.")
        await call.say(f"You like {colour}.")


class Broken(PhoneAgent):
    """Fails at its first try of each answer, for a reason that its log shall show."""

    failures: ClassVar[int] = 1

    async def call_started(self, call: Conversation) -> None:
        text = await call.ask_open("What is it?")
        if Broken.failures:
            Broken.failures -= 1
            raise RuntimeError(f"no such table: {len(text)}")
        await call.say(f"Thank you for {text}.")


class Endless(PhoneAgent):
    """An agent that talks without end."""

    async def call_started(self, call: Conversation) -> None:
        while True:
            await call.say("and on ")


class Silent(PhoneAgent):
    """Never says a thing."""

    async def call_started(self, call: Conversation) -> None:
        await asyncio.Event().wait()


class WrongTypes(PhoneAgent):
    """Says what no voice can say."""

    async def call_started(self, call: Conversation) -> None:
        wrong: Any = {"text": 1}
        await call.say(wrong)


class ByChance(PhoneAgent):
    """Asks something else each time that it is run."""

    runs: ClassVar[int] = 0

    async def call_started(self, call: Conversation) -> None:
        ByChance.runs += 1
        if ByChance.runs > 1:
            await call.look_up(find_order, "123456")
        await call.ask_open("First?")
        await call.ask_open("Second?")


class NoStart(PhoneAgent):
    """Lacks the one method that it needs."""


class Booth(PhoneAgent):
    """Asks for ten digits by keypad, keeps them, reads them back."""

    async def call_started(self, call: Conversation) -> None:
        await call.say("Welcome to the telephone booth.")
        number = await call.ask_digits("Please enter your ten digit number on the keypad now.", count=10)
        await call.carry_out(book, number, filler="I am booking it.")
        await call.say(f"I have {number}.")
        await call.say("Thank you very much and goodbye.", interruption="protected")
        await call.hang_up()


class Clinic(PhoneAgent):
    """The appointment dialogue with an order look-up, by keypad."""

    async def call_started(self, call: Conversation) -> None:
        await call.say("Riverside Dental.")
        number = await call.ask_digits("Please enter your order number.", count=6)
        state = await call.look_up(find_order, number)
        await call.say(f"Your order is {state}.")
        days = {"1": "Tuesday", "2": "Thursday"}
        day = await call.ask_choice("Press one for Tuesday or two for Thursday.", [*days.values()], keys=days)
        await call.carry_out(book, day, filler="I am booking it.")
        await call.say(f"You are booked for {day}. Goodbye.")
        await call.hang_up("booked")


class Recorded(PhoneAgent):
    """Begins with a legal text that somebody has recorded."""

    async def call_started(self, call: Conversation) -> None:
        await call.play("notice", "This call is recorded.", interruption="protected")
        await call.listen()
