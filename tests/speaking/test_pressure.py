"""What speech gives up under pressure: nothing is made ahead, and what is new is said in a cheaper voice."""

from __future__ import annotations

import msgspec
import pytest

from bridge.agents.base import LikelyLine
from bridge.call.commands import PullSpeech, Synthesise
from bridge.call.events import SpeechEnded
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
