from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import pytest
import redis as redis_client

from bridge.speaking.settings import CacheSettings, SpeakingSettings
from bridge.speaking.speech import Speech
from tests.speaking.doubles import FakeWorker


@pytest.fixture(scope="session")
def worker() -> Iterator[str]:
    """The real worker with its default voice, in a process of its own; the address of its socket."""
    with tempfile.TemporaryDirectory(prefix="bridge-test-") as folder:
        path = f"{folder}/worker.sock"
        process = subprocess.Popen(
            [sys.executable, "-m", "bridge.worker", "--unix", path], stdout=subprocess.PIPE, text=True
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


@pytest.fixture(scope="session")
def _redis_server() -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    binary = shutil.which("redis-server")
    if binary is None:
        pytest.skip("no redis-server on the PATH")
    with tempfile.TemporaryDirectory(prefix="bridge-test-") as folder:
        path = f"{folder}/redis.sock"
        options = ["--port", "0", "--unixsocket", path, "--save", "", "--appendonly", "no", "--dir", folder]
        process = subprocess.Popen([binary, *options], stdout=subprocess.DEVNULL)
        try:
            client = redis_client.Redis.from_url(f"unix://{path}")
            deadline = time.monotonic() + 10
            while True:
                try:
                    client.ping()
                    break
                except redis_client.ConnectionError:
                    assert time.monotonic() < deadline, "redis-server did not start"
                    time.sleep(0.01)  # a fixture waiting for a process
            client.close()
            yield f"unix://{path}", process
        finally:
            process.kill()
            process.wait()


@pytest.fixture
def redis_process(_redis_server: tuple[str, subprocess.Popen[bytes]]) -> subprocess.Popen[bytes]:
    return _redis_server[1]


@pytest.fixture
def redis_url(_redis_server: tuple[str, subprocess.Popen[bytes]]) -> str:
    """A real, empty Redis."""
    url = _redis_server[0]
    client = redis_client.Redis.from_url(url)
    client.flushall()
    client.close()
    return url


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


OpenSpeech = Callable[..., Awaitable[Speech]]


@pytest.fixture
async def open_speech() -> AsyncIterator[OpenSpeech]:
    """Starts Speech with these settings; closed at the end of the test, whatever happened in it."""
    opened: list[Speech] = []

    async def start(settings: SpeakingSettings, connect_s: float = 5.0) -> Speech:
        speech = Speech(settings, connect_s=connect_s)
        opened.append(speech)
        await speech.start()
        return speech

    yield start
    for speech in opened:
        await speech.close()


@pytest.fixture
async def speech(worker: str, open_speech: OpenSpeech) -> Speech:
    """Speech with the real worker and an empty cache in memory."""
    return await open_speech(SpeakingSettings(workers=(worker,)))
