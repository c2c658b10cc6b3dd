"""A voice behind the OpenAI speech API: the client against a server of that protocol, over real sockets."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from bridge.audio.encoder import Samples
from bridge.errors import VoiceError
from bridge.worker.client import connect
from bridge.worker.engines.openai_speech import OpenAiSpeechEngine, Pcm
from bridge.worker.main import listen
from bridge.worker.runaway import Runaway
from bridge.worker.server import Worker
from bridge.worker.settings import WorkerSettings
from bridge.worker.voice_settings import ServedVoiceSettings
from bridge.worker.voices import LoadedVoice
from tests.worker.test_server import heard, say

RATE_HZ = 24_000


def sound(text: str) -> Samples:
    """70 ms for each letter; no two alike, as in speech."""
    letters = [np.sin(np.arange(1680) * (0.02 + 0.005 * (ord(letter) * 7 % 61))) for letter in text]
    shaped = np.concatenate(letters) * (0.3 + 0.2 * np.sin(np.arange(1680 * len(text)) * 0.00071))
    audio: Samples = shaped.astype(np.float32)
    return audio


def linear16(audio: Samples) -> bytes:
    return (audio * 32767).astype("<i2").tobytes()


def wav_head(rate_hz: int) -> bytes:
    format_chunk = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, rate_hz, rate_hz * 2, 2, 16)
    extra = struct.pack("<4sI3sx", b"LIST", 3, b"abc")
    return b"RIFF\xff\xff\xff\xffWAVE" + format_chunk + extra + b"data\xff\xff\xff\xff"


@dataclass
class Server:
    """Speaks like a model's server, and misbehaves as the text asks."""

    url: str = ""
    asked: list[dict[str, Any]] = field(default_factory=list)
    headers: list[str | None] = field(default_factory=list)
    engines: list[OpenAiSpeechEngine] = field(default_factory=list)
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    released: asyncio.Event = field(default_factory=asyncio.Event)

    async def speech(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        self.asked.append(body)
        self.headers.append(request.headers.get("Authorization"))
        text = str(body["input"])
        if "broken" in text:
            return web.json_response({"error": {"message": "model not loaded"}}, status=500)
        response = web.StreamResponse()
        await response.prepare(request)
        data = linear16(sound(text))
        if "wave" in text:
            data = wav_head(RATE_HZ if "right" in text else 16_000) + data
        try:
            await self._send(response, text, data)
            if "cut" in text and request.transport is not None:
                request.transport.abort()
        except (ConnectionError, asyncio.CancelledError):
            self.gone.set()
            raise
        return response

    async def _send(self, response: web.StreamResponse, text: str, data: bytes) -> None:
        if "mute" in text:
            await self.released.wait()
        for start in range(0, len(data), 4801):  # odd: samples are cut in two
            await response.write(data[start : start + 4801])
            if "stalls" in text:
                await self.released.wait()
        while "loops" in text:
            await response.write(data[: RATE_HZ * 2])
            await asyncio.sleep(0)
        if "breathes" in text:
            await response.write(bytes(RATE_HZ * 2 * 4))
            await self.released.wait()


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    server = Server()
    app = web.Application()
    app.router.add_post("/v1/audio/speech", server.speech)
    runner = web.AppRunner(app, shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    yield server
    server.released.set()
    for engine in server.engines:
        engine.close()
    await runner.cleanup()


def engine_of(server: Server, **more: Any) -> OpenAiSpeechEngine:
    settings = {"url": server.url, "model": "orpheus", "voice": "tara", **more}
    engine = OpenAiSpeechEngine(ServedVoiceSettings(**settings))
    server.engines.append(engine)
    return engine


async def speak(engine: OpenAiSpeechEngine, text: str, speed: float = 1.0) -> tuple[Samples, list[tuple[float, float]]]:
    def steps() -> tuple[Samples, list[tuple[float, float]]]:
        job = engine.begin(text, text.split(), "tara", speed)
        audio, words = [np.zeros(0, np.float32)], None
        while job.kind is not None:
            step = engine.run([job])[0]
            if step.words is not None:
                assert words is None
                words = list(step.words)
            assert words is not None or not len(step.audio)
            audio.append(step.audio)
        assert words is not None
        return np.concatenate(audio), words

    async with asyncio.timeout(60):
        return await asyncio.to_thread(steps)


LINE = "I have an opening on Tuesday, shall I book it?"


async def test_what_the_server_says_is_heard(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_KEY", "secret")
    engine = engine_of(server, api_key_env="SHOP_KEY", extra={"stream": True})
    audio, words = await speak(engine, LINE, 1.25)
    expected = sound(LINE)
    assert len(audio) == pytest.approx(len(expected), abs=RATE_HZ * 0.02)
    np.testing.assert_allclose(audio[1000:-1000], expected[1000 : len(audio) - 1000], atol=1e-3)
    assert server.asked == [
        {"stream": True, "model": "orpheus", "voice": "tara", "input": LINE, "speed": 1.25, "response_format": "pcm"}
    ]
    assert server.headers == ["Bearer secret"]
    assert len(words) == len(LINE.split())
    edges = [edge for word in words for edge in word]
    assert edges == sorted(edges)


async def test_a_wav_file_is_understood_and_a_wrong_rate_named(server: Server) -> None:
    audio, _ = await speak(engine_of(server), "right wave")
    assert len(audio) == pytest.approx(len(sound("right wave")), abs=RATE_HZ * 0.02)
    with pytest.raises(VoiceError, match="at 16000 Hz, expected one of 16 bits at 24000 Hz"):
        await speak(engine_of(server), "other wave")


@given(st.lists(st.integers(1, 50), min_size=1), st.booleans())
def test_samples_survive_any_cuts(sizes: list[int], header: bool) -> None:
    numbers = np.arange(-100, 100, dtype="<i2")
    data = (wav_head(8000) if header else b"") + numbers.tobytes()
    pcm, heard_samples, start, index = Pcm(8000), [], 0, 0
    while start < len(data):
        size = sizes[index % len(sizes)]
        heard_samples.append(pcm.feed(data[start : start + size]))
        start, index = start + size, index + 1
    np.testing.assert_array_equal(np.concatenate(heard_samples) * 32768, numbers)


@pytest.mark.parametrize(
    ("text", "reason"),
    [("it loops", "repeats"), ("mute it is", "no_progress"), ("it stalls here for ever", "no_progress")],
)
async def test_a_server_that_loses_the_text_is_stopped(server: Server, text: str, reason: str) -> None:
    with pytest.raises(Runaway) as caught:
        await speak(engine_of(server, first_audio_s=0.3), text + " " + "and so the words go on with others " * 4)
    assert caught.value.reason == reason
    async with asyncio.timeout(60):
        await server.gone.wait()  # it was told


async def test_an_endless_breath_only_ends_the_piece(server: Server) -> None:
    text = "she breathes"
    audio, _ = await speak(engine_of(server), text)
    assert len(audio) / RATE_HZ == pytest.approx(len(text) * 0.07, abs=0.1)


async def test_errors_say_what_the_server_said(server: Server, unused_tcp_port: int) -> None:
    with pytest.raises(VoiceError, match=r"answers 500.*model not loaded"):
        await speak(engine_of(server), "broken")
    with pytest.raises(VoiceError, match="audio/speech"):
        await speak(engine_of(server), "it is cut short")
    with pytest.raises(VoiceError, match="audio/speech"):
        await speak(engine_of(server, url=f"http://127.0.0.1:{unused_tcp_port}/v1"), "nobody there")


async def test_what_is_cancelled_is_cancelled_at_the_server(server: Server) -> None:
    engine = engine_of(server)
    job = engine.begin("it stalls", ["it", "stalls"], "tara", 1.0)
    while not server.asked:
        await asyncio.to_thread(engine.run, [job])
    job.cancel()
    async with asyncio.timeout(60):
        await server.gone.wait()


async def test_through_the_worker_one_failing_stream_harms_no_other(server: Server) -> None:
    worker = Worker(
        WorkerSettings(port=0, voices={}), {"tara": LoadedVoice(engine_of(server, first_audio_s=2), "tara", 1.0)}
    )
    await worker.start()
    runner = web.AppRunner(worker.application(), shutdown_timeout=0.1)
    await runner.setup()
    try:
        async with await connect(await listen(runner, worker.settings)) as link:
            streams = [say(link, text, "tara") for text in ("Good one.", "broken", "it loops around", "Another one.")]
            with pytest.raises(VoiceError, match=r"engine_failed.*500"):
                await heard(streams[1])
            with pytest.raises(VoiceError, match=r"engine_runaway.*repeats"):
                await heard(streams[2])
            for stream, text in ((streams[0], "Good one."), (streams[3], "Another one.")):
                audio, words, _ = await heard(stream)
                assert words == text.split()
                assert len(audio) / 8000 == pytest.approx(len(text) * 0.07, abs=0.3)
    finally:
        await runner.cleanup()
        await worker.close()
