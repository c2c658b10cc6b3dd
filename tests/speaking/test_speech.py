"""A call's voice, with the real worker and its default voice unless a fault or an order has to be forced."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from bridge.call.commands import PullSpeech, Synthesise
from bridge.call.events import Event, SpeechArrived, SpeechEnded
from bridge.speaking.call_speech import CallSpeech
from bridge.speaking.phrases.phrase import quiet_ms
from bridge.speaking.settings import CacheSettings, SpeakingSettings
from bridge.speaking.speech import SpeechService
from tests.speaking.conftest import OpenSpeech, impatient
from tests.speaking.doubles import Ear, FakeWorker, heard

GREETING = "Good morning! You have reached Dr. Patel's practice. How can I help you today?"
FAR = 60_000


async def say(speech: SpeechService, text: str, *, tenant: str = "default", cacheable: bool = True) -> Ear:
    ear = Ear()
    call = speech.open_call(ear.deliver, tenant=tenant)
    call.synthesise(Synthesise(1, text, True, cacheable=cacheable))
    call.pull(PullSpeech(1, FAR, 0))
    await ear.end()
    call.close()
    return ear


async def test_a_greeting_is_spoken_word_for_word(speech: SpeechService) -> None:
    ear = await say(speech, GREETING)
    assert ear.text() == GREETING
    assert all(len(e.audio) % 160 == 0 for e in ear.events if isinstance(e, SpeechArrived))
    starts = [w.start_ms for w in ear.words()]
    assert starts == sorted(starts)
    assert ear.words()[-1].end_ms <= len(ear.audio()) // 8
    assert 4000 < len(ear.audio()) // 8 < 7000


async def test_wrong_ssml_costs_nothing_but_what_it_asks_for(
    speech: SpeechService, caplog: pytest.LogCaptureFixture
) -> None:
    ear = await say(speech, 'One <break time="soon"/>moment, <say-as interpret-as="shout">please</say-as>.')
    assert ear.text() == "One, moment, please."
    assert speech.stats()["bad_ssml"] == 2
    assert [record.getMessage() for record in caplog.records if "SSML" in record.getMessage()] == [
        "utterance 1: SSML: <break> has time='soon', expected a time such as 500ms or 1.5s, at most 10s"
    ]


async def test_words_come_back_without_what_ssml_asked_for_them(speech: SpeechService) -> None:
    ear = await say(speech, 'Ask <phoneme ph="wɪn">Nguyen</phoneme>, <prosody rate="slow">please do</prosody>.')
    assert ear.text() == "Ask Nguyen, please do."


async def test_the_pause_between_sentences_is_that_of_one_breath(speech: SpeechService) -> None:
    """Measured at the join itself: what both pieces bring, plus what was put between them."""
    ear = await say(speech, GREETING)
    ulaw, words = ear.audio(), ear.words()
    ends = [i for i, w in enumerate(words) if w.text in ("morning!", "practice.")]
    for index in ends:
        middle = (words[index].end_ms + words[index + 1].start_ms) // 2 * 8
        pause = quiet_ms(ulaw[:middle], at_end=True) + quiet_ms(ulaw[middle:], at_end=False)
        assert pause == pytest.approx(320, abs=50)


async def test_audio_comes_only_as_far_as_it_was_pulled(speech: SpeechService) -> None:
    ear = Ear()
    call = speech.open_call(ear.deliver)
    call.synthesise(Synthesise(1, GREETING, True))
    await speech.warm([GREETING])
    assert ear.events == []
    for upto_ms in (100, 290, 300, 1000):
        call.pull(PullSpeech(1, upto_ms, 0))
        await ear.until(lambda upto_ms=upto_ms: len(ear.audio()) >= upto_ms // 20 * 160)  # type: ignore[misc]
        assert len(ear.audio()) == upto_ms // 20 * 160
        assert all(w.start_ms < upto_ms for w in ear.words())
    call.pull(PullSpeech(1, FAR, 0))
    assert isinstance(await ear.end(), SpeechEnded)


async def test_a_kept_phrase_is_delivered_within_the_command_itself(speech: SpeechService) -> None:
    first = await say(speech, GREETING)
    ear = Ear()
    call = speech.open_call(ear.deliver)
    call.synthesise(Synthesise(7, GREETING.replace("Good", "good"), True))
    assert ear.events == []
    call.pull(PullSpeech(7, FAR, 0))
    assert isinstance(ear.events[-1], SpeechEnded)
    assert ear.audio(7) == first.audio()
    assert ear.words(7)[0].text == "good", "the words are spelled as this agent wrote them"
    stats = speech.stats()
    assert stats["cache_hits_memory"] == 3
    assert stats["cache_saved_audio_s"] == pytest.approx(len(first.audio()) / 8000, abs=0.7)  # pauses are not counted
    assert stats["cache_saved_synthesis_ms"] > 0
    assert stats["cache_saved_money"] > 0


async def test_nothing_comes_after_a_cancel(speech: SpeechService) -> None:
    ear = Ear()
    call = speech.open_call(ear.deliver)
    call.synthesise(Synthesise(1, GREETING, True))
    call.pull(PullSpeech(1, 500, 0))
    await ear.until(lambda: bool(ear.events))
    call.cancel(1)
    before = list(ear.events)
    call.pull(PullSpeech(1, FAR, 0))
    call.synthesise(Synthesise(1, " And more.", True))
    call.synthesise(Synthesise(2, "Something else entirely.", True))
    call.pull(PullSpeech(2, FAR, 0))
    await ear.end(2)
    assert [e for e in ear.events if not isinstance(e, SpeechArrived | SpeechEnded) or e.utterance == 1] == before


async def test_a_call_that_cancels_from_within_deliver_hears_no_more(speech: SpeechService) -> None:
    await speech.warm([GREETING])
    events: list[Event] = []
    calls: list[CallSpeech] = []

    def deliver(event: Event) -> None:
        events.append(event)
        calls[0].cancel(1)

    calls.append(speech.open_call(deliver))
    calls[0].synthesise(Synthesise(1, GREETING, True))
    calls[0].pull(PullSpeech(1, FAR, 0))
    assert len(events) == 1


async def test_a_call_that_pulls_from_within_deliver_gets_everything_once(speech: SpeechService) -> None:
    await speech.warm([GREETING])
    ear = Ear()

    def deliver(event: Event) -> None:
        ear.deliver(event)
        call.pull(PullSpeech(1, len(ear.audio()) // 8 + 200, 100))

    call = speech.open_call(deliver)
    call.synthesise(Synthesise(1, GREETING, True))
    call.pull(PullSpeech(1, 200, 0))
    assert isinstance(ear.events[-1], SpeechEnded)
    assert ear.audio() == (await say(speech, GREETING)).audio()
    assert ear.text() == GREETING


async def test_text_is_spoken_while_it_is_written(speech: SpeechService) -> None:
    ear = Ear()
    call = speech.open_call(ear.deliver)
    call.synthesise(Synthesise(1, "I have an opening on Tues", False))
    call.pull(PullSpeech(1, FAR, 0))
    call.synthesise(Synthesise(1, "day. Shall I b", False))
    await ear.until(lambda: ear.text() == "I have an opening on Tuesday.")
    assert not any(isinstance(e, SpeechEnded) for e in ear.events)
    call.synthesise(Synthesise(1, "ook it?", True))
    await ear.end()
    assert ear.text() == "I have an opening on Tuesday. Shall I book it?"


async def test_an_utterance_with_nothing_to_say_ends_at_the_first_pull(speech: SpeechService) -> None:
    ear = Ear()
    call = speech.open_call(ear.deliver)
    call.synthesise(Synthesise(1, "👋 **", True))
    assert ear.events == []
    call.pull(PullSpeech(1, 100, 0))
    assert ear.events == [SpeechEnded(1)]


async def test_what_must_not_be_kept_is_not_kept(speech: SpeechService) -> None:
    ear = Ear()
    call = speech.open_call(ear.deliver)
    call.synthesise(Synthesise(1, "Thank you for waiting. Your name is ", False))
    call.synthesise(Synthesise(1, "Rumpelstiltskin. ", False, cacheable=False))
    call.synthesise(Synthesise(1, "Is that so?", True))
    call.pull(PullSpeech(1, FAR, 0))
    await ear.end()
    kept = [entry.text for entry in await speech.cache.list()]
    assert kept == ["thank you for waiting."]


async def test_tenants_share_nothing_unless_configured(fake: FakeWorker, open_speech: OpenSpeech) -> None:
    for share, asked in ((False, 2), (True, 1)):
        speech = await open_speech(impatient(fake, cache=CacheSettings(share_between_tenants=share)))
        fake.texts.clear()
        for tenant in ("a", "b", "a", "b"):
            await say(speech, "one two", tenant=tenant)
        assert len(fake.texts) == asked


async def test_calls_that_want_the_same_phrase_share_one_synthesis(fake: FakeWorker, open_speech: OpenSpeech) -> None:
    speech = await open_speech(impatient(fake))
    fake.hold = asyncio.Event()
    ears = [Ear() for _ in range(5)]
    calls = [speech.open_call(ear.deliver) for ear in ears]
    for call in calls:
        call.synthesise(Synthesise(1, "one two three", True))
        call.pull(PullSpeech(1, FAR, 0))
    for ear in ears:
        await ear.until(lambda ear=ear: heard(ear.audio()) == ["one"])  # type: ignore[misc]
    calls[0].close()  # the one that asked first has gone
    fake.hold.set()
    for ear in ears[1:]:
        await ear.end()
        assert heard(ear.audio()) == ["one", "two", "three"]
    assert fake.texts == ["one two three"]
    assert fake.cancelled == 0


async def test_a_short_phrase_is_finished_for_the_next_call_and_a_long_one_is_not(
    fake: FakeWorker, open_speech: OpenSpeech
) -> None:
    long_text = "one two three four five six seven eight"
    speech = await open_speech(impatient(fake, cache=CacheSettings(finish_chars=20)))
    fake.hold = asyncio.Event()
    ear = Ear()
    call = speech.open_call(ear.deliver)
    for number, text in ((1, "one two"), (2, long_text)):
        call.synthesise(Synthesise(number, text, True))
        call.pull(PullSpeech(number, FAR, 0))
        await ear.until(lambda number=number: bool(ear.audio(number)))  # type: ignore[misc]
        call.cancel(number)
    fake.hold.set()
    async with asyncio.timeout(60):
        while speech.stats()["cache_memory_phrases"] < 1:
            await asyncio.sleep(0)
    await say(speech, "one two")
    await say(speech, long_text)
    assert fake.texts == ["one two", long_text, long_text]
    assert fake.cancelled == 1


async def test_the_callers_lead_reaches_the_worker(fake: FakeWorker, open_speech: OpenSpeech) -> None:
    speech = await open_speech(impatient(fake))
    fake.hold = asyncio.Event()
    ear = Ear()
    call = speech.open_call(ear.deliver)
    call.synthesise(Synthesise(1, "one two three", True))
    call.pull(PullSpeech(1, 100, 0))
    await ear.until(lambda: bool(ear.events))
    call.pull(PullSpeech(1, 140, 90))
    async with asyncio.timeout(60):
        while not fake.leads or not fake.leads[-1]:
            await asyncio.sleep(0)
    # 90 ms are on their way to the caller, 40 were given now, 60 of the first word's 200 wait here.
    assert fake.leads[-1] == pytest.approx(90 + 40 + 60, abs=30)
    fake.hold.set()


async def test_warm_up_says_how_far_it_is_and_makes_nothing_twice(fake: FakeWorker, open_speech: OpenSpeech) -> None:
    speech = await open_speech(impatient(fake))
    seen: list[tuple[int, int, str]] = []
    await speech.warm(["one two", "three four", "one two"], progress=lambda *progress: seen.append(progress))
    await speech.warm(["three four"])
    assert seen == [(1, 2, "one two"), (2, 2, "three four")]
    assert fake.texts == ["one two", "three four"]
    assert fake.priorities == ["prefetch", "prefetch"]


async def test_a_new_engine_version_is_another_voice_and_warm_phrases_are_made_again(
    fake: FakeWorker, open_speech: OpenSpeech
) -> None:
    speech = await open_speech(impatient(fake))
    await speech.warm(["one two"])
    await fake.stop()
    fake.model = "fake-2"
    await fake.__aenter__()
    async with asyncio.timeout(60):
        while fake.texts.count("one two") < 2:
            await asyncio.sleep(0.001)


async def test_a_whole_text_as_one_phrase(worker: str, open_speech: OpenSpeech) -> None:
    speech = await open_speech(SpeakingSettings(workers=(worker,)))
    phrase = await speech.synthesise_whole(GREETING)
    assert " ".join(word.text for word in phrase.words) == GREETING
    assert phrase.key.engine.startswith("hibari")
    assert phrase.loudness_db == pytest.approx(-20, abs=3)


async def test_phrases_survive_a_restart_on_disk_and_play_without_any_worker(
    fake: FakeWorker, tmp_path: Path, open_speech: OpenSpeech
) -> None:
    settings = impatient(fake, cache=CacheSettings(disk_path=str(tmp_path)))
    first = await open_speech(settings)
    await say(first, "one two")
    await first.close()
    await fake.stop()
    second = await open_speech(settings, connect_s=0.05)
    ear = await say(second, "One two")
    assert heard(ear.audio()) == ["one", "two"]
    assert second.stats()["cache_hits_disk"] == 1


async def test_the_voice_changes_between_pieces(other: FakeWorker, open_speech: OpenSpeech) -> None:
    async with FakeWorker(voices=("heart", "joe")) as fake:
        speech = await open_speech(impatient(fake))
        ear = Ear()
        call = speech.open_call(ear.deliver)
        call.synthesise(Synthesise(1, "one two ", False))
        call.synthesise(Synthesise(1, "three four", True, voice="joe"))
        call.pull(PullSpeech(1, FAR, 0))
        await ear.end()
        assert heard(ear.audio()) == ["one", "two", "three", "four"]
        assert fake.texts == ["one two", "three four"]
        assert {entry.voice for entry in await speech.cache.list()} == {"heart", "joe"}
