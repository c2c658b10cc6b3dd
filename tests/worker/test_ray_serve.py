"""A replica and its directory without Ray's cluster: what it says of a worker that is well, that is gone, and alone."""

from __future__ import annotations

import asyncio
import time
from types import SimpleNamespace
from typing import Any

import pytest

from bridge.worker import ray_serve
from bridge.worker.fleet import LEASE_S
from bridge.worker.ray_serve import SpeechWorker, WorkerDirectory


class Answers:
    """A method of a Ray Serve handle."""

    def __init__(self, answer: Any) -> None:
        self.remote = answer


class Double:
    """The worker process that a replica keeps."""

    address, last_words, alive = "ws://127.0.0.1:1", "Killed", True


@pytest.fixture(autouse=True)
def unasked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ray awaits what the interpreter, which ends these replicas, does not."""
    monkeypatch.delattr(SpeechWorker, "__del__")


def replica(directory: Any) -> SpeechWorker:
    one = object.__new__(SpeechWorker)
    one._worker, one._directory = Double(), directory  # type: ignore[assignment]
    one._stats, one._stats_at, one._ready = {"streams": 3.0, "headroom": 0.4}, time.monotonic(), True
    return one


async def never(_address: str) -> float:
    await asyncio.Event().wait()
    return 0.0


async def test_a_directory_that_is_away_makes_no_worker_ill() -> None:
    one = replica(SimpleNamespace(announce=Answers(never), withdraw=Answers(never)))
    telling = asyncio.create_task(one._tell())
    await asyncio.sleep(0)
    await one.check_health()
    assert await one.record_autoscaling_stats() == {"streams": 3.0, "headroom": 0.4}
    telling.cancel()


async def test_a_worker_that_has_ended_is_to_be_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    one = replica(None)
    monkeypatch.setattr(Double, "alive", False)
    with pytest.raises(RuntimeError, match=r"has ended; it said:\n  Killed"):
        await one.check_health()


async def test_a_worker_that_says_nothing_is_to_be_replaced() -> None:
    one = replica(None)
    one._stats_at -= 60
    with pytest.raises(RuntimeError, match="does not answer"):
        await one.check_health()


async def test_a_directory_names_nobody_until_all_have_had_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("starlette", reason="the directory answers through starlette, which Ray Serve brings")
    now = 1000.0
    monkeypatch.setattr(ray_serve, "time", SimpleNamespace(monotonic=lambda: now))
    monkeypatch.setenv("BRIDGE_WORKER_TOKEN", "secret")
    directory = WorkerDirectory("BRIDGE_WORKER_TOKEN", None)
    known = SimpleNamespace(headers={"authorization": "Bearer secret"})

    assert await directory.announce("ws://127.0.0.1:1") == LEASE_S
    assert (await directory(known)).status_code == 503
    now += LEASE_S
    assert await directory.announce("ws://127.0.0.1:1") == 0.0
    assert (await directory(known)).body == b'{"workers":["ws://127.0.0.1:1"]}'
    for headers in ({}, {"authorization": "Bearer wrong"}, {"authorization": "Bearer \udcff"}):
        assert (await directory(SimpleNamespace(headers=headers))).status_code == 401
    await directory.withdraw("ws://127.0.0.1:1")
    assert (await directory(known)).body == b'{"workers":[]}'
