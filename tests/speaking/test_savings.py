"""What the cache has spared one call, counted as its caller hears it."""

from __future__ import annotations

import asyncio

import pytest

from bridge.call.commands import PullSpeech, Synthesise
from bridge.speaking.settings import CacheSettings
from tests.speaking.conftest import OpenSpeech, impatient
from tests.speaking.doubles import Ear, FakeWorker
from tests.speaking.test_prefetch import FAR

LINE = "Good morning everybody."


async def test_each_call_counts_its_own_hits(fake: FakeWorker, open_speech: OpenSpeech) -> None:
    speech = await open_speech(impatient(fake, cache=CacheSettings(price_per_million_chars=1_000_000)))
    first, second = Ear(), Ear()
    early, late = speech.open_call(first.deliver), speech.open_call(second.deliver)
    early.synthesise(Synthesise(1, LINE, True))
    early.pull(PullSpeech(1, FAR, 0))
    await first.end()
    assert early.savings() == dict.fromkeys(early.savings(), 0.0) | {"phrases": 1}
    late.synthesise(Synthesise(1, f"{LINE} And something else entirely.", True))
    late.pull(PullSpeech(1, FAR, 0))
    await second.end()
    found = late.savings()
    assert (found["phrases"], found["hits"], found["hit_rate"]) == (2, 1, 0.5)
    assert found["saved_audio_s"] == pytest.approx(0.6)
    assert found["saved_money"] == len(LINE)
    assert found["saved_synthesis_s"] > 0
    assert early.savings()["hits"] == 0


async def test_a_phrase_that_was_being_made_for_another_call_is_a_hit(
    fake: FakeWorker, open_speech: OpenSpeech
) -> None:
    speech = await open_speech(impatient(fake))
    fake.hold = asyncio.Event()
    first, second = Ear(), Ear()
    calls = [speech.open_call(ear.deliver) for ear in (first, second)]
    for call in calls:
        call.synthesise(Synthesise(1, LINE, True))
        call.pull(PullSpeech(1, FAR, 0))
    fake.hold.set()
    await first.end()
    await second.end()
    assert [call.savings()["hits"] for call in calls] == [0, 1]
    assert speech.stats()["cache_hits_memory"] == 1


async def test_what_was_never_heard_counts_for_nothing(fake: FakeWorker, open_speech: OpenSpeech) -> None:
    speech = await open_speech(impatient(fake))
    await speech.warm([LINE])
    call = speech.open_call(Ear().deliver)
    call.synthesise(Synthesise(1, LINE, True))
    call.cancel(1)
    assert call.savings()["phrases"] == 0
