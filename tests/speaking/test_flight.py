"""Several processes want the same phrase at the same time; each is a `SpeechService` of its own on a real Redis."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from typing import Any, cast

import pytest

from bridge.call.commands import PullSpeech, Synthesise
from bridge.call.events import SpeechEnded
from bridge.speaking.settings import CacheSettings
from bridge.speaking.speech import SpeechService
from tests.speaking.conftest import OpenSpeech, impatient
from tests.speaking.doubles import Ear, FakeWorker, heard

TEXT = "one two three four"
FAR = 60_000


def call(speech: SpeechService) -> Ear:
    ear = Ear()
    voice = speech.open_call(ear.deliver)
    voice.synthesise(Synthesise(1, TEXT, True))
    voice.pull(PullSpeech(1, FAR, 0))
    return ear


async def test_two_processes_make_a_phrase_once_and_both_play_it_while_it_is_made(
    fake: FakeWorker, redis_url: str, open_speech: OpenSpeech
) -> None:
    cache = CacheSettings(redis_deadline_ms=500)
    leader, follower = [await open_speech(impatient(fake, cache=cache), redis_url=redis_url) for _ in range(2)]
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
    third = call(await open_speech(impatient(fake, cache=cache), redis_url=redis_url))
    await third.end()
    assert heard(third.audio()) == TEXT.split()
    assert fake.texts == [TEXT]


async def test_when_the_leader_goes_away_a_follower_makes_the_rest(
    fake: FakeWorker, other: FakeWorker, redis_url: str, open_speech: OpenSpeech
) -> None:
    cache = CacheSettings(redis_deadline_ms=500)
    leader = await open_speech(impatient(fake, cache=cache), redis_url=redis_url)
    follower = await open_speech(impatient(other, cache=cache), redis_url=redis_url)
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


LEADER = """
import asyncio, sys
from bridge.speaking.settings import CacheSettings, SpeakingSettings
from bridge.speaking.speech import SpeechService
from tests.speaking.test_flight import TEXT, call

async def main(worker, redis_url):
    cache = CacheSettings(redis_deadline_ms=500)
    speech = SpeechService(SpeakingSettings(workers=(worker,), cache=cache), redis_url=redis_url)
    await speech.start()
    ear = call(speech)
    await ear.until(lambda: bool(ear.audio()))
    print("speaking", flush=True)
    await ear.end()

asyncio.run(main(*sys.argv[1:]))
"""


async def test_when_the_leading_process_is_killed_a_follower_makes_the_rest(
    fake: FakeWorker, other: FakeWorker, redis_url: str, open_speech: OpenSpeech
) -> None:
    cache = CacheSettings(redis_deadline_ms=500)
    follower = await open_speech(impatient(other, cache=cache), redis_url=redis_url)
    fake.hold = asyncio.Event()
    leader = await asyncio.create_subprocess_exec(
        sys.executable, "-c", LEADER, fake.address, redis_url, stdout=asyncio.subprocess.PIPE
    )
    try:
        assert leader.stdout is not None
        async with asyncio.timeout(60):
            assert await leader.stdout.readline() == b"speaking\n"
        ear = call(follower)
        await ear.until(lambda: heard(ear.audio()) == ["one"])
    finally:
        leader.kill()
        await leader.wait()
    assert isinstance(await ear.end(), SpeechEnded)
    assert heard(ear.audio()) == TEXT.split()
    assert ear.text() == TEXT
    assert other.texts == ["two three four"]
    assert follower.stats()["flight_took_over"] == 1


async def test_a_redis_that_falls_asleep_costs_a_call_one_deadline_now_and_then_and_nothing_is_lost(
    fake: FakeWorker, redis_url: str, redis_process: subprocess.Popen[bytes], open_speech: OpenSpeech
) -> None:
    speech = await open_speech(impatient(fake, cache=CacheSettings()), redis_url=redis_url)
    os.kill(redis_process.pid, signal.SIGSTOP)
    try:
        for number in range(8):
            ear = Ear()
            voice = speech.open_call(ear.deliver)
            voice.synthesise(Synthesise(1, f"number {number}", True))
            voice.pull(PullSpeech(1, FAR, 0))
            assert isinstance(await ear.end(), SpeechEnded)
            assert heard(ear.audio()) == ["number", str(number)]
            voice.close()
    finally:
        os.kill(redis_process.pid, signal.SIGCONT)
    stats = speech.stats()
    assert 1 <= stats["cache_redis_late"] <= 6, "the breaker opens, whether look-ups or writes were late"
    assert stats["cache_redis_skipped"] >= 8
    assert stats["cache_stored"] == 8
    assert (stats["cache_memory_phrases"], stats["flight_led"]) == (8, 0)


@pytest.mark.parametrize(
    "entry",
    [
        {"something": "else"},
        {"words": "nonsense", "audio": b""},
        {"words": b"\x91", "audio": b"\x10" * 160, "done": "1"},
    ],
)
async def test_a_leader_of_another_version_is_not_understood_and_not_followed(
    fake: FakeWorker, redis_url: str, open_speech: OpenSpeech, entry: dict[str, Any]
) -> None:
    speech = await open_speech(impatient(fake, cache=CacheSettings(redis_deadline_ms=500)), redis_url=redis_url)
    phrase_key, tier = speech._source.key(TEXT, None, "default"), speech.cache.redis
    assert phrase_key is not None
    assert tier is not None
    await tier.client.set(f"bridge:making:{phrase_key.digest}", "stranger", px=10_000)
    await tier.client.xadd(f"bridge:audio:{phrase_key.digest}:stranger", cast(dict[Any, Any], entry))
    ear = call(speech)
    assert isinstance(await ear.end(), SpeechEnded)
    assert heard(ear.audio()) == TEXT.split()
    assert ear.text() == TEXT
    assert tier.damaged == 1


async def test_without_redis_every_process_makes_its_own(fake: FakeWorker, open_speech: OpenSpeech) -> None:
    cache = CacheSettings()
    for _ in range(2):
        ear = call(await open_speech(impatient(fake, cache=cache), redis_url="unix:///nowhere/redis.sock"))
        assert isinstance(await ear.end(), SpeechEnded)
        assert heard(ear.audio()) == TEXT.split()
    assert fake.texts == [TEXT, TEXT]
