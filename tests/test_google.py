"""Google's services: its own clients find our doubles to be them; our side of accounts, statuses, calls in a row."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from bridge.audio.formats import MULAW_8000
from bridge.errors import ConfigError
from bridge.google_account import GoogleAccount
from bridge.grpc_client import RpcFailed
from bridge.http import HttpClient
from bridge.listening.recognisers.base import ExpectedSpeech, FinalText
from bridge.listening.recognisers.hosted import rpc_link
from bridge.listening.recognisers.hosted.catalogue import hosted_recogniser
from bridge.speaking.voices.base import SpeechRequest
from bridge.speaking.voices.hosted.catalogue import hosted_voice
from bridge.speaking.voices.hosted.google import failure_of
from tests.doubles.hearing import rehearse
from tests.doubles.listening.base import KEY
from tests.doubles.listening.google import GoogleDouble
from tests.doubles.rpc import service_account
from tests.doubles.speaking.google import GoogleVoiceDouble
from tests.listening.recogniser_contract import ORDER, QUIET, SATURDAY, Conversation, loaded, plain, until
from tests.speaking.doubles import heard
from tests.speaking.provider_contract import Listener
from tests.speaking.test_providers import ready

grpc = pytest.importorskip("grpc")
speech = pytest.importorskip("google.cloud.speech_v2")
speaking = pytest.importorskip("google.cloud.texttospeech_v1")

TEXT = "i want to cancel my order"
WORDS = "one two three"
RECOGNISER = "projects/shop/locations/global/recognizers/_"


@pytest.fixture(scope="module", autouse=True)
def _rehearsed() -> None:
    rehearse(ORDER, SATURDAY)


@pytest.fixture
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VENDOR_KEY", KEY)


def pieces() -> Iterator[bytes]:
    return (ORDER[at : at + 800] for at in range(0, len(ORDER), 800))


async def test_googles_own_client_understands_the_double_of_its_recogniser() -> None:
    decoding = speech.ExplicitDecodingConfig(encoding="MULAW", sample_rate_hertz=8000, audio_channel_count=1)
    features = speech.RecognitionFeatures(enable_word_time_offsets=True)
    config = speech.RecognitionConfig(
        explicit_decoding_config=decoding, model="telephony", language_codes=["en-US"], features=features
    )
    wanted = speech.StreamingRecognitionConfig(
        config=config, streaming_features=speech.StreamingRecognitionFeatures(interim_results=True)
    )

    async def requests() -> AsyncIterator[Any]:
        yield speech.StreamingRecognizeRequest(recognizer=RECOGNISER, streaming_config=wanted)
        for piece in pieces():
            yield speech.StreamingRecognizeRequest(audio=piece)

    async with GoogleDouble().serve() as url, asyncio.timeout(60):
        channel = grpc.aio.insecure_channel(url.removeprefix("http://"))
        transport = speech.SpeechAsyncClient.get_transport_class("grpc_asyncio")(channel=channel)
        client = speech.SpeechAsyncClient(transport=transport)
        metadata = (("authorization", f"Bearer {KEY}"),)
        finals, interim = [], 0
        async for told in await client.streaming_recognize(requests=requests(), metadata=metadata):
            finals += [result for result in told.results if result.is_final]
            interim += sum(not result.is_final for result in told.results)
        await channel.close()
    assert plain(" ".join(final.alternatives[0].transcript for final in finals)) == TEXT
    words = [word for final in finals for word in final.alternatives[0].words]
    assert [plain(word.word) for word in words] == TEXT.split()
    assert words[-1].end_offset.total_seconds() > 1.0
    assert interim > 1


async def test_googles_own_client_understands_the_double_of_its_voice() -> None:
    audio = speaking.StreamingAudioConfig(audio_encoding="MULAW", sample_rate_hertz=8000)
    voice = speaking.VoiceSelectionParams(language_code="en-US", name="en-US-Chirp3-HD-Ada")
    config = speaking.StreamingSynthesizeConfig(voice=voice, streaming_audio_config=audio)

    async def requests() -> AsyncIterator[Any]:
        yield speaking.StreamingSynthesizeRequest(streaming_config=config)
        yield speaking.StreamingSynthesizeRequest(input=speaking.StreamingSynthesisInput(text="one two "))
        yield speaking.StreamingSynthesizeRequest(input=speaking.StreamingSynthesisInput(text="three"))

    async with GoogleVoiceDouble().serve() as url, asyncio.timeout(60):
        channel = grpc.aio.insecure_channel(url.removeprefix("http://"))
        transport = speaking.TextToSpeechAsyncClient.get_transport_class("grpc_asyncio")(channel=channel)
        client = speaking.TextToSpeechAsyncClient(transport=transport)
        metadata = (("authorization", f"Bearer {KEY}"),)
        answers = await client.streaming_synthesize(requests=requests(), metadata=metadata)
        assert heard(b"".join([told.audio_content async for told in answers])) == WORDS.split()
        await channel.close()


@pytest.mark.parametrize("form", ["path", "what is in it"])
async def test_a_service_account_is_let_in_by_what_it_signs(form: str, tmp_path: Path) -> None:
    path, public = service_account(tmp_path)
    environ = {"VENDOR_KEY": path if form == "path" else Path(path).read_text("utf-8")}
    ear, mouth = GoogleDouble(), GoogleVoiceDouble()
    ear.public_key = mouth.public_key = public
    async with ear.serve() as ear_url, mouth.serve() as mouth_url:
        async with loaded(hosted_recogniser(ear.settings(ear_url), environ=environ)) as recogniser:
            call = Conversation(recogniser)
            call.hears(ORDER)
            assert await call.finalised() == TEXT
            call.stream.close()
        voice = hosted_voice("vendor", mouth.settings(mouth_url), environ=environ)
        await ready(voice)
        listener = Listener(MULAW_8000)
        voice.open(SpeechRequest(WORDS), listener)
        listener.inside_open = False
        await listener.until(lambda: bool(listener.ended))
        assert (listener.ended, heard(bytes(listener.sound))) == ("done", WORDS.split())
        await voice.close()


@pytest.mark.parametrize(
    ("held", "says"),
    [
        ("/nowhere/account.json", "cannot be read"),
        ("{", "no key file"),
        ('{"client_email": "a", "private_key": "b"}', "no key file"),
        ("a\nb", "expected a key file"),
    ],
)
def test_what_is_no_account_is_named_and_not_repeated(held: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says) as refusal:
        GoogleAccount("VENDOR_KEY", {"VENDOR_KEY": held}, "https://x/")
    assert "VENDOR_KEY" in str(refusal.value)
    assert held not in str(refusal.value)


@pytest.mark.parametrize(
    ("code", "details", "listening", "speaking"),
    [
        ("UNAUTHENTICATED", "", "auth", "auth"),
        ("PERMISSION_DENIED", "", "auth", "auth"),
        ("RESOURCE_EXHAUSTED", "Quota exceeded for requests per minute", "busy", "busy"),
        ("RESOURCE_EXHAUSTED", "requires billing to be enabled", "quota", "quota"),
        ("RESOURCE_EXHAUSTED", "Received message larger than max (2 vs. 1)", "internal", "internal"),
        ("INVALID_ARGUMENT", "", "rejected", "rejected"),
        ("ABORTED", "Stream timed out after receiving no more client requests.", "idle", "lost"),
        ("ABORTED", "input should be sent at least every 5s", "lost", "idle"),
        ("ABORTED", "Max duration of 5 minutes reached for stream.", "lost", "lost"),
        ("OUT_OF_RANGE", "Long duration elapsed without audio.", "idle", "rejected"),
        ("UNAVAILABLE", "", "lost", "lost"),
        ("INTERNAL", "", "internal", "internal"),
        ("UNKNOWN", "", "internal", "internal"),
    ],
)
def test_statuses_are_sorted_by_what_helps(code: str, details: str, listening: str, speaking: str) -> None:
    error = RpcFailed(code, details)
    assert (rpc_link.failure_of(error).kind, failure_of(error).kind) == (listening, speaking)


@pytest.mark.usefixtures("_key")
async def test_each_turn_is_a_call_and_what_is_said_meanwhile_waits_for_the_next() -> None:
    double = GoogleDouble()
    async with double.serve() as url, loaded(hosted_recogniser(double.settings(url))) as recogniser:
        call = Conversation(recogniser)
        call.hears(ORDER)
        number = call.asks()
        call.hears(SATURDAY)
        call.stream.expect(ExpectedSpeech("de-DE", ("Okafor",)))
        await call.settled(number)
        assert call.told.text() == TEXT
        await call.settled(call.asks())
        assert call.told.text().endswith("when do you open on saturday")
        call.stream.close()
    assert [(one.query["language"], one.query["hints"]) for one in double.sessions] == [
        ("en-US", ""),
        ("de-DE", "Okafor"),
    ]


@pytest.mark.usefixtures("_key")
async def test_a_line_without_audio_is_filled_with_silence_that_moves_no_word(monkeypatch: pytest.MonkeyPatch) -> None:
    """The carrier sends nothing for a while; the call of the service lives on, and words keep the caller's clock."""
    double = GoogleDouble()
    double.idle_s = 0.4
    async with double.serve() as url, loaded(hosted_recogniser(double.settings(url))) as recogniser:
        make = recogniser._wire  # type: ignore[attr-defined]

        def often(expected: ExpectedSpeech) -> Any:
            import msgspec

            wire = make(expected)
            wire.traits = msgspec.structs.replace(wire.traits, keep_alive_s=0.05)
            return wire

        recogniser._wire = often  # type: ignore[attr-defined]
        call = Conversation(recogniser)
        call.hears(QUIET)
        await until(lambda: bool(double.sessions) and double.sessions[0].audio_s > len(QUIET) / 8000 + 2.0)
        call.hears(ORDER)
        assert await call.finalised() == TEXT
        [final] = [event for event in call.told.events if isinstance(event, FinalText)]
        first = final.words[0].start_at
        assert first is not None
        assert len(QUIET) / 8000 <= first < call.now
        assert len(double.sessions) == 1
        call.stream.close()


