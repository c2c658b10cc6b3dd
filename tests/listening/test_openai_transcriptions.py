"""The recogniser behind the OpenAI API, against a server double on a real socket."""

from __future__ import annotations

import io
import wave
from collections.abc import AsyncIterator, Awaitable, Callable

import numpy as np
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from bridge.errors import ConfigError
from bridge.listening.recognisers.base import RecogniserError, Text
from bridge.listening.recognisers.openai_transcriptions import OpenAITranscriptions
from bridge.listening.settings import RecogniserSettings
from bridge.listening.sound import samples_16k
from tests.listening.sounds import line, say

SPEECH = line(say("I want to cancel my order."))


class Server:
    """Keeps what it was sent; answers what it was told to."""

    def __init__(self) -> None:
        self.form: dict[str, object] = {}
        self.authorization: str | None = None
        self.answer: Callable[[], Awaitable[web.Response]] = self.transcription

    async def transcription(self) -> web.Response:
        segments = [{"id": 0, "text": " I want...", "avg_logprob": -0.2, "no_speech_prob": 0.01, "tokens": [1, 2]}]
        return web.json_response(
            {"task": "transcribe", "language": "english", "text": " I want to cancel my order. ", "segments": segments}
        )

    async def handle(self, request: web.Request) -> web.Response:
        self.authorization = request.headers.get("Authorization")
        for name, value in (await request.post()).items():
            self.form[name] = value.file.read() if isinstance(value, web.FileField) else value
        return await self.answer()


@pytest.fixture
async def server() -> AsyncIterator[tuple[Server, str]]:
    double = Server()
    app = web.Application()
    app.router.add_post("/v1/audio/transcriptions", double.handle)
    listening = TestServer(app)
    await listening.start_server()
    yield double, str(listening.make_url("/v1/audio/transcriptions"))
    await listening.close()


async def ask(url: str, *, hints: tuple[str, ...] = (), deadline_s: float = 5.0) -> Text:
    recogniser = OpenAITranscriptions(
        RecogniserSettings(
            engine="openai", model="whisper-1", url=url, deadline_s=deadline_s, api_key_variable="TEST_SPEECH_KEY"
        )
    )
    await recogniser.load()
    try:
        stream = recogniser.start(language="en-US", hints=hints, on_partial=lambda _: None)
        return await stream.recognise(SPEECH)
    finally:
        await recogniser.unload()


async def test_an_utterance_is_sent_as_the_api_wants_it(
    server: tuple[Server, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    double, url = server
    monkeypatch.setenv("TEST_SPEECH_KEY", "secret")
    text = await ask(url, hints=("Patel", "Okafor"))
    assert text.text == "I want to cancel my order."
    assert text.confidence == pytest.approx(np.exp(-0.2))
    assert double.authorization == "Bearer secret"
    sound = double.form.pop("file")
    assert double.form == {
        "model": "whisper-1",
        "language": "en",
        "response_format": "verbose_json",
        "prompt": "Patel, Okafor",
    }
    assert isinstance(sound, bytes)
    with wave.open(io.BytesIO(sound)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 16000)
        linear16 = np.frombuffer(file.readframes(file.getnframes()), "<i2")
    assert linear16 / 32768 == pytest.approx(samples_16k(SPEECH), abs=1e-4)


async def test_a_server_without_keys_gets_none(server: tuple[Server, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TEST_SPEECH_KEY", raising=False)
    await ask(server[1])
    assert server[0].authorization is None


async def test_what_the_server_takes_for_noise_is_no_text(server: tuple[Server, str]) -> None:
    double, url = server

    async def noise() -> web.Response:
        return web.json_response(
            {"text": "Thank you for watching.", "segments": [{"avg_logprob": -0.4, "no_speech_prob": 0.9}]}
        )

    double.answer = noise
    assert (await ask(url)).text == ""


async def test_a_server_that_gives_only_text_is_believed(server: tuple[Server, str]) -> None:
    double, url = server

    async def only_text() -> web.Response:
        return web.json_response({"text": "Yes."})

    double.answer = only_text
    assert await ask(url) == Text("Yes.", 1.0)


async def test_a_refusal_is_named_without_its_body(server: tuple[Server, str]) -> None:
    double, url = server

    async def refuse() -> web.Response:
        return web.Response(status=401, text="key secret is wrong")

    double.answer = refuse
    with pytest.raises(RecogniserError, match="401 Unauthorized") as refused:
        await ask(url)
    assert "secret" not in str(refused.value)


async def test_an_answer_that_is_none_is_named(server: tuple[Server, str]) -> None:
    double, url = server

    async def nonsense() -> web.Response:
        return web.Response(text="<html>busy</html>")

    double.answer = nonsense
    with pytest.raises(RecogniserError, match="no transcription"):
        await ask(url)


async def test_a_server_that_never_answers_meets_the_deadline(server: tuple[Server, str]) -> None:
    import asyncio

    double, url = server
    never = asyncio.Event()

    async def stall() -> web.Response:
        await never.wait()
        return web.Response()

    double.answer = stall
    with pytest.raises(RecogniserError, match=r"within 0\.2 s"):
        await ask(url, deadline_s=0.2)
    never.set()


async def test_a_server_that_is_not_there_is_a_recogniser_error(unused_tcp_port: int) -> None:
    with pytest.raises(RecogniserError, match="ClientConnectorError"):
        await ask(f"http://127.0.0.1:{unused_tcp_port}/v1/audio/transcriptions")


async def test_a_model_must_be_named() -> None:
    with pytest.raises(ConfigError, match=r"listening\.recogniser\.model"):
        await OpenAITranscriptions(RecogniserSettings(engine="openai")).load()
