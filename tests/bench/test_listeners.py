"""Many listeners at a real worker over real sockets, with an engine that costs nothing."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import islice, pairwise

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from bridge.bench import listeners, playback
from bridge.bench.listeners import arrivals, hold, length_s
from bridge.bench.measures import Level
from bridge.bench.worker import Target
from bridge.errors import VoiceLost
from bridge.worker.main import listen
from bridge.worker.server import Worker
from bridge.worker.settings import SchedulerSettings, WorkerSettings
from bridge.worker.voices import LoadedVoice
from tests.worker.test_server import ToneEngine


@asynccontextmanager
async def a_worker(scheduler: SchedulerSettings | None = None) -> AsyncIterator[Target]:
    settings = WorkerSettings(port=0, voices={}, scheduler=scheduler or SchedulerSettings())
    worker = Worker(settings, {"tone": LoadedVoice(ToneEngine(), "", 1.0)})
    await worker.start()
    server = web.AppRunner(worker.application(), shutdown_timeout=0.1)
    await server.setup()
    try:
        yield Target(await listen(server, settings))
    finally:
        await server.cleanup()
        await worker.close()


async def held(target: Target, text: str, streams: int = 8, seconds: float = 0.3) -> Level:
    said: list[str] = []
    return await hold(target, streams, seconds, lines=[text], mean_s=0.2, rng=random.Random(1), progress=said.append)


@pytest.fixture(autouse=True)
def brief(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listeners, "_FEW", 1)


async def test_every_text_is_heard_and_the_worker_is_asked_what_it_cost() -> None:
    async with a_worker() as target:
        level = await held(target, "one two three")
    assert level.utterances == level.finished == len(level.ttfa_ms) > 4
    assert (level.underruns, level.refused, level.failed, level.sound_after_cancel) == (0, 0, 0, 0)
    assert level.audio_s == pytest.approx(0.3 * level.utterances, rel=0.1)
    assert level.rtf is not None
    assert level.mean_batch is not None
    assert 0 < level.rtf < 1 <= level.mean_batch <= 4
    assert level.mean_streams > 0
    assert len(level.late_ms) > 10
    assert level.own_cpu > 0


async def test_longer_texts_are_played_on_credit_and_some_are_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listeners, "CANCELLED_SHARE", 0.5)
    monkeypatch.setattr(playback, "CANCELLED_AFTER_MS", 100.0)
    async with a_worker() as target:
        level = await held(target, "one two three four five six seven eight nine ten eleven", streams=4)
    assert level.finished == level.utterances
    assert 0 < len(level.cancel_ms) < level.utterances
    assert level.sound_after_cancel == 0


async def test_a_full_worker_refuses_and_that_is_counted() -> None:
    async with a_worker(SchedulerSettings(max_streams=1)) as target:
        level = await held(target, "one two three four five six seven eight nine ten")
    assert 0 < level.refused == level.utterances - level.finished
    assert not level.sound


async def test_a_voice_that_fails_is_counted() -> None:
    async with a_worker() as target:
        level = await held(target, "a bad text")
    assert level.failed == level.utterances > 4
    assert (level.finished, level.ttfa_ms) == (0, [])


async def test_a_hopeless_level_ends_early() -> None:
    async with a_worker() as target:
        level = await hold(
            target, 8, 600.0, lines=["bad"], mean_s=0.2, rng=random.Random(1), hopeless=lambda level: level.failed > 0
        )
    assert 0 < level.utterances < 100


async def test_a_level_at_which_we_were_late_is_void(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bridge.bench.measures.LATE_MS", -1.0)
    async with a_worker() as target:
        level = await held(target, "one", seconds=0.1)
    assert "our own clock" in level.void[0]
    assert not level.sound


async def test_nobody_there_is_an_error_with_the_address() -> None:
    with pytest.raises(VoiceLost, match=r"no speech worker at ws://127\.0\.0\.1:9"):
        await held(Target("ws://127.0.0.1:9"), "one")


@given(st.integers(1, 2**32), st.floats(0.5, 200))
def test_arrivals_are_random_with_the_rate_that_was_asked_for(seed: int, rate: float) -> None:
    times = list(islice(arrivals(rate, random.Random(seed)), 2000))
    assert times == sorted(times)
    assert times == list(islice(arrivals(rate, random.Random(seed)), 2000))
    assert 2000 / times[-1] == pytest.approx(rate, rel=0.15)
    gaps = [after - before for before, after in pairwise(times)]
    assert 0.55 < sum(gap < 1 / rate for gap in gaps) / len(gaps) < 0.72  # 1 - 1/e


@pytest.mark.parametrize(("rate", "lasts_s"), [(10.0, 20.0), (2.0, 20.0), (1.0, 30.0), (0.1, 80.0)])
def test_levels_with_few_arrivals_last_longer(monkeypatch: pytest.MonkeyPatch, rate: float, lasts_s: float) -> None:
    monkeypatch.setattr(listeners, "_FEW", 30)
    assert length_s(20.0, rate) == lasts_s
