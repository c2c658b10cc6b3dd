"""The recogniser behind the OpenAI API, against a server double on a real socket."""

from __future__ import annotations

import asyncio
import io
import wave
from collections.abc import AsyncIterator, Awaitable, Callable

import numpy as np
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from bridge.listening.recognisers.base import ExpectedSpeech, Finalised, FinalText, StreamEvent, StreamFailed
from bridge.listening.recognisers.openai_transcriptions import OpenAITranscriptions
from bridge.listening.settings import OpenAITranscriptionSettings
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


async def ask(url: str, *, hints: tuple[str, ...] = (), deadline_s: float = 5.0) -> list[StreamEvent]:
    """What a call is told about one utterance."""
    settings = OpenAITranscriptionSettings(model="whisper-1", url=url, key_env="TEST_SPEECH_KEY")
    recogniser = OpenAITranscriptions(settings)
    await recogniser.load()
    told: list[StreamEvent] = []
    try:
        stream = recogniser.start(ExpectedSpeech("en-US", hints), told.append)
        stream.feed(SPEECH, 2.0)
        stream.finalise(1, deadline_s)
        async with asyncio.timeout(60):
            while not told or not isinstance(told[-1], Finalised | StreamFailed):
                await asyncio.sleep(0.002)
    finally:
        await recogniser.unload()
    return told


async def failure(url: str, deadline_s: float = 5.0) -> StreamFailed:
    [failed] = await ask(url, deadline_s=deadline_s)
    assert isinstance(failed, StreamFailed)
    return failed


async def test_an_utterance_is_sent_as_the_api_wants_it(
    server: tuple[Server, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    double, url = server
    monkeypatch.setenv("TEST_SPEECH_KEY", "secret")
    text, done = await ask(url, hints=("Patel", "Okafor"))
    assert isinstance(text, FinalText)
    assert text.text == "I want to cancel my order."
    assert text.confidence == pytest.approx(np.exp(-0.2))
    assert done == Finalised(1)
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
    assert await ask(url) == [Finalised(1)]


async def test_a_server_that_gives_only_text_is_believed(server: tuple[Server, str]) -> None:
    double, url = server

    async def only_text() -> web.Response:
        return web.json_response({"text": "Yes."})

    double.answer = only_text
    assert await ask(url) == [FinalText(0, "Yes.", 2.0, 1.0), Finalised(1)]


@pytest.mark.parametrize(
    ("status", "kind"),
    [(401, "auth"), (403, "auth"), (402, "quota"), (429, "busy"), (503, "busy"), (400, "rejected"), (500, "internal")],
)
async def test_a_refusal_is_named_by_kind_and_without_its_body(
    server: tuple[Server, str], status: int, kind: str
) -> None:
    double, url = server

    async def refuse() -> web.Response:
        return web.Response(status=status, text="key secret is wrong")

    double.answer = refuse
    refused = await failure(url)
    assert refused.kind == kind
    assert str(status) in refused.reason
    assert "secret" not in refused.reason


@pytest.mark.parametrize("body", [b"<html>busy</html>", b"\xff\xfe", b"[]", b'{"text": 3}', b"", b"x" * (2 << 20)])
async def test_an_answer_that_is_none_is_named(server: tuple[Server, str], body: bytes) -> None:
    double, url = server

    async def nonsense() -> web.Response:
        return web.Response(body=body)

    double.answer = nonsense
    assert (await failure(url)).kind == "internal"


async def test_a_server_that_never_answers_meets_the_deadline(server: tuple[Server, str]) -> None:
    double, url = server
    never = asyncio.Event()

    async def stall() -> web.Response:
        await never.wait()
        return web.Response()

    double.answer = stall
    stalled = await failure(url, deadline_s=0.2)
    assert stalled.kind == "idle"
    assert "within 0.2 s" in stalled.reason
    never.set()


async def test_a_server_that_is_not_there_is_lost(unused_tcp_port: int) -> None:
    lost = await failure(f"http://127.0.0.1:{unused_tcp_port}/v1/audio/transcriptions")
    assert lost.kind == "lost"
    assert "nobody listens there" in lost.reason
