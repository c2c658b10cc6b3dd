"""What tests of all rooms share: a real Redis, and that no test is timed: a slow machine must not fail one."""

from __future__ import annotations

import asyncio
import gc
import shutil
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from pathlib import Path

import aiohttp
import pytest
import redis as redis_client
from hypothesis import settings

from bridge.simulator import virtual

# A change is judged by the same examples wherever it is judged; new ones are looked for by `make explore`.
steady = settings(deadline=None, derandomize=True, database=None)
settings.register_profile("steady", steady)
settings.register_profile("brief", steady, max_examples=15, stateful_step_count=15)
settings.register_profile("explore", settings(deadline=None, max_examples=300, print_blob=True))
settings.load_profile("steady")


def pytest_collection_finish() -> None:
    """Leave the tests themselves, half the objects of a process, out of every later search for garbage."""
    gc.collect()
    gc.freeze()


LONGEST = (
    "test_new_project.py",
    "call/test_published_clips.py",
    "simulator/planted/test_planted_bugs.py",
    "processes/test_served_examples.py",
    "processes/test_streams.py",
    "processes/test_outliving.py",
    "processes/test_lifetime.py",
    "listening/test_recogniser_contract.py",
    "listening/test_processors.py",
    "worker/test_faults.py",
    "simulator/test_published_scenarios.py",
    "simulator/test_pytest_plugin.py",
    "test_what_is_said.py",
)
"""Files that one process works on for a minute or more: begun last, they would keep it when the others are done."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    files = [Path(__file__).parent / name for name in LONGEST]
    items.sort(key=lambda item: files.index(item.path) if item.path in files else len(files))


@pytest.fixture
async def in_virtual_time(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    """For `usefixtures`: seconds cost nothing, the network is in memory, every clock is the loop's."""
    for owner in (aiohttp, aiohttp.client):
        monkeypatch.setattr(owner, "TCPConnector", lambda **_how: virtual.MemoryConnector(limit=0))
    loop = asyncio.get_running_loop()
    if not isinstance(loop, virtual.VirtualLoop):  # a test that is no coroutine has no loop of its own
        yield
        return
    with virtual.standing_in(loop, seed=1):
        yield


def pytest_asyncio_loop_factories(item: pytest.Function) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The loop of each asynchronous test and of its fixtures."""
    if "in_virtual_time" in item.fixturenames:
        return {"virtual": virtual.VirtualLoop}
    return {"real": asyncio.new_event_loop}


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