@pytest.mark.usefixtures("_key")
@pytest.mark.parametrize("text", ["with", "without"])
async def test_a_header_before_mu_law_is_not_heard(text: str) -> None:
    double = GoogleVoiceDouble()
    if text == "with":
        form = b"\x07\0\x01\0" + (8000).to_bytes(4, "little") * 2 + b"\x01\0\x08\0"
        double.header = b"RIFF\xff\xff\xff\xffWAVEfmt \x10\0\0\0" + form + b"data\xff\xff\xff\xff"
    async with double.serve() as url:
        voice = hosted_voice("vendor", double.settings(url))
        await ready(voice)
        listener = Listener(MULAW_8000)
        voice.open(SpeechRequest(WORDS), listener)
        listener.inside_open = False
        await listener.until(lambda: bool(listener.ended))
        assert heard(bytes(listener.sound)) == WORDS.split()
        await voice.close()


async def test_a_hundred_calls_are_spread_over_connections() -> None:
    """Beyond about a hundred on one, servers let calls wait without a word."""
    from bridge.grpc_client import GrpcClient

    double = GoogleVoiceDouble()
    async with double.serve() as url:
        http = HttpClient()
        client = GrpcClient(http, url)
        await client.reach(5.0)
        calls = [client.call("/google.cloud.texttospeech.v1.TextToSpeech/StreamingSynthesize", {}) for _ in range(120)]
        assert len(client._channels) == 3
        for call in calls:
            call.cancel()
        client.call("/google.cloud.texttospeech.v1.TextToSpeech/StreamingSynthesize", {}).cancel()
        assert len(client._channels) == 3
        await client.close()
        await http.close()
