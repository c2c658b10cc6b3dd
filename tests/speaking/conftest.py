from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import pytest

from bridge.speaking.settings import CacheSettings, SpeakingSettings
from bridge.speaking.speech import SpeechService
from bridge.system.lifetime import die_with_parent
from tests.speaking.doubles import FakeWorker


@pytest.fixture(scope="session")
def worker() -> Iterator[str]:
    """The real worker with its default voice, in a process of its own; the address of its socket."""
    with tempfile.TemporaryDirectory(prefix="bridge-test-") as folder:
        path = f"{folder}/worker.sock"
        process = subprocess.Popen(
            [sys.executable, "-m", "bridge.worker", "--unix", path],
            stdout=subprocess.PIPE,
            text=True,
            preexec_fn=die_with_parent(),
        )
        assert process.stdout is not None
        try:
            for line in process.stdout:
                if line.startswith("speech worker ready"):
                    break
            else:
                raise RuntimeError("the speech worker did not start")
            yield f"unix:{path}"
        finally:
            process.terminate()
            process.wait(10)


@pytest.fixture
async def fake() -> AsyncIterator[FakeWorker]:
    async with FakeWorker() as worker:
        yield worker


@pytest.fixture
async def other() -> AsyncIterator[FakeWorker]:
    async with FakeWorker() as worker:
        yield worker


def impatient(*workers: FakeWorker, cache: CacheSettings | None = None) -> SpeakingSettings:
    """Settings with deadlines short enough for a test of faults."""
    return SpeakingSettings(
        workers=tuple(w.address for w in workers),
        first_audio_ms=150,
        stall_ms=150,
        give_up_ms=600,
        cache=cache or CacheSettings(),
    )


OpenSpeech = Callable[..., Awaitable[SpeechService]]


@pytest.fixture
async def open_speech() -> AsyncIterator[OpenSpeech]:
    """Starts SpeechService with these settings; closed at the end of the test, whatever happened in it."""
    opened: list[SpeechService] = []

    async def start(settings: SpeakingSettings, connect_s: float = 5.0, redis_url: str = "") -> SpeechService:
        speech = SpeechService(settings, connect_s=connect_s, redis_url=redis_url)
        opened.append(speech)
        await speech.start()
        return speech

    yield start
    for speech in opened:
        await speech.close()


@pytest.fixture
async def speech(worker: str, open_speech: OpenSpeech) -> SpeechService:
    """SpeechService with the real worker and an empty cache in memory."""
    return await open_speech(SpeakingSettings(workers=(worker,)))
