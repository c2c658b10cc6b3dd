"""Speech for other programs, asked for as they ask: openai's package, plain sockets, a real gateway, a real voice."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import time
import wave
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, get_args

import aiohttp
import msgspec
import numpy as np
import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from bridge.api.access import Access, ApiError, speech_keys
from bridge.api.formats import format_of
from bridge.api.speech import SpeechSource
from bridge.api.stream import FULL_MS, SpeechResponse
from bridge.api.use import KeyUse, cells_needed
from bridge.audio import mulaw
from bridge.audio.formats import MULAW_8000
from bridge.audio.wav import read
from bridge.call.events import Word
from bridge.errors import ConfigError, VoiceBusy, VoiceError, VoiceLost
from bridge.gateway.server import Gateway
from bridge.gateway.settings import SpeechApiSettings
from bridge.listening.recognisers.whisper import Whisper
from bridge.listening.settings import WhisperSettings
from bridge.session.profiles import CallProfiles
from bridge.speaking.settings import SpeakingSettings
from bridge.speaking.speech import SpeechService
from bridge.speaking.voices.base import Priority, SpeechListener, SpeechRequest, SpeechStream
from bridge.worker import protocol
from bridge.worker.protocol import (
    Cancel,
    Cancelled,
    Done,
    End,
    Error,
    Flush,
    FromWorker,
    Open,
    PlayoutReport,
    Ready,
    Text,
)
from tests.gateway.carrier import CALL_SETTINGS, SETTINGS
from tests.gateway.doubles import ServiceDoubles

KEY, OTHER_KEY = "key-of-a-friendly-program", "key-of-another-program"
TEXT = "I have an opening on Tuesday. Shall I book it for you?"
LONG = " ".join(["The office is closed on public holidays, and on the last Friday of every month."] * 20)
API = SpeechApiSettings(voices={"alloy": "heart"})
KEYS = {"BRIDGE_API_KEYS": f"{KEY}, {OTHER_KEY}"}
PATIENCE_S = 60.0


@dataclass
class Service:
    """A gateway with its speech API, and somebody who talks to it."""

    gateway: Gateway
    http: aiohttp.ClientSession

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.gateway.port}/v1"

    def post(self, key: str = KEY, **body: Any) -> Any:
        return self.http.post(
            f"{self.base}/audio/speech", json=body, headers={"Authorization": f"Bearer {key}"} if key else {}
        )

    async def refusal(self, key: str = KEY, **body: object) -> tuple[int, dict[str, Any]]:
        async with self.post(key, **body) as response:
            told = await response.json()
            assert set(told) == {"error"}
            assert set(told["error"]) == {"message", "type", "param", "code"}
            return response.status, told["error"]

    async def ended(self, answer: str) -> float:
        """Streams that ended so."""
        lines = self.gateway.metrics.page().decode().splitlines()
        name = f'bridge_speech_api_requests_total{{answer="{answer}"}} '
        return next((float(line.removeprefix(name)) for line in lines if line.startswith(name)), 0.0)


@asynccontextmanager
async def serving(
    source: SpeechSource | None, api: SpeechApiSettings = API, environ: Mapping[str, str] = KEYS
) -> AsyncIterator[Service]:
    settings = msgspec.structs.replace(SETTINGS, speech_api=api)
    profiles = CallProfiles.for_all(CALL_SETTINGS, ServiceDoubles().services)
    gateway = Gateway(settings, profiles, [], speech=source, environ=environ)
    await gateway.start("127.0.0.1", 0)
    gateway.open_doors()
    try:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=PATIENCE_S)) as http:
            yield Service(gateway, http)
    finally:
        await gateway.stop()


@pytest.fixture
async def speech(voice_address: str) -> AsyncIterator[SpeechService]:
    speech = SpeechService(SpeakingSettings(workers=(voice_address,)))
    await speech.start()
    yield speech
    await speech.close()


@pytest.fixture
async def service(speech: SpeechService) -> AsyncIterator[Service]:
    async with serving(speech) as service:
        yield service


@pytest.fixture(scope="module")
def whisper() -> Whisper:
    return Whisper(WhisperSettings())


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not await holds():
            await asyncio.sleep(0.01)


def telephone(samples: NDArray[np.int16], rate_hz: int) -> bytes:
    """Good enough for a recogniser: means of neighbours."""
    step = rate_hz // 8000
    return mulaw.encode(samples[: len(samples) // step * step].reshape(-1, step).mean(axis=1).astype(np.int16))


# ---- the openai package -------------------------------------------------------------------------------------------


async def test_the_openai_package_gets_a_wav_that_says_the_text(service: Service, whisper: Whisper) -> None:
    client = openai.AsyncOpenAI(base_url=service.base, api_key=KEY, max_retries=0)
    answer = await client.audio.speech.create(model="bridge", voice="heart", input=TEXT, response_format="wav")
    sound = read(answer.content)
    assert sound.rate_hz == 24000
    assert 2.0 < sound.duration_s < 6.0
    with wave.open(io.BytesIO(answer.content)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 24000)
    assert "opening on Tuesday" in whisper.recognise(telephone(sound.mono, 24000)).text
    await client.close()


async def test_the_openai_package_without_async_hears_the_beginning_before_the_end(service: Service) -> None:
    def listen() -> tuple[str, list[int]]:
        client = openai.OpenAI(base_url=service.base, api_key=KEY, max_retries=0)
        with client.audio.speech.with_streaming_response.create(
            model="tts-1", voice="alloy", input=LONG, response_format="pcm", speed=1.5
        ) as response:
            return response.headers["content-type"], [len(chunk) for chunk in response.iter_bytes()]

    content_type, chunks = await asyncio.to_thread(listen)
    assert content_type == "audio/pcm"
    assert len(chunks) > 10
    assert 1000 <= chunks[0] < sum(chunks) / 10


async def test_the_openai_package_raises_its_own_errors(service: Service) -> None:
    client = openai.AsyncOpenAI(base_url=service.base, api_key="a-key-that-nobody-has", max_retries=0)
    with pytest.raises(openai.AuthenticationError, match="not valid"):
        await client.models.list()
    client.api_key = KEY
    with pytest.raises(openai.BadRequestError, match="'mp3' is not supported; supported are: wav, pcm, mulaw") as told:
        await client.audio.speech.create(model="bridge", voice="heart", input="Hi.", response_format="mp3")
    assert (told.value.param, told.value.code) == ("response_format", "unsupported_format")
    with pytest.raises(openai.NotFoundError, match="no model 'whisper-9'"):
        await client.models.retrieve("whisper-9")
    assert "bridge" in [model.id async for model in await client.models.list()]
    assert (await client.models.retrieve("bridge")).owned_by == "bridge"
    await client.close()


# ---- the sound ----------------------------------------------------------------------------------------------------


async def test_every_format_is_what_it_says(service: Service) -> None:
    async def sound(**wanted: Any) -> tuple[str, bytes]:
        async with service.post(input=TEXT, voice="heart", **wanted) as response:
            assert response.status == 200
            return response.headers["Content-Type"], await response.read()

    kind, ulaw = await sound(response_format="mulaw")
    assert kind == "audio/basic"
    telephone_s = len(ulaw) / 8000
    kind, pcm = await sound(response_format="pcm")
    assert kind == "audio/pcm"
    kind, wav_8k = await sound(response_format="wav", sample_rate=8000)
    assert kind == "audio/wav"
    file = read(wav_8k)
    assert file.rate_hz == 8000
    assert len(pcm) / 2 / 24000 == pytest.approx(telephone_s, abs=0.05)
    assert file.duration_s == pytest.approx(telephone_s, abs=0.05)
    levels = [
        float(np.sqrt(np.mean(np.square(samples.astype(np.float64)))))
        for samples in (mulaw.decode(ulaw), np.frombuffer(pcm, "<i2"), file.mono)
    ]
    assert levels[0] > 1000
    assert levels[1] == pytest.approx(levels[0], rel=0.15)
    assert levels[2] == pytest.approx(levels[0], rel=0.05)


async def test_server_sent_events_carry_the_same_sound_and_the_words(service: Service) -> None:
    async with service.post(input=TEXT, response_format="mulaw", stream_format="sse") as response:
        assert response.content_type == "text/event-stream"
        events = [json.loads(line.removeprefix(b"data: ")) async for line in response.content if line.strip()]
    sound = b"".join(base64.b64decode(one["audio"]) for one in events if one["type"] == "speech.audio.delta")
    words = [word for one in events if one["type"] == "speech.words" for word in one["words"]]
    assert [text for text, _, _ in words] == TEXT.split()
    assert len(events) > 4
    assert events[-1]["type"] == "speech.audio.done"
    assert events[-1]["usage"] == {"characters": len(TEXT), "audio_ms": len(sound) // 8}
    assert words[-1][2] <= len(sound) / 8
    async with service.post(input=TEXT, response_format="mulaw") as response:
        assert len(await response.read()) == len(sound)


async def test_sound_arrives_while_the_rest_is_still_being_made(service: Service, speech: SpeechService) -> None:
    async with service.post(input=LONG, response_format="pcm") as response:
        await response.content.readany()
        assert speech.stats()["worker0_under_way"] == 1
        rest = await response.read()
    assert len(rest) > 60 * 48_000
    assert speech.stats()["worker0_under_way"] == 0
    assert await service.ended("done") == 1


async def test_who_goes_away_frees_the_stream(service: Service, speech: SpeechService) -> None:
    response = await service.post(input=LONG, response_format="pcm")
    await response.content.readany()
    assert speech.stats()["worker0_under_way"] == 1
    response.close()

    async def free() -> bool:
        return speech.stats()["worker0_under_way"] == 0 and await service.ended("cancelled") == 1

    await until(free)


# ---- refusals -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "param", "message"),
    [
        ({}, "input", "missing required field 'input'"),
        ({"input": " \n"}, "input", "input is empty"),
        ({"input": 7}, "input", "Expected 'str', got 'int'"),
        ({"input": "x" * 4097}, "input", "4097 characters, at most 4096"),
        ({"input": 'Wait <break time="soon"/>'}, "input", "<break> has time='soon', expected a time such as 500ms"),
        ({"input": '<phoneme ph="w/n">Nguyen</phoneme>'}, "input", "<phoneme> has a ph that is no phonemes: '/' is no"),
        ({"input": "Hi.", "language": "tlh"}, "language", "'tlh' is not a language that can be spoken"),
        ({"input": "Hi.", "voice": "hart"}, "voice", "no voice 'hart'; there are: heart, alloy"),
        ({"input": "Hi.", "response_format": "opus"}, "response_format", "supported are: wav, pcm, mulaw"),
        ({"input": "Hi.", "sample_rate": 44100}, "sample_rate", "supported are: 8000, 16000, 24000"),
        ({"input": "Hi.", "response_format": "mulaw", "sample_rate": 16000}, "sample_rate", "mulaw, which has 8000"),
        ({"input": "Hi.", "speed": 4.5}, "speed", "not within 0.25 to 4"),
        ({"input": "Hi.", "speed": "fast"}, "speed", "Expected 'float', got 'str'"),
        ({"input": "Hi.", "response_format": "mp3"}, "response_format", "supported are: wav, pcm, mulaw"),
        ({"input": None}, "input", "missing required field 'input'"),
        ({"input": "Hi.", "voice": {"name": "heart"}}, "voice", "missing required field 'id'"),
        ({"input": "Hi.", "stream_format": "xml"}, "stream_format", "supported are: audio, sse"),
    ],
)
async def test_what_cannot_be_spoken_is_named(service: Service, body: dict[str, Any], param: str, message: str) -> None:
    status, error = await service.refusal(**body)
    assert (status, error["param"], error["type"]) == (400, param, "invalid_request_error")
    assert message in error["message"]


@pytest.mark.parametrize(
    "body",
    [
        {"volume": 11, "user": {"id": [1, 2, 3]}},
        {"instructions": "Whisper, as if you were in church."},
        dict.fromkeys(("model", "voice", "sample_rate", "speed", "stream_format", "instructions", "volume")),
        {"voice": ""},
        {"voice": "default", "model": "tts-1-hd"},
        {"voice": {"id": "heart", "name": "Heart"}},
        {"input": "**Hello** _there_. \U0001f600 [1]"},
        {"input": "<think>They greet us.</think>Hello there."},
        {"input": "Hello there.", "speed": 1},
    ],
)
async def test_what_asks_for_nothing_of_ours_changes_nothing(service: Service, body: dict[str, Any]) -> None:
    async def spoken(**asked: Any) -> bytes:
        async with service.post(**{"input": "Hello there.", "response_format": "mulaw"} | asked) as response:
            assert response.status == 200, await response.text()
            return bytes(await response.read())

    assert await spoken(**body) == await spoken()


@pytest.mark.parametrize(("asked", "spoken"), [(0.25, 0.5), (0.5, 0.5), (2.0, 2.0), (4.0, 2.0)])
async def test_a_speed_that_no_voice_has_is_the_nearest_or_is_refused(
    speech: SpeechService, asked: float, spoken: float
) -> None:
    async with serving(speech) as service:
        sounds = []
        for speed in (asked, spoken):
            async with service.post(input="Hello there.", speed=speed, response_format="mulaw") as response:
                assert response.status == 200
                sounds.append(await response.read())
        assert sounds[0] == sounds[1]
    async with (
        serving(speech, msgspec.structs.replace(API, refuse_odd_speeds=True)) as service,
        service.post(input="Hello there.", speed=asked, response_format="mulaw") as response,
    ):
        assert response.status == (200 if asked == spoken else 400)


async def test_a_body_that_is_no_json_or_too_large(service: Service) -> None:
    headers = {"Authorization": f"Bearer {KEY}"}
    async with service.http.post(f"{service.base}/audio/speech", data=b"{input", headers=headers) as response:
        assert (response.status, (await response.json())["error"]["code"]) == (400, "invalid_json")
    async with service.http.post(f"{service.base}/audio/speech", data=b" " * 70_000, headers=headers) as response:
        assert (response.status, (await response.json())["error"]["code"]) == (413, "body_too_large")


async def test_without_the_right_key_there_is_nothing(service: Service) -> None:
    for key, code in (
        ("", "missing_api_key"),
        ("wrong-key-wrong-key", "invalid_api_key"),
        (KEY[:-1], "invalid_api_key"),
    ):
        status, error = await service.refusal(key, input="Hi.")
        assert (status, error["code"], error["type"]) == (401, code, "authentication_error")
    for path in ("models", "voices", "models/bridge", "audio/stream"):
        async with service.http.get(f"{service.base}/{path}") as response:
            assert response.status == 401
    async with service.post(OTHER_KEY, input="Hi.") as response:
        assert response.status == 200


async def test_the_voices_are_listed_with_their_other_names(service: Service) -> None:
    async with service.http.get(f"{service.base}/voices", headers={"Authorization": f"Bearer {KEY}"}) as response:
        first, alias = (await response.json())["data"]
    assert (first["id"], first["default"]) == ("heart", True)
    assert "hibari" in first["engine"]
    assert (alias["id"], alias["alias_of"]) == ("alloy", "heart")


async def test_without_keys_the_api_is_off(speech: SpeechService) -> None:
    for source, environ in ((speech, {"BRIDGE_API_KEYS": " "}), (None, KEYS)):
        async with serving(source, API, environ) as service:
            status, error = await service.refusal(input="Hi.")
            assert (status, error["code"]) == (404, "speech_api_off")
            assert "BRIDGE_API_KEYS" in error["message"]


@pytest.mark.parametrize("key", ["short", "a key with spaces in it", "schlüssel-schlüssel-schlüssel"])
def test_a_key_that_cannot_be_one_is_refused_at_start(key: str) -> None:
    with pytest.raises(ConfigError, match="environment variable BRIDGE_API_KEYS: has ") as refused:
        speech_keys(API, {"BRIDGE_API_KEYS": f"{KEY},{key}"})
    assert key not in str(refused.value)
    assert KEY not in str(refused.value)


async def test_a_draining_process_takes_no_more(service: Service) -> None:
    await service.gateway.drain(0.0)
    status, error = await service.refusal(input="Hi.")
    assert (status, error["code"]) == (503, "draining")


async def test_one_key_cannot_have_more_streams_than_its_share(speech: SpeechService) -> None:
    async with serving(speech, msgspec.structs.replace(API, streams_per_key=2)) as service:
        running = [await service.post(input=LONG, response_format="pcm") for _ in range(2)]
        async with service.post(input="Hi.") as response:
            assert (response.status, response.headers["Retry-After"]) == (429, "1")
            assert (await response.json())["error"]["code"] == "too_many_streams"
        async with service.post(OTHER_KEY, input="Hi.") as response:
            assert response.status == 200
        for response in running:
            response.close()

        async def free() -> bool:
            async with service.post(input="Hi.") as again:
                return bool(again.status == 200)

        await until(free)


def test_the_rate_of_a_key_is_a_count_that_fades() -> None:
    now = 0.0
    access = Access(SpeechApiSettings(requests_per_minute=2), (KEY, OTHER_KEY), lambda: now)
    account = access.account(f"Bearer {KEY}")
    assert account is access.account(f"bearer  {KEY} ")
    for _ in range(2):
        account.take()
        account.give_back()
    with pytest.raises(ApiError) as refused:
        account.take()
    assert refused.value.status == 429
    wait_s = float(refused.value.response().headers["Retry-After"])
    assert 30 < wait_s < 60
    access.account(f"Bearer {OTHER_KEY}").take()
    now = wait_s - 2.0
    with pytest.raises(ApiError):
        account.take()
    now = wait_s
    account.take()
    with pytest.raises(ApiError):
        account.take()


@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 1), st.floats(0.0, 20.0), st.booleans()), max_size=60),
)
def test_processes_count_together_whichever_of_them_a_request_comes_to(
    requests: list[tuple[int, int, float, bool]],
) -> None:
    now = 0.0
    settings = SpeechApiSettings(requests_per_minute=6, streams_per_key=3)
    cells = [0.0] * cells_needed(2, 3)
    many = [Access(settings, (KEY, OTHER_KEY), lambda: now, KeyUse(2, cells, place)) for place in range(3)]
    alone = Access(settings, (KEY, OTHER_KEY), lambda: now)

    def taken(access: Access, key: str) -> bool:
        try:
            access.account(f"Bearer {key}").take()
        except ApiError:
            return False
        return True

    for place, key, later_s, over in requests:
        now += later_s
        name = (KEY, OTHER_KEY)[key]
        admitted = taken(alone, name)
        assert taken(many[place], name) == admitted
        if admitted and over:
            many[place].account(f"Bearer {name}").give_back()
            alone.account(f"Bearer {name}").give_back()


def test_what_a_process_had_in_use_that_died_is_free_when_another_takes_its_place() -> None:
    cells = [0.0] * cells_needed(1, 2)
    lives, dies = (Access(API, (KEY,), use=KeyUse(1, cells, place)) for place in (0, 1))
    for access in (lives, dies, dies):
        access.account(f"Bearer {KEY}").take()
    use = KeyUse(1, cells, 1)
    assert use.streams(0) == 1


# ---- faults that a good worker does not have ------------------------------------------------------------------------


@dataclass
class Puppet:
    """A source whose streams do what the test says."""

    refusal: VoiceError | None = None
    request: SpeechRequest | None = None
    listener: SpeechListener | None = None
    sent: list[str] = field(default_factory=list)
    opened: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def voices(self) -> dict[str, str]:
        return {"heart": "puppet-1"}

    def open_stream(self, request: SpeechRequest, listener: SpeechListener) -> SpeechStream:
        if self.refusal:
            raise self.refusal
        self.request, self.listener = request, listener
        self.opened.set()
        return self

    def text(self, delta: str) -> None:
        self.sent.append(delta)

    def flush(self) -> None:
        self.sent.append("flush")

    def end(self) -> None:
        self.sent.append("end")

    def playout(self, lead_ms: float, upto_ms: int | None = None) -> None:
        self.sent.append(f"playout {lead_ms:.0f} {upto_ms}")

    def cancel(self) -> None:
        self.sent.append("cancel")


async def test_a_busy_worker_is_429_with_the_time_to_ask_again() -> None:
    puppet = Puppet()
    async with serving(puppet) as service:
        asked = asyncio.create_task(service.post(input="Hi.").__aenter__())
        await puppet.opened.wait()
        assert puppet.listener
        puppet.listener.failed(VoiceBusy("busy: no place for another stream now", 2.4))
        response = await asked
        assert (response.status, response.headers["Retry-After"]) == (429, "3")
        assert (await response.json())["error"]["code"] == "busy"
    async with serving(Puppet(VoiceError("no worker"))) as service:
        status, error = await service.refusal(input="Hi.")
        assert (status, error["code"], error["type"]) == (503, "speech_failed", "server_error")


@pytest.mark.parametrize("asked", ["over HTTP", *get_args(Priority)])
async def test_a_program_is_served_behind_all_callers_whatever_it_asks_for(asked: Any) -> None:
    puppet = Puppet()
    async with serving(puppet) as service, connected(service) as caller:
        posted = None
        if asked == "over HTTP":
            posted = asyncio.create_task(service.refusal(input="Hi."))
        else:
            await caller.say(protocol.Open(stream=1, priority=asked))
        async with asyncio.timeout(PATIENCE_S):
            await puppet.opened.wait()
        assert puppet.request
        assert puppet.request.priority == "tenant"
        assert puppet.listener
        puppet.listener.done()
        if posted:
            await posted


@pytest.mark.parametrize("words", [(), (Word("\u4f60\u597d", 0, 0),)])
async def test_a_text_without_a_sound_is_no_empty_file(words: tuple[Word, ...]) -> None:
    puppet = Puppet()
    async with serving(puppet) as service:
        asked = asyncio.create_task(service.refusal(input="…"))
        await puppet.opened.wait()
        assert puppet.listener
        if words:
            puppet.listener.words(words)
        puppet.listener.done()
        status, error = await asked
        assert (status, error["code"], error["param"]) == (400, "nothing_to_say", "input")


async def test_a_worker_that_dies_in_the_middle_breaks_the_sound_off() -> None:
    puppet = Puppet()
    async with serving(puppet) as service:
        response = await _first_sound(service, puppet)
        assert puppet.listener
        puppet.listener.failed(VoiceLost("the worker is gone"))
        with pytest.raises(aiohttp.ClientPayloadError):
            await response.read()
        assert await service.ended("failed") == 1
        response = await _first_sound(service, puppet, stream_format="sse")
        puppet.listener.failed(VoiceLost("the worker is gone"))
        last = (await response.read()).split(b"data: ")[-1]
        assert json.loads(last)["error"]["message"] == "the worker is gone"
        assert await service.ended("failed") == 2


async def test_a_worker_that_says_nothing_is_given_up() -> None:
    puppet = Puppet()
    async with serving(puppet, msgspec.structs.replace(API, stall_s=0.3)) as service:
        status, error = await service.refusal(input="Hi.")
        assert (status, error["code"]) == (503, "speech_failed")
        assert puppet.sent[-1:] == ["cancel"]


async def test_who_goes_away_while_nothing_is_sent_is_noticed_too() -> None:
    puppet = Puppet()
    async with serving(puppet, msgspec.structs.replace(API, stall_s=3600.0)) as service:
        (await _first_sound(service, puppet)).close()

        async def free() -> bool:
            return puppet.sent[-1:] == ["cancel"] and await service.ended("cancelled") == 1

        await until(free)


async def _first_sound(service: Service, puppet: Puppet, **wanted: Any) -> aiohttp.ClientResponse:
    puppet.opened.clear()
    asked = asyncio.create_task(service.post(input="Hi.", response_format="mulaw", **wanted).__aenter__())
    await puppet.opened.wait()
    assert puppet.listener
    puppet.listener.audio(b"\x55" * 160)
    response: aiohttp.ClientResponse = await asked
    assert response.status == 200
    return response


def test_a_client_that_reads_slowly_stops_its_own_stream_alone() -> None:
    puppet, second = Puppet(), b"\xff" * 8000
    spoken = SpeechResponse(MULAW_8000)
    spoken.begin(puppet)
    for _ in range(20):
        spoken.audio(second)
        spoken.taken(8000)
    for _ in range(9):
        spoken.audio(second)
    assert puppet.sent == []
    for _ in range(2):
        spoken.audio(second)  # the last may have been on its way
    assert puppet.sent == [f"playout {FULL_MS} 30000"]
    for _ in range(5):
        spoken.taken(8000)
    assert len(puppet.sent) == 1
    spoken.taken(8000)
    assert puppet.sent[1:] == ["playout 5000 36000"]
    for _ in range(5):
        spoken.audio(second)
    spoken.taken(8000)
    assert len(puppet.sent) == 2
    for _ in range(4):
        spoken.taken(8000)
    assert puppet.sent[2:] == ["playout 5000 41000"]


def test_formats_that_are_none_of_ours_are_refused() -> None:
    assert format_of("pcm").audio_format.name == "pcm_24000"
    for wanted, rate in (("flac", None), ("WAV", None), ("pcm", 0), ("pcm", 22050), ("mulaw", 24000)):
        with pytest.raises(ValueError, match="not supported"):
            format_of(wanted, rate)


# ---- the WebSocket --------------------------------------------------------------------------------------------------


class Caller:
    """A client of the WebSocket."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket
        self.sound: dict[int, bytes] = {}
        self.words: dict[int, list[Word]] = {}

    async def say(self, *messages: protocol.FromClient) -> None:
        for message in messages:
            await self.socket.send_str(protocol.encode(message))

    async def hear(self) -> FromWorker:
        """The next message that is neither sound nor words."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                if (message := await self.next()) is not None:
                    return message

    async def next(self) -> FromWorker | None:
        message = await self.socket.receive()
        if message.type is aiohttp.WSMsgType.BINARY:
            audio = protocol.decode_audio(message.data)
            so_far = self.sound.get(audio.stream, b"")
            assert audio.offset * 2 == len(so_far)
            self.sound[audio.stream] = so_far + audio.data
            return None
        assert message.type is aiohttp.WSMsgType.TEXT, message
        told = protocol.decode_worker(message.data)
        if isinstance(told, protocol.Words):
            self.words.setdefault(told.stream, []).extend(told.words)
            return None
        return told

    async def hear_sound(self, stream: int) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while stream not in self.sound:
                assert await self.next() is None


@asynccontextmanager
async def connected(service: Service) -> AsyncIterator[Caller]:
    async with service.http.ws_connect(
        f"{service.base}/audio/stream", headers={"Authorization": f"Bearer {KEY}"}
    ) as socket:
        yield Caller(socket)


async def test_a_text_is_spoken_while_it_is_written(service: Service, whisper: Whisper) -> None:
    async with connected(service) as caller:
        ready = await caller.hear()
        assert isinstance(ready, Ready)
        assert (ready.voices, ready.default_voice) == (["heart", "alloy"], "heart")
        await caller.say(Open(7, "alloy", "pcm_16000"), Text(7, "I have an opening on Tues"), Text(7, "day. Shall "))
        await caller.hear_sound(7)  # before there is an end
        await caller.say(Text(7, "I book it for you?"), End(7))
        assert await caller.hear() == Done(7, len(caller.sound[7]) // 32)
        assert [word.text for word in caller.words[7]] == TEXT.split()
        samples = np.frombuffer(caller.sound[7], "<i2")
        assert "opening on Tuesday" in whisper.recognise(telephone(samples, 16000)).text
        await caller.say(Open(7, format="pcm_8000"), Text(7, "Yes"), Flush(7))
        caller.sound.clear()
        await caller.hear_sound(7)
        await caller.say(End(7))
        assert isinstance(await caller.hear(), Done)
    assert await service.ended("done") == 2


async def test_a_cancel_silences_its_stream_and_no_other(service: Service, speech: SpeechService) -> None:
    async with connected(service) as caller:
        await caller.hear()
        await caller.say(*(message for n in (1, 2) for message in (Open(n, format="pcm_8000"), Text(n, LONG), End(n))))
        await caller.hear_sound(1)
        await caller.say(Cancel(1))
        assert isinstance(told := await caller.hear(), Cancelled)
        heard = len(caller.sound[1])
        assert told == Cancelled(1, heard // 16)
        await caller.say(Cancel(1), Text(1, "late"))  # no error
        assert await caller.hear() == Done(2, len(caller.sound[2]) // 16)
        assert len(caller.sound[1]) == heard
        assert heard < len(caller.sound[2]) / 2
        assert speech.stats()["worker0_under_way"] == 0


async def test_credit_holds_the_sound_back(service: Service) -> None:
    async with connected(service) as caller:
        await caller.hear()
        await caller.say(Open(1, format="pcm_8000"), PlayoutReport(1, 0, 500), Text(1, TEXT), End(1))
        await caller.hear_sound(1)
        await caller.say(Open(2, format="pcm_8000"), Text(2, "Goodbye."), End(2))
        assert isinstance(await caller.hear(), Done)
        assert len(caller.sound[1]) == 500 * 16
        await caller.say(PlayoutReport(1, 0, 60_000))
        assert isinstance(await caller.hear(), Done)


async def test_a_mistake_costs_one_stream_its_life(service: Service) -> None:
    async with connected(service) as caller:
        await caller.hear()
        await caller.say(Open(1, format="pcm_8000"), Text(1, "One moment "))
        mistakes: list[tuple[tuple[protocol.FromClient, ...], str]] = [
            ((Open(2, "hart"),), "unknown_voice"),
            ((Open(2, format="mp3"),), "unknown_format"),
            ((Open(2, speed=9.0),), "bad_speed"),
            ((Text(9, "Hi."),), "unknown_stream"),
            ((Open(3), Text(3, "x" * 4097)), "text_too_long"),
            ((Open(4), Open(4)), "stream_exists"),
            ((Open(7, language="tlh"),), "unknown_language"),
            ((Open(8), Text(8, "Wait <brea"), Text(8, 'k time="soon"/> here.')), "bad_ssml"),
            ((Open(5), PlayoutReport(5, 0, 0), Text(5, LONG), End(5), Text(5, "more")), "already_ended"),
        ]
        for messages, code in mistakes:
            await caller.say(*messages)
            assert isinstance(error := await caller.hear(), Error)
            assert (error.code, error.stream) == (code, messages[0].stream)
        await caller.socket.send_str('{"type":"text","stream":6}')
        assert isinstance(error := await caller.hear(), Error)
        assert (error.code, error.stream) == ("bad_message", 6)
        await caller.say(Text(1, "please."), End(1))
        assert isinstance(await caller.hear(), Done)
        await caller.socket.send_bytes(b"noise")
        assert isinstance(error := await caller.hear(), Error)
        assert (error.code, error.stream) == ("bad_message", None)
        assert (await caller.socket.receive()).type is aiohttp.WSMsgType.CLOSE


async def test_who_hangs_up_the_socket_frees_its_streams(service: Service, speech: SpeechService) -> None:
    async with connected(service) as caller:
        await caller.hear()
        await caller.say(*(message for n in range(3) for message in (Open(n), Text(n, LONG), End(n))))

        async def spoken() -> bool:
            return speech.stats()["worker0_under_way"] == 3

        await until(spoken)

    async def free() -> bool:
        return speech.stats()["worker0_under_way"] == 0 and await service.ended("cancelled") == 3

    await until(free)


async def test_an_open_stream_without_text_makes_no_worker_look_late(
    service: Service, speech: SpeechService, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with connected(service) as caller:
        await caller.hear()
        await caller.say(Open(1, format="pcm_8000"))
        await caller.say(Open(2, format="pcm_8000"), Text(2, "Goodbye."), End(2))
        await caller.hear()
        [provider] = speech._pool.providers
        # Longer than what counts as no headroom left.
        monkeypatch.setattr(provider, "time", lambda: time.monotonic() + 0.6)
        assert speech.stats()["worker0_under_way"] == 1
        assert speech.headroom() > 0.5


async def test_a_client_that_never_reads_is_cut_off() -> None:
    puppet = Puppet()
    async with serving(puppet) as service, connected(service) as caller:
        await caller.hear()
        await caller.say(Open(1))
        await puppet.opened.wait()
        assert puppet.listener
        for _ in range(600):
            puppet.listener.audio(b"\xff" * 8000)

        async def cut() -> bool:
            return puppet.sent[-1:] == ["cancel"]

        await until(cut)


async def test_a_socket_is_no_page(service: Service) -> None:
    async with service.http.get(f"{service.base}/audio/stream", headers={"Authorization": f"Bearer {KEY}"}) as response:
        assert (response.status, (await response.json())["error"]["code"]) == (426, "upgrade_required")
