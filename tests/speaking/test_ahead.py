"""Speech is made for the caller's lead, not for the text: what nobody will hear is not made."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from bridge.call.commands import PullSpeech, Synthesise
from bridge.call.events import SpeechEnded
from bridge.speaking.settings import CacheSettings
from tests.speaking.conftest import OpenSpeech, impatient
from tests.speaking.doubles import Ear, FakeWorker, heard

ANSWER = " ".join(f"number {n} is what comes after the number before it, as we all know." for n in range(60))


async def test_an_answer_given_at_once_is_made_as_it_is_heard(fake: FakeWorker, open_speech: OpenSpeech) -> None:
    assert len(ANSWER) > 4000
    speech = await open_speech(impatient(fake))
    ear = Ear()
    call = speech.open_call(ear.deliver)
    call.synthesise(Synthesise(1, ANSWER, True))
    for upto_ms in range(1000, 60_000, 400):
        call.pull(PullSpeech(1, upto_ms, 200))
        await ear.until(lambda upto_ms=upto_ms: len(ear.audio()) >= upto_ms * 8)  # type: ignore[misc]
        made_ms = sum(len(text.split()) for text in fake.texts) * 200
        assert made_ms <= upto_ms + 3000 + 2 * 220 * 60, "two pieces ahead at most"
    call.close()
    assert sum(map(len, fake.texts)) < len(ANSWER)


async def test_nothing_is_heard_of_it_and_little_is_made(fake: FakeWorker, open_speech: OpenSpeech) -> None:
    speech = await open_speech(impatient(fake))
    ear = Ear()
    call = speech.open_call(ear.deliver)
    call.synthesise(Synthesise(1, ANSWER, True))
    call.pull(PullSpeech(1, 1000, 0))
    await ear.until(lambda: len(ear.audio()) >= 8000)
    for _ in range(200):
        await asyncio.sleep(0.001)
    assert sum(map(len, fake.texts)) < 300
    assert fake.credits, "the worker is told how far to go"
    assert max(fake.credits) <= 5000


async def test_a_disk_that_hangs_holds_no_call_up(
    fake: FakeWorker, open_speech: OpenSpeech, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import threading

    hung = threading.Event()
    speech = await open_speech(impatient(fake, cache=CacheSettings(disk_path=str(tmp_path))))
    assert speech.cache.disk is not None
    real = speech.cache.disk.get
    monkeypatch.setattr(speech.cache.disk, "get", lambda key: (hung.wait(), real(key))[1])
    try:
        for number in range(6):
            ear = Ear()
            call = speech.open_call(ear.deliver)
            call.synthesise(Synthesise(1, f"one two {number}", True))
            call.pull(PullSpeech(1, 60_000, 0))
            assert isinstance(await ear.end(), SpeechEnded)
            assert heard(ear.audio()) == ["one", "two", str(number)]
        stats = speech.stats()
        assert 1 <= stats["cache_disk_late"] <= 4
        assert stats["cache_disk_skipped"] >= 2, "a disk that is late again and again is left alone"
    finally:
        hung.set()


async def test_a_leader_that_holds_its_lock_and_brings_nothing_is_not_waited_for(
    fake: FakeWorker, redis_url: str, open_speech: OpenSpeech
) -> None:
    settings = impatient(fake, cache=CacheSettings(redis_deadline_ms=500))
    speech = await open_speech(settings, redis_url=redis_url)
    key, tier = speech._source.key("one two", None, "default"), speech.cache.redis
    assert key is not None
    assert tier is not None
    await tier.client.set(f"bridge:making:{key.digest}", "somebody who was stopped")  # and never expires
    ear = Ear()
    call = speech.open_call(ear.deliver)
    call.synthesise(Synthesise(1, "one two", True))
    call.pull(PullSpeech(1, 60_000, 0))
    assert isinstance(await ear.end(), SpeechEnded)
    assert heard(ear.audio()) == ["one", "two"]
    assert speech.stats()["flight_took_over"] == 1
