"""A dialogue in Python whose process is killed within an answer: the next one says its rest, and no word twice.

Each dialogue is stopped while one of its functions is at work, and goes on in another object of the same class.
"""

from __future__ import annotations

import asyncio
from typing import ClassVar

import pytest
from msgspec import UNSET

from bridge.agents.base import CallInfo
from bridge.agents.dialogue import Conversation, OutcomeUnknown, PhoneAgent
from bridge.agents.python import PythonAgent, PythonFactory
from bridge.agents.python_load import AgentClass
from bridge.agents.settings import PythonSettings
from bridge.call.actions import HangUp, Prompt, Say
from tests.agents.doubles import VirtualTime

INFO = CallInfo(call_id="CA1", from_number="+15550142")
FOREVER_S = 60.0


class Office:
    """What the dialogues ask, how long each thing takes, and what was done."""

    takes_s: ClassVar[dict[str, float]] = {}
    done: ClassVar[list[str]] = []

    @classmethod
    async def look(cls, name: str) -> str:
        await asyncio.sleep(cls.takes_s.get(name, 0.0))
        return name

    @classmethod
    async def do(cls, name: str) -> str:
        await asyncio.sleep(cls.takes_s.get(name, 0.0))
        cls.done.append(name)
        return name


async def _done(call: Conversation, name: str) -> str:
    try:
        return await call.carry_out(Office.do, name, filler="I am at it.")
    except OutcomeUnknown:
        return "perhaps"


class LooksUp(PhoneAgent):
    """Answers with two things that it looks up."""

    async def call_started(self, call: Conversation) -> None:
        await call.say("Which day?")
        await call.listen()
        for name in ("one", "two"):
            await call.say(f"It is {await call.look_up(Office.look, name, filler=f'Let me see {name}.')}.")
        await call.hang_up("done")


class Books(PhoneAgent):
    """Looks something up, does two things, and looks up something else, in one answer."""

    async def call_started(self, call: Conversation) -> None:
        await call.say("Which day?")
        await call.listen()
        await call.say("One moment.")
        await call.say(f"It is {await call.look_up(Office.look, 'one')}.")
        await call.say(f"First {await _done(call, 'booked')}.")
        await call.say("Then the mail.")
        await call.say(f"It is {await call.look_up(Office.look, 'two')}.")
        await call.say(f"Last {await _done(call, 'sent')}.")
        await call.say("Goodbye.")
        await call.hang_up("done")


def phone_agent(kind: type[PhoneAgent]) -> PythonAgent:
    place = f"{__name__}:{kind.__name__}"
    return PythonFactory(PythonSettings(class_=place), AgentClass(place)).open_call(INFO)


async def moved(
    kind: type[PhoneAgent], *, slow: dict[str, float], stuck: str, slow_then: dict[str, float]
) -> list[str]:
    """What the caller hears in both processes; the first is killed while it waits for what is `stuck`."""
    Office.takes_s, Office.done = {**slow, stuck: FOREVER_S}, []
    prompt, agent, said = Prompt("caller_said", "Tuesday.", turn=2), phone_agent(kind), list[Say]()
    assert [action async for action in agent.reply(Prompt("call_started", turn=1))]

    async def hear() -> None:
        async for action in agent.reply(prompt):
            said.extend([action] if isinstance(action, Say) else [])

    hearing = asyncio.create_task(hear())
    await asyncio.sleep(3.5)
    state, so_far = agent.state(), tuple(said)
    Office.takes_s = slow_then
    another = phone_agent(kind)
    another.resume(state)
    again = Prompt(prompt.kind, prompt.text, turn=prompt.turn, so_far=so_far or UNSET)
    rest = [action async for action in another.reply(again)]
    assert rest[-1:] == [HangUp("done")]
    hearing.cancel()
    agent.left()
    another.left()
    return [say.text for say in (*so_far, *rest) if isinstance(say, Say) and say.text]


@pytest.mark.parametrize("slow_then", [{}, {"one": 1.0}, {"two": 1.0}], ids=["fast", "one is slow", "two is slow"])
@pytest.mark.parametrize("slow", [{}, {"one": 1.0}], ids=["fast before", "slow before"])
@pytest.mark.parametrize("stuck", ["one", "two"])
def test_no_word_is_said_twice_whatever_took_long_before_and_after(
    stuck: str, slow: dict[str, float], slow_then: dict[str, float], virtual_time: VirtualTime
) -> None:
    heard = virtual_time(lambda: moved(LooksUp, slow=slow, stuck=stuck, slow_then=slow_then))
    assert [text for text in heard if not text.startswith("Let me see")] == ["It is one.", "It is two."]
    assert len(set(heard)) == len(heard)


@pytest.mark.parametrize(
    ("stuck", "first", "last"),
    [
        ("one", "booked", "sent"),
        ("booked", "perhaps", "sent"),
        ("two", "booked", "sent"),
        ("sent", "booked", "perhaps"),
    ],
)
def test_what_follows_something_that_was_done_or_begun_is_said_and_nothing_is_done_twice(
    stuck: str, first: str, last: str, virtual_time: VirtualTime
) -> None:
    heard = virtual_time(lambda: moved(Books, slow={}, stuck=stuck, slow_then={}))
    words = f"One moment. It is one. First {first}. Then the mail. It is two. Last {last}. Goodbye."
    assert " ".join(text for text in heard if text != "I am at it.") == words
    assert Office.done == [name for name in ("booked", "sent") if name != stuck or stuck not in ("booked", "sent")]
