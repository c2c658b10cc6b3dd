"""What speech gives up under pressure: nothing is made ahead, and what is new is said in a cheaper voice."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from bridge.agents.base import LikelyLine
from bridge.audio.formats import MULAW_8000
from bridge.call.commands import PullSpeech, Synthesise
from bridge.call.events import SpeechEnded
from bridge.speaking.settings import SpeakingSettings
from bridge.speaking.speech import SpeechService
from tests.speaking.conftest import OpenSpeech, impatient
from tests.speaking.doubles import Ear, FakeWorker
from tests.speaking.test_prefetch import FAR, until


async def says(speech: SpeechService, text: str, voice: str | None = None) -> None:
    """One utterance, to its end."""
    ear = Ear()
    call = speech.open_call(ear.deliver)
    call.synthesise(Synthesise(1, text, True, voice, cacheable=True))
    call.pull(PullSpeech(1, FAR, 0))
    await until(lambda: isinstance(ear.events[-1] if ear.events else None, SpeechEnded))
    call.close()


@pytest.mark.parametrize("default", ["", "heart"])
async def test_what_is_new_is_said_by_the_voice_that_stands_in_and_what_is_kept_by_its_own(
    default: str, open_speech: OpenSpeech
) -> None:
    async with FakeWorker(voices=("heart", "small", "joe")) as worker:
        settings = msgspec.structs.replace(
            impatient(worker), voice=default, lighter={default: "small", "small": "heart"}
        )
        speech = await open_speech(settings)
        await says(speech, "One two")
        speech.relieve(prefetch=False, lighter=True)
        await says(speech, "One two")
        assert worker.asked_voices == ["heart"], "it is in memory, in its own voice"
        await says(speech, "Three four")
        await says(speech, "Three four")
        assert worker.asked_voices == ["heart", "small"]
        await says(speech, "Five six", "joe")
        assert worker.asked_voices == ["heart", "small", "joe"], "nobody stands in for this voice"
        speech.relieve(prefetch=True, lighter=False)
        await says(speech, "Seven eight")
        assert worker.asked_voices == ["heart", "small", "joe", "heart"]


FILLER = "One moment"


async def bridged(
    speech: SpeechService, worker: FakeWorker, *, fillers: bool = True, filler: str = FILLER, language: str = ""
) -> list[tuple[str, bool, int]]:
    """Two late answers of a call: the words of each, whether the filler was heard before it, and when it began."""
    await speech.warm([FILLER])
    speech.relieve(prefetch=False, lighter=False, fillers=fillers)
    phrase = await speech.synthesise_whole(FILLER)
    worker.mode, ear = "slow", Ear()
    heard: list[tuple[str, bool, int]] = []
    call = speech.open_call(ear.deliver, filler=filler)
    for number, text in ((1, "Five six"), (2, "Seven eight")):
        call.synthesise(Synthesise(number, text, True, None, cacheable=True, language=language))
        call.pull(PullSpeech(number, FAR, 0))
        assert isinstance(await ear.end(number), SpeechEnded)
        first = ear.words(number)[0].start_ms
        heard.append((ear.text(number), ear.audio(number).startswith(phrase.audio), first))
    call.close()
    return heard


def quick(worker: FakeWorker, filler_after_ms: float = 1.0) -> SpeakingSettings:
    return msgspec.structs.replace(impatient(worker), filler_after_ms=filler_after_ms, first_audio_ms=60_000.0,
        switch_ms=60_000.0, give_up_ms=60_000.0)  # fmt: skip


async def test_a_late_answer_is_bridged_by_a_phrase_from_memory_and_the_next_one_is_not(
    fake: FakeWorker, open_speech: OpenSpeech
) -> None:
    fake.slow_s = 0.1
    speech = await open_speech(quick(fake))
    first, second = await bridged(speech, fake)
    assert first[:2] == ("Five six", True), "the filler is heard, and is no word of the agent's"
    assert first[2] >= MULAW_8000.duration_ms((await speech.synthesise_whole(FILLER)).audio)
    assert second == ("Seven eight", False, 0)
    assert fake.texts.count(FILLER) == 1, "it comes from memory"
    assert speech.stats()["phrases_bridged"] == 1


@pytest.mark.parametrize(
    "otherwise",
    [{"fillers": False}, {"filler": ""}, {"filler": "Nobody made this"}, {"language": "de"}],
    ids=["calm", "none", "not in memory", "another language"],
)
async def test_otherwise_a_late_answer_comes_when_it_comes(
    otherwise: dict[str, Any], fake: FakeWorker, open_speech: OpenSpeech
) -> None:
    fake.slow_s = 0.02
    speech = await open_speech(quick(fake))
    assert [heard for _, heard, _ in await bridged(speech, fake, **otherwise)] == [False, False]
    assert speech.stats()["phrases_bridged"] == 0


async def test_an_answer_that_is_there_in_time_is_not_bridged(fake: FakeWorker, open_speech: OpenSpeech) -> None:
    fake.slow_s = 0.02
    speech = await open_speech(quick(fake, filler_after_ms=60_000.0))
    assert [heard for _, heard, _ in await bridged(speech, fake)] == [False, False]


async def test_what_is_cancelled_is_not_bridged(fake: FakeWorker, open_speech: OpenSpeech) -> None:
    speech = await open_speech(quick(fake))
    await speech.warm([FILLER])
    speech.relieve(prefetch=False, lighter=False, fillers=True)
    fake.mode, ear = "silent", Ear()
    call = speech.open_call(ear.deliver, filler=FILLER)
    call.synthesise(Synthesise(1, "Five six", True, None, cacheable=True))
    call.pull(PullSpeech(1, FAR, 0))
    call.cancel(1)
    await asyncio.sleep(0.01)
    assert not ear.events
    call.close()


async def test_nothing_is_made_ahead_until_pressure_is_gone(fake: FakeWorker, open_speech: OpenSpeech) -> None:
    speech = await open_speech(impatient(fake))
    speech.relieve(prefetch=False, lighter=False)
    call = speech.open_call(Ear().deliver)
    call.expect([LikelyLine("one two", 0.6)])
    await says(speech, "Five six")
    assert speech.stats()["prefetch_waiting"] == 1
    assert fake.texts == ["Five six"]
    speech.relieve(prefetch=True, lighter=False)
    await until(lambda: speech.stats()["prefetch_made"] == 1)
