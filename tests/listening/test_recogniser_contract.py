"""The contract, kept by every recogniser there is: the embedded one, the OpenAI API's, and the streaming one."""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import signal
import subprocess
import wave
from collections.abc import AsyncIterator

import numpy as np
import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import TestServer

from bridge.audio.mulaw import encode_float
from bridge.listening.engine_messages import EngineSetup
from bridge.listening.engine_pool import EnginePool
from bridge.listening.recognisers.embedded import EmbeddedRecogniser
from bridge.listening.recognisers.openai_transcriptions import OpenAITranscriptions
from bridge.listening.recognisers.websocket import WebSocketRecogniser
from bridge.listening.recognisers.whisper import Whisper
from bridge.listening.settings import OpenAITranscriptionSettings, WebSocketRecogniserSettings, WhisperSettings
from tests.listening.recogniser_contract import RecogniserContract, Rig, loaded
from tests.listening.streaming_service import StreamingService


@pytest.fixture(scope="module")
def whisper() -> Whisper:
    return Whisper(WhisperSettings())


def engine_processes() -> list[int]:
    listed = subprocess.run(
        ["ps", "-ww", "--ppid", str(os.getpid()), "-o", "pid=,args="], capture_output=True, text=True, check=True
    )
    return [int(row.split()[0]) for row in listed.stdout.splitlines() if "engine_process" in row]


@pytest.mark.asyncio(loop_scope="class")
class TestEmbedded(RecogniserContract):
    """One pool for all of it, which has its processes again after they died."""

    @pytest_asyncio.fixture(scope="class", loop_scope="class")
    @classmethod
    async def pool(cls) -> AsyncIterator[EnginePool]:
        pool = EnginePool(EngineSetup(WhisperSettings(), None))
        await pool.start()
        try:
            yield pool
        finally:
            await pool.close()

    @pytest_asyncio.fixture(loop_scope="class")
    async def rig(self, pool: EnginePool) -> AsyncIterator[Rig]:  # type: ignore[override]
        killing: list[asyncio.Task[None]] = []

        async def kill_for_good() -> None:
            """A process that dies is replaced at once and asked again: only an engine that dies each time is lost."""
            while True:
                for process in engine_processes():
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(process, signal.SIGKILL)
                await asyncio.sleep(0.01)

        async def kill() -> None:
            killing.append(asyncio.create_task(kill_for_good()))
            await asyncio.sleep(0)

        try:
            async with loaded(EmbeddedRecogniser(pool)) as recogniser:
                yield Rig(recogniser, kill)
        finally:
            for task in killing:
                task.cancel()


class TestOpenAI(RecogniserContract):
    """The far side is a server that understands the API's form and recognises with the real model."""

    @pytest.fixture
    async def rig(self, whisper: Whisper) -> AsyncIterator[Rig]:
        gone = False

        async def transcribe(request: web.Request) -> web.Response:
            if gone:
                return web.Response(status=503)
            file = (await request.post())["file"]
            assert isinstance(file, web.FileField)
            with wave.open(io.BytesIO(file.file.read())) as sound:
                linear16 = np.frombuffer(sound.readframes(sound.getnframes()), "<i2")
            ulaw = encode_float((linear16[::2] / 32768).astype(np.float32))
            found = await asyncio.to_thread(whisper.recognise, ulaw)
            return web.json_response({"text": found.text})

        async def kill() -> None:
            nonlocal gone
            gone = True

        app = web.Application()
        app.router.add_post("/v1/audio/transcriptions", transcribe)
        server = TestServer(app)
        await server.start_server()
        settings = OpenAITranscriptionSettings(model="any", url=str(server.make_url("/v1/audio/transcriptions")))
        try:
            async with loaded(OpenAITranscriptions(settings)) as recogniser:
                yield Rig(recogniser, kill)
        finally:
            await server.close()


class TestWebSocket(RecogniserContract):
    @pytest.fixture
    async def rig(self, whisper: Whisper) -> AsyncIterator[Rig]:
        service = StreamingService(whisper)
        async with service.serve() as url, loaded(WebSocketRecogniser(WebSocketRecogniserSettings(url=url))) as it:
            yield Rig(it, service.dies)
