from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

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
            deadline = time.monotonic() + 10
            while not Path(path).exists():
                assert time.monotonic() < deadline, "redis-server did not start"
                time.sleep(0.01)  # a fixture waiting for a process
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


@pytest.fixture
async def speech(worker: str) -> AsyncIterator[Speech]:
    """Speech with the real worker and an empty cache in memory."""
    speech = Speech(SpeakingSettings(workers=(worker,)))
    await speech.start()
    try:
        yield speech
    finally:
        await speech.close()
