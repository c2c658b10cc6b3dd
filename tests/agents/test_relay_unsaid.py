"""What a relayed application has written and nobody has said: its order, its bound, and what an interruption drops."""

from __future__ import annotations

import asyncio

import pytest

from bridge.agents.relay_unsaid import MOST_WAITING, ApplicationLost, Unsaid, UnsaidMessages, preempts
from bridge.agents.streaming import AnswerTimeouts
from bridge.carriers.conversation_relay import AppDigits, AppEnd, AppPlay, AppText


def impatient() -> AnswerTimeouts:
    return AnswerTimeouts(0.0, 0.0, 0.0)


async def test_messages_are_said_in_the_order_in_which_they_were_written() -> None:
    unsaid = UnsaidMessages()
    written: list[Unsaid] = [AppText(token="One"), AppDigits("12"), AppText(token="two.", last=True)]
    for message in written:
        unsaid.put(message)
    said: list[Unsaid] = []
    while next_up := await unsaid.following(impatient()):
        said.append(next_up)
        unsaid.forget_first()
    assert said == written
    assert unsaid.size == 0


async def test_an_application_far_ahead_waits_until_enough_was_said() -> None:
    unsaid = UnsaidMessages()
    for _ in range(3):
        unsaid.put(AppText(token="x" * (MOST_WAITING // 2)))
    reading = asyncio.create_task(unsaid.room())
    unsaid.forget_first()
    await asyncio.sleep(0)
    assert not reading.done(), "two halves and what messages cost are still too much"
    unsaid.forget_first()
    await reading


async def test_an_interruption_drops_words_and_sounds_but_neither_keys_nor_the_end() -> None:
    unsaid = UnsaidMessages()
    for message in (AppText(token="One"), AppDigits("12"), AppPlay(source="https://a.example/b.wav"), AppEnd()):
        unsaid.put(message)
    assert unsaid.drop_words()
    assert not unsaid.drop_words(), "keys and the end are no words"
    left: list[Unsaid] = []
    while unsaid:
        left.append(unsaid.first)
        unsaid.forget_first()
    assert left == [AppDigits("12"), AppEnd()]


async def test_a_cycle_that_is_not_over_is_dropped_too() -> None:
    unsaid = UnsaidMessages()
    unsaid.in_cycle = True
    assert unsaid.drop_words()
    assert not unsaid.in_cycle
    assert await unsaid.following(impatient()) is None


async def test_a_cycle_whose_rest_does_not_come_is_over() -> None:
    unsaid = UnsaidMessages()
    unsaid.in_cycle = True
    assert await unsaid.following(impatient()) is None
    assert not unsaid.in_cycle


@pytest.mark.parametrize(
    ("message", "cuts"),
    [
        (AppText(token="Now", preempts=True), True),
        (AppPlay(source="https://a.example/b.wav", preempts=True), True),
        (AppText(token="later"), False),
        (AppEnd(), False),
        (ApplicationLost("gone"), False),
    ],
)
def test_only_words_and_sounds_cut_a_cycle_short(message: Unsaid, cuts: bool) -> None:
    assert preempts(message) is cuts
