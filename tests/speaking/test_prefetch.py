from __future__ import annotations

import asyncio
from collections.abc import Callable

from bridge.agents.base import LikelyLine
from bridge.call.commands import PullSpeech, Synthesise
from bridge.call.events import SpeechEnded
from tests.speaking.conftest import OpenSpeech, impatient
from tests.speaking.doubles import Ear, FakeWorker

FAR = 60_000


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.001)


async def test_the_likeliest_and_longest_wait_is_spared_first(fake: FakeWorker, open_speech: OpenSpeech) -> None:
    speech = await open_speech(impatient(fake))
    call = speech.open_call(Ear().deliver)
    call.expect(
        [
            LikelyLine("Hardly ever", 0.01),
            LikelyLine("Rather short", 0.9),
            LikelyLine("A line of some considerable length in one breath", 0.5),
            LikelyLine("A line of some considerable length but rarely said", 0.1),
        ]
    )
    await until(lambda: speech.stats()["prefetch_made"] == 3)
    assert [text[:34] for text in fake.texts] == [
        "A line of some considerable length",
        "Rather short",
        "A line of some considerable length",
    ]
    assert fake.priorities == ["prefetch"] * 3


async def test_hits_and_waste_are_counted(fake: FakeWorker, open_speech: OpenSpeech) -> None:
    speech = await open_speech(impatient(fake))
    ear = Ear()
    call = speech.open_call(ear.deliver)
    call.expect([LikelyLine("one two", 0.6), LikelyLine("three four five", 0.3)])
    await until(lambda: speech.stats()["prefetch_made"] == 2)
    call.synthesise(Synthesise(1, "One two", True))
    call.pull(PullSpeech(1, FAR, 0))
    assert isinstance(ear.events[-1], SpeechEnded), "at once, from memory"
    stats = speech.stats()
    assert (stats["prefetch_used"], stats["prefetch_unused_ms"]) == (1, 600)
    call.synthesise(Synthesise(2, "One two", True))
    call.pull(PullSpeech(2, FAR, 0))
    assert speech.stats()["prefetch_used"] == 1, "the second time it is the cache's hit"


async def test_nothing_is_made_ahead_while_a_caller_waits(fake: FakeWorker, open_speech: OpenSpeech) -> None:
    speech = await open_speech(impatient(fake))
    fake.hold = asyncio.Event()
    ear = Ear()
    call = speech.open_call(ear.deliver)
    call.synthesise(Synthesise(1, "one two", True))
    call.pull(PullSpeech(1, FAR, 0))
    call.expect([LikelyLine("three four", 0.9)])
    await ear.until(lambda: bool(ear.audio()))
    assert fake.texts == ["one two"]
    fake.hold.set()
    await ear.end()
    await until(lambda: fake.texts == ["one two", "three four"])


async def test_a_caller_who_wants_the_line_being_made_ahead_joins_it_and_makes_it_urgent(
    fake: FakeWorker, open_speech: OpenSpeech
) -> None:
    speech = await open_speech(impatient(fake))
    fake.hold = asyncio.Event()
    ear = Ear()
    call = speech.open_call(ear.deliver)
    call.expect([LikelyLine("one two", 0.9)])
    await until(lambda: fake.texts == ["one two"])
    call.synthesise(Synthesise(1, "one two", True))
    call.pull(PullSpeech(1, FAR, 0))
    await until(lambda: bool(fake.leads))
    fake.hold.set()
    await ear.end()
    assert fake.texts == ["one two"]
    await until(lambda: speech.stats()["prefetch_made"] == 1)
    assert (speech.stats()["prefetch_used"], speech.stats()["prefetch_unused_ms"]) == (1, 0)


async def test_what_a_call_expected_is_forgotten_with_it(fake: FakeWorker, open_speech: OpenSpeech) -> None:
    speech = await open_speech(impatient(fake))
    fake.hold = asyncio.Event()
    call = speech.open_call(Ear().deliver)
    call.expect([LikelyLine("one two", 0.9), LikelyLine("three four", 0.5)])
    await until(lambda: fake.texts == ["one two"])
    call.expect([LikelyLine("five six", 0.5)])
    call.close()
    assert speech.stats()["prefetch_waiting"] == 0
    fake.hold.set()
    await until(lambda: speech.stats()["prefetch_made"] == 1)
    assert fake.texts == ["one two"]
