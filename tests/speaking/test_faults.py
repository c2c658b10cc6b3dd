"""What a caller hears when workers die, stall, refuse or talk nonsense."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from bridge.audio.formats import MULAW_8000
from bridge.call.commands import PullSpeech, Synthesise
from bridge.call.events import SpeechEnded, SpeechFailed
from bridge.errors import VoiceError
from bridge.speaking.settings import SpeakingSettings
from bridge.speaking.speech import SpeechService
from bridge.speaking.voices.base import SpeechRequest
from tests.speaking.conftest import OpenSpeech, impatient
from tests.speaking.doubles import Ear, FakeWorker, Mode, heard, sound_of
from tests.speaking.provider_contract import Listener

TEXT = "one two three four five six"
FAR = 60_000


@asynccontextmanager
async def speaking(settings: SpeakingSettings) -> AsyncIterator[SpeechService]:
    speech = SpeechService(settings)
    await speech.start()
    try:
        yield speech
    finally:
        await speech.close()


async def said(speech: SpeechService, text: str, *, cacheable: bool = True) -> Ear:
    """One utterance, pulled to its end by a call of its own."""
    ear = Ear()
    call = speech.open_call(ear.deliver)
    call.synthesise(Synthesise(1, text, True, cacheable=cacheable))
    call.pull(PullSpeech(1, FAR, 0))
    await ear.end()
    call.close()
    return ear


@pytest.mark.parametrize("mode", ["dies", "fails", "stalls", "garbage", "shifted"])
@pytest.mark.parametrize("after", [1, 3])
async def test_another_worker_goes_on_at_the_first_missing_word(
    fake: FakeWorker, other: FakeWorker, mode: Mode, after: int
) -> None:
    async with speaking(impatient(fake, other)) as speech:
        fake.mode = other.mode = mode
        fake.after = other.after = after
        ear = Ear()
        call = speech.open_call(ear.deliver)
        call.synthesise(Synthesise(1, TEXT, True))
        call.pull(PullSpeech(1, FAR, 0))
        await ear.until(lambda: len(heard(ear.audio())) >= after)
        fake.mode = other.mode = "well"
        assert isinstance(await ear.end(), SpeechEnded)
        assert heard(ear.audio()) == TEXT.split()
        assert ear.text() == TEXT
        assert [(w.start_ms, w.end_ms) for w in ear.words()] == [(i * 200, i * 200 + 200) for i in range(6)]
        assert sorted([*fake.texts, *other.texts], key=len, reverse=True)[:2] == [
            TEXT,
            " ".join(TEXT.split()[after:]),
        ]
        assert speech.stats()["phrases_spliced"] == 1
        assert speech.stats()["cache_memory_phrases"] == 0, "a phrase made in two parts is not kept"


@pytest.mark.parametrize(("upto_ms", "repeated_ms"), [(500, 100), (460, 60), (400, 0), (200, 0)])
async def test_a_word_of_which_only_half_came_is_said_again(
    fake: FakeWorker, other: FakeWorker, upto_ms: int, repeated_ms: int
) -> None:
    """What the call was given of it stays given; the word itself is heard whole, and none is lost."""
    async with speaking(impatient(fake, other)) as speech:
        fake.mode = other.mode = "halves"
        fake.after = other.after = 2
        ear = Ear()
        call = speech.open_call(ear.deliver)
        call.synthesise(Synthesise(1, TEXT, True))
        call.pull(PullSpeech(1, upto_ms, 0))
        await ear.until(lambda: len(ear.audio()) == upto_ms * 8)
        fake.mode = other.mode = "well"
        async with asyncio.timeout(60):
            while len(fake.texts) + len(other.texts) < 2:
                await asyncio.sleep(0)
        call.pull(PullSpeech(1, FAR, upto_ms))
        assert isinstance(await ear.end(), SpeechEnded)
        half = sound_of("three")[: repeated_ms * 8]
        assert ear.audio() == b"".join(map(sound_of, TEXT.split()[:2])) + half + b"".join(
            map(sound_of, TEXT.split()[2:])
        )
        assert ear.text() == TEXT


async def test_a_busy_worker_is_passed_over_and_both_busy_are_asked_again(fake: FakeWorker, other: FakeWorker) -> None:
    async with speaking(impatient(fake, other)) as speech:
        fake.mode = "busy"
        for text in ("one two", "three four", "five six"):
            assert heard((await said(speech, text)).audio()) == text.split()
        other.mode = "busy"
        ear = Ear()
        call = speech.open_call(ear.deliver)
        call.synthesise(Synthesise(1, "seven eight", True))
        call.pull(PullSpeech(1, FAR, 0))
        asked = len(fake.texts) + len(other.texts)
        async with asyncio.timeout(60):
            while len(fake.texts) + len(other.texts) < asked + 4:
                await asyncio.sleep(0)
        other.mode = "well"
        await ear.end()
        assert heard(ear.audio()) == ["seven", "eight"]


async def test_a_worker_that_is_written_to_too_fast_is_given_time_and_not_blamed(fake: FakeWorker) -> None:
    async with speaking(impatient(fake)) as speech:
        fake.mode = "too fast"
        ear = Ear()
        call = speech.open_call(ear.deliver)
        call.synthesise(Synthesise(1, "one two", True))
        call.pull(PullSpeech(1, FAR, 0))
        async with asyncio.timeout(60):
            while len(fake.texts) < 5:  # more than the failures after which a worker is left alone
                await asyncio.sleep(0)
        assert speech.stats()["worker0_usable"] == 1
        fake.mode = "well"
        assert isinstance(await ear.end(), SpeechEnded)
        assert heard(ear.audio()) == ["one", "two"]


@pytest.mark.parametrize("after", [0, 1, 2])
async def test_when_a_voice_loses_the_text_another_goes_on_at_the_first_missing_word(after: int) -> None:
    async with FakeWorker(("tara", "heart", "joe")) as fake, speaking(impatient(fake)) as speech:
        fake.mode, fake.after, fake.lost_voices = "astray", after, {"tara", "heart"}
        ear = Ear()
        call = speech.open_call(ear.deliver)
        call.synthesise(Synthesise(1, TEXT, True))
        call.pull(PullSpeech(1, FAR, 0))
        assert isinstance(await ear.end(), SpeechEnded)
        assert heard(ear.audio()) == TEXT.split()
        assert ear.text() == TEXT
        assert fake.asked_voices == ["tara", "heart", "joe"]
        assert fake.texts == [TEXT, *(" ".join(TEXT.split()[n:]) for n in (after, 2 * after))]
        assert speech.stats()["worker0_failed_engine_runaway"] == 2
        assert speech.stats()["worker0_usable"] == 1, "its other voices are well"
        assert speech.stats()["cache_memory_phrases"] == (after == 0), (
            "what another voice said is kept as its own, if at all"
        )


async def test_when_every_voice_loses_the_text_the_call_is_told(fake: FakeWorker) -> None:
    async with speaking(impatient(fake)) as speech:
        fake.mode, fake.after, fake.lost_voices = "astray", 0, {"heart"}
        ear = await said(speech, TEXT)
        assert isinstance(ear.events[-1], SpeechFailed)
        assert "again and again" in ear.events[-1].reason


async def test_a_silent_worker_costs_one_deadline_then_the_other_speaks(fake: FakeWorker, other: FakeWorker) -> None:
    async with speaking(impatient(fake, other)) as speech:
        fake.mode = "silent"
        for text in ("one two", "three four"):
            assert heard((await said(speech, text)).audio()) == text.split()
        assert fake.cancelled == fake.texts.count("one two") + fake.texts.count("three four")


@pytest.mark.parametrize("mode", ["busy", "silent", "fails"])
async def test_when_all_fail_the_call_is_told_in_bounded_time(fake: FakeWorker, other: FakeWorker, mode: Mode) -> None:
    async with speaking(impatient(fake, other)) as speech:
        fake.mode = other.mode = mode
        fake.after = other.after = 0
        began = asyncio.get_running_loop().time()
        ear = await said(speech, TEXT)
        assert asyncio.get_running_loop().time() - began < 5.0
        assert isinstance(ear.events[-1], SpeechFailed)
        assert len(ear.events) == 1
        if mode == "fails":
            assert "no such phoneme" in ear.events[-1].reason


async def test_a_text_that_breaks_a_worker_does_not_keep_others_from_it(fake: FakeWorker) -> None:
    async with speaking(impatient(fake)) as speech:
        fake.mode, fake.after = "fails", 0
        assert isinstance((await said(speech, "poison")).events[-1], SpeechFailed)
        fake.mode = "well"
        assert isinstance((await said(speech, "one two")).events[-1], SpeechEnded)


async def test_a_worker_that_fails_again_and_again_is_left_alone_until_a_probe_succeeds(fake: FakeWorker) -> None:
    async with speaking(impatient(fake)) as speech:
        fake.mode, fake.after = "fails", 0
        await said(speech, "one")
        await said(speech, "two")
        assert speech.stats()["worker0_usable"] == 0
        assert isinstance((await said(speech, "three")).events[-1], SpeechFailed)
        assert "three" not in fake.texts
        fake.mode = "well"
        async with asyncio.timeout(60):
            while not speech.ready:
                await asyncio.sleep(0.005)
        assert fake.texts[-1] == "Okay."
        assert heard((await said(speech, "four five")).audio()) == ["four", "five"]


async def test_the_apology_plays_although_the_worker_is_dead(fake: FakeWorker) -> None:
    apology = "We are sorry, something went wrong. Goodbye for now."
    async with speaking(impatient(fake)) as speech:
        await speech.warm([apology])
        await fake.stop()
        ear = Ear()
        call = speech.open_call(ear.deliver)
        call.synthesise(Synthesise(1, TEXT, True))
        call.pull(PullSpeech(1, FAR, 0))
        assert isinstance(await ear.end(), SpeechFailed)
        call.synthesise(Synthesise(2, apology, True))
        call.pull(PullSpeech(2, FAR, 0))
        assert isinstance(ear.events[-1], SpeechEnded)
        assert ear.text(2) == apology


async def test_a_call_waits_for_a_worker_that_is_being_restarted(fake: FakeWorker) -> None:
    async with speaking(SpeakingSettings(workers=(fake.address,))) as speech:
        await fake.stop()
        ear = Ear()
        call = speech.open_call(ear.deliver)
        call.synthesise(Synthesise(1, TEXT, True))
        call.pull(PullSpeech(1, FAR, 0))
        await fake.__aenter__()
        assert isinstance(await ear.end(), SpeechEnded)
        assert heard(ear.audio()) == TEXT.split()


async def test_without_any_worker_the_service_starts_and_says_what_it_can_not_do(
    fake: FakeWorker, open_speech: OpenSpeech
) -> None:
    settings = impatient(fake)
    await fake.stop()
    speech = await open_speech(settings, connect_s=0.05)
    assert not speech.ready
    assert speech.headroom() == 0.0
    with pytest.raises(VoiceError, match="no audio for"):
        await speech.synthesise_whole("one two")


async def test_programs_that_wait_for_speech_keep_no_caller_out(
    fake: FakeWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with speaking(impatient(fake)) as speech:
        fake.hold = asyncio.Event()
        [provider] = speech._pool.providers
        now = provider.time()
        monkeypatch.setattr(provider, "time", lambda: now)
        listening = speech.open_stream(
            SpeechRequest("one two", priority="tenant"), Listener(MULAW_8000, inside_open=False)
        )
        now += 60.0
        assert speech.headroom() == 1.0
        speech.open_stream(SpeechRequest("one two"), Listener(MULAW_8000, inside_open=False))
        now += 60.0
        assert speech.headroom() == 0.0
        listening.cancel()


async def test_one_stalled_call_does_not_hold_up_another(fake: FakeWorker) -> None:
    """The first call never pulls; the other one hears everything."""
    async with speaking(impatient(fake)) as speech:
        stalled = Ear()
        speech.open_call(stalled.deliver).synthesise(Synthesise(1, TEXT, True))
        assert heard((await said(speech, "seven eight")).audio()) == ["seven", "eight"]
        assert stalled.events == []


async def test_a_voice_that_nobody_has_is_named_in_the_complaint(fake: FakeWorker) -> None:
    async with speaking(impatient(fake)) as speech:
        with pytest.raises(VoiceError, match="no connected worker has the voice 'nobody'"):
            await speech.warm(["one two"], voice="nobody")
