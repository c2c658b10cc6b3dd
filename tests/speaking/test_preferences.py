"""One voice name, several ways to speak with it: a hosted voice first, a worker of our own when that fails."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import msgspec
import pytest

from bridge.audio.formats import FORMATS
from bridge.call.commands import PullSpeech, Synthesise
from bridge.call.events import SpeechEnded, SpeechFailed
from bridge.speaking.settings import SpeakingSettings, VoiceRoute, WorkerProviderSettings
from bridge.speaking.speech import SpeechService
from tests.speaking.conftest import impatient
from tests.speaking.doubles import Ear, FakeWorker, heard
from tests.speaking.provider_contract import Fault
from tests.speaking.tiny_voice import TinyProvider, TinyService

TEXT = "one two three four five six"
FAR = 60_000
PLACE = {"tiny": WorkerProviderSettings(addresses=("ws://127.0.0.1:9",))}
"""Taken by a provider that is handed over."""
ANNA = {"anna": (VoiceRoute(provider="tiny", voice="bob"), VoiceRoute(voice="heart"))}


@pytest.fixture
async def tiny() -> AsyncIterator[TinyService]:
    async with TinyService() as service:
        yield service


@pytest.fixture
async def anna(tiny: TinyService, fake: FakeWorker) -> AsyncIterator[SpeechService]:
    settings = msgspec.structs.replace(impatient(fake), providers=PLACE, voices=ANNA, voice="anna")
    speech = SpeechService(settings, providers={"tiny": TinyProvider(tiny.url)})
    await speech.start()
    yield speech
    await speech.close()


async def say(speech: SpeechService, text: str, voice: str | None = None, audio_format: str = "mulaw_8000") -> Ear:
    ear = Ear()
    call = speech.open_call(ear.deliver, audio_format=FORMATS[audio_format])
    call.synthesise(Synthesise(1, text, True, voice))
    call.pull(PullSpeech(1, FAR, 0))
    await ear.end()
    call.close()
    return ear


async def test_the_first_way_is_gone_and_what_it_says_is_kept_as_its_own(
    anna: SpeechService, tiny: TinyService, fake: FakeWorker
) -> None:
    ear = await say(anna, TEXT)
    assert isinstance(ear.events[-1], SpeechEnded)
    assert ear.text() == TEXT
    assert (tiny.texts, tiny.voices, fake.texts) == ([TEXT], ["bob"], [])
    assert len((await say(anna, TEXT, "anna")).audio()) == len(ear.audio())
    assert tiny.texts == [TEXT]
    await say(anna, TEXT, "heart")
    assert fake.texts == [TEXT], "a worker's voice of another name is another sound"
    kept = [held.phrase.key for held in anna.cache.memory]
    assert sorted((key.provider, key.voice, key.engine) for key in kept) == [
        ("tiny", "bob", "tiny-1"),
        ("worker", "heart", "fake-1"),
    ]


@pytest.mark.parametrize("fault", ["busy", "rejected", "internal", "lost"])
async def test_before_the_first_word_the_second_way_says_it_all_and_keeps_it_as_its_own(
    anna: SpeechService, tiny: TinyService, fake: FakeWorker, fault: Fault
) -> None:
    tiny.misbehave(fault, 0)
    ear = await say(anna, TEXT)
    assert heard(ear.audio()) == TEXT.split()
    assert fake.texts == [TEXT]
    assert [held.phrase.key.provider for held in anna.cache.memory] == ["worker"]


@pytest.mark.parametrize("fault", ["rejected", "internal", "lost"])
async def test_in_the_middle_the_second_way_goes_on_at_the_first_missing_word(
    anna: SpeechService, tiny: TinyService, fake: FakeWorker, fault: Fault
) -> None:
    tiny.misbehave(fault, 2)
    ear = await say(anna, TEXT)
    assert isinstance(ear.events[-1], SpeechEnded)
    assert ear.text() == TEXT
    assert len(fake.texts) == 1
    rest = fake.texts[0].split()
    assert TEXT.endswith(" ".join(rest))
    assert len(rest) in (4, 5), "the resampler keeps the last milliseconds of a word back"
    assert heard(ear.audio()[-len(rest) * 1600 :]) == rest
    assert len(anna.cache.memory) == 0


async def test_a_provider_that_nobody_has_paid_for_is_left_alone_at_once(
    anna: SpeechService, tiny: TinyService, fake: FakeWorker
) -> None:
    tiny.misbehave("internal", 0)
    for number in range(3):
        await say(anna, f"{TEXT} {number}")
    assert anna.stats()["tiny0_usable"] == 0
    asked = len(tiny.texts)
    await say(anna, "seven eight nine")
    assert len(tiny.texts) == asked
    tiny.misbehave("well", 0)
    async with asyncio.timeout(60):
        while not anna.stats()["tiny0_usable"]:
            await asyncio.sleep(0.01)
    await say(anna, "ten eleven twelve")
    assert tiny.texts[-1] == "ten eleven twelve"


async def test_when_no_way_is_left_the_call_is_told(anna: SpeechService, tiny: TinyService, fake: FakeWorker) -> None:
    tiny.misbehave("internal", 0)
    fake.mode, fake.after = "fails", 0
    assert isinstance((await say(anna, TEXT)).events[-1], SpeechFailed)


@pytest.mark.parametrize("audio_format", list(FORMATS))
async def test_a_call_is_spoken_to_in_its_own_format(anna: SpeechService, tiny: TinyService, audio_format: str) -> None:
    ear = await say(anna, TEXT, audio_format=audio_format)
    assert FORMATS[audio_format].duration_ms(ear.audio()) == pytest.approx(1200, abs=20)
    assert ear.words()[-1].end_ms <= FORMATS[audio_format].duration_ms(ear.audio())
    await say(anna, TEXT, audio_format="pcm_8000")
    assert len(tiny.texts) == (1 if audio_format == "pcm_8000" else 2), "another format is another phrase"


async def test_without_word_times_the_words_are_spread_over_the_sound(fake: FakeWorker) -> None:
    async with TinyService(places_words=False) as service:
        settings = msgspec.structs.replace(impatient(fake), providers=PLACE, voices=ANNA)
        speech = SpeechService(settings, providers={"tiny": TinyProvider(service.url)})
        await speech.start()
        ear = await say(speech, TEXT, "anna")
        assert ear.text() == TEXT
        assert ear.words()[-1].end_ms <= len(ear.audio()) / 8
        await speech.close()


async def test_a_second_fleet_of_workers_is_a_provider_by_settings(fake: FakeWorker, other: FakeWorker) -> None:
    settings = msgspec.structs.replace(
        impatient(fake),
        providers={"gpu": WorkerProviderSettings(addresses=(other.address,))},
        voices={"anna": (VoiceRoute(provider="gpu"), VoiceRoute())},
    )
    speech = SpeechService(settings)
    await speech.start()
    async with asyncio.timeout(60):
        while speech.stats()["gpu0_usable"] + speech.stats()["worker0_usable"] < 2:
            await asyncio.sleep(0.001)
    await say(speech, "one two three", "anna")
    await say(speech, "four five six")
    assert (other.texts, fake.texts) == (["one two three"], ["four five six"])
    await speech.close()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"voices": {"anna": [{"provider": "nobody"}]}}, "names the provider 'nobody'; there are: worker"),
        ({"voices": {"anna": []}}, "voices.anna is empty"),
        ({"providers": {"worker": {"kind": "worker", "addresses": ["ws://a"]}}}, "has one named 'worker'"),
        ({"providers": {"gpu": {"kind": "worker", "addresses": []}}}, "addresses is empty"),
        ({"providers": {"gpu": {"kind": "cloud"}}}, "cloud"),
    ],
)
def test_a_map_that_leads_nowhere_is_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=message):
        msgspec.convert(settings, SpeakingSettings)


async def test_a_hosted_voice_is_given_words_and_its_times_are_those_of_what_was_written(
    anna: SpeechService, tiny: TinyService
) -> None:
    written = "Your PIN is 0042 and you owe -$45.20 today."
    ear = await say(anna, written)

    assert tiny.texts == ["Your PIN is zero zero four two and you owe minus forty-five dollars and twenty cents today."]
    assert ear.text() == written
    words = {word.text: word for word in ear.words()}
    word_ms = words["Your"].end_ms - words["Your"].start_ms
    assert words["0042"].end_ms - words["0042"].start_ms == 4 * word_ms
    assert words["-$45.20"].end_ms - words["-$45.20"].start_ms == 6 * word_ms


async def test_a_worker_says_written_text_itself(anna: SpeechService, fake: FakeWorker) -> None:
    await say(anna, "one two 3", "heart")

    assert fake.texts == ["one two 3"]


async def test_a_voice_declares_its_language_and_phrases_of_another_are_not_played(
    tiny: TinyService, fake: FakeWorker
) -> None:
    voices = {
        "anna": (VoiceRoute(provider="tiny", voice="bob", language="de"),),
        "bob": (VoiceRoute(provider="tiny", voice="bob"),),
    }
    settings = msgspec.structs.replace(impatient(fake), providers=PLACE, voices=voices, voice="anna")
    speech = SpeechService(settings, providers={"tiny": TinyProvider(tiny.url)})
    await speech.start()
    for voice in ("anna", "bob", "anna", "bob"):
        assert (await say(speech, "21 kg", voice)).text() == "21 kg"
    await speech.close()

    assert tiny.texts == ["einundzwanzig Kilogramm", "twenty-one kilograms"]


def test_a_language_that_nobody_speaks_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"voices.anna.language: 'tlh' is not a language that can be spoken"):
        SpeakingSettings(voices={"anna": (VoiceRoute(language="tlh"),)})


async def test_another_language_is_spoken_by_the_voice_that_is_declared_for_it(fake: FakeWorker) -> None:
    fake.voices = ("heart", "thorsten", "siwis")
    voices = {
        "anna": (VoiceRoute(voice="heart", language="en-US"),),
        "peter": (VoiceRoute(voice="thorsten", language="de-DE"),),
        "marie": (VoiceRoute(voice="siwis", language="fr-FR"),),
    }
    speech = SpeechService(msgspec.structs.replace(impatient(fake), voices=voices, voice="anna"))
    await speech.start()
    try:
        ear = Ear()
        call = speech.open_call(ear.deliver)
        for number, (text, language) in enumerate(
            [("one", ""), ("zwei", "de"), ("three", ""), ("quatre", "fr"), ("five", "en-GB"), ("seis", "es")], 1
        ):
            call.synthesise(Synthesise(number, text, True, language=language))
            call.pull(PullSpeech(number, FAR, 0))
            await ear.end(number)
        call.close()
    finally:
        await speech.close()

    assert list(zip(fake.texts, fake.asked_voices, fake.languages, strict=True)) == [
        ("one", "heart", "en-US"),
        ("zwei", "thorsten", "de-DE"),
        ("three", "heart", "en-US"),
        ("quatre", "siwis", "fr-FR"),
        ("five", "heart", "en-GB"),
        ("seis", "heart", "es"),
    ]


async def test_a_call_in_a_language_begins_with_its_voice_and_keeps_phrases_apart(fake: FakeWorker) -> None:
    fake.voices = ("heart", "thorsten")
    voices = {"peter": (VoiceRoute(voice="thorsten", language="de-DE"),)}
    speech = SpeechService(msgspec.structs.replace(impatient(fake), voices=voices))
    await speech.start()
    try:
        for language in ("", "de", "nl", ""):
            ear = Ear()
            call = speech.open_call(ear.deliver, language=language)
            call.synthesise(Synthesise(1, "12", True))
            call.pull(PullSpeech(1, FAR, 0))
            await ear.end()
            call.close()
    finally:
        await speech.close()

    assert list(zip(fake.asked_voices, fake.languages, strict=True)) == [
        ("heart", ""),
        ("thorsten", "de-DE"),
        ("heart", "nl"),
    ]
