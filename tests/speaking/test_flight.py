"""Several processes want the same phrase at the same time; each is a `Speech` of its own on a real Redis."""

from __future__ import annotations

import asyncio

from bridge.call.commands import PullSpeech, Synthesise
from bridge.call.events import SpeechEnded
from bridge.speaking.settings import CacheSettings
from bridge.speaking.speech import Speech
from tests.speaking.conftest import OpenSpeech, impatient
from tests.speaking.doubles import Ear, FakeWorker, heard

TEXT = "one two three four"
FAR = 60_000


def call(speech: Speech) -> Ear:
    ear = Ear()
    voice = speech.open_call(ear.deliver)
    voice.synthesise(Synthesise(1, TEXT, True))
    voice.pull(PullSpeech(1, FAR, 0))
    return ear


async def test_two_processes_make_a_phrase_once_and_both_play_it_while_it_is_made(
    fake: FakeWorker, redis_url: str, open_speech: OpenSpeech
) -> None:
    cache = CacheSettings(redis_url=redis_url, redis_deadline_ms=500)
    leader, follower = [await open_speech(impatient(fake, cache=cache)) for _ in range(2)]
    fake.hold = asyncio.Event()
    first = call(leader)
    await first.until(lambda: heard(first.audio()) == ["one"])
    second = call(follower)
    await second.until(lambda: heard(second.audio()) == ["one"])
    fake.hold.set()
    for ear in (first, second):
        assert isinstance(await ear.end(), SpeechEnded)
        assert heard(ear.audio()) == TEXT.split()
        assert ear.text() == TEXT
    assert fake.texts == [TEXT]
    assert leader.stats()["flight_led"] == 1
    assert follower.stats()["flight_followed"] == 1
    third = call(await open_speech(impatient(fake, cache=cache)))
    await third.end()
    assert heard(third.audio()) == TEXT.split()
    assert fake.texts == [TEXT]


async def test_when_the_leader_goes_away_a_follower_makes_the_rest(
    fake: FakeWorker, other: FakeWorker, redis_url: str, open_speech: OpenSpeech
) -> None:
    cache = CacheSettings(redis_url=redis_url, redis_deadline_ms=500)
    leader = await open_speech(impatient(fake, cache=cache))
    follower = await open_speech(impatient(other, cache=cache))
    fake.hold = asyncio.Event()
    first = call(leader)
    await first.until(lambda: heard(first.audio()) == ["one"])
    second = call(follower)
    await second.until(lambda: heard(second.audio()) == ["one"])
    await leader.close()
    assert isinstance(await second.end(), SpeechEnded)
    assert heard(second.audio()) == TEXT.split()
    assert second.text() == TEXT
    assert other.texts == ["two three four"]
    assert follower.stats()["flight_took_over"] == 1


async def test_without_redis_every_process_makes_its_own(fake: FakeWorker, open_speech: OpenSpeech) -> None:
    cache = CacheSettings(redis_url="unix:///nowhere/redis.sock")
    for _ in range(2):
        ear = call(await open_speech(impatient(fake, cache=cache)))
        assert isinstance(await ear.end(), SpeechEnded)
        assert heard(ear.audio()) == TEXT.split()
    assert fake.texts == [TEXT, TEXT]
